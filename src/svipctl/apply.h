/* SPDX-License-Identifier: BSD-2-Clause */
/* `svipctl config apply` and `config rollback`: one file for all nodes, by way of the local svipd. */
#ifndef SVIPCTL_APPLY_H
#define SVIPCTL_APPLY_H

#include <stdbool.h>

/* Gives svipd the file and tells what each node says to it. absent: n nodes that may be missing. Returns the exit status. */
int apply(const char *socket, bool json, const char *file, int n, char *const *absent);

/* The same with what the last change has replaced on this host. */
int rollback(const char *socket, bool json, int n, char *const *absent);

#endif
