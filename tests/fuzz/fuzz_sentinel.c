/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from a Sentinel or a Redis: hiredis' reader behind its limits, then everything that reads a reply. The first byte says in
 * pieces of which size the bytes come.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/hiredis_codec.h"
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
check_reply(const struct redisReply *r)
{
	char text[REPLY_TEXT_MAX];
	struct svip_host host;
	bool master;

	check_master(r);
	check_sentinels(r);
	check_message(r);
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
