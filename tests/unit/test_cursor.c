/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded cursor: nothing beyond the bytes given, and one look at `bad` after a whole record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/cursor.h"

static void
what_is_written_is_read_back_in_network_order(void **state)
{
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xee,
		0xee, 'x' };
	uint8_t bytes[sizeof(want)], text;
	struct cursor c;

	(void)state;
	cursor_write(&c, bytes, sizeof(bytes));
	cursor_put8(&c, 0x01);
	cursor_put16(&c, 0x0203);
	cursor_put32(&c, 0x04050607);
	cursor_put64(&c, 0x08090a0b0c0d0e0f);
	cursor_fill(&c, 0xee, 2);
	cursor_put(&c, (const uint8_t *)"x", 1);
	assert_false(c.bad);
	assert_int_equal(cursor_left(&c), 0);
	assert_memory_equal(bytes, want, sizeof(want));

	cursor_read(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_get8(&c), 0x01);
	assert_int_equal(cursor_get16(&c), 0x0203);
	assert_int_equal(cursor_get32(&c), 0x04050607);
	assert_true(cursor_get64(&c) == 0x08090a0b0c0d0e0f);
	cursor_skip(&c, 2);
	cursor_get(&c, &text, 1);
	assert_int_equal(text, 'x');
	assert_false(c.bad);
	assert_int_equal(cursor_left(&c), 0);
}

static void
what_does_not_fit_is_not_written_and_nothing_is_after_it(void **state)
{
	uint8_t bytes[4];
	struct cursor c;

	(void)state;
	for (int how = 0; how < 2; how++) {
		memset(bytes, 7, sizeof(bytes));
		cursor_write(&c, bytes, 2);
		cursor_put8(&c, 1);
		if (how == 0)
			cursor_put16(&c, 0x0202);
		else
			cursor_fill(&c, 2, 2);
		assert_true(c.bad);
		assert_int_equal(cursor_left(&c), 0);
		cursor_put8(&c, 3); /* there would be room for this one */
		cursor_fill(&c, 3, 1);
		assert_memory_equal(bytes, ((uint8_t[]){ 1, 7, 7, 7 }), 4);
	}
}

static void
what_is_not_there_reads_as_zero_and_so_does_all_after_it(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	uint8_t to[2] = { 9, 9 };
	struct cursor c;

	(void)state;
	cursor_read(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_get16(&c), 0x0102);
	assert_int_equal(cursor_get16(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_get8(&c), 0);
	cursor_get(&c, to, sizeof(to));
	assert_memory_equal(to, ((uint8_t[]){ 0, 0 }), 2);
	cursor_read(&c, bytes, sizeof(bytes));
	cursor_skip(&c, 4);
	assert_true(c.bad);
	cursor_read(&c, bytes, sizeof(bytes));
	cursor_skip(&c, SIZE_MAX); /* no sum that wraps */
	assert_true(c.bad);
}

/* A bug of ours, which must not become a write through a null pointer. */
static void
a_reader_does_not_write_and_a_writer_does_not_read(void **state)
{
	uint8_t bytes[2] = { 5, 5 }, to[2] = { 9, 9 };
	struct cursor c;

	(void)state;
	cursor_read(&c, bytes, sizeof(bytes));
	cursor_put8(&c, 1);
	assert_true(c.bad);
	cursor_read(&c, bytes, sizeof(bytes));
	cursor_fill(&c, 1, 1);
	assert_true(c.bad);
	assert_memory_equal(bytes, ((uint8_t[]){ 5, 5 }), 2);
	cursor_write(&c, bytes, sizeof(bytes));
	cursor_get(&c, to, sizeof(to));
	assert_true(c.bad);
	assert_memory_equal(to, ((uint8_t[]){ 0, 0 }), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back_in_network_order),
		cmocka_unit_test(what_does_not_fit_is_not_written_and_nothing_is_after_it),
		cmocka_unit_test(what_is_not_there_reads_as_zero_and_so_does_all_after_it),
		cmocka_unit_test(a_reader_does_not_write_and_a_writer_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
