/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes what is said about replicas. Explains what is wrong with a reply; never logs, never allocates. */
#include "replication_reply.h"

#include "hiredis_codec.h"
#include "reply_in.h"

#include <string.h>

/* Takes what stands before the next `end` off *rest, and that with it. False: nothing is left. */
static bool
next(struct span *rest, char end, struct span *piece)
{
	const char *at;

	if (rest->len == 0)
		return false;
	at = memchr(rest->at, end, rest->len);
	piece->at = rest->at;
	piece->len = at != NULL ? (size_t)(at - rest->at) : rest->len;
	rest->at += piece->len + (at != NULL);
	rest->len -= piece->len + (at != NULL);
	return true;
}

/* "ip=10.0.0.12,port=6379,state=online,offset=4711,lag=0"; unknown words are passed over. */
static enum reply_fault
replica(struct span rest, struct replication_replica *out)
{
	struct span word, key, ip = { 0 }, port = { 0 }, state = { 0 }, offset = { 0 };

	while (next(&rest, ',', &word)) {
		if (!next(&word, '=', &key))
			continue;
		if (reply_is(key, "ip"))
			ip = word;
		else if (reply_is(key, "port"))
			port = word;
		else if (reply_is(key, "state"))
			state = word;
		else if (reply_is(key, "offset"))
			offset = word;
	}
	if (ip.at == NULL || port.at == NULL || state.at == NULL || offset.at == NULL)
		return REPLY_MISSING_FIELD;
	if (!reply_number(offset, INT64_MAX, &out->offset))
		return REPLY_BAD_NUMBER;
	out->online = reply_is(state, "online");
	return reply_host(ip, port, &out->host);
}

/* "slave0" and so on, not "slave_repl_offset". */
static bool
is_replica(struct span key)
{
	return key.len > 5 && reply_begins(key, "slave") && key.at[5] >= '0' && key.at[5] <= '9';
}

enum reply_fault
replication_reply_info(const struct redisReply *r, struct replication_info *out)
{
	struct span rest, line, key;
	bool role = false, offset = false;
	enum reply_fault fault;

	memset(out, 0, sizeof(*out));
	if (!reply_span(r, &rest)) {
		fault = reply_array_fault(r, 0);
		return fault == REPLY_FINE ? REPLY_WRONG_TYPE : fault;
	}
	while (next(&rest, '\n', &line)) {
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (!next(&line, ':', &key))
			continue;
		if (reply_is(key, "role")) {
			role = true;
			out->master = reply_is(line, "master");
		} else if (reply_is(key, "master_repl_offset")) {
			offset = true;
			if (!reply_number(line, INT64_MAX, &out->offset))
				return REPLY_BAD_NUMBER;
		} else if (is_replica(key) && out->n++ < REPLICATION_MAX) {
			fault = replica(line, &out->replica[out->n - 1]);
			if (fault != REPLY_FINE)
				return fault;
		}
	}
	return role && offset ? REPLY_FINE : REPLY_MISSING_FIELD;
}

static enum reply_fault
candidate(const struct redisReply *r, struct replication_candidate *out)
{
	struct span ip, port, flags, link, priority;
	uint64_t number;

	if (!reply_is_array(r, 2))
		return REPLY_WRONG_TYPE;
	if (!reply_field(r, "ip", &ip) || !reply_field(r, "port", &port) ||
	    !reply_field(r, "flags", &flags) || !reply_field(r, "master-link-status", &link) ||
	    !reply_field(r, "slave-priority", &priority))
		return REPLY_MISSING_FIELD;
	if (!reply_number(priority, INT32_MAX, &number))
		return REPLY_BAD_NUMBER;
	out->priority = (int)number;
	out->down = reply_has_flag(flags, "s_down") || reply_has_flag(flags, "o_down") ||
	            reply_has_flag(flags, "disconnected");
	out->linked = reply_is(link, "ok");
	return reply_host(ip, port, &out->host);
}

enum reply_fault
replication_reply_candidates(
    const struct redisReply *r, struct replication_candidate out[REPLICATION_MAX], int *n)
{
	enum reply_fault fault = reply_array_fault(r, 0);

	*n = 0;
	if (fault != REPLY_FINE)
		return fault;
	for (size_t i = 0; i < r->elements && i < REPLICATION_MAX; i++) {
		fault = candidate(r->element[i], &out[i]);
		if (fault != REPLY_FINE)
			return fault;
	}
	*n = (int)r->elements; /* RESP_ELEMENTS_MAX at most */
	return REPLY_FINE;
}

bool
replication_reply_role(const struct redisReply *r, uint64_t *offset)
{
	struct span role, link;

	if (!reply_is_array(r, 5) || !reply_span(r->element[0], &role) ||
	    !reply_is(role, "slave") || !reply_span(r->element[3], &link) ||
	    !reply_is(link, "connected") || r->element[4]->type != REDIS_REPLY_INTEGER ||
	    r->element[4]->integer < 0)
		return false;
	*offset = (uint64_t)r->element[4]->integer;
	return true;
}

enum replication_verdict
replication_reply_verdict(const struct redisReply *r)
{
	struct span s;

	if (reply_span(r, &s))
		return reply_begins(s, "OK") ? REPLICATION_YES : REPLICATION_NO;
	if (r == NULL || r->type != REDIS_REPLY_ERROR || r->str == NULL)
		return REPLICATION_NO;
	s = (struct span){ r->str, r->len };
	if (reply_begins(s, "INPROG"))
		return REPLICATION_IN_PROGRESS;
	return reply_begins(s, "NOGOODSLAVE") ? REPLICATION_NO_REPLICA : REPLICATION_NO;
}
