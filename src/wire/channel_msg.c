/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of the peers' channel. Must not believe a length that is above its limit. */
#include "channel_msg.h"

#include <string.h>

#include "cursor.h"

static const uint8_t magic[4] = { 'S', 'V', 'C', 'H' };

static void
put_start(struct cursor *c, uint8_t key_id)
{
	cursor_put(c, magic, sizeof(magic));
	cursor_put8(c, CHANNEL_VERSION);
	cursor_put8(c, key_id);
	cursor_put16(c, 0);
}

static bool
get_start(struct cursor *c, uint8_t *key_id, const char **why)
{
	uint8_t start[sizeof(magic)], version;

	cursor_get(c, start, sizeof(start));
	version = cursor_get8(c);
	*key_id = cursor_get8(c);
	cursor_skip(c, 2);
	if (memcmp(start, magic, sizeof(magic)) != 0) {
		*why = "that is not the peers' channel of svipd";
		return false;
	}
	if (version != CHANNEL_VERSION) {
		*why = "another version of the peers' channel";
		return false;
	}
	return true;
}

void
channel_put_challenge(const struct channel_challenge *m, uint8_t out[CHANNEL_CHALLENGE_LEN])
{
	struct cursor c;

	cursor_write(&c, out, CHANNEL_CHALLENGE_LEN);
	put_start(&c, 0);
	cursor_put64(&c, m->cluster);
	cursor_put(&c, m->nonce, sizeof(m->nonce));
}

bool
channel_get_challenge(
    const uint8_t in[CHANNEL_CHALLENGE_LEN], struct channel_challenge *m, const char **why)
{
	struct cursor c;
	uint8_t unused;

	cursor_read(&c, in, CHANNEL_CHALLENGE_LEN);
	if (!get_start(&c, &unused, why))
		return false;
	m->cluster = cursor_get64(&c);
	cursor_get(&c, m->nonce, sizeof(m->nonce));
	return true;
}

void
channel_put_opening(const struct channel_opening *m, uint8_t out[CHANNEL_OPENING_LEN])
{
	struct cursor c;

	cursor_write(&c, out, CHANNEL_OPENING_LEN);
	put_start(&c, m->key_id);
	cursor_put(&c, m->node, sizeof(m->node));
	cursor_put(&c, m->nonce, sizeof(m->nonce));
}

bool
channel_get_opening(
    const uint8_t in[CHANNEL_OPENING_LEN], struct channel_opening *m, const char **why)
{
	struct cursor c;

	cursor_read(&c, in, CHANNEL_OPENING_LEN);
	if (!get_start(&c, &m->key_id, why))
		return false;
	cursor_get(&c, m->node, sizeof(m->node));
	cursor_get(&c, m->nonce, sizeof(m->nonce));
	return true;
}

void
channel_put_head(const struct channel_head *m, uint8_t out[CHANNEL_HEAD_LEN])
{
	struct cursor c;

	cursor_write(&c, out, CHANNEL_HEAD_LEN);
	cursor_put8(&c, m->kind);
	cursor_fill(&c, 0, 3);
	cursor_put32(&c, m->id);
	cursor_put32(&c, m->length);
}

bool
channel_get_head(const uint8_t in[CHANNEL_HEAD_LEN], struct channel_head *m, const char **why)
{
	struct cursor c;

	cursor_read(&c, in, CHANNEL_HEAD_LEN);
	m->kind = cursor_get8(&c);
	cursor_skip(&c, 3);
	m->id = cursor_get32(&c);
	m->length = cursor_get32(&c);
	if (m->length <= CHANNEL_BODY_MAX)
		return true;
	*why = "a message is too long";
	return false;
}
