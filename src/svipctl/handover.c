/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks until the handover has ended; each step is printed once. Ending this program does not end the handover. */
#include "handover.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "field.h"
#include "out.h"

enum { DONE, FAILED, USAGE };
/* svipd's own limit is 60 s at most. */
enum { LIMIT_S = 5, WAITS = 1400, WAIT_US = 50000, LINE_MAX_BYTES = 128 };

static enum out_colour
colour_of(const char *step)
{
	if (strcmp(step, "done") == 0)
		return OUT_GOOD;
	return strcmp(step, "failed") == 0 ? OUT_BAD : OUT_PLAIN;
}

/* Prints the steps from *shown on. */
static void
show(const struct out *o, const json_t *answer, size_t *shown)
{
	const json_t *steps = json_object_get(answer, "steps");

	for (; *shown < json_array_size(steps); ++*shown) {
		const json_t *s = json_array_get(steps, *shown);
		const char *step = field_text(s, "step", "?");
		char first[64];

		snprintf(first, sizeof(first), "%6lld ms  %-15.15s ",
		    (long long)field_int(s, "after_ms", 0), step);
		out_wrap(o, colour_of(step), first, field_text(s, "text", ""));
	}
	fflush(o->file);
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
handover(const char *socket, bool json, const char *line, const char *name)
{
	char why[CLIENT_WHY_MAX], progress[LINE_MAX_BYTES], *text = NULL;
	json_t *answer = NULL;
	size_t shown = 0;
	struct out o;
	int status;

	out_init(&o);
	snprintf(progress, sizeof(progress), "handover %s progress", name);
	for (int i = 0; i < WAITS; i++) {
		free(text);
		json_decref(answer);
		text = client_ask(socket, i == 0 ? line : progress, LIMIT_S, why);
		answer = text != NULL ? json_loads(text, 0, NULL) : NULL;
		if (answer != NULL && !json)
			show(&o, answer, &shown);
		if (answer == NULL || !field_true(answer, "running"))
			break;
		usleep(WAIT_US);
	}
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
