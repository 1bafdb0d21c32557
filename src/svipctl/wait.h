/* SPDX-License-Identifier: BSD-2-Clause */
/* What takes svipd longer than an answer: it is begun by one request, and asked for by another until it runs no more. Knows no command. */
#ifndef SVIPCTL_WAIT_H
#define SVIPCTL_WAIT_H

#include <jansson.h>

#include "client.h"

struct wait {
	const char *line, *progress;                   /* the requests; they are not kept */
	int file;                                      /* goes along with the first one; -1: none */
	int limit_ms;                                  /* about, besides the time of the answers */
	void (*each)(void *ctx, const json_t *answer); /* NULL: only the last one counts */
	void *ctx;
};

/*
 * The last answer, to be given to json_decref(), and its text in *text, to be freed. "running" is still true when the time was over.
 * NULL: *text is what can't be read, or NULL, and then why says what stands in the way.
 */
json_t *wait_for_end(
    const char *socket, const struct wait *, char **text, char why[CLIENT_WHY_MAX]);

#endif
