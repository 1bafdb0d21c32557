/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of two configurations. Both are short: they are searched from the front. */
#include "change.h"

#include <stdlib.h>
#include <string.h>

static int
find_sentinel(const struct settings *s, const struct svip_host *h)
{
	for (int i = 0; i < s->n_sentinels; i++) {
		if (svip_host_same(&s->sentinel[i], h))
			return i;
	}
	return -1;
}

static int
find_node(const struct settings *s, const struct svip_addr *a)
{
	for (int i = 0; i < s->n_nodes; i++) {
		if (svip_addr_same(&s->node[i], a))
			return i;
	}
	return -1;
}

static bool
same_sentinels(const struct settings *a, const struct settings *b)
{
	for (int i = 0; i < a->n_sentinels; i++) {
		if (find_sentinel(b, &a->sentinel[i]) == -1)
			return false;
	}
	return a->n_sentinels == b->n_sentinels;
}

static bool
same_nodes(const struct settings *a, const struct settings *b)
{
	for (int i = 0; i < a->n_nodes; i++) {
		if (find_node(b, &a->node[i]) == -1)
			return false;
	}
	return a->n_nodes == b->n_nodes;
}

const char *
change_what(const struct settings *a, const struct settings *b)
{
	if (!same_sentinels(a, b))
		return "sentinels";
	if (!same_nodes(a, b))
		return "nodes";
	if (a->lease_ms != b->lease_ms)
		return "lease";
	if (a->guard_ms != b->guard_ms)
		return "guard";
	return a->drift_ppm != b->drift_ppm ? "clock-drift" : NULL;
}

bool
change_same_addresses(const struct set_instance *a, const struct set_instance *b)
{
	for (int i = 0; i < a->n_addresses; i++) {
		bool found = false;

		for (int k = 0; k < b->n_addresses && !found; k++)
			found = svip_addr_same(&a->address[i], &b->address[k]) &&
			        a->address[i].prefix == b->address[k].prefix;
		if (!found)
			return false;
	}
	return a->n_addresses == b->n_addresses;
}

const char *
change_alone(const struct settings *now, const struct settings *next)
{
	for (int i = 0; i < next->n_instances; i++) {
		const struct set_instance *in = &next->instance[i], *was = NULL;

		for (int k = 0; k < now->n_instances && was == NULL; k++) {
			if (now->instance[k].id == in->id)
				was = &now->instance[k];
		}
		if (was == NULL || !change_same_addresses(was, in))
			return "its virtual addresses";
	}
	return now->n_instances == next->n_instances ? NULL : "its virtual addresses";
}

bool
change_arrange(struct settings *s, const struct settings *like)
{
	if (!same_sentinels(s, like) || !same_nodes(s, like))
		return false;
	memcpy(s->sentinel, like->sentinel, sizeof(s->sentinel));
	memcpy(s->node, like->node, sizeof(s->node));
	s->self = like->self;
	return true;
}

/* With copies of its instances. */
static struct settings *
copy(const struct settings *s, const struct settings *instances)
{
	struct settings *c = malloc(sizeof(*c));
	size_t size = sizeof(*c->instance) * (size_t)instances->n_instances;

	if (c == NULL)
		return NULL;
	*c = *s;
	c->n_instances = instances->n_instances;
	c->instance = malloc(size + 1);
	if (c->instance == NULL) {
		free(c);
		return NULL;
	}
	if (size > 0)
		memcpy(c->instance, instances->instance, size);
	return c;
}

struct settings *
change_both(const struct settings *now, const struct settings *next, const char **why)
{
	/* Without an address of its own it can't tell which Redis is this node's. */
	struct settings *b = copy(next, next->self == -1 ? now : next);

	*why = "out of memory";
	if (b == NULL)
		return NULL;
	*why = NULL;
	b->n_sentinels = now->n_sentinels;
	memcpy(b->sentinel, now->sentinel, sizeof(b->sentinel));
	for (int i = 0; i < next->n_sentinels; i++) {
		if (find_sentinel(now, &next->sentinel[i]) != -1)
			continue;
		if (b->n_sentinels == SVIP_SENTINELS_MAX)
			*why = "there are too many Sentinels before and after together: take two "
			       "steps";
		else
			b->sentinel[b->n_sentinels++] = next->sentinel[i];
	}
	b->n_nodes = now->n_nodes;
	b->self = now->self;
	memcpy(b->node, now->node, sizeof(b->node));
	for (int i = 0; i < next->n_nodes; i++) {
		if (find_node(now, &next->node[i]) != -1)
			continue;
		if (b->n_nodes == SVIP_NODES_MAX)
			*why = "there are too many nodes before and after together: take two steps";
		else
			b->node[b->n_nodes++] = next->node[i];
	}
	if (now->lease_ms < b->lease_ms)
		b->lease_ms = now->lease_ms;
	if (now->poll_ms < b->poll_ms)
		b->poll_ms = now->poll_ms;
	if (now->guard_ms < b->guard_ms)
		b->guard_ms = now->guard_ms;
	memcpy(b->digest_safety, now->digest_safety, sizeof(b->digest_safety));
	if (*why == NULL)
		return b;
	settings_free(b);
	return NULL;
}

void
change_lists(const struct settings *both, const struct settings *next, struct core_next *n)
{
	n->n_sentinels = both->n_sentinels;
	n->n_nodes = both->n_nodes;
	n->sentinels = n->nodes = 0;
	for (int i = 0; i < both->n_sentinels; i++)
		n->sentinels |= (uint32_t)(find_sentinel(next, &both->sentinel[i]) != -1) << i;
	for (int i = 0; i < both->n_nodes; i++) {
		n->nodes |= (uint32_t)(find_node(next, &both->node[i]) != -1) << i;
		hb_node(&both->node[i], n->node[i]);
	}
}

void
change_keep(const struct settings *both, struct settings *next)
{
	struct settings kept = { .self = -1 };

	for (int i = 0; i < both->n_sentinels; i++) {
		if (find_sentinel(next, &both->sentinel[i]) != -1)
			kept.sentinel[kept.n_sentinels++] = both->sentinel[i];
	}
	for (int i = 0; i < both->n_nodes; i++) {
		if (find_node(next, &both->node[i]) == -1)
			continue;
		if (i == both->self)
			kept.self = kept.n_nodes;
		kept.node[kept.n_nodes++] = both->node[i];
	}
	memcpy(next->sentinel, kept.sentinel, sizeof(next->sentinel));
	memcpy(next->node, kept.node, sizeof(next->node));
	next->self = kept.self;
}

uint32_t
change_absent(const struct settings *both, const struct settings *next, int *stranger)
{
	uint32_t set = 0;

	*stranger = -1;
	for (int i = 0; i < next->n_absent; i++) {
		int at = find_node(both, &next->absent[i]);

		if (at == -1)
			*stranger = i;
		else if (at != both->self)
			set |= 1U << at;
	}
	return set;
}
