/* SPDX-License-Identifier: BSD-2-Clause */
/* Listens to one Sentinel's events. Passes them on in their order; must not act on one. */
#include "sentinel_in.h"

#include "clock.h"
#include "wire/hiredis_codec.h"

#include <string.h>

/* The first six are evidence: every way in which a Sentinel changes its master or clears its flag. The next tell of failovers that
 * are under way. The others are worth a question at once. */
static const char *const channels[] = { "+switch-master", "+promoted-slave", "-sdown",
	"+reset-master", "+monitor", "-monitor", "+try-failover", "+elected-leader", "-failover-abort-not-elected",
	"-failover-abort-no-good-slave", "-failover-abort-slave-timeout", "+sdown", "+odown" };

enum { CHANNELS = sizeof(channels) / sizeof(channels[0]) };

static bool
on_where(void *ctx, struct svip_addr *addr, uint16_t *port)
{
	struct server *s = ctx;

	return sentinel_where(s, &s->sub, addr, port);
}

static void
on_subscribed(void *ctx, uint64_t channel, const struct redisReply *reply, svip_ms asked)
{
	struct server *s = ((struct rkeep *)ctx)->ctx;
	char text[REPLY_TEXT_MAX];

	(void)asked;
	if (reply == NULL)
		return;
	if (!sentinel_reply_subscribed(reply, channels[channel])) {
		reply_text(reply, REPLY_WRONG_TYPE, text);
		rkeep_fail(&s->sub, RCONN_PROTOCOL, text, true);
		return;
	}
	if (++s->confirmed < CHANNELS)
		return;
	rkeep_proved(&s->sub);
	s->listening = true;
	s->set->owner->listening(s->set->ctx, s->index);
	for (int i = 0; i < s->set->n_instances; i++) /* what happened before it listened */
		sentinel_query_hint(s, i);
}

static void
on_id(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct server *s = ((struct rkeep *)ctx)->ctx;
	char why[REPLY_TEXT_MAX];

	(void)tag;
	(void)asked;
	if (reply == NULL || sentinel_identify(s, reply, true, why))
		return;
	rkeep_fail(&s->sub, RCONN_PROTOCOL, why, true);
}

static void
on_pong(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct server *s = ((struct rkeep *)ctx)->ctx;

	(void)tag;
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR)
		rkeep_fail(&s->sub, RCONN_PROTOCOL, "PING was answered with an error", true);
	else
		s->set->owner->pong(s->set->ctx, s->index, asked);
}

static void
on_up(void *ctx)
{
	struct server *s = ctx;
	const char *id[] = { "SENTINEL", "MYID" };

	sentinel_where_worked(s, &s->sub);
	s->confirmed = 0;
	sentinel_session(s);
	if (!s->sub.up)
		return;
	rconn_command(s->sub.conn, 2, id, on_id, 0);
	for (int i = 0; i < CHANNELS; i++) {
		const char *subscribe[] = { "SUBSCRIBE", channels[i] };

		rconn_command(s->sub.conn, 2, subscribe, on_subscribed, (uint64_t)i);
	}
	rconn_flush(s->sub.conn);
}

static void
on_message(void *ctx, const struct redisReply *reply)
{
	struct server *s = ctx;
	struct sentinels *set = s->set;
	struct sentinel_message msg;

	if (!s->listening || !sentinel_reply_message(reply, &msg))
		return;
	for (int i = 0; i < set->n_instances; i++) {
		if (strcmp(set->instance[i].name, msg.name) != 0)
			continue;
		set->owner->news(set->ctx, s->index, i, msg.news, &msg.to);
		sentinel_query_hint(s, i);
		return;
	}
}

static void
on_down(void *ctx, bool was_up, enum rconn_why why, const char *text)
{
	struct server *s = ctx;
	unsigned held;

	sentinel_where_failed(s, &s->sub, was_up);
	s->listening = false;
	/* While it doesn't answer either, that has been said; what is said here is that it can't be listened to. */
	if (s->said_up && log_allowed(&s->news_limit, SAY_MS, clock_ms(), &held))
		log_warning("sentinel %s: no events: %s: %s", s->text, rconn_why_word(why), text);
	if (was_up)
		sentinel_session(s);
}

static const struct rkeep_owner news_owner = { on_where, on_up, on_message, on_down };

void
sentinel_news_tick(struct server *s, svip_ms now)
{
	if (now - s->pinged >= PING_MS)
		sentinel_news_ping(s, now);
}

void
sentinel_news_ping(struct server *s, svip_ms now)
{
	const char *ping[] = { "PING" };

	if (!s->listening || rconn_oldest(s->sub.conn) != SVIP_NEVER)
		return;
	s->pinged = now;
	if (rconn_command(s->sub.conn, 1, ping, on_pong, 0) == 0)
		rconn_flush(s->sub.conn);
}

void
sentinel_news_init(struct server *s)
{
	rkeep_init(
	    &s->sub, s->set->loop, &s->set->auth, s->query[0].keep.command_ms, &news_owner, s);
	rkeep_start(&s->sub);
}

void
sentinel_news_fini(struct server *s)
{
	rkeep_fini(&s->sub);
}
