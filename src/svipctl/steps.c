/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks until it has ended; each step is printed once. Ending this program ends nothing in svipd. */
#include "steps.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "out.h"
#include "wait.h"

enum { DONE, FAILED, USAGE };
/* svipd's own limits are 60 s at most. */
enum { LIMIT_MS = 70000 };

static enum out_colour
colour_of(const char *step)
{
	if (strcmp(step, "done") == 0)
		return OUT_GOOD;
	return strcmp(step, "failed") == 0 ? OUT_BAD : OUT_PLAIN;
}

struct printed {
	struct out o;
	size_t n; /* steps */
};

/* Prints the steps that are new. */
static void
show(void *ctx, const json_t *answer)
{
	struct printed *p = ctx;
	const json_t *steps = json_object_get(answer, "steps");

	for (; p->n < json_array_size(steps); p->n++) {
		const json_t *s = json_array_get(steps, p->n);
		const char *step = field_text(s, "step", "?");
		char first[64];

		snprintf(first, sizeof(first), "%6lld ms  %-15.15s ",
		    (long long)field_int(s, "after_ms", 0), step);
		out_wrap(&p->o, colour_of(step), first, field_text(s, "text", ""));
	}
	fflush(p->o.file);
}

static int
judge(const json_t *answer, bool json)
{
	const char *error = field_text(answer, "error", "");

	if (json_is_object(answer) && field_true(answer, "ok"))
		return DONE;
	if (!json && json_array_size(json_object_get(answer, "steps")) == 0)
		fprintf(stderr, "svipctl: %s\n",
		    field_text(answer, "message", "the answer can't be read"));
	return strcmp(error, "bad-request") == 0 ? USAGE : FAILED;
}

int
steps(const char *socket, bool json, const char *line, const char *progress)
{
	char why[CLIENT_WHY_MAX], *text;
	struct printed printed = { .n = 0 };
	const struct wait w = { .line = line,
		.progress = progress,
		.file = -1,
		.limit_ms = LIMIT_MS,
		.each = json ? NULL : show,
		.ctx = &printed };
	json_t *answer;
	int status;

	out_init(&printed.o);
	answer = wait_for_end(socket, &w, &text, why);
	if (text == NULL) {
		fprintf(stderr, "svipctl: %s\n", why);
		return FAILED;
	}
	status = field_true(answer, "running") ? FAILED : judge(answer, json);
	if (json)
		puts(text);
	json_decref(answer);
	free(text);
	return status;
}
