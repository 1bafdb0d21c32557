/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives masters away: runs the handovers (handover.c) and the failovers that are asked for early (expedite.c). Gathers their facts, carries
 * their orders out, tells people. Decides nothing: who holds is the core's, who is the master Sentinel's.
 */
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_state.h"
#include "expedite.h"
#include "handover.h"
#include "hands.h"
#include "io/clock.h"
#include "io/local_redis.h"
#include "io/replicas.h"
#include "io/sdnotify.h"
#include "io/sentinel.h"

/* One slot's. Made when it is first needed. */
struct handing {
	struct handover handover;
	svip_ms limit_ms;
	int logged; /* lines of it */
	struct replicas *replicas;
	struct expedite expedite;
	svip_ms
	    elected; /* when a Sentinel was, to fail over; SVIP_LONG_AGO: not, or it has given up */
};

static struct handing *handing[SVIP_INSTANCES_MAX]; /* by slot; NULL: nothing yet */
static struct ev_timer look;
static bool stop_waits; /* for the end of the handovers */

static struct handing *
handing_of(int s)
{
	if (handing[s] == NULL) {
		handing[s] = calloc(1, sizeof(*handing[s]));
		if (handing[s] == NULL)
			return NULL;
		handing[s]->handover.step = HANDOVER_DONE;
		handing[s]->elected = SVIP_LONG_AGO;
	}
	return handing[s];
}

static bool
runs(int s)
{
	return handing[s] != NULL && !handover_ended(&handing[s]->handover);
}

/* ---- facts ---- */

static const char *
unfit(const struct core *c, const struct instance *in, int p, svip_ms now)
{
	const struct peer *peer = &c->peer[p];

	if (core_peer_state(c, p, now) == PEER_UNKNOWN)
		return "its svipd speaks with another key";
	if (core_peer_state(c, p, now) == PEER_SILENT)
		return "its svipd is not heard";
	if (!core_peer_two_way(c, p, now))
		return "its svipd does not hear this one";
	if (peer->config == CONFIG_UNSAFE)
		return "its configuration differs in the safety part";
	if (peer->maintenance)
		return "maintenance is on there";
	if (peer->observe)
		return "it only observes";
	if (!in->peer[p].known)
		return "it has no such instance";
	return in->peer[p].state == CORE_FAULT ? "it is in fault" : NULL;
}

/* The Sentinel is connected, and its last word was this node, at this epoch and not long ago. */
static bool
usable(const struct core *c, const struct instance *in, int k, uint64_t epoch, svip_ms now)
{
	const struct view *v = &in->view[k];

	return sentinel_connected(hands_sentinels(), k) && v->valid && v->me && v->epoch == epoch &&
	       v->asked > now - c->conf.lease_ms;
}

static void
find_elsewhere(
    const struct daemon_state *d, const struct instance *in, svip_ms now, struct handover_facts *f)
{
	for (int p = 0; p < d->core.conf.n_nodes; p++) {
		const struct peer_instance *pi = &in->peer[p];

		if (p == d->core.conf.self || !pi->known || !pi->holding ||
		    core_peer_state(&d->core, p, now) != PEER_ALIVE ||
		    (f->elsewhere && pi->hold_epoch <= f->elsewhere_epoch))
			continue;
		f->elsewhere = true;
		f->elsewhere_epoch = pi->hold_epoch;
		svip_addr_text(&d->set->node[p], false, f->elsewhere_node);
	}
}

static void
gather(int s, svip_ms now, struct handover_facts *f)
{
	static char state[64];
	static struct local_redis_status redis;
	struct daemon_state *d = daemon_state();
	const struct instance *in = &d->core.inst[d->slot[s].index];

	memset(f, 0, sizeof(*f));
	f->holds = daemon_holds(s);
	f->epoch = in->hold_epoch;
	snprintf(state, sizeof(state), "%s, %s", core_state_word(in->state),
	    d->core.conf.observe ? "observe is on" : core_reason_word(in->reason));
	f->state = state;
	find_elsewhere(d, in, now, f);
	local_redis_status(hands_redis(), d->slot[s].index, now, &redis);
	f->redis = strcmp(redis.state, "connected") == 0 ? NULL : redis.state;
	f->redis_master = in->role_master;
	f->confirmations = core_confirmations(&d->core, d->slot[s].index, now, &(uint64_t){ 0 });
	f->majority = core_majority(&d->core);
	f->n_sentinels = d->set->n_sentinels;
	f->sentinel = d->set->sentinel;
	for (int k = 0; k < f->n_sentinels; k++)
		f->usable[k] = usable(&d->core, in, k, in->hold_epoch, now) && !in->view[k].down;
	for (int p = 0; p < d->core.conf.n_nodes; p++) {
		if (p != d->core.conf.self)
			f->peer[f->n_peers++] =
			    (struct handover_peer){ d->set->node[p], unfit(&d->core, in, p, now) };
	}
}

/* ---- orders ---- */

/* Unless the core has its own reason to hold them: while a failover runs, or until Redis is a replica. */
static void
give_back(int s)
{
	struct daemon_state *d = daemon_state();
	const struct instance *in = &d->core.inst[d->slot[s].index];

	if (!d->set->hold_writes || in->writes_until <= clock_ms())
		local_redis_give_writes_back(hands_redis(), d->slot[s].index);
}

static void
on_replica(void *ctx, int candidate, uint64_t offset)
{
	struct handing *g = ctx;

	handover_replica(&g->handover, candidate, offset);
}

static void
look_at_replicas(struct handing *g)
{
	const struct svip_host *host[REPLICATION_MAX];
	const struct daemon_state *d = daemon_state();

	for (int i = 0; i < g->handover.n_candidates; i++)
		host[i] = &g->handover.candidate[i].host;
	replicas_close(g->replicas);
	g->replicas = replicas_open(
	    d->loop, &d->set->redis_auth, host, g->handover.n_candidates, on_replica, g);
}

static void
look_away(struct handing *g)
{
	replicas_close(g->replicas);
	g->replicas = NULL;
}

static void
carry_out(int s, unsigned orders)
{
	static const struct {
		enum handover_order order;
		enum sentinel_question question;
	} questions[] = {
		{ HANDOVER_ASK_QUORUM, SENTINEL_CKQUORUM },
		{ HANDOVER_ASK_REPLICAS, SENTINEL_REPLICAS },
		{ HANDOVER_FAIL_OVER, SENTINEL_FAILOVER },
	};
	struct handover *h = &handing[s]->handover;
	int index = daemon_state()->slot[s].index;

	if ((orders & HANDOVER_HOLD_WRITES) != 0)
		local_redis_hold_writes(hands_redis(), index, HANDOVER_PAUSE_MS);
	if ((orders & HANDOVER_GIVE_BACK) != 0)
		give_back(s);
	if ((orders & HANDOVER_LOOK) != 0)
		look_at_replicas(handing[s]);
	if ((orders & HANDOVER_FAIL_OVER) != 0 || handover_ended(h))
		look_away(handing[s]);
	if ((orders & HANDOVER_ASK_INFO) != 0 && local_redis_info(hands_redis(), index) != 0)
		handover_unsent(h, HANDOVER_ASK_INFO);
	for (int i = 0; i < 3; i++) {
		if ((orders & questions[i].order) != 0 &&
		    (h->sentinel < 0 || sentinel_ask(hands_sentinels(), h->sentinel, index,
		                            questions[i].question) != 0))
			handover_unsent(h, questions[i].order);
	}
}

static void
log_lines(int s)
{
	struct handing *g = handing[s];
	const char *name = daemon_state()->slot[s].conf.name;

	for (; g->logged < g->handover.n_lines; g->logged++) {
		const struct handover_line *l = &g->handover.line[g->logged];

		if (l->step == HANDOVER_FAILED)
			log_warning("%s: handover: failed after %lld ms: %s", name,
			    (long long)l->after_ms, l->text);
		else
			log_notice("%s: handover: %s after %lld ms: %s", name,
			    handover_step_word(l->step), (long long)l->after_ms, l->text);
	}
}

/* Acts first, talks after. */
static void
go_on(int s)
{
	static struct handover_facts facts;
	struct handover *h = &handing[s]->handover;
	svip_ms now = clock_ms();

	if (handover_ended(h))
		return;
	gather(s, now, &facts);
	carry_out(s, handover_next(h, &facts, now));
	if (h->step == HANDOVER_DONE && !facts.redis_master) /* it refuses writes by itself now */
		give_back(s);
	log_lines(s);
}

/* ---- a Redis that is gone ---- */

static void
ask_early(int s)
{
	struct daemon_state *d = daemon_state();
	struct expedite *e = &handing[s]->expedite;
	const struct instance *in = &d->core.inst[d->slot[s].index];
	bool may[SVIP_SENTINELS_MAX];
	char text[SVIP_TEXT_MAX];
	svip_ms now = clock_ms();
	int k;

	if (in->role_master)
		expedite_end(e);
	do {
		for (k = 0; k < d->set->n_sentinels; k++)
			may[k] = usable(&d->core, in, k, e->epoch, now);
		k = expedite_ask(e, may, d->set->n_sentinels, now);
		if (k < 0)
			return;
		if (sentinel_ask(hands_sentinels(), k, d->slot[s].index, SENTINEL_FAILOVER) == 0) {
			log_notice("%s: Sentinel %s is asked to fail over at once",
			    d->slot[s].conf.name, svip_host_text(&d->set->sentinel[k], text));
			return;
		}
		expedite_answer(e, k, REPLICATION_NO, true, false, now);
	} while (e->asking);
}

static void
early_answer(int s, int sentinel, const struct sentinel_answer *a)
{
	const char *name = daemon_state()->slot[s].conf.name;

	switch (expedite_answer(&handing[s]->expedite, sentinel, a->verdict,
	    a->fault == REPLY_NO_CONNECTION, a->sent, clock_ms())) {
	case EXPEDITE_OTHER:
		return;
	case EXPEDITE_ACCEPTED:
		log_info("%s: Sentinel fails over", name);
		return;
	case EXPEDITE_RUNS:
		log_info("%s: Sentinel fails over already", name);
		return;
	case EXPEDITE_LATER:
		log_warning(
		    "%s: Sentinel does not fail over: %s; it is asked again", name, a->text);
		return;
	case EXPEDITE_REFUSED:
		log_warning(
		    "%s: Sentinel does not fail over: %s; its own down-after-milliseconds decides",
		    name, a->text);
		return;
	}
}

/* ---- time ---- */

static void
end_stop(bool any)
{
	if (!stop_waits || any)
		return;
	stop_waits = false;
	daemon_stop("the handovers have ended", false);
}

static void
on_look(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	bool any = false, asks = false;

	(void)revents;
	for (int s = 0; s < SVIP_INSTANCES_MAX; s++) {
		if (handing[s] == NULL || !daemon_state()->slot[s].used)
			continue;
		go_on(s);
		ask_early(s);
		any = any || runs(s);
		asks = asks || handing[s]->expedite.asking;
	}
	if (!any && !asks)
		ev_timer_stop(loop, w);
	end_stop(any);
}

static void
look_often(void)
{
	static const double every = HANDOVER_LOOK_MS / 1000.0;

	if (ev_is_active(&look))
		return;
	ev_timer_init(&look, on_look, every, every);
	ev_timer_start(daemon_state()->loop, &look);
}

/* A Sentinel has been told already, or fails over by itself: a second order would move the master twice. */
static bool
under_way(int s, svip_ms now)
{
	return now - handing[s]->elected < HANDOVER_MOVE_MS ||
	       (runs(s) && handing[s]->handover.failover != HANDOVER_NOT_ASKED);
}

void
daemon_refused(int s, bool refused)
{
	struct daemon_state *d = daemon_state();
	const struct instance *in = &d->core.inst[d->slot[s].index];
	struct handing *g = d->set->expedite_ms > 0 ? handing_of(s) : handing[s];
	svip_ms now = clock_ms();

	if (g == NULL || !expedite_tried(&g->expedite, refused, d->set->expedite_ms, now) ||
	    !daemon_holds(s) || under_way(s, now) ||
	    !expedite_begin(&g->expedite, in->hold_epoch, now))
		return;
	daemon_post_slot(EV_GONE, s);
	log_warning("%s: connections to the local Redis are refused for %lld ms: it is gone, and "
	            "the addresses are let go",
	    d->slot[s].conf.name, (long long)(now - g->expedite.since));
	ask_early(s);
	look_often();
}

/* ---- answers ---- */

void
daemon_sentinel_answer(int s, int sentinel, const struct sentinel_answer *a)
{
	bool lost = a->fault == REPLY_NO_CONNECTION;
	struct handover *h;

	if (handing[s] == NULL)
		return;
	h = &handing[s]->handover;
	switch (a->question) {
	case SENTINEL_CKQUORUM:
		handover_quorum(h, sentinel, a->verdict, lost, a->text);
		break;
	case SENTINEL_REPLICAS:
		handover_replicas(h, sentinel, a->replica, a->n, a->fault, a->text);
		break;
	case SENTINEL_FAILOVER:
		handover_failover(h, sentinel, a->verdict, lost, a->sent, a->text);
		early_answer(s, sentinel, a);
		break;
	}
	go_on(s);
}

void
daemon_redis_told(
    int s, const struct replication_info *info, enum reply_fault fault, const char *text)
{
	if (handing[s] == NULL)
		return;
	handover_info(&handing[s]->handover, info, clock_ms(), fault, text);
	go_on(s);
}

bool
daemon_writes_told(int s, bool wait, const char *text)
{
	if (!runs(s))
		return false;
	if (wait && handing[s]->handover.step == HANDOVER_HOLDING_WRITES) /* later ones renew it */
		daemon_note(s, STEP_WRITES_WAIT, NULL);
	handover_writes(&handing[s]->handover, wait, text);
	go_on(s);
	return true;
}

void
daemon_failover_news(int s, int sentinel, enum sentinel_news news)
{
	struct handing *g = daemon_state()->set->expedite_ms > 0 ? handing_of(s) : handing[s];

	if (g == NULL)
		return;
	if (news == NEWS_ELECTED)
		g->elected = clock_ms();
	if (news != NEWS_ABORTED)
		return;
	g->elected = SVIP_LONG_AGO;
	handover_aborted(&g->handover, sentinel);
}

bool
daemon_keeps_writes(int s)
{
	return runs(s) && handing[s]->handover.paused &&
	       daemon_state()->core.inst[daemon_state()->slot[s].index].role_master;
}

/* ---- life ---- */

bool
daemon_handover(int s, svip_ms limit_ms)
{
	struct handing *g = handing_of(s);

	if (g == NULL || runs(s))
		return false;
	g->limit_ms = limit_ms;
	g->logged = 0;
	handover_begin(&g->handover, limit_ms, clock_ms());
	go_on(s);
	look_often();
	return true;
}

bool
daemon_handover_all(void)
{
	struct daemon_state *d = daemon_state();
	bool any = false;

	for (int i = 0; i < d->core.conf.n_instances; i++) {
		int s = d->slot_of[i];

		if (daemon_holds(s))
			any = (runs(s) || daemon_handover(s, HANDOVER_LIMIT_MS)) || any;
	}
	stop_waits = any;
	return any;
}

static void
cancel(int s, const char *why)
{
	if (!runs(s))
		return;
	carry_out(s, handover_cancel(&handing[s]->handover, why, clock_ms()));
	log_lines(s);
}

void
daemon_handover_end(void)
{
	stop_waits = false;
	for (int s = 0; s < SVIP_INSTANCES_MAX; s++)
		cancel(s, "svipd stops");
}

void
daemon_handing_forget(int s)
{
	cancel(s, "the instance is taken out of the configuration");
	if (handing[s] != NULL)
		look_away(handing[s]);
	free(handing[s]);
	handing[s] = NULL;
}

bool
daemon_handover_runs(void)
{
	for (int s = 0; s < SVIP_INSTANCES_MAX; s++) {
		if (handing[s] != NULL && runs(s))
			return true;
	}
	return false;
}

void
daemon_handing_fini(void)
{
	for (int s = 0; s < SVIP_INSTANCES_MAX; s++) {
		if (handing[s] != NULL)
			look_away(handing[s]);
		free(handing[s]);
		handing[s] = NULL;
	}
}

struct json_t *
daemon_handover_json(int s)
{
	const struct handing *g = handing[s];
	const struct handover_line *last;
	json_t *j, *steps;

	if (g == NULL || g->handover.n_lines == 0)
		return NULL;
	last = &g->handover.line[g->handover.n_lines - 1];
	j = json_object();
	steps = json_array();
	json_object_set_new(j, "name", json_string(daemon_state()->slot[s].conf.name));
	json_object_set_new(j, "running", json_boolean(runs(s)));
	json_object_set_new(j, "limit_ms", json_integer(g->limit_ms));
	json_object_set_new(j, "ok", json_boolean(g->handover.step != HANDOVER_FAILED));
	if (g->handover.step == HANDOVER_FAILED)
		json_object_set_new(j, "error", json_string(g->handover.error));
	json_object_set_new(j, "message", json_string(last->text));
	for (int i = 0; i < g->handover.n_lines; i++) {
		const struct handover_line *l = &g->handover.line[i];

		json_array_append_new(
		    steps, json_pack("{s:s, s:I, s:s}", "step", handover_step_word(l->step),
		               "after_ms", (json_int_t)l->after_ms, "text", l->text));
	}
	json_object_set_new(j, "steps", steps);
	return j;
}
