/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes Sentinel's and Redis' replies. Explains what is wrong with one; never logs, never allocates. */
#include "sentinel_reply.h"

#include "hiredis_codec.h"
#include "reply_in.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_WORDS_MAX = 9 }; /* "slave NAME IP PORT @ MASTER IP PORT rest" */

const char *
reply_fault_word(enum reply_fault fault)
{
	switch (fault) { /* GCOV_EXCL_BR_LINE: a closed set */
	case REPLY_FINE:
		return "fine";
	case REPLY_NO_CONNECTION:
		return "no-connection";
	case REPLY_WRONG_TYPE:
		return "wrong-type";
	case REPLY_MISSING_FIELD:
		return "missing-field";
	case REPLY_BAD_NUMBER:
		return "bad-number";
	case REPLY_BAD_PORT:
		return "bad-port";
	case REPLY_BAD_HOST:
		return "bad-host";
	case REPLY_UNKNOWN_MASTER:
		return "unknown-master";
	case REPLY_LOADING:
		return "loading";
	case REPLY_NO_AUTH:
		return "no-auth";
	case REPLY_NO_PERMISSION:
		return "no-permission";
	case REPLY_NO_SENTINEL:
		return "no-sentinel";
	case REPLY_ERROR:
		return "error";
	case REPLY_FAULTS:
		break;
	}
	return "?";
}

const char *
reply_text(const struct redisReply *reply, enum reply_fault fault, char out[REPLY_TEXT_MAX])
{
	size_t i;

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR || reply->str == NULL) {
		snprintf(out, REPLY_TEXT_MAX, "%s", reply_fault_word(fault));
		return out;
	}
	for (i = 0; i < reply->len && i < REPLY_TEXT_MAX - 1; i++)
		out[i] = reply->str[i] >= ' ' && reply->str[i] <= '~' ? reply->str[i] : '?';
	out[i] = '\0';
	return out;
}

/* A field that other versions may lack: left alone when it isn't there. */
static bool
field_int(const struct redisReply *r, const char *name, uint64_t max, uint64_t *out)
{
	struct span s;

	return !reply_field(r, name, &s) || reply_number(s, max, out);
}

enum reply_fault
sentinel_reply_master(const struct redisReply *r, struct sentinel_master *out)
{
	struct span ip, port, flags, epoch;
	uint64_t others = UINT64_MAX, quorum = UINT64_MAX, ping = UINT64_MAX;
	enum reply_fault fault;

	if ((fault = reply_array_fault(r, 2)) != REPLY_FINE)
		return fault;
	if (!reply_field(r, "ip", &ip) || !reply_field(r, "port", &port) || !reply_field(r, "flags", &flags) ||
	    !reply_field(r, "config-epoch", &epoch))
		return REPLY_MISSING_FIELD;
	memset(out, 0, sizeof(*out));
	if (!reply_number(epoch, INT64_MAX, &out->epoch) ||
	    !field_int(r, "num-other-sentinels", INT32_MAX, &others) ||
	    !field_int(r, "quorum", INT32_MAX, &quorum) ||
	    !field_int(r, "last-ok-ping-reply", INT64_MAX, &ping))
		return REPLY_BAD_NUMBER;
	out->other_sentinels = others == UINT64_MAX ? -1 : (int)others;
	out->quorum = quorum == UINT64_MAX ? -1 : (int)quorum;
	out->last_ok_ping = ping == UINT64_MAX ? -1 : (svip_ms)ping;
	out->s_down = reply_has_flag(flags, "s_down");
	out->o_down = reply_has_flag(flags, "o_down");
	out->failover = reply_has_flag(flags, "failover_in_progress");
	return reply_host(ip, port, &out->host);
}

enum reply_fault
sentinel_reply_addr(const struct redisReply *r, struct svip_host *out)
{
	struct span name, port;
	enum reply_fault fault;

	if (r != NULL && r->type == REDIS_REPLY_NIL)
		return REPLY_UNKNOWN_MASTER;
	if ((fault = reply_array_fault(r, 2)) != REPLY_FINE)
		return fault;
	if (r->elements != 2 || !reply_span(r->element[0], &name) || !reply_span(r->element[1], &port))
		return REPLY_WRONG_TYPE;
	return reply_host(name, port, out);
}

enum reply_fault
sentinel_reply_sentinels(
    const struct redisReply *r, struct svip_host out[REPLY_SENTINELS_MAX], int *n)
{
	struct span ip, port;
	enum reply_fault fault;
	size_t i;

	*n = 0;
	if ((fault = reply_array_fault(r, 0)) != REPLY_FINE)
		return fault;
	for (i = 0; i < r->elements && *n < REPLY_SENTINELS_MAX; i++) {
		if (!reply_is_array(r->element[i], 2))
			return REPLY_WRONG_TYPE;
		if (!reply_field(r->element[i], "ip", &ip) || !reply_field(r->element[i], "port", &port))
			return REPLY_MISSING_FIELD;
		if ((fault = reply_host(ip, port, &out[*n])) != REPLY_FINE)
			return fault;
		++*n;
	}
	return REPLY_FINE;
}

enum reply_fault
sentinel_reply_role(const struct redisReply *r, bool *master)
{
	struct span role;
	enum reply_fault fault;

	*master = false;
	if ((fault = reply_array_fault(r, 1)) != REPLY_FINE)
		return fault;
	if (!reply_span(r->element[0], &role))
		return REPLY_WRONG_TYPE;
	*master = reply_is(role, "master");
	return REPLY_FINE;
}

bool
sentinel_reply_subscribed(const struct redisReply *r, const char *channel)
{
	struct span kind, name;

	return reply_is_array(r, 3) && reply_span(r->element[0], &kind) && reply_is(kind, "subscribe") &&
	       reply_span(r->element[1], &name) && reply_is(name, channel);
}

bool
sentinel_reply_is_message(const struct redisReply *r)
{
	struct span kind;

	return reply_is_array(r, 1) && reply_span(r->element[0], &kind) && reply_is(kind, "message");
}

static int
split(struct span s, struct span word[EVENT_WORDS_MAX])
{
	size_t i = 0;
	int n = 0;

	while (n < EVENT_WORDS_MAX) {
		while (i < s.len && s.at[i] == ' ')
			i++;
		if (i == s.len)
			break;
		word[n] = (struct span){ s.at + i, 0 };
		while (i < s.len && s.at[i] != ' ') {
			i++;
			word[n].len++;
		}
		n++;
	}
	return n;
}

static void
news_switch(struct span ip, struct span port, struct sentinel_message *out)
{
	out->news = reply_host(ip, port, &out->to) == REPLY_FINE ? NEWS_SWITCH : NEWS_RESET;
}

/* "master NAME IP PORT …": the event is the master's own. */
static enum sentinel_news
news_of_master(struct span channel)
{
	if (reply_is(channel, "-sdown"))
		return NEWS_CLEARED;
	if (reply_is(channel, "+reset-master") || reply_is(channel, "+monitor") || reply_is(channel, "-monitor"))
		return NEWS_RESET;
	if (reply_is(channel, "+try-failover"))
		return NEWS_TRIES;
	if (reply_is(channel, "+elected-leader"))
		return NEWS_ELECTED;
	if (reply_begins(channel, "-failover-abort-"))
		return NEWS_ABORTED;
	return NEWS_OTHER;
}

bool
sentinel_reply_message(const struct redisReply *r, struct sentinel_message *out)
{
	struct span channel, payload, name, word[EVENT_WORDS_MAX];
	int n;

	if (!sentinel_reply_is_message(r) || r->elements != 3 ||
	    !reply_span(r->element[1], &channel) || !reply_span(r->element[2], &payload))
		return false;
	n = split(payload, word);
	memset(out, 0, sizeof(*out));
	if (reply_is(channel, "+switch-master")) { /* NAME OLD-IP OLD-PORT NEW-IP NEW-PORT */
		if (n < 5)
			return false;
		name = word[0];
		news_switch(word[3], word[4], out);
	} else if (n >= 4 && reply_is(word[0], "master")) {
		name = word[1];
		out->news = news_of_master(channel);
	} else if (n >= 8 && reply_is(word[4], "@")) { /* KIND NAME IP PORT @ MASTER IP PORT */
		name = word[5];
		out->news = NEWS_OTHER;
		if (reply_is(channel, "+promoted-slave") && reply_is(word[0], "slave"))
			news_switch(word[2], word[3], out);
	} else {
		return false;
	}
	if (name.len >= sizeof(out->name) || memchr(name.at, '\0', name.len) != NULL)
		return false;
	memcpy(out->name, name.at, name.len);
	return true;
}
