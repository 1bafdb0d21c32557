/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the kernel for connections and orders their end, a few dozen at a time. Looks at each answer; must not wait for one. */
#include "reset.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "wire/diag_msg.h"

enum {
	READ_BYTES = 32768, /* a part of a dump is at most this */
	ORDERS_MAX =
	    64, /* in one send(): about 2 ms, and their refusals fit into any receive buffer */
	ROUNDS_MAX =
	    2,     /* who is reset may be back; the caller shuts the door, and looks once more */
	PAUSE = 4, /* times what was taken, until it may be taken again */
};

static struct {
	int ask, order; /* a dump is under way on the one while the other ends connections */
	uint32_t seq;
	svip_ms spent, when; /* the budget of resets before, as of then */
	char in[READ_BYTES] __attribute__((aligned(8)));
	char answer[READ_BYTES] __attribute__((aligned(8)));
	char out[ORDERS_MAX * DIAG_DESTROY_MAX] __attribute__((aligned(8)));
	char question[DIAG_DUMP_MAX] __attribute__((aligned(8)));
} r = { .ask = -1, .order = -1 };

/* One call of reset_clients(). */
struct run {
	svip_ms end;
	int n, refused;
	int error; /* the last refusal, a positive errno */
};

/* One dump. */
struct pass {
	struct run *run;
	uint32_t seq;
	bool done;
	int error;
	size_t len; /* of the orders in r.out */
	int n;
};

static int
open_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG),
	    on = 1;

	if (fd == -1)
		return -errno;
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
}

int
reset_init(void)
{
	r.ask = open_socket();
	if (r.ask < 0)
		return r.ask;
	r.order = open_socket();
	if (r.order < 0) {
		close(r.ask);
		r.ask = -1;
	}
	return r.order < 0 ? r.order : 0;
}

void
reset_fini(void)
{
	if (r.ask >= 0)
		close(r.ask);
	if (r.order >= 0)
		close(r.order);
	r.ask = r.order = -1;
	r.spent = 0;
}

static int
send_all(int fd, const void *out, size_t len)
{
	ssize_t n;

	do
		n = send(fd, out, len, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* ---- orders ---- */

static void
on_refusal(void *ctx, const struct diag_info *info)
{
	struct run *run = ctx;

	if (info->kind != DIAG_ANSWER || info->error == 0)
		return;
	run->n--;
	if (info->error == ENOENT) /* it has ended by itself */
		return;
	run->refused++;
	run->error = info->error;
}

/* The kernel has done it all when send() returns: what it refuses is there to be read. */
static int
end_connections(struct pass *p)
{
	int rc = p->n > 0 ? send_all(r.order, r.out, p->len) : 0;

	if (rc == 0)
		p->run->n += p->n;
	p->len = 0;
	p->n = 0;
	while (rc == 0) {
		ssize_t len = recv(r.order, r.answer, sizeof(r.answer), MSG_DONTWAIT);

		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1 && errno == EAGAIN)
			break;
		if (len == -1)
			rc = -errno;
		else if (!diag_parse(r.answer, (size_t)len, on_refusal, p->run))
			rc = -EBADMSG;
	}
	return rc;
}

static void
on_connection(void *ctx, const struct diag_info *info)
{
	struct pass *p = ctx;

	if (info->seq != p->seq || p->done || p->error != 0)
		return;
	if (info->kind == DIAG_DONE || info->kind == DIAG_ANSWER) {
		p->done = true;
		p->error = -info->error;
	} else if (info->kind == DIAG_SOCKET) {
		p->len += diag_put_destroy(r.out + p->len, ++r.seq, &info->socket);
		if (++p->n < ORDERS_MAX)
			return;
		p->error = end_connections(p);
		if (p->error == 0 && clock_ms() >= p->run->end)
			p->error = -ETIME;
	}
}

/* ---- questions ---- */

/* Reads the dump and orders as it goes: the kernel locks nothing between two reads, and nothing has to be remembered. */
static int
follow(struct pass *p)
{
	while (!p->done && p->error == 0) {
		ssize_t len = recv(r.ask, r.in, sizeof(r.in), MSG_DONTWAIT);

		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1)
			p->error = -errno;
		else if (!diag_parse(r.in, (size_t)len, on_connection, p))
			p->error = -EBADMSG;
		else if (p->error == 0)
			p->error = end_connections(p);
		if (p->error == 0 && !p->done && clock_ms() >= p->run->end)
			p->error = -ETIME;
	}
	return p->error;
}

static int
pass(struct run *run, int family, const struct svip_addr *addr, int n_addr)
{
	struct pass p = { .run = run, .seq = ++r.seq };
	size_t len = diag_put_dump(r.question, p.seq, family, addr, n_addr);
	int rc;

	if (len == 0)
		return 0;
	rc = send_all(r.ask, r.question, len);
	if (rc == 0)
		rc = follow(&p);
	if (rc != 0 && !p.done) { /* the rest of a dump stands in the way of the next */
		close(r.ask);
		r.ask = open_socket();
	}
	return rc;
}

static int
rounds(struct run *run, const struct svip_addr *addr, int n_addr)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		int before = run->n, rc;

		if (i > 0 && clock_ms() >= run->end)
			return 0;
		rc = pass(run, 4, addr, n_addr);
		if (rc == 0)
			rc = pass(run, 6, addr, n_addr);
		if (rc != 0 || run->n == before)
			return rc;
	}
	return 0;
}

/* Of the budget, what resets before have left. */
static svip_ms
granted(svip_ms budget_ms, svip_ms now)
{
	svip_ms back = (now - r.when) / PAUSE;

	r.spent = r.spent > back ? r.spent - back : 0;
	r.when = now;
	return budget_ms - r.spent;
}

int
reset_clients(const struct svip_addr *addr, int n_addr, svip_ms budget_ms, int *n)
{
	svip_ms now = clock_ms(), left = granted(budget_ms, now);
	struct run run = { .end = now + left };
	int rc;

	*n = 0;
	if (r.order < 0 || r.ask < 0) {
		reset_fini();
		rc = reset_init();
		if (rc != 0)
			return rc;
	}
	if (left <= 0)
		return -ETIME;
	rc = rounds(&run, addr, n_addr);
	now = clock_ms();
	r.spent += now - r.when;
	r.when = now;
	*n = run.n;
	if (rc == 0 && run.n == 0 && run.refused > 0)
		rc = -run.error;
	return rc;
}

/* ---- the self-test ---- */

/* An address of 127.0.0.0/8 that nobody else will have a connection at: all of them are this host's. */
static struct in_addr
own_loopback(void)
{
	const uint32_t pid = (uint32_t)getpid();

	return (struct in_addr){ htonl(
	    127u << 24 | 83u << 16 | (pid >> 8 & 0xff) << 8 | (1 + pid % 254)) };
}

int
reset_probe(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = own_loopback() }, far = at;
	struct svip_addr addr = { .family = 4, .prefix = 32 };
	socklen_t len = sizeof(at);
	const int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int listener = socket(AF_INET, kind, 0), client = socket(AF_INET, kind, 0), rc = 0, n = 0;
	char byte;

	memcpy(addr.bytes, &at.sin_addr, 4);
	if (listener == -1 || client == -1 || bind(listener, (struct sockaddr *)&at, len) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) == -1 ||
	    bind(client, (struct sockaddr *)&far, len) == -1)
		rc = errno;
	else if (connect(client, (struct sockaddr *)&at, len) == -1 && errno != EINPROGRESS)
		rc = errno;
	else
		rc = -reset_clients(&addr, 1, 1000, &n);
	if (rc == 0 && (n == 0 || recv(client, &byte, 1, MSG_DONTWAIT) != -1 || errno == EAGAIN))
		rc = ENOTSUP; /* it said yes, and it lives */
	if (listener != -1)
		close(listener);
	if (client != -1)
		close(client);
	return rc;
}
