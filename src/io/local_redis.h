/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the Redis of this node for its ROLE, for each instance, and has it keep writes waiting or end clients' connections when told to. Reports;
 * decides nothing. */
#ifndef IO_LOCAL_REDIS_H
#define IO_LOCAL_REDIS_H

#include <ev.h>
#include <svip/settings.h>

#include "wire/replication_reply.h"

struct local_redis;

/*
 * An answer, or why there is none (fault other than REPLY_FINE; master is false then). asked: when it was asked;
 * without a connection: now. Called from the event loop; the owner may call local_redis_poll() in it.
 */
typedef void local_redis_role(
    void *ctx, int instance, svip_ms asked, bool master, enum reply_fault, const char *text);

/*
 * Redis' answer to an order about writes, or why there is none. ms: as ordered; 0: to give them back; -1: it was only asked whether
 * such orders would be followed. text: "" or what was refused, and how.
 */
typedef void local_redis_writes(
    void *ctx, int instance, svip_ms ms, enum reply_fault, const char *text);

/* Redis' answer to local_redis_info(), or why there is none: asked as above. Not kept. */
typedef void local_redis_told(void *ctx, int instance, svip_ms asked,
    const struct replication_info *, enum reply_fault, const char *text);

/* An attempt to connect has ended, or a connection was lost. yes: nobody listens there (ECONNREFUSED). */
typedef void local_redis_refused(void *ctx, int instance, bool yes);

/* Redis has ended n connections, or refuses that; n -1: it would, or wouldn't. */
typedef void local_redis_ended(void *ctx, int instance, int n, enum reply_fault, const char *text);

struct local_redis_owner {
	local_redis_role *role;
	local_redis_writes *writes;
	local_redis_ended *ended;
	local_redis_told *told;
	local_redis_refused *refused;
};

/* NULL: no memory. */
struct local_redis *local_redis_init(struct ev_loop *, const struct set_auth *, svip_ms poll_ms,
    const struct local_redis_owner *, void *ctx);
void local_redis_fini(struct local_redis *);

/* Adds an instance at the end and returns its index, or -ENOMEM. The host must be numeric (else -EINVAL). */
int local_redis_add(struct local_redis *, const struct svip_host *);
void local_redis_remove(struct local_redis *, int instance); /* the last takes its index */
int local_redis_move(struct local_redis *, int instance,
    const struct svip_host *); /* to another endpoint; 0, -EINVAL */
void local_redis_auth(struct local_redis *, const struct set_auth *);
void local_redis_timing(struct local_redis *, svip_ms poll_ms);

void local_redis_poll(struct local_redis *, int instance); /* asks now */

/*
 * Clients' writes wait (CLIENT PAUSE ms WRITE, Redis 6.2; reads, replication and Sentinel's orders go on), for that long at most, or are
 * given back (CLIENT UNPAUSE). 0: sent, the answer follows; -ENOTCONN, -ENOBUFS.
 */
int local_redis_hold_writes(struct local_redis *, int instance, svip_ms ms);
int local_redis_give_writes_back(struct local_redis *, int instance);
/* Asks whether this Redis would, and lets its user; now, and whenever a connection is made. Holds nothing. */
void local_redis_may_hold_writes(struct local_redis *, int instance);

/*
 * Where the kernel resets no connections: Redis ends those that clients have to this address of its host and its port (CLIENT KILL LADDR, Redis
 * 6.2). local_redis_wait() sends these orders, and gives it some time (0: none) outside the loop: false when it hasn't answered by then. The
 * answers follow. 0; -ENOTCONN, -ENOBUFS.
 */
int local_redis_end(struct local_redis *, int instance, const struct svip_addr *);
bool local_redis_wait(struct local_redis *, int instance, svip_ms ms);
/* Asks on each connection whether it may: owner->ended() with -1. */
void local_redis_may_end(struct local_redis *, int instance);

/* Asks for INFO replication. 0: sent, the answer follows; -ENOTCONN, -ENOBUFS. */
int local_redis_info(struct local_redis *, int instance);

/* eager: without a connection the next attempt always comes within LOCAL_REDIS_EAGER_MS. */
enum { LOCAL_REDIS_EAGER_MS = 50 };
void local_redis_eager(struct local_redis *, int instance, bool eager);

struct local_redis_status {
	const char *state;     /* "connected", "connecting", "refused", "auth-refused", … */
	svip_ms last_reply_ms; /* since the last answer; -1: none yet */
	bool master;           /* that answer */
	enum reply_fault fault;
	char text[REPLY_TEXT_MAX];
};
void local_redis_status(
    const struct local_redis *, int instance, svip_ms now, struct local_redis_status *);

#endif
