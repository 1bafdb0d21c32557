/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks every configured Sentinel about every instance and listens to its events. Reports what each says; never counts
 * votes, never decides.
 *
 * To each Sentinel there is one connection for questions and one for events, shared by all instances. When
 * answers stay out, a second connection for questions is opened and the questions go out on both: a lost answer is
 * sent again by the Sentinel's kernel with a growing delay, a fresh connection doesn't wait for it.
 */
#ifndef IO_SENTINEL_H
#define IO_SENTINEL_H

#include <ev.h>
#include <svip/core.h>
#include <svip/settings.h>

#include "wire/replication_reply.h"

struct sentinels;

/* What can be asked of one Sentinel about an instance: SENTINEL REPLICAS, CKQUORUM, FAILOVER. */
enum sentinel_question { SENTINEL_REPLICAS, SENTINEL_CKQUORUM, SENTINEL_FAILOVER };

/* Its answer. */
struct sentinel_answer {
	enum sentinel_question question;
	enum reply_fault
	    fault; /* of REPLICAS; of the others only REPLY_NO_CONNECTION: it was lost before */
	bool sent; /* the question had left this host */
	enum replication_verdict verdict; /* of CKQUORUM and FAILOVER */
	char text[REPLY_TEXT_MAX];        /* a refusal's words, clean */
	int n;                            /* may be above REPLICATION_MAX */
	struct replication_candidate replica[REPLICATION_MAX];
};

/*
 * Called from the event loop. sentinel and instance are indices. The owner may call sentinel_poll() in
 * all of them, and nothing else of this module.
 */
struct sentinel_owner {
	/* An answer: asked, epoch, master, valid, me and down are set. In the order of asking, for one
	 * sentinel and instance; also in the order in which the Sentinel has answered. */
	void (*view)(void *ctx, int sentinel, int instance, const struct view *);
	/* An answer that is no view. text is clean. */
	void (*fault)(void *ctx, int sentinel, int instance, enum reply_fault, const char *text);
	/* An event about the instance. to: with NEWS_SWITCH. */
	void (*news)(
	    void *ctx, int sentinel, int instance, enum sentinel_news, const struct svip_host *to);
	/* A PING among its events, asked then, was answered: all events of before have been told. */
	void (*pong)(void *ctx, int sentinel, svip_ms asked);
	/* Subscribed to its events: none is missed from here on, until session(). */
	void (*listening)(void *ctx, int sentinel);
	/* The connection that the views came by, or that of the events, was lost or is new. If the events still
	 * come, listening() follows at once. */
	void (*session)(void *ctx, int sentinel);
	/* Is this endpoint the instance's Redis on this node? */
	bool (*is_me)(void *ctx, int instance, const struct svip_host *);
	/* The answer to sentinel_ask(). Not kept. */
	void (*answer)(void *ctx, int sentinel, int instance, const struct sentinel_answer *);
};

struct sentinel_conf {
	int n;
	const struct svip_host *host; /* numeric or names; copied */
	const struct set_auth *auth;  /* copied */
	svip_ms poll_ms, lease_ms;
};

/* Connects in the default loop (names are looked up by child processes). NULL: no memory. */
struct sentinels *sentinel_init(
    struct ev_loop *, const struct sentinel_conf *, const struct sentinel_owner *, void *ctx);
void sentinel_fini(struct sentinels *);

/* Adds an instance at the end and returns its index, or -ENOMEM. */
int sentinel_add(struct sentinels *, const char *name);
/* Takes an instance away; the last takes its index. */
void sentinel_remove(struct sentinels *, int instance);

/* Other Sentinels: who stays keeps its connections, whatever its index; who is new is connected to; the others are hung up on, and nothing
 * more is told of them. lists: those that each is in, a bit a list; one Sentinel may not have two names in one. NULL: all in one.
 * 0, or -ENOMEM: nothing has changed. */
int sentinel_list(struct sentinels *, int n, const struct svip_host *, const unsigned *lists);

/* For connections made from now on. */
void sentinel_auth(struct sentinels *, const struct set_auth *);
/* From the next poll on. */
void sentinel_timing(struct sentinels *, svip_ms poll_ms, svip_ms lease_ms);

/* Asks every Sentinel about the instance now. Cheap to call often: many hints become one question. */
void sentinel_poll(struct sentinels *, int instance);

/* Asks one Sentinel. 0: the answer follows, unless the instance is removed; -ENOTCONN; -ENOBUFS. */
int sentinel_ask(struct sentinels *, int sentinel, int instance, enum sentinel_question);
bool sentinel_connected(const struct sentinels *, int sentinel);

/* ---- for status ---- */

enum { SENTINEL_ODD_MAX = 4 };

struct sentinel_status {
	struct svip_host host;
	const char *
	    state; /* "connected", "connecting", "resolving", "refused", "auth-refused", "timeout", … */
	bool up;
	bool listening;
	const char *listening_state; /* the same words, of the connection for events */
	char error[REPLY_TEXT_MAX];  /* of the last loss; empty: none since */
	svip_ms last_reply_ms;       /* since the last good answer; -1: none yet */
	svip_ms rtt_ms;              /* of that one */
	unsigned reconnects;
	bool spare;  /* the second connection is in use: answers stay out */
	char id[41]; /* SENTINEL MYID; empty: not told */
	int n_unknown,
	    n_missing; /* Sentinels it knows but the configuration doesn't; the other way round */
	struct svip_host unknown[SENTINEL_ODD_MAX], missing[SENTINEL_ODD_MAX];
};

void sentinel_status(const struct sentinels *, int sentinel, svip_ms now, struct sentinel_status *);

/* What was wrong with the last answer about the instance. */
enum reply_fault sentinel_fault(const struct sentinels *, int sentinel, int instance);

#endif
