/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' channel: one node asks another, over TCP at the heartbeats' port between the nodes' own addresses. Both prove
 * that they have the key, all else is encrypted (doc/PROTOCOL.md). Carries bytes; what they mean is the owner's business.
 *
 * It must never be felt by anything else: the lowest priority in the loop, one read or write for a connection in a wake-up,
 * few connections in all and from each node, none from who isn't a node, and a time limit for each. When the port can't be
 * had it is tried again; nothing else depends on it.
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <svip/settings.h>

#include "wire/channel_msg.h"

struct ev_loop;

enum {
	CHANNEL_GUESTS_MAX = 8,      /* connections of others at once */
	CHANNEL_GUESTS_NODE_MAX = 2, /* of these from one node's address */
	CHANNEL_CALLS_MAX = 16,      /* of this node's own */
	CHANNEL_UNPROVEN_MS = 1000,  /* until a guest has to have shown the key */
	CHANNEL_LIMIT_MS = 3000,     /* for a call, and for a guest after that */
	CHANNEL_SLOW_MS = 10000,     /* the same where the other end may have to write to its disk */
};

enum channel_reply {
	CHANNEL_NO,   /* the text says why */
	CHANNEL_YES,  /* the text is the answer */
	CHANNEL_LATER /* channel_answer() will give it */
};

struct channel_question {
	int node, key; /* nodes[node] asks; it has the key'th key of the settings */
	uint8_t kind;
	const uint8_t *body;
	size_t len;
	uint32_t ticket; /* for CHANNEL_LATER */
};

struct channel_owner {
	/* *text: malloc'd, taken over, *len bytes, at most CHANNEL_BODY_MAX. NULL: out of memory, and nothing is answered. Must not block. */
	enum channel_reply (*asked)(
	    void *ctx, const struct channel_question *, char **text, size_t *len);
	/* The call has ended. why NULL: body is the answer, not kept; else why there is none: a printable text. */
	void (*answered)(
	    void *ctx, int node, uint32_t id, const uint8_t *body, size_t len, const char *why);
};

struct channel_counters {
	uint64_t guests;    /* connections of nodes' addresses, taken */
	uint64_t strangers; /* of others: closed at once */
	uint64_t crowded;   /* beyond the limits: closed at once */
	uint64_t unproven;  /* without the key, or no such protocol */
	uint64_t late;      /* guests whose time was over */
	uint64_t answers;
	uint64_t calls, calls_failed;
};

/* Copies what it needs of the settings; seal_init() comes before. Neither callback may call init or fini. */
void channel_init(
    struct ev_loop *, const struct settings *, const struct channel_owner *, void *ctx);
void channel_fini(void); /* without calling anybody */

/*
 * Asks nodes[node], not this one. 0, and answered() comes exactly once, later, with this id; -EBUSY: too many calls; -ENOMEM.
 * The call uses the first key. body isn't kept; at most CHANNEL_BODY_MAX bytes.
 */
int channel_call(int node, enum channel_kind, const uint8_t *body, size_t len, uint32_t *id);

/* The answer that was to come later; not kept. Nobody waits for it any more: nothing happens. */
void channel_answer(uint32_t ticket, const uint8_t *body, size_t len);
/* The same with a text that says why there is no answer. */
void channel_refuse(uint32_t ticket, const char *why);

/* Ends every call (answered() says why) and every guest: other keys are about to be in force. */
void channel_interrupt(const char *why);

/* Other nodes from now on. When one that was there has another index, or none, everything is ended as above. */
void channel_nodes(const struct settings *);

const struct channel_counters *channel_counters(void);

#endif
