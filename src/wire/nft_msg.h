/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nftables messages: transactions of tables, sets, chains and rules by libnftnl, and of elements, which are the hot
 * path, by libmnl. No descriptor. Source: nf_tables_api.c and nfnetlink.c in the kernel's net/netfilter.
 */
#ifndef WIRE_NFT_MSG_H
#define WIRE_NFT_MSG_H

#include <svip/types.h>

enum {
	NFT_BATCH_MAX = 1 << 20, /* bytes of one transaction */
	NFT_NAME_MAX = 128,      /* bytes of a table's name with its 0 */
};

/* Address families of tables (NFPROTO_*), and an order of them for loops. */
enum nft_table { NFT_INET, NFT_ARP, NFT_NETDEV, NFT_TABLES };

/* A transaction under construction. Message number k of it has the sequence number first + k. */
struct nft_batch {
	char *buf; /* NFT_BATCH_MAX bytes, the caller's */
	size_t len;
	uint32_t first, seq; /* of the begin message; the last one used */
	bool full;           /* something didn't fit: don't send it */
};

void nft_begin(struct nft_batch *, char *buf, uint32_t seq);
void nft_end(struct nft_batch *); /* asks for an acknowledgement of the last message before it */

/* ---- setting up: creates, or leaves as it is what is there already ---- */

void nft_put_table(struct nft_batch *, enum nft_table, const char *name, const char *comment);
void nft_put_table_gone(struct nft_batch *, enum nft_table, const char *name);

/* The sets: addresses that are fenced, those let through, those about to go, and the tokens of dated orders (all but the
 * first with time-outs). */
void nft_put_sets(struct nft_batch *, enum nft_table, const char *name);

/* Chains and rules, after all rules of the table have been deleted. device: for NFT_NETDEV only, one call each. */
void nft_put_no_rules(struct nft_batch *, enum nft_table, const char *name);
void nft_put_chains(struct nft_batch *, enum nft_table, const char *name, const char *device);

/* ---- elements ---- */

void nft_put_no_fenced(struct nft_batch *, enum nft_table, const char *name);
void nft_put_fenced(
    struct nft_batch *, enum nft_table, const char *name, const struct svip_addr *, int n);

/* Lets the addresses through for that long, unless one is let through already (EEXIST); or no longer (ENOENT). */
void nft_put_alive(struct nft_batch *, enum nft_table, const char *name, const struct svip_addr *,
    int n, svip_ms left);
void nft_put_not_alive(
    struct nft_batch *, enum nft_table, const char *name, const struct svip_addr *, int n);

/* In NFT_INET: for that long no TCP connection to these begins; what is there goes on. Or to none of whichever any more. */
void nft_put_closing(
    struct nft_batch *, const char *name, const struct svip_addr *, int n, svip_ms left);
void nft_put_no_closing(struct nft_batch *, const char *name);

void nft_put_token(struct nft_batch *, const char *name, uint32_t token, svip_ms left);
void nft_put_no_token(struct nft_batch *, const char *name, uint32_t token);

/* Only where the table has addresses of this family: NFT_ARP has IPv4 alone. */
bool nft_has_family(enum nft_table, int family);

/* A question of its own, no transaction: for how long is this address let through yet? */
size_t nft_put_question(
    char *buf, uint32_t seq, enum nft_table, const char *name, const struct svip_addr *);

/* ---- what comes back ---- */

enum { NFT_NO_END = INT32_MAX };

enum nft_kind { NFT_OTHER, NFT_ANSWER, NFT_THING };

struct nft_info {
	enum nft_kind kind;
	uint32_t seq;
	int error; /* NFT_ANSWER: 0 or a positive errno */
	/* NFT_THING: the answer to a question, or the notification of a change */
	char table[NFT_NAME_MAX];
	bool gone;    /* it was deleted */
	svip_ms left; /* of an element: ms until its end, NFT_NO_END: it has none; -1: no element */
};

/* Calls each() for every message. False: malformed. */
bool nft_parse(
    const void *in, size_t len, void (*each)(void *ctx, const struct nft_info *), void *ctx);

#endif
