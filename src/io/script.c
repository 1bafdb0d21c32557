/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of notify scripts, and the daemon's end of the helper. Must never block or decide anything. */
#include "script.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemonise.h"
#include "log.h"
#include "priv.h"
#include "script_run.h"

static const char path_for_scripts[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct job {
	struct job *next;
	char path[SET_PATH_MAX];
	char instance[SVIP_NAME_MAX];
	char word[16];
	struct run run;
};

static struct {
	struct ev_loop *loop;
	ev_io readable;
	int fd; /* to the helper; -1: none */
	pid_t helper;
	svip_ms limit_ms;
	void (*idle)(void *);
	void *arg;
	struct job *first, **last; /* queued; `running` is not among them */
	int queued;
	struct job *running;
	struct script_counts counts;
} q = { .fd = -1 };

/* ---- the helper ---- */

/* In the helper. Its first message is the outcome of its drop. */
static _Noreturn void
helper_begin(int fd, const char *user)
{
	struct run_result hello = { .end = RUN_EXITED };
	int rc = daemonise_keep_only(fd);

	if (rc < 0)
		_exit(1);
	fd = rc;
	prctl(PR_SET_NAME, "svipd-scripts");
	rc = priv_drop_all(user, hello.output, sizeof(hello.output));
	/* The memory is a copy of the daemon's, keys included: no debugger, no core dump. */
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		rc = -errno;
	hello.number = rc;
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 || rc < 0 || chdir("/") < 0)
		_exit(1);
	script_run_serve(fd);
}

int
script_start(const char *user, char *why, size_t size)
{
	struct run_result hello;
	int fd[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		goto failed;
	q.helper = fork();
	if (q.helper < 0) {
		rc = errno;
		close(fd[0]);
		close(fd[1]);
		errno = rc;
		goto failed;
	}
	if (q.helper == 0) {
		close(fd[0]);
		helper_begin(fd[1], user);
	}
	close(fd[1]);
	if (recv(fd[0], &hello, sizeof(hello), 0) != sizeof(hello)) {
		hello.number = -EPIPE;
		strcpy(hello.output, "the helper has ended");
	}
	if (hello.number < 0) {
		hello.output[sizeof(hello.output) - 1] = '\0';
		snprintf(why, size, "script-user: %.200s", hello.output);
		close(fd[0]);
		waitpid(q.helper, NULL, 0);
		return hello.number;
	}
	q.fd = fd[0];
	q.last = &q.first;
	return 0;
failed:
	rc = -errno;
	snprintf(why, size, "helper for scripts: %s", strerror(-rc));
	return rc;
}

/* ---- the queue ---- */

static struct job *
shift(void)
{
	struct job *job = q.first;

	if (job == NULL)
		return NULL;
	q.first = job->next;
	if (q.first == NULL)
		q.last = &q.first;
	q.queued--;
	return job;
}

static void
helper_lost(const char *why)
{
	struct job *job;

	if (q.fd < 0)
		return;
	ev_io_stop(q.loop, &q.readable);
	close(q.fd);
	q.fd = -1;
	waitpid(q.helper, NULL, WNOHANG);
	log_error(
	    "scripts: the helper is gone (%s); no script runs until svipd is started anew", why);
	if (q.running != NULL) {
		q.counts.dropped++;
		free(q.running);
		q.running = NULL;
	}
	while ((job = shift()) != NULL) {
		q.counts.dropped++;
		free(job);
	}
	if (q.idle != NULL)
		q.idle(q.arg);
}

static void
run_next(void)
{
	struct job *job;
	ssize_t n;

	if (q.running != NULL || q.fd < 0)
		return;
	job = shift();
	if (job == NULL)
		return;
	q.running = job;
	job->run.limit_ms = q.limit_ms;
	/* One run is under way at a time, so the socket has room for it. */
	n = send(q.fd, &job->run, offsetof(struct run, text) + job->run.used,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		helper_lost(strerror(errno));
}

/* Beyond the backlog the older news of the same instance to the same script give way. */
static void
make_room(const struct job *newest)
{
	struct job **at = &q.first;

	if (q.queued < SCRIPT_BACKLOG)
		return;
	for (; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->instance, newest->instance) == 0 &&
		    strcmp((*at)->path, newest->path) == 0)
			break;
	if (*at == NULL && q.queued >= SCRIPT_QUEUE_MAX)
		at = &q.first;
	if (*at != NULL) {
		struct job *old = *at;

		*at = old->next;
		if (*at == NULL)
			q.last = at;
		q.queued--;
		q.counts.dropped++;
		log_warning("script %s: %s %s dropped, %d runs are waiting (%" PRIu64
		            " dropped so far)",
		    old->path, old->instance, old->word, q.queued, q.counts.dropped);
		free(old);
	}
}

/* Appends one string; a text that is full makes used stay beyond its size. */
__attribute__((format(printf, 2, 3))) static void
put(struct run *run, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (run->used >= sizeof(run->text))
		return;
	va_start(ap, fmt);
	n = vsnprintf(run->text + run->used, sizeof(run->text) - run->used, fmt, ap);
	va_end(ap);
	run->used = n < 0 ? sizeof(run->text) + 1 : run->used + (uint32_t)n + 1;
}

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static void
fill(struct run *run, const char *path, const struct script_news *news)
{
	run->n_args = 5;
	put(run, "%s", path);
	put(run, "INSTANCE");
	put(run, "%s", or_empty(news->instance));
	put(run, "%s", or_empty(news->word));
	put(run, "100"); /* keepalived's priority */
	run->n_env = 9;
	put(run, "%s", path_for_scripts);
	put(run, "SVIPD_INSTANCE=%s", or_empty(news->instance));
	put(run, "SVIPD_STATE=%s", or_empty(news->state));
	put(run, "SVIPD_REASON=%s", or_empty(news->reason));
	put(run, "SVIPD_EPOCH=%" PRIu64, news->epoch);
	put(run, "SVIPD_MASTER=%s", or_empty(news->master));
	put(run, "SVIPD_PREVIOUS_MASTER=%s", or_empty(news->master_before));
	put(run, "SVIPD_ADDRESSES=%s", or_empty(news->addresses));
	put(run, "SVIPD_INTERFACE=%s", or_empty(news->interface));
}

static void
enqueue(const char *path, const struct script_news *news)
{
	struct job *job;

	if (path[0] == '\0')
		return;
	job = q.fd < 0 ? NULL : calloc(1, sizeof(*job));
	if (job != NULL)
		fill(&job->run, path, news);
	if (job == NULL || job->run.used > sizeof(job->run.text)) {
		q.counts.dropped++;
		log_warning("script %s: %s %s not run: %s", path, or_empty(news->instance),
		    or_empty(news->word), q.fd < 0 ? "no helper" : "too much to tell");
		free(job);
		return;
	}
	snprintf(job->path, sizeof(job->path), "%s", path);
	snprintf(job->instance, sizeof(job->instance), "%s", or_empty(news->instance));
	snprintf(job->word, sizeof(job->word), "%s", or_empty(news->word));
	make_room(job);
	*q.last = job;
	q.last = &job->next;
	q.queued++;
	run_next();
}

void
script_tell(const struct set_scripts *scripts, const struct script_news *news)
{
	if (strcmp(news->word, "MASTER") == 0)
		enqueue(scripts->master, news);
	else if (strcmp(news->word, "BACKUP") == 0)
		enqueue(scripts->backup, news);
	else if (strcmp(news->word, "FAULT") == 0)
		enqueue(scripts->fault, news);
	enqueue(scripts->any, news);
}

/* ---- results ---- */

static void
log_output(const char *path, const struct run_result *r)
{
	char line[256];
	const char *at = r->output, *end = r->output + r->used;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop == NULL ? end : stop) - at);

		if (len > 0)
			log_info("script %s: %s", path, log_clean(at, len, line, sizeof(line)));
		at += len + 1;
	}
}

static void
report(const struct job *job, const struct run_result *r)
{
	char why[128];

	if (r->end != RUN_REFUSED)
		log_output(job->path, r);
	switch (r->end) {
	case RUN_EXITED:
		if (r->number == 0) {
			q.counts.done++;
			log_info(
			    "script %s: %s %s: exit status 0", job->path, job->instance, job->word);
			return;
		}
		snprintf(why, sizeof(why), "exit status %d", r->number);
		break;
	case RUN_SIGNALLED:
		snprintf(why, sizeof(why), "ended by signal %d", r->number);
		break;
	case RUN_TIMED_OUT:
		q.counts.timed_out++;
		log_warning("script %s: %s %s: stopped, it took longer than %" PRId64 " ms",
		    job->path, job->instance, job->word, job->run.limit_ms);
		return;
	case RUN_REFUSED:
		log_clean(r->output, r->used, why, sizeof(why));
		break;
	}
	q.counts.failed++;
	log_warning("script %s: %s %s: %s", job->path, job->instance, job->word, why);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	static struct run_result r;
	struct job *job;
	ssize_t n;

	(void)loop;
	(void)w;
	(void)revents;
	n = recv(q.fd, &r, sizeof(r), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)offsetof(struct run_result, output) || r.used > sizeof(r.output) ||
	    q.running == NULL) {
		helper_lost(n < 0    ? strerror(errno)
		            : n == 0 ? "it has ended"
		                     : "it talks nonsense");
		return;
	}
	job = q.running;
	q.running = NULL;
	report(job, &r);
	free(job);
	run_next();
	if (script_idle() && q.idle != NULL)
		q.idle(q.arg);
}

/* ---- life ---- */

void
script_init(struct ev_loop *loop, svip_ms timeout_ms, void (*idle)(void *), void *arg)
{
	q.loop = loop;
	q.limit_ms = timeout_ms;
	q.idle = idle;
	q.arg = arg;
	memset(&q.counts, 0, sizeof(q.counts));
	if (q.fd < 0)
		return;
	ev_io_init(&q.readable, on_readable, q.fd, EV_READ);
	ev_io_start(loop, &q.readable);
}

void
script_timeout(svip_ms timeout_ms)
{
	q.limit_ms = timeout_ms;
}

bool
script_idle(void)
{
	return q.running == NULL && q.first == NULL;
}

const struct script_counts *
script_counts(void)
{
	return &q.counts;
}

int
script_queued(void)
{
	return q.queued;
}

void
script_fini(void)
{
	struct job *job;

	if (q.fd >= 0) {
		ev_io_stop(q.loop, &q.readable);
		close(q.fd);
		q.fd = -1;
	}
	free(q.running);
	q.running = NULL;
	while ((job = shift()) != NULL)
		free(job);
}
