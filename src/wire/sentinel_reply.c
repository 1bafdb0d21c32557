/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes Sentinel's and Redis' replies. Explains what is wrong with one; never logs, never allocates. */
#include "sentinel_reply.h"

#include "hiredis_codec.h"

#include <stdio.h>
#include <string.h>

/* A piece of a reply: counted, not terminated. */
struct span {
	const char *at;
	size_t len;
};

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

static bool
is(struct span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

static bool
begins(struct span s, const char *word)
{
	return s.len >= strlen(word) && memcmp(s.at, word, strlen(word)) == 0;
}

static bool
text_of(const struct redisReply *r, struct span *s)
{
	if (r == NULL || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
		return false;
	s->at = r->str;
	s->len = r->len;
	return s->at != NULL;
}

static bool
is_array(const struct redisReply *r, size_t at_least)
{
	return r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements >= at_least;
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

static enum reply_fault
fault_of_error(struct span s)
{
	if (begins(s, "LOADING"))
		return REPLY_LOADING;
	if (begins(s, "NOAUTH") || begins(s, "WRONGPASS"))
		return REPLY_NO_AUTH;
	if (begins(s, "NOPERM"))
		return REPLY_NO_PERMISSION;
	if (begins(s, "ERR No such master"))
		return REPLY_UNKNOWN_MASTER;
	if (begins(s, "ERR unknown command"))
		return REPLY_NO_SENTINEL;
	return REPLY_ERROR;
}

/* What is wrong with a reply that should have been an array of so many elements or more. */
static enum reply_fault
array_fault(const struct redisReply *r, size_t at_least)
{
	if (r == NULL)
		return REPLY_NO_CONNECTION;
	if (r->type == REDIS_REPLY_ERROR && r->str != NULL)
		return fault_of_error((struct span){ r->str, r->len });
	return is_array(r, at_least) ? REPLY_FINE : REPLY_WRONG_TYPE;
}

/* Plain decimal digits only. */
static bool
number_of(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (s.len == 0 || s.len > 19)
		return false;
	for (i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.at[i] - '0'); /* 19 digits fit */
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

/* Sentinel gives name and port apart; "1.2.3.4:5" or "[::1]" as a name is not one. */
static enum reply_fault
host_of(struct span name, struct span port, struct svip_host *out)
{
	struct svip_host host;
	struct svip_addr addr;
	char text[SVIP_HOST_MAX];
	uint64_t number;
	size_t i;

	if (!number_of(port, UINT16_MAX, &number) || number == 0)
		return REPLY_BAD_PORT;
	if (name.len == 0 || name.len >= sizeof(text))
		return REPLY_BAD_HOST;
	for (i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '[' || name.at[i] == '/')
			return REPLY_BAD_HOST;
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	if (strchr(text, ':') != NULL && !svip_addr_parse(text, &addr))
		return REPLY_BAD_HOST;
	if (!svip_host_parse(text, (uint16_t)number, &host))
		return REPLY_BAD_HOST;
	*out = host;
	return REPLY_FINE;
}

/* The value of a field in a flat array of names and values. */
static bool
field(const struct redisReply *r, const char *name, struct span *value)
{
	struct span key;
	size_t i;

	for (i = 0; i + 1 < r->elements; i += 2)
		if (text_of(r->element[i], &key) && is(key, name))
			return text_of(r->element[i + 1], value);
	return false;
}

/* A field that other versions may lack: left alone when it isn't there. */
static bool
field_int(const struct redisReply *r, const char *name, uint64_t max, uint64_t *out)
{
	struct span s;

	return !field(r, name, &s) || number_of(s, max, out);
}

static bool
has_flag(struct span flags, const char *flag)
{
	struct span word = { flags.at, 0 };
	size_t i;

	for (i = 0; i <= flags.len; i++) {
		if (i < flags.len && flags.at[i] != ',') {
			word.len++;
			continue;
		}
		if (is(word, flag))
			return true;
		word = (struct span){ flags.at + i + 1, 0 };
	}
	return false;
}

enum reply_fault
sentinel_reply_master(const struct redisReply *r, struct sentinel_master *out)
{
	struct span ip, port, flags, epoch;
	uint64_t others = UINT64_MAX, quorum = UINT64_MAX, ping = UINT64_MAX;
	enum reply_fault fault;

	if ((fault = array_fault(r, 2)) != REPLY_FINE)
		return fault;
	if (!field(r, "ip", &ip) || !field(r, "port", &port) || !field(r, "flags", &flags) ||
	    !field(r, "config-epoch", &epoch))
		return REPLY_MISSING_FIELD;
	memset(out, 0, sizeof(*out));
	if (!number_of(epoch, INT64_MAX, &out->epoch) ||
	    !field_int(r, "num-other-sentinels", INT32_MAX, &others) ||
	    !field_int(r, "quorum", INT32_MAX, &quorum) ||
	    !field_int(r, "last-ok-ping-reply", INT64_MAX, &ping))
		return REPLY_BAD_NUMBER;
	out->other_sentinels = others == UINT64_MAX ? -1 : (int)others;
	out->quorum = quorum == UINT64_MAX ? -1 : (int)quorum;
	out->last_ok_ping = ping == UINT64_MAX ? -1 : (svip_ms)ping;
	out->s_down = has_flag(flags, "s_down");
	out->o_down = has_flag(flags, "o_down");
	out->failover = has_flag(flags, "failover_in_progress");
	return host_of(ip, port, &out->host);
}

enum reply_fault
sentinel_reply_addr(const struct redisReply *r, struct svip_host *out)
{
	struct span name, port;
	enum reply_fault fault;

	if (r != NULL && r->type == REDIS_REPLY_NIL)
		return REPLY_UNKNOWN_MASTER;
	if ((fault = array_fault(r, 2)) != REPLY_FINE)
		return fault;
	if (r->elements != 2 || !text_of(r->element[0], &name) || !text_of(r->element[1], &port))
		return REPLY_WRONG_TYPE;
	return host_of(name, port, out);
}

enum reply_fault
sentinel_reply_sentinels(
    const struct redisReply *r, struct svip_host out[REPLY_SENTINELS_MAX], int *n)
{
	struct span ip, port;
	enum reply_fault fault;
	size_t i;

	*n = 0;
	if ((fault = array_fault(r, 0)) != REPLY_FINE)
		return fault;
	for (i = 0; i < r->elements && *n < REPLY_SENTINELS_MAX; i++) {
		if (!is_array(r->element[i], 2))
			return REPLY_WRONG_TYPE;
		if (!field(r->element[i], "ip", &ip) || !field(r->element[i], "port", &port))
			return REPLY_MISSING_FIELD;
		if ((fault = host_of(ip, port, &out[*n])) != REPLY_FINE)
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
	if ((fault = array_fault(r, 1)) != REPLY_FINE)
		return fault;
	if (!text_of(r->element[0], &role))
		return REPLY_WRONG_TYPE;
	*master = is(role, "master");
	return REPLY_FINE;
}

bool
sentinel_reply_subscribed(const struct redisReply *r, const char *channel)
{
	struct span kind, name;

	return is_array(r, 3) && text_of(r->element[0], &kind) && is(kind, "subscribe") &&
	       text_of(r->element[1], &name) && is(name, channel);
}

bool
sentinel_reply_is_message(const struct redisReply *r)
{
	struct span kind;

	return is_array(r, 1) && text_of(r->element[0], &kind) && is(kind, "message");
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
	out->news = host_of(ip, port, &out->to) == REPLY_FINE ? NEWS_SWITCH : NEWS_RESET;
}

/* "master NAME IP PORT …": the event is the master's own. */
static enum sentinel_news
news_of_master(struct span channel)
{
	if (is(channel, "-sdown"))
		return NEWS_CLEARED;
	if (is(channel, "+reset-master") || is(channel, "+monitor") || is(channel, "-monitor"))
		return NEWS_RESET;
	if (is(channel, "+try-failover"))
		return NEWS_TRIES;
	if (is(channel, "+elected-leader"))
		return NEWS_ELECTED;
	if (begins(channel, "-failover-abort-"))
		return NEWS_ABORTED;
	return NEWS_OTHER;
}

bool
sentinel_reply_message(const struct redisReply *r, struct sentinel_message *out)
{
	struct span channel, payload, name, word[EVENT_WORDS_MAX];
	int n;

	if (!sentinel_reply_is_message(r) || r->elements != 3 ||
	    !text_of(r->element[1], &channel) || !text_of(r->element[2], &payload))
		return false;
	n = split(payload, word);
	memset(out, 0, sizeof(*out));
	if (is(channel, "+switch-master")) { /* NAME OLD-IP OLD-PORT NEW-IP NEW-PORT */
		if (n < 5)
			return false;
		name = word[0];
		news_switch(word[3], word[4], out);
	} else if (n >= 4 && is(word[0], "master")) {
		name = word[1];
		out->news = news_of_master(channel);
	} else if (n >= 8 && is(word[4], "@")) { /* KIND NAME IP PORT @ MASTER IP PORT */
		name = word[5];
		out->news = NEWS_OTHER;
		if (is(channel, "+promoted-slave") && is(word[0], "slave"))
			news_switch(word[2], word[3], out);
	} else {
		return false;
	}
	if (name.len >= sizeof(out->name) || memchr(name.at, '\0', name.len) != NULL)
		return false;
	memcpy(out->name, name.at, name.len);
	return true;
}
