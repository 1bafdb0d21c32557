/* SPDX-License-Identifier: BSD-2-Clause */
/* Two configurations together: places, lists, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svipd/change.h"

/* "a b" as Sentinels, "1 2" as nodes 10.0.0.1, 10.0.0.2; the first node of `self` is this one, "" none. */
static struct settings
make(const char *sentinels, const char *nodes, char self)
{
	struct settings s = {
		.lease_ms = 3000, .poll_ms = 600, .guard_ms = 60, .drift_ppm = 100, .self = -1
	};
	static struct set_instance instance;

	for (; *sentinels != '\0'; sentinels++) {
		struct svip_host *h = &s.sentinel[s.n_sentinels++];

		snprintf(h->name, sizeof(h->name), "%c", *sentinels);
		h->port = 26379;
	}
	for (; *nodes != '\0'; nodes++) {
		if (*nodes == self)
			s.self = s.n_nodes;
		s.node[s.n_nodes++] = (struct svip_addr){
			.family = 4, .prefix = 32, .bytes = { 10, 0, 0, (uint8_t)(*nodes - '0') }
		};
	}
	instance = (struct set_instance){ .id = 7, .n_addresses = 1 };
	instance.address[0] =
	    (struct svip_addr){ .family = 4, .prefix = 32, .bytes = { 10, 0, 0, 50 } };
	s.instance = &instance;
	s.n_instances = 1;
	return s;
}

static const char *
lists(const struct settings *s)
{
	static char out[128];
	int n = 0;

	for (int i = 0; i < s->n_sentinels; i++)
		n += snprintf(out + n, sizeof(out) - (size_t)n, "%s", s->sentinel[i].name);
	n += snprintf(out + n, sizeof(out) - (size_t)n, " ");
	for (int i = 0; i < s->n_nodes; i++)
		n += snprintf(out + n, sizeof(out) - (size_t)n, "%s%d", i == s->self ? "*" : "",
		    s->node[i].bytes[3]);
	return out;
}

static void
what_differs_is_named(void **state)
{
	struct settings a = make("abc", "123", '1'), b = make("cba", "321", '1');

	(void)state;
	assert_null(change_what(&a, &b));
	b.drift_ppm = 1;
	assert_string_equal(change_what(&a, &b), "clock-drift");
	b.guard_ms = 61;
	assert_string_equal(change_what(&a, &b), "guard");
	b.lease_ms = 1;
	assert_string_equal(change_what(&a, &b), "lease");
	b = make("abc", "12", '1');
	assert_string_equal(change_what(&a, &b), "nodes");
	b = make("abc", "124", '1');
	assert_string_equal(change_what(&a, &b), "nodes");
	b = make("abd", "124", '1');
	assert_string_equal(change_what(&a, &b), "sentinels");
	b = make("ab", "123", '1');
	assert_string_equal(change_what(&b, &a), "sentinels");
	b.sentinel[0].port++;
	assert_string_equal(change_what(&a, &b), "sentinels");
}

static void
addresses_change_alone(void **state)
{
	struct settings a = make("abc", "123", '1'), b = a;
	struct set_instance other[2] = { *a.instance, *a.instance };

	(void)state;
	assert_null(change_alone(&a, &b));
	b.instance = other;
	assert_null(change_alone(&a, &b));
	other[0].address[0].bytes[3]++;
	assert_non_null(change_alone(&a, &b));
	other[0] = *a.instance;
	other[0].address[0].prefix = 24;
	assert_non_null(change_alone(&a, &b));
	other[0] = *a.instance;
	other[0].id = other[1].id = 8;
	assert_non_null(change_alone(&a, &b));
	other[0] = *a.instance;
	b.n_instances = 2;
	assert_non_null(change_alone(&a, &b));
	assert_non_null(change_alone(&b, &a));
}

static void
places_are_kept(void **state)
{
	struct settings in_force = make("cab", "312", '1'), read = make("abc", "123", '1');

	(void)state;
	assert_true(change_arrange(&read, &in_force));
	assert_string_equal(lists(&read), "cab 3*12");
	read = make("abd", "123", '1');
	assert_false(change_arrange(&read, &in_force));
	assert_string_equal(lists(&read), "abd *123");
}

static void
both_have_what_either_has(void **state)
{
	static const struct {
		const char *now[2], *next[2], *both, *kept;
		uint32_t sentinels, nodes;
		char self, next_self;
	} cases[] = {
		{ { "abc", "123" }, { "abc", "123" }, "abc *123", "abc *123", 7, 7, '1', '1' },
		{ { "abc", "123" }, { "bcd", "123" }, "abcd *123", "bcd *123", 14, 7, '1', '1' },
		{ { "abc", "123" }, { "def", "234" }, "abcdef 12*34", "def 2*34", 56, 14, '3',
		    '3' },
		{ { "abc", "123" }, { "a", "4123" }, "abc 12*34", "a 12*34", 1, 15, '3', '3' },
		{ { "abc", "123" }, { "abc", "12" }, "abc 12*3", "abc 12", 7, 3, '3', '0' },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings now = make(cases[i].now[0], cases[i].now[1], cases[i].self),
		                next = make(cases[i].next[0], cases[i].next[1], cases[i].next_self);
		struct core_next n;
		const char *why;
		struct settings *both;

		print_message("# %s\n", cases[i].both);
		next.lease_ms = i % 2 == 0 ? 1000 : 9000;
		next.poll_ms = next.lease_ms / 5;
		next.guard_ms = i % 2 == 0 ? 50 : 70;
		memset(now.digest_safety, 1, sizeof(now.digest_safety));
		next.serial = 5;
		both = change_both(&now, &next, &why);
		assert_non_null(both);
		assert_null(why);
		assert_string_equal(lists(both), cases[i].both);
		assert_int_equal(both->lease_ms, i % 2 == 0 ? 1000 : 3000);
		assert_int_equal(both->poll_ms, i % 2 == 0 ? 200 : 600);
		assert_int_equal(both->guard_ms, i % 2 == 0 ? 50 : 60);
		assert_int_equal(both->serial, 5);
		assert_int_equal(both->digest_safety[0], 1);
		assert_ptr_not_equal(both->instance, next.instance);
		assert_int_equal(both->instance[0].id, 7);
		change_lists(both, &next, &n);
		assert_int_equal(n.n_sentinels, both->n_sentinels);
		assert_int_equal(n.n_nodes, both->n_nodes);
		assert_int_equal(n.sentinels, cases[i].sentinels);
		assert_int_equal(n.nodes, cases[i].nodes);
		assert_int_equal(n.node[0][15], 1);
		change_keep(both, &next);
		assert_string_equal(lists(&next), cases[i].kept);
		settings_free(both);
	}
}

static void
too_many_take_two_steps(void **state)
{
	struct settings now = make("abcdefgh", "1", '1'), next = make("ijklmnopq", "1", '1');
	const char *why;

	(void)state;
	assert_null(change_both(&now, &next, &why));
	assert_non_null(strstr(why, "Sentinels"));
	now = make("a", "12345678", '1');
	next = make("a", "19:;<=>?@A", '1');
	assert_null(change_both(&now, &next, &why));
	assert_non_null(strstr(why, "nodes"));
}

static void
who_may_be_missing_is_found(void **state)
{
	struct settings both = make("a", "123", '1'), next = both;
	int stranger;

	(void)state;
	assert_int_equal(change_absent(&both, &next, &stranger), 0);
	assert_int_equal(stranger, -1);
	next.n_absent = 2;
	next.absent[0] = both.node[0]; /* this one isn't missing */
	next.absent[1] = both.node[2];
	assert_int_equal(change_absent(&both, &next, &stranger), 4);
	assert_int_equal(stranger, -1);
	next.absent[1].bytes[3] = 99;
	assert_int_equal(change_absent(&both, &next, &stranger), 0);
	assert_int_equal(stranger, 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_named),
		cmocka_unit_test(addresses_change_alone),
		cmocka_unit_test(places_are_kept),
		cmocka_unit_test(both_have_what_either_has),
		cmocka_unit_test(too_many_take_two_steps),
		cmocka_unit_test(who_may_be_missing_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
