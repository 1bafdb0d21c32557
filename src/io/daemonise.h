/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Going into the background, and the pid file that keeps a second daemon out.
 * The command returns only when the daemon is ready, so that `svipd && echo up` tells the truth.
 */
#ifndef IO_DAEMONISE_H
#define IO_DAEMONISE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Forks twice and returns in the daemon only: 0 or -errno. The caller's process waits there; it exits 0
 * at daemonise_ready(), else with 1 after printing daemonise_failed()'s words to stderr.
 */
int daemonise_fork(void);

/* The daemon is ready: lets go of the terminal and of the waiting process. No-op in the foreground. */
void daemonise_ready(void);

/* Why it can't start. Returns false when nobody waits for it (then say it yourself), else exit soon. */
bool daemonise_failed(const char *why);

/*
 * Locks and writes the pid file (flock; a stale file is taken over); the lock lasts as long as the
 * process. -EEXIST when another daemon holds it; `why` names its pid. Else 0 or -errno.
 */
int daemonise_pidfile(const char *path, char *why, size_t size);

/* Removes the pid file, if this process wrote it. */
void daemonise_fini(void);

/* For a helper that was forked: closes everything but this descriptor, which becomes the returned one, or -errno: no lock file, no log, no
 * terminal may live on in it. */
int daemonise_keep_only(int fd);

#endif
