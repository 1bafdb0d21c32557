/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounded reading and writing of packets. Must not look beyond the bytes it was given. */
#include "cursor.h"

#include <string.h>

void
cursor_read(struct cursor *c, const uint8_t *in, size_t size)
{
	*c = (struct cursor){ .in = in, .size = size };
}

void
cursor_write(struct cursor *c, uint8_t *out, size_t size)
{
	*c = (struct cursor){ .out = out, .size = size };
}

size_t
cursor_left(const struct cursor *c)
{
	return c->bad ? 0 : c->size - c->at;
}

/* Claims the next len bytes; their offset goes to *at. False: they aren't there. */
static bool
advance(struct cursor *c, size_t len, size_t *at)
{
	if (len > cursor_left(c)) {
		c->bad = true;
		return false;
	}
	*at = c->at;
	c->at += len;
	return true;
}

void
cursor_get(struct cursor *c, uint8_t *to, size_t len)
{
	size_t at;

	if (c->in != NULL && advance(c, len, &at)) {
		memcpy(to, c->in + at, len);
	} else {
		c->bad = true;
		memset(to, 0, len);
	}
}

void
cursor_skip(struct cursor *c, size_t len)
{
	size_t at;

	(void)advance(c, len, &at);
}

static uint64_t
get(struct cursor *c, size_t len)
{
	uint8_t b[8];
	uint64_t v = 0;

	cursor_get(c, b, len);
	for (size_t i = 0; i < len; i++)
		v = v << 8 | b[i];
	return v;
}

uint8_t
cursor_get8(struct cursor *c)
{
	return (uint8_t)get(c, 1);
}

uint16_t
cursor_get16(struct cursor *c)
{
	return (uint16_t)get(c, 2);
}

uint32_t
cursor_get32(struct cursor *c)
{
	return (uint32_t)get(c, 4);
}

uint64_t
cursor_get64(struct cursor *c)
{
	return get(c, 8);
}

void
cursor_put(struct cursor *c, const uint8_t *from, size_t len)
{
	size_t at;

	if (c->out != NULL && advance(c, len, &at))
		memcpy(c->out + at, from, len);
	else
		c->bad = true;
}

void
cursor_fill(struct cursor *c, uint8_t byte, size_t len)
{
	size_t at;

	if (c->out != NULL && advance(c, len, &at))
		memset(c->out + at, byte, len);
	else
		c->bad = true;
}

static void
put(struct cursor *c, uint64_t v, size_t len)
{
	uint8_t b[8];

	for (size_t i = len; i > 0; i--, v >>= 8)
		b[i - 1] = (uint8_t)v;
	cursor_put(c, b, len);
}

void
cursor_put8(struct cursor *c, uint8_t v)
{
	put(c, v, 1);
}

void
cursor_put16(struct cursor *c, uint16_t v)
{
	put(c, v, 2);
}

void
cursor_put32(struct cursor *c, uint32_t v)
{
	put(c, v, 4);
}

void
cursor_put64(struct cursor *c, uint64_t v)
{
	put(c, v, 8);
}
