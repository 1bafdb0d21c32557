/* SPDX-License-Identifier: BSD-2-Clause */
/* ROLE to each replica. Who can't be asked is left out: its master hears of it, too, once a second. */
#include "replicas.h"

#include "rconn.h"
#include "wire/replication_reply.h"

#include <stdlib.h>

enum { CONNECT_MS = 500, COMMAND_MS = 1000, LOOK_MS = 5 };

struct one {
	struct replicas *set;
	int index;
	struct rconn *conn; /* NULL: it can't be asked */
	struct ev_timer again;
};

struct replicas {
	struct ev_loop *loop;
	replicas_told *told;
	void *ctx;
	int n;
	struct one one[];
};

static void
on_role(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct one *o = ctx;
	uint64_t offset;

	(void)tag, (void)asked;
	if (reply == NULL)
		return;
	ev_timer_stop(o->set->loop, &o->again);
	ev_timer_set(&o->again, LOOK_MS / 1000.0, 0.0);
	ev_timer_start(o->set->loop, &o->again);
	if (replication_reply_role(reply, &offset))
		o->set->told(o->set->ctx, o->index, offset); /* last: the set may be gone then */
}

static void
ask(struct one *o)
{
	const char *argv[] = { "ROLE" };

	if (rconn_command(o->conn, 1, argv, on_role, 0) == 0)
		rconn_flush(o->conn);
}

static void
on_again(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	ask(w->data);
}

static void
on_up(void *ctx)
{
	ask(ctx);
}

static void
on_down(void *ctx, enum rconn_why why, const char *text)
{
	struct one *o = ctx;

	(void)why, (void)text;
	ev_timer_stop(o->set->loop, &o->again);
	rconn_close(o->conn);
	o->conn = NULL;
}

static const struct rconn_owner owner = { on_up, NULL, on_down };

struct replicas *
replicas_open(struct ev_loop *loop, const struct set_auth *auth,
    const struct svip_host *const *host, int n, replicas_told *told, void *ctx)
{
	struct replicas *set = calloc(1, sizeof(*set) + (size_t)n * sizeof(set->one[0]));
	struct rconn_conf conf = {
		.auth = auth, .connect_ms = CONNECT_MS, .command_ms = COMMAND_MS
	};

	if (set == NULL)
		return NULL;
	set->loop = loop;
	set->told = told;
	set->ctx = ctx;
	set->n = n;
	for (int i = 0; i < n; i++) {
		struct one *o = &set->one[i];

		o->set = set;
		o->index = i;
		ev_init(&o->again, on_again);
		o->again.data = o;
		conf.port = host[i]->port;
		if (svip_host_addr(host[i], &conf.addr))
			o->conn = rconn_open(loop, &conf, &owner, o);
	}
	return set;
}

void
replicas_close(struct replicas *set)
{
	if (set == NULL)
		return;
	for (int i = 0; i < set->n; i++) {
		ev_timer_stop(set->loop, &set->one[i].again);
		rconn_close(set->one[i].conn);
	}
	free(set);
}
