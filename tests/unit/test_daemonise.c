/* SPDX-License-Identifier: BSD-2-Clause */
/* Real daemons, started by children of the test; each ends by itself when the test closes a pipe. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/daemonise.h"

static char dir[64], pidfile[96];

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/svipd-daemonise.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(pidfile, sizeof(pidfile), "%s/svipd.pid", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(pidfile);
	return rmdir(dir);
}

enum behaviour { GETS_READY, FAILS_WITH_WORDS, VANISHES };

struct started {
	int status;     /* exit status of what the user started */
	char said[512]; /* on stderr */
	int stop;       /* closing it ends the daemon */
	int gone;       /* end of file when the daemon has ended */
};

/* In the daemon. */
static _Noreturn void
behave(enum behaviour how, int stop)
{
	char why[256], byte;

	if (how == VANISHES)
		_exit(3);
	if (daemonise_pidfile(pidfile, why, sizeof(why)) < 0 ||
	    (how == FAILS_WITH_WORDS && snprintf(why, sizeof(why), "cannot bind") > 0)) {
		daemonise_failed(why);
		_exit(1);
	}
	daemonise_ready();
	/* Whoever waits for the end of our output must not wait for the daemon. */
	while (read(stop, &byte, 1) < 0 && errno == EINTR)
		;
	daemonise_fini();
	_exit(0);
}

static struct started
start(enum behaviour how)
{
	struct started s = { .status = -1 };
	int err[2], stop[2], gone[2], st;
	size_t len = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	assert_int_equal(pipe2(gone, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(stop[1]);
		close(gone[0]);
		dup2(err[1], STDERR_FILENO);
		close(err[0]);
		close(err[1]);
		if (daemonise_fork() < 0)
			_exit(99);
		behave(how, stop[0]);
	}
	close(err[1]);
	close(stop[0]);
	close(gone[1]);
	assert_int_equal(waitpid(child, &st, 0), child);
	s.status = WIFEXITED(st) ? WEXITSTATUS(st) : -1;
	while (len < sizeof(s.said) - 1 && (n = read(err[0], s.said + len, sizeof(s.said) - 1 - len)) > 0)
		len += (size_t)n;
	close(err[0]);
	s.stop = stop[1];
	s.gone = gone[0];
	return s;
}

static void
end(struct started *s)
{
	char byte;

	close(s->stop);
	while (read(s->gone, &byte, 1) < 0 && errno == EINTR)
		;
	close(s->gone);
}

static long
pid_in_file(void)
{
	char text[32] = "";
	FILE *f = fopen(pidfile, "r");

	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	return strtol(text, NULL, 10);
}

static void
the_command_returns_when_the_daemon_is_ready(void **state)
{
	struct started s = start(GETS_READY);
	long pid = pid_in_file();

	(void)state;
	assert_int_equal(s.status, 0);
	assert_string_equal(s.said, ""); /* also: its stderr was let go of, else this would hang */
	assert_true(pid > 1 && pid != getpid());
	assert_int_equal(getsid((pid_t)pid) == getsid(0), 0);
	end(&s);
	assert_int_equal(access(pidfile, F_OK), -1);
}

static void
a_daemon_that_fails_is_heard_by_its_starter(void **state)
{
	struct started s = start(FAILS_WITH_WORDS);

	(void)state;
	assert_int_equal(s.status, 1);
	assert_string_equal(s.said, "svipd: cannot bind\n");
	end(&s);
}

static void
a_daemon_that_dies_silently_is_a_failure(void **state)
{
	struct started s = start(VANISHES);

	(void)state;
	assert_int_equal(s.status, 1);
	assert_string_equal(s.said, "svipd: ended before it was ready; the log says more\n");
	end(&s);
}

static void
a_second_daemon_is_refused_by_the_pid_of_the_first(void **state)
{
	struct started first = start(GETS_READY), second = start(GETS_READY);
	char expected[256];

	(void)state;
	snprintf(expected, sizeof(expected), "svipd: already running, pid %ld (%s)\n", pid_in_file(), pidfile);
	assert_int_equal(second.status, 1);
	assert_string_equal(second.said, expected);
	assert_int_not_equal(pid_in_file(), 0); /* and has left the file alone */
	end(&second);
	end(&first);
}

static void
a_stale_pid_file_is_taken_over(void **state)
{
	struct started s;
	FILE *f = fopen(pidfile, "w");

	(void)state;
	assert_non_null(f);
	fputs("1234567890 and more\n", f);
	fclose(f);
	s = start(GETS_READY);
	assert_int_equal(s.status, 0);
	assert_int_not_equal(pid_in_file(), 1234567890);
	assert_int_not_equal(pid_in_file(), 0);
	end(&s);
}

static void
a_pid_file_that_cannot_be_written_is_named(void **state)
{
	char why[256], link[128];

	(void)state;
	assert_int_equal(daemonise_pidfile("/nowhere/svipd.pid", why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "pid file /nowhere/svipd.pid: No such file or directory");
	/* A link would let others choose which file root writes. */
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink("/etc/hostname", link), 0);
	assert_int_equal(daemonise_pidfile(link, why, sizeof(why)), -ELOOP);
	unlink(link);
}

static void
in_the_foreground_nobody_is_told(void **state)
{
	(void)state;
	daemonise_ready();
	assert_false(daemonise_failed("whatever"));
	daemonise_fini();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_command_returns_when_the_daemon_is_ready),
		TEST(a_daemon_that_fails_is_heard_by_its_starter),
		TEST(a_daemon_that_dies_silently_is_a_failure),
		TEST(a_second_daemon_is_refused_by_the_pid_of_the_first),
		TEST(a_stale_pid_file_is_taken_over),
		TEST(a_pid_file_that_cannot_be_written_is_named),
		TEST(in_the_foreground_nobody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
