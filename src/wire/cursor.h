/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded cursor over the bytes of a packet: the only place that does pointer arithmetic on
 * packets. Big-endian. It must not know any packet's layout.
 *
 * The error is sticky: once something didn't fit, `bad` stays set, reads give zeros and writes are
 * dropped; so a caller may read a whole record and look at `bad` once.
 */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *in; /* NULL when writing */
	uint8_t *out;      /* NULL when reading */
	size_t size, at;   /* at <= size */
	bool bad;
};

/* Neither copies nor owns the bytes. */
void cursor_read(struct cursor *, const uint8_t *in, size_t size);
void cursor_write(struct cursor *, uint8_t *out, size_t size);

/* Bytes that can still be read or written. */
size_t cursor_left(const struct cursor *);

uint8_t cursor_get8(struct cursor *);
uint16_t cursor_get16(struct cursor *);
uint32_t cursor_get32(struct cursor *);
uint64_t cursor_get64(struct cursor *);
void cursor_get(struct cursor *, uint8_t *to, size_t len); /* zeros when it doesn't fit */
void cursor_skip(struct cursor *, size_t len);

void cursor_put8(struct cursor *, uint8_t);
void cursor_put16(struct cursor *, uint16_t);
void cursor_put32(struct cursor *, uint32_t);
void cursor_put64(struct cursor *, uint64_t);
void cursor_put(struct cursor *, const uint8_t *from, size_t len);
void cursor_fill(struct cursor *, uint8_t byte, size_t len);

#endif
