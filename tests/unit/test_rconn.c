/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection against servers that are broken or hostile: real ones, on loopback, each in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/rconn.h"
#include "wire/hiredis_codec.h"

enum {
	WATCHDOG_S = 30,
	LIMIT_MS = 300, /* of commands, where they must run out */
	LONG_MS = 20000,
};

/* ---- servers: each runs in a child and never returns to the test ---- */

typedef void server(int fd);

static void
say(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		bytes += n;
		len -= (size_t)n;
	}
}

static void
say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* Waits for one command, or whatever comes first. */
static void
hear(int fd)
{
	char bytes[4096];

	if (recv(fd, bytes, sizeof(bytes), 0) <= 0)
		_exit(0);
}

static void
serve_silence(int fd)
{
	for (;;)
		hear(fd);
}

/* Answers each line that begins a command ("*1") with PONG, whatever it asks. */
static void
serve_pong(int fd)
{
	char bytes[4096];

	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			_exit(0);
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] == '*')
				say_text(fd, "+PONG\r\n");
	}
}

static void
serve_unasked(int fd)
{
	say_text(fd, "+HELLO\r\n");
	serve_silence(fd);
}

static void
serve_odd_message(int fd)
{
	say_text(fd, "*3\r\n:1\r\n*0\r\n$-1\r\n");
	serve_silence(fd);
}

static void
serve_odd_answer(int fd)
{
	hear(fd);
	serve_odd_message(fd);
}

static void
serve_huge_array(int fd)
{
	hear(fd);
	say_text(fd, "*2147483647\r\n");
}

static void
serve_endless_bulk(int fd)
{
	static const char bytes[65536];

	hear(fd);
	say_text(fd, "$2000000000\r\n");
	for (;;)
		say(fd, bytes, sizeof(bytes));
}

static void
serve_nest(int fd)
{
	hear(fd);
	for (int i = 0; i < 1000000; i++)
		say_text(fd, "*1\r\n");
	serve_silence(fd);
}

static void
serve_garbage(int fd)
{
	hear(fd);
	say_text(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
	serve_silence(fd);
}

static void
drip(int fd, const char *text, int ms)
{
	for (; *text != '\0'; text++) {
		say(fd, text, 1);
		usleep((useconds_t)ms * 1000);
	}
}

static void
serve_drip(int fd)
{
	hear(fd);
	drip(fd, "$4\r\nPONG\r\n", 10);
	serve_silence(fd);
}

static void
serve_drip_for_ever(int fd)
{
	hear(fd);
	say_text(fd, "+");
	for (;;)
		drip(fd, "x", 20);
}

static void
serve_reset(int fd)
{
	struct linger l = { 1, 0 };

	hear(fd);
	say_text(fd, "$4\r\nPO");
	usleep(20000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void
serve_eof(int fd)
{
	hear(fd);
	say_text(fd, "$4\r\nPO");
}

static void
serve_end(int fd)
{
	(void)fd;
}

static void
serve_auth_refused(int fd)
{
	hear(fd);
	say_text(fd, "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	serve_silence(fd);
}

static void
serve_auth(int fd)
{
	static const char auth[] = "*3\r\n$4\r\nAUTH\r\n$5\r\nsvipd\r\n$6\r\nsecret\r\n";
	char bytes[sizeof(auth)] = "";
	size_t len = 0;

	while (len < sizeof(auth) - 1) {
		ssize_t n = recv(fd, bytes + len, sizeof(auth) - 1 - len, 0);

		if (n <= 0)
			_exit(0);
		len += (size_t)n;
	}
	say_text(fd,
	    memcmp(bytes, auth, sizeof(auth) - 1) == 0 ? "+OK\r\n" : "-ERR not as expected\r\n");
	serve_pong(fd);
}

static const char message[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n";

enum { MESSAGE_LEN = sizeof(message) - 1 };

static void
serve_message(int fd)
{
	say(fd, message, MESSAGE_LEN);
	serve_silence(fd);
}

static void
serve_flood(int fd)
{
	char bytes[MESSAGE_LEN * 340];

	for (size_t i = 0; i < sizeof(bytes); i += MESSAGE_LEN)
		memcpy(bytes + i, message, MESSAGE_LEN);
	for (;;)
		say(fd, bytes, sizeof(bytes));
}

/* ---- the client ---- */

/* What the owner does in a callback. */
enum deed {
	DO_NOTHING,
	DO_ASK, /* one PING */
	DO_CLOSE,
	DO_FILL, /* as many PINGs as there is room for, and one more */
	DO_ASK_AND_CLOSE,
	DO_ASK_THE_DEAD, /* twice, after the server has gone: the second write meets a broken pipe */
};

struct client {
	struct ev_loop *loop;
	struct rconn *conn;
	struct ev_timer watchdog;
	pid_t server;
	enum deed at_up, at_answer, at_message, at_down;
	int ups, answers, nulls, messages, downs;
	int enough; /* answers after which the loop ends; 0: any number */
	int enough_messages;
	enum rconn_why why;
	char text[RCONN_TEXT_MAX];
	int last_type;
	uint64_t next_tag; /* of the next answer */
	uint64_t tags;     /* commands queued */
	int refused;       /* by a full queue */
	svip_ms queued, asked;
	bool late;
};

static void deed(struct client *, enum deed);

static void
on_answer(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct client *c = ctx;

	assert_true(tag == c->next_tag);
	c->next_tag++;
	c->answers++;
	c->nulls += reply == NULL;
	c->asked = asked;
	if (reply != NULL)
		c->last_type = reply->type;
	deed(c, c->at_answer);
	if (c->answers == c->enough)
		ev_break(c->loop, EVBREAK_ALL);
}

static int
ask(struct client *c)
{
	const char *argv[] = { "PING" };
	int rc;

	c->queued = clock_ms();
	rc = rconn_command(c->conn, 1, argv, on_answer, c->tags);
	if (rc == 0)
		c->tags++;
	return rc;
}

static void
deed(struct client *c, enum deed what)
{
	struct rconn *conn = c->conn;
	int rc;

	switch (what) {
	case DO_NOTHING:
		return;
	case DO_ASK:
		assert_int_equal(ask(c), 0);
		rconn_flush(c->conn);
		return;
	case DO_FILL:
		assert_int_equal(rconn_room(c->conn), RCONN_QUEUE_MAX);
		while ((rc = ask(c)) == 0)
			continue;
		assert_int_equal(rc, -ENOBUFS);
		c->refused++;
		rconn_flush(c->conn);
		return;
	case DO_ASK_THE_DEAD:
		for (int i = 0; i < 2; i++) {
			usleep(100000);
			assert_int_equal(ask(c), 0);
			rconn_flush(c->conn);
		}
		return;
	case DO_ASK_AND_CLOSE:
		assert_int_equal(ask(c), 0);
		rconn_flush(c->conn);
		/* fall through */
	case DO_CLOSE:
		c->conn = NULL;
		rconn_close(conn);
		ev_break(c->loop, EVBREAK_ALL);
		return;
	}
}

static void
on_up(void *ctx)
{
	struct client *c = ctx;

	c->ups++;
	deed(c, c->at_up);
}

static void
on_message(void *ctx, const struct redisReply *reply)
{
	struct client *c = ctx;

	assert_non_null(reply);
	c->messages++;
	deed(c, c->at_message);
	if (c->messages == c->enough_messages)
		ev_break(c->loop, EVBREAK_ALL);
}

static void
on_down(void *ctx, enum rconn_why why, const char *text)
{
	struct client *c = ctx;

	c->downs++;
	c->why = why;
	snprintf(c->text, sizeof(c->text), "%s", text);
	deed(c, c->at_down);
	ev_break(c->loop, EVBREAK_ALL);
}

static void
on_watchdog(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)revents;
	((struct client *)w->data)->late = true;
	ev_break(loop, EVBREAK_ALL);
}

static const struct rconn_owner plain_owner = { on_up, NULL, on_down };
static const struct rconn_owner subscriber = { on_up, on_message, on_down };

static int
listen_on_loopback(uint16_t *port, int backlog)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static void
client_open(struct client *c, uint16_t port, const struct set_auth *auth, svip_ms limit_ms,
    const struct rconn_owner *owner)
{
	struct rconn_conf conf = {
		.port = port, .auth = auth, .connect_ms = limit_ms, .command_ms = limit_ms
	};

	assert_true(svip_addr_parse("127.0.0.1", &conf.addr));
	c->loop = ev_default_loop(0);
	ev_timer_init(&c->watchdog, on_watchdog, WATCHDOG_S, 0.0);
	c->watchdog.data = c;
	ev_timer_start(c->loop, &c->watchdog);
	c->conn = rconn_open(c->loop, &conf, owner, c);
	assert_non_null(c->conn);
	assert_int_equal(c->ups + c->downs + c->answers, 0);
}

static void
client_run(struct client *c)
{
	ev_run(c->loop, 0);
	assert_false(c->late);
}

static void
client_close(struct client *c)
{
	int status;

	rconn_close(c->conn);
	ev_timer_stop(c->loop, &c->watchdog);
	ev_run(c->loop, EVRUN_NOWAIT); /* nothing of the connection may be left */
	if (c->server > 0) {
		kill(c->server, SIGKILL);
		waitpid(c->server, &status, 0);
	}
	assert_true(c->next_tag == c->tags); /* each command answered once */
}

/* Starts the server and the client. */
static void
start(struct client *c, server *serve, const struct set_auth *auth, svip_ms limit_ms,
    const struct rconn_owner *owner)
{
	uint16_t port;
	int fd = listen_on_loopback(&port, 8), conn;

	c->server = fork();
	assert_int_not_equal(c->server, -1);
	if (c->server == 0) {
		alarm(2 * WATCHDOG_S);
		conn = accept(fd, NULL, NULL);
		if (conn != -1)
			serve(conn);
		_exit(0);
	}
	close(fd);
	client_open(c, port, auth, limit_ms, owner);
}

/* ---- tests ---- */

static void
an_answer_is_dated_from_before_its_question_was_sent(void **state)
{
	struct client c = { .at_up = DO_ASK, .enough = 1 };
	(void)state;

	start(&c, serve_pong, NULL, LONG_MS, &plain_owner);
	assert_int_equal(ask(&c), -ENOTCONN);
	assert_int_equal(rconn_room(c.conn), 0);
	client_run(&c);
	assert_int_equal(c.ups, 1);
	assert_int_equal(c.nulls, 0);
	assert_int_equal(c.last_type, REDIS_REPLY_STATUS);
	assert_true(c.asked >= c.queued && c.asked <= clock_ms());
	client_close(&c);
}

static void
a_question_that_was_never_sent_has_no_date(void **state)
{
	struct client c = { .at_up = DO_ASK, .enough = 1 };
	(void)state;

	start(&c, serve_pong, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(ask(&c), 0); /* and no flush */
	rconn_close(c.conn);
	c.conn = NULL;
	assert_int_equal(c.nulls, 1);
	assert_true(c.asked == SVIP_NEVER);
	client_close(&c);
}

static void
a_full_queue_refuses_and_answers_all_the_same(void **state)
{
	struct client c = { .at_up = DO_FILL, .enough = RCONN_QUEUE_MAX };
	(void)state;

	start(&c, serve_pong, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.answers, RCONN_QUEUE_MAX);
	assert_int_equal(c.nulls, 0);
	assert_int_equal(c.refused, 1);
	assert_int_equal(rconn_room(c.conn), RCONN_QUEUE_MAX);
	assert_true(rconn_oldest(c.conn) == SVIP_NEVER);
	client_close(&c);
}

static void
a_refused_connection_is_told_later(void **state)
{
	struct client c = { 0 };
	uint16_t port;
	(void)state;

	close(listen_on_loopback(&port, 1));
	client_open(&c, port, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.downs, 1);
	assert_int_equal(c.why, RCONN_REFUSED);
	client_close(&c);
}

static void
a_connection_that_nobody_answers_ends(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct client c = { 0 };
	uint16_t port;
	int fd = listen_on_loopback(&port, 0), fill[8];
	(void)state;

	/* A full backlog: the kernel drops each SYN from now on. */
	in.sin_port = htons(port);
	for (size_t i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_not_equal(fill[i], -1);
		if (connect(fill[i], (struct sockaddr *)&in, sizeof(in)) == -1)
			assert_int_equal(errno, EINPROGRESS);
	}
	client_open(&c, port, NULL, LIMIT_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.downs, 1);
	assert_int_equal(c.why, RCONN_CONNECT_TIMEOUT);
	assert_int_equal(c.ups, 0);
	client_close(&c);
	for (size_t i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

/* Servers whose oddness ends the connection with the pending command answered by NULL, or before any was sent. */
static void
odd_servers_end_the_connection_with_a_word(void **state)
{
	static const struct {
		const char *name;
		server *serve;
		bool ask;
		svip_ms limit_ms;
		enum rconn_why why, or_why;
	} cases[] = {
		{ "no answer", serve_silence, true, LIMIT_MS, RCONN_TIMEOUT, RCONN_TIMEOUT },
		{ "unasked", serve_unasked, false, LONG_MS, RCONN_UNASKED, RCONN_UNASKED },
		{ "odd message", serve_odd_message, false, LONG_MS, RCONN_UNASKED, RCONN_UNASKED },
		{ "huge array", serve_huge_array, true, LONG_MS, RCONN_TOO_LARGE, RCONN_TOO_LARGE },
		{ "endless bulk", serve_endless_bulk, true, LONG_MS, RCONN_TOO_LARGE,
		    RCONN_TOO_LARGE },
		{ "a million levels", serve_nest, true, LONG_MS, RCONN_TOO_LARGE, RCONN_PROTOCOL },
		{ "no RESP", serve_garbage, true, LONG_MS, RCONN_PROTOCOL, RCONN_PROTOCOL },
		{ "drip for ever", serve_drip_for_ever, true, LIMIT_MS, RCONN_TIMEOUT,
		    RCONN_TIMEOUT },
		{ "reset in a reply", serve_reset, true, LONG_MS, RCONN_RESET, RCONN_RESET },
		{ "end in a reply", serve_eof, true, LONG_MS, RCONN_EOF, RCONN_RESET },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = { .at_up = cases[i].ask ? DO_ASK : DO_NOTHING };

		start(&c, cases[i].serve, NULL, cases[i].limit_ms, &plain_owner);
		client_run(&c);
		if (c.why != cases[i].why && c.why != cases[i].or_why)
			fail_msg("%s: %s: %s", cases[i].name, rconn_why_word(c.why), c.text);
		assert_int_equal(c.downs, 1);
		assert_int_equal(c.answers, cases[i].ask);
		assert_int_equal(c.nulls, cases[i].ask);
		assert_int_not_equal(strlen(c.text), 0);
		client_close(&c);
	}
}

/* Were a signal raised, this program would end. */
static void
a_broken_pipe_is_told_once_and_without_a_signal(void **state)
{
	struct client c = { .at_up = DO_ASK_THE_DEAD };
	(void)state;

	start(&c, serve_end, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.downs, 1);
	assert_int_equal(c.why, RCONN_RESET);
	assert_int_equal(c.nulls, 2);
	client_close(&c);
}

static void
an_odd_array_answers_the_pending_command(void **state)
{
	struct client c = { .at_up = DO_ASK, .enough = 1 };
	(void)state;

	start(&c, serve_odd_answer, NULL, LONG_MS, &subscriber);
	client_run(&c);
	assert_int_equal(c.messages, 0);
	assert_int_equal(c.last_type, REDIS_REPLY_ARRAY);
	client_close(&c);
}

static void
a_message_to_no_subscriber_is_unasked(void **state)
{
	struct client c = { 0 };
	(void)state;

	start(&c, serve_message, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.why, RCONN_UNASKED);
	client_close(&c);
}

static void
a_slow_answer_is_put_together(void **state)
{
	struct client c = { .at_up = DO_ASK, .enough = 1 };
	(void)state;

	start(&c, serve_drip, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.last_type, REDIS_REPLY_STRING);
	assert_int_equal(c.downs, 0);
	client_close(&c);
}

static void
it_may_be_closed_in_every_callback(void **state)
{
	static const struct {
		server *serve; /* NULL: nobody listens */
		struct client client;
		int nulls;
	} cases[] = {
		{ serve_pong, { .at_up = DO_CLOSE }, 0 },
		{ serve_pong, { .at_up = DO_ASK_AND_CLOSE }, 1 },
		{ serve_pong, { .at_up = DO_ASK, .at_answer = DO_CLOSE }, 0 },
		{ serve_pong, { .at_up = DO_FILL, .at_answer = DO_CLOSE }, RCONN_QUEUE_MAX - 1 },
		{ serve_eof, { .at_up = DO_ASK, .at_answer = DO_CLOSE }, 1 },
		{ serve_flood, { .at_message = DO_CLOSE }, 0 },
		{ serve_flood, { .at_message = DO_ASK_AND_CLOSE }, 1 },
		{ serve_eof, { .at_up = DO_ASK, .at_down = DO_CLOSE }, 1 },
		{ NULL, { .at_down = DO_CLOSE }, 0 },
	};
	uint16_t port;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = cases[i].client;

		if (cases[i].serve != NULL) {
			start(&c, cases[i].serve, NULL, LONG_MS, &subscriber);
		} else {
			close(listen_on_loopback(&port, 1));
			client_open(&c, port, NULL, LONG_MS, &subscriber);
		}
		client_run(&c);
		if (c.nulls != cases[i].nulls)
			fail_msg("case %zu: %d commands answered with NULL", i, c.nulls);
		assert_int_equal(c.downs, c.at_down == DO_CLOSE);
		client_close(&c);
	}
}

static void
it_may_be_closed_before_it_is_connected(void **state)
{
	static const struct set_auth auth = { .user = "svipd", .password = "secret" };
	struct client c = { 0 };
	(void)state;

	start(&c, serve_auth, &auth, LONG_MS, &plain_owner);
	rconn_close(c.conn);
	c.conn = NULL;
	client_close(&c);
	assert_int_equal(c.downs + c.ups + c.answers, 0);
	rconn_close(NULL);
}

static void
after_its_end_commands_are_refused(void **state)
{
	struct client c = { 0 };
	(void)state;

	start(&c, serve_unasked, NULL, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(ask(&c), -ENOTCONN);
	rconn_flush(c.conn);
	client_close(&c);
}

static void
user_and_password_come_first(void **state)
{
	static const struct set_auth auth = { .user = "svipd", .password = "secret" };
	struct client c = { .at_up = DO_ASK, .enough = 1 };
	(void)state;

	start(&c, serve_auth, &auth, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.ups, 1);
	assert_int_equal(c.nulls, 0);
	client_close(&c);
}

static void
a_refused_password_has_its_own_word(void **state)
{
	static const struct set_auth auth = { .user = "svipd", .password = "wrong" };
	struct client c = { 0 };
	(void)state;

	start(&c, serve_auth_refused, &auth, LONG_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.why, RCONN_AUTH_REFUSED);
	assert_int_equal(c.ups, 0);
	assert_non_null(strstr(c.text, "WRONGPASS"));
	assert_null(strstr(c.text, "wrong"));
	client_close(&c);
}

static void
a_password_without_an_answer_runs_out(void **state)
{
	static const struct set_auth auth = { .password = "secret" };
	struct client c = { 0 };
	(void)state;

	start(&c, serve_silence, &auth, LIMIT_MS, &plain_owner);
	client_run(&c);
	assert_int_equal(c.why, RCONN_TIMEOUT);
	assert_int_equal(c.ups, 0);
	client_close(&c);
}

/* ---- a flood must leave the loop its turns ---- */

static struct {
	struct client *c;
	int before, most;
} turn;

static void
on_turn(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	int n = turn.c->messages - turn.before;

	(void)loop;
	(void)w;
	(void)revents;
	turn.before = turn.c->messages;
	if (n > turn.most)
		turn.most = n;
}

static void
a_flood_leaves_the_loop_its_turns(void **state)
{
	struct client c = { .enough_messages = 200000 };
	struct ev_prepare prepare;
	(void)state;

	start(&c, serve_flood, NULL, LONG_MS, &subscriber);
	turn.c = &c;
	ev_prepare_init(&prepare, on_turn);
	ev_prepare_start(c.loop, &prepare);
	client_run(&c);
	ev_prepare_stop(c.loop, &prepare);
	assert_true(c.messages >= 200000);
	assert_in_range(turn.most, 1, RCONN_READ_MAX / MESSAGE_LEN + 1);
	client_close(&c);
}

static void
every_end_has_its_own_word(void **state)
{
	(void)state;
	for (int i = RCONN_FINE; i <= RCONN_SYSTEM; i++) {
		assert_string_not_equal(rconn_why_word((enum rconn_why)i), "?");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
			    rconn_why_word((enum rconn_why)i), rconn_why_word((enum rconn_why)j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_dated_from_before_its_question_was_sent),
		cmocka_unit_test(a_question_that_was_never_sent_has_no_date),
		cmocka_unit_test(a_full_queue_refuses_and_answers_all_the_same),
		cmocka_unit_test(a_refused_connection_is_told_later),
		cmocka_unit_test(a_connection_that_nobody_answers_ends),
		cmocka_unit_test(odd_servers_end_the_connection_with_a_word),
		cmocka_unit_test(a_broken_pipe_is_told_once_and_without_a_signal),
		cmocka_unit_test(an_odd_array_answers_the_pending_command),
		cmocka_unit_test(a_message_to_no_subscriber_is_unasked),
		cmocka_unit_test(a_slow_answer_is_put_together),
		cmocka_unit_test(it_may_be_closed_in_every_callback),
		cmocka_unit_test(it_may_be_closed_before_it_is_connected),
		cmocka_unit_test(after_its_end_commands_are_refused),
		cmocka_unit_test(user_and_password_come_first),
		cmocka_unit_test(a_refused_password_has_its_own_word),
		cmocka_unit_test(a_password_without_an_answer_runs_out),
		cmocka_unit_test(a_flood_leaves_the_loop_its_turns),
		cmocka_unit_test(every_end_has_its_own_word),
	};
	int rc;

	signal(SIGPIPE, SIG_DFL); /* the connection must not need it ignored */
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ev_loop_destroy(ev_default_loop(0));
	return rc;
}
