/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sentinels as measured on real ones (Redis 7.0): who they see down, how they elect a leader, how epochs spread, what they
 * answer meanwhile. Also the roles of the Redis servers, which only Sentinels change. Knows nothing of svipd.
 *
 * The traps are the point: the leader names the promoted replica first, with the old master's flags beside it; a forced
 * failover asks nobody, so two may use one epoch; a restart keeps the epoch and forgets who was down; a newer epoch for
 * the same master comes without an event.
 */
#include <string.h>

#include "sim.h"

enum { QUORUM = 2, REPLICA_US = 8 * SECOND };

static void
run_after(struct sim *s, sim_us wait, void (*run)(struct sim *, struct event *), int i, int b,
    uint64_t gen, int64_t n)
{
	queue_add(
	    s, s->now + wait, (struct event){ .run = run, .a = i, .b = b, .gen = gen, .n = n });
}

static void
publish(struct sim *s, int i, enum sentinel_news news, int to)
{
	static const char *const words[] = { "switch to", "clears", "resets", "tries without",
		"is elected against", "gives up on", "hints at" };

	if (news != NEWS_TRIES && news != NEWS_ELECTED && news != NEWS_ABORTED)
		s->named_at = s->now;
	say(s, "sentinel %d %s %d (epoch %llu)", i, words[news], to,
	    (unsigned long long)s->sentinel[i].epoch);
	for (int x = 0; x < s->n_nodes; x++) {
		struct connection *k = &s->node[x].connection[i][EVENTS];

		if (k->up && k->life == s->sentinel[i].life)
			net_send(s, TO_NODE,
			    &(struct message){ .kind = NEWS,
			        .node = x,
			        .sentinel = i,
			        .connection = EVENTS,
			        .news = news,
			        .to = to });
	}
	if (news == NEWS_SWITCH && chance(s, s->ambush))
		fault_ambush(s);
}

/* Names another master from now on. */
static void
name(struct sim *s, int i, int x)
{
	struct sentinel *t = &s->sentinel[i];

	if (t->up)
		t->named[t->get] = s->now;
	kernel_named(s, x); /* a look back, before that word counts */
	t->get = x;
}

sim_us
sentinel_named(const struct sim *s, int i, int x)
{
	const struct sentinel *t = &s->sentinel[i];

	return t->up && t->get == x ? s->now : t->named[x];
}

void
sentinel_up(struct sim *s, int i, bool up)
{
	if (s->sentinel[i].up)
		s->sentinel[i].named[s->sentinel[i].get] = s->now;
	else if (up)
		kernel_named(s, s->sentinel[i].get);
	s->sentinel[i].up = up;
}

/* ---- who is down ---- */

static void
forget_down(struct sentinel *t)
{
	t->down = false;
	t->unanswered = SIM_NEVER;
}

static void
run_ping(struct sim *s, struct event *e)
{
	struct sentinel *t = &s->sentinel[e->a];

	sim_us every;
	bool fine = both_ways(s, e->a, t->master) && s->redis_up[t->master] && !chance(s, s->flap);

	/* A master that says for long that it is a replica is down, too. */
	if (!s->redis_master[t->master] && s->now - t->changed > REPLICA_US)
		fine = false;
	if (t->up && fine)
		t->unanswered = SIM_NEVER;
	else if (t->up && t->unanswered == SIM_NEVER)
		t->unanswered = s->now;
	every = s->down_after < SECOND ? s->down_after : SECOND;
	run_after(s, draw_us(s, every * 9 / 20, every * 21 / 20), run_ping, e->a, 0, 0, 0);
}

/* ---- failover ---- */

static void
give_up(struct sim *s, struct sentinel *t)
{
	t->failing_over = t->promoted = false;
	t->failover_gen++;
	t->next_failover = s->now + draw_us(s, 1 * SECOND, 5 * SECOND);
}

static void
run_switch(struct sim *s, struct event *e)
{
	struct sentinel *t = &s->sentinel[e->a];

	if (!t->up || t->failover_gen != e->gen)
		return;
	give_up(s, t);
	t->master = t->get;
	forget_down(t);
	publish(s, e->a, NEWS_SWITCH, t->get);
}

static void
hear_hello(struct sim *s, struct event *e)
{
	struct sentinel *t = &s->sentinel[e->a];
	uint64_t epoch = (uint64_t)e->n, current = e->gen;

	if (!t->up)
		return;
	if (current > t->current)
		t->current = current;
	if (epoch <= t->epoch)
		return;
	t->epoch = epoch;
	t->changed = s->named_at = s->now;
	if (e->b == t->master) { /* nothing else changes, and nothing is said */
		say(s, "sentinel %d at epoch %llu, still %d (answers %d)", e->a,
		    (unsigned long long)epoch, e->b, t->get);
		return;
	}
	give_up(s, t);
	name(s, e->a, e->b);
	t->master = t->get;
	forget_down(t);
	publish(s, e->a, NEWS_SWITCH, t->get);
}

static void
say_hello(struct sim *s, int i)
{
	const struct sentinel *t = &s->sentinel[i];

	for (int j = 0; t->up && j < s->n_sentinels; j++) {
		if (j != i && reach(s, i, j) && !chance(s, s->loss))
			run_after(s, net_delay(s, i, j), hear_hello, j, t->get, t->current,
			    (int64_t)t->epoch);
	}
}

static void
run_hello(struct sim *s, struct event *e)
{
	say_hello(s, e->a);
	if (e->b == 0)
		run_after(s, draw_us(s, 1800 * MS, 2200 * MS), run_hello, e->a, 0, 0, 0);
}

/* The promoted replica has said that it is a master: named from now on, and soon known to all. */
static void
run_promoted(struct sim *s, struct event *e)
{
	struct sentinel *t = &s->sentinel[e->a];

	if (!t->up || t->failover_gen != e->gen)
		return;
	if (!both_ways(s, e->a, e->b) || !s->redis_up[e->b] || !s->redis_master[e->b]) {
		give_up(s, t);
		publish(s, e->a, NEWS_ABORTED, t->get);
		return;
	}
	t->promoted = true;
	name(s, e->a, e->b);
	t->epoch = t->failover_epoch;
	t->changed = s->now;
	publish(s, e->a, NEWS_SWITCH, t->get);
	run_after(s, draw_us(s, 10 * MS, 150 * MS), run_hello, e->a, 1, 0, 0);
	run_after(s, draw_us(s, 300 * MS, 6 * SECOND), run_switch, e->a, 0, t->failover_gen, 0);
}

static void
run_promote(struct sim *s, struct event *e)
{
	struct sentinel *t = &s->sentinel[e->a];

	if (!t->up || t->failover_gen != e->gen)
		return;
	if (!both_ways(s, e->a, e->b) || !s->redis_up[e->b]) {
		give_up(s, t);
		publish(s, e->a, NEWS_ABORTED, t->get);
		return;
	}
	s->redis_master[e->b] = true;
	run_after(s, draw_us(s, 20 * MS, 1 * SECOND), run_promoted, e->a, e->b, t->failover_gen, 0);
}

static void
fail_over(struct sim *s, int i, bool forced)
{
	struct sentinel *t = &s->sentinel[i];
	int votes = 0, n = 0, candidate[HOSTS_MAX];

	t->failover_epoch = ++t->current;
	t->failing_over = true;
	t->failover_gen++;
	publish(s, i, NEWS_TRIES, t->get);
	for (int j = 0; j < s->n_sentinels; j++) {
		struct sentinel *u = &s->sentinel[j];

		if (!u->up || !both_ways(s, i, j) || (j != i && chance(s, s->loss)))
			continue;
		if (u->current < t->failover_epoch)
			u->current = t->failover_epoch;
		if (u->voted >= t->failover_epoch)
			continue;
		u->voted = t->failover_epoch;
		if (j != i)
			u->next_failover = s->now + draw_us(s, 1 * SECOND, 5 * SECOND);
		votes++;
	}
	for (int x = 0; x < s->n_nodes; x++) {
		if (x != t->master && s->redis_up[x] && both_ways(s, i, x))
			candidate[n++] = x;
	}
	say(s, "sentinel %d fails over to epoch %llu%s, %d votes", i,
	    (unsigned long long)t->failover_epoch, forced ? ", forced" : "", votes);
	if (n == 0 || (!forced && votes <= s->n_sentinels / 2)) {
		give_up(s, t);
		publish(s, i, NEWS_ABORTED, t->get);
		return;
	}
	publish(s, i, NEWS_ELECTED, t->get);
	run_after(s, draw_us(s, 20 * MS, 300 * MS), run_promote, i, candidate[draw(s, n)],
	    t->failover_gen, 0);
}

void
sentinel_force(struct sim *s, int i)
{
	if (s->sentinel[i].up && !s->sentinel[i].failing_over)
		fail_over(s, i, true);
}

/* Forgets who is down and what it was about to do. What it promoted isn't named any more; the epoch stays. */
void
sentinel_reset(struct sim *s, int i)
{
	struct sentinel *t = &s->sentinel[i];

	if (!t->up)
		return;
	give_up(s, t);
	forget_down(t);
	if (t->get != t->master)
		name(s, i, t->master);
	publish(s, i, NEWS_RESET, t->get);
}

/* A master that isn't named any more is made a replica by whoever reaches it, not before some seconds. */
static void
demote(struct sim *s, int i)
{
	const struct sentinel *t = &s->sentinel[i];

	if (t->failing_over || s->now - t->changed < REPLICA_US || !both_ways(s, i, t->get) ||
	    !s->redis_up[t->get])
		return;
	for (int j = 0; j < s->n_sentinels; j++) { /* it would have heard of it by now */
		if (s->sentinel[j].epoch > t->epoch && both_ways(s, i, j))
			return;
	}
	for (int x = 0; x < s->n_nodes; x++) {
		if (x != t->get && s->redis_up[x] && s->redis_master[x] && both_ways(s, i, x)) {
			s->redis_master[x] = false;
			say(s, "redis %d is a replica", x);
		}
	}
}

static void
run_timer(struct sim *s, struct event *e)
{
	int i = e->a, agree = 0;
	struct sentinel *t = &s->sentinel[i];
	bool down = t->unanswered != SIM_NEVER && s->now - t->unanswered > s->down_after,
	     tilt = s->now < t->tilt_until;

	run_after(s, draw_us(s, 80 * MS, 120 * MS), run_timer, i, 0, 0, 0);
	if (!t->up)
		return;
	if (tilt) /* answers, and acts on nothing */
		return;
	if (t->down != down) {
		t->down = down;
		publish(s, i, down ? NEWS_OTHER : NEWS_CLEARED, t->master);
	}
	demote(s, i);
	if (!down || t->failing_over || s->now < t->next_failover)
		return;
	for (int j = 0; j < s->n_sentinels; j++) {
		const struct sentinel *u = &s->sentinel[j];

		agree +=
		    j == i || (u->up && both_ways(s, i, j) && u->down && u->master == t->master);
	}
	if (agree >= QUORUM || agree == s->n_sentinels)
		fail_over(s, i, false);
}

/* ---- life ---- */

void
sentinel_start(struct sim *s, int i)
{
	struct sentinel *t = &s->sentinel[i];

	memset(t, 0, sizeof(*t));
	t->up = true;
	forget_down(t);
	run_after(s, draw_us(s, 0, SECOND), run_ping, i, 0, 0, 0);
	run_after(s, draw_us(s, 0, 100 * MS), run_timer, i, 0, 0, 0);
	run_after(s, draw_us(s, 0, 2 * SECOND), run_hello, i, 0, 0, 0);
}

/* Epochs and the named master are on its disk; who was down is not. Connections end, in order. */
void
sentinel_restart(struct sim *s, int i)
{
	struct sentinel *t = &s->sentinel[i];

	for (int x = 0; s->host_up[i] && x < s->n_nodes; x++) {
		for (int c = 0; c < CONNECTIONS; c++)
			net_send(s, TO_NODE,
			    &(struct message){
			        .kind = CLOSED, .node = x, .sentinel = i, .connection = c });
	}
	t->life++;
	t->master = t->get;
	forget_down(t);
	give_up(s, t);
}

void
sentinel_receive(struct sim *s, const struct message *question)
{
	const struct sentinel *t = &s->sentinel[question->sentinel];
	struct message m = *question;

	if (!t->up || s->node[m.node].connection[m.sentinel][m.connection].life != t->life)
		return;
	if (m.kind == PING) {
		m.kind = PONG;
		net_send(s, TO_NODE, &m);
		return;
	}
	m.kind = ANSWER;
	m.to = t->get;
	m.view.epoch = t->epoch;
	m.view.down = t->down && t->master == t->get;
	net_send(s, TO_NODE, &m);
}
