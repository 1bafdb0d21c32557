/* SPDX-License-Identifier: BSD-2-Clause */
/* How events become facts: news of the Sentinels, answers out of order, claims of who can't be believed. */
#include "core_fixture.h"

static void
every_sentinel(struct core_event ev)
{
	for (ev.sentinel = 0; ev.sentinel < 3; ev.sentinel++)
		post(&ev);
}

static void
views_down(const struct svip_host *master, uint64_t epoch)
{
	for (int s = 0; s < 3; s++)
		view_at(s, master, epoch, true, now);
}

/* The whole way through the core, for all Sentinels alike; each doubt alone is in test_evidence. */
static void
a_run_that_was_heard_to_its_end_dates_the_take(void **state)
{
	static const struct {
		const char *what;
		bool listening, pong, broken, cleared;
		enum { FIRST_DOWN, NAMED } since;
	} cases[] = {
		{ "unbroken", true, true, false, false, FIRST_DOWN },
		{ "never subscribed", false, true, false, false, NAMED },
		{ "not proved by a PONG", true, false, false, false, NAMED },
		{ "a connection was lost", true, true, true, false, NAMED },
		{ "cleared in between", true, true, false, true, NAMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_conf conf = standard();
		svip_ms down;

		print_message("# %s\n", cases[i].what);
		start_with(&conf);
		if (cases[i].listening)
			every_sentinel((struct core_event){ .kind = EV_LISTENING });
		now += 10;
		views_down(&theirs, 6);
		down = now + 1; /* heard is rounded up */
		now += 10;
		if (cases[i].pong)
			every_sentinel((struct core_event){ .kind = EV_PONG, .asked = now - 5 });
		if (cases[i].broken)
			every_sentinel((struct core_event){ .kind = EV_SESSION });
		if (cases[i].cleared)
			every_sentinel(
			    (struct core_event){ .kind = EV_NEWS, .news = NEWS_CLEARED });
		now += 500;
		every_sentinel(
		    (struct core_event){ .kind = EV_NEWS, .news = NEWS_SWITCH, .to = mine });
		now += 10;
		views(&mine, 7);
		assert_int_equal(core_free_at(core, 0, 7),
		    (cases[i].since == FIRST_DOWN ? down : now + 1) + WAIT);
	}
}

static void
any_news_of_a_sentinel_is_a_reason_to_ask_all(void **state)
{
	(void)state;
	for (int news = NEWS_SWITCH; news <= NEWS_OTHER; news++) {
		now += 10;
		post(&(struct core_event){ .kind = EV_NEWS,
		    .news = (enum sentinel_news)news,
		    .sentinel = 1,
		    .to = theirs });
		assert_int_equal(count(ACT_POLL), 1);
	}
}

static void
a_role_that_was_asked_before_changes_nothing(void **state)
{
	(void)state;
	now += 100;
	post(&(struct core_event){ .kind = EV_ROLE, .asked = now, .yes = false });
	post(&(struct core_event){ .kind = EV_ROLE, .asked = now - 1, .yes = true });
	assert_false(core->inst[0].role_master);
	assert_int_equal(core->inst[0].role_asked, now);
	post(&(struct core_event){ .kind = EV_ROLE, .asked = now, .yes = true });
	assert_true(core->inst[0].role_master);
}

/* What was overtaken may still show that somebody else was named: then neither word counts as this node's. */
static void
a_newer_epoch_in_an_overtaken_answer_spoils_a_view_that_waited_for_its_switch(void **state)
{
	(void)state;
	every_sentinel((struct core_event){ .kind = EV_LISTENING });
	now += 10;
	views_down(&theirs, 6);
	now += 10;
	every_sentinel((struct core_event){ .kind = EV_PONG, .asked = now });
	views(&mine, 7);
	assert_true(core->inst[0].evidence[0].open);
	view_at(0, &theirs, 8, false, now - 5);
	assert_false(core->inst[0].view[0].me);
	post(&(struct core_event){ .kind = EV_NEWS, .news = NEWS_SWITCH, .to = mine });
	assert_int_equal(core->inst[0].evidence[0].since, now + 1); /* the later date */
}

/* ---- claims that are not answered ---- */

static void
a_claim_of_a_peer_that_has_gone_silent_is_not_answered(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	core_init(core, &conf, &id, now); /* its kernel hasn't been looked at: no answer yet */
	claim_from(1, 8, 99);
	now += 1501;
	post_kind(EV_CLEAR);
	assert_int_equal(core->inst[0].yield_id, 0);
	assert_int_equal(core->inst[0].floor, 0);
}

static void
a_claim_of_another_configuration_is_not_answered(void **state)
{
	struct heartbeat hb = beat(1);

	(void)state;
	hb.digest_safety[0] = 1;
	hb.instance[0].claim_epoch = 8;
	hb.instance[0].claim_id = 99;
	hear(&hb);
	assert_int_equal(core->inst[0].yield_id, 0);
	assert_int_equal(core->inst[0].floor, 0);
	claim_from(1, 8, 99); /* it has read its file again */
	assert_int_equal(core->inst[0].yield_id, 99);
}

static void
a_holder_asks_once_for_each_claim(void **state)
{
	(void)state;
	take();
	claim_from(1, 7, 99);
	assert_int_equal(count(ACT_POLL), 1);
	claim_from(1, 7, 99);
	assert_int_equal(count(ACT_POLL), 0);
	claim_from(1, 7, 100);
	assert_int_equal(count(ACT_POLL), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_run_that_was_heard_to_its_end_dates_the_take),
		T(any_news_of_a_sentinel_is_a_reason_to_ask_all),
		T(a_role_that_was_asked_before_changes_nothing),
		T(a_newer_epoch_in_an_overtaken_answer_spoils_a_view_that_waited_for_its_switch),
		T(a_claim_of_a_peer_that_has_gone_silent_is_not_answered),
		T(a_claim_of_another_configuration_is_not_answered),
		T(a_holder_asks_once_for_each_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
