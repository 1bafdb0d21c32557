/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket against real clients in one process: the loop is turned by hand between their moves. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

#include "io/control.h"

static struct ev_loop *loop;
static char dir[32], path[64];
static struct control *control;
static struct control_caller last_caller;
static char last_line[CONTROL_LINE_MAX];
static int answers;

/* "big N": N letters; "none": out of memory; else the line in quotes. */
static char *
reply(void *ctx, const struct control_caller *caller, const char *line)
{
	char *out;
	size_t n;

	assert_ptr_equal(ctx, &answers);
	answers++;
	last_caller = *caller;
	snprintf(last_line, sizeof(last_line), "%s", line);
	if (strcmp(line, "none") == 0)
		return NULL;
	if (sscanf(line, "big %zu", &n) == 1) {
		out = malloc(n + 1);
		assert_non_null(out);
		memset(out, 'x', n);
		out[n] = '\0';
		return out;
	}
	assert_true(asprintf(&out, "\"%s\"", line) > 0);
	return out;
}

static int
up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	strcpy(dir, "/tmp/svipd-control-XXXXXX");
	if (loop == NULL || mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	answers = 0;
	return control_init(&control, loop, path, (gid_t)-1, reply, &answers);
}

static int
down(void **state)
{
	(void)state;
	control_fini(control);
	control = NULL;
	ev_loop_destroy(loop);
	unlink(path);
	return rmdir(dir);
}

/* Lets the server do all that it can do now. */
static void
turn(void)
{
	for (int i = 0; i < 40; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
	turn();
}

/* What has come; "(end)" when the server has closed, "" when there is nothing. */
static const char *
hear(int fd)
{
	static char buf[8192];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	if (n == 0 || (n == -1 && errno == ECONNRESET))
		return "(end)";
	if (n == -1)
		assert_int_equal(errno, EAGAIN);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void
the_socket_is_for_its_group_and_goes_with_the_daemon(void **state)
{
	struct stat st;
	char new[80];

	(void)state;
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	snprintf(new, sizeof(new), "%s.new", path);
	assert_int_equal(lstat(new, &st), -1);
	control_fini(control);
	control = NULL;
	assert_int_equal(lstat(path, &st), -1);
}

static void
one_connection_asks_again_and_again(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "one\n", 4);
	assert_string_equal(hear(fd), "\"one\"\n");
	say(fd, "two words\n", 10);
	assert_string_equal(hear(fd), "\"two words\"\n");
	assert_int_equal(last_caller.uid, getuid());
	assert_int_equal(last_caller.gid, getgid());
	assert_int_equal(last_caller.pid, getpid());
	close(fd);
	turn();
	assert_int_equal(control_counters(control)->requests, 2);
	assert_int_equal(control_counters(control)->garbage, 0);
}

static void
a_line_may_come_byte_by_byte_and_lines_together(void **state)
{
	int fd = dial();

	(void)state;
	for (const char *p = "slow"; *p != '\0'; p++)
		say(fd, p, 1);
	assert_string_equal(hear(fd), "");
	say(fd, "\na\n\nb\nc", 7);
	assert_string_equal(hear(fd), "\"slow\"\n\"a\"\n\"\"\n\"b\"\n");
	say(fd, "\n", 1);
	assert_string_equal(hear(fd), "\"c\"\n");
	close(fd);
}

static void
who_closes_after_asking_is_still_answered(void **state)
{
	int fd = dial();

	(void)state;
	assert_int_equal(send(fd, "a\nb\n", 4, 0), 4);
	shutdown(fd, SHUT_WR);
	turn();
	assert_string_equal(hear(fd), "\"a\"\n\"b\"\n");
	assert_string_equal(hear(fd), "(end)");
	close(fd);
}

static void
the_longest_line_is_taken_and_a_longer_one_refused(void **state)
{
	char line[CONTROL_LINE_MAX + 1];
	int fd = dial();

	(void)state;
	memset(line, 'a', sizeof(line));
	line[CONTROL_LINE_MAX - 1] = '\n';
	say(fd, line, CONTROL_LINE_MAX);
	assert_int_equal(strlen(last_line), CONTROL_LINE_MAX - 1);
	assert_int_equal(strlen(hear(fd)), CONTROL_LINE_MAX + 2);
	line[CONTROL_LINE_MAX - 1] = 'a';
	say(fd, line, sizeof(line));
	assert_non_null(strstr(hear(fd), "\"ok\":false,\"error\":\"bad-request\""));
	assert_string_equal(hear(fd), "(end)");
	assert_int_equal(answers, 1);
	assert_int_equal(control_counters(control)->garbage, 1);
	close(fd);
}

static void
a_nul_is_refused_and_other_garbage_is_the_owners(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "\xff\xfe\x01\r\n", 5);
	assert_string_equal(last_line, "\xff\xfe\x01\r");
	hear(fd);
	say(fd, "sta\0tus\n", 8);
	assert_non_null(strstr(hear(fd), "bad-request"));
	assert_string_equal(hear(fd), "(end)");
	assert_int_equal(answers, 1);
	close(fd);
}

static void
half_a_line_is_no_request(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "status", 6);
	close(fd);
	turn();
	assert_int_equal(answers, 0);
	assert_int_equal(control_counters(control)->garbage, 1);
}

static void
a_slow_reader_gets_all_of_it_and_holds_up_nobody(void **state)
{
	const size_t big = 3 << 20;
	char ask[32], *buf = malloc(65536);
	int fd = dial(), other = dial();
	size_t have = 0, xs = 0;

	(void)state;
	assert_non_null(buf);
	snprintf(ask, sizeof(ask), "big %zu\nafter\n", big);
	say(fd, ask, strlen(ask));
	assert_int_equal(answers, 1); /* the second line waits until the first answer is out */
	say(other, "quick\n", 6);
	assert_string_equal(hear(other), "\"quick\"\n");
	for (;;) {
		ssize_t n = recv(fd, buf, 65536, 0);

		if (n == -1) {
			assert_int_equal(errno, EAGAIN);
			if (have == big + 1 + 8)
				break;
			turn();
			continue;
		}
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			xs += buf[i] == 'x';
		have += (size_t)n;
	}
	assert_int_equal(xs, big);
	assert_int_equal(answers, 3);
	close(fd);
	close(other);
	free(buf);
}

static void
who_never_reads_and_leaves_costs_nothing(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "big 3000000\n", 12);
	close(fd);
	turn();
	fd = dial();
	say(fd, "x\n", 2);
	assert_string_equal(hear(fd), "\"x\"\n");
	assert_int_equal(control_counters(control)->errors, 1);
	close(fd);
}

static void
an_answer_above_the_limit_becomes_an_error(void **state)
{
	char ask[32];
	int fd = dial();

	(void)state;
	snprintf(ask, sizeof(ask), "big %d\n", CONTROL_REPLY_MAX);
	say(fd, ask, strlen(ask));
	assert_non_null(strstr(hear(fd), "\"error\":\"too-large\""));
	say(fd, "none\n", 5);
	assert_non_null(strstr(hear(fd), "out of memory"));
	say(fd, "x\n", 2);
	assert_string_equal(hear(fd), "\"x\"\n");
	assert_int_equal(control_counters(control)->too_large, 1);
	close(fd);
}

static void
more_clients_than_places_wait_for_their_turn(void **state)
{
	enum { MANY = CONTROL_CLIENTS_MAX + 8 };
	int fd[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		fd[i] = dial();
		say(fd[i], "x\n", 2);
	}
	for (int i = 0; i < MANY; i++)
		assert_string_equal(hear(fd[i]), i < CONTROL_CLIENTS_MAX ? "\"x\"\n" : "");
	assert_int_equal(control_counters(control)->clients, CONTROL_CLIENTS_MAX);
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	turn();
	for (int i = CONTROL_CLIENTS_MAX; i < MANY; i++)
		assert_string_equal(hear(fd[i]), "\"x\"\n");
	for (int i = 8; i < MANY; i++)
		close(fd[i]);
}

static void
hundreds_of_lines_at_once_are_answered_in_order(void **state)
{
	enum { LINES = 500 };
	char text[LINES * 6 + 1] = "", want[LINES * 8 + 1] = "", got[LINES * 8 + 1] = "";
	int fd = dial();

	(void)state;
	for (int i = 0; i < LINES; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "n%d\n", i);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "\"n%d\"\n", i);
	}
	say(fd, text, strlen(text));
	assert_true(answers < LINES); /* one in a wake-up, and the kernel's buffer is small */
	while (strlen(got) < strlen(want)) {
		const char *more = hear(fd);

		assert_true(strlen(got) + strlen(more) < sizeof(got));
		strcat(got, more);
		turn();
	}
	assert_string_equal(got, want);
	assert_int_equal(answers, LINES);
	close(fd);
}

static void
one_wake_up_answers_one_line_of_all_clients(void **state)
{
	int fd[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		fd[i] = dial();
	turn();
	for (int i = 0; i < 4; i++)
		assert_int_equal(send(fd[i], "x\n", 2, 0), 2);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(answers, i);
		ev_run(loop, EVRUN_NOWAIT);
	}
	assert_int_equal(answers, 4);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(hear(fd[i]), "\"x\"\n");
		close(fd[i]);
	}
}

static void
a_socket_left_over_is_replaced_and_another_file_is_not(void **state)
{
	struct control *second;
	struct stat st;
	char other[80];
	FILE *f;

	(void)state;
	/* The first one goes on without its name, as after a crash: a new one takes the place. */
	assert_int_equal(control_init(&second, loop, path, (gid_t)-1, reply, &answers), 0);
	control_fini(control);
	control = second;
	assert_int_equal(lstat(path, &st), 0); /* the first didn't take the second's away */
	snprintf(other, sizeof(other), "%s/file", dir);
	f = fopen(other, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(control_init(&second, loop, other, (gid_t)-1, reply, &answers), -EEXIST);
	assert_null(second);
	unlink(other);
	snprintf(other, sizeof(other), "%s/no/sock", dir);
	assert_int_equal(control_init(&second, loop, other, (gid_t)-1, reply, &answers), -ENOENT);
}

static void
a_path_too_long_is_refused(void **state)
{
	char far[CONTROL_PATH_MAX + 1];
	struct control *second;

	(void)state;
	memset(far, 'a', sizeof(far) - 1);
	far[0] = '/';
	far[CONTROL_PATH_MAX] = '\0';
	assert_int_equal(
	    control_init(&second, loop, far, (gid_t)-1, reply, &answers), -ENAMETOOLONG);
}

static void
stopping_with_clients_in_all_states_is_clean(void **state)
{
	int fd[3] = { dial(), dial(), dial() };

	(void)state;
	say(fd[0], "big 3000000\n", 12);
	say(fd[1], "half", 4);
	control_fini(control);
	control = NULL;
	turn();
	assert_string_equal(hear(fd[2]), "(end)");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_its_group_and_goes_with_the_daemon),
		TEST(one_connection_asks_again_and_again),
		TEST(a_line_may_come_byte_by_byte_and_lines_together),
		TEST(who_closes_after_asking_is_still_answered),
		TEST(the_longest_line_is_taken_and_a_longer_one_refused),
		TEST(a_nul_is_refused_and_other_garbage_is_the_owners),
		TEST(half_a_line_is_no_request),
		TEST(a_slow_reader_gets_all_of_it_and_holds_up_nobody),
		TEST(who_never_reads_and_leaves_costs_nothing),
		TEST(an_answer_above_the_limit_becomes_an_error),
		TEST(more_clients_than_places_wait_for_their_turn),
		TEST(hundreds_of_lines_at_once_are_answered_in_order),
		TEST(one_wake_up_answers_one_line_of_all_clients),
		TEST(a_socket_left_over_is_replaced_and_another_file_is_not),
		TEST(a_path_too_long_is_refused),
		TEST(stopping_with_clients_in_all_states_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
