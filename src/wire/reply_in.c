/* SPDX-License-Identifier: BSD-2-Clause */
/* The pieces of replies: texts, numbers, fields, endpoints. Must not know what a reply is about. */
#include "reply_in.h"

#include "hiredis_codec.h"

#include <stdio.h>
#include <string.h>

bool
reply_is(struct span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

bool
reply_begins(struct span s, const char *word)
{
	return s.len >= strlen(word) && memcmp(s.at, word, strlen(word)) == 0;
}

bool
reply_span(const struct redisReply *r, struct span *s)
{
	if (r == NULL || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
		return false;
	s->at = r->str;
	s->len = r->len;
	return s->at != NULL;
}

bool
reply_is_array(const struct redisReply *r, size_t at_least)
{
	return r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements >= at_least;
}

static enum reply_fault
fault_of_error(struct span s)
{
	if (reply_begins(s, "LOADING"))
		return REPLY_LOADING;
	if (reply_begins(s, "NOAUTH") || reply_begins(s, "WRONGPASS"))
		return REPLY_NO_AUTH;
	if (reply_begins(s, "NOPERM"))
		return REPLY_NO_PERMISSION;
	if (reply_begins(s, "ERR No such master"))
		return REPLY_UNKNOWN_MASTER;
	if (reply_begins(s, "ERR unknown command"))
		return REPLY_NO_SENTINEL;
	return REPLY_ERROR;
}

/* What is wrong with a reply that should have been an array of so many elements or more. */
enum reply_fault
reply_array_fault(const struct redisReply *r, size_t at_least)
{
	if (r == NULL)
		return REPLY_NO_CONNECTION;
	if (r->type == REDIS_REPLY_ERROR && r->str != NULL)
		return fault_of_error((struct span){ r->str, r->len });
	return reply_is_array(r, at_least) ? REPLY_FINE : REPLY_WRONG_TYPE;
}

/* Plain decimal digits only. */
bool
reply_number(struct span s, uint64_t max, uint64_t *out)
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
enum reply_fault
reply_host(struct span name, struct span port, struct svip_host *out)
{
	struct svip_host host;
	struct svip_addr addr;
	char text[SVIP_HOST_MAX];
	uint64_t number;
	size_t i;

	if (!reply_number(port, UINT16_MAX, &number) || number == 0)
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
bool
reply_field(const struct redisReply *r, const char *name, struct span *value)
{
	struct span key;
	size_t i;

	for (i = 0; i + 1 < r->elements; i += 2)
		if (reply_span(r->element[i], &key) && reply_is(key, name))
			return reply_span(r->element[i + 1], value);
	return false;
}

bool
reply_has_flag(struct span flags, const char *flag)
{
	struct span word = { flags.at, 0 };
	size_t i;

	for (i = 0; i <= flags.len; i++) {
		if (i < flags.len && flags.at[i] != ',') {
			word.len++;
			continue;
		}
		if (reply_is(word, flag))
			return true;
		word = (struct span){ flags.at + i + 1, 0 };
	}
	return false;
}
