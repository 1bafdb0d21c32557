/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An answer of the daemon, as svipctl shows it. The first byte says what was asked and how the terminal is; the answer may be any
 * JSON at all.
 */
#include <string.h>

#include "fuzz.h"
#include "svipctl/health.h"
#include "svipctl/show.h"
#include "wire/metrics.h"

static void
show_metrics(const struct out *o, const json_t *answer, const char *name)
{
	(void)name;
	metrics_write(o->file, answer);
}

static void
show_health(const struct out *o, const json_t *answer, const char *name)
{
	(void)name;
	MUST(health_write(o, answer) < HEALTH_UNKNOWN);
}

static show_answer *const shows[] = { show_status, show_peers, show_sentinels, show_why,
	show_history, show_message, show_metrics, show_health };

enum { SHOWS = sizeof(shows) / sizeof(shows[0]) };

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	json_t *answer;
	struct out o;
	char *text = NULL;
	size_t size = 0;

	if (len == 0)
		return 0;
	answer = json_loadb((const char *)in + 1, len - 1, 0, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return 0;
	}
	o = (struct out){ .file = open_memstream(&text, &size),
		.colour = (in[0] & 0x40) != 0,
		.symbols = (in[0] & 0x20) != 0 };
	MUST(o.file != NULL);
	shows[(in[0] & 0x0f) % SHOWS](&o, answer, (in[0] & 0x10) != 0 ? "mymaster" : NULL);
	MUST(fclose(o.file) == 0);
	MUST(size == 0 || text[size - 1] == '\n');
	free(text);
	json_decref(answer);
	return 0;
}
