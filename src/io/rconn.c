/* SPDX-License-Identifier: BSD-2-Clause */
/* A RESP2 connection on its own socket and libev. Must not decide, block or trust a byte that it reads. */
#include "rconn.h"

#include "clock.h"
#include "log.h"
#include "tcp.h"
#include "wire/hiredis_codec.h"
#include "wire/resp_reader.h"
#include "wire/sentinel_reply.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARGS_MAX = 4, OUT_LEAST = 256 };

/* A command without an answer. */
struct command {
	rconn_answer *answer;
	uint64_t tag;
	uint64_t begin; /* offset of its first byte in all that was ever queued */
	svip_ms queued, asked;
};

struct rconn {
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer timer; /* the next time limit, or at once: `ended` is to be told */
	const struct rconn_owner *owner;
	void *ctx;
	int fd;
	bool connected, up;
	bool closing; /* rconn_close() was called */
	bool told;    /* down() was called */
	int busy;     /* callbacks on the stack: not to be freed now */
	enum rconn_why ended;
	char text[RCONN_TEXT_MAX];
	svip_ms opened, connect_ms, command_ms;
	struct resp_reader reader;
	struct command queue[RCONN_QUEUE_MAX];
	int first, n;
	uint64_t queued_bytes, sent_bytes; /* since it was opened */
	size_t out_len, out_sent;
	size_t out_size;
	char *out; /* grows to RCONN_OUT_MAX: most connections never need more than a line of it */
};

const char *
rconn_why_word(enum rconn_why why)
{
	switch (why) {
	case RCONN_FINE:
		return "connected";
	case RCONN_CLOSED:
		return "closed";
	case RCONN_REFUSED:
		return "refused";
	case RCONN_UNREACHABLE:
		return "unreachable";
	case RCONN_CONNECT_TIMEOUT:
		return "connect-timeout";
	case RCONN_TIMEOUT:
		return "timeout";
	case RCONN_RESET:
		return "reset";
	case RCONN_EOF:
		return "closed-by-peer";
	case RCONN_AUTH_REFUSED:
		return "auth-refused";
	case RCONN_PROTOCOL:
		return "protocol-error";
	case RCONN_TOO_LARGE:
		return "reply-too-large";
	case RCONN_UNASKED:
		return "reply-unasked";
	case RCONN_SYSTEM:
		return "system-error";
	}
	return "?";
}

/* ---- the end ---- */

/* A password may have been in it. */
static void
out_wipe(struct rconn *c)
{
	if (c->out != NULL)
		explicit_bzero(c->out, c->out_size);
}

static void
release(struct rconn *c)
{
	if (!c->closing || c->busy > 0)
		return;
	resp_reader_fini(&c->reader);
	out_wipe(c);
	free(c->out);
	free(c);
}

static void
enter(struct rconn *c)
{
	c->busy++;
}

static void
leave(struct rconn *c)
{
	c->busy--;
	release(c);
}

/* Notes the end. From now on nothing is read or sent. */
static void
end(struct rconn *c, enum rconn_why why, const char *text)
{
	if (c->ended != RCONN_FINE)
		return;
	c->ended = why;
	c->up = false;
	log_clean(text, strlen(text), c->text, sizeof(c->text));
	ev_io_stop(c->loop, &c->io);
	ev_timer_stop(c->loop, &c->timer);
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

static void
end_errno(struct rconn *c, int error)
{
	enum rconn_why why = RCONN_SYSTEM;

	if (error == ECONNREFUSED)
		why = RCONN_REFUSED;
	else if (error == ENETUNREACH || error == EHOSTUNREACH || error == ENETDOWN ||
	         error == EADDRNOTAVAIL)
		why = RCONN_UNREACHABLE;
	else if (error == ETIMEDOUT)
		why = c->connected ? RCONN_TIMEOUT : RCONN_CONNECT_TIMEOUT;
	else if (error == ECONNRESET || error == EPIPE)
		why = RCONN_RESET;
	end(c, why, strerror(error));
}

static struct command
take_first(struct rconn *c)
{
	struct command cmd = c->queue[c->first];

	c->first = (c->first + 1) % RCONN_QUEUE_MAX;
	c->n--;
	return cmd;
}

static void
answer_all_null(struct rconn *c)
{
	while (c->n > 0) {
		struct command cmd = take_first(c);

		cmd.answer(c->ctx, cmd.tag, NULL, cmd.asked);
	}
}

/* Tells the owner, once, when the connection has ended by itself. Inside enter and leave. */
static void
tell_end(struct rconn *c)
{
	if (c->ended == RCONN_FINE || c->closing || c->told)
		return;
	c->told = true;
	ev_timer_stop(c->loop, &c->timer);
	answer_all_null(c);
	if (!c->closing)
		c->owner->down(c->ctx, c->ended, c->text);
}

void
rconn_close(struct rconn *c)
{
	if (c == NULL || c->closing)
		return;
	end(c, RCONN_CLOSED, "");
	c->closing = true;
	ev_timer_stop(c->loop, &c->timer);
	enter(c);
	answer_all_null(c);
	leave(c);
}

/* ---- time limits ---- */

static svip_ms
next_limit(const struct rconn *c)
{
	if (!c->connected)
		return c->opened + c->connect_ms;
	return c->n > 0 ? c->queue[c->first].queued + c->command_ms : SVIP_NEVER;
}

static void
arm(struct rconn *c)
{
	svip_ms limit = next_limit(c), left;

	if (c->ended != RCONN_FINE)
		return;
	ev_timer_stop(c->loop, &c->timer);
	if (limit == SVIP_NEVER)
		return;
	left = limit - clock_ms();
	ev_timer_set(&c->timer, left > 0 ? (double)left / 1000.0 : 0.0, 0.0);
	ev_timer_start(c->loop, &c->timer);
}

/* Has an end that was met outside the event loop told by it. */
static void
arm_end(struct rconn *c)
{
	ev_timer_set(&c->timer, 0.0, 0.0);
	ev_timer_start(c->loop, &c->timer);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct rconn *c = w->data;

	(void)loop;
	(void)revents;
	enter(c);
	if (c->ended == RCONN_FINE) {
		if (clock_ms() < next_limit(c))
			arm(c);
		else if (!c->connected)
			end(c, RCONN_CONNECT_TIMEOUT, "no answer to the connection attempt");
		else
			end(c, RCONN_TIMEOUT, "no answer to a command");
	}
	tell_end(c);
	leave(c);
}

/* ---- sending ---- */

static void
watch(struct rconn *c, int events)
{
	if (c->io.events == events && ev_is_active(&c->io))
		return;
	ev_io_stop(c->loop, &c->io);
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(c->loop, &c->io);
}

/* Dates the commands whose first byte has just gone into the socket. */
static void
date_sent(struct rconn *c, svip_ms now)
{
	for (int i = 0; i < c->n; i++) {
		struct command *cmd = &c->queue[(c->first + i) % RCONN_QUEUE_MAX];

		if (cmd->asked == SVIP_NEVER && cmd->begin < c->sent_bytes)
			cmd->asked = now;
	}
}

static void
send_out(struct rconn *c)
{
	while (c->out_sent < c->out_len) {
		svip_ms now = clock_ms();
		ssize_t n =
		    send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			watch(c, EV_READ | EV_WRITE);
			return;
		}
		if (n == -1) {
			end_errno(c, errno);
			return;
		}
		c->out_sent += (size_t)n;
		c->sent_bytes += (uint64_t)n;
		date_sent(c, now);
	}
	c->out_len = c->out_sent = 0;
	watch(c, EV_READ);
}

void
rconn_flush(struct rconn *c)
{
	if (c->ended != RCONN_FINE || !c->connected || c->out_len == 0)
		return;
	send_out(c);
	if (c->ended != RCONN_FINE)
		arm_end(c);
}

static bool
out_grow(struct rconn *c, size_t need)
{
	size_t size = c->out_size == 0 ? OUT_LEAST : c->out_size;
	char *out;

	while (size < need)
		size *= 2;
	out = size <= RCONN_OUT_MAX ? malloc(size) : NULL;
	if (out == NULL)
		return false;
	if (c->out_len > 0)
		memcpy(out, c->out, c->out_len);
	out_wipe(c);
	free(c->out);
	c->out = out;
	c->out_size = size;
	return true;
}

static bool
out_append(struct rconn *c, const char *bytes, size_t len)
{
	if (c->out_sent > 0 && c->out_len + len > c->out_size) {
		memmove(c->out, c->out + c->out_sent, c->out_len - c->out_sent);
		c->out_len -= c->out_sent;
		c->out_sent = 0;
	}
	if (c->out_len + len > c->out_size && !out_grow(c, c->out_len + len))
		return false;
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
	return true;
}

static int
queue_command(
    struct rconn *c, int argc, const char *const *argv, rconn_answer *answer, uint64_t tag)
{
	const char *args[ARGS_MAX];
	char *bytes = NULL;
	struct command *cmd;
	long long len;
	bool fits;

	if (argc > ARGS_MAX)
		return -EINVAL;
	if (c->n == RCONN_QUEUE_MAX)
		return -ENOBUFS;
	memcpy(args, argv, (size_t)argc * sizeof(args[0]));
	len = redisFormatCommandArgv(&bytes, argc, args, NULL);
	if (len < 0)
		return -ENOBUFS;
	fits = out_append(c, bytes, (size_t)len);
	explicit_bzero(bytes, (size_t)len);
	free(bytes);
	if (!fits)
		return -ENOBUFS;
	cmd = &c->queue[(c->first + c->n++) % RCONN_QUEUE_MAX];
	*cmd = (struct command){ answer, tag, c->queued_bytes, clock_ms(), SVIP_NEVER };
	c->queued_bytes += (uint64_t)len;
	if (c->n == 1)
		arm(c);
	return 0;
}

int
rconn_command(
    struct rconn *c, int argc, const char *const *argv, rconn_answer *answer, uint64_t tag)
{
	return c->up ? queue_command(c, argc, argv, answer, tag) : -ENOTCONN;
}

bool
rconn_wait(const struct rconn *c, svip_ms ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	if (c->fd == -1 || poll(&p, 1, (int)ms) != 1 || (p.revents & POLLIN) == 0)
		return false;
	if (c->n > 1) /* it may be the answer to an older one */
		poll(NULL, 0, 1);
	return true;
}

int
rconn_room(const struct rconn *c)
{
	return c->up ? RCONN_QUEUE_MAX - c->n : 0;
}

svip_ms
rconn_oldest(const struct rconn *c)
{
	return c->n > 0 ? c->queue[c->first].queued : SVIP_NEVER;
}

/* ---- connecting ---- */

static void
on_auth(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct rconn *c = (struct rconn *)(uintptr_t)tag; /* ctx is the owner's */

	(void)ctx;
	(void)asked;
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		end(c, RCONN_AUTH_REFUSED, reply->str);
	} else if (reply->type != REDIS_REPLY_STATUS) {
		end(c, RCONN_PROTOCOL, "odd answer to AUTH");
	} else {
		out_wipe(c);
		c->up = true;
		c->owner->up(c->ctx);
	}
}

static int
queue_auth(struct rconn *c, const struct set_auth *auth)
{
	const char *argv[3] = { "AUTH", auth->user, auth->password };

	if (auth->user[0] == '\0') {
		argv[1] = auth->password;
		return queue_command(c, 2, argv, on_auth, (uintptr_t)c);
	}
	return queue_command(c, 3, argv, on_auth, (uintptr_t)c);
}

static void
on_connected(struct rconn *c)
{
	int rc = tcp_connected(c->fd);

	if (rc != 0) {
		end_errno(c, -rc);
		return;
	}
	c->connected = true;
	watch(c, EV_READ);
	if (c->n > 0) { /* AUTH: its time counts from here */
		c->queue[c->first].queued = clock_ms();
		arm(c);
		send_out(c);
		return;
	}
	arm(c);
	c->up = true;
	c->owner->up(c->ctx);
}

/* ---- reading ---- */

static void
one_reply(struct rconn *c, const struct redisReply *reply)
{
	struct command cmd;

	if (c->owner->message != NULL && sentinel_reply_is_message(reply)) {
		c->owner->message(c->ctx, reply);
	} else if (c->n == 0) {
		end(c, RCONN_UNASKED, "a reply without a command");
	} else {
		cmd = take_first(c);
		if (cmd.asked == SVIP_NEVER) { /* not a byte of it was sent */
			end(c, RCONN_UNASKED, "a reply before its command");
			cmd.answer(c->ctx, cmd.tag, NULL, cmd.asked);
			return;
		}
		cmd.answer(c->ctx, cmd.tag, reply, cmd.asked);
	}
}

static void
all_replies(struct rconn *c)
{
	struct redisReply *reply;
	const char *why;

	while (c->ended == RCONN_FINE) {
		switch (resp_reader_next(&c->reader, &reply, &why)) {
		case RESP_REPLY:
			one_reply(c, reply);
			freeReplyObject(reply);
			break;
		case RESP_MORE:
			return;
		case RESP_TOO_LARGE:
			end(c, RCONN_TOO_LARGE, why);
			return;
		case RESP_PROTOCOL:
			end(c, RCONN_PROTOCOL, why);
			return;
		}
	}
}

static void
read_some(struct rconn *c)
{
	char bytes[RCONN_READ_MAX];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

	if (n == -1 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n == -1) {
		end_errno(c, errno);
	} else if (n == 0) {
		end(c, RCONN_EOF, "closed by the other side");
	} else if (!resp_reader_feed(&c->reader, bytes, (size_t)n)) {
		end(c, RCONN_SYSTEM, "no memory for a reply");
	} else {
		all_replies(c);
	}
}

static void
on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct rconn *c = w->data;

	(void)loop;
	enter(c);
	if (!c->connected) {
		on_connected(c);
	} else {
		if ((revents & EV_READ) != 0)
			read_some(c);
		if ((revents & EV_WRITE) != 0 && c->ended == RCONN_FINE)
			send_out(c);
		arm(c);
	}
	tell_end(c);
	leave(c);
}

/* ---- opening ---- */

struct rconn *
rconn_open(
    struct ev_loop *loop, const struct rconn_conf *conf, const struct rconn_owner *owner, void *ctx)
{
	struct rconn *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->owner = owner;
	c->ctx = ctx;
	c->fd = -1;
	c->opened = clock_ms();
	c->connect_ms = conf->connect_ms;
	c->command_ms = conf->command_ms;
	ev_init(&c->io, on_io);
	ev_init(&c->timer, on_timer);
	c->io.data = c->timer.data = c;
	if (owner->message != NULL)
		ev_set_priority(&c->io, 1); /* read what was published before what was asked */
	if (!resp_reader_init(&c->reader)) {
		free(c);
		return NULL;
	}
	rc = tcp_connect(&conf->addr, conf->port, 2 * c->command_ms, &c->fd);
	if (rc == 0 && conf->auth != NULL && conf->auth->password[0] != '\0')
		rc = queue_auth(c, conf->auth);
	if (rc != 0) {
		end_errno(c, -rc);
		arm_end(c);
		return c;
	}
	watch(c, EV_WRITE);
	arm(c);
	return c;
}
