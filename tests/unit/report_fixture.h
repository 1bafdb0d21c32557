/* SPDX-License-Identifier: BSD-2-Clause */
/* A cluster of three for the tests of what people read: a core and settings made by hand, at 100 s of uptime. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "svipd/history.h"
#include "svipd/report.h"

enum { NOW = 100000 };

static struct core core;
static struct settings set;
static struct set_instance conf[2];
static struct report_sentinel sentinel[3];
static struct report_instance extra[2];
static struct history past;
static struct report_input input;

static inline void
make_instance(int i, const char *name, const char *interface, const char *address)
{
	struct instance *in = &core.inst[i];
	bool ok;

	snprintf(conf[i].name, sizeof(conf[i].name), "%s", name);
	snprintf(conf[i].interface, sizeof(conf[i].interface), "%s", interface);
	conf[i].id = 1000 + (uint64_t)i;
	conf[i].n_addresses = 1;
	ok = svip_addr_parse(address, &conf[i].address[0]) &&
	     svip_host_parse("10.0.0.11", 6379, &conf[i].redis);
	assert(ok);
	extra[i].redis_error = "";
	in->state = CORE_BACKUP;
	in->reason = WHY_NO_QUORUM;
	in->since = NOW - 12000;
	in->kernel = KERNEL_CLEAR;
	in->link_up = true;
	in->role_master = true;
	in->role_asked = NOW - 300;
	in->lease_end = SVIP_LONG_AGO;
}

/* Nobody has been heard yet but the configuration. */
static inline void
make_cluster(void)
{
	static const char *const hosts[] = { "10.0.0.11", "10.0.0.12", "10.0.0.13" };
	static const uint64_t ids[2] = { 1000, 1001 };
	struct core_conf cc = { .lease_ms = 2000,
		.guard_ms = 60,
		.guard_least_ms = 60,
		.guard_unheard_ms = 60,
		.poll_ms = 400,
		.heartbeat_ms = 500,
		.drift_ppm = 10000,
		.n_sentinels = 3,
		.n_nodes = 3,
		.n_instances = 2,
		.incarnation = 1 };

	memset(&set, 0, sizeof(set));
	memset(conf, 0, sizeof(conf));
	memset(extra, 0, sizeof(extra));
	memset(&past, 0, sizeof(past));
	core_init(&core, &cc, ids, NOW - 90000);
	strcpy(set.cluster, "cache");
	set.n_sentinels = set.n_nodes = 3;
	set.n_instances = 2;
	set.instance = conf;
	for (int i = 0; i < 3; i++) {
		bool ok = svip_host_parse(hosts[i], 26379, &set.sentinel[i]) &&
		          svip_addr_parse(hosts[i], &set.node[i]);

		assert(ok);
		sentinel[i] = (struct report_sentinel){
			.state = "connecting", .last_reply = SVIP_LONG_AGO, .rtt_ms = -1
		};
	}
	make_instance(0, "mymaster", "eth0", "10.0.0.50");
	make_instance(1, "other", "eth1", "10.0.0.51");
	input = (struct report_input){ .now = NOW,
		.wall_ms = 1795408757120,
		.pid = 4711,
		.version = "0.1.0",
		.fence = "nftables",
		.sentinel = sentinel,
		.instance = extra,
		.history = &past };
}

/* Sentinel s answered a while ago: this is the master of instance 0, at this epoch. */
static inline void
names(int s, const char *master, uint64_t epoch, bool down, svip_ms ago)
{
	struct view *v = &core.inst[0].view[s];
	bool ok = svip_host_parse(master, 6379, &v->master);

	assert(ok);
	v->asked = NOW - ago - 1;
	v->heard = NOW - ago;
	v->since = v->heard;
	v->epoch = epoch;
	v->me = strcmp(v->master.name, "10.0.0.11") == 0;
	v->down = down;
	v->valid = true;
	core.inst[0].evidence[s].since = v->me ? NOW - 800 : SVIP_NEVER;
	core.inst[0].evidence[s].since_epoch = epoch;
	sentinel[s].state = "connected";
	sentinel[s].last_reply = NOW - ago;
}

/* All three name this node. */
static inline void
all_name_me(uint64_t epoch)
{
	for (int s = 0; s < 3; s++)
		names(s, "10.0.0.11", epoch, false, 100);
	core.inst[0].named_since = NOW - 900;
}

static inline void
becomes(enum core_state state, enum core_reason reason)
{
	core.inst[0].state = state;
	core.inst[0].reason = reason;
}

/* This node holds at the epoch. */
static inline void
holds(uint64_t epoch, enum core_reason reason)
{
	all_name_me(epoch);
	becomes(CORE_MASTER, reason);
	core.inst[0].kernel = KERNEL_HELD;
	core.inst[0].hold_epoch = epoch;
	core.inst[0].lease_end = NOW + 1650;
	core.inst[0].take_reason = reason;
}

/* The other node's heartbeat came so long ago. */
static inline void
heard(int p, svip_ms ago)
{
	core.peer[p].heard = core.peer[p].echoed = NOW - ago;
	core.peer[p].heard_config = true;
	core.peer[p].version = 1u << 8;
	core.peer[p].rtt_us = 240;
	core.peer[p].lease_ms = 2000;
	core.peer[p].guard_ms = 60;
	core.inst[0].peer[p].known = true;
	core.inst[0].peer[p].state = CORE_BACKUP;
}

#endif
