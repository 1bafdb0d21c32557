/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of Sentinel's and Redis' replies share. Nobody else includes this. */
#ifndef WIRE_REPLY_IN_H
#define WIRE_REPLY_IN_H

#include "sentinel_reply.h"

/* A piece of a reply: counted, not terminated. */
struct span {
	const char *at;
	size_t len;
};

bool reply_is(struct span, const char *word);
bool reply_begins(struct span, const char *word);

/* The text of a string or a status. False: it is none. */
bool reply_span(const struct redisReply *, struct span *);
bool reply_is_array(const struct redisReply *, size_t at_least);

/* What is wrong with a reply that should have been an array of so many elements or more. */
enum reply_fault reply_array_fault(const struct redisReply *, size_t at_least);

/* Plain decimal digits only. */
bool reply_number(struct span, uint64_t max, uint64_t *out);

/* Sentinel gives name and port apart; "1.2.3.4:5" or "[::1]" as a name is not one. */
enum reply_fault reply_host(struct span name, struct span port, struct svip_host *out);

/* The value of a field in a flat array of names and values. False: it is not there. */
bool reply_field(const struct redisReply *, const char *name, struct span *value);

/* True when flag is one of the words, which commas part. */
bool reply_has_flag(struct span flags, const char *flag);

#endif
