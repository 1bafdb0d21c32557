/* SPDX-License-Identifier: BSD-2-Clause */
/* When a Redis counts as gone, and how Sentinel is asked then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "svipd/expedite.h"

static const bool all[3] = { true, true, true };

static void
only_refusals_without_a_break_count(void **state)
{
	struct expedite e = { 0 };
	svip_ms now = 1000;

	(void)state;
	assert_false(expedite_tried(&e, true, 100, now));
	assert_false(expedite_tried(&e, true, 100, now += 50));
	assert_false(expedite_tried(&e, true, 100, now += 49));
	assert_true(expedite_tried(&e, true, 100, now += 1));
	assert_false(expedite_tried(
	    &e, false, 100, now += 40)); /* it has answered, or something else was wrong */
	assert_false(expedite_tried(&e, true, 100, now += 200));
	assert_false(expedite_tried(&e, true, 100, now += 100));
	assert_true(expedite_tried(&e, true, 100, now += 100));
	assert_false(
	    expedite_tried(&e, true, 100, now += 501)); /* nobody knows what was meanwhile */
	assert_false(expedite_tried(&e, true, 100, now += 500));
	assert_true(expedite_tried(&e, true, 100, now += 500));
	assert_false(expedite_tried(&e, true, 0, now += 50)); /* switched off */
}

static void
two_refusals_are_too_few_however_long_they_took(void **state)
{
	struct expedite e = { 0 };

	(void)state;
	assert_false(expedite_tried(&e, true, 100, 1000));
	assert_false(expedite_tried(&e, true, 100, 1400));
}

static void
a_hold_is_given_up_once(void **state)
{
	struct expedite e = { 0 };

	(void)state;
	assert_true(expedite_begin(&e, 0, 500)); /* as it is before the first failover */
	assert_false(expedite_begin(&e, 0, 600));
	assert_true(expedite_begin(&e, 7, 1000));
	assert_int_equal(expedite_ask(&e, all, 3, 1000), 0);
	assert_int_equal(expedite_ask(&e, all, 3, 1000), -1);
	assert_int_equal(
	    expedite_answer(&e, 1, REPLICATION_YES, false, true, 1001), EXPEDITE_OTHER);
	e.out = false; /* another question's */
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_YES, false, true, 1001), EXPEDITE_OTHER);
	e.out = true;
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_YES, false, true, 1001), EXPEDITE_ACCEPTED);
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_YES, false, true, 1001), EXPEDITE_OTHER);
	assert_int_equal(expedite_ask(&e, all, 3, 2000), -1);
	assert_false(expedite_begin(&e, 7, 3000));
	assert_true(expedite_begin(&e, 8, 4000));
	expedite_end(&e);
	assert_int_equal(expedite_ask(&e, all, 3, 4000), -1);
}

static void
the_next_sentinel_is_asked_only_if_the_first_can_not_have_heard(void **state)
{
	struct expedite e = { 0 };
	const bool last[3] = { false, false, true };

	(void)state;
	expedite_begin(&e, 7, 1000);
	assert_int_equal(expedite_ask(&e, (const bool[3]){ 0 }, 3, 1000), -1);
	assert_int_equal(expedite_ask(&e, all, 3, 1000), 0);
	assert_int_equal(expedite_answer(&e, 0, REPLICATION_NO, true, false, 1000), EXPEDITE_OTHER);
	assert_int_equal(expedite_ask(&e, all, 3, 1000), 1);
	assert_int_equal(expedite_answer(&e, 1, REPLICATION_NO, true, false, 1000), EXPEDITE_OTHER);
	assert_int_equal(expedite_ask(&e, last, 3, 1000), 2);
	assert_int_equal(
	    expedite_answer(&e, 2, REPLICATION_NO, true, true, 1000), EXPEDITE_ACCEPTED);
	assert_int_equal(expedite_ask(&e, all, 3, 9000), -1);
}

static void
refusals_of_sentinel(void **state)
{
	struct expedite e = { 0 };
	svip_ms now = 1000;

	(void)state;
	expedite_begin(&e, 7, now);
	for (int i = 1; i < EXPEDITE_ASK_MAX; i++) {
		assert_int_equal(expedite_ask(&e, all, 3, now), 0);
		assert_int_equal(expedite_answer(&e, 0, REPLICATION_NO_REPLICA, false, true, now),
		    EXPEDITE_LATER);
		assert_int_equal(expedite_ask(&e, all, 3, now + EXPEDITE_AGAIN_MS - 1), -1);
		now += EXPEDITE_AGAIN_MS;
	}
	assert_int_equal(expedite_ask(&e, all, 3, now), 0);
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_NO_REPLICA, false, true, now), EXPEDITE_REFUSED);
	expedite_begin(&e, 8, now);
	expedite_ask(&e, all, 3, now);
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_IN_PROGRESS, false, true, now), EXPEDITE_RUNS);
	expedite_begin(&e, 9, now);
	expedite_ask(&e, all, 3, now);
	assert_int_equal(
	    expedite_answer(&e, 0, REPLICATION_NO, false, true, now), EXPEDITE_REFUSED);
	expedite_begin(&e, 10, now);
	assert_int_equal(expedite_ask(&e, all, 3, now + EXPEDITE_ASK_FOR_MS), -1);
	assert_false(e.asking);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_refusals_without_a_break_count),
		cmocka_unit_test(two_refusals_are_too_few_however_long_they_took),
		cmocka_unit_test(a_hold_is_given_up_once),
		cmocka_unit_test(the_next_sentinel_is_asked_only_if_the_first_can_not_have_heard),
		cmocka_unit_test(refusals_of_sentinel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
