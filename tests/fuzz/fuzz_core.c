/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of events into the core: the bytes become a configuration, events and times. An account beside the core, kept from
 * events and actions alone, says after each step what must be so. Unlike the simulator this one knows no cluster: what
 * Sentinels and peers say needs to make no sense.
 *
 *   16 bytes of configuration, then events of 8 bytes: kind, instance, which, flags, epoch, age, spare, time passed
 */
#include <jansson.h>
#include <string.h>
#include <svip/core.h>

#include "fuzz.h"
#include "svipd/history.h"
#include "svipd/report.h"

enum {
	HEAD_LEN = 16,
	EVENT_LEN = 8,
	EVENTS_MAX = 512,
	INSTANCES = 3,
	NODES = 4,
	SENTINELS = 5,
	TICKS_MAX = 32, /* between two events, where the loop is punctual */
	START = 100000,
	WRITES_MS = 5000, /* the longest that clients' writes may have to wait */
	AHEAD_MS =
	    10000, /* the longest that a Sentinel which alone shows a newer epoch is believed */
};

/* What the bytes ask for. EV_VIEW to EV_STOP of the core, and more. */
enum what {
	DO_TICK,
	DO_VIEW,
	DO_VIEWS, /* of all Sentinels but those in the mask */
	DO_NEWS,
	DO_LISTENING,
	DO_PONG,
	DO_SESSION,
	DO_ROLE,
	DO_LINK,
	DO_KERNEL, /* the next answer that is due */
	DO_LOST,
	DO_HEARTBEAT,
	DO_UNKNOWN,
	DO_JUMP,
	DO_MAINTENANCE,
	DO_CONFLICT,
	DO_FORGET, /* and its removal */
	DO_ADD,
	DO_CONFIG,
	DO_STOP,
	DO_WRITES, /* Redis' answer; later ones than those above, so that seeds keep their meaning */
	DO_GONE,
	DO_ALL, /* how many */
};

/* One Sentinel's words about an instance; the dates as doc/SAFETY.md has them. */
struct word {
	bool valid, me, down; /* the newest; a newer epoch isn't overtaken */
	uint64_t epoch;
	int host;
	svip_ms since; /* it has said this epoch and this host */
	svip_ms asked;
	bool told_me; /* the newest in order */
	uint64_t told_epoch;
	int told_host;
	svip_ms
	    named; /* not before this can it have begun to deny everybody below told_epoch; SVIP_NEVER: it doesn't */
	svip_ms
	    run; /* the first of an unbroken run of "the master before is down"; SVIP_NEVER: none */
	uint64_t run_epoch;
	int run_host;
	bool proved;     /* an event of before can't come any more */
	int switched_to; /* since the run began; -1: none */
	svip_ms switch_heard, doubt_heard;
};

/* One instance as its adapters have it. */
struct account {
	bool looked; /* the kernel has been looked at */
	bool there;  /* the addresses may be there: ordered or found, and not said to be gone */
	bool
	    before; /* they may have been when this step began, after the kernel's word if it is one */
	bool answered; /* the kernel has said that they are there */
	bool dropping;
	svip_ms until; /* as last ordered */
	uint64_t inherited_epoch;
	svip_ms inherited_until; /* SVIP_LONG_AGO: nothing */
	struct word word[SENTINELS];
	svip_ms earn_after;
	bool link, role, gone, forgotten;
	svip_ms role_asked;
	bool said_master; /* its last word, also across a jump of the clocks */
	bool promised;
	uint64_t promise; /* never to hold at this epoch or below */
	uint64_t last_yield;
	svip_ms yielded_at;
	svip_ms writes_until;           /* as last ordered; SVIP_LONG_AGO: given back */
	bool writes_wait;               /* and Redis has said so since */
	uint64_t claim_epoch, claim_id; /* as last sent */
	uint64_t old_epoch, old_id;     /* the claim before */
	unsigned yielded; /* bit per node: a heartbeat with a yield to that was posted */
};

static struct core core;
static struct core_actions out;
static struct account account[INSTANCES];
static svip_ms now;
static bool maintenance, stopping, prompt, punctual;
static svip_ms listening[SENTINELS];

/* A peer. How late a process of its may be stands in its incarnation's lowest bit. */
static struct {
	uint64_t incarnation, sequence;
	uint64_t established; /* the life that has proved itself last; 0: none */
	svip_ms echo_sent;    /* of this node's youngest heartbeat that it has echoed */
	bool echoed;          /* a heartbeat with a fresh echo was posted */
	svip_ms guard;        /* of whom it has echoed, or who has proved itself since; -1: none */
} peers[NODES];

static const struct svip_host hosts[4] = { { "10.0.0.11", 6379 }, { "10.0.0.12", 6379 },
	{ "10.0.0.13", 6379 }, { "redis-1", 6379 } };

/* ---- what must be so ---- */

static bool
may_have(int i)
{
	return core.inst[i].kernel == KERNEL_ADDING || core.inst[i].kernel == KERNEL_HELD;
}

/* Until when a majority's words let this node hold at the epoch. */
static svip_ms
lease_of(const struct account *a, uint64_t epoch)
{
	int n = core.conf.n_sentinels, m = n / 2 + 1;
	svip_ms best = SVIP_LONG_AGO;

	for (int s = 0; s < n; s++) {
		int later = 0;

		for (int t = 0; t < n; t++) {
			const struct word *w = &a->word[t];

			later += w->valid && w->me && !w->down && w->epoch == epoch &&
			         w->asked >= a->earn_after && w->asked >= a->word[s].asked;
		}
		if (later >= m && a->word[s].valid && a->word[s].asked + core.conf.lease_ms > best)
			best = a->word[s].asked + core.conf.lease_ms;
	}
	if (a->inherited_epoch == epoch && a->inherited_until > best)
		best = a->inherited_until;
	return best;
}

static svip_ms
guard_of(uint64_t incarnation)
{
	return (incarnation & 1) != 0 ? 2200 : 60;
}

/* How long anybody's lease and late release can last, at least. */
static svip_ms
patience(void)
{
	svip_ms fast = 1000000 + core.conf.drift_ppm, slow = 1000000 - core.conf.drift_ppm;
	svip_ms guard = core.conf.guard_least_ms;

	for (int p = 0; p < core.conf.n_nodes; p++) {
		svip_ms g = peers[p].guard == -1 ? core.conf.guard_unheard_ms : peers[p].guard;

		if (p != core.conf.self && g > guard)
			guard = g;
	}
	return (core.conf.lease_ms * fast + slow - 1) / slow + guard;
}

/* So many Sentinels have denied everybody below this epoch for so long that nobody's lease can run any more. */
static bool
waited(const struct account *a, uint64_t epoch)
{
	int n = core.conf.n_sentinels, blocking = n - n / 2, long_enough = 0;

	for (int s = 0; s < n; s++) {
		const struct word *w = &a->word[s];

		long_enough += w->told_me && w->told_epoch == epoch && w->named != SVIP_NEVER &&
		               now >= w->named + patience();
	}
	return long_enough >= blocking;
}

static bool
all_yielded(const struct account *a, const struct instance *in)
{
	unsigned others = ((1u << core.conf.n_nodes) - 1) & ~(1u << core.conf.self);

	return others == 0 ||
	       (in->claim_id != 0 && in->claim_id == a->claim_id &&
	           in->claim_epoch == a->claim_epoch && (a->yielded & others) == others);
}

/* Somebody shows a newer epoch, and writes that are acknowledged here may be forgotten. */
static bool
outdated(const struct account *a, uint64_t epoch)
{
	if (a->writes_wait && now < a->writes_until)
		return false;
	if (!a->role && a->role_asked != SVIP_LONG_AGO)
		return false;
	for (int s = 0; s < core.conf.n_sentinels; s++) {
		const struct word *w = &a->word[s];

		if (w->valid && w->epoch > epoch && now < w->since + AHEAD_MS)
			return true;
	}
	return false;
}

static void
check_take(const struct account *a, const struct instance *in)
{
	MUST(a->looked && !maintenance && !stopping && !a->forgotten && a->link);
	MUST(a->role && now - a->role_asked <= core.conf.lease_ms);
	MUST(!a->promised || in->hold_epoch > a->promise);
	for (int p = 0; p < core.conf.n_nodes && core.conf.guard_ms > core.conf.guard_least_ms; p++)
		MUST(p == core.conf.self || peers[p].echoed);
	MUST(all_yielded(a, in) || waited(a, in->hold_epoch));
}

static void
check_hold(struct account *a, const struct instance *in, svip_ms until)
{
	MUST(!core.conf.observe && !a->dropping);
	MUST(until > now && until - now <= core.conf.lease_ms);
	if (!core.conf.hold_on_quorum_loss)
		MUST(until <= lease_of(a, in->hold_epoch));
	if (!a->there) {
		check_take(a, in);
		MUST(until <= lease_of(a, in->hold_epoch));
	}
	a->there = true;
	a->until = until;
}

/* Other people's writes: only where this node holds, of a living master, and never for long. */
static void
check_writes(struct account *a, svip_ms until)
{
	MUST(!core.conf.observe);
	if (until == SVIP_LONG_AGO) {
		MUST(now < a->writes_until);
		a->writes_wait = false;
	} else {
		a->writes_wait = a->writes_wait && now < a->writes_until;
		MUST(a->there && a->answered && !a->dropping && a->said_master && !a->forgotten);
		MUST(until > now && until <= now + WRITES_MS && until > a->writes_until);
	}
	a->writes_until = until;
}

static void
check_action(const struct core_action *x)
{
	struct account *a = &account[x->instance];

	MUST(x->kind == ACT_SEND || (x->instance >= 0 && x->instance < core.conf.n_instances));
	switch ((enum core_action_kind)x->kind) {
	case ACT_HOLD:
		check_hold(a, &core.inst[x->instance], x->until);
		return;
	case ACT_DROP:
		MUST(!core.conf.observe && a->there);
		a->dropping = true;
		a->answered = false;
		a->inherited_until = SVIP_LONG_AGO;
		return;
	case ACT_ANNOUNCE:
		MUST(!core.conf.observe && a->there && a->answered && now < a->until);
		return;
	case ACT_STATE:
		MUST(x->from <= CORE_FAULT && x->to <= CORE_FAULT && x->reason < WHY_REASONS);
		MUST(x->until >= 0);
		return;
	case ACT_WRITES:
		check_writes(a, x->until);
		return;
	case ACT_VOID: /* who was yielded to last may have taken, and counts on it */
		MUST(now - a->yielded_at > patience());
		a->promised = false;
		return;
	case ACT_POLL:
	case ACT_SEND:
		return;
	}
	MUST(false); /* there is no other action */
}

static void
check_instance(int i)
{
	const struct instance *in = &core.inst[i];
	const struct account *a = &account[i];

	MUST(in->state <= CORE_FAULT && in->reason < WHY_REASONS);
	MUST(in->writes_until == a->writes_until ||
	     (in->writes_until <= now && a->writes_until <= now));
	if (core.conf.observe)
		return;
	if (may_have(i)) {
		MUST(a->there && !a->dropping);
		MUST(now < in->lease_end && in->lease_end == a->until);
		MUST(core_deadline(&core) <= in->lease_end);
		MUST(core.conf.hold_on_quorum_loss || now < lease_of(a, in->hold_epoch));
		MUST(!stopping && !a->forgotten && a->link && !a->gone);
		MUST(!outdated(a, in->hold_epoch));
	}
	MUST(in->kernel != KERNEL_HELD || a->answered);
	MUST(in->kernel != KERNEL_CLEAR || !a->there);
	MUST(in->state != CORE_MASTER || may_have(i) || in->kernel == KERNEL_REMOVING);
}

/* What this node tells of an instance. */
static void
check_told(const struct hb_instance *h, int i)
{
	struct account *a = &account[i];

	MUST(h->holding == (a->looked && a->there));
	MUST(h->lease_left_ms <= core.conf.lease_ms && (h->holding || h->lease_left_ms == 0));
	if (h->yield_id != 0 && h->yield_id != a->last_yield) {
		/* Who may have the addresses doesn't yield; it may take at a later epoch in the same step. */
		MUST(a->looked && !a->before);
		MUST(!a->there || core.inst[i].hold_epoch > h->yield_epoch);
		if (!a->promised || a->promise < h->yield_epoch)
			a->promise = h->yield_epoch;
		a->promised = true;
		a->yielded_at = now;
	}
	a->last_yield = h->yield_id;
	if (h->claim_id != a->claim_id || h->claim_epoch != a->claim_epoch) {
		a->yielded = 0;
		a->old_id = a->claim_id;
		a->old_epoch = a->claim_epoch;
	}
	a->claim_id = h->claim_id;
	a->claim_epoch = h->claim_epoch;
}

/* Whose heartbeats this node says it has heard counts on its patience from now on. */
static void
note_echoes(const struct heartbeat *hb)
{
	for (int p = 0; p < core.conf.n_nodes; p++) {
		svip_ms most = -1;

		for (int k = 0; k < hb->n_echoes; k++) {
			const struct hb_echo *e = &hb->echo[k];

			if (memcmp(e->node, core.conf.node[p], 16) == 0 &&
			    guard_of(e->incarnation) > most)
				most = guard_of(e->incarnation);
		}
		if (most != -1)
			peers[p].guard = most;
	}
}

static void
send_heartbeats(void)
{
	static struct heartbeat hb, again;
	uint8_t bytes[HB_SIZE_MAX];
	const char *why;
	int next = 0;

	do {
		int first = next;
		size_t len;

		next = core_heartbeat(&core, first, now, (uint64_t)now * 1000, &hb);
		MUST(hb.n_instances == next - first);
		len = hb_encode(&hb, 0, bytes, sizeof(bytes));
		MUST(len > 0 && hb_decode(bytes, len, &again, &why));
		note_echoes(&hb);
		for (int i = first; i < next && !core.conf.observe; i++)
			check_told(&hb.instance[i - first], i);
	} while (next < core.conf.n_instances);
}

static void
check_actions(int most)
{
	bool send = false;

	MUST(out.n <= most);
	for (int k = 0; k < out.n; k++) {
		check_action(&out.a[k]);
		send |= out.a[k].kind == ACT_SEND;
	}
	for (int i = 0; i < core.conf.n_instances; i++)
		check_instance(i);
	if (send)
		send_heartbeats();
	for (int i = 0; i < core.conf.n_instances; i++)
		account[i].before = account[i].there;
}

static void
post(const struct core_event *ev)
{
	/* The core's bound, scaled; a heartbeat may name one instance again and again. */
	int most = 12 * core.conf.n_instances + 64 + (ev->hb != NULL ? 6 * ev->hb->n_instances : 0);

	out.n = 0;
	core_step(&core, ev, now, (uint64_t)now * 1000, &out);
	check_actions(most);
	MUST(core_deadline(&core) > now);
}

static void
post_at(enum core_event_kind kind, int i)
{
	post(&(struct core_event){ .kind = kind, .instance = i, .error = 1 });
}

/* ---- the kernel ---- */

static void
kernel_answers(int i, bool well)
{
	struct account *a = &account[i];

	if (core.conf.observe && a->looked)
		return;
	if (!a->looked) {
		a->looked = true;
		a->there = a->before = false;
		post_at(EV_CLEAR, i);
	} else if (a->dropping && well) {
		a->dropping = a->there = a->before = false;
		post_at(EV_CLEAR, i);
	} else if (a->dropping) {
		post_at(EV_STUCK, i);
	} else if (a->there && !a->answered && !well) {
		a->there = a->before = false;
		post_at(EV_REFUSED, i);
	} else if (a->there) {
		a->answered = true;
		post_at(EV_HELD, i);
	}
}

static void
kernel_loses(int i)
{
	struct account *a = &account[i];

	if (!a->there || !a->answered || a->dropping || core.conf.observe)
		return;
	a->answered = false;
	post_at(EV_LOST, i);
}

/* At the start, in place of "nothing is there". */
static void
kernel_has(int i, uint64_t epoch, svip_ms left)
{
	struct account *a = &account[i];

	if (core.conf.observe || left <= 0 || left > core.conf.lease_ms) {
		kernel_answers(i, true);
		return;
	}
	a->looked = a->there = a->answered = true;
	a->until = a->inherited_until = now + left;
	a->inherited_epoch = epoch;
	post(&(struct core_event){
	    .kind = EV_INHERIT, .instance = i, .epoch = epoch, .until = now + left });
}

/* Answers at once, as the daemon's own adapter does. */
static void
answer_all(void)
{
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < core.conf.n_instances; i++) {
			if (account[i].dropping || (account[i].there && !account[i].answered))
				kernel_answers(i, true);
		}
	}
}

/* ---- Sentinels ---- */

/* It names this node. */
static void
note_me(struct word *w, const struct view *v)
{
	if (w->told_me && w->told_epoch == v->epoch && w->named != SVIP_NEVER)
		return;
	w->named = now + 1;
	if (w->run != SVIP_NEVER && v->epoch == w->run_epoch + 1) {
		if (w->switched_to == -1)
			return; /* the news may still come */
		if (svip_host_same(&hosts[w->switched_to], &v->master))
			w->named = w->run;
	}
	w->run = SVIP_NEVER;
}

static void
note_other(struct word *w, const struct view *v, int s, int host)
{
	bool goes_on = w->run != SVIP_NEVER && !w->told_me && w->run_epoch == v->epoch &&
	               w->run_host == host && !(w->switched_to != -1 && v->asked > w->switch_heard);

	if (v->down && goes_on)
		return;
	w->run = SVIP_NEVER;
	if (!v->down || listening[s] > v->asked || w->switch_heard >= v->asked ||
	    w->doubt_heard >= v->asked)
		return;
	w->run = now + 1;
	w->run_epoch = v->epoch;
	w->run_host = host;
	w->proved = false;
	w->switched_to = -1;
}

/* As the core has it: the later question has the later word, but a newer epoch is never overtaken. */
static void
note_word(struct word *w, const struct view *v, int s, int host)
{
	if (w->valid && v->asked < w->asked) {
		if (v->epoch > w->epoch) {
			w->since = now + 1;
			w->epoch = v->epoch;
			w->host = host;
			w->me = w->down = false;
		}
		return;
	}
	if (v->me)
		note_me(w, v);
	else
		note_other(w, v, s, host);
	if (!w->valid || w->epoch != v->epoch || w->host != host)
		w->since = now + 1;
	w->valid = true;
	w->me = w->told_me = v->me;
	w->epoch = w->told_epoch = v->epoch;
	w->host = w->told_host = host;
	w->down = v->down;
	w->asked = v->asked;
}

static void
note_news(struct word *w, enum sentinel_news news, int host)
{
	if (news == NEWS_CLEARED || news == NEWS_RESET) {
		w->doubt_heard = now + 1;
		w->run = SVIP_NEVER;
		if (news == NEWS_RESET)
			w->named = SVIP_NEVER;
	}
	if (news != NEWS_SWITCH)
		return;
	w->switch_heard = now + 1;
	if (w->run == SVIP_NEVER || !w->proved) {
		w->run = SVIP_NEVER;
	} else if (w->told_me) {
		if (w->me && w->epoch == w->told_epoch && w->told_host == host)
			w->named = w->run;
		w->run = SVIP_NEVER;
	} else if (w->switched_to == -1) {
		w->switched_to = host;
	} else if (w->switched_to != host) {
		w->run = SVIP_NEVER;
	}
}

static uint64_t
epoch_of(uint8_t byte)
{
	return byte < 240 ? byte & 15 : byte < 248 ? byte : INT64_MAX - (255u - byte);
}

static void
say(int i, int s, const uint8_t *e)
{
	struct view v = { .asked = now - e[5] * 4,
		.epoch = epoch_of(e[4]),
		.master = hosts[e[3] & 3],
		.me = (e[3] & 3) == 0 || (e[3] & 3) == 3,
		.down = (e[3] & 4) != 0,
		.valid = true };

	note_word(&account[i].word[s], &v, s, e[3] & 3);
	post(&(struct core_event){ .kind = EV_VIEW, .instance = i, .sentinel = s, .view = v });
}

static void
tell_news(int i, int s, const uint8_t *e)
{
	enum sentinel_news news = (enum sentinel_news)((e[3] >> 2 & 7) % (NEWS_OTHER + 1));

	note_news(&account[i].word[s], news, e[3] & 3);
	post(&(struct core_event){
	    .kind = EV_NEWS, .instance = i, .sentinel = s, .news = news, .to = hosts[e[3] & 3] });
}

static void
break_session(int s)
{
	listening[s] = SVIP_NEVER;
	for (int i = 0; i < core.conf.n_instances; i++)
		account[i].word[s].run = SVIP_NEVER;
	post(&(struct core_event){ .kind = EV_SESSION, .sentinel = s });
}

/* ---- peers ---- */

enum {
	BEAT_NO_ECHO = 1,
	BEAT_YIELD = 2,
	BEAT_CLAIM = 4,
	BEAT_HOLD = 8,
	BEAT_REBORN = 16,
	BEAT_STALE = 32,
	BEAT_OTHER_CONFIG = 64,
	BEAT_TWICE = 128,
	BEAT_OLD = 32, /* in the spare byte: yields to the claim before */
};

static void
fill_instance(struct hb_instance *h, int i, int p, const uint8_t *e)
{
	struct account *a = &account[i];

	*h = (struct hb_instance){ .id = core.inst[i].id, .state = CORE_BACKUP };
	if ((e[3] & BEAT_YIELD) != 0 && (e[6] & BEAT_OLD) != 0) {
		h->yield_epoch = a->old_id != 0 ? a->old_epoch : 0;
		h->yield_id = a->old_id;
	} else if ((e[3] & BEAT_YIELD) != 0 && a->claim_id != 0) {
		h->yield_epoch = a->claim_epoch;
		h->yield_id = a->claim_id;
		if ((e[3] & BEAT_NO_ECHO) == 0)
			a->yielded |= 1u << p;
	}
	if ((e[3] & BEAT_CLAIM) != 0) {
		h->claim_epoch = epoch_of(e[4]);
		h->claim_id = 1000u + e[4] * 16u + (unsigned)p;
	}
	if ((e[3] & BEAT_HOLD) != 0) {
		h->holding = true;
		h->hold_epoch = epoch_of(e[4]);
		h->lease_left_ms = e[6];
	}
}

/* A life that has proved itself ends the one before it. */
static void
note_proof(int p, svip_ms sent, bool stale)
{
	bool same = peers[p].established == peers[p].incarnation;

	if (same ? stale : sent <= peers[p].echo_sent)
		return;
	if (!same)
		peers[p].guard = guard_of(peers[p].incarnation);
	peers[p].established = peers[p].incarnation;
	if (peers[p].echo_sent < sent)
		peers[p].echo_sent = sent;
}

static void
beat(int i, int p, const uint8_t *e)
{
	static struct heartbeat hb;

	if (p == core.conf.self)
		return;
	if ((e[3] & BEAT_REBORN) != 0)
		peers[p].incarnation = (peers[p].incarnation + 1000) | (e[6] > 127);
	peers[p].echoed |= (e[3] & BEAT_NO_ECHO) == 0;
	memset(&hb, 0, sizeof(hb));
	hb.cluster = core.conf.cluster;
	memcpy(hb.node, core.conf.node[p], 16);
	hb.incarnation = peers[p].incarnation;
	hb.sequence =
	    (e[3] & BEAT_STALE) != 0 ? peers[p].sequence - (e[6] & 3u) : ++peers[p].sequence;
	hb.sent_us = (uint64_t)now * 1000;
	hb.lease_ms = (uint32_t)core.conf.lease_ms + ((e[3] & BEAT_OTHER_CONFIG) != 0 ? e[6] : 0);
	hb.guard_ms = (uint32_t)guard_of(hb.incarnation);
	hb.digest_safety[0] = (e[3] & BEAT_OTHER_CONFIG) != 0;
	hb.maintenance = (e[6] & 8) != 0;
	hb.observe = (e[6] & 16) != 0;
	if ((e[3] & BEAT_NO_ECHO) == 0) {
		hb.n_echoes = 1;
		memcpy(hb.echo[0].node, core.conf.node[core.conf.self], 16);
		hb.echo[0].incarnation = core.conf.incarnation;
		hb.echo[0].sent_us = ((uint64_t)now - e[5]) * 1000;
		hb.echo[0].held_us = e[6];
		note_proof(p, now - e[5], (e[3] & BEAT_STALE) != 0);
	}
	fill_instance(&hb.instance[hb.n_instances++], i, p, e);
	if ((e[3] & BEAT_TWICE) != 0)
		fill_instance(&hb.instance[hb.n_instances++], e[6] % core.conf.n_instances, p, e);
	post(&(struct core_event){ .kind = EV_HEARTBEAT, .hb = &hb });
}

/* ---- the daemon ---- */

static void
jump(void)
{
	for (int i = 0; i < core.conf.n_instances; i++) {
		account[i].earn_after = now + 1;
		account[i].role = false;
		account[i].role_asked = SVIP_LONG_AGO;
	}
	post_at(EV_JUMP, 0);
	for (int i = 0; i < core.conf.n_instances; i++)
		MUST(core.conf.observe || !may_have(i));
}

static void
open_account(struct account *a)
{
	memset(a, 0, sizeof(*a));
	a->there = a->before = true; /* nobody knows */
	a->earn_after = a->inherited_until = a->role_asked = a->writes_until = SVIP_LONG_AGO;
	for (int s = 0; s < SENTINELS; s++)
		a->word[s] = (struct word){ .named = SVIP_NEVER,
			.run = SVIP_NEVER,
			.switch_heard = SVIP_LONG_AGO,
			.doubt_heard = SVIP_LONG_AGO };
}

static void
forget(int i)
{
	if (core.conf.n_instances == 1)
		return;
	account[i].forgotten = true;
	post_at(EV_FORGET, i);
	if (prompt)
		answer_all();
	core_remove(&core, i);
	account[i] = account[core.conf.n_instances];
}

static void
add(uint8_t id)
{
	int i = core.conf.n_instances;

	if (i == INSTANCES)
		return;
	open_account(&account[i]);
	MUST(core_add(&core, 5000u + id * 4u + (unsigned)i, now) == i);
}

static void
configure(const uint8_t *e)
{
	uint8_t digest[SVIP_DIGEST_LEN] = { e[3] & 1 };

	out.n = 0;
	core_config(&core, e[4], digest, digest, now, &out);
	check_actions(12 * core.conf.n_instances + 64);
}

static void
carry_out(const uint8_t *e)
{
	int i = e[1] % core.conf.n_instances, s = e[2] % core.conf.n_sentinels;

	switch ((enum what)(e[0] % DO_ALL)) {
	case DO_TICK:
		post_at(EV_TICK, 0);
		break;
	case DO_VIEW:
		say(i, s, e);
		break;
	case DO_VIEWS:
		for (s = 0; s < core.conf.n_sentinels; s++) {
			if ((e[2] >> s & 1) == 0)
				say(i, s, e);
		}
		break;
	case DO_NEWS:
		tell_news(i, s, e);
		break;
	case DO_LISTENING:
		listening[s] = now + 1;
		post(&(struct core_event){ .kind = EV_LISTENING, .sentinel = s });
		break;
	case DO_PONG:
		for (int k = 0; k < core.conf.n_instances; k++)
			account[k].word[s].proved |= now - e[5] >= account[k].word[s].run;
		post(&(struct core_event){ .kind = EV_PONG, .sentinel = s, .asked = now - e[5] });
		break;
	case DO_SESSION:
		break_session(s);
		break;
	case DO_ROLE:
		if (now - e[5] >= account[i].role_asked) {
			account[i].role_asked = now - e[5];
			account[i].role = account[i].said_master = (e[3] & 1) == 0;
			account[i].gone &= !account[i].role;
			account[i].writes_wait &= account[i].role;
		}
		post(&(struct core_event){
		    .kind = EV_ROLE, .instance = i, .asked = now - e[5], .yes = (e[3] & 1) == 0 });
		break;
	case DO_LINK:
		account[i].link = (e[3] & 1) == 0;
		post(
		    &(struct core_event){ .kind = EV_LINK, .instance = i, .yes = (e[3] & 1) == 0 });
		break;
	case DO_KERNEL:
		if (!account[i].looked && (e[3] & 2) != 0)
			kernel_has(i, epoch_of(e[4]), e[5] * 8);
		else
			kernel_answers(i, (e[3] & 1) == 0);
		break;
	case DO_LOST:
		kernel_loses(i);
		break;
	case DO_HEARTBEAT:
		beat(i, e[2] % core.conf.n_nodes, e);
		break;
	case DO_UNKNOWN:
		post(&(struct core_event){ .kind = EV_UNKNOWN, .peer = e[2] % core.conf.n_nodes });
		break;
	case DO_JUMP:
		jump();
		break;
	case DO_MAINTENANCE:
		maintenance = (e[3] & 1) == 0;
		post(&(struct core_event){ .kind = EV_MAINTENANCE, .yes = maintenance });
		break;
	case DO_CONFLICT:
		post(&(struct core_event){
		    .kind = EV_CONFLICT, .instance = i, .yes = (e[3] & 1) == 0 });
		break;
	case DO_FORGET:
		forget(i);
		break;
	case DO_ADD:
		add(e[4]);
		break;
	case DO_CONFIG:
		configure(e);
		break;
	case DO_STOP:
		if (e[3] != 0x55) /* it ends the story: not by chance */
			break;
		stopping = true;
		post_at(EV_STOP, 0);
		break;
	case DO_WRITES:
		account[i].writes_wait = (e[3] & 1) == 0;
		post(&(struct core_event){
		    .kind = EV_WRITES, .instance = i, .yes = account[i].writes_wait });
		break;
	case DO_GONE: /* counts of a Redis whose last word wasn't that it is a master */
		account[i].gone = !account[i].said_master;
		post_at(EV_GONE, i);
		break;
	case DO_ALL:
		break;
	}
	if (prompt)
		answer_all();
}

/* Lets time pass, with every due tick where the loop is punctual. */
static void
pass(svip_ms ms)
{
	svip_ms to = now + ms;

	for (int k = 0; punctual && k < TICKS_MAX && core_deadline(&core) < to; k++) {
		if (core_deadline(&core) > now)
			now = core_deadline(&core);
		post_at(EV_TICK, 0);
		if (prompt)
			answer_all();
	}
	now = to;
	post_at(EV_TICK, 0);
	if (prompt)
		answer_all();
}

static void
start(const uint8_t *b)
{
	static const svip_ms leases[] = { 500, 1000, 2000, 10000 };
	struct core_conf conf = { .lease_ms = leases[b[0] & 3],
		.poll_ms = leases[b[0] & 3] / 5,
		.heartbeat_ms = 100 + b[1] * 8,
		.guard_least_ms = 60,
		.guard_ms = (b[2] & 1) != 0 ? 2200 : 60,
		.guard_unheard_ms = (b[2] & 2) != 0 ? 2200 : 60,
		.drift_ppm = b[3] * 200,
		.n_sentinels = 1 + b[4] % SENTINELS,
		.n_nodes = 1 + b[5] % NODES,
		.n_instances = 1 + b[6] % INSTANCES,
		.hold_on_quorum_loss = (b[7] & 1) != 0,
		.observe = (b[7] & 6) == 6,
		.cluster = 5,
		.incarnation = 77,
		.seed = b[8],
		.version = 256 };
	uint64_t ids[INSTANCES];

	conf.self = b[9] % conf.n_nodes;
	prompt = (b[10] & 1) == 0;
	punctual = (b[10] & 2) == 0;
	maintenance = stopping = false;
	now = START;
	for (int p = 0; p < NODES; p++) {
		conf.node[p][15] = (uint8_t)(11 + p);
		peers[p].incarnation = 1000u + 2u * (unsigned)p + (b[12] >> p & 1);
		peers[p].sequence = 10;
		peers[p].established = 0;
		peers[p].echo_sent = SVIP_LONG_AGO;
		peers[p].echoed = false;
		peers[p].guard = -1;
	}
	for (int s = 0; s < SENTINELS; s++)
		listening[s] = SVIP_NEVER;
	for (int i = 0; i < INSTANCES; i++) {
		ids[i] = 100 + (uint64_t)i;
		open_account(&account[i]);
	}
	core_init(&core, &conf, ids, now);
	if ((b[10] & 4) != 0) /* else the events say so */
		return;
	for (int i = 0; i < conf.n_instances; i++) {
		account[i].link = true;
		post(&(struct core_event){ .kind = EV_LINK, .instance = i, .yes = true });
		kernel_answers(i, true);
	}
}

/* ---- what people read of it ---- */

static void
report(enum ctl_command command)
{
	static struct settings set;
	static struct set_instance instance[INSTANCES];
	static struct history past;
	struct report_sentinel sentinel[SENTINELS] = { 0 };
	struct report_instance extra[INSTANCES] = { 0 };
	struct ctl_request r = { .command = command };
	struct report_input input = { .now = now,
		.wall_ms = 1795408757120,
		.version = "0",
		.fence = "nftables",
		.sentinel = sentinel,
		.instance = extra,
		.history = &past };
	json_t *json;
	char *text;

	memset(&set, 0, sizeof(set));
	snprintf(set.cluster, sizeof(set.cluster), "cache");
	set.lease_ms = core.conf.lease_ms;
	set.n_sentinels = core.conf.n_sentinels;
	set.n_nodes = core.conf.n_nodes;
	set.self = core.conf.self;
	set.n_instances = core.conf.n_instances;
	set.instance = instance;
	for (int s = 0; s < SENTINELS; s++) {
		set.sentinel[s] = hosts[s & 3];
		sentinel[s].state = "connected";
		sentinel[s].last_reply = SVIP_LONG_AGO;
	}
	for (int p = 0; p < NODES; p++) {
		set.node[p] = (struct svip_addr){ .family = 4, .prefix = 32 };
		set.node[p].bytes[3] = core.conf.node[p][15];
	}
	for (int i = 0; i < core.conf.n_instances; i++) {
		snprintf(instance[i].name, sizeof(instance[i].name), "m%d", i);
		snprintf(instance[i].interface, sizeof(instance[i].interface), "eth%d", i);
		instance[i].id = core.inst[i].id;
		instance[i].n_addresses = 1;
		instance[i].address[0] = set.node[0];
		instance[i].redis = hosts[0];
	}
	text = report_reply(&core, &set, &input, &r);
	MUST(text != NULL);
	for (const char *p = text; *p != '\0'; p++)
		MUST(*p >= ' ' && *p <= '~');
	json = json_loads(text, 0, NULL);
	MUST(json_is_object(json));
	json_decref(json);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	if (len < HEAD_LEN)
		return 0;
	start(in);
	for (int k = 0; k < EVENTS_MAX; k++) {
		const uint8_t *e = in + HEAD_LEN + EVENT_LEN * k;

		if (HEAD_LEN + EVENT_LEN * ((size_t)k + 1) > len)
			break;
		pass(e[7] < 128 ? e[7] : e[7] < 255 ? (e[7] - 127) * 20 : 60000);
		carry_out(e);
	}
	if ((in[11] & 15) == 1) { /* it takes more time than all before */
		report(CTL_STATUS);
		report(CTL_WHY);
	}
	return 0;
}
