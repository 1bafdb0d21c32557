/* SPDX-License-Identifier: BSD-2-Clause */
/* `svipctl config diff`: in what the other nodes' configurations differ, in words. Decides nothing. */
#ifndef SVIPCTL_DIFF_H
#define SVIPCTL_DIFF_H

#include <stdbool.h>

/* Compares with node ("all": every other one), prints it. Returns the exit status: 0 same, 1 differs, 2 not known. */
int diff(const char *socket, bool json, const char *node);

#endif
