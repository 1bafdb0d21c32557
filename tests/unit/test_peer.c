/* SPDX-License-Identifier: BSD-2-Clause */
/* Heartbeats of peers: which process is believed, what an echo proves, what is said in turn. */
#include "core_fixture.h"

#include "core/peer.h"

/* ---- who is believed ---- */

static void
datagrams_of_no_other_node_are_refused(void **state)
{
	struct heartbeat hb;

	(void)state;
	hb = beat(1);
	hb.node[15] = 99; /* in no configuration */
	hear(&hb);
	hb = beat(1);
	hb.node[15] = 11; /* this node's own */
	hear(&hb);
	hb = beat(1);
	hb.incarnation = core->conf.incarnation; /* this process under another's name */
	hear(&hb);
	for (int p = 0; p < 3; p++)
		assert_int_equal(core_peer_state(core, p, now), PEER_SILENT);
	assert_int_equal(out->n, 0);
}

static void
an_echo_proves_something_only_if_it_is_fresh_and_of_this_process(void **state)
{
	static const struct {
		const char *what;
		uint64_t incarnation;
		uint8_t node;
		int64_t age_us; /* of what is echoed */
		uint32_t held_us;
		bool proves;
	} cases[] = {
		{ "fresh", 1000, 11, 300, 100, true },
		{ "just fresh enough", 1000, 11, 5000000, 100, true },
		{ "too old", 1000, 11, 5000001, 100, false },
		{ "from the future", 1000, 11, -1, 0, false },
		{ "held for longer than can be told", 1000, 11, 300, UINT32_MAX, false },
		{ "of this host's process before", 999, 11, 300, 100, false },
		{ "of another node", 1000, 13, 300, 100, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		struct heartbeat hb;

		print_message("# %s\n", cases[i].what);
		start_with(&conf);
		hb = beat(1);
		hb.echo[0].incarnation = cases[i].incarnation;
		hb.echo[0].node[15] = cases[i].node;
		hb.echo[0].sent_us = (uint64_t)(now * 1000 - cases[i].age_us);
		hb.echo[0].held_us = cases[i].held_us;
		hear(&hb);
		assert_int_equal(core->peer[1].incarnation, cases[i].proves ? hb.incarnation : 0);
		assert_int_equal(core_peer_two_way(core, 1, now), cases[i].proves);
	}
}

static void
the_way_there_and_back_is_measured_unless_the_echo_contradicts_itself(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hear(&hb);
	assert_int_equal(core->peer[1].rtt_us, 200);
	hb = beat(1);
	hb.echo[0].held_us = 301; /* held for longer than it is old */
	hear(&hb);
	assert_int_equal(core->peer[1].rtt_us, 200);
	assert_true(core_peer_two_way(core, 1, now));
}

static void
who_hears_no_answer_is_alive_and_one_way(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hear(&hb);
	for (int i = 0; i < 8; i++) {
		now += 500;
		hb = beat(1);
		hb.n_echoes = 0;
		hear(&hb);
	}
	assert_int_equal(core_peer_state(core, 1, now), PEER_ALIVE);
	assert_false(core_peer_two_way(core, 1, now));
	now += 1501;
	assert_int_equal(core_peer_state(core, 1, now), PEER_SILENT);
	assert_false(core_peer_two_way(core, 1, now));
}

static void
a_peer_that_cannot_be_authenticated_is_told_apart_from_a_silent_one(void **state)
{
	(void)state;
	post(&(struct core_event){ .kind = EV_UNKNOWN, .peer = 1 });
	assert_int_equal(core_peer_state(core, 1, now), PEER_UNKNOWN);
	assert_int_equal(core_peer_state(core, 2, now), PEER_SILENT);
	now += 1501;
	assert_int_equal(core_peer_state(core, 1, now), PEER_SILENT);
}

static void
silence_is_measured_in_heartbeats_but_not_below_a_second_and_a_half(void **state)
{
	static const struct {
		svip_ms heartbeat, silent;
	} cases[] = { { 100, 1500 }, { 500, 1500 }, { 501, 1503 }, { 2000, 6000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		struct heartbeat hb;

		conf.heartbeat_ms = cases[i].heartbeat;
		start_with(&conf);
		hb = beat(1);
		hear(&hb);
		assert_true(peer_alive(core, 1, now + cases[i].silent));
		assert_false(peer_alive(core, 1, now + cases[i].silent + 1));
	}
}

static void
datagrams_out_of_order_are_counted_and_the_same_one_twice_is_not(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hb.sequence = peer_sequence[1] = 10;
	hear(&hb);
	hear(&hb); /* by multicast and by unicast */
	assert_int_equal(core->peer[1].refused_count, 0);
	hb.sequence = 9;
	hb.instance[0].holding = true;
	hear(&hb);
	assert_int_equal(core->peer[1].refused_count, 1);
	assert_int_equal(core->peer[1].sequence, 10);
	assert_false(core->inst[0].peer[1].holding);
}

/* A new process before it has echoed this one. */
static struct heartbeat
newcomer(uint64_t incarnation, uint64_t sequence)
{
	struct heartbeat hb = beat(1);

	hb.incarnation = incarnation;
	hb.sequence = sequence;
	hb.n_echoes = 0;
	return hb;
}

static void
newcomers_are_greeted_one_at_a_time(void **state)
{
	struct heartbeat hb = newcomer(3000, 5);

	(void)state;
	hear(&hb);
	assert_int_equal(count(ACT_SEND), 1);
	hb = newcomer(3000, 6); /* met already */
	hear(&hb);
	assert_int_equal(count(ACT_SEND), 0);
	assert_int_equal(core->peer[1].cand_sequence, 6);
	assert_int_equal(core->peer[1].refused_count, 0);
	hb = newcomer(3000, 6); /* and not in order */
	hear(&hb);
	assert_int_equal(core->peer[1].refused_count, 1);
	hb = newcomer(3001, 1); /* recordings of several lives in turn: one greeting in 100 ms */
	hear(&hb);
	assert_int_equal(count(ACT_SEND), 0);
	assert_int_equal(core->peer[1].cand_incarnation, 3000);
	assert_int_equal(core->peer[1].refused_count, 2);
	now += 100;
	hear(&hb);
	assert_int_equal(count(ACT_SEND), 1);
	assert_int_equal(core->peer[1].cand_incarnation, 3001);
	assert_int_equal(core->peer[1].incarnation, 0);
}

/* How late its release may come was told to this node by a newcomer: that counts until just that one is established. */
static void
a_process_established_beside_a_newcomer_leaves_the_newcomers_guard(void **state)
{
	struct heartbeat hb = newcomer(3000, 1);

	(void)state;
	hb.guard_ms = 2200;
	hear(&hb);
	assert_int_equal(peer_guard_max(core), 2200);
	hb = beat(1); /* another one, which has echoed this process */
	hear(&hb);
	assert_int_equal(core->peer[1].incarnation, hb.incarnation);
	assert_int_equal(peer_guard_max(core), 2200);
	now++;
	hb = newcomer(3000, 2);
	hb.echo[0].sent_us = (uint64_t)now * 1000 - 300;
	hb.guard_ms = 2200;
	hear(&hb);
	hb.guard_ms = 300;
	hb.sequence++;
	hb.n_echoes = 1;
	hear(&hb);
	assert_int_equal(core->peer[1].incarnation, 3000);
	assert_int_equal(peer_guard_max(core), 300);
}

/* A process that lived for a moment only, never established: its last datagram comes late, after its successor's. */
static void
a_late_datagram_of_a_life_between_doesnt_retire_the_living(void **state)
{
	struct heartbeat first = beat(1), between, living;

	(void)state;
	hear(&first);
	now += 200;
	between = newcomer(3000, 1);
	hear(&between);
	between = beat(1); /* on its way for a while */
	between.incarnation = 3000;
	now += 200;
	living = beat(1);
	living.incarnation = 3001;
	hear(&living);
	assert_int_equal(core->peer[1].incarnation, 3001);
	hear(&between);
	between.echo[0].sent_us = living.echo[0].sent_us; /* nor at the same time */
	between.sequence++;
	hear(&between);
	assert_int_equal(core->peer[1].incarnation, 3001);
	now += 200;
	living = beat(1);
	living.incarnation = 3001;
	hear(&living);
	assert_int_equal(core->peer[1].sequence, living.sequence);
}

static void
lives_that_are_over_stay_over(void **state)
{
	struct heartbeat hb;
	uint64_t late;

	(void)state;
	for (uint64_t life = 1; life <= CORE_RETIRED_MAX + 1; life++) {
		now += 200;
		hb = beat(1);
		hb.incarnation = 4000 + life;
		hear(&hb);
		assert_int_equal(core->peer[1].incarnation, 4000 + life);
	}
	late = hb.echo[0].sent_us;
	for (uint64_t life = 1; life <= CORE_RETIRED_MAX; life++) {
		now += 200;
		hb = beat(1);
		hb.incarnation = 4000 + life;
		hb.echo[0].sent_us = late;
		hear(&hb);
		assert_int_equal(core->peer[1].incarnation, 4000 + CORE_RETIRED_MAX + 1);
		assert_int_equal(core->peer[1].cand_incarnation, 0);
	}
}

/* The living one's first echo was of a datagram that had been on its way for long, so the late word of the dead had echoed a later one. */
static void
the_living_comes_back_with_its_next_echo(void **state)
{
	struct heartbeat living = beat(1), dead;

	(void)state;
	now += 200;
	dead = beat(1);
	dead.incarnation = 3000;
	now += 200;
	hear(&living);
	hear(&dead);
	assert_int_equal(core->peer[1].incarnation, 3000);
	living.sequence++;
	hear(&living); /* has heard nothing later yet */
	assert_int_equal(core->peer[1].incarnation, 3000);
	living = beat(1);
	hear(&living);
	assert_int_equal(core->peer[1].incarnation, living.incarnation);
	dead.sequence++;
	hear(&dead);
	assert_int_equal(core->peer[1].incarnation, living.incarnation);
}

/* ---- what is known of them ---- */

static void
the_longest_lease_in_force_counts(void **state)
{
	static const struct {
		uint32_t theirs[2];
		svip_ms max;
	} cases[] = { { { 500, 500 }, LEASE }, { { 500, 3000 }, 3000 }, { { 3000, 2000 }, 3000 } };
	struct heartbeat hb;

	(void)state;
	assert_int_equal(peer_lease_max(core), LEASE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int p = 1; p < 3; p++) {
			hb = beat(p);
			hb.lease_ms = cases[i].theirs[p - 1];
			hear(&hb);
		}
		assert_int_equal(peer_lease_max(core), cases[i].max);
	}
}

static void
configurations_are_compared_again_when_this_nodes_changes(void **state)
{
	static const uint8_t a[SVIP_DIGEST_LEN] = { 1 }, b[SVIP_DIGEST_LEN] = { 2 },
	                     old[SVIP_DIGEST_LEN];
	struct heartbeat hb;

	(void)state;
	hb = beat(1);
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_SAME);
	views(&mine, 7);
	is(CORE_WAITING, WHY_LEASE_RUNS);

	out->n = 0;
	core_config(core, 4, old, b, now, out); /* what doesn't matter for safety */
	assert_int_equal(core->peer[1].config, CONFIG_DIFFERS);
	is(CORE_WAITING, WHY_LEASE_RUNS);
	assert_true(count(ACT_SEND) > 0);
	assert_int_equal(core_deadline(core), now);

	out->n = 0;
	core_config(core, 5, a, b, now, out);
	assert_int_equal(core->peer[1].config, CONFIG_UNSAFE);
	assert_int_equal(
	    core->peer[2].config, CONFIG_SAME); /* never heard: nothing to compare with */
	assert_true(peer_config_unsafe(core));
	is(CORE_FAULT, WHY_CONFIG_MISMATCH);

	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_int_equal(hb.serial, 5);
	assert_memory_equal(hb.digest_safety, a, sizeof(a));
	assert_memory_equal(hb.digest_all, b, sizeof(b));

	hb = beat(1); /* the peer has read the new one, too */
	memcpy(hb.digest_safety, a, sizeof(a));
	memcpy(hb.digest_all, b, sizeof(b));
	hear(&hb);
	assert_int_equal(core->peer[1].config, CONFIG_SAME);
	is(CORE_WAITING, WHY_LEASE_RUNS);
}

/* ---- what is said ---- */

static void
a_heartbeat_says_what_is_held_claimed_and_yielded(void **state)
{
	struct heartbeat hb;

	(void)state;
	claim_from(1, 5, 99);
	claim_from(1, 0, 0);
	views(&mine, 7);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_int_equal(hb.n_instances, 1);
	assert_int_equal(hb.instance[0].id, id);
	assert_false(hb.instance[0].holding);
	assert_int_equal(hb.instance[0].lease_left_ms, 0);
	assert_int_equal(hb.instance[0].claim_epoch, 7);
	assert_int_equal(hb.instance[0].claim_id, core->inst[0].claim_id);
	assert_int_equal(hb.instance[0].yield_epoch, 5);
	assert_int_equal(hb.instance[0].yield_id, 99);

	take();
	core_heartbeat(core, 0, now + 300, (uint64_t)now * 1000, &hb);
	assert_true(hb.instance[0].holding);
	assert_int_equal(hb.instance[0].hold_epoch, 7);
	assert_int_equal(hb.instance[0].lease_left_ms, LEASE - 300);
	assert_int_equal(hb.instance[0].claim_id, 0);
	core_heartbeat(core, 0, now + LEASE, (uint64_t)now * 1000, &hb);
	assert_int_equal(hb.instance[0].lease_left_ms, 0);
}

/* It may have the addresses of the process before: it says neither that it holds them nor that it doesn't. */
static void
who_has_not_looked_at_its_kernel_says_no_hold(void **state)
{
	struct core_conf conf = standard();
	struct heartbeat hb;

	(void)state;
	core_init(core, &conf, &id, now);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000, &hb);
	assert_false(hb.instance[0].holding);
	assert_int_equal(hb.instance[0].state, CORE_INIT);
}

static void
what_was_heard_long_ago_is_not_echoed(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hear(&hb);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000 + 5000000, &hb);
	assert_int_equal(hb.n_echoes, 1);
	assert_int_equal(hb.echo[0].held_us, 5000000);
	core_heartbeat(core, 0, now, (uint64_t)now * 1000 + 5000001, &hb);
	assert_int_equal(hb.n_echoes, 0);
}

static void
many_instances_take_several_heartbeats(void **state)
{
	enum { N = 2 * HB_INSTANCES_MAX + 3 };
	struct core_conf conf = standard();
	uint64_t ids[N];
	struct heartbeat hb;
	int next = 0, datagrams = 0;

	(void)state;
	for (int i = 0; i < N; i++)
		ids[i] = 500 + (uint64_t)i;
	conf.n_instances = N;
	core_init(core, &conf, ids, now);
	while (next < N) {
		int first = next;

		next = core_heartbeat(core, first, now, (uint64_t)now * 1000, &hb);
		assert_int_equal(hb.sequence, ++datagrams);
		assert_int_equal(hb.n_instances, next - first);
		assert_true(hb.n_instances >= 1 && hb.n_instances <= hb_instances_fit(0, false));
		for (int i = 0; i < hb.n_instances; i++)
			assert_int_equal(hb.instance[i].id, ids[first + i]);
	}
	assert_int_equal(
	    datagrams, (N + hb_instances_fit(0, false) - 1) / hb_instances_fit(0, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(datagrams_of_no_other_node_are_refused),
		T(an_echo_proves_something_only_if_it_is_fresh_and_of_this_process),
		T(the_way_there_and_back_is_measured_unless_the_echo_contradicts_itself),
		T(who_hears_no_answer_is_alive_and_one_way),
		T(a_peer_that_cannot_be_authenticated_is_told_apart_from_a_silent_one),
		T(silence_is_measured_in_heartbeats_but_not_below_a_second_and_a_half),
		T(datagrams_out_of_order_are_counted_and_the_same_one_twice_is_not),
		T(newcomers_are_greeted_one_at_a_time),
		T(a_process_established_beside_a_newcomer_leaves_the_newcomers_guard),
		T(a_late_datagram_of_a_life_between_doesnt_retire_the_living),
		T(the_living_comes_back_with_its_next_echo),
		T(lives_that_are_over_stay_over),
		T(the_longest_lease_in_force_counts),
		T(configurations_are_compared_again_when_this_nodes_changes),
		T(a_heartbeat_says_what_is_held_claimed_and_yielded),
		T(who_has_not_looked_at_its_kernel_says_no_hold),
		T(what_was_heard_long_ago_is_not_echoed),
		T(many_instances_take_several_heartbeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
