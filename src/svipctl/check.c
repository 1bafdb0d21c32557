/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks until the self-test has ended. The exit statuses are those of monitoring plugins. */
#include "check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "field.h"
#include "out.h"

enum { UNKNOWN = 3 };
enum { LIMIT_S = 5, WAITS = 40, WAIT_US = 100000 };

static int
status_of(const char *verdict)
{
	if (strcmp(verdict, "ok") == 0)
		return 0;
	return strcmp(verdict, "degraded") == 0 ? 1 : strcmp(verdict, "missing") == 0 ? 2 : UNKNOWN;
}

static void
show(const json_t *answer)
{
	static const enum out_colour colours[] = { OUT_GOOD, OUT_WARN, OUT_BAD, OUT_BAD };
	const json_t *c;
	struct out o;
	size_t i;

	out_init(&o);
	json_array_foreach(json_object_get(answer, "checks"), i, c)
	{
		const char *verdict = field_text(c, "verdict", "?"),
		           *remedy = field_text(c, "remedy", "");
		char first[64];

		snprintf(
		    first, sizeof(first), "%-9.9s %-16.16s ", verdict, field_text(c, "name", "?"));
		out_wrap(&o, colours[status_of(verdict)], first, field_text(c, "detail", ""));
		if (remedy[0] != '\0') {
			snprintf(first, sizeof(first), "%-27s-> ", "");
			out_wrap(&o, OUT_PLAIN, first, remedy);
		}
	}
	printf("verdict: %s\n", field_text(answer, "verdict", "?"));
}

/* The answer once the test has ended; NULL: why is told. */
static json_t *
wait_for_end(const char *socket, char **text)
{
	char why[CLIENT_WHY_MAX];
	json_t *answer = NULL;

	for (int i = 0; i < WAITS; i++) {
		free(*text);
		json_decref(answer);
		*text = client_ask(socket, i == 0 ? "check again" : "check", LIMIT_S, why);
		answer = *text != NULL ? json_loads(*text, 0, NULL) : NULL;
		if (*text == NULL)
			fprintf(stderr, "svipctl: %s\n", why);
		else if (answer == NULL || !field_true(answer, "ok"))
			fprintf(stderr, "svipctl: %s\n",
			    field_text(answer, "message", "the answer can't be read"));
		else if (!field_true(answer, "running"))
			return answer;
		else if (usleep(WAIT_US) == 0)
			continue;
		json_decref(answer);
		return NULL;
	}
	fprintf(stderr, "svipctl: the self-test does not end\n");
	json_decref(answer);
	return NULL;
}

int
check(const char *socket, bool json)
{
	char *text = NULL;
	json_t *answer = wait_for_end(socket, &text);
	int status = answer != NULL ? status_of(field_text(answer, "verdict", "?")) : UNKNOWN;

	if (answer != NULL && json)
		puts(text);
	else if (answer != NULL)
		show(answer);
	json_decref(answer);
	free(text);
	return status;
}
