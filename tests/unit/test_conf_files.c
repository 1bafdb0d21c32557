/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration's files: includes, secrets, scripts, limits, files that are cut off or full of rubbish. */

#include "conf_temp.h"
#include "svipd/conf_in.h"

static void
write_text(const char *name, const char *text, mode_t mode)
{
	char *t = temp_text(text);

	temp_write(name, t, strlen(t), mode);
	free(t);
}

/* ---- includes ---- */

static void
included_files_count_from_the_folder_of_the_one_that_names_them(void **state)
{
	struct settings *s;

	(void)state;
	assert_int_equal(mkdir(temp_path("conf.d"), 0755), 0);
	assert_int_equal(mkdir(temp_path("[x]"), 0755), 0);
	write_text("conf.d/b.conf",
	    "vip b { interface = eth0 address = 10.0.1.2 }\ninclude = \"../c\"", 0644);
	write_text("conf.d/a.conf", "vip a { interface = eth0 address = 10.0.1.1 }\n", 0644);
	write_text("conf.d/a.txt", "rubbish", 0644);
	write_text(
	    "c", "vip c { interface = eth0 address = 10.0.1.3 }\ninclude = \"[[]x]/d\"", 0644);
	write_text("[x]/d", "include = e", 0644);
	write_text("[x]/e", "vip e { interface = eth0 address = 10.0.1.4 }\n", 0644);
	s = load_ok(BASE_TEXT "include = { \"conf.d/*.conf\", \"none.d/*.conf\" }\n");
	assert_int_equal(s->n_instances, 5);
	assert_string_equal(s->instance[0].name, "mymaster");
	assert_string_equal(s->instance[1].name, "a");
	assert_string_equal(s->instance[2].name, "b");
	assert_string_equal(s->instance[3].name, "c");
	assert_string_equal(s->instance[4].name, "e");
	settings_free(s);
}

static void
faults_of_included_files_name_them(void **state)
{
	(void)state;
	write_text("one",
	    "\nlease = 1s\nvip mymaster { }\nvip z { interface = eth0 address = 10.0.0.50 }\nlese "
	    "= 1s\n",
	    0644);
	assert_null(load(BASE_TEXT "lease = 2s\ninclude = \"one\"\n"));
	assert_told("one:2: lease: given twice, first at /");
	assert_told("/svipd.conf:9: remove one");
	assert_told("one:3: vip: \"mymaster\" is given twice, first at /");
	assert_told("one:4: address: \"10.0.0.50\" is given twice, first in vip \"mymaster\", /");
	assert_told("one:5: lese: unknown key");
	assert_null(load(BASE_TEXT "\ninclude = \"nothing\"\n"));
	assert_told("svipd.conf:10: include: \"nothing\": there is no such file");
	assert_null(load(BASE_TEXT "include = \"/DIR\"\n"));
	assert_told("is not a regular file");
	assert_null(load(BASE_TEXT "vip b { include = \"one\" }\n"));
	assert_told("svipd.conf:9: include: belongs outside of all blocks");
	/* an include that is spoilt is not followed */
	assert_null(load(BASE_TEXT "include = { \"one\" \"two\" }\n"));
	assert_int_equal(report.n_faults, 1);
}

static void
no_file_is_read_twice_or_too_deep(void **state)
{
	char name[32], text[64];

	(void)state;
	assert_null(load(BASE_TEXT "include = \"svipd.conf\"\n"));
	assert_told("svipd.conf:9: include: \"/");
	assert_told("has been read already");
	write_text("loop1", "include = loop2", 0644);
	write_text("loop2", "\ninclude = loop1", 0644);
	assert_null(load(BASE_TEXT "include = loop1\n"));
	assert_told("loop2:2: include: \"/");
	assert_int_equal(symlink("loop3", temp_path("loop4")), 0);
	write_text("loop3", "", 0644);
	assert_null(load(BASE_TEXT "include = { loop3, loop4 }\n"));
	assert_told("has been read already under another name");
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(text, sizeof(text), "include = deep%d", i + 1);
		write_text(name, text, 0644);
	}
	assert_null(load(BASE_TEXT "include = deep0\n"));
	assert_told("deep3:1: include: files are included more than 4 deep");
	assert_int_equal(mkdir(temp_path("many"), 0755), 0);
	for (int i = 0; i < CONF_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "many/%02d", i);
		write_text(name, "", 0644);
	}
	assert_null(load(BASE_TEXT "include = \"many/*\"\n"));
	assert_told("more than 64 files");
	write_text("many/x", "", 0644);
	assert_null(load(BASE_TEXT "include = \"many/*\"\n"));
	assert_told("means 65 files; 64 is the most");
}

static void
what_is_no_file_is_refused(void **state)
{
	static const char *const cases[] = { "/", "/dev/null", "/nowhere/at/all", "", "pipe" };

	(void)state;
	assert_int_equal(mkfifo(temp_path("pipe"), 0600), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(conf_load(
		    strcmp(cases[i], "pipe") == 0 ? temp_path("pipe") : cases[i], &host, &report));
		assert_int_equal(report.n_faults, 1);
		assert_int_equal(report.n, 1);
	}
}

/* ---- secrets and scripts ---- */

static void
a_key_file_is_strict(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int keys;
		const char *want;
	} cases[] = {
		{ KEY_1, 0600, 1, NULL },
		{ KEY_1 "\n", 0400, 1, NULL },
		{ "# first\n" KEY_1 " # used\n\n\t\r\n" KEY_2 "\r\n", 0640, 2, NULL },
		{ KEY_1 "\n" KEY_1 "\n", 0600, 2, "svipd.conf:4: warning: key-file: \"/" },
		{ "", 0600, 0, "is empty" },
		{ "# nothing\n", 0600, 0, "holds no key" },
		{ KEY_1 "\n" KEY_2 "\n" KEY_1, 0600, 0, "svipd.conf:4: key-file: line 3 of \"/" },
		{ "\n" KEY_1 "0\n", 0600, 0, "svipd.conf:4: key-file: line 2 of \"/" },
		{ KEY_1 "00\n", 0600, 0, "is not a key of 64 hexadecimal digits" },
		{ "000102\n", 0600, 0, "is not a key of 64 hexadecimal digits" },
		{ KEY_1 " " KEY_2, 0600, 0, "is not a key of 64 hexadecimal digits" },
		{ " " KEY_1, 0600, 0, "is not a key of 64 hexadecimal digits" },
		{ "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0600, 0,
		    "is not a key" },
		{ KEY_1, 0604, 0, "may be read or written by others: chmod 0640" },
		{ KEY_1, 0602, 0, "may be read or written by others" },
		{ KEY_1, 0601, 0, "may be read or written by others" },
		{ KEY_1, 0620, 0, "may be read or written by others" },
		{ KEY_1, 0610, 0, "may be read or written by others" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings *s;

		if (cases[i].mode == 0640 && geteuid() != 0)
			continue; /* the group of a file made here is the service's own only for root */
		write_text("key", cases[i].text, cases[i].mode);
		s = load(BASE_TEXT);
		assert_int_equal(s != NULL, cases[i].keys > 0);
		if (s != NULL)
			assert_int_equal(s->n_keys, cases[i].keys);
		if (cases[i].want != NULL)
			assert_told(cases[i].want);
		assert_null(strstr(told(), "0102"));
		settings_free(s);
	}
	temp_write("key", KEY_1 "\0", strlen(KEY_1) + 1, 0600);
	assert_null(load(BASE_TEXT));
	assert_told("holds a zero byte");
	assert_int_equal(unlink(temp_path("key")), 0);
	assert_null(load(BASE_TEXT));
	assert_told("is not there: make it with  svipctl keygen");
	write_text("key", KEY_1 "\n", 0600);
	assert_null(load(
	    "cluster=c sentinels={a,b,c} nodes={10.0.0.11,10.0.0.12} key-file = key\n" VIP_TEXT));
	assert_told("key-file: \"key\" is not an absolute path");
}

static void
a_secret_of_a_foreign_group_or_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# only root can give files away\n");
		return;
	}
	write_text("key", KEY_1, 0640);
	assert_int_equal(chown(temp_path("key"), 0, 12345), 0);
	assert_null(load(BASE_TEXT));
	assert_told("may be read by a group that is not the service's");
	write_text("key", KEY_1, 0600);
	assert_int_equal(chown(temp_path("key"), 12345, 0), 0);
	assert_null(load(BASE_TEXT));
	assert_told("belongs to another user");
	assert_int_equal(chown(temp_path("key"), 0, 0), 0);
	settings_free(load_ok(BASE_TEXT));
}

static void
passwords_are_the_first_line_and_never_told(void **state)
{
	static const char text[] =
	    BASE_TEXT "sentinel-user = watch sentinel-password-file = /DIR/s.pass\n"
	              "redis-password-file = /DIR/r.pass\n";
	struct settings *s;
	char long_one[SET_SECRET_MAX + 1];

	(void)state;
	write_text("s.pass", "s3cret with = \"signs\"\r\nrest\n", 0600);
	write_text("r.pass", "other", 0400);
	s = load_ok(text);
	assert_string_equal(s->sentinel_auth.user, "watch");
	assert_string_equal(s->sentinel_auth.password, "s3cret with = \"signs\"");
	assert_string_equal(s->sentinel_auth.file, temp_path("s.pass"));
	assert_string_equal(s->redis_auth.user, "");
	assert_string_equal(s->redis_auth.password, "other");
	settings_free(s);
	write_text("r.pass", "\nother", 0600);
	assert_null(load(text));
	assert_told("redis-password-file: \"/");
	assert_told("has an empty first line");
	write_text("r.pass", "other", 0644);
	assert_null(load(text));
	assert_told("may be read or written by others");
	memset(long_one, 'x', sizeof(long_one));
	temp_write("r.pass", long_one, sizeof(long_one) - 1, 0600);
	assert_null(load(text));
	assert_told("is too large");
	assert_null(strstr(told(), "s3cret"));
}

static void
scripts_that_others_may_change_are_refused(void **state)
{
	static const char text[] =
	    BASE_TEXT "notify = /DIR/bin/run\nnotify-fault = \"/DIR/bin/other\"\n"
	              "vip b { interface = eth0 address = 10.0.1.1 notify = /DIR/bin/other }\n";
	static const struct {
		const char *name;
		mode_t mode;
		const char *want;
	} cases[] = {
		{ "bin/run", 0644, "svipd.conf:9: notify: \"/" },
		{ "bin/run", 0644, "is not executable" },
		{ "bin/run", 0775, "may be written by others" },
		{ "bin/run", 0757, "may be written by others" },
		{ "bin", 0775, "is in a folder that others may write" },
		{ "bin", 0757, "is in a folder that others may write" },
		{ "bin", 01777, "is in a folder that others may write" },
	};
	struct settings *s;

	(void)state;
	if (geteuid() != 0) {
		print_message("# only root's files are trusted here\n");
		return;
	}
	assert_int_equal(mkdir(temp_path("bin"), 0755), 0);
	write_text("bin/run", "#!/bin/sh\n", 0755);
	write_text("bin/other", "#!/bin/sh\n", 0700);
	s = load_ok(text);
	assert_string_equal(s->instance[0].scripts.any, temp_path("bin/run"));
	assert_string_equal(s->instance[1].scripts.any, temp_path("bin/other"));
	assert_string_equal(s->instance[1].scripts.fault, temp_path("bin/other"));
	assert_string_equal(s->instance[0].scripts.master, "");
	settings_free(s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chmod(temp_path(cases[i].name), cases[i].mode), 0);
		assert_null(load(text));
		assert_told(cases[i].want);
		assert_int_equal(chmod(temp_path(cases[i].name), 0755), 0);
	}
	assert_int_equal(chown(temp_path("bin/run"), 12345, 0), 0);
	assert_null(load(text));
	assert_told("belongs neither to root nor to the service's user");
	assert_int_equal(symlink("bin/other", temp_path("link")), 0);
	assert_null(load(BASE_TEXT
	    "notify = run\nnotify-master = \"/DIR/bin\"\nnotify-backup = /DIR/bin/none\n"));
	assert_told("svipd.conf:9: notify: \"run\" is not an absolute path");
	assert_told("notify-master: \"/");
	assert_told("is not a file");
	assert_told("svipd.conf:11: notify-backup: \"/");
	assert_told("is not there");
	settings_free(load_ok(BASE_TEXT "notify = /DIR/link\n"));
	assert_int_equal(chmod(temp_path("bin"), 0777), 0);
	assert_null(load(BASE_TEXT "notify = /DIR/link\n"));
	assert_told("is in a folder that others may write");
}

/* ---- limits ---- */

static void
limits_are_told_and_nothing_is_slow(void **state)
{
	static const char *const units[] = { "{", "a{", "vip a{", "/*", "\"", "a={", "at={1,",
		"a=1 ", "vip \"x\" {}", "#", "}", "\0", "=", "sentinels={", "\n", "'", "\\",
		"lease=1s ", ";" };
	char *big = malloc(CONF_SIZE_MAX + 2);

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = units[i][0] == '\0' ? 1 : strlen(units[i]);

		for (size_t k = 0; k < CONF_SIZE_MAX; k++)
			big[k] = units[i][k % len];
		assert_null(conf_load(temp_write("big", big, CONF_SIZE_MAX, 0644), &host, &report));
		assert_true(report.n_faults > 0);
		assert_true(report.n <= CONF_MESSAGES_MAX);
	}
	assert_null(conf_load(temp_write("big", big, CONF_SIZE_MAX + 1, 0644), &host, &report));
	assert_told("is larger than 1048576 bytes");
	memset(big, 'a', 300);
	big[300] = '\0';
	memcpy(big, "x = \"", 5);
	strcat(big, "\"");
	assert_null(load(big));
	assert_told("svipd.conf:1: the quoted text is longer than 255 bytes");
	memset(big, 'a', 300);
	big[300] = '\0';
	assert_null(load(big));
	assert_told("svipd.conf:1: the word is longer than 255 bytes");
	free(big);
}

static void
the_most_instances_and_addresses_are_accepted_and_one_more_is_not(void **state)
{
	char *text = malloc(200000);
	size_t n = 0, full;
	struct settings *s;

	(void)state;
	assert_non_null(text);
	n += (size_t)sprintf(text, "%s", GLOBAL_TEXT);
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++)
		n += (size_t)sprintf(text + n,
		    "vip v%d { interface = eth0 address = 10.%d.%d.1 }\n", i, 1 + i / 256, i % 256);
	s = load_ok(text);
	assert_int_equal(s->n_instances, SVIP_INSTANCES_MAX);
	settings_free(s);
	sprintf(text + n, "vip more { interface = eth0 address = 10.0.1.1 }\n");
	assert_null(load(text));
	assert_told("svipd.conf:1029: vip: more than 1024 blocks");
	n = (size_t)sprintf(text, "%svip a { interface = eth0 address = {\n", GLOBAL_TEXT);
	for (int i = 0; i < SVIP_ADDRESSES_MAX; i++)
		n += (size_t)sprintf(text + n, "10.0.1.%d,\n", i + 1);
	full = n;
	strcpy(text + full, "} }");
	settings_free(load_ok(text));
	strcpy(text + full, "10.0.2.1 } }");
	assert_null(load(text));
	assert_told("svipd.conf:134: address: \"10.0.2.1\" is one more than 128");
	for (int i = 0; i < 400; i++)
		n += (size_t)sprintf(text + n, "10.0.3.1,");
	strcpy(text + n, "} }");
	assert_null(load(text));
	assert_told("svipd.conf:134: address: more than 256 values");
	free(text);
}

static void
fifty_faults_are_told_in_order_and_the_rest_is_counted(void **state)
{
	char text[4096];
	size_t n = (size_t)sprintf(text, "%s", BASE_TEXT);

	(void)state;
	for (int i = 0; i < 60; i++)
		n += (size_t)sprintf(text + n, "lease = %d\n", i);
	assert_null(load(text));
	assert_int_equal(report.n_faults, 60);
	assert_int_equal(report.n, 50);
	assert_int_equal(report.n_left_out, 10);
	for (int i = 1; i < report.n; i++)
		assert_true(report.message[i - 1].line <= report.message[i].line);
}

/* ---- rubbish ---- */

static void
a_file_that_is_cut_off_anywhere_is_refused(void **state)
{
	char *text = temp_text(GLOBAL_TEXT
	    "arp { at = { 0s, /* early */ 1s } refresh = \"60s\" } # remark\n" VIP_TEXT);
	size_t whole = strlen(text) - 1; /* without the last line feed */
	struct settings *s;

	(void)state;
	for (size_t n = 0; n < whole; n++) {
		s = conf_load(temp_write("cut", text, n, 0644), &host, &report);
		if (s != NULL)
			fail_msg("accepted when cut off after %zu bytes", n);
		assert_true(report.n_faults > 0);
	}
	s = conf_load(temp_write("cut", text, whole, 0644), &host, &report);
	assert_non_null(s);
	settings_free(s);
	free(text);
}

static uint64_t rng;

static unsigned
dice(unsigned sides)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng >> 33) % sides;
}

/* Pieces that mean something, for mutations that get further than single bytes do. */
static const char *const pieces[] = { "{", "}", "\"", "'", "=", "+=", ",", "#", "//", "/*", "*/",
	"\n", "\r\n", "${HOME}", ";", "(", ")", "vip", "vip \"x\" {", "arp {", "lease", "2s",
	"address", "10.0.0.51", "\\", "\0", "\x0b", "\xff\xfe", "\xc3\xa9", "-1",
	"99999999999999999999", "%s%n", "sentinels = { a, b, c }", "at = { 0s }", " ", "\t",
	"include = \"cut\"" };

static size_t
mutate(char *text, size_t n, size_t size)
{
	for (unsigned times = 1 + dice(4); times > 0; times--) {
		size_t at = n == 0 ? 0 : dice((unsigned)n), len;
		const char *piece = pieces[dice(sizeof(pieces) / sizeof(pieces[0]))];

		switch (dice(5)) {
		case 0:
			if (n > 0)
				text[at] = (char)dice(256);
			break;
		case 1:
			len = n - at < 20 ? n - at : dice(20);
			memmove(text + at, text + at + len, n - at - len);
			n -= len;
			break;
		case 2:
			n = at;
			break;
		case 3:
			len = *piece == '\0' ? 1 : strlen(piece);
			if (n + len > size)
				break;
			memmove(text + at + len, text + at, n - at);
			memcpy(text + at, piece, len);
			n += len;
			break;
		case 4:
			len = dice(200) < n - at ? dice(200) % (n - at) : n - at;
			if (n + len > size)
				break;
			memmove(text + at + len, text + at, n - at);
			n += len;
			break;
		}
	}
	return n;
}

static void
random_mutations_end_in_settings_or_in_a_report(void **state)
{
	const char *given = getenv("SEED"), *rounds_given = getenv("ROUNDS");
	char *base = temp_text(GLOBAL_TEXT
	    "lease = 1s poll = 250ms # remark\n"
	    "arp { at = { 0s, /* early */ 1s } refresh = \"60s\" }\n" VIP_TEXT
	    "vip 'b' { interface = eth0 address = { \"10.0.0.51\", 10.0.0.52 } redis = 7000 }\n");
	char text[4096];
	int accepted = 0, rounds = rounds_given == NULL ? 3000 : atoi(rounds_given);

	(void)state;
	rng = given == NULL ? 20240607 : strtoull(given, NULL, 0);
	print_message("# SEED=%llu ROUNDS=%d\n", (unsigned long long)rng, rounds);
	for (int i = 0; i < rounds; i++) {
		struct settings *s;
		size_t n = strlen(base);

		memcpy(text, base, n);
		n = mutate(text, n, sizeof(text));
		s = conf_load(temp_write("cut", text, n, 0644), &host, &report);
		assert_int_equal(s == NULL, report.n_faults > 0);
		/* the scanner lets nothing pass that libconfuse reads in another way */
		assert_null(strstr(told(), "two ways"));
		assert_null(strstr(told(), "way of reading"));
		assert_null(strstr(told(), "libconfuse"));
		accepted += s != NULL;
		settings_free(s);
	}
	print_message("# %d accepted\n", accepted);
	assert_true(accepted > 0 && accepted < rounds);
	free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(included_files_count_from_the_folder_of_the_one_that_names_them),
		cmocka_unit_test(faults_of_included_files_name_them),
		cmocka_unit_test(no_file_is_read_twice_or_too_deep),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(a_key_file_is_strict),
		cmocka_unit_test(a_secret_of_a_foreign_group_or_user_is_refused),
		cmocka_unit_test(passwords_are_the_first_line_and_never_told),
		cmocka_unit_test(scripts_that_others_may_change_are_refused),
		cmocka_unit_test(limits_are_told_and_nothing_is_slow),
		cmocka_unit_test(the_most_instances_and_addresses_are_accepted_and_one_more_is_not),
		cmocka_unit_test(fifty_faults_are_told_in_order_and_the_rest_is_counted),
		cmocka_unit_test(a_file_that_is_cut_off_anywhere_is_refused),
		cmocka_unit_test(random_mutations_end_in_settings_or_in_a_report),
	};

	return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
