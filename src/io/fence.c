/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet filter's lease over nfnetlink: one socket for orders, answered inside sendmsg(), and one that listens to
 * what other programs do to our tables. Its own orders are filtered out there in the kernel: they wake nobody.
 */
#include "fence.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "seal.h"
#include "wire/nft_msg.h"

enum {
	TICK_MS =
	    10, /* of the slowest kernel clock; before Linux 6.12 a time-out of less never ends */
	TOKEN_MS = 20,     /* how old an order may be: two ticks */
	TRIES = 3,         /* for an order that came too late */
	AGAIN_MS = 100,    /* between two repairs */
	READS_MAX = 64,    /* datagrams read in one turn */
	DRAIN_MAX = 65536, /* more than fit into the receive buffer */
	COMPLAIN_MS = 10000,
};

#define UNKNOWN SVIP_NEVER

struct guarded {
	bool used, made;       /* made: the tables are as it needs them, as far as is known */
	const char *interface; /* the caller's, as are the addresses */
	const struct svip_addr *addr;
	int n;
	svip_ms ends; /* when its elements run out, as ordered last; UNKNOWN: look */
};

static struct {
	int ask, hear; /* -1: not open */
	uint32_t seq, token;
	bool egress;
	struct ev_loop *loop;
	struct fence_calls call;
	void *ctx;
	ev_io watch;
	ev_timer again;
	svip_ms repaired;
	svip_ms made; /* when fence_make() was tried last */
	int failure;  /* and what came of it */
	bool torn;
	struct log_limit limit;
	char name[NFT_NAME_MAX];
	char comment[256];
	int top;
	struct guarded slot[SVIP_INSTANCES_MAX];
	char in[65536];
	char out[NFT_BATCH_MAX];
} f = { .ask = -1, .hear = -1 };

/* ---- orders ---- */

struct answers {
	uint32_t first, last; /* sequence numbers of the transaction */
	bool done;            /* the last one was acknowledged */
	int error;            /* the first refusal */
	uint32_t refused;     /* and its number */
	svip_ms left;         /* of a question: SVIP_LONG_AGO: no answer */
};

static void
on_answer(void *ctx, const struct nft_info *info)
{
	struct answers *a = ctx;

	if (info->seq - a->first > a->last - a->first)
		return;
	if (info->kind == NFT_THING) {
		a->left = info->left;
	} else if (info->kind == NFT_ANSWER && info->error == 0) {
		a->done |= info->seq == a->last;
	} else if (info->kind == NFT_ANSWER && a->error == 0) {
		a->error = info->error;
		a->refused = info->seq;
	}
}

/* The kernel has worked on it when send() returns, so all answers lie ready. */
static int
exchange(const void *bytes, size_t len, struct answers *a)
{
	ssize_t n;

	a->done = false;
	a->error = 0;
	a->refused = 0;
	a->left = SVIP_LONG_AGO;
	do
		n = send(f.ask, bytes, len, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -errno;
	for (;;) {
		n = recv(f.ask, f.in, sizeof(f.in), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? -a->error : -errno;
		if (!nft_parse(f.in, (size_t)n, on_answer, a))
			return -EBADMSG;
	}
}

/* All or nothing. 0 or -errno; then *refused is the number of the message within the transaction that was refused. */
static int
commit(struct nft_batch *b, uint32_t *refused)
{
	struct answers a = { .first = b->first };
	int rc;

	nft_end(b);
	if (b->full)
		return -EMSGSIZE;
	a.last = b->seq;
	f.seq = b->seq + 1;
	rc = exchange(f.out, b->len, &a);
	if (refused != NULL)
		*refused = a.refused - a.first;
	return rc == 0 && !a.done ? -EIO : rc;
}

static void
begin(struct nft_batch *b)
{
	nft_begin(b, f.out, f.seq);
}

/* ---- the tables ---- */

static void
put_fenced(struct nft_batch *b, enum nft_table t)
{
	nft_put_no_fenced(b, t, f.name);
	for (int i = 0; i < f.top; i++) {
		if (f.slot[i].used)
			nft_put_fenced(b, t, f.name, f.slot[i].addr, f.slot[i].n);
	}
}

/* Each interface once, if it is there: a chain can't wait for one. */
static void
put_devices(struct nft_batch *b)
{
	for (int i = 0; i < f.top; i++) {
		bool before = !f.slot[i].used || if_nametoindex(f.slot[i].interface) == 0;

		for (int k = 0; k < i && !before; k++)
			before =
			    f.slot[k].used && strcmp(f.slot[k].interface, f.slot[i].interface) == 0;
		if (!before)
			nft_put_chains(b, NFT_NETDEV, f.name, f.slot[i].interface);
	}
}

static void
put_table(struct nft_batch *b, enum nft_table t, bool anew)
{
	nft_put_table(b, t, f.name, f.comment);
	if (anew) {
		nft_put_table_gone(b, t, f.name);
		nft_put_table(b, t, f.name, f.comment);
	}
	nft_put_sets(b, t, f.name);
	nft_put_no_rules(b, t, f.name);
	put_fenced(b, t);
	if (t == NFT_NETDEV)
		put_devices(b);
	else
		nft_put_chains(b, t, f.name, NULL);
}

static int
make(bool anew, bool egress, bool egress_anew)
{
	struct nft_batch b;
	int rc;

	begin(&b);
	put_table(&b, NFT_INET, anew);
	put_table(&b, NFT_ARP, anew);
	if (egress)
		put_table(&b, NFT_NETDEV, egress_anew);
	rc = commit(&b, NULL);
	if (rc == 0) /* else the tables are as they were */
		f.egress = egress;
	return rc;
}

static void
remove_table(enum nft_table t, const char *name)
{
	struct nft_batch b;
	int rc;

	begin(&b);
	nft_put_table_gone(&b, t, name);
	rc = commit(&b, NULL);
	if (rc != 0 && rc != -ENOENT && rc != -EOPNOTSUPP && rc != -EAFNOSUPPORT)
		log_warning("nftables: table %s can't be removed: %s", name, strerror(-rc));
}

/* The table of a predecessor with egress, or of an interface that has come again, under a kernel that can't change it. */
int
fence_make(void)
{
	static const struct {
		bool anew, egress, egress_anew;
	} ways[] = {
		{ false, true, false },
		{ false, true, true },
		{ false, false, false },
		{ true, true, true },
		{ true, false, false },
	};
	int rc = -EBADF;

	if (f.ask == -1)
		return rc;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		rc = make(ways[i].anew, ways[i].egress, ways[i].egress_anew);
		if (rc == 0 || rc == -EPERM)
			break;
	}
	if (rc == 0 && !f.egress) /* what is left there would not be told of what is open */
		remove_table(NFT_NETDEV, f.name);
	for (int i = 0; i < f.top; i++) { /* another hand may have been there */
		f.slot[i].ends = UNKNOWN;
		f.slot[i].made = rc == 0;
	}
	f.made = clock_ms();
	f.failure = rc;
	return rc;
}

bool
fence_egress(void)
{
	return f.egress;
}

static void
remove_tables(const char *name)
{
	for (int t = 0; t < NFT_TABLES; t++) /* one by one: not each must be there */
		remove_table((enum nft_table)t, name);
}

/* ---- what other hands do ---- */

static void
repair(void)
{
	int rc = fence_make();
	unsigned held;

	f.repaired = clock_ms();
	if (log_allowed(&f.limit, COMPLAIN_MS, f.repaired, &held))
		log_warning("nftables: another program has changed or removed the tables %s (nft "
		            "flush ruleset?); made again: %s (%u more of these)",
		    f.name, rc == 0 ? "yes" : strerror(-rc), held);
	f.torn = rc != 0;
	if (f.torn) { /* again */
		ev_timer_stop(f.loop, &f.again);
		ev_timer_set(&f.again, AGAIN_MS / 1000.0, 0);
		ev_timer_start(f.loop, &f.again);
	}
	f.call.torn(f.ctx, -rc);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	if (f.torn)
		repair();
}

static void
on_notice(void *ctx, const struct nft_info *info)
{
	bool *ours = ctx;

	if (info->kind == NFT_THING && strcmp(info->table, f.name) == 0)
		*ours = true;
}

/* True: ours have been changed, or may have been. After an overrun the kernel tells nothing more until all has been read
 * (rtnl.c), so a repair before that could come too early. */
static bool
heard(void)
{
	bool ours = false;
	int most = READS_MAX;

	for (int i = 0; i < most; i++) {
		ssize_t n = recv(f.hear, f.in, sizeof(f.in), MSG_DONTWAIT);

		if (n == -1 && errno == ENOBUFS) {
			ours = true;
			most = DRAIN_MAX;
		} else if (n == -1 && errno != EINTR) {
			break;
		} else if (n > 0 && !nft_parse(f.in, (size_t)n, on_notice, &ours)) {
			ours = true;
		}
	}
	return ours;
}

static void
on_change(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)w, (void)revents;
	if (!heard())
		return;
	f.torn = true;
	if (clock_ms() - f.repaired < AGAIN_MS) { /* a fight must not take all the time */
		if (!ev_is_active(&f.again)) {
			ev_timer_set(&f.again, AGAIN_MS / 1000.0, 0);
			ev_timer_start(loop, &f.again);
		}
		return;
	}
	repair();
}

/* ---- life ---- */

static int
open_socket(void)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	const int size = NFT_BATCH_MAX, one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

	if (fd == -1)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) == -1) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

/* Notifications carry the port of whoever gave the order (net/netfilter/nf_tables_api.c). */
static int
leave_out_own(void)
{
	struct sockaddr_nl self;
	socklen_t len = sizeof(self);

	if (getsockname(f.ask, (struct sockaddr *)&self, &len) == -1)
		return -errno;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, htonl(self.nl_pid), 0, 1), /* loaded as big-endian */
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(f.hear, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == -1
	           ? -errno
	           : 0;
}

static int
open_both(void)
{
	const int group = NFNLGRP_NFTABLES;
	int rc;

	f.ask = open_socket();
	if (f.ask < 0)
		return f.ask;
	f.hear = open_socket();
	if (f.hear < 0)
		return f.hear;
	rc = leave_out_own();
	if (rc == 0 &&
	    setsockopt(f.hear, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == -1)
		rc = -errno;
	return rc;
}

static void
close_both(void)
{
	if (f.ask >= 0)
		close(f.ask);
	if (f.hear >= 0)
		close(f.hear);
	f.ask = f.hear = -1;
}

int
fence_init(struct ev_loop *loop, const char *cluster, const struct fence_calls *call, void *ctx)
{
	int rc;

	assert(f.ask == -1);
	memset(f.slot, 0, sizeof(f.slot));
	f.top = 0;
	f.loop = loop;
	f.call = *call;
	f.ctx = ctx;
	f.torn = false;
	f.repaired = f.made = SVIP_LONG_AGO;
	f.failure = 0;
	f.token = (uint32_t)seal_random64();
	snprintf(f.name, sizeof(f.name), "svipd-%.*s", NFT_NAME_MAX - 8, cluster);
	snprintf(f.comment, sizeof(f.comment),
	    "svipd: drops traffic for virtual addresses of %.40s that this host does not hold; "
	    "goes when svipd stops",
	    cluster);
	rc = open_both();
	if (rc != 0) {
		close_both();
		return rc;
	}
	ev_io_init(&f.watch, on_change, f.hear, EV_READ);
	ev_io_start(loop, &f.watch);
	ev_init(&f.again, on_again);
	return 0;
}

void
fence_fini(bool leave)
{
	if (f.ask == -1)
		return;
	ev_io_stop(f.loop, &f.watch);
	ev_timer_stop(f.loop, &f.again);
	if (!leave)
		remove_tables(f.name);
	close_both();
}

void
fence_add(int slot, const char *interface, const struct svip_addr *addr, int n)
{
	assert(!f.slot[slot].used);
	f.slot[slot] = (struct guarded){ true, false, interface, addr, n, UNKNOWN };
	if (slot >= f.top)
		f.top = slot + 1;
}

void
fence_remove(int slot)
{
	f.slot[slot].used = false;
}

/* ---- the lease ---- */

static void
put_alive(struct nft_batch *b, const struct guarded *g, svip_ms left)
{
	for (int t = 0; t < NFT_TABLES; t++) {
		if (t == NFT_NETDEV && !f.egress)
			continue;
		if (left > 0)
			nft_put_alive(b, (enum nft_table)t, f.name, g->addr, g->n, left);
		else
			nft_put_not_alive(b, (enum nft_table)t, f.name, g->addr, g->n);
	}
}

/* One try of a dated order: token, clock, order. *late: the token had run out. */
static int
try(const struct guarded *g, svip_ms until, bool renew, bool *late)
{
	struct nft_batch b;
	uint32_t refused;
	svip_ms left;
	int rc;

	*late = false;
	begin(&b);
	nft_put_token(&b, f.name, ++f.token, TOKEN_MS);
	rc = commit(&b, NULL);
	if (rc != 0)
		return rc == -EEXIST ? -EAGAIN : rc;
	left = until - clock_ms();
	if (left < TICK_MS)
		return -ETIME;
	begin(&b);
	nft_put_no_token(&b, f.name, f.token);
	if (renew)
		put_alive(&b, g, 0);
	else
		nft_put_no_closing(&b, f.name);
	put_alive(&b, g, left);
	rc = commit(&b, &refused);
	*late = rc == -ENOENT && refused == 1; /* the first after the begin */
	return rc;
}

static int
dated(const struct guarded *g, svip_ms until, bool renew)
{
	bool late;
	int rc = -EAGAIN;

	if (f.ask == -1)
		return -EBADF;
	for (int i = 0; i < TRIES; i++) {
		rc = try(g, until, renew, &late);
		if (!late && rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}

/* Whether the table is one where the slot's addresses of this family are let through. */
static bool
concerns(enum nft_table t, const struct svip_addr *addr)
{
	return nft_has_family(t, addr->family) && (t != NFT_NETDEV || f.egress);
}

/* When this address's element runs out, by the kernel's word; *end is SVIP_LONG_AGO: it isn't there. 0 or -errno. */
static int
ask(enum nft_table t, const struct svip_addr *addr, svip_ms *end)
{
	svip_ms now = clock_ms();
	uint32_t seq = ++f.seq;
	struct answers a = { .first = seq, .last = seq };
	size_t len = nft_put_question(f.out, seq, t, f.name, addr);
	int rc = exchange(f.out, len, &a);

	*end = rc == 0 && a.left >= 0 ? now + a.left : SVIP_LONG_AGO;
	return rc == -ENOENT ? 0 : rc;
}

/* Shuts what is there. Each by itself: it may be in one table and not in another. */
static int
shut(const struct guarded *g)
{
	int worst = 0;

	for (int i = 0; i < g->n * NFT_TABLES; i++) {
		enum nft_table t = (enum nft_table)(i % NFT_TABLES);
		const struct svip_addr *addr = &g->addr[i / NFT_TABLES];
		struct nft_batch b;
		svip_ms end;
		int rc;

		if (!concerns(t, addr) || (ask(t, addr, &end) == 0 && end == SVIP_LONG_AGO))
			continue;
		begin(&b);
		nft_put_not_alive(&b, t, f.name, addr, 1);
		rc = commit(&b, NULL);
		if (rc != 0 && rc != -ENOENT)
			worst = rc;
	}
	return worst;
}

/*
 * A transaction that fails makes the kernel wait for everybody (synchronize_rcu() in __nf_tables_abort(), 10 ms and
 * more), a question doesn't. So this asks before it orders. Afterwards the slot is open as a whole, or shut as a whole.
 */
static int
look(struct guarded *g)
{
	svip_ms first = SVIP_NEVER;
	bool any = false;

	for (int i = 0; i < g->n * NFT_TABLES; i++) {
		enum nft_table t = (enum nft_table)(i % NFT_TABLES);
		const struct svip_addr *addr = &g->addr[i / NFT_TABLES];
		svip_ms end;
		int rc = concerns(t, addr) ? ask(t, addr, &end) : 0;

		if (rc != 0)
			return rc;
		if (!concerns(t, addr))
			continue;
		any |= end != SVIP_LONG_AGO;
		if (end < first)
			first = end;
	}
	g->ends = first;
	return first == SVIP_LONG_AGO && any ? shut(g) : 0;
}

static int
give(struct guarded *g, svip_ms until, bool renew)
{
	int rc = dated(g, until, renew);

	if (rc == 0)
		g->ends = until;
	else if (rc != -ETIME)
		g->ends = UNKNOWN; /* also when the answer got lost */
	return rc;
}

int
fence_open(int slot, svip_ms until)
{
	struct guarded *g = &f.slot[slot];
	int rc = 0;

	if (f.ask == -1)
		return -EBADF;
	if (!g->made) { /* what isn't fenced must not be let through either */
		rc = f.failure != 0 && clock_ms() - f.made < AGAIN_MS ? f.failure : fence_make();
		if (rc != 0)
			return rc;
	}
	for (int i = 0; i < TRIES; i++) {
		if (g->ends == UNKNOWN)
			rc = look(g);
		if (rc == 0)
			rc = give(g, until, g->ends > clock_ms());
		if (rc != -ENOENT && rc != -EEXIST)
			return rc;
		/* It is otherwise than was known; or the tables are gone, which has not been heard of yet. */
		rc = i > 0 ? fence_make() : 0;
		if (rc != 0)
			return rc;
	}
	return -EAGAIN;
}

int
fence_renew(int slot, svip_ms until)
{
	struct guarded *g = &f.slot[slot];

	if (f.ask == -1)
		return -EBADF;
	if (g->ends <= clock_ms())
		return -ENOENT;
	return give(g, until, true);
}

int
fence_closing(int slot)
{
	struct guarded *g = &f.slot[slot];
	struct nft_batch b;
	svip_ms left;

	if (f.ask == -1 || !g->made)
		return -EBADF;
	if (g->ends == UNKNOWN)
		return -EAGAIN;
	left = g->ends - clock_ms();
	if (left < TICK_MS)
		return -ETIME;
	begin(&b);
	nft_put_closing(&b, f.name, g->addr, g->n, left);
	return commit(&b, NULL);
}

int
fence_close(int slot)
{
	struct guarded *g = &f.slot[slot];
	struct nft_batch b;
	int rc = 0;

	if (f.ask == -1)
		return 0;
	if (g->ends == UNKNOWN)
		rc = look(g);
	if (rc != 0 || g->ends <= clock_ms()) /* what has run out needs no removing */
		return rc;
	begin(&b);
	put_alive(&b, g, 0);
	rc = commit(&b, NULL);
	if (rc == -ENOENT) /* one isn't there */
		rc = shut(g);
	g->ends = rc == 0 ? SVIP_LONG_AGO : UNKNOWN;
	return rc;
}

svip_ms
fence_ends(int slot)
{
	struct guarded *g = &f.slot[slot];

	if (f.ask == -1 || look(g) != 0)
		return SVIP_LONG_AGO;
	return g->ends;
}

/* ---- the self-test ---- */

static const struct svip_addr probe_addr = { .family = 4, .prefix = 32, .bytes = { 192, 0, 2, 1 } };

int
fence_probe_start(struct fence_probe *p)
{
	struct nft_batch b;
	int rc = 0;

	*p = (struct fence_probe){ .fd = f.ask == -1 ? open_socket() : -1 };
	if (f.ask == -1) {
		if (p->fd < 0)
			return p->fd;
		f.ask = p->fd;
	}
	snprintf(p->name, sizeof(p->name), "svipd-check-%ld", (long)getpid());
	begin(&b);
	nft_put_table(&b, NFT_INET, p->name, NULL);
	nft_put_sets(&b, NFT_INET, p->name);
	nft_put_chains(&b, NFT_INET, p->name, NULL);
	nft_put_alive(&b, NFT_INET, p->name, &probe_addr, 1, FENCE_PROBE_MS / 2);
	rc = commit(&b, NULL);
	if (rc != 0) {
		(void)fence_probe_end(p);
		return rc;
	}
	begin(&b);
	nft_put_table(&b, NFT_NETDEV, p->name, NULL);
	nft_put_sets(&b, NFT_NETDEV, p->name);
	nft_put_chains(&b, NFT_NETDEV, p->name, "lo");
	p->egress = commit(&b, NULL) == 0;
	return 0;
}

int
fence_probe_end(struct fence_probe *p)
{
	struct nft_batch b;
	int rc;

	begin(&b);
	nft_put_not_alive(&b, NFT_INET, p->name, &probe_addr, 1);
	rc = commit(&b, NULL);
	remove_tables(p->name);
	if (p->fd != -1) {
		close(p->fd);
		f.ask = -1;
		p->fd = -1;
	}
	return rc == -ENOENT ? 0 : rc == 0 ? -ETIME : rc;
}
