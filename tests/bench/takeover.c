/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small helpers for takeover.py, which measures how soon an address is announced and gone.  None of them is part of svipd.
 *
 *	takeover tap DEV VIP PORT	what reaches and leaves the host, by the kernel's stamps, one line each: "ns in|out|add|gone"
 *	takeover floor DEV VIP PORT	the least a takeover can be: a byte comes, an address is added, one gratuitous ARP is sent
 *	takeover trigger HOST PORT PERIOD_MS	sends the floor its bytes
 *	takeover vrrp DEV ID PERIOD_MS ON OFF	a VRRPv3 router of priority 255 that resigns (priority 0) after ON packets, for OFF periods
 *
 * "in" is what may decide: a TCP segment with data from or to PORT, or, PORT being 0, a VRRP packet.  "out" is a gratuitous ARP about VIP.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ARP_SIZE = 42,
	VRRP_PROTOCOL = 112,
	VRRP_MASTER = 255,
};

/* A gratuitous ARP request, as put together by main's parts. */
static unsigned char garp[ARP_SIZE];

/* Like svipd, and keepalived with vrrp_rt_priority. */
static void
realtime(int priority)
{
	struct sched_param p = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO, &p) != 0)
		warn("no real-time scheduling");
}

static int64_t
in_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
index_of(const char *dev)
{
	unsigned int i = if_nametoindex(dev);

	if (i == 0)
		err(1, "%s", dev);
	return (int)i;
}

static in_addr_t
address_of(const char *text)
{
	in_addr_t a = inet_addr(text);

	if (a == INADDR_NONE)
		errx(1, "%s: not an address", text);
	return a;
}

static int
number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 0 || n > 1000000)
		errx(1, "%s: not a number", text);
	return (int)n;
}

static void
pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* ---- tap ---- */

/* "in", "out" or NULL. */
static const char *
kind_of(const unsigned char *f, size_t n, bool outgoing, in_addr_t vip, int port)
{
	size_t ip, tcp;

	if (n < ARP_SIZE)
		return NULL;
	if (f[12] == 8 && f[13] == 6)
		return outgoing && memcmp(f + 28, &vip, 4) == 0 && memcmp(f + 38, &vip, 4) == 0
		           ? "out"
		           : NULL;
	if (outgoing || f[12] != 8 || f[13] != 0)
		return NULL;
	if (f[23] == VRRP_PROTOCOL)
		return port == 0 ? "in" : NULL;
	ip = (size_t)(f[14] & 15) * 4;
	tcp = 14 + ip;
	if (f[23] != IPPROTO_TCP || n < tcp + 20 ||
	    ((f[tcp] << 8 | f[tcp + 1]) != port && (f[tcp + 2] << 8 | f[tcp + 3]) != port))
		return NULL;
	return (size_t)(f[16] << 8 | f[17]) > ip + (size_t)(f[tcp + 12] >> 4) * 4 ? "in" : NULL;
}

static void
read_frame(int fd, in_addr_t vip, int port)
{
	unsigned char frame[256];
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control;
	struct sockaddr_ll from;
	struct iovec iov = { frame, sizeof(frame) };
	struct msghdr m = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct timespec t;
	struct cmsghdr *c;
	const char *kind;
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return;
	kind = kind_of(frame, (size_t)n, from.sll_pkttype == PACKET_OUTGOING, vip, port);
	c = CMSG_FIRSTHDR(&m);
	if (kind == NULL || c == NULL || c->cmsg_type != SCM_TIMESTAMPNS)
		return;
	memcpy(&t, CMSG_DATA(c), sizeof(t));
	printf("%lld %s\n", (long long)in_ns(t), kind);
}

/* The kernel doesn't stamp these: the time is that of the receipt. */
static void
read_netlink(int fd, in_addr_t vip)
{
	char buf[16384] __attribute__((aligned(8)));
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	for (struct nlmsghdr *h = (struct nlmsghdr *)buf; n > 0 && NLMSG_OK(h, (size_t)n);
	     h = NLMSG_NEXT(h, n)) {
		int left = (int)IFA_PAYLOAD(h);

		if (h->nlmsg_type != RTM_NEWADDR && h->nlmsg_type != RTM_DELADDR)
			continue;
		for (struct rtattr *a = IFA_RTA(NLMSG_DATA(h)); RTA_OK(a, left);
		     a = RTA_NEXT(a, left)) {
			if (a->rta_type == IFA_LOCAL && memcmp(RTA_DATA(a), &vip, 4) == 0)
				printf("%lld %s\n", (long long)in_ns(t),
				    h->nlmsg_type == RTM_NEWADDR ? "add" : "gone");
		}
	}
}

static void
tap(const char *dev, const char *vip_text, int port)
{
	int one = 1, big = 8 << 20;
	in_addr_t vip = address_of(vip_text);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index_of(dev) };
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR };
	struct pollfd fds[2] = {
		{ socket(AF_PACKET, SOCK_RAW, 0), POLLIN, 0 },
		{ socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), POLLIN, 0 },
	};

	if (fds[0].fd < 0 || fds[1].fd < 0)
		err(1, "socket");
	setsockopt(fds[0].fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(fds[0].fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	if (bind(fds[0].fd, (struct sockaddr *)&ll, sizeof(ll)) != 0 ||
	    bind(fds[1].fd, (struct sockaddr *)&nl, sizeof(nl)) != 0)
		err(1, "bind");
	setvbuf(stdout, NULL, _IOLBF, 0);
	realtime(1);
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents != 0)
			read_netlink(fds[1].fd, vip);
		if (fds[0].revents != 0)
			read_frame(fds[0].fd, vip, port);
	}
}

/* ---- floor ---- */

/* Adds or deletes the address and waits for the kernel's answer. */
static void
address(int fd, bool add, int ifindex, in_addr_t vip)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg a;
		struct rtattr r;
		in_addr_t vip;
	} m = {
		.h = { sizeof(m), add ? RTM_NEWADDR : RTM_DELADDR,
		    NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0), 1, 0 },
		.a = { AF_INET, 32, 0, RT_SCOPE_HOST, (unsigned int)ifindex },
		.r = { RTA_LENGTH(4), IFA_LOCAL },
		.vip = vip,
	};
	char answer[1024];

	if (send(fd, &m, sizeof(m), 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
		err(1, "netlink");
}

static void
make_garp(int fd, const char *dev, in_addr_t vip)
{
	static const unsigned char head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, dev, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &r) != 0)
		err(1, "%s", dev);
	memset(garp, 0xff, 6);
	memcpy(garp + 6, r.ifr_hwaddr.sa_data, 6);
	memcpy(garp + 12, head, sizeof(head));
	memcpy(garp + 22, r.ifr_hwaddr.sa_data, 6);
	memcpy(garp + 28, &vip, 4);
	memcpy(garp + 38, &vip, 4);
}

static void
floor_of(const char *dev, const char *vip_text, int port)
{
	int one = 1, ifindex = index_of(dev);
	in_addr_t vip = address_of(vip_text);
	int nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), raw = socket(AF_PACKET, SOCK_RAW, 0),
	    server = socket(AF_INET, SOCK_STREAM, 0), link;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = ifindex
	};
	char order;

	if (nl < 0 || raw < 0 || server < 0)
		err(1, "socket");
	make_garp(raw, dev, vip);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(server, 1) != 0 ||
	    bind(raw, (struct sockaddr *)&ll, sizeof(ll)) != 0)
		err(1, "bind");
	link = accept(server, NULL, NULL);
	realtime(10);
	while (recv(link, &order, 1, 0) == 1) {
		address(nl, order == '+', ifindex, vip);
		if (order == '+' && send(raw, garp, sizeof(garp), 0) < 0)
			err(1, "ARP");
	}
}

static void
trigger(const char *host, int port, int period_ms)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = address_of(host) };

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "%s", host);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (bool add = true;; add = !add) {
		if (send(fd, add ? "+" : "-", 1, MSG_NOSIGNAL) != 1)
			err(1, "%s", host);
		pause_ms(period_ms);
	}
}

/* ---- VRRP ---- */

/* RFC 5798, section 5.2; one address, its checksum is over the pseudo-header, too. */
static void
vrrp_send(int fd, in_addr_t own, int id, int priority, int period_ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr("224.0.0.18") };
	unsigned char m[24] = { 0 };
	unsigned char *v = m + 12; /* behind the pseudo-header */
	int cs = period_ms / 10;
	unsigned int sum = 0;

	memcpy(m, &own, 4);
	memcpy(m + 4, &to.sin_addr, 4);
	m[9] = VRRP_PROTOCOL;
	m[11] = 12;
	v[0] = 0x31;
	v[1] = (unsigned char)id;
	v[2] = (unsigned char)priority;
	v[3] = 1;
	v[4] = (unsigned char)(cs >> 8 & 15);
	v[5] = (unsigned char)cs;
	v[8] = 10;
	v[9] = 77;
	v[11] = 52;
	for (size_t i = 0; i < sizeof(m); i += 2)
		sum += (unsigned int)(m[i] << 8 | m[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	v[6] = (unsigned char)(sum >> 8);
	v[7] = (unsigned char)sum;
	if (sendto(fd, v, 12, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "VRRP");
}

static void
vrrp(const char *dev, int id, int period_ms, int on, int off)
{
	int ttl = 255, zero = 0, fd = socket(AF_INET, SOCK_RAW, VRRP_PROTOCOL);
	struct ip_mreqn via = { .imr_ifindex = index_of(dev) };
	struct ifreq r = { 0 };
	in_addr_t own;

	if (fd < 0)
		err(1, "socket");
	strncpy(r.ifr_name, dev, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFADDR, &r) != 0)
		err(1, "%s", dev);
	memcpy(&own, &((struct sockaddr_in *)&r.ifr_addr)->sin_addr, 4);
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof(zero));
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)) != 0)
		err(1, "IP_MULTICAST_IF");
	realtime(5);
	for (;;) {
		for (int i = 0; i < on; i++) {
			vrrp_send(fd, own, id, VRRP_MASTER, period_ms);
			pause_ms(period_ms);
		}
		vrrp_send(fd, own, id, 0, period_ms);
		pause_ms(period_ms * off);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "tap") == 0)
		tap(argv[2], argv[3], number_of(argv[4]));
	else if (argc == 5 && strcmp(argv[1], "floor") == 0)
		floor_of(argv[2], argv[3], number_of(argv[4]));
	else if (argc == 5 && strcmp(argv[1], "trigger") == 0)
		trigger(argv[2], number_of(argv[3]), number_of(argv[4]));
	else if (argc == 7 && strcmp(argv[1], "vrrp") == 0)
		vrrp(argv[2], number_of(argv[3]), number_of(argv[4]), number_of(argv[5]),
		    number_of(argv[6]));
	else
		errx(2, "usage: takeover tap|floor|trigger|vrrp ...");
	return 1;
}
