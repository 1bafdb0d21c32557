/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, tags, ids and random numbers by libsodium. Must not log, nor keep a key that is no longer
 * in force. */
#include "seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <svip/heartbeat.h>

static const char context[] = "svip-hb_"; /* part of the protocol */
enum { SUBKEY_TAG = 1, SUBKEY_ID = 2 };   /* part of the protocol */
enum { SUBKEY_KEEP = 3 };                 /* this host's alone */

_Static_assert(sizeof(context) - 1 == crypto_kdf_CONTEXTBYTES, "as libsodium wants it");
_Static_assert(SVIP_KEY_LEN == crypto_kdf_KEYBYTES, "the file's key is a master key of crypto_kdf");

static struct {
	int n;
	struct {
		uint8_t id;
		uint8_t bytes[SVIP_KEY_LEN];
		uint8_t keep[SVIP_KEY_LEN];
	} key[SET_KEYS_MAX];
} keys;

int
seal_init(const struct settings *set)
{
	if (sodium_init() == -1)
		return -EIO;
	if (set->n_keys < 1 || set->n_keys > SET_KEYS_MAX)
		return -EINVAL;
	seal_fini();
	for (int i = 0; i < set->n_keys; i++) {
		uint8_t id[crypto_kdf_BYTES_MIN];

		crypto_kdf_derive_from_key(
		    keys.key[i].bytes, SVIP_KEY_LEN, SUBKEY_TAG, context, set->key[i]);
		crypto_kdf_derive_from_key(
		    keys.key[i].keep, SVIP_KEY_LEN, SUBKEY_KEEP, context, set->key[i]);
		crypto_kdf_derive_from_key(id, sizeof(id), SUBKEY_ID, context, set->key[i]);
		keys.key[i].id = id[0];
		sodium_memzero(id, sizeof(id));
	}
	keys.n = set->n_keys;
	return 0;
}

void
seal_fini(void)
{
	sodium_memzero(&keys, sizeof(keys));
}

uint8_t
seal_key_id(void)
{
	return keys.key[0].id;
}

static void
tag_of(const uint8_t *bytes, size_t len, const uint8_t key[SVIP_KEY_LEN], uint8_t tag[HB_TAG_LEN])
{
	crypto_generichash(tag, HB_TAG_LEN, bytes, len, key, SVIP_KEY_LEN);
}

/* Does the tag behind the len bytes fit? */
static bool
fits(const uint8_t *bytes, size_t len, const uint8_t key[SVIP_KEY_LEN])
{
	uint8_t tag[HB_TAG_LEN];

	tag_of(bytes, len, key, tag);
	return sodium_memcmp(tag, &bytes[len], HB_TAG_LEN) == 0;
}

size_t
seal_put(uint8_t *datagram, size_t len)
{
	assert(keys.n > 0);
	tag_of(datagram, len, keys.key[0].bytes, &datagram[len]);
	return len + HB_TAG_LEN;
}

bool
seal_check(const uint8_t *datagram, size_t len, uint8_t key_id)
{
	if (len < HB_TAG_LEN)
		return false;
	len -= HB_TAG_LEN;
	/* Two keys may have the same id. */
	for (int i = 0; i < keys.n; i++) {
		if (keys.key[i].id == key_id && fits(datagram, len, keys.key[i].bytes))
			return true;
	}
	return false;
}

size_t
seal_keep(uint8_t *record, size_t len)
{
	assert(keys.n > 0);
	tag_of(record, len, keys.key[0].keep, &record[len]);
	return len + HB_TAG_LEN;
}

bool
seal_kept(const uint8_t *record, size_t len)
{
	if (len < HB_TAG_LEN)
		return false;
	for (int i = 0; i < keys.n; i++) {
		if (fits(record, len - HB_TAG_LEN, keys.key[i].keep))
			return true;
	}
	return false;
}

uint64_t
seal_id64(const char *text)
{
	uint8_t hash[8];
	uint64_t id = 0;
	int rc;

	/* Below crypto_generichash_BYTES_MIN, yet made and tested: BLAKE2b-64 proper, no cut-off
	 * longer one. */
	rc = crypto_generichash(hash, sizeof(hash), (const uint8_t *)text, strlen(text), NULL, 0);
	assert(rc == 0);
	(void)rc;
	for (size_t i = 0; i < sizeof(hash); i++)
		id = id << 8 | hash[i];
	return id;
}

uint64_t
seal_random64(void)
{
	uint64_t v = 0;

	while (v == 0)
		randombytes_buf(&v, sizeof(v));
	return v;
}
