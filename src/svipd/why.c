/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the rule that decides into a sentence: an opening by state, then one clause per reason, then who says
 * otherwise. Must not judge anew: the reason is the core's, only the numbers are looked up.
 */
#include "why.h"

#include <inttypes.h>
#include <string.h>

#include "io/log.h"
#include "named.h"
#include "sentence.h"

/* ---- one clause per reason ---- */

static void
put_starting(struct sentence *s)
{
	int fresh = core_sentinels_fresh(s->core, s->about->index, s->now);

	if (s->in->kernel == KERNEL_UNKNOWN || s->in->kernel == KERNEL_REMOVING) {
		sentence_put(
		    s, "starting; the kernel has not yet confirmed that no address is left over");
		return;
	}
	sentence_put(s, "starting; %d of %d Sentinels %s answered, %d needed", fresh, s->n,
	    fresh == 1 ? "has" : "have", s->m);
	sentence_dissent(s, true);
}

static void
put_no_quorum(struct sentence *s)
{
	int fresh = core_sentinels_fresh(s->core, s->about->index, s->now);

	sentence_put(
	    s, "%d of %d Sentinels answer%s, %d needed", fresh, s->n, fresh == 1 ? "s" : "", s->m);
	sentence_dissent(s, true);
}

static void
put_other_named(struct sentence *s)
{
	int holder = core_holder(s->core, s->about->index, s->now);
	struct named named;

	named_most(s->core, s->about->index, s->now, &named);
	if (named.count == 0) {
		sentence_put(s, "another node is the master");
		sentence_dissent(s, true);
		return;
	}
	sentence_host(s, &named.master);
	sentence_put(s, " is the master (%d of %d Sentinels, epoch %" PRIu64 ")", named.count, s->n,
	    named.epoch);
	if (named.up < named.count)
		sentence_put(s, ", seen down by %d", named.count - named.up);
	sentence_put(s, "; ");
	if (sentence_virtual(s->about->settings, &named.master)) {
		sentence_put(s, "that is a virtual address, which Sentinel must never name");
	} else if (holder >= 0 && holder != s->core->conf.self) {
		sentence_node(s, holder);
		sentence_put(s, " holds");
	} else {
		sentence_put(s, "no node says that it holds");
	}
}

static void
put_master_down(struct sentence *s)
{
	int down = 0;

	for (int i = 0; i < s->n; i++) {
		const struct view *v = &s->in->view[i];

		down += named_fresh(s->core, s->in, v, s->now) && v->me && v->down;
	}
	sentence_put(s, "this node is named, but %d of %d Sentinels see%s its Redis (", down, s->n,
	    down == 1 ? "s" : "");
	sentence_host(s, &s->about->conf->redis);
	sentence_put(s, ") down; %d must see it up", s->m);
}

static void
put_waits_for(struct sentence *s, int node, bool first)
{
	const struct peer *p = &s->core->peer[node];

	sentence_put(s, first ? "" : ", ");
	sentence_node(s, node);
	if (s->in->peer[node].holding) {
		sentence_put(s, " (it holds; ");
	} else {
		sentence_put(s, " (it has not yielded; ");
	}
	if (p->heard == SVIP_LONG_AGO) {
		sentence_put(s, "never heard)");
	} else {
		sentence_put(s, "last heard ");
		sentence_age(s, s->now - p->heard);
		sentence_put(s, " ago)");
	}
}

static void
put_lease_runs(struct sentence *s)
{
	int listed = 0, more = 0;

	sentence_named(s);
	sentence_put(s, ", but an older lease may still run at ");
	for (int i = 0; i < s->core->conf.n_nodes; i++) {
		if (i == s->core->conf.self || (s->in->yields & 1u << i) != 0)
			continue;
		if (listed == SENTENCE_LIST_MAX)
			more++;
		else
			put_waits_for(s, i, listed++ == 0);
	}
	if (more > 0)
		sentence_put(s, " and %d more", more);
	if (listed == 0)
		sentence_put(s, "a node not heard of");
}

static void
put_newer_epoch(struct sentence *s)
{
	uint64_t top = 0;
	int at = -1;

	for (int i = 0; i < s->n; i++) {
		if (s->in->view[i].valid && s->in->view[i].epoch > top) {
			top = s->in->view[i].epoch;
			at = i;
		}
	}
	sentence_confirmations(s);
	sentence_put(s, ", but ");
	if (at == -1) {
		sentence_put(s, "a newer epoch has been seen");
	} else {
		sentence_sentinel(s, at);
		sentence_put(s,
		    " shows epoch %" PRIu64 "; a majority must say who is the master there", top);
	}
}

static void
put_peer_newer(struct sentence *s)
{
	const struct peer_instance *best = NULL;
	uint64_t top = 0;
	int at = -1;

	for (int i = 0; i < s->core->conf.n_nodes; i++) {
		const struct peer_instance *p = &s->in->peer[i];
		uint64_t epoch = p->holding ? p->hold_epoch : 0;

		if (p->claim_id != 0 && p->claim_epoch > epoch)
			epoch = p->claim_epoch;
		if (p->known && epoch > top) {
			top = epoch;
			best = p;
			at = i;
		}
	}
	if (best == NULL) {
		sentence_put(s, "a node held or claimed at a newer epoch; asking the Sentinels");
		return;
	}
	sentence_node(s, at);
	sentence_put(s, " %s at epoch %" PRIu64,
	    best->holding && best->hold_epoch == top ? "holds" : "claims", top);
	sentence_put(s, ", while ");
	sentence_confirmations(s);
}

static void
put_holding(struct sentence *s)
{
	sentence_confirmations(s);
	sentence_put(s, " (%d needed), lease ", s->m);
	sentence_age(s, s->in->lease_end - s->now);
	sentence_put(s, " left");
	if (s->in->reason == WHY_ALL_YIELDED && s->core->conf.n_nodes > 1)
		sentence_put(s, "; taken after every other node had yielded");
	if (s->in->reason == WHY_TAKEN_OVER)
		sentence_put(s, "; taken over from the svipd that ran here before");
	if (s->in->kernel == KERNEL_ADDING)
		sentence_put(s, "; an address was gone, the kernel has been asked to put it back");
}

static void
put_lost_held(struct sentence *s)
{
	sentence_put(s, "without a lease, as on-quorum-loss = hold orders: ");
	sentence_confirmations(s);
	sentence_put(s, ", %d needed", s->m);
	sentence_dissent(s, false);
}

static void
put_lease_expired(struct sentence *s)
{
	sentence_put(s, "the lease at epoch %" PRIu64 " has run out: ", s->in->hold_epoch);
	sentence_confirmations(s);
	sentence_put(s, ", %d needed", s->m);
	sentence_dissent(s, false);
}

static void
put_redis(struct sentence *s)
{
	const char *error = s->about->input->instance[s->about->index].redis_error;

	sentence_named(s);
	sentence_put(s, ", but the local Redis (");
	sentence_host(s, &s->about->conf->redis);
	sentence_put(s, ") ");
	if (error != NULL && error[0] != '\0') {
		sentence_put(s, "does not answer: %s", error);
	} else if (s->in->role_asked == SVIP_LONG_AGO) {
		sentence_put(s, "has never answered");
	} else if (!s->in->role_master) {
		sentence_put(s, "says that it is not a master");
	} else {
		sentence_put(s, "has not answered for ");
		sentence_age(s, s->now - s->in->role_asked);
	}
}

static void
put_gone(struct sentence *s)
{
	sentence_put(s, "nobody listens any more where the local Redis was (");
	sentence_host(s, &s->about->conf->redis);
	sentence_put(s, "): let go before the Sentinels see it down, as expedite-failover orders");
}

static void
put_mismatch(struct sentence *s)
{
	int at = -1, n = 0;

	for (int i = 0; i < s->core->conf.n_nodes; i++) {
		if (s->core->peer[i].heard_config && s->core->peer[i].config == CONFIG_UNSAFE) {
			if (n++ == 0)
				at = i;
		}
	}
	if (at == -1) {
		sentence_put(s, "another node's configuration differed in its safety part");
		return;
	}
	sentence_node(s, at);
	if (n > 1)
		sentence_put(s, " and %d more", n - 1);
	sentence_put(s, " differ%s in the safety part of the configuration", n > 1 ? "" : "s");
	if ((svip_ms)s->core->peer[at].lease_ms != s->core->conf.lease_ms)
		sentence_put(s, " (lease %" PRIu32 " ms there, %d ms here)",
		    s->core->peer[at].lease_ms, (int)s->core->conf.lease_ms);
	sentence_put(s, "; last heard ");
	sentence_age(s, s->now - s->core->peer[at].heard);
	sentence_put(s, " ago");
}

static void
put_guard_unknown(struct sentence *s)
{
	bool first = true;

	sentence_named(s);
	sentence_put(s,
	    ", but without nftables its release may come %d ms late, and so much later than "
	    "agreed; not "
	    "yet heard by ",
	    (int)s->core->conf.guard_ms);
	for (int i = 0; i < s->core->conf.n_nodes; i++) {
		if (i == s->core->conf.self || s->core->peer[i].incarnation != 0)
			continue;
		sentence_put(s, first ? "" : ", ");
		sentence_node(s, i);
		first = false;
	}
}

static void
put_refused(struct sentence *s)
{
	sentence_put(s, "the kernel refuses an address on %s: %s", s->about->conf->interface,
	    strerror(s->in->error));
	if (s->in->retry_at > s->now) {
		sentence_put(s, "; next attempt in ");
		sentence_age(s, s->in->retry_at - s->now);
	}
}

static void
put_conflict(struct sentence *s)
{
	const char *who = s->about->input->instance[s->about->index].conflict;

	sentence_put(s,
	    "another host answers for %s, and on-conflict = yield-and-fault; this node comes back "
	    "%d s after the last answer",
	    who != NULL && who[0] != '\0' ? who : "an address", CORE_CONFLICT_QUIET_MS / 1000);
	if (s->in->conflict_until > s->now) {
		sentence_put(s, ", in ");
		sentence_age(s, s->in->conflict_until - s->now);
		sentence_put(s, " at the earliest");
	}
}

static void
put_reason(struct sentence *s, enum core_reason reason)
{
	switch (reason) {
	case WHY_STARTING:
		put_starting(s);
		return;
	case WHY_NO_QUORUM:
		put_no_quorum(s);
		return;
	case WHY_SPLIT:
		sentence_confirmations(s);
		sentence_put(s, ", %d needed", s->m);
		sentence_dissent(s, false);
		return;
	case WHY_OTHER_NAMED:
		put_other_named(s);
		return;
	case WHY_MASTER_DOWN:
		put_master_down(s);
		return;
	case WHY_LEASE_RUNS:
		put_lease_runs(s);
		return;
	case WHY_NEWER_EPOCH:
		put_newer_epoch(s);
		return;
	case WHY_PROMISED:
		sentence_named(s);
		sentence_put(s,
		    ", but it has yielded to a later claim and promised not to hold below epoch "
		    "%" PRIu64,
		    s->in->floor);
		return;
	case WHY_TAKING:
		sentence_named(s);
		sentence_put(s, " (%d needed); the kernel has been asked for the addresses", s->m);
		return;
	case WHY_QUORUM_CONFIRMED:
	case WHY_ALL_YIELDED:
	case WHY_TAKEN_OVER:
		put_holding(s);
		return;
	case WHY_QUORUM_LOST_HELD:
		put_lost_held(s);
		return;
	case WHY_LEASE_EXPIRED:
		put_lease_expired(s);
		return;
	case WHY_PEER_NEWER:
		put_peer_newer(s);
		return;
	case WHY_CLOCK_JUMP:
		sentence_put(s,
		    "the clocks jumped or the process slept; %d Sentinels must name this node anew",
		    s->m);
		return;
	case WHY_REDIS_NOT_MASTER:
		put_redis(s);
		return;
	case WHY_REDIS_GONE:
		put_gone(s);
		return;
	case WHY_LINK_DOWN:
		sentence_put(s, "interface %s is down or gone", s->about->conf->interface);
		return;
	case WHY_ADDRESS_REFUSED:
		put_refused(s);
		return;
	case WHY_ADDRESS_STUCK:
		sentence_put(s,
		    "the kernel does not remove an address from %s: %s; it may still be there",
		    s->about->conf->interface, strerror(s->in->error));
		return;
	case WHY_CONFIG_MISMATCH:
		put_mismatch(s);
		return;
	case WHY_NOT_MEMBER:
		sentence_put(s, "the nodes are being changed, and this one is added or removed: it "
		                "takes nothing meanwhile");
		return;
	case WHY_GUARD_UNKNOWN:
		put_guard_unknown(s);
		return;
	case WHY_TWIN:
		sentence_put(s,
		    "another node says that it holds at the same epoch: both take themselves for "
		    "the master that the Sentinels name");
		return;
	case WHY_CONFLICT:
		put_conflict(s);
		return;
	case WHY_MAINTENANCE:
		sentence_put(s, "maintenance is on; ");
		sentence_confirmations(s);
		return;
	case WHY_STOPPING:
		sentence_put(s, "svipd is stopping");
		return;
	case WHY_REASONS:
		return;
	}
}

/* ---- the whole ---- */

/* The kernel still removes: the reason is why it must. */
static bool
letting_go(const struct instance *in)
{
	return in->kernel == KERNEL_REMOVING &&
	       (in->state == CORE_MASTER || in->state == CORE_WAITING);
}

static void
put_waiting(struct sentence *s)
{
	svip_ms free_at = core_free_at(s->core, s->about->index, s->epoch);

	if (s->in->reason == WHY_TAKING) {
		sentence_put(s, "taking: ");
	} else if (s->in->reason == WHY_LEASE_RUNS && free_at != SVIP_NEVER && free_at > s->now) {
		sentence_put(s, "waiting ");
		sentence_age(s, free_at - s->now);
		sentence_put(s, " more: ");
	} else {
		sentence_put(s, "waiting: ");
	}
}

static void
put_opening(struct sentence *s)
{
	if (letting_go(s->in)) {
		sentence_put(s, "letting go: ");
		return;
	}
	switch (s->in->state) {
	case CORE_MASTER:
		sentence_put(s, s->core->conf.observe ? "would hold, for " : "holding for ");
		sentence_age(s, s->now - s->in->since);
		sentence_put(s, s->in->reason == WHY_QUORUM_LOST_HELD ? " " : ": ");
		return;
	case CORE_WAITING:
		put_waiting(s);
		return;
	case CORE_FAULT:
		sentence_put(s, "fault: ");
		return;
	case CORE_INIT:
	case CORE_BACKUP:
		sentence_put(s, s->in->reason == WHY_TAKING ? "taking: " : "not holding: ");
		return;
	}
}

const char *
why_text(const struct why_about *about, char out[WHY_TEXT_MAX])
{
	struct sentence s = {
		.about = about,
		.core = about->core,
		.in = &about->core->inst[about->index],
		.now = about->input->now,
		.n = about->core->conf.n_sentinels,
		.m = core_majority(about->core),
		.out = out,
	};

	out[0] = '\0';
	s.confirmations = core_confirmations(s.core, about->index, s.now, &s.epoch);
	put_opening(&s);
	put_reason(&s, letting_go(s.in) ? s.in->drop_reason : s.in->reason);
	if (s.core->conf.observe)
		sentence_put(&s, "; observe is on: no address is touched");
	log_clean(out, s.len, out, WHY_TEXT_MAX);
	return out;
}
