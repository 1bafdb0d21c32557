/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic of fencing: tables that a reader can check by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/evidence.h"
#include "core/lease.h"

static struct view
confirming(uint64_t epoch, svip_ms asked)
{
	return (struct view){
		.valid = true, .me = true, .epoch = epoch, .asked = asked, .heard = asked + 5
	};
}

static void
majorities_and_blocking_sets_meet(void **state)
{
	static const struct {
		int n, m, k;
	} t[] = { { 1, 1, 1 }, { 2, 2, 1 }, { 3, 2, 2 }, { 4, 3, 2 }, { 5, 3, 3 }, { 6, 4, 3 },
		{ 7, 4, 4 }, { 15, 8, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(lease_majority(t[i].n), t[i].m);
		assert_int_equal(lease_blocking(t[i].n), t[i].k);
		assert_true(t[i].m + t[i].k > t[i].n); /* they share one */
		assert_true(2 * t[i].m > t[i].n);      /* so do two majorities */
	}
}

static void
the_wait_covers_two_clocks_that_drift_apart(void **state)
{
	static const struct {
		svip_ms lease, guard;
		int ppm;
		svip_ms wait;
	} t[] = {
		{ 1000, 0, 0, 1000 }, { 1000, 50, 0, 1050 },
		{ 1000, 2200, 10000, 3221 }, /* 1000 * 1.01 / 0.99 = 1020.2, rounded up */
		{ 2000, 2200, 10000, 4241 }, { 1000, 0, 200000, 1500 }, /* 1.2 / 0.8 */
		{ 500, 0, 1, 501 },                                     /* never rounded down */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(lease_wait(t[i].lease, t[i].guard, t[i].ppm), t[i].wait);
}

static void
lease_is_dated_from_the_question_of_the_majoritys_last(void **state)
{
	static const struct {
		int n;
		svip_ms asked[5]; /* 0: doesn't confirm */
		svip_ms end;
	} t[] = {
		{ 1, { 100 }, 1100 },
		{ 3, { 100, 200, 300 }, 1200 },
		{ 3, { 300, 100, 200 }, 1200 },
		{ 3, { 0, 100, 200 }, 1100 },
		{ 3, { 0, 0, 200 }, SVIP_LONG_AGO },
		{ 4, { 100, 200, 300, 400 }, 1200 },
		{ 4, { 0, 0, 300, 400 }, SVIP_LONG_AGO },
		{ 5, { 500, 400, 300, 200, 100 }, 1300 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct view v[5] = { 0 };

		for (int s = 0; s < t[i].n; s++) {
			if (t[i].asked[s] != 0)
				v[s] = confirming(7, t[i].asked[s]);
		}
		assert_int_equal(lease_end(v, t[i].n, 7, SVIP_LONG_AGO, 1000), t[i].end);
	}
}

static void
confirmations_are_never_counted_across_epochs(void **state)
{
	struct view v[3] = { confirming(7, 100), confirming(8, 200), confirming(9, 300) };

	(void)state;
	assert_int_equal(lease_end(v, 3, 7, SVIP_LONG_AGO, 1000), SVIP_LONG_AGO);
	assert_int_equal(lease_count(v, 3, 7, SVIP_LONG_AGO), 1);
	v[1] = confirming(7, 200);
	assert_int_equal(lease_count(v, 3, 7, SVIP_LONG_AGO), 2);
}

static void
a_view_that_is_down_other_stale_or_missing_does_not_confirm(void **state)
{
	struct view v = confirming(7, 100);

	(void)state;
	assert_true(lease_confirms(&v, 7, 100));
	assert_false(lease_confirms(&v, 8, 100));
	assert_false(lease_confirms(&v, 7, 101));
	v.down = true;
	assert_false(lease_confirms(&v, 7, 0));
	v = confirming(7, 100);
	v.me = false;
	assert_false(lease_confirms(&v, 7, 0));
	v = confirming(7, 100);
	v.valid = false;
	assert_false(lease_confirms(&v, 7, 0));
}

static void
epoch_zero_is_an_epoch(void **state)
{
	struct view v[3] = { confirming(0, 100), confirming(0, 200) };

	(void)state;
	assert_int_equal(lease_count(v, 3, 0, SVIP_LONG_AGO), 2);
}

static void
free_is_counted_from_the_blocking_sets_last(void **state)
{
	static const struct {
		int n;
		svip_ms since[5]; /* 0: doesn't name this node */
		svip_ms free;
	} t[] = {
		{ 3, { 100, 200, 300 }, 1200 }, /* k = 2: the second smallest */
		{ 3, { 300, 0, 100 }, 1300 }, { 3, { 0, 0, 100 }, SVIP_NEVER },
		{ 4, { 400, 0, 0, 100 }, 1400 },                               /* k = 2 */
		{ 5, { 500, 400, 300, 0, 0 }, 1500 }, { 2, { 0, 200 }, 1200 }, /* k = 1 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct evidence e[5];

		for (int s = 0; s < t[i].n; s++) {
			evidence_init(&e[s]);
			if (t[i].since[s] != 0) {
				e[s].since = t[i].since[s];
				e[s].since_epoch = 7;
			}
		}
		assert_int_equal(lease_free_at(e, t[i].n, 7, 1000), t[i].free);
		assert_int_equal(
		    lease_free_at(e, t[i].n, 8, 1000), SVIP_NEVER); /* of another epoch */
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(majorities_and_blocking_sets_meet),
		cmocka_unit_test(the_wait_covers_two_clocks_that_drift_apart),
		cmocka_unit_test(lease_is_dated_from_the_question_of_the_majoritys_last),
		cmocka_unit_test(confirmations_are_never_counted_across_epochs),
		cmocka_unit_test(a_view_that_is_down_other_stale_or_missing_does_not_confirm),
		cmocka_unit_test(epoch_zero_is_an_epoch),
		cmocka_unit_test(free_is_counted_from_the_blocking_sets_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
