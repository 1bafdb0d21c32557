/* SPDX-License-Identifier: BSD-2-Clause */
/* No node may ever send with a key that another one doesn't accept: each phase begins when the one before has ended everywhere. */
#include "rotate.h"

#include <string.h>

static bool
same(const struct rotate_key *a, const struct rotate_key *b)
{
	return memcmp(a->mark, b->mark, sizeof(a->mark)) == 0;
}

static bool
has(const struct rotate_set *s, const struct rotate_key *k)
{
	for (int i = 0; i < s->n; i++) {
		if (same(&s->key[i], k))
			return true;
	}
	return false;
}

static void
stuck(struct rotate_plan *p, const char *why)
{
	p->phase = ROTATE_STUCK;
	p->why = why;
}

/* All that there are; false: more than two, or a node isn't known. */
static bool
collect(const struct rotate_set *s, int n_nodes, struct rotate_set *all)
{
	for (int i = 0; i < n_nodes; i++) {
		for (int k = 0; k < s[i].n; k++) {
			if (has(all, &s[i].key[k]))
				continue;
			if (all->n == SET_KEYS_MAX)
				return false;
			all->key[all->n++] = s[i].key[k];
		}
	}
	return true;
}

void
rotate_next(const struct rotate_set *s, int n_nodes, struct rotate_plan *p)
{
	uint32_t lack_new = 0, lack_old = 0, send_old = 0;
	struct rotate_set all = { .n = 0 };
	struct rotate_key old, new;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < n_nodes; i++) {
		if (s[i].n == 0) {
			stuck(p, "not every node answers");
			return;
		}
	}
	if (!collect(s, n_nodes, &all)) {
		stuck(p, "the nodes have more than two keys: make the key files alike by hand");
		return;
	}
	if (all.n == 1) {
		p->phase = ROTATE_ONE;
		p->want = all;
		return;
	}
	if (all.key[0].number == all.key[1].number) {
		stuck(p, "two keys that this command hasn't made are in use: leave one of them, by "
		         "hand");
		return;
	}
	new = all.key[all.key[1].number > all.key[0].number];
	old = all.key[all.key[1].number < all.key[0].number];
	for (int i = 0; i < n_nodes; i++) {
		lack_new |= (uint32_t)!has(&s[i], &new) << i;
		lack_old |= (uint32_t)!has(&s[i], &old) << i;
		send_old |= (uint32_t)same(&s[i].key[0], &old) << i;
	}
	if (lack_new != 0 && lack_old != 0) {
		stuck(p, "two nodes have no key in common: make the key files alike by hand");
	} else if (lack_new != 0) {
		p->phase = ROTATE_ADD;
		p->nodes = lack_new;
		p->want = (struct rotate_set){ 2, { old, new } };
	} else if (send_old != 0) {
		p->phase = ROTATE_USE;
		p->nodes = send_old;
		p->want = (struct rotate_set){ 2, { new, old } };
	} else {
		p->phase = ROTATE_DROP;
		p->nodes = ~lack_old & (uint32_t)((1ULL << n_nodes) - 1);
		p->want = (struct rotate_set){ 1, { new } };
	}
}

/* ---- bytes ---- */

static uint8_t *
put_number(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		*at++ = (uint8_t)(v >> (24 - 8 * i));
	return at;
}

static uint32_t
get_number(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The count that the first byte says is the one of entries of that size. */
static bool
well_formed(const uint8_t *body, size_t len, size_t entry)
{
	return len > 0 && body[0] >= 1 && body[0] <= SET_KEYS_MAX && len == 1 + body[0] * entry;
}

size_t
rotate_put_order(const struct rotate_order *o, uint8_t out[ROTATE_BODY_MAX])
{
	uint8_t *at = out;

	*at++ = (uint8_t)o->n;
	for (int i = 0; i < o->n; i++) {
		at = put_number(at, o->number[i]);
		memcpy(at, o->key[i], SVIP_KEY_LEN);
		at += SVIP_KEY_LEN;
	}
	return (size_t)(at - out);
}

bool
rotate_get_order(const uint8_t *body, size_t len, struct rotate_order *o)
{
	enum { ENTRY = 4 + SVIP_KEY_LEN };

	if (!well_formed(body, len, ENTRY))
		return false;
	o->n = body[0];
	for (int i = 0; i < o->n; i++) {
		o->number[i] = get_number(body + 1 + i * ENTRY);
		memcpy(o->key[i], body + 1 + i * ENTRY + 4, SVIP_KEY_LEN);
	}
	return true;
}

size_t
rotate_put_set(const struct rotate_set *s, uint8_t out[ROTATE_ANSWER_MAX])
{
	uint8_t *at = out;

	*at++ = (uint8_t)s->n;
	for (int i = 0; i < s->n; i++) {
		at = put_number(at, s->key[i].number);
		memcpy(at, s->key[i].mark, ROTATE_MARK_LEN);
		at += ROTATE_MARK_LEN;
	}
	return (size_t)(at - out);
}

bool
rotate_get_set(const uint8_t *body, size_t len, struct rotate_set *s)
{
	enum { ENTRY = 4 + ROTATE_MARK_LEN };

	if (!well_formed(body, len, ENTRY))
		return false;
	s->n = body[0];
	for (int i = 0; i < s->n; i++) {
		s->key[i].number = get_number(body + 1 + i * ENTRY);
		memcpy(s->key[i].mark, body + 1 + i * ENTRY + 4, ROTATE_MARK_LEN);
	}
	return true;
}
