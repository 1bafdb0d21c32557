/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps one rconn alive: connects, and connects again after a back-off with jitter. Never gives up by itself, never
 * decides what a loss means.
 */
#ifndef IO_RKEEP_H
#define IO_RKEEP_H

#include "rconn.h"

enum {
	RKEEP_RETRY_MS = 50, /* first retry; doubles up to the cap */
	RKEEP_RETRY_CAP_MS = 2000,
	RKEEP_REFUSED_MS =
	    5000, /* after AUTH was refused, or another refusal that only people can mend */
	RKEEP_HINT_MS =
	    200, /* a hint connects at once, but not sooner than this after the last attempt */
	RKEEP_CONNECT_MS =
	    500, /* limit of the first attempt: a fresh SYN beats the kernel's own retry */
	RKEEP_CONNECT_CAP_MS = 2000,
};

struct rkeep;

struct rkeep_owner {
	/* Where to connect now. False: not known yet, it is asked again soon. */
	bool (*where)(void *ctx, struct svip_addr *, uint16_t *port);
	void (*up)(void *ctx);
	void (*message)(void *ctx, const struct redisReply *); /* NULL: not a subscriber */
	/* An attempt has failed (was_up false) or a connection was lost. The next attempt is on its way
	 * unless the owner stops it. */
	void (*down)(void *ctx, bool was_up, enum rconn_why, const char *text);
};

struct rkeep {
	struct ev_loop *loop;
	const struct rkeep_owner *owner;
	void *ctx;
	struct set_auth auth;
	svip_ms command_ms;
	struct rconn_owner events;
	struct rconn *conn; /* NULL: off, or waiting */
	struct ev_timer retry;
	bool on, up;
	svip_ms cap_ms;     /* of the back-off; 0: RKEEP_RETRY_CAP_MS */
	int failures;       /* since the last proof of life */
	svip_ms attempted;  /* last attempt */
	unsigned connects;  /* how often it came up */
	enum rconn_why why; /* of the last loss; RCONN_FINE: none since the last proof */
	char text[RCONN_TEXT_MAX];
};

void rkeep_init(struct rkeep *, struct ev_loop *, const struct set_auth *, svip_ms command_ms,
    const struct rkeep_owner *, void *ctx);
void rkeep_fini(struct rkeep *);

void rkeep_start(struct rkeep *); /* the first attempt comes with the next turn of the loop */
void rkeep_stop(struct rkeep *);  /* closes; down() is not called */
void rkeep_auth(
    struct rkeep *, const struct set_auth *); /* for attempts from now on; hastens one */

void rkeep_hint(struct rkeep *);   /* ends a back-off, within bounds */
void rkeep_proved(struct rkeep *); /* a good answer has come: the next back-off starts small */

/* Ends the connection as if it had been lost; slow: retry as after a refusal. down() is called. */
void rkeep_fail(struct rkeep *, enum rconn_why, const char *text, bool slow);

/* One word for people: "off", "connecting", "connected", "refused", … */
const char *rkeep_word(const struct rkeep *);

#endif
