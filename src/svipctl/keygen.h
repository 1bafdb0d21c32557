/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a key for the heartbeats. */
#ifndef SVIPCTL_KEYGEN_H
#define SVIPCTL_KEYGEN_H

/*
 * Writes 64 hexadecimal digits and an LF into a new file (mode 0600), or to stdout when path is NULL. A
 * file that is there is never touched. Returns 0, or 1 after a message on stderr.
 */
int keygen(const char *path);

#endif
