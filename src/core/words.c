/* SPDX-License-Identifier: BSD-2-Clause */
/* The words for states and reasons, the same in log, JSON, scripts and metrics. Nothing else. */
#include <svip/core.h>

static const char *const states[] = {
	[CORE_INIT] = "init",
	[CORE_BACKUP] = "backup",
	[CORE_WAITING] = "waiting",
	[CORE_MASTER] = "master",
	[CORE_FAULT] = "fault",
};

static const char *const reasons[WHY_REASONS] = {
	[WHY_STARTING] = "starting",
	[WHY_NO_QUORUM] = "no-quorum",
	[WHY_SPLIT] = "split",
	[WHY_OTHER_NAMED] = "other-named",
	[WHY_MASTER_DOWN] = "master-down",
	[WHY_LEASE_RUNS] = "lease-runs",
	[WHY_NEWER_EPOCH] = "newer-epoch",
	[WHY_PROMISED] = "promised",
	[WHY_TAKING] = "taking",
	[WHY_QUORUM_CONFIRMED] = "quorum-confirmed",
	[WHY_ALL_YIELDED] = "all-yielded",
	[WHY_TAKEN_OVER] = "taken-over",
	[WHY_QUORUM_LOST_HELD] = "quorum-lost-held",
	[WHY_LEASE_EXPIRED] = "lease-expired",
	[WHY_PEER_NEWER] = "peer-newer",
	[WHY_CLOCK_JUMP] = "clock-jump",
	[WHY_REDIS_NOT_MASTER] = "redis-not-master",
	[WHY_REDIS_GONE] = "redis-gone",
	[WHY_LINK_DOWN] = "link-down",
	[WHY_ADDRESS_REFUSED] = "address-refused",
	[WHY_ADDRESS_STUCK] = "address-stuck",
	[WHY_CONFIG_MISMATCH] = "config-mismatch",
	[WHY_NOT_MEMBER] = "not-member",
	[WHY_GUARD_UNKNOWN] = "guard-unknown",
	[WHY_TWIN] = "twin",
	[WHY_CONFLICT] = "conflict",
	[WHY_MAINTENANCE] = "maintenance",
	[WHY_STOPPING] = "stopping",
};

const char *
core_state_word(enum core_state s)
{
	return states[s];
}

const char *
core_reason_word(enum core_reason r)
{
	return reasons[r];
}
