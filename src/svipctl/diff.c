/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks until every node has been compared. The exit statuses are those of diff(1). */
#include "diff.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "out.h"
#include "wait.h"

enum { SAME, DIFFERS, TROUBLE };
enum { LIMIT_MS = 10000, LINE_MAX_BYTES = 128 };

/* The answer once every node has answered, or svipd has given it up after 3 s; NULL: why is told. */
static json_t *
ask_all(const char *socket, const char *node, bool json, char **text)
{
	char why[CLIENT_WHY_MAX], line[LINE_MAX_BYTES], again[LINE_MAX_BYTES + 16];
	const struct wait w = { .line = line, .progress = again, .file = -1, .limit_ms = LIMIT_MS };
	json_t *answer;

	snprintf(line, sizeof(line), "config-diff %.63s", node);
	snprintf(again, sizeof(again), "%s progress", line);
	answer = wait_for_end(socket, &w, text, why);
	if (answer != NULL && !field_true(answer, "running") && (json || field_true(answer, "ok")))
		return answer;
	fprintf(stderr, "svipctl: %s\n",
	    *text == NULL ? why : field_text(answer, "message", "the answer can't be read"));
	json_decref(answer);
	return NULL;
}

static int
judge(const json_t *node)
{
	if (!field_true(node, "reachable"))
		return TROUBLE;
	return field_true(node, "same") ? SAME : DIFFERS;
}

static void
show_differences(const struct out *o, const json_t *node)
{
	static const char *const heads[] = { "  KEY", "HERE", "THERE", NULL };
	json_int_t left_out = field_int(node, "left_out", 0);
	struct out_table t;
	const json_t *d;
	size_t i;

	out_table_init(&t, heads);
	json_array_foreach(json_object_get(node, "differences"), i, d)
	{
		struct out_row *r = out_table_row(&t);

		out_cell(r, 0, OUT_PLAIN, "  %s", field_text(d, "key", "?"));
		out_cell(r, 1, OUT_PLAIN, "%s", field_text(d, "here", "-"));
		out_cell(r, 2, OUT_PLAIN, "%s", field_text(d, "there", "-"));
	}
	out_table_write(o, &t);
	if (left_out > 0)
		fprintf(o->file, "  and %" JSON_INTEGER_FORMAT " more\n", left_out);
}

static void
show(const struct out *o, const json_t *node)
{
	size_t n = json_array_size(json_object_get(node, "differences")) +
	           (size_t)field_int(node, "left_out", 0);
	char first[64], text[64];

	snprintf(first, sizeof(first), "%.60s: ", field_text(node, "node", "?"));
	switch (judge(node)) {
	case SAME:
		out_wrap(o, OUT_GOOD, first, "same");
		return;
	case DIFFERS:
		snprintf(text, sizeof(text), "differs in %zu %s", n, n == 1 ? "place" : "places");
		out_wrap(o, OUT_WARN, first, text);
		show_differences(o, node);
		return;
	default:
		snprintf(
		    first, sizeof(first), "%.40s: not compared: ", field_text(node, "node", "?"));
		out_wrap(o, OUT_BAD, first, field_text(node, "error", "no answer"));
	}
}

int
diff(const char *socket, bool json, const char *node)
{
	char *text = NULL;
	json_t *answer = ask_all(socket, node, json, &text);
	const json_t *nodes = json_object_get(answer, "nodes"), *n;
	int status = field_true(answer, "ok") ? SAME : TROUBLE;
	struct out o;
	size_t i;

	out_init(&o);
	if (answer != NULL && json)
		puts(text);
	else if (answer != NULL && json_array_size(nodes) == 0)
		puts("there are no other nodes");
	json_array_foreach(nodes, i, n)
	{
		if (!json)
			show(&o, n);
		if (judge(n) > status)
			status = judge(n);
	}
	json_decref(answer);
	free(text);
	return status;
}
