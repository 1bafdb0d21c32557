/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One configuration for all nodes, from any of them: all or nothing. Time and events come in, calls go out; it opens nothing.
 *
 * Who is asked to apply a text stages it on every node, in the order of their addresses, itself among them: each checks for itself and
 * keeps it beside its file. Of two at once the lower address decides, and the other is told who was first. When all have agreed, the
 * decision is made by one rename(2), that of the asking node's own file; then the others are told.
 * Nobody needs to be told: each node sees its peers' serials in their heartbeats, and fetches a later text that follows its own
 * (version.h). What is staged and not heard of again is dropped after a while. So a crash at any point ends in all old, when it came
 * before the decision, or in all new.
 */
#ifndef SVIPD_SPREAD_H
#define SVIPD_SPREAD_H

#include <svip/types.h>

#include "keeper.h"
#include "wire/version.h"

enum {
	SPREAD_STAGED_MS = 30000, /* a text waits so long for the decision */
	SPREAD_DECIDED_MS = 2000, /* and so long once others are seen to have it */
	SPREAD_LIMIT_MS = 20000,  /* all must have agreed by then */
	SPREAD_RETRY_MS = 5000,   /* between two tries to catch up */
	SPREAD_REPORT_MAX = KEEPER_REPORT_MAX,
	SPREAD_WHY_MAX = 256,
	SPREAD_ABSENT_STEP = 1000, /* serials: more than an absent node can have spent by itself */
};

enum spread_kind { SPREAD_STAGE, SPREAD_COMMIT, SPREAD_DISCARD, SPREAD_FETCH };

/* The first byte of each answer; text follows: why, remarks, or what was fetched. */
enum spread_verdict {
	SPREAD_NONE, /* not asked yet */
	SPREAD_AGREES,
	SPREAD_BUSY,
	SPREAD_REFUSES,
	SPREAD_UNREACHABLE, /* never sent */
	SPREAD_ABSENT,      /* by the operator's leave */
	SPREAD_DONE,        /* has it */
};

struct spread_ops {
	/* Asks a peer; spread_answered() follows, once, also when it can't be reached; not from within. */
	void (*call)(void *ctx, int node, enum spread_kind, const void *bytes, size_t len);
	/* Answers a peer's question. */
	void (*answer)(void *ctx, uint64_t question, const void *bytes, size_t len);
	/* keeper_do(); spread_kept() follows, once, also after an error; not from within. */
	void (*keep)(
	    void *ctx, enum keeper_order, const uint8_t *digest, const char *text, size_t len);
	/* The configuration's file as it is. To be freed; NULL: it can't be read. */
	char *(*read)(void *ctx, size_t *len);
	/* Whether this process can take over what is staged; else why. */
	bool (*fits)(void *ctx, char why[SPREAD_WHY_MAX]);
	/* Takes the file over; false: why. */
	bool (*reload)(void *ctx, char why[SPREAD_WHY_MAX]);
	void (*say)(void *ctx, const char *text); /* to the log */
	/* The address of a node. */
	const char *(*name)(void *ctx, int node, char text[SVIP_TEXT_MAX]);
};

struct spread_result {
	enum spread_verdict verdict;
	char report[SPREAD_REPORT_MAX];
};

enum spread_phase { SPREAD_IDLE, SPREAD_STAGING, SPREAD_DECIDING, SPREAD_TELLING, SPREAD_UNDOING };

struct spread {
	const struct spread_ops *ops;
	void *ctx;
	int self, n_nodes;
	struct spread_node {
		bool alive;      /* heard lately */
		uint64_t serial; /* of its configuration; of this node's own: as it is taken over */
	} node[SVIP_NODES_MAX];

	/* A text is staged here, or on its way to it. */
	bool taken;
	int by; /* the node that said so; -1: fetched */
	uint64_t serial;
	uint8_t digest[VERSION_DIGEST_LEN];
	svip_ms until;

	/* The keeper is at work, and for whom. */
	enum spread_for { FOR_NONE, FOR_PEER, FOR_SELF, FOR_CATCH_UP, FOR_NOBODY } keeping;
	enum keeper_order order;
	uint64_t question; /* the peer's */

	/* This node applies. */
	enum spread_phase phase;
	int at; /* whose turn it is */
	uint32_t absent;
	svip_ms limit;
	bool failed, decided; /* decided: there is no way back */
	bool ever;            /* asked at all */
	struct version next;
	char *text;
	size_t len;
	struct spread_result result[SVIP_NODES_MAX];

	/* This node catches up. */
	bool fetching;
	int from;
	svip_ms next_fetch;
	uint64_t odd_serial; /* said already that it can't be followed */
};

/* n_nodes of the configuration, in their order; own_serial that of this node's file, 0: it has none. */
void spread_init(struct spread *, const struct spread_ops *, void *ctx, int self, int n_nodes,
    uint64_t own_serial);
void spread_fini(struct spread *);

/* Begins to apply a text, with or without a version's line. absent: a bit for each node that may be missing; joining: addresses of
 * nodes that only the text has, a space between two, "" for none. NULL, or why not. */
const char *spread_apply(struct spread *, const char *text, size_t len, uint32_t absent,
    const char *joining, svip_ms now);

/* What heartbeats say. */
void spread_heard(struct spread *, int node, bool alive, uint64_t serial);

/* A peer asks; the answer comes by ops->answer, now or later, once. */
void spread_asked(struct spread *, int node, enum spread_kind, const void *bytes, size_t len,
    uint64_t question, svip_ms now);

/* A peer's answer to ops->call; bytes NULL: there is none, and why says so. */
void spread_answered(struct spread *, const void *bytes, size_t len, const char *why, svip_ms now);

/* The keeper's answer. */
void spread_kept(struct spread *, const struct keeper_answer *, svip_ms now);

/* Once in a while: nothing is new before the next heartbeat. */
void spread_tick(struct spread *, svip_ms now);

#endif
