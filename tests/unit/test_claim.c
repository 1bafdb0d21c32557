/* SPDX-License-Identifier: BSD-2-Clause */
/* Claims and yields one by one: which claim is answered, which yield counts, whose hold is a twin's. */
#include "core_fixture.h"

#include "core/claim.h"

enum { NONE = 0 };

/* What a peer's heartbeat may say of one instance. */
static void
say(int p, uint64_t hold_epoch, uint64_t claim_epoch, uint64_t claim)
{
	struct heartbeat hb = beat(p);

	hb.instance[0].holding = hold_epoch != NONE;
	hb.instance[0].hold_epoch = hold_epoch;
	hb.instance[0].claim_epoch = claim_epoch;
	hb.instance[0].claim_id = claim;
	hear(&hb);
}

static void
nothing_is_granted_without_a_claim(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.n_nodes = 1; /* nobody else: any claim is granted at once */
	start_with(&conf);
	assert_false(claim_granted(core, &core->inst[0]));
	post_yes(EV_ROLE, false);
	views(&mine, 7);
	assert_true(claim_granted(core, &core->inst[0]));
}

/* Id 0 means "no claim" in heartbeats. */
static void
a_claims_id_is_never_zero(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.seed = -0x9e3779b97f4a7c15u; /* the generator's next number is 0 */
	start_with(&conf);
	views(&mine, 7);
	assert_int_equal(core->inst[0].claim_epoch, 7);
	assert_int_equal(core->inst[0].claim_id, 1);
}

static void
at_another_epoch_the_claim_is_another(void **state)
{
	struct core_conf conf = standard();
	uint64_t first;

	(void)state;
	conf.n_sentinels = 1;
	start_with(&conf);
	view(0, &mine, 7);
	first = core->inst[0].claim_id;
	yield_from(1);
	view(0, &mine, 8);
	assert_int_equal(core->inst[0].claim_epoch, 8);
	assert_int_not_equal(core->inst[0].claim_id, first);
	assert_int_equal(core->inst[0].yields, 0);
	assert_int_equal(count(ACT_SEND), 1);
	yield_from(2);
	assert_int_equal(
	    core->inst[0].kernel, KERNEL_CLEAR); /* the first node's yield was to the other claim */
	yield_from(1);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
}

static void
a_yield_names_its_claim_by_id_and_epoch(void **state)
{
	static const struct {
		int epoch, id; /* more than the claim's */
		bool counts;
	} cases[] = { { 0, 1, false }, { 1, 0, false }, { -1, 0, false }, { 1, 1, false },
		{ 0, 0, true } };

	(void)state;
	views(&mine, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heartbeat hb = beat(2);

		hb.instance[0].yield_epoch = core->inst[0].claim_epoch + (uint64_t)cases[i].epoch;
		hb.instance[0].yield_id = core->inst[0].claim_id + (uint64_t)cases[i].id;
		hear(&hb);
		assert_int_equal(core->inst[0].yields, cases[i].counts ? 1u << 2 : 0);
	}
}

static void
who_yields_ends_its_own_claim_of_an_older_epoch_only(void **state)
{
	static const struct {
		uint64_t own, theirs;
		bool stays;
	} cases[] = { { 7, 8, false }, { 7, 7, false }, { 9, 8, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();

		start_with(&conf);
		post_yes(EV_ROLE, false); /* claims, and can't take yet */
		views(&mine, cases[i].own);
		assert_int_equal(core->inst[0].claim_epoch, cases[i].own);
		claim_from(1, cases[i].theirs, 99);
		assert_int_equal(core->inst[0].yield_id, 99);
		assert_int_equal(core->inst[0].floor, cases[i].theirs + 1);
		assert_int_equal(core->inst[0].claim_epoch, cases[i].stays ? cases[i].own : 0);
	}
}

/* A promise is never made smaller by a claim at an older epoch. */
static void
the_highest_claim_is_answered_and_the_promise_stays(void **state)
{
	(void)state;
	claim_from(1, 8, 99);
	claim_from(2, 5, 50);
	assert_int_equal(core->inst[0].yield_id, 99);
	claim_from(2, 9, 51);
	assert_int_equal(core->inst[0].yield_id, 51);
	assert_int_equal(core->inst[0].floor, 10);
	claim_from(2, 0, 0);
	assert_int_equal(core->inst[0].yield_id, 99);
	assert_int_equal(core->inst[0].floor, 10);
}

static void
a_twin_is_alive_and_holds_at_this_very_epoch(void **state)
{
	static const struct {
		uint64_t epoch;
		svip_ms silent;
		bool twin;
	} cases[] = { { 7, 0, true }, { 6, 0, false }, { 8, 0, false }, { 7, 1500, true },
		{ 7, 1501, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();

		start_with(&conf);
		say(1, cases[i].epoch, NONE, 0);
		assert_int_equal(
		    claim_twin(core, &core->inst[0], now + cases[i].silent, 7), cases[i].twin);
	}
}

static void
the_highest_epoch_seen_counts_whoever_shows_it(void **state)
{
	static const struct {
		uint64_t hold[2], claim[2]; /* of the two peers */
		uint64_t epoch;             /* NONE: nobody holds or claims */
	} cases[] = {
		{ { NONE, NONE }, { NONE, NONE }, NONE },
		{ { 7, NONE }, { NONE, NONE }, 7 },
		{ { NONE, 7 }, { NONE, NONE }, 7 },
		{ { 9, 8 }, { NONE, NONE }, 9 },
		{ { 8, 9 }, { NONE, NONE }, 9 },
		{ { NONE, NONE }, { 9, 8 }, 9 },
		{ { NONE, NONE }, { 8, 9 }, 9 },
		{ { 9, NONE }, { NONE, 8 }, 9 },
		{ { 8, NONE }, { NONE, 9 }, 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		uint64_t epoch;

		start_with(&conf);
		for (int p = 0; p < 2; p++)
			say(p + 1, cases[i].hold[p], cases[i].claim[p],
			    cases[i].claim[p] != NONE ? 99 : 0);
		assert_int_equal(
		    claim_seen(core, &core->inst[0], now, &epoch), cases[i].epoch != NONE);
		assert_int_equal(epoch, cases[i].epoch);
		assert_false(claim_seen(core, &core->inst[0], now + 60000, &epoch));
	}
}

static void
who_is_named_below_the_epoch_of_a_peers_hold_waits(void **state)
{
	(void)state;
	say(1, 8, NONE, 0);
	views(&mine, 7);
	is(CORE_BACKUP, WHY_PEER_NEWER);
	assert_int_equal(core->inst[0].claim_id, 0);
	say(1, NONE, NONE, 0);
	is(CORE_WAITING, WHY_LEASE_RUNS);
}

/* Its neighbours' caches may still point to the one that has let go. */
static void
a_holder_announces_again_when_a_peer_has_let_go(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	take();
	say(1, 6, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 0);
	say(1, 6, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 0);
	say(1, NONE, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 1);
	say(1, NONE, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 0);

	start_with(&conf); /* holds nothing: nothing to announce */
	say(1, 6, NONE, 0);
	say(1, NONE, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 0);

	conf.observe = true; /* would hold, and touches nothing */
	start_with(&conf);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	say(1, 6, NONE, 0);
	say(1, NONE, NONE, 0);
	assert_int_equal(count(ACT_ANNOUNCE), 0);
}

/* Among nodes that all only watch, what would be decided is shown as it would be. */
static void
who_watches_takes_the_yield_of_another_watcher(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	conf.observe = true;
	start_with(&conf);
	views(&mine, 7);
	for (int p = 1; p < 3; p++) {
		struct heartbeat hb = beat(p);

		hb.observe = true;
		hb.instance[0].yield_epoch = core->inst[0].claim_epoch;
		hb.instance[0].yield_id = core->inst[0].claim_id;
		hear(&hb);
	}
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static void
a_yield_without_a_fresh_echo_does_not_count(void **state)
{
	struct heartbeat hb;

	(void)state;
	views(&mine, 7);
	yield_from(1);
	hb = beat(2);
	hear(&hb);
	hb = beat(2); /* it is established, but this one echoes an old heartbeat */
	hb.echo[0].sent_us -= 6000000;
	hb.instance[0].yield_epoch = core->inst[0].claim_epoch;
	hb.instance[0].yield_id = core->inst[0].claim_id;
	hear(&hb);
	assert_int_equal(core->inst[0].yields, 1u << 1);
	assert_int_equal(core->inst[0].kernel, KERNEL_CLEAR);
}

static void
words_about_an_unknown_instance_or_an_impossible_epoch_are_skipped(void **state)
{
	static const struct {
		uint64_t id, claim_epoch, hold_epoch;
		bool heard;
	} cases[] = {
		{ 78, 8, 8, false },
		{ 77, INT64_MAX, 8, false },
		{ 77, 8, INT64_MAX, false },
		{ 77, INT64_MAX - 1, INT64_MAX - 1, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		struct heartbeat hb;

		start_with(&conf);
		hb = beat(1);
		hb.instance[0].id = cases[i].id;
		hb.instance[0].holding = true;
		hb.instance[0].hold_epoch = cases[i].hold_epoch;
		hb.instance[0].claim_epoch = cases[i].claim_epoch;
		hb.instance[0].claim_id = 99;
		hear(&hb);
		assert_int_equal(core->inst[0].peer[1].known, cases[i].heard);
		assert_int_equal(core->inst[0].yield_id, cases[i].heard ? 99 : 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_granted_without_a_claim),
		T(a_claims_id_is_never_zero),
		T(at_another_epoch_the_claim_is_another),
		T(a_yield_names_its_claim_by_id_and_epoch),
		T(who_yields_ends_its_own_claim_of_an_older_epoch_only),
		T(the_highest_claim_is_answered_and_the_promise_stays),
		T(a_twin_is_alive_and_holds_at_this_very_epoch),
		T(the_highest_epoch_seen_counts_whoever_shows_it),
		T(who_is_named_below_the_epoch_of_a_peers_hold_waits),
		T(a_holder_announces_again_when_a_peer_has_let_go),
		T(who_watches_takes_the_yield_of_another_watcher),
		T(a_yield_without_a_fresh_echo_does_not_count),
		T(words_about_an_unknown_instance_or_an_impossible_epoch_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
