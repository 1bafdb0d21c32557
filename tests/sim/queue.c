/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual time: a heap of events, and the random numbers that everything is drawn from. Knows nothing of what happens. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

static bool
before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
queue_add(struct sim *s, sim_us at, struct event e)
{
	int i = s->n_events++;

	if (s->n_events > s->events_max) {
		s->events_max = s->events_max * 2 + 256;
		s->events = realloc(s->events, (size_t)s->events_max * sizeof(*s->events));
		if (s->events == NULL)
			abort();
	}
	e.at = at > s->now ? at : s->now;
	e.order = s->order++;
	for (; i > 0 && before(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		s->events[i] = s->events[(i - 1) / 2];
	s->events[i] = e;
}

bool
queue_next(struct sim *s, struct event *out)
{
	struct event e;
	int i = 0, child;

	if (s->n_events == 0)
		return false;
	*out = s->events[0];
	e = s->events[--s->n_events];
	while ((child = 2 * i + 1) < s->n_events) {
		if (child + 1 < s->n_events && before(&s->events[child + 1], &s->events[child]))
			child++;
		if (!before(&s->events[child], &e))
			break;
		s->events[i] = s->events[child];
		i = child;
	}
	s->events[i] = e;
	return true;
}

void
queue_fini(struct sim *s)
{
	for (int i = 0; i < s->n_events; i++)
		free(s->events[i].data);
	s->n_events = 0;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t
draw64(struct sim *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

int
draw(struct sim *s, int n)
{
	return (int)(draw64(s) % (uint64_t)n);
}

sim_us
draw_us(struct sim *s, sim_us from, sim_us to)
{
	return to <= from ? from : from + (sim_us)(draw64(s) % (uint64_t)(to - from));
}

bool
chance(struct sim *s, double p)
{
	return (double)(draw64(s) >> 11) < p * 0x1p53;
}

void
trace(struct sim *s, uint64_t what)
{
	s->hash = (s->hash ^ what ^ (uint64_t)s->now) * 0x100000001b3u;
	s->hash ^= s->hash >> 29;
}

void
say(struct sim *s, const char *format, ...)
{
	va_list ap;

	if (!s->verbose)
		return;
	printf("%9.3f  ", (double)s->now / SECOND);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}
