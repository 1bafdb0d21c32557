/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and tags of heartbeats, ids of names, and random numbers: everything of this program's wire
 * that needs libsodium. It must not show a key or a part of one to anybody.
 *
 * The heartbeats' key is derived from the key of the file, crypto_kdf with context "svip-hb_" and
 * number 1, so that the same file can serve other uses. The tag is BLAKE2b of 32 bytes with that
 * key over all bytes before it. The key id, one byte, is the first byte of the derived key
 * number 2. What a host keeps for itself is sealed with key number 3: no heartbeat can pass for it.
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

/* Keyless BLAKE2b of 8 bytes, read big-endian: cluster and instance ids. Needs no seal_init(). */
uint64_t seal_id64(const char *text);

/* A random number that isn't 0. Needs no seal_init(). */
uint64_t seal_random64(void);

#endif
