/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of the other nodes, and which of their datagrams count (doc/PROTOCOL.md, "Acceptance").
 */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include <svip/core.h>

void peer_init(struct peer *);

enum peer_verdict {
	PEER_REFUSED,  /* a replay, a duplicate, out of order, or not a node */
	PEER_NEW,      /* a process not met before: it must echo us first; greet it */
	PEER_KNOWN,    /* its word counts for display and for letting go */
	PEER_FRESH,    /* and it has just echoed this process: its yields count */
};

/* Judges a datagram and notes what it says of the node itself. *p: the node's index. */
enum peer_verdict peer_hear(struct core *, const struct heartbeat *, svip_ms now, uint64_t now_us, int *p);

/* Compares its configuration with this node's. */
void peer_compare(const struct core *, struct peer *);

/* Heard of lately: silence of several heartbeats ends it. */
bool peer_alive(const struct core *, int p, svip_ms now);

/* The largest lease in force, this node's or any established peer's. */
svip_ms peer_lease_max(const struct core *);

/* How late the release of another node may come, and whether every other node counts with this one's lateness. */
svip_ms peer_guard_max(const struct core *);
bool peer_guard_known(const struct core *);

/* True when an established peer has another safety part of the configuration. Silence doesn't cure it. */
bool peer_config_unsafe(const struct core *);

#endif
