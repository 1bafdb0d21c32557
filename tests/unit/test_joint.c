/* SPDX-License-Identifier: BSD-2-Clause */
/* From one configuration to the next: who may hold meanwhile, by which majorities, and when the old one is left. */
#include "core_fixture.h"

#include <svip/core.h>

#include "core/joint.h"
#include "core/peer.h"

/* The next one: Sentinels 2, 3 and 4 of 0 to 4, nodes 0, 1 and 3 of 0 to 3. */
static struct core_next
next(void)
{
	struct core_next n = { .lease_ms = LEASE,
		.guard_ms = GUARD,
		.guard_least_ms = GUARD,
		.guard_unheard_ms = GUARD,
		.drift_ppm = 10000,
		.serial = 1,
		.n_sentinels = 5,
		.sentinels = 0x1c,
		.n_nodes = 4,
		.nodes = 0xb,
		.digest_safety = { 9 } };

	n.node[3][15] = 14;
	return n;
}

static void
change(const struct core_next *n)
{
	out->n = 0;
	core_change(core, n, now, out);
}

enum stage { OLD, JOINT, NEW, LATER };

static void
says(int p, enum stage stage)
{
	struct heartbeat hb = beat(p);

	hb.joint = stage == JOINT || stage == LATER;
	hb.serial = stage >= NEW;
	if (stage >= NEW)
		hb.digest_safety[0] = 9;
	if (hb.joint)
		hb.digest_next[0] = stage == JOINT ? 9 : 77;
	hear(&hb);
}

static void
settle(void)
{
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	now = core_change_at(core);
	out->n = 0;
	core_settle(core, now, out);
	post_kind(EV_TICK);
}

static void
a_majority_of_both_lists_is_needed(void **state)
{
	struct core_next n = next();
	uint64_t epoch;

	(void)state;
	change(&n);
	assert_int_equal(core_majority(core), 2);
	view(0, &mine, 7);
	view(1, &mine, 7);
	assert_int_equal(core_lease_end(core, 0, &epoch), SVIP_LONG_AGO);
	assert_int_equal(core_free_at(core, 0, 7), SVIP_NEVER);
	is(CORE_INIT, WHY_STARTING);
	view(3, &mine, 8);
	view(4, &mine, 8);
	assert_int_equal(core_lease_end(core, 0, &epoch), SVIP_LONG_AGO);
	is(CORE_BACKUP, WHY_MASTER_DOWN);
	view_at(4, &mine, 7, false, now - 5);
	view(3, &mine, 7);
	assert_int_equal(core_lease_end(core, 0, &epoch), SVIP_LONG_AGO); /* one shows epoch 8 */
	view_at(4, &mine, 8, false, now);
	now += 10;
	for (int s = 0; s < 5; s++)
		view_at(s, &mine, 8, false, now - s);
	assert_int_equal(core_lease_end(core, 0, &epoch), now - 3 + LEASE); /* of 2, 3 and 4 */
	assert_int_equal(epoch, 8);
	is(CORE_WAITING, WHY_LEASE_RUNS);
}

static void
older_leases_are_waited_for_by_both_lists(void **state)
{
	struct core_next n = next();

	(void)state;
	change(&n);
	views(&mine, 7);
	now += 100;
	view(3, &mine, 7);
	view(4, &mine, 7);
	assert_int_equal(core_free_at(core, 0, 7), now + 1 + WAIT);
}

static void
a_sentinel_is_seen_down_by_either_list(void **state)
{
	struct core_next n = next();

	(void)state;
	n.nodes = 0xf;
	change(&n);
	for (int s = 0; s < 5; s++)
		view(s, &mine, 7);
	now += WAIT + 1;
	for (int s = 0; s < 5; s++)
		view(s, &mine, 7);
	post_yes(EV_ROLE, true);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	post_kind(EV_HELD);
	now += 10;
	view_at(3, &mine, 7, true, now);
	view_at(4, &mine, 7, true, now);
	lets_go(WHY_MASTER_DOWN);
}

static void
the_smaller_lease_is_held_and_the_larger_one_waited_for(void **state)
{
	struct core_next n = next();
	struct heartbeat hb;

	(void)state;
	n.lease_ms = 3 * LEASE;
	n.drift_ppm = 20000;
	n.guard_ms = n.guard_unheard_ms = 2200;
	change(&n);
	assert_int_equal(core->conf.lease_ms, LEASE);
	assert_int_equal(core->conf.guard_ms, GUARD);
	assert_int_equal(core->conf.drift_ppm, 20000);
	assert_int_equal(peer_lease_max(core), 3 * LEASE);
	assert_int_equal(peer_guard_max(core), 2200);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_true(hb.joint && hb.digest_next[0] == 9 && hb.digest_safety[0] == 0);
	assert_int_equal(hb.lease_ms, LEASE);
	assert_int_equal(hb.guard_ms, 2200);
	for (int p = 1; p <= 3; p++)
		says(p, OLD);
	assert_int_equal(peer_guard_max(core), 2200); /* it may be new since */
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	assert_int_equal(peer_guard_max(core), GUARD);
	settle();
	assert_int_equal(core->conf.lease_ms, 3 * LEASE);
	assert_int_equal(core->conf.guard_ms, 2200);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_true(!hb.joint && hb.digest_safety[0] == 9 && hb.serial == 1);
}

static void
a_shorter_lease_ends_a_hold_sooner(void **state)
{
	struct core_next n = next();

	(void)state;
	take();
	n.lease_ms = LEASE / 2;
	n.drift_ppm = 100;
	change(&n);
	assert_int_equal(core->conf.drift_ppm, 10000);
	assert_int_equal(count(ACT_POLL), 1);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	now += LEASE / 2 - 1;
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	now++;
	post_kind(EV_TICK);
	lets_go(WHY_LEASE_EXPIRED); /* the new Sentinels haven't been heard */
}

static void
a_hold_that_both_lists_confirm_goes_on(void **state)
{
	struct core_next n = next();

	(void)state;
	n.sentinels = 0x6; /* 1 and 2 */
	n.n_sentinels = 3;
	take();
	now += 10;
	views(&mine, 7);
	change(&n);
	assert_int_equal(core->inst[0].inherited, now + LEASE);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	while (now < core_change_at(core)) {
		now += 100;
		views(&mine, 7);
	}
	out->n = 0;
	core->inst[0].writes_for = 2;
	core_settle(core, now, out);
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	assert_int_equal(core->conf.n_sentinels, 2);
	assert_int_equal(core->inst[0].writes_for, 1);
	assert_int_equal(core->conf.n_nodes, 3);
	assert_int_equal(core->conf.node[2][15], 14);
	assert_int_equal(core->peer[2].incarnation, 2003);
	assert_int_equal(core_change_at(core), SVIP_NEVER);
	says(3, NEW);
	assert_int_equal(core->peer[2].config, CONFIG_SAME);
}

static void
a_claim_ends_with_the_configuration_it_was_made_in(void **state)
{
	struct core_next n = next();

	(void)state;
	n.sentinels = 0x7;
	n.n_sentinels = 3;
	views(&mine, 7);
	yield_from(1);
	change(&n);
	yield_from(2); /* to the claim of before, if it were the same */
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
	assert_false(core->inst[0].yields >> 1 & 1);
	yield_from(1);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
	yield_from(3); /* who joins is asked, too */
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
who_is_removed_lets_go_and_stays(void **state)
{
	struct core_next n = next();

	(void)state;
	n.nodes = 0xe;
	n.n_sentinels = 3;
	n.sentinels = 0x7;
	take();
	change(&n);
	lets_go(WHY_NOT_MEMBER);
	post_kind(EV_CLEAR);
	is(CORE_BACKUP, WHY_NOT_MEMBER);
	for (int p = 1; p <= 3; p++)
		says(p, NEW);
	assert_int_equal(core_change_at(core), SVIP_NEVER);
}

static void
who_joins_takes_nothing_before_it_is_new(void **state)
{
	struct core_conf conf = standard();
	struct core_next n = next();

	(void)state;
	conf.n_nodes = 4;
	conf.self = 3;
	conf.joining = true;
	conf.node[3][15] = 11;
	for (int i = 0; i < 3; i++)
		conf.node[i][15] = (uint8_t)(12 + i);
	start_with(&conf);
	n.nodes = 0x9;
	n.sentinels = 0x7;
	n.n_sentinels = 3;
	change(&n);
	views(&mine, 7);
	is(CORE_BACKUP, WHY_NOT_MEMBER);
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	now = core_change_at(core);
	core_settle(core, now, out);
	post_kind(EV_TICK);
	is(CORE_BACKUP, WHY_NO_QUORUM);
	assert_int_equal(core->conf.self, 1);
	assert_int_equal(core->conf.n_nodes, 2);
	now++;
	post_yes(EV_ROLE, true);
	views(&mine, 7); /* named for long */
	is(CORE_BACKUP, WHY_TAKING);
}

static void
nobody_is_new_before_all_have_left_the_old_one(void **state)
{
	struct core_next n = next();
	svip_ms last;

	(void)state;
	says(1, JOINT); /* heard before this one's own change */
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	now += 10;
	change(&n);
	assert_int_equal(core->peer[1].config, CONFIG_SAME);
	says(2, OLD);
	assert_int_equal(core->peer[2].config, CONFIG_DIFFERS);
	says(3, NEW);
	assert_int_equal(core->peer[3].config, CONFIG_DIFFERS);
	assert_int_equal(core_change_at(core), SVIP_NEVER);
	now += 10;
	last = now;
	says(2, JOINT);
	now += 10;
	says(2, NEW);
	says(1, LATER);
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	assert_int_equal(core_change_at(core), last + WAIT);
}

static void
an_older_one_of_the_same_content_is_not_the_next(void **state)
{
	struct core_conf conf = standard();
	struct core_next n = next();
	struct heartbeat hb;

	(void)state;
	conf.serial = 5;
	start_with(&conf);
	n.serial = 6;
	change(&n);
	hb = beat(1);
	hb.digest_safety[0] = 9;
	hb.serial = 4;
	hear(&hb);
	assert_int_equal(core->peer[1].joined, SVIP_NEVER);
	hb = beat(1);
	hb.joint = true;
	hb.digest_next[0] = 8; /* to another one */
	hear(&hb);
	assert_int_equal(core->peer[1].joined, SVIP_NEVER);
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	hb = beat(1);
	hb.digest_safety[0] = 9;
	hb.serial = 6;
	hear(&hb);
	assert_int_equal(core->peer[1].joined, now);
}

static void
old_and_new_do_not_go_together(void **state)
{
	struct core_next n = next();
	struct heartbeat hb;

	(void)state;
	says(1, NEW);
	assert_int_equal(core->peer[1].config, CONFIG_UNSAFE);
	says(1, LATER);
	assert_int_equal(core->peer[1].config, CONFIG_UNSAFE);
	says(1, JOINT);
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	hb = beat(1); /* joint, and this node's is the next one there */
	hb.joint = true;
	hb.digest_safety[0] = 5;
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	change(&n);
	hb = beat(1);
	hb.joint = true;
	hb.digest_safety[0] = 5;
	hb.digest_next[0] = 9;
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	hb = beat(1);
	hb.joint = true;
	hb.digest_safety[0] = 5;
	hb.digest_next[0] = 6;
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_UNSAFE);
	hb = beat(1);
	hb.digest_safety[0] = 5;
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_UNSAFE);
}

static void
who_is_absent_is_not_waited_for_but_its_lease_is(void **state)
{
	struct core_next n = next();

	(void)state;
	change(&n);
	says(1, JOINT);
	says(3, JOINT);
	assert_int_equal(core_change_at(core), SVIP_NEVER);
	now += 500;
	core_absent(core, 1u << 2, now);
	assert_int_equal(core_change_at(core), now + WAIT);
}

static void
who_settles_needs_newer_words_to_take(void **state)
{
	struct core_next n = next();

	(void)state;
	change(&n);
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	now = core_change_at(core);
	for (int s = 2; s < 5; s++)
		view(s, &mine, 7);
	core->inst[0].writes_for = 0;
	out->n = 0;
	core_settle(core, now, out);
	post_yes(EV_ROLE, true);
	is(CORE_BACKUP, WHY_NO_QUORUM);
	assert_int_equal(core->inst[0].writes_for, -1); /* it is another one now */
	assert_int_equal(core->conf.n_sentinels, 3);
	assert_false(core->inst[0].view[3].valid);
	now += 1;
	views(&mine, 7);
	is(CORE_WAITING, WHY_LEASE_RUNS);
}

static void
what_has_ended_ends_before_the_next_one_is_in_force(void **state)
{
	struct core_next n = next();

	(void)state;
	n.sentinels = 0x6;
	n.n_sentinels = 3;
	take();
	change(&n);
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	core_absent(core, 0, now - WAIT);
	core->peer[1].joined = core->peer[2].joined = core->peer[3].joined = now - WAIT;
	now += LEASE;
	out->n = 0;
	core_settle(core, now, out); /* no tick has come before */
	lets_go(WHY_LEASE_EXPIRED);
}

static void
an_order_under_way_goes_on(void **state)
{
	struct core_next n = next();

	(void)state;
	n.sentinels = 0x6;
	n.n_sentinels = 3;
	change(&n);
	for (int p = 1; p <= 3; p++)
		says(p, JOINT);
	views(&mine, 7);
	now = core_change_at(core) + 1;
	post_yes(EV_ROLE, true);
	views(&mine, 7);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	out->n = 0;
	core_settle(core, now, out);
	post_kind(EV_HELD);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_majority_of_both_lists_is_needed),
		T(older_leases_are_waited_for_by_both_lists),
		T(a_sentinel_is_seen_down_by_either_list),
		T(the_smaller_lease_is_held_and_the_larger_one_waited_for),
		T(a_shorter_lease_ends_a_hold_sooner),
		T(a_hold_that_both_lists_confirm_goes_on),
		T(a_claim_ends_with_the_configuration_it_was_made_in),
		T(who_is_removed_lets_go_and_stays),
		T(who_joins_takes_nothing_before_it_is_new),
		T(nobody_is_new_before_all_have_left_the_old_one),
		T(an_older_one_of_the_same_content_is_not_the_next),
		T(old_and_new_do_not_go_together),
		T(who_is_absent_is_not_waited_for_but_its_lease_is),
		T(who_settles_needs_newer_words_to_take),
		T(an_order_under_way_goes_on),
		T(what_has_ended_ends_before_the_next_one_is_in_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
