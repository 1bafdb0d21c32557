/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision core: folds dated events into facts, then decides for each instance touched. Reads no clock, owns no
 * descriptor, allocates nothing, logs nothing; whatever it wants done leaves as an action.
 *
 *   kernel's word:  UNKNOWN ──EV_INHERIT──► HELD
 *                   UNKNOWN ──EV_CLEAR──► CLEAR ──ACT_HOLD──► ADDING ──EV_HELD──► HELD
 *                                          ▲ ▲                  │ EV_REFUSED       │ let_go()
 *                                          │ └──────────────────┘                  ▼
 *                                          └───────EV_CLEAR─────────────── REMOVING ──EV_STUCK──► STUCK (again)
 */
#include <svip/core.h>

#include <assert.h>
#include <string.h>

#include "claim.h"
#include "decide.h"
#include "evidence.h"
#include "joint.h"
#include "lease.h"
#include "peer.h"
#include "writes.h"

static void
instance_init(struct instance *in, uint64_t id, svip_ms now)
{
	memset(in, 0, sizeof(*in));
	in->id = id;
	for (int i = 0; i < SVIP_SENTINELS_MAX; i++)
		evidence_init(&in->evidence[i]);
	in->role_asked = SVIP_LONG_AGO;
	in->retry_at = SVIP_LONG_AGO;
	in->lease_end = in->inherited = SVIP_LONG_AGO;
	for (int i = 0; i < CORE_FOREIGN_MAX; i++)
		in->foreign[i] = SVIP_LONG_AGO;
	in->conflict_until = SVIP_LONG_AGO;
	in->earn_after = SVIP_LONG_AGO;
	in->named_since = SVIP_NEVER;
	in->below_since = SVIP_NEVER;
	writes_init(in);
	claim_end(in);
	in->since = now;
}

void
core_init(struct core *c, const struct core_conf *conf, const uint64_t *ids, svip_ms now)
{
	assert(conf->n_sentinels >= 1 && conf->n_sentinels <= SVIP_SENTINELS_MAX);
	assert(conf->n_nodes >= 1 && conf->n_nodes <= SVIP_NODES_MAX);
	assert(conf->self >= 0 && conf->self < conf->n_nodes);
	assert(conf->n_instances >= 0 && conf->n_instances <= SVIP_INSTANCES_MAX);
	assert(conf->lease_ms > 0 && conf->incarnation != 0);
	assert(conf->guard_least_ms <= conf->guard_ms &&
	       conf->guard_least_ms <= conf->guard_unheard_ms);
	memset(c, 0, offsetof(struct core, inst));
	c->conf = *conf;
	joint_init(c);
	c->rng = conf->seed;
	c->started = now;
	for (int i = 0; i < SVIP_SENTINELS_MAX; i++)
		c->listening[i] = SVIP_NEVER;
	for (int i = 0; i < SVIP_NODES_MAX; i++)
		peer_init(&c->peer[i]);
	for (int i = 0; i < conf->n_instances; i++) {
		instance_init(&c->inst[i], ids[i], now);
		c->due[i] = now;
	}
	c->next_due = now;
}

int
core_add(struct core *c, uint64_t id, svip_ms now)
{
	int i = c->conf.n_instances;

	assert(i < SVIP_INSTANCES_MAX);
	c->conf.n_instances++;
	instance_init(&c->inst[i], id, now);
	c->due[i] = now;
	c->next_due = now;
	return i;
}

void
core_remove(struct core *c, int i)
{
	int last = --c->conf.n_instances;

	assert(i >= 0 && i <= last && c->inst[i].forgotten);
	if (i != last) {
		c->inst[i] = c->inst[last];
		c->due[i] = c->due[last];
	}
}

void
core_config(struct core *c, uint64_t serial, const uint8_t safety[SVIP_DIGEST_LEN],
    const uint8_t all[SVIP_DIGEST_LEN], svip_ms now, struct core_actions *out)
{
	assert(!c->joint.on);
	c->conf.serial = serial;
	memcpy(c->conf.digest_safety, safety, SVIP_DIGEST_LEN);
	memcpy(c->conf.digest_all, all, SVIP_DIGEST_LEN);
	for (int i = 0; i < c->conf.n_nodes; i++)
		peer_compare(c, &c->peer[i]);
	decide_all(c, now, out);
	decide_act(out, ACT_SEND, 0);
	c->next_due = now;
}

svip_ms
core_deadline(const struct core *c)
{
	return c->next_due;
}

/* ---- folding events into facts ---- */

static void
fold_view(struct core *c, struct instance *in, int s, const struct view *told, svip_ms now)
{
	struct view v = *told;
	struct view *old = &in->view[s];

	/* Answers may overtake each other on two connections; the later question has the later word. */
	if (old->valid && v.asked < old->asked) {
		if (v.epoch > old->epoch)
			*old = (struct view){ .asked = old->asked,
				.heard = now + 1,
				.since = now + 1,
				.epoch = v.epoch,
				.master = v.master,
				.valid = true };
		return;
	}
	v.heard = now + 1; /* rounded up */
	v.valid = true;
	v.since = v.heard;
	if (old->valid && old->epoch == v.epoch && svip_host_same(&old->master, &v.master))
		v.since = old->since;
	*old = v;
	evidence_view(&in->evidence[s], &v, c->listening[s]);
}

static void
fold_session(struct core *c, int s)
{
	c->listening[s] = SVIP_NEVER;
	for (int i = 0; i < c->conf.n_instances; i++)
		evidence_broken(&c->inst[i].evidence[s]);
}

static void
fold_pong(struct core *c, int s, svip_ms asked)
{
	for (int i = 0; i < c->conf.n_instances; i++)
		evidence_pong(&c->inst[i].evidence[s], asked);
}

static int
find_instance(const struct core *c, uint64_t id)
{
	for (int i = 0; i < c->conf.n_instances; i++) {
		if (c->inst[i].id == id)
			return i;
	}
	return -1;
}

/* Notes what a peer says of each instance, and decides for it. */
static void
fold_heartbeat(struct core *c, const struct heartbeat *hb, svip_ms now, uint64_t now_us,
    struct core_actions *out)
{
	bool unsafe = peer_config_unsafe(c);
	int p;
	enum peer_verdict verdict = peer_hear(c, hb, now, now_us, &p);

	if (verdict == PEER_REFUSED)
		return;
	if (verdict == PEER_NEW) {
		decide_act(out, ACT_SEND, 0);
		return;
	}
	for (int k = 0; k < hb->n_instances; k++) {
		const struct hb_instance *h = &hb->instance[k];
		int i = find_instance(c, h->id);
		struct instance *in;
		struct peer_instance *pi;

		/* Sentinel's epochs are signed in its files; a promise above them would never be void. */
		if (i == -1 || h->claim_epoch >= INT64_MAX || h->hold_epoch >= INT64_MAX)
			continue;
		in = &c->inst[i];
		pi = &in->peer[p];
		/* A claim that this holder won't yield to: ask who is right. */
		if (h->claim_id != 0 && h->claim_id != pi->claim_id && in->kernel != KERNEL_CLEAR)
			decide_act(out, ACT_POLL, i);
		/* A peer that has let go: its neighbours' caches may still point to it. */
		if (pi->holding && !h->holding && in->kernel == KERNEL_HELD && !c->conf.observe)
			decide_act(out, ACT_ANNOUNCE, i);
		*pi = (struct peer_instance){ .known = true,
			.state = h->state,
			.holding = h->holding,
			.hold_epoch = h->hold_epoch,
			.lease_left_ms = h->lease_left_ms,
			.claim_epoch = h->claim_epoch,
			.claim_id = h->claim_id,
			.yield_epoch = h->yield_epoch,
			.yield_id = h->yield_id };
		/* Who only watches can't speak for what another program does with the addresses. */
		if (verdict == PEER_FRESH && (!c->peer[p].observe || c->conf.observe))
			claim_yielded(in, p, h->yield_epoch, h->yield_id);
		decide(c, i, now, out);
	}
	if (unsafe != peer_config_unsafe(c))
		decide_all(c, now, out);
}

/* What was believed before the jump has to be earned anew. */
static void
fold_jump(struct core *c, svip_ms now, struct core_actions *out)
{
	for (int i = 0; i < c->conf.n_instances; i++) {
		struct instance *in = &c->inst[i];

		in->earn_after = now + 1;
		in->role_asked = SVIP_LONG_AGO;
		decide_jump(c, i, now, out);
	}
}

/* What the kernel answered. */
static void
fold_kernel(struct core *c, const struct core_event *ev, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[ev->instance];

	switch (ev->kind) { /* GCOV_EXCL_BR_LINE: there are no others, see the default */
	case EV_HELD:
		decide_held(c, ev->instance, now, out);
		return;
	case EV_REFUSED:
		if (in->kernel == KERNEL_ADDING)
			decide_refused(c, ev->instance, ev->error, now, out);
		return;
	case EV_CLEAR:
		if (in->kernel != KERNEL_CLEAR)
			decide_clear(c, ev->instance, now, out);
		return;
	case EV_STUCK:
		decide_stuck(c, ev->instance, ev->error, now, out);
		return;
	case EV_LOST:
		decide_lost(c, ev->instance, now, out);
		return;
	case EV_INHERIT:
		if (in->kernel == KERNEL_UNKNOWN && !c->conf.observe)
			decide_inherit(c, ev->instance, ev->epoch, ev->until, now, out);
		return;
	default: /* GCOV_EXCL_LINE: core_step() sends no other kind here */
		assert(!"not the kernel's word"); /* GCOV_EXCL_LINE */
	}
}

/* Another host claims an address. It takes some seconds of that to yield, and a long silence to come back. */
static void
fold_conflict(struct instance *in, bool yield, svip_ms now)
{
	enum { LAST = CORE_FOREIGN_MAX - 1 };

	if (!yield) {
		for (int i = 0; i < CORE_FOREIGN_MAX; i++)
			in->foreign[i] = SVIP_LONG_AGO;
		in->conflict_until = SVIP_LONG_AGO;
		return;
	}
	if (now - in->foreign[LAST] >= 1000) {
		for (int i = 0; i < LAST; i++)
			in->foreign[i] = in->foreign[i + 1];
		in->foreign[LAST] = now;
	}
	if (now < in->conflict_until || now - in->foreign[0] <= CORE_FOREIGN_WITHIN_MS)
		in->conflict_until = now + CORE_CONFLICT_QUIET_MS;
}

static void
fold_instance(struct core *c, const struct core_event *ev, svip_ms now)
{
	struct instance *in = &c->inst[ev->instance];
	struct view *v = &in->view[ev->sentinel];

	switch (ev->kind) { /* GCOV_EXCL_BR_LINE: there are no others, see the default */
	case EV_VIEW:
		fold_view(c, in, ev->sentinel, &ev->view, now);
		return;
	case EV_NEWS:
		evidence_news(&in->evidence[ev->sentinel], ev->news, &ev->to, v, now + 1);
		return;
	case EV_ROLE:
		if (ev->asked >= in->role_asked) {
			in->role_asked = ev->asked;
			in->role_master = ev->yes;
			in->redis_gone = in->redis_gone && !ev->yes;
		}
		return;
	case EV_GONE:
		in->redis_gone = !in->role_master;
		return;
	case EV_LINK:
		in->link_up = ev->yes;
		return;
	case EV_CONFLICT:
		fold_conflict(in, ev->yes, now);
		return;
	case EV_WRITES:
		writes_answer(in, ev->yes);
		return;
	default: /* GCOV_EXCL_LINE: core_step() sends no other kind here */
		assert(!"not about an instance"); /* GCOV_EXCL_LINE */
	}
}

static void
expire(struct core *c, svip_ms now, struct core_actions *out)
{
	for (int i = 0; i < c->conf.n_instances; i++) {
		if (c->due[i] <= now)
			decide(c, i, now, out);
	}
}

void
core_step(struct core *c, const struct core_event *ev, svip_ms now, uint64_t now_us,
    struct core_actions *out)
{
	/* Leases first: whatever the event says, it must not find a hold that time has ended. */
	if (c->next_due <= now)
		expire(c, now, out);
	switch (ev->kind) { /* GCOV_EXCL_BR_LINE: a closed set */
	case EV_TICK:
		break;
	case EV_VIEW:
	case EV_NEWS:
	case EV_ROLE:
	case EV_GONE:
	case EV_LINK:
	case EV_CONFLICT:
	case EV_WRITES:
		fold_instance(c, ev, now);
		if (ev->kind == EV_NEWS) {
			writes_news(c, ev->instance, ev->sentinel, ev->news, now, out);
			decide_act(out, ACT_POLL, ev->instance);
		} else if (ev->kind == EV_ROLE) {
			writes_role(c, ev->instance, now, out);
		}
		decide(c, ev->instance, now, out);
		break;
	case EV_HELD:
	case EV_REFUSED:
	case EV_CLEAR:
	case EV_STUCK:
	case EV_LOST:
	case EV_INHERIT:
		fold_kernel(c, ev, now, out);
		break;
	case EV_LISTENING:
		c->listening[ev->sentinel] = now + 1; /* rounded up */
		break;
	case EV_PONG:
		fold_pong(c, ev->sentinel, ev->asked);
		break;
	case EV_SESSION:
		fold_session(c, ev->sentinel);
		break;
	case EV_HEARTBEAT:
		fold_heartbeat(c, ev->hb, now, now_us, out);
		break;
	case EV_UNKNOWN:
		c->peer[ev->peer].unknown = now;
		break;
	case EV_JUMP:
		fold_jump(c, now, out);
		break;
	case EV_MAINTENANCE:
		c->maintenance = ev->yes;
		decide_all(c, now, out);
		break;
	case EV_FORGET:
		c->inst[ev->instance].forgotten = true;
		decide(c, ev->instance, now, out);
		break;
	case EV_STOP:
		c->stopping = true;
		decide_all(c, now, out);
		break;
	}
	c->next_due = SVIP_NEVER;
	for (int i = 0; i < c->conf.n_instances; i++) {
		if (c->due[i] < c->next_due)
			c->next_due = c->due[i];
	}
}

/* ---- questions ---- */

int
core_majority(const struct core *c)
{
	return joint_majority_of(c);
}

int
core_confirmations(const struct core *c, int i, svip_ms now, uint64_t *epoch)
{
	const struct instance *in = &c->inst[i];
	svip_ms from = now - c->conf.lease_ms + 1;
	int best = 0;

	if (from < in->earn_after)
		from = in->earn_after;
	*epoch = 0;
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		int n = lease_count(in->view, c->conf.n_sentinels, in->view[s].epoch, from);

		if (n > best) {
			best = n;
			*epoch = in->view[s].epoch;
		}
	}
	return best;
}

svip_ms
core_lease_end(const struct core *c, int i, uint64_t *epoch)
{
	const struct instance *in = &c->inst[i];

	*epoch = 0;
	if (!joint_lease_epoch(c, in, epoch))
		return SVIP_LONG_AGO;
	return joint_lease_end(c, in, *epoch);
}

svip_ms
core_free_at(const struct core *c, int i, uint64_t epoch)
{
	svip_ms wait = lease_wait(peer_lease_max(c), peer_guard_max(c), c->conf.drift_ppm);

	return joint_free_at(c, &c->inst[i], epoch, wait);
}

int
core_holder(const struct core *c, int i, svip_ms now)
{
	const struct instance *in = &c->inst[i];

	if (in->kernel == KERNEL_HELD && !c->conf.observe)
		return c->conf.self;
	for (int p = 0; p < c->conf.n_nodes; p++) {
		if (in->peer[p].known && in->peer[p].holding && peer_alive(c, p, now))
			return p;
	}
	return -1;
}

int
core_sentinels_fresh(const struct core *c, int i, svip_ms now)
{
	return joint_size(joint_fresh(c, &c->inst[i], now));
}
