/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions that one Sentinel is asked once, and the one order: fail over. Must not repeat any: who asked may. */
#include "sentinel_in.h"

#include "wire/hiredis_codec.h"

#include <errno.h>
#include <string.h>

static const char *const words[] = {
	[SENTINEL_REPLICAS] = "REPLICAS",
	[SENTINEL_CKQUORUM] = "CKQUORUM",
	[SENTINEL_FAILOVER] = "FAILOVER",
};

static void
tell(struct query *q, enum sentinel_question question, uint64_t tag, const struct redisReply *reply,
    svip_ms asked)
{
	static struct sentinel_answer a;
	struct server *s = q->server;
	int instance = sentinel_of_tag(s->set, tag);

	if (instance == -1)
		return;
	a.question = question;
	a.sent = asked != SVIP_NEVER;
	a.n = 0;
	if (question == SENTINEL_REPLICAS)
		a.fault = replication_reply_candidates(reply, a.replica, &a.n);
	else
		a.fault = reply != NULL ? REPLY_FINE : REPLY_NO_CONNECTION;
	a.verdict = replication_reply_verdict(reply);
	reply_text(reply, a.fault, a.text);
	s->set->owner->answer(s->set->ctx, s->index, instance, &a);
}

/* A tag has no room for the question. */
static void
on_replicas(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	tell(((struct rkeep *)ctx)->ctx, SENTINEL_REPLICAS, tag, reply, asked);
}

static void
on_quorum(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	tell(((struct rkeep *)ctx)->ctx, SENTINEL_CKQUORUM, tag, reply, asked);
}

static void
on_failover(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	tell(((struct rkeep *)ctx)->ctx, SENTINEL_FAILOVER, tag, reply, asked);
}

int
sentinel_ask(struct sentinels *set, int sentinel, int instance, enum sentinel_question question)
{
	static rconn_answer *const answers[] = { on_replicas, on_quorum, on_failover };
	struct server *s = set->server[sentinel];
	struct rkeep *k = &s->query[s->current].keep;
	const char *argv[] = { "SENTINEL", words[question], set->instance[instance].name };

	if (!k->up)
		return -ENOTCONN;
	if (rconn_command(k->conn, 3, argv, answers[question], sentinel_tag(set, instance)) != 0)
		return -ENOBUFS;
	rconn_flush(k->conn);
	return 0;
}

bool
sentinel_connected(const struct sentinels *set, int sentinel)
{
	const struct server *s = set->server[sentinel];

	return s->query[s->current].keep.up;
}
