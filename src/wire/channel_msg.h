/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What two nodes say to each other on the peers' channel (doc/PROTOCOL.md): one call a connection. Bytes to structs and
 * back; no descriptor, no key. All numbers are big-endian; what is not as described here is refused.
 *
 *   called -> caller   challenge
 *   caller -> called   opening, sealed head, sealed body
 *   called -> caller   sealed head, sealed body
 *
 * A sealed thing is followed by its tag. The head is sealed alone, so that no length is believed, and no memory taken,
 * before it is known that the other end has the key.
 */
#ifndef WIRE_CHANNEL_MSG_H
#define WIRE_CHANNEL_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CHANNEL_VERSION = 1,
	CHANNEL_NONCE_LEN = 32,
	CHANNEL_NODE_LEN = 16, /* as hb_node() writes it */
	CHANNEL_TAG_LEN = 16,
	CHANNEL_CHALLENGE_LEN = 48,
	CHANNEL_OPENING_LEN = 56,
	CHANNEL_HEAD_LEN = 12,
	CHANNEL_BODY_MAX = 512 << 10, /* bytes: a configuration of 1024 instances fits */
};

/* Two thirds are free for what is to come; who doesn't know a question refuses it in words. */
enum channel_kind {
	CHANNEL_CONFIG = 1,   /* what is the configuration there? No body */
	CHANNEL_STAGE,        /* take this configuration, when all have agreed: the file */
	CHANNEL_COMMIT,       /* all have: its digest */
	CHANNEL_DISCARD,      /* somebody hasn't: its digest */
	CHANNEL_FETCH,        /* what is in the file there? No body */
	CHANNEL_ASK,          /* a question of svipctl's: its line; the answer is the same JSON */
	CHANNEL_KEYS,         /* no body: what are the keys there? Else: have these (svipd/rotate.h) */
	CHANNEL_ANSWER = 128, /* the body is what was asked for */
	CHANNEL_REFUSAL,      /* the body says why not: a text */
};

struct channel_challenge {
	uint64_t cluster; /* seal_id64() of its name */
	uint8_t nonce[CHANNEL_NONCE_LEN];
};

struct channel_opening {
	uint8_t key_id; /* seal_key_id() */
	uint8_t node[CHANNEL_NODE_LEN];
	uint8_t nonce[CHANNEL_NONCE_LEN];
};

struct channel_head {
	uint8_t kind;    /* enum channel_kind, or one that isn't known here */
	uint32_t id;     /* of the call: the answer has the same */
	uint32_t length; /* bytes of the body, without its tag: up to CHANNEL_BODY_MAX */
};

void channel_put_challenge(const struct channel_challenge *, uint8_t out[CHANNEL_CHALLENGE_LEN]);
void channel_put_opening(const struct channel_opening *, uint8_t out[CHANNEL_OPENING_LEN]);
void channel_put_head(const struct channel_head *, uint8_t out[CHANNEL_HEAD_LEN]);

/* False: *why (a constant text) says what is wrong; the struct isn't to be used then. */
bool channel_get_challenge(
    const uint8_t in[CHANNEL_CHALLENGE_LEN], struct channel_challenge *, const char **why);
bool channel_get_opening(
    const uint8_t in[CHANNEL_OPENING_LEN], struct channel_opening *, const char **why);
bool channel_get_head(const uint8_t in[CHANNEL_HEAD_LEN], struct channel_head *, const char **why);

#endif
