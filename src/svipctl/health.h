/* SPDX-License-Identifier: BSD-2-Clause */
/* `svipctl health`: one line and an exit status as monitoring plugins have them, of what goes on here. */
#ifndef SVIPCTL_HEALTH_H
#define SVIPCTL_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#include "out.h"

enum health { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL, HEALTH_UNKNOWN }; /* the exit statuses */

/* Writes the line, with its numbers behind a bar, and below it every problem. answer: to status. */
enum health health_write(const struct out *, const json_t *answer);

/* Asks and writes. json: the answer instead. Returns the exit status. */
int health(const char *socket, bool json);

#endif
