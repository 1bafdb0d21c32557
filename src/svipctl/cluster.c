/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks until every node has answered or was given up, then shows one after the other; of histories makes one, by time. */
#include "cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "wait.h"

enum { DONE, FAILED };
enum { LIMIT_MS = 12500, LINE_MAX_BYTES = 256 };

/* Adds a node's entries to those of all. */
static void
merge(json_t *all, const char *key, const json_t *answer, const char *node)
{
	json_t *entry, *to = json_object_get(all, key);
	size_t i;

	json_array_foreach(json_object_get(answer, key), i, entry)
	{
		json_object_set_new(entry, "node", json_string(node));
		json_array_append(to, entry);
	}
}

static void
show_all(const struct out *o, const json_t *nodes, show_answer *show, const char *name)
{
	bool one = show == show_history;
	json_t *all = json_pack("{s:[],s:[]}", "history", "steps");
	const json_t *n;
	size_t i;

	json_array_foreach(nodes, i, n)
	{
		const json_t *answer = json_object_get(n, "answer");
		const char *node = field_text(n, "node", "?");

		if (!field_true(answer, "ok")) {
			char first[64];

			snprintf(first, sizeof(first), "%.60s: ", node);
			out_wrap(o, OUT_BAD, first,
			    field_text(n, "error", field_text(answer, "message", "no answer")));
		} else if (one) {
			merge(all, "history", answer, node);
			merge(all, "steps", answer, node);
		} else {
			fprintf(o->file, "%s%s:\n", i > 0 ? "\n" : "", node);
			show(o, answer, name);
		}
	}
	if (one)
		show(o, all, name);
	json_decref(all);
}

static int
judge(const json_t *answer)
{
	const json_t *n;
	size_t i;
	int status = field_true(answer, "ok") ? DONE : FAILED;

	json_array_foreach(json_object_get(answer, "nodes"), i, n)
	{
		if (!field_true(json_object_get(n, "answer"), "ok"))
			status = FAILED;
	}
	return status;
}

int
cluster(const char *socket, bool json, const char *line, show_answer *show, const char *name)
{
	char why[CLIENT_WHY_MAX], ask[LINE_MAX_BYTES], again[LINE_MAX_BYTES + 16], *text;
	const struct wait w = { .line = ask, .progress = again, .file = -1, .limit_ms = LIMIT_MS };
	json_t *answer;
	struct out o;
	int status;

	snprintf(ask, sizeof(ask), "cluster %s", line);
	snprintf(again, sizeof(again), "%s progress", ask);
	answer = wait_for_end(socket, &w, &text, why);
	out_init(&o);
	if (text == NULL)
		fprintf(stderr, "svipctl: %s\n", why);
	else if (json)
		puts(text);
	else if (field_true(answer, "ok"))
		show_all(&o, json_object_get(answer, "nodes"), show, name);
	else
		fprintf(stderr, "svipctl: %s\n",
		    field_text(answer, "message", "the answer can't be read"));
	status = answer != NULL ? judge(answer) : FAILED;
	json_decref(answer);
	free(text);
	return status;
}
