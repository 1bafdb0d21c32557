/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The canonical form of a configuration and its digests: equal settings give equal text, however they were
 * written. Must not print secrets, nor mix what is this host's alone into a digest.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"

static int
instance_order(const void *a, const void *b)
{
	const struct set_instance *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void
conf_settings_sort(struct settings *s)
{
	struct svip_addr self = { 0 };

	if (s->self >= 0)
		self = s->node[s->self];
	qsort(s->node, (size_t)s->n_nodes, sizeof(s->node[0]), svip_addr_order);
	for (int i = 0; s->self >= 0 && i < s->n_nodes; i++) {
		if (svip_addr_same(&s->node[i], &self)) {
			s->self = i;
			break;
		}
	}
	qsort(s->sentinel, (size_t)s->n_sentinels, sizeof(s->sentinel[0]), svip_host_order);
	for (int i = 0; i < s->n_instances; i++)
		qsort(s->instance[i].address, (size_t)s->instance[i].n_addresses,
		    sizeof(s->instance[i].address[0]), svip_addr_order);
}

/* The instances by name; NULL: out of memory (or none). To be freed. */
static const struct set_instance **
by_name(const struct settings *s)
{
	const struct set_instance **v = calloc((size_t)s->n_instances + 1, sizeof(*v));

	for (int i = 0; v != NULL && i < s->n_instances; i++)
		v[i] = &s->instance[i];
	if (v != NULL)
		qsort(v, (size_t)s->n_instances, sizeof(*v), instance_order);
	return v;
}

static void
put_string(FILE *to, const char *key, const char *value)
{
	if (*value != '\0')
		fprintf(to, "%s = \"%s\"\n", key, value);
}

static void
put_ms(FILE *to, const char *key, svip_ms ms)
{
	fprintf(to, "%s = \"%lldms\"\n", key, (long long)ms);
}

static const char *
on_off(bool b)
{
	return b ? "on" : "off";
}

static void
put_lists(const struct settings *s, FILE *to)
{
	char text[SVIP_TEXT_MAX];

	fputs("sentinels = {", to);
	for (int i = 0; i < s->n_sentinels; i++)
		fprintf(to, "%s \"%s\"", i == 0 ? "" : ",", svip_host_text(&s->sentinel[i], text));
	fputs(" }\nnodes = {", to);
	for (int i = 0; i < s->n_nodes; i++)
		fprintf(
		    to, "%s \"%s\"", i == 0 ? "" : ",", svip_addr_text(&s->node[i], false, text));
	fputs(" }\n", to);
}

static void
put_addresses(const struct set_instance *in, FILE *to)
{
	char text[SVIP_TEXT_MAX];

	fputs("address = {", to);
	for (int i = 0; i < in->n_addresses; i++)
		fprintf(to, "%s \"%s\"", i == 0 ? "" : ",",
		    svip_addr_text(&in->address[i], true, text));
	fputs(" }\n", to);
}

/* What two nodes must agree on before one may take. */
static void
put_safety(const struct settings *s, const struct set_instance *const *v, FILE *to)
{
	put_lists(s, to);
	put_ms(to, "lease", s->lease_ms);
	fprintf(to, "fence = \"%s\"\n", conf_fence_word(s->fence));
	put_ms(to, "guard", s->guard_ms);
	fprintf(to, "clock-drift = \"%d.%04d%%\"\n", s->drift_ppm / 10000, s->drift_ppm % 10000);
	for (int i = 0; i < s->n_instances; i++) {
		fprintf(to, "vip \"%s\" {\n", v[i]->name);
		put_addresses(v[i], to);
		fputs("}\n", to);
	}
}

static void
put_heartbeats(const struct settings *s, FILE *to)
{
	char text[SVIP_TEXT_MAX] = "off";

	put_ms(to, "heartbeat", s->heartbeat_ms);
	if (s->multicast)
		svip_addr_text(&s->group, false, text);
	fprintf(to, "multicast = \"%s\"\nunicast = \"%s\"\nport = \"%u\"\nttl-min = \"%d\"\n", text,
	    on_off(s->unicast), (unsigned)s->port, s->ttl_min);
	fputs("arp {\nat = {", to);
	for (int i = 0; i < s->arp.n_steps; i++)
		fprintf(to, "%s \"%lldms\"", i == 0 ? "" : ",", (long long)s->arp.step_ms[i]);
	fputs(" }\n", to);
	put_ms(to, "refresh", s->arp.refresh_ms);
	fputs("}\n", to);
}

/* host: with what may differ between the nodes. */
static void
put_instance(const struct set_instance *in, bool host, FILE *to)
{
	struct svip_addr a;
	char text[SVIP_TEXT_MAX];

	fprintf(to, "vip \"%s\" {\n", in->name);
	put_string(to, "interface", in->interface);
	put_addresses(in, to);
	if ((host && in->redis_given) || (svip_host_addr(&in->redis, &a) && conf_is_loopback(&a)))
		fprintf(to, "redis = \"%s\"\n", svip_host_text(&in->redis, text));
	else if (!in->redis_given)
		fprintf(to, "redis = \"%u\"\n", (unsigned)in->redis.port);
	if (host && in->announce.port != 0)
		fprintf(to, "announce = \"%s\"\n", svip_host_text(&in->announce, text));
	put_string(to, "on-conflict", in->yield_on_conflict ? "yield-and-fault" : "defend");
	put_string(to, "reset-connections", on_off(in->reset_connections));
	put_string(to, "notify", in->scripts.any);
	put_string(to, "notify-master", in->scripts.master);
	put_string(to, "notify-backup", in->scripts.backup);
	put_string(to, "notify-fault", in->scripts.fault);
	fputs("}\n", to);
}

static void
put_all(const struct settings *s, const struct set_instance *const *v, bool host, FILE *to)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug" };
	char text[SVIP_TEXT_MAX];

	put_string(to, "cluster", s->cluster);
	put_lists(s, to);
	put_string(to, "key-file", s->key_file);
	put_ms(to, "lease", s->lease_ms);
	put_ms(to, "poll", s->poll_ms);
	fprintf(to, "fence = \"%s\"\n", conf_fence_word(s->fence));
	put_ms(to, "guard", s->guard_ms);
	fprintf(to, "clock-drift = \"%d.%04d%%\"\n", s->drift_ppm / 10000, s->drift_ppm % 10000);
	fprintf(to, "on-quorum-loss = \"%s\"\nobserve = \"%s\"\n",
	    s->hold_on_quorum_loss ? "hold" : "release", on_off(s->observe));
	fprintf(to, "hold-writes = \"%s\"\n", on_off(s->hold_writes));
	put_string(to, "handover-on-stop", on_off(s->handover_on_stop));
	if (s->expedite_ms > 0)
		put_ms(to, "expedite-failover", s->expedite_ms);
	else
		put_string(to, "expedite-failover", "off");
	put_heartbeats(s, to);
	put_string(to, "sentinel-user", s->sentinel_auth.user);
	put_string(to, "sentinel-password-file", s->sentinel_auth.file);
	put_string(to, "redis-user", s->redis_auth.user);
	put_string(to, "redis-password-file", s->redis_auth.file);
	put_ms(to, "notify-timeout", s->script_timeout_ms);
	put_string(to, "log-level", levels[s->log_level]);
	for (int i = 0; i < s->n_instances; i++)
		put_instance(v[i], host, to);
	if (!host)
		return;
	fputs(
	    "# not compared between the nodes, as are \"announce\" and an address in \"redis\":\n",
	    to);
	put_string(to, "user", s->user);
	put_string(to, "group", s->group_name);
	put_string(to, "script-user", s->script_user);
	if (s->metrics.port != 0)
		fprintf(to, "metrics-listen = \"%s\"\n", svip_host_text(&s->metrics, text));
}

static void
put_by_name(const struct settings *s, bool own, FILE *to)
{
	const struct set_instance **v = by_name(s);

	if (v != NULL)
		put_all(s, v, own, to);
	free(v);
}

void
conf_canonical(const struct settings *s, FILE *to)
{
	put_by_name(s, true, to);
}

void
conf_shared(const struct settings *s, FILE *to)
{
	put_by_name(s, false, to);
}

static bool
digest(const struct settings *s, const struct set_instance *const *v, bool safety,
    uint8_t out[SVIP_DIGEST_LEN])
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	bool ok;

	if (to == NULL)
		return false;
	if (safety)
		put_safety(s, v, to);
	else
		put_all(s, v, false, to);
	ok = fclose(to) == 0 &&
	     crypto_generichash(out, SVIP_DIGEST_LEN, (const uint8_t *)text, size, NULL, 0) == 0;
	free(text);
	return ok;
}

bool
conf_digests(struct settings *s)
{
	const struct set_instance **v = by_name(s);
	bool ok =
	    v != NULL && digest(s, v, true, s->digest_safety) && digest(s, v, false, s->digest_all);

	free(v);
	return ok;
}
