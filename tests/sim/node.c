/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon does around the core: feeds it events with its own clock's time, carries out its actions in the daemon's
 * order, arms the timer, polls, sends heartbeats. Decides nothing. A paused process gets all that came, afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { BEAT_MS = 500, DATAGRAM = 1, POSTED = 2, LOOK = 3 };

static const uint64_t id = 4711;

static svip_ms
poll_ms(const struct sim *s)
{
	return s->lease_ms / 5;
}

static struct svip_host
redis_of(int x)
{
	struct svip_host h = { .port = 6379 };

	snprintf(h.name, sizeof(h.name), "10.0.0.%d", x);
	return h;
}

/* ---- out ---- */

static void
send_heartbeats(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	svip_ms ms = kernel_ms(s, x);
	struct heartbeat hb;
	uint8_t bytes[HB_SIZE_MAX];
	size_t len;

	core_heartbeat(&n->core, 0, ms, (uint64_t)ms * 1000, &hb);
	len = hb_encode(&hb, 1, bytes, sizeof(bytes));
	for (int y = 0; y < s->n_nodes; y++) {
		for (int k = 0; y != x && k < 2; k++) /* by multicast and by unicast */
			net_datagram(s, x, y, bytes, len);
	}
}

static void
ask(struct sim *s, int x, int i)
{
	struct connection *k = &s->node[x].connection[i][QUERY];
	struct message m = { .kind = QUESTION, .node = x, .sentinel = i, .connection = QUERY };

	if (!k->up || k->asked >= 12)
		return;
	if (k->asked++ == 0)
		k->asked_at = s->now;
	m.view.asked = kernel_ms(s, x);
	net_send(s, TO_SENTINEL, &m);
}

static void
ask_redis(struct sim *s, int x)
{
	node_post(s, x,
	    &(struct core_event){ .kind = EV_ROLE,
	        .asked = kernel_ms(s, x),
	        .yes = s->redis_up[x] && s->redis_master[x] });
}

static void
announce(struct sim *s, int x)
{
	const struct instance *in = &s->node[x].core.inst[0];

	if (in->kernel != KERNEL_HELD || kernel_ms(s, x) >= in->lease_end)
		return; /* as the daemon looks before each frame */
	say(s, "node %d announces", x);
	for (int y = 0; y < s->n_nodes; y++) {
		if (y != x && kernel_answers(s, y) && s->violation[0] == '\0' && !s->beyond &&
		    s->now > s->kernel[x].excused_until && s->now > s->kernel[y].excused_until)
			snprintf(s->violation, sizeof(s->violation),
			    "host %d announces what host %d has", x, y);
	}
}

static void
carry_out(struct sim *s, int x, const struct core_action *a)
{
	struct node *n = &s->node[x];

	trace(s, (uint64_t)x << 56 ^ (uint64_t)a->kind << 48 ^ (uint64_t)a->reason << 40 ^
	             (uint64_t)a->until);
	switch ((enum core_action_kind)a->kind) {
	case ACT_HOLD:
		hands_hold(s, x, n->core.inst[0].hold_epoch, a->until);
		return;
	case ACT_DROP:
		hands_drop(s, x);
		return;
	case ACT_ANNOUNCE:
		announce(s, x);
		return;
	case ACT_POLL:
		n->poll = true;
		return;
	case ACT_SEND:
		n->send = true;
		return;
	case ACT_STATE:
		say(s, "node %d: %s -> %s, %s", x, core_state_word((enum core_state)a->from),
		    core_state_word((enum core_state)a->to),
		    core_reason_word((enum core_reason)a->reason));
		s->by_yield += a->to == CORE_MASTER && a->reason == WHY_ALL_YIELDED;
		return;
	case ACT_WRITES: /* Redis does it, mostly */
		if (a->until > kernel_ms(s, x) && s->redis_up[x])
			node_post(s, x,
			    &(struct core_event){ .kind = EV_WRITES, .yes = !chance(s, 0.2) });
		return;
	case ACT_VOID:
		say(s, "node %d: promise void", x);
		return;
	}
}

static struct core_actions out[HOSTS_MAX];

static void
step(struct sim *s, int x, const struct core_event *ev)
{
	svip_ms ms = kernel_ms(s, x), told = s->kernel[x].until;

	out[x].n = s->node[x].next_action = 0;
	core_step(&s->node[x].core, ev, ms, (uint64_t)ms * 1000, &out[x]);
	for (int i = 0; i < out[x].n; i++) {
		const struct core_action *a = &out[x].a[i];

		if (a->kind == ACT_HOLD)
			told = a->until;
		if (a->kind == ACT_ANNOUNCE && told <= ms && s->violation[0] == '\0')
			snprintf(s->violation, sizeof(s->violation),
			    "host %d announces without a lease", x);
	}
}

static void run_timer(struct sim *, struct event *);

static void
flush(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	sim_us due;

	if (!n->alive)
		return;
	if (n->send) {
		n->send = false;
		send_heartbeats(s, x);
	}
	if (n->poll) {
		n->poll = false;
		for (int i = 0; i < n->n_asked; i++)
			ask(s, x, n->asked[i]);
		ask_redis(s, x);
	}
	due = kernel_when(s, x, core_deadline(&n->core));
	if (due >= n->armed)
		return;
	n->armed = due;
	due += chance(s, 0.02) ? draw_us(s, 0, n->guard_ms * MS / 4) : draw_us(s, 0, 200);
	queue_add(s, due, (struct event){ .run = run_timer, .a = x, .gen = n->life });
}

static void
keep(struct sim *s, struct event e)
{
	struct node *n = &s->node[e.a];

	if (n->n_inbox == n->inbox_max) {
		n->inbox_max = n->inbox_max * 2 + 16;
		n->inbox = realloc(n->inbox, (size_t)n->inbox_max * sizeof(*n->inbox));
		if (n->inbox == NULL)
			abort();
	}
	n->inbox[n->n_inbox++] = e;
}

/* The rest of a turn, as the daemon does it: the decisions in their order, then the kernel's answers to them, then everything
 * that may wait. A process that is stopped meanwhile goes on where it was, without a look at the time. */
static void
go_on(struct sim *s, int x)
{
	struct node *n = &s->node[x];

	for (;;) {
		bool calls = n->order.call != CALL_NONE, acts = n->next_action < out[x].n;

		if (!calls && !acts && n->n_results == 0)
			break;
		if (n->trap.calls != 0 && fault_trap(s, x))
			return;
		if (calls) {
			hands_call(s, x);
		} else if (acts) {
			carry_out(s, x, &out[x].a[n->next_action++]);
		} else {
			struct core_event ev = n->result[0];

			memmove(&n->result[0], &n->result[1], (size_t)--n->n_results * sizeof(ev));
			step(s, x, &ev);
		}
	}
	n->busy = false;
	flush(s, x);
}

void
node_post(struct sim *s, int x, const struct core_event *ev)
{
	struct node *n = &s->node[x];

	if (!n->alive)
		return;
	if (n->paused) {
		struct event e = { .a = x, .b = POSTED, .data = malloc(sizeof(*ev)) };

		if (e.data == NULL)
			abort();
		memcpy(e.data, ev, sizeof(*ev));
		keep(s, e);
		return;
	}
	if (n->busy) {
		if (n->n_results == 16)
			abort();
		n->result[n->n_results++] = *ev;
		return;
	}
	n->last_turn = kernel_ms(s, x);
	n->busy = true;
	step(s, x, ev);
	go_on(s, x);
}

/* ---- in ---- */

/* The core's index of the Sentinel; -1: not asked. */
static int
index_of(const struct node *n, int sentinel)
{
	for (int k = 0; k < n->n_asked; k++) {
		if (n->asked[k] == sentinel)
			return k;
	}
	return -1;
}

bool
node_asks(const struct sim *s, int x, int sentinel)
{
	return index_of(&s->node[x], sentinel) != -1;
}

void
node_look(struct sim *s, int x)
{
	struct node *n = &s->node[x];

	if (n->paused) {
		keep(s, (struct event){ .a = x, .b = LOOK });
	} else if (n->there && !s->kernel[x].there) {
		n->there = false;
		node_post(s, x, &(struct core_event){ .kind = EV_LOST });
	}
}

void
node_session(struct sim *s, int x, int i)
{
	int k = index_of(&s->node[x], i);

	if (k == -1)
		return;
	node_post(s, x, &(struct core_event){ .kind = EV_SESSION, .sentinel = k });
	if (s->node[x].listening[i])
		node_post(s, x, &(struct core_event){ .kind = EV_LISTENING, .sentinel = k });
}

static void
receive_message(struct sim *s, const struct message *m)
{
	int x = m->node, i = m->sentinel;
	struct node *n = &s->node[x];
	struct core_event ev = {
		.sentinel = index_of(n, i), .view = m->view, .news = m->news, .to = redis_of(m->to)
	};

	if (ev.sentinel == -1)
		return;

	switch (m->kind) {
	case QUESTION:
	case PING:
		return;
	case ANSWER:
		n->connection[i][QUERY].asked--;
		n->connection[i][QUERY].asked_at =
		    n->connection[i][QUERY].asked > 0 ? s->now : SIM_NEVER;
		ev.kind = EV_VIEW;
		ev.view.master = redis_of(m->to);
		ev.view.me = m->to == x;
		node_post(s, x, &ev);
		if (ev.view.down && n->listening[i])
			net_send(s, TO_SENTINEL,
			    &(struct message){ .kind = PING,
			        .node = x,
			        .sentinel = i,
			        .connection = EVENTS,
			        .asked = kernel_ms(s, x) });
		return;
	case PONG:
		node_post(s, x,
		    &(struct core_event){
		        .kind = EV_PONG, .sentinel = ev.sentinel, .asked = m->asked });
		return;
	case SUBSCRIBED:
		n->listening[i] = true;
		node_session(s, x, i);
		ask(s, x, i);
		return;
	case NEWS:
		ev.kind = EV_NEWS;
		if (n->listening[i])
			node_post(s, x, &ev);
		return;
	case CLOSED:
		net_break(s, x, i, m->connection);
		return;
	}
}

static void
receive(struct sim *s, const struct event *e)
{
	struct node *n = &s->node[e->a];

	if (e->b == LOOK) {
		node_look(s, e->a);
	} else if (e->b == POSTED) {
		node_post(s, e->a, e->data);
	} else if (e->b == DATAGRAM) {
		static struct heartbeat hb;
		const char *why;

		if (hb_decode(e->data, (size_t)e->n, &hb, &why))
			node_post(s, e->a, &(struct core_event){ .kind = EV_HEARTBEAT, .hb = &hb });
	} else {
		const struct message *m = e->data;
		const struct connection *k = &n->connection[m->sentinel][m->connection];

		if (k->up && k->gen == m->gen)
			receive_message(s, m);
	}
}

void
node_receive(struct sim *s, struct event *e)
{
	struct node *n = &s->node[e->a];

	if (!n->alive)
		return;
	if (n->paused) {
		keep(s, *e);
		e->data = NULL;
	} else {
		receive(s, e);
	}
}

/* What must stay in order among itself. */
static int
stream_of(const struct event *e)
{
	const struct message *m = e->data;

	if (e->b == 0)
		return m->sentinel * CONNECTIONS + m->connection;
	return e->b == POSTED || e->b == LOOK ? -1 : -2 - (int)(e->order & 0xffff);
}

/* It goes on: first the turn it was stopped in, then the look at the time, then whatever has come, each stream in its order. */
void
node_resume(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	bool slept = kernel_ms(s, x) - n->last_turn > poll_ms(s) + n->lease_ms / 2;

	n->paused = false;
	say(s, "node %d goes on", x);
	if (n->busy)
		go_on(s, x);
	if (s->jumps && n->alive && !n->paused)
		node_post(s, x, &(struct core_event){ .kind = slept ? EV_JUMP : EV_TICK });
	while (n->n_inbox > 0 && !n->paused) {
		int pick = draw(s, n->n_inbox), stream = stream_of(&n->inbox[pick]);
		struct event e;

		for (int i = pick; i >= 0; i--) {
			if (stream_of(&n->inbox[i]) == stream)
				pick = i;
		}
		e = n->inbox[pick];
		memmove(&n->inbox[pick], &n->inbox[pick + 1],
		    (size_t)(--n->n_inbox - pick) * sizeof(e));
		receive(s, &e);
		free(e.data);
	}
	if (n->alive && !n->paused)
		node_post(s, x, &(struct core_event){ .kind = EV_TICK });
}

/* ---- timers ---- */

static bool
stale(const struct sim *s, const struct event *e)
{
	return !s->node[e->a].alive || s->node[e->a].life != e->gen;
}

static void
run_timer(struct sim *s, struct event *e)
{
	if (stale(s, e))
		return;
	s->node[e->a].armed = SIM_NEVER;
	if (!s->node[e->a].paused)
		node_post(s, e->a, &(struct core_event){ .kind = EV_TICK });
}

static void
run_poll(struct sim *s, struct event *e)
{
	if (stale(s, e) || !node_asks(s, e->a, e->b))
		return;
	if (!s->node[e->a].paused) {
		ask(s, e->a, e->b);
		if (e->b == s->node[e->a].asked[0])
			ask_redis(s, e->a);
	}
	e->run = run_poll;
	queue_add(s, s->now + poll_ms(s) * draw_us(s, 900, 1100), *e);
}

static void
run_beat(struct sim *s, struct event *e)
{
	if (stale(s, e))
		return;
	if (!s->node[e->a].paused)
		send_heartbeats(s, e->a);
	queue_add(s, s->now + BEAT_MS * draw_us(s, 990, 1010), *e);
}

/* ---- life ---- */

void
node_end(struct sim *s, int x)
{
	struct node *n = &s->node[x];

	n->alive = n->paused = n->busy = n->send = n->poll = false;
	n->life++;
	n->n_results = n->next_action = out[x].n = 0;
	n->order.call = CALL_NONE;
	n->trap.calls = 0;
	for (int i = 0; i < n->n_inbox; i++)
		free(n->inbox[i].data);
	n->n_inbox = 0;
	for (int i = 0; i < HOSTS_MAX; i++) {
		n->listening[i] = false;
		for (int c = 0; c < CONNECTIONS; c++) {
			n->connection[i][c].up = false;
			n->connection[i][c].gen++;
		}
	}
}

static struct core_conf
configuration(struct sim *s, int x)
{
	const struct node *n = &s->node[x];
	const struct config *old = &s->config[n->conf];
	struct core_conf c;

	memset(&c, 0, sizeof(c));
	c.lease_ms = s->node[x].lease_ms;
	c.guard_ms = s->node[x].guard_ms;
	c.guard_least_ms = old->guard_least_ms;
	c.guard_unheard_ms = old->guard_ms;
	c.poll_ms = poll_ms(s);
	c.heartbeat_ms = BEAT_MS;
	c.drift_ppm = s->drift_ppm;
	c.n_sentinels = n->n_asked;
	c.digest_safety[0] = n->other;
	c.digest_safety[1] = (uint8_t)n->conf;
	c.serial = (uint64_t)n->conf;
	c.joining = n->joining;
	c.n_nodes = n->n_known;
	c.n_instances = 1;
	c.incarnation = draw64(s) | 1;
	c.seed = draw64(s);
	for (int k = 0; k < n->n_known; k++) {
		c.node[k][15] = (uint8_t)(n->known[k] + 1);
		if (n->known[k] == x)
			c.self = k;
	}
	return c;
}

static svip_ms
guard_of(const struct node *n, const struct config *c)
{
	return n->fenced ? c->guard_least_ms : c->guard_ms;
}

void
node_kind(struct sim *s, int x, bool fenced)
{
	s->node[x].fenced = fenced;
	s->node[x].guard_ms = fenced ? s->guard_least_ms : s->guard_ms;
}

void
node_lists(const struct sim *s, int x, struct kernel *k)
{
	const struct node *n = &s->node[x];

	k->n_lists = n->core.n_lists;
	for (int l = 0; l < k->n_lists; l++) {
		k->list[l] = 0;
		for (int i = 0; i < n->n_asked; i++)
			k->list[l] |= (n->core.list[l] >> i & 1) << n->asked[i];
	}
}

static void
watch(struct sim *s, int x, int i)
{
	queue_add(s, s->now + draw_us(s, 0, poll_ms(s) * MS),
	    (struct event){ .run = run_poll, .a = x, .b = i, .gen = s->node[x].life });
	net_watch(s, x, i, true);
}

/* Those of the set that aren't among the n yet, at the end. Returns how many there are now. */
static int
append(int *list, int n, uint32_t set)
{
	for (int h = 0; h < HOSTS_MAX; h++) {
		bool there = !(set >> h & 1);

		for (int k = 0; k < n; k++)
			there |= list[k] == h;
		if (!there)
			list[n++] = h;
	}
	return n;
}

static uint32_t
indexes(const int *list, int n, uint32_t set)
{
	uint32_t bits = 0;

	for (int k = 0; k < n; k++)
		bits |= (set >> list[k] & 1) << k;
	return bits;
}

static int
keep_those(int *list, int n, uint32_t set)
{
	int kept = 0;

	for (int k = 0; k < n; k++) {
		if (set >> list[k] & 1)
			list[kept++] = list[k];
	}
	return kept;
}

void
node_absent(struct sim *s, int x, uint32_t hosts)
{
	struct node *n = &s->node[x];
	uint32_t more = indexes(n->known, n->n_known, hosts & ~n->absent & ~(1u << x));

	n->absent |= hosts;
	if (more != 0)
		core_absent(&n->core, more, kernel_ms(s, x));
}

static void
change(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	const struct config *c = &s->config[n->conf + 1];
	struct core_next next = { .lease_ms = c->lease_ms,
		.guard_ms = guard_of(n, c),
		.guard_least_ms = c->guard_least_ms,
		.guard_unheard_ms = c->guard_ms,
		.drift_ppm = s->drift_ppm,
		.serial = (uint64_t)n->conf + 1 };
	svip_ms ms = kernel_ms(s, x);

	n->n_asked = append(n->asked, n->n_asked, c->sentinels);
	n->n_known = append(n->known, n->n_known, c->nodes);
	next.n_sentinels = n->n_asked;
	next.sentinels = indexes(n->asked, n->n_asked, c->sentinels);
	next.n_nodes = n->n_known;
	next.nodes = indexes(n->known, n->n_known, c->nodes);
	next.digest_safety[1] = (uint8_t)(n->conf + 1);
	for (int k = 0; k < n->n_known; k++)
		next.node[k][15] = (uint8_t)(n->known[k] + 1);
	core_change(&n->core, &next, ms, &out[x]);
	n->absent = 0;
	node_absent(s, x, c->absent);
	n->lease_ms = n->core.conf.lease_ms;
	n->guard_ms = n->core.conf.guard_ms;
	say(s, "node %d is joint, %d and %d", x, n->conf, n->conf + 1);
}

void
node_change(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	int before = n->n_asked;

	n->busy = true;
	n->last_turn = kernel_ms(s, x);
	out[x].n = n->next_action = 0;
	change(s, x);
	for (int k = before; k < n->n_asked; k++)
		watch(s, x, n->asked[k]);
	go_on(s, x);
}

void
node_settle(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	const struct config *c = &s->config[n->conf + 1];

	for (int k = 0; k < n->n_asked; k++) {
		for (int i = 0; i < CONNECTIONS && !(c->sentinels >> n->asked[k] & 1); i++)
			net_break(s, x, n->asked[k], i);
	}
	if (n->paused || !n->alive || core_change_at(&n->core) > kernel_ms(s, x))
		return;
	n->conf++;
	n->joint = n->joining = false;
	n->busy = true;
	n->last_turn = kernel_ms(s, x);
	out[x].n = n->next_action = 0;
	core_settle(&n->core, kernel_ms(s, x), &out[x]);
	n->n_asked = keep_those(n->asked, n->n_asked, c->sentinels);
	n->n_known = keep_those(n->known, n->n_known, c->nodes);
	n->lease_ms = n->core.conf.lease_ms;
	n->guard_ms = n->core.conf.guard_ms;
	say(s, "node %d has configuration %d", x, n->conf);
	go_on(s, x);
}

void
node_start(struct sim *s, int x)
{
	struct node *n = &s->node[x];
	const struct config *c = &s->config[n->conf];
	struct core_conf conf;

	node_end(s, x);
	if (n->out)
		return;
	n->lease_ms = n->other ? 2 * s->lease_ms : c->lease_ms;
	n->guard_ms = guard_of(n, c);
	n->n_asked = append(n->asked, 0, c->sentinels);
	if (n->other)
		n->n_asked = n->n_asked > 1 ? n->n_asked / 2 : 1;
	n->n_known = append(n->known, 0, c->nodes & ~((uint32_t)n->joining << x));
	if (n->joining)
		n->known[n->n_known++] = x;
	conf = configuration(s, x);
	n->alive = true;
	n->armed = SIM_NEVER;
	core_init(&n->core, &conf, &id, kernel_ms(s, x));
	say(s, "node %d starts, %s", x, n->fenced ? "fenced" : "lifetimes alone");
	if (n->joint) {
		out[x].n = 0;
		change(s, x);
		out[x].n = 0; /* nothing but a heartbeat, which follows */
	}
	hands_start(s, x);
	send_heartbeats(s, x);
	queue_add(s, s->now + draw_us(s, 0, BEAT_MS * MS),
	    (struct event){ .run = run_beat, .a = x, .gen = n->life });
	for (int k = 0; k < n->n_asked; k++)
		watch(s, x, n->asked[k]);
}
