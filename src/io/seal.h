/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and tags of heartbeats, ids of names, and random numbers: everything of this program's wire
 * that needs libsodium. It must not show a key or a part of one to anybody.
 *
 * The heartbeats' key is derived from the key of the file, crypto_kdf with context "svip-hb_" and
 * number 1, so that the same file can serve other uses. The tag is BLAKE2b of 32 bytes with that
 * key over all bytes before it. The key id, one byte, is the first byte of the derived key
 * number 2. What a host keeps for itself is sealed with key number 3: no heartbeat can pass for it.
 * Number 4 makes the keys of the peers' channel, number 5 the fingerprints of secrets.
 */
#ifndef IO_SEAL_H
#define IO_SEAL_H

#include <svip/settings.h>

/* Takes the keys of the settings in place of those before (copied). 0; -EINVAL without a key; -EIO
 * when the library can't start (no source of random numbers). On an error nothing has changed. */
int seal_init(const struct settings *);
void seal_fini(void); /* wipes the keys */

/* The id of the key that seal_put() uses. */
uint8_t seal_key_id(void);

/* Writes the tag of the first len bytes behind them; room for HB_TAG_LEN more is the caller's.
 * Returns the length with the tag. */
size_t seal_put(uint8_t *datagram, size_t len);

/* True when the last HB_TAG_LEN bytes of the len bytes are the tag of those before, made with a key
 * whose id is key_id. Compares in constant time. */
bool seal_check(const uint8_t *datagram, size_t len, uint8_t key_id);

/* The same two for what this host keeps for itself. There is no key id: all keys are tried. */
size_t seal_keep(uint8_t *record, size_t len);
bool seal_kept(const uint8_t *record, size_t len);

/*
 * For the peers' channel: the two keys of one connection, first the caller's and then the called
 * one's, from all that was said in the clear before (len bytes; it has a fresh nonce of either
 * side). key: which of the settings' keys, from 0 on. False: there are fewer, or its id isn't key_id.
 */
enum { SEAL_BOX_KEY_LEN = 32, SEAL_BOX_TAG_LEN = 16 };
bool seal_box_keys(
    int key, uint8_t key_id, const uint8_t *said, size_t len, uint8_t keys[2][SEAL_BOX_KEY_LEN]);

/* Encrypts len bytes where they are, and writes the tag behind them; count: never the same twice
 * with a key (XChaCha20-Poly1305). The reverse: false when a bit of them, the key or the count is
 * another, and then the bytes are void. */
void seal_box(const uint8_t key[SEAL_BOX_KEY_LEN], uint64_t count, uint8_t *bytes, size_t len);
bool seal_unbox(const uint8_t key[SEAL_BOX_KEY_LEN], uint64_t count, uint8_t *bytes, size_t len);

/* Random bytes, and wiping. Need no seal_init(). */
void seal_random(void *out, size_t len);
void seal_wipe(void *what, size_t len);

/* What two nodes may show of a secret to see whether they have the same: 16 hexadecimal digits of a
 * hash with the key'th of the keys, worth nothing to who doesn't have that. Returns out. */
enum { SEAL_FINGERPRINT_MAX = 17 };
const char *seal_fingerprint(
    int key, const void *secret, size_t len, char out[SEAL_FINGERPRINT_MAX]);

/* What tells one key from another and says nothing about it: BLAKE2b of 8 bytes. Needs no seal_init(). */
void seal_mark(const uint8_t key[SVIP_KEY_LEN], uint8_t mark[8]);

/*
 * A parcel that only who made the public key can open, and not who gets the nodes' key later: for a new key on its way (an X25519
 * sealed box). It says nothing about who sent it. Needs no seal_init(). False: it isn't for this key, or is damaged.
 */
enum { SEAL_PARCEL_KEY_LEN = 32, SEAL_PARCEL_MORE = 48 };
void seal_parcel_keys(uint8_t public[SEAL_PARCEL_KEY_LEN], uint8_t secret[SEAL_PARCEL_KEY_LEN]);
bool seal_parcel(const uint8_t public[SEAL_PARCEL_KEY_LEN], const uint8_t *bytes, size_t len,
    uint8_t *out); /* len + SEAL_PARCEL_MORE */
bool seal_parcel_open(const uint8_t public[SEAL_PARCEL_KEY_LEN],
    const uint8_t secret[SEAL_PARCEL_KEY_LEN], const uint8_t *in, size_t len, uint8_t *out);

/* Keyless BLAKE2b of 8 bytes, read big-endian: cluster and instance ids. Needs no seal_init(). */
uint64_t seal_id64(const char *text);

/* A random number that isn't 0. Needs no seal_init(). */
uint64_t seal_random64(void);

#endif
