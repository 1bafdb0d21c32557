/* SPDX-License-Identifier: BSD-2-Clause */
/* Status as metrics: each number under its name, nothing made up, and nothing that a reader would refuse. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/channel.h"
#include "io/heartbeat_io.h"
#include "io/script.h"
#include "report_fixture.h"
#include "wire/metrics.h"

static int
fresh_cluster(void **state)
{
	(void)state;
	make_cluster();
	return 0;
}

static char *
write_out(const json_t *status)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	metrics_write(to, status);
	assert_int_equal(fclose(to), 0);
	return text;
}

static char *
metrics(void)
{
	json_t *status = report_status(&core, &set, &input);
	char *text;

	assert_non_null(status);
	text = write_out(status);
	json_decref(status);
	return text;
}

static char *
of_text(const char *status)
{
	json_t *j = json_loads(status, 0, NULL);
	char *text;

	assert_non_null(j);
	text = write_out(j);
	json_decref(j);
	return text;
}

/* Each of the lines is there; or, when yes is false, none. */
static void
has(const char *text, bool yes, const char *const *lines)
{
	char whole[256];

	for (; *lines != NULL; lines++) {
		snprintf(whole, sizeof(whole), "\n%s", *lines);
		if ((strstr(text, whole) != NULL) != yes)
			fail_msg("%s \"%s\" in:\n%s", yes ? "no" : "unexpected", *lines, text);
	}
}

static void
a_holder_and_whom_it_hears_have_their_numbers(void **state)
{
	static const uint32_t entered[CORE_FAULT + 1] = { [CORE_MASTER] = 3, [CORE_BACKUP] = 2 };
	static const uint32_t released[WHY_REASONS] = { [WHY_NEWER_EPOCH] = 2 };
	static const struct heartbeat_io_counters beats = { .sent = 40,
		.received = 31,
		.accepted = 30,
		.refused = { [HEARTBEAT_IO_BAD_TAG] = 1 } };
	static const struct channel_counters calls = { .answers = 5, .unproven = 2, .calls = 4 };
	static const struct script_counts runs = { .done = 6, .timed_out = 1 };
	static const char *const lines[] = {
		"svipd_build_info{version=\"0.1.0\",cluster=\"cache\",node=\"10.0.0.11\",fence="
		"\"nftables\",config="
		"\"ab000000000000000000000000000001\"} 1\n",
		"# TYPE svipd_start_timestamp_seconds gauge\nsvipd_start_timestamp_seconds "
		"1795408667.120\n",
		"svipd_maintenance 0\n",
		"svipd_guard_seconds 0.060\n",
		"svipd_quorum 0\n", /* nobody names the second */
		"svipd_vip_held{vip=\"mymaster\"} 1\nsvipd_vip_held{vip=\"other\"} 0\n",
		"svipd_vip_state{vip=\"mymaster\",state=\"master\"} 1\n",
		"svipd_vip_state{vip=\"mymaster\",state=\"backup\"} 0\n",
		"svipd_vip_state{vip=\"other\",state=\"backup\"} 1\n",
		"svipd_vip_lease_remaining_seconds{vip=\"mymaster\"} 1.650\n",
		"svipd_vip_last_change_timestamp_seconds{vip=\"mymaster\"} 1795408745.120\n",
		"svipd_vip_epoch{vip=\"mymaster\"} 7\n",
		"svipd_vip_confirmations{vip=\"mymaster\"} 3\n",
		"svipd_vip_majority{vip=\"mymaster\"} 2\n",
		"svipd_vip_sentinels_fresh{vip=\"mymaster\"} 3\n",
		"# TYPE svipd_vip_transitions_total "
		"counter\nsvipd_vip_transitions_total{vip=\"mymaster\",to=\"init\"} 0\n",
		"svipd_vip_transitions_total{vip=\"mymaster\",to=\"master\"} 3\n",
		"svipd_vip_releases_total{vip=\"mymaster\",reason=\"newer-epoch\"} 2\n",
		"svipd_vip_conflicts_total{vip=\"mymaster\"} 4\n",
		"svipd_sentinel_up{sentinel=\"10.0.0.13:26379\"} 1\n",
		"svipd_sentinel_age_seconds{sentinel=\"10.0.0.13:26379\"} 0.100\n",
		"svipd_sentinel_agrees{sentinel=\"10.0.0.13:26379\",vip=\"mymaster\"} 1\n",
		"svipd_sentinel_agrees{sentinel=\"10.0.0.13:26379\",vip=\"other\"} 0\n",
		"svipd_peer_up{peer=\"10.0.0.12\"} 1\nsvipd_peer_up{peer=\"10.0.0.13\"} 0\n",
		"svipd_peer_rtt_seconds{peer=\"10.0.0.12\"} 0.000240\n",
		"svipd_peer_config_match{peer=\"10.0.0.12\"} 1\n",
		"svipd_heartbeats_sent_total 40\n",
		"svipd_heartbeats_refused_total{reason=\"bad-tag\"} 1\n",
		"svipd_channel_refused_total{reason=\"unproven\"} 2\n",
		"svipd_notify_runs_total{result=\"done\"} 6\n",
		"svipd_notify_runs_total{result=\"timed-out\"} 1\n",
		"svipd_notify_queue_length 3\n",
		NULL,
	};
	static const char *const none[] = {
		/* Nothing has been heard of them. */
		"svipd_peer_age_seconds{peer=\"10.0.0.13\"}",
		"svipd_peer_config_match{peer=\"10.0.0.13\"}",
		"svipd_vip_transitions_total{vip=\"other\"",
		NULL,
	};
	char *text;

	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	heard(1, 300);
	set.digest_all[0] = 0xab;
	set.digest_all[15] = 1;
	extra[0].conflicts = 4;
	extra[0].entered = entered;
	extra[0].released = released;
	input.heartbeats = &beats;
	input.channel = &calls;
	input.scripts = &runs;
	input.scripts_queued = 3;
	text = metrics();
	has(text, true, lines);
	has(text, false, none);
	free(text);
}

static void
every_state_of_the_core_has_its_line(void **state)
{
	char line[128], *text;

	(void)state;
	for (int s = 0; s <= CORE_FAULT; s++) {
		const char *const lines[] = { line, NULL };

		core.inst[0].state = (enum core_state)s;
		snprintf(line, sizeof(line), "svipd_vip_state{vip=\"mymaster\",state=\"%s\"} 1\n",
		    core_state_word((enum core_state)s));
		text = metrics();
		has(text, true, lines);
		free(text);
	}
}

static void
who_names_another_master_does_not_agree(void **state)
{
	static const char *const lines[] = {
		"svipd_sentinel_agrees{sentinel=\"10.0.0.12:26379\",vip=\"mymaster\"} 1\n",
		"svipd_sentinel_agrees{sentinel=\"10.0.0.13:26379\",vip=\"mymaster\"} 0\n",
		NULL,
	};
	char *text;

	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	names(2, "10.0.0.12", 7, false, 100);
	text = metrics();
	has(text, true, lines);
	free(text);
}

/* Of all metrics: help and type once, before their lines; counters, and they alone, end in _total. */
static void
each_metric_is_told_once(void **state)
{
	char *text, *rest, *line, now[64] = "", type[16], helped[64] = "", before[8192] = " ";

	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	text = rest = metrics();
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		if (sscanf(line, "# HELP %63s", helped) == 1) {
			char word[66];

			snprintf(word, sizeof(word), " %s ", helped);
			assert_null(strstr(before, word));
			strcat(before, word + 1);
			assert_true(strlen(before) < sizeof(before) - 64);
		} else if (line[0] == '#') {
			assert_int_equal(sscanf(line, "# TYPE %63s %15s", now, type), 2);
			assert_string_equal(now, helped);
			assert_int_equal(strcmp(type, "counter") == 0,
			    strcmp(now + strlen(now) - 6, "_total") == 0);
		} else {
			assert_int_equal(strncmp(line, now, strlen(now)), 0);
			assert_true(line[strlen(now)] == '{' || line[strlen(now)] == ' ');
		}
	}
	free(text);
}

static void
every_metric_is_in_the_manual(void **state)
{
	static char page[65536];
	const char *dir = getenv("srcdir");
	char path[512], item[80], helped[64], *text, *at;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/doc/svipctl.8", dir != NULL ? dir : ".");
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	text = metrics();
	for (at = text; (at = strstr(at, "# HELP svipd_")) != NULL; at++) {
		assert_int_equal(sscanf(at, "# HELP svipd_%63s", helped), 1);
		snprintf(item, sizeof(item), ".Ql %s", helped);
		if (strstr(page, item) == NULL)
			fail_msg("svipctl(8) doesn't tell of svipd_%s", helped);
	}
	free(text);
}

static void
odd_answers_are_left_out(void **state)
{
	static const char *const lines[] = {
		"svipd_vip_held{vip=\"a\\\"b\\\\c\\nd\"} 1\n",
		"svipd_vip_wait_remaining_seconds{vip=\"a\\\"b\\\\c\\nd\"} -0.005\n",
		"svipd_sentinel_agrees{sentinel=\"\",vip=\"a\"} 0\n",
		"svipd_quorum 1\n",
		NULL,
	};
	static const char *const none[] = { "svipd_peer_up{", "svipd_vip_epoch{",
		"svipd_heartbeats_sent_total ", "svipd_notify_runs_total{", "svipd_maintenance ",
		NULL };
	char *text = of_text("{}");

	(void)state;
	has(text, false, none);
	free(text);
	text = of_text("{\"maintenance\":3,\"instances\":[{\"name\":\"a\\\"b\\\\c\\nd\","
	               "\"holding\":true,\"epoch\":\"7\","
	               "\"wait_left_ms\":-5},7],\"peers\":{\"state\":\"alive\"},\"heartbeats\":[],"
	               "\"sentinels\":[{\"views\":"
	               "[{\"name\":\"a\"}]}],\"scripts\":{\"runs\":{\"done\":\"x\"}}}");
	has(text, true, lines);
	has(text, false, none);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    a_holder_and_whom_it_hears_have_their_numbers, fresh_cluster),
		cmocka_unit_test_setup(every_state_of_the_core_has_its_line, fresh_cluster),
		cmocka_unit_test_setup(who_names_another_master_does_not_agree, fresh_cluster),
		cmocka_unit_test_setup(each_metric_is_told_once, fresh_cluster),
		cmocka_unit_test_setup(every_metric_is_in_the_manual, fresh_cluster),
		cmocka_unit_test(odd_answers_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
