/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hiredis' parser with limits: bytes of a RESP2 stream in, replies out. Owns no descriptor; after an error it gives nothing more.
 *
 * hiredis allocates an array as large as its header says before one element has come, and 1.x nests without end and
 * keeps bulk strings of any size: 13 bytes can cost seconds, an endless one all memory.
 */
#ifndef WIRE_RESP_READER_H
#define WIRE_RESP_READER_H

#include <stdbool.h>
#include <stddef.h>

struct redisReader;
struct redisReply;

enum {
	RESP_BYTES_MAX = 256 * 1024, /* of one reply, checked after each piece that is fed */
	RESP_ELEMENTS_MAX = 4096,    /* of one reply, all levels together */
	RESP_DEPTH_MAX = 7,          /* levels of arrays in one reply */
};

struct resp_reader {
	struct redisReader *reader;
	size_t bytes;    /* fed for the reply that isn't complete yet */
	size_t elements; /* of it */
	bool too_large;
};

enum resp_result {
	RESP_REPLY,     /* one reply, to be freed with freeReplyObject() */
	RESP_MORE,      /* more bytes are needed */
	RESP_TOO_LARGE, /* above a limit */
	RESP_PROTOCOL,  /* no RESP */
};

/* The struct must not move while it is in use. False: no memory. */
bool resp_reader_init(struct resp_reader *);
void resp_reader_fini(struct resp_reader *);

/* False: no memory. */
bool resp_reader_feed(struct resp_reader *, const char *bytes, size_t len);

/* *why: a sentence, with RESP_TOO_LARGE and RESP_PROTOCOL; valid until resp_reader_fini(). */
enum resp_result resp_reader_next(struct resp_reader *, struct redisReply **, const char **why);

#endif
