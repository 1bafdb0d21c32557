/* SPDX-License-Identifier: BSD-2-Clause */
/* Two configurations, in what they differ. */
#include "conf_temp.h"
#include "svipd/conf_in.h"

static char found[4096];

static void
note(void *ctx, const struct conf_difference *d)
{
	size_t len = strlen(found);

	(void)ctx;
	snprintf(found + len, sizeof(found) - len, "%s: %s | %s\n", d->key,
	    d->here != NULL ? d->here : "-", d->there != NULL ? d->there : "-");
}

/* What differs, a line each; NULL: refused. */
static const char *
between(const char *here, const char *there)
{
	char *a = strdup(here), *b = strdup(there);
	bool ok = conf_compare(a, b, note, memset(found, 0, sizeof(found)));

	free(a);
	free(b);
	return ok ? found : NULL;
}

static void
what_differs_is_told_key_by_key(void **state)
{
	static const struct {
		const char *here, *there, *want;
	} cases[] = {
		{ "", "", "" },
		{ "a = \"1\"\n", "a = \"1\"\n", "" },
		{ "a = \"1\"\nb = \"2\"\n", "b = \"2\"\na = \"1\"\n", "" },
		{ "a = \"1\"\n", "a = \"2\"\n", "a: 1 | 2\n" },
		{ "a = \"1\"\n", "", "a: 1 | -\n" },
		{ "", "a = \"1\"\n", "a: - | 1\n" },
		{ "l = { \"x\", \"y\" }\n", "l = { \"y\", \"x\" }\n", "" },
		{ "l = { \"x\", \"y\" }\n", "l = { \"y\", \"z\" }\n", "l: x | -\nl: - | z\n" },
		{ "l = { }\n", "l = { \"z\" }\n", "l: - | z\n" },
		{ "l = \"x\"\n", "l = { \"z\" }\n", "l: x | z\n" },
		{ "vip \"m\" {\na = \"1\"\n}\nz = \"1\"\n",
		    "vip \"m\" {\na = \"2\"\n}\nz = \"2\"\n", "z: 1 | 2\nvip \"m\": a: 1 | 2\n" },
		{ "vip \"m\" {\na = \"1\"\nb = \"1\"\n}\nvip \"m-b\" {\n}\n", "vip \"m-b\" {\n}\n",
		    "vip \"m\": there | -\n" },
		{ "a {\nb = \"1\"\nc = \"2\"\n}\n", "a {\nc = \"2\"\n}\n", "a: b: 1 | -\n" },
		{ "vip \"m\" {\n}\n", "vip \"m\" {\n}\nvip \"n\" {\na = \"1\"\n}\n",
		    "vip \"n\": - | there\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(between(cases[i].here, cases[i].there), cases[i].want);
}

static void
what_is_no_such_text_is_refused(void **state)
{
	static const char *const cases[] = { "a", "a\n", "a = \"1\"", "a = 1\n", "a = \"1\n",
		"a = { \"1\n", "a = { \"1\", \"2 }\n", " = \"1\"\n", "\n", "a {\n", "a {\n}",
		"a {\n}}\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(between(cases[i], ""));
		assert_null(between("", cases[i]));
	}
	assert_null(between("a {\nb\n}\n", "a {\n}\n"));
	assert_null(between("a {\n}\n", "a {\nb = \"1\"\n{\n}\n"));
}

static char *
shared(const char *text)
{
	struct settings *s = load_ok(text);
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	conf_shared(s, f);
	fclose(f);
	settings_free(s);
	return out;
}

static void
settings_are_compared_as_the_digest_has_it(void **state)
{
	static const struct {
		const char *add, *want;
	} cases[] = {
		{ "", "" },
		{ "arp { refresh = 1m }", "" },
		{ "redis = 127.0.0.1:6379", "vip \"mymaster\": redis: 6379 | 127.0.0.1:6379\n" },
		{ "lease = 7s", "lease: 2000ms | 7000ms\npoll: 400ms | 1400ms\n" },
		{ "arp { refresh = 2m }", "arp: refresh: 60000ms | 120000ms\n" },
		{ "vip b { interface = eth0 address = 10.0.0.51 }", "vip \"b\": - | there\n" },
	};
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *a = shared(BASE_TEXT), *b;

		snprintf(text, sizeof(text), "%s%s\n", BASE_TEXT, cases[i].add);
		b = shared(text);
		assert_string_equal(between(a, b), cases[i].want);
		free(a);
		free(b);
	}
}

static void
hostile_amounts_are_refused(void **state)
{
	const size_t lines = 100001;
	char *text = malloc(lines * 8 + 1), *at = text;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		at += sprintf(at, "a = \"\"\n");
	assert_null(between(text, ""));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_told_key_by_key),
		cmocka_unit_test(what_is_no_such_text_is_refused),
		cmocka_unit_test(settings_are_compared_as_the_digest_has_it),
		cmocka_unit_test(hostile_amounts_are_refused),
	};

	return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
