/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What svipctl prints for canned answers, against the texts beside them. After a change that is meant, look at
 * the difference, then write them anew with SVIPCTL_WRITE=1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "svipctl/health.h"
#include "svipctl/keygen.h"
#include "svipctl/out.h"
#include "svipctl/show.h"

static const char *
file_in_tree(const char *name)
{
	static char path[512];
	const char *srcdir = getenv("srcdir");

	snprintf(
	    path, sizeof(path), "%s/tests/unit/svipctl/%s", srcdir != NULL ? srcdir : ".", name);
	return path;
}

static char *
printed(const char *json, show_answer *show, const char *name, bool symbols, bool colour)
{
	json_t *answer = json_load_file(file_in_tree(json), 0, NULL);
	struct out o = { .symbols = symbols, .colour = colour };
	char *text = NULL;
	size_t size;

	assert_non_null(answer);
	o.file = open_memstream(&text, &size);
	assert_non_null(o.file);
	show(&o, answer, name);
	fclose(o.file);
	json_decref(answer);
	return text;
}

static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) < 65535);
	fclose(f);
	return text;
}

static const struct {
	const char *json, *golden;
	show_answer *show;
	const char *name;
	bool symbols;
} cases[] = {
	{ "healthy.json", "healthy.txt", show_status, NULL, true },
	{ "healthy.json", "healthy.ascii.txt", show_status, NULL, false },
	{ "healthy.json", "peers.txt", show_peers, NULL, true },
	{ "healthy.json", "sentinels.txt", show_sentinels, NULL, true },
	{ "one.json", "one.txt", show_status, "mymaster", true },
	{ "why.json", "why.txt", show_why, NULL, true },
	{ "history.json", "history.txt", show_history, NULL, true },
	{ "history.json", "history.ascii.txt", show_history, NULL, false },
	{ "trouble.json", "trouble.txt", show_status, NULL, true },
	{ "trouble.json", "trouble.peers.txt", show_peers, NULL, true },
	{ "trouble.json", "trouble.sentinels.txt", show_sentinels, NULL, false },
	{ "long.json", "long.txt", show_status, NULL, false },
	{ "long.json", "long.why.txt", show_why, NULL, false },
	{ "long.json", "long.sentinels.txt", show_sentinels, NULL, false },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void
answers_are_printed_as_agreed(void **state)
{
	(void)state;
	for (int i = 0; i < CASES; i++) {
		char *text = printed(
		         cases[i].json, cases[i].show, cases[i].name, cases[i].symbols, false),
		     *want;

		if (getenv("SVIPCTL_WRITE") != NULL) {
			FILE *f = fopen(file_in_tree(cases[i].golden), "w");

			assert_non_null(f);
			fputs(text, f);
			fclose(f);
		}
		want = read_file(file_in_tree(cases[i].golden));
		assert_string_equal(text, want);
		free(want);
		free(text);
	}
}

static void
no_line_is_wider_than_eighty_columns(void **state)
{
	(void)state;
	for (int i = 0; i < CASES; i++) {
		char *text =
		    printed(cases[i].json, cases[i].show, cases[i].name, cases[i].symbols, false);
		int columns = 0;

		for (const char *p = text; *p != '\0'; p++) {
			if (*p == '\n') {
				assert_true(columns <= OUT_WIDTH);
				assert_true(p == text || p[-1] != ' ');
				columns = 0;
			} else if ((*p & 0xc0) != 0x80) {
				columns++;
			}
			if (!cases[i].symbols)
				assert_true(*p == '\n' || (*p >= ' ' && *p <= '~'));
		}
		free(text);
	}
}

/* The same text once the colours are taken out. */
static void
colours_change_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < CASES; i++) {
		char *plain =
		    printed(cases[i].json, cases[i].show, cases[i].name, cases[i].symbols, false);
		char *colour = printed(
		         cases[i].json, cases[i].show, cases[i].name, cases[i].symbols, true),
		     *to = colour;

		assert_null(strchr(plain, '\033'));
		for (const char *from = colour; *from != '\0'; from++) {
			if (*from == '\033')
				from = strchr(from, 'm');
			else
				*to++ = *from;
		}
		*to = '\0';
		assert_string_equal(plain, colour);
		free(plain);
		free(colour);
	}
}

/* Each answer, with each field missing or of another type, must still be shown. */
static void
odd_answers_do_not_crash(void **state)
{
	static show_answer *const shows[] = { show_status, show_peers, show_sentinels, show_why,
		show_history, show_message };
	static const char *const answers[] = {
		"{}",
		"{\"instances\":null,\"sentinels\":3,\"peers\":\"x\",\"history\":{}}",
		"{\"instances\":[],\"sentinels\":[],\"peers\":[],\"history\":[]}",
		"{\"instances\":[{}],\"sentinels\":[{}],\"peers\":[{}],\"history\":[{}]}",
		"{\"instances\":[1,\"x\",null],\"sentinels\":[[]],\"peers\":[true],\"history\":[7]"
		"}",
		"{\"instances\":[{\"name\":1,\"addresses\":[null,5],\"since_ms\":\"x\",\"lease_"
		"left_ms\":9e9}],"
		"\"sentinels\":[{\"views\":[{},3],\"unknown\":1,\"missing\":1,\"state\":"
		"\"connected\"}],"
		"\"peers\":[{\"instances\":[{\"holding\":true}],\"rtt_us\":-5,\"state\":\"silent\"}"
		"],"
		"\"history\":[{\"time_ms\":9223372036854775807}],\"message\":7}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		for (size_t k = 0; k < sizeof(shows) / sizeof(shows[0]); k++) {
			json_t *answer = json_loads(answers[i], 0, NULL);
			struct out o = { .symbols = true };
			char *text = NULL;
			size_t size;

			assert_non_null(answer);
			o.file = open_memstream(&text, &size);
			shows[k](&o, answer, k == 0 ? "x" : NULL);
			fclose(o.file);
			assert_true(size > 0);
			free(text);
			json_decref(answer);
		}
	}
}

static enum health
healthy(const char *json, char **text)
{
	json_t *answer = json_load_file(file_in_tree(json), 0, NULL);
	struct out o = { .file = NULL };
	enum health verdict;
	size_t size;

	assert_non_null(answer);
	o.file = open_memstream(text, &size);
	assert_non_null(o.file);
	verdict = health_write(&o, answer);
	fclose(o.file);
	json_decref(answer);
	return verdict;
}

static void
monitoring_hears_a_verdict_and_the_worst(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(healthy("healthy.json", &text), HEALTH_OK);
	assert_string_equal(text, "SVIPD OK: holding 1 of 2 | holding=1;;;0;2 sentinels=3;;;0;3 peers=2;;;0;2\n");
	free(text);
	assert_int_equal(healthy("trouble.json", &text), HEALTH_CRITICAL);
	assert_non_null(strstr(text, "SVIPD CRITICAL: "));
	assert_ptr_equal(strchr(text, '|'), strrchr(text, '|'));
	assert_non_null(strstr(text, "\n! "));
	free(text);
}

static void
a_key_is_new_and_private_and_never_overwritten(void **state)
{
	char dir[] = "/tmp/svipctl-XXXXXX", path[64], *first, *second;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(keygen(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	first = read_file(path);
	assert_int_equal(strlen(first), 65);
	assert_int_equal(strspn(first, "0123456789abcdef"), 64);
	assert_int_equal(first[64], '\n');
	assert_int_equal(keygen(path), 1);
	second = read_file(path);
	assert_string_equal(first, second);
	free(second);
	unlink(path);
	assert_int_equal(keygen(path), 0);
	second = read_file(path);
	assert_string_not_equal(first, second);
	free(first);
	free(second);
	unlink(path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_printed_as_agreed),
		cmocka_unit_test(no_line_is_wider_than_eighty_columns),
		cmocka_unit_test(colours_change_nothing_else),
		cmocka_unit_test(odd_answers_do_not_crash),
		cmocka_unit_test(monitoring_hears_a_verdict_and_the_worst),
		cmocka_unit_test(a_key_is_new_and_private_and_never_overwritten),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
