/* SPDX-License-Identifier: BSD-2-Clause */
/* Decisions at their edges: holding without a quorum, words that come at the wrong time, watching only. */
#include "core_fixture.h"

static void
start_holding_on(void)
{
	struct core_conf conf = standard();

	conf.hold_on_quorum_loss = true;
	start_with(&conf);
}

/* Time alone, as the core asks for it, until it holds without a quorum. */
static void
lose_the_quorum(void)
{
	for (int i = 0; i < 20 && core->inst[0].reason != WHY_QUORUM_LOST_HELD; i++) {
		now = core_deadline(core);
		post_kind(EV_TICK);
	}
	is(CORE_MASTER, WHY_QUORUM_LOST_HELD);
}

static void
each_sentinel_ahead_is_followed_for_its_own_ten_seconds(void **state)
{
	struct core_conf conf = standard();
	svip_ms began, ends;

	(void)state;
	conf.n_sentinels = 5;
	start_with(&conf);
	began = now;
	ends = began + 3000 + 1 + 10000; /* of the second one; heard is rounded up by one */
	view(3, &theirs, 8);
	for (; now < ends; now += 100) {
		for (int s = 0; s < 3; s++)
			view(s, &mine, 7);
		if (now == began + 3000)
			view(4, &theirs, 9);
		post_yes(EV_ROLE, true);
		is(CORE_BACKUP, WHY_NEWER_EPOCH);
		assert_int_equal(core->inst[0].claim_id, 0);
	}
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
it_is_awake_when_the_first_sentinel_ahead_is_not_followed_any_more(void **state)
{
	struct core_conf conf = standard();
	svip_ms began;

	(void)state;
	conf.n_sentinels = 5;
	conf.lease_ms = 60000;
	start_with(&conf);
	began = now;
	view(3, &theirs, 8);
	now += 3000;
	view(4, &theirs, 8);
	for (int s = 0; s < 3; s++)
		view(s, &mine, 7);
	assert_int_equal(core_deadline(core), began + 1 + 10000);
}

static void
what_was_seen_down_a_lease_ago_is_no_reason_any_more(void **state)
{
	static const struct {
		svip_ms apart; /* the two Sentinels that see it down, one after the other */
		enum core_reason why;
	} cases[] = { { LEASE - 1, WHY_MASTER_DOWN }, { LEASE, WHY_LEASE_EXPIRED } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();

		start_with(&conf);
		take();
		view_at(2, &mine, 7, true, now);
		now += LEASE / 2;
		view(0, &mine, 7);
		view(1, &mine, 7);
		now += cases[i].apart - LEASE / 2;
		view_at(1, &mine, 7, true, now);
		lets_go(cases[i].why);
	}
}

/* ---- on-quorum-loss = hold ---- */

static void
a_sentinel_that_was_never_heard_contradicts_nothing(void **state)
{
	(void)state;
	start_holding_on();
	view(0, &mine, 7);
	view(1, &mine, 7);
	yield_from(1);
	yield_from(2);
	post_kind(EV_HELD);
	lose_the_quorum();
	view_at(2, &mine, 7, true, now); /* its first word does */
	lets_go(WHY_LEASE_EXPIRED);
}

static void
an_address_lost_without_a_quorum_is_put_back(void **state)
{
	(void)state;
	start_holding_on();
	take();
	lose_the_quorum();
	now += 100;
	post_kind(EV_LOST);
	assert_int_equal(last_hold_until(), now + LEASE);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	assert_int_equal(core_deadline(core), now + LEASE); /* one order at a time */
	now += 100;
	post_kind(EV_TICK);
	assert_int_equal(count(ACT_HOLD), 0);
	post_kind(EV_HELD);
	assert_int_equal(count(ACT_ANNOUNCE), 1);
	is(CORE_MASTER, WHY_QUORUM_LOST_HELD);
}

static void
a_quorum_that_comes_back_is_told_and_its_own_time_counts(void **state)
{
	svip_ms asked, told;

	(void)state;
	start_holding_on();
	take();
	lose_the_quorum();
	now = core_deadline(core);
	asked = now - 1;
	post_kind(EV_TICK);
	told = core->inst[0].lease_end;
	view_at(0, &mine, 7, false, asked);
	is(CORE_MASTER, WHY_QUORUM_LOST_HELD);
	view_at(1, &mine, 7, false, asked);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
	assert_int_equal(count(ACT_STATE), 1);
	assert_int_equal(count(ACT_HOLD), 0); /* the kernel knows of more already */
	assert_true(told > asked + LEASE);
	assert_int_equal(core_deadline(core), asked + LEASE);
	now = asked + LEASE;
	post_kind(EV_TICK);
	is(CORE_MASTER, WHY_QUORUM_LOST_HELD); /* people hear of it again */
	assert_int_equal(count(ACT_STATE), 1);
}

/* ---- the kernel's word ---- */

static void
an_order_without_an_answer_is_over_once_the_kernel_is_clear(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_WAITING, WHY_TAKING);
	now += LEASE;
	post_kind(EV_TICK);
	lets_go(WHY_LEASE_EXPIRED);
	is(CORE_WAITING, WHY_TAKING); /* nobody is told before the kernel's word */
	post_kind(EV_CLEAR);
	assert_int_equal(out->a[0].kind, ACT_STATE);
	assert_int_equal(out->a[0].to, CORE_BACKUP);
	assert_int_equal(out->a[0].reason, WHY_LEASE_EXPIRED);
}

/* Each event is looked at before the kernel's next word comes, so a hold that must end has ended already. Should the two
 * ever not agree, the facts count: nothing is announced, nothing put back. */
static void
facts_count_more_than_the_kernels_word(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	core->inst[0].link_up = false;
	post_kind(EV_HELD);
	lets_go(WHY_LINK_DOWN);
	assert_int_equal(count(ACT_ANNOUNCE), 0);

	start_with(&conf);
	take();
	core->inst[0].link_up = false;
	post_kind(EV_LOST);
	lets_go(WHY_LINK_DOWN);
}

static void
words_of_the_kernel_that_answer_no_order_change_nothing(void **state)
{
	static const struct {
		bool holding;
		enum core_event_kind kind;
	} cases[] = {
		{ false, EV_CLEAR },
		{ false, EV_REFUSED },
		{ false, EV_LOST },
		{ false, EV_INHERIT },
		{ true, EV_HELD },
		{ true, EV_REFUSED },
		{ true, EV_INHERIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		struct instance before;

		start_with(&conf);
		if (cases[i].holding)
			take();
		memcpy(&before, &core->inst[0], sizeof(before));
		post(&(struct core_event){
		    .kind = cases[i].kind, .error = EPERM, .epoch = 7, .until = now + LEASE });
		assert_memory_equal(&before, &core->inst[0], sizeof(before));
		assert_int_equal(out->n, 0);
	}
}

/* ---- watching only ---- */

static void
who_only_watches_inherits_nothing(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.observe = true;
	now = 100000;
	core_init(core, &conf, &id, now);
	post_yes(EV_LINK, true);
	post(&(struct core_event){ .kind = EV_INHERIT, .epoch = 7, .until = now + LEASE });
	assert_int_equal(core->inst[0].kernel, KERNEL_UNKNOWN);
	assert_int_equal(out->n, 0);
}

static void
a_jump_ends_what_a_watcher_would_hold(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.observe = true;
	start_with(&conf);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	post_kind(EV_JUMP);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
	assert_int_equal(count(ACT_DROP), 0);
	assert_int_equal(out->a[0].kind, ACT_STATE);
	assert_int_equal(out->a[0].reason, WHY_CLOCK_JUMP);
	is(CORE_BACKUP, WHY_NO_QUORUM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_sentinel_ahead_is_followed_for_its_own_ten_seconds),
		T(it_is_awake_when_the_first_sentinel_ahead_is_not_followed_any_more),
		T(what_was_seen_down_a_lease_ago_is_no_reason_any_more),
		T(a_sentinel_that_was_never_heard_contradicts_nothing),
		T(an_address_lost_without_a_quorum_is_put_back),
		T(a_quorum_that_comes_back_is_told_and_its_own_time_counts),
		T(an_order_without_an_answer_is_over_once_the_kernel_is_clear),
		T(facts_count_more_than_the_kernels_word),
		T(words_of_the_kernel_that_answer_no_order_change_nothing),
		T(who_only_watches_inherits_nothing),
		T(a_jump_ends_what_a_watcher_would_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
