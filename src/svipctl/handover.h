/* SPDX-License-Identifier: BSD-2-Clause */
/* svipctl handover: begins one, shows each step, and tells by the exit status how it has ended. */
#ifndef SVIPCTL_HANDOVER_H
#define SVIPCTL_HANDOVER_H

#include <stdbool.h>

/* line: the request that begins it. json: only the last answer is printed, as it is. Returns the exit status. */
int handover(const char *socket, bool json, const char *line, const char *name);

#endif
