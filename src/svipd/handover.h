/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One handover of a master that lives to a replica of it, step by step: facts and time in, orders out. Pure: no sockets, clock, log.
 *
 *   CHECKING ──► HOLDING_WRITES ──► CATCHING_UP ──► ASKED ──► MOVING ──► DONE
 *       └──────────────┴────────────────┴─────────────┴──────────┴─────► FAILED
 *
 * Clients' writes wait from HOLDING_WRITES on; a replica that Sentinel could choose has all that was acknowledged before ASKED. Who is
 * promoted is Sentinel's to say, and who holds the addresses is the core's: neither is asked to believe anything here.
 */
#ifndef SVIPD_HANDOVER_H
#define SVIPD_HANDOVER_H

#include <svip/types.h>

#include "wire/replication_reply.h"

enum handover_step {
	HANDOVER_CHECKING,
	HANDOVER_HOLDING_WRITES,
	HANDOVER_CATCHING_UP,
	HANDOVER_ASKED,
	HANDOVER_MOVING,
	HANDOVER_DONE,
	HANDOVER_FAILED,
	HANDOVER_STEPS /* how many */
};

const char *handover_step_word(enum handover_step); /* "checking", "holding-writes", … */

enum {
	HANDOVER_LIMIT_MS = 10000, /* of the whole, unless told otherwise */
	HANDOVER_LEAST_S = 1,
	HANDOVER_MOST_S = 60,
	HANDOVER_ANSWER_MS = 2000, /* for the answers of a step */
	HANDOVER_CATCH_UP_MS = 2000,
	HANDOVER_LOOK_MS = 10, /* between two looks at the replicas' offsets */
	HANDOVER_MOVE_MS =
	    5000, /* after that writes don't wait any longer for Sentinel: its own link is blocked, too */
	HANDOVER_PAUSE_MS = 3000, /* of each order: after our own death writes wait no longer */
	HANDOVER_RENEW_MS = 1000, /* between two of them */
	HANDOVER_TEXT_MAX = 256,
	HANDOVER_LINES_MAX = 12,
};

/* What is to be done now; bits. */
enum handover_order {
	HANDOVER_ASK_QUORUM = 1,   /* of h->sentinel */
	HANDOVER_ASK_REPLICAS = 2, /* of h->sentinel */
	HANDOVER_ASK_INFO = 4,     /* of the local Redis */
	HANDOVER_HOLD_WRITES = 8,  /* for HANDOVER_PAUSE_MS */
	HANDOVER_GIVE_BACK = 16,   /* the writes */
	HANDOVER_FAIL_OVER = 32,   /* to h->sentinel */
	HANDOVER_LOOK =
	    64, /* ask h->candidate themselves, as often as they answer, until HANDOVER_FAIL_OVER or the end */
};

/* Another node. */
struct handover_peer {
	struct svip_addr addr;
	const char *unfit; /* why it couldn't take the addresses; NULL: it could */
};

/* What is so now, apart from answers. */
struct handover_facts {
	bool holds;        /* this node, and its lease is good */
	uint64_t epoch;    /* of that */
	const char *state; /* why it doesn't, for people */
	bool elsewhere;    /* another node says that it holds */
	uint64_t elsewhere_epoch;
	char elsewhere_node[SVIP_TEXT_MAX];
	const char *redis; /* why the local Redis can't be asked; NULL: it can */
	bool redis_master; /* its last word */
	int confirmations, majority, n_sentinels;
	const struct svip_host *sentinel; /* n_sentinels */
	bool usable
	    [SVIP_SENTINELS_MAX]; /* connected, and its last word was this node at this epoch */
	int n_peers;
	struct handover_peer peer[SVIP_NODES_MAX];
};

/* One line of what has happened. */
struct handover_line {
	enum handover_step step;
	svip_ms after_ms; /* the beginning */
	char text[HANDOVER_TEXT_MAX];
};

enum handover_reply { HANDOVER_NOT_ASKED, HANDOVER_OUT, HANDOVER_ANSWERED };

struct handover {
	enum handover_step step;
	const char *error; /* one word, once it has failed */
	svip_ms began, step_began, limit;
	uint64_t epoch; /* of the hold that is to end */
	int sentinel;   /* -1: none yet */
	uint32_t tried; /* bit for each Sentinel that can't be asked any more */

	enum handover_reply quorum, replicas, info, failover;
	bool aborted;      /* the Sentinel has given the failover up */
	bool paused;       /* writes have been told to wait */
	svip_ms paused_at; /* the last time */
	bool wait;         /* Redis has said that they do */
	svip_ms info_heard;
	bool target_known;
	uint64_t target;  /* the offset that must be reached */
	int n_candidates; /* that Sentinel could choose: those of the lowest priority */
	struct replication_candidate candidate[REPLICATION_MAX];
	uint64_t own[REPLICATION_MAX]; /* the offset that a candidate has told itself; 0: none */
	int n_told;                    /* as Sentinel told them */
	struct replication_candidate told[REPLICATION_MAX];
	struct replication_info latest;
	char refusal[HANDOVER_TEXT_MAX]; /* an answer that ends it; empty: none */

	int n_lines;
	struct handover_line line[HANDOVER_LINES_MAX];
};

/* Begins: handover_next() must follow at once. */
void handover_begin(struct handover *, svip_ms limit_ms, svip_ms now);

/* Looks at everything. Returns orders; to be called on each answer, and every HANDOVER_LOOK_MS. */
unsigned handover_next(struct handover *, const struct handover_facts *, svip_ms now);

static inline bool
handover_ended(const struct handover *h)
{
	return h->step == HANDOVER_DONE || h->step == HANDOVER_FAILED;
}

/* Ends it: somebody wants it to. Returns orders. */
unsigned handover_cancel(struct handover *, const char *why, svip_ms now);

/* ---- answers; handover_next() follows ---- */

/* An order couldn't be given: no connection, or no room. */
void handover_unsent(struct handover *, enum handover_order);

void handover_quorum(
    struct handover *, int sentinel, enum replication_verdict, bool lost, const char *text);
/* fault: other than REPLY_FINE, text says what. n may be above REPLICATION_MAX. */
void handover_replicas(struct handover *, int sentinel, const struct replication_candidate *, int n,
    enum reply_fault, const char *text);
/* lost: no answer came; sent: but the order may have. */
void handover_failover(struct handover *, int sentinel, enum replication_verdict, bool lost,
    bool sent, const char *text);
void handover_info(struct handover *, const struct replication_info *, svip_ms now,
    enum reply_fault, const char *text);
void handover_replica(struct handover *, int candidate, uint64_t offset);
void handover_writes(struct handover *, bool wait, const char *text);

/* A Sentinel has given a failover up. */
void handover_aborted(struct handover *, int sentinel);

#endif
