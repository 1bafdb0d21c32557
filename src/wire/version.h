/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which edit of the configuration a file is: its first line, which `svipctl config apply` writes. It is a comment, so that the file stays
 * one for every other tool:
 *
 *   # svipd: configuration SERIAL DIGEST after DIGEST... absent ADDRESS...
 *
 * A digest is BLAKE2b-128 of everything behind that line, in hexadecimal. The first is of this text: when it isn't, somebody has
 * edited the file since. Those after it are of texts that it replaces, the youngest first. The addresses are nodes that an operator has
 * given leave to be missing: svipd runs there with this configuration, or not at all. Reads and writes no file.
 */
#ifndef WIRE_VERSION_H
#define WIRE_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VERSION_DIGEST_LEN = 16,
	VERSION_AFTER_MAX = 16,
	VERSION_ABSENT_MAX = 768, /* sixteen addresses */
	VERSION_LINE_MAX = 640 + VERSION_ABSENT_MAX, /* with the end of the line and a NUL */
};

struct version {
	uint64_t serial;                    /* 0: there is no such line */
	bool edited;                        /* since it was applied */
	uint8_t digest[VERSION_DIGEST_LEN]; /* of the text as it is */
	int n_after;
	uint8_t after[VERSION_AFTER_MAX][VERSION_DIGEST_LEN];
	char absent[VERSION_ABSENT_MAX]; /* addresses, a space between two; not looked at */
	size_t text; /* where the text behind the line begins */
};

/* Any text has one; a first line that is damaged is a part of the text, as is none. */
void version_read(const char *text, size_t len, struct version *);

/* The first line for a text that begins at text + (its version).text, as the next edit after those that it replaces: `before` first
 * (n of them, by their digests; each once), then what the first of these replaced. absent: as above, "" for none. Returns its length,
 * without the NUL. */
int version_line(char out[VERSION_LINE_MAX], const struct version *text, uint64_t serial,
    const struct version *before, int n, const char *absent);

/* Whether a node with `old` may take `next` without being asked: a later serial, and nothing that was edited by hand is lost. */
bool version_follows(const struct version *next, const struct version *old);

#endif
