/* SPDX-License-Identifier: BSD-2-Clause */
/* Another key on all nodes: what is next, from any state that can be come upon, and the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "svipd/rotate.h"

enum { NODES = 3 };

/* "1 12 21": the keys of each node; the first is sent with. "-": not known. */
static int
parse(const char *text, struct rotate_set s[SVIP_NODES_MAX])
{
	int n = 0;

	memset(s, 0, sizeof(*s) * SVIP_NODES_MAX);
	for (; *text != '\0'; text++) {
		if (*text == ' ') {
			n++;
		} else if (*text != '-') {
			struct rotate_key *k = &s[n].key[s[n].n++];

			k->number = *text >= 'a' ? 0 : (uint32_t)(*text - '0');
			k->mark[0] = (uint8_t)*text;
		}
	}
	return n + 1;
}

static void
the_next_step_is_seen_in_the_keys(void **state)
{
	static const struct {
		const char *keys, *want;
		enum rotate_phase phase;
		uint32_t nodes;
	} cases[] = {
		{ "1 1 1", "1", ROTATE_ONE, 0 },
		{ "a a a", "a", ROTATE_ONE, 0 },
		{ "1", "1", ROTATE_ONE, 0 },
		{ "12 1 1", "12", ROTATE_ADD, 6 },
		{ "1 12 1", "12", ROTATE_ADD, 5 },
		{ "1 21 12", "12", ROTATE_ADD, 1 },
		{ "a1 a a", "a1", ROTATE_ADD, 6 },
		{ "12 12 12", "21", ROTATE_USE, 7 },
		{ "12 21 12", "21", ROTATE_USE, 5 },
		{ "21 21 21", "2", ROTATE_DROP, 7 },
		{ "21 2 21", "2", ROTATE_DROP, 5 },
		/* Never back to the old one. */
		{ "2 2 21", "2", ROTATE_DROP, 4 },
		{ "2 12 21", "21", ROTATE_USE, 2 },
		{ "98 9 98", "9", ROTATE_DROP, 5 },
		/* By hand. */
		{ "1 - 1", NULL, ROTATE_STUCK, 0 },
		{ "1 2 3", NULL, ROTATE_STUCK, 0 },
		{ "12 13 1", NULL, ROTATE_STUCK, 0 },
		{ "1 2 12", NULL, ROTATE_STUCK, 0 },
		{ "ab a a", NULL, ROTATE_STUCK, 0 },
	};
	struct rotate_set s[SVIP_NODES_MAX], want[SVIP_NODES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rotate_plan p;

		print_message("# %s\n", cases[i].keys);
		rotate_next(s, parse(cases[i].keys, s), &p);
		assert_int_equal(p.phase, cases[i].phase);
		assert_int_equal(p.nodes, cases[i].nodes);
		if (cases[i].want == NULL) {
			assert_non_null(p.why);
			continue;
		}
		parse(cases[i].want, want);
		assert_int_equal(p.want.n, want[0].n);
		for (int k = 0; k < p.want.n; k++)
			assert_memory_equal(
			    p.want.key[k].mark, want[0].key[k].mark, ROTATE_MARK_LEN);
	}
}

static bool
understand_each_other(const struct rotate_set *s, int n)
{
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++) {
			bool accepts = false;

			for (int j = 0; j < s[k].n; j++)
				accepts |= s[k].key[j].mark[0] == s[i].key[0].mark[0];
			if (!accepts)
				return false;
		}
	}
	return true;
}

/* Every order in which the nodes obey, broken off after any of them, and begun again. */
static void
at_no_moment_is_a_node_not_understood(void **state)
{
	for (unsigned seed = 0; seed < 2000; seed++) {
		struct rotate_set s[SVIP_NODES_MAX];
		struct rotate_plan p;
		unsigned dice = seed * 2654435761u + 1;
		int steps = 0;

		(void)state;
		parse("1 1 1", s);
		s[dice % NODES].key[1] = (struct rotate_key){ 2, { '2' } };
		s[dice % NODES].n = 2;
		for (;;) {
			assert_true(understand_each_other(s, NODES));
			rotate_next(s, NODES, &p);
			if (p.phase == ROTATE_ONE)
				break;
			assert_int_not_equal(p.phase, ROTATE_STUCK);
			assert_int_not_equal(p.nodes, 0);
			for (int i = 0; i < NODES; i++) {
				int at = (int)(dice >> 8) % NODES;

				dice = dice * 1103515245u + 12345;
				at = (at + i) % NODES;
				if ((p.nodes >> at & 1) != 0 && dice % 3 != 0) {
					s[at] = p.want;
					assert_true(understand_each_other(s, NODES));
				}
			}
			assert_in_range(++steps, 1, 1000);
		}
		assert_int_equal(s[0].key[0].mark[0], '2');
	}
}

static void
bytes_there_and_back(void **state)
{
	struct rotate_order o = { .n = 2, .number = { 7, 0x01020304 } }, p;
	struct rotate_set s = { .n = 1, .key = { { 9, { 1, 2, 3, 4, 5, 6, 7, 8 } } } }, t;
	uint8_t body[ROTATE_BODY_MAX + 1];
	size_t len;

	(void)state;
	memset(o.key[0], 5, SVIP_KEY_LEN);
	memset(o.key[1], 6, SVIP_KEY_LEN);
	len = rotate_put_order(&o, body);
	assert_int_equal(len, ROTATE_BODY_MAX);
	assert_true(rotate_get_order(body, len, &p));
	assert_memory_equal(&o, &p, sizeof(o));
	assert_false(rotate_get_order(body, len - 1, &p));
	assert_false(rotate_get_order(body, len + 1, &p));
	assert_false(rotate_get_order(body, 0, &p));
	body[0] = 3;
	assert_false(rotate_get_order(body, len, &p));
	body[0] = 0;
	assert_false(rotate_get_order(body, 1, &p));
	len = rotate_put_set(&s, body);
	assert_true(rotate_get_set(body, len, &t));
	assert_true(t.n == 1 && t.key[0].number == 9);
	assert_memory_equal(t.key[0].mark, s.key[0].mark, ROTATE_MARK_LEN);
	assert_false(rotate_get_set(body, len - 1, &t));
	assert_false(rotate_get_set(body, 0, &t));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_step_is_seen_in_the_keys),
		cmocka_unit_test(at_no_moment_is_a_node_not_understood),
		cmocka_unit_test(bytes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
