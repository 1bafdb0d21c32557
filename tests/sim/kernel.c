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

	return k->there && !k->frozen && (!k->fence || s->now < k->open_until);
}

static void
fail(struct sim *s, const char *what, int x, int y)
{
	if (s->violation[0] == '\0' && !s->beyond)
		snprintf(s->violation, sizeof(s->violation),
		    "%s: host %d since %.3f s, host %d since %.3f s", what, y,
		    (double)s->kernel[y].since / SECOND, x, (double)s->kernel[x].since / SECOND);
}

/* As long as one that was frozen may go on unknowing; also the longest that a majority's word may last. */
static sim_us
lasts_at_most(const struct sim *s, int x)
{
	svip_ms old = s->kernel[x].lease_ms, lease = s->node[x].lease_ms;
	svip_ms late = s->kernel[x].guard_ms, guard = s->node[x].guard_ms;

	if (lease < old)
		lease = old;
	if (guard < late)
		guard = late;
	return lease * MS * 1000000 / (1000000 - s->drift_ppm) + guard * MS + 2 * MS;
}

/* A majority has named it, each of them lately enough for a lease and a late release. */
static void
check_named(struct sim *s, int x)
{
	const struct kernel *k = &s->kernel[x];
	uint32_t named = 0;

	for (int i = 0; i < s->n_sentinels; i++)
		named |= (uint32_t)(s->now - sentinel_named(s, i, x) <= lasts_at_most(s, x)) << i;
	for (int l = 0; l < k->n_lists; l++) {
		if (__builtin_popcount(named & k->list[l]) <= __builtin_popcount(k->list[l]) / 2 &&
		    s->now > k->excused_until && s->violation[0] == '\0' && !s->beyond)
			snprintf(s->violation, sizeof(s->violation),
			    "host %d answers, and no majority has named it within a lease and a "
			    "guard",
			    x);
	}
}

void
kernel_named(struct sim *s, int x)
{
	if (x < s->n_nodes && kernel_answers(s, x))
		check_named(s, x);
}

static void
run_excused(struct sim *s, struct event *e)
{
	if (s->now <= s->kernel[e->a].excused_until)
		return; /* it has been frozen again since */
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != e->a && kernel_answers(s, y) && kernel_answers(s, e->a) &&
		    s->now > s->kernel[y].excused_until)
			fail(s, "two holders, longer than the rest of a lease", e->a, y);
	}
}

static void
answers_now(struct sim *s, int x)
{
	s->kernel[x].since = s->now;
	s->takes++;
	trace(s, 0x1000 + (uint64_t)x);
	say(s, "host %d HAS the addresses", x);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y == x || !kernel_answers(s, y))
			continue;
		if (s->overlap_since == 0)
			s->overlaps++;
		s->overlap_since = s->now;
		if (s->now > s->kernel[x].excused_until && s->now > s->kernel[y].excused_until)
			fail(s, "two holders", x, y);
	}
	check_named(s, x);
}

static void
answers_no_more(struct sim *s, int x, const char *why)
{
	trace(s, 0x2000 + (uint64_t)x);
	say(s, "host %d hasn't any more: %s", x, why);
	check_named(s, x);
	if (s->overlap_since != 0) {
		if (s->now - s->overlap_since > s->overlap_longest)
			s->overlap_longest = s->now - s->overlap_since;
		s->overlap_since = 0;
	}
	if (s->settled_at != 0 && s->now > s->settled_at && s->now - s->named_at > SETTLE_US &&
	    s->violation[0] == '\0' && !s->beyond)
		snprintf(s->violation, sizeof(s->violation), "host %d lets go (%s) without need", x,
		    why);
	if (s->mix->gapless && s->violation[0] == '\0')
		snprintf(s->violation, sizeof(s->violation),
		    "host %d stops answering (%s) though its lease was good", x, why);
}

/* ---- addresses ---- */

static void
run_expire(struct sim *s, struct event *e)
{
	if (s->kernel[e->a].gen != e->gen || s->kernel[e->a].frozen)
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
	k->expires = expires;
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
	const struct kernel *k = &s->kernel[e->a];

	if (k->there && !k->frozen && k->open_until == e->at)
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

/* ---- the whole machine ---- */

/* Its clock, its timers and its programs stand still, and don't know. */
static void
run_thaw(struct sim *s, struct event *e)
{
	int x = e->a;
	struct kernel *k = &s->kernel[x];
	sim_us lasts = e->n;

	if (k->boots != e->gen)
		return;
	k->frozen = false;
	k->excused_until = s->now + lasts_at_most(s, x);
	queue_add(s, k->excused_until + 1, (struct event){ .run = run_excused, .a = x });
	/* Rounded so that it never goes back. */
	s->node[x].boot -= lasts + lasts * s->node[x].ppm / 1000000 - 2;
	say(s, "host %d goes on, and knows nothing of it", x);
	if (k->fence) {
		k->open_until += lasts;
		queue_add(s, k->open_until, (struct event){ .run = run_shut, .a = x });
	}
	if (k->there)
		queue_add(s, k->expires += lasts,
		    (struct event){ .run = run_expire, .a = x, .gen = ++k->gen });
	if (kernel_answers(s, x))
		answers_now(s, x);
	if (s->node[x].alive && s->node[x].paused)
		node_resume(s, x);
}

void
kernel_freeze(struct sim *s, int x, sim_us lasts)
{
	struct kernel *k = &s->kernel[x];
	bool before = kernel_answers(s, x);

	if (k->frozen || !s->host_up[x] || s->node[x].paused)
		return;
	if (lasts >= s->calm_at - s->now)
		lasts = s->calm_at - s->now - 1;
	k->frozen = true;
	k->thaws = s->now + lasts;
	s->node[x].paused = s->node[x].alive;
	if (before)
		answers_no_more(s, x, "frozen");
	queue_add(
	    s, k->thaws, (struct event){ .run = run_thaw, .a = x, .gen = k->boots, .n = lasts });
}

void
kernel_boot(struct sim *s, int x)
{
	struct kernel *k = &s->kernel[x];
	uint64_t gen = k->gen + 1, boots = k->boots + 1;

	kernel_gone(s, x, "crash");
	memset(k, 0, sizeof(*k));
	k->gen = gen;
	k->boots = boots;
}
