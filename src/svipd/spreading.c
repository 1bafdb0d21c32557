/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spreads configurations: gives spread.c its facts, and carries its calls out by the channel, the keeper and a reload. Decides nothing.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_in.h"
#include "daemon_state.h"
#include "io/channel.h"
#include "io/clock.h"
#include "keeper.h"
#include "spread.h"

enum { TEXT_MAX = 500 << 10 }; /* with its first line it fits into a call */

static struct spread s;
static int place[SVIP_NODES_MAX]; /* the core's index of each of its nodes: all nodes have them in the order of addresses */
static struct svip_addr names[SVIP_NODES_MAX];
static bool change; /* what is staged needs both in force for a while */

static uint32_t call_id; /* of the call under way; 0: none */
static ev_timer no_answer;

/* ---- calls ---- */

void
daemon_spread_answered(uint32_t id, const uint8_t *body, size_t len, const char *why)
{
	if (call_id == 0 || id != call_id)
		return;
	call_id = 0;
	spread_answered(&s, body, body != NULL ? len : 0, why, clock_ms());
}

/* It couldn't be begun. */
static void
on_no_answer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	spread_answered(&s, NULL, 0, "it can't be reached from here", clock_ms());
}

static void
op_call(void *ctx, int node, enum spread_kind kind, const void *bytes, size_t len)
{
	static const enum channel_kind kinds[] = { [SPREAD_STAGE] = CHANNEL_STAGE,
		[SPREAD_COMMIT] = CHANNEL_COMMIT,
		[SPREAD_DISCARD] = CHANNEL_DISCARD,
		[SPREAD_FETCH] = CHANNEL_FETCH };

	(void)ctx;
	if (channel_call(place[node], kinds[kind], bytes, len, &call_id) == 0)
		return;
	call_id = 0;
	ev_timer_init(&no_answer, on_no_answer, 0, 0);
	ev_timer_start(daemon_state()->loop, &no_answer);
}

static void
op_answer(void *ctx, uint64_t question, const void *bytes, size_t len)
{
	(void)ctx;
	channel_answer((uint32_t)question, bytes, len);
}

static void
on_kept(void *ctx, const struct keeper_answer *a)
{
	(void)ctx;
	if (!daemon_change_kept(a) && !daemon_rotate_kept(a))
		spread_kept(&s, a, clock_ms());
}

static ev_timer no_keeper;
static int no_keeper_error;

/* The keeper can't be asked; that is its answer, too. */
static void
on_no_keeper(struct ev_loop *loop, ev_timer *w, int revents)
{
	static struct keeper_answer a;

	(void)loop, (void)w, (void)revents;
	a.error = no_keeper_error;
	snprintf(a.report, sizeof(a.report), "%s",
	    a.error == EBUSY ? "a change comes to its end there at this moment"
	                     : "the helper for the configuration is gone");
	spread_kept(&s, &a, clock_ms());
}

static void
op_keep(void *ctx, enum keeper_order order, const uint8_t *digest, const char *text, size_t len)
{
	int rc;

	(void)ctx;
	rc = keeper_do(
	    order == KEEPER_COMMIT && change ? KEEPER_CHANGE : order, digest, text, len);
	if (rc == 0)
		return;
	no_keeper_error = -rc;
	ev_timer_init(&no_keeper, on_no_keeper, 0, 0);
	ev_timer_start(daemon_state()->loop, &no_keeper);
}

static char *
op_read(void *ctx, size_t *len)
{
	char *text = malloc(CHANNEL_BODY_MAX); /* a byte of an answer is the verdict */
	long n = text != NULL
	             ? conf_slurp(daemon_state()->options.file, text, CHANNEL_BODY_MAX - 1, NULL)
	             : -1;

	(void)ctx;
	if (n < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

static bool
say_why(bool fine, char *report, char why[SPREAD_WHY_MAX])
{
	snprintf(why, SPREAD_WHY_MAX, "%.*s", SPREAD_WHY_MAX - 1, report != NULL ? report : "");
	free(report);
	return fine;
}

static bool
op_fits(void *ctx, char why[SPREAD_WHY_MAX])
{
	char file[PATH_MAX], new[PATH_MAX + 8], *report = NULL;
	bool fine;

	(void)ctx;
	if (realpath(daemon_state()->options.file, file) == NULL)
		return say_why(false, NULL, why);
	snprintf(new, sizeof(new), "%s.new", file);
	fine = daemon_fits(new, &change, &report);
	return say_why(fine, report, why);
}

static bool
op_reload(void *ctx, char why[SPREAD_WHY_MAX])
{
	char *report = NULL;
	bool fine = daemon_reload(&report);

	(void)ctx;
	return say_why(fine, report, why);
}

static void
op_say(void *ctx, const char *text)
{
	(void)ctx;
	log_notice("%s", text);
}

static const char *
op_name(void *ctx, int node, char text[SVIP_TEXT_MAX])
{
	(void)ctx;
	return svip_addr_text(&names[node], false, text);
}

static const struct spread_ops ops = { op_call, op_answer, op_keep, op_read, op_fits, op_reload,
	op_say, op_name };

/* ---- events ---- */

static int
place_of(int node)
{
	for (int i = 0; i < s.n_nodes; i++) {
		if (place[i] == node)
			return i;
	}
	return -1;
}

void
daemon_spread_asked(const struct channel_question *q)
{
	static const enum spread_kind kinds[] = { [CHANNEL_STAGE] = SPREAD_STAGE,
		[CHANNEL_COMMIT] = SPREAD_COMMIT,
		[CHANNEL_DISCARD] = SPREAD_DISCARD,
		[CHANNEL_FETCH] = SPREAD_FETCH };
	static const char stranger[] = { SPREAD_REFUSES };
	int node = place_of(q->node);

	if (node == -1) /* it has joined a moment ago */
		channel_answer(q->ticket, (const uint8_t *)stranger, sizeof(stranger));
	else
		spread_asked(&s, node, kinds[q->kind], q->body, q->len, q->ticket, clock_ms());
}

static void
look(void)
{
	const struct daemon_state *d = daemon_state();
	svip_ms now = clock_ms();

	for (int i = 0; i < s.n_nodes; i++) {
		if (place[i] == d->core.conf.self)
			spread_heard(&s, i, true, d->set->serial);
		else
			spread_heard(&s, i, core_peer_state(&d->core, place[i], now) == PEER_ALIVE,
			    d->core.peer[place[i]].serial);
	}
}

void
daemon_spread_tick(void)
{
	look();
	spread_tick(&s, clock_ms());
}

void
daemon_spread_nodes(void)
{
	const struct daemon_state *d = daemon_state();
	int self = 0;

	for (int i = 0; i < d->set->n_nodes; i++) {
		int at = i;

		for (; at > 0 && svip_addr_order(&d->set->node[i], &names[at - 1]) < 0; at--) {
			names[at] = names[at - 1];
			place[at] = place[at - 1];
		}
		names[at] = d->set->node[i];
		place[at] = i;
	}
	while (place[self] != d->set->self)
		self++;
	spread_fini(&s);
	spread_init(&s, &ops, NULL, self, d->set->n_nodes, d->set->serial);
}

bool
daemon_spread_idle(void)
{
	return s.phase == SPREAD_IDLE && !s.taken && s.keeping == FOR_NONE && !s.fetching;
}

void
daemon_spread_start(void)
{
	daemon_spread_nodes();
	keeper_init(daemon_state()->loop, on_kept, NULL);
}

void
daemon_spread_fini(void)
{
	keeper_fini();
	spread_fini(&s);
}

/* ---- the operator ---- */

/* Nodes of now as a set; the others must be the text's: as words. */
static const char *
absent_nodes(int n, const char *const *name, uint32_t *absent, char joining[VERSION_ABSENT_MAX])
{
	char text[SVIP_TEXT_MAX];
	struct svip_addr a;
	int len = 0;

	*absent = 0;
	joining[0] = '\0';
	for (int k = 0; k < n && len < VERSION_ABSENT_MAX; k++) {
		int i = 0;

		if (!svip_addr_parse(name[k], &a))
			return "--absent-ok wants the address of a node";
		while (i < s.n_nodes && !svip_addr_same(&names[i], &a))
			i++;
		if (i < s.n_nodes)
			*absent |= 1U << i;
		else
			len += snprintf(joining + len, (size_t)(VERSION_ABSENT_MAX - len), "%s%s",
			    len > 0 ? " " : "", svip_addr_text(&a, false, text));
	}
	return NULL;
}

const char *
daemon_spread_apply(int fd, int n_absent, const char *const *absent)
{
	static char text[TEXT_MAX + 1];
	char joining[VERSION_ABSENT_MAX];
	const char *why;
	struct stat st;
	uint32_t mask;
	long n;

	why = absent_nodes(n_absent, absent, &mask, joining);
	if (why != NULL)
		return why;
	/* svipctl's copy of the file, in memory: nothing that could be waited for. */
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "the text of a configuration must come along";
	n = conf_slurp_fd(fd, text, TEXT_MAX);
	if (n < 0)
		return n == -EFBIG ? "the file is larger than 500 KiB" : "the file can't be read";
	look();
	return spread_apply(&s, text, (size_t)n, mask, joining, clock_ms());
}

static json_t *
node_json(int i)
{
	static const char *const words[] = { "not-asked", "agrees", "busy", "refuses",
		"unreachable", "absent", "done" };
	char node[SVIP_TEXT_MAX];

	json_t *report = json_string(s.result[i].report); /* a peer's may be any bytes */

	return json_pack("{s:s,s:s,s:o}", "node",
	    svip_addr_text(&names[i], false, node), "verdict",
	    words[s.result[i].verdict], "report", report != NULL ? report : json_string("?"));
}

json_t *
daemon_spread_json(void)
{
	bool runs = s.phase != SPREAD_IDLE;
	json_t *all = json_array(), *j;
	char file[PATH_MAX] = "";

	if (realpath(daemon_state()->options.file, file) == NULL)
		file[0] = '\0';
	for (int i = 0; i < s.n_nodes; i++)
		json_array_append_new(all, node_json(i));
	j = json_pack("{s:s,s:b,s:b,s:I,s:o}", "file", file, "ok", runs || (s.ever && !s.failed),
	    "running", runs, "serial", (json_int_t)daemon_state()->set->serial, "nodes", all);
	if (!runs && s.failed)
		json_object_update_new(
		    j, json_pack("{s:s,s:s}", "error", "config-refused", "message",
		           s.decided ? "taken over, but not by all nodes yet"
		                     : "nothing has been changed on any node"));
	return j;
}
