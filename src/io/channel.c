/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections of the peers' channel. Must not understand what is asked or answered, nor hold anything else up. */
#include "channel.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <svip/heartbeat.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "seal.h"
#include "tcp.h"

enum {
	BACKLOG = 64,
	ACCEPTS =
	    16, /* connections taken or refused in one wake-up; then a pause: who floods must not cost a core */
	READ_MAX = 16384, /* bytes in one wake-up */
	LOG_EVERY_MS = 10000,
	SEALED_HEAD = CHANNEL_HEAD_LEN + CHANNEL_TAG_LEN,
	SAID = CHANNEL_CHALLENGE_LEN + CHANNEL_OPENING_LEN + CHANNEL_NODE_LEN,
};
static const double accept_pause_s = 0.01, again_s = 10;

_Static_assert((int)CHANNEL_TAG_LEN == (int)SEAL_BOX_TAG_LEN, "one tag");

/* In this order; a guest begins at OPENING, and ends with SENDING. */
enum phase { CONNECTING, CHALLENGE, OPENING, SENDING, HEAD, BODY, WAITING };

enum { CALLER, CALLED }; /* whose key */

struct talk {
	ev_io io;
	ev_timer limit;
	svip_ms limit_ms;
	int fd;   /* -1: free */
	int node; /* the other end */
	bool caller;
	enum phase phase;
	int key;
	uint32_t id, ticket;
	uint8_t said[SAID]; /* challenge, opening, the called node: the keys depend on all of it */
	uint8_t keys[2][SEAL_BOX_KEY_LEN];
	struct channel_head head;
	uint8_t start[CHANNEL_OPENING_LEN + SEALED_HEAD]; /* before the body */
	uint8_t *body;
	size_t have, want;
	uint8_t *out;
	size_t out_len, out_sent;
};

static struct {
	struct ev_loop *loop; /* NULL: not in use */
	ev_io io;
	ev_timer again;
	int fd; /* -1: the port can't be had, yet */
	const struct channel_owner *owner;
	void *ctx;
	uint64_t cluster;
	uint16_t port;
	int n_nodes, self;
	struct svip_addr node[SVIP_NODES_MAX];
	uint8_t node16[SVIP_NODES_MAX][CHANNEL_NODE_LEN];
	uint32_t last_id, last_ticket;
	struct talk guest[CHANNEL_GUESTS_MAX], call[CHANNEL_CALLS_MAX];
	struct channel_counters counters;
	struct log_limit listen_limit, stranger_limit, guest_limit;
} ch = { .fd = -1 };

/* ---- talks ---- */

static void
talk_watch(struct talk *t, int events)
{
	ev_io_stop(ch.loop, &t->io);
	ev_io_set(&t->io, t->fd, events);
	ev_io_start(ch.loop, &t->io);
}

static void
talk_close(struct talk *t)
{
	ev_io_stop(ch.loop, &t->io);
	ev_timer_stop(ch.loop, &t->limit);
	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
	free(t->body);
	free(t->out);
	t->body = t->out = NULL;
	seal_wipe(t->keys, sizeof(t->keys));
}

/* A call ends without an answer, or a guest without a question. */
static void
talk_fail(struct talk *t, const char *why)
{
	char text[SVIP_TEXT_MAX];
	int node = t->node;
	uint32_t id = t->id;
	unsigned held;

	talk_close(t);
	if (t->caller) {
		ch.counters.calls_failed++;
		ch.owner->answered(ch.ctx, node, id, NULL, 0, why);
	} else if (log_allowed(&ch.guest_limit, LOG_EVERY_MS, clock_ms(), &held)) {
		log_warning("peers' channel: node %s refused: %s (%u more of these)",
		    svip_addr_text(&ch.node[node], false, text), why, held);
	}
}

static void
unproven(struct talk *t, const char *why)
{
	ch.counters.unproven += !t->caller;
	talk_fail(t, why);
}

static void
talk_expect(struct talk *t, enum phase phase, size_t want)
{
	t->phase = phase;
	t->have = 0;
	t->want = want;
	talk_watch(t, EV_READ);
}

static void
talk_send(struct talk *t)
{
	t->phase = SENDING;
	t->out_sent = 0;
	talk_watch(t, EV_WRITE);
}

/* Head and body of this side, whose plain body is in its place already, from `at` on. */
static void
seal_message(struct talk *t, uint8_t *at, const struct channel_head *head)
{
	const uint8_t *key = t->keys[t->caller ? CALLER : CALLED];

	channel_put_head(head, at);
	seal_box(key, 0, at, CHANNEL_HEAD_LEN);
	seal_box(key, 1, at + SEALED_HEAD, head->length);
}

/* ---- what was read ---- */

static void
take_challenge(struct talk *t)
{
	struct channel_opening opening = { .key_id = seal_key_id() };
	struct channel_challenge challenge;
	struct channel_head head = t->head;
	const char *why;

	if (!channel_get_challenge(t->start, &challenge, &why)) {
		talk_fail(t, why);
		return;
	}
	if (challenge.cluster != ch.cluster) {
		talk_fail(t, "that is a node of another cluster");
		return;
	}
	memcpy(opening.node, ch.node16[ch.self], sizeof(opening.node));
	seal_random(opening.nonce, sizeof(opening.nonce));
	channel_put_opening(&opening, t->out);
	memcpy(t->said, t->start, CHANNEL_CHALLENGE_LEN);
	memcpy(t->said + CHANNEL_CHALLENGE_LEN, t->out, CHANNEL_OPENING_LEN);
	memcpy(t->said + CHANNEL_CHALLENGE_LEN + CHANNEL_OPENING_LEN, ch.node16[t->node],
	    CHANNEL_NODE_LEN);
	seal_box_keys(0, opening.key_id, t->said, SAID, t->keys);
	seal_message(t, t->out + CHANNEL_OPENING_LEN, &head);
	talk_send(t);
}

/* The keys with which the head can be read, and its plain bytes in `head`. */
static bool
prove(struct talk *t, uint8_t key_id, uint8_t head[SEALED_HEAD])
{
	/* Two keys may have the same id. */
	for (t->key = 0; t->key < SET_KEYS_MAX; t->key++) {
		memcpy(head, t->start + CHANNEL_OPENING_LEN, SEALED_HEAD);
		if (seal_box_keys(t->key, key_id, t->said, SAID, t->keys) &&
		    seal_unbox(t->keys[CALLER], 0, head, CHANNEL_HEAD_LEN))
			return true;
	}
	return false;
}

static void
expect_body(struct talk *t)
{
	t->body = malloc(t->head.length + CHANNEL_TAG_LEN);
	if (t->body == NULL)
		talk_fail(t, "out of memory");
	else
		talk_expect(t, BODY, t->head.length + CHANNEL_TAG_LEN);
}

static void
take_opening(struct talk *t)
{
	struct channel_opening opening;
	uint8_t head[SEALED_HEAD];
	const char *why;

	if (!channel_get_opening(t->start, &opening, &why)) {
		unproven(t, why);
		return;
	}
	if (memcmp(opening.node, ch.node16[t->node], sizeof(opening.node)) != 0) {
		unproven(t, "it says that it is another node");
		return;
	}
	memcpy(t->said + CHANNEL_CHALLENGE_LEN, t->start, CHANNEL_OPENING_LEN);
	if (!prove(t, opening.key_id, head)) {
		unproven(t, "wrong key");
		return;
	}
	if (!channel_get_head(head, &t->head, &why)) {
		talk_fail(t, why);
		return;
	}
	t->id = t->head.id;
	ev_timer_again(ch.loop, &t->limit); /* the longer one */
	expect_body(t);
}

static void
take_head(struct talk *t)
{
	const char *why;

	if (!seal_unbox(t->keys[CALLED], 0, t->start, CHANNEL_HEAD_LEN))
		talk_fail(t, "its answer isn't sealed with this call's key");
	else if (!channel_get_head(t->start, &t->head, &why))
		talk_fail(t, why);
	else if (t->head.id != t->id)
		talk_fail(t, "it answers another call");
	else
		expect_body(t);
}

static void
give_answer(struct talk *t, enum channel_kind kind, const void *body, size_t len)
{
	struct channel_head head = { .kind = kind, .id = t->id, .length = (uint32_t)len };

	assert(len <= CHANNEL_BODY_MAX);
	t->out_len = SEALED_HEAD + len + CHANNEL_TAG_LEN;
	t->out = malloc(t->out_len);
	if (t->out == NULL) {
		talk_fail(t, "out of memory");
		return;
	}
	memcpy(t->out + SEALED_HEAD, body, len);
	ch.counters.answers++;
	seal_message(t, t->out, &head);
	talk_send(t);
}

static void
take_question(struct talk *t)
{
	struct channel_question q = { .node = t->node, .key = t->key, .kind = t->head.kind,
		.body = t->body, .len = t->head.length, .ticket = ++ch.last_ticket };
	size_t len = 0;
	char *text = NULL;
	enum channel_reply reply;

	t->ticket = q.ticket;
	t->phase = WAITING;
	ev_io_stop(ch.loop, &t->io);
	reply = ch.owner->asked(ch.ctx, &q, &text, &len);
	if (reply == CHANNEL_LATER) {
		t->limit.repeat = CHANNEL_SLOW_MS / 1000.0;
		ev_timer_again(ch.loop, &t->limit);
	} else if (text == NULL) {
		talk_fail(t, "out of memory");
	} else {
		give_answer(t, reply == CHANNEL_YES ? CHANNEL_ANSWER : CHANNEL_REFUSAL, text, len);
	}
	free(text);
}

static void
end_waiting(uint32_t ticket, uint8_t kind, const void *body, size_t len)
{
	for (int i = 0; i < CHANNEL_GUESTS_MAX; i++) {
		struct talk *t = &ch.guest[i];

		if (t->fd != -1 && t->phase == WAITING && t->ticket == ticket) {
			give_answer(t, kind, body, len);
			return;
		}
	}
}

void
channel_answer(uint32_t ticket, const uint8_t *body, size_t len)
{
	end_waiting(ticket, CHANNEL_ANSWER, body, len);
}

void
channel_refuse(uint32_t ticket, const char *why)
{
	end_waiting(ticket, CHANNEL_REFUSAL, why, strlen(why));
}

static void
take_answer(struct talk *t)
{
	char text[256];

	if (t->head.kind == CHANNEL_REFUSAL) {
		log_clean((const char *)t->body, t->head.length, text, sizeof(text));
		talk_fail(t, text);
	} else if (t->head.kind != CHANNEL_ANSWER) {
		talk_fail(t, "its answer is of a kind that isn't known here");
	} else {
		uint8_t *body = t->body;

		t->body = NULL;
		talk_close(t);
		ch.owner->answered(ch.ctx, t->node, t->id, body, t->head.length, NULL);
		free(body);
	}
}

static void
take_body(struct talk *t)
{
	if (!seal_unbox(t->keys[t->caller ? CALLED : CALLER], 1, t->body, t->head.length))
		talk_fail(t, "a message has been changed on its way");
	else if (t->caller)
		take_answer(t);
	else
		take_question(t);
}

static void
take(struct talk *t)
{
	switch (t->phase) {
	case CHALLENGE:
		take_challenge(t);
		return;
	case OPENING:
		take_opening(t);
		return;
	case HEAD:
		take_head(t);
		return;
	case BODY:
		take_body(t);
		return;
	case CONNECTING:
	case SENDING:
	case WAITING:
		return;
	}
}

/* ---- sockets ---- */

static const char *
ended_text(const struct talk *t)
{
	if (!t->caller)
		return "it has closed the connection too early";
	if (t->phase == CHALLENGE)
		return "it has closed the connection: this node isn't among its nodes, or too many "
		       "ask it";
	return "it has closed the connection: it has another key, or another idea of its nodes";
}

static void
talk_read(struct talk *t)
{
	uint8_t *to = t->phase == BODY ? t->body : t->start;
	size_t left = t->want - t->have;
	ssize_t n = recv(t->fd, to + t->have, left < READ_MAX ? left : READ_MAX, 0);

	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		talk_fail(t, n == 0 || errno == ECONNRESET ? ended_text(t) : strerror(errno));
		return;
	}
	t->have += (size_t)n;
	if (t->have == t->want)
		take(t);
}

static void
talk_write(struct talk *t)
{
	ssize_t n = send(t->fd, t->out + t->out_sent, t->out_len - t->out_sent, MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n == -1) {
		bool gone = errno == ECONNRESET || errno == EPIPE;

		talk_fail(t, gone ? ended_text(t) : strerror(errno));
		return;
	}
	t->out_sent += (size_t)n;
	if (t->out_sent < t->out_len)
		return;
	if (t->caller)
		talk_expect(t, HEAD, SEALED_HEAD);
	else
		talk_close(t);
}

static void
talk_connected(struct talk *t)
{
	int rc = tcp_connected(t->fd);

	if (rc == 0)
		talk_expect(t, CHALLENGE, CHANNEL_CHALLENGE_LEN);
	else if (rc == -ECONNREFUSED)
		talk_fail(
		    t, "connection refused: svipd does not run there, or knows no such channel");
	else
		talk_fail(t, strerror(-rc));
}

static void
on_talk(struct ev_loop *loop, ev_io *w, int revents)
{
	struct talk *t = w->data;

	(void)loop, (void)revents;
	if (t->phase == CONNECTING)
		talk_connected(t);
	else if (t->phase == SENDING)
		talk_write(t);
	else
		talk_read(t);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct talk *t = w->data;
	char text[64];

	(void)loop, (void)revents;
	ch.counters.late += !t->caller;
	if (t->caller)
		snprintf(text, sizeof(text), "%s within %d s",
		    t->phase == CONNECTING ? "no connection" : "no answer",
		    (int)(t->limit_ms / 1000));
	else
		snprintf(text, sizeof(text), "it was too slow");
	talk_fail(t, text);
}

static void
talk_begin(struct talk *t, int fd, int node, bool caller, svip_ms limit_ms)
{
	*t = (struct talk){ .fd = fd, .node = node, .caller = caller, .limit_ms = limit_ms };
	ev_io_init(&t->io, on_talk, fd, EV_READ);
	ev_set_priority(&t->io, EV_MINPRI); /* leases first */
	t->io.data = t;
	ev_timer_init(&t->limit, on_limit, (double)limit_ms / 1000, CHANNEL_LIMIT_MS / 1000.0);
	ev_set_priority(&t->limit, EV_MINPRI);
	t->limit.data = t;
	ev_timer_start(ch.loop, &t->limit);
}

/* ---- guests ---- */

/* A place for a guest from the node; NULL: there are enough. */
static struct talk *
place_for(int node)
{
	struct talk *found = NULL;
	int same = 0;

	for (int i = 0; i < CHANNEL_GUESTS_MAX; i++) {
		if (ch.guest[i].fd == -1)
			found = &ch.guest[i];
		else
			same += ch.guest[i].node == node;
	}
	return same < CHANNEL_GUESTS_NODE_MAX ? found : NULL;
}

static int
node_at(const struct svip_addr *a)
{
	for (int i = 0; i < ch.n_nodes; i++) {
		if (i != ch.self && svip_addr_same(a, &ch.node[i]))
			return i;
	}
	return -1;
}

static void
turn_away(int fd, const struct svip_addr *from, int node)
{
	const struct linger at_once = { .l_onoff = 1 }; /* keeps nothing of it in this kernel */
	char text[SVIP_TEXT_MAX];
	unsigned held;

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	if (node == -1)
		ch.counters.strangers++;
	else
		ch.counters.crowded++;
	if (log_allowed(&ch.stranger_limit, LOG_EVERY_MS, clock_ms(), &held))
		log_info("peers' channel: connection from %s closed: %s (%u more of these)",
		    svip_addr_text(from, false, text),
		    node == -1 ? "none of the nodes" : "too many at once", held);
}

static void
welcome(int fd, const struct svip_addr *from)
{
	struct channel_challenge challenge = { .cluster = ch.cluster };
	int node = node_at(from);
	struct talk *t = node != -1 ? place_for(node) : NULL;

	if (t == NULL) {
		turn_away(fd, from, node);
		return;
	}
	ch.counters.guests++;
	talk_begin(t, fd, node, false, CHANNEL_UNPROVEN_MS);
	seal_random(challenge.nonce, sizeof(challenge.nonce));
	channel_put_challenge(&challenge, t->said);
	memcpy(t->said + CHANNEL_CHALLENGE_LEN + CHANNEL_OPENING_LEN, ch.node16[ch.self],
	    CHANNEL_NODE_LEN);
	/* A new connection has room for so little. */
	if (send(fd, t->said, CHANNEL_CHALLENGE_LEN, MSG_NOSIGNAL) != CHANNEL_CHALLENGE_LEN)
		talk_fail(t, "it takes no challenge");
	else
		talk_expect(t, OPENING, sizeof(t->start));
}

static void
pause_for(double seconds)
{
	ev_io_stop(ch.loop, &ch.io);
	ch.again.repeat = seconds;
	ev_timer_again(ch.loop, &ch.again);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct svip_addr from;
	int fd = 0;

	(void)loop, (void)w, (void)revents;
	for (int i = 0; i < ACCEPTS && fd >= 0; i++) {
		fd = tcp_accept(ch.fd, &from);
		if (fd >= 0)
			welcome(fd, &from);
	}
	/* Out of descriptors or memory: it stays readable, so look away for longer. */
	pause_for(
	    fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM ? 1 : accept_pause_s);
}

static void
begin_to_listen(void)
{
	char text[SVIP_TEXT_MAX];
	unsigned held;
	int rc = tcp_listen(&ch.node[ch.self], ch.port, BACKLOG, &ch.fd);

	if (rc == 0) {
		ev_io_init(&ch.io, on_accept, ch.fd, EV_READ);
		ev_set_priority(&ch.io, EV_MINPRI);
		ev_io_start(ch.loop, &ch.io);
		return;
	}
	if (log_allowed(&ch.listen_limit, 60 * LOG_EVERY_MS, clock_ms(), &held))
		log_warning(
		    "peers' channel: TCP port %u at %s: %s; the other nodes can't ask this one",
		    ch.port, svip_addr_text(&ch.node[ch.self], false, text), strerror(-rc));
	pause_for(again_s);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_timer_stop(loop, w);
	if (ch.fd == -1)
		begin_to_listen();
	else
		ev_io_start(loop, &ch.io);
}

/* ---- calls ---- */

int
channel_call(int node, enum channel_kind kind, const uint8_t *body, size_t len, uint32_t *id)
{
	svip_ms limit_ms = kind == CHANNEL_CONFIG ? CHANNEL_LIMIT_MS : CHANNEL_SLOW_MS;
	struct talk *t = NULL;
	uint8_t *out;
	int fd, rc;

	assert(node != ch.self && len <= CHANNEL_BODY_MAX);
	for (int i = 0; i < CHANNEL_CALLS_MAX && t == NULL; i++)
		t = ch.call[i].fd == -1 ? &ch.call[i] : NULL;
	out = malloc(CHANNEL_OPENING_LEN + SEALED_HEAD + len + CHANNEL_TAG_LEN);
	if (t == NULL || out == NULL) {
		free(out);
		return t == NULL ? -EBUSY : -ENOMEM;
	}
	rc = tcp_connect_from(&ch.node[ch.self], &ch.node[node], ch.port, limit_ms, &fd);
	if (rc != 0) {
		if (fd != -1)
			close(fd);
		free(out);
		return rc;
	}
	ch.counters.calls++;
	talk_begin(t, fd, node, true, limit_ms);
	t->out = out;
	t->out_len = CHANNEL_OPENING_LEN + SEALED_HEAD + len + CHANNEL_TAG_LEN;
	if (len > 0)
		memcpy(out + CHANNEL_OPENING_LEN + SEALED_HEAD, body, len);
	*id = t->id = ++ch.last_id;
	t->head =
	    (struct channel_head){ .kind = (uint8_t)kind, .id = t->id, .length = (uint32_t)len };
	t->phase = CONNECTING;
	talk_watch(t, EV_WRITE);
	return 0;
}

/* ---- life ---- */

static void
take_nodes(const struct settings *set)
{
	ch.n_nodes = set->n_nodes;
	ch.self = set->self;
	for (int i = 0; i < set->n_nodes; i++) {
		ch.node[i] = set->node[i];
		hb_node(&set->node[i], ch.node16[i]);
	}
}

void
channel_init(
    struct ev_loop *loop, const struct settings *set, const struct channel_owner *owner, void *ctx)
{
	assert(ch.loop == NULL && set->self >= 0);
	memset(&ch, 0, sizeof(ch));
	ch.loop = loop;
	ch.fd = -1;
	ch.owner = owner;
	ch.ctx = ctx;
	ch.cluster = set->cluster_id;
	ch.port = set->port;
	take_nodes(set);
	for (int i = 0; i < CHANNEL_GUESTS_MAX; i++)
		ch.guest[i].fd = -1;
	for (int i = 0; i < CHANNEL_CALLS_MAX; i++)
		ch.call[i].fd = -1;
	ev_init(&ch.io, on_accept);
	ev_init(&ch.again, on_again);
	begin_to_listen();
}

void
channel_interrupt(const char *why)
{
	for (int i = 0; i < CHANNEL_GUESTS_MAX; i++) {
		if (ch.guest[i].fd != -1)
			talk_close(&ch.guest[i]);
	}
	for (int i = 0; i < CHANNEL_CALLS_MAX; i++) {
		if (ch.call[i].fd != -1)
			talk_fail(&ch.call[i], why);
	}
}

void
channel_nodes(const struct settings *set)
{
	for (int i = 0; i < ch.n_nodes; i++) {
		if (i < set->n_nodes && svip_addr_same(&ch.node[i], &set->node[i]))
			continue;
		channel_interrupt("the nodes have changed");
		break;
	}
	take_nodes(set);
}

void
channel_fini(void)
{
	if (ch.loop == NULL)
		return;
	for (int i = 0; i < CHANNEL_GUESTS_MAX; i++) {
		if (ch.guest[i].fd != -1)
			talk_close(&ch.guest[i]);
	}
	for (int i = 0; i < CHANNEL_CALLS_MAX; i++) {
		if (ch.call[i].fd != -1)
			talk_close(&ch.call[i]);
	}
	ev_io_stop(ch.loop, &ch.io);
	ev_timer_stop(ch.loop, &ch.again);
	if (ch.fd != -1)
		close(ch.fd);
	ch.fd = -1;
	ch.loop = NULL;
}

const struct channel_counters *
channel_counters(void)
{
	return &ch.counters;
}
