/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits around hiredis' reader. Must not let a reply cost more time or memory than its bytes justify. */
#include "resp_reader.h"

#include "hiredis_codec.h"

static redisReplyObjectFunctions guarded;
static void *(*array_unguarded)(const redisReadTask *, codec_count);

/* What is above the limits fails as if there were no memory. */
static void *
array_guarded(const redisReadTask *task, codec_count elements)
{
	struct resp_reader *r = task->privdata;
	const redisReadTask *t;
	int depth = 0;

	/* Not a long way: the first array that is too deep ends the reader. */
	for (t = task; t != NULL; t = t->parent)
		depth++;
	if (elements > 0)
		r->elements += (size_t)elements;
	if (depth > RESP_DEPTH_MAX || elements > RESP_ELEMENTS_MAX ||
	    r->elements > RESP_ELEMENTS_MAX) {
		r->too_large = true;
		return NULL;
	}
	return array_unguarded(task, elements);
}

bool
resp_reader_init(struct resp_reader *r)
{
	*r = (struct resp_reader){ .reader = redisReaderCreate() };
	if (r->reader == NULL)
		return false;
	if (array_unguarded == NULL) {
		guarded = *r->reader->fn;
		array_unguarded = guarded.createArray;
		guarded.createArray = array_guarded;
	}
	r->reader->fn = &guarded;
	r->reader->privdata = r;
	return true;
}

void
resp_reader_fini(struct resp_reader *r)
{
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	r->reader = NULL;
}

bool
resp_reader_feed(struct resp_reader *r, const char *bytes, size_t len)
{
	r->bytes += len;
	return redisReaderFeed(r->reader, bytes, len) == REDIS_OK;
}

enum resp_result
resp_reader_next(struct resp_reader *r, struct redisReply **reply, const char **why)
{
	void *got = NULL;

	if (redisReaderGetReply(r->reader, &got) != REDIS_OK) {
		*why = r->too_large ? "a reply with too many elements" : r->reader->errstr;
		return r->too_large ? RESP_TOO_LARGE : RESP_PROTOCOL;
	}
	if (got != NULL) {
		*reply = got;
		r->bytes = r->reader->len - r->reader->pos;
		r->elements = 0;
		return RESP_REPLY;
	}
	*why = "a reply with too many bytes";
	return r->bytes > RESP_BYTES_MAX ? RESP_TOO_LARGE : RESP_MORE;
}
