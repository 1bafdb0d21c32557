/* SPDX-License-Identifier: BSD-2-Clause */
/* Canonical form and digests; libconfuse as the second reader; keys, sample and manual page agree. */
#include "conf_temp.h"
#include "io/seal.h"
#include "svipd/conf_in.h"

static char *
canonical(const struct settings *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	conf_canonical(s, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Loads two texts and says by letters in which digests they differ: "", "a" (all), "sa" (safety, too). */
static const char *
difference(const char *a, const char *b)
{
	struct settings *x = load_ok(a), *y = load_ok(b);
	bool safety = memcmp(x->digest_safety, y->digest_safety, SVIP_DIGEST_LEN) != 0;
	bool all = memcmp(x->digest_all, y->digest_all, SVIP_DIGEST_LEN) != 0;

	settings_free(x);
	settings_free(y);
	return safety ? (all ? "sa" : "s") : (all ? "a" : "");
}

static void
digests_do_not_depend_on_how_it_is_written(void **state)
{
	static const char other[] =
	    "vip b { address = { \"2001:DB8:0::1\", 10.0.1.1/32 } /* x */ interface = 'eth0' }\n"
	    "// order, spacing, comments, spelling\n"
	    "nodes = { 10.0.0.13, 10.0.0.11, 10.0.0.12, }   lease=1000ms\tclock-drift = 1.0%\n"
	    "key-file = \"/KEY\" unicast = yes observe = false port = 8386 multicast = "
	    "239.192.83.86\n"
	    "sentinels = { 10.0.0.13:26379, 10.0.0.11, 10.0.0.12:26379 } cluster = cache\n"
	    "vip mymaster { redis = 6379 interface = eth0 address = 10.0.0.50 }\n";
	static const char one[] = BASE_TEXT
	    "lease = 1s\nvip \"b\" { interface = eth0 address = { 10.0.1.1, 2001:db8::1/128 } }\n";

	(void)state;
	assert_string_equal(difference(one, other), "");
}

static void
digests_show_what_differs(void **state)
{
	static const struct {
		const char *add, *want;
	} cases[] = {
		{ "lease = 1s poll = 200ms", "sa" },
		{ "guard = 2300ms", "sa" },
		{ "fence = lifetime", "sa" },
		{ "clock-drift = 2%", "sa" },
		{ "vip b { interface = eth0 address = 10.0.0.51 }", "sa" },
		{ "poll = 300ms", "a" },
		{ "heartbeat = 1s", "a" },
		{ "multicast = off", "a" },
		{ "multicast = 239.0.0.1", "a" },
		{ "unicast = off", "a" },
		{ "port = 1", "a" },
		{ "ttl-min = 1", "a" },
		{ "observe = on", "a" },
		{ "on-quorum-loss = hold", "a" },
		{ "on-conflict = yield-and-fault", "a" },
		{ "on-conflict = defend", "" },
		{ "reset-connections = off", "a" },
		{ "reset-connections = on", "" },
		{ "arp { at = { 0s } }", "a" },
		{ "arp { refresh = 1m }", "" },
		{ "arp { refresh = 2m }", "a" },
		{ "redis = 7000", "a" },
		{ "redis = 127.0.0.1:6379", "a" },
		{ "notify-timeout = 1s", "a" },
		{ "log-level = debug", "a" },
		{ "sentinel-password-file = /DIR/pass", "a" },
		/* another on each host */
		{ "announce = redis1:6379", "" },
		{ "metrics-listen = 127.0.0.1:9478", "" },
		{ "user = nobody", "" },
		{ "script-user = nobody", "" },
	};

	(void)state;
	temp_write("pass", "secret", 6, 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];

		print_message("# %s\n", cases[i].add);
		snprintf(text, sizeof(text), "%s%s\n", BASE_TEXT, cases[i].add);
		assert_string_equal(difference(BASE_TEXT, text), cases[i].want);
	}
	assert_string_equal(
	    difference(BASE_TEXT "redis = 10.0.0.98:1", BASE_TEXT "redis = 10.0.0.99:1"), "");
}

static void
secrets_and_hosts_are_not_in_the_digests(void **state)
{
	struct settings *a = load_ok(BASE_TEXT), *b;

	(void)state;
	temp_write("key", KEY_2, strlen(KEY_2), 0600);
	b = load_ok(BASE_TEXT);
	temp_write("key", KEY_1, strlen(KEY_1), 0600);
	assert_memory_equal(a->digest_all, b->digest_all, SVIP_DIGEST_LEN);
	settings_free(b);
	b = load_on(BASE_TEXT, NULL);
	assert_non_null(b);
	assert_memory_equal(a->digest_all, b->digest_all, SVIP_DIGEST_LEN);
	settings_free(b);
	settings_free(a);
}

static void
the_canonical_form_is_read_as_the_same(void **state)
{
	static const char text[] = BASE_TEXT
	    "lease = 1s clock-drift = 0.0512% multicast = 239.0.0.1:7 notify-timeout = 1s observe "
	    "= on metrics-listen = 10.0.0.11:9478\n"
	    "sentinel-user = w sentinel-password-file = /DIR/pass announce = nat ttl-min = 3\n"
	    "arp { at = { 0s, 1s } refresh = 0s }\n"
	    "vip a { interface = e1 address = { 2001:db8::1/64, 10.0.1.1/24 } redis = 10.0.0.99:3 "
	    "}\n"
	    "vip b { interface = e1 address = 10.0.1.2 redis = 127.0.0.1:4 announce = n:5 }\n";
	struct settings *s, *again;
	char *first, *second;

	(void)state;
	temp_write("pass", "s3cret", 6, 0600);
	s = load_ok(text);
	first = canonical(s);
	assert_null(strstr(first, "s3cret"));
	again = load_ok(first);
	second = canonical(again);
	assert_string_equal(first, second);
	assert_memory_equal(s->digest_all, again->digest_all, SVIP_DIGEST_LEN);
	assert_memory_equal(s->digest_safety, again->digest_safety, SVIP_DIGEST_LEN);
	assert_string_equal(again->sentinel_auth.password, "s3cret");
	free(first);
	free(second);
	settings_free(s);
	settings_free(again);
}

/* A change of these would make nodes of different versions call each other unsafe. */
static void
digests_and_ids_keep_their_values(void **state)
{
	static const uint8_t safety[SVIP_DIGEST_LEN] = { 0x46, 0x39, 0x07, 0x4a, 0xbb, 0x0b, 0x0a,
		0x4b, 0xf1, 0xd8, 0xb5, 0x14, 0x1a, 0x64, 0xe6, 0xf1 };
	struct settings *s = load_ok(BASE_TEXT);

	(void)state;
	assert_memory_equal(s->digest_safety, safety, SVIP_DIGEST_LEN);
	/* printf mymaster | b2sum -l 64 */
	assert_true(s->instance[0].id == UINT64_C(0xb32e28b3dfa2b6e7));
	assert_true(s->cluster_id == seal_id64("cache"));
	settings_free(s);
}

static void
what_libconfuse_reads_otherwise_is_a_fault(void **state)
{
	static const struct {
		const char *seen,
		    *confuse; /* what the scanner has seen, and what libconfuse is given then */
	} cases[] = {
		{ "lease = \"2s\"", "lease = \"3s\"" },
		{ "lease = \"2s\"", "" },
		{ "", "lease = \"2s\"" },
		{ "nodes = { a, b }", "nodes = { a }" },
		{ "nodes = { a, b }", "nodes = { b, a }" },
		{ "nodes = { a, b }", "nodes = { a, b, c }" },
		{ "vip a { redis = 1 }", "vip b { redis = 1 }" },
		{ "vip a { redis = 1 }", "vip a { redis = 2 }" },
		{ "vip a { redis = 1 }", "vip a { } vip b { redis = 1 }" },
		{ "vip a { redis = 1 }", "" },
		{ "arp { refresh = 1s }", "" },
		{ "", "arp { refresh = 1s }" },
		{ "arp { refresh = 1s }", "arp { refresh = 1s } arp { refresh = 1s }" },
		{ "", "what = \"no key\"" },
		{ "", "vip" },
	};
	struct conf_tree *t = malloc(sizeof(*t));

	(void)state;
	assert_non_null(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s | %s\n", cases[i].seen, cases[i].confuse);
		memset(&report, 0, sizeof(report));
		conf_tree_init(t, &report);
		conf_file_add(
		    t, temp_write("seen", cases[i].seen, strlen(cases[i].seen), 0644), 0, 0);
		conf_blocks_read(t, 0);
		assert_int_equal(report.n_faults, 0);
		conf_confuse_compare(t, 0);
		assert_int_equal(report.n_faults, 0);
		free(t->file[0].text);
		t->file[0].text = strdup(cases[i].confuse);
		conf_confuse_compare(t, 0);
		assert_true(report.n_faults > 0);
		conf_tree_fini(t);
	}
	free(t);
}

/* ---- sample and manual page ---- */

static char *
source_file(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[512], *text = calloc(1, 200000);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir == NULL ? "." : dir, name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s is missing", path);
	assert_non_null(text);
	assert_true(fread(text, 1, 199999, f) > 0);
	fclose(f);
	return text;
}

/* Removes the '#' before each line that is a setting; prose has a blank behind it. */
static void
uncomment(char *text)
{
	char *out = text;

	for (bool at_start = true; *text != '\0'; text++) {
		if (at_start && *text == '#' && text[1] != ' ' && text[1] != '\n')
			text++;
		at_start = *text == '\n';
		*out++ = *text;
	}
	*out = '\0';
}

static void
sample_configuration_is_valid(void **state)
{
	char *text = source_file("etc/svipd.conf");
	struct settings *s = load_on(text, NULL);

	(void)state;
	if (s == NULL)
		fail_msg("%s", told());
	assert_string_equal(s->instance[0].name, "mymaster");
	settings_free(s);
	uncomment(text);
	*strstr(text, "include = ") = '#';
	s = load_on(text, NULL);
	if (s == NULL)
		fail_msg("%s", told());
	settings_free(s);
	free(text);
}

static void
sample_configuration_shows_every_key_with_its_default(void **state)
{
	char *text = source_file("etc/svipd.conf"), line[256];
	const struct conf_key *keys;
	int n;

	(void)state;
	uncomment(text);
	keys = conf_keys(&n);
	for (int i = 0; i < n; i++) {
		bool quoted = keys[i].standard != NULL && keys[i].standard[0] != '{';
		const char *at = text, *indent = (keys[i].where & CONF_GLOBAL) != 0 ? "\n" : "\n\t";

		snprintf(line, sizeof(line), "%s%s ", indent, keys[i].name);
		at = strstr(text, line);
		if (at == NULL)
			fail_msg("%s is not in etc/svipd.conf", keys[i].name);
		snprintf(line, sizeof(line), "%s%s = %s%s%s\n", indent, keys[i].name,
		    quoted ? "\"" : "", keys[i].standard == NULL ? "" : keys[i].standard,
		    quoted ? "\"" : "");
		if (keys[i].standard != NULL && strstr(text, line) == NULL)
			fail_msg("the default of %s is not in etc/svipd.conf", keys[i].name);
	}
	free(text);
}

static void
defaults_of_the_table_are_the_defaults(void **state)
{
	const struct conf_key *keys;
	int n;

	(void)state;
	keys = conf_keys(&n);
	for (int i = 0; i < n; i++) {
		bool list = keys[i].standard != NULL && keys[i].standard[0] == '{';
		char text[1024];

		if (keys[i].standard == NULL)
			continue;
		print_message("# %s\n", keys[i].name);
		snprintf(text, sizeof(text), "%s%s%s = %s%s%s%s\n", BASE_TEXT,
		    keys[i].where == CONF_ARP ? "arp { " : "", keys[i].name, list ? "" : "\"",
		    keys[i].standard, list ? "" : "\"", keys[i].where == CONF_ARP ? " }" : "");
		assert_string_equal(difference(BASE_TEXT, text), "");
	}
}

static void
the_manual_page_has_every_key(void **state)
{
	char *text = source_file("doc/svipd.conf.5"), line[128];
	const struct conf_key *keys;
	int n;

	(void)state;
	keys = conf_keys(&n);
	for (int i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "\n.It Ic %s ", keys[i].name);
		if (strstr(text, line) == NULL)
			fail_msg("%s is not in doc/svipd.conf.5", keys[i].name);
		if (keys[i].standard != NULL && !keys[i].list) {
			const char *at = strstr(text, line);
			const char *end = strstr(at + 1, "\n.It Ic ");

			snprintf(line, sizeof(line), "\nDefault: %s", keys[i].standard);
			at = strstr(at, line);
			if (at == NULL || (end != NULL && at > end))
				fail_msg(
				    "the default of %s is not in doc/svipd.conf.5", keys[i].name);
		}
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_do_not_depend_on_how_it_is_written),
		cmocka_unit_test(digests_show_what_differs),
		cmocka_unit_test(secrets_and_hosts_are_not_in_the_digests),
		cmocka_unit_test(the_canonical_form_is_read_as_the_same),
		cmocka_unit_test(digests_and_ids_keep_their_values),
		cmocka_unit_test(what_libconfuse_reads_otherwise_is_a_fault),
		cmocka_unit_test(sample_configuration_is_valid),
		cmocka_unit_test(sample_configuration_shows_every_key_with_its_default),
		cmocka_unit_test(defaults_of_the_table_are_the_defaults),
		cmocka_unit_test(the_manual_page_has_every_key),
	};

	return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
