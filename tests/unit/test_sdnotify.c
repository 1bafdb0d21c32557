/* SPDX-License-Identifier: BSD-2-Clause */
/* A service manager's socket is played by the test. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/sdnotify.h"

/* Binds path ('@': abstract) and puts it into the environment. Returns the socket. */
static int
manager_at(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&to,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void
expect(int fd, const char *words)
{
	char got[256];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, words);
}

static void
without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	sdnotify_init();
	assert_int_equal(sdnotify_send("READY=1"), 0);
	assert_int_equal(sdnotify_watchdog_ms(), 0);
}

static void
words_reach_a_path_socket(void **state)
{
	char dir[] = "/tmp/svipd-notify.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = manager_at(path);
	sdnotify_init();
	assert_int_equal(sdnotify_send("READY=1\nSTATUS=holder of cache"), 0);
	expect(fd, "READY=1\nSTATUS=holder of cache");
	close(fd);
	unlink(path);
	assert_true(sdnotify_send("STOPPING=1") < 0); /* gone: an answer, not a crash */
	rmdir(dir);
}

static void
words_reach_an_abstract_socket(void **state)
{
	char path[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "@svipd-test-%ld", (long)getpid());
	fd = manager_at(path);
	sdnotify_init();
	assert_int_equal(sdnotify_send("WATCHDOG=1"), 0);
	expect(fd, "WATCHDOG=1");
	close(fd);
}

static void
a_manager_that_does_not_read_never_blocks(void **state)
{
	char path[64];
	int fd, rc = 0;

	(void)state;
	snprintf(path, sizeof(path), "@svipd-test-full-%ld", (long)getpid());
	fd = manager_at(path);
	sdnotify_init();
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = sdnotify_send("WATCHDOG=1");
	assert_true(rc < 0);
	close(fd);
}

static void
odd_socket_names_are_ignored(void **state)
{
	static const char *const names[] = { "", "relative", "@", "vsock:2:1234" };
	char longest[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		sdnotify_init();
		assert_int_equal(sdnotify_send("READY=1"), 0);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	sdnotify_init();
	assert_int_equal(sdnotify_send("READY=1"), 0);
}

static void
the_watchdog_is_fed_twice_in_its_time_and_only_by_its_process(void **state)
{
	char pid[32];
	const struct {
		const char *usec;
		long pid; /* 0: not set */
		svip_ms expected;
	} cases[] = {
		{ "10000000", 0, 5000 },
		{ "10000000", getpid(), 5000 },
		{ "10000000", 1, 0 },
		{ "0", 0, 0 },
		{ "-5", 0, 0 },
		{ "x", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("WATCHDOG_USEC", cases[i].usec, 1);
		snprintf(pid, sizeof(pid), "%ld", cases[i].pid);
		if (cases[i].pid != 0)
			setenv("WATCHDOG_PID", pid, 1);
		sdnotify_init();
		assert_int_equal(sdnotify_watchdog_ms(), cases[i].expected);
		assert_null(getenv("WATCHDOG_USEC"));
		assert_null(getenv("NOTIFY_SOCKET"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(words_reach_a_path_socket),
		cmocka_unit_test(words_reach_an_abstract_socket),
		cmocka_unit_test(a_manager_that_does_not_read_never_blocks),
		cmocka_unit_test(odd_socket_names_are_ignored),
		cmocka_unit_test(the_watchdog_is_fed_twice_in_its_time_and_only_by_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
