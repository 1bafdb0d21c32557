/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines as syslog, journal and stderr get them; and one that hangs costs lines, never time. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/log.h"
#include "io/log_sink.h"

enum { LINES_MOST = 100000 }; /* no queue is that long */

static char directory[64], path[96];

/* A reader at the path. */
static int
reader(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	unlink(path);
	memcpy(at.sun_path, path, strlen(path));
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The next record; "": none. */
static const char *
next(int fd)
{
	static char record[4096];
	ssize_t n = recv(fd, record, sizeof(record) - 1, 0);

	record[n > 0 ? n : 0] = '\0';
	return record;
}

static int
make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/svip-log-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/log", directory);
	log_init(false, SET_LOG_INFO);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	log_sink_open(LOG_SINK_STDERR, NULL);
	unlink(path);
	return rmdir(directory);
}

static void
syslog_has_priority_time_and_process(void **state)
{
	int fd = reader(), pid = 0;
	char month[8], text[128];
	unsigned priority, day, h, m, s;

	(void)state;
	log_sink_open(LOG_SINK_SYSLOG, path);
	log_warning("an %s\nof two lines", "event");
	assert_int_equal(sscanf(next(fd), "<%u>%3s %u %u:%u:%u svipd[%d]: %127[^\n]", &priority,
	                     month, &day, &h, &m, &s, &pid, text),
	    8);
	assert_int_equal(priority, 3 * 8 + 4);
	assert_int_equal(pid, getpid());
	assert_string_equal(text, "an event of two lines");
	log_debug("not at this level");
	assert_string_equal(next(fd), "");
	close(fd);
}

static void
the_journal_has_fields(void **state)
{
	static const struct log_field fields[] = { { "SVIPD_INSTANCE", "mymaster" },
		{ "SVIPD_TO", "master" } };
	int fd = reader();

	(void)state;
	log_sink_open(LOG_SINK_JOURNAL, path);
	log_fields(SET_LOG_INFO, fields, 2, "%s: it is", "mymaster");
	assert_string_equal(next(fd),
	    "PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=svipd\nMESSAGE=mymaster: it is\n"
	    "SVIPD_INSTANCE=mymaster\nSVIPD_TO=master\n");
	close(fd);
}

static void
a_log_that_hangs_costs_lines_and_says_how_many(void **state)
{
	int fd = reader(), taken = 0, lost, n;

	(void)state;
	log_sink_open(LOG_SINK_SYSLOG, path);
	while (taken < LINES_MOST && log_sink_put(6, "info", 0, "a line", NULL, 0))
		taken++;
	assert_true(taken < LINES_MOST);
	for (lost = 0; lost < 7; lost++)
		log_info("lost");
	for (n = 0; n < taken; n++)
		assert_non_null(strstr(next(fd), "]: a line"));
	log_info("whole again");
	assert_non_null(strstr(next(fd), "]: the log did not take 7 lines before this one"));
	assert_non_null(strstr(next(fd), "]: whole again"));
	assert_string_equal(next(fd), "");
	close(fd);
}

static void
a_log_may_come_late_and_be_another_one(void **state)
{
	int fd;

	(void)state;
	log_sink_open(LOG_SINK_SYSLOG, path);
	log_info("nobody is there yet");
	fd = reader();
	log_info("one");
	assert_non_null(strstr(next(fd), "did not take 1 lines"));
	assert_non_null(strstr(next(fd), "]: one"));
	close(fd);
	fd = reader();
	log_info("two");
	assert_non_null(strstr(next(fd), "]: two"));
	close(fd);
}

/* Reads what is there. */
static size_t
drain(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, out + len, size - 1 - len)) > 0 && len + (size_t)n < size - 1)
		len += (size_t)n;
	out[len] = '\0';
	return len;
}

static void
stderr_that_nobody_reads_does_not_hold_up(void **state)
{
	static char text[1 << 20];
	int saved = dup(STDERR_FILENO), pipes[2], taken = 0;
	bool pair = false;

	(void)state;
	log_sink_open(LOG_SINK_STDERR, NULL);
	do {
		if (pair)
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pipes), 0);
		else
			assert_int_equal(pipe(pipes), 0);
		assert_int_equal(fcntl(pipes[0], F_SETFL, O_NONBLOCK), 0);
		dup2(pipes[1], STDERR_FILENO); /* which blocks, were it written */
		for (taken = 0; taken < LINES_MOST; taken++) {
			if (!log_sink_put(6, "info", 0, "a line", NULL, 0))
				break;
		}
		log_info("lost");
		drain(pipes[0], text, sizeof(text));
		log_info("whole again");
		drain(pipes[0], text, sizeof(text));
		dup2(saved, STDERR_FILENO);
		assert_true(taken > 0 && taken < LINES_MOST);
		assert_string_equal(text, "svipd: warning: the log did not take 1 lines before "
		                          "this one\nsvipd: info: whole again\n");
		close(pipes[0]);
		close(pipes[1]);
		pair = !pair;
	} while (pair);
	close(saved);
}

static void
stderr_is_the_journals_when_it_says_so(void **state)
{
	struct stat st;
	char text[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(log_sink_is_journal());
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	assert_true(log_sink_is_journal());
	setenv("JOURNAL_STREAM", "1:1", 1);
	assert_false(log_sink_is_journal());
	setenv("JOURNAL_STREAM", "x", 1);
	assert_false(log_sink_is_journal());
	unsetenv("JOURNAL_STREAM");
}

static void
levels_have_words(void **state)
{
	enum set_loglevel level = SET_LOG_ERROR;

	(void)state;
	assert_true(log_level_read("debug", &level));
	assert_int_equal(level, SET_LOG_DEBUG);
	assert_false(log_level_read("loud", &level));
	assert_int_equal(level, SET_LOG_DEBUG);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		TEST(syslog_has_priority_time_and_process),
		TEST(the_journal_has_fields),
		TEST(a_log_that_hangs_costs_lines_and_says_how_many),
		TEST(a_log_may_come_late_and_be_another_one),
		TEST(stderr_that_nobody_reads_does_not_hold_up),
		cmocka_unit_test(stderr_is_the_journals_when_it_says_so),
		cmocka_unit_test(levels_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
