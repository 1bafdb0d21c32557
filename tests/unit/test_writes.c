/* SPDX-License-Identifier: BSD-2-Clause */
/* When clients' writes are held back: src/core/writes.c */
#include "core_fixture.h"

static svip_ms
told(void)
{
	svip_ms until = -1;

	for (int i = 0; i < out->n; i++) {
		if (out->a[i].kind == ACT_WRITES)
			until = out->a[i].until;
	}
	return until;
}

static svip_ms
news(int sentinel, enum sentinel_news what)
{
	post(&(struct core_event){
	    .kind = EV_NEWS, .sentinel = sentinel, .news = what, .to = theirs });
	return told();
}

static void
a_try_holds_them_for_a_moment_and_an_election_for_longer(void **state)
{
	(void)state;
	take();
	assert_int_equal(news(1, NEWS_TRIES), now + 500);
	now += 80;
	assert_int_equal(news(1, NEWS_ELECTED), now + 5000);
	assert_int_equal(core->inst[0].writes_until, now + 5000);
	assert_int_equal(news(2, NEWS_TRIES), -1); /* it is for longer already */
}

static void
an_end_of_the_failover_gives_them_back(void **state)
{
	(void)state;
	take();
	news(1, NEWS_ELECTED);
	assert_int_equal(news(2, NEWS_ABORTED), -1); /* not its own */
	assert_int_equal(news(1, NEWS_ABORTED), SVIP_LONG_AGO);
	assert_int_equal(news(1, NEWS_ABORTED), -1);
	news(1, NEWS_ELECTED);
	assert_int_equal(news(1, NEWS_RESET), SVIP_LONG_AGO);
	news(1, NEWS_TRIES);
	now += 500;
	assert_int_equal(news(1, NEWS_ABORTED), -1); /* they have gone on by themselves */
}

/* Let go, they still wait: whoever writes past the addresses would write what is forgotten. A replica refuses by itself. */
static void
a_move_leaves_them_waiting_until_redis_is_a_replica(void **state)
{
	(void)state;
	take();
	news(1, NEWS_ELECTED);
	view(1, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
	assert_int_equal(told(), -1);
	post_kind(EV_CLEAR);
	post_yes(EV_ROLE, true);
	assert_int_equal(told(), -1);
	post_yes(EV_ROLE, false);
	assert_int_equal(told(), SVIP_LONG_AGO);
}

/* A successor's, before its first ROLE: whether writes are acknowledged isn't known. */
static void
a_hold_whose_redis_was_never_asked_is_ended_by_one_sentinel(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	core_init(core, &conf, &id, now);
	post_yes(EV_LINK, true);
	post(&(struct core_event){ .kind = EV_INHERIT, .epoch = 7, .until = now + LEASE / 2 });
	is(CORE_MASTER, WHY_TAKEN_OVER);
	view(1, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

static void
answered(bool yes)
{
	post(&(struct core_event){ .kind = EV_WRITES, .yes = yes });
}

/* Addresses that nobody has are worse for clients than ones whose writes wait: until the one that is named can follow at once. */
static void
while_they_wait_one_sentinel_alone_does_not_end_a_hold(void **state)
{
	(void)state;
	take();
	news(1, NEWS_ELECTED);
	answered(true);
	view(1, &theirs, 8);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	view(0, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

/* Between the end of one order and the answer to the next clients write. */
static void
an_answer_counts_as_long_as_its_order(void **state)
{
	(void)state;
	take();
	news(1, NEWS_TRIES);
	answered(true);
	now += 500;
	assert_int_equal(news(1, NEWS_ELECTED), now + 5000);
	view(1, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

static void
a_sentinel_that_was_never_heard_is_none_that_shows_a_newer_epoch(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.n_sentinels = 5;
	start_with(&conf);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	post_kind(EV_HELD);
	news(3, NEWS_ELECTED);
	answered(true);
	view(3, &theirs, 8);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
}

static void
who_is_named_and_claims_ends_a_hold_at_once(void **state)
{
	(void)state;
	take();
	news(1, NEWS_ELECTED);
	answered(true);
	view(1, &theirs, 8);
	claim_from(1, 8, 99);
	lets_go(WHY_PEER_NEWER);
}

static void
without_redis_word_one_sentinel_is_enough(void **state)
{
	(void)state;
	take();
	news(1, NEWS_ELECTED);
	answered(false);
	view(1, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

static void
when_they_go_on_one_sentinel_is_enough(void **state)
{
	(void)state;
	take();
	news(1, NEWS_TRIES);
	answered(true);
	now += 300;
	views(&mine, 7);
	view(1, &theirs, 8);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	assert_int_equal(core_deadline(core), now + 200);
	now += 200;
	post_kind(EV_TICK);
	lets_go(WHY_NEWER_EPOCH);
}

/* A dead Redis acknowledges nothing. */
static void
without_a_master_here_one_sentinel_alone_does_not_end_a_hold(void **state)
{
	(void)state;
	take();
	post_yes(EV_ROLE, false);
	view(1, &theirs, 8);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	view(0, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

static void
who_does_not_hold_holds_no_writes(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	assert_int_equal(news(1, NEWS_ELECTED), -1);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	assert_int_equal(news(1, NEWS_ELECTED), -1);
	post_kind(EV_HELD);
	post_yes(EV_ROLE, false);
	assert_int_equal(news(1, NEWS_ELECTED), -1);
	conf.observe = true;
	start_with(&conf);
	for (int i = 0; i < 10; i++, now += 200) {
		post_yes(EV_ROLE, true);
		views(&mine, 7);
	}
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	assert_int_equal(news(1, NEWS_ELECTED), -1);
}

/* The event itself finds a lease that is over: let go first. */
static void
a_lease_that_is_over_holds_no_writes(void **state)
{
	(void)state;
	take();
	now += LEASE;
	assert_int_equal(news(1, NEWS_ELECTED), -1);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_try_holds_them_for_a_moment_and_an_election_for_longer),
		T(an_end_of_the_failover_gives_them_back),
		T(a_move_leaves_them_waiting_until_redis_is_a_replica),
		T(an_answer_counts_as_long_as_its_order),
		T(a_sentinel_that_was_never_heard_is_none_that_shows_a_newer_epoch),
		T(a_hold_whose_redis_was_never_asked_is_ended_by_one_sentinel),
		T(while_they_wait_one_sentinel_alone_does_not_end_a_hold),
		T(who_is_named_and_claims_ends_a_hold_at_once),
		T(without_redis_word_one_sentinel_is_enough),
		T(when_they_go_on_one_sentinel_is_enough),
		T(without_a_master_here_one_sentinel_alone_does_not_end_a_hold),
		T(who_does_not_hold_holds_no_writes),
		T(a_lease_that_is_over_holds_no_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
