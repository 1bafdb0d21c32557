/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each host's kernel has, and each host's clock. Here the checks sit: never two hosts with the addresses, and nothing
 * announced without a lease. They know nothing of what the core believes.
 */
#include <stdio.h>

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

/* ---- addresses ---- */

static void
appear(struct sim *s, int x)
{
	s->kernel[x].there = true;
	s->kernel[x].since = s->now;
	s->takes++;
	trace(s, 0x1000 + (uint64_t)x);
	say(s, "host %d HAS the addresses", x);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != x && s->kernel[y].there && s->violation[0] == '\0') {
			snprintf(s->violation, sizeof(s->violation),
			    "two holders: host %d since %.3f s, host %d since %.3f s", y,
			    (double)s->kernel[y].since / SECOND, x, (double)s->now / SECOND);
			say(s, "VIOLATION: %s", s->violation);
		}
	}
}

void
kernel_gone(struct sim *s, int x, const char *why)
{
	if (!s->kernel[x].there)
		return;
	s->kernel[x].there = false;
	s->kernel[x].gen++;
	trace(s, 0x2000 + (uint64_t)x);
	say(s, "host %d hasn't any more: %s", x, why);
}

static void
answer(struct sim *s, int x, enum core_event_kind kind)
{
	node_post(s, x, &(struct core_event){ .kind = kind, .error = 16 });
}

static void
run_expire(struct sim *s, struct event *e)
{
	if (s->kernel[e->a].gen != e->gen)
		return;
	kernel_gone(s, e->a, "lifetime over");
	node_look(s, e->a);
}

static void
run_hold(struct sim *s, struct event *e)
{
	struct kernel *k = &s->kernel[e->a];
	struct node *n = &s->node[e->a];
	bool refuses = chance(s, s->refuse);

	/* The order died with its process, or one before it was refused: no hold comes of it any more. */
	if (n->life != (uint64_t)e->b || e->gen < k->valid)
		return;
	if (refuses || e->at >= e->n) {
		say(s, "host %d refuses", e->a);
		k->valid = k->ordered;
		if (!n->there)
			kernel_gone(s, e->a, "all or none");
		answer(s, e->a, n->there ? EV_LOST : EV_REFUSED);
		n->there = false;
		return;
	}
	if (!k->there)
		appear(s, e->a);
	k->expires = e->n;
	queue_add(s, k->expires, (struct event){ .run = run_expire, .a = e->a, .gen = ++k->gen });
	if (!n->there) {
		n->there = true;
		answer(s, e->a, EV_HELD);
	}
}

static void
run_drop(struct sim *s, struct event *e)
{
	struct node *n = &s->node[e->a];

	if (n->life != (uint64_t)e->b)
		return;
	n->there = false;
	if (s->kernel[e->a].there && chance(s, s->refuse)) {
		say(s, "host %d keeps the addresses", e->a);
		answer(s, e->a, EV_STUCK);
		return;
	}
	kernel_gone(s, e->a, "removed");
	answer(s, e->a, EV_CLEAR);
}

/* Orders are carried out one after another; most kernels do it before the call returns. */
static void
order(struct sim *s, int x, void (*run)(struct sim *, struct event *), int64_t n)
{
	struct kernel *k = &s->kernel[x];
	struct event e = { .run = run,
		.a = x,
		.b = (int)s->node[x].life,
		.gen = k->ordered++,
		.n = n,
		.at = s->now };

	if (!s->slow_kernel) {
		run(s, &e);
		return;
	}
	if (k->busy_until < s->now)
		k->busy_until = s->now;
	k->busy_until += draw_us(s, 0, s->now < s->calm_at && chance(s, 0.03) ? 500 * MS : 2 * MS);
	queue_add(s, k->busy_until, e);
}

/* The kernel's own end of it: late by anything up to the guard, which is meant in real time. */
void
kernel_hold(struct sim *s, int x, svip_ms until)
{
	sim_us late = s->guard_ms * MS * 1000000 / (1000000 + s->drift_ppm) - 1;

	s->kernel[x].until = until;
	if (chance(s, 0.5))
		late = draw_us(s, 0, late);
	order(s, x, run_hold, kernel_when(s, x, until) + late);
}

void
kernel_drop(struct sim *s, int x, bool start)
{
	if (start) /* before anything else: no answer is late yet */
		s->kernel[x].busy_until = s->now;
	order(s, x, run_drop, 0);
}
