/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each host's kernel has, and each host's clock. Here the checks sit: never two hosts that answer for the addresses. They
 * know nothing of what the core believes.
 *
 * A host answers when the addresses are there and the packet filter, if it has one, lets them through.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

/* ---- clocks ---- */

static sim_us
local_us(const struct sim *s, int x, sim_us t)
{
	return s->node[x].boot + t + t * s->node[x].ppm / 1000000;
}

svip_ms
kernel_ms(const struct sim *s, int x)
{
	return local_us(s, x, s->now) / MS;
}

sim_us
kernel_span(const struct sim *s, int x, svip_ms from)
{
	return (local_us(s, x, s->now) - from * MS) * 1000000 / (1000000 + s->node[x].ppm);
}

sim_us
kernel_when(const struct sim *s, int x, svip_ms local)
{
	sim_us want = local * MS, t;

	if (local == SVIP_NEVER)
		return SIM_NEVER;
	t = (want - s->node[x].boot) * 1000000 / (1000000 + s->node[x].ppm) - 2;
	while (local_us(s, x, t) < want)
		t++;
	return t;
}

/* ---- the checks ---- */

bool
kernel_answers(const struct sim *s, int x)
{
	const struct kernel *k = &s->kernel[x];

	return k->there && (!k->fence || s->now < k->open_until);
}

static void
answers_now(struct sim *s, int x)
{
	s->kernel[x].since = s->now;
	s->takes++;
	trace(s, 0x1000 + (uint64_t)x);
	say(s, "host %d HAS the addresses", x);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != x && kernel_answers(s, y) && s->violation[0] == '\0') {
			snprintf(s->violation, sizeof(s->violation),
			    "two holders: host %d since %.3f s, host %d since %.3f s", y,
			    (double)s->kernel[y].since / SECOND, x, (double)s->now / SECOND);
			say(s, "VIOLATION: %s", s->violation);
		}
	}
}

static void
answers_no_more(struct sim *s, int x, const char *why)
{
	trace(s, 0x2000 + (uint64_t)x);
	say(s, "host %d hasn't any more: %s", x, why);
	if (s->mix->gapless && s->violation[0] == '\0')
		snprintf(s->violation, sizeof(s->violation),
		    "host %d stops answering (%s) though its lease was good", x, why);
}

/* ---- addresses ---- */

static void
run_expire(struct sim *s, struct event *e)
{
	if (s->kernel[e->a].gen != e->gen)
		return;
	kernel_gone(s, e->a, "lifetime over");
	node_look(s, e->a);
}

/* Adds them, or prolongs them. */
void
kernel_add(struct sim *s, int x, sim_us expires)
{
	struct kernel *k = &s->kernel[x];
	bool before = kernel_answers(s, x);

	k->there = true;
	queue_add(s, expires, (struct event){ .run = run_expire, .a = x, .gen = ++k->gen });
	if (!before && kernel_answers(s, x))
		answers_now(s, x);
}

void
kernel_gone(struct sim *s, int x, const char *why)
{
	struct kernel *k = &s->kernel[x];
	bool before = kernel_answers(s, x);

	if (!k->there)
		return;
	k->there = false;
	k->gen++;
	if (before)
		answers_no_more(s, x, why);
}

/* ---- the packet filter ---- */

static void
run_shut(struct sim *s, struct event *e)
{
	if (s->kernel[e->a].there && s->kernel[e->a].open_until == e->at)
		answers_no_more(s, e->a, "its time in the packet filter is over");
}

void
kernel_fence(struct sim *s, int x)
{
	struct kernel *k = &s->kernel[x];
	bool before = kernel_answers(s, x);

	if (k->fence)
		return;
	k->fence = true;
	k->open_until = s->now;
	if (before)
		answers_no_more(s, x, "it is fenced");
}

void
kernel_pass(struct sim *s, int x, sim_us ends)
{
	struct kernel *k = &s->kernel[x];
	bool before = kernel_answers(s, x);

	k->open_until = ends;
	queue_add(s, ends, (struct event){ .run = run_shut, .a = x });
	if (!before && kernel_answers(s, x))
		answers_now(s, x);
}

void
kernel_shut(struct sim *s, int x, const char *why)
{
	bool before = kernel_answers(s, x);

	s->kernel[x].open_until = s->now;
	if (before)
		answers_no_more(s, x, why);
}

void
kernel_boot(struct sim *s, int x)
{
	struct kernel *k = &s->kernel[x];
	uint64_t gen = k->gen + 1;

	kernel_gone(s, x, "crash");
	memset(k, 0, sizeof(*k));
	k->gen = gen;
}
