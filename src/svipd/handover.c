/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of a handover, each with its sentence. Must not begin the next one on hope: every step waits for a fact. */
#include "handover.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *
handover_step_word(enum handover_step step)
{
	static const char *const words[HANDOVER_STEPS] = {
		[HANDOVER_CHECKING] = "checking",
		[HANDOVER_HOLDING_WRITES] = "holding-writes",
		[HANDOVER_CATCHING_UP] = "catching-up",
		[HANDOVER_ASKED] = "asked",
		[HANDOVER_MOVING] = "moving",
		[HANDOVER_DONE] = "done",
		[HANDOVER_FAILED] = "failed",
	};

	return words[step];
}

__attribute__((format(printf, 4, 5))) static void
enter(struct handover *h, enum handover_step step, svip_ms now, const char *fmt, ...)
{
	struct handover_line *l =
	    &h->line[h->n_lines < HANDOVER_LINES_MAX ? h->n_lines++ : HANDOVER_LINES_MAX - 1];
	va_list ap;

	h->step = step;
	h->step_began = now;
	l->step = step;
	l->after_ms = now - h->began;
	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 4, 5))) static unsigned
fail(struct handover *h, const char *error, svip_ms now, const char *fmt, ...)
{
	char text[HANDOVER_TEXT_MAX - 80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h->error = error;
	enter(h, HANDOVER_FAILED, now, "%s%s", text,
	    h->failover != HANDOVER_NOT_ASKED && !h->aborted
	        ? "; Sentinel was asked, and may still move the master"
	        : "");
	return h->paused ? HANDOVER_GIVE_BACK : 0;
}

static const char FAILED[] = "handover-failed";

void
handover_begin(struct handover *h, svip_ms limit_ms, svip_ms now)
{
	memset(h, 0, sizeof(*h));
	h->began = h->step_began = now;
	h->limit = now + limit_ms;
	h->sentinel = -1;
	h->paused_at = h->info_heard = SVIP_LONG_AGO;
}

unsigned
handover_cancel(struct handover *h, const char *why, svip_ms now)
{
	return handover_ended(h) ? 0 : fail(h, FAILED, now, "%s", why);
}

/* ---- answers ---- */

static void
refuse(struct handover *h, const char *what, const char *text)
{
	if (h->refusal[0] == '\0')
		snprintf(h->refusal, sizeof(h->refusal), "%s: %s", what, text);
}

/* That Sentinel is out: what it was asked is asked of the next one. */
static void
drop_sentinel(struct handover *h)
{
	if (h->sentinel >= 0)
		h->tried |= 1u << h->sentinel;
	h->sentinel = -1;
	h->quorum = h->replicas = h->failover = HANDOVER_NOT_ASKED;
}

void
handover_unsent(struct handover *h, enum handover_order order)
{
	switch (order) {
	case HANDOVER_ASK_QUORUM:
	case HANDOVER_ASK_REPLICAS:
	case HANDOVER_FAIL_OVER:
		drop_sentinel(h);
		return;
	case HANDOVER_ASK_INFO:
		h->info = HANDOVER_NOT_ASKED; /* the facts tell of a Redis that is gone */
		return;
	case HANDOVER_HOLD_WRITES:
	case HANDOVER_GIVE_BACK:
	case HANDOVER_LOOK:
		return;
	}
}

void
handover_quorum(
    struct handover *h, int sentinel, enum replication_verdict verdict, bool lost, const char *text)
{
	if (sentinel != h->sentinel || h->quorum != HANDOVER_OUT)
		return;
	h->quorum = HANDOVER_ANSWERED;
	if (lost)
		drop_sentinel(h);
	else if (verdict != REPLICATION_YES)
		refuse(h, "the Sentinels could not fail over", text);
}

void
handover_replicas(struct handover *h, int sentinel, const struct replication_candidate *list, int n,
    enum reply_fault fault, const char *text)
{
	if (sentinel != h->sentinel || h->replicas != HANDOVER_OUT)
		return;
	h->replicas = HANDOVER_ANSWERED;
	if (fault == REPLY_NO_CONNECTION) {
		drop_sentinel(h);
	} else if (fault != REPLY_FINE) {
		refuse(h, "SENTINEL REPLICAS", text);
	} else {
		h->n_told = n;
		memcpy(h->told, list,
		    (size_t)(n < REPLICATION_MAX ? n : REPLICATION_MAX) * sizeof(*list));
	}
}

void
handover_failover(struct handover *h, int sentinel, enum replication_verdict verdict, bool lost,
    bool sent, const char *text)
{
	if (sentinel != h->sentinel || h->failover != HANDOVER_OUT)
		return;
	h->failover = HANDOVER_ANSWERED;
	if (lost && !sent)
		drop_sentinel(h);
	if (lost ||
	    verdict ==
	        REPLICATION_YES) /* lost: it may have been heard; asking another would be a second one */
		return;
	h->failover = HANDOVER_NOT_ASKED;
	refuse(h,
	    verdict == REPLICATION_IN_PROGRESS  ? "Sentinel is failing over already"
	    : verdict == REPLICATION_NO_REPLICA ? "Sentinel finds no replica that it could promote"
	                                        : "Sentinel does not fail over",
	    text);
}

void
handover_info(struct handover *h, const struct replication_info *info, svip_ms now,
    enum reply_fault fault, const char *text)
{
	if (h->info != HANDOVER_OUT)
		return;
	h->info = fault == REPLY_NO_CONNECTION ? HANDOVER_NOT_ASKED : HANDOVER_ANSWERED;
	h->info_heard = now;
	if (fault == REPLY_FINE)
		h->latest = *info;
	else if (fault != REPLY_NO_CONNECTION)
		refuse(h, "INFO replication", text);
}

void
handover_replica(struct handover *h, int candidate, uint64_t offset)
{
	if (candidate < h->n_candidates)
		h->own[candidate] = offset;
}

void
handover_writes(struct handover *h, bool wait, const char *text)
{
	if (!wait && h->step == HANDOVER_HOLDING_WRITES)
		refuse(h, "the local Redis does not hold writes back", text);
	else if (wait && h->paused)
		h->wait = true;
}

void
handover_aborted(struct handover *h, int sentinel)
{
	if (sentinel == h->sentinel && h->failover != HANDOVER_NOT_ASKED)
		h->aborted = true;
}

/* ---- which replicas ---- */

static bool
eligible(const struct replication_candidate *c)
{
	return c->priority != 0 && !c->down && c->linked;
}

/* The replica as its master sees it; NULL: it doesn't. */
static const struct replication_replica *
seen(const struct handover *h, const struct svip_host *host)
{
	for (int i = 0; i < h->latest.n && i < REPLICATION_MAX; i++) {
		if (svip_host_same(&h->latest.replica[i].host, host))
			return &h->latest.replica[i];
	}
	return NULL;
}

/* Why the addresses could not follow to this replica; NULL: they could. One that is known by another address than its node's may
 * be on any: then each must do. */
static const struct handover_peer *
unfit(const struct handover_facts *f, const struct svip_host *host)
{
	const struct handover_peer *bad = NULL;
	struct svip_addr addr;
	bool numeric = svip_host_addr(host, &addr);

	for (int i = 0; i < f->n_peers; i++) {
		const struct handover_peer *p = &f->peer[i];

		if (numeric && svip_addr_same(&p->addr, &addr))
			return p->unfit != NULL ? p : NULL;
		if (bad == NULL && p->unfit != NULL)
			bad = p;
	}
	return bad;
}

/* Why one that Sentinel tells of is none to choose. */
static const char *
flaw(const struct replication_candidate *c)
{
	return c->priority == 0 ? "its priority is 0"
	       : c->down        ? "it is down"
	                        : "it has lost its master";
}

/* Sentinel takes the lowest priority, then the largest offset that it has read, which may be seconds old (Redis' sentinel.c,
 * sentinelSelectSlave()): with equal priorities it may be any of them. */
static void
choose(struct handover *h)
{
	int lowest = 0;

	h->n_candidates = 0;
	for (int i = 0; i < h->n_told; i++) {
		if (eligible(&h->told[i]) && (lowest == 0 || h->told[i].priority < lowest))
			lowest = h->told[i].priority;
	}
	for (int i = 0; i < h->n_told; i++) {
		if (eligible(&h->told[i]) && h->told[i].priority == lowest)
			h->candidate[h->n_candidates++] = h->told[i];
	}
}

static bool
pick_sentinel(struct handover *h, const struct handover_facts *f)
{
	if (h->sentinel >= 0)
		return true;
	for (int i = 0; i < f->n_sentinels && h->sentinel < 0; i++) {
		if (f->usable[i] && (h->tried & 1u << i) == 0)
			h->sentinel = i;
	}
	return h->sentinel >= 0;
}

/* Another Sentinel may know better: each reads a replica's state by itself, every 10 s. */
static unsigned
none_to_choose(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	char host[SVIP_TEXT_MAX];

	drop_sentinel(h);
	if (pick_sentinel(h, f))
		return 0;
	if (h->n_told == 0)
		return fail(h, FAILED, now, "Sentinel knows of no replica");
	return fail(h, FAILED, now, "none of %d replica%s could be chosen: %s: %s", h->n_told,
	    h->n_told == 1 ? "" : "s", svip_host_text(&h->told[0].host, host), flaw(&h->told[0]));
}

static unsigned
judge_replicas(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	char host[SVIP_TEXT_MAX], node[SVIP_TEXT_MAX];

	if (h->n_told > REPLICATION_MAX)
		return fail(h, FAILED, now,
		    "there are %d replicas, more than %d can't be looked at", h->n_told,
		    REPLICATION_MAX);
	choose(h);
	if (h->n_candidates == 0)
		return none_to_choose(h, f, now);
	for (int i = 0; i < h->n_candidates; i++) {
		const struct svip_host *c = &h->candidate[i].host;
		const struct replication_replica *r = seen(h, c);
		const struct handover_peer *p = unfit(f, c);

		svip_host_text(c, host);
		if (r == NULL || !r->online)
			return fail(h, FAILED, now,
			    "Sentinel could choose the replica %s, which is not connected to this "
			    "master",
			    host);
		if (p != NULL)
			return fail(h, FAILED, now,
			    "Sentinel could choose the replica %s, and the addresses could not "
			    "follow: node %s: %s",
			    host, svip_addr_text(&p->addr, false, node), p->unfit);
	}
	h->paused = true;
	h->paused_at = now;
	enter(h, HANDOVER_HOLDING_WRITES, now,
	    "clients' writes are told to wait; %d replica%s could be chosen: %s%s", h->n_candidates,
	    h->n_candidates == 1 ? "" : "s", svip_host_text(&h->candidate[0].host, host),
	    h->n_candidates == 1 ? "" : ", …");
	return HANDOVER_HOLD_WRITES | HANDOVER_LOOK;
}

/* ---- the steps ---- */

/* What ends it as long as no Sentinel has been asked. False: nothing. */
static bool
hindered(struct handover *h, const struct handover_facts *f, svip_ms now, unsigned *orders)
{
	if (!f->holds || f->epoch != h->epoch)
		*orders |= fail(h, FAILED, now, "this node has let go meanwhile: %s", f->state);
	else if (f->redis != NULL)
		*orders |= fail(h, FAILED, now, "the local Redis can't be asked: %s", f->redis);
	else if (h->refusal[0] != '\0')
		*orders |= fail(h, FAILED, now, "%s", h->refusal);
	else
		return false;
	return true;
}

static const char no_sentinel[] = "no Sentinel that names this node could be asked";

static unsigned
begin(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	if (!f->holds && f->elsewhere)
		return fail(h, "not-holder", now, "%s holds: run it there", f->elsewhere_node);
	if (!f->holds)
		return fail(h, "not-holder", now, "this node does not hold: %s", f->state);
	if (f->n_peers == 0)
		return fail(h, FAILED, now, "there is no other node");
	if (f->confirmations < f->majority)
		return fail(h, FAILED, now, "%d of %d Sentinels confirm this node, %d needed",
		    f->confirmations, f->n_sentinels, f->majority);
	h->epoch = f->epoch;
	enter(h, HANDOVER_CHECKING, now,
	    "this node holds at epoch %" PRIu64 ", %d of %d Sentinels confirm it", f->epoch,
	    f->confirmations, f->n_sentinels);
	return 0;
}

static unsigned
ask(enum handover_reply *what, enum handover_order order)
{
	if (*what != HANDOVER_NOT_ASKED)
		return 0;
	*what = HANDOVER_OUT;
	return order;
}

static unsigned
checking(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	unsigned orders = h->n_lines == 0 ? begin(h, f, now) : 0;
	char host[SVIP_TEXT_MAX];

	if (h->step == HANDOVER_FAILED || hindered(h, f, now, &orders))
		return orders;
	if (!pick_sentinel(h, f))
		return fail(h, FAILED, now, "%s", no_sentinel);
	if (h->quorum == HANDOVER_ANSWERED && h->replicas == HANDOVER_ANSWERED &&
	    h->info == HANDOVER_ANSWERED)
		return judge_replicas(h, f, now);
	if (now - h->step_began > HANDOVER_ANSWER_MS)
		return fail(h, FAILED, now, "no answer from %s within %d ms",
		    h->info == HANDOVER_ANSWERED ? svip_host_text(&f->sentinel[h->sentinel], host)
		                                 : "the local Redis",
		    HANDOVER_ANSWER_MS);
	return ask(&h->quorum, HANDOVER_ASK_QUORUM) | ask(&h->replicas, HANDOVER_ASK_REPLICAS) |
	       ask(&h->info, HANDOVER_ASK_INFO);
}

static unsigned
holding_writes(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	unsigned orders = 0;

	if (hindered(h, f, now, &orders))
		return orders;
	if (h->wait) {
		h->info = HANDOVER_NOT_ASKED;
		enter(h, HANDOVER_CATCHING_UP, now, "clients' writes wait");
	} else if (now - h->step_began > HANDOVER_ANSWER_MS) {
		return fail(h, FAILED, now,
		    "the local Redis has not said within %d ms that writes wait",
		    HANDOVER_ANSWER_MS);
	}
	return 0;
}

/* The replica that is farthest behind: how many bytes; UINT64_MAX: not connected. What it says itself is younger than what its
 * master has been told, which is once a second. */
static uint64_t
behind(const struct handover *h, const struct svip_host **which)
{
	uint64_t most = 0, lag, has;

	for (int i = 0; i < h->n_candidates; i++) {
		const struct replication_replica *r = seen(h, &h->candidate[i].host);

		if (r == NULL || !r->online) {
			lag = UINT64_MAX;
		} else {
			has = r->offset > h->own[i] ? r->offset : h->own[i];
			lag = has < h->target ? h->target - has : 0;
		}
		if (lag > most) {
			most = lag;
			*which = &h->candidate[i].host;
		}
	}
	return most;
}

static unsigned
too_late(struct handover *h, uint64_t lag, const struct svip_host *which, svip_ms now)
{
	char host[SVIP_TEXT_MAX];

	if (!h->target_known)
		return fail(h, FAILED, now, "the local Redis has not told its offset within %d ms",
		    HANDOVER_CATCH_UP_MS);
	svip_host_text(which, host);
	if (lag == UINT64_MAX)
		return fail(
		    h, FAILED, now, "the replica %s has lost its connection to this master", host);
	return fail(h, FAILED, now, "the replica %s is %" PRIu64 " bytes behind after %d ms", host,
	    lag, HANDOVER_CATCH_UP_MS);
}

static unsigned
catching_up(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	const struct svip_host *which = NULL;
	unsigned orders = 0;
	uint64_t lag = 0;
	char host[SVIP_TEXT_MAX];

	if (hindered(h, f, now, &orders))
		return orders;
	if (h->info == HANDOVER_ANSWERED && !h->target_known) {
		h->target = h->latest.offset;
		h->target_known = true;
	}
	if (h->target_known)
		lag = behind(h, &which);
	if (h->target_known && lag == 0) {
		h->failover = HANDOVER_OUT;
		enter(h, HANDOVER_ASKED, now,
		    "all that was acknowledged is there (offset %" PRIu64
		    "); %s is asked to fail over",
		    h->target, svip_host_text(&f->sentinel[h->sentinel], host));
		return HANDOVER_FAIL_OVER;
	}
	if (now - h->step_began > HANDOVER_CATCH_UP_MS)
		return too_late(h, lag, which, now);
	if (h->info == HANDOVER_ANSWERED && now - h->info_heard >= HANDOVER_LOOK_MS)
		h->info = HANDOVER_NOT_ASKED;
	return ask(&h->info, HANDOVER_ASK_INFO);
}

/* False: it has not moved yet. */
static bool
moved(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	if (f->holds || !f->elsewhere || f->elsewhere_epoch <= h->epoch)
		return false;
	enter(h, HANDOVER_DONE, now, "%s holds at epoch %" PRIu64, f->elsewhere_node,
	    f->elsewhere_epoch);
	return true;
}

static unsigned
asked(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	char host[SVIP_TEXT_MAX];

	if (moved(h, f, now))
		return 0;
	if (h->refusal[0] != '\0')
		return fail(h, FAILED, now, "%s", h->refusal);
	if (h->failover == HANDOVER_ANSWERED) {
		enter(h, HANDOVER_MOVING, now, "%s fails over",
		    svip_host_text(&f->sentinel[h->sentinel], host));
		return 0;
	}
	if (h->failover == HANDOVER_NOT_ASKED && !pick_sentinel(h, f))
		return fail(h, FAILED, now, "%s", no_sentinel);
	return ask(&h->failover, HANDOVER_FAIL_OVER);
}

static unsigned
moving(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	if (!moved(h, f, now) && h->aborted)
		return fail(h, FAILED, now, "Sentinel has given the failover up");
	return 0;
}

static unsigned
late(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	const char *what = h->step != HANDOVER_MOVING ? handover_step_word(h->step)
	                   : f->holds                 ? "this node is still named"
	                              : "this node has let go, and no other says that it holds";

	return fail(
	    h, FAILED, now, "not done within %lld ms: %s", (long long)(h->limit - h->began), what);
}

static unsigned
step(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	switch (h->step) {
	case HANDOVER_CHECKING:
		return checking(h, f, now);
	case HANDOVER_HOLDING_WRITES:
		return holding_writes(h, f, now);
	case HANDOVER_CATCHING_UP:
		return catching_up(h, f, now);
	case HANDOVER_ASKED:
		return asked(h, f, now);
	case HANDOVER_MOVING:
		return moving(h, f, now);
	case HANDOVER_DONE:
	case HANDOVER_FAILED:
	case HANDOVER_STEPS:
		break;
	}
	return 0;
}

unsigned
handover_next(struct handover *h, const struct handover_facts *f, svip_ms now)
{
	enum handover_step before;
	unsigned orders = 0;

	do {
		before = h->step;
		orders |= step(h, f, now);
	} while (h->step != before);
	if (!handover_ended(h) && now >= h->limit)
		orders |= late(h, f, now);
	if (handover_ended(h))
		return orders & HANDOVER_GIVE_BACK;
	if (h->step == HANDOVER_MOVING && now - h->step_began >= HANDOVER_MOVE_MS)
		return orders;
	if (h->paused && f->redis == NULL && f->redis_master &&
	    now - h->paused_at >= HANDOVER_RENEW_MS) {
		h->paused_at = now;
		orders |= HANDOVER_HOLD_WRITES;
	}
	return orders;
}
