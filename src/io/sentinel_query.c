/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to one Sentinel and their answers. Makes one view of two answers; must not judge it.
 *
 * Two things keep the views in the order in which the Sentinel has answered. On one connection answers come in the
 * order of the questions. From the other connection only what was asked after the last view was heard counts.
 */
#include "sentinel_in.h"

#include "clock.h"
#include "wire/hiredis_codec.h"

#include <stdio.h>
#include <string.h>

static svip_ms
command_ms(const struct sentinels *set)
{
	return 2 * set->lease_ms > COMMAND_MIN_MS ? 2 * set->lease_ms : COMMAND_MIN_MS;
}

static svip_ms
lag_ms(const struct sentinels *set)
{
	svip_ms lag = set->poll_ms + set->poll_ms / 2;

	return lag > LAG_MIN_MS ? lag : LAG_MIN_MS;
}

static void
arm(struct server *s, struct ev_timer *w, svip_ms wait)
{
	if (ev_is_active(w))
		return;
	ev_timer_set(w, (double)wait / 1000.0, 0.0);
	ev_timer_start(s->set->loop, w);
}

/* ---- answers ---- */

/* True: so may a Sentinel answer that leads a failover, and the answer before was the same; that one's question in *asked. */
static bool
same_disagreement(struct disagreement *odd, const struct sentinel_master *m,
    const struct svip_host *addr, svip_ms *asked)
{
	svip_ms before = odd->asked;
	bool same = odd->set && odd->epoch == m->epoch && svip_host_same(&odd->master, &m->host) &&
	            svip_host_same(&odd->addr, addr);

	*odd = (struct disagreement){ true, m->epoch, m->host, *addr, *asked };
	*asked = before;
	return same;
}

static void
tell_fault(struct query *q, int instance, enum reply_fault fault, const char *text)
{
	struct server *s = q->server;

	s->track[instance].fault = fault;
	s->set->owner->fault(s->set->ctx, s->index, instance, fault, text);
	switch (fault) {
	case REPLY_WRONG_TYPE:
	case REPLY_MISSING_FIELD:
		/* Not the answer to this question: the next ones may be out of step, and dated wrongly. */
		rkeep_fail(&q->keep, RCONN_PROTOCOL, text, false);
		return;
	case REPLY_NO_AUTH:
		rkeep_fail(&q->keep, RCONN_AUTH_REFUSED, text, true);
		return;
	case REPLY_NO_SENTINEL:
		rkeep_fail(&q->keep, RCONN_PROTOCOL, text, true);
		return;
	case REPLY_FINE:
	case REPLY_NO_CONNECTION:
	case REPLY_BAD_NUMBER:
	case REPLY_BAD_PORT:
	case REPLY_BAD_HOST:
	case REPLY_UNKNOWN_MASTER:
	case REPLY_LOADING:
	case REPLY_NO_PERMISSION:
	case REPLY_ERROR:
	case REPLY_FAULTS:
		return;
	}
}

static void pump(struct query *);

static void
tell_view(struct query *q, int instance, const struct svip_host *addr)
{
	struct server *s = q->server;
	struct track *tr = &s->track[instance];
	const struct sentinel_master *m = &q->half;
	bool agree = svip_host_same(&m->host, addr);
	svip_ms now = clock_ms(), asked = q->half_asked;
	struct view v = { 0 };

	rkeep_proved(&q->keep);
	if (!s->said_up)
		log_notice("sentinel %s: answers", s->text);
	s->said_up = true;
	tr->fault = REPLY_FINE;
	s->replied = now;
	s->rtt_ms = now - q->half_asked;
	/*
	 * The Sentinel may have switched between the two answers. Then the address belongs to a later epoch than
	 * the one told. A second pair of the same words is whole: its epoch is younger than the first's address. It counts from the
	 * first one's question: a SENTINEL RESET may have come after that pair, and a switch between the answers of this one.
	 */
	if (!agree && !same_disagreement(&tr->odd[q->n], m, addr, &asked)) {
		tr->wanted |= 1u << q->n;
		pump(q);
		return;
	}
	tr->odd[q->n].set = !agree;
	if (tr->from != q->n && q->half_asked <= tr->heard)
		return; /* answered before that one, perhaps */
	tr->from = s->current = q->n;
	tr->heard = now;
	v.asked = asked;
	v.epoch = m->epoch;
	v.master = *addr;
	v.valid = true;
	v.me = s->set->owner->is_me(s->set->ctx, instance, addr);
	v.down = agree && (m->s_down || m->o_down);
	s->set->owner->view(s->set->ctx, s->index, instance, &v);
	if (v.down) /* are there older events on their way? */
		sentinel_news_ping(s, clock_ms());
}

static void
on_master(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct query *q = ((struct rkeep *)ctx)->ctx;

	(void)tag;
	q->half_fault = sentinel_reply_master(reply, &q->half);
	reply_text(reply, q->half_fault, q->half_text);
	q->half_asked = asked;
}

static void
on_addr(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct query *q = ((struct rkeep *)ctx)->ctx;
	struct sentinels *set = q->server->set;
	int instance = sentinel_of_tag(set, tag);
	enum reply_fault fault;
	struct svip_host addr;
	char text[REPLY_TEXT_MAX];

	(void)asked;
	if (instance != -1)
		q->server->track[instance].out[q->n]--;
	if (instance == -1 || reply == NULL)
		return;
	if (!q->keep.up) /* the first answer has ended the connection */
		return;
	fault = sentinel_reply_addr(reply, &addr);
	if (q->half_fault != REPLY_FINE)
		tell_fault(q, instance, q->half_fault, q->half_text);
	else if (fault != REPLY_FINE)
		tell_fault(q, instance, fault, reply_text(reply, fault, text));
	else
		tell_view(q, instance, &addr);
	if (q->starved && q->keep.up && rconn_room(q->keep.conn) >= RCONN_QUEUE_MAX / 2)
		pump(q);
}

/* ---- questions ---- */

static bool
ask(struct query *q, int instance)
{
	struct sentinels *set = q->server->set;
	const char *name = set->instance[instance].name;
	const char *master[] = { "SENTINEL", "MASTER", name };
	const char *addr[] = { "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name };
	uint64_t tag = sentinel_tag(set, instance);

	/* In this order: an address that is younger than its epoch is noticed, the reverse would not be. */
	if (rconn_room(q->keep.conn) < 2 ||
	    rconn_command(q->keep.conn, 3, master, on_master, tag) != 0)
		return false;
	if (rconn_command(q->keep.conn, 3, addr, on_addr, tag) != 0) {
		rkeep_fail(&q->keep, RCONN_SYSTEM, "no room for a question", false);
		return false;
	}
	q->server->track[instance].wanted &= ~(1u << q->n);
	q->server->track[instance].out[q->n]++;
	return true;
}

/* Asks about all instances that are wanted, in one write, in turn where there is no room for all. */
static void
pump(struct query *q)
{
	struct server *s = q->server;
	int n = s->set->n_instances, i = 0;

	if (!q->keep.up)
		return;
	q->starved = false;
	for (int k = 0; k < n; k++) {
		i = (q->next + k) % n;
		if ((s->track[i].wanted & 1u << q->n) == 0)
			continue;
		if (s->track[i].out[q->n] >= POLLS_OUT_MAX) {
			q->starved = true;
			continue;
		}
		if (!ask(q, i)) {
			q->starved = true;
			q->next = i;
			break;
		}
	}
	if (!q->keep.up)
		return;
	rconn_flush(q->keep.conn);
	arm(s, &s->lag, lag_ms(s->set));
}

static void
pump_all(struct server *s)
{
	for (int i = 0; i < QUERIES; i++)
		pump(&s->query[i]);
}

void
sentinel_query_hint(struct server *s, int instance)
{
	svip_ms now = clock_ms();

	s->track[instance].wanted = (1u << QUERIES) - 1;
	if (!sentinel_query_up(s)) {
		rkeep_hint(&s->query[s->current].keep);
	} else if (now - s->hinted >= HINT_GAP_MS) {
		s->hinted = now;
		pump_all(s);
	} else {
		arm(s, &s->soon, HINT_GAP_MS);
	}
}

static void
on_soon(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct server *s = w->data;

	(void)loop;
	(void)revents;
	s->hinted = clock_ms();
	pump_all(s);
}

/* ---- the spare ---- */

static void
use(struct query *q)
{
	q->used = true;
	rkeep_start(&q->keep);
}

static void
disuse(struct query *q)
{
	q->used = false;
	rkeep_stop(&q->keep);
}

/* When the oldest question that has no answer was asked. */
static svip_ms
oldest(const struct query *q)
{
	return q->keep.up ? rconn_oldest(q->keep.conn) : SVIP_NEVER;
}

static void
on_lag(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct server *s = w->data;
	svip_ms now = clock_ms(), first = SVIP_NEVER, wait = lag_ms(s->set);

	(void)loop;
	(void)revents;
	for (int i = 0; i < QUERIES; i++)
		if (oldest(&s->query[i]) < first)
			first = oldest(&s->query[i]);
	if (first == SVIP_NEVER)
		return;
	if (now - first < wait) {
		arm(s, w, first + wait - now);
		return;
	}
	s->lagged = now;
	for (int i = 0; i < QUERIES; i++)
		if (!s->query[i].used)
			use(&s->query[i]);
	arm(s, w, LAG_MIN_MS);
}

static void
close_spare(struct server *s, svip_ms now)
{
	struct query *spare = &s->query[1 - s->current];

	if (!spare->used || !s->query[s->current].keep.up || now - s->lagged < CALM_MS)
		return;
	if (now - oldest(&s->query[s->current]) < lag_ms(s->set)) /* none: far below */
		disuse(spare);
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct server *s = w->data;
	svip_ms now = clock_ms();

	(void)loop;
	(void)revents;
	for (int i = 0; i < s->set->n_instances; i++)
		s->track[i].wanted = (1u << QUERIES) - 1;
	pump_all(s);
	close_spare(s, now);
	sentinel_news_tick(s, now);
	if (s->query[s->current].keep.up)
		sentinel_known_tick(s, &s->query[s->current].keep, now);
}

/* ---- connections ---- */

static bool
on_where(void *ctx, struct svip_addr *addr, uint16_t *port)
{
	struct query *q = ctx;

	return sentinel_where(q->server, &q->keep, addr, port);
}

static void
on_id(void *ctx, uint64_t tag, const struct redisReply *reply, svip_ms asked)
{
	struct query *q = ((struct rkeep *)ctx)->ctx;
	char why[REPLY_TEXT_MAX];

	(void)tag;
	(void)asked;
	if (reply == NULL ||
	    sentinel_identify(q->server, reply, q->server->query[1 - q->n].keep.up, why))
		return;
	rkeep_fail(&q->keep, RCONN_PROTOCOL, why, true);
}

static void
on_up(void *ctx)
{
	struct query *q = ctx;
	struct server *s = q->server;
	const char *id[] = { "SENTINEL", "MYID" };
	bool first = !s->query[1 - q->n].keep.up;

	sentinel_where_worked(s, &q->keep);
	rconn_command(q->keep.conn, 2, id, on_id, 0); /* its answer comes before any view */
	if (first) {
		s->current = q->n;
		sentinel_session(s);
	}
	for (int i = 0; i < s->set->n_instances; i++) {
		s->track[i].wanted |= 1u << q->n;
		s->track[i].odd[q->n].set = false;
	}
	pump(q);
}

static void
say_down(struct server *s, enum rconn_why why, const char *text)
{
	unsigned held;

	if (s->said_up || log_allowed(&s->log_limit, SAY_MS, clock_ms(), &held))
		log_warning("sentinel %s: %s: %s", s->text, rconn_why_word(why), text);
	s->said_up = false;
}

static void
on_down(void *ctx, bool was_up, enum rconn_why why, const char *text)
{
	struct query *q = ctx;
	struct server *s = q->server;
	struct query *other = &s->query[1 - q->n];
	bool current = s->current == q->n;

	sentinel_where_failed(s, &q->keep, was_up);
	q->starved = false;
	if (other->used) { /* that one goes on; another spare is opened when answers stay out */
		s->current = other->n;
		disuse(q);
	} else {
		say_down(s, why, text);
	}
	if (was_up && current)
		sentinel_session(s);
}

static const struct rkeep_owner query_owner = { on_where, on_up, NULL, on_down };

bool
sentinel_query_up(const struct server *s)
{
	return s->query[0].keep.up || s->query[1].keep.up;
}

static void
start_tick(struct server *s)
{
	struct sentinels *set = s->set;
	double every = (double)set->poll_ms / 1000.0;

	ev_timer_stop(set->loop, &s->tick);
	ev_timer_set(
	    &s->tick, every * (s->index + 1) / set->n_servers, every); /* not all at once */
	ev_timer_start(set->loop, &s->tick);
}

void
sentinel_query_init(struct server *s)
{
	struct sentinels *set = s->set;

	ev_init(&s->tick, on_tick);
	ev_init(&s->soon, on_soon);
	ev_init(&s->lag, on_lag);
	s->tick.data = s->soon.data = s->lag.data = s;
	for (int i = 0; i < QUERIES; i++) {
		s->query[i].server = s;
		s->query[i].n = i;
		rkeep_init(&s->query[i].keep, set->loop, &set->auth, command_ms(set), &query_owner,
		    &s->query[i]);
	}
	use(&s->query[0]);
}

void
sentinel_query_fini(struct server *s)
{
	ev_timer_stop(s->set->loop, &s->tick);
	for (int i = 0; i < QUERIES; i++)
		rkeep_fini(&s->query[i].keep);
	ev_timer_stop(s->set->loop, &s->soon);
	ev_timer_stop(s->set->loop, &s->lag);
}

void
sentinel_query_auth(struct server *s)
{
	for (int i = 0; i < QUERIES; i++)
		rkeep_auth(&s->query[i].keep, &s->set->auth);
}

void
sentinel_query_timing(struct server *s)
{
	for (int i = 0; i < QUERIES; i++)
		s->query[i].keep.command_ms = command_ms(s->set);
	s->sub.command_ms = command_ms(s->set);
	start_tick(s);
}
