/* SPDX-License-Identifier: BSD-2-Clause */
/* The first line of a configuration: read as it was written, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/version.h"

#define ZEROS "00000000000000000000000000000000"

static struct version
of(const char *text)
{
	struct version v;

	version_read(text, strlen(text), &v);
	return v;
}

/* text with the line in front, as an edit after n others. */
static const char *
applied(char out[4096], const char *text, uint64_t serial, const struct version *before, int n)
{
	struct version v = of(text);
	int len = version_line(out, &v, serial, before, n, "");

	assert_int_equal(len, strlen(out));
	snprintf(out + len, 4096 - (size_t)len, "%s", text + v.text);
	return out;
}

static void
a_file_without_a_line_is_of_no_serial(void **state)
{
	struct version v = of("cluster = \"a\"\n"), empty = of("");

	(void)state;
	assert_true(v.serial == 0 && !v.edited && v.n_after == 0 && v.text == 0);
	assert_true(empty.serial == 0 && !empty.edited);
	assert_memory_not_equal(v.digest, empty.digest, VERSION_DIGEST_LEN);
}

static void
what_was_written_is_read(void **state)
{
	struct version before[3] = { of("old\n"), of("older\n"), of("old\n") }, v, again;
	char out[4096], next[4096];

	(void)state;
	v = of(applied(out, "new\n", 7, before, 3));
	assert_true(v.serial == 7 && !v.edited && v.n_after == 2);
	assert_memory_equal(v.after[0], before[0].digest, VERSION_DIGEST_LEN);
	assert_memory_equal(v.after[1], before[1].digest, VERSION_DIGEST_LEN);
	assert_string_equal(out + v.text, "new\n");
	/* The line of a file that is applied again is replaced; what is its own digest isn't after itself. */
	again = of(applied(next, out, 8, &v, 1));
	assert_true(again.serial == 8 && again.n_after == 2);
	assert_string_equal(next + again.text, "new\n");
	again = of(applied(next, out, 9, NULL, 0));
	assert_true(again.serial == 9 && again.n_after == 0 && !again.edited);
}

static void
only_some_ancestors_are_kept(void **state)
{
	struct version v = of("0\n");
	char text[32], out[4096];

	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		snprintf(text, sizeof(text), "%u\n", i);
		v = of(applied(out, text, UINT64_MAX - 30 + i, &v, 1));
		assert_int_equal(v.n_after, i < 16 ? i : 16);
		assert_false(v.edited);
	}
	snprintf(text, sizeof(text), "19\n");
	assert_memory_equal(v.after[0], of(text).digest, VERSION_DIGEST_LEN);
}

static void
who_may_be_missing_is_told(void **state)
{
	struct version old = of("old\n"), text = of("new\n"), v;
	char out[VERSION_LINE_MAX + 8], many[VERSION_ABSENT_MAX + 8];
	int len;

	(void)state;
	assert_string_equal(text.absent, "");
	len = version_line(out, &text, 7, &old, 1, "10.0.0.3 2001:db8::1");
	strcpy(out + len, "new\n");
	v = of(out);
	assert_true(v.serial == 7 && v.n_after == 1 && !v.edited);
	assert_string_equal(v.absent, "10.0.0.3 2001:db8::1");
	len = version_line(out, &text, 7, NULL, 0, "10.0.0.3");
	strcpy(out + len, "new\n");
	v = of(out);
	assert_true(v.serial == 7 && v.n_after == 0 && !v.edited);
	assert_string_equal(v.absent, "10.0.0.3");
	memset(many, '1', sizeof(many));
	many[VERSION_ABSENT_MAX] = '\0';
	len = snprintf(out, sizeof(out), "# svipd: configuration 7 " ZEROS " absent %s\n", many);
	assert_int_equal(of(out).serial, 0);
}

static void
an_edited_file_is_known(void **state)
{
	struct version old = of("old\n"), v;
	char out[4096];

	(void)state;
	applied(out, "new\n", 7, &old, 1);
	out[strlen(out) - 2] = 'W';
	v = of(out);
	assert_true(v.serial == 7 && v.edited);
	assert_memory_equal(v.digest, of("neW\n").digest, VERSION_DIGEST_LEN);
}

static void
a_damaged_line_is_text(void **state)
{
	static const char *const lines[] = {
		"# svipd: configuration 7 " ZEROS,
		"# svipd: configuration 7\n",
		"# svipd: configuration 0 " ZEROS "\n",
		"# svipd: configuration 07 " ZEROS "\n",
		"# svipd: configuration -7 " ZEROS "\n",
		"# svipd: configuration 99999999999999999999999 " ZEROS "\n",
		"# svipd: configuration x " ZEROS "\n",
		"# svipd: configuration 7  " ZEROS "\n",
		"# svipd: configuration 7 " ZEROS "0\n",
		"# svipd: configuration 7 0g" ZEROS "\n",
		"# svipd: configuration 7 " ZEROS " after\n",
		"# svipd: configuration 7 " ZEROS " after " ZEROS " \n",
		"# svipd: configuration 7 " ZEROS " before " ZEROS "\n",
		"#svipd: configuration 7 " ZEROS "\n",
		"# svipd: configuration 7 " ZEROS " absent \n",
		"# svipd: configuration 7 " ZEROS " absent 10.0.0.1,10.0.0.2\n",
		"# svipd: configuration 7 " ZEROS " absent 10.0.0.1 after " ZEROS "\n",
	};
	static const char nul[] = "# svipd: configuration 7 " ZEROS "\0\n";
	char many[2048] = "# svipd: configuration 7 " ZEROS " after";
	struct version v;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(of(lines[i]).serial == 0 && of(lines[i]).text == 0);
	assert_true(of("# svipd: configuration 7 " ZEROS "\n").serial == 7);
	version_read(nul, sizeof(nul) - 1, &v);
	assert_int_equal(v.serial, 0);
	for (int i = 0; i < 17; i++)
		strcat(many, " " ZEROS);
	strcat(many, "\n");
	assert_int_equal(of(many).serial, 0);
	memset(many, ' ', sizeof(many));
	version_read(many, sizeof(many), &v);
	assert_int_equal(v.serial, 0);
}

static void
who_follows_whom(void **state)
{
	struct version plain = of("old\n"), other = of("other\n"), first, second, edited;
	char one[4096], two[4096];

	(void)state;
	first = of(applied(one, "first\n", 1, &plain, 1));
	second = of(applied(two, "second\n", 2, &first, 1));
	assert_true(version_follows(&second, &first) && version_follows(&second, &plain));
	assert_true(version_follows(&first, &plain));
	assert_false(version_follows(&first, &second) || version_follows(&first, &first));
	assert_false(version_follows(&first, &other)); /* a file by hand that nobody saw */
	assert_false(version_follows(&plain, &other));
	one[strlen(one) - 2] = 'T';
	edited = of(one);
	assert_false(version_follows(&second, &edited));
	assert_false(version_follows(&edited, &plain));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_without_a_line_is_of_no_serial),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(only_some_ancestors_are_kept),
		cmocka_unit_test(who_may_be_missing_is_told),
		cmocka_unit_test(an_edited_file_is_known),
		cmocka_unit_test(a_damaged_line_is_text),
		cmocka_unit_test(who_follows_whom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
