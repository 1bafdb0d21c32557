/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies as Sentinel and Redis send them, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/hiredis_codec.h"
#include "wire/resp_reader.h"
#include "wire/sentinel_reply.h"

/* Parses one reply out of text; newlines in it stand for CR LF. NULL: it isn't one. */
static struct redisReply *
parse_bytes(const char *bytes, size_t len)
{
	struct resp_reader r;
	struct redisReply *reply = NULL;
	const char *why;

	assert_true(resp_reader_init(&r));
	assert_true(resp_reader_feed(&r, bytes, len));
	if (resp_reader_next(&r, &reply, &why) != RESP_REPLY)
		reply = NULL;
	resp_reader_fini(&r);
	return reply;
}

static struct redisReply *
parse(const char *text)
{
	struct redisReply *reply;
	char *bytes = malloc(2 * strlen(text) + 1);
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			bytes[len++] = '\r';
		bytes[len++] = *text;
	}
	reply = parse_bytes(bytes, len);
	free(bytes);
	return reply;
}

/* An array of bulk strings out of words apart by '|'. */
static struct redisReply *
parse_words(const char *words)
{
	char text[4096], *copy = strdup(words), *rest = copy, *word;
	size_t len = 0;
	int n = 1;

	for (const char *p = words; *p != '\0'; p++)
		n += *p == '|';
	len += (size_t)snprintf(text, sizeof(text), "*%d\n", n);
	while ((word = strsep(&rest, "|")) != NULL)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "$%zu\n%s\n", strlen(word), word);
	free(copy);
	return parse(text);
}

#define HOST61 "a123456789b123456789c123456789d123456789e123456789f1234567890"

static void
sentinel_master_is_read(void **state)
{
	static const struct {
		const char *words;
		enum reply_fault fault;
		const char *name;
		int port;
		uint64_t epoch;
		bool s_down, o_down, failover;
	} cases[] = {
		{ "name|m|ip|127.0.0.1|port|6379|flags|master|config-epoch|7", REPLY_FINE,
		    "127.0.0.1", 6379, 7, 0, 0, 0 },
		{ "ip|::1|port|1|flags|s_down,master|config-epoch|0", REPLY_FINE, "::1", 1, 0, 1, 0,
		    0 },
		{ "ip|Redis-1.Example|port|65535|flags|s_down,o_down,master,disconnected,failover_"
		  "in_progress|config-epoch|"
		  "9223372036854775807",
		    REPLY_FINE, "redis-1.example", 65535, INT64_MAX, 1, 1, 1 },
		{ "ip|10.0.0.1|port|6379|flags|master,not_s_down,o_downer|config-epoch|1",
		    REPLY_FINE, "10.0.0.1", 6379, 1, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags||config-epoch|1", REPLY_FINE, "10.0.0.1", 6379, 1, 0,
		    0, 0 },
		{ "ip|10.0.0.1|port|0|flags|master|config-epoch|1", REPLY_BAD_PORT, "", 0, 0, 0, 0,
		    0 },
		{ "ip|10.0.0.1|port|65536|flags|master|config-epoch|1", REPLY_BAD_PORT, "", 0, 0, 0,
		    0, 0 },
		{ "ip|10.0.0.1|port|-1|flags|master|config-epoch|1", REPLY_BAD_PORT, "", 0, 0, 0, 0,
		    0 },
		{ "ip|10.0.0.1|port||flags|master|config-epoch|1", REPLY_BAD_PORT, "", 0, 0, 0, 0,
		    0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|9223372036854775808",
		    REPLY_BAD_NUMBER, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|18446744073709551617",
		    REPLY_BAD_NUMBER, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|-7", REPLY_BAD_NUMBER, "", 0, 0,
		    0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|", REPLY_BAD_NUMBER, "", 0, 0, 0,
		    0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|7|quorum|x", REPLY_BAD_NUMBER,
		    "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|7|num-other-sentinels|-1",
		    REPLY_BAD_NUMBER, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch|7|last-ok-ping-reply|1.5",
		    REPLY_BAD_NUMBER, "", 0, 0, 0, 0, 0 },
		{ "ip||port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1:5|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0,
		    0, 0, 0 },
		{ "ip|[::1]|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0, 0, 0,
		    0 },
		{ "ip|10.0.0.300|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0,
		    0, 0, 0 },
		{ "ip|redis\x7f|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0, 0,
		    0, 0 },
		{ "ip|10.0.0.1/8|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0,
		    0, 0, 0 },
		{ "ip|10.0.\x01.1|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0,
		    0, 0, 0 },
		{ "ip|" HOST61 "|port|6379|flags|master|config-epoch|1", REPLY_FINE, HOST61, 6379,
		    1, 0, 0, 0 },
		{ "ip|" HOST61 "2|port|6379|flags|master|config-epoch|1", REPLY_BAD_HOST, "", 0, 0,
		    0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master", REPLY_MISSING_FIELD, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|flags|master|config-epoch|1", REPLY_MISSING_FIELD, "", 0, 0, 0, 0,
		    0 },
		{ "ip|10.0.0.1|port|6379|config-epoch|1", REPLY_MISSING_FIELD, "", 0, 0, 0, 0, 0 },
		{ "ip|10.0.0.1|port|6379|flags|master|config-epoch", REPLY_MISSING_FIELD, "", 0, 0,
		    0, 0, 0 },
		{ "10.0.0.1|6379", REPLY_MISSING_FIELD, "", 0, 0, 0, 0, 0 },
		{ "ip", REPLY_WRONG_TYPE, "", 0, 0, 0, 0, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse_words(cases[i].words);
		struct sentinel_master m;
		enum reply_fault fault = sentinel_reply_master(r, &m);

		if (fault != cases[i].fault)
			fail_msg("%s: %s", cases[i].words, reply_fault_word(fault));
		if (fault == REPLY_FINE) {
			assert_string_equal(m.host.name, cases[i].name);
			assert_int_equal(m.host.port, cases[i].port);
			assert_true(m.epoch == cases[i].epoch);
			assert_int_equal(m.s_down, cases[i].s_down);
			assert_int_equal(m.o_down, cases[i].o_down);
			assert_int_equal(m.failover, cases[i].failover);
			assert_int_equal(m.quorum, -1);
		}
		freeReplyObject(r);
	}
}

static void
other_fields_of_a_master_are_read_when_there(void **state)
{
	struct redisReply *r =
	    parse_words("ip|10.0.0.1|port|6379|flags|master|last-ok-ping-reply|812|config-epoch|3|"
	                "num-other-sentinels|2|quorum|2|unknown-field|x");
	struct sentinel_master m;
	(void)state;

	assert_int_equal(sentinel_reply_master(r, &m), REPLY_FINE);
	assert_int_equal(m.other_sentinels, 2);
	assert_int_equal(m.quorum, 2);
	assert_int_equal(m.last_ok_ping, 812);
	freeReplyObject(r);
}

static void
each_odd_reply_has_its_word(void **state)
{
	static const struct {
		const char *text;
		enum reply_fault master, addr, role, sentinels;
	} cases[] = {
		{ "-ERR No such master with that name\n", REPLY_UNKNOWN_MASTER,
		    REPLY_UNKNOWN_MASTER, REPLY_UNKNOWN_MASTER, REPLY_UNKNOWN_MASTER },
		{ "-LOADING Redis is loading the dataset in memory\n", REPLY_LOADING, REPLY_LOADING,
		    REPLY_LOADING, REPLY_LOADING },
		{ "-NOAUTH Authentication required.\n", REPLY_NO_AUTH, REPLY_NO_AUTH, REPLY_NO_AUTH,
		    REPLY_NO_AUTH },
		{ "-WRONGPASS invalid username-password pair\n", REPLY_NO_AUTH, REPLY_NO_AUTH,
		    REPLY_NO_AUTH, REPLY_NO_AUTH },
		{ "-NOPERM this user has no permissions\n", REPLY_NO_PERMISSION,
		    REPLY_NO_PERMISSION, REPLY_NO_PERMISSION, REPLY_NO_PERMISSION },
		{ "-ERR unknown command 'SENTINEL'\n", REPLY_NO_SENTINEL, REPLY_NO_SENTINEL,
		    REPLY_NO_SENTINEL, REPLY_NO_SENTINEL },
		{ "-\n", REPLY_ERROR, REPLY_ERROR, REPLY_ERROR, REPLY_ERROR },
		{ "-MASTERDOWN\n", REPLY_ERROR, REPLY_ERROR, REPLY_ERROR, REPLY_ERROR },
		{ "$-1\n", REPLY_WRONG_TYPE, REPLY_UNKNOWN_MASTER, REPLY_WRONG_TYPE,
		    REPLY_WRONG_TYPE },
		{ "*-1\n", REPLY_WRONG_TYPE, REPLY_UNKNOWN_MASTER, REPLY_WRONG_TYPE,
		    REPLY_WRONG_TYPE },
		{ "+OK\n", REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE },
		{ ":1\n", REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE },
		{ "*0\n", REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE, REPLY_FINE },
		{ "*2\n:1\n:2\n", REPLY_MISSING_FIELD, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE,
		    REPLY_WRONG_TYPE },
		{ "*2\n$8\n10.0.0.1\n:6379\n", REPLY_MISSING_FIELD, REPLY_WRONG_TYPE, REPLY_FINE,
		    REPLY_WRONG_TYPE },
		{ "*2\n*0\n*-1\n", REPLY_MISSING_FIELD, REPLY_WRONG_TYPE, REPLY_WRONG_TYPE,
		    REPLY_WRONG_TYPE },
		{ "*3\n$1\na\n$1\n1\n$1\n2\n", REPLY_MISSING_FIELD, REPLY_WRONG_TYPE, REPLY_FINE,
		    REPLY_WRONG_TYPE },
	};
	struct svip_host host, list[REPLY_SENTINELS_MAX];
	struct sentinel_master m;
	bool master;
	int n;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse(cases[i].text);

		assert_non_null(r);
		if (sentinel_reply_master(r, &m) != cases[i].master ||
		    sentinel_reply_addr(r, &host) != cases[i].addr ||
		    sentinel_reply_role(r, &master) != cases[i].role ||
		    sentinel_reply_sentinels(r, list, &n) != cases[i].sentinels)
			fail_msg("case %zu: %s", i, cases[i].text);
		assert_false(master);
		freeReplyObject(r);
	}
	assert_int_equal(sentinel_reply_master(NULL, &m), REPLY_NO_CONNECTION);
	assert_int_equal(sentinel_reply_addr(NULL, &host), REPLY_NO_CONNECTION);
}

static void
master_address_is_read(void **state)
{
	static const struct {
		const char *words;
		enum reply_fault fault;
		const char *name;
	} cases[] = {
		{ "10.0.0.1|6379", REPLY_FINE, "10.0.0.1" },
		{ "2001:DB8:0::1|6379", REPLY_FINE, "2001:db8::1" },
		{ "redis-1|6379", REPLY_FINE, "redis-1" },
		{ "10.0.0.1|6379|x", REPLY_WRONG_TYPE, "" },
		{ "10.0.0.1|0", REPLY_BAD_PORT, "" },
		{ "10.0.0.1|6379x", REPLY_BAD_PORT, "" },
		{ "10.0.0.1|00000000000000000006379", REPLY_BAD_PORT, "" },
		{ "|6379", REPLY_BAD_HOST, "" },
		{ "a b|6379", REPLY_BAD_HOST, "" },
		{ "2001:db8::zz|6379", REPLY_BAD_HOST, "" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse_words(cases[i].words);
		struct svip_host host;
		enum reply_fault fault = sentinel_reply_addr(r, &host);

		if (fault != cases[i].fault)
			fail_msg("%s: %s", cases[i].words, reply_fault_word(fault));
		if (fault == REPLY_FINE)
			assert_string_equal(host.name, cases[i].name);
		freeReplyObject(r);
	}
}

static void
a_nul_inside_an_address_is_refused(void **state)
{
	static const char bytes[] = "*2\r\n$9\r\n10.0.0.1\0\r\n$4\r\n6379\r\n";
	struct redisReply *r = parse_bytes(bytes, sizeof(bytes) - 1);
	struct svip_host host;
	(void)state;

	assert_non_null(r);
	assert_int_equal(sentinel_reply_addr(r, &host), REPLY_BAD_HOST);
	freeReplyObject(r);
}

static void
role_is_read(void **state)
{
	static const struct {
		const char *text;
		bool master;
	} cases[] = {
		{ "*3\n$6\nmaster\n:0\n*0\n", true },
		{ "*5\n$5\nslave\n$9\n127.0.0.1\n:6379\n$9\nconnected\n:1\n", false },
		{ "*2\n$8\nsentinel\n*0\n", false },
		{ "*1\n+master\n", true },
		{ "*1\n$7\nmasters\n", false },
		{ "*1\n$5\nmaste\n", false },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse(cases[i].text);
		bool master = !cases[i].master;

		assert_int_equal(sentinel_reply_role(r, &master), REPLY_FINE);
		assert_int_equal(master, cases[i].master);
		freeReplyObject(r);
	}
}

static void
known_sentinels_are_read_up_to_a_limit(void **state)
{
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "*%d\n", REPLY_SENTINELS_MAX + 8);
	struct svip_host list[REPLY_SENTINELS_MAX];
	struct redisReply *r;
	int n;
	(void)state;

	for (int i = 0; i < REPLY_SENTINELS_MAX + 8; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "*4\n$2\nip\n$9\n10.0.0.%02d\n$4\nport\n$5\n26379\n", 10 + i);
	r = parse(text);
	assert_non_null(r);
	assert_int_equal(sentinel_reply_sentinels(r, list, &n), REPLY_FINE);
	assert_int_equal(n, REPLY_SENTINELS_MAX);
	assert_string_equal(list[0].name, "10.0.0.10");
	assert_int_equal(list[0].port, 26379);
	freeReplyObject(r);
}

static void
one_sentinel_that_cannot_be_read_spoils_the_list(void **state)
{
	static const struct {
		const char *text;
		enum reply_fault fault;
	} cases[] = {
		{ "*1\n*4\n$2\nip\n$8\n10.0.0.1\n$4\nport\n$5\n26379\n", REPLY_FINE },
		{ "*1\n*2\n$2\nip\n$8\n10.0.0.1\n", REPLY_MISSING_FIELD },
		{ "*1\n*2\n$4\nport\n$5\n26379\n", REPLY_MISSING_FIELD },
		{ "*1\n*4\n$2\nip\n$8\n10.0.0.1\n$4\nport\n$1\n0\n", REPLY_BAD_PORT },
		{ "*1\n*4\n$2\nip\n$0\n\n$4\nport\n$5\n26379\n", REPLY_BAD_HOST },
		{ "*2\n*4\n$2\nip\n$8\n10.0.0.1\n$4\nport\n$5\n26379\n:1\n", REPLY_WRONG_TYPE },
	};
	struct svip_host list[REPLY_SENTINELS_MAX];
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse(cases[i].text);

		assert_non_null(r);
		if (sentinel_reply_sentinels(r, list, &n) != cases[i].fault)
			fail_msg("case %zu: %s", i, cases[i].text);
		freeReplyObject(r);
	}
}

/* Only a bulk string says what is to be read as a word; and a name ends with its last byte. */
static void
messages_of_another_shape_are_about_no_master(void **state)
{
	static const char *const texts[] = {
		"*3\n$7\nmessage\n:1\n$27\nmaster mymaster 10.0.0.1 6379\n",
		"*3\n$7\nmessage\n$6\n-sdown\n:1\n",
		"*3\n:1\n$6\n-sdown\n$27\nmaster mymaster 10.0.0.1 6379\n",
		"*1\n:1\n",
	};
	static const char nul[] =
	    "*3\r\n$7\r\nmessage\r\n$6\r\n-sdown\r\n$26\r\nmaster my\0aster 10.0.0.1 637\r\n";
	struct sentinel_message msg;
	struct redisReply *r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		r = parse(texts[i]);
		assert_false(sentinel_reply_message(r, &msg));
		assert_false(sentinel_reply_subscribed(r, "-sdown"));
		freeReplyObject(r);
	}
	r = parse_bytes(nul, sizeof(nul) - 1);
	assert_non_null(r);
	assert_false(sentinel_reply_message(r, &msg));
	freeReplyObject(r);
}

static void
events_are_read(void **state)
{
	static const struct {
		const char *words; /* "": not about a master */
		enum sentinel_news news;
		const char *name, *to;
	} cases[] = {
		{ "message|+switch-master|mymaster 10.0.0.1 6379 10.0.0.2 6380", NEWS_SWITCH,
		    "mymaster", "10.0.0.2" },
		{ "message|+promoted-slave|slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 "
		  "6379",
		    NEWS_SWITCH, "mymaster", "10.0.0.2" },
		{ "message|+switch-master|mymaster 10.0.0.1 6379 10.0.0.2 0", NEWS_RESET,
		    "mymaster", "" },
		{ "message|+promoted-slave|slave x 10.0.0.2:1 6380 @ mymaster 10.0.0.1 6379",
		    NEWS_RESET, "mymaster", "" },
		{ "message|-sdown|master mymaster 10.0.0.1 6379", NEWS_CLEARED, "mymaster", "" },
		{ "message|-sdown|slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379",
		    NEWS_OTHER, "mymaster", "" },
		{ "message|-sdown|sentinel 0af3 10.0.0.2 26379 @ mymaster 10.0.0.1 6379",
		    NEWS_OTHER, "mymaster", "" },
		{ "message|-odown|master mymaster 10.0.0.1 6379", NEWS_OTHER, "mymaster", "" },
		{ "message|-odown|master mymaster 10.0.0.1 6379 and words after it that are no "
		  "longer read",
		    NEWS_OTHER, "mymaster", "" },
		{ "message|+odown|master mymaster 10.0.0.1 6379 #quorum 2/2", NEWS_OTHER,
		    "mymaster", "" },
		{ "message|+reset-master|master mymaster 10.0.0.1 6379", NEWS_RESET, "mymaster",
		    "" },
		{ "message|+monitor|master mymaster 10.0.0.1 6379 quorum 2", NEWS_RESET, "mymaster",
		    "" },
		{ "message|-monitor|master mymaster 10.0.0.1 6379", NEWS_RESET, "mymaster", "" },
		{ "message|+try-failover|master mymaster 10.0.0.1 6379", NEWS_TRIES, "mymaster",
		    "" },
		{ "message|+elected-leader|master mymaster 10.0.0.1 6379", NEWS_ELECTED, "mymaster",
		    "" },
		{ "message|-failover-abort-not-elected|master mymaster 10.0.0.1 6379", NEWS_ABORTED,
		    "mymaster", "" },
		{ "message|-failover-abort-no-good-slave|master mymaster 10.0.0.1 6379",
		    NEWS_ABORTED, "mymaster", "" },
		{ "message|+promoted-slave|sentinel x 10.0.0.2 1 @ mymaster 10.0.0.1 6379",
		    NEWS_OTHER, "mymaster", "" },
		{ "message|+new-epoch|7", NEWS_OTHER, NULL, NULL },
		{ "message|+tilt|#tilt mode entered", NEWS_OTHER, NULL, NULL },
		{ "message|+switch-master|mymaster 10.0.0.1 6379 10.0.0.2", NEWS_OTHER, NULL,
		    NULL },
		{ "message|+slave|slave x 10.0.0.2 1 of mymaster 10.0.0.1 6379", NEWS_OTHER, NULL,
		    NULL },
		{ "message|-sdown|", NEWS_OTHER, NULL, NULL },
		{ "message|-sdown", NEWS_OTHER, NULL, NULL },
		{ "message|-sdown|master m 10.0.0.1 6379|x", NEWS_OTHER, NULL, NULL },
		{ "pmessage|-sdown|master m 10.0.0.1 6379", NEWS_OTHER, NULL, NULL },
		{ "message|-sdown|master " HOST61 "123 10.0.0.1 6379", NEWS_OTHER, NULL, NULL },
	};
	struct sentinel_message msg;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *r = parse_words(cases[i].words);
		bool about = sentinel_reply_message(r, &msg);

		if (about != (cases[i].name != NULL))
			fail_msg("%s: about a master: %d", cases[i].words, about);
		if (about) {
			if (msg.news != cases[i].news)
				fail_msg("%s: %d", cases[i].words, msg.news);
			assert_string_equal(msg.name, cases[i].name);
			if (msg.news == NEWS_SWITCH) {
				assert_string_equal(msg.to.name, cases[i].to);
				assert_int_equal(msg.to.port, 6380);
			}
		}
		freeReplyObject(r);
	}
}

static void
confirmations_and_messages_are_told_apart(void **state)
{
	struct redisReply *r = parse("*3\n$9\nsubscribe\n$6\n-sdown\n:1\n");
	(void)state;

	assert_true(sentinel_reply_subscribed(r, "-sdown"));
	assert_false(sentinel_reply_subscribed(r, "+sdown"));
	assert_false(sentinel_reply_is_message(r));
	freeReplyObject(r);
	r = parse("-NOPERM\n");
	assert_false(sentinel_reply_subscribed(r, "-sdown"));
	freeReplyObject(r);
	r = parse("*3\n$7\nmessage\n$6\n-sdown\n$1\nx\n");
	assert_false(sentinel_reply_subscribed(r, "-sdown"));
	assert_true(sentinel_reply_is_message(r));
	freeReplyObject(r);
	r = parse("*3\n$9\nsubscribe\n:1\n:1\n");
	assert_false(sentinel_reply_subscribed(r, "-sdown"));
	freeReplyObject(r);
	r = parse("*2\n$4\npong\n$0\n\n");
	assert_false(sentinel_reply_is_message(r));
	freeReplyObject(r);
	assert_false(sentinel_reply_is_message(NULL));
}

static void
texts_are_clean_and_bounded(void **state)
{
	char bytes[400] = "-ERR \x1b[31mred\x07 \xff\x7f", text[REPLY_TEXT_MAX];
	size_t len = strlen(bytes);
	struct redisReply *r;
	(void)state;

	memset(bytes + len, 'x', 300);
	memcpy(bytes + len + 300, "\r\n", 2);
	r = parse_bytes(bytes, len + 302);
	assert_non_null(r);
	reply_text(r, REPLY_ERROR, text);
	assert_int_equal(strlen(text), REPLY_TEXT_MAX - 1);
	assert_memory_equal(text, "ERR ?[31mred? ??xx", 18);
	freeReplyObject(r);
	r = parse("-NOAUTH please\n");
	assert_string_equal(reply_text(r, REPLY_NO_AUTH, text), "NOAUTH please");
	freeReplyObject(r);
	r = parse("+OK\n"); /* no error: the fault's word */
	assert_string_equal(reply_text(r, REPLY_WRONG_TYPE, text), "wrong-type");
	freeReplyObject(r);
	assert_string_equal(reply_text(NULL, REPLY_NO_CONNECTION, text), "no-connection");
}

/* hiredis builds none of these; another release of it might, where memory ends. */
static void
a_reply_with_holes_is_no_worse_than_another(void **state)
{
	struct redisReply error = { .type = REDIS_REPLY_ERROR },
	                  word = { .type = REDIS_REPLY_STRING }, *holes[] = { NULL, &word },
	                  array = { .type = REDIS_REPLY_ARRAY, .elements = 2, .element = holes };
	char text[REPLY_TEXT_MAX];
	struct svip_host host;
	struct sentinel_master m;
	bool master;

	(void)state;
	assert_int_equal(sentinel_reply_addr(&error, &host), REPLY_WRONG_TYPE);
	assert_string_equal(reply_text(&error, REPLY_WRONG_TYPE, text), "wrong-type");
	assert_int_equal(sentinel_reply_addr(&array, &host), REPLY_WRONG_TYPE);
	assert_int_equal(sentinel_reply_master(&array, &m), REPLY_MISSING_FIELD);
	assert_int_equal(sentinel_reply_role(&array, &master), REPLY_WRONG_TYPE);
	holes[0] = &word;
	assert_int_equal(sentinel_reply_role(&array, &master), REPLY_WRONG_TYPE);
}

static void
every_fault_has_its_own_word(void **state)
{
	(void)state;
	assert_string_equal(reply_fault_word(REPLY_FAULTS), "?");
	for (int i = 0; i < REPLY_FAULTS; i++) {
		assert_string_not_equal(reply_fault_word((enum reply_fault)i), "?");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(reply_fault_word((enum reply_fault)i),
			    reply_fault_word((enum reply_fault)j));
	}
}

/* ---- the reader's limits ---- */

static enum resp_result
result_of(const char *bytes, size_t len)
{
	struct resp_reader r;
	struct redisReply *reply = NULL;
	enum resp_result result;
	const char *why;

	assert_true(resp_reader_init(&r));
	assert_true(resp_reader_feed(&r, bytes, len));
	result = resp_reader_next(&r, &reply, &why);
	if (result == RESP_REPLY)
		freeReplyObject(reply);
	resp_reader_fini(&r);
	return result;
}

static void
a_header_alone_never_costs_memory(void **state)
{
	static const struct {
		const char *bytes;
		enum resp_result result;
	} cases[] = {
		{ "*2147483647\r\n", RESP_TOO_LARGE },
		{ "*4097\r\n", RESP_TOO_LARGE },
		{ "*4096\r\n", RESP_MORE },
		{ "*1\r\n*4096\r\n", RESP_TOO_LARGE },
		{ "*2\r\n*2000\r\n", RESP_MORE },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", RESP_REPLY },
		{ "$2000000000\r\n", RESP_MORE },
		{ "\x01\r\n", RESP_PROTOCOL },
		{ "", RESP_MORE },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (result_of(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].result)
			fail_msg("case %zu", i);
}

static void
deep_nests_and_long_replies_are_refused(void **state)
{
	size_t len = 4 * 1024 * 1024;
	char *bytes = malloc(len);
	enum resp_result result;
	(void)state;

	for (size_t i = 0; i + 4 <= len; i += 4)
		memcpy(bytes + i, "*1\r\n", 4);
	result = result_of(bytes, len);
	assert_true(
	    result == RESP_TOO_LARGE || result == RESP_PROTOCOL); /* 0.14 has a limit of its own */
	memset(bytes, 'x', RESP_BYTES_MAX + 1);
	bytes[0] = '+';
	assert_int_equal(result_of(bytes, RESP_BYTES_MAX + 1), RESP_TOO_LARGE);
	assert_int_equal(result_of(bytes, RESP_BYTES_MAX - 100), RESP_MORE);
	free(bytes);
}

/* ---- whatever comes ---- */

static void
decode_all(const struct redisReply *r)
{
	struct sentinel_master m;
	struct sentinel_message msg;
	struct svip_host host, list[REPLY_SENTINELS_MAX];
	char text[REPLY_TEXT_MAX];
	enum reply_fault fault;
	bool master;
	int n;

	fault = sentinel_reply_master(r, &m);
	if (fault == REPLY_FINE) {
		assert_true(m.host.port != 0 && m.epoch <= INT64_MAX);
		assert_true(memchr(m.host.name, '\0', sizeof(m.host.name)) != NULL &&
		            m.host.name[0] != '\0');
	}
	reply_text(r, fault, text);
	assert_true(strlen(text) < sizeof(text));
	fault = sentinel_reply_addr(r, &host);
	if (fault == REPLY_FINE)
		assert_true(host.port != 0 && memchr(host.name, '\0', sizeof(host.name)) != NULL);
	sentinel_reply_role(r, &master);
	sentinel_reply_sentinels(r, list, &n);
	assert_true(n >= 0 && n <= REPLY_SENTINELS_MAX);
	sentinel_reply_subscribed(r, "+switch-master");
	if (sentinel_reply_message(r, &msg))
		assert_true(memchr(msg.name, '\0', sizeof(msg.name)) != NULL);
}

static const char *const seeds[] = {
	"*12\r\n$4\r\nname\r\n$1\r\nm\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$"
	"4\r\n6379\r\n$5\r\nflags\r\n"
	"$13\r\nmaster,s_down\r\n$12\r\nconfig-epoch\r\n$1\r\n7\r\n$6\r\nquorum\r\n$1\r\n2\r\n",
	"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n",
	"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$38\r\nmymaster 10.0.0.1 6379 10.0.0.2 "
	"6380 xx\r\n",
	"*3\r\n$7\r\nmessage\r\n$6\r\n-sdown\r\n$29\r\nmaster mymaster 10.0.0.1 6379\r\n",
	"*1\r\n*4\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n$4\r\nport\r\n$5\r\n26379\r\n",
	"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
	"-NOPERM no\r\n",
};

static uint32_t
next_random(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*s >> 33);
}

static void
mutated_replies_do_no_harm(void **state)
{
	const char *given = getenv("SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20240607, rng = seed;
	char bytes[512];
	long parsed = 0;
	(void)state;

	print_message("# SEED=%llu\n", (unsigned long long)seed);
	for (int round = 0; round < 100000; round++) {
		const char *text = seeds[next_random(&rng) % (sizeof(seeds) / sizeof(seeds[0]))];
		size_t len = strlen(text);
		struct redisReply *r;

		memcpy(bytes, text, len);
		for (uint32_t k = next_random(&rng) % 4; k > 0; k--)
			bytes[next_random(&rng) % len] =
			    next_random(&rng) % 2 == 0 ? (char)next_random(&rng)
			                               : "*$:-+0129 \r\n,@"[next_random(&rng) % 14];
		r = parse_bytes(bytes, len);
		if (r == NULL)
			continue;
		parsed++;
		decode_all(r);
		freeReplyObject(r);
	}
	assert_true(parsed > 10000); /* else nothing was tried */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentinel_master_is_read),
		cmocka_unit_test(other_fields_of_a_master_are_read_when_there),
		cmocka_unit_test(each_odd_reply_has_its_word),
		cmocka_unit_test(master_address_is_read),
		cmocka_unit_test(a_nul_inside_an_address_is_refused),
		cmocka_unit_test(role_is_read),
		cmocka_unit_test(known_sentinels_are_read_up_to_a_limit),
		cmocka_unit_test(one_sentinel_that_cannot_be_read_spoils_the_list),
		cmocka_unit_test(messages_of_another_shape_are_about_no_master),
		cmocka_unit_test(events_are_read),
		cmocka_unit_test(confirmations_and_messages_are_told_apart),
		cmocka_unit_test(texts_are_clean_and_bounded),
		cmocka_unit_test(a_reply_with_holes_is_no_worse_than_another),
		cmocka_unit_test(every_fault_has_its_own_word),
		cmocka_unit_test(a_header_alone_never_costs_memory),
		cmocka_unit_test(deep_nests_and_long_replies_are_refused),
		cmocka_unit_test(mutated_replies_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
