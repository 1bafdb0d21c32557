/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes and reads nftables messages. Must not send anything, nor know what is held. */
#include "nft_msg.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#ifndef NF_NETDEV_EGRESS /* Linux 5.16 */
#define NF_NETDEV_EGRESS 1
#endif

enum {
	PRIORITY = -500,    /* before connection tracking, before anybody's own rules */
	MESSAGE_MAX = 8192, /* bytes of any one message */
	KEYS_MAX = 128,     /* elements in one message */
	/* nft's numbers of types, so that it can show the sets: its include/datatype.h */
	TYPE_IPV4 = 7,
	TYPE_IPV6 = 8,
	TYPE_MARK = 19,
	SOLICITATION = 135,  /* RFC 4861 section 4.3: it tells its sender's MAC, too */
	ADVERTISEMENT = 136, /* RFC 4861 section 4.4 */
	ERRNO_MAX = 4095,    /* MAX_ERRNO in the kernel's include/linux/err.h */
	TCP_FLAGS = 13,      /* from the TCP header's begin */
};

static const uint8_t families[NFT_TABLES] = {
	[NFT_INET] = NFPROTO_INET, [NFT_ARP] = NFPROTO_ARP, [NFT_NETDEV] = NFPROTO_NETDEV
};

#define TOKENS "dated"

enum set { VIPS, ALIVE, CLOSING };

static const char *
set_name(enum set s, int family)
{
	static const char *const names[][2] = {
		[VIPS] = { "vips4", "vips6" },
		[ALIVE] = { "alive4", "alive6" },
		[CLOSING] = { "closing4", "closing6" },
	};

	return names[s][family == 4 ? 0 : 1];
}

bool
nft_has_family(enum nft_table t, int family)
{
	return family == 4 || t != NFT_ARP;
}

/* ---- the transaction ---- */

/* Room for one message, or NULL. */
static struct nlmsghdr *
message(struct nft_batch *b, uint16_t type, uint8_t family, uint16_t flags)
{
	struct nlmsghdr *h;
	struct nfgenmsg *g;

	if (b->full || NFT_BATCH_MAX - b->len < 2 * MESSAGE_MAX) {
		b->full = true;
		return NULL;
	}
	h = mnl_nlmsg_put_header(b->buf + b->len);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++b->seq;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = type < NLMSG_MIN_TYPE + 2 ? htons(NFNL_SUBSYS_NFTABLES) : 0;
	return h;
}

static void
done(struct nft_batch *b, const struct nlmsghdr *h)
{
	assert(h->nlmsg_len <= MESSAGE_MAX);
	b->len += MNL_ALIGN(h->nlmsg_len);
}

static struct nlmsghdr *
order(struct nft_batch *b, int what, enum nft_table t, uint16_t flags)
{
	return message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what), families[t], flags);
}

void
nft_begin(struct nft_batch *b, char *buf, uint32_t seq)
{
	*b = (struct nft_batch){ .buf = buf, .first = seq + 1, .seq = seq };
	done(b, message(b, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0)); /* fits: it is the first */
}

void
nft_end(struct nft_batch *b)
{
	struct nlmsghdr *h = (struct nlmsghdr *)b->buf;
	size_t at = 0;

	while (at + MNL_ALIGN(h->nlmsg_len) < b->len) { /* the last one */
		at += MNL_ALIGN(h->nlmsg_len);
		h = (struct nlmsghdr *)(b->buf + at);
	}
	h->nlmsg_flags |= NLM_F_ACK;
	b->seq = h->nlmsg_seq;
	h = message(b, NFNL_MSG_BATCH_END, AF_UNSPEC, 0);
	if (h != NULL)
		done(b, h);
	b->seq--;
}

/* No memory in setting up is no state to go on in. */
static void *
need(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* ---- tables and sets ---- */

static void
put_table(struct nft_batch *b, enum nft_table t, int what, uint16_t flags, const char *name,
    const char *comment)
{
	struct nlmsghdr *h = order(b, what, t, flags);
	struct nftnl_table *table;
	struct nftnl_udata_buf *udata;

	if (h == NULL)
		return;
	table = need(nftnl_table_alloc());
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
	if (comment != NULL) {
		udata = need(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
		if (nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, comment))
			nftnl_table_set_data(table, NFTNL_TABLE_USERDATA,
			    nftnl_udata_buf_data(udata), nftnl_udata_buf_len(udata));
		nftnl_udata_buf_free(udata);
	}
	nftnl_table_nlmsg_build_payload(h, table);
	nftnl_table_free(table);
	done(b, h);
}

void
nft_put_table(struct nft_batch *b, enum nft_table t, const char *name, const char *comment)
{
	put_table(b, t, NFT_MSG_NEWTABLE, NLM_F_CREATE, name, comment);
}

void
nft_put_table_gone(struct nft_batch *b, enum nft_table t, const char *name)
{
	put_table(b, t, NFT_MSG_DELTABLE, 0, name, NULL);
}

static void
put_set(struct nft_batch *b, enum nft_table t, const char *name, const char *set, uint32_t type,
    uint32_t key_len, bool timeout)
{
	struct nlmsghdr *h = order(b, NFT_MSG_NEWSET, t, NLM_F_CREATE);
	struct nftnl_set *s;

	if (h == NULL)
		return;
	s = need(nftnl_set_alloc());
	nftnl_set_set_str(s, NFTNL_SET_TABLE, name);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, families[t]);
	nftnl_set_set_u32(s, NFTNL_SET_ID, b->seq); /* any, but each its own */
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, key_len);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, timeout ? NFT_SET_TIMEOUT : 0);
	nftnl_set_nlmsg_build_payload(h, s);
	nftnl_set_free(s);
	done(b, h);
}

void
nft_put_sets(struct nft_batch *b, enum nft_table t, const char *name)
{
	for (enum set s = VIPS; s <= (t == NFT_INET ? CLOSING : ALIVE); s++) {
		put_set(b, t, name, set_name(s, 4), TYPE_IPV4, 4, s != VIPS);
		if (nft_has_family(t, 6))
			put_set(b, t, name, set_name(s, 6), TYPE_IPV6, 16, s != VIPS);
	}
	if (t == NFT_INET)
		put_set(b, t, name, TOKENS, TYPE_MARK, 4, true);
}

/* ---- chains and rules ---- */

void
nft_put_no_rules(struct nft_batch *b, enum nft_table t, const char *name)
{
	struct nlmsghdr *h = order(b, NFT_MSG_DELRULE, t, 0);

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, name);
	done(b, h);
}

static void
put_chain(struct nft_batch *b, enum nft_table t, const char *name, const char *chain, uint32_t hook,
    const char *device)
{
	struct nlmsghdr *h = order(b, NFT_MSG_NEWCHAIN, t, NLM_F_CREATE);
	struct nftnl_chain *c;

	if (h == NULL)
		return;
	c = need(nftnl_chain_alloc());
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, PRIORITY);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	if (device != NULL)
		nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, device);
	nftnl_chain_nlmsg_build_payload(h, c);
	nftnl_chain_free(c);
	done(b, h);
}

static struct nftnl_expr *
add(struct nftnl_rule *r, const char *kind)
{
	struct nftnl_expr *e = need(nftnl_expr_alloc(kind));

	nftnl_rule_add_expr(r, e);
	return e;
}

static void
load_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = add(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void
load_meta(struct nftnl_rule *r, uint32_t key)
{
	struct nftnl_expr *e = add(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void
must_be(struct nftnl_rule *r, const void *value, uint32_t len)
{
	struct nftnl_expr *e = add(r, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, len);
}

static void
must_be_in(struct nftnl_rule *r, const char *set, bool not )
{
	struct nftnl_expr *e = add(r, "lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	if (not )
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static struct nftnl_rule *
rule(enum nft_table t, const char *name, const char *chain)
{
	struct nftnl_rule *r = need(nftnl_rule_alloc());

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, name);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, families[t]);
	return r;
}

/* The address there, if it is fenced and not let through. */
static void
fenced(struct nftnl_rule *r, int family, uint32_t offset)
{
	for (enum set s = VIPS; s <= ALIVE; s++) {
		load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, family == 4 ? 4 : 16);
		must_be_in(r, set_name(s, family), s == ALIVE);
	}
}

static void
drop(struct nft_batch *b, enum nft_table t, struct nftnl_rule *r)
{
	struct nlmsghdr *h = order(b, NFT_MSG_NEWRULE, t, NLM_F_CREATE | NLM_F_APPEND);
	struct nftnl_expr *e = add(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	if (h != NULL) {
		nftnl_rule_nlmsg_build_payload(h, r);
		done(b, h);
	}
	nftnl_rule_free(r);
}

/* SYN without ACK to an address there that is about to go. */
static void
begins(struct nftnl_rule *r, int family, uint32_t offset)
{
	static const uint8_t tcp = IPPROTO_TCP, mask = 0x12, none = 0, syn = 0x02;
	struct nftnl_expr *e;

	load_meta(r, NFT_META_L4PROTO);
	must_be(r, &tcp, 1);
	load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, 1);
	e = add(r, "bitwise");
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, 1);
	must_be(r, &syn, 1);
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, family == 4 ? 4 : 16);
	must_be_in(r, set_name(CLOSING, family), false);
}

/*
 * IP. Coming in: also what address translation would send on to a container, which the input hook never sees; but
 * not what this host merely forwards to the holder, hence "to an address of this host". Going out: the sockets'.
 */
static void
put_inet(struct nft_batch *b, const char *name)
{
	static const struct {
		int family;
		uint8_t proto;
		uint32_t source, target;
	} ip[] = {
		{ 4, NFPROTO_IPV4, 12, 16 },
		{ 6, NFPROTO_IPV6, 8, 24 },
	};
	static const uint32_t local = RTN_LOCAL;

	put_chain(b, NFT_INET, name, "in", NF_INET_PRE_ROUTING, NULL);
	put_chain(b, NFT_INET, name, "out", NF_INET_LOCAL_OUT, NULL);
	for (int i = 0; i < 2; i++) {
		struct nftnl_rule *in = rule(NFT_INET, name, "in"),
		                  *again = rule(NFT_INET, name, "in"),
		                  *out = rule(NFT_INET, name, "out");
		struct nftnl_expr *fib;

		load_meta(in, NFT_META_NFPROTO);
		must_be(in, &ip[i].proto, 1);
		fenced(in, ip[i].family, ip[i].target);
		fib = add(in, "fib");
		nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
		nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
		nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
		must_be(in, &local, sizeof(local));
		drop(b, NFT_INET, in);
		load_meta(again, NFT_META_NFPROTO);
		must_be(again, &ip[i].proto, 1);
		begins(again, ip[i].family, ip[i].target);
		drop(b, NFT_INET, again);
		load_meta(out, NFT_META_NFPROTO);
		must_be(out, &ip[i].proto, 1);
		fenced(out, ip[i].family, ip[i].source);
		drop(b, NFT_INET, out);
	}
}

/*
 * ARP for Ethernet and IPv4 (RFC 826): the sender's address is at 14. Only going out. Coming in, a question for the
 * address does no harm without the answer, and the holder's announcements name it as their target, too: this host has
 * to hear them.
 */
static void
put_arp(struct nft_batch *b, const char *name)
{
	struct nftnl_rule *out = rule(NFT_ARP, name, "out");

	put_chain(b, NFT_ARP, name, "out", NF_ARP_OUT, NULL);
	fenced(out, 4, 14);
	drop(b, NFT_ARP, out);
}

/* What packet sockets send, which nothing above sees: announcements and the questions that go with them. Not what is
 * merely forwarded. */
static void
put_egress(struct nft_batch *b, const char *name, const char *device)
{
	const uint16_t arp = htons(ETH_P_ARP), ipv6 = htons(ETH_P_IPV6);
	static const uint8_t tells[] = { SOLICITATION, ADVERTISEMENT };
	const uint8_t icmp6 = IPPROTO_ICMPV6;
	struct nftnl_rule *r;
	char chain[NFT_NAME_MAX] = "out-";

	strncat(chain, device, sizeof(chain) - sizeof("out-"));
	put_chain(b, NFT_NETDEV, name, chain, NF_NETDEV_EGRESS, device);
	r = rule(NFT_NETDEV, name, chain);
	load_meta(r, NFT_META_PROTOCOL);
	must_be(r, &arp, sizeof(arp));
	fenced(r, 4, 14);
	drop(b, NFT_NETDEV, r);
	for (size_t i = 0; i < sizeof(tells); i++) {
		r = rule(NFT_NETDEV, name, chain);
		load_meta(r, NFT_META_PROTOCOL);
		must_be(r, &ipv6, sizeof(ipv6));
		fenced(r, 6, 8);
		load_meta(r, NFT_META_L4PROTO);
		must_be(r, &icmp6, 1);
		load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
		must_be(r, &tells[i], 1);
		drop(b, NFT_NETDEV, r);
	}
}

void
nft_put_chains(struct nft_batch *b, enum nft_table t, const char *name, const char *device)
{
	if (t == NFT_INET)
		put_inet(b, name);
	else if (t == NFT_ARP)
		put_arp(b, name);
	else
		put_egress(b, name, device);
}

/* ---- elements ---- */

static void
put_key(struct nlmsghdr *h, const void *key, size_t len, svip_ms left)
{
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM), *k;

	k = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, len, key);
	mnl_attr_nest_end(h, k);
	if (left > 0)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)left));
	mnl_attr_nest_end(h, element);
}

static struct nlmsghdr *
elements(struct nft_batch *b, int what, uint16_t flags, enum nft_table t, const char *name,
    const char *set)
{
	struct nlmsghdr *h = order(b, what, t, flags);

	if (h == NULL)
		return NULL;
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, name);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	return h;
}

static void
put_elements(struct nft_batch *b, int what, uint16_t flags, enum nft_table t, const char *name,
    enum set s, const struct svip_addr *a, int n, svip_ms left)
{
	for (int family = 4; family <= 6; family += 2) {
		for (int at = 0; at < n;) {
			struct nlmsghdr *h = NULL;
			struct nlattr *list = NULL;

			for (int k = 0; at < n && k < KEYS_MAX; at++) {
				if (a[at].family != family || !nft_has_family(t, family))
					continue;
				if (h == NULL) {
					h = elements(b, what, flags, t, name, set_name(s, family));
					if (h == NULL)
						return;
					list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
				}
				put_key(h, a[at].bytes, family == 4 ? 4 : 16, left);
				k++;
			}
			if (h == NULL)
				break;
			mnl_attr_nest_end(h, list);
			done(b, h);
		}
	}
}

/* Empties the sets. */
static void
put_none(struct nft_batch *b, enum nft_table t, const char *name, enum set s)
{
	for (int family = 4; family <= 6; family += 2) {
		struct nlmsghdr *h = nft_has_family(t, family) ? elements(b, NFT_MSG_DELSETELEM, 0,
		                                                     t, name, set_name(s, family))
		                                               : NULL;

		if (h != NULL)
			done(b, h);
	}
}

void
nft_put_no_fenced(struct nft_batch *b, enum nft_table t, const char *name)
{
	put_none(b, t, name, VIPS);
}

void
nft_put_fenced(
    struct nft_batch *b, enum nft_table t, const char *name, const struct svip_addr *a, int n)
{
	put_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, t, name, VIPS, a, n, 0);
}

void
nft_put_alive(struct nft_batch *b, enum nft_table t, const char *name, const struct svip_addr *a,
    int n, svip_ms left)
{
	assert(left > 0);
	put_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, t, name, ALIVE, a, n, left);
}

void
nft_put_not_alive(
    struct nft_batch *b, enum nft_table t, const char *name, const struct svip_addr *a, int n)
{
	put_elements(b, NFT_MSG_DELSETELEM, 0, t, name, ALIVE, a, n, 0);
}

void
nft_put_closing(
    struct nft_batch *b, const char *name, const struct svip_addr *a, int n, svip_ms left)
{
	assert(left > 0);
	put_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, NFT_INET, name, CLOSING, a, n, left);
}

void
nft_put_no_closing(struct nft_batch *b, const char *name)
{
	put_none(b, NFT_INET, name, CLOSING);
}

static void
put_token(
    struct nft_batch *b, int what, uint16_t flags, const char *name, uint32_t token, svip_ms left)
{
	struct nlmsghdr *h = elements(b, what, flags, NFT_INET, name, TOKENS);
	struct nlattr *list;

	if (h == NULL)
		return;
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_key(h, &token, sizeof(token), left);
	mnl_attr_nest_end(h, list);
	done(b, h);
}

void
nft_put_token(struct nft_batch *b, const char *name, uint32_t token, svip_ms left)
{
	put_token(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, name, token, left);
}

void
nft_put_no_token(struct nft_batch *b, const char *name, uint32_t token)
{
	put_token(b, NFT_MSG_DELSETELEM, 0, name, token, 0);
}

size_t
nft_put_question(
    char *buf, uint32_t seq, enum nft_table t, const char *name, const struct svip_addr *a)
{
	struct nft_batch b = { .buf = buf, .seq = seq - 1 };
	struct nlmsghdr *h =
	    elements(&b, NFT_MSG_GETSETELEM, 0, t, name, set_name(ALIVE, a->family));
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);

	put_key(h, a->bytes, a->family == 4 ? 4 : 16, 0);
	mnl_attr_nest_end(h, list);
	return h->nlmsg_len;
}

/* ---- what comes back ---- */

/* The first attribute of this type within; NULL: none, or too short. */
static const struct nlattr *
find(const struct nlattr *first, size_t len, uint16_t type, size_t least)
{
	const struct nlattr *a = first;

	while (mnl_attr_ok(a, (int)len)) {
		size_t step = MNL_ALIGN(a->nla_len);

		if (mnl_attr_get_type(a) == type)
			return mnl_attr_get_payload_len(a) >= least ? a : NULL;
		if (step >= len)
			return NULL;
		len -= step;
		a = (const struct nlattr *)((const char *)a + step);
	}
	return NULL;
}

static const struct nlattr *
inside(const struct nlattr *a, uint16_t type, size_t least)
{
	return a == NULL ? NULL
	                 : find(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), type, least);
}

static void
read_message(const struct nlmsghdr *h, struct nft_info *info)
{
	size_t head = sizeof(struct nfgenmsg), len = h->nlmsg_len - NLMSG_HDRLEN;
	const struct nlattr *first, *table, *element, *end;
	uint64_t left;
	int what = h->nlmsg_type & 0xff, told;

	*info = (struct nft_info){ .seq = h->nlmsg_seq };
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (len < sizeof(told))
			return;
		told = *(const int *)mnl_nlmsg_get_payload(h);
		info->kind = NFT_ANSWER;
		info->error = told <= 0 && told >= -ERRNO_MAX ? -told : EBADMSG;
		return;
	}
	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || len <= head)
		return;
	first = mnl_nlmsg_get_payload_offset(h, head);
	len -= head;
	table = find(first, len, 1,
	    1); /* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, … */
	if (table == NULL || what == NFT_MSG_NEWGEN)
		return;
	info->kind = NFT_THING;
	info->left = -1;
	info->gone = what == NFT_MSG_DELTABLE || what == NFT_MSG_DELCHAIN ||
	             what == NFT_MSG_DELRULE || what == NFT_MSG_DELSET ||
	             what == NFT_MSG_DELSETELEM;
	strncpy(info->table, mnl_attr_get_payload(table),
	    mnl_attr_get_payload_len(table) < sizeof(info->table) ? mnl_attr_get_payload_len(table)
	                                                          : sizeof(info->table) - 1);
	if (what != NFT_MSG_NEWSETELEM)
		return;
	element = inside(find(first, len, NFTA_SET_ELEM_LIST_ELEMENTS, 0), NFTA_LIST_ELEM, 0);
	if (element == NULL)
		return;
	info->left = NFT_NO_END;
	end = inside(element, NFTA_SET_ELEM_EXPIRATION, sizeof(left));
	if (end == NULL)
		return;
	memcpy(&left, mnl_attr_get_payload(end), sizeof(left));
	left = be64toh(left);
	info->left = left < NFT_NO_END ? (svip_ms)left : NFT_NO_END;
}

bool
nft_parse(const void *in, size_t len, void (*each)(void *, const struct nft_info *), void *ctx)
{
	const struct nlmsghdr *h = in;
	size_t left = len;

	while (left > 0) {
		struct nft_info info;
		size_t step;

		/* libmnl's own check takes a length for an int. */
		if (left < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left)
			return false;
		step = MNL_ALIGN(h->nlmsg_len);
		read_message(h, &info);
		each(ctx, &info);
		left -= step < left ? step : left;
		h = (const struct nlmsghdr *)((const char *)h + step);
	}
	return true;
}
