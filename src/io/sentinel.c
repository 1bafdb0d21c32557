/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of Sentinels: instances, addresses, identities, status. Must not talk to them: the files beside do. */
#include "sentinel_in.h"

#include "clock.h"
#include "wire/hiredis_codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- instances ---- */

/* Answers carry it: the index, and a serial because indices change on reload. */
uint64_t
sentinel_tag(const struct sentinels *set, int instance)
{
	return (uint64_t)set->instance[instance].serial << 32 | (uint32_t)instance;
}

int
sentinel_of_tag(const struct sentinels *set, uint64_t tag)
{
	uint32_t serial = (uint32_t)(tag >> 32), i = (uint32_t)tag;

	if (i < (uint32_t)set->n_instances && set->instance[i].serial == serial)
		return (int)i;
	for (int j = 0; j < set->n_instances; j++)
		if (set->instance[j].serial == serial)
			return j;
	return -1;
}

static int
make_room(struct sentinels *set)
{
	int max = set->instances_max == 0 ? 4 : 2 * set->instances_max;
	struct named *list;
	struct track *track;

	if (set->n_instances < set->instances_max)
		return 0;
	list = realloc(set->instance, (size_t)max * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	set->instance = list;
	for (int i = 0; i < set->n_servers; i++) {
		track = realloc(set->server[i]->track, (size_t)max * sizeof(*track));
		if (track == NULL)
			return -ENOMEM;
		set->server[i]->track = track;
	}
	set->instances_max = max;
	return 0;
}

static void
track_init(struct track *tr)
{
	memset(tr, 0, sizeof(*tr));
	tr->heard = SVIP_LONG_AGO;
	tr->fault = REPLY_NO_CONNECTION;
}

int
sentinel_add(struct sentinels *set, const char *name)
{
	int n = set->n_instances, rc = make_room(set);

	if (rc != 0)
		return rc;
	memset(&set->instance[n], 0, sizeof(set->instance[n]));
	snprintf(set->instance[n].name, sizeof(set->instance[n].name), "%s", name);
	set->instance[n].serial = ++set->last_serial;
	for (int i = 0; i < set->n_servers; i++)
		track_init(&set->server[i]->track[n]);
	set->n_instances++;
	sentinel_poll(set, n);
	return n;
}

void
sentinel_remove(struct sentinels *set, int instance)
{
	int last = --set->n_instances;

	set->instance[instance] = set->instance[last];
	for (int i = 0; i < set->n_servers; i++)
		set->server[i]->track[instance] = set->server[i]->track[last];
}

void
sentinel_poll(struct sentinels *set, int instance)
{
	for (int i = 0; i < set->n_servers; i++)
		sentinel_query_hint(set->server[i], instance);
}

/* ---- addresses ---- */

static void
on_resolved(void *ctx, const struct svip_addr *list, int n, const char *why)
{
	struct server *s = ctx;

	s->resolver = NULL;
	s->lookup_error[0] = '\0';
	if (n == 0) { /* what was known before stays in use */
		log_clean(why, strlen(why), s->lookup_error, sizeof(s->lookup_error));
		return;
	}
	memcpy(s->addr, list, (size_t)n * sizeof(list[0]));
	s->n_addrs = n;
	s->good = 0;
	s->stale = false;
}

static void
look_up(struct server *s)
{
	svip_ms now = clock_ms();

	if (s->resolver != NULL || now - s->looked_up < RESOLVE_AGAIN_MS)
		return;
	s->looked_up = now;
	s->resolver = resolver_start(s->set->loop, s->host.name, on_resolved, s);
	if (s->resolver == NULL)
		snprintf(s->lookup_error, sizeof(s->lookup_error), "%s", strerror(errno));
}

/* The addresses are tried in turn, from the one that worked last. */
bool
sentinel_where(struct server *s, const struct rkeep *k, struct svip_addr *addr, uint16_t *port)
{
	if (!s->numeric && s->stale)
		look_up(s);
	if (s->n_addrs == 0)
		return false;
	*addr = s->addr[(s->good + k->failures) % s->n_addrs];
	*port = s->host.port;
	return true;
}

void
sentinel_where_failed(struct server *s, const struct rkeep *k, bool was_up)
{
	if (!was_up && k->failures >= s->n_addrs)
		s->stale = true;
}

void
sentinel_where_worked(struct server *s, const struct rkeep *k)
{
	if (k->failures > 0 && s->n_addrs > 0)
		s->good = (s->good + k->failures) % s->n_addrs;
}

/* ---- identity ---- */

/*
 * Two configured names may lead to one Sentinel, whose vote would count twice; and the connections to one name
 * may lead to two Sentinels, whose events would prove nothing. SENTINEL MYID tells, since Redis 6.2.
 */
bool
sentinel_identify(
    struct server *s, const struct redisReply *reply, bool second, char why[REPLY_TEXT_MAX])
{
	struct sentinels *set = s->set;
	char id[ID_MAX];

	if (reply->type != REDIS_REPLY_STRING || reply->len == 0 || reply->len >= sizeof(id))
		return true; /* an older Sentinel, or its ACL forbids the question */
	log_clean(reply->str, reply->len, id, sizeof(id));
	for (int i = 0; i < set->n_servers; i++) {
		/* In two lists it may have two names. */
		if (i == s->index || (set->server[i]->lists & s->lists) == 0 ||
		    strcmp(set->server[i]->id, id) != 0)
			continue;
		snprintf(why, REPLY_TEXT_MAX, "it is the same Sentinel as %s", set->server[i]->text);
		return false;
	}
	if (second && s->id[0] != '\0' && strcmp(s->id, id) != 0) {
		snprintf(why, REPLY_TEXT_MAX, "another Sentinel than the one that is asked");
		return false;
	}
	if (s->id[0] != '\0' && strcmp(s->id, id) != 0 && s->sub.up) {
		rkeep_fail(&s->sub, RCONN_CLOSED, "another Sentinel is there now", false);
		log_warning("sentinel %s: another Sentinel is there now", s->text);
	}
	memcpy(s->id, id, sizeof(id));
	return true;
}

void
sentinel_session(struct server *s)
{
	const struct sentinel_owner *owner = s->set->owner;

	owner->session(s->set->ctx, s->index);
	if (s->listening)
		owner->listening(s->set->ctx, s->index);
}

/* ---- life ---- */

static struct server *
server_new(struct sentinels *set, int index, const struct svip_host *host)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->track = calloc((size_t)set->instances_max, sizeof(*s->track));
	if (s->track == NULL) {
		free(s);
		return NULL;
	}
	for (int i = 0; i < set->n_instances; i++)
		track_init(&s->track[i]);
	s->set = set;
	s->index = index;
	s->host = *host;
	svip_host_text(host, s->text);
	s->numeric = svip_host_addr(host, &s->addr[0]);
	s->n_addrs = s->numeric ? 1 : 0;
	s->stale = !s->numeric;
	s->looked_up = s->replied = s->hinted = s->lagged = s->pinged = SVIP_LONG_AGO;
	s->known_next = clock_ms() + KNOWN_FIRST_MS;
	sentinel_query_init(s);
	sentinel_news_init(s);
	return s;
}

static void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	sentinel_news_fini(s);
	sentinel_query_fini(s);
	resolver_cancel(s->resolver);
	free(s->track);
	free(s);
}

struct sentinels *
sentinel_init(struct ev_loop *loop, const struct sentinel_conf *conf,
    const struct sentinel_owner *owner, void *ctx)
{
	struct sentinels *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->loop = loop;
	set->owner = owner;
	set->ctx = ctx;
	set->auth = *conf->auth;
	set->poll_ms = conf->poll_ms;
	set->lease_ms = conf->lease_ms;
	if (make_room(set) != 0 || sentinel_list(set, conf->n, conf->host, NULL) != 0) {
		sentinel_fini(set);
		return NULL;
	}
	return set;
}

void
sentinel_fini(struct sentinels *set)
{
	if (set == NULL)
		return;
	for (int i = 0; i < set->n_servers; i++)
		server_free(set->server[i]);
	free(set->instance);
	explicit_bzero(&set->auth, sizeof(set->auth));
	free(set);
}

static struct server *
find_server(const struct sentinels *set, const struct svip_host *host)
{
	for (int i = 0; i < set->n_servers; i++) {
		if (svip_host_same(&set->server[i]->host, host))
			return set->server[i];
	}
	return NULL;
}

int
sentinel_list(struct sentinels *set, int n, const struct svip_host *host, const unsigned *lists)
{
	struct server *list[SVIP_SENTINELS_MAX], *old[SVIP_SENTINELS_MAX];
	int n_old = set->n_servers;

	for (int i = 0; i < n; i++) {
		struct server *s = find_server(set, &host[i]);

		list[i] = s != NULL ? s : server_new(set, i, &host[i]);
		if (list[i] != NULL)
			continue;
		for (int k = 0; k < i; k++) {
			if (find_server(set, &host[k]) == NULL)
				server_free(list[k]);
		}
		return -ENOMEM;
	}
	memcpy(old, set->server, sizeof(old));
	memcpy(set->server, list, sizeof(list[0]) * (size_t)n);
	set->n_servers = n;
	for (int i = 0; i < n; i++) {
		list[i]->index = i;
		list[i]->lists = lists != NULL ? lists[i] : 1;
		sentinel_query_timing(list[i]);
	}
	for (int i = 0; i < n_old; i++) {
		if (find_server(set, &old[i]->host) == NULL)
			server_free(old[i]);
	}
	return 0;
}

void
sentinel_auth(struct sentinels *set, const struct set_auth *auth)
{
	set->auth = *auth;
	for (int i = 0; i < set->n_servers; i++) {
		sentinel_query_auth(set->server[i]);
		rkeep_auth(&set->server[i]->sub, auth);
	}
}

void
sentinel_timing(struct sentinels *set, svip_ms poll_ms, svip_ms lease_ms)
{
	set->poll_ms = poll_ms;
	set->lease_ms = lease_ms;
	for (int i = 0; i < set->n_servers; i++)
		sentinel_query_timing(set->server[i]);
}

/* ---- status ---- */

void
sentinel_status(const struct sentinels *set, int sentinel, svip_ms now, struct sentinel_status *out)
{
	const struct server *s = set->server[sentinel];
	const struct rkeep *k = &s->query[s->current].keep;

	memset(out, 0, sizeof(*out));
	out->host = s->host;
	out->up = sentinel_query_up(s);
	out->state = out->up ? "connected" : rkeep_word(k);
	out->listening = s->listening;
	out->listening_state = rkeep_word(&s->sub);
	if (s->n_addrs == 0) {
		out->state = out->listening_state =
		    s->lookup_error[0] != '\0' ? "unresolved" : "resolving";
		snprintf(out->error, sizeof(out->error), "%s", s->lookup_error);
	} else if (!out->up) {
		snprintf(out->error, sizeof(out->error), "%s", k->text);
	} else if (!s->sub.up) {
		snprintf(out->error, sizeof(out->error), "%s", s->sub.text);
	}
	out->last_reply_ms = s->replied == SVIP_LONG_AGO ? -1 : now - s->replied;
	out->rtt_ms = s->rtt_ms;
	for (int i = 0; i < QUERIES; i++)
		out->reconnects += s->query[i].keep.connects;
	if (out->reconnects > 0)
		out->reconnects--;
	out->spare = s->query[0].used && s->query[1].used;
	memcpy(out->id, s->id, sizeof(out->id));
	out->n_unknown = s->n_unknown;
	out->n_missing = s->n_missing;
	memcpy(out->unknown, s->unknown, sizeof(out->unknown));
	memcpy(out->missing, s->missing, sizeof(out->missing));
}

enum reply_fault
sentinel_fault(const struct sentinels *set, int sentinel, int instance)
{
	return set->server[sentinel]->track[instance].fault;
}
