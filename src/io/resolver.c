/* SPDX-License-Identifier: BSD-2-Clause */
/* getaddrinfo() in a child, its answer through a pipe. Must not block the loop, nor leak descriptors into the child. */
#define _GNU_SOURCE
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CHILD_FD = 3,
	OUTPUT_MAX = 512,
};

/* The child writes one address a line, or "!" and a sentence. */
struct resolver {
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer limit;
	struct ev_child child;
	resolver_done *done;
	void *ctx;
	int fd;
	bool reaped;
	size_t len;
	char output[OUTPUT_MAX];
};

/* ---- the child ---- */

static void
child_write(const char *text)
{
	size_t len = strlen(text), sent = 0;
	ssize_t n;

	while (sent < len) {
		n = write(CHILD_FD, text + sent, len - sent);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		sent += (size_t)n;
	}
}

static void
child_lookup(const char *name)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list, *a;
	char text[INET6_ADDRSTRLEN];
	int rc = getaddrinfo(name, NULL, &hints, &list), n = 0;

	if (rc != 0) {
		child_write("!");
		child_write(rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		child_write("\n");
		return;
	}
	for (a = list; a != NULL && n < RESOLVER_ADDRESSES_MAX; a = a->ai_next) {
		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
		        NI_NUMERICHOST) != 0)
			continue;
		child_write(text);
		child_write("\n");
		n++;
	}
}

static _Noreturn void
child_main(const char *name, int fd)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd != CHILD_FD && dup2(fd, CHILD_FD) == -1)
		_exit(1);
	fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC);
	if (close_range(CHILD_FD + 1, ~0U, 0) == -1)
		for (fd = CHILD_FD + 1; fd < 65536; fd++)
			close(fd);
	child_lookup(name);
	_exit(0);
}

/* ---- the parent ---- */

static void
release(struct resolver *r)
{
	ev_io_stop(r->loop, &r->io);
	ev_timer_stop(r->loop, &r->limit);
	ev_child_stop(r->loop, &r->child);
	/* The default loop reaps every child; the number is ours until our own watcher has seen it go. */
	if (!r->reaped)
		kill(r->child.pid, SIGKILL);
	close(r->fd);
	free(r);
}

static void
finish(struct resolver *r, const char *why)
{
	struct svip_addr list[RESOLVER_ADDRESSES_MAX];
	resolver_done *done = r->done;
	void *ctx = r->ctx;
	char *rest = r->output, *line, text[OUTPUT_MAX];
	int n = 0;

	r->output[r->len] = '\0';
	while (why == NULL && n < RESOLVER_ADDRESSES_MAX && (line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '!') {
			snprintf(text, sizeof(text), "%s", line + 1);
			why = text;
		} else if (svip_addr_parse(line, &list[n])) {
			n++;
		}
	}
	release(r);
	if (n == 0 && why == NULL)
		why = "no address";
	done(ctx, list, n, why);
}

static void
on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct resolver *r = w->data;
	ssize_t n;

	(void)loop;
	(void)revents;
	n = read(r->fd, r->output + r->len, sizeof(r->output) - 1 - r->len);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		r->len += (size_t)n;
		if (r->len < sizeof(r->output) - 1)
			return;
	}
	finish(r, n == -1 ? strerror(errno) : NULL);
}

static void
on_limit(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, "the name server does not answer");
}

static void
on_child(struct ev_loop *loop, struct ev_child *w, int revents)
{
	struct resolver *r = w->data;

	(void)revents;
	r->reaped = true;
	ev_child_stop(loop, w);
}

struct resolver *
resolver_start(struct ev_loop *loop, const char *name, resolver_done *done, void *ctx)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int fds[2], error;
	pid_t pid;

	if (r == NULL)
		return NULL;
	if (pipe2(fds, O_CLOEXEC) == -1) {
		error = errno;
		free(r);
		errno = error;
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		child_main(name, fds[1]);
	error = errno;
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		free(r);
		errno = error;
		return NULL;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	r->loop = loop;
	r->done = done;
	r->ctx = ctx;
	r->fd = fds[0];
	ev_io_init(&r->io, on_io, r->fd, EV_READ);
	ev_timer_init(&r->limit, on_limit, RESOLVER_LIMIT_MS / 1000.0, 0.0);
	ev_child_init(&r->child, on_child, pid, 0);
	r->io.data = r->limit.data = r->child.data = r;
	ev_io_start(loop, &r->io);
	ev_timer_start(loop, &r->limit);
	ev_child_start(loop, &r->child);
	return r;
}

void
resolver_cancel(struct resolver *r)
{
	if (r != NULL)
		release(r);
}
