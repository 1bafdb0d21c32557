/* SPDX-License-Identifier: BSD-2-Clause */
/* Talks to the control socket. Must not wait longer than it was told, whatever the other end does. */
#include "client.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	const char *path;
	int limit_s;
	int timer; /* readable when the time is over */
	int fd;
	int file; /* goes along; -1: none, or it has gone */
	char *why;
};

static bool
fail(struct client *c, const char *what, int error)
{
	snprintf(c->why, CLIENT_WHY_MAX, "%s: %s: %s", c->path, what, strerror(error));
	return false;
}

static bool
late(struct client *c)
{
	snprintf(
	    c->why, CLIENT_WHY_MAX, "%s: svipd has not answered within %d s", c->path, c->limit_s);
	return false;
}

static void
explain_refusal(struct client *c)
{
	struct stat st;
	const struct group *group = stat(c->path, &st) == 0 ? getgrgid(st.st_gid) : NULL;

	if (group != NULL && group->gr_gid != 0)
		snprintf(c->why, CLIENT_WHY_MAX,
		    "%s: no right to ask svipd: be root, or in the group %s", c->path,
		    group->gr_name);
	else
		snprintf(c->why, CLIENT_WHY_MAX, "%s: no right to ask svipd: be root", c->path);
}

static bool
explain_connect(struct client *c, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		snprintf(c->why, CLIENT_WHY_MAX,
		    "%s: not there: svipd isn't running, or listens elsewhere (-s)", c->path);
		return false;
	case ECONNREFUSED:
		snprintf(c->why, CLIENT_WHY_MAX,
		    "%s: nobody listens: svipd isn't running, and left its socket behind", c->path);
		return false;
	case EACCES:
	case EPERM:
		explain_refusal(c);
		return false;
	case EAGAIN:
	case EINPROGRESS:
		return late(c);
	default:
		return fail(c, "connect", error);
	}
}

/* Waits until the socket is ready for events. False: the time is over. */
static bool
wait_for(struct client *c, short events)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = events },
		{ .fd = c->timer, .events = POLLIN } };

	for (;;) {
		int n = poll(p, 2, -1);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail(c, "poll", errno);
		if (p[1].revents != 0)
			return late(c);
		return true;
	}
}

static bool
begin(struct client *c)
{
	const struct itimerspec limit = { .it_value = { .tv_sec = c->limit_s } };
	const struct timeval limit_tv = { .tv_sec = c->limit_s };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(c->path) >= sizeof(sun.sun_path))
		return fail(c, "socket", ENAMETOOLONG);
	strcpy(sun.sun_path, c->path);
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (c->timer == -1 || timerfd_settime(c->timer, 0, &limit, NULL) == -1)
		return fail(c, "timer", errno);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return fail(c, "socket", errno);
	/* connect() blocks while the daemon's queue is full, at most so long (unix(7)). */
	if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit_tv, sizeof(limit_tv)) == -1)
		return fail(c, "socket", errno);
	if (connect(c->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return explain_connect(c, errno);
	return true;
}

/* As send(); with the first byte goes the file. */
static ssize_t
send_some(struct client *c, const char *from, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { (void *)from, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (c->file != -1) {
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), &c->file, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		c->file = -1;
	return n;
}

static bool
send_line(struct client *c, const char *line)
{
	size_t len = strlen(line), sent = 0;

	/* The LF takes the place of the NUL. */
	while (sent <= len) {
		const char *from = sent < len ? line + sent : "\n";
		ssize_t n;

		if (!wait_for(c, POLLOUT))
			return false;
		n = send_some(c, from, sent < len ? len - sent : 1);
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			return fail(c, "write", errno);
		if (n > 0)
			sent += (size_t)n;
	}
	return true;
}

static char *
read_line(struct client *c)
{
	size_t size = 0, have = 0;
	char *buf = NULL;

	for (;;) {
		ssize_t n;
		char *lf;

		if (have == size) {
			char *more =
			    size < CLIENT_REPLY_MAX ? realloc(buf, size + (64 << 10)) : NULL;

			if (more == NULL) {
				fail(c, "read", EMSGSIZE);
				break;
			}
			buf = more;
			size += 64 << 10;
		}
		if (!wait_for(c, POLLIN))
			break;
		n = recv(c->fd, buf + have, size - have, MSG_DONTWAIT);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			if (n == -1)
				fail(c, "read", errno);
			else
				snprintf(c->why, CLIENT_WHY_MAX,
				    "%s: svipd has closed without an answer", c->path);
			break;
		}
		lf = memchr(buf + have, '\n', (size_t)n);
		have += (size_t)n;
		if (lf != NULL) {
			*lf = '\0';
			return buf;
		}
	}
	free(buf);
	return NULL;
}

char *
client_ask(const char *path, const char *line, int limit_s, char why[CLIENT_WHY_MAX])
{
	return client_ask_with(path, line, -1, limit_s, why);
}

char *
client_ask_with(const char *path, const char *line, int file, int limit_s, char why[CLIENT_WHY_MAX])
{
	struct client c = {
		.path = path, .limit_s = limit_s, .timer = -1, .fd = -1, .file = file, .why = why
	};
	char *answer = NULL;

	if (begin(&c) && send_line(&c, line))
		answer = read_line(&c);
	if (c.fd != -1)
		close(c.fd);
	if (c.timer != -1)
		close(c.timer);
	return answer;
}
