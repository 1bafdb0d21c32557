/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the kernel's neighbour cache and default routes for one link at a time. Must not wait, nor read without an end. */
#include "neighbours.h"

#include <errno.h>
#include <ev.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "wire/rtnl_msg.h"

#ifndef NETLINK_GET_STRICT_CHK /* Linux 4.20 */
#define NETLINK_GET_STRICT_CHK 12
#endif

enum {
	READ_BYTES = 32768, /* NLMSG_GOODSIZE of a dump is at most this */
	READS_TURN = 8,     /* datagrams for one wake-up */
	READS_MAX = 512,    /* in one look: 16 MB, for kernels that tell of all routes */
	LOG_EVERY_MS = 60000,
};

static struct {
	struct ev_loop *loop;
	void (*ready)(void *);
	void *ctx;
	int fd; /* -1: no look is under way */
	ev_io watch;
	bool routes; /* it is at the routes already */
	bool done;   /* the part that it is at has ended */
	int refused; /* a part by the kernel: the first positive errno of that */
	int reads;
	uint32_t seq;
	int ifindex, family; /* what the list is about, or will be */
	svip_ms looked;
	int n, n_gateways; /* the gateways come first */
	struct neighbour list[NEIGHBOURS_MAX];
	struct log_limit limit;
	char buf[READ_BYTES];
} nb = { .fd = -1, .looked = SVIP_LONG_AGO };

/* A MAC that one host can have: neither a group's nor none. */
static bool
is_somebodys(const uint8_t mac[6])
{
	static const uint8_t nobody[6];

	return (mac[0] & 1) == 0 && memcmp(mac, nobody, sizeof(nobody)) != 0;
}

static void
on_neighbour(const struct rtnl_neighbour *told)
{
	const uint16_t good = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	struct neighbour *to = &nb.list[nb.n];

	if (told->ifindex != nb.ifindex || told->addr.family != nb.family ||
	    (told->state & good) == 0 || !told->has_mac || !is_somebodys(told->mac) ||
	    nb.n == NEIGHBOURS_MAX)
		return;
	to->addr = told->addr;
	to->has_mac = true;
	memcpy(to->mac, told->mac, sizeof(to->mac));
	nb.n++;
}

/* To the front with him. Who isn't in the list takes the place of the last one when it is full. */
static void
on_gateway(const struct svip_addr *a)
{
	struct neighbour it = { .addr = *a };
	int at = 0;

	while (at < nb.n && !svip_addr_same(&nb.list[at].addr, a))
		at++;
	if (at < nb.n_gateways || nb.n_gateways == NEIGHBOURS_MAX)
		return;
	if (at < nb.n)
		it = nb.list[at];
	else if (nb.n < NEIGHBOURS_MAX)
		nb.n++;
	else
		at--;
	nb.list[at] = nb.list[nb.n_gateways];
	nb.list[nb.n_gateways++] = it;
}

static void
on_route(const struct rtnl_route *r)
{
	for (int i = 0; i < r->n_hops && r->is_default; i++) {
		if (r->hop[i].ifindex == nb.ifindex && r->hop[i].addr.family == nb.family)
			on_gateway(&r->hop[i].addr);
	}
}

static void
on_message(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	if (info->seq != nb.seq)
		return;
	if (info->kind == RTNL_ROUTE) {
		on_route(&info->route);
	} else if (info->kind == RTNL_NEIGHBOUR) {
		on_neighbour(&info->neighbour);
	} else if (info->kind == RTNL_DONE || info->kind == RTNL_ACK) {
		nb.done = true;
		if (nb.refused == 0 && info->error != ENOENT) /* no such table: no route */
			nb.refused = info->error;
	}
}

/* ---- a look ---- */

static void
close_look(void)
{
	if (nb.fd == -1)
		return;
	ev_io_stop(nb.loop, &nb.watch);
	close(nb.fd);
	nb.fd = -1;
}

/* rc: 0, or -errno; what has been read until then is used all the same. */
static void
end_look(int rc)
{
	unsigned held;

	close_look();
	nb.looked = clock_ms();
	if (rc != 0 && log_allowed(&nb.limit, LOG_EVERY_MS, nb.looked, &held))
		log_warning("netlink: the neighbours can't all be read: %s (%u more of these)",
		    strerror(-rc), held);
}

static int
ask(size_t (*put)(void *, uint32_t, int, int))
{
	char out[RTNL_MSG_MAX] __attribute__((aligned(8)));
	size_t len = put(out, ++nb.seq, nb.family, nb.ifindex);
	ssize_t n;

	nb.done = false;
	do
		n = send(nb.fd, out, len, MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* The next datagram; -EAGAIN: there is none yet. */
static int
read_one(void)
{
	const char *why;
	ssize_t n = recv(nb.fd, nb.buf, sizeof(nb.buf), MSG_DONTWAIT);

	if (n == -1)
		return errno == EINTR ? 0 : -errno;
	if (++nb.reads > READS_MAX)
		return -E2BIG;
	return rtnl_parse(nb.buf, (size_t)n, on_message, NULL, &why) ? 0 : -EBADMSG;
}

/* One part has ended: neighbours, then routes, for these may be too many. True: so has the look. */
static bool
next_part(int *rc)
{
	if (nb.routes) {
		*rc = -nb.refused;
		return true;
	}
	nb.routes = true;
	*rc = ask(rtnl_put_dump_routes);
	return *rc != 0;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	int rc = 0;

	(void)loop, (void)w, (void)revents;
	for (int i = 0; i < READS_TURN; i++) {
		rc = read_one();
		if (rc == -EAGAIN)
			return;
		if (rc != 0 || (nb.done && next_part(&rc))) {
			end_look(rc);
			nb.ready(nb.ctx);
			return;
		}
	}
}

static int
begin(int ifindex, int family)
{
	int on = 1;

	close_look();
	nb.ifindex = ifindex;
	nb.family = family;
	nb.looked = SVIP_LONG_AGO;
	nb.n = nb.n_gateways = nb.reads = nb.refused = 0;
	nb.routes = false;
	nb.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (nb.fd == -1)
		return -errno;
	/* Without it the kernel tells of all routes, and most are thrown away here. */
	(void)setsockopt(nb.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	ev_io_set(&nb.watch, nb.fd, EV_READ);
	ev_io_start(nb.loop, &nb.watch);
	return ask(rtnl_put_dump_neighbours);
}

const struct neighbour *
neighbours_on(int ifindex, int family, svip_ms max_age_ms, int *n)
{
	bool same = nb.ifindex == ifindex && nb.family == family;
	int rc;

	*n = 0;
	if (same && nb.fd != -1)
		return NULL;
	if (!same || clock_ms() - nb.looked > max_age_ms) {
		rc = begin(ifindex, family);
		if (rc == 0)
			return NULL;
		end_look(rc);
	}
	*n = nb.n;
	return nb.list;
}

void
neighbours_init(struct ev_loop *loop, void (*ready)(void *), void *ctx)
{
	nb.loop = loop;
	nb.ready = ready;
	nb.ctx = ctx;
	nb.looked = SVIP_LONG_AGO;
	ev_init(&nb.watch, on_readable);
}

void
neighbours_fini(void)
{
	close_look();
}
