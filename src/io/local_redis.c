/* SPDX-License-Identifier: BSD-2-Clause */
/* ROLE to the local Redis, again and again. Must not decide what an answer means, nor ever write to Redis'
 * data. */
#include "local_redis.h"

#include "clock.h"
#include "log.h"
#include "rkeep.h"
#include "wire/hiredis_codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMMAND_MS = 2000,
	ROLES_OUT_MAX = 4, /* questions without an answer */
};

struct link {
	struct local_redis *set;
	int index;
	struct svip_host host;
	struct svip_addr addr;
	struct rkeep keep;
	int out;
	bool again;         /* asked for while too many were out */
	bool said_up, said; /* as logged */
	svip_ms replied;
	bool master;
	enum reply_fault fault;
	char text[REPLY_TEXT_MAX];
	bool ask_writes; /* on each connection: may writes be held? */
	bool ask_end;    /* and may connections be ended? */
};

struct local_redis {
	struct ev_loop *loop;
	struct set_auth auth;
	struct ev_timer tick;
	const struct local_redis_owner *owner;
	void *ctx;
	int n;
	struct link *link[SVIP_INSTANCES_MAX];
};

static void
tell(struct link *l, svip_ms asked, bool master, enum reply_fault fault, const char *text)
{
	l->master = master;
	l->fault = fault;
	snprintf(l->text, sizeof(l->text), "%s", text);
	l->set->owner->role(l->set->ctx, l->index, asked, master, fault, l->text);
}

static void ask(struct link *);

static void
on_role(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct rkeep *k = ctx;
	struct link *l = k->ctx;
	enum reply_fault fault;
	char text[REPLY_TEXT_MAX];
	bool master;

	(void)tag;
	l->out--;
	if (reply == NULL)
		return;
	fault = sentinel_reply_role(reply, &master);
	l->replied = clock_ms();
	if (fault == REPLY_FINE)
		rkeep_proved(k);
	tell(l, asked, master, fault, fault == REPLY_FINE ? "" : reply_text(reply, fault, text));
	if (l->again && k->up)
		ask(l);
}

static void
ask(struct link *l)
{
	const char *argv[] = { "ROLE" };

	if (!l->keep.up)
		return;
	l->again = l->out >= ROLES_OUT_MAX;
	if (l->again || rconn_command(l->keep.conn, 1, argv, on_role, 0) != 0)
		return;
	l->out++;
	rconn_flush(l->keep.conn);
}

/* ---- writes ---- */

enum { WRITES_ASK = 1 << 30, WRITES_BACK = 0 }; /* tags; others are milliseconds */

static void
on_writes(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct rkeep *k = ctx;
	struct link *l = k->ctx;
	char text[REPLY_TEXT_MAX];
	enum reply_fault fault = REPLY_FINE;

	(void)asked;
	if (reply == NULL) {
		if (tag != WRITES_ASK)
			l->set->owner->writes(
			    l->set->ctx, l->index, (svip_ms)tag, REPLY_NO_CONNECTION, "");
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR)
		fault = REPLY_ERROR;
	l->set->owner->writes(l->set->ctx, l->index, tag == WRITES_ASK ? -1 : (svip_ms)tag, fault,
	    fault == REPLY_FINE ? "" : reply_text(reply, fault, text));
}

static int
order_writes(struct link *l, int argc, const char *const *argv, uint64_t tag)
{
	if (!l->keep.up)
		return -ENOTCONN;
	if (rconn_command(l->keep.conn, argc, argv, on_writes, tag) != 0)
		return -ENOBUFS;
	rconn_flush(l->keep.conn);
	return 0;
}

static int
pause_writes(struct link *l, svip_ms ms, uint64_t tag)
{
	char number[24];
	const char *argv[] = { "CLIENT", "PAUSE", number, "WRITE" };

	snprintf(number, sizeof(number), "%lld", (long long)ms);
	return order_writes(l, 4, argv, tag);
}

int
local_redis_hold_writes(struct local_redis *set, int instance, svip_ms ms)
{
	return pause_writes(set->link[instance], ms, (uint64_t)ms);
}

int
local_redis_give_writes_back(struct local_redis *set, int instance)
{
	const char *argv[] = { "CLIENT", "UNPAUSE" };

	return order_writes(set->link[instance], 2, argv, WRITES_BACK);
}

/* A pause of no time changes nothing (Redis' networking.c, pauseClients), and is refused as any other. */
void
local_redis_may_hold_writes(struct local_redis *set, int instance)
{
	struct link *l = set->link[instance];

	l->ask_writes = true;
	pause_writes(l, 0, WRITES_ASK);
}

/* ---- clients ---- */

enum { END, END_ASK }; /* tags */

static void
on_ended(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct rkeep *k = ctx;
	struct link *l = k->ctx;
	char text[REPLY_TEXT_MAX];
	bool fine = reply != NULL && reply->type == REDIS_REPLY_INTEGER;

	(void)asked;
	if (reply == NULL)
		return;
	l->set->owner->ended(l->set->ctx, l->index, tag == END_ASK ? -1 : fine ? (int)reply->integer : 0,
	    fine ? REPLY_FINE : REPLY_ERROR, fine ? "" : reply_text(reply, REPLY_ERROR, text));
}

static int
end(struct link *l, const char *laddr, uint64_t tag)
{
	const char *argv[] = { "CLIENT", "KILL", "LADDR", laddr };

	if (!l->keep.up)
		return -ENOTCONN;
	return rconn_command(l->keep.conn, 4, argv, on_ended, tag) != 0 ? -ENOBUFS : 0;
}

int
local_redis_end(struct local_redis *set, int instance, const struct svip_addr *a)
{
	struct link *l = set->link[instance];
	char addr[SVIP_TEXT_MAX], laddr[SVIP_TEXT_MAX + 32];
	int rc;

	/* As Redis writes them (its anet.c, anetFormatAddr); IPv4 at a socket for both families has the longer form. */
	svip_addr_text(a, false, addr);
	snprintf(laddr, sizeof(laddr), a->family == 6 ? "[%s]:%u" : "%s:%u", addr, l->host.port);
	rc = end(l, laddr, END);
	if (rc != 0 || a->family == 6)
		return rc;
	snprintf(laddr, sizeof(laddr), "[::ffff:%s]:%u", addr, l->host.port);
	return end(l, laddr, END);
}

bool
local_redis_wait(struct local_redis *set, int instance, svip_ms ms)
{
	struct link *l = set->link[instance];

	if (!l->keep.up)
		return false;
	rconn_flush(l->keep.conn); /* all in one write: Redis carries them out in one go, and answers then */
	return ms > 0 && rconn_wait(l->keep.conn, ms);
}

/* An address that nobody has a connection to is refused as any other. */
void
local_redis_may_end(struct local_redis *set, int instance)
{
	struct link *l = set->link[instance];

	l->ask_end = true;
	if (end(l, "0.0.0.0:0", END_ASK) == 0)
		rconn_flush(l->keep.conn);
}

/* ---- replicas ---- */

static void
on_info(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	static struct replication_info info;
	struct rkeep *k = ctx;
	struct link *l = k->ctx;
	enum reply_fault fault = replication_reply_info(reply, &info);
	char text[REPLY_TEXT_MAX];

	(void)tag;
	l->set->owner->told(l->set->ctx, l->index, asked, &info, fault,
	    fault == REPLY_FINE ? "" : reply_text(reply, fault, text));
}

int
local_redis_info(struct local_redis *set, int instance)
{
	const char *argv[] = { "INFO", "replication" };
	struct link *l = set->link[instance];

	if (!l->keep.up)
		return -ENOTCONN;
	if (rconn_command(l->keep.conn, 2, argv, on_info, 0) != 0)
		return -ENOBUFS;
	rconn_flush(l->keep.conn);
	return 0;
}

void
local_redis_eager(struct local_redis *set, int instance, bool eager)
{
	set->link[instance]->keep.cap_ms = eager ? LOCAL_REDIS_EAGER_MS : 0;
}

static bool
on_where(void *ctx, struct svip_addr *addr, uint16_t *port)
{
	struct link *l = ctx;

	*addr = l->addr;
	*port = l->host.port;
	return true;
}

static void
on_up(void *ctx)
{
	struct link *l = ctx;
	char text[SVIP_TEXT_MAX];

	if (!l->said_up)
		log_info("redis %s: connected", svip_host_text(&l->host, text));
	l->said_up = l->said = true;
	l->set->owner->refused(l->set->ctx, l->index, false);
	ask(l);
	if (l->ask_writes)
		pause_writes(l, 0, WRITES_ASK);
	if (l->ask_end)
		end(l, "0.0.0.0:0", END_ASK);
	rconn_flush(l->keep.conn);
}

static void
on_down(void *ctx, bool was_up, enum rconn_why why, const char *error)
{
	struct link *l = ctx;
	char text[SVIP_TEXT_MAX];

	l->set->owner->refused(l->set->ctx, l->index, !was_up && why == RCONN_REFUSED);
	if (l->said_up || !l->said)
		log_warning(
		    "redis %s: %s: %s", svip_host_text(&l->host, text), rconn_why_word(why), error);
	l->said_up = false;
	l->said = true;
	tell(l, clock_ms(), false, why == RCONN_AUTH_REFUSED ? REPLY_NO_AUTH : REPLY_NO_CONNECTION,
	    error);
}

static const struct rkeep_owner link_owner = { on_where, on_up, NULL, on_down };

static void
on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct local_redis *set = w->data;

	(void)loop;
	(void)revents;
	for (int i = 0; i < set->n; i++)
		ask(set->link[i]);
}

void
local_redis_timing(struct local_redis *set, svip_ms poll_ms)
{
	ev_timer_stop(set->loop, &set->tick);
	ev_timer_set(&set->tick, (double)poll_ms / 1000.0, (double)poll_ms / 1000.0);
	ev_timer_start(set->loop, &set->tick);
}

struct local_redis *
local_redis_init(struct ev_loop *loop, const struct set_auth *auth, svip_ms poll_ms,
    const struct local_redis_owner *owner, void *ctx)
{
	struct local_redis *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->loop = loop;
	set->auth = *auth;
	set->owner = owner;
	set->ctx = ctx;
	ev_init(&set->tick, on_tick);
	set->tick.data = set;
	local_redis_timing(set, poll_ms);
	return set;
}

void
local_redis_fini(struct local_redis *set)
{
	if (set == NULL)
		return;
	while (set->n > 0)
		local_redis_remove(set, set->n - 1);
	ev_timer_stop(set->loop, &set->tick);
	explicit_bzero(&set->auth, sizeof(set->auth));
	free(set);
}

int
local_redis_add(struct local_redis *set, const struct svip_host *host)
{
	struct svip_addr addr;
	struct link *l;

	if (set->n == SVIP_INSTANCES_MAX)
		return -ENOMEM;
	if (!svip_host_addr(host, &addr))
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->set = set;
	l->index = set->n;
	l->host = *host;
	l->addr = addr;
	l->replied = SVIP_LONG_AGO;
	l->fault = REPLY_NO_CONNECTION;
	rkeep_init(&l->keep, set->loop, &set->auth, COMMAND_MS, &link_owner, l);
	set->link[set->n++] = l;
	rkeep_start(&l->keep);
	return l->index;
}

void
local_redis_remove(struct local_redis *set, int instance)
{
	struct link *l = set->link[instance];

	set->link[instance] = set->link[--set->n];
	set->link[instance]->index = instance;
	rkeep_fini(&l->keep);
	free(l);
}

int
local_redis_move(struct local_redis *set, int instance, const struct svip_host *host)
{
	struct link *l = set->link[instance];
	struct svip_addr addr;

	if (!svip_host_addr(host, &addr))
		return -EINVAL;
	if (svip_host_same(host, &l->host))
		return 0;
	rkeep_stop(&l->keep);
	l->host = *host;
	l->addr = addr;
	rkeep_start(&l->keep);
	return 0;
}

void
local_redis_auth(struct local_redis *set, const struct set_auth *auth)
{
	set->auth = *auth;
	for (int i = 0; i < set->n; i++)
		rkeep_auth(&set->link[i]->keep, auth);
}

void
local_redis_poll(struct local_redis *set, int instance)
{
	struct link *l = set->link[instance];

	if (l->keep.up)
		ask(l);
	else
		rkeep_hint(&l->keep);
}

void
local_redis_status(
    const struct local_redis *set, int instance, svip_ms now, struct local_redis_status *out)
{
	const struct link *l = set->link[instance];

	memset(out, 0, sizeof(*out));
	out->state = rkeep_word(&l->keep);
	out->last_reply_ms = l->replied == SVIP_LONG_AGO ? -1 : now - l->replied;
	out->master = l->master;
	out->fault = l->fault;
	memcpy(out->text, l->text, sizeof(out->text));
}
