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
#include "neighbours.h"
#include "seal.h"
#include "wire/frames.h"

enum {
	BATCH = 64, /* frames in one system call */
	SEND_BUFFER = 4 << 20, /* bytes: the first frames of a thousand instances, at once */
	LOG_EVERY_MS = 10000,
	REFRESH_JITTER = 10, /* percent */
	ASK_AGAIN = 2,       /* the step of the schedule that brings the questions once more */
	ASKS_TURN = 256,     /* questions for one wake-up */
	ASK_PAUSE_MS = 10,   /* between two such wake-ups */
	ASKS_MAX = 4096,     /* questions of one instance, each time */
	LOOK_AGE_MS = 200,   /* of the list of neighbours, at most, when one begins with it */
};

/* How far the questions to the neighbours are. */
struct asking {
	int family;     /* 4, then 6; 0: none are due */
	bool begun;     /* with the family's neighbours */
	int who, about; /* the next: neighbour and address */
	int n;          /* questions so far */
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
	struct asking ask;
	bool again; /* the questions are to come once more */
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
	ev_timer ask_timer; /* the questions' */
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

/* Where the next frame goes. */
static uint8_t *
room(void)
{
	return batch.frame[batch.n];
}

/* A frame of that length is there. */
static void
add(struct announcement *a, size_t len)
{
	int i = batch.n++;

	batch.iov[i] = (struct iovec){ .iov_base = batch.frame[i], .iov_len = len };
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
			add(a, frames_arp_request(a->mac, &a->addr[i], room()));
			add(a, frames_arp_reply(a->mac, &a->addr[i], room()));
		} else {
			add(a, frames_na(a->mac, &a->addr[i], room()));
		}
	}
	if (batch.n > 0)
		send_batch(a);
}

/* ---- questions to the neighbours ---- */

static struct announcement *
next_asking(void)
{
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++) {
		if (an.slot[i].ask.family != 0)
			return &an.slot[i];
	}
	return NULL;
}

/* The turn that is due already stays: nobody can hurry the pauses. */
static void
ask_after(svip_ms wait_ms)
{
	if (ev_is_active(&an.ask_timer))
		return;
	ev_timer_set(&an.ask_timer, (double)wait_ms / 1000, 0);
	ev_timer_start(an.loop, &an.ask_timer);
}

/* In a turn of their own: whatever else this turn brings, other slots' announcements too, goes first. */
static void
ask_neighbours(struct announcement *a)
{
	a->ask = (struct asking){ .family = 4 };
	ask_after(0);
}

static void
next_family(struct asking *k)
{
	*k = (struct asking){ .family = k->family == 4 ? 6 : 0, .n = k->n };
}

/* Next address, neighbour, family. */
static void
advance(struct announcement *a, int n_list)
{
	struct asking *k = &a->ask;

	if (++k->about < a->n_addr)
		return;
	k->about = 0;
	if (++k->who == n_list)
		next_family(k);
}

/* What one system call takes, `max` at most. Returns how many questions that were. */
static int
ask_some(struct announcement *a, const struct neighbour *list, int n_list, int max)
{
	struct asking *k = &a->ask;
	int family = k->family, before = k->n;

	while (k->family == family && k->n - before < max) {
		const struct svip_addr *addr = &a->addr[k->about];
		const struct neighbour *to = &list[k->who];
		const uint8_t *mac = to->has_mac ? to->mac : NULL;

		if (addr->family == family && !svip_addr_same(addr, &to->addr) &&
		    memcmp(to->mac, a->mac, sizeof(a->mac)) != 0) {
			k->n++;
			add(a, family == 4 ? frames_arp_ask(a->mac, addr, &to->addr, mac, room())
			                   : frames_ns_ask(a->mac, addr, &to->addr, mac, room()));
		}
		advance(a, n_list);
	}
	if (batch.n > 0)
		send_batch(a);
	if (k->n >= ASKS_MAX)
		k->family = 0;
	return k->n - before;
}

static bool
has_family(const struct announcement *a, int family)
{
	for (int i = 0; i < a->n_addr; i++) {
		if (a->addr[i].family == family)
			return true;
	}
	return false;
}

static void
on_ask(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct announcement *a;
	int left = ASKS_TURN;

	(void)loop, (void)w, (void)revents;
	for (; left > 0 && (a = next_asking()) != NULL; left--) {
		const struct neighbour *list = NULL;
		int n = 0, slot = (int)(a - an.slot), most = left < BATCH ? left : BATCH;

		if (has_family(a, a->ask.family)) {
			list = neighbours_on(
			    a->ifindex, a->ask.family, a->ask.begun ? SVIP_NEVER : LOOK_AGE_MS, &n);
			if (list == NULL)
				return; /* on_neighbours() goes on */
		}
		a->ask.begun = true;
		if (n <= a->ask.who) /* nobody, or fewer than there were */
			next_family(&a->ask);
		/* The last thing before they leave. It may stop them, or begin them anew. */
		else if (!an.may(an.ctx, slot))
			announcer_stop(slot);
		else if (a->ask.begun)
			left -= ask_some(a, list, n, most) - 1;
	}
	if (next_asking() != NULL)
		ask_after(ASK_PAUSE_MS);
}

static void
on_neighbours(void *ctx)
{
	(void)ctx;
	if (next_asking() != NULL)
		ask_after(0);
}

/* ---- the schedule ---- */

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
	if (a->again && a->step >= ASK_AGAIN && a->step < an.arp.n_steps) {
		a->again = false;
		ask_neighbours(a);
	}
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
	ev_init(&an.ask_timer, on_ask);
	neighbours_init(loop, on_neighbours, NULL);
	return 0;
}

void
announcer_fini(void)
{
	if (an.fd == -1)
		return;
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++)
		announcer_remove(i);
	ev_timer_stop(an.loop, &an.ask_timer);
	neighbours_fini();
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
	a->again = true;
	ask_neighbours(a);
}

void
announcer_stop(int slot)
{
	struct announcement *a = &an.slot[slot];

	a->ask.family = 0;
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
