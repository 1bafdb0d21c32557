/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one configuration to the next: old, joint, new. Old and joint go together, and joint and new, for each pair has a list in
 * common; old and new don't. So nobody may be new before everybody has left the old one, and what was held by it alone is over.
 */
#include "joint.h"

#include <assert.h>
#include <string.h>

#include "claim.h"
#include "decide.h"
#include "evidence.h"
#include "lease.h"
#include "peer.h"

static svip_ms
max_ms(svip_ms a, svip_ms b)
{
	return a > b ? a : b;
}

static svip_ms
min_ms(svip_ms a, svip_ms b)
{
	return a < b ? a : b;
}

static uint32_t
first_bits(int n)
{
	return (1u << n) - 1;
}

int
joint_size(uint32_t set)
{
	int n = 0;

	for (; set != 0; set &= set - 1)
		n++;
	return n;
}

void
joint_init(struct core *c)
{
	c->n_lists = 1;
	c->list[0] = first_bits(c->conf.n_sentinels);
	c->joint.nodes = first_bits(c->conf.n_nodes);
	if (c->conf.joining)
		c->joint.nodes &= ~(1u << c->conf.self);
}

/* ---- majorities ---- */

bool
joint_majority(const struct core *c, uint32_t set)
{
	for (int l = 0; l < c->n_lists; l++) {
		if (joint_size(set & c->list[l]) < lease_majority(joint_size(c->list[l])))
			return false;
	}
	return true;
}

uint32_t
joint_fresh(const struct core *c, const struct instance *in, svip_ms now)
{
	uint32_t fresh = 0;

	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];
		bool yes =
		    v->valid && v->asked > now - c->conf.lease_ms && v->asked >= in->earn_after;

		fresh |= (uint32_t)yes << s;
	}
	return fresh;
}

int
joint_majority_of(const struct core *c)
{
	return lease_majority(joint_size(c->list[0]));
}

bool
joint_blocking(const struct core *c, uint32_t set)
{
	for (int l = 0; l < c->n_lists; l++) {
		if (joint_size(set & c->list[l]) >= lease_blocking(joint_size(c->list[l])))
			return true;
	}
	return false;
}

bool
joint_lease_epoch(const struct core *c, const struct instance *in, uint64_t *epoch)
{
	/* Each Sentinel has one newest view, so at most one epoch can have a majority. */
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		uint32_t confirm = 0;

		for (int t = 0; t < c->conf.n_sentinels; t++) {
			bool yes = lease_confirms(&in->view[t], in->view[s].epoch, in->earn_after);

			confirm |= (uint32_t)yes << t;
		}
		if (joint_majority(c, confirm)) {
			*epoch = in->view[s].epoch;
			return true;
		}
	}
	return false;
}

svip_ms
joint_lease_end(const struct core *c, const struct instance *in, uint64_t epoch)
{
	svip_ms end = SVIP_NEVER;

	for (int l = 0; l < c->n_lists; l++) {
		struct view v[SVIP_SENTINELS_MAX];
		int n = 0;

		for (int s = 0; s < c->conf.n_sentinels; s++) {
			if (c->list[l] >> s & 1)
				v[n++] = in->view[s];
		}
		end = min_ms(end, lease_end(v, n, epoch, in->earn_after, c->conf.lease_ms));
	}
	return end;
}

svip_ms
joint_free_at(const struct core *c, const struct instance *in, uint64_t epoch, svip_ms wait_ms)
{
	svip_ms at = SVIP_LONG_AGO;

	for (int l = 0; l < c->n_lists; l++) {
		struct evidence e[SVIP_SENTINELS_MAX];
		int n = 0;

		for (int s = 0; s < c->conf.n_sentinels; s++) {
			if (c->list[l] >> s & 1)
				e[n++] = in->evidence[s];
		}
		at = max_ms(at, lease_free_at(e, n, epoch, wait_ms));
	}
	return at;
}

/* ---- who is where ---- */

bool
joint_member(const struct core *c)
{
	uint32_t nodes = c->joint.nodes;

	if (c->joint.on)
		nodes &= c->joint.next.nodes;
	return nodes >> c->conf.self & 1;
}

static bool
same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, SVIP_DIGEST_LEN) == 0;
}

bool
joint_shared(const struct core *c, const struct peer *p)
{
	const uint8_t *mine = c->conf.digest_safety, *next = c->joint.next.digest_safety;

	return same(p->digest_safety, mine) || (p->joint && same(p->digest_next, mine)) ||
	       (c->joint.on && same(p->digest_safety, next)) ||
	       (c->joint.on && p->joint && same(p->digest_next, next));
}

bool
joint_same(const struct core *c, const struct peer *p)
{
	return p->joint == c->joint.on && same(p->digest_safety, c->conf.digest_safety) &&
	       same(p->digest_all, c->conf.digest_all) &&
	       (!p->joint || same(p->digest_next, c->joint.next.digest_safety));
}

bool
joint_follows(const struct core *c, const struct peer *p)
{
	const struct core_next *next = &c->joint.next;

	if (p->joint && same(p->digest_safety, c->conf.digest_safety) &&
	    same(p->digest_next, next->digest_safety))
		return true;
	/* Perhaps on its way to a later one. An older one may have been the same but for its serial. */
	return same(p->digest_safety, next->digest_safety) && p->serial >= next->serial;
}

/* ---- from old to joint ---- */

static void
check_next(const struct core *c, const struct core_next *next)
{
	assert(!c->joint.on && next->serial > c->conf.serial);
	assert(!same(next->digest_safety, c->conf.digest_safety));
	assert(next->n_sentinels >= c->conf.n_sentinels && next->n_sentinels <= SVIP_SENTINELS_MAX);
	assert(next->sentinels != 0 && next->sentinels >> next->n_sentinels == 0);
	assert(next->n_nodes >= c->conf.n_nodes && next->n_nodes <= SVIP_NODES_MAX);
	assert(next->nodes >> next->n_nodes == 0);
	assert(next->guard_least_ms <= next->guard_ms &&
	       next->guard_least_ms <= next->guard_unheard_ms);
}

/* What is left of the old one: a hold has the rest of its lease for the new Sentinels' first words. */
static void
carry_over(const struct core *c, struct instance *in, svip_ms now, svip_ms lease_ms)
{
	if (in->kernel == KERNEL_HELD)
		in->inherited = max_ms(in->inherited, joint_lease_end(c, in, in->hold_epoch));
	in->inherited = min_ms(in->inherited, now + lease_ms);
	claim_end(in); /* others are asked from now on */
	in->below_since = SVIP_NEVER;
}

void
core_change(struct core *c, const struct core_next *next, svip_ms now, struct core_actions *out)
{
	struct core_conf *conf = &c->conf;
	struct core_joint *j = &c->joint;

	check_next(c, next);
	for (int i = 0; i < conf->n_instances; i++)
		carry_over(c, &c->inst[i], now, min_ms(conf->lease_ms, next->lease_ms));
	j->on = true;
	j->next = *next;
	j->since = now;
	j->absent = 0;
	c->list[1] = next->sentinels;
	c->n_lists = 2;
	/* Counted with for others: the most. For this node: the least, that both count with. */
	j->lease_ms = max_ms(conf->lease_ms, next->lease_ms);
	j->guard_ms = max_ms(conf->guard_ms, next->guard_ms);
	j->guard_least_ms = max_ms(conf->guard_least_ms, next->guard_least_ms);
	j->guard_unheard_ms = max_ms(conf->guard_unheard_ms, next->guard_unheard_ms);
	conf->lease_ms = min_ms(conf->lease_ms, next->lease_ms);
	conf->guard_ms = min_ms(conf->guard_ms, next->guard_ms);
	conf->guard_least_ms = min_ms(conf->guard_least_ms, next->guard_least_ms);
	conf->drift_ppm = conf->drift_ppm > next->drift_ppm ? conf->drift_ppm : next->drift_ppm;
	for (int i = conf->n_nodes; i < next->n_nodes; i++)
		memcpy(conf->node[i], next->node[i], sizeof(conf->node[i]));
	conf->n_sentinels = next->n_sentinels;
	conf->n_nodes = next->n_nodes;
	for (int i = 0; i < conf->n_nodes; i++) {
		c->peer[i].joined = SVIP_NEVER;
		peer_compare(c, &c->peer[i]);
	}
	decide_all(c, now, out);
	for (int i = 0; i < conf->n_instances; i++)
		decide_act(out, ACT_POLL, i);
	decide_act(out, ACT_SEND, 0);
	c->next_due = now;
}

void
core_absent(struct core *c, uint32_t nodes, svip_ms now)
{
	assert(c->joint.on);
	c->joint.absent |= nodes;
	c->joint.since = now;
}

/* ---- from joint to new ---- */

svip_ms
core_change_at(const struct core *c)
{
	const struct core_joint *j = &c->joint;
	svip_ms since = j->since;

	if (!j->on || !(j->next.nodes >> c->conf.self & 1))
		return SVIP_NEVER;
	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (i == c->conf.self || j->absent >> i & 1)
			continue;
		if (c->peer[i].joined == SVIP_NEVER)
			return SVIP_NEVER;
		since = max_ms(since, c->peer[i].joined);
	}
	/* Since then nobody begins a lease that rests on the old Sentinels alone. */
	return since + lease_wait(peer_lease_max(c), max_ms(peer_guard_max(c), j->guard_ms),
	                   c->conf.drift_ppm);
}

static void
keep_sentinels(struct core *c)
{
	int n = 0;

	for (int s = 0; s < c->conf.n_sentinels; s++) {
		if (!(c->joint.next.sentinels >> s & 1))
			continue;
		c->listening[n] = c->listening[s];
		for (int i = 0; i < c->conf.n_instances; i++) {
			struct instance *in = &c->inst[i];

			in->view[n] = in->view[s];
			in->evidence[n] = in->evidence[s];
			if (in->writes_for == s)
				in->writes_for = n;
			else if (in->writes_for == n)
				in->writes_for = -1; /* it isn't asked any more */
		}
		n++;
	}
	for (int s = n; s < SVIP_SENTINELS_MAX; s++) {
		c->listening[s] = SVIP_NEVER;
		for (int i = 0; i < c->conf.n_instances; i++) {
			c->inst[i].view[s] = (struct view){ 0 };
			evidence_init(&c->inst[i].evidence[s]);
		}
	}
	c->conf.n_sentinels = n;
}

static void
keep_nodes(struct core *c)
{
	int n = 0, self = c->conf.self;

	for (int p = 0; p < c->conf.n_nodes; p++) {
		if (!(c->joint.next.nodes >> p & 1))
			continue;
		if (p == self)
			c->conf.self = n;
		c->peer[n] = c->peer[p];
		memmove(c->conf.node[n], c->conf.node[p], sizeof(c->conf.node[n]));
		for (int i = 0; i < c->conf.n_instances; i++)
			c->inst[i].peer[n] = c->inst[i].peer[p];
		n++;
	}
	for (int p = n; p < SVIP_NODES_MAX; p++) {
		peer_init(&c->peer[p]);
		for (int i = 0; i < c->conf.n_instances; i++)
			c->inst[i].peer[p] = (struct peer_instance){ 0 };
	}
	c->conf.n_nodes = n;
}

void
core_settle(struct core *c, svip_ms now, struct core_actions *out)
{
	const struct core_next *next = &c->joint.next;
	struct core_conf *conf = &c->conf;

	assert(core_change_at(c) <= now);
	for (int i = 0; i < conf->n_instances; i++) {
		struct instance *in = &c->inst[i];

		/* What time has ended by both lists must not go on by one. */
		if (c->due[i] <= now)
			decide(c, i, now, out);
		claim_end(in);
		in->below_since = SVIP_NEVER;
		/* The new list alone may have said so before a holder of the old one had its word. */
		if (in->kernel != KERNEL_HELD && in->kernel != KERNEL_ADDING)
			in->earn_after = now + 1;
		c->due[i] = now;
		decide_act(out, ACT_POLL, i);
	}
	keep_sentinels(c);
	keep_nodes(c);
	conf->lease_ms = next->lease_ms;
	conf->guard_ms = next->guard_ms;
	conf->guard_least_ms = next->guard_least_ms;
	conf->guard_unheard_ms = next->guard_unheard_ms;
	conf->drift_ppm = next->drift_ppm;
	conf->serial = next->serial;
	conf->joining = false;
	memcpy(conf->digest_safety, next->digest_safety, SVIP_DIGEST_LEN);
	memcpy(conf->digest_all, next->digest_all, SVIP_DIGEST_LEN);
	c->joint.on = false;
	joint_init(c);
	for (int p = 0; p < conf->n_nodes; p++)
		peer_compare(c, &c->peer[p]);
	decide_act(out, ACT_SEND, 0);
	c->next_due = now;
}
