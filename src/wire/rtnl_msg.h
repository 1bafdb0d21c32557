/* SPDX-License-Identifier: BSD-2-Clause */
/* rtnetlink messages as structs, by libmnl. No descriptor. Source: rtnetlink(7), net/ipv4/devinet.c, net/ipv6/addrconf.c. */
#ifndef WIRE_RTNL_MSG_H
#define WIRE_RTNL_MSG_H

#include <net/if.h>
#include <svip/types.h>

enum { RTNL_MSG_MAX = 160 }; /* bytes of any one message built here */

struct rtnl_address {
	int ifindex;
	struct svip_addr addr;
	uint32_t flags; /* IFA_F_*; only when read */
	bool usual_scope; /* as rtnl_put_address() would give it; only when read */
	bool has_end;   /* it has another end: "VIP peer END" */
	struct svip_addr end;
};

struct rtnl_link {
	int ifindex;
	char name[IFNAMSIZ];
	bool up;       /* IFF_UP and IFF_RUNNING: carrier is there */
	bool ethernet;
	uint8_t mac[6];
};

/* Somebody on a link, as the kernel's cache knows him. */
struct rtnl_neighbour {
	int ifindex;
	struct svip_addr addr; /* family 0: of a kind that is none of ours */
	uint16_t state;        /* NUD_* */
	bool has_mac;
	uint8_t mac[6];
};

enum { RTNL_HOPS_MAX = 8 };

/* A route's gateways; others of its next hops are left out, as are gateways of the other family. */
struct rtnl_route {
	bool is_default; /* to everywhere, by unicast, in the main table; not learnt for one host */
	int n_hops;
	struct {
		int ifindex;
		struct svip_addr addr;
	} hop[RTNL_HOPS_MAX];
};

/*
 * "Have this address for valid_s seconds from now": created, or its lifetime replaced. IPv4 /32 gets scope host, so
 * that it is never chosen as a source address; IPv6 gets preferred lifetime 0 for the same reason, and no duplicate
 * address detection. Both ask for an acknowledgement. Return the length; out has RTNL_MSG_MAX bytes.
 */
size_t rtnl_put_address(void *out, uint32_t seq, const struct rtnl_address *, uint32_t valid_s);
size_t rtnl_put_delete(void *out, uint32_t seq, const struct rtnl_address *);

/* Dumps: all addresses of all interfaces; all links. */
size_t rtnl_put_dump_addresses(void *out, uint32_t seq);
size_t rtnl_put_dump_links(void *out, uint32_t seq);

/* Dumps of one family (4, 6): neighbours on a link; routes of the main table that leave by it. A kernel that doesn't filter
 * (neighbours before 4.4, routes before 4.20 or without NETLINK_GET_STRICT_CHK) tells of all. */
size_t rtnl_put_dump_neighbours(void *out, uint32_t seq, int family, int ifindex);
size_t rtnl_put_dump_routes(void *out, uint32_t seq, int family, int ifindex);

enum rtnl_kind {
	RTNL_OTHER,
	RTNL_ADDRESS,
	RTNL_ADDRESS_GONE,
	RTNL_LINK,
	RTNL_LINK_GONE,
	RTNL_NEIGHBOUR,
	RTNL_ROUTE,
	RTNL_ACK,
	RTNL_DONE
};

struct rtnl_info {
	enum rtnl_kind kind;
	uint32_t seq;
	int error;      /* RTNL_ACK and RTNL_DONE: 0 or a positive errno */
	bool interrupted; /* the dump is not consistent: ask again */
	struct rtnl_address address;
	struct rtnl_link link;
	struct rtnl_neighbour neighbour;
	struct rtnl_route route;
};

/* Calls each(ctx, info) for every message in the buffer. False: malformed, *why says how. */
bool rtnl_parse(const void *in, size_t len, void (*each)(void *ctx, const struct rtnl_info *), void *ctx,
    const char **why);

#endif
