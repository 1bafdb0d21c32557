/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations for people, at each border between two units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/age.h"

enum { S = 1000, MIN = 60 * S, H = 60 * MIN, D = 24 * H };

static void
durations_have_two_numbers_at_most_and_are_rounded_down(void **state)
{
	static const struct {
		svip_ms ms;
		const char *text;
	} cases[] = {
		{ SVIP_LONG_AGO, "0.0 s" },
		{ -1, "0.0 s" },
		{ 0, "0.0 s" },
		{ 99, "0.0 s" },
		{ 1699, "1.6 s" },
		{ 10 * S - 1, "9.9 s" },
		{ 10 * S, "10 s" },
		{ 100 * S - 1, "99 s" },
		{ 100 * S, "1 min" },
		{ 100 * MIN - 1, "99 min" },
		{ 100 * MIN, "1 h 40 min" },
		{ 48 * H - 1, "47 h 59 min" },
		{ 2 * D, "2 d 0 h" },
		{ 2 * D + 7 * H + 59 * MIN, "2 d 7 h" },
		{ SVIP_NEVER, "106751991167 d 7 h" },
	};
	char out[AGE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(age_text(cases[i].ms, out), cases[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_two_numbers_at_most_and_are_rounded_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
