/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds and reads rtnetlink messages. Must not trust a length that it has not checked. */
#include "rtnl_msg.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

enum { ERRNO_MAX = 4095 }; /* MAX_ERRNO in include/linux/err.h */

static size_t
address_len(const struct svip_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

static uint8_t
scope_of(const struct svip_addr *a)
{
	return a->family == 4 && a->prefix == 32 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
}

static struct nlmsghdr *
put_ifaddr(void *out, uint16_t type, uint16_t flags, uint32_t seq, const struct rtnl_address *a)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct ifaddrmsg *ifa;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = seq;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = a->addr.family == 4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = a->addr.prefix;
	ifa->ifa_index = (uint32_t)a->ifindex;
	ifa->ifa_scope = scope_of(&a->addr);
	mnl_attr_put(nlh, IFA_LOCAL, address_len(&a->addr), a->addr.bytes);
	return nlh;
}

size_t
rtnl_put_address(void *out, uint32_t seq, const struct rtnl_address *a, uint32_t valid_s)
{
	struct nlmsghdr *nlh = put_ifaddr(out, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, seq, a);
	struct ifa_cacheinfo life = { .ifa_valid = valid_s };

	mnl_attr_put(nlh, IFA_ADDRESS, address_len(&a->addr), a->addr.bytes);
	if (a->addr.family == 4)
		life.ifa_prefered = valid_s; /* 0 is ignored for IPv4 */
	else
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD);
	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(life), &life);
	return nlh->nlmsg_len;
}

/* The kernel looks at the prefix length only together with IFA_ADDRESS, which is the other end's if there is one
 * (inet_rtm_deladdr() in net/ipv4/devinet.c). */
size_t
rtnl_put_delete(void *out, uint32_t seq, const struct rtnl_address *a)
{
	struct nlmsghdr *nlh = put_ifaddr(out, RTM_DELADDR, 0, seq, a);
	const struct svip_addr *end = a->has_end ? &a->end : &a->addr;

	mnl_attr_put(nlh, IFA_ADDRESS, address_len(end), end->bytes);
	return nlh->nlmsg_len;
}

size_t
rtnl_put_dump_addresses(void *out, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct ifaddrmsg *ifa;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	return nlh->nlmsg_len;
}

size_t
rtnl_put_dump_links(void *out, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	return nlh->nlmsg_len;
}

size_t
rtnl_put_dump_neighbours(void *out, uint32_t seq, int family, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct ndmsg *nd;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));
	nd->ndm_family = family == 4 ? AF_INET : AF_INET6;
	/* In the header it would be refused (neigh_valid_dump_req() in net/core/neighbour.c). */
	mnl_attr_put_u32(nlh, NDA_IFINDEX, (uint32_t)ifindex);
	return nlh->nlmsg_len;
}

size_t
rtnl_put_dump_routes(void *out, uint32_t seq, int family, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct rtmsg *rt;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = family == 4 ? AF_INET : AF_INET6;
	rt->rtm_table = RT_TABLE_MAIN;
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)ifindex);
	return nlh->nlmsg_len;
}

/* ---- reading ---- */

/* Of a message whose payload has at least offset bytes. mnl_attr_parse() rounds the message's length up, and reads up to 3 bytes behind a
 * length that isn't a multiple of 4. */
static void
each_attr(const struct nlmsghdr *nlh, size_t offset, mnl_attr_cb_t attr, void *found)
{
	mnl_attr_parse_payload(mnl_nlmsg_get_payload_offset(nlh, offset),
	    mnl_nlmsg_get_payload_len(nlh) - offset, attr, found);
}

static void
copy_address(struct svip_addr *a, const struct nlattr *attr)
{
	if (mnl_attr_get_payload_len(attr) == address_len(a))
		memcpy(a->bytes, mnl_attr_get_payload(attr), address_len(a));
}

/* What address_attr() and link_attr() have found. */
struct attrs {
	const struct nlattr *local, *address, *flags, *name;
};

static int
address_attr(const struct nlattr *attr, void *data)
{
	struct attrs *found = data;

	if (mnl_attr_get_type(attr) == IFA_LOCAL)
		found->local = attr;
	else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
		found->address = attr;
	else if (mnl_attr_get_type(attr) == IFA_FLAGS)
		found->flags = attr;
	return MNL_CB_OK;
}

static bool
read_address(const struct nlmsghdr *nlh, struct rtnl_address *a)
{
	const struct ifaddrmsg *ifa;
	struct attrs found = { 0 };

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return false;
	ifa = mnl_nlmsg_get_payload(nlh);
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return true; /* left with family 0 */
	a->ifindex = (int)ifa->ifa_index;
	a->addr.family = ifa->ifa_family == AF_INET ? 4 : 6;
	a->addr.prefix = ifa->ifa_prefixlen;
	a->flags = ifa->ifa_flags;
	a->usual_scope = a->addr.family == 6 || ifa->ifa_scope == scope_of(&a->addr);
	each_attr(nlh, sizeof(*ifa), address_attr, &found);
	if (found.flags != NULL && mnl_attr_get_payload_len(found.flags) == sizeof(uint32_t))
		a->flags = mnl_attr_get_u32(found.flags);
	/* IFA_ADDRESS is the other end's on a point-to-point link (linux/if_addr.h). */
	if (found.local != NULL || found.address != NULL)
		copy_address(&a->addr, found.local != NULL ? found.local : found.address);
	if (found.local != NULL && found.address != NULL) {
		a->end.family = a->addr.family;
		copy_address(&a->end, found.address);
		a->has_end = !svip_addr_same(&a->end, &a->addr);
	}
	return true;
}

static int
link_attr(const struct nlattr *attr, void *data)
{
	struct attrs *found = data;

	if (mnl_attr_get_type(attr) == IFLA_IFNAME)
		found->name = attr;
	else if (mnl_attr_get_type(attr) == IFLA_ADDRESS)
		found->address = attr;
	return MNL_CB_OK;
}

static bool
read_link(const struct nlmsghdr *nlh, struct rtnl_info *info)
{
	struct rtnl_link *l = &info->link;
	const struct ifinfomsg *ifi;
	struct attrs found = { 0 };
	size_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return false;
	ifi = mnl_nlmsg_get_payload(nlh);
	if (ifi->ifi_family != AF_UNSPEC) { /* about a bridge's port; "gone": it has left the bridge */
		info->kind = RTNL_OTHER;
		return true;
	}
	l->ifindex = ifi->ifi_index;
	l->up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
	l->ethernet = ifi->ifi_type == ARPHRD_ETHER;
	each_attr(nlh, sizeof(*ifi), link_attr, &found);
	if (found.name != NULL) {
		len = mnl_attr_get_payload_len(found.name);
		memcpy(l->name, mnl_attr_get_payload(found.name), len < IFNAMSIZ ? len : IFNAMSIZ - 1);
	}
	if (found.address != NULL && mnl_attr_get_payload_len(found.address) == sizeof(l->mac))
		memcpy(l->mac, mnl_attr_get_payload(found.address), sizeof(l->mac));
	return true;
}

/* 4, 6, or 0: none of ours. */
static uint8_t
family_of(uint8_t told)
{
	return told == AF_INET ? 4 : told == AF_INET6 ? 6 : 0;
}

/* What neighbour_attr() and route_attr() have found. */
struct path_attrs {
	const struct nlattr *dst, *mac, *oif, *gateway, *hops;
};

static int
neighbour_attr(const struct nlattr *attr, void *data)
{
	struct path_attrs *found = data;

	if (mnl_attr_get_type(attr) == NDA_DST)
		found->dst = attr;
	else if (mnl_attr_get_type(attr) == NDA_LLADDR)
		found->mac = attr;
	return MNL_CB_OK;
}

static bool
read_neighbour(const struct nlmsghdr *nlh, struct rtnl_neighbour *n)
{
	const struct ndmsg *nd;
	struct path_attrs found = { 0 };

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nd))
		return false;
	nd = mnl_nlmsg_get_payload(nlh);
	n->ifindex = nd->ndm_ifindex;
	n->state = nd->ndm_state;
	n->addr.family = family_of(nd->ndm_family); /* AF_BRIDGE: a switch's table */
	each_attr(nlh, sizeof(*nd), neighbour_attr, &found);
	if (n->addr.family != 0 && found.dst != NULL)
		copy_address(&n->addr, found.dst);
	if (found.mac != NULL && mnl_attr_get_payload_len(found.mac) == sizeof(n->mac)) {
		memcpy(n->mac, mnl_attr_get_payload(found.mac), sizeof(n->mac));
		n->has_mac = true;
	}
	return true;
}

static int
route_attr(const struct nlattr *attr, void *data)
{
	struct path_attrs *found = data;

	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		found->gateway = attr;
	else if (mnl_attr_get_type(attr) == RTA_OIF)
		found->oif = attr;
	else if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
		found->hops = attr;
	return MNL_CB_OK;
}

static void
add_hop(struct rtnl_route *r, uint8_t family, int ifindex, const struct nlattr *gateway)
{
	struct svip_addr *a = &r->hop[r->n_hops].addr;

	if (gateway == NULL || r->n_hops == RTNL_HOPS_MAX ||
	    mnl_attr_get_payload_len(gateway) != (family == 4 ? 4 : 16))
		return;
	a->family = family;
	a->prefix = family == 4 ? 32 : 128;
	copy_address(a, gateway);
	r->hop[r->n_hops++].ifindex = ifindex;
}

static void
read_hops(struct rtnl_route *r, uint8_t family, const struct nlattr *attr)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	while (left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		struct path_attrs found = { 0 };

		mnl_attr_parse_payload(
		    RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop), route_attr, &found);
		add_hop(r, family, hop->rtnh_ifindex, found.gateway);
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static bool
read_route(const struct nlmsghdr *nlh, struct rtnl_route *r)
{
	const struct rtmsg *rt;
	struct path_attrs found = { 0 };
	uint8_t family;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rt))
		return false;
	rt = mnl_nlmsg_get_payload(nlh);
	family = family_of(rt->rtm_family);
	if (family == 0)
		return true;
	r->is_default = rt->rtm_dst_len == 0 && rt->rtm_src_len == 0 &&
	                rt->rtm_table == RT_TABLE_MAIN && rt->rtm_type == RTN_UNICAST &&
	                (rt->rtm_flags & RTM_F_CLONED) == 0;
	each_attr(nlh, sizeof(*rt), route_attr, &found);
	if (found.oif != NULL && mnl_attr_get_payload_len(found.oif) == sizeof(uint32_t))
		add_hop(r, family, (int)mnl_attr_get_u32(found.oif), found.gateway);
	if (found.hops != NULL)
		read_hops(r, family, found.hops);
	return true;
}

/* An answer's error as a positive errno. False: no kernel says that. */
static bool
read_error(int told, int *error)
{
	if (told > 0 || told < -ERRNO_MAX)
		return false;
	*error = -told;
	return true;
}

static bool
read_message(const struct nlmsghdr *nlh, struct rtnl_info *info)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		info->kind = nlh->nlmsg_type == RTM_NEWADDR ? RTNL_ADDRESS : RTNL_ADDRESS_GONE;
		return read_address(nlh, &info->address);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		info->kind = nlh->nlmsg_type == RTM_NEWLINK ? RTNL_LINK : RTNL_LINK_GONE;
		return read_link(nlh, info);
	case RTM_NEWNEIGH:
		info->kind = RTNL_NEIGHBOUR;
		return read_neighbour(nlh, &info->neighbour);
	case RTM_NEWROUTE:
		info->kind = RTNL_ROUTE;
		return read_route(nlh, &info->route);
	case NLMSG_ERROR:
		info->kind = RTNL_ACK;
		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nlmsgerr))
			return false;
		return read_error(((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error,
		    &info->error);
	case NLMSG_DONE:
		info->kind = RTNL_DONE;
		return mnl_nlmsg_get_payload_len(nlh) < sizeof(int) ||
		       read_error(*(const int *)mnl_nlmsg_get_payload(nlh), &info->error);
	default:
		info->kind = RTNL_OTHER;
		return true;
	}
}

bool
rtnl_parse(const void *in, size_t len, void (*each)(void *, const struct rtnl_info *), void *ctx, const char **why)
{
	const struct nlmsghdr *nlh = in;
	int left = (int)len;

	while (left > 0) {
		struct rtnl_info info = { .kind = RTNL_OTHER };

		/* libmnl 1.0.4 takes a length above INT_MAX for a negative one, and lets it pass. */
		if (!mnl_nlmsg_ok(nlh, left) || nlh->nlmsg_len > (uint32_t)left) {
			*why = "message cut off";
			return false;
		}
		info.seq = nlh->nlmsg_seq;
		info.interrupted = (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (!read_message(nlh, &info)) {
			*why = "message too short for its type";
			return false;
		}
		each(ctx, &info);
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return true;
}
