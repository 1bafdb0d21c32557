/* SPDX-License-Identifier: BSD-2-Clause */
/* What takes svipd some steps, such as a handover: begins it, shows each step, and tells by the exit status how it has ended. */
#ifndef SVIPCTL_STEPS_H
#define SVIPCTL_STEPS_H

#include <stdbool.h>

/* line: the request that begins it; progress: the one that asks for it. json: only the last answer is printed, as it is. Returns the
 * exit status. */
int steps(const char *socket, bool json, const char *line, const char *progress);

#endif
