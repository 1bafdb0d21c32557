/* SPDX-License-Identifier: BSD-2-Clause */
/* svipctl config generate: a configuration for the cluster that a Sentinel knows, to be reviewed. */
#ifndef SVIPCTL_GENERATE_H
#define SVIPCTL_GENERATE_H

/*
 * Asks this Sentinel ("host:port") for its masters, their replicas and the other Sentinels, and prints a file for svipd. user and
 * password_file may be NULL. What can't be known (the virtual addresses) is left to be filled in: svipd refuses the file until
 * then. Returns the exit status: 0, or 1 after a message on stderr.
 */
int generate(const char *sentinel, const char *user, const char *password_file);

#endif
