/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another key for all nodes, while everything runs: asks the nodes for their keys, does what rotate.c says, and asks again, until one key
 * is left. This node's own file comes first in a phase, so whoever has begun has the new key. Decides nothing; shows no key.
 */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_state.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/seal.h"
#include "keeper.h"
#include "rotate.h"

enum {
	ROUNDS_MAX = 12, /* three phases, each with a look before and after, and some to spare */
	LINES_MAX = 32,
	LINE_TEXT = 512,
	TEXT_MAX = SET_KEYS_MAX * (2 * SVIP_KEY_LEN + 32) + 96,
};

/* This node rotates. */
static struct {
	bool running, ever, failed, begun, ordered;
	int rounds;
	svip_ms since;
	struct rotate_set set[SVIP_NODES_MAX];
	struct {
		uint32_t id; /* 0: none is out */
		uint8_t parcel_key[SEAL_PARCEL_KEY_LEN];
	} call[SVIP_NODES_MAX];
	struct rotate_plan plan;
	int n_lines;
	struct {
		const char *step;
		svip_ms after;
		char text[LINE_TEXT];
	} line[LINES_MAX];
} r;

/* The keeper is writing the file. */
static bool keeping;
static bool for_peer;
static uint32_t ticket;
static struct rotate_order wanted;
/* For the next order that comes. */
static uint8_t parcel_public[SEAL_PARCEL_KEY_LEN], parcel_secret[SEAL_PARCEL_KEY_LEN];

/* ---- keys ---- */

static struct rotate_set
set_of(const struct settings *set)
{
	struct rotate_set s = { .n = set->n_keys };

	for (int i = 0; i < s.n; i++) {
		s.key[i].number = set->key_number[i];
		seal_mark(set->key[i], s.key[i].mark);
	}
	return s;
}

/* The keys that the marks stand for, out of this node's own. */
static bool
order_of(const struct rotate_set *want, struct rotate_order *o)
{
	const struct settings *set = daemon_state()->set;
	struct rotate_set own = set_of(set);

	o->n = want->n;
	for (int i = 0; i < want->n; i++) {
		int k = 0;

		while (
		    k < own.n && memcmp(own.key[k].mark, want->key[i].mark, ROTATE_MARK_LEN) != 0)
			k++;
		if (k == own.n)
			return false;
		o->number[i] = set->key_number[k];
		memcpy(o->key[i], set->key[k], SVIP_KEY_LEN);
	}
	return true;
}

static void
take_keys(struct settings *set, const struct rotate_order *o)
{
	if (set == NULL)
		return;
	set->n_keys = o->n;
	memcpy(set->key_number, o->number, sizeof(set->key_number));
	memcpy(set->key, o->key, sizeof(set->key));
}

/* What the file has become is in force. */
static void
use_keys(void)
{
	struct daemon_state *d = daemon_state();
	int rc;

	take_keys(d->set, &wanted);
	take_keys(d->next, &wanted);
	rc = seal_init(d->set);
	if (rc != 0)
		log_error("keys: %s; the old ones stay in use", strerror(-rc));
}

static int
keep(void)
{
	char text[TEXT_MAX], hex[2 * SVIP_KEY_LEN + 1];
	static const uint8_t none[VERSION_DIGEST_LEN];
	int n = 0, rc;

	for (int i = 0; i < wanted.n; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s # key %u\n",
		    sodium_bin2hex(hex, sizeof(hex), wanted.key[i], SVIP_KEY_LEN),
		    (unsigned)wanted.number[i]);
	rc = keeper_do(KEEPER_KEYS, none, text, (size_t)n);
	keeping = rc == 0;
	seal_wipe(text, sizeof(text));
	seal_wipe(hex, sizeof(hex));
	return rc;
}

/* ---- this node rotates ---- */

static void __attribute__((format(printf, 2, 3))) say(const char *step, const char *fmt, ...)
{
	va_list ap;

	if (r.n_lines == LINES_MAX)
		return;
	r.line[r.n_lines].step = step;
	r.line[r.n_lines].after = clock_ms() - r.since;
	va_start(ap, fmt);
	vsnprintf(r.line[r.n_lines].text, LINE_TEXT, fmt, ap);
	va_end(ap);
	log_notice("key rotate: %s", r.line[r.n_lines++].text);
}

static void __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
	char text[LINE_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("failed", "%s%s", text,
	    r.begun ? "; all nodes still understand each other, and the same command goes on" : "");
	r.running = false;
	r.failed = true;
}

static const char *
name(int node, char text[SVIP_TEXT_MAX])
{
	return svip_addr_text(&daemon_state()->set->node[node], false, text);
}

static bool
waits(void)
{
	for (int i = 0; i < SVIP_NODES_MAX; i++) {
		if (r.call[i].id != 0)
			return true;
	}
	return keeping;
}

static bool
ask(int node, const void *body, size_t len)
{
	char text[SVIP_TEXT_MAX];
	int rc = channel_call(node, CHANNEL_KEYS, body, len, &r.call[node].id);

	if (rc == 0)
		return true;
	r.call[node].id = 0;
	fail("%s: %s", name(node, text), strerror(-rc));
	return false;
}

static void
look(void)
{
	const struct settings *set = daemon_state()->set;

	r.ordered = false;
	if (++r.rounds > ROUNDS_MAX) {
		fail("it comes to no end");
		return;
	}
	memset(r.set, 0, sizeof(r.set));
	r.set[set->self] = set_of(set);
	for (int i = 0; i < set->n_nodes; i++) {
		if (i != set->self && !ask(i, NULL, 0))
			return;
	}
}

static void
keep_own(void)
{
	int rc;

	for_peer = false;
	rc = keep();
	if (rc != 0)
		fail("this node's key-file: %s",
		    rc == -EBUSY ? "a change of the configuration is under way" : strerror(-rc));
}

static void
order_all(void)
{
	static const char *const steps[] = {
		[ROTATE_ADD] = "add", [ROTATE_USE] = "use", [ROTATE_DROP] = "drop"
	};
	static const char *const words[] = { [ROTATE_ADD] = "every node accepts the new key, too",
		[ROTATE_USE] = "every node sends with the new key",
		[ROTATE_DROP] = "no node accepts the old key any more" };
	int self = daemon_state()->set->self;
	char text[SVIP_TEXT_MAX];
	uint8_t body[ROTATE_BODY_MAX], parcel[ROTATE_BODY_MAX + SEAL_PARCEL_MORE];
	size_t len;

	if (!order_of(&r.plan.want, &wanted)) {
		fail("another node has begun, and this one hasn't got the new key: say it there");
		return;
	}
	say(steps[r.plan.phase], "to come: %s", words[r.plan.phase]);
	r.ordered = true;
	if ((r.plan.nodes >> self & 1) != 0) { /* first, and the others at the next look */
		keep_own();
		return;
	}
	len = rotate_put_order(&wanted, body);
	for (int i = 0; i < daemon_state()->set->n_nodes && r.running; i++) {
		if ((r.plan.nodes >> i & 1) == 0)
			continue;
		if (seal_parcel(r.call[i].parcel_key, body, len, parcel))
			ask(i, parcel, len + SEAL_PARCEL_MORE);
		else
			fail("%s: its answer can't be used", name(i, text));
	}
	seal_wipe(body, sizeof(body));
}

/* A new key, for this node first. */
static void
make_key(const struct rotate_key *only)
{
	const struct settings *set = daemon_state()->set;

	wanted.n = 2;
	wanted.number[0] = only->number;
	wanted.number[1] = only->number + 1;
	memcpy(wanted.key[0], set->key[0], SVIP_KEY_LEN);
	seal_random(wanted.key[1], SVIP_KEY_LEN);
	r.begun = true;
	say("new", "one key is in use on all nodes; key %u is made", (unsigned)wanted.number[1]);
	r.ordered = true;
	keep_own();
}

/* All have answered. */
static void
judge(void)
{
	rotate_next(r.set, daemon_state()->set->n_nodes, &r.plan);
	switch (r.plan.phase) {
	case ROTATE_STUCK:
		fail("%s", r.plan.why);
		return;
	case ROTATE_ONE:
		if (!r.begun) {
			make_key(&r.plan.want.key[0]);
			return;
		}
		say("done", "key %u is the only one", (unsigned)r.plan.want.key[0].number);
		r.running = false;
		return;
	case ROTATE_ADD:
	case ROTATE_USE:
	case ROTATE_DROP:
		if (!r.begun)
			say("new", "a rotation to key %u was broken off; it goes on",
			    (unsigned)r.plan.want.key[r.plan.phase == ROTATE_ADD].number);
		r.begun = true;
		order_all();
		return;
	}
}

static void
go_on(void)
{
	if (!r.running || waits())
		return;
	if (r.ordered)
		look();
	else
		judge();
	/* A node alone has nobody to wait for. */
	if (r.running && !waits())
		go_on();
}

void
daemon_rotate_answered(int node, uint32_t id, const uint8_t *body, size_t len, const char *why)
{
	char text[SVIP_TEXT_MAX];

	if (id == 0 || r.call[node].id != id)
		return;
	r.call[node].id = 0;
	if (!r.running)
		return;
	if (why != NULL)
		fail("%s: %.300s", name(node, text), why);
	else if (len < SEAL_PARCEL_KEY_LEN ||
	         !rotate_get_set(body, len - SEAL_PARCEL_KEY_LEN, &r.set[node]))
		fail("%s: its answer can't be read", name(node, text));
	else
		memcpy(
		    r.call[node].parcel_key, body + len - SEAL_PARCEL_KEY_LEN, SEAL_PARCEL_KEY_LEN);
	go_on();
}

const char *
daemon_rotate_start(void)
{
	const struct daemon_state *d = daemon_state();
	char text[SVIP_TEXT_MAX];
	svip_ms now = clock_ms();

	if (r.running || waits())
		return "a rotation is under way already";
	if (d->next != NULL)
		return "a change of the configuration is under way: wait for its end (svipctl "
		       "status)";
	memset(&r, 0, sizeof(r));
	r.ever = r.running = true;
	r.since = now;
	for (int i = 0; i < d->set->n_nodes; i++) {
		if (i != d->set->self && core_peer_state(&d->core, i, now) != PEER_ALIVE) {
			fail("%s isn't heard: every node must be there", name(i, text));
			return NULL;
		}
	}
	look();
	go_on();
	return NULL;
}

bool
daemon_rotate_runs(void)
{
	return r.running || keeping;
}

json_t *
daemon_rotate_json(void)
{
	const char *last = r.n_lines > 0 ? r.line[r.n_lines - 1].text : "there was none";
	json_t *steps = json_array(), *j;

	for (int i = 0; i < r.n_lines; i++)
		json_array_append_new(
		    steps, json_pack("{s:s, s:I, s:s}", "step", r.line[i].step, "after_ms",
		               (json_int_t)r.line[i].after, "text", r.line[i].text));
	j = json_pack("{s:b, s:b, s:s, s:o}", "running", r.running, "ok", r.ever && !r.failed,
	    "message", last, "steps", steps);
	if (r.failed)
		json_object_set_new(j, "error", json_string("key-refused"));
	return j;
}

/* ---- a peer asks ---- */

static void
answer_keys(uint32_t to)
{
	struct rotate_set own = set_of(daemon_state()->set);
	uint8_t body[ROTATE_ANSWER_MAX + SEAL_PARCEL_KEY_LEN];
	size_t len = rotate_put_set(&own, body);

	seal_parcel_keys(parcel_public, parcel_secret);
	memcpy(body + len, parcel_public, SEAL_PARCEL_KEY_LEN);
	channel_answer(to, body, len + SEAL_PARCEL_KEY_LEN);
}

/* It must send with a key that is accepted here already: else the others would not understand this node. */
static bool
may_have(const struct rotate_order *o)
{
	const struct settings *set = daemon_state()->set;

	for (int i = 0; i < set->n_keys; i++) {
		if (sodium_memcmp(o->key[0], set->key[i], SVIP_KEY_LEN) == 0)
			return true;
	}
	return false;
}

const char *
daemon_rotate_asked(const struct channel_question *q)
{
	uint8_t body[ROTATE_BODY_MAX];
	struct rotate_order o;
	bool opened;
	int rc;

	if (q->len == 0) {
		answer_keys(q->ticket);
		return NULL;
	}
	opened = q->len <= sizeof(body) + SEAL_PARCEL_MORE &&
	         seal_parcel_open(parcel_public, parcel_secret, q->body, q->len, body) &&
	         rotate_get_order(body, q->len - SEAL_PARCEL_MORE, &o);
	seal_wipe(parcel_secret, sizeof(parcel_secret));
	seal_wipe(body, sizeof(body));
	if (!opened)
		return "somebody else has asked it for its keys meanwhile: try again";
	if (!may_have(&o))
		return "it would send with a key that isn't in use";
	if (r.running || keeping)
		return "keys are being changed from here, too";
	wanted = o;
	for_peer = true;
	ticket = q->ticket;
	rc = keep();
	if (rc == -EBUSY)
		return "a change of the configuration is under way there";
	return rc != 0 ? "the helper for the configuration is gone there" : NULL;
}

bool
daemon_rotate_kept(const struct keeper_answer *a)
{
	if (!keeping)
		return false;
	keeping = false;
	if (a->error == 0)
		use_keys();
	seal_wipe(&wanted, sizeof(wanted));
	if (for_peer && a->error == 0) {
		answer_keys(ticket);
	} else if (for_peer) {
		log_error("keys: %.300s", a->report);
		channel_refuse(ticket, a->report);
	} else {
		if (a->error != 0)
			fail("this node's key-file: %.300s", a->report);
		go_on();
	}
	return true;
}
