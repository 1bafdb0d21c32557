/* SPDX-License-Identifier: BSD-2-Clause */
/* The file's own keys into settings: the cluster, its Sentinels and nodes, leases and modes. */
#include <string.h>

#include "conf_in.h"
#include "expedite.h"
#include "io/seal.h"

enum {
	LEASE_MS = 2000,
	LEASE_LEAST_MS = 500,
	LEASE_MOST_MS = 60000,
	POLL_LEAST_MS = 20,
	GUARD_MOST_MS = 60000,
	DRIFT_PPM = 10000,
	DRIFT_LEAST_PPM = 500, /* what a host may be slewed by NTP */
	DRIFT_MOST_PPM = 200000,
	SENTINEL_PORT = 26379,
};

/* A name that must be there. */
static void
read_cluster(struct conf_loader *l)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "cluster", &e);
	const char *why;

	if (conf_missing(&l->tree->global, "cluster"))
		conf_fault(l->tree, 0, 1, "cluster",
		    "is missing: a name of the cluster's own, the same on all nodes");
	if (v == NULL)
		return;
	why = conf_value_name(v->text);
	if (why != NULL) {
		conf_wrong(l, e, v, why);
		return;
	}
	snprintf(l->set->cluster, sizeof(l->set->cluster), "%s", v->text);
	l->set->cluster_id = seal_id64(l->set->cluster);
}

static void
add_sentinel(struct conf_loader *l, const struct conf_entry *e, const struct conf_value *v)
{
	struct settings *s = l->set;
	char place[CONF_PLACE_MAX];
	struct svip_host h;

	if (!svip_host_parse(v->text, SENTINEL_PORT, &h)) {
		conf_wrong(l, e, v, "is not HOST, HOST:PORT or [IPv6]:PORT");
		return;
	}
	for (int i = 0; i < s->n_sentinels; i++) {
		if (svip_host_same(&s->sentinel[i], &h)) {
			conf_fault(l->tree, e->file, v->line, "sentinels",
			    "\"%s\" is given twice, first at %s: a majority counts each Sentinel "
			    "once",
			    v->text,
			    conf_place(l->tree, e->file, l->sentinel_at[i].file,
			        l->sentinel_at[i].line, place));
			return;
		}
	}
	l->sentinel_at[s->n_sentinels] = (struct conf_value_at){ e->file, v->line };
	s->sentinel[s->n_sentinels++] = h;
}

static void
add_node(struct conf_loader *l, const struct conf_entry *e, const struct conf_value *v)
{
	struct settings *s = l->set;
	char place[CONF_PLACE_MAX];
	struct svip_addr a;

	if (strchr(v->text, '/') != NULL || !svip_addr_parse(v->text, &a)) {
		conf_wrong(l, e, v,
		    "is not an IP address: write each node's own address, without port and prefix");
		return;
	}
	for (int i = 0; i < s->n_nodes; i++) {
		if (svip_addr_same(&s->node[i], &a)) {
			conf_fault(l->tree, e->file, v->line, "nodes",
			    "\"%s\" is given twice, first at %s", v->text,
			    conf_place(
			        l->tree, e->file, l->node_at[i].file, l->node_at[i].line, place));
			return;
		}
	}
	l->node_at[s->n_nodes] = (struct conf_value_at){ e->file, v->line };
	s->node[s->n_nodes++] = a;
}

/* A list that must be there with one to max elements. */
static void
read_list(struct conf_loader *l, const char *key, int max, const char *example,
    void (*add)(struct conf_loader *, const struct conf_entry *, const struct conf_value *))
{
	const struct conf_entry *e = conf_get(&l->tree->global, key);

	if (conf_missing(&l->tree->global, key))
		conf_fault(l->tree, 0, 1, key, "is missing:  %s = { %s }", key, example);
	if (e == NULL || e->spoilt)
		return;
	if (e->n == 0)
		conf_fault(l->tree, e->file, e->line, key, "the list is empty:  %s = { %s }", key,
		    example);
	if (e->n > max)
		conf_fault(l->tree, e->file, e->value[max].line, key,
		    "\"%s\" is one more than %d, the most", e->value[max].text, max);
	for (int i = 0; i < e->n && i < max; i++)
		add(l, e, &e->value[i]);
}

static void
read_poll(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct conf_entry *e;
	const struct conf_value *v;
	char third[CONF_DURATION_MAX];

	s->poll_ms = s->lease_ms / 5;
	conf_duration(l, &l->tree->global, "poll", POLL_LEAST_MS, LEASE_MOST_MS, &s->poll_ms);
	v = conf_one(&l->tree->global, "poll", &e);
	if (v != NULL && s->poll_ms > s->lease_ms / 3)
		conf_fault(l->tree, e->file, v->line, "poll",
		    "\"%s\" is above %s, a third of the lease: a lost answer or two must not cost "
		    "the lease",
		    v->text, conf_duration_text(s->lease_ms / 3, third));
}

static const char *const fences[] = {
	[SET_FENCE_AUTO] = "auto",
	[SET_FENCE_NFTABLES] = "nftables",
	[SET_FENCE_REQUIRED] = "required",
	[SET_FENCE_LIFETIME] = "lifetime",
};

const char *
conf_fence_word(enum set_fence fence)
{
	return fences[fence];
}

static void
read_guard(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "fence", &e);
	int i = SET_FENCE_AUTO;

	if (v != NULL) {
		while (i <= SET_FENCE_LIFETIME && strcmp(v->text, fences[i]) != 0)
			i++;
		if (i > SET_FENCE_LIFETIME)
			conf_wrong(l, e, v, "is none of auto, nftables, required, lifetime");
		else
			s->fence = (enum set_fence)i;
	}
	s->guard_ms = s->fence == SET_FENCE_LIFETIME ? SET_GUARD_LIFETIME_MS : SET_GUARD_MS;
	v = conf_one(&l->tree->global, "guard", &e);
	conf_duration(l, &l->tree->global, "guard", 0, GUARD_MOST_MS, &s->guard_ms);
	if (v != NULL && s->fence == SET_FENCE_LIFETIME && s->guard_ms < SET_GUARD_LIFETIME_MS)
		conf_fault(l->tree, e->file, v->line, "guard",
		    "\"%s\" is below 2200ms, the least with fence = \"lifetime\": a dead holder's addresses are "
		    "taken away by their lifetime in the kernel, in whole seconds (up to 1 s of rounding) and up to "
		    "1.03 s late",
		    v->text);
	else if (v != NULL && s->guard_ms < SET_GUARD_MS)
		conf_fault(l->tree, e->file, v->line, "guard",
		    "\"%s\" is below 60ms, the least: the packet filter's time-out, the age of an order, and a tick "
		    "of the kernel's clock",
		    v->text);
}

static void
read_drift(struct conf_loader *l)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "clock-drift", &e);
	const char *why;
	int ppm;

	if (v == NULL)
		return;
	why = conf_value_percent(v->text, &ppm);
	if (why == NULL && ppm < DRIFT_LEAST_PPM)
		why = "is below 0.05%, the least: time synchronisation alone may bend a clock as "
		      "much";
	if (why == NULL && ppm > DRIFT_MOST_PPM)
		why = "is above 20%, the most";
	if (why != NULL)
		conf_wrong(l, e, v, why);
	else
		l->set->drift_ppm = ppm;
}

static void
read_expedite(struct conf_loader *l)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "expedite-failover", &e);
	bool on;

	if (v != NULL && (conf_value_bool(v->text, &on) != NULL || on))
		conf_duration(l, &l->tree->global, "expedite-failover", EXPEDITE_LEAST_MS,
		    EXPEDITE_MOST_MS, &l->set->expedite_ms);
}

static void
read_modes(struct conf_loader *l)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug" };
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "on-quorum-loss", &e);
	int i;

	l->set->hold_writes = true;
	conf_bool(l, "hold-writes", &l->set->hold_writes);
	conf_bool(l, "handover-on-stop", &l->set->handover_on_stop);
	read_expedite(l);
	conf_bool(l, "observe", &l->set->observe);
	if (v != NULL) {
		l->set->hold_on_quorum_loss = strcmp(v->text, "hold") == 0;
		if (!l->set->hold_on_quorum_loss && strcmp(v->text, "release") != 0)
			conf_wrong(l, e, v, "is neither \"release\" nor \"hold\"");
		if (l->set->hold_on_quorum_loss)
			conf_warn(l->tree, e->file, v->line, "on-quorum-loss",
			    "\"hold\" gives up the promise of at most one holder: a node that is "
			    "cut off keeps the "
			    "addresses");
	}
	v = conf_one(&l->tree->global, "log-level", &e);
	if (v != NULL) {
		for (i = 0; i <= SET_LOG_DEBUG && strcmp(v->text, levels[i]) != 0; i++)
			;
		if (i > SET_LOG_DEBUG)
			conf_wrong(l, e, v, "is none of error, warning, notice, info, debug");
		else
			l->set->log_level = (enum set_loglevel)i;
	}
}

void
conf_global_read(struct conf_loader *l)
{
	struct settings *s = l->set;

	s->lease_ms = LEASE_MS;
	s->drift_ppm = DRIFT_PPM;
	s->log_level = SET_LOG_INFO;
	read_cluster(l);
	read_list(l, "sentinels", SVIP_SENTINELS_MAX, "\"10.0.0.11\", \"10.0.0.12\", \"10.0.0.13\"",
	    add_sentinel);
	read_list(
	    l, "nodes", SVIP_NODES_MAX, "\"10.0.0.11\", \"10.0.0.12\", \"10.0.0.13\"", add_node);
	conf_duration(l, &l->tree->global, "lease", LEASE_LEAST_MS, LEASE_MOST_MS, &s->lease_ms);
	read_poll(l);
	read_guard(l);
	read_drift(l);
	read_modes(l);
}
