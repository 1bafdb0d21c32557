/* SPDX-License-Identifier: BSD-2-Clause */
/* One question to the daemon's control socket, one answer, within a time limit. Knows no command. */
#ifndef SVIPCTL_CLIENT_H
#define SVIPCTL_CLIENT_H

#include <stddef.h>

enum {
	CLIENT_WHY_MAX = 256,
	CLIENT_REPLY_MAX = 16 << 20, /* bytes of an answer */
};

/*
 * Sends line (without an LF) and returns the answer without its LF, to be freed; the whole takes at
 * most limit_s seconds. NULL: why says what stands in the way, and which socket it is about.
 */
char *client_ask(const char *path, const char *line, int limit_s, char why[CLIENT_WHY_MAX]);

/* The same with a file that goes along. */
char *client_ask_with(const char *path, const char *line, int file, int limit_s, char why[CLIENT_WHY_MAX]);

#endif
