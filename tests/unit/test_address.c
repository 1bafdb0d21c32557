/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and hosts between text and struct: what is read, in which spelling it comes back, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <svip/types.h>

static void
addresses_have_one_spelling(void **state)
{
	static const struct {
		const char *in, *bare, *full;
		int family;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1/32", 4 },
		{ "192.0.2.1/24", "192.0.2.1", "192.0.2.1/24", 4 },
		{ "0.0.0.0/0", "0.0.0.0", "0.0.0.0/0", 4 },
		{ "2001:db8::1", "2001:db8::1", "2001:db8::1/128", 6 },
		{ "2001:DB8:0:0:0:0:0:1/64", "2001:db8::1", "2001:db8::1/64", 6 },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.1/128", 6 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 6 },
	};
	char out[SVIP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svip_addr a;

		print_message("# %s\n", cases[i].in);
		memset(&a, 0xaa, sizeof(a));
		assert_true(svip_addr_parse(cases[i].in, &a));
		assert_int_equal(a.family, cases[i].family);
		assert_string_equal(svip_addr_text(&a, false, out), cases[i].bare);
		assert_string_equal(svip_addr_text(&a, true, out), cases[i].full);
	}
}

static void
what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = { "", "/", "/24", "192.0.2", "192.0.2.256", "192.0.2.01",
		"192.0.2.1 ", " 192.0.2.1", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/024",
		"192.0.2.1/-1", "192.0.2.1/+1", "192.0.2.1/2a", "192.0.2.1/24/24",
		"192.0.2.1/99999999999999999999", "2001:db8::1/129",
		"2001:db8::1::", "fe80::1%eth0", "[2001:db8::1]", "redis1", "0x7f.1",
		"192.0.2.1:6379",
		"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svip_addr a = { .family = 77 };

		print_message("# %s\n", cases[i]);
		assert_false(svip_addr_parse(cases[i], &a));
		assert_int_equal(a.family, 77);
	}
}

static void
the_prefix_does_not_make_an_address_another(void **state)
{
	struct svip_addr a, b, none = { 0 };

	(void)state;
	assert_true(svip_addr_parse("10.0.0.1/24", &a) && svip_addr_parse("10.0.0.1", &b));
	assert_true(svip_addr_same(&a, &b));
	assert_true(svip_addr_parse("10.0.0.2", &b));
	assert_false(svip_addr_same(&a, &b));
	assert_true(svip_addr_parse("::10.0.0.1", &b));
	assert_false(svip_addr_same(&a, &b));
	assert_false(svip_addr_same(&a, &none));
	assert_true(svip_addr_same(&none, &none));
	/* bytes behind an IPv4 address don't count */
	assert_true(svip_addr_parse("10.0.0.1", &b));
	b.bytes[15] = 1;
	assert_true(svip_addr_same(&a, &b));
}

static void
hosts_have_one_spelling(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "10.0.0.11", "10.0.0.11:26379" },
		{ "10.0.0.11:1", "10.0.0.11:1" },
		{ "10.0.0.11:65535", "10.0.0.11:65535" },
		{ "Redis-1.Example.COM", "redis-1.example.com:26379" },
		{ "redis_1:6379", "redis_1:6379" },
		{ "1a", "1a:26379" },
		{ "2001:DB8::0001", "[2001:db8::1]:26379" },
		{ "[2001:db8:0::1]", "[2001:db8::1]:26379" },
		{ "[2001:db8::1]:7000", "[2001:db8::1]:7000" },
		{ "::1", "[::1]:26379" },
	};
	char out[SVIP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svip_host h, again;

		print_message("# %s\n", cases[i].in);
		memset(&h, 0xaa, sizeof(h));
		assert_true(svip_host_parse(cases[i].in, 26379, &h));
		assert_string_equal(svip_host_text(&h, out), cases[i].out);
		assert_true(svip_host_parse(out, 1, &again));
		assert_true(svip_host_same(&h, &again));
	}
}

static void
what_is_no_host_is_refused(void **state)
{
	static const char *const cases[] = { "", ":", ":26379", "redis1:", "redis1:0",
		"redis1:65536", "redis1:+1", "redis1: 1", "redis1:1 ", "redis1:01", "redis1:1:2",
		"red is", "red~is", "red;is", "-redis", "redis-", "redis-.a", ".redis", "redis.",
		"redis..a", "10.0.0.300", "10.0.0", "6379", "10.0.0.1/24", "[10.0.0.1]:1",
		"[redis1]:1", "[2001:db8::1", "[2001:db8::1]x", "[2001:db8::1]:", "[]", "[]:1",
		"2001:db8::g", "fe80::1%eth0", "réd",
		"a2345678901234567890123456789012345678901234567890123456789012",
		"a2345678901234567890123456789012345678901234567890123456789012.b" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct svip_host h = { .port = 77 };

		print_message("# %s\n", cases[i]);
		assert_false(svip_host_parse(cases[i], 26379, &h));
		assert_int_equal(h.port, 77);
	}
}

static void
a_host_is_numeric_or_a_name(void **state)
{
	struct svip_host h, other;
	struct svip_addr a;

	(void)state;
	assert_true(svip_host_parse("10.0.0.1:1", 0, &h));
	assert_true(svip_host_addr(&h, &a));
	assert_int_equal(a.prefix, 32);
	assert_true(svip_host_parse("[2001:db8::1]:1", 0, &h));
	assert_true(svip_host_addr(&h, &a));
	assert_int_equal(a.prefix, 128);
	assert_true(svip_host_parse("redis1:1", 0, &h));
	assert_false(svip_host_addr(&h, &a));
	assert_true(svip_host_parse("redis1", 0, &other));
	assert_int_equal(other.port, 0);
	assert_false(svip_host_same(&h, &other));
}

static void
they_have_an_order(void **state)
{
	struct svip_addr a, b;
	struct svip_host h, k;

	(void)state;
	assert_true(svip_addr_parse("10.0.0.2/8", &a) && svip_addr_parse("10.0.0.10", &b));
	assert_true(svip_addr_order(&a, &b) < 0 && svip_addr_order(&b, &a) > 0);
	assert_int_equal(svip_addr_order(&a, &a), 0);
	assert_true(svip_addr_parse("::", &b));
	assert_true(svip_addr_order(&a, &b) < 0 && svip_addr_order(&b, &a) > 0);
	assert_true(svip_host_parse("a:2", 0, &h) && svip_host_parse("b:1", 0, &k));
	assert_true(svip_host_order(&h, &k) < 0 && svip_host_order(&k, &h) > 0);
	assert_true(svip_host_parse("a:3", 0, &k));
	assert_true(svip_host_order(&h, &k) < 0 && svip_host_order(&h, &h) == 0);
}

static void
the_longest_texts_fit(void **state)
{
	char out[SVIP_TEXT_MAX], name[SVIP_HOST_MAX];
	struct svip_host h;
	struct svip_addr a;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_true(svip_host_parse(name, UINT16_MAX, &h));
	assert_int_equal(strlen(svip_host_text(&h, out)), sizeof(name) - 1 + strlen(":65535"));
	memset(&a, 0xff, sizeof(a));
	a.family = 6;
	assert_string_equal(
	    svip_addr_text(&a, true, out), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/255");
	a.family = 0;
	assert_string_equal(svip_addr_text(&a, true, out), "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_have_one_spelling),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(the_prefix_does_not_make_an_address_another),
		cmocka_unit_test(hosts_have_one_spelling),
		cmocka_unit_test(what_is_no_host_is_refused),
		cmocka_unit_test(a_host_is_numeric_or_a_name),
		cmocka_unit_test(they_have_an_order),
		cmocka_unit_test(the_longest_texts_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
