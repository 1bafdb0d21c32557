/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judges heartbeats. A datagram counts only when it comes from the process that was met last and proven alive:
 * it must have echoed this process's incarnation within the last seconds, so that no recording of an
 * earlier life of either side is ever taken for the present.
 */
#include "peer.h"

#include <string.h>

#include "joint.h"

enum {
	FRESH_US = 5000000,   /* an echo older than this proves nothing */
	GREET_US = 100000,    /* between two processes that are met for the first time */
	SILENT_MS_MIN = 1500, /* a peer isn't silent before this */
	SILENT_BEATS = 3,     /* nor before this many heartbeats are missing */
};

void
peer_init(struct peer *p)
{
	memset(p, 0, sizeof(*p));
	p->heard = p->echoed = p->unknown = SVIP_LONG_AGO;
	p->joined = SVIP_NEVER;
}

static int
index_of(const struct core *c, const uint8_t node[16])
{
	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (i != c->conf.self && memcmp(c->conf.node[i], node, 16) == 0)
			return i;
	}
	return -1;
}

/* The sender's echo of this process, when it is fresh; else NULL. */
static const struct hb_echo *
fresh_echo(const struct core *c, const struct heartbeat *hb, uint64_t now_us)
{
	for (int i = 0; i < hb->n_echoes; i++) {
		const struct hb_echo *e = &hb->echo[i];

		if (e->incarnation != c->conf.incarnation || e->held_us == UINT32_MAX ||
		    memcmp(e->node, c->conf.node[c->conf.self], 16) != 0)
			continue;
		if (e->sent_us <= now_us && now_us - e->sent_us <= FRESH_US)
			return e;
	}
	return NULL;
}

static bool
retired(const struct peer *p, uint64_t incarnation)
{
	for (int i = 0; i < CORE_RETIRED_MAX; i++) {
		if (p->retired[i] == incarnation)
			return true;
	}
	return false;
}

/* A process not established yet: remembered so that the next heartbeat echoes it. */
static enum peer_verdict
hear_candidate(struct peer *p, const struct heartbeat *hb, uint64_t now_us)
{
	bool met = hb->incarnation == p->cand_incarnation;
	bool another = p->cand_incarnation != 0 && !met && now_us - p->cand_heard_us < GREET_US;

	/* Recordings of several old lives in turn must not make this node greet each. */
	if (another || retired(p, hb->incarnation) || (met && hb->sequence <= p->cand_sequence)) {
		p->refused_count++;
		return PEER_REFUSED;
	}
	p->cand_incarnation = hb->incarnation;
	p->cand_sequence = hb->sequence;
	p->cand_sent_us = hb->sent_us;
	p->cand_heard_us = now_us;
	/* The next heartbeat echoes it, and it may count on this node's patience from then on. */
	if (hb->guard_ms > p->cand_guard_ms)
		p->cand_guard_ms = hb->guard_ms;
	return met ? PEER_REFUSED : PEER_NEW;
}

static void
establish(struct core *c, int i, const struct heartbeat *hb)
{
	struct peer *p = &c->peer[i];

	if (p->incarnation != 0) {
		p->retired[p->retired_next] = p->incarnation;
		p->retired_next = (p->retired_next + 1) % CORE_RETIRED_MAX;
	}
	if (hb->incarnation == p->cand_incarnation)
		p->cand_guard_ms = 0;
	p->incarnation = hb->incarnation;
	p->cand_incarnation = 0;
	for (int n = 0; n < c->conf.n_instances; n++)
		memset(&c->inst[n].peer[i], 0, sizeof(c->inst[n].peer[i]));
}

static void
note_node(
    const struct core *c, struct peer *p, const struct heartbeat *hb, svip_ms now, uint64_t now_us)
{
	p->sequence = hb->sequence;
	p->sent_us = hb->sent_us;
	p->heard_us = now_us;
	p->heard = now;
	p->version = hb->version;
	p->lease_ms = hb->lease_ms;
	p->guard_ms = hb->guard_ms;
	p->serial = hb->serial;
	p->maintenance = hb->maintenance;
	p->observe = hb->observe;
	p->heard_config = true;
	p->joint = hb->joint;
	memcpy(p->digest_next, hb->digest_next, SVIP_DIGEST_LEN);
	memcpy(p->digest_safety, hb->digest_safety, SVIP_DIGEST_LEN);
	memcpy(p->digest_all, hb->digest_all, SVIP_DIGEST_LEN);
	peer_compare(c, p);
}

void
peer_compare(const struct core *c, struct peer *p)
{
	if (!p->heard_config)
		return;
	if (c->joint.on && p->joined == SVIP_NEVER && joint_follows(c, p))
		p->joined = p->heard;
	if (!joint_shared(c, p))
		p->config = CONFIG_UNSAFE;
	else if (!joint_same(c, p))
		p->config = CONFIG_DIFFERS;
	else
		p->config = CONFIG_SAME;
}

enum peer_verdict
peer_hear(struct core *c, const struct heartbeat *hb, svip_ms now, uint64_t now_us, int *index)
{
	int i = index_of(c, hb->node);
	const struct hb_echo *echo;
	struct peer *p;

	*index = i;
	if (i == -1 || hb->incarnation == c->conf.incarnation)
		return PEER_REFUSED;
	p = &c->peer[i];
	echo = fresh_echo(c, hb, now_us);
	if (hb->incarnation != p->incarnation) {
		enum peer_verdict v = hear_candidate(p, hb, now_us);

		/*
		 * Of two processes the later one has echoed a later datagram, in the end: its first echo may be of one that was
		 * long on its way. So a late word of a life between may retire the living, but not for longer than until that
		 * has heard something later. Who is dead echoes nothing any more.
		 */
		if (echo == NULL || echo->sent_us <= p->echo_us)
			return v;
		establish(c, i, hb);
	} else if (hb->sequence <= p->sequence) {
		/* The same one by multicast and by unicast is the normal case. */
		if (hb->sequence < p->sequence)
			p->refused_count++;
		return PEER_REFUSED;
	}
	note_node(c, p, hb, now, now_us);
	if (echo == NULL)
		return PEER_KNOWN;
	p->echoed = now;
	if (p->echo_us < echo->sent_us)
		p->echo_us = echo->sent_us;
	if (now_us - echo->sent_us >= echo->held_us)
		p->rtt_us = (uint32_t)(now_us - echo->sent_us - echo->held_us);
	return PEER_FRESH;
}

static svip_ms
silence_ms(const struct core *c)
{
	svip_ms ms = SILENT_BEATS * c->conf.heartbeat_ms;

	return ms > SILENT_MS_MIN ? ms : SILENT_MS_MIN;
}

bool
peer_alive(const struct core *c, int p, svip_ms now)
{
	return now - c->peer[p].heard <= silence_ms(c);
}

enum core_peer_state
core_peer_state(const struct core *c, int p, svip_ms now)
{
	if (peer_alive(c, p, now))
		return PEER_ALIVE;
	return now - c->peer[p].unknown <= silence_ms(c) ? PEER_UNKNOWN : PEER_SILENT;
}

bool
core_peer_two_way(const struct core *c, int p, svip_ms now)
{
	return peer_alive(c, p, now) && now - c->peer[p].echoed <= silence_ms(c);
}

svip_ms
peer_lease_max(const struct core *c)
{
	svip_ms max = c->joint.on ? c->joint.lease_ms : c->conf.lease_ms;

	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (c->peer[i].heard_config && c->peer[i].lease_ms > max)
			max = c->peer[i].lease_ms;
	}
	return max;
}

svip_ms
peer_guard_max(const struct core *c)
{
	const struct core_joint *j = &c->joint;
	svip_ms max = j->on ? j->guard_least_ms : c->conf.guard_least_ms;
	svip_ms unheard = j->on ? j->guard_unheard_ms : c->conf.guard_unheard_ms;

	for (int i = 0; i < c->conf.n_nodes; i++) {
		const struct peer *p = &c->peer[i];
		svip_ms theirs = p->heard_config ? p->guard_ms : unheard;

		if (i == c->conf.self)
			continue;
		/* It may have the next one since, or may have been started with it. */
		if (j->on && p->joined == SVIP_NEVER && theirs < j->next.guard_unheard_ms)
			theirs = j->next.guard_unheard_ms;
		if (theirs < p->cand_guard_ms)
			theirs = p->cand_guard_ms;
		if (theirs > max)
			max = theirs;
	}
	return max;
}

bool
peer_guard_known(const struct core *c)
{
	if (c->conf.guard_ms <= c->conf.guard_least_ms)
		return true;
	/* Established: it has echoed this process, so it had heard how late a release may come here. */
	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (i != c->conf.self && c->peer[i].incarnation == 0)
			return false;
	}
	return true;
}

bool
peer_config_unsafe(const struct core *c)
{
	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (c->peer[i].heard_config && c->peer[i].config == CONFIG_UNSAFE)
			return true;
	}
	return false;
}

int
core_heartbeat(struct core *c, int first, svip_ms now, uint64_t now_us, struct heartbeat *hb)
{
	int n = 0, fit, next = first;

	memset(hb, 0, offsetof(struct heartbeat, echo));
	hb->cluster = c->conf.cluster;
	memcpy(hb->node, c->conf.node[c->conf.self], 16);
	hb->incarnation = c->conf.incarnation;
	hb->sequence = ++c->sequence;
	hb->sent_us = now_us;
	hb->version = c->conf.version;
	hb->lease_ms = (uint32_t)c->conf.lease_ms;
	/* Who has heard it will be counting with the next one's when this node has it. */
	hb->guard_ms = (uint32_t)(c->joint.on ? c->joint.guard_ms : c->conf.guard_ms);
	/* Who is late must hear of it while others wait for him. */
	hb->serial = c->joint.on ? c->joint.next.serial : c->conf.serial;
	memcpy(hb->digest_safety, c->conf.digest_safety, SVIP_DIGEST_LEN);
	memcpy(hb->digest_all, c->conf.digest_all, SVIP_DIGEST_LEN);
	hb->joint = c->joint.on;
	if (c->joint.on)
		memcpy(hb->digest_next, c->joint.next.digest_safety, SVIP_DIGEST_LEN);
	hb->maintenance = c->maintenance;
	hb->observe = c->conf.observe;
	hb->leaving = c->stopping;
	for (int i = 0; i < c->conf.n_nodes; i++) {
		const struct peer *p = &c->peer[i];
		struct {
			uint64_t incarnation, sent_us, heard_us;
		} e[2] = {
			{ p->incarnation, p->sent_us, p->heard_us },
			{ p->cand_incarnation, p->cand_sent_us, p->cand_heard_us },
		};

		for (int k = 0; k < 2; k++) {
			struct hb_echo *echo = &hb->echo[n];
			uint64_t held = now_us - e[k].heard_us;

			if (e[k].incarnation == 0 || held > FRESH_US)
				continue;
			memcpy(echo->node, c->conf.node[i], 16);
			echo->incarnation = e[k].incarnation;
			echo->sent_us = e[k].sent_us;
			echo->held_us = (uint32_t)held;
			n++;
		}
	}
	hb->n_echoes = n;
	fit = hb_instances_fit(n, hb->joint);
	hb->n_instances = 0;
	while (next < c->conf.n_instances && hb->n_instances < fit) {
		const struct instance *in = &c->inst[next++];
		struct hb_instance *out = &hb->instance[hb->n_instances++];

		memset(out, 0, sizeof(*out));
		out->id = in->id;
		out->state = (uint8_t)in->state;
		out->holding =
		    in->kernel != KERNEL_CLEAR && in->kernel != KERNEL_UNKNOWN && !c->conf.observe;
		if (out->holding) {
			out->hold_epoch = in->hold_epoch;
			if (in->lease_end > now)
				out->lease_left_ms = (uint32_t)(in->lease_end - now);
		}
		out->claim_epoch = in->claim_id != 0 ? in->claim_epoch : 0;
		out->claim_id = in->claim_id;
		out->yield_epoch = in->yield_id != 0 ? in->yield_epoch : 0;
		out->yield_id = in->yield_id;
	}
	return next;
}
