/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, tags, ids and random numbers by libsodium. Must not log, nor keep a key that is no longer
 * in force. */
#include "seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <svip/heartbeat.h>

static const char context[] = "svip-hb_";            /* part of the protocol */
enum { SUBKEY_TAG = 1, SUBKEY_ID = 2 };              /* part of the protocol */
enum { SUBKEY_KEEP = 3 };                            /* this host's alone */
enum { SUBKEY_CHANNEL = 4, SUBKEY_FINGERPRINT = 5 }; /* part of the channel's protocol */

_Static_assert(sizeof(context) - 1 == crypto_kdf_CONTEXTBYTES, "as libsodium wants it");
_Static_assert(SVIP_KEY_LEN == crypto_kdf_KEYBYTES, "the file's key is a master key of crypto_kdf");

static struct {
	int n;
	struct {
		uint8_t id;
		uint8_t bytes[SVIP_KEY_LEN];
		uint8_t keep[SVIP_KEY_LEN];
		uint8_t channel[SVIP_KEY_LEN];
		uint8_t fingerprint[SVIP_KEY_LEN];
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
		crypto_kdf_derive_from_key(
		    keys.key[i].channel, SVIP_KEY_LEN, SUBKEY_CHANNEL, context, set->key[i]);
		crypto_kdf_derive_from_key(keys.key[i].fingerprint, SVIP_KEY_LEN,
		    SUBKEY_FINGERPRINT, context, set->key[i]);
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

/* ---- the peers' channel ---- */

_Static_assert(SEAL_BOX_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "as libsodium");
_Static_assert(SEAL_BOX_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "as libsodium");

bool
seal_box_keys(
    int key, uint8_t key_id, const uint8_t *said, size_t len, uint8_t out[2][SEAL_BOX_KEY_LEN])
{
	if (key >= keys.n || keys.key[key].id != key_id)
		return false;
	crypto_generichash(
	    out[0], 2 * SEAL_BOX_KEY_LEN, said, len, keys.key[key].channel, SVIP_KEY_LEN);
	return true;
}

static void
nonce_of(uint64_t count, uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES])
{
	memset(nonce, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	for (size_t i = 0; i < 8; i++)
		nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES - 1 - i] =
		    (uint8_t)(count >> 8 * i);
}

void
seal_box(const uint8_t key[SEAL_BOX_KEY_LEN], uint64_t count, uint8_t *bytes, size_t len)
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

	nonce_of(count, nonce);
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
	    bytes, bytes + len, NULL, bytes, len, NULL, 0, NULL, nonce, key);
}

bool
seal_unbox(const uint8_t key[SEAL_BOX_KEY_LEN], uint64_t count, uint8_t *bytes, size_t len)
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

	nonce_of(count, nonce);
	return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
	           bytes, NULL, bytes, len, bytes + len, NULL, 0, nonce, key) == 0;
}

void
seal_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void
seal_wipe(void *what, size_t len)
{
	sodium_memzero(what, len);
}

const char *
seal_fingerprint(int key, const void *secret, size_t len, char out[SEAL_FINGERPRINT_MAX])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	assert(key < keys.n);
	crypto_generichash(
	    hash, sizeof(hash), secret, len, keys.key[key].fingerprint, SVIP_KEY_LEN);
	return sodium_bin2hex(out, SEAL_FINGERPRINT_MAX, hash, (SEAL_FINGERPRINT_MAX - 1) / 2);
}

/* Below crypto_generichash_BYTES_MIN, yet made and tested: BLAKE2b-64 proper, no cut-off longer one. */
static void
hash64(const void *what, size_t len, uint8_t hash[8])
{
	int rc = crypto_generichash(hash, 8, what, len, NULL, 0);

	assert(rc == 0);
	(void)rc;
}

void
seal_mark(const uint8_t key[SVIP_KEY_LEN], uint8_t mark[8])
{
	hash64(key, SVIP_KEY_LEN, mark);
}

void
seal_parcel_keys(uint8_t public[SEAL_PARCEL_KEY_LEN], uint8_t secret[SEAL_PARCEL_KEY_LEN])
{
	crypto_box_keypair(public, secret);
}

bool
seal_parcel(
    const uint8_t public[SEAL_PARCEL_KEY_LEN], const uint8_t *bytes, size_t len, uint8_t *out)
{
	return crypto_box_seal(out, bytes, len, public) == 0;
}

bool
seal_parcel_open(const uint8_t public[SEAL_PARCEL_KEY_LEN],
    const uint8_t secret[SEAL_PARCEL_KEY_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
	return len >= SEAL_PARCEL_MORE && crypto_box_seal_open(out, in, len, public, secret) == 0;
}

uint64_t
seal_id64(const char *text)
{
	uint8_t hash[8];
	uint64_t id = 0;

	hash64(text, strlen(text), hash);
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
