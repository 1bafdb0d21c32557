/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One non-blocking connection that speaks RESP2, to a Sentinel or a Redis. Never decides, blocks or looks up names.
 *
 * hiredis formats commands and parses replies (within the limits of wire/resp_reader.h); socket and time limits are here, because hiredis' own
 * connections abort, stall or grow on replies that anybody on the path can send. Once it has ended a connection stays
 * ended: its owner closes it and opens another.
 */
#ifndef IO_RCONN_H
#define IO_RCONN_H

#include <ev.h>
#include <svip/settings.h>

struct redisReply;
struct rconn;

enum {
	RCONN_QUEUE_MAX = 64,  /* commands in flight: 32 polls of two commands */
	RCONN_OUT_MAX = 16384, /* bytes queued and not yet in the socket */
	RCONN_READ_MAX =
	    16384,            /* bytes read in one wake-up, so that a flood can't starve the loop */
	RCONN_TEXT_MAX = 128, /* bytes of an error text, with the NUL */
};

/* Why a connection has ended. */
enum rconn_why {
	RCONN_FINE,            /* it has not */
	RCONN_CLOSED,          /* by rconn_close() */
	RCONN_REFUSED,         /* nobody listens there */
	RCONN_UNREACHABLE,     /* no route */
	RCONN_CONNECT_TIMEOUT, /* no answer to the connection attempt */
	RCONN_TIMEOUT,         /* a command got no answer in time */
	RCONN_RESET,           /* by the other side */
	RCONN_EOF,             /* closed by the other side */
	RCONN_AUTH_REFUSED,
	RCONN_PROTOCOL,  /* no RESP2 */
	RCONN_TOO_LARGE, /* a reply above the limits */
	RCONN_UNASKED,   /* a reply without a command */
	RCONN_SYSTEM,    /* an error of this host: the text says which */
};

const char *rconn_why_word(enum rconn_why); /* "refused", "connect-timeout", … */

/*
 * A command's answer. reply is NULL when the connection has ended first; it is not kept after the call.
 * asked: clock_ms() just before the write that took the command's first byte into the socket; SVIP_NEVER: never sent.
 */
typedef void rconn_answer(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked);

/* Called from the event loop only, never out of a function below (but for answers in rconn_close). */
struct rconn_owner {
	void (*up)(void *ctx); /* connected, and AUTH accepted if there was one */
	void (*message)(void *ctx, const struct redisReply *); /* to a subscriber; else NULL */
	void (*down)(void *ctx, enum rconn_why,
	    const char *text); /* ended; every command has been answered */
};

struct rconn_conf {
	struct svip_addr addr;
	uint16_t port;
	const struct set_auth *auth; /* not kept; an empty password: no AUTH */
	svip_ms connect_ms;          /* limit for connecting */
	svip_ms command_ms;          /* limit for the answer to a command, AUTH among them */
};

/*
 * Starts to connect. Failures of any kind come as down(), later. NULL: no memory.
 * Must be closed with rconn_close(), also after down().
 */
struct rconn *rconn_open(
    struct ev_loop *, const struct rconn_conf *, const struct rconn_owner *, void *ctx);

/*
 * Closes and frees. Safe everywhere, also inside the connection's own callbacks. Commands in flight are
 * answered with NULL before it returns; down() is not called. NULL is accepted.
 */
void rconn_close(struct rconn *);

/*
 * Queues a command; rconn_flush() sends what is queued in one write. The answer comes exactly once.
 * 0; -ENOTCONN before up() or after the end; -ENOBUFS: the queue is full, nothing was queued.
 */
int rconn_command(struct rconn *, int argc, const char *const *argv, rconn_answer *, uint64_t tag);
void rconn_flush(struct rconn *);

/* Waits, outside the loop, until something has been answered, for ms at most. False: nothing has, or there is no connection. */
bool rconn_wait(const struct rconn *, svip_ms ms);

int rconn_room(const struct rconn *); /* how many commands may be queued now; 0 when it is not up */
svip_ms rconn_oldest(const struct rconn
        *); /* when the oldest command without an answer was queued; SVIP_NEVER: none */

#endif
