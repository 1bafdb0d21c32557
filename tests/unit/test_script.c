/* SPDX-License-Identifier: BSD-2-Clause */
/* Notify scripts are run for real, as "nobody" when the tests are run by root. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/script.h"

static char dir[64], out_path[96];
static struct ev_loop *loop;

static void
stop(void *arg)
{
	(void)arg;
	ev_break(loop, EVBREAK_ALL);
}

static void
too_long(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	fputs("# gave up waiting for the scripts\n", stderr);
	ev_break(l, EVBREAK_ALL);
}

/* Until nothing runs and nothing waits; the guard only ends a test that hangs. */
static void
wait_for_idle(void)
{
	ev_timer guard;

	ev_timer_init(&guard, too_long, 60, 0);
	ev_timer_start(loop, &guard);
	if (!script_idle())
		ev_run(loop, 0);
	ev_timer_stop(loop, &guard);
	assert_true(script_idle());
}

static const char *
in_dir(const char *name)
{
	static char path[4][128];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

/* A shell script in which $D is the directory and `say` appends a line to what output() returns. */
static const char *
write_script(const char *name, const char *body)
{
	const char *path = in_dir(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\nD=%s\nsay() { echo \"$*\" >>$D/out; }\n%s\n", dir, body);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static const char *
output(void)
{
	static char text[16384];
	FILE *f = fopen(out_path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int
setup(void **state)
{
	char why[256];

	(void)state;
	strcpy(dir, "/tmp/svipd-script.XXXXXX");
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	snprintf(out_path, sizeof(out_path), "%s/out", dir);
	fclose(fopen(out_path, "w"));
	chmod(out_path, 0666);
	setenv("SECRET_OF_THE_DAEMON", "1", 1);
	log_init(false, SET_LOG_ERROR);
	if (script_start(geteuid() == 0 ? "nobody" : NULL, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	loop = ev_default_loop(0);
	script_init(loop, 30000, stop, NULL);
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	script_fini();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct set_scripts
only_notify(const char *path)
{
	struct set_scripts s = { .any = "" };

	snprintf(s.any, sizeof(s.any), "%s", path);
	return s;
}

static void
tell(const struct set_scripts *s, const char *instance, const char *word)
{
	struct script_news news = { .instance = instance, .word = word };

	script_tell(s, &news);
}

static void
both_scripts_run_in_order_with_keepalived_arguments(void **state)
{
	struct set_scripts s = only_notify(write_script("any", "say any $*"));

	(void)state;
	strcpy(s.master, write_script("master", "say master $*"));
	strcpy(s.backup, write_script("backup", "say backup $*"));
	strcpy(s.fault, write_script("fault", "say fault $*"));
	tell(&s, "cache", "BACKUP");
	tell(&s, "cache", "MASTER");
	tell(&s, "cache", "FAULT");
	tell(&s, "cache", "STOP");
	wait_for_idle();
	assert_string_equal(output(), "backup INSTANCE cache BACKUP 100\nany INSTANCE cache BACKUP 100\n"
	                              "master INSTANCE cache MASTER 100\nany INSTANCE cache MASTER 100\n"
	                              "fault INSTANCE cache FAULT 100\nany INSTANCE cache FAULT 100\n"
	                              "any INSTANCE cache STOP 100\n");
	assert_int_equal(script_counts()->done, 7);
}

static void
a_script_sees_svipd_variables_and_nothing_else(void **state)
{
	struct set_scripts s = only_notify(write_script("env", "env | grep -vE '^(_|PWD|OLDPWD|SHLVL)=' | "
	                                                       "sort >>$D/out"));
	struct script_news news = { "cache", "MASTER", "master", "all-yielded", 42, "10.0.0.11:6379",
		"10.0.0.12:6379", "10.0.0.50/32 2001:db8::50/128", "eth0" };

	(void)state;
	script_tell(&s, &news);
	wait_for_idle();
	assert_string_equal(output(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	                              "SVIPD_ADDRESSES=10.0.0.50/32 2001:db8::50/128\n"
	                              "SVIPD_EPOCH=42\n"
	                              "SVIPD_INSTANCE=cache\n"
	                              "SVIPD_INTERFACE=eth0\n"
	                              "SVIPD_MASTER=10.0.0.11:6379\n"
	                              "SVIPD_PREVIOUS_MASTER=10.0.0.12:6379\n"
	                              "SVIPD_REASON=all-yielded\n"
	                              "SVIPD_STATE=master\n");
}

static void
a_script_has_no_capability_no_descriptor_no_root(void **state)
{
	/* dash reads the script itself through descriptor 10, bash through 255. */
	struct set_scripts s = only_notify(write_script("status",
	    "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status | tr -d '\\t' >>$D/out\n"
	    "for f in /proc/$$/fd/*; do\n"
	    "case ${f##*/} in 0|1|2|10|255) ;; *) [ ! -e $f ] || say open ${f##*/} ;; esac; done\n"
	    "[ $(id -u) != 0 ] || say root"));
	int kept = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library may do */

	(void)state;
	tell(&s, "cache", "MASTER");
	wait_for_idle();
	close(kept);
	assert_string_equal(output(), "CapInh:0000000000000000\nCapPrm:0000000000000000\n"
	                              "CapEff:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\n");
}

static void
one_runs_at_a_time(void **state)
{
	struct set_scripts s = only_notify(
	    write_script("one", "mkdir $D/lock/held || say overlap; sleep 0.05; rmdir $D/lock/held; say $2"));

	(void)state;
	mkdir(in_dir("lock"), 0777);
	chmod(in_dir("lock"), 0777);
	tell(&s, "a", "MASTER");
	tell(&s, "b", "MASTER");
	tell(&s, "c", "MASTER");
	wait_for_idle();
	assert_string_equal(output(), "a\nb\nc\n");
}

static void
exit_statuses_are_counted(void **state)
{
	struct set_scripts s = only_notify(write_script("fails", "echo told; exit 3"));
	struct set_scripts killed = only_notify(write_script("killed", "kill -9 $$"));
	struct set_scripts absent = only_notify(in_dir("absent"));

	(void)state;
	tell(&s, "a", "MASTER");
	tell(&killed, "a", "MASTER");
	tell(&absent, "a", "MASTER");
	wait_for_idle();
	assert_int_equal(script_counts()->failed, 3);
	assert_int_equal(script_counts()->done, 0);
}

static void
a_slow_script_is_stopped_with_its_children_and_the_next_one_runs(void **state)
{
	struct set_scripts slow = only_notify(write_script("slow", "say begins\n(sleep 1000; say late) &\n"
	                                                           "echo $! >$D/out.pid\nwait"));
	/* Dead is dead, reaped or not; the kernel may take a moment. */
	struct set_scripts next = only_notify(write_script("next",
	    "say next; i=0\n"
	    "while grep -q '^State:.[^ZX]' /proc/$(cat $D/out.pid)/status; do\n"
	    "i=$((i + 1)); [ $i -lt 50 ] || { say child lives; exit; }; sleep 0.1; done"));

	(void)state;
	fclose(fopen(in_dir("out.pid"), "w"));
	chmod(in_dir("out.pid"), 0666);
	script_timeout(300);
	tell(&slow, "a", "MASTER");
	script_timeout(30000); /* for runs that begin from now on */
	tell(&next, "a", "BACKUP");
	wait_for_idle();
	assert_string_equal(output(), "begins\nnext\n");
	assert_int_equal(script_counts()->timed_out, 1);
}

static void
a_script_that_ignores_sigterm_is_killed(void **state)
{
	struct set_scripts s = only_notify(write_script("deaf", "trap 'say heard' TERM; while :; do sleep 0.1; done"));

	(void)state;
	script_timeout(300);
	tell(&s, "a", "MASTER");
	wait_for_idle();
	assert_string_equal(output(), "heard\n");
	assert_int_equal(script_counts()->timed_out, 1);
}

/* Blocks the first run until release(), so that the queue fills. */
static struct set_scripts
blocking(void)
{
	char command[128];

	snprintf(command, sizeof(command), "mkfifo -m 666 %s/gate", dir);
	assert_int_equal(system(command), 0);
	return only_notify(write_script("gated", "[ $2 != gate ] || read x <$D/gate; say $2 $3"));
}

static void
release(void)
{
	FILE *f = fopen(in_dir("gate"), "w");

	assert_non_null(f);
	fputs("go\n", f);
	fclose(f);
}

static void
a_full_queue_drops_the_oldest_news_and_keeps_the_newest(void **state)
{
	struct set_scripts s = blocking();
	const char *end;

	(void)state;
	tell(&s, "gate", "MASTER");
	tell(&s, "quiet", "FAULT");
	for (int i = 0; i < 200; i++)
		tell(&s, "flapping", i % 2 == 0 ? "MASTER" : "BACKUP");
	assert_int_equal(script_counts()->dropped, 201 - SCRIPT_BACKLOG);
	release();
	wait_for_idle();
	assert_int_equal(script_counts()->done, 1 + SCRIPT_BACKLOG);
	assert_non_null(strstr(output(), "quiet FAULT\n"));
	end = output() + strlen(output()) - strlen("flapping BACKUP\n");
	assert_string_equal(end, "flapping BACKUP\n");
}

static void
many_instances_at_once_lose_nothing(void **state)
{
	struct set_scripts s = blocking();
	char name[16];

	(void)state;
	tell(&s, "gate", "MASTER");
	for (int i = 0; i < 2 * SCRIPT_BACKLOG; i++) {
		snprintf(name, sizeof(name), "i%d", i);
		tell(&s, name, "BACKUP");
	}
	release();
	wait_for_idle();
	assert_int_equal(script_counts()->dropped, 0);
	assert_int_equal(script_counts()->done, 1 + 2 * SCRIPT_BACKLOG);
}

static void
a_script_that_others_may_write_is_refused(void **state)
{
	struct set_scripts s = only_notify(write_script("loose", "say ran"));

	(void)state;
	chmod(s.any, 0775);
	tell(&s, "a", "MASTER");
	wait_for_idle();
	chmod(s.any, 0755);
	chmod(dir, 0777);
	tell(&s, "a", "MASTER");
	wait_for_idle();
	chmod(dir, 0755);
	assert_string_equal(output(), "");
	assert_int_equal(script_counts()->failed, 2);
}

static void
much_output_neither_blocks_nor_breaks(void **state)
{
	struct set_scripts s = only_notify(write_script("loud", "head -c 1000000 /dev/zero; say done"));

	(void)state;
	tell(&s, "a", "MASTER");
	wait_for_idle();
	assert_string_equal(output(), "done\n");
}

static void
an_unknown_user_is_an_error(void **state)
{
	char why[256];

	(void)state;
	assert_true(script_start("no-such-user-here", why, sizeof(why)) < 0);
	assert_string_equal(why, "script-user: user \"no-such-user-here\" does not exist");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_scripts_run_in_order_with_keepalived_arguments),
		TEST(a_script_sees_svipd_variables_and_nothing_else),
		TEST(a_script_has_no_capability_no_descriptor_no_root),
		TEST(one_runs_at_a_time),
		TEST(exit_statuses_are_counted),
		TEST(a_slow_script_is_stopped_with_its_children_and_the_next_one_runs),
		TEST(a_script_that_ignores_sigterm_is_killed),
		TEST(a_full_queue_drops_the_oldest_news_and_keeps_the_newest),
		TEST(many_instances_at_once_lose_nothing),
		TEST(a_script_that_others_may_write_is_refused),
		TEST(much_output_neither_blocks_nor_breaks),
		cmocka_unit_test(an_unknown_user_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
