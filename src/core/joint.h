/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two configurations at once, while the nodes go from one to the next (doc/SAFETY.md, "Changes"). Whatever needs a majority needs
 * one of each list of Sentinels.
 */
#ifndef CORE_JOINT_H
#define CORE_JOINT_H

#include <svip/core.h>

/* One list, all Sentinels; every node is in it, but for one that joins. */
void joint_init(struct core *);

/* These Sentinels (a bit each) are a majority of every list. */
bool joint_majority(const struct core *, uint32_t sentinels);

/* How many Sentinels a set has. */
int joint_size(uint32_t sentinels);

/* Those whose newest usable view was asked within the last lease. */
uint32_t joint_fresh(const struct core *, const struct instance *, svip_ms now);

/* How many are a majority of the list that has been in force before; for people. */
int joint_majority_of(const struct core *);

/* Without these Sentinels some list has no majority. */
bool joint_blocking(const struct core *, uint32_t sentinels);

/* The epoch at which a majority of every list confirms this node. False: there is none. */
bool joint_lease_epoch(const struct core *, const struct instance *, uint64_t *epoch);

/* End of the lease at the epoch, by the list that ends it first. SVIP_LONG_AGO: no majority of one of them. */
svip_ms joint_lease_end(const struct core *, const struct instance *, uint64_t epoch);

/* When older leases have run out, whichever list they rest on. SVIP_NEVER: not known. */
svip_ms joint_free_at(const struct core *, const struct instance *, uint64_t epoch, svip_ms wait_ms);

/* This node is in the nodes of every configuration in force. Who isn't holds nothing. */
bool joint_member(const struct core *);

/* The peer's configurations and this node's have one in common. */
bool joint_shared(const struct core *, const struct peer *);

/* The peer is where this node is. */
bool joint_same(const struct core *, const struct peer *);

/* The peer has left the old configuration for good: it goes to the next one with this node, or has it. */
bool joint_follows(const struct core *, const struct peer *);

#endif
