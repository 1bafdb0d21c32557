/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from a Sentinel or a Redis: hiredis' reader behind its limits, then everything that reads a reply. The first byte says in
 * pieces of which size the bytes come.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/hiredis_codec.h"
#include "wire/replication_reply.h"
#include "wire/resp_reader.h"
#include "wire/sentinel_reply.h"

static void
check_host(const struct svip_host *h)
{
	char text[SVIP_TEXT_MAX];
	struct svip_host again;

	MUST(h->port != 0);
	MUST(h->name[0] != '\0' && memchr(h->name, '\0', sizeof(h->name)) != NULL);
	svip_host_text(h, text);
	for (const char *p = text; *p != '\0'; p++)
		MUST(*p > ' ' && *p <= '~');
	MUST(svip_host_parse(text, 1, &again) && svip_host_same(&again, h));
}

static void
check_master(const struct redisReply *r)
{
	struct sentinel_master m;

	if (sentinel_reply_master(r, &m) != REPLY_FINE)
		return;
	check_host(&m.host);
	MUST(m.epoch <= INT64_MAX);
	MUST(m.other_sentinels >= -1 && m.quorum >= -1 && m.last_ok_ping >= -1);
}

static void
check_sentinels(const struct redisReply *r)
{
	struct svip_host host[REPLY_SENTINELS_MAX];
	int n;

	sentinel_reply_sentinels(r, host, &n);
	MUST(n >= 0 && n <= REPLY_SENTINELS_MAX);
	for (int i = 0; i < n; i++)
		check_host(&host[i]);
}

static void
check_message(const struct redisReply *r)
{
	struct sentinel_message m;

	if (!sentinel_reply_message(r, &m))
		return;
	MUST(sentinel_reply_is_message(r));
	MUST(memchr(m.name, '\0', sizeof(m.name)) != NULL);
	if (m.news == NEWS_SWITCH)
		check_host(&m.to);
}

static void
check_replicas(const struct redisReply *r)
{
	struct replication_info info;
	struct replication_candidate candidate[REPLICATION_MAX];
	uint64_t offset = 0;
	int n;

	if (replication_reply_info(r, &info) == REPLY_FINE) {
		MUST(info.offset <= INT64_MAX && info.n >= 0);
		for (int i = 0; i < info.n && i < REPLICATION_MAX; i++) {
			check_host(&info.replica[i].host);
			MUST(info.replica[i].offset <= INT64_MAX);
		}
	}
	if (replication_reply_candidates(r, candidate, &n) == REPLY_FINE) {
		MUST(n >= 0 && n <= RESP_ELEMENTS_MAX);
		for (int i = 0; i < n && i < REPLICATION_MAX; i++) {
			check_host(&candidate[i].host);
			MUST(candidate[i].priority >= 0);
		}
	}
	if (replication_reply_role(r, &offset))
		MUST(offset <= INT64_MAX);
	/* Only an error says that a failover runs, or that nobody can be promoted. */
	switch (replication_reply_verdict(r)) {
	case REPLICATION_IN_PROGRESS:
	case REPLICATION_NO_REPLICA:
		MUST(r->type == REDIS_REPLY_ERROR);
		return;
	case REPLICATION_YES:
		MUST(r->type == REDIS_REPLY_STATUS || r->type == REDIS_REPLY_STRING);
		return;
	case REPLICATION_NO:
		return;
	}
	MUST(false); /* there is no other verdict */
}

static void
check_reply(const struct redisReply *r)
{
	char text[REPLY_TEXT_MAX];
	struct svip_host host;
	bool master;

	check_master(r);
	check_sentinels(r);
	check_message(r);
	check_replicas(r);
	if (sentinel_reply_addr(r, &host) == REPLY_FINE)
		check_host(&host);
	if (sentinel_reply_role(r, &master) != REPLY_FINE)
		MUST(!master);
	if (sentinel_reply_subscribed(r, "+switch-master"))
		MUST(!sentinel_reply_is_message(r));
	for (int fault = REPLY_FINE; fault < REPLY_FAULTS; fault++) {
		reply_text(r, (enum reply_fault)fault, text);
		for (const char *p = text; *p != '\0'; p++)
			MUST(*p >= ' ' && *p <= '~');
	}
}

/* False: nothing more comes of this stream. */
static bool
read_replies(struct resp_reader *r)
{
	struct redisReply *reply = NULL;
	const char *why = NULL;

	for (;;) {
		switch (resp_reader_next(r, &reply, &why)) {
		case RESP_REPLY:
			check_reply(reply);
			freeReplyObject(reply);
			break;
		case RESP_MORE:
			return true;
		case RESP_TOO_LARGE:
		case RESP_PROTOCOL:
			MUST(why != NULL && why[0] != '\0');
			return false;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	size_t piece, at = 1;
	struct resp_reader r;

	if (len == 0)
		return 0;
	piece = in[0] == 0 ? len : in[0];
	MUST(resp_reader_init(&r));
	check_reply(NULL);
	while (at < len) {
		size_t n = len - at < piece ? len - at : piece;

		MUST(resp_reader_feed(&r, (const char *)in + at, n));
		at += n;
		if (!read_replies(&r))
			break;
	}
	resp_reader_fini(&r);
	return 0;
}
