/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core among three Sentinels and two peers, for the tests of its rules: events go in, actions stand in *out. Nothing runs but
 * what a test posts.
 */
#ifndef TESTS_CORE_FIXTURE_H
#define TESTS_CORE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <svip/core.h>

enum { LEASE = 1000, GUARD = 200, WAIT = 1221 }; /* 1000 * 1.01 / 0.99 + 200, rounded up */

static const uint64_t id = 77;
static const struct svip_host mine = { "10.0.0.11", 6379 }, theirs = { "10.0.0.12", 6379 };

static struct core *core; /* large: not for the stack */
static struct core_actions *out;
static svip_ms now;
static uint64_t peer_sequence[SVIP_NODES_MAX];

static inline struct core_conf
standard(void)
{
	struct core_conf conf = { .lease_ms = LEASE,
		.guard_ms = GUARD,
		.guard_least_ms = GUARD,
		.guard_unheard_ms = GUARD,
		.poll_ms = 200,
		.heartbeat_ms = 500,
		.drift_ppm = 10000,
		.n_sentinels = 3,
		.n_nodes = 3,
		.self = 0,
		.n_instances = 1,
		.cluster = 5,
		.incarnation = 1000,
		.seed = 1 };

	for (int i = 0; i < 3; i++)
		conf.node[i][15] = (uint8_t)(11 + i);
	return conf;
}

static inline void
post(const struct core_event *ev)
{
	out->n = 0;
	core_step(core, ev, now, (uint64_t)now * 1000, out);
}

static inline void
post_kind(enum core_event_kind kind)
{
	post(&(struct core_event){ .kind = kind });
}

static inline void
post_yes(enum core_event_kind kind, bool yes)
{
	post(&(struct core_event){ .kind = kind, .yes = yes, .asked = now });
}

static inline int
count(enum core_action_kind kind)
{
	int n = 0;

	for (int i = 0; i < out->n; i++)
		n += out->a[i].kind == kind;
	return n;
}

static inline svip_ms
last_hold_until(void)
{
	svip_ms until = SVIP_LONG_AGO;

	for (int i = 0; i < out->n; i++) {
		if (out->a[i].kind == ACT_HOLD)
			until = out->a[i].until;
	}
	return until;
}

static inline void
start_with(const struct core_conf *conf)
{
	now = 100000;
	memset(peer_sequence, 0, sizeof(peer_sequence));
	core_init(core, conf, &id, now);
	post_yes(EV_LINK, true);
	post_kind(EV_CLEAR);
	post_yes(EV_ROLE, true);
}

static inline int
start(void **state)
{
	struct core_conf conf = standard();

	(void)state;
	core = malloc(sizeof(*core));
	out = malloc(sizeof(*out));
	assert_true(core != NULL && out != NULL);
	start_with(&conf);
	return 0;
}

static inline int
stop(void **state)
{
	(void)state;
	free(core);
	free(out);
	return 0;
}

static inline void
view_at(int sentinel, const struct svip_host *master, uint64_t epoch, bool down, svip_ms asked)
{
	post(&(struct core_event){ .kind = EV_VIEW,
	    .sentinel = sentinel,
	    .view = { .asked = asked,
	        .epoch = epoch,
	        .master = *master,
	        .me = master == &mine,
	        .down = down,
	        .valid = true } });
}

static inline void
view(int sentinel, const struct svip_host *master, uint64_t epoch)
{
	view_at(sentinel, master, epoch, false, now);
}

static inline void
views(const struct svip_host *master, uint64_t epoch)
{
	for (int s = 0; s < 3; s++)
		view(s, master, epoch);
}

/* A heartbeat of a peer that has this process's fresh echo; the caller fills in the instance. */
static inline struct heartbeat
beat(int p)
{
	struct heartbeat hb = { .cluster = 5,
		.incarnation = 2000 + (uint64_t)p,
		.sequence = ++peer_sequence[p],
		.sent_us = 1,
		.lease_ms = LEASE,
		.guard_ms = GUARD,
		.n_echoes = 1,
		.n_instances = 1 };

	hb.node[15] = (uint8_t)(11 + p);
	hb.echo[0].node[15] = 11;
	hb.echo[0].incarnation = 1000;
	hb.echo[0].sent_us = (uint64_t)now * 1000 - 300;
	hb.echo[0].held_us = 100;
	hb.instance[0].id = id;
	hb.instance[0].state = CORE_BACKUP;
	return hb;
}

static inline void
hear(const struct heartbeat *hb)
{
	post(&(struct core_event){ .kind = EV_HEARTBEAT, .hb = hb });
}

static inline void
yield_from(int p)
{
	struct heartbeat hb = beat(p);

	hb.instance[0].yield_epoch = core->inst[0].claim_epoch;
	hb.instance[0].yield_id = core->inst[0].claim_id;
	hear(&hb);
}

static inline void
claim_from(int p, uint64_t epoch, uint64_t claim)
{
	struct heartbeat hb = beat(p);

	hb.instance[0].claim_epoch = epoch;
	hb.instance[0].claim_id = claim;
	hear(&hb);
}

static inline void
is(enum core_state state, enum core_reason reason)
{
	if (core->inst[0].state != state || core->inst[0].reason != reason)
		fail_msg("%s (%s), not %s (%s)", core_state_word(core->inst[0].state),
		    core_reason_word(core->inst[0].reason), core_state_word(state),
		    core_reason_word(reason));
}

/* Holding at epoch 7, by yields. */
static inline void
take(void)
{
	views(&mine, 7);
	yield_from(1);
	yield_from(2);
	assert_int_equal(core->inst[0].kernel, KERNEL_ADDING);
	assert_int_equal(count(ACT_HOLD), 1);
	post_kind(EV_HELD);
	is(CORE_MASTER, WHY_ALL_YIELDED);
}

static inline void
lets_go(enum core_reason why)
{
	assert_int_equal(count(ACT_DROP), 1);
	assert_int_equal(core->inst[0].kernel, KERNEL_REMOVING);
	assert_int_equal(core->inst[0].drop_reason, why);
	assert_int_equal(count(ACT_HOLD), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
