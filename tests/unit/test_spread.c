/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of the configuration among three nodes that live in this process: messages, files and helpers are played, everything happens in
 * one order, and any node may be killed between two events. The disk alone outlives that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svipd/spread.h"

enum { NODES = 3, EVENTS_MAX = 64, TEXT_MAX = 4096 };

enum what { CALL, ANSWER, ORDER };

struct event {
	enum what what;
	int from, to; /* ORDER: of node `to` */
	unsigned life;
	enum spread_kind kind;
	enum keeper_order order;
	uint8_t digest[VERSION_DIGEST_LEN];
	uint64_t question;
	size_t len;
	char bytes[TEXT_MAX];
};

static struct node {
	struct spread s;
	bool up, cut, read_only, unfit, no_reload;
	unsigned life;
	char file[TEXT_MAX], new[TEXT_MAX]; /* on the disk; "": none */
	char running[TEXT_MAX];
	char said[512];
} node[NODES];

static struct event event[EVENTS_MAX];
static int n_events, n_done;
static svip_ms now;

static struct event *
add(enum what what, int from, int to)
{
	struct event *e = &event[n_events++];

	assert_in_range(n_events, 1, EVENTS_MAX);
	memset(e, 0, sizeof(*e));
	e->what = what;
	e->from = from;
	e->to = to;
	e->life = node[from].life;
	return e;
}

static void
load(struct event *e, const void *bytes, size_t len)
{
	assert_in_range(len, 0, TEXT_MAX - 1);
	if (len > 0)
		memcpy(e->bytes, bytes, len);
	e->len = len;
}

static int
index_of(void *ctx)
{
	return (int)((struct node *)ctx - node);
}

static void
op_call(void *ctx, int to, enum spread_kind kind, const void *bytes, size_t len)
{
	struct event *e = add(CALL, index_of(ctx), to);

	e->kind = kind;
	load(e, bytes, len);
}

static void
op_answer(void *ctx, uint64_t question, const void *bytes, size_t len)
{
	struct event *e = add(ANSWER, index_of(ctx), (int)(question & 0xff));

	e->question = question;
	load(e, bytes, len);
}

static void
op_keep(void *ctx, enum keeper_order order, const uint8_t *digest, const char *text, size_t len)
{
	struct event *e = add(ORDER, index_of(ctx), index_of(ctx));

	e->order = order;
	memcpy(e->digest, digest, sizeof(e->digest));
	load(e, text, len);
}

static char *
op_read(void *ctx, size_t *len)
{
	const struct node *n = ctx;

	*len = strlen(n->file);
	return n->file[0] != '\0' ? strdup(n->file) : NULL;
}

static bool
op_fits(void *ctx, char why[SPREAD_WHY_MAX])
{
	snprintf(why, SPREAD_WHY_MAX, "only a restart can do that");
	return !((struct node *)ctx)->unfit;
}

static bool
op_reload(void *ctx, char why[SPREAD_WHY_MAX])
{
	struct node *n = ctx;

	snprintf(why, SPREAD_WHY_MAX, "it can't be taken over");
	if (n->no_reload)
		return false;
	strcpy(n->running, n->file);
	return true;
}

static void
op_say(void *ctx, const char *text)
{
	snprintf(((struct node *)ctx)->said, sizeof(((struct node *)ctx)->said), "%s", text);
}

static const char *
op_name(void *ctx, int i, char text[SVIP_TEXT_MAX])
{
	(void)ctx;
	snprintf(text, SVIP_TEXT_MAX, "10.0.0.%d", 11 + i);
	return text;
}

static const struct spread_ops ops = { op_call, op_answer, op_keep, op_read, op_fits, op_reload,
	op_say, op_name };

static struct version
version_of(const char *text)
{
	struct version v;

	version_read(text, strlen(text), &v);
	return v;
}

static const char *
body(const char *text)
{
	return text + version_of(text).text;
}

static void
start(int i)
{
	struct node *n = &node[i];

	n->up = true;
	n->new[0] = '\0'; /* as the helper does at its start */
	strcpy(n->running, n->file);
	spread_init(&n->s, &ops, n, i, NODES, version_of(n->file).serial);
}

static void
kill_node(int i)
{
	node[i].up = false;
	node[i].life++;
	spread_fini(&node[i].s);
	memset(&node[i].s, 0, sizeof(node[i].s));
}

static void
begin(const char *text)
{
	for (int i = 0; i < NODES; i++) {
		if (node[i].up)
			spread_fini(&node[i].s);
		memset(&node[i], 0, sizeof(node[i]));
		snprintf(node[i].file, TEXT_MAX, "%s", text);
		start(i);
	}
	n_events = n_done = 0;
	now = 1000;
}

static int
clean(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++)
		spread_fini(&node[i].s);
	return 0;
}

/* Heartbeats from everybody to everybody, and time. */
static void
beat(svip_ms ms)
{
	now += ms;
	for (int i = 0; i < NODES; i++) {
		for (int k = 0; k < NODES; k++) {
			if (i != k && node[i].up)
				spread_heard(&node[i].s, k,
				    node[k].up && !node[i].cut && !node[k].cut,
				    node[k].up && !node[i].cut && !node[k].cut
				        ? node[k].s.node[k].serial
				        : node[i].s.node[k].serial);
		}
		if (node[i].up)
			spread_tick(&node[i].s, now);
	}
}

static void
helper_does(const struct event *e, struct keeper_answer *a)
{
	struct node *n = &node[e->to];

	memset(a, 0, sizeof(*a));
	if (n->read_only || (e->order == KEEPER_STAGE && strstr(e->bytes, "wrong") != NULL)) {
		a->error = 1;
		snprintf(a->report, sizeof(a->report),
		    n->read_only ? "read-only" : "svipd.conf:2: wrong");
	} else if (e->order == KEEPER_STAGE) {
		snprintf(n->new, TEXT_MAX, "%s", e->bytes);
	} else if (e->order == KEEPER_COMMIT) {
		assert_memory_equal(version_of(n->new).digest, e->digest, VERSION_DIGEST_LEN);
		strcpy(n->file, n->new);
		n->new[0] = '\0';
	} else {
		n->new[0] = '\0';
	}
}

/* The next event. died: the node that is killed meanwhile; late: when its disk has it already. */
static void
run_one(int died, bool late)
{
	static struct event e;
	struct keeper_answer a;
	bool reached;

	e = event[0];
	memmove(&event[0], &event[1], (size_t)--n_events * sizeof(e));
	n_done++;
	if (e.what == ORDER && e.to == died && !late) {
		kill_node(died);
		return;
	}
	if (e.what == ORDER && (!node[e.to].up || e.life != node[e.to].life))
		return; /* the helper has ended with it */
	if (e.what == ORDER)
		helper_does(&e, &a);
	if (died >= 0 && node[died].up)
		kill_node(died);
	reached = node[e.to].up && !node[e.to].cut && !node[e.from].cut;
	switch (e.what) {
	case ORDER:
		if (node[e.to].up)
			spread_kept(&node[e.to].s, &a, now);
		return;
	case CALL:
		if (reached)
			spread_asked(&node[e.to].s, e.from, e.kind, e.bytes, e.len,
			    (uint64_t)e.life << 8 | (uint64_t)e.from, now);
		else if (node[e.from].up && e.life == node[e.from].life)
			spread_answered(&node[e.from].s, NULL, 0, "it can't be reached", now);
		return;
	case ANSWER:
		if (node[e.to].up && e.question >> 8 == node[e.to].life)
			spread_answered(&node[e.to].s, reached ? e.bytes : NULL,
			    reached ? e.len : 0, "it can't be reached", now);
		return;
	}
}

/* A peer that died never answers: the caller's connection ends. */
static void
hang_up(void)
{
	for (int i = 0; i < NODES; i++) {
		struct spread *s = &node[i].s;
		bool waits = node[i].up &&
		             (s->fetching || s->phase == SPREAD_STAGING ||
		                 s->phase == SPREAD_TELLING || s->phase == SPREAD_UNDOING) &&
		             !s->keeping;

		if (waits)
			spread_answered(s, NULL, 0, "the connection ended", now);
	}
}

static void
run_all(void)
{
	for (int k = 0; k < 2000; k++) {
		if (n_events > 0) {
			run_one(-1, false);
			continue;
		}
		hang_up();
		if (n_events == 0)
			return;
	}
	fail_msg("it doesn't end");
}

static void
settle(void)
{
	for (int k = 0; k < 90; k++) {
		run_all();
		beat(1000);
	}
	run_all();
}

static void
assert_all(const char *text)
{
	for (int i = 0; i < NODES; i++) {
		assert_string_equal(body(node[i].file), text);
		assert_string_equal(node[i].running, node[i].file);
		assert_string_equal(node[i].new, "");
		assert_false(node[i].s.taken || node[i].s.keeping || node[i].s.fetching);
		assert_int_equal(node[i].s.phase, SPREAD_IDLE);
	}
}

static const char *
apply(int i, const char *text, uint32_t absent)
{
	return spread_apply(&node[i].s, text, strlen(text), absent, "", now);
}

static void
all_take_what_one_was_given(void **state)
{
	(void)state;
	begin("old\n");
	beat(100);
	assert_null(apply(1, "new\n", 0));
	run_all();
	assert_all("new\n");
	for (int i = 0; i < NODES; i++) {
		assert_int_equal(node[1].s.result[i].verdict, SPREAD_DONE);
		assert_int_equal(version_of(node[i].file).serial, 1);
		assert_string_equal(node[i].file, node[0].file);
	}
	assert_false(node[1].s.failed);
	beat(100);
	assert_null(apply(2, node[0].file, 0)); /* with the line of before */
	run_all();
	assert_all("new\n");
	assert_int_equal(version_of(node[0].file).serial, 2);
}

static void
one_fault_and_nothing_has_changed(void **state)
{
	(void)state;
	begin("old\n");
	beat(100);
	assert_null(apply(0, "wrong\n", 0));
	run_all();
	assert_all("old\n");
	assert_true(node[0].s.failed);
	for (int i = 0; i < NODES; i++)
		assert_string_equal(node[0].s.result[i].report, "svipd.conf:2: wrong");
	for (int i = 0; i < NODES; i++) {
		node[i].read_only = true;
		assert_null(apply(0, "new\n", 0));
		run_all();
		assert_true(node[0].s.failed);
		assert_int_equal(node[0].s.result[i].verdict, SPREAD_REFUSES);
		assert_string_equal(node[0].s.result[i].report, "read-only");
		node[i].read_only = false;
		node[i].unfit = true;
		assert_null(apply(0, "new\n", 0));
		run_all();
		assert_string_equal(node[0].s.result[i].report, "only a restart can do that");
		node[i].unfit = false;
		assert_all("old\n");
	}
}

static void
who_is_missing_catches_up_if_that_was_allowed(void **state)
{
	(void)state;
	begin("old\n");
	kill_node(2);
	beat(100);
	assert_null(apply(0, "new\n", 0));
	assert_true(node[0].s.failed && n_events == 0);
	assert_int_equal(node[0].s.result[2].verdict, SPREAD_UNREACHABLE);
	assert_null(apply(0, "new\n", 1U << 2));
	run_all();
	assert_false(node[0].s.failed);
	assert_int_equal(node[0].s.result[2].verdict, SPREAD_ABSENT);
	assert_string_equal(node[2].file, "old\n");
	start(2);
	settle();
	assert_all("new\n");
	assert_non_null(strstr(node[2].said, "is taken over from a peer"));
}

static void
what_was_edited_by_hand_is_kept(void **state)
{
	(void)state;
	begin("old\n");
	kill_node(2);
	strcpy(node[2].file, "by hand\n");
	beat(100);
	assert_null(apply(0, "new\n", 1U << 2));
	run_all();
	start(2);
	settle();
	assert_string_equal(node[2].file, "by hand\n");
	assert_non_null(strstr(node[2].said, "edited here"));
	beat(100);
	assert_null(apply(0, "newer\n", 0)); /* all of it is the operator's will */
	run_all();
	assert_all("newer\n");
}

static void
of_two_at_once_one_wins(void **state)
{
	(void)state;
	for (int a = 0; a < NODES; a++) {
		for (int b = 0; b < NODES; b++) {
			for (int later = 0; later < 12; later++) {
				const char *why;
				bool busy;

				begin("old\n");
				beat(100);
				assert_null(apply(a, "a\n", 0));
				for (int k = 0; k < later && n_events > 0; k++)
					run_one(-1, false);
				why = apply(b, "b\n", 0);
				settle();
				busy = why != NULL || (a != b && node[b].s.failed);
				if (a != b && node[a].s.failed)
					assert_all(busy ? "old\n" : "b\n");
				else
					assert_true(
					    strcmp(body(node[0].file), "a\n") == 0 ||
					    (!busy && strcmp(body(node[0].file), "b\n") == 0));
				assert_all(body(node[0].file));
				assert_string_not_equal(body(node[0].file), "old\n");
			}
		}
	}
}

/* Killed before each event, and after its disk has it; it comes back at once, or when the others have given up waiting. */
static void
a_crash_leaves_all_old_or_all_new(void **state)
{
	int points = 0, olds = 0, news = 0;

	(void)state;
	for (int asked = 0; asked < NODES; asked++) {
		for (int died = 0; died < NODES; died++) {
			for (int variant = 0; variant < 4; variant++) {
				for (int at = 0;; at++) {
					begin("old\n");
					beat(100);
					assert_null(apply(asked, "new\n", 0));
					while (n_done < at && n_events > 0)
						run_one(-1, false);
					if (n_events == 0)
						break;
					run_one(died, (variant & 1) != 0);
					points++;
					if (node[died].up)
						kill_node(died);
					if ((variant & 2) != 0)
						settle();
					start(died);
					settle();
					assert_all(body(node[0].file));
					olds += strcmp(body(node[0].file), "old\n") == 0;
					news += strcmp(body(node[0].file), "new\n") == 0;
				}
			}
		}
	}
	assert_int_equal(points, olds + news);
	assert_true(olds > 50 && news > 50);
}

static void
a_cut_leaves_all_old_or_all_new(void **state)
{
	(void)state;
	for (int who = 0; who < NODES; who++) {
		for (int at = 0;; at++) {
			begin("old\n");
			beat(100);
			assert_null(apply(1, "new\n", 0));
			while (n_done < at && n_events > 0)
				run_one(-1, false);
			if (n_events == 0)
				break;
			node[who].cut = true;
			settle();
			node[who].cut = false;
			settle();
			assert_all(body(node[0].file));
		}
	}
}

static void
a_file_that_the_process_refuses_is_told(void **state)
{
	(void)state;
	begin("old\n");
	beat(100);
	node[2].no_reload = true;
	assert_null(apply(0, "new\n", 0));
	run_all();
	assert_int_equal(node[0].s.result[1].verdict, SPREAD_DONE);
	assert_int_equal(node[0].s.result[2].verdict, SPREAD_REFUSES);
	assert_string_equal(node[0].s.result[2].report, "it can't be taken over");
	assert_string_equal(body(node[2].file), "new\n");
}

static void
an_answer_that_is_not_known_is_a_no(void **state)
{
	static const uint8_t odd[] = { 200, '?' };

	(void)state;
	begin("old\n");
	beat(100);
	assert_null(apply(2, "new\n", 0));
	spread_answered(&node[2].s, odd, sizeof(odd), NULL, now);
	assert_int_equal(node[2].s.result[0].verdict, SPREAD_REFUSES);
	assert_string_equal(node[2].s.result[0].report, "?");
}

static void
strangers_questions_are_refused(void **state)
{
	uint8_t digest[VERSION_DIGEST_LEN] = { 0 };

	(void)state;
	begin("old\n");
	beat(100);
	spread_asked(&node[0].s, 1, SPREAD_STAGE, "new\n", 4, 1, now);
	assert_non_null(strstr(event[0].bytes, "first line"));
	spread_asked(&node[0].s, 1, SPREAD_COMMIT, digest, sizeof(digest), 1, now);
	assert_int_equal(event[1].bytes[0], SPREAD_REFUSES);
	spread_asked(&node[0].s, 1, (enum spread_kind)99, digest, 1, 1, now);
	assert_int_equal(event[2].bytes[0], SPREAD_REFUSES);
	node[0].file[0] = '\0';
	spread_asked(&node[0].s, 1, SPREAD_FETCH, NULL, 0, 1, now);
	assert_non_null(strstr(event[3].bytes, "can't be read"));
	assert_non_null(apply(0, "new\n", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(all_take_what_one_was_given, clean),
		cmocka_unit_test_teardown(one_fault_and_nothing_has_changed, clean),
		cmocka_unit_test_teardown(who_is_missing_catches_up_if_that_was_allowed, clean),
		cmocka_unit_test_teardown(what_was_edited_by_hand_is_kept, clean),
		cmocka_unit_test_teardown(of_two_at_once_one_wins, clean),
		cmocka_unit_test_teardown(a_crash_leaves_all_old_or_all_new, clean),
		cmocka_unit_test_teardown(a_cut_leaves_all_old_or_all_new, clean),
		cmocka_unit_test_teardown(a_file_that_the_process_refuses_is_told, clean),
		cmocka_unit_test_teardown(an_answer_that_is_not_known_is_a_no, clean),
		cmocka_unit_test_teardown(strangers_questions_are_refused, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
