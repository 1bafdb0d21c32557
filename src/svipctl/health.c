/* SPDX-License-Identifier: BSD-2-Clause */
/* A verdict out of the answer to status. The judging is problem.c's; must not have an opinion of its own. */
#include "health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "show.h"

enum { LIMIT_S = 5 };

static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

static enum health
of_colour(enum out_colour worst)
{
	return worst == OUT_BAD ? HEALTH_CRITICAL : worst == OUT_WARN ? HEALTH_WARNING : HEALTH_OK;
}

/* How many elements have this text, or true, in the field. */
static size_t
count(const json_t *array, const char *key, const char *word)
{
	const json_t *x;
	size_t i, n = 0;

	json_array_foreach(array, i, x) n +=
	    word != NULL ? strcmp(field_text(x, key, ""), word) == 0 : field_true(x, key);
	return n;
}

/* A bar begins the numbers. */
static void
put_text(FILE *to, const char *text)
{
	for (; *text != '\0'; text++)
		putc(*text == '|' ? '/' : *text, to);
}

static void
put_numbers(FILE *to, const json_t *answer)
{
	const json_t *vips = json_object_get(answer, "instances"),
	             *sentinels = json_object_get(answer, "sentinels"),
	             *peers = json_object_get(answer, "peers");

	fprintf(to, " | holding=%zu;;;0;%zu sentinels=%zu;;;0;%zu peers=%zu;;;0;%zu\n",
	    count(vips, "holding", NULL), json_array_size(vips),
	    count(sentinels, "state", "connected"), json_array_size(sentinels),
	    count(peers, "state", "alive"), json_array_size(peers));
}

enum health
health_write(const struct out *o, const json_t *answer)
{
	struct show_worst worst = { .colour = OUT_PLAIN };
	struct out problems = *o;
	enum health verdict;
	char *text = NULL;
	size_t size = 0;

	problems.file = open_memstream(&text, &size);
	if (problems.file == NULL)
		return HEALTH_UNKNOWN;
	show_problems(&problems, answer, &worst);
	if (fclose(problems.file) != 0)
		return HEALTH_UNKNOWN;
	verdict = of_colour(worst.colour);
	fprintf(o->file, "SVIPD %s: ", words[verdict]);
	if (verdict != HEALTH_OK)
		put_text(o->file, worst.text);
	else
		fprintf(o->file, "holding %zu of %zu",
		    count(json_object_get(answer, "instances"), "holding", NULL),
		    json_array_size(json_object_get(answer, "instances")));
	put_numbers(o->file, answer);
	if (size > 0)
		text[size - 1] = '\0'; /* the empty line at the end */
	put_text(o->file, text);
	free(text);
	return verdict;
}

static void
unknown(const char *why)
{
	printf("SVIPD %s: %s\n", words[HEALTH_UNKNOWN], why);
}

int
health(const char *socket, bool json)
{
	char why[CLIENT_WHY_MAX], *text = client_ask(socket, "status", LIMIT_S, why), *said = NULL;
	json_t *answer = text != NULL ? json_loads(text, 0, NULL) : NULL;
	int status = HEALTH_UNKNOWN;
	size_t size = 0;
	struct out o = { .file = open_memstream(&said, &size) };

	if (text == NULL)
		unknown(why);
	else if (!field_true(answer, "ok"))
		unknown(field_text(answer, "message", "the answer can't be read"));
	else if (o.file == NULL)
		unknown("no memory");
	else
		status = health_write(&o, answer);
	if (o.file != NULL && fclose(o.file) == 0 && status != HEALTH_UNKNOWN)
		fputs(json ? text : said, stdout);
	if (json && status != HEALTH_UNKNOWN)
		putchar('\n');
	json_decref(answer);
	free(text);
	free(said);
	return fflush(stdout) == 0 ? status : HEALTH_UNKNOWN;
}
