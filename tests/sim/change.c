/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations that follow each other while everything goes wrong, and an operator who spreads them: each node hears of the next
 * one some time, stores it, and then goes there. Doesn't look at what the core believes, but for the word that it may.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static bool
in(uint32_t set, int x)
{
	return set >> x & 1;
}

static uint32_t
some(struct sim *s, int n)
{
	return 1 + (uint32_t)draw(s, (1 << n) - 1);
}

/* ---- what changes ---- */

static void
other_sentinels(struct sim *s, struct config *c, bool much)
{
	uint32_t all = (1u << s->n_sentinels) - 1, was = c->sentinels;

	switch (much ? 2 + draw(s, 2) : draw(s, 4)) {
	case 0: /* one more or one less */
		c->sentinels ^= 1u << draw(s, s->n_sentinels);
		break;
	case 1: /* one for another */
		c->sentinels &= ~(1u << draw(s, s->n_sentinels));
		c->sentinels |= 1u << draw(s, s->n_sentinels);
		break;
	case 2:
		c->sentinels = some(s, s->n_sentinels);
		break;
	case 3: /* none of before */
		c->sentinels = all & ~was & some(s, s->n_sentinels);
		if (c->sentinels == 0)
			c->sentinels = all & ~was;
		break;
	}
	if (c->sentinels == 0)
		c->sentinels = was;
}

static int
holder(struct sim *s)
{
	for (int x = 0; x < s->n_nodes; x++) {
		if (kernel_answers(s, x))
			return x;
	}
	return draw(s, s->n_nodes);
}

static void
other_nodes(struct sim *s, struct config *c)
{
	uint32_t was = c->nodes;
	int x = chance(s, 0.5) ? holder(s) : draw(s, s->n_nodes);

	c->nodes ^= 1u << x;
	if (chance(s, 0.3))
		c->nodes |= 1u << draw(s, s->n_nodes);
	if (c->nodes == 0)
		c->nodes = was;
}

static void
other_times(struct sim *s, struct config *c)
{
	static const svip_ms guards[] = { 60, 500, 2200 };

	if (chance(s, 0.7))
		c->lease_ms = s->lease_ms * (1 + draw(s, 4)) / 2;
	if (s->fence == FENCE_NFTABLES)
		return;
	c->guard_ms = guards[draw(s, 3)];
	c->guard_least_ms = s->fence == FENCE_LIFETIME || chance(s, 0.2) ? c->guard_ms : 60;
}

/* ---- the operator ---- */

/* A node's svipd is dead for good: removed, or started again only with the next configuration. */
static void
be_absent(struct sim *s, int x, const struct config *c)
{
	struct node *n = &s->node[x];

	node_end(s, x);
	n->joining = false;
	if (in(c->nodes, x)) {
		n->conf = s->latest - 1;
		n->joint = true;
	} else {
		n->out = true;
	}
}

void
change_begin(struct sim *s, bool much)
{
	const struct config *was = &s->config[s->latest];
	struct config *c = &s->config[s->latest + 1];
	bool settled = false;

	for (int x = 0; x < s->n_nodes; x++)
		settled |= in(was->nodes, x) && !s->node[x].out && s->node[x].conf == s->latest &&
		           !s->node[x].joint;
	if (!settled || s->latest + 1 == CONFIGS_MAX)
		return;
	*c = *was;
	c->absent = 0;
	if (much || chance(s, 0.7))
		other_sentinels(s, c, much);
	if (chance(s, 0.4))
		other_nodes(s, c);
	if (much || chance(s, 0.4))
		other_times(s, c);
	s->latest++;
	say(s, "CHANGE to %d: sentinels %x, nodes %x, lease %d ms, guard %d ms", s->latest,
	    c->sentinels, c->nodes, (int)c->lease_ms, (int)c->guard_ms);
	for (int x = 0; x < s->n_nodes; x++) {
		bool gone = !in(c->nodes, x);

		if (!in(was->nodes, x) || s->node[x].out || s->kernel[x].frozen ||
		    !chance(s, gone ? 0.3 : 0.05))
			continue;
		be_absent(s, x, c);
		c->absent |= 1u << x;
		say(s, "node %d is absent", x);
	}
}

/* The node's next step, if it may take one now. */
static void
go_on(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	bool joins = s->latest > 0 && in(s->config[s->latest].nodes, x), removed;

	removed = n->out || (n->joint && !in(s->config[n->conf + 1].nodes, x));
	if (removed && joins && s->host_up[x]) {
		n->out = false;
		n->conf = s->latest - 1;
		n->joint = true;
		n->joining = !in(s->config[n->conf].nodes, x);
		node_start(s, x);
		return;
	}
	if (removed || !n->alive || n->busy ||
	    (s->now >= n->deaf_from && s->now < n->deaf && s->now < s->calm_at))
		return;
	if (!n->joint && n->conf < s->latest) {
		n->joint = true;
		if (!chance(s, 0.1))
			node_change(s, x);
		else
			node_start(s, x); /* as if it were stopped right after */
		return;
	}
	for (int y = 0; y < s->n_nodes && n->joint; y++) {
		if (s->node[y].out && !in(s->config[s->latest].nodes, y))
			node_absent(s, x, 1u << y);
	}
	if (n->joint && n->alive && core_change_at(&n->core) <= kernel_ms(s, x)) {
		node_settle(s, x);
	}
}

static void
run_spread(struct sim *s, struct event *e)
{
	int x = e->a;

	if (!s->node[x].paused && !s->kernel[x].frozen)
		go_on(s, x);
	queue_add(s, s->now + draw_us(s, 20 * MS, chance(s, 0.5) ? 100 * MS : SECOND), *e);
}

void
change_prepare(struct sim *s)
{
	struct config *c = &s->config[0];

	c->sentinels = (1u << s->n_sentinels) - 1;
	c->nodes = (1u << s->n_nodes) - 1;
	c->lease_ms = s->lease_ms;
	c->guard_ms = s->guard_ms;
	c->guard_least_ms = s->guard_least_ms;
	s->latest = 0;
	if (!fault_changes(s->mix))
		return;
	c->sentinels = some(s, s->n_sentinels);
	if (chance(s, 0.3))
		c->nodes = some(s, s->n_nodes);
	for (int x = 0; x < s->n_nodes; x++) {
		s->node[x].out = !in(c->nodes, x);
		queue_add(s, draw_us(s, 0, SECOND), (struct event){ .run = run_spread, .a = x });
	}
}

/* After the calm everybody gets where the operator wants it. */
void
change_judge(struct sim *s)
{
	for (int x = 0; x < s->n_nodes; x++) {
		const struct node *n = &s->node[x];

		if (in(s->config[s->latest].nodes, x) && (n->conf != s->latest || n->joint))
			snprintf(s->violation, sizeof(s->violation),
			    "node %d hasn't got configuration %d in the end, but %d%s", x,
			    s->latest, n->conf, n->joint ? " and the next" : "");
	}
}
