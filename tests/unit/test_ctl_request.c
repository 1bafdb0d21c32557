/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of the control socket: what is one, what isn't, and who may. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ctl_request.h"
#include "wire/nearest.h"

static void
every_command_of_the_table_can_be_asked(void **state)
{
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (int i = 0; i < CTL_COMMANDS; i++) {
		const struct ctl_usage *u = ctl_request_usage(i);
		char line[256];

		snprintf(line, sizeof(line), "%s%s", u->name,
		    i == CTL_MAINTENANCE       ? " on"
		    : i == CTL_LOG             ? " debug"
		    : i == CTL_HANDOVER        ? " m"
		    : i == CTL_CLUSTER         ? " why"
		    : i == CTL_CONFIG_DIFF     ? " all"
		    : i == CTL_CLIENT_RECONFIG ? " m leader start 10.0.0.1 6379 10.0.0.2 6379"
		                               : "");
		assert_true(ctl_request_parse(line, &r, &err));
		assert_int_equal(r.command, i);
		assert_string_equal(err.word, "");
		assert_true(u->help[0] != '\0');
	}
}

static void
a_name_is_taken_and_blanks_do_not_matter(void **state)
{
	static const char *const lines[] = { "status mymaster", "  status\t mymaster  ",
		"status mymaster\t" };
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(ctl_request_parse(lines[i], &r, &err));
		assert_int_equal(r.command, CTL_STATUS);
		assert_string_equal(r.name, "mymaster");
	}
	assert_true(ctl_request_parse("status", &r, &err));
	assert_null(r.name);
}

static void
a_handover_has_a_name_and_perhaps_a_limit(void **state)
{
	static const struct {
		const char *line;
		bool good, progress;
		int seconds;
	} cases[] = {
		{ "handover m", true, false, 0 },
		{ "handover m 1", true, false, 1 },
		{ "handover m 60", true, false, 60 },
		{ "handover m 007", true, false, 7 },
		{ "handover m progress", true, true, 0 },
		{ "handover m 61", false, false, 0 },
		{ "handover m 0", false, false, 0 },
		{ "handover m 99999999999999999999", false, false, 0 },
		{ "handover m 5s", false, false, 0 },
		{ "handover m /", false, false, 0 },
		{ "handover m :", false, false, 0 },
		{ "handover", false, false, 0 },
		{ "handover m 1 2", false, false, 0 },
	};
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ctl_request_parse(cases[i].line, &r, &err), cases[i].good);
		if (!cases[i].good) {
			assert_string_equal(err.word, "bad-request");
			continue;
		}
		assert_string_equal(r.name, "m");
		assert_int_equal(r.progress, cases[i].progress);
		assert_int_equal(r.seconds, cases[i].seconds);
		assert_false(ctl_request_permitted(&r, 1000, 100));
	}
}

static void
every_node_is_asked_what_changes_nothing(void **state)
{
	static const struct {
		const char *line, *name;
		bool good, progress;
	} cases[] = {
		{ "cluster status", NULL, true, false },
		{ "cluster why m", "m", true, false },
		{ "cluster history progress", NULL, true, true },
		{ "cluster history m progress", "m", true, true },
		{ "cluster history m n", NULL, false, false },
		{ "cluster reload", NULL, false, false },
		{ "cluster", NULL, false, false },
		{ "cluster status m progress x", NULL, false, false },
	};
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ctl_request_parse(cases[i].line, &r, &err), cases[i].good);
		if (!cases[i].good) {
			assert_string_equal(err.word, "bad-request");
			continue;
		}
		assert_int_equal(r.progress, cases[i].progress);
		assert_true(
		    cases[i].name == NULL ? r.name == NULL : strcmp(r.name, cases[i].name) == 0);
		assert_true(ctl_request_permitted(&r, 1000, 990));
	}
}

static void
configurations_are_applied_by_who_may_change_something(void **state)
{
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	assert_true(ctl_request_parse("config-apply", &r, &err) && !r.progress && r.n_args == 0);
	assert_true(ctl_request_parse("config-apply progress", &r, &err) && r.progress);
	assert_true(ctl_request_parse("key-rotate", &r, &err) && !r.progress);
	assert_true(ctl_request_parse("key-rotate progress", &r, &err) && r.progress);
	assert_false(ctl_request_parse("key-rotate now", &r, &err));
	assert_true(ctl_request_parse("config-apply 10.0.0.1 10.0.0.2", &r, &err) &&
	            r.n_args == 2 && !r.progress);
	assert_false(ctl_request_permitted(&r, 1000, 990));
}

static void
a_comparison_has_a_node_and_perhaps_goes_on(void **state)
{
	static const char *const bad[] = { "config-diff", "config-diff all again",
		"config-diff all progress x" };
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	assert_true(ctl_request_parse("config-diff 10.0.0.12", &r, &err));
	assert_string_equal(r.name, "10.0.0.12");
	assert_false(r.progress);
	assert_true(ctl_request_parse("config-diff all progress", &r, &err));
	assert_string_equal(r.name, "all");
	assert_true(r.progress);
	assert_true(ctl_request_permitted(&r, 1000, 990));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ctl_request_parse(bad[i], &r, &err));
		assert_string_equal(err.word, "bad-request");
		assert_string_equal(err.message, "usage: config-diff NODE|all [progress]");
	}
}

static void
maintenance_is_on_or_off(void **state)
{
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	assert_true(ctl_request_parse("maintenance on", &r, &err));
	assert_true(r.on);
	assert_true(ctl_request_parse("maintenance off", &r, &err));
	assert_false(r.on);
	assert_false(ctl_request_parse("maintenance maybe", &r, &err));
	assert_false(ctl_request_parse("maintenance", &r, &err));
	assert_string_equal(err.message, "usage: maintenance on|off");
}

static void
sentinels_seven_arguments_are_kept(void **state)
{
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	assert_true(ctl_request_parse(
	    "client-reconfig my.m observer start 10.0.0.1 6379 fd00::2 6380", &r, &err));
	assert_int_equal(r.n_args, 7);
	assert_string_equal(r.name, "my.m");
	assert_string_equal(r.arg[1], "observer");
	assert_string_equal(r.arg[5], "fd00::2");
	assert_string_equal(r.arg[6], "6380");
	assert_false(
	    ctl_request_parse("client-reconfig m leader start 10.0.0.1 6379 10.0.0.2", &r, &err));
	assert_string_equal(err.word, "bad-request");
	assert_false(ctl_request_parse(
	    "client-reconfig m leader start 10.0.0.1 6379 10.0.0.2 1 2", &r, &err));
}

static void
what_is_no_request_is_explained(void **state)
{
	static const struct {
		const char *line, *word, *message;
	} cases[] = {
		{ "", "bad-request", "an empty request ('help' lists the commands)" },
		{ " \t ", "bad-request", "an empty request ('help' lists the commands)" },
		{ "statsu", "unknown-command",
		    "unknown command 'statsu' (did you mean 'status'?)" },
		{ "peer", "unknown-command", "unknown command 'peer' (did you mean 'peers'?)" },
		{ "maint on", "unknown-command",
		    "unknown command 'maint' (did you mean 'maintenance'?)" },
		{ "chelk", "unknown-command", "unknown command 'chelk' (did you mean 'check'?)" },
		{ "chelp", "unknown-command", /* alike to "check", too, but more to this one */
		    "unknown command 'chelp' (did you mean 'help'?)" },
		{ "hlep", "unknown-command", "unknown command 'hlep' (did you mean 'help'?)" },
		{ "quit", "unknown-command", "unknown command 'quit' ('help' lists them)" },
		{ "GET / HTTP/1.1", "unknown-command",
		    "unknown command 'GET' ('help' lists them)" },
		{ "STATUS", "unknown-command", "unknown command 'STATUS' ('help' lists them)" },
		{ "status a b", "bad-request", "usage: status [NAME]" },
		{ "peers x", "bad-request", "usage: peers" },
		{ "status m\xc3\xa4ster", "bad-request", "a request is printable ASCII" },
		{ "status\r", "bad-request", "a request is printable ASCII" },
		{ "status\x7f", "bad-request", "a request is printable ASCII" },
		{ "\033[2J", "bad-request", "a request is printable ASCII" },
	};
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(ctl_request_parse(cases[i].line, &r, &err));
		assert_string_equal(err.word, cases[i].word);
		assert_string_equal(err.message, cases[i].message);
	}
}

static void
long_words_are_refused_and_not_cut(void **state)
{
	char line[4096] = "status ";
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	memset(line + 7, 'a', CTL_ARG_MAX - 1);
	assert_true(ctl_request_parse(line, &r, &err));
	assert_int_equal(strlen(r.name), CTL_ARG_MAX - 1);
	line[7 + CTL_ARG_MAX - 1] = 'a';
	assert_false(ctl_request_parse(line, &r, &err));
	assert_string_equal(err.word, "bad-request");
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_false(ctl_request_parse(line, &r, &err));
	assert_string_equal(err.word, "unknown-command");
	for (size_t i = 0; i < sizeof(line) - 1; i++)
		line[i] = i % 2 == 0 ? 'a' : ' ';
	memcpy(line, "status ", 7);
	assert_false(ctl_request_parse(line, &r, &err));
	assert_string_equal(err.message, "usage: status [NAME]");
}

static void
only_root_and_the_own_user_may_change(void **state)
{
	static const struct {
		const char *line;
		bool anybody;
	} cases[] = {
		{ "status", true },
		{ "why x", true },
		{ "history", true },
		{ "help", true },
		{ "client-reconfig m leader start 10.0.0.1 1 10.0.0.2 2", true },
		{ "reload", false },
		{ "maintenance on", false },
		{ "maintenance off", false },
		{ "log debug", false },
	};
	struct ctl_request r;
	struct ctl_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(ctl_request_parse(cases[i].line, &r, &err));
		assert_true(ctl_request_permitted(&r, 0, 990));
		assert_true(ctl_request_permitted(&r, 990, 990));
		assert_int_equal(ctl_request_permitted(&r, 1000, 990), cases[i].anybody);
	}
}

static void
likeness_counts_slips(void **state)
{
	static const struct {
		const char *a, *b;
		int distance;
	} cases[] = {
		{ "", "", 0 },
		{ "a", "", 1 },
		{ "why", "why", 0 },
		{ "wyh", "why", 1 },
		{ "status", "stats", 1 },
		{ "kitten", "sitting", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
	/* Words of more than 31 letters are like nothing, on either side. */
	assert_false(nearest_alike("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "status"));
	assert_int_equal(nearest_distance("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), INT_MAX);
	/* A beginning of two letters could be of many. */
	assert_false(nearest_alike("st", "status"));
	assert_true(nearest_alike("sta", "status"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_of_the_table_can_be_asked),
		cmocka_unit_test(a_name_is_taken_and_blanks_do_not_matter),
		cmocka_unit_test(a_handover_has_a_name_and_perhaps_a_limit),
		cmocka_unit_test(every_node_is_asked_what_changes_nothing),
		cmocka_unit_test(configurations_are_applied_by_who_may_change_something),
		cmocka_unit_test(a_comparison_has_a_node_and_perhaps_goes_on),
		cmocka_unit_test(maintenance_is_on_or_off),
		cmocka_unit_test(sentinels_seven_arguments_are_kept),
		cmocka_unit_test(what_is_no_request_is_explained),
		cmocka_unit_test(long_words_are_refused_and_not_cut),
		cmocka_unit_test(only_root_and_the_own_user_may_change),
		cmocka_unit_test(likeness_counts_slips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
