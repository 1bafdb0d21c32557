/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hears SYNs and answers them with ICMP errors. Must not wait: not for the network, nor for the kernel.
 *
 * A tap is a packet socket for one interface and one protocol, shared by the slots there. Bound to a protocol it hears nothing that
 * this host sends, and no frame with a VLAN tag (net/core/dev.c). It is opened early and bound at the first drop, which takes 3 µs;
 * but to unbind or to close it takes an RCU grace period, some 10 ms (packet_release(), synchronize_net()). So it stays, with
 * a filter that lets nothing through, until it is needed again.
 */
#include "unreachable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "wire/frames.h"

enum {
	TAPS_MAX = 32, /* two for an interface that has virtual addresses of both families */
	/* An answer waits so long. A connect() that is told before it has given its socket back doesn't hear it (tcp_v4_err():
	 * sock_owned_by_user), and one that is told before the new holder has announced itself comes back here. */
	WAIT_MS = 3,
	QUEUE_MAX =
	    256, /* answers that wait; what comes when they are as many waits in the socket */
	READS_MAX = 64, /* frames for each wake-up: some 0.5 ms */
	RECEIVE_BUFFER =
	    2 << 20, /* bytes, for as many SYNs as are answered; used only when they come */
	LOG_EVERY_MS = 10000,
	SECOND_MS = 1000,

	AT_PROTOCOL4 = 23, /* from the frame's begin */
	AT_FRAGMENT = 20,
	AT_IPV4 = 14,
	AT_NEXT_HEADER = 20,
	AT_IPV6_PAYLOAD = 54,
	AT_FLAGS = 13, /* from the TCP header's begin */
	SYN_ACK = 0x12,
	SYN = 0x02,
	OFFSET = 0x1fff,
};

enum phase { IDLE, KEEPS, ANSWERS };

struct slot {
	const struct svip_addr *addr;
	int n_addr;
	char interface[IFNAMSIZ];
	enum phase phase;
	int ifindex;
	uint8_t mac[6];
	svip_ms begin, end;
	struct svip_addr own[2]; /* IPv4, IPv6; family 0: none */
	svip_ms second;          /* its begin */
	int left;                /* answers in this second */
	uint32_t drop;           /* the number of this drop */
};

/* An answer that waits for its time. */
struct waiting {
	svip_ms due;
	int slot;
	uint32_t drop;
	const struct tap *tap;
	size_t len;
	uint8_t frame[FRAMES_UNREACHABLE_MAX];
};

struct tap {
	int fd, family;
	char interface[IFNAMSIZ];
	int ifindex; /* it is bound to; 0: to none */
	bool open;   /* its filter lets SYNs through */
	ev_io io;
};

static struct {
	struct ev_loop *loop;
	struct slot slot[SVIP_INSTANCES_MAX];
	int active[SVIP_INSTANCES_MAX], n_active; /* slots that aren't idle */
	struct tap tap[TAPS_MAX];                 /* fd -1: free */
	struct waiting queue[QUEUE_MAX];          /* a ring, in the order of their times */
	int first, n;
	ev_timer timer, send_timer;
	struct log_limit limit;
} u;

static void
complain(const char *what, const char *interface)
{
	unsigned held;

	if (log_allowed(&u.limit, LOG_EVERY_MS, clock_ms(), &held))
		log_warning("%s: %s: %s; who connects within a moment after a move may have to "
		            "wait a second (%u more of these)",
		    interface, what, strerror(errno), held);
}

/* ---- the filter ---- */

/* To this host, TCP, no later fragment, SYN without ACK. The rest is frames_syn_read()'s. */
static const struct sock_filter ipv4_syn[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 9),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_PROTOCOL4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 7),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_FRAGMENT),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, OFFSET, 5, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, AT_IPV4),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, AT_IPV4 + AT_FLAGS),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_ACK),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, FRAMES_SYN_READ),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_filter ipv6_syn[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 6),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_NEXT_HEADER),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 4),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IPV6_PAYLOAD + AT_FLAGS),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_ACK),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, FRAMES_SYN_READ),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };

static int
set_filter(struct tap *t, bool open)
{
	struct sock_fprog prog = { .len = sizeof(nothing) / sizeof(nothing[0]),
		.filter = (struct sock_filter *)nothing };

	if (open && t->family == 4)
		prog = (struct sock_fprog){ sizeof(ipv4_syn) / sizeof(ipv4_syn[0]),
			(struct sock_filter *)ipv4_syn };
	else if (open)
		prog = (struct sock_fprog){ sizeof(ipv6_syn) / sizeof(ipv6_syn[0]),
			(struct sock_filter *)ipv6_syn };
	if (setsockopt(t->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == -1)
		return -errno;
	t->open = open;
	return 0;
}

/* ---- answers ---- */

/* -1: none that answers now. */
static int
slot_of(int ifindex, const struct svip_addr *to)
{
	for (int i = 0; i < u.n_active; i++) {
		const struct slot *s = &u.slot[u.active[i]];

		for (int k = 0; s->phase == ANSWERS && s->ifindex == ifindex && k < s->n_addr;
		     k++) {
			if (svip_addr_same(&s->addr[k], to))
				return u.active[i];
		}
	}
	return -1;
}

/* The last address of the own network, or its first: no host's. RFC 1812 section 5.3.5. */
static bool
is_directed_broadcast(const struct svip_addr *a, const struct svip_addr *own)
{
	uint32_t address, net, host;

	if (a->family != 4 || own->prefix > 30)
		return false;
	host = own->prefix == 0 ? UINT32_MAX : UINT32_MAX >> own->prefix;
	memcpy(&address, a->bytes, sizeof(address));
	memcpy(&net, own->bytes, sizeof(net));
	address = ntohl(address);
	return ((address ^ ntohl(net)) & ~host) == 0 &&
	       ((address & host) == 0 || (address & host) == host);
}

/* Puts the answer into the queue, in which there is room. */
static void
answer(const struct tap *t, const uint8_t *frame, size_t len)
{
	struct waiting *w = &u.queue[(u.first + u.n) % QUEUE_MAX];
	const struct svip_addr *own;
	struct frames_syn syn;
	const char *why;
	svip_ms now = clock_ms();
	struct slot *s;
	int slot;

	if (!frames_syn_read(frame, len, &syn, &why))
		return;
	slot = slot_of(t->ifindex, &syn.to);
	if (slot == -1)
		return;
	s = &u.slot[slot];
	own = &s->own[t->family == 4 ? 0 : 1];
	if (now >= s->second + SECOND_MS) {
		s->second = now;
		s->left = UNREACHABLE_MAX;
	}
	if (s->left == 0 || own->family != t->family || is_directed_broadcast(&syn.from, own))
		return;
	s->left--;
	w->due = now + WAIT_MS;
	w->slot = slot;
	w->drop = s->drop;
	w->tap = t;
	w->len = frames_unreachable(s->mac, own, &syn, w->frame);
	if (u.n++ > 0)
		return;
	ev_timer_set(&u.send_timer, WAIT_MS / 1000.0, 0);
	ev_timer_start(u.loop, &u.send_timer);
}

/* One that can't be sent now would be late in a moment: its client waits as it would without. */
static void
send_answer(const struct waiting *w)
{
	const struct slot *s = &u.slot[w->slot];
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = s->ifindex,
		.sll_protocol = htons(w->tap->family == 4 ? ETH_P_IP : ETH_P_IPV6),
		.sll_halen = ETH_ALEN };

	if (s->phase != ANSWERS || s->drop != w->drop) /* the addresses may be here again */
		return;
	memcpy(to.sll_addr, w->frame, ETH_ALEN);
	if (sendto(w->tap->fd, w->frame, w->len, MSG_DONTWAIT, (struct sockaddr *)&to,
	        sizeof(to)) == -1 &&
	    errno != ENETDOWN && errno != ENXIO)
		complain("ICMP error", w->tap->interface);
}

static void
end(int at)
{
	u.slot[u.active[at]].phase = IDLE;
	u.active[at] = u.active[--u.n_active];
}

/* Before each look at frames, too: a process that comes late must not answer late, for a client's SYN may be another's by then. */
static void
end_what_is_over(void)
{
	svip_ms now = clock_ms();

	for (int i = u.n_active - 1; i >= 0; i--) {
		if (now >= u.slot[u.active[i]].end)
			end(i);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct tap *t = io->data;

	(void)revents;
	end_what_is_over();
	for (int i = 0; i < READS_MAX && u.n < QUEUE_MAX; i++) {
		uint8_t frame[FRAMES_SYN_READ];
		ssize_t n = recv(t->fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (n == -1) {
			/* ENETDOWN once when the interface goes: its owner hears of that by
			 * netlink. */
			if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
				complain("receiving", t->interface);
			return;
		}
		answer(t, frame, (size_t)n);
	}
	if (u.n == QUEUE_MAX)
		ev_io_stop(loop, io); /* until on_due() */
}

/* Those whose time has come, READS_MAX of them in a turn. */
static void
on_due(struct ev_loop *loop, ev_timer *timer, int revents)
{
	svip_ms now = clock_ms();

	(void)revents;
	end_what_is_over();
	for (int i = 0; i < READS_MAX && u.n > 0 && u.queue[u.first].due <= now; i++) {
		send_answer(&u.queue[u.first]);
		u.first = (u.first + 1) % QUEUE_MAX;
		u.n--;
	}
	for (int i = 0; i < TAPS_MAX; i++) {
		if (u.tap[i].fd != -1)
			ev_io_start(loop, &u.tap[i].io);
	}
	if (u.n == 0)
		return;
	ev_timer_set(
	    timer, u.queue[u.first].due > now ? (double)(u.queue[u.first].due - now) / 1000 : 0, 0);
	ev_timer_start(loop, timer);
}

/* ---- taps ---- */

static struct tap *
find_tap(const char *interface, int family)
{
	for (int i = 0; i < TAPS_MAX; i++) {
		if (u.tap[i].fd != -1 && u.tap[i].family == family &&
		    strcmp(u.tap[i].interface, interface) == 0)
			return &u.tap[i];
	}
	return NULL;
}

static void
close_tap(struct tap *t)
{
	ev_io_stop(u.loop, &t->io);
	close(t->fd);
	t->fd = -1; /* what waits yet for it is about slots that are gone */
}

/* A place for another: a free one, or one that no slot needs any more. */
static struct tap *
find_room(void)
{
	for (int i = 0; i < TAPS_MAX; i++) {
		if (u.tap[i].fd == -1)
			return &u.tap[i];
	}
	for (int i = 0; i < TAPS_MAX; i++) {
		bool used = false;

		for (int s = 0; s < SVIP_INSTANCES_MAX && !used; s++)
			used = strcmp(u.slot[s].interface, u.tap[i].interface) == 0;
		if (!used) {
			close_tap(&u.tap[i]);
			return &u.tap[i];
		}
	}
	errno = EMFILE;
	return NULL;
}

static void
open_tap(const char *interface, int family)
{
	struct tap *t = find_room();
	int size = RECEIVE_BUFFER;

	if (t == NULL) {
		complain("packet socket", interface);
		return;
	}
	*t = (struct tap){ .fd = -1, .family = family };
	memcpy(t->interface, interface, strnlen(interface, IFNAMSIZ - 1));
	/* Protocol 0: it hears nothing before it is bound. */
	t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd == -1 || set_filter(t, false) != 0) {
		complain("packet socket", interface);
		if (t->fd != -1)
			close(t->fd);
		t->fd = -1;
		return;
	}
	(void)setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	ev_io_init(&t->io, on_readable, t->fd, EV_READ);
	t->io.data = t;
	ev_io_start(u.loop, &t->io);
}

/* What it has heard until now is read and thrown away in the loop's next turns, when no slot asks for it. */
static void
shut(struct tap *t)
{
	(void)set_filter(t, false); /* else it goes on hearing what nobody asks for */
	t->open = false;
}

/* To the same interface as before it costs nothing; to one that has come again the kernel doesn't bind it by itself. */
static int
bind_tap(struct tap *t, int ifindex)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_ifindex = ifindex,
		.sll_protocol = htons(t->family == 4 ? ETH_P_IP : ETH_P_IPV6) };

	t->ifindex = 0;
	if (bind(t->fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		return -errno;
	t->ifindex = ifindex;
	return 0;
}

static void
open_filter(struct tap *t, int ifindex)
{
	int rc;

	if (t->open && t->ifindex == ifindex)
		return;
	rc = bind_tap(t, ifindex);
	if (rc == 0)
		rc = set_filter(t, true);
	if (rc != 0) {
		errno = -rc;
		complain("packet socket", t->interface);
	}
}

/* Shuts the taps that no slot needs now. */
static void
shut_unneeded(void)
{
	for (int i = 0; i < TAPS_MAX; i++) {
		struct tap *t = &u.tap[i];
		bool needed = false;

		if (t->fd == -1 || !t->open)
			continue;
		for (int k = 0; k < u.n_active && !needed; k++)
			needed = u.slot[u.active[k]].ifindex == t->ifindex;
		if (!needed)
			shut(t);
	}
}

static void
set_timer(void)
{
	svip_ms now = clock_ms(), next = SVIP_NEVER;

	ev_timer_stop(u.loop, &u.timer);
	for (int i = 0; i < u.n_active; i++) {
		if (u.slot[u.active[i]].end < next)
			next = u.slot[u.active[i]].end;
	}
	if (u.n_active == 0)
		return;
	ev_timer_set(&u.timer, next > now ? (double)(next - now) / 1000 : 0, 0);
	ev_timer_start(u.loop, &u.timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)timer, (void)revents;
	end_what_is_over();
	shut_unneeded();
	set_timer();
}

/* ---- life ---- */

void
unreachable_init(struct ev_loop *loop)
{
	memset(&u, 0, sizeof(u));
	for (int i = 0; i < TAPS_MAX; i++)
		u.tap[i].fd = -1;
	u.loop = loop;
	ev_init(&u.timer, on_timer);
	ev_init(&u.send_timer, on_due);
}

void
unreachable_fini(void)
{
	if (u.loop == NULL)
		return;
	u.n_active = u.n = 0;
	ev_timer_stop(u.loop, &u.timer);
	ev_timer_stop(u.loop, &u.send_timer);
	for (int i = 0; i < TAPS_MAX; i++) {
		if (u.tap[i].fd != -1)
			close_tap(&u.tap[i]);
	}
	u.loop = NULL;
}

void
unreachable_add(int slot, const char *interface, const struct svip_addr *addr, int n)
{
	struct slot *s = &u.slot[slot];

	unreachable_remove(slot);
	memcpy(s->interface, interface, strnlen(interface, IFNAMSIZ - 1));
	s->addr = addr;
	s->n_addr = n;
	for (int k = 0; k < n; k++) {
		if (find_tap(s->interface, addr[k].family) == NULL)
			open_tap(s->interface, addr[k].family);
	}
}

void
unreachable_remove(int slot)
{
	uint32_t drop = u.slot[slot].drop;

	unreachable_stop(slot);
	u.slot[slot] =
	    (struct slot){ .drop = drop }; /* an answer about those of before may wait yet */
}

void
unreachable_expect(int slot, int ifindex, const uint8_t mac[6])
{
	struct slot *s = &u.slot[slot];

	unreachable_stop(slot);
	if (ifindex == 0)
		return;
	s->phase = KEEPS;
	s->drop++;
	s->ifindex = ifindex;
	memcpy(s->mac, mac, sizeof(s->mac));
	s->begin = s->second = clock_ms();
	s->end = s->begin + UNREACHABLE_FIRST_MS; /* of what never begins */
	s->left = UNREACHABLE_MAX;
	u.active[u.n_active++] = slot;
	for (int family = 4; family <= 6; family += 2) {
		struct tap *t = find_tap(s->interface, family);

		if (t != NULL)
			open_filter(t, ifindex);
	}
	if (!ev_is_active(&u.timer))
		set_timer();
}

void
unreachable_begin(int slot, const struct svip_addr *own4, const struct svip_addr *own6)
{
	struct slot *s = &u.slot[slot];

	if (s->phase != KEEPS)
		return;
	s->own[0] = own4 != NULL ? *own4 : (struct svip_addr){ 0 };
	s->own[1] = own6 != NULL ? *own6 : (struct svip_addr){ 0 };
	s->begin = clock_ms();
	s->end = s->begin + UNREACHABLE_MS;
	s->phase = ANSWERS;
}

void
unreachable_stop(int slot)
{
	if (u.slot[slot].phase == IDLE)
		return;
	for (int i = 0; i < u.n_active; i++) {
		if (u.active[i] == slot)
			end(i--);
	}
	shut_unneeded();
}

bool
unreachable_idle(void)
{
	svip_ms now = clock_ms();

	for (int i = 0; i < u.n_active; i++) {
		if (now < u.slot[u.active[i]].begin + UNREACHABLE_FIRST_MS)
			return false;
	}
	return true;
}
