/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is to be done next for another key on all nodes: all accept the new one, then all send with it, then all drop the old one. It is
 * seen in the nodes' keys alone, so a rotation that was broken off is gone on with by whoever asks. And the bytes of the channel's
 * question and answer about keys. Opens nothing; knows no node's address.
 */
#ifndef SVIPD_ROTATE_H
#define SVIPD_ROTATE_H

#include <svip/settings.h>

enum { ROTATE_MARK_LEN = 8 };

/* A key as it may be shown: its number, 0 when it was made by hand, and a hash. */
struct rotate_key {
	uint32_t number;
	uint8_t mark[ROTATE_MARK_LEN];
};

/* Those of a node; the first is the one that it sends with. */
struct rotate_set {
	int n; /* 0: not known */
	struct rotate_key key[SET_KEYS_MAX];
};

enum rotate_phase {
	ROTATE_STUCK, /* why says what somebody has to do by hand */
	ROTATE_ONE,   /* one key everywhere: nothing is under way */
	ROTATE_ADD,   /* the nodes below need the new one, too */
	ROTATE_USE,   /* they must send with it */
	ROTATE_DROP,  /* they have the old one yet */
};

struct rotate_plan {
	enum rotate_phase phase;
	const char *why;
	uint32_t nodes;         /* a bit each */
	struct rotate_set want; /* of these nodes */
};

/* The keys of all nodes. A key's number says which is the newer one. */
void rotate_next(const struct rotate_set *, int n_nodes, struct rotate_plan *);

/* The question: an empty body asks for the keys; otherwise, in a parcel (seal.h), the keys to have from now on. Returns its length. */
enum { ROTATE_BODY_MAX = 1 + SET_KEYS_MAX * (4 + SVIP_KEY_LEN) };
struct rotate_order {
	int n;
	uint32_t number[SET_KEYS_MAX];
	uint8_t key[SET_KEYS_MAX][SVIP_KEY_LEN];
};
size_t rotate_put_order(const struct rotate_order *, uint8_t out[ROTATE_BODY_MAX]);
bool rotate_get_order(const uint8_t *body, size_t len, struct rotate_order *);

/* The answer: the keys that it has now; behind them goes the public key for the next parcel. */
enum { ROTATE_ANSWER_MAX = 1 + SET_KEYS_MAX * (4 + ROTATE_MARK_LEN) };
size_t rotate_put_set(const struct rotate_set *, uint8_t out[ROTATE_ANSWER_MAX]);
bool rotate_get_set(const uint8_t *body, size_t len, struct rotate_set *);

#endif
