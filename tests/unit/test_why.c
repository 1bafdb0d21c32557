/* SPDX-License-Identifier: BSD-2-Clause */
/* Each reason of the core's as the sentence that people read, with its numbers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "report_fixture.h"
#include "svipd/why.h"

static const struct why_about about = {
	.core = &core, .settings = &set, .input = &input, .conf = &conf[0]
};

static const char *
why(void)
{
	static char out[WHY_TEXT_MAX];

	return why_text(&about, out);
}

static const char *
next(void)
{
	static char out[WHY_TEXT_MAX];

	return why_next(&about, out);
}

static int
fresh_cluster(void **state)
{
	(void)state;
	make_cluster();
	return 0;
}

static void
starting_says_what_is_awaited(void **state)
{
	(void)state;
	becomes(CORE_INIT, WHY_STARTING);
	core.inst[0].kernel = KERNEL_UNKNOWN;
	assert_string_equal(why(),
	    "not holding: starting; the kernel has not yet confirmed that no address is left over");
	core.inst[0].kernel = KERNEL_CLEAR;
	names(0, "10.0.0.12", 7, false, 100);
	sentinel[1].error = "connection refused";
	assert_string_equal(why(),
	    "not holding: starting; 1 of 3 Sentinels has answered, 2 needed; "
	    "10.0.0.12 has never answered (connection refused); 10.0.0.13 has never answered");
	assert_null(next());
	sentinel[2].last_reply = NOW - 100;
	assert_non_null(strstr(why(), "; 10.0.0.13 has said nothing about it yet"));
	sentinel[2].last_reply = NOW - 9000;
	assert_non_null(strstr(why(), "; 10.0.0.13 has not answered for 9.0 s"));
}

static void
without_a_quorum_the_silent_sentinels_are_named(void **state)
{
	(void)state;
	becomes(CORE_BACKUP, WHY_NO_QUORUM);
	names(0, "10.0.0.11", 7, false, 100);
	names(1, "10.0.0.11", 7, false, 4200);
	sentinel[1].state = "timeout";
	sentinel[1].error = "timed out";
	names(2, "10.0.0.11", 7, false, 3000);
	sentinel[2].last_reply = NOW - 50;
	extra[0].fault[2] = "ERR No such master with that name";
	assert_string_equal(why(), "not holding: 1 of 3 Sentinels answers, 2 needed; "
	                           "10.0.0.12 has not answered for 4.2 s (timed out); "
	                           "10.0.0.13 answers: ERR No such master with that name");
	assert_string_equal(
	    next(), "check the Sentinels, and the network to them: svipctl sentinels");
}

static void
a_split_is_told_vote_by_vote(void **state)
{
	(void)state;
	becomes(CORE_BACKUP, WHY_SPLIT);
	names(0, "10.0.0.11", 40, false, 100);
	names(1, "10.0.0.13", 41, false, 100);
	names(2, "10.0.0.12", 40, true, 100);
	assert_string_equal(why(),
	    "not holding: 1 of 3 Sentinels names this node at epoch 40, 2 needed; "
	    "10.0.0.12 names 10.0.0.13:6379 at epoch 41; "
	    "10.0.0.13 names 10.0.0.12:6379 at epoch 40, and sees it down");
	assert_non_null(next());
}

static void
another_named_says_who_holds(void **state)
{
	(void)state;
	becomes(CORE_BACKUP, WHY_OTHER_NAMED);
	for (int s = 0; s < 3; s++)
		names(s, "10.0.0.12", 8, false, 100);
	assert_string_equal(why(),
	    "not holding: 10.0.0.12:6379 is the master (3 of 3 Sentinels, epoch 8); "
	    "no node says that it holds");
	assert_string_equal(next(), "run 'svipctl why' on the node that is named");
	heard(1, 200);
	core.inst[0].peer[1].holding = true;
	assert_string_equal(why(),
	    "not holding: 10.0.0.12:6379 is the master (3 of 3 Sentinels, epoch 8); "
	    "10.0.0.12 holds");
	assert_null(next());
	names(2, "10.0.0.12", 8, true, 100);
	assert_non_null(strstr(why(), "epoch 8), seen down by 1; 10.0.0.12 holds"));
}

static void
a_virtual_address_as_master_is_called_an_error(void **state)
{
	(void)state;
	becomes(CORE_BACKUP, WHY_OTHER_NAMED);
	for (int s = 0; s < 3; s++)
		names(s, "10.0.0.51", 8, false, 100);
	assert_non_null(strstr(why(), "that is a virtual address, which Sentinel must never name"));
	assert_non_null(strstr(next(), "replica-announce-ip"));
}

static void
a_master_seen_down_is_counted(void **state)
{
	(void)state;
	becomes(CORE_BACKUP, WHY_MASTER_DOWN);
	names(0, "10.0.0.11", 8, true, 100);
	names(1, "10.0.0.11", 8, true, 100);
	names(2, "10.0.0.11", 8, false, 100);
	assert_string_equal(why(),
	    "not holding: this node is named, but 2 of 3 Sentinels see its Redis "
	    "(10.0.0.11:6379) down; 2 must see it up");
}

static void
waiting_says_how_long_and_for_whom(void **state)
{
	(void)state;
	becomes(CORE_WAITING, WHY_LEASE_RUNS);
	all_name_me(8);
	heard(1, 2000);
	core.inst[0].yields = 1u << 2;
	/* d = now - 800, and 2000 * 1.01 / 0.99 + 60 after that. */
	assert_string_equal(why(),
	    "waiting 1.3 s more: named at epoch 8 by 3 of 3 Sentinels, but an older lease "
	    "may still run at 10.0.0.12 (it has not yielded; last heard 2.0 s ago)");
	core.inst[0].yields = 0;
	core.inst[0].peer[1].holding = true;
	assert_non_null(strstr(why(), "at 10.0.0.12 (it holds; last heard 2.0 s ago), "
	                              "10.0.0.13 (it has not yielded; never heard)"));
	assert_null(next());
}

static void
obstacles_of_a_named_node_are_told(void **state)
{
	(void)state;
	all_name_me(8);
	becomes(CORE_BACKUP, WHY_PROMISED);
	core.inst[0].floor = 10;
	assert_string_equal(why(),
	    "not holding: named at epoch 8 by 3 of 3 Sentinels, but it has yielded to a later "
	    "claim and promised not to hold below epoch 10");
	becomes(CORE_WAITING, WHY_TAKING);
	assert_string_equal(why(),
	    "taking: named at epoch 8 by 3 of 3 Sentinels (2 needed); the kernel has been asked "
	    "for the addresses");
	becomes(CORE_BACKUP, WHY_MAINTENANCE);
	assert_string_equal(
	    why(), "not holding: maintenance is on; 3 of 3 Sentinels name this node at epoch 8");
	assert_string_equal(next(), "svipctl maintenance off");
	names(2, "10.0.0.12", 9, false, 100);
	becomes(CORE_BACKUP, WHY_NEWER_EPOCH);
	assert_string_equal(why(),
	    "not holding: 2 of 3 Sentinels name this node at epoch 8, but 10.0.0.13 shows epoch 9; "
	    "a majority must say who is the master there");
	becomes(CORE_BACKUP, WHY_PEER_NEWER);
	heard(1, 100);
	core.inst[0].peer[1].claim_epoch = 9;
	core.inst[0].peer[1].claim_id = 5;
	assert_string_equal(why(),
	    "not holding: 10.0.0.12 claims at epoch 9, while 2 of 3 Sentinels name this node at "
	    "epoch 8");
	core.inst[0].peer[1].holding = true;
	core.inst[0].peer[1].hold_epoch = 9;
	assert_non_null(strstr(why(), "10.0.0.12 holds at epoch 9"));
}

static void
holding_says_since_when_and_for_how_long_yet(void **state)
{
	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	assert_string_equal(why(),
	    "holding for 12 s: 3 of 3 Sentinels name this node at epoch 7 (2 needed), "
	    "lease 1.6 s left");
	assert_null(next());
	holds(7, WHY_ALL_YIELDED);
	assert_non_null(strstr(why(), "left; taken after every other node had yielded"));
	core.inst[0].kernel = KERNEL_ADDING;
	assert_non_null(strstr(why(), "asked to put it back"));
}

static void
holding_without_a_quorum_is_told_loudly(void **state)
{
	(void)state;
	holds(7, WHY_QUORUM_LOST_HELD);
	names(1, "10.0.0.11", 7, false, 5000);
	names(2, "10.0.0.11", 7, false, 6000);
	assert_string_equal(why(),
	    "holding for 12 s without a lease, as on-quorum-loss = hold orders: 1 of 3 Sentinels "
	    "names this node at epoch 7, 2 needed; 10.0.0.12 has not answered for 5.0 s; "
	    "10.0.0.13 has not answered for 6.0 s");
	assert_non_null(next());
}

static void
letting_go_gives_the_reason_of_the_drop(void **state)
{
	(void)state;
	holds(7, WHY_QUORUM_CONFIRMED);
	core.inst[0].kernel = KERNEL_REMOVING;
	core.inst[0].drop_reason = WHY_LEASE_EXPIRED;
	for (int s = 1; s < 3; s++)
		names(s, "10.0.0.11", 7, false, 2500);
	assert_string_equal(why(),
	    "letting go: the lease at epoch 7 has run out: 1 of 3 Sentinels names this node at "
	    "epoch 7, 2 needed; 10.0.0.12 has not answered for 2.5 s; "
	    "10.0.0.13 has not answered for 2.5 s");
	core.inst[0].drop_reason = WHY_CLOCK_JUMP;
	assert_string_equal(why(), "letting go: the clocks jumped or the process slept; 2 "
	                           "Sentinels must name this node anew");
	core.inst[0].drop_reason = WHY_STOPPING;
	assert_string_equal(why(), "letting go: svipd is stopping");
}

static void
faults_name_the_thing_and_the_next_step(void **state)
{
	struct instance *in = &core.inst[0];

	(void)state;
	all_name_me(8);
	becomes(CORE_FAULT, WHY_LINK_DOWN);
	assert_string_equal(why(), "fault: interface eth0 is down or gone");
	assert_string_equal(next(), "bring it up: ip link set eth0 up");
	becomes(CORE_FAULT, WHY_ADDRESS_REFUSED);
	in->error = EPERM;
	in->retry_at = NOW + 850;
	assert_string_equal(why(), "fault: the kernel refuses an address on eth0: Operation not "
	                           "permitted; next attempt in 0.8 s");
	assert_non_null(next());
	becomes(CORE_FAULT, WHY_ADDRESS_STUCK);
	in->error = EBUSY;
	assert_string_equal(why(),
	    "fault: the kernel does not remove an address from eth0: Device or resource busy; "
	    "it may still be there");
	assert_string_equal(next(), "remove it by hand: ip address show dev eth0");
	becomes(CORE_FAULT, WHY_CONFIG_MISMATCH);
	heard(2, 180000);
	core.peer[2].config = CONFIG_UNSAFE;
	core.peer[2].lease_ms = 1000;
	assert_string_equal(why(),
	    "fault: 10.0.0.13 differs in the safety part of the configuration "
	    "(lease 1000 ms there, 2000 ms here); last heard 3 min ago");
	assert_non_null(next());
}

static void
a_conflict_names_the_other_host_and_the_way_back(void **state)
{
	(void)state;
	all_name_me(8);
	becomes(CORE_FAULT, WHY_CONFLICT);
	extra[0].conflict = "10.0.0.50 at 02:00:00:00:00:01";
	core.inst[0].conflict_until = NOW + 27000;
	assert_string_equal(why(),
	    "fault: another host answers for 10.0.0.50 at 02:00:00:00:00:01, and on-conflict = "
	    "yield-and-fault; this node comes back 30 s after the last answer, in 27 s at the "
	    "earliest");
	assert_non_null(next());
}

static void
the_local_redis_is_told_apart(void **state)
{
	struct instance *in = &core.inst[0];

	(void)state;
	all_name_me(8);
	becomes(CORE_FAULT, WHY_REDIS_NOT_MASTER);
	in->role_master = false;
	assert_string_equal(why(),
	    "fault: named at epoch 8 by 3 of 3 Sentinels, but the local Redis (10.0.0.11:6379) "
	    "says that it is not a master");
	assert_non_null(strstr(next(), "10.0.0.11:6379"));
	in->role_master = true;
	in->role_asked = NOW - 5000;
	assert_non_null(strstr(why(), "has not answered for 5.0 s"));
	in->role_asked = SVIP_LONG_AGO;
	assert_non_null(strstr(why(), "has never answered"));
	extra[0].redis_error = "connection refused";
	assert_non_null(strstr(why(), "does not answer: connection refused"));
	becomes(CORE_BACKUP, WHY_REDIS_GONE);
	assert_non_null(strstr(why(), "not holding: nobody listens any more where the local Redis was (10.0.0.11:6379)"));
	assert_non_null(strstr(next(), "Redis' log"));
	becomes(CORE_WAITING, WHY_REDIS_NOT_MASTER);
	assert_null(next());
	assert_non_null(strstr(why(), "waiting: named"));
}

static void
observing_never_sounds_like_holding(void **state)
{
	(void)state;
	core.conf.observe = true;
	holds(7, WHY_QUORUM_CONFIRMED);
	assert_memory_equal(why(), "would hold, for 12 s: ", 22);
	assert_non_null(strstr(why(), "; observe is on: no address is touched"));
}

static void
sentinels_on_one_host_are_told_by_port(void **state)
{
	(void)state;
	assert_true(svip_host_parse("10.0.0.12:26380", 0, &set.sentinel[2]));
	assert_non_null(strstr(
	    why(), "; 10.0.0.12:26379 has never answered; 10.0.0.12:26380 has never answered"));
	assert_non_null(strstr(why(), "; 10.0.0.11 has never answered;"));
}

static void
hostile_texts_come_out_as_printable_ascii(void **state)
{
	char text[WHY_TEXT_MAX + 400];
	const char *out;

	(void)state;
	memset(text, 0xff, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	text[0] = '\033';
	for (int s = 0; s < 3; s++)
		extra[0].fault[s] = text;
	out = why();
	assert_true(strlen(out) == WHY_TEXT_MAX - 1);
	for (; *out != '\0'; out++)
		assert_true(*out >= 0x20 && *out < 0x7f);
}

/* No combination may crash, be empty or overflow; every reason has its own words. */
static void
every_reason_has_a_sentence_in_every_state(void **state)
{
	static char seen[WHY_REASONS][WHY_TEXT_MAX];

	(void)state;
	for (int k = KERNEL_UNKNOWN; k <= KERNEL_STUCK; k++) {
		for (int s = CORE_INIT; s <= CORE_FAULT; s++) {
			for (int r = 0; r < WHY_REASONS; r++) {
				const char *out;

				becomes((enum core_state)s, (enum core_reason)r);
				core.inst[0].kernel = (enum core_kernel)k;
				core.inst[0].drop_reason = (enum core_reason)r;
				out = why();
				assert_true(strlen(out) > 15);
				assert_int_not_equal(out[strlen(out) - 1], ' ');
				next();
				if (k == KERNEL_CLEAR && s == CORE_BACKUP)
					strcpy(seen[r], out);
			}
		}
	}
	for (int r = 0; r < WHY_REASONS; r++) {
		for (int t = 0; t < r; t++) {
			if (r == WHY_ALL_YIELDED && t == WHY_QUORUM_CONFIRMED)
				continue; /* they differ in one clause only, tested above */
			assert_string_not_equal(seen[r], seen[t]);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup(f, fresh_cluster)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starting_says_what_is_awaited),
		TEST(without_a_quorum_the_silent_sentinels_are_named),
		TEST(a_split_is_told_vote_by_vote),
		TEST(another_named_says_who_holds),
		TEST(a_virtual_address_as_master_is_called_an_error),
		TEST(a_master_seen_down_is_counted),
		TEST(waiting_says_how_long_and_for_whom),
		TEST(obstacles_of_a_named_node_are_told),
		TEST(holding_says_since_when_and_for_how_long_yet),
		TEST(holding_without_a_quorum_is_told_loudly),
		TEST(letting_go_gives_the_reason_of_the_drop),
		TEST(faults_name_the_thing_and_the_next_step),
		TEST(a_conflict_names_the_other_host_and_the_way_back),
		TEST(the_local_redis_is_told_apart),
		TEST(observing_never_sounds_like_holding),
		TEST(sentinels_on_one_host_are_told_by_port),
		TEST(hostile_texts_come_out_as_printable_ascii),
		TEST(every_reason_has_a_sentence_in_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
