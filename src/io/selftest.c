/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes. Everything made here is gone at the end, also by itself: addresses have a lifetime of a second. */
#include "selftest.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fence.h"
#include "rtnl.h"

#ifndef SOCK_DESTROY /* linux/sock_diag.h, Linux 4.5 */
#define SOCK_DESTROY 21
#endif

enum { LOOK_MS = 50 };

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static struct {
	struct selftest is;
	struct ev_loop *loop;
	void (*done)(void);
	ev_timer timer;
	struct fence_probe fence;
	bool fence_open;
	struct rtnl_address addr[2]; /* IPv4, IPv6 */
	bool seen[2], waits[2];
} t = { .is = { .when = SVIP_LONG_AGO } };

/* ---- at once ---- */

static int
probe_packet(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static int
probe_clock(void)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static void
read_clocksource(char *out, size_t size)
{
	int fd = open(CLOCKSOURCE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, out, size - 1) : -1;

	if (fd != -1)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* ---- SOCK_DESTROY ---- */

/* Asks the kernel to end the connection at `near`, as ss -K does. 0 or a positive errno. */
static int
destroy(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} out = { .h = { .nlmsg_len = sizeof(out),
		      .nlmsg_type = SOCK_DESTROY,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.r = {
		    .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u } };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} in;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG),
	    rc = EIO;
	ssize_t n;

	if (fd == -1)
		return errno;
	out.r.id.idiag_sport = near->sin_port;
	out.r.id.idiag_dport = far->sin_port;
	out.r.id.idiag_src[0] = near->sin_addr.s_addr;
	out.r.id.idiag_dst[0] = far->sin_addr.s_addr;
	out.r.id.idiag_cookie[0] = out.r.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	n = send(fd, &out, sizeof(out), 0);
	if (n == sizeof(out))
		n = recv(
		    fd, &in, sizeof(in), MSG_DONTWAIT); /* the kernel has answered inside send() */
	if (n == -1)
		rc = errno;
	else if (n >= (ssize_t)(sizeof(in.h) + sizeof(in.e.error)) &&
	         in.h.nlmsg_type == NLMSG_ERROR)
		rc = -in.e.error;
	close(fd);
	return rc;
}

static int
probe_destroy(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
	                   far;
	socklen_t len = sizeof(at);
	const int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int listener = socket(AF_INET, kind, 0), client = socket(AF_INET, kind, 0), rc = 0;
	char byte;

	if (listener == -1 || client == -1 || bind(listener, (struct sockaddr *)&at, len) == -1 ||
	    listen(listener, 1) == -1 || getsockname(listener, (struct sockaddr *)&at, &len) == -1)
		rc = errno;
	else if (connect(client, (struct sockaddr *)&at, len) == -1 && errno != EINPROGRESS)
		rc = errno;
	else if (getsockname(client, (struct sockaddr *)&far, &len) == -1)
		rc = errno;
	else
		rc = destroy(&far, &at);
	if (rc == 0 && (recv(client, &byte, 1, MSG_DONTWAIT) != -1 || errno == EAGAIN))
		rc = ENOTSUP; /* it said yes, and it lives */
	if (listener != -1)
		close(listener);
	if (client != -1)
		close(client);
	return rc;
}

/* ---- addresses ---- */

static void
on_address(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	if (info == NULL) {
		t.seen[0] = t.seen[1] = false;
		return;
	}
	for (int i = 0; i < 2; i++)
		t.seen[i] |= info->kind == RTNL_ADDRESS &&
		             info->address.ifindex == t.addr[i].ifindex &&
		             svip_addr_same(&info->address.addr, &t.addr[i].addr);
}

/* From the documentation's and the discarded ranges (RFC 5737, RFC 6666): nobody's address. */
static void
choose_addresses(int lo)
{
	uint16_t pid = (uint16_t)getpid();

	t.addr[0] = (struct rtnl_address){ .ifindex = lo,
		.addr = {
		    .family = 4, .prefix = 32, .bytes = { 192, 0, 2, (uint8_t)(1 + pid % 254) } } };
	t.addr[1] = (struct rtnl_address){ .ifindex = lo,
		.addr = { .family = 6,
		    .prefix = 128,
		    .bytes = { 1, [12] = 0x53, [13] = 0x56, [14] = (uint8_t)(pid >> 8),
		        [15] = (uint8_t)pid } } };
}

static void
add_addresses(void)
{
	int *result[2] = { &t.is.address4, &t.is.address6 }, error;

	choose_addresses((int)if_nametoindex("lo"));
	for (int i = 0; i < 2; i++) {
		int rc = t.addr[i].ifindex == 0 ? -ENODEV : rtnl_set(&t.addr[i], 1, 1, &error);

		*result[i] = rc != 0 ? -rc : error;
		t.waits[i] = *result[i] == 0;
	}
}

static void
look_for_addresses(svip_ms since)
{
	int *expiry[2] = { &t.is.expiry4, &t.is.expiry6 };
	svip_ms *gone[2] = { &t.is.gone4, &t.is.gone6 };
	int error;

	if ((!t.waits[0] && !t.waits[1]) || rtnl_dump_addresses(on_address, NULL) != 0)
		return;
	for (int i = 0; i < 2; i++) {
		if (!t.waits[i])
			continue;
		if (!t.seen[i]) {
			t.waits[i] = false;
			*expiry[i] = 0;
			*gone[i] = since;
		} else if (since >= SELFTEST_MS - LOOK_MS) {
			t.waits[i] = false;
			*expiry[i] = ETIME;
			(void)rtnl_delete(&t.addr[i], 1, &error);
		}
	}
}

/* ---- the run ---- */

static void
end_fence(void)
{
	if (!t.fence_open)
		return;
	t.fence_open = false;
	t.is.nftables = -fence_probe_end(&t.fence);
	t.is.egress = t.fence.egress ? 0 : EOPNOTSUPP;
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	svip_ms since = clock_ms() - t.is.when;

	(void)revents;
	if (since >= FENCE_PROBE_MS)
		end_fence();
	if (since >= 900)
		look_for_addresses(since);
	if (t.fence_open || ((t.waits[0] || t.waits[1]) && since < SELFTEST_MS))
		return;
	ev_timer_stop(loop, w);
	t.is.running = false;
	t.done();
}

void
selftest_start(struct ev_loop *loop, bool touch, void (*done)(void))
{
	int rc;

	if (t.is.running)
		return;
	t.loop = loop;
	t.done = done;
	t.is = (struct selftest){ .running = true,
		.when = clock_ms(),
		.address4 = SELFTEST_SKIPPED,
		.address6 = SELFTEST_SKIPPED,
		.expiry4 = SELFTEST_SKIPPED,
		.expiry6 = SELFTEST_SKIPPED,
		.nftables = SELFTEST_SKIPPED,
		.egress = SELFTEST_SKIPPED,
		.packet = probe_packet(),
		.destroy = probe_destroy(),
		.clock = probe_clock() };
	read_clocksource(t.is.clocksource, sizeof(t.is.clocksource));
	if (touch) {
		rc = fence_probe_start(&t.fence);
		t.fence_open = rc == 0;
		t.is.nftables = -rc;
		add_addresses();
	}
	ev_timer_init(&t.timer, on_timer, LOOK_MS / 1000.0, LOOK_MS / 1000.0);
	ev_timer_start(loop, &t.timer);
}

void
selftest_fini(void)
{
	int error;

	if (!t.is.running)
		return;
	ev_timer_stop(t.loop, &t.timer);
	end_fence();
	for (int i = 0; i < 2; i++) {
		if (t.waits[i])
			(void)rtnl_delete(&t.addr[i], 1, &error);
	}
	t.is.running = false;
}

const struct selftest *
selftest_result(void)
{
	return &t.is;
}
