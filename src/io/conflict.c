/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listens and asks for other holders of our addresses. Must not answer them, nor claim anything in
 * its questions.
 *
 * A tap is a packet socket for one interface and one protocol, shared by the slots there, with a
 * filter of their addresses in the kernel. Bound to a protocol it hears nothing that this host
 * sends (net/core/dev.c: only ETH_P_ALL taps do), and costs nothing for other traffic. To close it takes an RCU grace period,
 * some 10 ms (packet_release(), synchronize_net()), and the end of a watch is the moment of a drop: so it stays, with a
 * filter that lets nothing through, until it is needed again.
 */
#include "conflict.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "wire/frames.h"

enum {
	TAPS_MAX = 32,     /* two for an interface that has virtual addresses of both families */
	FILTER_MAX = 1024, /* instructions; /proc/sys/net/core/optmem_max allows some 2,500 */
	FRAME_READ = 128,  /* bytes of a frame that are looked at */
	READS_MAX = 32,    /* frames for each wake-up */
	PROBE_MS = 1000,
	PROBES_MAX = 128, /* for each PROBE_MS, in turn */
	TELL_MS = 1000,
	LOG_EVERY_MS = 10000,

	AT_SPA = 28, /* ARP: sender's IPv4 address, from the frame's begin */
	AT_NEXT_HEADER = 20,
	AT_ICMP6_TYPE = 54,
	AT_ND_TARGET = 62,
	ICMP6 = 58,
	ND_ADVERT = 136,
};

struct watch {
	const struct svip_addr *addr;
	int n_addr;
	int ifindex; /* 0: not watching */
	uint8_t mac[6];
	int probe; /* next address to probe */
	struct log_limit limit;
	uint64_t count;
};

struct tap {
	int fd, ifindex, family;
	bool idle; /* no slot that watches needs it */
	ev_io io;
};

static struct {
	struct ev_loop *loop;
	void (*found)(void *, int, const struct svip_addr *, const uint8_t *);
	bool (*own)(void *, const uint8_t *);
	void *ctx;
	struct watch watch[SVIP_INSTANCES_MAX];
	int active[SVIP_INSTANCES_MAX], n_active; /* slots that watch */
	int turn;                                 /* in active: whose probes come next */
	struct tap tap[TAPS_MAX];                 /* fd -1: free */
	ev_timer timer;
	struct log_limit limit;
} cf;

static void
complain(const char *what, int ifindex)
{
	unsigned held;

	if (log_allowed(&cf.limit, LOG_EVERY_MS, clock_ms(), &held))
		log_warning(
		    "conflict watch: %s on interface %d: %s", what, ifindex, strerror(errno));
}

/* ---- the filter ---- */

static struct {
	struct sock_filter code[FILTER_MAX];
	unsigned n;
	bool full;
} filter;

static void
emit(uint16_t code, uint32_t k, int jt, int jf)
{
	if (filter.n == FILTER_MAX)
		filter.full = true;
	else
		filter.code[filter.n++] = (struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
}

static void
emit_load(int bytes, uint32_t at)
{
	emit((uint16_t)(BPF_LD | BPF_ABS | (bytes == 1 ? BPF_B : BPF_W)), at, 0, 0);
}

/* Goes on when the accumulator is k, else steps over the next `skip` instructions. */
static void
emit_unless(uint32_t k, int skip)
{
	emit(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip);
}

static void
emit_return(uint32_t bytes)
{
	emit(BPF_RET | BPF_K, bytes, 0, 0);
}

static uint32_t
word(const struct svip_addr *a, int at)
{
	uint32_t v;

	memcpy(&v, &a->bytes[at], sizeof(v));
	return ntohl(v);
}

static void
emit_begin(int family)
{
	filter.n = 0;
	filter.full = false;
	if (family == 4) {
		emit_load(4, AT_SPA);
		return;
	}
	emit_load(1, AT_NEXT_HEADER);
	emit_unless(ICMP6, 2);
	emit_load(1, AT_ICMP6_TYPE);
	emit(BPF_JMP | BPF_JEQ | BPF_K, ND_ADVERT, 1, 0);
	emit_return(0);
}

static void
emit_address(const struct svip_addr *a)
{
	if (a->family == 4) {
		emit_unless(word(a, 0), 1);
	} else {
		for (int i = 0; i < 4; i++) {
			emit_load(4, (uint32_t)(AT_ND_TARGET + 4 * i));
			emit_unless(word(a, 4 * i), 7 - 2 * i);
		}
	}
	emit_return(FRAME_READ);
}

/* Claims of the addresses watched there. Too many of them: all claims, to be sorted out by hear().
 */
static int
set_filter(const struct tap *t)
{
	struct sock_fprog prog;

	emit_begin(t->family);
	for (int i = 0; i < cf.n_active; i++) {
		const struct watch *w = &cf.watch[cf.active[i]];

		for (int k = 0; w->ifindex == t->ifindex && k < w->n_addr; k++) {
			if (w->addr[k].family == t->family)
				emit_address(&w->addr[k]);
		}
	}
	emit_return(0);
	if (filter.full) {
		emit_begin(t->family);
		emit_return(FRAME_READ);
	}
	prog = (struct sock_fprog){ .len = (unsigned short)filter.n, .filter = filter.code };
	return setsockopt(t->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == -1 ? -errno
	                                                                                  : 0;
}

/* ---- hearing ---- */

static void
tell(int slot, const struct frames_claim *claim)
{
	struct watch *w = &cf.watch[slot];
	unsigned held;

	w->count++;
	if (log_allowed(&w->limit, TELL_MS, clock_ms(), &held))
		cf.found(cf.ctx, slot, &claim->addr, claim->mac);
}

static void
hear(int ifindex, const struct frames_claim *claim)
{
	for (int i = 0; i < cf.n_active; i++) {
		const struct watch *w = &cf.watch[cf.active[i]];

		if (w->ifindex != ifindex || memcmp(w->mac, claim->mac, sizeof(w->mac)) == 0)
			continue;
		for (int k = 0; k < w->n_addr; k++) {
			if (!svip_addr_same(&w->addr[k], &claim->addr) ||
			    cf.own(cf.ctx, claim->mac))
				continue;
			tell(cf.active[i], claim); /* may change all of this */
			return;
		}
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct tap *t = io->data;

	(void)loop, (void)revents;
	for (int i = 0; i < READS_MAX && t->fd != -1; i++) {
		uint8_t frame[FRAME_READ];
		struct frames_claim claim;
		const char *why;
		ssize_t n = recv(t->fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (n == -1) {
			/* ENETDOWN once when the interface goes: its owner hears of that by
			 * netlink. */
			if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
				complain("receiving", t->ifindex);
			return;
		}
		if (frames_claim_read(frame, (size_t)n, &claim, &why))
			hear(t->ifindex, &claim);
	}
}

/* ---- taps ---- */

static struct tap *
find_tap(int ifindex, int family)
{
	for (int i = 0; i < TAPS_MAX; i++) {
		if (cf.tap[i].fd != -1 && cf.tap[i].ifindex == ifindex &&
		    cf.tap[i].family == family)
			return &cf.tap[i];
	}
	return NULL;
}

static void
close_tap(struct tap *t)
{
	ev_io_stop(cf.loop, &t->io);
	close(t->fd);
	t->fd = -1;
}

/* A repeat costs nothing; to an interface that has come again the kernel doesn't bind it by itself. */
static int
bind_tap(const struct tap *t)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_ifindex = t->ifindex,
		.sll_protocol = htons(t->family == 4 ? ETH_P_ARP : ETH_P_IPV6) };

	return bind(t->fd, (struct sockaddr *)&at, sizeof(at)) == -1 ? -errno : 0;
}

static int
open_socket(struct tap *t)
{
	int rc;

	/* Protocol 0 hears nothing until the filter is there. */
	t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd == -1)
		return -errno;
	rc = set_filter(t);
	if (rc == 0)
		rc = bind_tap(t);
	if (rc != 0) {
		close(t->fd);
		t->fd = -1;
	}
	return rc;
}

static struct tap *
open_tap(int ifindex, int family)
{
	struct tap *t = NULL;
	int rc = -EMFILE;

	for (int i = 0; i < TAPS_MAX; i++) {
		if (cf.tap[i].fd == -1)
			t = &cf.tap[i];
		else if (t == NULL && cf.tap[i].idle)
			t = &cf.tap[i];
	}
	if (t != NULL && t->fd != -1)
		close_tap(t);
	if (t != NULL) {
		t->ifindex = ifindex;
		t->idle = false;
		t->family = family;
		rc = open_socket(t);
	}
	if (rc != 0) {
		errno = -rc;
		complain("packet socket", ifindex);
		return NULL;
	}
	ev_io_init(&t->io, on_readable, t->fd, EV_READ);
	t->io.data = t;
	ev_io_start(cf.loop, &t->io);
	return t;
}

/* Makes the tap what the slots that watch now want: there or not, and with their addresses. */
static void
settle_tap(int ifindex, int family)
{
	struct tap *t = find_tap(ifindex, family);
	bool wanted = false;

	for (int i = 0; i < cf.n_active && !wanted; i++) {
		const struct watch *w = &cf.watch[cf.active[i]];

		for (int k = 0; w->ifindex == ifindex && k < w->n_addr; k++)
			wanted = wanted || w->addr[k].family == family;
	}
	if (!wanted && t != NULL) {
		if (set_filter(t) != 0) /* of no address: to nothing */
			close_tap(t);
		t->idle = true;
	} else if (wanted && t == NULL) {
		(void)open_tap(ifindex, family); /* else with the next probe */
	} else if (wanted) {
		int rc = set_filter(t);

		if (rc == 0 && t->idle)
			rc = bind_tap(t);
		t->idle = false;

		if (rc != 0) { /* the filter of before stays */
			errno = -rc;
			complain("packet filter", ifindex);
		}
	}
}

/* ---- asking ---- */

static void
probe(const struct watch *w, const struct svip_addr *a)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = w->ifindex, .sll_halen = ETH_ALEN
	};
	const struct tap *t = find_tap(w->ifindex, a->family);
	uint8_t frame[FRAMES_LEN_MAX];
	size_t len;

	if (t == NULL)
		t = open_tap(w->ifindex, a->family);
	if (t == NULL)
		return;
	len =
	    a->family == 4 ? frames_arp_probe(w->mac, a, frame) : frames_ns_probe(w->mac, a, frame);
	if (sendto(t->fd, frame, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != ENETDOWN && errno != ENXIO)
		complain("probe", w->ifindex);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	int left = PROBES_MAX;

	(void)loop, (void)timer, (void)revents;
	for (int seen = 0; seen < cf.n_active && left > 0;) {
		struct watch *w = &cf.watch[cf.active[cf.turn % cf.n_active]];

		for (; w->probe < w->n_addr && left > 0; left--)
			probe(w, &w->addr[w->probe++]);
		if (w->probe < w->n_addr)
			break;
		w->probe = 0;
		cf.turn = (cf.turn + 1) % cf.n_active;
		seen++;
	}
}

/* ---- life ---- */

int
conflict_init(struct ev_loop *loop,
    void (*found)(void *, int, const struct svip_addr *, const uint8_t *),
    bool (*own)(void *, const uint8_t *), void *ctx)
{
	memset(&cf, 0, sizeof(cf));
	for (int i = 0; i < TAPS_MAX; i++)
		cf.tap[i].fd = -1;
	cf.loop = loop;
	cf.found = found;
	cf.own = own;
	cf.ctx = ctx;
	ev_timer_init(&cf.timer, on_timer, PROBE_MS / 1000.0, PROBE_MS / 1000.0);
	return 0;
}

void
conflict_fini(void)
{
	if (cf.loop == NULL)
		return;
	while (cf.n_active > 0)
		conflict_stop(cf.active[0]);
	for (int i = 0; i < TAPS_MAX; i++) {
		if (cf.tap[i].fd != -1)
			close_tap(&cf.tap[i]);
	}
	cf.loop = NULL;
}

void
conflict_add(int slot, const struct svip_addr *addr, int n)
{
	conflict_remove(slot);
	cf.watch[slot].addr = addr;
	cf.watch[slot].n_addr = n;
}

void
conflict_remove(int slot)
{
	conflict_stop(slot);
	memset(&cf.watch[slot], 0, sizeof(cf.watch[slot]));
}

void
conflict_start(int slot, int ifindex, const uint8_t mac[6])
{
	static const uint8_t none[6];
	struct watch *w = &cf.watch[slot];

	if (memcmp(mac, none, sizeof(none)) == 0) {
		conflict_stop(slot);
		return;
	}
	if (w->ifindex != ifindex) {
		conflict_stop(slot);
		w->ifindex = ifindex;
		w->probe = 0;
		if (cf.n_active == 0)
			ev_timer_again(cf.loop, &cf.timer);
		cf.active[cf.n_active++] = slot;
		settle_tap(ifindex, 4);
		settle_tap(ifindex, 6);
	}
	memcpy(w->mac, mac, sizeof(w->mac));
}

void
conflict_stop(int slot)
{
	struct watch *w = &cf.watch[slot];
	int ifindex = w->ifindex, at = 0;

	if (ifindex == 0)
		return;
	while (cf.active[at] != slot)
		at++;
	cf.active[at] = cf.active[--cf.n_active];
	cf.turn = 0;
	w->ifindex = 0;
	settle_tap(ifindex, 4);
	settle_tap(ifindex, 6);
	if (cf.n_active == 0)
		ev_timer_stop(cf.loop, &cf.timer);
}

uint64_t
conflict_count(int slot)
{
	return cf.watch[slot].count;
}
