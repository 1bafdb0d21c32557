/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of a handover: facts and answers in, orders out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svipd/handover.h"

static struct handover *h;
static struct handover_facts *f;
static struct svip_host sentinel[3];
static struct replication_candidate list[REPLICATION_MAX + 1];
static struct replication_info info;
static svip_ms now;

enum { CHECKS = HANDOVER_ASK_QUORUM | HANDOVER_ASK_REPLICAS | HANDOVER_ASK_INFO };

/* This node holds at epoch 7; two replicas on two nodes, both with all. */
static int
start(void **state)
{
	(void)state;
	h = calloc(1, sizeof(*h));
	f = calloc(1, sizeof(*f));
	assert_true(h != NULL && f != NULL);
	now = 100000;
	memset(&info, 0, sizeof(info));
	memset(list, 0, sizeof(list));
	info.master = true;
	info.offset = 500;
	info.n = 2;
	*f = (struct handover_facts){ .holds = true,
		.epoch = 7,
		.state = "master, all-yielded",
		.redis_master = true,
		.confirmations = 3,
		.majority = 2,
		.n_sentinels = 3,
		.sentinel = sentinel,
		.usable = { true, true, true },
		.n_peers = 2 };
	for (int i = 0; i < 3; i++)
		assert_true(svip_host_parse("10.0.0.1", (uint16_t)(26379 + i), &sentinel[i]));
	for (int i = 0; i < 2; i++) {
		assert_true(
		    svip_host_parse(i == 0 ? "10.0.0.12" : "10.0.0.13", 6379, &list[i].host));
		assert_true(svip_host_addr(&list[i].host, &f->peer[i].addr));
		list[i].priority = 100;
		list[i].linked = true;
		info.replica[i] = (struct replication_replica){ list[i].host, true, 500 };
	}
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	free(h);
	free(f);
	return 0;
}

static unsigned
next(void)
{
	return handover_next(h, f, now);
}

static void
failed(const char *words)
{
	assert_int_equal(h->step, HANDOVER_FAILED);
	if (strstr(h->line[h->n_lines - 1].text, words) == NULL)
		fail_msg("\"%s\" is not \"…%s…\"", h->line[h->n_lines - 1].text, words);
	assert_true(handover_ended(h));
	assert_int_equal(next(), 0);
}

static void
replicas_told(int n)
{
	handover_replicas(h, h->sentinel, list, n, REPLY_FINE, "");
}

static void
info_told(void)
{
	handover_info(h, &info, now, REPLY_FINE, "");
}

/* All answers of the first step. */
static unsigned
checked(void)
{
	assert_int_equal(next(), CHECKS);
	assert_int_equal(next(), 0);
	handover_quorum(h, h->sentinel, REPLICATION_YES, false, "OK");
	replicas_told(2);
	info_told();
	return next();
}

static void
writes_wait(void)
{
	assert_int_equal(checked(), HANDOVER_HOLD_WRITES | HANDOVER_LOOK);
	assert_int_equal(h->step, HANDOVER_HOLDING_WRITES);
	handover_writes(h, true, "");
	assert_int_equal(next(), HANDOVER_ASK_INFO);
	assert_int_equal(h->step, HANDOVER_CATCHING_UP);
}

static void
is_asked(void)
{
	writes_wait();
	info_told();
	assert_int_equal(next(), HANDOVER_FAIL_OVER);
	assert_int_equal(h->step, HANDOVER_ASKED);
}

static void
is_moving(void)
{
	is_asked();
	handover_failover(h, h->sentinel, REPLICATION_YES, false, true, "OK");
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_MOVING);
}

static void
all_steps_one_after_the_other(void **state)
{
	static const char *const words[] = { "checking", "holding-writes", "catching-up", "asked",
		"moving", "done" };

	(void)state;
	is_moving();
	now += 300;
	f->holds = false;
	assert_int_equal(next(), 0);
	f->elsewhere = true;
	f->elsewhere_epoch = 7; /* what was before */
	strcpy(f->elsewhere_node, "10.0.0.12");
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_MOVING);
	f->elsewhere_epoch = 8;
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_DONE);
	assert_true(handover_ended(h));
	assert_int_equal(h->n_lines, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(handover_step_word(h->line[i].step), words[i]);
	assert_string_equal(h->line[5].text, "10.0.0.12 holds at epoch 8");
	assert_int_equal(h->line[5].after_ms, 300);
	assert_int_equal(handover_cancel(h, "late", now), 0);
}

static void
what_can_not_work_is_said_at_once(void **state)
{
	static const struct {
		bool away, elsewhere;
		const char *redis;
		int confirmations, n_peers;
		const char *words;
	} cases[] = {
		{ true, true, NULL, 3, 2, "10.0.0.12 holds: run it there" },
		{ true, false, NULL, 3, 2, "this node does not hold: master" },
		{ false, false, "refused", 3, 2, "the local Redis can't be asked: refused" },
		{ false, false, NULL, 1, 2, "1 of 3 Sentinels confirm this node, 2 needed" },
		{ false, false, NULL, 3, 0, "there is no other node" },
	};

	(void)state;
	strcpy(f->elsewhere_node, "10.0.0.12");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		handover_begin(h, HANDOVER_LIMIT_MS, now);
		f->holds = !cases[i].away;
		f->elsewhere = cases[i].elsewhere;
		f->redis = cases[i].redis;
		f->confirmations = cases[i].confirmations;
		f->n_peers = cases[i].n_peers;
		assert_int_equal(next(), 0);
		failed(cases[i].words);
		assert_string_equal(h->error, cases[i].away ? "not-holder" : "handover-failed");
	}
}

static void
sentinels_that_are_lost_are_replaced(void **state)
{
	(void)state;
	f->usable[0] = false;
	assert_int_equal(next(), CHECKS);
	assert_int_equal(h->sentinel, 1);
	handover_unsent(h, HANDOVER_ASK_QUORUM);
	assert_int_equal(next(), HANDOVER_ASK_QUORUM | HANDOVER_ASK_REPLICAS);
	assert_int_equal(h->sentinel, 2);
	f->usable[0] = true;
	handover_quorum(h, 1, REPLICATION_NO, false, "late"); /* of the one before */
	handover_quorum(h, 2, REPLICATION_NO, true, "");
	assert_int_equal(next(), HANDOVER_ASK_QUORUM | HANDOVER_ASK_REPLICAS);
	assert_int_equal(h->sentinel, 0);
	handover_replicas(h, 2, list, 2, REPLY_FINE, ""); /* of the one before */
	handover_replicas(h, 0, list, 0, REPLY_NO_CONNECTION, "");
	assert_int_equal(next(), 0);
	failed("no Sentinel that names this node");
}

static void
answers_that_are_a_no_end_it(void **state)
{
	(void)state;
	next();
	handover_quorum(h, 0, REPLICATION_NO, false, "NOQUORUM 1 usable");
	handover_replicas(h, 0, list, 2, REPLY_NO_PERMISSION, "NOPERM"); /* the first one counts */
	assert_int_equal(next(), 0);
	failed("the Sentinels could not fail over: NOQUORUM 1 usable");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	next();
	handover_replicas(h, 0, list, 2, REPLY_NO_PERMISSION, "NOPERM");
	next();
	failed("SENTINEL REPLICAS: NOPERM");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	next();
	handover_info(h, &info, now, REPLY_NO_PERMISSION, "NOPERM");
	next();
	failed("INFO replication: NOPERM");
}

static void
answers_that_stay_out_end_it(void **state)
{
	(void)state;
	next();
	now += HANDOVER_ANSWER_MS;
	assert_int_equal(next(), 0);
	handover_info(h, &info, now, REPLY_NO_CONNECTION, ""); /* asked again */
	assert_int_equal(next(), HANDOVER_ASK_INFO);
	handover_unsent(h, HANDOVER_ASK_INFO);
	now++;
	next();
	failed("no answer from the local Redis within 2000 ms");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	next();
	info_told();
	now += HANDOVER_ANSWER_MS + 1;
	next();
	failed("no answer from 10.0.0.1:26379 within 2000 ms");
}

static void
replicas_must_be_fit_to_take(void **state)
{
	(void)state;
	next();
	info_told();
	handover_quorum(h, 0, REPLICATION_YES, false, "");
	replicas_told(REPLICATION_MAX + 1);
	next();
	failed("there are 33 replicas");

	handover_begin(h, HANDOVER_LIMIT_MS, now);
	f->peer[1].unfit = "its svipd is not heard";
	assert_int_equal(checked(), 0);
	failed("replica 10.0.0.13:6379, and the addresses could not follow: node 10.0.0.13: its "
	       "svipd is not heard");

	handover_begin(h, HANDOVER_LIMIT_MS, now); /* it is not chosen */
	list[0].priority = 10;
	assert_int_equal(checked(), HANDOVER_HOLD_WRITES | HANDOVER_LOOK);
	assert_non_null(
	    strstr(h->line[h->n_lines - 1].text, "1 replica could be chosen: 10.0.0.12:6379"));

	handover_begin(h, HANDOVER_LIMIT_MS, now); /* nobody knows where it is: any node must do */
	assert_true(svip_host_parse("redis-2.example", 6379, &list[0].host));
	info.replica[0].host = list[0].host;
	assert_int_equal(checked(), 0);
	failed("node 10.0.0.13: its svipd is not heard");
	f->peer[1].unfit = NULL;
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	assert_int_equal(checked(), HANDOVER_HOLD_WRITES | HANDOVER_LOOK);

	handover_begin(h, HANDOVER_LIMIT_MS, now);
	info.replica[0].online = false;
	assert_int_equal(checked(), 0);
	failed("replica redis-2.example:6379, which is not connected to this master");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	info.n = 0;
	assert_int_equal(checked(), 0);
	failed("which is not connected to this master");
}

static void
every_sentinel_is_asked_for_a_replica_that_can_be_chosen(void **state)
{
	static const struct {
		int n, priority;
		bool down, linked;
		const char *words;
	} cases[] = {
		{ 0, 1, false, true, "Sentinel knows of no replica" },
		{ 2, 0, false, true,
		    "none of 2 replicas could be chosen: 10.0.0.12:6379: its priority is 0" },
		{ 1, 1, true, true,
		    "none of 1 replica could be chosen: 10.0.0.12:6379: it is down" },
		{ 1, 1, false, false, "it has lost its master" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		handover_begin(h, HANDOVER_LIMIT_MS, now);
		for (int k = 0; k < 2; k++) {
			list[k].priority = cases[i].priority;
			list[k].down = cases[i].down;
			list[k].linked = cases[i].linked;
		}
		next();
		info_told();
		for (int k = 0; k < 3; k++) {
			assert_int_equal(h->sentinel, k);
			handover_quorum(h, k, REPLICATION_YES, false, "");
			replicas_told(cases[i].n);
			assert_int_equal(next(), 0);
			assert_int_equal(
			    next(), k < 2 ? HANDOVER_ASK_QUORUM | HANDOVER_ASK_REPLICAS : 0);
		}
		failed(cases[i].words);
	}
}

static void
writes_that_do_not_wait_end_it(void **state)
{
	(void)state;
	checked();
	handover_writes(h, false, "ERR unknown");
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("the local Redis does not hold writes back: ERR unknown");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	handover_writes(h, true, ""); /* of somebody else */
	checked();
	assert_int_equal(next(), 0);
	now += HANDOVER_ANSWER_MS + 1;
	handover_unsent(h, HANDOVER_HOLD_WRITES);
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("has not said within 2000 ms that writes wait");
}

static void
what_changes_before_sentinel_is_asked_ends_it(void **state)
{
	(void)state;
	checked();
	f->epoch = 8;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("this node has let go meanwhile");
	f->epoch = 7;
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	writes_wait();
	f->redis = "refused";
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("the local Redis can't be asked: refused");
}

static void
offsets_are_looked_at_until_all_is_there(void **state)
{
	(void)state;
	writes_wait();
	info.replica[1].offset = 499;
	info_told();
	handover_info(h, &(struct replication_info){ 0 }, now, REPLY_FINE, ""); /* was not asked */
	assert_int_equal(next(), 0);
	now += HANDOVER_LOOK_MS;
	assert_int_equal(next(), HANDOVER_ASK_INFO);
	info.offset =
	    600; /* a ping to the replicas: the target is what it was once writes waited */
	info.replica[0].offset = 400;
	info.replica[1].offset = 500;
	info_told();
	assert_int_equal(next(), 0);
	now += HANDOVER_CATCH_UP_MS + 1;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("the replica 10.0.0.12:6379 is 100 bytes behind after 2000 ms");
}

/* Their master hears of it once a second. */
static void
what_replicas_say_themselves_counts(void **state)
{
	(void)state;
	info.replica[0].offset = 100;
	info.replica[1].offset = 200;
	writes_wait();
	info_told();
	assert_int_equal(next(), 0);
	handover_replica(h, 0, 500);
	handover_replica(h, 1, 499);
	handover_replica(h, 2, 500); /* there is none */
	assert_int_equal(next(), 0);
	handover_replica(h, 1, 500);
	assert_int_equal(next(), HANDOVER_FAIL_OVER);
}

static void
a_replica_that_is_lost_meanwhile_ends_it(void **state)
{
	(void)state;
	writes_wait();
	info.replica[1].online = false;
	info_told();
	now += HANDOVER_CATCH_UP_MS + 1;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("the replica 10.0.0.13:6379 has lost its connection");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	info.replica[1].online = true;
	writes_wait();
	now += HANDOVER_CATCH_UP_MS + 1;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("has not told its offset within 2000 ms");
}

static void
the_pause_is_renewed(void **state)
{
	(void)state;
	is_moving();
	now += HANDOVER_RENEW_MS;
	assert_int_equal(next(), HANDOVER_HOLD_WRITES);
	assert_int_equal(next(), 0);
	now += HANDOVER_RENEW_MS;
	f->redis = "refused";
	assert_int_equal(next(), 0);
	f->redis = NULL;
	f->redis_master = false; /* it refuses writes by itself */
	assert_int_equal(next(), 0);
	handover_writes(h, false, "ERR"); /* too late to matter */
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_MOVING);
	f->redis_master = true; /* Sentinel takes too long */
	now += HANDOVER_MOVE_MS;
	assert_int_equal(next(), 0);
}

static void
sentinel_says_no(void **state)
{
	static const struct {
		enum replication_verdict verdict;
		const char *words;
	} cases[] = {
		{ REPLICATION_IN_PROGRESS, "Sentinel is failing over already: X" },
		{ REPLICATION_NO_REPLICA, "Sentinel finds no replica that it could promote: X" },
		{ REPLICATION_NO, "Sentinel does not fail over: X" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		handover_begin(h, HANDOVER_LIMIT_MS, now);
		is_asked();
		handover_failover(h, 1, REPLICATION_YES, false, true, ""); /* was not asked */
		handover_failover(h, 0, cases[i].verdict, false, true, "X");
		assert_int_equal(next(), HANDOVER_GIVE_BACK);
		failed(cases[i].words);
		assert_null(strstr(h->line[h->n_lines - 1].text, "was asked"));
	}
}

static void
an_order_that_was_not_sent_goes_to_the_next_sentinel(void **state)
{
	(void)state;
	is_asked();
	handover_unsent(h, HANDOVER_FAIL_OVER);
	assert_int_equal(next(), HANDOVER_FAIL_OVER);
	assert_int_equal(h->sentinel, 1);
	handover_failover(h, 1, REPLICATION_NO, true, false, "");
	assert_int_equal(next(), HANDOVER_FAIL_OVER);
	assert_int_equal(h->sentinel, 2);
	handover_failover(h, 2, REPLICATION_NO, true, false, "");
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("no Sentinel that names this node");
	handover_unsent(h, HANDOVER_GIVE_BACK);
}

/* It may have been heard: a second one would move the master twice. */
static void
an_order_whose_answer_is_lost_is_not_repeated(void **state)
{
	(void)state;
	is_asked();
	handover_failover(h, 0, REPLICATION_NO, true, true, "");
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_MOVING);
}

static void
no_sentinel_is_left_to_be_asked(void **state)
{
	(void)state;
	writes_wait();
	info_told();
	f->usable[1] = f->usable[2] = false;
	assert_int_equal(next(), HANDOVER_FAIL_OVER);
	handover_unsent(h, HANDOVER_FAIL_OVER);
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("no Sentinel that names this node");
}

static void
a_failover_that_is_given_up_ends_it(void **state)
{
	(void)state;
	handover_aborted(h, -1);
	is_moving();
	handover_aborted(h, 1);
	assert_int_equal(next(), 0);
	handover_aborted(h, 0);
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("Sentinel has given the failover up");
}

static void
the_move_may_be_quicker_than_the_answer(void **state)
{
	(void)state;
	is_asked();
	f->holds = false;
	f->elsewhere = true;
	f->elsewhere_epoch = 8;
	assert_int_equal(next(), 0);
	assert_int_equal(h->step, HANDOVER_DONE);
}

static void
there_is_a_limit_on_the_whole(void **state)
{
	(void)state;
	is_moving();
	now = h->limit;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("not done within 10000 ms: this node is still named; Sentinel was asked, and may "
	       "still move");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	is_moving();
	now = h->limit;
	f->holds = false;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("this node has let go, and no other says that it holds");
	f->holds = true;
	handover_begin(h, 1000, now);
	writes_wait();
	now = h->limit;
	assert_int_equal(next(), HANDOVER_GIVE_BACK);
	failed("not done within 1000 ms: catching-up");
}

static void
it_can_be_cancelled(void **state)
{
	(void)state;
	next();
	assert_int_equal(handover_cancel(h, "svipd stops", now), 0);
	failed("svipd stops");
	handover_begin(h, HANDOVER_LIMIT_MS, now);
	is_moving();
	assert_int_equal(handover_cancel(h, "svipd stops", now), HANDOVER_GIVE_BACK);
	failed("svipd stops; Sentinel was asked");
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_steps_one_after_the_other),
		T(what_can_not_work_is_said_at_once),
		T(sentinels_that_are_lost_are_replaced),
		T(answers_that_are_a_no_end_it),
		T(answers_that_stay_out_end_it),
		T(replicas_must_be_fit_to_take),
		T(every_sentinel_is_asked_for_a_replica_that_can_be_chosen),
		T(writes_that_do_not_wait_end_it),
		T(what_changes_before_sentinel_is_asked_ends_it),
		T(offsets_are_looked_at_until_all_is_there),
		T(what_replicas_say_themselves_counts),
		T(a_replica_that_is_lost_meanwhile_ends_it),
		T(the_pause_is_renewed),
		T(sentinel_says_no),
		T(an_order_that_was_not_sent_goes_to_the_next_sentinel),
		T(an_order_whose_answer_is_lost_is_not_repeated),
		T(no_sentinel_is_left_to_be_asked),
		T(a_failover_that_is_given_up_ends_it),
		T(the_move_may_be_quicker_than_the_answer),
		T(there_is_a_limit_on_the_whole),
		T(it_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
