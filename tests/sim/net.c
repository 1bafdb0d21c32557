/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network: one-way reach between hosts, datagrams that get lost, late, twice and out of order, and connections that keep
 * the order, try again for a while, and break. Doesn't look into what it carries.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

bool
reach(const struct sim *s, int a, int b)
{
	if (s->kernel[a].frozen || s->kernel[b].frozen || !s->host_up[a])
		return false;
	return a == b || (s->host_up[b] && !s->cut[a][b]);
}

bool
both_ways(const struct sim *s, int a, int b)
{
	return reach(s, a, b) && reach(s, b, a);
}

sim_us
net_delay(struct sim *s, int from, int to)
{
	return draw_us(s, 50, s->delay_max[from][to]);
}

static void *
copy(const void *bytes, size_t len)
{
	void *p = malloc(len);

	if (p == NULL)
		abort();
	return memcpy(p, bytes, len);
}

/* ---- datagrams ---- */

static void
arrive_datagram(struct sim *s, struct event *e)
{
	if (s->host_up[e->a])
		node_receive(s, e);
}

void
net_datagram(struct sim *s, int from, int to, const uint8_t *bytes, size_t len)
{
	struct event e = { .run = arrive_datagram, .a = to, .b = 1, .n = (int64_t)len };

	if (!reach(s, from, to) || s->now < s->mute[from] || chance(s, s->loss))
		return;
	e.data = copy(bytes, len);
	queue_add(s, s->now + net_delay(s, from, to), e);
	if (chance(s, s->repeat)) { /* a recording, played again */
		e.data = copy(bytes, len);
		queue_add(s, s->now + draw_us(s, 0, 20 * SECOND), e);
	}
}

/* ---- connections ---- */

static struct connection *
connection_of(struct sim *s, const struct message *m)
{
	return &s->node[m->node].connection[m->sentinel][m->connection];
}

void
net_break(struct sim *s, int x, int i, int c)
{
	struct connection *k = &s->node[x].connection[i][c];

	if (!k->up)
		return;
	k->up = false;
	k->gen++;
	if (c == EVENTS)
		s->node[x].listening[i] = false;
	node_session(s, x, i);
}

static void
arrive(struct sim *s, struct event *e)
{
	struct message *m = e->data;
	struct connection *k = connection_of(s, m);
	int way = e->b, from = way == TO_NODE ? m->sentinel : m->node;
	int to = way == TO_NODE ? m->node : m->sentinel;
	bool in_turn = m->number == k->got[way];
	sim_us stalled = s->node[m->node].stalled[m->connection][way];

	if (!k->up || k->gen != m->gen)
		return;
	if (!in_turn || s->now < stalled || !reach(s, from, to)) {
		if (in_turn && s->now >= stalled && chance(s, 0.2)) {
			net_break(s, m->node, m->sentinel, m->connection);
			return;
		}
		if (in_turn)
			k->due[way] =
			    s->now < stalled ? stalled : s->now + draw_us(s, 200 * MS, 1500 * MS);
		e->data = NULL;
		/* Out of turn: after the one that is held up, whenever that will be. */
		queue_add(s, in_turn || k->due[way] > s->now ? k->due[way] : s->now + 1 * MS,
		    (struct event){ .run = arrive, .b = way, .data = m });
		return;
	}
	k->got[way]++;
	if (way == TO_SENTINEL) {
		sentinel_receive(s, m);
	} else {
		e->a = m->node;
		e->b = 0;
		node_receive(s, e);
	}
}

void
net_send(struct sim *s, int way, const struct message *told)
{
	struct message m = *told;
	struct connection *k = connection_of(s, &m);
	sim_us at = s->now + (way == TO_NODE ? net_delay(s, m.sentinel, m.node)
	                                     : net_delay(s, m.node, m.sentinel));

	if (!k->up)
		return;
	for (int tries = 0; tries < 4 && chance(s, s->loss); tries++)
		at += (200 * MS) << tries;
	if (at < k->due[way])
		at = k->due[way];
	k->due[way] = at;
	m.gen = k->gen;
	m.number = k->sent[way]++;
	queue_add(s, at, (struct event){ .run = arrive, .b = way, .data = copy(&m, sizeof(m)) });
}

void
net_connect(struct sim *s, int x, int i, int c)
{
	struct connection *k = &s->node[x].connection[i][c];
	uint64_t gen = k->gen + 1;

	memset(k, 0, sizeof(*k));
	k->gen = gen;
	k->up = true;
	k->life = s->sentinel[i].life;
	k->bad_since = k->asked_at = SIM_NEVER;
	if (c == EVENTS)
		net_send(s, TO_NODE,
		    &(struct message){
		        .kind = SUBSCRIBED, .node = x, .sentinel = i, .connection = c });
	else
		node_session(s, x, i);
}

/* One connection: a dead one is noticed some time, a missing one is made. */
static void
watch(struct sim *s, int x, int i, int c)
{
	struct connection *k = &s->node[x].connection[i][c];
	bool good = both_ways(s, x, i) && s->sentinel[i].up;

	if (!k->up) {
		if (good && (s->mix->gapless || chance(s, 0.8)))
			net_connect(s, x, i, c);
		return;
	}
	if (good && k->life == s->sentinel[i].life && s->now - k->asked_at < 4 * SECOND) {
		k->bad_since = SIM_NEVER;
		return;
	}
	if (k->bad_since == SIM_NEVER)
		k->bad_since = s->now;
	if (good || s->now - k->bad_since > draw_us(s, 1 * SECOND, 6 * SECOND))
		net_break(s, x, i, c);
}

static void
run_watch(struct sim *s, struct event *e)
{
	struct node *n = &s->node[e->a];

	if (!n->alive || n->life != e->gen || !node_asks(s, e->a, e->b))
		return;
	if (!n->paused) {
		for (int c = 0; c < CONNECTIONS; c++)
			watch(s, e->a, e->b, c);
	}
	net_watch(s, e->a, e->b, false);
}

void
net_watch(struct sim *s, int x, int i, bool first)
{
	queue_add(s, s->now + (first ? draw_us(s, 0, 50 * MS) : draw_us(s, 50 * MS, 1 * SECOND)),
	    (struct event){ .run = run_watch, .a = x, .b = i, .gen = s->node[x].life });
}
