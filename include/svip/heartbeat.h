/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heartbeat as a struct: what one node says to all others, and the codec's contract.
 * Byte layout: doc/PROTOCOL.md. One datagram is complete in itself.
 */
#ifndef SVIP_HEARTBEAT_H
#define SVIP_HEARTBEAT_H

#include <svip/types.h>

enum {
	HB_VERSION = 1,
	HB_SIZE_MAX = 1200,  /* bytes of a datagram, tag included */
	HB_TAG_LEN = 32,     /* keyed BLAKE2b over all bytes before it */
	HB_INSTANCES_MAX = 20, /* instances in one datagram, at most */
	HB_ECHOES_MAX = 2 * SVIP_NODES_MAX,
};

/* Two of hb_peek()'s reasons, which receivers count apart. */
#define HB_WHY_VERSION "unknown protocol version"
#define HB_WHY_CLUSTER "of another cluster"

/* What the sender last heard from another node; proves to that node that the sender is alive now. */
struct hb_echo {
	uint8_t node[16];     /* the other node's address, IPv4 as ::ffff:a.b.c.d */
	uint64_t incarnation; /* of the other node's process */
	uint64_t sent_us;     /* the other node's own time stamp of the datagram heard */
	uint32_t held_us;     /* time between hearing it and sending this; UINT32_MAX: longer */
};

/* One instance, as the sender sees itself. */
struct hb_instance {
	uint64_t id;             /* keyless BLAKE2b of the instance's name, 8 bytes */
	uint8_t state;           /* enum core_state */
	bool holding;            /* it has been told to have the addresses, and hasn't confirmed that they are gone */
	uint64_t hold_epoch;     /* while holding */
	uint32_t lease_left_ms;  /* while holding; 0 otherwise */
	uint64_t claim_epoch;    /* 0 with claim_id 0: no claim */
	uint64_t claim_id;
	uint64_t yield_epoch;    /* the claim that the sender has yielded to; ids are unique */
	uint64_t yield_id;       /* 0: none */
};

struct heartbeat {
	uint64_t cluster;        /* keyless BLAKE2b of the cluster's name, 8 bytes */
	uint8_t node[16];        /* sender's address as in `nodes`, IPv4 as ::ffff:a.b.c.d */
	uint64_t incarnation;    /* random at start of the process, never 0 */
	uint64_t sequence;       /* of this process, counts up with each datagram's content */
	uint64_t sent_us;        /* sender's own CLOCK_BOOTTIME in microseconds */
	uint32_t version;        /* program version, major << 16 | minor << 8 | patch */
	uint32_t lease_ms;
	uint32_t guard_ms;
	uint64_t serial;         /* of the configuration */
	uint8_t digest_safety[SVIP_DIGEST_LEN];
	uint8_t digest_all[SVIP_DIGEST_LEN];
	bool joint;              /* on the way to another configuration, with both in force */
	uint8_t digest_next[SVIP_DIGEST_LEN]; /* its safety part, when joint; else not read */
	bool maintenance;
	bool observe;            /* the sender touches nothing */
	bool leaving;            /* clean stop: it holds nothing and says goodbye */
	int n_echoes;
	struct hb_echo echo[HB_ECHOES_MAX];
	int n_instances;
	struct hb_instance instance[HB_INSTANCES_MAX];
};

/* How many instances fit beside n_echoes echoes in one datagram: 1 to HB_INSTANCES_MAX. Holds for echoes
 * of SVIP_NODES_MAX nodes at most, those of one node beside each other. */
int hb_instances_fit(int n_echoes, bool joint);

/* Writes the datagram without its tag; key_id goes into the header. Returns its length in bytes
 * (the tag's HB_TAG_LEN bytes follow there), or 0 when it does not fit into size. */
size_t hb_encode(const struct heartbeat *, uint8_t key_id, uint8_t *out, size_t size);

/* Reads a datagram whose tag has been verified and cut off. False: *why says what is wrong with it
 * (a constant string). Unknown trailing bytes inside a longer record are an error in version 1. */
bool hb_decode(const uint8_t *in, size_t len, struct heartbeat *, const char **why);

/* Looks at the first bytes only: magic, version, cluster. False: not for us, *why says so. Needs no key. */
bool hb_peek(const uint8_t *in, size_t len, uint64_t cluster, uint8_t *key_id, const char **why);

/* IPv4 as ::ffff:a.b.c.d, IPv6 as it is. */
void hb_node(const struct svip_addr *, uint8_t out[16]);

#endif
