/* SPDX-License-Identifier: BSD-2-Clause */
/* Background and pid file. Must never say "ready" before the daemon says so. */
#define _GNU_SOURCE /* pipe2, close_range */
#include "daemonise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PID_TEXT_MAX = 32, READY_BYTE = 'R', FAILED_BYTE = 'F' };

static struct {
	int ready_fd; /* to the waiting process; -1: nobody waits */
	int pid_fd;
	char pid_path[4096];
} state = { .ready_fd = -1, .pid_fd = -1 };

/* The process that the user started: its exit status is the daemon's success. */
static _Noreturn void
wait_for_daemon(int fd, pid_t child)
{
	char words[512];
	size_t len = 0;
	ssize_t n;

	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	while (len < sizeof(words) - 1) {
		n = read(fd, words + len, sizeof(words) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (words[0] == READY_BYTE)
			_exit(0);
	}
	words[len] = '\0';
	fprintf(stderr, "svipd: %s\n",
	    len > 1 ? words + 1 : "ended before it was ready; the log says more");
	_exit(1);
}

static int
background(int fd)
{
	pid_t child;

	if (setsid() < 0)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child > 0)
		_exit(0);
	state.ready_fd = fd;
	if (chdir("/") < 0)
		return -errno;
	umask(S_IWGRP | S_IWOTH);
	return 0;
}

int
daemonise_fork(void)
{
	char why[96];
	pid_t child;
	int fd[2], rc;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		rc = -errno;
		close(fd[0]);
		close(fd[1]);
		return rc;
	}
	if (child > 0) {
		close(fd[1]);
		wait_for_daemon(fd[0], child);
	}
	close(fd[0]);
	rc = background(fd[1]);
	if (rc < 0) {
		snprintf(why, sizeof(why), "cannot go into the background: %s", strerror(-rc));
		state.ready_fd = fd[1];
		daemonise_failed(why);
		_exit(1);
	}
	return 0;
}

void
daemonise_ready(void)
{
	const char ready = READY_BYTE;
	int null;

	if (state.ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
			dup2(null, fd);
		if (null > STDERR_FILENO)
			close(null);
	}
	/* Should the waiting process be gone, nobody is left to be told. */
	if (write(state.ready_fd, &ready, 1) < 0 && errno != EPIPE)
		errno = 0;
	close(state.ready_fd);
	state.ready_fd = -1;
}

bool
daemonise_failed(const char *why)
{
	char words[400];
	int len;
	bool told;

	if (state.ready_fd < 0)
		return false;
	len = snprintf(words, sizeof(words), "%c%s", FAILED_BYTE, why);
	if (len >= (int)sizeof(words))
		len = sizeof(words) - 1;
	told = write(state.ready_fd, words, (size_t)len) == len;
	close(state.ready_fd);
	state.ready_fd = -1;
	return told;
}

/* Who holds the lock, by the file's own words; 0: it doesn't say. */
static long
pid_in(int fd)
{
	char text[PID_TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

/* The file may have been removed between open and lock: then the lock is on a file that nobody else sees. */
static bool
still_there(int fd, const char *path)
{
	struct stat open_file, named;

	return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
	       open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

static int
pidfile_lock(const char *path, char *why, size_t size)
{
	for (int tries = 0; tries < 10; tries++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644),
		    rc;

		if (fd < 0) {
			rc = -errno;
			snprintf(why, size, "pid file %s: %s", path, strerror(-rc));
			return rc;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			rc = errno == EWOULDBLOCK ? -EEXIST : -errno;
			if (rc == -EEXIST)
				snprintf(
				    why, size, "already running, pid %ld (%s)", pid_in(fd), path);
			else
				snprintf(why, size, "pid file %s: lock: %s", path, strerror(-rc));
			close(fd);
			return rc;
		}
		if (still_there(fd, path))
			return fd;
		close(fd);
	}
	snprintf(why, size, "pid file %s: removed again and again by somebody else", path);
	return -EAGAIN;
}

int
daemonise_pidfile(const char *path, char *why, size_t size)
{
	char text[PID_TEXT_MAX];
	int fd, rc, len;

	if (strlen(path) >= sizeof(state.pid_path)) {
		snprintf(why, size, "pid file: the path is too long");
		return -ENAMETOOLONG;
	}
	fd = pidfile_lock(path, why, size);
	if (fd < 0)
		return fd;
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len) {
		rc = errno != 0 ? -errno : -EIO;
		snprintf(why, size, "pid file %s: %s", path, strerror(-rc));
		close(fd);
		return rc;
	}
	state.pid_fd = fd;
	strcpy(state.pid_path, path);
	return 0;
}

void
daemonise_fini(void)
{
	if (state.pid_fd < 0)
		return;
	/* Removed while locked. Where the directory is root's, an empty file must do. */
	if (unlink(state.pid_path) < 0 && ftruncate(state.pid_fd, 0) < 0)
		errno = 0;
	close(state.pid_fd);
	state.pid_fd = -1;
}

int
daemonise_keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(null, i) < 0)
			return -errno;
	if (fd != STDERR_FILENO + 1 && dup2(fd, STDERR_FILENO + 1) < 0)
		return -errno;
	if (close_range(STDERR_FILENO + 2, ~0U, 0) < 0) /* Linux 5.9 */
		for (int i = STDERR_FILENO + 2; i < 1024; i++)
			close(i);
	return STDERR_FILENO + 1;
}
