/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes. Everything made here is gone at the end, also by itself: addresses have a lifetime of a second. */
#include "selftest.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fence.h"
#include "reset.h"
#include "rtnl.h"

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
		.destroy = reset_probe(),
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
