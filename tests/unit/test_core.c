/* SPDX-License-Identifier: BSD-2-Clause */
/* The decision core: each rule of taking, keeping, letting go, claiming and yielding, with its reason. */
#include "core_fixture.h"

/* ---- taking ---- */

static void
it_starts_knowing_nothing(void **state)
{
	(void)state;
	is(CORE_INIT, WHY_STARTING);
	now += LEASE;
	post_kind(EV_TICK);
	is(CORE_BACKUP, WHY_NO_QUORUM);
}

static void
a_minority_is_not_enough(void **state)
{
	(void)state;
	view(0, &mine, 7);
	view(1, &theirs, 6);
	is(CORE_BACKUP, WHY_SPLIT);
	assert_int_equal(core->inst[0].claim_id, 0);
	view(2, &theirs, 6);
	is(CORE_BACKUP, WHY_OTHER_NAMED);
}

static void
it_takes_when_everybody_has_yielded(void **state)
{
	(void)state;
	views(&mine, 7);
	is(CORE_WAITING, WHY_LEASE_RUNS);
	assert_true(core->inst[0].claim_id != 0);
	yield_from(1);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR); /* one of two isn't everybody */
	yield_from(2);
	assert_int_equal(count(ACT_HOLD), 1);
	assert_int_equal(out->a[out->n - 1].until, now + LEASE);
	assert_int_equal(count(ACT_ANNOUNCE), 0); /* not before the kernel has confirmed */
	post_kind(EV_HELD);
	assert_int_equal(count(ACT_ANNOUNCE), 1);
	assert_true(count(ACT_SEND) > 0);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
it_takes_when_older_leases_have_run_out(void **state)
{
	svip_ms first;

	(void)state;
	view(0, &mine, 7);
	now += 50;
	first = now; /* the second to name it: k = 2 */
	view(1, &mine, 7);
	while (now < first + 1 + WAIT - 1) {
		now += 5;
		if (now > first + WAIT)
			now = first + WAIT;
		views(&mine, 7);
		post_yes(EV_ROLE, true);
		if (now <= first + WAIT)
			assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
	}
	now = first + 1 + WAIT; /* heard is rounded up by one */
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	post_kind(EV_HELD);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
}

static void
a_yield_to_another_claim_does_not_count(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	yield_from(1);
	hb = beat(2);
	hb.instance[0].yield_epoch = 7;
	hb.instance[0].yield_id = core->inst[0].claim_id + 1;
	hear(&hb);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

static void
a_yield_counts_only_from_who_echoes_this_process(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	post_kind(EV_HELD);
	post_kind(EV_STOP);
	/* A new life: the same datagrams again. */
	start_with(&core->conf);
	core->conf.incarnation = 1001;
	views(&mine, 7);
	for (int p = 1; p < 3; p++) {
		hb = beat(p);
		hb.instance[0].yield_epoch = 7;
		hb.instance[0].yield_id = core->inst[0].claim_id;
		hear(&hb);
	}
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

static void
a_claim_is_repeated_and_ends_with_its_majority(void **state)
{
	uint64_t claim;

	(void)state;
	views(&mine, 7);
	claim = core->inst[0].claim_id;
	for (svip_ms step = 10; step <= 160; step *= 2) {
		now += step;
		post_kind(EV_TICK);
		assert_int_equal(count(ACT_SEND), 1);
		assert_int_equal(core->inst[0].claim_id, claim);
	}
	now += LEASE;
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].claim_id, 0);
	is(CORE_BACKUP, WHY_NO_QUORUM);
}

static void
redis_can_veto(void **state)
{
	(void)state;
	post_yes(EV_ROLE, false);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_WAITING,
	    WHY_REDIS_NOT_MASTER); /* for a moment: Sentinel and Redis change one after the other */
	now += LEASE - 1;
	views(&mine, 7);
	now += 1;
	views(&mine, 7);
	is(CORE_FAULT, WHY_REDIS_NOT_MASTER);
	post_yes(EV_ROLE, true);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
a_stale_role_does_not_count(void **state)
{
	(void)state;
	now += LEASE + 1;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_WAITING, WHY_REDIS_NOT_MASTER);
}

static void
another_configuration_forbids_taking_even_when_silent_since(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hb.digest_safety[0] = 1;
	hear(&hb);
	now += 60000;
	post_yes(EV_ROLE, true);
	views(&mine, 7);
	is(CORE_FAULT, WHY_CONFIG_MISMATCH);
	hb = beat(1);
	hear(&hb);
	assert_true(core->inst[0].reason != WHY_CONFIG_MISMATCH);
}

static void
maintenance_keeps_from_taking_and_not_from_holding(void **state)
{
	(void)state;
	take();
	post_yes(EV_MAINTENANCE, true);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	post_yes(EV_LINK, false);
	post_kind(EV_CLEAR);
	post_yes(EV_LINK, true);
	is(CORE_BACKUP, WHY_MAINTENANCE);
}

static void
a_refused_address_is_no_master_and_is_tried_again(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	post(&(struct core_event){ .kind = EV_REFUSED, .error = EPERM });
	is(CORE_FAULT, WHY_ADDRESS_REFUSED);
	assert_int_equal(core->inst[0].error, EPERM);
	now += 999;
	post_yes(EV_ROLE, true);
	views(&mine, 7);
	assert_int_equal(count(ACT_HOLD), 0);
	now += 1;
	post_kind(EV_TICK);
	assert_int_equal(count(ACT_HOLD), 1);
}

/* Else one may be refused and the next one carried out: whose answer would count? */
static void
the_kernel_has_one_order_at_a_time(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	now += 100;
	views(&mine, 7);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	assert_int_equal(count(ACT_HOLD), 0);
	post_kind(EV_HELD);
	assert_int_equal(last_hold_until(), now + LEASE);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
an_order_without_an_answer_ends_at_its_own_time(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	now += LEASE / 2;
	views(&mine, 7);
	now += LEASE / 2 - 1;
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	assert_true(core_deadline(core) <= now + 1);
	now += 1;
	post_kind(EV_TICK);
	lets_go(WHY_LEASE_EXPIRED);
}

static void
an_address_that_comes_after_a_refusal_is_removed(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	post(&(struct core_event){ .kind = EV_REFUSED, .error = EPERM });
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
	post_kind(EV_HELD);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
	assert_int_equal(count(ACT_DROP), 1);
	assert_int_equal(count(ACT_ANNOUNCE), 0);
	post_kind(EV_CLEAR);
	is(CORE_FAULT, WHY_ADDRESS_REFUSED);
}

static void
an_address_confirmed_too_late_is_removed_unannounced(void **state)
{
	(void)state;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	now += LEASE; /* the kernel took its time */
	post_kind(EV_HELD);
	assert_int_equal(count(ACT_ANNOUNCE), 0);
	lets_go(WHY_LEASE_EXPIRED);
}

/* ---- holding ---- */

static void
a_hold_is_renewed_by_later_questions(void **state)
{
	(void)state;
	take();
	now += 300;
	view(0, &mine, 7);
	assert_int_equal(
	    count(ACT_HOLD), 0); /* one of three: the majority's last question is older */
	view(1, &mine, 7);
	assert_int_equal(count(ACT_HOLD), 1);
	assert_int_equal(out->a[0].until, now + LEASE);
}

static void
a_late_answer_gives_a_short_lease(void **state)
{
	svip_ms asked;

	(void)state;
	take();
	asked = now + 100;
	now += 900;
	view_at(0, &mine, 7, false, asked);
	view_at(1, &mine, 7, false, asked);
	assert_int_equal(core->inst[0].lease_end, asked + LEASE);
}

static void
a_hold_ends_with_its_lease_before_any_input(void **state)
{
	(void)state;
	take();
	now += LEASE - 1;
	post_kind(EV_TICK);
	assert_int_equal(count(ACT_DROP), 0);
	now += 1;
	views(&mine, 7); /* the first of these finds it over */
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
	assert_int_equal(core->inst[0].drop_reason, WHY_LEASE_EXPIRED);
	post_kind(EV_CLEAR);
	assert_int_equal(count(ACT_STATE) > 0, 1);
}

static void
letting_go_is_told_after_the_kernel_has_confirmed(void **state)
{
	(void)state;
	take();
	now += LEASE;
	post_kind(EV_TICK);
	lets_go(WHY_LEASE_EXPIRED);
	assert_int_equal(count(ACT_SEND), 0);
	assert_int_equal(count(ACT_STATE), 0);
	post_kind(EV_CLEAR);
	assert_true(count(ACT_SEND) > 0);
	assert_int_equal(count(ACT_STATE), 1);
	assert_int_equal(out->a[0].reason, WHY_LEASE_EXPIRED);
}

static void
any_newer_epoch_ends_the_hold(void **state)
{
	(void)state;
	take();
	view(2, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_NEWER_EPOCH); /* the majority at 7 doesn't get it back */
}

static void
a_newer_epoch_that_names_this_node_ends_the_hold_too(void **state)
{
	(void)state;
	take();
	view(2, &mine, 9);
	lets_go(WHY_NEWER_EPOCH);
}

static void
a_sentinel_alone_ahead_is_not_followed_for_ever(void **state)
{
	(void)state;
	take();
	view(2, &theirs, 999);
	post_kind(EV_CLEAR);
	for (int i = 0; i < 99; i++) {
		now += 100;
		view(0, &mine, 7);
		view(1, &mine, 7);
		view(2, &theirs, 999);
		post_yes(EV_ROLE, true);
		is(CORE_BACKUP, WHY_NEWER_EPOCH);
	}
	now += 200;
	view(0, &mine, 7);
	view(1, &mine, 7);
	post_yes(EV_ROLE, true);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	post_kind(EV_HELD);
	view(2, &theirs, 999);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
}

static void
an_older_epoch_does_not_disturb(void **state)
{
	(void)state;
	take();
	view(2, &theirs, 6);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
a_master_seen_down_by_a_majority_is_let_go(void **state)
{
	(void)state;
	take();
	view_at(0, &mine, 7, true, now);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	view_at(1, &mine, 7, true, now);
	lets_go(WHY_MASTER_DOWN);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_MASTER_DOWN);
}

static void
a_word_taken_back_shortens_the_lease(void **state)
{
	(void)state;
	take();
	now += 400;
	view(0, &mine, 7);
	view(1, &mine, 7); /* the lease: now + LEASE */
	view_at(1, &mine, 7, true, now);
	/* What is left are the questions of now and of 400 before: so much earlier does time alone end it. */
	assert_true(core_deadline(core) <= now + LEASE - 400);
	now += LEASE - 400;
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
}

static void
an_answer_overtaken_by_a_later_question_changes_nothing(void **state)
{
	(void)state;
	take();
	now += 100;
	view_at(0, &theirs, 6, false, now - 200);
	assert_true(core->inst[0].view[0].me);
	view_at(0, &theirs, 8, false, now - 200); /* but a newer epoch is one, however old */
	lets_go(WHY_NEWER_EPOCH);
}

static void
a_link_that_goes_down_is_a_fault_and_comes_back(void **state)
{
	(void)state;
	take();
	post_yes(EV_LINK, false);
	lets_go(WHY_LINK_DOWN);
	post_kind(EV_CLEAR);
	is(CORE_FAULT, WHY_LINK_DOWN);
	post_yes(EV_LINK, true);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
a_lost_address_is_put_back_while_the_lease_is_good(void **state)
{
	(void)state;
	take();
	now += 100;
	post_kind(EV_LOST);
	assert_int_equal(count(ACT_HOLD), 1);
	assert_int_equal(out->a[0].until, now - 100 + LEASE);
	post_kind(EV_HELD);
	assert_int_equal(count(ACT_ANNOUNCE), 1);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	now += LEASE;
	post_kind(EV_LOST);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
	assert_int_equal(count(ACT_HOLD), 0);
}

static void
a_kernel_that_keeps_an_address_is_asked_again_and_nobody_is_told_a_lie(void **state)
{
	struct heartbeat hb;

	(void)state;
	take();
	now += LEASE;
	post_kind(EV_TICK);
	post(&(struct core_event){ .kind = EV_STUCK, .error = EPERM });
	is(CORE_FAULT, WHY_ADDRESS_STUCK);
	claim_from(1, 8, 99);
	assert_int_equal(core->inst[0].yield_id, 0);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_true(hb.instance[0].holding);
	now += 100;
	post_kind(EV_TICK);
	assert_int_equal(count(ACT_DROP), 1);
	post_kind(EV_CLEAR);
	assert_int_equal(core->inst[0].yield_id, 99);
}

static void
a_jump_ends_everything_and_must_be_earned_anew(void **state)
{
	(void)state;
	take();
	post_kind(EV_JUMP);
	lets_go(WHY_CLOCK_JUMP);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_NO_QUORUM); /* what was heard before doesn't count */
	now += 5;
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR); /* neither does the role */
	post_yes(EV_ROLE, true);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
stop_lets_everything_go(void **state)
{
	struct heartbeat hb;

	(void)state;
	take();
	post_kind(EV_STOP);
	lets_go(WHY_STOPPING);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_STOPPING);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_true(hb.leaving);
	assert_false(hb.instance[0].holding);
	views(&mine, 7);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

/* ---- yielding ---- */

static void
who_holds_nothing_yields_and_promises(void **state)
{
	(void)state;
	claim_from(1, 8, 99);
	assert_int_equal(core->inst[0].yield_id, 99);
	assert_int_equal(core->inst[0].floor, 9);
	assert_true(count(ACT_SEND) > 0);
	post_yes(EV_ROLE, true);
	claim_from(1, 0, 0); /* the claim is over; the promise stays */
	views(&mine, 8);
	yield_from(1);
	yield_from(2);
	is(CORE_BACKUP, WHY_PROMISED);
	views(&mine, 9);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
who_has_not_looked_at_its_kernel_does_not_yield(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	core_init(core, &conf, &id, now);
	claim_from(1, 8, 99);
	assert_int_equal(core->inst[0].yield_id, 0);
	post_kind(EV_CLEAR);
	assert_int_equal(core->inst[0].yield_id, 99);
}

static void
a_holder_does_not_yield_to_an_older_claim_but_asks(void **state)
{
	(void)state;
	take();
	claim_from(1, 7, 99);
	assert_int_equal(core->inst[0].yield_id, 0);
	assert_true(count(ACT_POLL) > 0);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
a_holder_lets_go_for_a_newer_claim_and_then_yields(void **state)
{
	(void)state;
	take();
	claim_from(1, 8, 99);
	lets_go(WHY_PEER_NEWER);
	assert_int_equal(core->inst[0].yield_id, 0);
	post_kind(EV_CLEAR);
	assert_int_equal(core->inst[0].yield_id, 99);
}

static void
a_peer_that_holds_at_a_newer_epoch_ends_the_hold(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	take();
	hb.sequence = ++peer_sequence[1];
	hb.instance[0].holding = true;
	hb.instance[0].hold_epoch = 8;
	hear(&hb);
	lets_go(WHY_PEER_NEWER);
}

static void
a_twin_at_the_same_epoch_is_a_fault_on_both(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	hb = beat(1);
	hb.instance[0].holding = true;
	hb.instance[0].hold_epoch = 7;
	hear(&hb);
	is(CORE_FAULT, WHY_TWIN);
	assert_int_equal(core->inst[0].claim_id, 0);
	hb = beat(1);
	hear(&hb);
	take();
	hb = beat(2);
	hb.instance[0].holding = true;
	hb.instance[0].hold_epoch = 7;
	hear(&hb);
	lets_go(WHY_TWIN);
	post_kind(EV_CLEAR);
	is(CORE_FAULT, WHY_TWIN);
}

/* ---- other hosts with the address ---- */

/* Time with Sentinels and a Redis that go on naming this node. */
static void
pass(svip_ms ms)
{
	for (svip_ms end = now + ms; now < end;) {
		now = end - now < 200 ? end : now + 200;
		post_yes(EV_ROLE, true);
		views(&mine, 7);
	}
}

static void
a_claim_that_goes_on_for_seconds_is_yielded_to(void **state)
{
	(void)state;
	take();
	for (int i = 0; i < CORE_FOREIGN_MAX - 1; i++) {
		post_yes(EV_CONFLICT, true);
		is(CORE_MASTER, WHY_ALL_YIELDED);
		pass(1000);
	}
	post_yes(EV_CONFLICT, true);
	lets_go(WHY_CONFLICT);
	post_kind(EV_CLEAR);
	is(CORE_FAULT, WHY_CONFLICT);
	assert_int_equal(core->inst[0].claim_id, 0);
}

static void
stray_claims_are_not_yielded_to(void **state)
{
	static const struct {
		int n;
		svip_ms apart;
	} cases[] = { { 100, 9 }, { 2, 1000 }, { 20, 2600 }, { 3, 6000 } };

	(void)state;
	take();
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		for (int i = 0; i < cases[k].n; i++) {
			post_yes(EV_CONFLICT, true);
			is(CORE_MASTER, WHY_ALL_YIELDED);
			pass(cases[k].apart);
		}
		pass(CORE_FOREIGN_WITHIN_MS);
	}
}

static void
claims_are_defended_against_unless_the_configuration_says_to_yield(void **state)
{
	(void)state;
	take();
	for (int i = 0; i < 20; i++) {
		post_yes(EV_CONFLICT, false);
		is(CORE_MASTER, WHY_ALL_YIELDED);
		pass(1000);
	}
}

static void
yield_to_a_foreign_host(void)
{
	take();
	for (int i = 0; i < CORE_FOREIGN_MAX; i++) {
		pass(1000);
		post_yes(EV_CONFLICT, true);
	}
	post_kind(EV_CLEAR);
	is(CORE_FAULT, WHY_CONFLICT);
}

static void
who_has_yielded_comes_back_after_a_long_silence(void **state)
{
	svip_ms last;

	(void)state;
	yield_to_a_foreign_host();
	pass(CORE_CONFLICT_QUIET_MS - 1000);
	is(CORE_FAULT, WHY_CONFLICT);
	post_yes(EV_CONFLICT, true); /* one is enough to go on */
	last = now;
	while (now + 500 < last + CORE_CONFLICT_QUIET_MS) {
		pass(500);
		is(CORE_FAULT, WHY_CONFLICT);
	}
	pass(500);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	post_kind(EV_HELD);
	assert_int_equal(core->inst[0].state, CORE_MASTER);
	post_yes(EV_CONFLICT, true); /* what was before doesn't count any more */
	assert_int_equal(core->inst[0].state, CORE_MASTER);
}

static void
a_configuration_that_says_defend_again_ends_a_yield(void **state)
{
	(void)state;
	yield_to_a_foreign_host();
	post_yes(EV_CONFLICT, false);
	assert_int_equal(count(ACT_HOLD), 1);
}

/* ---- the predecessor's hold ---- */

static void
start_inheriting(uint64_t epoch, svip_ms until)
{
	struct core_conf conf = standard();

	now = 100000;
	memset(peer_sequence, 0, sizeof(peer_sequence));
	core_init(core, &conf, &id, now);
	post_yes(EV_LINK, true);
	post(&(struct core_event){ .kind = EV_INHERIT, .epoch = epoch, .until = until });
}

static void
a_hold_is_inherited_and_goes_on_with_the_views(void **state)
{
	(void)state;
	start_inheriting(7, 100600);
	is(CORE_MASTER, WHY_TAKEN_OVER);
	assert_int_equal(count(ACT_HOLD), 0);
	assert_int_equal(count(ACT_DROP), 0);
	assert_int_equal(count(ACT_POLL), 1);
	now += 20;
	view(0, &mine, 7);
	is(CORE_MASTER, WHY_TAKEN_OVER);
	view(1, &mine, 7);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
	assert_int_equal(last_hold_until(), now + LEASE);
	now = 100700;
	post_kind(EV_TICK);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
}

static void
an_inherited_hold_ends_with_its_lease(void **state)
{
	(void)state;
	start_inheriting(7, 100600);
	now = 100599;
	post_kind(EV_TICK);
	is(CORE_MASTER, WHY_TAKEN_OVER);
	now = 100600;
	post_kind(EV_TICK);
	lets_go(WHY_LEASE_EXPIRED);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_NO_QUORUM);
}

static void
an_inherited_hold_ends_with_the_first_newer_epoch(void **state)
{
	(void)state;
	start_inheriting(7, 100600);
	view(2, &theirs, 8);
	lets_go(WHY_NEWER_EPOCH);
}

static void
an_inherited_hold_does_not_outlive_a_jump(void **state)
{
	(void)state;
	start_inheriting(7, 100600);
	post_kind(EV_JUMP);
	lets_go(WHY_CLOCK_JUMP);
	post_kind(EV_CLEAR);
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

static void
what_no_lease_can_have_given_is_not_inherited(void **state)
{
	(void)state;
	start_inheriting(7, 100000 + LEASE + 1);
	assert_int_equal(count(ACT_DROP), 1);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
	start_inheriting(7, 100000);
	assert_int_equal(count(ACT_DROP), 1);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
}

static void
who_inherits_does_not_yield(void **state)
{
	(void)state;
	start_inheriting(7, 100600);
	claim_from(1, 6, 99);
	assert_int_equal(core->inst[0].yield_id, 0);
	claim_from(1, 8, 100);
	lets_go(WHY_PEER_NEWER);
	assert_int_equal(core->inst[0].yield_id, 0);
	post_kind(EV_CLEAR);
	assert_int_equal(core->inst[0].yield_id, 100);
}

/* ---- nodes whose releases come later than others' ---- */

enum { LATE = 2200, LATE_WAIT = 1021 + LATE };

static void
a_node_not_heard_may_be_a_late_one(void **state)
{
	struct core_conf conf = standard();
	struct heartbeat hb;

	(void)state;
	conf.guard_unheard_ms = LATE;
	start_with(&conf);
	views(&mine, 7);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + LATE_WAIT);
	hb = beat(1);
	hear(&hb);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + LATE_WAIT);
	hb = beat(2);
	hear(&hb);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + WAIT);
	hb = beat(2);
	hb.guard_ms = LATE;
	hear(&hb);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + LATE_WAIT);
}

/* A new process at a peer is echoed before it is established; from then on it may count on being waited for. */
static void
what_a_new_process_says_counts_before_it_is_proved(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	for (int p = 1; p < 3; p++) {
		hb = beat(p);
		hear(&hb);
	}
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + WAIT);
	hb = beat(1);
	hb.incarnation = 3000;
	hb.guard_ms = LATE;
	hb.n_echoes = 0;
	hear(&hb);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + LATE_WAIT);
	hb = beat(1); /* a late one of the old process changes nothing */
	hear(&hb);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + LATE_WAIT);
	now++;
	hb = beat(1);
	hb.incarnation = 3000;
	hear(&hb); /* proved: its own last word counts */
	assert_int_equal(core_free_at(core, 0, 7), now + WAIT);
}

static void
a_late_node_takes_only_when_all_know_it(void **state)
{
	struct core_conf conf = standard();
	struct heartbeat hb;

	(void)state;
	conf.guard_ms = LATE;
	start_with(&conf);
	for (int i = 0; i < 10; i++) {
		now += 300;
		post_yes(EV_ROLE, true);
		views(&mine, 7);
	}
	is(CORE_FAULT, WHY_GUARD_UNKNOWN);
	hb = beat(1);
	hear(&hb);
	hb = beat(2);
	hb.n_echoes = 0; /* heard, but has it heard us? */
	hear(&hb);
	is(CORE_FAULT, WHY_GUARD_UNKNOWN);
	hb = beat(2);
	hear(&hb);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
who_only_watches_cannot_yield_for_others(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	yield_from(1);
	hb = beat(2);
	hb.observe = true;
	hb.instance[0].yield_epoch = 7;
	hb.instance[0].yield_id = core->inst[0].claim_id;
	hear(&hb);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

static void
an_epoch_beyond_all_epochs_is_no_claim(void **state)
{
	(void)state;
	claim_from(1, UINT64_MAX, 99);
	assert_int_equal(core->inst[0].yield_id, 0);
	assert_int_equal(core->inst[0].floor, 0);
}

static void
a_claim_of_another_configuration_is_ignored(void **state)
{
	struct heartbeat hb;

	(void)state;
	take();
	hb = beat(1);
	hb.digest_safety[0] = 1;
	hb.instance[0].claim_epoch = 99;
	hb.instance[0].claim_id = 99;
	hear(&hb);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
a_promise_is_void_after_a_reset_of_the_sentinels(void **state)
{
	svip_ms began;

	(void)state;
	claim_from(1, 50, 99);
	claim_from(1, 0, 0);
	began = now;
	while (now - began <= WAIT) {
		views(&mine, 0);
		assert_int_equal(core->inst[0].floor, 51);
		now += 100;
	}
	views(&mine, 0);
	assert_int_equal(core->inst[0].floor, 0);
}

/* The old master is named at the epoch that it has promised to another. */
static void
a_promise_is_void_after_a_reset_amid_a_failover(void **state)
{
	svip_ms began;

	(void)state;
	views(&theirs, 50);
	claim_from(1, 50, 99);
	claim_from(1, 0, 0);
	assert_int_equal(core->inst[0].floor, 51);
	for (began = now; now - began <= 2 * WAIT; now += 100)
		views(&theirs, 50); /* the one that was promised: for ever */
	assert_int_equal(core->inst[0].floor, 51);
	for (began = now; now - began <= WAIT; now += 100) {
		views(&mine, 50);
		assert_int_equal(core->inst[0].floor, 51);
	}
	views(&mine, 50);
	assert_int_equal(core->inst[0].floor, 0);
}

/* The peer may have taken by the last yield only a moment ago, whatever was promised long before. */
static void
a_promise_is_not_void_while_a_younger_yield_may_be_in_use(void **state)
{
	(void)state;
	claim_from(1, 50, 99);
	claim_from(1, 0, 0);
	for (svip_ms began = now; now - began < WAIT - 100; now += 100)
		views(&mine, 0);
	claim_from(1, 1, 98);
	assert_int_equal(core->inst[0].yield_id, 98);
	claim_from(1, 0, 0);
	for (svip_ms began = now; now - began <= WAIT; now += 100) {
		views(&mine, 0);
		assert_int_equal(core->inst[0].floor, 51);
	}
	views(&mine, 0);
	views(&mine, 0);
	assert_int_equal(core->inst[0].floor, 0);
}

/* ---- peers ---- */

static void
a_recording_of_an_earlier_life_is_refused(void **state)
{
	struct heartbeat old = beat(1), new;

	(void)state;
	old.incarnation = 500;
	hear(&old); /* it lived once, and echoed this process */
	now++;
	new = beat(1);
	hear(&new);
	assert_int_equal(core->peer[1].incarnation, new.incarnation);
	old.sequence = 999;
	old.instance[0].holding = true;
	hear(&old);
	assert_int_equal(core->peer[1].incarnation, new.incarnation);
	assert_false(core->inst[0].peer[1].holding);
}

static void
a_process_counts_only_once_it_has_echoed_this_one(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hb.n_echoes = 0;
	hb.instance[0].claim_epoch = 8;
	hb.instance[0].claim_id = 99;
	hear(&hb);
	assert_int_equal(core->inst[0].yield_id, 0);
	assert_true(count(ACT_SEND) > 0); /* greeted, so that it can */
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_int_equal(hb.n_echoes, 1);
	assert_int_equal(hb.echo[0].incarnation, 2001);
	claim_from(1, 8, 99);
	assert_int_equal(core->inst[0].yield_id, 99);
}

static void
an_old_echo_proves_nothing(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hb.echo[0].sent_us -= 6000000;
	hear(&hb);
	assert_false(core_peer_two_way(core, 1, now));
	hb = beat(1);
	hear(&hb);
	assert_true(core_peer_two_way(core, 1, now));
	assert_int_equal(core->peer[1].rtt_us, 200);
	now += 2000;
	assert_int_equal(core_peer_state(core, 1, now), PEER_SILENT);
}

static void
a_datagram_heard_twice_counts_once(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hear(&hb);
	now += 5000;
	hear(&hb);
	assert_int_equal(core_peer_state(core, 1, now), PEER_SILENT);
}

/* ---- choices ---- */

static void
on_quorum_loss_hold_goes_on_until_contradicted(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.hold_on_quorum_loss = true;
	start_with(&conf);
	take();
	for (int i = 0; i < 20; i++) {
		svip_ms before = core->inst[0].lease_end;

		now = core_deadline(core); /* no later than it asks for, and never after the end */
		assert_true(now < before);
		post_kind(EV_TICK);
		assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
		assert_true(core->inst[0].lease_end > now);
	}
	is(CORE_MASTER, WHY_QUORUM_LOST_HELD);
	view(2, &theirs, 7);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
}

static void
on_quorum_loss_hold_orders_nothing_beyond_the_lease_once_contradicted(void **state)
{
	struct core_conf conf = standard();
	svip_ms end;

	(void)state;
	conf.hold_on_quorum_loss = true;
	start_with(&conf);
	take();
	end = core->inst[0].lease_end;
	now = end - LEASE / 2;
	view_at(2, &mine, 7, true, now); /* sees it down */
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	for (int i = 0; i < 5 && now < end; i++) {
		now = core_deadline(core);
		post_kind(EV_TICK);
		assert_int_equal(count(ACT_HOLD), 0);
	}
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
}

static void
observe_decides_and_touches_nothing(void **state)
{
	struct core_conf conf = standard();
	struct heartbeat hb;

	(void)state;
	conf.observe = true;
	start_with(&conf);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	assert_int_equal(count(ACT_HOLD) + count(ACT_ANNOUNCE), 0);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_false(hb.instance[0].holding);
	now += LEASE;
	post_kind(EV_TICK);
	assert_int_equal(count(ACT_DROP), 0);
	is(CORE_BACKUP, WHY_NO_QUORUM);
}

static void
a_redis_that_is_gone_ends_the_hold_until_it_says_that_it_is_a_master(void **state)
{
	(void)state;
	take();
	post_kind(EV_GONE);
	assert_int_equal(count(ACT_DROP), 0); /* its last word was another one */
	post_yes(EV_ROLE, false);
	assert_int_equal(count(ACT_DROP), 0);
	post_kind(EV_GONE);
	lets_go(WHY_REDIS_GONE);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_REDIS_GONE);
	views(&mine, 7);
	now += 3 * WAIT;
	views(&mine, 7);
	post_yes(EV_ROLE, false);
	is(CORE_BACKUP, WHY_REDIS_GONE);
	assert_int_equal(core->inst[0].claim_id, 0);
	post_yes(EV_ROLE, true);
	assert_int_equal(count(ACT_HOLD), 1);
	post_kind(EV_HELD);
	is(CORE_MASTER, WHY_QUORUM_CONFIRMED);
}

static void
an_instance_that_is_forgotten_lets_go(void **state)
{
	(void)state;
	take();
	post_kind(EV_FORGET);
	lets_go(WHY_STOPPING);
	post_kind(EV_CLEAR);
	core_remove(core, 0);
	assert_int_equal(core->conf.n_instances, 0);
	assert_int_equal(core_add(core, id, now), 0);
	is(CORE_INIT, WHY_STARTING);
}

/* Same events, same bytes; and from anything at all, no hold without a lease. */
static void
random_events_keep_the_invariants(void **state)
{
	struct core *twin = malloc(sizeof(*twin));
	const char *given = getenv("SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : 20261123;

	(void)state;
	assert_non_null(twin);
	print_message("# SEED=%u\n", seed);
	for (int i = 0; i < 200000; i++) {
		struct core_event ev = { .kind =
			                     (enum core_event_kind)(rand_r(&seed) % (EV_STOP)) };
		struct heartbeat hb = beat(1 + rand_r(&seed) % 2);
		const struct instance *in = &core->inst[0];
		bool me = rand_r(&seed) % 2;

		ev.sentinel = rand_r(&seed) % 3;
		ev.peer = 1 + rand_r(&seed) % 2;
		ev.yes = rand_r(&seed) % 4 != 0;
		ev.error = EPERM;
		ev.asked = now - rand_r(&seed) % 300;
		ev.news = (enum sentinel_news)(rand_r(&seed) % 4);
		ev.to = me ? mine : theirs;
		ev.view = (struct view){ .asked = ev.asked,
			.epoch = (uint64_t)(i / 2000 + rand_r(&seed) % 2),
			.master = ev.to,
			.me = me,
			.down = rand_r(&seed) % 8 == 0,
			.valid = true };
		hb.instance[0].claim_epoch = (uint64_t)(i / 2000 + rand_r(&seed) % 2);
		hb.instance[0].claim_id = rand_r(&seed) % 3;
		hb.instance[0].yield_epoch = in->claim_epoch;
		hb.instance[0].yield_id = rand_r(&seed) % 2 ? in->claim_id : 0;
		hb.instance[0].state = CORE_BACKUP;
		hb.digest_safety[0] = rand_r(&seed) % 64 == 0;
		ev.hb = &hb;
		if (ev.kind == EV_FORGET)
			continue;
		if (ev.kind == EV_HELD && in->kernel != KERNEL_ADDING)
			continue;
		if ((ev.kind == EV_CLEAR || ev.kind == EV_STUCK) && in->kernel != KERNEL_REMOVING)
			continue;
		now += rand_r(&seed) % 20;
		memcpy(twin, core, sizeof(*core));
		post(&ev);
		out->n = 0;
		core_step(twin, &ev, now, (uint64_t)now * 1000, out);
		assert_memory_equal(
		    twin, core, offsetof(struct core, inst) + sizeof(core->inst[0]));
		for (int k = 0; k < out->n; k++) {
			if (out->a[k].kind == ACT_HOLD)
				assert_true(
				    out->a[k].until > now && out->a[k].until <= now + LEASE);
		}
		if (in->kernel == KERNEL_HELD || in->kernel == KERNEL_ADDING) {
			uint64_t epoch;

			assert_true(core_lease_end(core, 0, &epoch) > now);
			assert_int_equal(epoch, in->hold_epoch);
			assert_true(in->hold_epoch >= in->floor);
		}
		assert_true(in->state != CORE_MASTER || in->kernel != KERNEL_CLEAR);
		assert_true(core_deadline(core) > now);
	}
	free(twin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_starts_knowing_nothing),
		T(a_minority_is_not_enough),
		T(it_takes_when_everybody_has_yielded),
		T(it_takes_when_older_leases_have_run_out),
		T(a_yield_to_another_claim_does_not_count),
		T(a_yield_counts_only_from_who_echoes_this_process),
		T(a_claim_is_repeated_and_ends_with_its_majority),
		T(redis_can_veto),
		T(a_stale_role_does_not_count),
		T(another_configuration_forbids_taking_even_when_silent_since),
		T(maintenance_keeps_from_taking_and_not_from_holding),
		T(a_refused_address_is_no_master_and_is_tried_again),
		T(the_kernel_has_one_order_at_a_time),
		T(an_order_without_an_answer_ends_at_its_own_time),
		T(an_address_that_comes_after_a_refusal_is_removed),
		T(an_address_confirmed_too_late_is_removed_unannounced),
		T(a_hold_is_renewed_by_later_questions),
		T(a_late_answer_gives_a_short_lease),
		T(a_hold_ends_with_its_lease_before_any_input),
		T(letting_go_is_told_after_the_kernel_has_confirmed),
		T(any_newer_epoch_ends_the_hold),
		T(a_newer_epoch_that_names_this_node_ends_the_hold_too),
		T(a_sentinel_alone_ahead_is_not_followed_for_ever),
		T(an_older_epoch_does_not_disturb),
		T(a_master_seen_down_by_a_majority_is_let_go),
		T(a_word_taken_back_shortens_the_lease),
		T(an_answer_overtaken_by_a_later_question_changes_nothing),
		T(a_link_that_goes_down_is_a_fault_and_comes_back),
		T(a_lost_address_is_put_back_while_the_lease_is_good),
		T(a_kernel_that_keeps_an_address_is_asked_again_and_nobody_is_told_a_lie),
		T(a_jump_ends_everything_and_must_be_earned_anew),
		T(stop_lets_everything_go),
		T(who_holds_nothing_yields_and_promises),
		T(who_has_not_looked_at_its_kernel_does_not_yield),
		T(a_holder_does_not_yield_to_an_older_claim_but_asks),
		T(a_holder_lets_go_for_a_newer_claim_and_then_yields),
		T(a_peer_that_holds_at_a_newer_epoch_ends_the_hold),
		T(a_twin_at_the_same_epoch_is_a_fault_on_both),
		T(who_only_watches_cannot_yield_for_others),
		T(a_claim_that_goes_on_for_seconds_is_yielded_to),
		T(stray_claims_are_not_yielded_to),
		T(claims_are_defended_against_unless_the_configuration_says_to_yield),
		T(who_has_yielded_comes_back_after_a_long_silence),
		T(a_configuration_that_says_defend_again_ends_a_yield),
		T(a_hold_is_inherited_and_goes_on_with_the_views),
		T(an_inherited_hold_ends_with_its_lease),
		T(an_inherited_hold_ends_with_the_first_newer_epoch),
		T(an_inherited_hold_does_not_outlive_a_jump),
		T(what_no_lease_can_have_given_is_not_inherited),
		T(who_inherits_does_not_yield),
		T(a_node_not_heard_may_be_a_late_one),
		T(what_a_new_process_says_counts_before_it_is_proved),
		T(a_late_node_takes_only_when_all_know_it),
		T(an_epoch_beyond_all_epochs_is_no_claim),
		T(a_claim_of_another_configuration_is_ignored),
		T(a_promise_is_void_after_a_reset_of_the_sentinels),
		T(a_promise_is_void_after_a_reset_amid_a_failover),
		T(a_promise_is_not_void_while_a_younger_yield_may_be_in_use),
		T(a_recording_of_an_earlier_life_is_refused),
		T(a_process_counts_only_once_it_has_echoed_this_one),
		T(an_old_echo_proves_nothing),
		T(a_datagram_heard_twice_counts_once),
		T(on_quorum_loss_hold_goes_on_until_contradicted),
		T(on_quorum_loss_hold_orders_nothing_beyond_the_lease_once_contradicted),
		T(observe_decides_and_touches_nothing),
		T(a_redis_that_is_gone_ends_the_hold_until_it_says_that_it_is_a_master),
		T(an_instance_that_is_forgotten_lets_go),
		T(random_events_keep_the_invariants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
