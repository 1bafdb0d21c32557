/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, tags and ids. The vectors were made by Python's hashlib.blake2b, not by the code under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <svip/heartbeat.h>

#include "io/seal.h"

static struct settings set;

static void
use_keys(int n, int second)
{
	memset(&set, 0, sizeof(set));
	set.n_keys = n;
	for (int i = 0; i < SVIP_KEY_LEN; i++) {
		set.key[0][i] = (uint8_t)i;
		set.key[1][i] = (uint8_t)(second + i);
	}
}

static size_t
sealed(uint8_t *out)
{
	memcpy(out, "svipd", 5);
	return seal_put(out, 5);
}

static void
tag_is_that_of_the_protocol(void **state)
{
	static const uint8_t tag[HB_TAG_LEN] = { 0xa3, 0x5d, 0x33, 0x4b, 0x48, 0x30, 0x39, 0x2d,
		0xba, 0xb0, 0x40, 0x8e, 0xaf, 0x43, 0xb3, 0xf5, 0x93, 0x75, 0x72, 0xe9, 0x17, 0xc4,
		0x97, 0xb2, 0x42, 0xb6, 0xae, 0xad, 0x78, 0x80, 0x77, 0x57 };
	uint8_t b[64];

	(void)state;
	use_keys(1, 32);
	assert_int_equal(seal_init(&set), 0);
	assert_int_equal(seal_key_id(), 0x83);
	assert_int_equal(sealed(b), 5 + HB_TAG_LEN);
	assert_memory_equal(&b[5], tag, sizeof(tag));
	assert_true(seal_check(b, 5 + HB_TAG_LEN, 0x83));
	seal_fini();
}

static void
every_flipped_bit_is_refused(void **state)
{
	uint8_t b[64];
	size_t len;

	(void)state;
	use_keys(1, 32);
	assert_int_equal(seal_init(&set), 0);
	len = sealed(b);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(seal_check(b, len, 0x83));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_false(seal_check(b, cut, 0x83));
	assert_true(seal_check(b, len, 0x83));
	seal_fini();
}

static void
second_key_is_accepted_while_keys_change(void **state)
{
	uint8_t old[64], new[64];
	size_t len;

	(void)state;
	use_keys(1, 32);
	assert_int_equal(seal_init(&set), 0);
	len = sealed(old);

	/* The other node has the new key first already. */
	use_keys(2, 32);
	memcpy(set.key[0], set.key[1], SVIP_KEY_LEN);
	for (int i = 0; i < SVIP_KEY_LEN; i++)
		set.key[1][i] = (uint8_t)i;
	assert_int_equal(seal_init(&set), 0);
	assert_int_equal(seal_key_id(), 0xba);
	sealed(new);
	assert_memory_not_equal(&old[5], &new[5], HB_TAG_LEN);
	assert_true(seal_check(old, len, 0x83));
	assert_true(seal_check(new, len, 0xba));
	assert_false(seal_check(old, len, 0xba));
	assert_false(seal_check(new, len, 0x83));

	/* And then the old one is gone. */
	set.n_keys = 1;
	assert_int_equal(seal_init(&set), 0);
	assert_false(seal_check(old, len, 0x83));
	assert_true(seal_check(new, len, 0xba));
	seal_fini();
}

static void
both_keys_are_tried_when_their_ids_are_the_same(void **state)
{
	uint8_t one[64], two[64];
	struct settings turned;
	size_t len;

	(void)state;
	use_keys(2, 32);
	memset(set.key[1], 0, SVIP_KEY_LEN);
	set.key[1][0] = 495 & 0xff; /* found by search: its id is 0x83, too */
	set.key[1][1] = 495 >> 8;
	assert_int_equal(seal_init(&set), 0);
	len = sealed(one);
	turned = set;
	memcpy(turned.key[0], set.key[1], SVIP_KEY_LEN);
	memcpy(turned.key[1], set.key[0], SVIP_KEY_LEN);
	assert_int_equal(seal_init(&turned), 0);
	assert_int_equal(seal_key_id(), 0x83);
	sealed(two);
	assert_memory_not_equal(&one[5], &two[5], HB_TAG_LEN);
	assert_int_equal(seal_init(&set), 0);
	assert_true(seal_check(one, len, 0x83));
	assert_true(seal_check(two, len, 0x83));
	seal_fini();
}

static void
what_a_host_keeps_has_a_key_of_its_own(void **state)
{
	static const uint8_t tag[HB_TAG_LEN] = { 0x72, 0xf3, 0x42, 0xd9, 0x06, 0xd6, 0x47, 0xca,
		0x98, 0xa0, 0xe6, 0xad, 0x07, 0xd5, 0x02, 0x2b, 0x43, 0x61, 0x47, 0xf9, 0x0c, 0xd3,
		0x02, 0xd7, 0x08, 0xee, 0x8f, 0xd3, 0xc6, 0xc7, 0xef, 0xff };
	uint8_t b[64] = "svipd";
	size_t len;

	(void)state;
	use_keys(1, 32);
	assert_int_equal(seal_init(&set), 0);
	len = seal_keep(b, 5);
	assert_int_equal(len, 5 + HB_TAG_LEN);
	assert_memory_equal(&b[5], tag, sizeof(tag));
	assert_true(seal_kept(b, len));
	assert_false(seal_check(b, len, 0x83));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(seal_kept(b, len));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_false(seal_kept(b, cut));
	/* The other way round, too. */
	assert_false(seal_kept(b, sealed(b)));
	seal_fini();
	assert_false(seal_kept(b, len));
}

static void
two_ends_that_heard_the_same_have_the_same_keys(void **state)
{
	uint8_t a[2][SEAL_BOX_KEY_LEN], b[2][SEAL_BOX_KEY_LEN],
	    said[64] = "challenge, opening, node";

	(void)state;
	use_keys(2, 32);
	assert_int_equal(seal_init(&set), 0);
	assert_true(seal_box_keys(0, 0x83, said, sizeof(said), a));
	assert_true(seal_box_keys(0, 0x83, said, sizeof(said), b));
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a[0], a[1], SEAL_BOX_KEY_LEN); /* nothing can be reflected */
	for (size_t i = 0; i < sizeof(said); i++) {
		said[i] ^= 1;
		assert_true(seal_box_keys(0, 0x83, said, sizeof(said), b));
		assert_memory_not_equal(a[0], b[0], SEAL_BOX_KEY_LEN);
		assert_memory_not_equal(a[1], b[1], SEAL_BOX_KEY_LEN);
		said[i] ^= 1;
	}
	assert_true(seal_box_keys(1, 0xba, said, sizeof(said), b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(seal_box_keys(0, 0xba, said, sizeof(said), b));
	assert_false(seal_box_keys(1, 0x83, said, sizeof(said), b));
	assert_false(seal_box_keys(2, 0x83, said, sizeof(said), b));
	seal_fini();
	assert_false(seal_box_keys(0, 0x83, said, sizeof(said), b));
}

static void
what_is_boxed_is_read_with_the_same_key_and_count_only(void **state)
{
	static const char text[] = "lease = \"1000ms\"\n";
	uint8_t key[SEAL_BOX_KEY_LEN] = "a key", other[SEAL_BOX_KEY_LEN] = "another key";
	uint8_t box[sizeof(text) + SEAL_BOX_TAG_LEN], copy[sizeof(box)];

	(void)state;
	memcpy(box, text, sizeof(text));
	seal_box(key, 7, box, sizeof(text));
	assert_memory_not_equal(box, text, sizeof(text));
	for (size_t bit = 0; bit < 8 * sizeof(box); bit++) {
		memcpy(copy, box, sizeof(box));
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(seal_unbox(key, 7, copy, sizeof(text)));
	}
	memcpy(copy, box, sizeof(box));
	assert_false(seal_unbox(other, 7, copy, sizeof(text)));
	memcpy(copy, box, sizeof(box));
	assert_false(seal_unbox(key, 8, copy, sizeof(text)));
	memcpy(copy, box, sizeof(box));
	assert_true(seal_unbox(key, 7, copy, sizeof(text)));
	assert_memory_equal(copy, text, sizeof(text));
	seal_box(key, 1, box, 0); /* nothing but a tag */
	assert_true(seal_unbox(key, 1, box, 0));
	assert_false(seal_unbox(key, 0, box, 0));
}

static void
fingerprints_tell_secrets_apart_and_depend_on_the_key(void **state)
{
	char a[SEAL_FINGERPRINT_MAX], b[SEAL_FINGERPRINT_MAX];

	(void)state;
	use_keys(2, 32);
	assert_int_equal(seal_init(&set), 0);
	assert_string_equal(
	    seal_fingerprint(0, "secret", 6, a), seal_fingerprint(0, "secret", 6, b));
	assert_int_equal(strlen(a), 16);
	assert_string_not_equal(a, seal_fingerprint(0, "Secret", 6, b));
	assert_string_not_equal(a, seal_fingerprint(1, "secret", 6, b));
	seal_fini();
}

static void
without_a_key_nothing_starts_and_nothing_is_accepted(void **state)
{
	static const uint8_t zeros[64];

	(void)state;
	use_keys(0, 32);
	assert_int_equal(seal_init(&set), -EINVAL);
	use_keys(SET_KEYS_MAX + 1, 32);
	assert_int_equal(seal_init(&set), -EINVAL);
	seal_fini();
	assert_false(seal_check(zeros, sizeof(zeros), 0));
}

static void
a_refused_change_leaves_the_keys_in_force(void **state)
{
	uint8_t b[64];
	size_t len;

	(void)state;
	use_keys(1, 32);
	assert_int_equal(seal_init(&set), 0);
	len = sealed(b);
	set.n_keys = 0;
	assert_int_equal(seal_init(&set), -EINVAL);
	assert_true(seal_check(b, len, 0x83));
	seal_fini();
}

static void
ids_are_blake2b_of_64_bits(void **state)
{
	(void)state;
	assert_true(seal_id64("cache") == 0xca765d6467707951);
	assert_true(seal_id64("mymaster") == 0xb32e28b3dfa2b6e7);
	assert_true(seal_id64("") == 0xe4a6a0577479b2b4);
}

static void
a_parcel_is_for_one_only(void **state)
{
	uint8_t public[2][SEAL_PARCEL_KEY_LEN], secret[2][SEAL_PARCEL_KEY_LEN];
	uint8_t text[5] = "hello", parcel[5 + SEAL_PARCEL_MORE], out[5];

	(void)state;
	seal_parcel_keys(public[0], secret[0]);
	seal_parcel_keys(public[1], secret[1]);
	assert_true(seal_parcel(public[0], text, sizeof(text), parcel));
	assert_true(seal_parcel_open(public[0], secret[0], parcel, sizeof(parcel), out));
	assert_memory_equal(out, text, sizeof(text));
	assert_false(seal_parcel_open(public[1], secret[1], parcel, sizeof(parcel), out));
	assert_false(seal_parcel_open(public[0], secret[0], parcel, SEAL_PARCEL_MORE - 1, out));
	parcel[sizeof(parcel) - 1] ^= 1;
	assert_false(seal_parcel_open(public[0], secret[0], parcel, sizeof(parcel), out));
}

static void
a_mark_tells_keys_apart(void **state)
{
	uint8_t key[SVIP_KEY_LEN] = { 1 }, mark[2][8];

	(void)state;
	seal_mark(key, mark[0]);
	key[SVIP_KEY_LEN - 1] = 1;
	seal_mark(key, mark[1]);
	assert_memory_not_equal(mark[0], mark[1], 8);
}

static void
random_numbers_differ_and_are_not_zero(void **state)
{
	uint64_t a = seal_random64(), b = seal_random64();

	(void)state;
	assert_true(a != 0 && b != 0 && a != b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tag_is_that_of_the_protocol),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(second_key_is_accepted_while_keys_change),
		cmocka_unit_test(both_keys_are_tried_when_their_ids_are_the_same),
		cmocka_unit_test(what_a_host_keeps_has_a_key_of_its_own),
		cmocka_unit_test(two_ends_that_heard_the_same_have_the_same_keys),
		cmocka_unit_test(what_is_boxed_is_read_with_the_same_key_and_count_only),
		cmocka_unit_test(fingerprints_tell_secrets_apart_and_depend_on_the_key),
		cmocka_unit_test(without_a_key_nothing_starts_and_nothing_is_accepted),
		cmocka_unit_test(a_refused_change_leaves_the_keys_in_force),
		cmocka_unit_test(ids_are_blake2b_of_64_bits),
		cmocka_unit_test(a_parcel_is_for_one_only),
		cmocka_unit_test(a_mark_tells_keys_apart),
		cmocka_unit_test(random_numbers_differ_and_are_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
