/* SPDX-License-Identifier: BSD-2-Clause */
/* A child drops its privileges for good; the kernel says what is left. Without root only the refusals can be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/priv.h"

enum { NET_ADMIN_AND_RAW = 1 << 12 | 1 << 13 };

/* A line of /proc/self/status, without its name. */
static const char *
status(const char *name)
{
	static char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(name);
	const char *found = "";

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			line[strcspn(line, "\n")] = '\0';
			found = line + len + 1;
			while (*found == '\t' || *found == ' ')
				found++;
			break;
		}
	if (f != NULL)
		fclose(f);
	return found;
}

static bool
caps_are(const char *set, unsigned long long wanted)
{
	return strtoull(status(set), NULL, 16) == wanted;
}

/* Runs f in a child; it returns 0 or the line that failed. */
static int
in_child(int (*f)(void))
{
	int st;
	pid_t child = fork();

	if (child == 0)
		_exit(f());
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &st, 0), child);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

#define NEED(x)                                                                                                \
	do {                                                                                                   \
		if (!(x))                                                                                      \
			return __LINE__ % 250 + 1;                                                             \
	} while (0)

static int
drop_and_look(void)
{
	char why[256] = "";
	struct passwd *pw = getpwnam("nobody");

	NEED(pw != NULL);
	NEED(priv_drop("nobody", NULL, why, sizeof(why)) == 0);
	NEED(getuid() == pw->pw_uid && geteuid() == pw->pw_uid && getgid() == pw->pw_gid);
	NEED(caps_are("CapEff", NET_ADMIN_AND_RAW) && caps_are("CapPrm", NET_ADMIN_AND_RAW));
	NEED(caps_are("CapInh", 0) && caps_are("CapAmb", 0) && caps_are("CapBnd", 0));
	NEED(strcmp(status("NoNewPrivs"), "1") == 0);
	NEED(strcmp(status("Groups"), "") == 0);
	NEED(setuid(0) < 0);
	NEED(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
	return 0;
}

static int
drop_twice(void)
{
	char why[256] = "";

	NEED(priv_drop("nobody", NULL, why, sizeof(why)) == 0);
	NEED(priv_drop("nobody", NULL, why, sizeof(why)) == 0); /* as systemd starts it: User= and both */
	NEED(caps_are("CapEff", NET_ADMIN_AND_RAW));
	NEED(priv_drop("root", NULL, why, sizeof(why)) < 0);
	NEED(strstr(why, "only root can become user \"root\"") != NULL);
	return 0;
}

static int
drop_all_and_look(void)
{
	char why[256] = "";

	NEED(priv_drop_all("nobody", why, sizeof(why)) == 0);
	NEED(caps_are("CapEff", 0) && caps_are("CapPrm", 0) && caps_are("CapBnd", 0));
	NEED(strcmp(status("NoNewPrivs"), "1") == 0);
	NEED(socket(AF_PACKET, SOCK_RAW, 0) < 0);
	/* What is gone can't be kept. */
	NEED(priv_drop("nobody", NULL, why, sizeof(why)) < 0);
	NEED(strstr(why, "CAP_NET_ADMIN and CAP_NET_RAW are needed") != NULL);
	return 0;
}

static int
stay_root(void)
{
	char why[256] = "";

	NEED(priv_drop("root", "root", why, sizeof(why)) == 0);
	NEED(getuid() == 0 && caps_are("CapEff", NET_ADMIN_AND_RAW) && caps_are("CapBnd", 0));
	/* Not even a program that root runs gets anything back. */
	NEED(system("grep -q '^CapEff:.0000000000000000$' /proc/self/status") == 0);
	return 0;
}

static void
the_daemon_keeps_two_capabilities_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop_and_look), 0);
}

static void
a_daemon_that_is_not_root_keeps_what_it_needs_or_fails(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop_twice), 0);
}

static void
scripts_get_nothing_and_cannot_get_it_back(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop_all_and_look), 0);
}

static void
even_root_keeps_two_capabilities_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(stay_root), 0);
}

static void
names_that_do_not_exist_are_named(void **state)
{
	char why[256];

	(void)state;
	assert_true(priv_drop("no-such-user-here", NULL, why, sizeof(why)) < 0);
	assert_string_equal(why, "user \"no-such-user-here\" does not exist");
	assert_true(priv_drop("nobody", "no-such-group-here", why, sizeof(why)) < 0);
	assert_string_equal(why, "group \"no-such-group-here\" does not exist");
}

static void
the_run_directory_is_made_once(void **state)
{
	char dir[] = "/tmp/svipd-priv.XXXXXX", file[96], made[64], why[256];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(made, sizeof(made), "%s/run", dir);
	snprintf(file, sizeof(file), "%s/svipd.sock", made);
	assert_int_equal(priv_directory(file, NULL, NULL, why, sizeof(why)), 0);
	assert_int_equal(priv_directory(file, NULL, NULL, why, sizeof(why)), 0);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(rmdir(made), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_true(priv_directory("/nowhere/at/all", NULL, NULL, why, sizeof(why)) < 0);
	assert_string_equal(why, "directory /nowhere/at: No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest for_root[] = {
		cmocka_unit_test(the_daemon_keeps_two_capabilities_and_nothing_else),
		cmocka_unit_test(a_daemon_that_is_not_root_keeps_what_it_needs_or_fails),
		cmocka_unit_test(scripts_get_nothing_and_cannot_get_it_back),
		cmocka_unit_test(even_root_keeps_two_capabilities_only),
		cmocka_unit_test(names_that_do_not_exist_are_named),
		cmocka_unit_test(the_run_directory_is_made_once),
	};
	const struct CMUnitTest for_all[] = {
		cmocka_unit_test(names_that_do_not_exist_are_named),
		cmocka_unit_test(the_run_directory_is_made_once),
	};

	if (geteuid() != 0)
		return cmocka_run_group_tests(for_all, NULL, NULL);
	return cmocka_run_group_tests(for_root, NULL, NULL);
}
