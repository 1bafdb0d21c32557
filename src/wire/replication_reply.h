/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Redis and Sentinel answer about replicas and about failing over, as structs. Reads replies that hiredis has parsed; never does
 * I/O, never trusts: see sentinel_reply.h.
 */
#ifndef WIRE_REPLICATION_REPLY_H
#define WIRE_REPLICATION_REPLY_H

#include "sentinel_reply.h"

enum { REPLICATION_MAX = 32 }; /* replicas that are read from one reply */

/* A replica as its master sees it. */
struct replication_replica {
	struct svip_host host;
	bool online;
	uint64_t offset; /* that it has acknowledged, at most INT64_MAX */
};

/* INFO replication. */
struct replication_info {
	bool master;
	uint64_t offset; /* master_repl_offset: of all that it has written, at most INT64_MAX */
	int n;           /* may be above REPLICATION_MAX: the rest isn't in the list */
	struct replication_replica replica[REPLICATION_MAX];
};
enum reply_fault replication_reply_info(const struct redisReply *, struct replication_info *);

/* A replica as a Sentinel sees it. */
struct replication_candidate {
	struct svip_host host;
	int priority; /* the lowest is chosen; 0: never */
	bool down;    /* s_down, o_down or disconnected */
	bool linked;  /* master-link-status is ok */
};

/* SENTINEL REPLICAS name. *n may be above REPLICATION_MAX: the rest isn't in the list. */
enum reply_fault replication_reply_candidates(
    const struct redisReply *, struct replication_candidate out[REPLICATION_MAX], int *n);

/* ROLE of a replica. False: it is none, or is not connected to its master. *offset: of all that it has, at most INT64_MAX. */
bool replication_reply_role(const struct redisReply *, uint64_t *offset);

/* SENTINEL CKQUORUM name, SENTINEL FAILOVER name (Redis' sentinel.c, sentinelCommand()). */
enum replication_verdict {
	REPLICATION_YES,
	REPLICATION_IN_PROGRESS, /* INPROG: a failover runs already */
	REPLICATION_NO_REPLICA,  /* NOGOODSLAVE: none that could be promoted */
	REPLICATION_NO,          /* any other refusal, NOQUORUM among them */
};
enum replication_verdict replication_reply_verdict(const struct redisReply *);

#endif
