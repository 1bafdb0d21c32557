/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets for heartbeats, as ip(7) and ipv6(7) have it. Must neither read nor send a datagram. */
#define _GNU_SOURCE /* struct in6_pktinfo */
#include "heartbeat_socket.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* linux/in6.h, since Linux 4.20; not in every libc's headers */
#endif

enum {
	TTL = 255,            /* so that a receiver on the link sees that no router was between */
	TRAFFIC_CLASS = 0xc0, /* CS6, network control (RFC 4594 section 3.1) */
	PRIORITY = 6,         /* TC_PRIO_INTERACTIVE: the highest that needs no privilege */
	RECEIVE_BUFFER = 1 << 20, /* bytes: a heartbeat round of 15 peers with many instances */
};

struct option {
	int level, name, value;
	bool needed; /* otherwise an old kernel may go without */
	const char *what;
};

static const struct option options4[] = {
	{ IPPROTO_IP, IP_TTL, TTL, true, "IP_TTL" },
	{ IPPROTO_IP, IP_MULTICAST_TTL, TTL, true, "IP_MULTICAST_TTL" },
	{ IPPROTO_IP, IP_RECVTTL, 1, true, "IP_RECVTTL" },
	{ IPPROTO_IP, IP_PKTINFO, 1, false, "IP_PKTINFO" },
	{ IPPROTO_IP, IP_MULTICAST_ALL, 0, true, "IP_MULTICAST_ALL" },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 0, true, "IP_MULTICAST_LOOP" },
	{ IPPROTO_IP, IP_TOS, TRAFFIC_CLASS, false, "IP_TOS" },
	{ 0, 0, 0, false, NULL },
};

static const struct option options6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1, true, "IPV6_V6ONLY" },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL, true, "IPV6_UNICAST_HOPS" },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, TTL, true, "IPV6_MULTICAST_HOPS" },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, true, "IPV6_RECVHOPLIMIT" },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, false, "IPV6_RECVPKTINFO" },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, true, "IPV6_MULTICAST_LOOP" },
	{ IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, false, "IPV6_MULTICAST_ALL" },
	{ IPPROTO_IPV6, IPV6_TCLASS, TRAFFIC_CLASS, false, "IPV6_TCLASS" },
	{ 0, 0, 0, false, NULL },
};

static int
set_options(int fd, const struct option *o)
{
	for (; o->what != NULL; o++) {
		if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) == 0)
			continue;
		if (o->needed)
			return -errno;
		log_info("heartbeats: %s: %s", o->what, strerror(errno));
	}
	return 0;
}

static int
set_up(int fd, int family, uint16_t port)
{
	const struct svip_addr any = { .family = (uint8_t)family };
	int priority = PRIORITY, buffer = RECEIVE_BUFFER, rc;
	struct sockaddr_storage at;
	socklen_t len;

	rc = set_options(fd, family == 4 ? options4 : options6);
	if (rc != 0)
		return rc;
	if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) == -1)
		log_info("heartbeats: SO_PRIORITY: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) == -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) == -1)
		log_info("heartbeats: SO_RCVBUF: %s", strerror(errno));
	/* No SO_REUSEADDR: a second daemon on the port would take the unicasts away, and must fail
	 * instead. */
	len = heartbeat_socket_address(&any, port, 0, &at);
	return bind(fd, (struct sockaddr *)&at, len) == -1 ? -errno : 0;
}

int
heartbeat_socket_open(int family, uint16_t port)
{
	int fd =
	    socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd == -1)
		return -errno;
	rc = set_up(fd, family, port);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int
membership(int fd, const struct svip_addr *group, int ifindex, bool join)
{
	int rc;

	if (group->family == 4) {
		struct ip_mreqn m = { .imr_ifindex = ifindex };

		memcpy(&m.imr_multiaddr, group->bytes, 4);
		rc = setsockopt(
		    fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &m, sizeof(m));
		if (rc == 0 && join)
			rc = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m));
	} else {
		struct ipv6_mreq m = { .ipv6mr_interface = (unsigned)ifindex };

		memcpy(&m.ipv6mr_multiaddr, group->bytes, 16);
		rc = setsockopt(
		    fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &m, sizeof(m));
		if (rc == 0 && join)
			rc = setsockopt(
			    fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex, sizeof(ifindex));
	}
	return rc == -1 ? -errno : 0;
}

int
heartbeat_socket_join(int fd, const struct svip_addr *group, int ifindex)
{
	return membership(fd, group, ifindex, true);
}

void
heartbeat_socket_leave(int fd, const struct svip_addr *group, int ifindex)
{
	/* The interface may be gone, and the membership with it. */
	(void)membership(fd, group, ifindex, false);
}

int
heartbeat_socket_interface(const struct svip_addr *own, bool *up)
{
	struct ifaddrs *all, *i;
	int found = 0;

	*up = false;
	if (getifaddrs(&all) == -1) {
		log_warning("heartbeats: list of interfaces: %s", strerror(errno));
		return 0;
	}
	for (i = all; i != NULL && found == 0; i = i->ifa_next) {
		struct sockaddr_storage at = { 0 };
		struct svip_addr a;

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			memcpy(&at, i->ifa_addr, sizeof(struct sockaddr_in));
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&at, i->ifa_addr, sizeof(struct sockaddr_in6));
		else
			continue;
		heartbeat_socket_from(&at, &a);
		if (!svip_addr_same(&a, own))
			continue;
		found = (int)if_nametoindex(i->ifa_name);
		*up = (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_RUNNING) != 0;
	}
	freeifaddrs(all);
	return found;
}

socklen_t
heartbeat_socket_address(
    const struct svip_addr *a, uint16_t port, int scope, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, a->bytes, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ||
		    IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
			in6->sin6_scope_id = (uint32_t)scope;
		return sizeof(*in6);
	}
}

void
heartbeat_socket_from(const struct sockaddr_storage *at, struct svip_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (at->ss_family == AF_INET) {
		out->family = 4;
		out->prefix = 32;
		memcpy(out->bytes, &((const struct sockaddr_in *)at)->sin_addr, 4);
	} else if (at->ss_family == AF_INET6) {
		out->family = 6;
		out->prefix = 128;
		memcpy(out->bytes, &((const struct sockaddr_in6 *)at)->sin6_addr, 16);
	}
}

void
heartbeat_socket_source(struct msghdr *msg, const struct svip_addr *from, int ifindex)
{
	struct cmsghdr *c;

	if (from->family == 4) {
		struct in_pktinfo p = { .ipi_ifindex = ifindex };

		memcpy(&p.ipi_spec_dst, from->bytes, 4);
		msg->msg_controllen = CMSG_SPACE(sizeof(p));
		c = CMSG_FIRSTHDR(msg);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p));
		memcpy(CMSG_DATA(c), &p, sizeof(p));
	} else {
		struct in6_pktinfo p = { .ipi6_ifindex = (unsigned)ifindex };

		memcpy(&p.ipi6_addr, from->bytes, 16);
		msg->msg_controllen = CMSG_SPACE(sizeof(p));
		c = CMSG_FIRSTHDR(msg);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p));
		memcpy(CMSG_DATA(c), &p, sizeof(p));
	}
}

int
heartbeat_socket_ttl(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		int ttl;

		if ((c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_TTL) &&
		    (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_HOPLIMIT))
			continue;
		memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		return ttl;
	}
	return -1;
}

bool
heartbeat_socket_group(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo p;

			memcpy(&p, CMSG_DATA(c), sizeof(p));
			return IN_MULTICAST(ntohl(p.ipi_addr.s_addr));
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo p;

			memcpy(&p, CMSG_DATA(c), sizeof(p));
			return IN6_IS_ADDR_MULTICAST(&p.ipi6_addr);
		}
	}
	return false;
}
