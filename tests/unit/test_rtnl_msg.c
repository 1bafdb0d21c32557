/* SPDX-License-Identifier: BSD-2-Clause */
/* rtnetlink messages: what is built reads back, and no length is trusted. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/rtnl_msg.h"

static struct rtnl_info seen;
static int n_seen;

static void
see(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	seen = *info;
	n_seen++;
}

static struct rtnl_address
make(const char *text)
{
	struct rtnl_address a = { .ifindex = 7 };

	assert_true(svip_addr_parse(text, &a.addr));
	return a;
}

static void
an_address_reads_back(void **state)
{
	static const char *const texts[] = { "10.0.0.50/32", "10.0.0.50/24", "2001:db8::50/128", "2001:db8::50/64" };
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct rtnl_address a = make(texts[i]);
		size_t len = rtnl_put_address(buf, 42, &a, 3);

		assert_true(len > 0 && len <= sizeof(buf));
		n_seen = 0;
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(n_seen, 1);
		assert_int_equal(seen.kind, RTNL_ADDRESS);
		assert_int_equal(seen.seq, 42);
		assert_int_equal(seen.address.ifindex, 7);
		assert_true(svip_addr_same(&seen.address.addr, &a.addr));
		assert_int_equal(seen.address.addr.prefix, a.addr.prefix);
		if (a.addr.family == 6)
			assert_true(seen.address.flags & IFA_F_NODAD);
	}
}

/* The attribute of a type in a message that this program has built. */
static const void *
find(const char *buf, size_t len, unsigned short type, size_t want)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct ifaddrmsg));

	while (at + RTA_LENGTH(0) <= len) {
		const struct rtattr *rta = (const void *)(buf + at);

		if (rta->rta_type == type) {
			assert_int_equal(RTA_PAYLOAD(rta), want);
			return RTA_DATA(rta);
		}
		at += RTA_ALIGN(rta->rta_len);
	}
	return NULL;
}

static void
a_virtual_address_is_never_chosen_as_source(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct rtnl_address v4 = make("10.0.0.50/32"), v6 = make("2001:db8::50/128");
	const struct ifaddrmsg *ifa = (const void *)(buf + NLMSG_HDRLEN);
	const struct ifa_cacheinfo *life;
	size_t len;

	(void)state;
	len = rtnl_put_address(buf, 1, &v4, 3);
	assert_int_equal(ifa->ifa_scope, RT_SCOPE_HOST);
	life = find(buf, len, IFA_CACHEINFO, sizeof(*life));
	assert_int_equal(life->ifa_valid, 3);
	len = rtnl_put_address(buf, 1, &v6, 3);
	life = find(buf, len, IFA_CACHEINFO, sizeof(*life));
	assert_int_equal(life->ifa_valid, 3);
	assert_int_equal(life->ifa_prefered, 0);
}

static void
an_address_of_another_scope_or_with_another_end_is_told_apart(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct rtnl_address a = make("10.0.0.50/32"), wide = make("10.0.0.50/24");
	struct ifaddrmsg *ifa = (void *)(buf + NLMSG_HDRLEN);
	const char *why = "";
	size_t len;

	(void)state;
	len = rtnl_put_address(buf, 1, &a, 3);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_true(seen.address.usual_scope);
	assert_false(seen.address.has_end);
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_false(seen.address.usual_scope);
	len = rtnl_put_address(buf, 1, &wide, 3);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_true(seen.address.usual_scope);
	assert_true(svip_addr_parse("10.99.0.1", &a.end));
	a.has_end = true;
	len = rtnl_put_delete(buf, 1, &a);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.kind, RTNL_ADDRESS_GONE);
	assert_true(seen.address.has_end && svip_addr_same(&seen.address.end, &a.end));
}

static void
a_port_that_leaves_a_bridge_is_no_link_that_goes(void **state)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
	} m = { { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_DELLINK }, { .ifi_index = 3 } };
	const char *why = "";

	(void)state;
	assert_true(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	assert_int_equal(seen.kind, RTNL_LINK_GONE);
	assert_int_equal(seen.link.ifindex, 3);
	m.ifi.ifi_family = AF_BRIDGE;
	assert_true(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	assert_int_equal(seen.kind, RTNL_OTHER);
}

static void
an_error_keeps_its_number(void **state)
{
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr err;
	} m = { { .nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = 9 }, { .error = -EADDRNOTAVAIL } };
	const char *why = "";

	(void)state;
	assert_true(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	assert_int_equal(seen.kind, RTNL_ACK);
	assert_int_equal(seen.error, EADDRNOTAVAIL);
	m.err.error = 0;
	assert_true(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	assert_int_equal(seen.error, 0);
	m.err.error = 1; /* no errno is positive there */
	assert_false(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	m.err.error = INT32_MIN; /* nor as large as that */
	assert_false(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	m.err.error = -ENOENT;
	m.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(int)); /* without the message that it answers */
	assert_false(rtnl_parse(&m, sizeof(m), see, NULL, &why));
	assert_string_equal(why, "message too short for its type");
}

static void
the_end_of_a_dump_says_whether_it_went_well(void **state)
{
	struct {
		struct nlmsghdr nlh;
		int error;
	} m = { { .nlmsg_type = NLMSG_DONE, .nlmsg_seq = 5 }, 0 };
	static const struct {
		uint32_t len;
		int told, error;
	} cases[] = {
		{ NLMSG_LENGTH(sizeof(int)), 0, 0 },
		{ NLMSG_LENGTH(sizeof(int)), -EBUSY, EBUSY },
		{ NLMSG_LENGTH(0), -EBUSY, 0 }, /* old kernels say nothing */
		{ NLMSG_LENGTH(sizeof(int)), 3, -1 },
		{ NLMSG_LENGTH(sizeof(int)), INT32_MIN, -1 }, /* -1: refused */
	};
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m.nlh.nlmsg_len = cases[i].len;
		m.error = cases[i].told;
		assert_int_equal(
		    rtnl_parse(&m, cases[i].len, see, NULL, &why), cases[i].error >= 0);
		if (cases[i].error < 0)
			continue;
		assert_int_equal(seen.kind, RTNL_DONE);
		assert_int_equal(seen.seq, 5);
		assert_int_equal(seen.error, cases[i].error);
	}
}

static void
dumps_are_asked_for_and_told_apart_when_they_are_not_consistent(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	const char *why = "";
	size_t len;

	(void)state;
	len = rtnl_put_dump_addresses(buf, 8);
	assert_int_equal(len, NLMSG_SPACE(sizeof(struct ifaddrmsg)));
	assert_int_equal(nlh->nlmsg_type, RTM_GETADDR);
	assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_int_equal(nlh->nlmsg_seq, 8);
	len = rtnl_put_dump_links(buf, 9);
	assert_int_equal(len, NLMSG_SPACE(sizeof(struct ifinfomsg)));
	assert_int_equal(nlh->nlmsg_type, RTM_GETLINK);
	assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_int_equal(nlh->nlmsg_seq, 9);
	nlh->nlmsg_type = RTM_NEWLINK; /* as an answer would be */
	nlh->nlmsg_flags = NLM_F_MULTI;
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_false(seen.interrupted);
	nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_true(seen.interrupted);
}

/* One attribute behind what is there; returns the new length. */
static size_t
add_attr(char *buf, size_t len, unsigned short type, const void *payload, size_t size)
{
	struct rtattr *rta = (void *)(buf + len);

	rta->rta_type = type;
	rta->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(rta), payload, size);
	len += RTA_SPACE(size);
	((struct nlmsghdr *)buf)->nlmsg_len = (uint32_t)len;
	return len;
}

static void
a_link_has_a_name_a_state_and_perhaps_a_mac(void **state)
{
	static const uint8_t mac[20] = { 2, 0, 0, 0, 0, 9 };
	static const struct {
		unsigned flags;
		unsigned short type;
		const char *name;
		size_t mac_len;
		bool up, ethernet, has_mac;
		const char *read;
	} cases[] = {
		{ IFF_UP | IFF_RUNNING, ARPHRD_ETHER, "eth0", 6, true, true, true, "eth0" },
		{ IFF_UP, ARPHRD_ETHER, "eth0", 6, false, true, true, "eth0" }, /* no carrier */
		{ IFF_RUNNING, ARPHRD_ETHER, "eth0", 6, false, true, true, "eth0" },
		{ 0, ARPHRD_ETHER, "eth0", 6, false, true, true, "eth0" },
		{ IFF_UP | IFF_RUNNING, ARPHRD_INFINIBAND, "ib0", 20, true, false, false, "ib0" },
		{ IFF_UP | IFF_RUNNING, ARPHRD_NONE, "tun0", 0, true, false, false, "tun0" },
		{ IFF_UP, ARPHRD_ETHER, "a-name-longer-than-the-kernel-has", 6, false, true, true,
		    "a-name-longer-t" },
		{ IFF_UP, ARPHRD_ETHER, NULL, 6, false, true, true, "" },
	};
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
		size_t len = rtnl_put_dump_links(buf, 1);
		struct ifinfomsg *ifi = (void *)(buf + NLMSG_HDRLEN);
		uint32_t mtu = 1500;

		((struct nlmsghdr *)buf)->nlmsg_type = RTM_NEWLINK;
		ifi->ifi_index = 4;
		ifi->ifi_flags = cases[i].flags;
		ifi->ifi_type = cases[i].type;
		len = add_attr(buf, len, IFLA_MTU, &mtu, sizeof(mtu));
		if (cases[i].name != NULL)
			len = add_attr(
			    buf, len, IFLA_IFNAME, cases[i].name, strlen(cases[i].name) + 1);
		if (cases[i].mac_len != 0)
			len = add_attr(buf, len, IFLA_ADDRESS, mac, cases[i].mac_len);
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.kind, RTNL_LINK);
		assert_int_equal(seen.link.ifindex, 4);
		assert_string_equal(seen.link.name, cases[i].read);
		assert_int_equal(seen.link.up, cases[i].up);
		assert_int_equal(seen.link.ethernet, cases[i].ethernet);
		assert_int_equal(memcmp(seen.link.mac, mac, 6) == 0, cases[i].has_mac);
	}
}

/* IPv6 is told by IFA_ADDRESS alone, IPv4 by both; on a point-to-point link IFA_ADDRESS is the other end. */
static void
an_address_is_read_from_what_is_told_of_it(void **state)
{
	static const uint8_t one[16] = { 10, 0, 0, 1 }, two[16] = { 10, 0, 0, 2 };
	static const struct {
		uint8_t family;
		size_t local, address, flags; /* lengths; 0: not told */
		uint8_t read[4];
		bool has_end, wide_flags;
	} cases[] = {
		{ AF_INET, 4, 4, 4, { 10, 0, 0, 1 }, true, true },
		{ AF_INET, 4, 0, 4, { 10, 0, 0, 1 }, false, true },
		{ AF_INET, 0, 4, 4, { 10, 0, 0, 2 }, false, true },
		{ AF_INET, 0, 0, 4, { 0, 0, 0, 0 }, false, true },
		{ AF_INET, 4, 0, 0, { 10, 0, 0, 1 }, false, false }, /* the header's eight flags */
		{ AF_INET, 4, 0, 2, { 10, 0, 0, 1 }, false, false },
		{ AF_INET, 16, 0, 4, { 0, 0, 0, 0 }, false, true }, /* no length of this family's */
		{ AF_INET6, 0, 16, 4, { 10, 0, 0, 2 }, false, true },
		{ AF_INET6, 0, 4, 4, { 0, 0, 0, 0 }, false, true },
	};
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
		size_t len = rtnl_put_dump_addresses(buf, 1);
		struct ifaddrmsg *ifa = (void *)(buf + NLMSG_HDRLEN);
		uint32_t flags = IFA_F_NOPREFIXROUTE;

		((struct nlmsghdr *)buf)->nlmsg_type = RTM_NEWADDR;
		ifa->ifa_family = cases[i].family;
		ifa->ifa_flags = IFA_F_PERMANENT;
		if (cases[i].local != 0)
			len = add_attr(buf, len, IFA_LOCAL, one, cases[i].local);
		if (cases[i].address != 0)
			len = add_attr(buf, len, IFA_ADDRESS, two, cases[i].address);
		if (cases[i].flags != 0)
			len = add_attr(buf, len, IFA_FLAGS, &flags, cases[i].flags);
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.kind, RTNL_ADDRESS);
		assert_int_equal(seen.address.addr.family, cases[i].family == AF_INET ? 4 : 6);
		assert_memory_equal(seen.address.addr.bytes, cases[i].read, 4);
		assert_int_equal(seen.address.has_end, cases[i].has_end);
		assert_int_equal(seen.address.flags,
		    cases[i].wide_flags ? IFA_F_NOPREFIXROUTE : IFA_F_PERMANENT);
	}
}

/* A filter in the header would be refused; in an attribute older kernels pass over it. */
static void
neighbours_and_routes_are_asked_for_one_family_and_link(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh = (const void *)buf;
	const struct ndmsg *nd = (const void *)(buf + NLMSG_HDRLEN);
	const struct rtmsg *rt = (const void *)(buf + NLMSG_HDRLEN);
	const struct rtattr *rta = (const void *)(buf + NLMSG_SPACE(sizeof(struct ndmsg)));
	size_t len;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		uint8_t af = family == 4 ? AF_INET : AF_INET6;

		assert_int_equal(sizeof(*nd), sizeof(*rt)); /* so the attribute is at one place */
		len = rtnl_put_dump_neighbours(buf, 3, family, 7);
		assert_int_equal(nlh->nlmsg_len, len);
		assert_int_equal(nlh->nlmsg_type, RTM_GETNEIGH);
		assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
		assert_int_equal(nlh->nlmsg_seq, 3);
		assert_int_equal(nd->ndm_family, af);
		assert_int_equal(nd->ndm_ifindex, 0);
		assert_int_equal(rta->rta_type, NDA_IFINDEX);
		assert_int_equal(*(const uint32_t *)RTA_DATA(rta), 7);
		len = rtnl_put_dump_routes(buf, 4, family, 8);
		assert_int_equal(nlh->nlmsg_len, len);
		assert_int_equal(nlh->nlmsg_type, RTM_GETROUTE);
		assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
		assert_int_equal(nlh->nlmsg_seq, 4);
		assert_int_equal(rt->rtm_family, af);
		assert_int_equal(rt->rtm_table, RT_TABLE_MAIN);
		assert_int_equal(rta->rta_type, RTA_OIF);
		assert_int_equal(*(const uint32_t *)RTA_DATA(rta), 8);
	}
}

static void
a_neighbour_has_an_address_a_state_and_perhaps_a_mac(void **state)
{
	static const uint8_t mac[20] = { 2, 0, 0, 0, 0, 9 }, addr[16] = { 10, 0, 0, 7 }, none[16];
	static const struct {
		uint8_t told;
		size_t dst, mac; /* lengths; 0: not told */
		uint8_t family;
		bool has_addr, has_mac;
	} cases[] = {
		{ AF_INET, 4, 6, 4, true, true },
		{ AF_INET, 4, 0, 4, true, false }, /* it hasn't answered yet */
		{ AF_INET, 0, 6, 4, false, true },
		{ AF_INET, 4, 20, 4, true, false }, /* Infiniband */
		{ AF_INET, 16, 6, 4, false, true },
		{ AF_INET6, 16, 6, 6, true, true },
		{ AF_BRIDGE, 4, 6, 0, false, true }, /* a switch's table, with a tunnel's other end */
	};
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
		size_t len = rtnl_put_dump_neighbours(buf, 1, 4, 7);
		struct ndmsg *nd = (void *)(buf + NLMSG_HDRLEN);

		((struct nlmsghdr *)buf)->nlmsg_type = RTM_NEWNEIGH;
		nd->ndm_family = cases[i].told;
		nd->ndm_ifindex = 5;
		nd->ndm_state = NUD_STALE;
		if (cases[i].dst != 0)
			len = add_attr(buf, len, NDA_DST, addr, cases[i].dst);
		if (cases[i].mac != 0)
			len = add_attr(buf, len, NDA_LLADDR, mac, cases[i].mac);
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.kind, RTNL_NEIGHBOUR);
		assert_int_equal(seen.neighbour.ifindex, 5);
		assert_int_equal(seen.neighbour.state, NUD_STALE);
		assert_int_equal(seen.neighbour.addr.family, cases[i].family);
		assert_memory_equal(seen.neighbour.addr.bytes, cases[i].has_addr ? addr : none, 16);
		assert_int_equal(seen.neighbour.has_mac, cases[i].has_mac);
		assert_int_equal(memcmp(seen.neighbour.mac, mac, 6) == 0, cases[i].has_mac);
	}
}

/* A route's message without attributes; returns its length. */
static size_t
route(char *buf, uint8_t family)
{
	size_t len = NLMSG_SPACE(sizeof(struct rtmsg));
	struct rtmsg *rt = (void *)(buf + NLMSG_HDRLEN);

	memset(buf, 0, len);
	*(struct nlmsghdr *)buf = (struct nlmsghdr){ .nlmsg_len = (uint32_t)len, .nlmsg_type = RTM_NEWROUTE };
	*rt = (struct rtmsg){ .rtm_family = family, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST };
	return len;
}

static void
a_default_route_is_told_from_others(void **state)
{
	static const struct {
		struct rtmsg rt;
		bool is;
	} cases[] = {
		{ { .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST }, true },
		{ { .rtm_table = RT_TABLE_LOCAL, .rtm_type = RTN_UNICAST }, false },
		{ { .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNREACHABLE }, false },
		{ { .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST, .rtm_dst_len = 8 }, false },
		{ { .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST, .rtm_src_len = 8 }, false },
		{ { .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST, .rtm_flags = RTM_F_CLONED }, false },
	};
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
		size_t len = route(buf, AF_INET);
		struct rtmsg *rt = (void *)(buf + NLMSG_HDRLEN);

		*rt = cases[i].rt;
		rt->rtm_family = AF_INET;
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.kind, RTNL_ROUTE);
		assert_int_equal(seen.route.is_default, cases[i].is);
		assert_int_equal(seen.route.n_hops, 0);
		rt->rtm_family = AF_UNSPEC;
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_false(seen.route.is_default);
	}
}

static void
a_route_has_one_gateway_or_none(void **state)
{
	static const uint8_t gateway[16] = { 10, 0, 0, 1 };
	static const struct {
		uint8_t family;
		size_t oif, gateway; /* lengths; 0: not told */
		int n;
	} cases[] = {
		{ AF_INET, 4, 4, 1 },
		{ AF_INET, 4, 0, 0 },
		{ AF_INET, 4, 16, 0 },
		{ AF_INET, 0, 4, 0 },
		{ AF_INET, 2, 4, 0 },
		{ AF_INET6, 4, 16, 1 },
		{ AF_INET6, 4, 4, 0 },
	};
	const uint32_t oif = 9;
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
		size_t len = route(buf, cases[i].family);

		if (cases[i].oif != 0)
			len = add_attr(buf, len, RTA_OIF, &oif, cases[i].oif);
		if (cases[i].gateway != 0)
			len = add_attr(buf, len, RTA_GATEWAY, gateway, cases[i].gateway);
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.route.n_hops, cases[i].n);
		if (cases[i].n == 0)
			continue;
		assert_int_equal(seen.route.hop[0].ifindex, 9);
		assert_int_equal(seen.route.hop[0].addr.family, cases[i].family == AF_INET ? 4 : 6);
		assert_memory_equal(seen.route.hop[0].addr.bytes, gateway, 16);
	}
}

/* One next hop behind others; gateway 0: none. Returns the new length. */
static size_t
add_hop(char *hops, size_t at, int ifindex, uint8_t gateway)
{
	struct rtnexthop *hop = (void *)(hops + at);
	struct rtattr *rta = (void *)RTNH_DATA(hop);
	const uint8_t bytes[4] = { 10, 0, 0, gateway };

	*hop = (struct rtnexthop){ .rtnh_len = sizeof(*hop), .rtnh_ifindex = ifindex };
	if (gateway != 0) {
		rta->rta_type = RTA_GATEWAY;
		rta->rta_len = RTA_LENGTH(sizeof(bytes));
		memcpy(RTA_DATA(rta), bytes, sizeof(bytes));
		hop->rtnh_len = (unsigned short)(sizeof(*hop) + rta->rta_len);
	}
	return at + RTNH_ALIGN(hop->rtnh_len);
}

static void
each_hop_of_a_route_is_read_and_no_more_than_there_is_room(void **state)
{
	char buf[1024] __attribute__((aligned(8))), hops[512] __attribute__((aligned(8)));
	struct rtnexthop *last;
	const char *why = "";
	size_t at, len;

	(void)state;
	at = add_hop(hops, 0, 3, 1);
	at = add_hop(hops, at, 4, 0); /* no gateway: everybody beyond is on the link itself */
	last = (void *)(hops + at);
	at = add_hop(hops, at, 5, 2);
	len = add_attr(buf, route(buf, AF_INET), RTA_MULTIPATH, hops, at);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.route.n_hops, 2);
	assert_int_equal(seen.route.hop[0].ifindex, 3);
	assert_int_equal(seen.route.hop[0].addr.bytes[3], 1);
	assert_int_equal(seen.route.hop[1].ifindex, 5);
	assert_int_equal(seen.route.hop[1].addr.bytes[3], 2);
	for (int lie = 0; lie < 2; lie++) { /* a length that is less than a hop's, or more than there is */
		last->rtnh_len = lie == 0 ? 4 : 64;
		len = add_attr(buf, route(buf, AF_INET), RTA_MULTIPATH, hops, at);
		assert_true(rtnl_parse(buf, len, see, NULL, &why));
		assert_int_equal(seen.route.n_hops, 1);
	}
	len = add_attr(buf, route(buf, AF_INET), RTA_MULTIPATH, hops, 6);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.route.n_hops, 0);
	at = 0;
	for (int i = 0; i < RTNL_HOPS_MAX + 3; i++)
		at = add_hop(hops, at, i + 1, (uint8_t)(i + 1));
	len = add_attr(buf, route(buf, AF_INET), RTA_MULTIPATH, hops, at);
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.route.n_hops, RTNL_HOPS_MAX);
}

static void
what_is_about_nothing_of_ours_is_passed_over(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct ifaddrmsg *ifa = (void *)(buf + NLMSG_HDRLEN);
	const char *why = "";
	size_t len = rtnl_put_dump_addresses(buf, 1);

	(void)state;
	nlh->nlmsg_type = RTM_NEWRULE;
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.kind, RTNL_OTHER);
	nlh->nlmsg_type = RTM_NEWADDR;
	ifa->ifa_family = AF_PACKET;
	assert_true(rtnl_parse(buf, len, see, NULL, &why));
	assert_int_equal(seen.address.addr.family, 0);
}

static void
a_message_that_is_too_short_for_what_it_says_is_refused(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t len;
		const char *why;
	} cases[] = {
		{ RTM_NEWADDR, NLMSG_LENGTH(sizeof(struct ifaddrmsg) - 1), "message too short for its type" },
		{ RTM_DELADDR, NLMSG_LENGTH(0), "message too short for its type" },
		{ RTM_NEWLINK, NLMSG_LENGTH(sizeof(struct ifinfomsg) - 1), "message too short for its type" },
		{ RTM_DELLINK, NLMSG_LENGTH(0), "message too short for its type" },
		{ RTM_NEWNEIGH, NLMSG_LENGTH(sizeof(struct ndmsg) - 1), "message too short for its type" },
		{ RTM_NEWROUTE, NLMSG_LENGTH(sizeof(struct rtmsg) - 1), "message too short for its type" },
		{ RTM_NEWADDR, NLMSG_HDRLEN - 1, "message cut off" },
		{ RTM_NEWADDR, UINT32_MAX, "message cut off" }, /* less than nothing, as an int */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8))) = { 0 };
		struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
		const char *why = "";

		nlh->nlmsg_type = cases[i].type;
		nlh->nlmsg_len = cases[i].len;
		assert_false(rtnl_parse(buf,
		    cases[i].len >= NLMSG_HDRLEN && cases[i].len < sizeof(buf) ? cases[i].len : NLMSG_HDRLEN, see,
		    NULL, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void
an_address_is_deleted_with_the_end_that_it_has(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct rtnl_address a = make("10.0.0.50/24");
	const struct ifaddrmsg *ifa = (const void *)(buf + NLMSG_HDRLEN);
	size_t len;

	(void)state;
	len = rtnl_put_delete(buf, 1, &a);
	assert_int_equal(((const struct nlmsghdr *)buf)->nlmsg_type, RTM_DELADDR);
	assert_int_equal(ifa->ifa_prefixlen, 24);
	assert_memory_equal(find(buf, len, IFA_LOCAL, 4), a.addr.bytes, 4);
	assert_memory_equal(find(buf, len, IFA_ADDRESS, 4), a.addr.bytes, 4);
	assert_true(svip_addr_parse("10.99.0.1", &a.end));
	a.has_end = true;
	len = rtnl_put_delete(buf, 1, &a);
	assert_memory_equal(find(buf, len, IFA_LOCAL, 4), a.addr.bytes, 4);
	assert_memory_equal(find(buf, len, IFA_ADDRESS, 4), a.end.bytes, 4);
}

static void
an_attribute_ends_before_its_message_does(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8))) = { 0 };
	struct rtnl_address a = make("2001:db8::50/128");
	const size_t len = NLMSG_SPACE(sizeof(struct ifaddrmsg)) + 4 + 16;
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	const char *why;

	(void)state;
	rtnl_put_address(buf, 1, &a, 3);
	for (size_t short_by = 0; short_by < 4; short_by++) {
		nlh->nlmsg_len = (uint32_t)(len - short_by);
		n_seen = 0;
		assert_true(rtnl_parse(buf, nlh->nlmsg_len, see, NULL, &why));
		assert_int_equal(n_seen, 1);
		assert_int_equal(svip_addr_same(&seen.address.addr, &a.addr), short_by == 0);
	}
}

static void
a_message_cut_off_is_refused(void **state)
{
	char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct rtnl_address a = make("2001:db8::50/128");
	size_t len = rtnl_put_address(buf, 1, &a, 3);
	const char *why = NULL;

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		char *copy = malloc(cut); /* of just this size, so that a read beyond it is seen */

		assert_non_null(copy);
		memcpy(copy, buf, cut);
		assert_false(rtnl_parse(copy, cut, see, NULL, &why));
		assert_non_null(why);
		free(copy);
	}
}

static void
random_bytes_do_no_harm(void **state)
{
	char from[RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct rtnl_address a = make("10.0.0.50/32");
	static const uint16_t types[] = { RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE };
	size_t len = rtnl_put_address(from, 1, &a, 3);
	unsigned seed = 20261;
	const char *why;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char buf[RTNL_MSG_MAX] __attribute__((aligned(8)));

		memcpy(buf, from, len);
		((struct nlmsghdr *)buf)->nlmsg_type = types[i % 4];
		for (int k = rand_r(&seed) % 6; k >= 0; k--)
			buf[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
		(void)rtnl_parse(buf, len, see, NULL, &why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_reads_back),
		cmocka_unit_test(a_virtual_address_is_never_chosen_as_source),
		cmocka_unit_test(an_address_of_another_scope_or_with_another_end_is_told_apart),
		cmocka_unit_test(a_port_that_leaves_a_bridge_is_no_link_that_goes),
		cmocka_unit_test(an_error_keeps_its_number),
		cmocka_unit_test(the_end_of_a_dump_says_whether_it_went_well),
		cmocka_unit_test(dumps_are_asked_for_and_told_apart_when_they_are_not_consistent),
		cmocka_unit_test(a_link_has_a_name_a_state_and_perhaps_a_mac),
		cmocka_unit_test(an_address_is_read_from_what_is_told_of_it),
		cmocka_unit_test(neighbours_and_routes_are_asked_for_one_family_and_link),
		cmocka_unit_test(a_neighbour_has_an_address_a_state_and_perhaps_a_mac),
		cmocka_unit_test(a_default_route_is_told_from_others),
		cmocka_unit_test(a_route_has_one_gateway_or_none),
		cmocka_unit_test(each_hop_of_a_route_is_read_and_no_more_than_there_is_room),
		cmocka_unit_test(what_is_about_nothing_of_ours_is_passed_over),
		cmocka_unit_test(a_message_that_is_too_short_for_what_it_says_is_refused),
		cmocka_unit_test(an_address_is_deleted_with_the_end_that_it_has),
		cmocka_unit_test(an_attribute_ends_before_its_message_does),
		cmocka_unit_test(a_message_cut_off_is_refused),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
