/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket on libev. Must not understand a request. All clients together cost the daemon one answer
 * in a wake-up, each of them a bounded buffer, for ten seconds.
 *
 * A client is either asked for a line (EV_READ) or has something to get or to be answered (EV_WRITE), never
 * both: while an answer is on its way nothing more is read, so the kernel's buffer is the queue. A
 * stream of events would be a client that stays in the second state, with a queue of its own.
 */
#include "control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16 };
static const double accept_pause_s = 1.0; /* after a failed accept, such as EMFILE */

struct client {
	ev_io io;
	ev_timer idle;
	struct control *owner;
	struct control_caller caller;
	int fd;      /* -1: free */
	bool last;   /* no more requests: close when the answer is out */
	size_t have; /* bytes in line */
	char *out;   /* the answer on its way; NULL: none */
	size_t out_len, out_sent;
	char line[CONTROL_LINE_MAX];
};

struct control {
	struct ev_loop *loop;
	ev_io io;
	ev_timer again;
	control_reply *reply;
	void *ctx;
	int fd;
	dev_t dev;
	ino_t ino;
	char path[CONTROL_PATH_MAX];
	struct control_counters counters;
	unsigned answered_in; /* the loop's iteration */
	int n_clients;
	struct client client[CONTROL_CLIENTS_MAX];
};

static const char garbage[] = "{\"schema\":1,\"ok\":false,\"error\":\"bad-request\","
                              "\"message\":\"a request is one line of text, at most 4095 bytes\"}";
static const char too_large[] = "{\"schema\":1,\"ok\":false,\"error\":\"too-large\","
                                "\"message\":\"the answer is too large: ask for one NAME\"}";
static const char no_memory[] = "{\"schema\":1,\"ok\":false,\"error\":\"failed\","
                                "\"message\":\"out of memory\"}";

static void
file_close(struct client *c)
{
	if (c->caller.fd >= 0)
		close(c->caller.fd);
	c->caller.fd = -1;
}

static void
client_close(struct client *c)
{
	struct control *k = c->owner;

	ev_io_stop(k->loop, &c->io);
	ev_timer_stop(k->loop, &c->idle);
	close(c->fd);
	file_close(c);
	free(c->out);
	c->out = NULL;
	c->fd = -1;
	k->n_clients--;
	if (!ev_is_active(&k->again))
		ev_io_start(k->loop, &k->io);
}

static void
client_watch(struct client *c, int events)
{
	if ((c->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(c->owner->loop, &c->io);
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(c->owner->loop, &c->io);
}

/* Takes text over; NULL, or more than the limit, becomes an error reply. */
static void
client_answer(struct client *c, char *text)
{
	size_t len;

	if (text != NULL && strlen(text) >= CONTROL_REPLY_MAX) {
		c->owner->counters.too_large++;
		free(text);
		text = strdup(too_large);
	} else if (text == NULL) {
		text = strdup(no_memory);
	}
	if (text == NULL) {
		c->last = true;
		return;
	}
	/* The string's NUL makes room for the LF. */
	len = strlen(text);
	text[len] = '\n';
	c->out = text;
	c->out_len = len + 1;
	c->out_sent = 0;
}

static void
client_refuse(struct client *c)
{
	c->owner->counters.garbage++;
	c->last = true;
	c->have = 0;
	client_answer(c, strdup(garbage));
}

/* Answers the first complete line that has been read, when there is one and it is time for it. */
static void
client_answer_line(struct client *c)
{
	struct control *k = c->owner;
	char *lf = memchr(c->line, '\n', c->have);
	size_t len;

	if (lf == NULL) {
		if (c->have == sizeof(c->line))
			client_refuse(c);
		return;
	}
	/* One in a wake-up: leases must not wait for a crowd that asks for status. */
	if (k->answered_in == ev_iteration(k->loop))
		return;
	k->answered_in = ev_iteration(k->loop);
	len = (size_t)(lf - c->line);
	if (memchr(c->line, '\0', len) != NULL) {
		client_refuse(c);
		return;
	}
	*lf = '\0';
	k->counters.requests++;
	ev_timer_again(k->loop, &c->idle);
	client_answer(c, k->reply(k->ctx, &c->caller, c->line));
	file_close(c);
	c->have -= len + 1;
	memmove(c->line, lf + 1, c->have);
}

/* Sends what the socket takes. False: the client has gone. */
static bool
client_flush(struct client *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n =
		    send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n == -1) {
			c->owner->counters.errors++;
			return false;
		}
		c->out_sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_sent = 0;
	return true;
}

/* As read(), and of the files that come along the newest. */
static ssize_t
receive(struct client *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { c->line + c->have, sizeof(c->line) - c->have };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
	    h->cmsg_len == CMSG_LEN(sizeof(int))) {
		file_close(c);
		memcpy(&c->caller.fd, CMSG_DATA(h), sizeof(int));
	}
	return n;
}

/* False: the client has gone. */
static bool
client_read(struct client *c)
{
	ssize_t n = receive(c);

	if (n == -1 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n == -1) {
		c->owner->counters.errors++;
		return false;
	}
	if (n == 0) {
		if (c->have > 0)
			c->owner->counters.garbage++;
		return false;
	}
	c->have += (size_t)n;
	return true;
}

static void
on_client(struct ev_loop *loop, ev_io *w, int events)
{
	struct client *c = w->data;

	(void)loop;
	if ((events & EV_READ) != 0 && !client_read(c)) {
		client_close(c);
		return;
	}
	if (c->out == NULL)
		client_answer_line(c);
	if (c->out != NULL && !client_flush(c)) {
		client_close(c);
		return;
	}
	if (c->out == NULL && c->last) {
		client_close(c);
		return;
	}
	/* A line that is there already waits for the next wake-up. */
	if (c->out != NULL || memchr(c->line, '\n', c->have) != NULL)
		client_watch(c, EV_WRITE);
	else
		client_watch(c, EV_READ);
}

static void
on_idle(struct ev_loop *loop, ev_timer *w, int events)
{
	struct client *c = w->data;

	(void)loop;
	(void)events;
	c->owner->counters.timeouts++;
	client_close(c);
}

static void
client_init(struct client *c, int fd, const struct ucred *who)
{
	struct control *k = c->owner;

	c->fd = fd;
	c->caller =
	    (struct control_caller){ .uid = who->uid, .gid = who->gid, .pid = who->pid, .fd = -1 };
	c->last = false;
	c->have = 0;
	c->out_len = c->out_sent = 0;
	ev_io_init(&c->io, on_client, fd, EV_READ);
	ev_set_priority(&c->io, EV_MINPRI); /* leases first */
	c->io.data = c;
	ev_init(&c->idle, on_idle);
	c->idle.repeat = CONTROL_IDLE_S;
	c->idle.data = c;
	ev_io_start(k->loop, &c->io);
	ev_timer_again(k->loop, &c->idle);
	k->n_clients++;
	k->counters.clients++;
	if (k->n_clients == CONTROL_CLIENTS_MAX)
		ev_io_stop(k->loop, &k->io);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct control *k = w->data;
	struct client *c = k->client;
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(k->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd == -1) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
		    errno == ECONNABORTED)
			return;
		/* Out of descriptors: the socket stays readable, so look away for a moment. */
		k->counters.errors++;
		ev_io_stop(loop, &k->io);
		ev_timer_again(loop, &k->again);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1) {
		k->counters.errors++;
		close(fd);
		return;
	}
	while (c->fd != -1)
		c++;
	client_init(c, fd, &who);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct control *k = w->data;

	(void)events;
	ev_timer_stop(loop, w);
	if (k->n_clients < CONTROL_CLIENTS_MAX)
		ev_io_start(loop, &k->io);
}

/* Makes the socket under a temporary name and moves it to its place when it is complete. */
static int
listen_at(struct control *k, const char *path, gid_t group)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int error;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s.new", path);
	if (lstat(sun.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(sun.sun_path);
	k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd == -1)
		return -errno;
	if (bind(k->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		error = errno;
		close(k->fd);
		return -error;
	}
	/* Nobody can connect before listen(), so the order of these leaves no gap. */
	if (chmod(sun.sun_path, 0660) == -1 ||
	    (group != (gid_t)-1 && chown(sun.sun_path, (uid_t)-1, group) == -1) ||
	    lstat(sun.sun_path, &st) == -1 || listen(k->fd, BACKLOG) == -1 ||
	    rename(sun.sun_path, path) == -1) {
		error = errno;
		close(k->fd);
		unlink(sun.sun_path);
		return -error;
	}
	k->dev = st.st_dev;
	k->ino = st.st_ino;
	return 0;
}

int
control_init(struct control **made, struct ev_loop *loop, const char *path, gid_t group,
    control_reply *reply, void *ctx)
{
	struct control *k;
	int error;

	*made = NULL;
	if (strlen(path) >= CONTROL_PATH_MAX)
		return -ENAMETOOLONG;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->loop = loop;
	k->reply = reply;
	k->ctx = ctx;
	strcpy(k->path, path);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		k->client[i].fd = -1;
		k->client[i].owner = k;
	}
	error = listen_at(k, path, group);
	if (error != 0) {
		free(k);
		return error;
	}
	ev_io_init(&k->io, on_accept, k->fd, EV_READ);
	ev_set_priority(&k->io, EV_MINPRI);
	k->io.data = k;
	ev_io_start(loop, &k->io);
	ev_init(&k->again, on_again);
	k->again.repeat = accept_pause_s;
	k->again.data = k;
	*made = k;
	return 0;
}

void
control_fini(struct control *k)
{
	struct stat st;

	if (k == NULL)
		return;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (k->client[i].fd != -1)
			client_close(&k->client[i]);
	}
	ev_io_stop(k->loop, &k->io);
	ev_timer_stop(k->loop, &k->again);
	close(k->fd);
	/* Another daemon may have put its own socket there since. */
	if (lstat(k->path, &st) == 0 && st.st_dev == k->dev && st.st_ino == k->ino)
		unlink(k->path);
	free(k);
}

const struct control_counters *
control_counters(const struct control *k)
{
	return &k->counters;
}
