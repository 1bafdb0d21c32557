/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of holds, in files of its own, and in files that somebody else has had his hands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <svip/heartbeat.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/holds.h"
#include "io/log.h"
#include "io/seal.h"

/* The format, once more: offsets in a record. */
enum {
	RECORD = 256,
	AT_MAGIC = 0,
	AT_BOOT = 8,
	AT_NET = 56,
	AT_HELD = 81,
	SEALED = RECORD - HB_TAG_LEN
};

/* Far longer than a slow machine needs for a test. */
enum { LEASE = 600000 };

static char dir[64], path[96], other[96], log_path[96];
static int old_stderr = -1;
static struct settings set;

static int
setup(void **state)
{
	int fd;

	(void)state;
	strcpy(dir, "/tmp/svipd-holds.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/svipd.holds", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	memset(&set, 0, sizeof(set));
	set.lease_ms = LEASE;
	set.n_nodes = 2;
	assert_true(svip_addr_parse("10.0.0.11", &set.node[0]));
	assert_true(svip_addr_parse("10.0.0.12", &set.node[1]));
	memset(set.digest_safety, 7, sizeof(set.digest_safety));
	set.n_keys = 1;
	memset(set.key[0], 1, SVIP_KEY_LEN);
	assert_int_equal(seal_init(&set), 0);
	/* What is logged is read. */
	fflush(stderr);
	old_stderr = dup(STDERR_FILENO);
	fd = open(log_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	assert_true(old_stderr >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	log_init(false, SET_LOG_INFO);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	holds_fini();
	seal_fini();
	fflush(stderr);
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	unlink(path);
	rmdir(path);
	unlink(other);
	unlink(log_path);
	return rmdir(dir);
}

static const char *
logged(void)
{
	static char text[4096];
	int fd = open(log_path, O_RDONLY);
	ssize_t n;

	fflush(stderr);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static int
count(const char *text, char c)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

static bool
left(uint64_t id)
{
	uint64_t epoch;
	svip_ms until;

	return holds_left(id, &epoch, &until);
}

/* A process that held these, 1 … n, and has gone. */
static void
held_before(int n)
{
	assert_int_equal(holds_init(path, &set), 0);
	for (int i = 1; i <= n; i++)
		holds_note((uint64_t)i, 7, clock_ms() + LEASE / 2);
	holds_fini();
}

static void
read_record(uint8_t r[RECORD])
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, r, RECORD, 0), RECORD);
	close(fd);
}

static void
write_file(const char *name, const void *bytes, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static off_t
size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

/* Nothing is taken over, one line says why, and from then on all goes on as ever. */
static void
is_worthless(const char *level, const char *why)
{
	assert_int_equal(holds_init(path, &set), 0);
	assert_false(left(1));
	if (strstr(logged(), why) == NULL || strstr(logged(), level) == NULL ||
	    count(logged(), '\n') != 1)
		fail_msg("not one line \"%s: … %s\", but: %s", level, why, logged());
	holds_note(1, 8, clock_ms() + LEASE / 2);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
	assert_int_equal(count(logged(), '\n'), 1);
}

/* ---- what it is for ---- */

static void
successor_knows_what_was_held(void **state)
{
	uint64_t epoch;
	svip_ms until, end = clock_ms() + LEASE / 2;

	(void)state;
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(5, 41, end - 1);
	holds_note(6, 1, end);
	holds_note(5, 42, end);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(holds_left(5, &epoch, &until));
	assert_int_equal(epoch, 42);
	assert_int_equal(until, end);
	assert_true(left(6));
	assert_false(left(7));
	assert_string_equal(logged(), "");
	assert_int_equal(size_of(path), 2 * RECORD);
}

static void
what_was_let_go_is_not_left(void **state)
{
	(void)state;
	held_before(3);
	assert_int_equal(holds_init(path, &set), 0);
	holds_clear(2);
	assert_false(left(2));
	holds_clear(2);
	holds_clear(99);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1) && !left(2) && left(3));
	assert_string_equal(logged(), "");
	/* Its place serves another. */
	holds_note(4, 1, clock_ms() + LEASE / 2);
	assert_int_equal(size_of(path), 3 * RECORD);
}

static void
own_notes_are_not_the_predecessors(void **state)
{
	(void)state;
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 7, clock_ms() + LEASE / 2);
	assert_false(left(1));
}

/* The other nodes count on the guard that the predecessor has told them. */
static void
what_was_held_with_another_guard_is_not_left(void **state)
{
	static const struct {
		svip_ms before, after;
		bool counts;
	} guards[] = {
		{ 60, 60, true },
		{ 2200, 2200, true },
		{ 60, 2200, false },
		{ 2200, 60, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
		assert_int_equal(holds_init(path, &set), 0);
		holds_guard(guards[i].before);
		holds_note(1, 7, clock_ms() + LEASE / 2);
		holds_note(2, 7, clock_ms() + LEASE / 2);
		assert_int_equal(holds_init(path, &set), 0);
		holds_guard(guards[i].after);
		assert_int_equal(left(1), guards[i].counts);
		assert_int_equal(left(2), guards[i].counts);
		/* For good: not even for one who has the first guard again. */
		assert_int_equal(holds_init(path, &set), 0);
		holds_guard(guards[i].before);
		assert_int_equal(left(1), guards[i].counts);
		holds_fini();
		unlink(path);
	}
	assert_int_equal(count(logged(), '\n'), 2);
	assert_non_null(strstr(logged(), "2 not taken over: fenced otherwise"));
}

static void
file_is_the_owners_alone(void **state)
{
	struct stat st;

	(void)state;
	umask(0);
	held_before(1);
	umask(022);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
every_instance_has_room(void **state)
{
	(void)state;
	held_before(SVIP_INSTANCES_MAX);
	assert_int_equal(holds_init(path, &set), 0);
	for (int i = 1; i <= SVIP_INSTANCES_MAX; i++)
		assert_true(left((uint64_t)i));
	holds_note(SVIP_INSTANCES_MAX + 1, 1, clock_ms() + LEASE / 2);
	assert_int_equal(size_of(path), SVIP_INSTANCES_MAX * RECORD);
	holds_clear(17);
	holds_note(SVIP_INSTANCES_MAX + 1, 1, clock_ms() + LEASE / 2);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	assert_false(left(17));
	assert_true(left(SVIP_INSTANCES_MAX + 1));
	assert_string_equal(logged(), "");
}

static void
reload_has_new_records_count_with_the_new_configuration(void **state)
{
	(void)state;
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 7, clock_ms() + LEASE / 2);
	holds_note(2, 7, clock_ms() + LEASE / 2);
	memset(set.digest_safety, 8, sizeof(set.digest_safety));
	holds_config(&set);
	holds_note(1, 7, clock_ms() + LEASE / 2);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
	assert_false(left(2));
}

static void
old_key_counts_while_both_are_in_force(void **state)
{
	(void)state;
	held_before(1);
	set.n_keys = 2;
	memcpy(set.key[1], set.key[0], SVIP_KEY_LEN);
	memset(set.key[0], 2, SVIP_KEY_LEN);
	assert_int_equal(seal_init(&set), 0);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
}

/* At any moment of a writer's life: what is there is a whole record. */
static void
killed_writer_leaves_whole_records(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		int ready[2], st;
		char byte;
		pid_t child;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			if (holds_init(path, &set) != 0)
				_exit(1);
			for (uint64_t n = 0;; n++) {
				holds_note(1 + n % 3, n, clock_ms() + LEASE / 2);
				if (n == 3 && write(ready[1], "", 1) != 1)
					_exit(2);
			}
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		usleep((useconds_t)(i * 37));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &st, 0), child);
		assert_int_equal(holds_init(path, &set), 0);
		assert_true(left(1) && left(2) && left(3));
		holds_fini();
	}
	assert_string_equal(logged(), "");
}

static void
second_process_gets_nothing_while_the_first_lives(void **state)
{
	int to[2], from[2], st;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (holds_init(path, &set) != 0)
			_exit(1);
		holds_note(1, 7, clock_ms() + LEASE / 2);
		if (write(from[1], "", 1) != 1 || read(to[0], &byte, 1) != 1)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(read(from[0], &byte, 1), 1);
	assert_int_equal(holds_init(path, &set), -EWOULDBLOCK);
	assert_false(left(1));
	holds_clear(1);
	holds_note(2, 7, clock_ms() + LEASE / 2);
	assert_int_equal(size_of(path), RECORD);
	assert_int_equal(write(to[1], "", 1), 1);
	assert_int_equal(waitpid(child, &st, 0), child);
	assert_int_equal(st, 0);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
}

/* ---- what doesn't count ---- */

static void
empty_file_and_cleared_records_are_not_worth_a_line(void **state)
{
	static const uint8_t zeros[3 * RECORD];

	(void)state;
	write_file(path, "", 0);
	assert_int_equal(holds_init(path, &set), 0);
	holds_fini();
	write_file(path, zeros, sizeof(zeros));
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 7, clock_ms() + LEASE / 2);
	holds_clear(1);
	holds_fini();
	/* Not even with another lease in the configuration: nothing was held. */
	memset(set.digest_safety, 9, sizeof(set.digest_safety));
	assert_int_equal(holds_init(path, &set), 0);
	assert_false(left(1));
	assert_string_equal(logged(), "");
}

static void
record_of_another_boot_is_worthless(void **state)
{
	uint8_t r[RECORD];

	(void)state;
	held_before(1);
	read_record(r);
	assert_int_equal(r[AT_BOOT + 8], '-'); /* it is the boot's id that is there */
	r[AT_BOOT] = r[AT_BOOT] == 'a' ? 'b' : 'a';
	seal_keep(r, SEALED);
	write_file(path, r, RECORD);
	is_worthless("notice", "of another boot");
}

static void
record_of_another_namespace_is_worthless(void **state)
{
	uint8_t r[RECORD];

	(void)state;
	held_before(1);
	read_record(r);
	r[AT_NET] ^= 1;
	seal_keep(r, SEALED);
	write_file(path, r, RECORD);
	is_worthless("warning", "of another network namespace");
}

static void
record_of_another_node_is_worthless(void **state)
{
	(void)state;
	held_before(1);
	set.self = 1;
	is_worthless("warning", "of another node");
}

static void
record_of_another_configuration_is_worthless(void **state)
{
	(void)state;
	held_before(1);
	memset(set.digest_safety, 9, sizeof(set.digest_safety));
	is_worthless("notice", "of another configuration");
}

static void
record_with_another_key_is_worthless(void **state)
{
	(void)state;
	held_before(1);
	memset(set.key[0], 3, SVIP_KEY_LEN);
	assert_int_equal(seal_init(&set), 0);
	is_worthless("warning", "damaged, or written with another key");
}

static void
tag_of_a_heartbeat_is_none(void **state)
{
	uint8_t r[RECORD];

	(void)state;
	held_before(1);
	read_record(r);
	seal_put(r, SEALED);
	write_file(path, r, RECORD);
	is_worthless("warning", "damaged");
}

static void
record_of_another_version_is_worthless(void **state)
{
	uint8_t r[RECORD];

	(void)state;
	held_before(1);
	read_record(r);
	r[AT_MAGIC + 7]++;
	seal_keep(r, SEALED);
	write_file(path, r, RECORD);
	is_worthless("warning", "not in this version's format");
}

static void
record_is_worthless_when_its_time_is_over(void **state)
{
	(void)state;
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 7, clock_ms() - 1);
	holds_fini();
	is_worthless("notice", "over");
}

static void
record_runs_out_after_the_start_too(void **state)
{
	svip_ms end;

	(void)state;
	assert_int_equal(holds_init(path, &set), 0);
	end = clock_ms() + 200;
	holds_note(1, 7, end);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	while (clock_ms() < end)
		usleep(5000);
	assert_false(left(1));
}

static void
time_that_is_too_far_ahead_is_worthless_for_good(void **state)
{
	svip_ms start = clock_ms();

	(void)state;
	set.lease_ms = 1000;
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 7, start + 1000 + 300);
	holds_fini();
	assert_int_equal(holds_init(path, &set), 0);
	if (clock_ms() >= start + 300) /* a machine as slow as that has proved nothing */
		skip();
	assert_false(left(1));
	assert_non_null(strstr(logged(), "further ahead than a lease"));
	holds_fini();
	while (clock_ms() < start + 600)
		usleep(5000);
	assert_int_equal(holds_init(path, &set), 0);
	assert_false(left(1));
}

static void
every_flipped_bit_makes_a_record_worthless(void **state)
{
	uint8_t r[RECORD];

	(void)state;
	held_before(1);
	read_record(r);
	log_level(SET_LOG_ERROR);
	for (int bit = 0; bit < 8 * RECORD; bit++) {
		r[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(path, r, RECORD);
		r[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(holds_init(path, &set), 0);
		assert_false(left(1));
		holds_fini();
	}
	write_file(path, r, RECORD);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
}

static void
torn_record_is_worthless(void **state)
{
	uint8_t old[RECORD], new[RECORD];

	(void)state;
	held_before(1);
	read_record(old);
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(1, 9, clock_ms() + LEASE / 2 + 1);
	holds_fini();
	read_record(new);
	memcpy(new, old, 128);
	write_file(path, new, RECORD);
	is_worthless("warning", "damaged");
}

static void
record_that_is_cut_short_is_worthless(void **state)
{
	(void)state;
	held_before(1);
	assert_int_equal(truncate(path, RECORD - 1), 0);
	is_worthless("warning", "cut short");
}

static void
whole_records_before_one_that_is_cut_short_count(void **state)
{
	(void)state;
	held_before(2);
	assert_int_equal(truncate(path, 2 * RECORD - 100), 0);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
	assert_false(left(2));
	assert_non_null(strstr(logged(), "cut short"));
	assert_int_equal(size_of(path), RECORD);
}

static void
one_line_names_all_that_is_wrong(void **state)
{
	(void)state;
	held_before(1);
	assert_int_equal(holds_init(path, &set), 0);
	holds_note(2, 7, clock_ms() - 1);
	holds_fini();
	assert_int_equal(truncate(path, 2 * RECORD + 5), 0);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
	assert_non_null(strstr(logged(), "cut short; over"));
	assert_int_equal(count(logged(), '\n'), 1);
}

/* ---- what somebody may have put there ---- */

static void
random_bytes_are_worthless(void **state)
{
	static uint8_t bytes[SVIP_INSTANCES_MAX * RECORD];
	unsigned seed = (unsigned)clock_us();
	const char *given = getenv("SVIP_SEED");

	(void)state;
	if (given != NULL)
		seed = (unsigned)strtoul(given, NULL, 10);
	print_message("seed %u\n", seed);
	srandom(seed);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	write_file(path, bytes, sizeof(bytes));
	is_worthless("warning", "not in this version's format");
}

static void
huge_file_is_worthless_and_made_small(void **state)
{
	(void)state;
	held_before(1);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	is_worthless("warning", "too large");
	assert_int_equal(size_of(path), RECORD);
}

static void
link_is_not_followed(void **state)
{
	(void)state;
	held_before(1);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_false(left(1));
	holds_note(2, 7, clock_ms() + LEASE / 2);
	assert_int_equal(size_of(other), RECORD);
	/* Nor one that leads nowhere: nothing is made there. */
	unlink(other);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_int_equal(access(other, F_OK), -1);
}

static void
file_with_two_names_is_refused(void **state)
{
	(void)state;
	held_before(1);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_false(left(1));
}

static void
fifo_is_refused_without_waiting(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_false(left(1));
	holds_note(1, 7, clock_ms() + LEASE / 2);
	holds_clear(1);
}

static void
directory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_false(left(1));
}

static void
device_is_refused(void **state)
{
	(void)state;
	assert_int_equal(holds_init("/dev/null", &set), -EPERM);
	assert_false(left(1));
}

static void
path_without_a_directory_is_an_error_and_no_more(void **state)
{
	char missing[128];

	(void)state;
	snprintf(missing, sizeof(missing), "%s/none/svipd.holds", dir);
	assert_int_equal(holds_init(missing, &set), -ENOENT);
	assert_false(left(1));
	holds_note(1, 7, clock_ms() + LEASE / 2);
	holds_clear(1);
	holds_fini();
	holds_fini();
}

static void
file_that_others_may_read_or_write_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0620, 0604, 0602, 0601, 0666 };

	(void)state;
	held_before(1);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(holds_init(path, &set), -EPERM);
		assert_false(left(1));
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(holds_init(path, &set), 0);
	assert_true(left(1));
}

static void
file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	held_before(1);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(holds_init(path, &set), -EPERM);
	assert_false(left(1));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(successor_knows_what_was_held),
		TEST(what_was_let_go_is_not_left),
		TEST(own_notes_are_not_the_predecessors),
		TEST(what_was_held_with_another_guard_is_not_left),
		TEST(file_is_the_owners_alone),
		TEST(every_instance_has_room),
		TEST(reload_has_new_records_count_with_the_new_configuration),
		TEST(old_key_counts_while_both_are_in_force),
		TEST(killed_writer_leaves_whole_records),
		TEST(second_process_gets_nothing_while_the_first_lives),
		TEST(empty_file_and_cleared_records_are_not_worth_a_line),
		TEST(record_of_another_boot_is_worthless),
		TEST(record_of_another_namespace_is_worthless),
		TEST(record_of_another_node_is_worthless),
		TEST(record_of_another_configuration_is_worthless),
		TEST(record_with_another_key_is_worthless),
		TEST(tag_of_a_heartbeat_is_none),
		TEST(record_of_another_version_is_worthless),
		TEST(record_is_worthless_when_its_time_is_over),
		TEST(record_runs_out_after_the_start_too),
		TEST(time_that_is_too_far_ahead_is_worthless_for_good),
		TEST(every_flipped_bit_makes_a_record_worthless),
		TEST(torn_record_is_worthless),
		TEST(record_that_is_cut_short_is_worthless),
		TEST(whole_records_before_one_that_is_cut_short_count),
		TEST(one_line_names_all_that_is_wrong),
		TEST(random_bytes_are_worthless),
		TEST(huge_file_is_worthless_and_made_small),
		TEST(link_is_not_followed),
		TEST(file_with_two_names_is_refused),
		TEST(fifo_is_refused_without_waiting),
		TEST(directory_is_refused),
		TEST(device_is_refused),
		TEST(path_without_a_directory_is_an_error_and_no_more),
		TEST(file_that_others_may_read_or_write_is_refused),
		TEST(file_of_another_user_is_refused),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
