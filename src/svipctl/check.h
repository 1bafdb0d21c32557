/* SPDX-License-Identifier: BSD-2-Clause */
/* svipctl check: has the daemon test itself, waits for that, and shows it. */
#ifndef SVIPCTL_CHECK_H
#define SVIPCTL_CHECK_H

#include <stdbool.h>

/* Returns the exit status, as monitoring wants it: 0 ok, 1 degraded, 2 missing, 3 it can't be told. */
int check(const char *socket, bool json);

#endif
