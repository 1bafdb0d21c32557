/* SPDX-License-Identifier: BSD-2-Clause */
/* What Redis and Sentinel say about replicas, and what nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/hiredis_codec.h"
#include "wire/replication_reply.h"
#include "wire/resp_reader.h"

static struct redisReply *
parse(const char *bytes, size_t len)
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

static enum reply_fault
info_of(const char *text, struct replication_info *out)
{
	char bytes[8192];
	int len = snprintf(bytes, sizeof(bytes), "$%zu\r\n%s\r\n", strlen(text), text);
	struct redisReply *reply = parse(bytes, (size_t)len);
	enum reply_fault fault;

	assert_non_null(reply);
	fault = replication_reply_info(reply, out);
	freeReplyObject(reply);
	return fault;
}

static void
info_is_read(void **state)
{
	struct replication_info info;

	(void)state;
	assert_int_equal(
	    info_of("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
	            "slave0:,ip=10.0.0.12,,port=6379,state=online,offset=1000,lag=0\r\n"
	            "slave1:ip=::2,port=6380,state=send_bulk,offset=0,lag=1,new\r\n"
	            "slave_repl_offset:5\r\nmaster_repl_offset:1234\r\nnonsense\r\n",
	        &info),
	    REPLY_FINE);
	assert_true(info.master);
	assert_int_equal(info.offset, 1234);
	assert_int_equal(info.n, 2);
	assert_string_equal(info.replica[0].host.name, "10.0.0.12");
	assert_true(info.replica[0].online);
	assert_int_equal(info.replica[0].offset, 1000);
	assert_string_equal(info.replica[1].host.name, "::2");
	assert_int_equal(info.replica[1].host.port, 6380);
	assert_false(info.replica[1].online);
	assert_int_equal(info_of("role:slave\nmaster_repl_offset:7", &info), REPLY_FINE);
	assert_false(info.master);
	assert_int_equal(info.n, 0);
}

static void
odd_info_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum reply_fault fault;
	} cases[] = {
		{ "", REPLY_MISSING_FIELD },
		{ "role:master", REPLY_MISSING_FIELD },
		{ "master_repl_offset:1", REPLY_MISSING_FIELD },
		{ "role:master\nmaster_repl_offset:x", REPLY_BAD_NUMBER },
		{ "slave0:port=1,state=online,offset=1", REPLY_MISSING_FIELD },
		{ "slave0:ip=::1,state=online,offset=1", REPLY_MISSING_FIELD },
		{ "slave0:ip=::1,port=1,offset=1", REPLY_MISSING_FIELD },
		{ "slave0:ip=::1,port=1,state=online", REPLY_MISSING_FIELD },
		{ "slave9:ip=::1,port=1,state=online,offset=-1", REPLY_BAD_NUMBER },
		{ "slave0:ip=::1,port=0,state=online,offset=1", REPLY_BAD_PORT },
		{ "slave0:ip=a b,port=1,state=online,offset=1", REPLY_BAD_HOST },
		{ "slave:ip=,\nslaves:x\nslavea:x\nslave/:\nrole:x\nmaster_repl_offset:1",
		    REPLY_FINE },
		{ "\n\r\n:\n=\nslave0", REPLY_MISSING_FIELD },
	};
	struct replication_info info;
	struct redisReply *reply;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(info_of(cases[i].text, &info), cases[i].fault);
	assert_int_equal(replication_reply_info(NULL, &info), REPLY_NO_CONNECTION);
	reply = parse("*0\r\n", 4);
	assert_int_equal(replication_reply_info(reply, &info), REPLY_WRONG_TYPE);
	freeReplyObject(reply);
	reply = parse(":1\r\n", 4);
	assert_int_equal(replication_reply_info(reply, &info), REPLY_WRONG_TYPE);
	freeReplyObject(reply);
	reply = parse("-NOPERM no\r\n", 12);
	assert_int_equal(replication_reply_info(reply, &info), REPLY_NO_PERMISSION);
	freeReplyObject(reply);
}

static void
more_replicas_than_fit_are_counted(void **state)
{
	char text[8192];
	struct replication_info info;
	size_t len = (size_t)snprintf(text, sizeof(text), "role:master\nmaster_repl_offset:1\n");

	(void)state;
	for (int i = 0; i < REPLICATION_MAX + 3; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "slave%d:ip=10.0.0.%d,port=1,state=online,offset=%d\n", i, i + 1, i);
	assert_int_equal(info_of(text, &info), REPLY_FINE);
	assert_int_equal(info.n, REPLICATION_MAX + 3);
	assert_int_equal(info.replica[REPLICATION_MAX - 1].offset, REPLICATION_MAX - 1);
}

/* n times the same replica, given as words apart by '|'. */
static struct redisReply *
replicas(const char *words, int n)
{
	char text[65536];
	size_t len = (size_t)snprintf(text, sizeof(text), "*%d\r\n", n);

	for (int i = 0; i < n; i++) {
		char *copy = strdup(words), *rest = copy, *word;
		int count = 1;

		for (const char *p = words; *p != '\0'; p++)
			count += *p == '|';
		len += (size_t)snprintf(text + len, sizeof(text) - len, "*%d\r\n", count);
		while ((word = strsep(&rest, "|")) != NULL)
			len += (size_t)snprintf(
			    text + len, sizeof(text) - len, "$%zu\r\n%s\r\n", strlen(word), word);
		free(copy);
	}
	return parse(text, len);
}

static void
candidates_are_read(void **state)
{
	static const struct {
		const char *words;
		enum reply_fault fault;
		int priority;
		bool down, linked;
	} cases[] = {
		{ "name|x|ip|10.0.0.12|port|6379|flags|slave|master-link-status|ok|slave-priority|"
		  "100",
		    REPLY_FINE, 100, false, true },
		{ "ip|::1|port|1|flags|s_down,slave|master-link-status|err|slave-priority|0",
		    REPLY_FINE, 0, true, false },
		{ "ip|::1|port|1|flags|slave,o_down|master-link-status|ok|slave-priority|1",
		    REPLY_FINE, 1, true, true },
		{ "ip|::1|port|1|flags|slave,disconnected|master-link-status|ok|slave-priority|1",
		    REPLY_FINE, 1, true, true },
		{ "ip|::1|port|1|flags|slave|master-link-status|ok|slave-priority|-1",
		    REPLY_BAD_NUMBER, 0, 0, 0 },
		{ "ip|::1|port|0|flags|slave|master-link-status|ok|slave-priority|1",
		    REPLY_BAD_PORT, 0, 0, 0 },
		{ "port|1|flags|slave|master-link-status|ok|slave-priority|1", REPLY_MISSING_FIELD,
		    0, 0, 0 },
		{ "ip|::1|flags|slave|master-link-status|ok|slave-priority|1", REPLY_MISSING_FIELD,
		    0, 0, 0 },
		{ "ip|::1|port|1|master-link-status|ok|slave-priority|1", REPLY_MISSING_FIELD, 0, 0,
		    0 },
		{ "ip|::1|port|1|flags|slave|slave-priority|1", REPLY_MISSING_FIELD, 0, 0, 0 },
		{ "ip|::1|port|1|flags|slave|master-link-status|ok", REPLY_MISSING_FIELD, 0, 0, 0 },
		{ "ip", REPLY_WRONG_TYPE, 0, 0, 0 },
	};
	struct replication_candidate list[REPLICATION_MAX];
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *reply = replicas(cases[i].words, 1);

		assert_int_equal(replication_reply_candidates(reply, list, &n), cases[i].fault);
		if (cases[i].fault == REPLY_FINE) {
			assert_int_equal(n, 1);
			assert_int_equal(list[0].priority, cases[i].priority);
			assert_int_equal(list[0].down, cases[i].down);
			assert_int_equal(list[0].linked, cases[i].linked);
		} else {
			assert_int_equal(n, 0);
		}
		freeReplyObject(reply);
	}
}

static void
more_candidates_than_fit_are_counted(void **state)
{
	struct redisReply *reply =
	    replicas("ip|::1|port|1|flags|slave|master-link-status|ok|slave-priority|1",
	        REPLICATION_MAX + 1);
	struct replication_candidate list[REPLICATION_MAX];
	int n;

	(void)state;
	assert_int_equal(replication_reply_candidates(reply, list, &n), REPLY_FINE);
	assert_int_equal(n, REPLICATION_MAX + 1);
	freeReplyObject(reply);
	assert_int_equal(replication_reply_candidates(NULL, list, &n), REPLY_NO_CONNECTION);
}

static void
a_replica_tells_its_offset(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "*5\r\n$5\r\nslave\r\n$2\r\n::\r\n:1\r\n$9\r\nconnected\r\n:17\r\n", true },
		{ "*5\r\n$5\r\nslave\r\n$2\r\n::\r\n:1\r\n$9\r\nconnected\r\n:-1\r\n", false },
		{ "*5\r\n$5\r\nslave\r\n$2\r\n::\r\n:1\r\n$9\r\nconnected\r\n+17\r\n", false },
		{ "*5\r\n$5\r\nslave\r\n$2\r\n::\r\n:1\r\n$4\r\nsync\r\n:17\r\n", false },
		{ "*5\r\n$5\r\nslave\r\n$2\r\n::\r\n:1\r\n:9\r\n:17\r\n", false },
		{ "*5\r\n$6\r\nmaster\r\n$2\r\n::\r\n:1\r\n$9\r\nconnected\r\n:17\r\n", false },
		{ "*5\r\n:5\r\n$2\r\n::\r\n:1\r\n$9\r\nconnected\r\n:17\r\n", false },
		{ "*3\r\n$6\r\nmaster\r\n:17\r\n*0\r\n", false },
		{ "-ERR\r\n", false },
	};
	uint64_t offset = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *reply = parse(cases[i].text, strlen(cases[i].text));

		assert_non_null(reply);
		assert_int_equal(replication_reply_role(reply, &offset), cases[i].good);
		assert_int_equal(offset, 17);
		freeReplyObject(reply);
	}
	assert_false(replication_reply_role(NULL, &offset));
}

static void
verdicts_are_read(void **state)
{
	static const struct {
		const char *text;
		enum replication_verdict verdict;
	} cases[] = {
		{ "+OK\r\n", REPLICATION_YES },
		{ "+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n",
		    REPLICATION_YES },
		{ "+QUEUED\r\n", REPLICATION_NO },
		{ "-INPROG Failover already in progress\r\n", REPLICATION_IN_PROGRESS },
		{ "-NOGOODSLAVE No suitable replica to promote\r\n", REPLICATION_NO_REPLICA },
		{ "-NOQUORUM 1 usable Sentinels.\r\n", REPLICATION_NO },
		{ "-ERR No such master with that name\r\n", REPLICATION_NO },
		{ ":1\r\n", REPLICATION_NO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redisReply *reply = parse(cases[i].text, strlen(cases[i].text));

		assert_int_equal(replication_reply_verdict(reply), cases[i].verdict);
		freeReplyObject(reply);
	}
	assert_int_equal(replication_reply_verdict(NULL), REPLICATION_NO);
	assert_int_equal(
	    replication_reply_verdict(&(struct redisReply){ .type = REDIS_REPLY_ERROR }),
	    REPLICATION_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_is_read),
		cmocka_unit_test(odd_info_is_refused),
		cmocka_unit_test(more_replicas_than_fit_are_counted),
		cmocka_unit_test(candidates_are_read),
		cmocka_unit_test(more_candidates_than_fit_are_counted),
		cmocka_unit_test(a_replica_tells_its_offset),
		cmocka_unit_test(verdicts_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
