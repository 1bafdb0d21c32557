/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one script after the other in a process that has no privileges. Must never outlast its time limit. */
#define _GNU_SOURCE /* close_range */
#include "script_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

static void
refuse(struct run_result *r, const char *what, int error)
{
	int len = snprintf(r->output, sizeof(r->output), "%s%s%s", what, error ? ": " : "",
	    error ? strerror(error) : "");

	r->end = RUN_REFUSED;
	r->used = len > 0 ? (uint32_t)len : 0;
}

static bool
writable_by_others(const struct stat *st)
{
	return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st->st_uid != 0 && st->st_uid != geteuid());
}

/* The configuration has checked this at its start; files can change since. */
static bool
trusted(const char *path, struct run_result *r)
{
	struct stat st;
	char dir[SET_PATH_MAX];
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(dir)) {
		refuse(r, "not an absolute path", 0);
		return false;
	}
	if (stat(path, &st) < 0) {
		refuse(r, "cannot be looked at", errno);
		return false;
	}
	if (!S_ISREG(st.st_mode) || writable_by_others(&st)) {
		refuse(r, "not a file, or others than root and script-user may write it", 0);
		return false;
	}
	while (len > 1 && path[len - 1] != '/')
		len--;
	memcpy(dir, path, len);
	dir[len] = '\0';
	if (stat(dir, &st) < 0 || writable_by_others(&st)) {
		refuse(r, "others than root and script-user may write its directory", 0);
		return false;
	}
	return true;
}

/* Cuts the text into argv and envp. False: not what script.c sends. */
static bool
split(const struct run *run, char **argv, char **envp)
{
	uint32_t at = 0;

	if (run->used == 0 || run->used > sizeof(run->text) || run->text[run->used - 1] != '\0' ||
	    run->n_args < 1 || run->n_args > RUN_ARGS_MAX || run->n_env < 0 || run->n_env > RUN_ENV_MAX)
		return false;
	for (int i = 0; i < run->n_args + run->n_env; i++) {
		if (at >= run->used)
			return false;
		*(i < run->n_args ? &argv[i] : &envp[i - run->n_args]) = (char *)&run->text[at];
		at += (uint32_t)strlen(&run->text[at]) + 1;
	}
	argv[run->n_args] = NULL;
	envp[run->n_env] = NULL;
	return true;
}

static _Noreturn void
become_script(int output, char **argv, char **envp)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(126);
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0) /* Linux 5.9 */
		for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
			close(fd);
	umask(S_IWGRP | S_IWOTH);
	execve(argv[0], argv, envp);
	dprintf(STDERR_FILENO, "cannot be run: %s\n", strerror(errno));
	_exit(127);
}

/* Keeps the beginning of the output and throws the rest away, so that the script never waits for us. */
static bool
drain(int fd, struct run_result *r)
{
	char chunk[1024];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		size_t room = sizeof(r->output) - r->used;
		size_t take = (size_t)n < room ? (size_t)n : room;

		memcpy(r->output + r->used, chunk, take);
		r->used += (uint32_t)take;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool
has_ended(pid_t child)
{
	siginfo_t info = { .si_pid = 0 };

	/* WNOWAIT: its process group can't be somebody else's while it isn't reaped. */
	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == child;
}

/* Until the script has ended. True: it had to be told to. */
static bool
watch(pid_t child, int output, int sigchld, svip_ms limit_ms, struct run_result *r)
{
	struct pollfd on[2] = { { .fd = sigchld, .events = POLLIN }, { .fd = output, .events = POLLIN } };
	struct signalfd_siginfo info;
	svip_ms deadline = clock_ms() + limit_ms;
	int signals = 0; /* sent: SIGTERM, then SIGKILL */

	while (!has_ended(child)) {
		svip_ms left = deadline - clock_ms();

		if (left <= 0 && signals < 2) {
			kill(-child, signals++ == 0 ? SIGTERM : SIGKILL);
			left = SCRIPT_GRACE_MS;
			deadline = clock_ms() + left;
		}
		/* At most a second at a time: a signal that came before the poll costs no more. */
		poll(on, 2, left < 0 || left > 1000 ? 1000 : (int)left + 1);
		if (on[0].revents != 0 && read(sigchld, &info, sizeof(info)) < 0)
			continue;
		if (on[1].revents != 0 && !drain(output, r))
			on[1].fd = -1;
	}
	drain(output, r);
	if (signals > 0)
		kill(-child, SIGKILL); /* what it has left behind */
	return signals > 0;
}

static void
carry_out(const struct run *run, int sigchld, struct run_result *r)
{
	char *argv[RUN_ARGS_MAX + 1], *envp[RUN_ENV_MAX + 1];
	int output[2], status = 0;
	bool late;
	pid_t child;

	if (!split(run, argv, envp)) {
		refuse(r, "malformed request", 0);
		return;
	}
	if (!trusted(argv[0], r))
		return;
	if (pipe2(output, O_CLOEXEC) < 0) {
		refuse(r, "pipe", errno);
		return;
	}
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	child = fork();
	if (child == 0)
		become_script(output[1], argv, envp);
	close(output[1]);
	if (child < 0) {
		refuse(r, "fork", errno);
	} else {
		setpgid(child, child); /* the child does it too; whoever comes first */
		late = watch(child, output[0], sigchld, run->limit_ms, r);
		waitpid(child, &status, 0);
		r->end = late ? RUN_TIMED_OUT : WIFSIGNALED(status) ? RUN_SIGNALLED : RUN_EXITED;
		r->number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	}
	close(output[0]);
}

_Noreturn void
script_run_serve(int fd)
{
	static struct run run;
	static struct run_result result;
	sigset_t chld;
	int sigchld;

	/* The daemon's end of the socket tells when to go; what runs then is ended first. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	sigchld = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigchld < 0)
		_exit(1);
	for (;;) {
		ssize_t n = recv(fd, &run, sizeof(run), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		result.used = 0;
		result.number = 0;
		if ((size_t)n < offsetof(struct run, text) ||
		    (size_t)n != offsetof(struct run, text) + run.used)
			refuse(&result, "malformed request", 0);
		else
			carry_out(&run, sigchld, &result);
		if (send(fd, &result, offsetof(struct run_result, output) + result.used, MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}
