/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers as JSON: the fields that were promised are there, with their types, whatever the state. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/control.h"
#include "report_fixture.h"

static int
fresh_cluster(void **state)
{
	(void)state;
	make_cluster();
	return 0;
}

static json_t *
parse(char *text)
{
	json_t *j;

	assert_non_null(text);
	assert_null(strchr(text, '\n'));
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
	free(text);
	return j;
}

static json_t *
ask(const char *line)
{
	struct ctl_request r;
	struct ctl_error err;

	assert_true(ctl_request_parse(line, &r, &err));
	return parse(report_reply(&core, &set, &input, &r));
}

/* "key:type" words: s string, i integer, b boolean, a array; a type in upper case may be null. */
static void
has_fields(const json_t *object, const char *fields)
{
	char copy[512], *word, *rest = copy;

	assert_true(json_is_object(object));
	snprintf(copy, sizeof(copy), "%s", fields);
	while ((word = strsep(&rest, " ")) != NULL) {
		char *type = strchr(word, ':');
		const json_t *v;

		*type++ = '\0';
		v = json_object_get(object, word);
		if (v == NULL)
			fail_msg("no field \"%s\"", word);
		if (json_is_null(v) && *type < 'a')
			continue;
		switch (*type | 0x20) {
		case 's':
			assert_true(json_is_string(v));
			break;
		case 'i':
			assert_true(json_is_integer(v));
			break;
		case 'b':
			assert_true(json_is_boolean(v));
			break;
		case 'a':
			assert_true(json_is_array(v));
			break;
		default:
			fail();
		}
	}
}

/* The contract of svipctl(8), "FIELDS". */
static void
status_has_its_contract(const json_t *j)
{
	const json_t *x, *y;
	size_t i, k;

	has_fields(j, "schema:i ok:b version:s cluster:s node:s pid:i uptime_ms:i maintenance:b "
	              "instances:a sentinels:a "
	              "peers:a");
	json_array_foreach(json_object_get(j, "instances"), i, x) has_fields(x,
	    "name:s state:s holding:b reason:s since_ms:i interface:s addresses:a master:S epoch:i "
	    "lease_left_ms:i wait_left_ms:i confirmations:i majority:i holder:S conflicts:i why:s "
	    "next:S");
	json_array_foreach(json_object_get(j, "sentinels"), i, x)
	{
		has_fields(x, "address:s state:s last_reply_ms:I views:a error:S");
		json_array_foreach(json_object_get(x, "views"), k, y)
		    has_fields(y, "name:s master:S epoch:i down:b");
	}
	json_array_foreach(json_object_get(j, "peers"), i, x)
	{
		has_fields(x,
		    "node:s state:s heard_ms:I rtt_us:I two_way:b version:S config:S instances:a");
		json_array_foreach(json_object_get(x, "instances"), k, y)
		    has_fields(y, "name:s state:s holding:b epoch:i");
	}
}

static const json_t *
at(const json_t *j, const char *array, size_t i)
{
	return json_array_get(json_object_get(j, array), i);
}

static json_int_t
number(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static const char *
word(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "null";
}

static void
status_at_the_start_is_whole(void **state)
{
	json_t *j = ask("status");

	(void)state;
	status_has_its_contract(j);
	assert_int_equal(json_array_size(json_object_get(j, "instances")), 2);
	assert_int_equal(json_array_size(json_object_get(j, "sentinels")), 3);
	assert_int_equal(json_array_size(json_object_get(j, "peers")), 2);
	assert_true(json_is_null(json_object_get(at(j, "sentinels", 0), "last_reply_ms")));
	assert_true(json_is_null(json_object_get(at(j, "peers", 0), "heard_ms")));
	assert_string_equal(word(at(j, "peers", 0), "state"), "silent");
	json_decref(j);
}

static void
status_of_a_holder_has_the_numbers(void **state)
{
	const json_t *in, *p;
	json_t *j;

	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	heard(1, 300);
	core.inst[0].peer[1].claim_epoch = 6;
	j = ask("status");
	status_has_its_contract(j);
	assert_string_equal(word(j, "node"), "10.0.0.11");
	assert_string_equal(word(j, "cluster"), "cache");
	assert_int_equal(number(j, "pid"), 4711);
	assert_int_equal(number(j, "uptime_ms"), 90000);
	in = at(j, "instances", 0);
	assert_string_equal(word(in, "name"), "mymaster");
	assert_string_equal(word(in, "state"), "master");
	assert_string_equal(word(in, "reason"), "quorum-confirmed");
	assert_true(json_is_true(json_object_get(in, "holding")));
	assert_string_equal(json_string_value(at(in, "addresses", 0)), "10.0.0.50/32");
	assert_string_equal(word(in, "master"), "10.0.0.11:6379");
	assert_string_equal(word(in, "holder"), "10.0.0.11");
	assert_int_equal(number(in, "epoch"), 7);
	assert_int_equal(number(in, "since_ms"), 12000);
	assert_int_equal(number(in, "lease_left_ms"), 1650);
	assert_int_equal(number(in, "wait_left_ms"), 0);
	assert_int_equal(number(in, "confirmations"), 3);
	assert_int_equal(number(in, "majority"), 2);
	p = at(j, "peers", 0);
	assert_string_equal(word(p, "node"), "10.0.0.12");
	assert_string_equal(word(p, "state"), "alive");
	assert_string_equal(word(p, "config"), "same");
	assert_string_equal(word(p, "version"), "0.1.0");
	assert_true(json_is_true(json_object_get(p, "two_way")));
	assert_int_equal(number(p, "heard_ms"), 300);
	assert_int_equal(number(p, "rtt_us"), 240);
	assert_int_equal(number(at(p, "instances", 0), "epoch"), 6);
	p = at(j, "sentinels", 2);
	assert_string_equal(word(p, "address"), "10.0.0.13:26379");
	assert_int_equal(number(p, "last_reply_ms"), 100);
	assert_string_equal(word(at(p, "views", 0), "master"), "10.0.0.11:6379");
	json_decref(j);
}

static void
waiting_and_watching_are_told(void **state)
{
	json_t *j;

	(void)state;
	becomes(CORE_WAITING, WHY_LEASE_RUNS);
	all_name_me(8);
	j = ask("status mymaster");
	assert_int_equal(json_array_size(json_object_get(j, "instances")), 1);
	assert_int_equal(json_array_size(json_object_get(at(j, "sentinels", 0), "views")), 1);
	assert_int_equal(number(at(j, "instances", 0), "wait_left_ms"), 2041 + 60 - 800);
	assert_string_equal(word(at(j, "instances", 0), "holder"), "null");
	json_decref(j);
	holds(8, WHY_QUORUM_CONFIRMED);
	core.conf.observe = true;
	j = ask("status");
	assert_false(json_is_true(json_object_get(at(j, "instances", 0), "holding")));
	assert_true(json_is_true(json_object_get(j, "observe")));
	json_decref(j);
}

static void
confirmations_leave_out_who_sees_it_down(void **state)
{
	json_t *j;

	(void)state;
	for (int s = 0; s < 3; s++)
		names(s, "10.0.0.12", 9, s == 1, 100);
	j = ask("status");
	assert_int_equal(number(at(j, "instances", 0), "confirmations"), 2);
	assert_int_equal(number(at(j, "instances", 0), "epoch"), 9);
	assert_string_equal(word(at(j, "instances", 0), "master"), "10.0.0.12:6379");
	assert_true(json_is_true(json_object_get(at(at(j, "sentinels", 1), "views", 0), "down")));
	json_decref(j);
}

static void
instances_are_found_after_a_reload_has_moved_them(void **state)
{
	struct instance moved = core.inst[0];
	struct report_instance moved_extra;
	json_t *j;

	(void)state;
	core.inst[0] = core.inst[1];
	core.inst[1] = moved;
	becomes(CORE_FAULT, WHY_LINK_DOWN); /* the core's first is now "other" */
	extra[0].conflicts = 5;
	extra[0].resets = 10000;
	extra[0].reset_error = EOPNOTSUPP;
	moved_extra = extra[0];
	j = ask("status");
	assert_string_equal(word(at(j, "instances", 0), "name"), "mymaster");
	assert_string_equal(word(at(j, "instances", 0), "state"), "backup");
	assert_string_equal(word(at(j, "instances", 1), "state"), "fault");
	assert_int_equal(number(at(j, "instances", 1), "conflicts"), moved_extra.conflicts);
	assert_int_equal(number(at(j, "instances", 0), "resets"), 0);
	assert_true(json_is_null(json_object_get(at(j, "instances", 0), "reset_error")));
	assert_int_equal(number(at(j, "instances", 1), "resets"), 10000);
	assert_string_equal(word(at(j, "instances", 1), "reset_error"), strerror(EOPNOTSUPP));
	assert_string_equal(
	    word(at(j, "instances", 1), "why"), "fault: interface eth1 is down or gone");
	json_decref(j);
	core.conf.n_instances = 1; /* "mymaster" isn't in the core yet */
	j = ask("status");
	assert_int_equal(json_array_size(json_object_get(j, "instances")), 1);
	json_decref(j);
}

static void
the_small_answers_are_whole(void **state)
{
	json_t *j;

	(void)state;
	j = ask("peers");
	has_fields(j, "ok:b node:s peers:a");
	json_decref(j);
	j = ask("sentinels");
	has_fields(j, "ok:b node:s sentinels:a");
	json_decref(j);
	j = ask("why other");
	assert_int_equal(json_array_size(json_object_get(j, "instances")), 1);
	has_fields(
	    at(j, "instances", 0), "name:s state:s holding:b reason:s since_ms:i why:s next:S");
	json_decref(j);
	j = ask("version");
	has_fields(j, "ok:b version:s");
	json_decref(j);
	j = ask("help");
	assert_int_equal(json_array_size(json_object_get(j, "commands")), CTL_COMMANDS);
	has_fields(at(j, "commands", 0), "command:s arguments:s help:s changes:b");
	json_decref(j);
}

static void
an_unknown_name_is_an_error(void **state)
{
	static const char *const lines[] = { "status nosuch", "why nosuch", "history nosuch" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		json_t *j = ask(lines[i]);

		assert_true(json_is_false(json_object_get(j, "ok")));
		assert_string_equal(word(j, "error"), "unknown-name");
		assert_string_equal(word(j, "message"), "no vip \"nosuch\" is configured here");
		json_decref(j);
	}
}

static void
history_keeps_the_last_in_order(void **state)
{
	struct history_entry e = { .wall_us = 1000,
		.from = CORE_BACKUP,
		.to = CORE_WAITING,
		.reason = WHY_LEASE_RUNS,
		.epoch = 8,
		.waited_ms = 12 };
	json_t *j;

	(void)state;
	assert_null(history_get(&past, 0));
	for (int i = 0; i < HISTORY_MAX + 3; i++) {
		e.wall_us = i * 1000 + 7;
		strcpy(e.name, i == HISTORY_MAX + 1 ? "gone" : "mymaster");
		history_add(&past, &e);
	}
	j = ask("history");
	assert_int_equal(json_array_size(json_object_get(j, "history")), HISTORY_MAX);
	assert_int_equal(number(at(j, "history", 0), "time_ms"), 3);
	assert_int_equal(number(at(j, "history", HISTORY_MAX - 1), "time_ms"), HISTORY_MAX + 2);
	has_fields(at(j, "history", 0),
	    "time_ms:i time_us:i name:s from:s to:s reason:s epoch:i waited_ms:i");
	assert_string_equal(word(at(j, "history", 0), "to"), "waiting");
	assert_int_equal(json_array_size(json_object_get(j, "steps")), 0);
	json_decref(j);
	j = ask("history gone"); /* not configured any more, but remembered */
	assert_int_equal(json_array_size(json_object_get(j, "history")), 1);
	json_decref(j);
}

static void
steps_keep_the_last_in_order(void **state)
{
	struct history_note n = {
		.name = "mymaster", .step = STEP_TRIES, .who = { "10.0.0.12", 26379 }
	};
	json_t *j;

	(void)state;
	for (int i = 0; i < HISTORY_MAX + 3; i++) {
		n.wall_us = i;
		if (i == HISTORY_MAX + 2)
			n = (struct history_note){
				.wall_us = i, .name = "mymaster", .step = STEP_WRITES_WAIT
			};
		history_note(&past, &n);
	}
	j = ask("history");
	assert_int_equal(json_array_size(json_object_get(j, "steps")), HISTORY_MAX);
	has_fields(at(j, "steps", 0), "time_us:i name:s step:s sentinel:s");
	assert_int_equal(number(at(j, "steps", 0), "time_us"), 3);
	assert_string_equal(word(at(j, "steps", 0), "step"), "failover-tried");
	assert_string_equal(word(at(j, "steps", 0), "sentinel"), "10.0.0.12:26379");
	assert_true(json_is_null(json_object_get(at(j, "steps", HISTORY_MAX - 1), "sentinel")));
	for (int i = 0; i < HISTORY_STEPS; i++)
		assert_non_null(history_step_word((enum history_step)i));
	json_decref(j);
}

static void
hostile_texts_do_not_break_the_answer(void **state)
{
	json_t *j;

	(void)state;
	names(0, "10.0.0.12", 9, false, 100);
	strcpy(core.inst[0].view[0].master.name, "\xff\xfe\"\\\n\033[2J");
	sentinel[0].error = "\x80\x81 caf\xc3\xa9\r\n";
	sentinel[1].state = NULL;
	extra[0].fault[1] = "-ERR \xff";
	extra[0].conflict = "\x01";
	core.inst[0].peer[1].known = true;
	core.inst[0].peer[1].state = 250;
	j = ask("status");
	assert_string_equal(word(at(j, "sentinels", 0), "error"), "?? caf????");
	assert_string_equal(
	    word(at(at(j, "sentinels", 0), "views", 0), "master"), "??\"\\??[2J:6379");
	assert_string_equal(word(at(at(j, "sentinels", 1), "views", 0), "fault"), "-ERR ?");
	assert_int_equal(json_array_size(json_object_get(at(j, "peers", 0), "instances")), 0);
	json_decref(j);
}

static void
every_reason_is_in_the_manual(void **state)
{
	static char page[65536];
	const char *dir = getenv("srcdir");
	char path[512], item[64];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/doc/svipctl.8", dir != NULL ? dir : ".");
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	for (int r = 0; r < WHY_REASONS; r++) {
		snprintf(item, sizeof(item), ".It Ql %s\n", core_reason_word((enum core_reason)r));
		if (strstr(page, item) == NULL)
			fail_msg("svipctl(8) doesn't tell of \"%s\"",
			    core_reason_word((enum core_reason)r));
	}
}

static void
refusals_carry_a_word_and_each_fault(void **state)
{
	json_t *j = parse(report_errors("reload-refused", "nothing has been changed",
	    "svipd.conf:3: lease: too short\n\nsvipd.conf:9: vip: \xff\n"));

	(void)state;
	assert_true(json_is_false(json_object_get(j, "ok")));
	assert_string_equal(word(j, "error"), "reload-refused");
	assert_int_equal(json_array_size(json_object_get(j, "errors")), 2);
	assert_string_equal(
	    json_string_value(at(j, "errors", 0)), "svipd.conf:3: lease: too short");
	assert_string_equal(json_string_value(at(j, "errors", 1)), "svipd.conf:9: vip: ?");
	json_decref(j);
	j = parse(report_errors("reload-refused", "no", NULL));
	assert_int_equal(json_array_size(json_object_get(j, "errors")), 0);
	json_decref(j);
	j = parse(report_error("not-permitted", "no"));
	assert_string_equal(word(j, "message"), "no");
	json_decref(j);
	j = parse(report_done("done"));
	assert_true(json_is_true(json_object_get(j, "ok")));
	json_decref(j);
}

/* A thousand instances must still fit into one answer of the control socket. */
static void
the_largest_usual_status_fits(void **state)
{
	static struct set_instance many[SVIP_INSTANCES_MAX];
	static struct report_instance many_extra[SVIP_INSTANCES_MAX];
	struct ctl_request r = { .command = CTL_STATUS };
	char *text;

	(void)state;
	all_name_me(8);
	heard(1, 100);
	heard(2, 100);
	core.conf.n_instances = set.n_instances = SVIP_INSTANCES_MAX;
	core.conf.n_sentinels = set.n_sentinels = 3;
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++) {
		core.inst[i] = core.inst[0];
		core.inst[i].id = (uint64_t)i;
		many[i] = conf[0];
		many[i].id = (uint64_t)i;
		snprintf(many[i].name, sizeof(many[i].name), "instance-%d", i);
	}
	set.instance = many;
	input.instance = many_extra;
	text = report_reply(&core, &set, &input, &r);
	assert_non_null(text);
	assert_true(strlen(text) < CONTROL_REPLY_MAX);
	free(text);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh_cluster)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_at_the_start_is_whole),
		TEST(status_of_a_holder_has_the_numbers),
		TEST(waiting_and_watching_are_told),
		TEST(confirmations_leave_out_who_sees_it_down),
		TEST(instances_are_found_after_a_reload_has_moved_them),
		TEST(the_small_answers_are_whole),
		TEST(an_unknown_name_is_an_error),
		TEST(history_keeps_the_last_in_order),
		TEST(steps_keep_the_last_in_order),
		TEST(hostile_texts_do_not_break_the_answer),
		TEST(every_reason_is_in_the_manual),
		TEST(refusals_carry_a_word_and_each_fault),
		TEST(the_largest_usual_status_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
