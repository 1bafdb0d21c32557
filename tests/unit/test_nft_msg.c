/* SPDX-License-Identifier: BSD-2-Clause */
/* nftables messages: a transaction is well formed, what is built reads back, and no length is trusted. */
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/nft_msg.h"

static char buf[NFT_BATCH_MAX] __attribute__((aligned(8)));
static struct nft_info seen;
static int n_seen;

static void
see(void *ctx, const struct nft_info *info)
{
	(void)ctx;
	seen = *info;
	n_seen++;
}

static struct svip_addr
make(const char *text)
{
	struct svip_addr a;

	assert_true(svip_addr_parse(text, &a));
	return a;
}

static int
has_payload(const struct nlattr *a, void *ctx)
{
	(void)ctx;
	assert_true(mnl_attr_get_payload_len(a) > 0);
	return MNL_CB_OK;
}

/* Walks over the transaction; counts messages of this type, and checks numbers, lengths and attributes. */
static int
count(const struct nft_batch *b, int what)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)b->buf;
	int left = (int)b->len, found = 0;
	uint32_t seq = b->first;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		bool edge =
		    h->nlmsg_type == NFNL_MSG_BATCH_BEGIN || h->nlmsg_type == NFNL_MSG_BATCH_END;

		assert_int_equal(h->nlmsg_seq, seq++);
		assert_int_equal(h->nlmsg_len % 4, 0);
		assert_true(edge || h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES);
		assert_int_equal(
		    mnl_attr_parse(h, sizeof(struct nfgenmsg), has_payload, NULL), MNL_CB_OK);
		found += !edge && (h->nlmsg_type & 0xff) == what;
	}
	assert_int_equal(left, 0);
	return found;
}

static void
a_transaction_is_numbered_and_acknowledged_once(void **state)
{
	struct svip_addr a[] = { make("10.0.0.50"), make("2001:db8::50") };
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	struct nft_batch b;
	int acks = 0, left, last = 0;

	(void)state;
	nft_begin(&b, buf, 41);
	nft_put_no_token(&b, "svipd-t", 7);
	nft_put_not_alive(&b, NFT_INET, "svipd-t", a, 2);
	nft_put_alive(&b, NFT_INET, "svipd-t", a, 2, 500);
	nft_end(&b);
	assert_false(b.full);
	assert_int_equal(b.first, 42);
	assert_int_equal(count(&b, NFT_MSG_DELSETELEM), 3);
	assert_int_equal(count(&b, NFT_MSG_NEWSETELEM), 2);
	for (left = (int)b.len; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_flags & NLM_F_ACK) {
			acks++;
			last = (int)h->nlmsg_seq;
		}
	}
	assert_int_equal(acks, 1);
	assert_int_equal(last, 47); /* the last order, not the end */
	assert_int_equal(b.seq, 47);
}

/* Both ways an element is told: as the kernel answers, and as it notifies. */
static size_t
element(char *out, const char *table, int what, svip_ms left)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(out);
	struct nfgenmsg *g;
	struct nlattr *list, *one;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
	h->nlmsg_seq = 9;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = 1;
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, "alive4");
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	one = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	if (left >= 0)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_EXPIRATION, htobe64((uint64_t)left));
	mnl_attr_nest_end(h, one);
	mnl_attr_nest_end(h, list);
	return h->nlmsg_len;
}

static void
an_elements_end_reads_back(void **state)
{
	static const struct {
		int what;
		svip_ms told, read;
		bool gone;
	} cases[] = {
		{ NFT_MSG_NEWSETELEM, 1234, 1234, false },
		{ NFT_MSG_NEWSETELEM, 0, 0, false },
		{ NFT_MSG_NEWSETELEM, -1, NFT_NO_END, false },
		{ NFT_MSG_NEWSETELEM, INT64_MAX, NFT_NO_END, false },
		{ NFT_MSG_DELSETELEM, 5, -1, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n_seen = 0;
		assert_true(nft_parse(
		    buf, element(buf, "svipd-t", cases[i].what, cases[i].told), see, NULL));
		assert_int_equal(n_seen, 1);
		assert_int_equal(seen.kind, NFT_THING);
		assert_int_equal(seen.seq, 9);
		assert_string_equal(seen.table, "svipd-t");
		assert_int_equal(seen.gone, cases[i].gone);
		assert_int_equal(seen.left, cases[i].read);
	}
}

/* A notification as the kernel sends one: the table's name is attribute 1 of each of these. */
static size_t
notification(int what, const char *name, size_t name_len)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
	mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
	mnl_attr_put(h, 1, name_len, name);
	return h->nlmsg_len;
}

static void
changes_are_told_with_the_tables_name(void **state)
{
	static const struct {
		int what;
		enum nft_kind kind;
		bool gone;
	} cases[] = {
		{ NFT_MSG_NEWTABLE, NFT_THING, false }, { NFT_MSG_NEWCHAIN, NFT_THING, false },
		{ NFT_MSG_NEWRULE, NFT_THING, false }, { NFT_MSG_NEWSET, NFT_THING, false },
		{ NFT_MSG_DELTABLE, NFT_THING, true }, { NFT_MSG_DELCHAIN, NFT_THING, true },
		{ NFT_MSG_DELRULE, NFT_THING, true }, { NFT_MSG_DELSET, NFT_THING, true },
		{ NFT_MSG_DELSETELEM, NFT_THING, true },
		{ NFT_MSG_NEWGEN, NFT_OTHER, false }, /* its attribute 1 is a number */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = notification(cases[i].what, "svipd-t", sizeof("svipd-t"));

		assert_true(nft_parse(buf, len, see, NULL));
		assert_int_equal(seen.kind, cases[i].kind);
		assert_int_equal(seen.gone, cases[i].gone);
		if (cases[i].kind == NFT_THING) {
			assert_string_equal(seen.table, "svipd-t");
			assert_int_equal(seen.left, -1);
		}
	}
}

/* Neither makes a name that could be one of svipd's. */
static void
a_name_that_is_too_long_is_cut_and_one_that_is_missing_is_none(void **state)
{
	char name[NFT_NAME_MAX + 20];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	size_t len;

	(void)state;
	memset(name, 'n', sizeof(name));
	len = notification(NFT_MSG_NEWTABLE, name, sizeof(name));
	assert_true(nft_parse(buf, len, see, NULL));
	assert_int_equal(seen.kind, NFT_THING);
	assert_int_equal(strlen(seen.table), NFT_NAME_MAX - 1);
	len = notification(NFT_MSG_NEWTABLE, name, 0);
	assert_true(nft_parse(buf, len, see, NULL));
	assert_int_equal(seen.kind, NFT_OTHER);
	len = notification(NFT_MSG_NEWTABLE, "svipd-t", sizeof("svipd-t"));
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | NFT_MSG_NEWTABLE; /* of another subsystem */
	assert_true(nft_parse(buf, len, see, NULL));
	assert_int_equal(seen.kind, NFT_OTHER);
}

static void
what_lacks_an_attribute_says_no_more_than_it_has(void **state)
{
	struct nlmsghdr *h;

	(void)state;
	h = mnl_nlmsg_put_header(buf); /* no table */
	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
	mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
	mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, 0);
	assert_true(nft_parse(buf, h->nlmsg_len, see, NULL));
	assert_int_equal(seen.kind, NFT_OTHER);
	h->nlmsg_len = NLMSG_HDRLEN + sizeof(struct nfgenmsg); /* nothing at all */
	assert_true(nft_parse(buf, h->nlmsg_len, see, NULL));
	assert_int_equal(seen.kind, NFT_OTHER);
	/* A table, but no element. */
	assert_true(nft_parse(
	    buf, notification(NFT_MSG_NEWSETELEM, "svipd-t", sizeof("svipd-t")), see, NULL));
	assert_int_equal(seen.kind, NFT_THING);
	assert_int_equal(seen.left, -1);
	h = (struct nlmsghdr *)buf; /* a list without one */
	mnl_attr_nest_end(h, mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS));
	assert_true(nft_parse(buf, h->nlmsg_len, see, NULL));
	assert_int_equal(seen.left, -1);
}

static void
a_length_that_cannot_be_ends_the_reading(void **state)
{
	static const struct {
		uint32_t len, there;
		bool good;
	} cases[] = {
		{ NLMSG_HDRLEN, NLMSG_HDRLEN, true },
		{ NLMSG_HDRLEN, NLMSG_HDRLEN - 1, false }, /* not even a header */
		{ NLMSG_HDRLEN - 1, NLMSG_HDRLEN, false }, { 0, NLMSG_HDRLEN, false },
		{ NLMSG_HDRLEN + 1, NLMSG_HDRLEN, false }, { UINT32_MAX, NLMSG_HDRLEN, false },
		{ NLMSG_HDRLEN, NLMSG_HDRLEN + 3, false },    /* something behind it */
		{ NLMSG_HDRLEN + 1, NLMSG_HDRLEN + 1, true }, /* the last one needs no padding */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

		memset(buf + NLMSG_HDRLEN, 0, 8);
		h->nlmsg_len = cases[i].len;
		assert_int_equal(nft_parse(buf, cases[i].there, see, NULL), cases[i].good);
	}
}

static void
a_refusal_reads_back(void **state)
{
	static const struct {
		int told, error;
	} cases[] = {
		{ 0, 0 },
		{ -ENOENT, ENOENT },
		{ -4095, 4095 },
		{ -4096, EBADMSG }, /* no errno: an error all the same, never a success */
		{ 1, EBADMSG },
		{ INT_MIN, EBADMSG },
	};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nlmsgerr *e;

	(void)state;
	h->nlmsg_type = NLMSG_ERROR;
	h->nlmsg_seq = 12;
	e = mnl_nlmsg_put_extra_header(h, sizeof(*e));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e->error = cases[i].told;
		assert_true(nft_parse(buf, h->nlmsg_len, see, NULL));
		assert_int_equal(seen.kind, NFT_ANSWER);
		assert_int_equal(seen.error, cases[i].error);
		assert_int_equal(seen.seq, 12);
	}
	h->nlmsg_len = NLMSG_HDRLEN + 2; /* cut off: an answer to nothing */
	assert_true(nft_parse(buf, h->nlmsg_len, see, NULL));
	assert_int_equal(seen.kind, NFT_OTHER);
}

static void
set_up_is_well_formed(void **state)
{
	char name[NFT_NAME_MAX], comment[256];
	struct nft_batch b;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	memset(comment, 'c',
	    sizeof(comment)); /* longer than a kernel takes: left out or cut, never over the end */
	comment[sizeof(comment) - 1] = '\0';
	nft_begin(&b, buf, 0);
	for (int t = 0; t < NFT_TABLES; t++) {
		nft_put_table(&b, (enum nft_table)t, name, t == 0 ? comment : "why");
		nft_put_table_gone(&b, (enum nft_table)t, name);
		nft_put_table(&b, (enum nft_table)t, name, NULL);
		nft_put_sets(&b, (enum nft_table)t, name);
		nft_put_no_rules(&b, (enum nft_table)t, name);
		nft_put_no_fenced(&b, (enum nft_table)t, name);
		nft_put_chains(
		    &b, (enum nft_table)t, name, t == NFT_NETDEV ? "eth0123456789ab" : NULL);
	}
	nft_end(&b);
	assert_false(b.full);
	assert_int_equal(count(&b, NFT_MSG_NEWTABLE), 6);
	assert_int_equal(count(&b, NFT_MSG_DELTABLE), 3);
	assert_int_equal(count(&b, NFT_MSG_NEWSET), 6 + 1 + 2 + 4);
	assert_int_equal(count(&b, NFT_MSG_DELRULE), 3);
	assert_int_equal(count(&b, NFT_MSG_NEWCHAIN), 2 + 1 + 1);
	assert_int_equal(count(&b, NFT_MSG_NEWRULE), 6 + 1 + 3);
}

/* The attribute of a type: within the message, or within another attribute (h NULL). */
static const struct nlattr *
attribute(const struct nlmsghdr *h, const struct nlattr *within, uint16_t type)
{
	const char *at = h != NULL ? mnl_nlmsg_get_payload_offset(h, sizeof(struct nfgenmsg))
	                           : mnl_attr_get_payload(within);
	const char *end =
	    h != NULL ? (const char *)h + h->nlmsg_len : at + mnl_attr_get_payload_len(within);

	for (; at < end; at += MNL_ALIGN(((const struct nlattr *)at)->nla_len)) {
		if (mnl_attr_get_type((const struct nlattr *)at) == type)
			return (const struct nlattr *)at;
	}
	return NULL;
}

static void
a_question_names_the_one_address(void **state)
{
	static const struct {
		const char *address, *set;
		enum nft_table table;
		uint16_t len;
	} cases[] = {
		{ "10.0.0.50", "alive4", NFT_INET, 4 },
		{ "2001:db8::50", "alive6", NFT_INET, 16 },
		{ "10.0.0.50", "alive4", NFT_NETDEV, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svip_addr a = make(cases[i].address);
		const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
		size_t len = nft_put_question(buf, 77, cases[i].table, "svipd-t", &a);
		const struct nlattr *list, *one;

		assert_int_equal(len, h->nlmsg_len);
		assert_int_equal(h->nlmsg_seq, 77);
		assert_int_equal(h->nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM);
		assert_string_equal(
		    mnl_attr_get_str(attribute(h, NULL, NFTA_SET_ELEM_LIST_TABLE)), "svipd-t");
		assert_string_equal(
		    mnl_attr_get_str(attribute(h, NULL, NFTA_SET_ELEM_LIST_SET)), cases[i].set);
		list = attribute(h, NULL, NFTA_SET_ELEM_LIST_ELEMENTS);
		one = attribute(NULL, list, NFTA_LIST_ELEM);
		assert_null(attribute(NULL, one, NFTA_SET_ELEM_TIMEOUT));
		one = attribute(NULL, attribute(NULL, one, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
		assert_int_equal(mnl_attr_get_payload_len(one), cases[i].len);
		assert_memory_equal(mnl_attr_get_payload(one), a.bytes, cases[i].len);
	}
}

static void
a_token_is_put_and_taken(void **state)
{
	struct nft_batch b;

	(void)state;
	nft_begin(&b, buf, 0);
	nft_put_token(&b, "svipd-t", 7, 20);
	nft_put_no_token(&b, "svipd-t", 7);
	nft_end(&b);
	assert_false(b.full);
	assert_int_equal(count(&b, NFT_MSG_NEWSETELEM), 1);
	assert_int_equal(count(&b, NFT_MSG_DELSETELEM), 1);
}

static void
what_closes_is_put_and_forgotten(void **state)
{
	struct svip_addr addr[] = { make("10.0.0.50"), make("2001:db8::50") };
	struct nft_batch b;

	(void)state;
	nft_begin(&b, buf, 0);
	nft_put_closing(&b, "svipd-t", addr, 1, 20);
	nft_put_closing(&b, "svipd-t", addr, 2, 20);
	nft_put_no_closing(&b, "svipd-t"); /* the sets of both families */
	nft_end(&b);
	assert_false(b.full);
	assert_int_equal(count(&b, NFT_MSG_NEWSETELEM), 1 + 2);
	assert_int_equal(count(&b, NFT_MSG_DELSETELEM), 2);
}

/* Once one message didn't fit, none that comes after it does: half a transaction would be another one. */
static void
nothing_is_put_behind_what_did_not_fit(void **state)
{
	struct svip_addr a[] = { make("10.0.0.50"), make("2001:db8::50") };
	struct nft_batch b;
	size_t len;

	(void)state;
	nft_begin(&b, buf, 0);
	while (!b.full)
		nft_put_table(&b, NFT_INET, "svipd-t", "why");
	len = b.len;
	assert_true(len <= NFT_BATCH_MAX);
	for (int t = 0; t < NFT_TABLES; t++) {
		nft_put_table(&b, (enum nft_table)t, "svipd-t", "why");
		nft_put_table_gone(&b, (enum nft_table)t, "svipd-t");
		nft_put_sets(&b, (enum nft_table)t, "svipd-t");
		nft_put_no_rules(&b, (enum nft_table)t, "svipd-t");
		nft_put_chains(&b, (enum nft_table)t, "svipd-t", "eth0");
		nft_put_no_fenced(&b, (enum nft_table)t, "svipd-t");
		nft_put_fenced(&b, (enum nft_table)t, "svipd-t", a, 2);
		nft_put_alive(&b, (enum nft_table)t, "svipd-t", a, 2, 500);
		nft_put_not_alive(&b, (enum nft_table)t, "svipd-t", a, 2);
	}
	nft_put_token(&b, "svipd-t", 7, 20);
	nft_put_no_token(&b, "svipd-t", 7);
	nft_end(&b);
	assert_true(b.full);
	assert_int_equal(b.len, len);
}

static void
many_addresses_are_split_and_too_many_are_told(void **state)
{
	static struct svip_addr a[1000];
	struct nft_batch b;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		a[i] = make(i % 2 ? "10.0.0.0" : "2001:db8::");
		a[i].bytes[2] = (uint8_t)(i >> 8);
		a[i].bytes[3] = (uint8_t)i;
	}
	nft_begin(&b, buf, 0);
	for (int t = 0; t < NFT_TABLES; t++)
		nft_put_alive(&b, (enum nft_table)t, "svipd-t", a, 1000, 500);
	nft_end(&b);
	assert_false(b.full);
	assert_int_equal(count(&b, NFT_MSG_NEWSETELEM), 5 * 4); /* ARP has no IPv6 */
	nft_begin(&b, buf, 0);
	for (int i = 0; i < 1000; i++)
		nft_put_fenced(&b, NFT_INET, "svipd-t", a, 1000);
	nft_end(&b);
	assert_true(b.full);
	assert_true(b.len <= NFT_BATCH_MAX);
}

/* Whatever comes: read to its end or refused, and nothing beyond is touched (the sanitizers watch). */
static void
garbage_is_survived(void **state)
{
	const char *text = getenv("NFT_SEED");
	unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 0) : (unsigned)getpid();

	(void)state;
	print_message("# NFT_SEED=%u\n", seed);
	srandom(seed);
	for (int run = 0; run < 20000; run++) {
		size_t len = element(buf, "svipd-t", NFT_MSG_NEWSETELEM, 5), cut;
		char *copy;

		for (long k = random() % 4; k > 0; k--)
			buf[(size_t)random() % len] = (char)random();
		cut = (size_t)random() % (len + 1);
		copy = malloc(cut + 1); /* exact, so that a step too far is seen */
		assert_non_null(copy);
		memcpy(copy, buf, cut);
		(void)nft_parse(copy, cut, see, NULL);
		assert_true(memchr(seen.table, '\0', sizeof(seen.table)) != NULL);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transaction_is_numbered_and_acknowledged_once),
		cmocka_unit_test(an_elements_end_reads_back),
		cmocka_unit_test(changes_are_told_with_the_tables_name),
		cmocka_unit_test(a_name_that_is_too_long_is_cut_and_one_that_is_missing_is_none),
		cmocka_unit_test(what_lacks_an_attribute_says_no_more_than_it_has),
		cmocka_unit_test(a_length_that_cannot_be_ends_the_reading),
		cmocka_unit_test(a_question_names_the_one_address),
		cmocka_unit_test(a_token_is_put_and_taken),
		cmocka_unit_test(what_closes_is_put_and_forgotten),
		cmocka_unit_test(nothing_is_put_behind_what_did_not_fit),
		cmocka_unit_test(a_refusal_reads_back),
		cmocka_unit_test(set_up_is_well_formed),
		cmocka_unit_test(many_addresses_are_split_and_too_many_are_told),
		cmocka_unit_test(garbage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
