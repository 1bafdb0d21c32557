/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes wrong and when it is mended: one fault after another, overlapping, until the calm. Judges nothing. */
#include <string.h>

#include "sim.h"

enum fault {
	CUT,      /* a partition */
	ISOLATE,  /* the holder's or the named master's host alone */
	ONE_WAY,  /* some directions */
	CRASH,    /* a host, and all on it */
	REDIS,    /* a Redis */
	PAUSE,    /* svipd, stopped and continued */
	KILL,     /* svipd, killed and started again */
	STOP,     /* svipd, stopped in order */
	SENTINEL, /* a Sentinel starts anew */
	FORCE,    /* SENTINEL FAILOVER */
	FLIP,     /* several of them, at several Sentinels */
	LINK,     /* the interface goes down */
	REMOVE,   /* another hand removes the addresses */
	SLOW,     /* some directions are slow */
	STALL,    /* connections to Sentinels, while datagrams get through */
	RELAPSE,  /* a story: down, up again unseen by some, then down for good */
	TRAP,     /* svipd, stopped or killed between two system calls of one order */
	RESTART,  /* svipd, killed and started again at once, or replaced */
	MUTE,     /* heartbeats from a host get lost, nothing else */
	LATE,     /* a story: a holder whose kernel may be late, and others who may not know it */
	RESET,    /* SENTINEL RESET */
	TILT,     /* a Sentinel answers and acts on nothing */
	SET,      /* a clock is set */
	FREEZE,   /* the whole machine, which doesn't know of it */
	CONF,     /* svipd, started again with another configuration */
	UNSEEN,   /* a story: a master that came and went between two answers to one node */
	CHANGE,   /* of the configuration, in order */
	LAG,      /* a story: a change that the holder hears of late, or alone */
	FAULTS
};

const struct mix fault_mixes[] = {
	/* cut isolate one-way crash redis pause kill stop sentinel force flip link remove slow stall relapse trap restart mute late reset tilt set freeze conf */
	{ "all", false, false,
	    { 2, 2, 2, 2, 2, 3, 2, 1, 2, 2, 1, 1, 1, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1 } },
	{ "cuts", false, false, { 3, 3, 4, 0, 1, 1, 0, 0, 0, 3, 1, 0, 0, 4, 2, 2 } },
	{ "lives", false, false, { 0, 1, 0, 3, 2, 2, 4, 2, 3, 2, 1, 0, 1, 0, 0, 0, 1, 6 } },
	{ "pauses", false, false, { 1, 1, 1, 0, 1, 8, 1, 0, 1, 2, 1, 0, 1, 1, 3, 1, 6, 1 } },
	{ "flips", false, false, { 2, 1, 2, 0, 1, 1, 0, 0, 2, 3, 6, 2, 0, 2, 4, 1 } },
	{ "relapses", true, false, { 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8 } },
	{ "lates", true, false, { 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 8 } },
	{ "traps", false, false, { 0, 2, 0, 0, 1, 0, 0, 1, 0, 4, 1, 1, 1, 0, 0, 0, 9, 3 } },
	{ "machines", false, false,
	    { [CUT] = 1, [ISOLATE] = 1, [REDIS] = 1, [FORCE] = 3, [FREEZE] = 8 } },
	{ "confs", true, false,
	    { [CUT] = 3, [ISOLATE] = 3, [REDIS] = 1, [FORCE] = 4, [CONF] = 4 } },
	{ "unseen", true, false, { [UNSEEN] = 1 } },
	{ "successors", true, true, { [RESTART] = 1 } },
	{ "changes", false, false,
	    { [CUT] = 3,
	        [ISOLATE] = 3,
	        [ONE_WAY] = 1,
	        [CRASH] = 1,
	        [REDIS] = 1,
	        [PAUSE] = 3,
	        [KILL] = 2,
	        [STOP] = 1,
	        [SENTINEL] = 1,
	        [FORCE] = 4,
	        [FLIP] = 1,
	        [LINK] = 1,
	        [STALL] = 2,
	        [TRAP] = 1,
	        [RESTART] = 2,
	        [MUTE] = 1,
	        [CHANGE] = 14 } },
	{ "lags", true, false, { [CHANGE] = 1, [FORCE] = 1, [RESTART] = 1, [LAG] = 6 } },
	{ "single", false, false, { 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1 } },
	{ 0 },
};

bool
fault_changes(const struct mix *m)
{
	return m->weight[CHANGE] > 0;
}

static int
named(const struct sim *s)
{
	int best = 0;

	for (int i = 1; i < s->n_sentinels; i++) {
		if (s->sentinel[i].epoch > s->sentinel[best].epoch)
			best = i;
	}
	return s->sentinel[best].get;
}

/* Mostly where it hurts: the holder, or who is named. */
static int
victim(struct sim *s)
{
	if (chance(s, 0.3))
		return draw(s, s->n_nodes);
	for (int x = 0; x < s->n_nodes; x++) {
		if (kernel_answers(s, x) && chance(s, 0.7))
			return x;
	}
	return named(s);
}

static void
host_down(struct sim *s, int h)
{
	s->host_up[h] = false;
	sentinel_up(s, h, false);
	s->redis_up[h] = false;
	if (h < s->n_nodes) {
		kernel_boot(s, h);
		node_end(s, h);
	}
}

static void
host_up(struct sim *s, int h)
{
	if (s->host_up[h])
		return;
	say(s, "host %d is back", h);
	if (h < s->n_sentinels) {
		sentinel_restart(s, h);
		sentinel_up(s, h, true);
	}
	s->host_up[h] = true;
	if (h >= s->n_nodes)
		return;
	s->redis_up[h] = true;
	s->node[h].boot = draw_us(s, SECOND, 3600 * (sim_us)SECOND); /* its clock starts anew */
	if (s->fence == FENCE_AUTO && chance(s, 0.5))                /* with another kernel */
		node_kind(s, h, !s->node[h].fenced);
	node_start(s, h);
}

static void
mend(struct sim *s, struct event *e)
{
	int x = e->a;

	if (s->kernel[x].frozen && (enum fault)e->b > ONE_WAY && (enum fault)e->b != FLIP) {
		queue_add(s, s->kernel[x].thaws + 1, *e);
		return;
	}
	switch ((enum fault)e->b) {
	case CUT:
	case ISOLATE:
	case ONE_WAY:
		for (int k = 0; k < HOSTS_MAX * HOSTS_MAX; k++) {
			if (e->gen >> k & 1)
				s->cut[k / HOSTS_MAX][k % HOSTS_MAX] = false;
		}
		say(s, "cuts are mended");
		return;
	case CRASH:
		host_up(s, x);
		return;
	case REDIS:
		s->redis_up[x] = s->host_up[x];
		return;
	case PAUSE:
		if (s->node[x].alive && s->node[x].paused && s->node[x].life == e->gen)
			node_resume(s, x);
		return;
	case KILL:
	case STOP:
	case RESTART:
	case CONF:
		if (!s->node[x].alive && s->host_up[x])
			node_start(s, x);
		return;
	case FLIP:
		sentinel_force(s, x);
		return;
	case LINK:
		s->node[x].link_up = true;
		node_post(s, x, &(struct core_event){ .kind = EV_LINK, .yes = true });
		return;
	case SENTINEL:
	case FORCE:
	case REMOVE:
	case SLOW:
	case STALL:
	case RELAPSE:
	case UNSEEN:
	case TRAP:
	case MUTE:
	case LATE:
	case RESET:
	case TILT:
	case SET:
	case FREEZE:
	case CHANGE:
	case LAG:
	case FAULTS:
		return;
	}
}

static void
run_look(struct sim *s, struct event *e)
{
	if (s->node[e->a].alive && s->node[e->a].life == e->gen)
		node_look(s, e->a);
}

static void
run_stopped(struct sim *s, struct event *e)
{
	if (s->node[e->a].alive && s->node[e->a].life == e->gen)
		node_end(s, e->a);
}

/* Each direction is as slow as it likes, most are quick. */
static void
fault_delays(struct sim *s)
{
	static const sim_us delays[] = { 1 * MS, 5 * MS, 50 * MS, 300 * MS, 1200 * MS, 2500 * MS };
	sim_us quick = delays[draw(s, s->mix->narrow ? 2 : 4)];

	for (int a = 0; a < HOSTS_MAX; a++) {
		for (int b = 0; b < HOSTS_MAX; b++)
			s->delay_max[a][b] =
			    chance(s, 0.75) || s->mix->narrow ? quick : delays[draw(s, 6)];
	}
}

/* Which directions are cut; the mending names them again. */
static uint64_t
cut(struct sim *s, enum fault f, int x)
{
	uint64_t mask = 0;
	int side = draw(s, 1 << s->n_hosts);

	for (int a = 0; a < s->n_hosts; a++) {
		for (int b = 0; b < s->n_hosts; b++) {
			bool yes = f == ISOLATE ? (a == x) != (b == x)
			           : f == CUT   ? (side >> a & 1) != (side >> b & 1)
			                        : chance(s, 0.4);

			if (!yes || a == b || s->cut[a][b])
				continue;
			s->cut[a][b] = true;
			mask |= 1ull << (a * HOSTS_MAX + b);
			say(s, "cut %d -> %d", a, b);
		}
	}
	return mask;
}

static bool
sprung(const struct node *n)
{
	switch (n->trap.kind) {
	case TRAP_ANY:
		return true;
	case TRAP_TAKE:
		return n->order.take && n->order.call > CALL_ENTRY && n->order.call <= CALL_NOTE;
	case TRAP_DROP:
		return n->order.call >= CALL_ERASE;
	case TRAP_FILTER:
		return n->order.call == CALL_FILTER;
	}
	return false;
}

static void
set_trap(struct sim *s, int x, sim_us lasts)
{
	struct trap *t = &s->node[x].trap;

	t->calls = 1 + draw(s, 8);
	t->kind = (enum trap_kind)draw(s, 4);
	if (t->kind ==
	    TRAP_FILTER) { /* an order dated before a pause; see fault_trap for what follows */
		*t = (struct trap){ .calls = 1,
			.kind = TRAP_FILTER,
			.lasts = draw_us(s, 100 * MS, s->lease_ms * MS) };
		return;
	}
	t->kill = chance(s, 0.3);
	t->lasts = t->kill ? draw_us(s, 0, s->lease_ms * MS) : lasts;
	if (chance(s, 0.6)) /* about as long as a dated order lives, or a guard; or a lease */
		t->lasts = draw_us(s, 0, chance(s, 0.5) ? 100 * MS : s->lease_ms * MS);
}

bool
fault_trap(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	struct event e = { .run = mend, .a = x, .b = n->trap.kill ? KILL : PAUSE, .gen = n->life };
	sim_us lasts = n->trap.lasts;

	if (s->now >= s->calm_at || !sprung(n) || --n->trap.calls > 0)
		return false;
	n->trap.calls = 0;
	s->trapped++;
	if (chance(s, n->trap.kind == TRAP_FILTER ? 0.8 : 0.3))
		sentinel_force(s, draw(s, s->n_sentinels));
	say(s, "FAULT node %d is %s before call %d, for %.3f s", x,
	    n->trap.kill ? "killed" : "stopped", (int)n->order.call,
	    (double)n->trap.lasts / SECOND);
	if (n->trap.kill) {
		node_end(s, x);
	} else {
		n->paused = true;
		if (n->trap.kind ==
		    TRAP_FILTER) /* and killed before it lets go at the lease's end */
			n->trap = (struct trap){ .calls = 1 + draw(s, 12),
				.kill = true,
				.lasts = 3 * s->lease_ms * MS };
		else if (chance(s, 0.5)) /* and once more in the same turn */
			set_trap(s, x, draw_us(s, 0, 4 * SECOND));
	}
	queue_add(s, s->now + lasts, e);
	return true;
}

static void strike(struct sim *, enum fault, int x, sim_us lasts);

static void
run_strike(struct sim *s, struct event *e)
{
	if (s->now < s->calm_at)
		strike(s, (enum fault)e->b, e->a, e->n);
}

static void
strike_later(struct sim *s, sim_us wait, enum fault f, int x, sim_us lasts)
{
	queue_add(
	    s, s->now + wait, (struct event){ .run = run_strike, .a = x, .b = (int)f, .n = lasts });
}

/* Connections of x to all Sentinels: questions, events, or both. */
static void
stall(struct sim *s, int x, sim_us lasts)
{
	int which = draw(s, 3);

	if (lasts > 4 * SECOND)
		lasts = 4 * SECOND;
	for (int way = 0; way < 2; way++) {
		if (which != EVENTS)
			s->node[x].stalled[QUERY][way] = s->now + lasts;
		if (which != QUERY)
			s->node[x].stalled[EVENTS][way] = s->now + lasts;
	}
}

/* What polls alone can't see: the master is down, comes back while others hear nothing, and then is cut off while it holds. */
static void
relapse(struct sim *s, int x)
{
	sim_us back = s->down_after + draw_us(s, 100 * MS, 800 * MS),
	       again = back + draw_us(s, 100 * MS, 1500 * MS);
	static const enum fault last[] = { ISOLATE, ISOLATE, PAUSE, REDIS, FORCE };

	for (int i = 0; i < s->n_sentinels; i++) /* as after a failover that was tried just now */
		s->sentinel[i].next_failover = s->now + again;
	strike(s, REDIS, x, back);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != x && chance(s, 0.6))
			strike_later(s, back - draw_us(s, 0, 200 * MS), STALL, y,
			    draw_us(s, 300 * MS, 3 * SECOND));
	}
	for (int k = draw(s, 3); k > 0; k--)
		strike_later(s, back, chance(s, 0.5) ? SENTINEL : FORCE, x, 0);
	strike_later(s, again, last[draw(s, 5)], chance(s, 0.7) ? x : -1,
	    draw_us(s, 1 * SECOND, 6 * SECOND));
}

/* The holder is killed and another one is named at once. Who takes over has just been started, so that it has never heard the
 * holder; or the holder's host has just come back with another kernel, which its peers may not have heard. */
static void
late(struct sim *s, int x)
{
	sim_us end = 0, lasts = draw_us(s, 8 * SECOND, 16 * SECOND);

	if (s->fence == FENCE_AUTO && chance(s, 0.7)) {
		sim_us back = draw_us(s, 20 * MS, 200 * MS);

		strike(s, CRASH, x, back);
		strike_later(
		    s, chance(s, 0.5) ? 0 : back + draw_us(s, 0, 400 * MS), MUTE, x, lasts);
		end = back + draw_us(s, 2 * SECOND, 8 * SECOND);
	}
	strike_later(s, end, KILL, x, lasts);
	strike_later(s, end + draw_us(s, 0, 200 * MS), FORCE, x, 0);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != x && chance(s, 0.7))
			strike_later(s, end + draw_us(s, 0, 1 * SECOND), RESTART, y, 0);
	}
}

static void
run_stall(struct sim *s, struct event *e)
{
	s->node[e->a].stalled[e->b][e->gen] = s->now + e->n;
}

static void
stall_way(struct sim *s, int x, int connection, int way, sim_us from, sim_us to)
{
	queue_add(s, s->now + from,
	    (struct event){
	        .run = run_stall, .a = x, .b = connection, .gen = (uint64_t)way, .n = to - from });
}

static void
stall_from_to(struct sim *s, int x, int connection, sim_us from, sim_us to)
{
	stall_way(s, x, connection, TO_SENTINEL, from, to);
	stall_way(s, x, connection, TO_NODE, from, to);
}

/* The master is down for long, so that whoever is named next need not wait. Another one holds for a moment, is stopped, and a third
 * one is named, which has heard no answer meanwhile: from the news it knows of two switches, from the answers of none. */
static void
unseen_epoch(struct sim *s, int x)
{
	sim_us first =
	           s->down_after + (s->lease_ms + s->guard_ms) * MS + draw_us(s, 200 * MS, SECOND),
	       second = first + draw_us(s, 600 * MS, 2 * SECOND);
	int z = draw(s, s->n_nodes);

	strike(s, REDIS, x, second);
	strike_later(s, first, FORCE, x, 0);
	strike_later(s, second - draw_us(s, 0, 50 * MS), PAUSE, z, 4 * SECOND);
	for (int k = 0; k < 4; k++)
		strike_later(s, second + k * MS, FORCE, x, 0);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != z)
			stall_from_to(s, y, QUERY, first - draw_us(s, 0, 50 * MS),
			    second + draw_us(s, 200 * MS, 1600 * MS));
	}
}

/* The master is down, and up again for a moment of which the others hear nothing; then it is stopped, and another one is named. */
static void
unseen_return(struct sim *s, int x)
{
	sim_us back = s->down_after + draw_us(s, 300 * MS, 800 * MS),
	       again = back + draw_us(s, 200 * MS, SECOND);

	strike(s, chance(s, 0.7) ? ISOLATE : REDIS, x, back);
	strike_later(s, again, PAUSE, x, 4 * SECOND);
	for (int k = 0; k < 4; k++)
		strike_later(s, again + k * MS, FORCE, x, 0);
	for (int y = 0; y < s->n_nodes; y++) {
		sim_us from = back - draw_us(s, 0, 50 * MS),
		       to = again + draw_us(s, 50 * MS, 1500 * MS);

		if (y == x)
			continue;
		stall_from_to(s, y, QUERY, from, to);
		stall_from_to(s, y, EVENTS, from, to + draw_us(s, -200 * MS, SECOND));
	}
}

/* As before; but the news of two switches, there and back again, come only when all this is over. */
static void
unseen_news(struct sim *s)
{
	for (int y = 0; y < s->n_nodes; y++)
		stall_from_to(s, y, EVENTS, 0, 7 * SECOND);
	for (int k = 0; k < 4; k++) {
		strike_later(s, k * MS, FORCE, 0, 0);
		strike_later(s, 2 * SECOND + k * MS, FORCE, 0, 0);
	}
	strike_later(s, 5 * SECOND, UNSEEN, 0, 1);
}

/* The master is down, and up again. What was answered before comes when the news of that have been heard, and nothing comes after
 * it until another one is named. */
static void
unseen_answer(struct sim *s, int x)
{
	sim_us back = s->down_after + draw_us(s, 500 * MS, 700 * MS),
	       comes = back + draw_us(s, 300 * MS, 800 * MS),
	       again = comes + draw_us(s, 300 * MS, SECOND);

	strike(s, ISOLATE, x, back);
	strike_later(s, again, PAUSE, x, 4 * SECOND);
	for (int k = 0; k < 4; k++)
		strike_later(s, again + k * MS, FORCE, x, 0);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y == x)
			continue;
		stall_way(s, y, QUERY, TO_NODE, back - 450 * MS, comes);
		stall_way(s, y, QUERY, TO_SENTINEL, back - 5 * MS,
		    again + draw_us(s, 100 * MS, 1500 * MS));
	}
}

static void
unseen(struct sim *s, int x, bool then)
{
	for (int i = 0; i < s->n_sentinels; i++)
		s->sentinel[i].next_failover = s->now + 8 * SECOND;
	switch (then ? 1 : draw(s, 4)) {
	case 0:
		unseen_epoch(s, x);
		return;
	case 1:
		unseen_return(s, x);
		return;
	case 2:
		unseen_news(s);
		return;
	default:
		unseen_answer(s, x);
		return;
	}
}

/* x and these hosts against the rest. */
static void
part(struct sim *s, uint32_t side, sim_us lasts)
{
	struct event e = { .run = mend, .b = CUT };

	for (int a = 0; a < s->n_hosts; a++) {
		for (int b = 0; b < s->n_hosts; b++) {
			if ((side >> a & 1) == (side >> b & 1) || s->cut[a][b])
				continue;
			s->cut[a][b] = true;
			e.gen |= 1ull << (a * HOSTS_MAX + b);
		}
	}
	say(s, "cut %x off", side);
	queue_add(s, s->now + lasts, e);
}

static void
run_part(struct sim *s, struct event *e)
{
	if (s->now < s->calm_at)
		part(s, (uint32_t)e->b, e->n);
}

static void
run_force(struct sim *s, struct event *e)
{
	for (int i = 0; i < s->n_sentinels && s->now < s->calm_at; i++) {
		if (e->n >> i & 1)
			sentinel_force(s, i);
	}
}

/* The Sentinels of before don't hear that those of after have named another one, or the nodes don't hear the holder; in the end the holder is
 * stopped or killed, so that nobody but time tells the others. */
static void
lag(struct sim *s, int x)
{
	uint32_t was = s->config[s->latest].sentinels, side = was | 1u << x;
	sim_us begin = draw_us(s, 100 * MS, 2 * SECOND), lasts = draw_us(s, SECOND, 12 * SECOND),
	       end = begin + lasts - draw_us(s, 0, 100 * MS);
	bool alone = chance(s, 0.4), prompt = chance(s, 0.2);

	for (int y = 0; y < s->n_nodes; y++) {
		if (chance(s, 0.5))
			strike_later(s, end + draw_us(s, 0, SECOND), RESTART, y, 0);
		if (prompt || ((y == x) == alone && !chance(s, 0.1)))
			continue;
		s->node[y].deaf_from = s->now + (chance(s, 0.7) ? 0 : draw_us(s, 0, 2 * SECOND));
		s->node[y].deaf = s->now + end + draw_us(s, 0, 8 * SECOND);
	}
	change_begin(s, true);
	if (chance(s, 0.5))
		strike_later(s, draw_us(s, 0, chance(s, 0.5) ? begin : end), MUTE, x, 20 * SECOND);
	if (chance(s, 0.7))
		queue_add(s, s->now + begin,
		    (struct event){ .run = run_part, .b = (int)side, .n = lasts });
	queue_add(s, s->now + (chance(s, 0.7) ? begin + 50 * MS : end),
	    (struct event){
	        .run = run_force, .n = chance(s, 0.5) ? ~was : s->config[s->latest].sentinels });
	strike_later(s, end, chance(s, 0.5) ? KILL : PAUSE, x, 16 * SECOND);
}

/* x: at this host; -1: where it hurts. */
static void
strike(struct sim *s, enum fault f, int x, sim_us lasts)
{
	static const char *const words[] = { "partition", "isolation", "one-way cuts", "crash",
		"redis down", "pause", "kill", "stop", "sentinel restart", "forced failover",
		"flips", "link down", "removal", "slow", "stall", "relapse", "trap", "restart",
		"mute", "late", "reset", "tilt", "clock set", "freeze", "another configuration",
		"unseen", "change", "lag" };
	static const bool uncut[HOSTS_MAX][HOSTS_MAX];
	int at = x != -1 ? x : victim(s), i = draw(s, s->n_sentinels);
	struct event e = { .run = mend, .a = at, .b = (int)f };
	struct node *n = &s->node[at];

	x = at;
	if (s->kernel[x].frozen && f > ONE_WAY)
		return;
	say(s, "FAULT %s, host %d, for %.3f s", words[f], x, (double)lasts / SECOND);
	trace(s, f);
	switch (f) {
	case CUT:
	case ISOLATE:
	case ONE_WAY:
		e.gen = cut(s, f, x);
		break;
	case CRASH:
		host_down(s, e.a = chance(s, 0.8) ? x : draw(s, s->n_hosts));
		break;
	case REDIS:
		s->redis_up[x] = false;
		break;
	case PAUSE:
		if (!n->alive || n->paused)
			return;
		n->paused = true;
		e.gen = n->life;
		break;
	case KILL:
		node_end(s, x);
		lasts /= 4;
		break;
	case CONF: /* A configuration that nobody has heard of counts with nobody. */
		if (memcmp(s->cut, uncut, sizeof(uncut)) != 0)
			return;
		n->other = !n->other;
		/* fall through */
	case RESTART:
		node_end(s, x);
		lasts = draw_us(s, 0, 300 * MS);
		break;
	case TRAP:
		set_trap(s, x, lasts);
		return;
	case MUTE:
		s->mute[x] = s->now + lasts;
		return;
	case LATE:
		late(s, x);
		return;
	case RESET:
		sentinel_reset(s, i);
		return;
	case TILT:
		s->sentinel[i].tilt_until = s->now + lasts;
		return;
	case SET:
		node_post(s, x, &(struct core_event){ .kind = EV_JUMP });
		return;
	case FREEZE:
		kernel_freeze(s, x, lasts);
		return;
	case STOP:
		node_post(s, x, &(struct core_event){ .kind = EV_STOP });
		queue_add(s, s->now + draw_us(s, 0, 100 * MS),
		    (struct event){ .run = run_stopped, .a = x, .gen = n->life });
		lasts += 200 * MS;
		break;
	case SENTINEL:
		if (s->sentinel[i].up)
			sentinel_restart(s, i);
		return;
	case FORCE:
		sentinel_force(s, i);
		return;
	case FLIP:
		for (int k = 0; k < 3; k++) {
			e.a = draw(s, s->n_sentinels);
			queue_add(s, s->now + draw_us(s, 0, lasts), e);
		}
		return;
	case LINK:
		n->link_up = false;
		node_post(s, x, &(struct core_event){ .kind = EV_LINK, .yes = false });
		break;
	case REMOVE:
		if (s->kernel[x].there) {
			kernel_gone(s, x, "another hand");
			/* A notification may get lost; that is told some time, and everything is read again. */
			queue_add(s, s->now + (chance(s, 0.7) ? 0 : draw_us(s, 0, SECOND)),
			    (struct event){ .run = run_look, .a = x, .gen = n->life });
		}
		return;
	case SLOW: /* until another one makes it quick again */
		fault_delays(s);
		return;
	case STALL:
		stall(s, x, lasts);
		return;
	case RELAPSE:
		relapse(s, x);
		return;
	case UNSEEN:
		unseen(s, named(s), lasts == 1);
		return;
	case CHANGE:
		change_begin(s, false);
		return;
	case LAG:
		lag(s, x);
		return;
	case FAULTS:
		return;
	}
	queue_add(s, s->now + lasts, e);
}

void
fault_ambush(struct sim *s)
{
	static const enum fault f[] = { PAUSE, PAUSE, ISOLATE, ONE_WAY, KILL, SLOW, REDIS, TRAP,
		TRAP, TRAP };
	int x = victim(s);

	if (s->now >= s->calm_at)
		return;
	if (chance(s, 0.4)) { /* it doesn't hold for a moment, hears its peers, and no Sentinel */
		strike(s, STALL, x, draw_us(s, 1 * SECOND, 4 * SECOND));
		strike(s, LINK, x, draw_us(s, 10 * MS, 1 * SECOND));
	} else {
		strike(s, f[draw(s, 10)], x, draw_us(s, 1 * SECOND, 5 * SECOND));
	}
}

static void
run_fault(struct sim *s, struct event *e)
{
	static const int lasts_ms[] = { 300, 900, 2500, 6000, 15000 },
	                 pause_ms[] = { 50, 300, 1000, 4000, 9000 };
	int sum = 0, pick;

	if (s->now >= s->calm_at)
		return;
	for (int f = 0; f < FAULTS; f++)
		sum += s->mix->weight[f];
	pick = draw(s, sum);
	for (int f = 0; f < FAULTS; f++) {
		pick -= s->mix->weight[f];
		if (pick >= 0)
			continue;
		strike(
		    s, (enum fault)f, -1, draw_us(s, 50 * MS, (sim_us)lasts_ms[draw(s, 5)] * MS));
		break;
	}
	queue_add(
	    s, s->now + (sim_us)pause_ms[s->mix->narrow ? 3 + draw(s, 2) : draw(s, 5)] * MS, *e);
}

void
fault_start(struct sim *s)
{
	fault_delays(s);
	queue_add(s, draw_us(s, 2 * SECOND, 6 * SECOND), (struct event){ .run = run_fault });
}

void
fault_heal_all(struct sim *s)
{
	say(s, "CALM: everything is mended");
	for (int a = 0; a < HOSTS_MAX; a++) {
		for (int b = 0; b < HOSTS_MAX; b++) {
			s->cut[a][b] = false;
			s->delay_max[a][b] = 5 * MS;
		}
	}
	s->ambush = s->loss = s->repeat = s->flap = s->refuse = 0;
	for (int h = 0; h < s->n_hosts; h++) {
		host_up(s, h);
		if (h >= s->n_nodes)
			continue;
		s->redis_up[h] = true;
		s->node[h].link_up = true;
		s->mute[h] = 0;
		memset(s->node[h].stalled, 0, sizeof(s->node[h].stalled));
		node_post(s, h, &(struct core_event){ .kind = EV_LINK, .yes = true });
		if (s->node[h].other)
			node_end(s, h);
		s->node[h].other = false;
		if (!s->node[h].alive)
			node_start(s, h);
		else if (s->node[h].paused)
			node_resume(s, h);
	}
}
