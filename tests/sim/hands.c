/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's orders to the kernel as src/io (vip.c, fence.h, holds.h) gives them, one system call after another, so that the
 * process can be stopped or killed between any two. Decides nothing.
 *
 * With a slow kernel an order is one call, and the daemon doesn't wait for it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
	TOKEN_US = 20 * MS, /* a dated order that takes longer does nothing */
	TICK_US = 10 * MS,  /* of the kernel's timers */
	LIFETIME_MS = 2200, /* the second layer, behind the packet filter */
};

/* Known mistakes in the daemon's hands, for mutants.sh; the sound ones are 0. */
#ifndef SIM_MISTAKE_UNDATED
#define SIM_MISTAKE_UNDATED 0 /* orders to the packet filter have no token */
#endif
#ifndef SIM_MISTAKE_NO_ERASE
#define SIM_MISTAKE_NO_ERASE 0 /* the record is never cleared */
#endif
#ifndef SIM_MISTAKE_OVER
#define SIM_MISTAKE_OVER 0 /* inherits what is over, for one lease more */
#endif

static void
answer(struct sim *s, int x, enum core_event_kind kind)
{
	node_post(s, x, &(struct core_event){ .kind = kind, .error = 16 });
}

/* Lifetimes are late by anything up to the guard, which is meant in real time. */
static sim_us
lateness(struct sim *s, int x)
{
	svip_ms guard_ms = s->kernel[x].fence ? LIFETIME_MS : s->node[x].guard_ms;
	sim_us late = guard_ms * MS * 1000000 / (1000000 + s->drift_ppm) - 1;

	return chance(s, 0.5) ? draw_us(s, 0, late) : late;
}

/* ---- hold ---- */

/* A hold that was there is lost, one that was to be taken is refused. */
static enum call
fail(struct sim *s, int x)
{
	struct kernel *k = &s->kernel[x];
	struct node *n = &s->node[x];

	say(s, "host %d refuses", x);
	k->valid = k->ordered;
	if (n->order.take)
		return CALL_UNDO;
	n->there = false;
	answer(s, x, EV_LOST);
	return CALL_NONE;
}

static enum call
filter(struct sim *s, int x)
{
	struct order *o = &s->node[x].order;
	const struct kernel *k = &s->kernel[x];
	sim_us ends = kernel_when(s, x, o->until) + kernel_span(s, x, o->clock);

	if (s->now - o->token > TOKEN_US && !SIM_MISTAKE_UNDATED) {
		say(s, "host %d: an order to the packet filter comes too late", x);
		return fail(s, x);
	}
	if (!o->take && s->now >= k->open_until) {
		say(s, "host %d: its time in the packet filter had run out", x);
		return fail(s, x);
	}
	kernel_pass(s, x, ends + draw_us(s, 0, TICK_US));
	return CALL_LIFE;
}

static enum call
address(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	sim_us late = lateness(s, x) + (s->now - n->order.life);

	if (chance(s, s->refuse))
		return fail(s, x);
	kernel_add(s, x, kernel_when(s, x, n->order.until) + late);
	if (!n->order.take)
		return CALL_NONE;
	n->there = true;
	answer(s, x, EV_HELD);
	return CALL_NOTE;
}

static enum call
close_undone(struct sim *s, int x)
{
	kernel_shut(s, x, "not all of it");
	answer(s, x, s->node[x].order.stuck ? EV_STUCK : EV_REFUSED);
	return CALL_NONE;
}

/* ---- drop ---- */

static void
remove_addresses(struct sim *s, int x, const char *why)
{
	struct order *o = &s->node[x].order;

	o->stuck = s->kernel[x].there && chance(s, s->refuse);
	if (o->stuck)
		say(s, "host %d keeps the addresses", x);
	else
		kernel_gone(s, x, why);
}

static void
erase(struct sim *s, int x)
{
	if (!SIM_MISTAKE_NO_ERASE)
		s->kernel[x].record = false;
}

static void
shut(struct sim *s, int x)
{
	kernel_shut(s, x, "shut");
	answer(s, x, s->node[x].order.stuck ? EV_STUCK : EV_CLEAR);
}

/* ---- one call ---- */

static enum call
first_call(const struct kernel *k)
{
	return k->fence ? CALL_TOKEN : CALL_LIFE;
}

static enum call
call(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	struct kernel *k = &s->kernel[x];
	struct order *o = &n->order;
	bool over = o->until <= kernel_ms(s, x);

	switch (o->call) {
	case CALL_NONE:
		return CALL_NONE;
	case CALL_ENTRY:
		o->take = !n->there;
		return over ? CALL_NONE : o->take ? first_call(k) : CALL_NOTE;
	case CALL_TOKEN:
		o->token = s->now;
		return CALL_CLOCK;
	case CALL_CLOCK:
		o->clock = kernel_ms(s, x);
		return !over ? CALL_FILTER : o->take ? fail(s, x) : CALL_NONE;
	case CALL_FILTER:
		return filter(s, x);
	case CALL_LIFE:
		if (over)
			return fail(s, x);
		o->life = s->now;
		/* Without the packet filter no pause is promised to be harmless here. */
		return k->fence ? CALL_ADDRESS : address(s, x);
	case CALL_ADDRESS:
		return address(s, x);
	case CALL_UNDO:
		remove_addresses(s, x, "all or none");
		return CALL_CLOSE;
	case CALL_CLOSE:
		return close_undone(s, x);
	case CALL_NOTE: /* a renewal before it is one: it is true whatever the kernel makes of it */
		k->record = true;
		k->record_other = n->other;
		k->record_conf = n->conf;
		k->record_epoch = o->epoch;
		k->record_until = o->until;
		return o->take ? CALL_NONE : first_call(k);
	case CALL_ERASE:
		erase(s, x);
		return CALL_REMOVE;
	case CALL_REMOVE:
		n->there = false;
		remove_addresses(s, x, "removed");
		return CALL_DUMP;
	case CALL_DUMP: /* of what another hand has put there nothing is played */
		return CALL_SHUT;
	case CALL_SHUT:
		shut(s, x);
		return CALL_NONE;
	}
	return CALL_NONE;
}

void
hands_call(struct sim *s, int x)
{
	s->node[x].order.call = call(s, x);
}

/* ---- orders ---- */

/* With a slow kernel: all at once, some time. An order dies with its process, and with one before it that was refused. */
static void
run_order(struct sim *s, struct event *e)
{
	struct node *n = &s->node[e->a];
	struct order *o = e->data;

	if (n->life != (uint64_t)e->b || (o->call == CALL_ENTRY && e->gen < s->kernel[e->a].valid))
		return;
	if (s->kernel[e->a].frozen) {
		queue_add(s, s->kernel[e->a].thaws, *e);
		e->data = NULL;
		return;
	}
	n->order = *o;
	if (n->paused) { /* what the kernel answers is kept */
		while (n->order.call != CALL_NONE)
			hands_call(s, e->a);
		return;
	}
	n->busy = true;
	while (n->order.call != CALL_NONE)
		hands_call(s, e->a);
	n->busy = false;
	if (n->n_results > 0) {
		struct core_event ev = n->result[--n->n_results];

		node_post(s, e->a, &ev);
	}
}

static void
order(struct sim *s, int x, struct order o)
{
	struct kernel *k = &s->kernel[x];
	struct event e = {
		.run = run_order, .a = x, .b = (int)s->node[x].life, .gen = k->ordered++
	};

	if (!s->slow_kernel) {
		s->node[x].order = o;
		return;
	}
	e.data = malloc(sizeof(o));
	if (e.data == NULL)
		abort();
	memcpy(e.data, &o, sizeof(o));
	if (k->busy_until < s->now)
		k->busy_until = s->now;
	k->busy_until += draw_us(s, 0, s->now < s->calm_at && chance(s, 0.03) ? 500 * MS : 2 * MS);
	queue_add(s, k->busy_until, e);
}

void
hands_hold(struct sim *s, int x, uint64_t epoch, svip_ms until)
{
	struct kernel *k = &s->kernel[x];

	k->until = until;
	k->lease_ms = s->node[x].lease_ms;
	k->guard_ms = s->node[x].guard_ms;
	node_lists(s, x, k);
	order(s, x, (struct order){ .call = CALL_ENTRY, .until = until, .epoch = epoch });
}

void
hands_drop(struct sim *s, int x)
{
	order(s, x, (struct order){ .call = CALL_ERASE });
}

/* ---- the start ---- */

/* The first look at what is there. Heartbeats may have come before it. */
static void
run_start(struct sim *s, struct event *e)
{
	int x = e->a;
	struct kernel *k = &s->kernel[x];
	struct node *n = &s->node[x];
	bool there = k->there && (!k->fence || s->now < k->open_until);
	svip_ms now = kernel_ms(s, x);

	if (!n->alive || n->life != e->gen)
		return;
	if (n->paused || k->frozen) {
		queue_add(s, s->now + 1 * MS, *e);
		return;
	}
	if (SIM_MISTAKE_OVER)
		k->record_until = now + n->lease_ms;
	if (k->record && k->record_other == n->other && k->record_conf == n->conf &&
	    k->record_until > now && n->link_up && there) {
		say(s, "node %d goes on with the hold at epoch %llu, %d ms are left", x,
		    (unsigned long long)k->record_epoch, (int)(k->record_until - now));
		n->there = true;
		s->inherited++;
		node_post(s, x,
		    &(struct core_event){
		        .kind = EV_INHERIT, .epoch = k->record_epoch, .until = k->record_until });
		return;
	}
	remove_addresses(s, x, "removed");
	kernel_shut(s, x, "shut");
	answer(s, x, n->order.stuck ? EV_STUCK : EV_CLEAR);
}

void
hands_start(struct sim *s, int x)
{
	struct node *n = &s->node[x];

	n->there = false;
	s->kernel[x].busy_until = s->now; /* no answer is late yet */
	if (n->fenced)
		kernel_fence(s, x);
	node_post(s, x, &(struct core_event){ .kind = EV_LINK, .yes = n->link_up });
	queue_add(s, s->now + draw_us(s, 0, chance(s, 0.1) ? 50 * MS : 1 * MS),
	    (struct event){ .run = run_start, .a = x, .gen = n->life });
}
