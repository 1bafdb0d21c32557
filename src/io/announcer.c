/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends announcements on a schedule. Must not send one without its owner's word of this very
 * moment. */
#define _GNU_SOURCE /* sendmmsg */
#include "announcer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "seal.h"
#include "wire/frames.h"

enum {
	BATCH = 64, /* frames in one system call */
	SEND_BUFFER =
	    1 << 20, /* bytes: the frames of one instance with the most addresses, at once */
	LOG_EVERY_MS = 10000,
	REFRESH_JITTER = 10, /* percent */
};

struct announcement {
	const char *name;
	const struct svip_addr *addr;
	int n_addr;
	int ifindex;
	uint8_t mac[6];
	svip_ms started;
	int step; /* of the schedule, the next to come; n_steps: the refresh */
	ev_timer timer;
	uint64_t frames, errors;
	struct log_limit limit;
	bool said; /* that the interface is no Ethernet */
};

static struct {
	struct ev_loop *loop;
	int fd;
	struct set_arp arp;
	bool (*may)(void *, int);
	void *ctx;
	struct announcement slot[SVIP_INSTANCES_MAX];
} an = { .fd = -1 };

/* Frames on their way into one system call. */
static struct {
	int n;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	uint8_t frame[BATCH][FRAMES_LEN_MAX];
} batch;

static void
send_batch(struct announcement *a)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = a->ifindex, .sll_halen = ETH_ALEN
	};
	int sent = 0, error = 0;

	for (int i = 0; i < batch.n; i++) {
		batch.msg[i].msg_hdr.msg_name = &to;
		batch.msg[i].msg_hdr.msg_namelen = sizeof(to);
	}
	while (sent < batch.n && error == 0) {
		int n = sendmmsg(an.fd, &batch.msg[sent], (unsigned)(batch.n - sent), MSG_DONTWAIT);

		if (n > 0)
			sent += n;
		else if (n == -1 && errno != EINTR)
			error = errno;
	}
	a->frames += (uint64_t)sent;
	a->errors += (uint64_t)(batch.n - sent);
	batch.n = 0;
	if (error != 0) {
		unsigned held;

		/* Not fatal: the next step of the burst comes anyway. */
		if (log_allowed(&a->limit, LOG_EVERY_MS, clock_ms(), &held))
			log_warning("%s: announcement not sent: %s (%u more of these)", a->name,
			    strerror(error), held);
	}
}

static void
add(struct announcement *a, const struct svip_addr *addr,
    size_t (*build)(const uint8_t *, const struct svip_addr *, uint8_t *))
{
	int i = batch.n++;

	batch.iov[i].iov_base = batch.frame[i];
	batch.iov[i].iov_len = build(a->mac, addr, batch.frame[i]);
	memset(&batch.msg[i], 0, sizeof(batch.msg[i]));
	batch.msg[i].msg_hdr.msg_iov = &batch.iov[i];
	batch.msg[i].msg_hdr.msg_iovlen = 1;
	if (batch.n == BATCH)
		send_batch(a);
}

static void
send_all(struct announcement *a)
{
	for (int i = 0; i < a->n_addr; i++) {
		if (a->addr[i].family == 4) {
			add(a, &a->addr[i], frames_arp_request);
			add(a, &a->addr[i], frames_arp_reply);
		} else {
			add(a, &a->addr[i], frames_na);
		}
	}
	if (batch.n > 0)
		send_batch(a);
}

/* Sets the timer to the next step that isn't over yet: after a late wake-up there is no volley. */
static void
arm(struct announcement *a)
{
	const struct set_arp *arp = &an.arp;
	svip_ms elapsed = clock_ms() - a->started, wait;

	while (a->step < arp->n_steps && arp->step_ms[a->step] <= elapsed)
		a->step++;
	if (a->step < arp->n_steps) {
		wait = arp->step_ms[a->step] - elapsed;
	} else if (arp->refresh_ms > 0) {
		uint64_t spread = (uint64_t)arp->refresh_ms * 2 * REFRESH_JITTER / 100 + 1;

		wait = arp->refresh_ms - arp->refresh_ms * REFRESH_JITTER / 100 +
		       (svip_ms)(seal_random64() % spread);
	} else {
		return;
	}
	ev_timer_set(&a->timer, (double)wait / 1000, 0);
	ev_timer_start(an.loop, &a->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct announcement *a = w->data;
	int slot = (int)(a - an.slot);

	(void)loop, (void)revents;
	if (!an.may(an.ctx, slot)) {
		announcer_stop(slot);
		return;
	}
	if (ev_is_active(w)) /* begun anew by whatever the question has led to */
		return;
	send_all(a);
	if (a->step < an.arp.n_steps)
		a->step++;
	arm(a);
}

int
announcer_init(struct ev_loop *loop, const struct set_arp *arp, bool (*may)(void *, int), void *ctx)
{
	int bytes = SEND_BUFFER;

	assert(an.fd == -1);
	/* Protocol 0: it sends and never receives. */
	an.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (an.fd == -1)
		return -errno;
	if (setsockopt(an.fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == -1 &&
	    setsockopt(an.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == -1)
		log_warning("announcements: send buffer: %s", strerror(errno));
	an.loop = loop;
	an.arp = *arp;
	an.may = may;
	an.ctx = ctx;
	return 0;
}

void
announcer_fini(void)
{
	if (an.fd == -1)
		return;
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++)
		announcer_remove(i);
	close(an.fd);
	an.fd = -1;
}

void
announcer_schedule(const struct set_arp *arp)
{
	an.arp = *arp;
}

void
announcer_add(int slot, const char *name, const struct svip_addr *addr, int n)
{
	struct announcement *a = &an.slot[slot];

	announcer_remove(slot);
	a->name = name;
	a->addr = addr;
	a->n_addr = n;
	ev_timer_init(&a->timer, on_timer, 0, 0);
	a->timer.data = a;
}

void
announcer_remove(int slot)
{
	announcer_stop(slot);
	memset(&an.slot[slot], 0, sizeof(an.slot[slot]));
}

void
announcer_start(int slot, int ifindex, const uint8_t mac[6], bool ethernet)
{
	struct announcement *a = &an.slot[slot];

	assert(a->name != NULL && an.fd != -1);
	announcer_stop(slot);
	if (!ethernet) {
		if (!a->said)
			log_notice(
			    "%s: the interface is no Ethernet: nobody to announce to", a->name);
		a->said = true;
		return;
	}
	a->ifindex = ifindex;
	memcpy(a->mac, mac, sizeof(a->mac));
	a->started = clock_ms();
	a->step = 0;
	send_all(a);
	arm(a);
}

void
announcer_stop(int slot)
{
	struct announcement *a = &an.slot[slot];

	if (a->name != NULL)
		ev_timer_stop(an.loop, &a->timer);
}

uint64_t
announcer_count(int slot)
{
	return an.slot[slot].frames;
}

uint64_t
announcer_errors(int slot)
{
	return an.slot[slot].errors;
}
