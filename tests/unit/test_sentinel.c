/* SPDX-License-Identifier: BSD-2-Clause */
/* Views, events and sessions out of what Sentinels of several characters answer: real servers in child processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/sentinel.h"
#include "wire/hiredis_codec.h"

enum { WATCHDOG_S = 30, POLL_MS = 50, LEASE_MS = 1000, EVENTS_MAX = 4096 };

/* ---- the Sentinel: one child listens, one more serves each connection ---- */

enum character {
	PLAIN,  /* 10.0.0.1 at epoch 7, up */
	DOWN,   /* the same, s_down */
	LEADER, /* MASTER: 10.0.0.1, epoch 8, s_down, failover; GET: 10.0.0.2, again and again */
	TORN,   /* once MASTER: 10.0.0.1, epoch 7 and GET: 10.0.0.2; then 10.0.0.2, epoch 8 */
	FIRST_SILENT,  /* the first connection that asks never gets an answer; others: PLAIN */
	SECOND_SILENT, /* the first stops answering after three; others: PLAIN */
	ODD_ONCE,      /* the first MASTER is answered with +OK; then PLAIN */
	SWITCHES,      /* PLAIN; and to the subscriber the three events that a switch has */
	NO_PASSWORD,   /* NOAUTH to everything */
};

struct shared {
	enum character character;
	char id[41];
	int connections;
	int masters; /* answered */
	int asking;  /* connections that have asked */
};

struct fake {
	pid_t pid;
	uint16_t port;
	struct shared *shared;
};

static void
say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) == -1)
		_exit(0);
}

static void
say_words(int fd, int n, const char *const *words)
{
	char text[2048];
	size_t len = (size_t)snprintf(text, sizeof(text), "*%d\r\n", n);

	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
	say(fd, text);
}

static void
say_master(int fd, const char *ip, const char *epoch, const char *flags)
{
	const char *words[] = { "name", "m", "ip", ip, "port", "6379", "flags", flags,
		"config-epoch", epoch };

	say_words(fd, 10, words);
}

static void
serve_master(int fd, struct shared *sh, bool first, int nth)
{
	sh->masters++;
	if (sh->character == ODD_ONCE && sh->masters == 1)
		say(fd, "+OK\r\n");
	else if (sh->character == TORN && sh->masters > 1)
		say_master(fd, "10.0.0.2", "8", "master");
	else if (sh->character == LEADER)
		say_master(fd, "10.0.0.1", "8", "s_down,o_down,master,failover_in_progress");
	else if ((sh->character == FIRST_SILENT && first) ||
	         (sh->character == SECOND_SILENT && first && nth > 3))
		pause();
	else
		say_master(fd, "10.0.0.1", "7", sh->character == DOWN ? "s_down,master" : "master");
}

static void
serve_subscribe(int fd, const char *channel, int nth)
{
	static const char *const events[][3] = {
		{ "message", "-sdown", "master m 10.0.0.1 6379" },
		{ "message", "-sdown", "master another 10.0.0.1 6379" },
		{ "message", "+promoted-slave",
		    "slave 10.0.0.2:6379 10.0.0.2 6379 @ m 10.0.0.1 6379" },
		{ "message", "+reset-master", "master m 10.0.0.1 6379" },
	};
	char text[128];

	snprintf(text, sizeof(text), "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:%d\r\n",
	    strlen(channel), channel, nth);
	say(fd, text);
	if (strcmp(channel, "+odown") != 0) /* the last one */
		return;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		say_words(fd, 3, events[i]);
}

static void
serve_command(int fd, struct shared *sh, const redisReply *r, bool first, int *nth)
{
	const char *what = r->elements > 1 ? r->element[1]->str : r->element[0]->str;
	const char *addr[] = { "10.0.0.1", "6379" };
	char text[128];

	if (sh->character == NO_PASSWORD) {
		say(fd, "-NOAUTH Authentication required.\r\n");
	} else if (strcmp(what, "MYID") == 0) {
		snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(sh->id), sh->id);
		say(fd, text);
	} else if (strcmp(what, "MASTER") == 0) {
		serve_master(fd, sh, first, ++*nth);
	} else if (strcmp(what, "GET-MASTER-ADDR-BY-NAME") == 0) {
		if (sh->character == TORN || sh->character == LEADER)
			addr[0] = "10.0.0.2";
		say_words(fd, 2, addr);
	} else if (strcmp(r->element[0]->str, "SUBSCRIBE") == 0) {
		if (sh->character == SWITCHES)
			serve_subscribe(fd, what, ++*nth);
		else
			say_words(fd, 3, (const char *[]){ "subscribe", what, "1" });
	} else {
		say(fd, "+PONG\r\n");
	}
}

static _Noreturn void
serve(int fd, struct shared *sh)
{
	redisReader *reader = redisReaderCreate();
	bool first = false, asked = false;
	char bytes[4096];
	void *reply;
	ssize_t n;
	int nth = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sh->connections++;
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		redisReaderFeed(reader, bytes, (size_t)n);
		while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
			const redisReply *r = reply;

			if (!asked && r->elements == 3) {
				asked = true;
				first = sh->asking++ == 0;
			}
			serve_command(fd, sh, r, first, &nth);
			freeReplyObject(reply);
		}
	}
	_exit(0);
}

static void
fake_start(struct fake *f, enum character character, const char *id)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), conn;

	f->shared = mmap(
	    NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->shared != MAP_FAILED);
	f->shared->character = character;
	snprintf(f->shared->id, sizeof(f->shared->id), "%s", id);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	f->port = ntohs(in.sin_port);
	f->pid = fork();
	assert_int_not_equal(f->pid, -1);
	if (f->pid == 0) {
		signal(SIGCHLD, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while ((conn = accept(fd, NULL, NULL)) != -1) {
			if (fork() == 0)
				serve(conn, f->shared);
			close(conn);
		}
		_exit(0);
	}
	close(fd);
}

static void
fake_stop(struct fake *f)
{
	int status;

	kill(f->pid, SIGKILL); /* its children follow */
	waitpid(f->pid, &status, 0);
	munmap(f->shared, sizeof(*f->shared));
}

/* ---- the owner ---- */

enum kind { VIEW, FAULT, NEWS, PONG, LISTENING, SESSION };

struct told {
	enum kind kind;
	int sentinel, instance;
	struct view view;
	enum reply_fault fault;
	enum sentinel_news news;
	struct svip_host to;
	svip_ms asked; /* of a PONG */
};

static struct {
	struct ev_loop *loop;
	struct sentinels *set;
	struct told told[EVENTS_MAX];
	int n;
	bool (*enough)(void);
	bool late;
} t;

static struct told *
tell(enum kind kind, int sentinel, int instance)
{
	struct told *e = &t.told[t.n < EVENTS_MAX ? t.n++ : EVENTS_MAX - 1];

	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->sentinel = sentinel;
	e->instance = instance;
	return e;
}

static void
check_enough(void)
{
	if (t.enough())
		ev_break(t.loop, EVBREAK_ALL);
}

static void
on_view(void *ctx, int sentinel, int instance, const struct view *v)
{
	(void)ctx;
	tell(VIEW, sentinel, instance)->view = *v;
	check_enough();
}

static void
on_fault(void *ctx, int sentinel, int instance, enum reply_fault fault, const char *text)
{
	(void)ctx;
	assert_non_null(text);
	tell(FAULT, sentinel, instance)->fault = fault;
	check_enough();
}

static void
on_news(void *ctx, int sentinel, int instance, enum sentinel_news news, const struct svip_host *to)
{
	struct told *e = tell(NEWS, sentinel, instance);

	(void)ctx;
	e->news = news;
	e->to = *to;
	check_enough();
}

static void
on_pong(void *ctx, int sentinel, svip_ms asked)
{
	(void)ctx;
	tell(PONG, sentinel, 0)->asked = asked;
	check_enough();
}

static void
on_listening(void *ctx, int sentinel)
{
	(void)ctx;
	tell(LISTENING, sentinel, 0);
	check_enough();
}

static void
on_session(void *ctx, int sentinel)
{
	(void)ctx;
	tell(SESSION, sentinel, 0);
	sentinel_poll(t.set, 0); /* the owner may ask in each callback */
	check_enough();
}

static bool
is_me(void *ctx, int instance, const struct svip_host *host)
{
	(void)ctx;
	(void)instance;
	return strcmp(host->name, "10.0.0.2") == 0;
}

static const struct sentinel_owner owner = { on_view, on_fault, on_news, on_pong, on_listening,
	on_session, is_me, NULL };

static void
on_watchdog(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	t.late = true;
	ev_break(loop, EVBREAK_ALL);
}

static int
count(enum kind kind)
{
	int n = 0;

	for (int i = 0; i < t.n; i++)
		n += t.told[i].kind == kind;
	return n;
}

static const struct told *
first(enum kind kind)
{
	for (int i = 0; i < t.n; i++)
		if (t.told[i].kind == kind)
			return &t.told[i];
	fail_msg("nothing of kind %d was told", kind);
	return NULL;
}

/* Runs until `enough` is true. */
static void
run(struct fake *f, int n, const char *name, bool (*enough)(void))
{
	struct svip_host host[SVIP_SENTINELS_MAX] = { 0 };
	struct set_auth auth = { 0 };
	struct sentinel_conf conf = { n, host, &auth, POLL_MS, LEASE_MS };
	struct ev_timer watchdog;

	memset(&t, 0, sizeof(t));
	for (int i = 0; i < n; i++) {
		snprintf(host[i].name, sizeof(host[i].name), "%s", name);
		host[i].port = f[i].port;
	}
	t.enough = enough;
	t.loop = ev_default_loop(0);
	t.set = sentinel_init(t.loop, &conf, &owner, NULL);
	assert_non_null(t.set);
	assert_int_equal(sentinel_add(t.set, "m"), 0);
	ev_timer_init(&watchdog, on_watchdog, WATCHDOG_S, 0.0);
	ev_timer_start(t.loop, &watchdog);
	ev_run(t.loop, 0);
	ev_timer_stop(t.loop, &watchdog);
	assert_false(t.late);
}

static void
stop(struct fake *f, int n)
{
	sentinel_fini(t.set);
	ev_run(t.loop, EVRUN_NOWAIT);
	for (int i = 0; i < n; i++)
		fake_stop(&f[i]);
}

static bool
views_3(void)
{
	return count(VIEW) == 3;
}

static bool
views_20(void)
{
	return count(VIEW) == 20;
}

/* ---- tests ---- */

static void
two_answers_make_a_view(void **state)
{
	struct sentinel_status st;
	struct fake f;
	svip_ms before = clock_ms(), asked = before;
	(void)state;

	fake_start(&f, PLAIN, "one");
	run(&f, 1, "127.0.0.1", views_3);
	for (int i = 0; i < t.n; i++) {
		const struct view *v = &t.told[i].view;

		if (t.told[i].kind != VIEW)
			continue;
		assert_true(v->valid && !v->me && !v->down && v->epoch == 7);
		assert_string_equal(v->master.name, "10.0.0.1");
		assert_true(v->asked >= asked && v->asked <= clock_ms());
		asked = v->asked;
	}
	sentinel_status(t.set, 0, clock_ms(), &st);
	assert_string_equal(st.state, "connected");
	assert_string_equal(st.id, "one");
	assert_false(st.spare);
	assert_int_equal(sentinel_fault(t.set, 0, 0), REPLY_FINE);
	stop(&f, 1);
}

static void
a_name_is_looked_up_by_a_child(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, PLAIN, "one");
	run(&f, 1, "localhost", views_3);
	stop(&f, 1);
}

static void
down_is_told_when_both_answers_mean_the_same_master(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, DOWN, "one");
	run(&f, 1, "127.0.0.1", views_3);
	assert_true(first(VIEW)->view.down);
	stop(&f, 1);
}

static bool
pong_of_after_the_first_view(void)
{
	for (int i = 0; i < t.n; i++) {
		if (t.told[i].kind == PONG && count(VIEW) > 0 &&
		    t.told[i].asked >= first(VIEW)->view.asked)
			return true;
	}
	return false;
}

static void
a_view_that_is_down_makes_sure_of_older_events(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, DOWN, "one");
	run(&f, 1, "127.0.0.1", pong_of_after_the_first_view);
	assert_true(pong_of_after_the_first_view());
	stop(&f, 1);
}

static void
the_leader_of_a_failover_names_the_new_master_and_not_its_old_flags(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, LEADER, "one");
	run(&f, 1, "127.0.0.1", views_3);
	assert_string_equal(first(VIEW)->view.master.name, "10.0.0.2");
	assert_true(first(VIEW)->view.epoch == 8);
	assert_true(first(VIEW)->view.me);
	assert_false(first(VIEW)->view.down);
	stop(&f, 1);
}

static void
an_address_is_never_told_with_the_epoch_before_it(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, TORN, "one");
	run(&f, 1, "127.0.0.1", views_3);
	for (int i = 0; i < t.n; i++)
		if (t.told[i].kind == VIEW)
			assert_true(t.told[i].view.epoch == 8);
	stop(&f, 1);
}

static void
an_answer_that_stays_out_is_asked_for_on_a_second_connection(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, FIRST_SILENT, "one");
	run(&f, 1, "127.0.0.1", views_3);
	assert_int_equal(f.shared->asking, 2);
	stop(&f, 1);
}

static bool
views_60(void)
{
	return count(VIEW) == 60;
}

/* The first connection runs into its limit meanwhile: its views had been replaced by the second's. */
static void
losing_the_slower_connection_is_no_loss_of_the_session(void **state)
{
	struct sentinel_status st;
	struct fake f;
	int sessions = 0, views = 0;
	(void)state;

	fake_start(&f, SECOND_SILENT, "one");
	run(&f, 1, "127.0.0.1", views_60);
	for (int i = 0; i < t.n; i++) {
		views += t.told[i].kind == VIEW;
		sessions += views > 0 && t.told[i].kind == SESSION;
	}
	assert_int_equal(sessions, 0);
	assert_int_equal(f.shared->asking, 2);
	sentinel_status(t.set, 0, clock_ms(), &st);
	assert_true(st.up);
	stop(&f, 1);
}

static void
views_come_in_the_order_of_asking(void **state)
{
	svip_ms asked = SVIP_LONG_AGO;
	struct fake f;
	(void)state;

	fake_start(&f, SECOND_SILENT, "one");
	run(&f, 1, "127.0.0.1", views_20);
	for (int i = 0; i < t.n; i++) {
		if (t.told[i].kind != VIEW)
			continue;
		assert_true(t.told[i].view.asked >= asked);
		asked = t.told[i].view.asked;
	}
	stop(&f, 1);
}

static void
an_answer_to_another_question_ends_the_connection(void **state)
{
	struct fake f;
	(void)state;

	fake_start(&f, ODD_ONCE, "one");
	run(&f, 1, "127.0.0.1", views_3);
	assert_int_equal(first(FAULT)->fault, REPLY_WRONG_TYPE);
	assert_int_equal(f.shared->asking, 2);
	stop(&f, 1);
}

static bool
news_3(void)
{
	return count(NEWS) == 3;
}

static void
events_come_in_their_order_after_listening(void **state)
{
	static const enum sentinel_news expected[] = { NEWS_CLEARED, NEWS_SWITCH, NEWS_RESET };
	struct fake f;
	int n = 0;
	bool listening = false;
	(void)state;

	fake_start(&f, SWITCHES, "one");
	run(&f, 1, "127.0.0.1", news_3);
	for (int i = 0; i < t.n; i++) {
		listening = listening || t.told[i].kind == LISTENING;
		if (t.told[i].kind != NEWS)
			continue;
		assert_true(listening);
		assert_int_equal(t.told[i].news, expected[n++]);
		if (t.told[i].news == NEWS_SWITCH)
			assert_string_equal(t.told[i].to.name, "10.0.0.2");
	}
	stop(&f, 1);
}

static bool
a_fault_and_no_connection(void)
{
	return count(FAULT) > 0;
}

static void
a_sentinel_that_wants_a_password_has_its_word(void **state)
{
	struct sentinel_status st;
	struct fake f;
	(void)state;

	fake_start(&f, NO_PASSWORD, "one");
	run(&f, 1, "127.0.0.1", a_fault_and_no_connection);
	assert_int_equal(first(FAULT)->fault, REPLY_NO_AUTH);
	sentinel_status(t.set, 0, clock_ms(), &st);
	assert_string_equal(st.state, "auth-refused");
	assert_non_null(strstr(st.error, "NOAUTH"));
	stop(&f, 1);
}

/* Two endpoints with one id are one Sentinel: one of them is heard. */
static void
one_sentinel_never_counts_twice(void **state)
{
	struct fake f[2];
	bool heard[2] = { false, false };
	(void)state;

	fake_start(&f[0], PLAIN, "same");
	fake_start(&f[1], PLAIN, "same");
	run(f, 2, "127.0.0.1", views_20);
	for (int i = 0; i < t.n; i++)
		if (t.told[i].kind == VIEW)
			heard[t.told[i].sentinel] = true;
	assert_true(heard[0] != heard[1]);
	stop(f, 2);
}

static void
sentinels_are_told_apart(void **state)
{
	struct fake f[3];
	bool heard[3] = { false, false, false };
	(void)state;

	fake_start(&f[0], PLAIN, "one");
	fake_start(&f[1], DOWN, "two");
	fake_start(&f[2], LEADER, "three");
	run(f, 3, "127.0.0.1", views_20);
	for (int i = 0; i < t.n; i++) {
		const struct told *e = &t.told[i];

		if (e->kind != VIEW)
			continue;
		heard[e->sentinel] = true;
		assert_int_equal(e->view.down, e->sentinel == 1);
		assert_int_equal(e->view.me, e->sentinel == 2);
	}
	assert_true(heard[0] && heard[1] && heard[2]);
	stop(f, 3);
}

static bool
change_instances_at_20(void)
{
	if (count(VIEW) == 20) {
		assert_int_equal(t.told[t.n - 1].instance, 0);
		assert_int_equal(sentinel_add(t.set, "m2"), 1);
		assert_int_equal(sentinel_add(t.set, "m3"), 2);
	}
	return count(VIEW) == 100;
}

static void
instances_come_and_go(void **state)
{
	bool heard[3] = { false, false, false };
	struct fake f;
	(void)state;

	fake_start(&f, PLAIN, "one");
	run(&f, 1, "127.0.0.1", change_instances_at_20);
	for (int i = 0; i < t.n; i++)
		if (t.told[i].kind == VIEW)
			heard[t.told[i].instance] = true;
	assert_true(heard[0] && heard[1] && heard[2]);

	sentinel_poll(t.set, 0);
	sentinel_remove(t.set, 0); /* with questions out */
	t.n = 0;
	t.enough = views_20;
	ev_run(t.loop, 0);
	for (int i = 0; i < t.n; i++)
		if (t.told[i].kind == VIEW)
			assert_in_range(t.told[i].instance, 0, 1);
	stop(&f, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_answers_make_a_view),
		cmocka_unit_test(a_name_is_looked_up_by_a_child),
		cmocka_unit_test(down_is_told_when_both_answers_mean_the_same_master),
		cmocka_unit_test(a_view_that_is_down_makes_sure_of_older_events),
		cmocka_unit_test(
		    the_leader_of_a_failover_names_the_new_master_and_not_its_old_flags),
		cmocka_unit_test(an_address_is_never_told_with_the_epoch_before_it),
		cmocka_unit_test(an_answer_that_stays_out_is_asked_for_on_a_second_connection),
		cmocka_unit_test(losing_the_slower_connection_is_no_loss_of_the_session),
		cmocka_unit_test(views_come_in_the_order_of_asking),
		cmocka_unit_test(an_answer_to_another_question_ends_the_connection),
		cmocka_unit_test(events_come_in_their_order_after_listening),
		cmocka_unit_test(a_sentinel_that_wants_a_password_has_its_word),
		cmocka_unit_test(one_sentinel_never_counts_twice),
		cmocka_unit_test(sentinels_are_told_apart),
		cmocka_unit_test(instances_come_and_go),
	};
	int rc;

	log_init(false, SET_LOG_ERROR);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ev_loop_destroy(ev_default_loop(0));
	return rc;
}
