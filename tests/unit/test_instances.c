/* SPDX-License-Identifier: BSD-2-Clause */
/* Several instances in one core, and the questions that status asks. */
#include "core_fixture.h"

enum { N = 3 };

static const uint64_t ids[N] = { 71, 72, 73 };

/* The same Sentinels and peers for all of them; each has its own link, role and addresses. */
static void
start_three(void)
{
	struct core_conf conf = standard();

	conf.n_instances = N;
	now = 100000;
	memset(peer_sequence, 0, sizeof(peer_sequence));
	core_init(core, &conf, ids, now);
	for (int i = 0; i < N; i++) {
		post(&(struct core_event){ .kind = EV_LINK, .instance = i, .yes = true });
		post(&(struct core_event){ .kind = EV_CLEAR, .instance = i });
		post(&(struct core_event){
		    .kind = EV_ROLE, .instance = i, .yes = true, .asked = now });
	}
}

static void
name(int i, uint64_t epoch)
{
	for (int s = 0; s < 3; s++)
		post(&(struct core_event){ .kind = EV_VIEW,
		    .instance = i,
		    .sentinel = s,
		    .view = { .asked = now, .epoch = epoch, .master = mine, .me = true } });
}

static void
take_one(int i, uint64_t epoch)
{
	name(i, epoch);
	for (int p = 1; p < 3; p++) {
		struct heartbeat hb = beat(p);

		hb.instance[0].id = core->inst[i].id;
		hb.instance[0].yield_epoch = core->inst[i].claim_epoch;
		hb.instance[0].yield_id = core->inst[i].claim_id;
		hear(&hb);
	}
	post(&(struct core_event){ .kind = EV_HELD, .instance = i });
	assert_int_equal(core->inst[i].state, CORE_MASTER);
}

static void
each_instance_has_its_own_time_and_the_earliest_is_the_deadline(void **state)
{
	svip_ms first;

	(void)state;
	start_three();
	take_one(1, 7);
	first = now;
	now += 300;
	take_one(0, 8);
	assert_true(core_deadline(core) <= first + LEASE);
	now = first + LEASE;
	post_kind(EV_TICK);
	assert_int_equal(core->inst[1].kernel, KERNEL_REMOVING);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	assert_int_equal(core->inst[2].kernel, KERNEL_CLEAR);
	for (int k = 0; k < out->n; k++)
		assert_true(out->a[k].kind != ACT_DROP || out->a[k].instance == 1);
	assert_true(core_deadline(core) <= first + 300 + LEASE);
}

static void
a_newer_epoch_of_one_instance_does_not_disturb_another(void **state)
{
	(void)state;
	start_three();
	take_one(0, 7);
	take_one(1, 7);
	name(1, 8);
	assert_int_equal(core->inst[0].kernel, KERNEL_HELD);
	assert_int_equal(core->inst[1].kernel, KERNEL_REMOVING);
}

static void
the_last_instance_takes_the_place_of_one_that_is_removed(void **state)
{
	(void)state;
	start_three();
	take_one(2, 7);
	post(&(struct core_event){ .kind = EV_FORGET, .instance = 0 });
	core_remove(core, 0);
	assert_int_equal(core->conf.n_instances, 2);
	assert_int_equal(core->inst[0].id, ids[2]);
	assert_int_equal(core->inst[0].state, CORE_MASTER);
	assert_int_equal(core->inst[1].id, ids[1]);
	now += LEASE; /* its lease goes on where it stands now */
	post_kind(EV_TICK);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);

	post(&(struct core_event){ .kind = EV_FORGET, .instance = 1 });
	core_remove(core, 1); /* the last one itself */
	assert_int_equal(core->conf.n_instances, 1);
	assert_int_equal(core->inst[0].id, ids[2]);
}

static void
an_instance_that_is_added_begins_anew_and_is_looked_at_now(void **state)
{
	(void)state;
	start_three();
	assert_int_equal(core_add(core, 99, now), N);
	assert_int_equal(core_deadline(core), now);
	assert_int_equal(core->inst[N].id, 99);
	assert_int_equal(core->inst[N].kernel, KERNEL_UNKNOWN);
	assert_int_equal(core->inst[N].state, CORE_INIT);
	claim_from(1, 8, 5); /* of another instance */
	assert_int_equal(core->inst[N].yield_id, 0);
}

/* ---- questions ---- */

static void
confirmations_are_counted_at_the_epoch_that_most_confirm(void **state)
{
	static const struct {
		struct {
			bool me, down;
			uint64_t epoch;
			svip_ms age;
		} v[5];
		int count;
		uint64_t epoch;
	} cases[] = {
		{ { { 0 } }, 0, 0 },
		{ { { 1, 0, 7, 0 } }, 1, 7 },
		{ { { 1, 0, 7, 0 }, { 1, 0, 8, 0 }, { 1, 0, 8, 0 } }, 2, 8 },
		{ { { 1, 0, 8, 0 }, { 1, 0, 8, 0 }, { 1, 0, 9, 0 } }, 2, 8 },
		{ { { 1, 0, 7, 0 }, { 1, 1, 7, 0 }, { 0, 0, 7, 0 } }, 1, 7 },
		{ { { 1, 0, 7, 0 }, { 1, 0, 7, LEASE - 1 }, { 1, 0, 7, LEASE } }, 2, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		uint64_t epoch = 99;

		conf.n_sentinels = 5;
		start_with(&conf);
		assert_int_equal(core_majority(core), 3);
		for (int s = 0; s < 5; s++) {
			if (cases[i].v[s].epoch != 0)
				view_at(s, cases[i].v[s].me ? &mine : &theirs, cases[i].v[s].epoch,
				    cases[i].v[s].down, now - cases[i].v[s].age);
		}
		assert_int_equal(core_confirmations(core, 0, now, &epoch), cases[i].count);
		assert_int_equal(epoch, cases[i].epoch);
	}
}

static void
what_was_asked_before_a_jump_does_not_count(void **state)
{
	uint64_t epoch;

	(void)state;
	views(&mine, 7);
	assert_int_equal(core_confirmations(core, 0, now, &epoch), 3);
	assert_int_equal(core_sentinels_fresh(core, 0, now), 3);
	assert_int_equal(core_lease_end(core, 0, &epoch), now + LEASE);
	post_kind(EV_JUMP);
	assert_int_equal(core_confirmations(core, 0, now, &epoch), 0);
	assert_int_equal(core_sentinels_fresh(core, 0, now), 0);
	assert_int_equal(core_lease_end(core, 0, &epoch), SVIP_LONG_AGO);
	assert_int_equal(epoch, 0);
	now += 1;
	view(1, &mine, 7);
	assert_int_equal(core_confirmations(core, 0, now, &epoch), 1);
	assert_int_equal(core_sentinels_fresh(core, 0, now), 1);
}

static void
the_holder_is_this_node_or_a_living_peer_that_says_so(void **state)
{
	struct core_conf conf = standard();
	struct heartbeat hb;

	(void)state;
	assert_int_equal(core_holder(core, 0, now), -1);
	hb = beat(1);
	hear(&hb);
	assert_int_equal(core_holder(core, 0, now), -1);
	hb = beat(2);
	hb.instance[0].holding = true;
	hb.instance[0].hold_epoch = 7;
	hear(&hb);
	assert_int_equal(core_holder(core, 0, now), 2);
	assert_int_equal(core_holder(core, 0, now + 1501), -1);

	start_with(&conf);
	take();
	assert_int_equal(core_holder(core, 0, now), 0);

	conf.observe = true; /* it would hold: that isn't holding */
	start_with(&conf);
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	is(CORE_MASTER, WHY_ALL_YIELDED);
	assert_int_equal(core_holder(core, 0, now), -1);
}

static void
every_state_and_every_reason_has_its_own_word(void **state)
{
	(void)state;
	for (int a = CORE_INIT; a <= CORE_FAULT; a++) {
		for (int b = CORE_INIT; b < a; b++)
			assert_string_not_equal(core_state_word((enum core_state)a),
			    core_state_word((enum core_state)b));
	}
	for (int a = 0; a < WHY_REASONS; a++) {
		const char *word = core_reason_word((enum core_reason)a);

		assert_non_null(word);
		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(word, core_reason_word((enum core_reason)b));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_instance_has_its_own_time_and_the_earliest_is_the_deadline),
		T(a_newer_epoch_of_one_instance_does_not_disturb_another),
		T(the_last_instance_takes_the_place_of_one_that_is_removed),
		T(an_instance_that_is_added_begins_anew_and_is_looked_at_now),
		T(confirmations_are_counted_at_the_epoch_that_most_confirm),
		T(what_was_asked_before_a_jump_does_not_count),
		T(the_holder_is_this_node_or_a_living_peer_that_says_so),
		T(every_state_and_every_reason_has_its_own_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
