/* SPDX-License-Identifier: BSD-2-Clause */
/* Talks rtnetlink. Looks at each answer of the kernel; decides nothing. */
#include "rtnl.h"

#include <errno.h>
#include <ev.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

enum {
	RECEIVE_BYTES = 4 << 20, /* room for notifications while the daemon is busy */
	READ_BYTES = 32768,      /* NLMSG_GOODSIZE of a dump is at most this */
	READS_MAX = 64,          /* notifications' datagrams for one wake-up */
	DRAIN_MAX = 65536,       /* more than fit into the receive buffer */
	DUMP_TRIES = 5,          /* a dump that another change has interrupted */
};

static struct {
	struct ev_loop *loop;
	int ask, hear;
	bool full; /* notifications are being lost */
	uint32_t seq;
	ev_io watch;
	void (*change)(void *, const struct rtnl_info *);
	void (*overrun)(void *);
	void (*settled)(void *);
	void *ctx;
	char buf[READ_BYTES];   /* answers */
	char heard[READ_BYTES]; /* notifications: what they cause asks the kernel while they are read */
	char out[SVIP_ADDRESSES_MAX * RTNL_MSG_MAX];
} nl = { .ask = -1, .hear = -1 };

static int
open_socket(uint32_t groups)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int bytes = RECEIVE_BYTES, on = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd == -1)
		return -errno;
	/* Without the capability the usual limit has to do; an overrun is noticed and mended. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) == -1) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

/*
 * From an overrun on the kernel drops every notification, and says no word more, until the queue has been read empty
 * (netlink_overrun() and netlink_rcv_wake() in net/netlink/af_netlink.c). So a look before that could miss what comes
 * after it; and what is in the queue is older than the look.
 */
static void
drain(void)
{
	nl.overrun(nl.ctx);
	for (int i = 0; i < DRAIN_MAX; i++) {
		if (recv(nl.hear, nl.heard, sizeof(nl.heard), MSG_DONTWAIT) == -1 &&
		    errno != EINTR && errno != ENOBUFS) {
			nl.full = false;
			return;
		}
	}
}

static void
on_change(struct ev_loop *loop, ev_io *w, int revents)
{
	const char *why;

	(void)loop, (void)w, (void)revents;
	if (nl.full)
		drain();
	for (int i = 0; i < READS_MAX && !nl.full; i++) {
		ssize_t n = recv(nl.hear, nl.heard, sizeof(nl.heard), MSG_DONTWAIT);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == ENOBUFS) {
			nl.full = true;
			drain();
			continue;
		}
		if (n <= 0)
			break;
		if (!rtnl_parse(nl.heard, (size_t)n, nl.change, nl.ctx, &why))
			log_error("netlink: notification not understood: %s", why);
	}
	nl.settled(nl.ctx);
}

int
rtnl_init(struct ev_loop *loop, void (*change)(void *, const struct rtnl_info *), void (*overrun)(void *),
    void (*settled)(void *), void *ctx)
{
	nl.loop = loop;
	nl.change = change;
	nl.overrun = overrun;
	nl.settled = settled;
	nl.ctx = ctx;
	nl.hear = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	if (nl.hear < 0)
		return nl.hear;
	nl.ask = open_socket(0);
	if (nl.ask < 0) {
		close(nl.hear);
		nl.hear = -1;
		return nl.ask;
	}
	ev_io_init(&nl.watch, on_change, nl.hear, EV_READ);
	ev_io_start(loop, &nl.watch);
	return 0;
}

void
rtnl_fini(void)
{
	if (nl.hear < 0)
		return;
	ev_io_stop(nl.loop, &nl.watch);
	close(nl.ask);
	close(nl.hear);
	nl.ask = nl.hear = -1;
}

static int
send_all(size_t len)
{
	ssize_t n;

	do
		n = send(nl.ask, nl.out, len, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* ---- requests with acknowledgements ---- */

struct answers {
	uint32_t first;
	int n, left;
	int *error;
};

static void
on_ack(void *ctx, const struct rtnl_info *info)
{
	struct answers *a = ctx;
	uint32_t i = info->seq - a->first;

	if (info->kind != RTNL_ACK || i >= (uint32_t)a->n)
		return;
	a->error[i] = info->error;
	a->left--;
}

static int
collect(uint32_t first, int n, int *error)
{
	struct answers a = { .first = first, .n = n, .left = n, .error = error };
	const char *why;

	while (a.left > 0) {
		ssize_t len = recv(nl.ask, nl.buf, sizeof(nl.buf), MSG_DONTWAIT);

		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1)
			return -errno;
		if (!rtnl_parse(nl.buf, (size_t)len, on_ack, &a, &why))
			return -EBADMSG;
	}
	return 0;
}

static int
request(const struct rtnl_address *a, int n, uint32_t valid_s, bool delete, int *error)
{
	uint32_t first = nl.seq + 1;
	size_t len = 0;
	int rc;

	for (int i = 0; i < n; i++) {
		error[i] = EIO;
		len += delete ? rtnl_put_delete(nl.out + len, ++nl.seq, &a[i])
			      : rtnl_put_address(nl.out + len, ++nl.seq, &a[i], valid_s);
	}
	rc = send_all(len);
	return rc != 0 ? rc : collect(first, n, error);
}

int
rtnl_set(const struct rtnl_address *a, int n, uint32_t valid_s, int *error)
{
	return request(a, n, valid_s, false, error);
}

int
rtnl_delete(const struct rtnl_address *a, int n, int *error)
{
	return request(a, n, 0, true, error);
}

/* ---- dumps ---- */

struct dump {
	uint32_t seq;
	bool done, interrupted;
	int error;
	void (*each)(void *, const struct rtnl_info *);
	void *ctx;
};

static void
on_dump(void *ctx, const struct rtnl_info *info)
{
	struct dump *d = ctx;

	if (info->seq != d->seq)
		return;
	d->interrupted |= info->interrupted;
	if (info->kind == RTNL_DONE || info->kind == RTNL_ACK) {
		d->done = true;
		d->error = info->error;
	} else {
		d->each(d->ctx, info);
	}
}

static int
dump_once(size_t (*put)(void *, uint32_t), struct dump *d)
{
	const char *why;
	int rc;

	d->seq = ++nl.seq;
	d->done = d->interrupted = false;
	rc = send_all(put(nl.out, d->seq));
	if (rc != 0)
		return rc;
	while (!d->done) {
		/* Each read makes the kernel fill in the next part, so there is always something to read. */
		ssize_t len = recv(nl.ask, nl.buf, sizeof(nl.buf), MSG_DONTWAIT);

		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1)
			return -errno;
		if (!rtnl_parse(nl.buf, (size_t)len, on_dump, d, &why))
			return -EBADMSG;
	}
	return -d->error;
}

static int
dump(size_t (*put)(void *, uint32_t), void (*each)(void *, const struct rtnl_info *), void *ctx)
{
	struct dump d = { .each = each, .ctx = ctx };
	int rc;

	for (int i = 0; i < DUMP_TRIES; i++) {
		each(ctx, NULL);
		rc = dump_once(put, &d);
		if (rc != 0 || !d.interrupted)
			return rc;
	}
	return -EAGAIN; /* something may be missing: nobody may take it for the truth */
}

int
rtnl_dump_addresses(void (*each)(void *, const struct rtnl_info *), void *ctx)
{
	return dump(rtnl_put_dump_addresses, each, ctx);
}

int
rtnl_dump_links(void (*each)(void *, const struct rtnl_info *), void *ctx)
{
	return dump(rtnl_put_dump_links, each, ctx);
}
