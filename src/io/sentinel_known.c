/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the Sentinels that a Sentinel knows with those of the configuration. Reports; changes nothing. */
#include "sentinel_in.h"

#include "clock.h"
#include "wire/hiredis_codec.h"

#include <string.h>

static bool
same_place(const struct svip_host *host, const struct server *s)
{
	struct svip_addr addr;

	if (svip_host_same(host, &s->host))
		return true;
	if (host->port != s->host.port || !svip_host_addr(host, &addr))
		return false;
	for (int i = 0; i < s->n_addrs; i++)
		if (svip_addr_same(&addr, &s->addr[i]))
			return true;
	return false;
}

static bool
configured(const struct sentinels *set, const struct svip_host *host)
{
	for (int i = 0; i < set->n_servers; i++)
		if (same_place(host, set->server[i]))
			return true;
	return false;
}

static bool
listed(const struct svip_host *list, int n, const struct server *s)
{
	for (int i = 0; i < n; i++)
		if (same_place(&list[i], s))
			return true;
	return false;
}

/* Names that Sentinels announce can't be compared with addresses in the configuration, nor names without one. */
static bool
comparable(const struct sentinels *set, const struct svip_host *list, int n)
{
	struct svip_addr addr;

	for (int i = 0; i < n; i++)
		if (!svip_host_addr(&list[i], &addr) && !configured(set, &list[i]))
			return false;
	for (int i = 0; i < set->n_servers; i++)
		if (set->server[i]->n_addrs == 0)
			return false;
	return true;
}

static void
note(struct svip_host odd[SENTINEL_ODD_MAX], int *n, const struct svip_host *host)
{
	if (*n < SENTINEL_ODD_MAX)
		odd[*n] = *host;
	++*n;
}

static void
say(struct server *s, const char *name)
{
	char text[SVIP_TEXT_MAX];
	unsigned held;

	if (!log_allowed(&s->known_limit, SAY_MS, clock_ms(), &held))
		return;
	for (int i = 0; i < s->n_unknown && i < SENTINEL_ODD_MAX; i++)
		log_warning("sentinel %s: %s: it knows the Sentinel %s, which is not configured",
		    s->text, name, svip_host_text(&s->unknown[i], text));
	for (int i = 0; i < s->n_missing && i < SENTINEL_ODD_MAX; i++)
		log_warning("sentinel %s: %s: it does not know the configured Sentinel %s", s->text,
		    name, svip_host_text(&s->missing[i], text));
}

static void
on_known(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct query *q = ((struct rkeep *)ctx)->ctx;
	struct server *s = q->server;
	struct svip_host list[REPLY_SENTINELS_MAX];
	int instance = sentinel_of_tag(s->set, tag), n;
	uint32_t serial = (uint32_t)(tag >> 32);
	bool clean = true;

	(void)asked;
	if (instance == -1 || sentinel_reply_sentinels(reply, list, &n) != REPLY_FINE ||
	    !comparable(s->set, list, n))
		return;
	for (int i = 0; i < n; i++)
		clean = clean && configured(s->set, &list[i]);
	for (int i = 0; i < s->set->n_servers; i++)
		clean = clean && (i == s->index || listed(list, n, s->set->server[i]));
	/* What was found for one instance stays until that instance, or another fault, takes its place. */
	if (clean && s->known_serial != serial &&
	    sentinel_of_tag(s->set, (uint64_t)s->known_serial << 32) != -1)
		return;
	s->n_unknown = s->n_missing = 0;
	s->known_serial = clean ? 0 : serial;
	if (clean)
		return;
	for (int i = 0; i < n; i++)
		if (!configured(s->set, &list[i]))
			note(s->unknown, &s->n_unknown, &list[i]);
	for (int i = 0; i < s->set->n_servers; i++)
		if (i != s->index && !listed(list, n, s->set->server[i]))
			note(s->missing, &s->n_missing, &s->set->server[i]->host);
	say(s, s->set->instance[instance].name);
}

/* One instance at a time, each once a minute, but not more than one with each poll. */
void
sentinel_known_tick(struct server *s, struct rkeep *k, svip_ms now)
{
	struct sentinels *set = s->set;
	const char *argv[] = { "SENTINEL", "SENTINELS", NULL };

	if (now < s->known_next || set->n_instances == 0)
		return;
	s->known_turn = (s->known_turn + 1) % set->n_instances;
	s->known_next = now + KNOWN_EVERY_MS / set->n_instances;
	argv[2] = set->instance[s->known_turn].name;
	if (rconn_command(k->conn, 3, argv, on_known, sentinel_tag(set, s->known_turn)) == 0)
		rconn_flush(k->conn);
}
