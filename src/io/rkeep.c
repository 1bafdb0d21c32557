/* SPDX-License-Identifier: BSD-2-Clause */
/* Back-off and jitter around rconn. Must not hold policy: what to ask and what a loss means is the owner's. */
#include "rkeep.h"

#include "clock.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void
arm(struct rkeep *k, svip_ms wait)
{
	ev_timer_stop(k->loop, &k->retry);
	ev_timer_set(&k->retry, (double)wait / 1000.0, 0.0);
	ev_timer_start(k->loop, &k->retry);
}

/* Half of it is random, so that many connections don't come back in one burst. */
static svip_ms
backoff(const struct rkeep *k, bool slow)
{
	svip_ms wait = RKEEP_RETRY_MS, cap = k->cap_ms > 0 ? k->cap_ms : RKEEP_RETRY_CAP_MS;

	for (int i = 1; i < k->failures && wait < cap; i++)
		wait *= 2;
	if (wait > cap)
		wait = cap;
	if (slow)
		wait = RKEEP_REFUSED_MS;
	return wait / 2 + (svip_ms)randombytes_uniform((uint32_t)(wait / 2 + 1));
}

static void
lost(struct rkeep *k, enum rconn_why why, const char *text, bool slow)
{
	bool was_up = k->up;

	k->why = why;
	snprintf(k->text, sizeof(k->text), "%s", text);
	k->up = false;
	if (k->failures < 100)
		k->failures++;
	rconn_close(k->conn);
	k->conn = NULL;
	arm(k, backoff(k, slow));
	k->owner->down(k->ctx, was_up, why, k->text);
}

static void
on_up(void *ctx)
{
	struct rkeep *k = ctx;

	k->up = true;
	k->connects++;
	k->owner->up(k->ctx);
}

static void
on_down(void *ctx, enum rconn_why why, const char *text)
{
	lost(ctx, why, text, why == RCONN_AUTH_REFUSED);
}

static void
on_message(void *ctx, const struct redisReply *reply)
{
	struct rkeep *k = ctx;

	k->owner->message(k->ctx, reply);
}

static void
attempt(struct rkeep *k)
{
	struct rconn_conf conf = { .auth = &k->auth, .command_ms = k->command_ms };
	int doublings = k->failures < 2 ? k->failures : 2;

	if (!k->owner->where(k->ctx, &conf.addr, &conf.port)) {
		arm(k, RKEEP_HINT_MS);
		return;
	}
	conf.connect_ms = RKEEP_CONNECT_MS << doublings;
	if (conf.connect_ms > RKEEP_CONNECT_CAP_MS)
		conf.connect_ms = RKEEP_CONNECT_CAP_MS;
	k->attempted = clock_ms();
	k->conn = rconn_open(k->loop, &conf, &k->events, k);
	if (k->conn == NULL)
		lost(k, RCONN_SYSTEM, "out of memory", false);
}

static void
on_retry(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct rkeep *k = w->data;

	(void)loop;
	(void)revents;
	if (k->on && k->conn == NULL)
		attempt(k);
}

void
rkeep_init(struct rkeep *k, struct ev_loop *loop, const struct set_auth *auth, svip_ms command_ms,
    const struct rkeep_owner *owner, void *ctx)
{
	memset(k, 0, sizeof(*k));
	k->loop = loop;
	k->owner = owner;
	k->ctx = ctx;
	k->auth = *auth;
	k->command_ms = command_ms;
	k->attempted = SVIP_LONG_AGO;
	k->events =
	    (struct rconn_owner){ on_up, owner->message != NULL ? on_message : NULL, on_down };
	ev_init(&k->retry, on_retry);
	k->retry.data = k;
}

void
rkeep_fini(struct rkeep *k)
{
	rkeep_stop(k);
	explicit_bzero(&k->auth, sizeof(k->auth));
}

void
rkeep_start(struct rkeep *k)
{
	if (k->on)
		return;
	k->on = true;
	k->failures = 0;
	arm(k, 0);
}

void
rkeep_stop(struct rkeep *k)
{
	struct rconn *conn = k->conn;

	k->on = k->up = false;
	k->conn = NULL;
	ev_timer_stop(k->loop, &k->retry);
	rconn_close(conn);
}

void
rkeep_auth(struct rkeep *k, const struct set_auth *auth)
{
	k->auth = *auth;
	if (k->on && k->conn == NULL)
		arm(k, 0);
}

void
rkeep_hint(struct rkeep *k)
{
	svip_ms wait = k->attempted + RKEEP_HINT_MS - clock_ms();

	if (!k->on || k->conn != NULL || k->why == RCONN_AUTH_REFUSED)
		return;
	if (wait < 0)
		wait = 0;
	if (!ev_is_active(&k->retry) ||
	    ev_timer_remaining(k->loop, &k->retry) * 1000.0 > (double)wait)
		arm(k, wait);
}

void
rkeep_proved(struct rkeep *k)
{
	k->failures = 0;
	k->why = RCONN_FINE;
}

void
rkeep_fail(struct rkeep *k, enum rconn_why why, const char *text, bool slow)
{
	if (k->conn != NULL)
		lost(k, why, text, slow);
}

const char *
rkeep_word(const struct rkeep *k)
{
	if (!k->on)
		return "off";
	if (k->up)
		return "connected";
	return k->why == RCONN_FINE ? "connecting" : rconn_why_word(k->why);
}
