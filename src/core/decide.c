/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides for one instance: let go, keep, take, wait, claim, yield. Quick to let go, slow to believe; every decision has its
 * reason. Must not trust anything but the facts in struct instance and the time it is given.
 */
#include "decide.h"

#include <assert.h>

#include "claim.h"
#include "evidence.h"
#include "joint.h"
#include "lease.h"
#include "peer.h"
#include "writes.h"

enum {
	/* A Sentinel that alone shows a newer epoch is believed at once, but not for ever: real ones tell
	 * each other within about 2 s (SENTINEL_PUBLISH_PERIOD). Letting go for it is courtesy, not safety. */
	AHEAD_MS = 10000,
	REFUSED_RETRY_MS = 1000, /* after the kernel refused an address */
	STUCK_RETRY_MS = 100,    /* after the kernel refused to remove one */
};

struct core_action *
decide_act(struct core_actions *out, enum core_action_kind kind, int i)
{
	struct core_action *a;

	assert(out->n < CORE_ACTIONS_MAX);
	a = &out->a[out->n++];
	*a = (struct core_action){ .kind = (uint8_t)kind, .instance = (int16_t)i };
	return a;
}

/* The one place that writes an instance's state. */
static void
transition(struct core *c, int i, enum core_state to, enum core_reason why, svip_ms now,
    struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	struct core_action *a;
	bool loud = (why == WHY_QUORUM_LOST_HELD) != (in->reason == WHY_QUORUM_LOST_HELD);

	/* No MASTER without the kernel's word. */
	assert(to != CORE_MASTER || in->kernel == KERNEL_HELD || in->kernel == KERNEL_ADDING);
	if (in->state != to || loud) {
		a = decide_act(out, ACT_STATE, i);
		a->from = (uint8_t)in->state;
		a->to = (uint8_t)to;
		a->reason = (uint8_t)why;
		a->until = now - in->since;
		if (in->state != to) {
			in->since = now;
			decide_act(out, ACT_SEND, i);
		}
	}
	in->state = to;
	in->reason = why;
}

/* ---- holding ---- */

static bool
may_have(const struct instance *in)
{
	return in->kernel == KERNEL_ADDING || in->kernel == KERNEL_HELD;
}

/* A Sentinel's newest word, if it shows an epoch above this one and must still be believed. */
static bool
newer_view(
    const struct core *c, const struct instance *in, uint64_t epoch, svip_ms now, svip_ms *until)
{
	bool newer = false;

	*until = SVIP_NEVER;
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];

		if (!v->valid || v->epoch <= epoch || v->since + AHEAD_MS <= now)
			continue;
		newer = true;
		if (v->since + AHEAD_MS < *until)
			*until = v->since + AHEAD_MS;
	}
	return newer;
}

/* A newer epoch has been named. As long as no write is acknowledged here (they wait, or Redis is no master) nothing is lost by staying
 * until who is named can take over at once, that is until a majority has said it (or it claims, see must_let_go); for clients,
 * addresses that nobody has are worse. */
static bool
outdated(const struct core *c, const struct instance *in, svip_ms now)
{
	svip_ms until;
	uint32_t newer = 0;

	if (!newer_view(c, in, in->hold_epoch, now, &until))
		return false;
	if (!writes_wait(in, now, &until) && (in->role_master || in->role_asked == SVIP_LONG_AGO))
		return true;
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];

		newer |= (uint32_t)(v->valid && v->epoch > in->hold_epoch) << s;
	}
	return joint_majority(c, newer);
}

/* Some Sentinel's newest word is something else than "this node, at this epoch, up". */
static bool
contradicted(const struct core *c, const struct instance *in)
{
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];

		if (v->valid && !lease_confirms(v, in->hold_epoch, SVIP_LONG_AGO))
			return true;
	}
	return false;
}

/* So many Sentinels have this node's Redis down that no majority can confirm it. */
static bool
seen_down(const struct core *c, const struct instance *in, svip_ms now)
{
	uint32_t down = 0;

	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];
		bool yes = v->valid && v->me && v->down && v->asked > now - c->conf.lease_ms;

		down |= (uint32_t)yes << s;
	}
	return joint_blocking(c, down);
}

static void
let_go(struct core *c, int i, enum core_reason why, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	in->drop_reason = why;
	in->inherited = SVIP_LONG_AGO;
	claim_end(in);
	if (c->conf.observe) {
		in->kernel = KERNEL_CLEAR;
		return;
	}
	in->kernel = KERNEL_REMOVING;
	decide_act(out, ACT_DROP, i);
	decide_act(out, ACT_POLL, i);
}

/* Tells the kernel how long. Each renewal passes here, with the lease checked right before. */
static void
keep_until(struct core *c, int i, svip_ms until, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	assert(until > now && until - now <= c->conf.lease_ms);
	in->lease_end = until;
	if (!c->conf.observe)
		decide_act(out, ACT_HOLD, i)->until = until;
}

/* Why the hold must end now. False: it may go on. */
static bool
must_let_go(const struct core *c, const struct instance *in, svip_ms end, svip_ms now,
    enum core_reason *why)
{
	uint64_t epoch;

	if (outdated(c, in, now))
		*why = WHY_NEWER_EPOCH;
	else if ((in->kernel == KERNEL_ADDING && now >= in->lease_end) ||
	         (now >= end && (!c->conf.hold_on_quorum_loss || contradicted(c, in))))
		*why = seen_down(c, in, now) ? WHY_MASTER_DOWN : WHY_LEASE_EXPIRED;
	else if (claim_seen(c, in, now, &epoch) && epoch > in->hold_epoch)
		*why = WHY_PEER_NEWER;
	else if (claim_twin(c, in, now, in->hold_epoch))
		*why = WHY_TWIN;
	else if (now < in->conflict_until)
		*why = WHY_CONFLICT;
	else if (!in->link_up)
		*why = WHY_LINK_DOWN;
	else if (in->redis_gone)
		*why = WHY_REDIS_GONE;
	else if (!joint_member(c))
		*why = WHY_NOT_MEMBER;
	else if (c->stopping || in->forgotten)
		*why = WHY_STOPPING;
	else
		return false;
	return true;
}

/* on-quorum-loss = hold: the packet filter shuts at the lease's very end, so going on is ordered before. Returns when
 * to look again. */
static svip_ms
bridge(struct core *c, int i, svip_ms end, svip_ms now, struct core_actions *out)
{
	svip_ms from = end - c->conf.lease_ms / 4;

	if (now < from)
		return from;
	if (!contradicted(c, &c->inst[i]))
		keep_until(c, i, now + c->conf.lease_ms, now, out);
	return end;
}

/* Looks at a hold. True: it goes on, and time alone ends it at *due. */
static bool
judge_hold(struct core *c, int i, svip_ms now, svip_ms *due, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms own = joint_lease_end(c, in, in->hold_epoch);
	svip_ms end = own > in->inherited ? own : in->inherited;
	/* No second order before the first is answered: else one could be refused and the other be carried out. */
	bool answered = in->kernel == KERNEL_HELD;
	enum core_reason why;
	svip_ms until;

	if (must_let_go(c, in, end, now, &why)) {
		let_go(c, i, why, out);
		return false;
	}
	if (now >=
	    end) { /* on-quorum-loss = hold: people have given up the first promise for this */
		if (answered && in->lease_end - now <= c->conf.lease_ms / 2)
			keep_until(c, i, now + c->conf.lease_ms, now, out);
		in->take_reason = WHY_QUORUM_LOST_HELD;
		*due = in->lease_end - (answered ? c->conf.lease_ms / 2 : 0);
	} else {
		if (answered && end > in->lease_end)
			keep_until(c, i, end, now, out);
		*due =
		    end; /* earlier than the kernel was told when a Sentinel has taken its word back */
		if (answered && c->conf.hold_on_quorum_loss && in->lease_end <= end)
			*due = bridge(c, i, end, now, out);
		if (in->take_reason == WHY_QUORUM_LOST_HELD ||
		    (in->take_reason == WHY_TAKEN_OVER && now < own))
			in->take_reason = WHY_QUORUM_CONFIRMED;
	}
	if (!answered && in->lease_end < *due)
		*due = in->lease_end;
	if (writes_wait(in, now, &until) && until < *due)
		*due = until;
	return true;
}

/* ---- taking ---- */

/* Why this node, named at the epoch, can't take. False: nothing stands in the way. */
static bool
obstacle(const struct core *c, const struct instance *in, uint64_t epoch, svip_ms now, svip_ms *due,
    enum core_reason *why)
{
	svip_ms until;
	uint64_t theirs;

	*due = SVIP_NEVER;
	if (c->maintenance) {
		*why = WHY_MAINTENANCE;
	} else if (now < in->conflict_until) {
		*why = WHY_CONFLICT;
		*due = in->conflict_until;
	} else if (peer_config_unsafe(c)) {
		*why = WHY_CONFIG_MISMATCH;
	} else if (!joint_member(c)) {
		*why = WHY_NOT_MEMBER;
	} else if (!peer_guard_known(c)) {
		*why = WHY_GUARD_UNKNOWN;
	} else if (epoch < in->floor) {
		*why = WHY_PROMISED;
	} else if (newer_view(c, in, epoch, now, &until)) {
		*why = WHY_NEWER_EPOCH;
		*due = until;
	} else if (claim_seen(c, in, now, &theirs) && theirs > epoch) {
		*why = WHY_PEER_NEWER;
	} else if (claim_twin(c, in, now, epoch)) {
		*why = WHY_TWIN;
	} else if (now < in->retry_at) {
		*why = WHY_ADDRESS_REFUSED;
		*due = in->retry_at;
	} else if (in->redis_gone) {
		*why = WHY_REDIS_GONE;
	} else if (!in->role_master || now - in->role_asked > c->conf.lease_ms) {
		*why = WHY_REDIS_NOT_MASTER;
	} else {
		return false;
	}
	return true;
}

static void
take(struct core *c, int i, uint64_t epoch, svip_ms end, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	enum core_reason why = claim_granted(c, in) ? WHY_ALL_YIELDED : WHY_QUORUM_CONFIRMED;

	/* The rule itself, once more, whatever led here (doc/SAFETY.md, "Take"). */
	assert(in->kernel == KERNEL_CLEAR && now < end && epoch >= in->floor &&
	       peer_guard_known(c) && joint_member(c));
	assert(claim_granted(c, in) || now >= core_free_at(c, i, epoch));
	in->hold_epoch = epoch;
	in->take_reason = why;
	in->kernel = KERNEL_ADDING;
	keep_until(c, i, end, now, out);
	if (c->conf.observe) {
		in->kernel = KERNEL_HELD;
		transition(c, i, CORE_MASTER, why, now, out);
		return;
	}
	transition(c, i, in->state, WHY_TAKING, now, out);
}

/* The state of a node that is named but holds nothing. */
static enum core_state
state_of(enum core_reason why, bool lately)
{
	switch (why) {
	case WHY_REDIS_NOT_MASTER: /* Sentinel's word and the role change a moment apart */
	case WHY_GUARD_UNKNOWN:    /* at the start, before the first heartbeats */
		return lately ? CORE_WAITING : CORE_FAULT;
	case WHY_CONFIG_MISMATCH:
	case WHY_TWIN:
	case WHY_CONFLICT:
	case WHY_ADDRESS_REFUSED:
		return CORE_FAULT;
	default:
		return CORE_BACKUP;
	}
}

/* A majority names this node. */
static svip_ms
judge_named(
    struct core *c, int i, uint64_t epoch, svip_ms end, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms due, free_at = core_free_at(c, i, epoch);
	enum core_reason why;
	bool blocked;

	if (in->named_since == SVIP_NEVER)
		in->named_since = now;
	blocked = obstacle(c, in, epoch, now, &due, &why);
	if (blocked && why != WHY_REDIS_NOT_MASTER && why != WHY_ADDRESS_REFUSED &&
	    why != WHY_GUARD_UNKNOWN) {
		claim_end(in);
	} else if (claim_make(c, in, epoch, now)) {
		decide_act(out, ACT_SEND, i);
		if (blocked && why == WHY_REDIS_NOT_MASTER)
			decide_act(out, ACT_POLL, i);
	}
	if (!blocked && (claim_granted(c, in) || now >= free_at)) {
		take(c, i, epoch, end, now, out);
		return end;
	}
	if (blocked) {
		transition(
		    c, i, state_of(why, now - in->named_since < c->conf.lease_ms), why, now, out);
	} else {
		transition(c, i, CORE_WAITING, WHY_LEASE_RUNS, now, out);
		due = free_at;
	}
	if (end < due)
		due = end;
	return in->claim_next < due ? in->claim_next : due;
}

/* No majority names this node as a living master: say what they do name. */
static void
judge_unnamed(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	uint32_t mine = 0;
	enum core_reason why = WHY_SPLIT;

	in->named_since = SVIP_NEVER;
	claim_end(in);
	if (!joint_majority(c, joint_fresh(c, in, now))) {
		bool early = in->state == CORE_INIT && now - c->started < c->conf.lease_ms;

		why = early ? WHY_STARTING : WHY_NO_QUORUM;
		transition(c, i, early ? CORE_INIT : CORE_BACKUP, why, now, out);
		return;
	}
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];
		uint32_t same = 0;

		for (int t = 0; t < c->conf.n_sentinels; t++) {
			const struct view *w = &in->view[t];

			same |= (uint32_t)(w->valid && w->epoch == v->epoch &&
			                   svip_host_same(&w->master, &v->master))
			        << t;
		}
		mine |= (uint32_t)(v->valid && v->me) << s;
		if (v->valid && !v->me && joint_majority(c, same))
			why = WHY_OTHER_NAMED;
	}
	if (joint_majority(c, mine))
		why = WHY_MASTER_DOWN;
	transition(c, i, CORE_BACKUP, why, now, out);
}

/* An operator has reset the Sentinels when a majority stays below the promised epoch for as long as any lease
 * could last, or names this node at that very epoch (SENTINEL RESET amid a failover: the old master gets the new epoch): then
 * nobody else can hold at that epoch any more, and the promise is void. */
static svip_ms
judge_promise(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms wait = lease_wait(peer_lease_max(c), peer_guard_max(c), c->conf.drift_ppm);
	uint32_t below = 0;

	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];
		bool yes = v->valid && v->asked > now - c->conf.lease_ms &&
		           (v->epoch + 1 < in->floor || (v->epoch + 1 == in->floor && v->me));

		below |= (uint32_t)yes << s;
	}
	if (!joint_majority(c, below)) {
		in->below_since = SVIP_NEVER;
		return SVIP_NEVER;
	}
	if (in->below_since == SVIP_NEVER)
		in->below_since = now;
	if (now - in->below_since <= wait)
		return in->below_since + wait + 1;
	in->floor = 0;
	in->yield_id = in->yield_epoch = 0;
	in->below_since = SVIP_NEVER;
	decide_act(out, ACT_VOID, i);
	return SVIP_NEVER;
}

/* The kernel says that none of the addresses is here. */
static svip_ms
judge_clear(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms due = SVIP_NEVER, void_at = judge_promise(c, i, now, out), end;
	uint64_t epoch;

	if (claim_answer(c, in, now)) {
		decide_act(out, ACT_SEND, i);
		decide_act(out, ACT_POLL, i);
	}
	end = core_lease_end(c, i, &epoch);
	if (c->stopping || in->forgotten || !in->link_up) {
		claim_end(in);
		in->named_since = SVIP_NEVER;
		if (c->stopping || in->forgotten)
			transition(c, i, CORE_BACKUP, WHY_STOPPING, now, out);
		else
			transition(c, i, CORE_FAULT, WHY_LINK_DOWN, now, out);
	} else if (now < end) {
		due = judge_named(c, i, epoch, end, now, out);
	} else {
		judge_unnamed(c, i, now, out);
	}
	return void_at < due ? void_at : due;
}

void
decide(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	/* At least once a lease: facts grow stale, and the reason should say so. */
	svip_ms due = SVIP_NEVER, look = now + c->conf.lease_ms;

	if (may_have(in)) {
		if (judge_hold(c, i, now, &due, out)) {
			if (in->kernel == KERNEL_HELD)
				transition(c, i, CORE_MASTER, in->take_reason, now, out);
		} else if (in->kernel ==
		           KERNEL_CLEAR) { /* only watching: gone as soon as decided */
			decide_clear(c, i, now, out);
			return;
		}
	} else if (in->kernel == KERNEL_CLEAR) {
		due = judge_clear(c, i, now, out);
	} else if (in->kernel == KERNEL_STUCK && now >= in->retry_at) {
		in->kernel = KERNEL_REMOVING;
		decide_act(out, ACT_DROP, i);
	} else if (in->kernel == KERNEL_STUCK) {
		due = in->retry_at;
	}
	if (due > look)
		due = look;
	c->due[i] = due > now ? due : now + 1;
}

void
decide_all(struct core *c, svip_ms now, struct core_actions *out)
{
	for (int i = 0; i < c->conf.n_instances; i++)
		decide(c, i, now, out);
}

void
decide_held(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms due;

	if (in->kernel == KERNEL_CLEAR) {
		/* Nobody wants it any more. */
		let_go(c, i, in->reason, out);
		return;
	}
	if (in->kernel != KERNEL_ADDING)
		return;
	/* The kernel may have kept us waiting: the lease once more, before anything is announced. */
	if (judge_hold(c, i, now, &due, out)) {
		in->kernel = KERNEL_HELD;
		decide_act(out, ACT_ANNOUNCE, i);
		decide_act(out, ACT_SEND, i);
		claim_end(in);
	}
	decide(c, i, now, out);
}

void
decide_refused(struct core *c, int i, int error, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	in->kernel = KERNEL_CLEAR;
	in->error = error;
	in->retry_at = now + REFUSED_RETRY_MS;
	transition(c, i, CORE_FAULT, WHY_ADDRESS_REFUSED, now, out);
	decide_act(out, ACT_SEND, i);
	decide(c, i, now, out);
}

void
decide_clear(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	in->kernel = KERNEL_CLEAR;
	in->lease_end = SVIP_LONG_AGO;
	if (in->state == CORE_MASTER || in->state == CORE_WAITING) {
		enum core_reason why = in->drop_reason;
		bool fault = why == WHY_LINK_DOWN || why == WHY_TWIN || why == WHY_CONFLICT;

		transition(c, i, fault ? CORE_FAULT : CORE_BACKUP, why, now, out);
	}
	decide_act(out, ACT_SEND, i);
	decide(c, i, now, out);
}

void
decide_stuck(struct core *c, int i, int error, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	in->kernel = KERNEL_STUCK;
	in->error = error;
	in->retry_at = now + STUCK_RETRY_MS;
	transition(c, i, CORE_FAULT, WHY_ADDRESS_STUCK, now, out);
	decide(c, i, now, out);
}

void
decide_lost(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];
	svip_ms due;

	if (in->kernel != KERNEL_HELD)
		return;
	/* Another's hand took it. If the lease is good, judge_hold() tells the kernel again, as it knows of none. */
	in->lease_end = SVIP_LONG_AGO;
	if (judge_hold(c, i, now, &due, out))
		in->kernel = KERNEL_ADDING;
	decide(c, i, now, out);
}

void
decide_inherit(
    struct core *c, int i, uint64_t epoch, svip_ms until, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	assert(in->kernel == KERNEL_UNKNOWN && !c->conf.observe);
	in->kernel = KERNEL_HELD;
	in->hold_epoch = epoch;
	in->take_reason = WHY_TAKEN_OVER;
	in->lease_end = in->inherited = until;
	if (now >= until || until - now > c->conf.lease_ms) { /* no lease of this cluster's */
		let_go(c, i, WHY_LEASE_EXPIRED, out);
		return;
	}
	decide_act(out, ACT_ANNOUNCE, i);
	decide_act(out, ACT_POLL, i);
	decide_act(out, ACT_SEND, i);
	decide(c, i, now, out);
}

void
decide_jump(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	if (may_have(&c->inst[i])) {
		let_go(c, i, WHY_CLOCK_JUMP, out);
		if (c->inst[i].kernel == KERNEL_CLEAR)
			decide_clear(c, i, now, out);
		return;
	}
	decide_act(out, ACT_POLL, i);
	decide(c, i, now, out);
}
