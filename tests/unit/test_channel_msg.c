/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of the peers' channel, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/channel_msg.h"

static void
fill(uint8_t *bytes, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(first + i);
}

static void
a_challenge_is_that_of_the_protocol(void **state)
{
	static const uint8_t start[16] = { 'S', 'V', 'C', 'H', 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct channel_challenge m = { .cluster = 0x0102030405060708 }, got;
	uint8_t bytes[CHANNEL_CHALLENGE_LEN];
	const char *why;

	(void)state;
	fill(m.nonce, sizeof(m.nonce), 100);
	channel_put_challenge(&m, bytes);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_memory_equal(bytes + 16, m.nonce, sizeof(m.nonce));
	assert_true(channel_get_challenge(bytes, &got, &why));
	assert_int_equal(got.cluster, m.cluster);
	assert_memory_equal(got.nonce, m.nonce, sizeof(m.nonce));
}

static void
an_opening_is_that_of_the_protocol(void **state)
{
	static const uint8_t start[8] = { 'S', 'V', 'C', 'H', 1, 0x83, 0, 0 };
	struct channel_opening m = { .key_id = 0x83 }, got;
	uint8_t bytes[CHANNEL_OPENING_LEN];
	const char *why;

	(void)state;
	fill(m.node, sizeof(m.node), 1);
	fill(m.nonce, sizeof(m.nonce), 100);
	channel_put_opening(&m, bytes);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_memory_equal(bytes + 8, m.node, sizeof(m.node));
	assert_memory_equal(bytes + 24, m.nonce, sizeof(m.nonce));
	assert_true(channel_get_opening(bytes, &got, &why));
	assert_int_equal(got.key_id, 0x83);
	assert_memory_equal(got.node, m.node, sizeof(m.node));
	assert_memory_equal(got.nonce, m.nonce, sizeof(m.nonce));
}

static void
a_head_is_that_of_the_protocol(void **state)
{
	static const uint8_t want[CHANNEL_HEAD_LEN] = { 128, 0, 0, 0, 0, 0, 1, 2, 0, 8, 0, 0 };
	struct channel_head m = { .kind = CHANNEL_ANSWER, .id = 258, .length = CHANNEL_BODY_MAX },
	                    got;
	uint8_t bytes[CHANNEL_HEAD_LEN];
	const char *why;

	(void)state;
	channel_put_head(&m, bytes);
	assert_memory_equal(bytes, want, sizeof(want));
	assert_true(channel_get_head(bytes, &got, &why));
	assert_int_equal(got.kind, CHANNEL_ANSWER);
	assert_int_equal(got.id, 258);
	assert_int_equal(got.length, CHANNEL_BODY_MAX);
}

static void
a_message_above_the_limit_is_refused(void **state)
{
	uint8_t bytes[CHANNEL_HEAD_LEN] = { CHANNEL_ANSWER, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1 };
	struct channel_head got;
	const char *why = NULL;

	(void)state;
	assert_false(channel_get_head(bytes, &got, &why));
	assert_string_equal(why, "a message is too long");
	memset(bytes, 0xff, sizeof(bytes));
	assert_false(channel_get_head(bytes, &got, &why));
}

static void
what_does_not_begin_like_this_channel_is_refused(void **state)
{
	static const struct {
		int at;
		const char *why;
	} cases[] = {
		{ 0, "that is not the peers' channel of svipd" },
		{ 3, "that is not the peers' channel of svipd" },
		{ 4, "another version of the peers' channel" },
	};
	uint8_t bytes[CHANNEL_OPENING_LEN] = { 'S', 'V', 'C', 'H', 1 };
	struct channel_challenge challenge;
	struct channel_opening opening;
	const char *why;

	(void)state;
	assert_true(channel_get_opening(bytes, &opening, &why));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bytes[cases[i].at]++;
		assert_false(channel_get_opening(bytes, &opening, &why));
		assert_string_equal(why, cases[i].why);
		assert_false(channel_get_challenge(bytes, &challenge, &why));
		assert_string_equal(why, cases[i].why);
		bytes[cases[i].at]--;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_challenge_is_that_of_the_protocol),
		cmocka_unit_test(an_opening_is_that_of_the_protocol),
		cmocka_unit_test(a_head_is_that_of_the_protocol),
		cmocka_unit_test(a_message_above_the_limit_is_refused),
		cmocka_unit_test(what_does_not_begin_like_this_channel_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
