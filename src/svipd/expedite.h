/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a master's Redis counts as certainly gone, and how Sentinel is asked to fail over then. Pure: no sockets, clock, log. Must not
 * give the same hold up twice.
 */
#ifndef SVIPD_EXPEDITE_H
#define SVIPD_EXPEDITE_H

#include <svip/types.h>

#include "wire/replication_reply.h"

enum {
	EXPEDITE_LEAST_MS = 100,
	EXPEDITE_MOST_MS = 60000,
	EXPEDITE_GAP_MS = 500,    /* without an attempt: nobody knows what was meanwhile */
	EXPEDITE_REFUSALS = 3,    /* at least */
	EXPEDITE_AGAIN_MS = 1000, /* after NOGOODSLAVE */
	EXPEDITE_ASK_MAX = 4,
	EXPEDITE_ASK_FOR_MS = 10000, /* then Sentinel's own time has come, or it never will */
};

struct expedite {
	svip_ms since, last; /* of the run of refusals */
	int n;               /* in it */
	bool begun;          /* a hold was given up, of this epoch the last */
	uint64_t epoch;
	bool asking; /* Sentinel is to be asked */
	bool out;    /* and is, at this moment */
	int sentinel, asked;
	uint32_t tried;
	svip_ms again, until;
};

/* An attempt to connect has ended. True: it was the last of refusals for `limit_ms` without a break; 0: never. */
bool expedite_tried(struct expedite *, bool refused, svip_ms limit_ms, svip_ms now);

/* The hold of that epoch is to be given up. False: it was already. */
bool expedite_begin(struct expedite *, uint64_t epoch, svip_ms now);

/* Redis has said that it is a master, or another node has been named: no more asking. */
void expedite_end(struct expedite *);

/* The Sentinel to be asked to fail over now; -1: none. usable: n of them. Call it every 10 ms while e->asking. */
int expedite_ask(struct expedite *, const bool *usable, int n, svip_ms now);

enum expedite_result {
	EXPEDITE_OTHER, /* an answer that wasn't waited for, or it couldn't be sent: the next Sentinel is asked */
	EXPEDITE_ACCEPTED, /* it fails over */
	EXPEDITE_RUNS,     /* one is under way already */
	EXPEDITE_LATER,    /* no replica now: it is asked again */
	EXPEDITE_REFUSED,  /* not any more: down-after it is */
};
/* lost: no answer came; sent: but the order may have. */
enum expedite_result expedite_answer(
    struct expedite *, int sentinel, enum replication_verdict, bool lost, bool sent, svip_ms now);

#endif
