/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks and answers over the peers' channel. Must not let a secret out: what is shown of one is a fingerprint. */
#include "peers.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "daemon_state.h"
#include "io/channel.h"
#include "io/seal.h"
#include "wire/ctl_request.h"

enum { DIFFERENCES_MAX = 200, WHY_MAX = 160, LINE_MAX_BYTES = 2 * CTL_ARG_MAX };

struct call {
	bool running;
	uint32_t id;
	char why[WHY_MAX]; /* there is no answer; empty: there is one, or none yet */
};

/* The last comparison with a node. */
struct comparison {
	struct call call;
	bool begun;
	json_t *differences;
	int left_out;
};

static struct comparison compared[SVIP_NODES_MAX];

/* The last question to all. */
static struct {
	char line[LINE_MAX_BYTES];
	struct question {
		struct call call;
		json_t *answer;
	} of[SVIP_NODES_MAX];
} asked;

/* ---- calls ---- */

static void
call_begin(struct call *c, int node, enum channel_kind kind, const char *body)
{
	int rc = channel_call(node, kind, (const uint8_t *)body, strlen(body), &c->id);

	c->running = rc == 0;
	snprintf(c->why, sizeof(c->why), "%s", rc == 0 ? "" : strerror(-rc));
}

/* Whether it was this one that has ended, with an answer. */
static bool
call_answered(struct call *c, uint32_t id, const char *why)
{
	if (!c->running || c->id != id)
		return false;
	c->running = false;
	if (why != NULL)
		snprintf(c->why, sizeof(c->why), "%s", why);
	return why == NULL;
}

static const char unreadable[] = "its answer can't be read: is it of another version?";

/* ---- the configuration as it is shown to other nodes ---- */

static void
put_secret(FILE *to, const char *what, int key, const void *secret, size_t len)
{
	char text[SEAL_FINGERPRINT_MAX];

	if (len > 0)
		fprintf(to, "%s = \"fingerprint %s\"\n", what,
		    seal_fingerprint(key, secret, len, text));
}

/* To be freed; NULL: out of memory. key: that of the connection, so that both ends make the same fingerprints. */
static char *
shown(int key, size_t *len)
{
	const struct daemon_state *d = daemon_state();
	const struct settings *set = d->next != NULL ? d->next : d->set;
	char *text = NULL, what[32];
	FILE *to = open_memstream(&text, len);

	if (to == NULL)
		return NULL;
	conf_shared(set, to);
	for (int i = 0; i < set->n_keys; i++) {
		snprintf(what, sizeof(what), "key %d in key-file", i + 1);
		put_secret(to, what, key, set->key[i], SVIP_KEY_LEN);
	}
	put_secret(to, "sentinel-password", key, set->sentinel_auth.password,
	    strlen(set->sentinel_auth.password));
	put_secret(
	    to, "redis-password", key, set->redis_auth.password, strlen(set->redis_auth.password));
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static enum channel_reply
refuse(char **text, size_t *len, const char *why)
{
	*text = strdup(why);
	*len = strlen(why);
	return CHANNEL_NO;
}

/* text: NULL, or taken back when it is too large. */
static enum channel_reply
say(char **text, size_t *len, const char *too_large)
{
	if (*text == NULL || *len <= CHANNEL_BODY_MAX)
		return CHANNEL_YES;
	free(*text);
	return refuse(text, len, too_large);
}

/* A question as svipctl asks it; no other one. */
static enum channel_reply
answer(const struct channel_question *q, char **text, size_t *len)
{
	char line[LINE_MAX_BYTES];
	struct ctl_request r;
	struct ctl_error err;

	snprintf(line, sizeof(line), "%.*s",
	    (int)(q->len < sizeof(line) ? q->len : sizeof(line) - 1), (const char *)q->body);
	if (!ctl_request_parse(line, &r, &err))
		return refuse(text, len, err.message);
	if (r.command != CTL_STATUS && r.command != CTL_WHY && r.command != CTL_HISTORY)
		return refuse(text, len, "that is answered to svipctl alone");
	*text = daemon_report(&r);
	*len = *text != NULL ? strlen(*text) : 0;
	return say(text, len, "its answer is too large: ask for one NAME");
}

static enum channel_reply
on_asked(void *ctx, const struct channel_question *q, char **text, size_t *len)
{
	(void)ctx;
	if (q->kind >= CHANNEL_STAGE && q->kind <= CHANNEL_FETCH) {
		daemon_spread_asked(q);
		return CHANNEL_LATER;
	}
	if (q->kind == CHANNEL_ASK)
		return answer(q, text, len);
	if (q->kind == CHANNEL_KEYS) {
		const char *why = daemon_rotate_asked(q);

		return why != NULL ? refuse(text, len, why) : CHANNEL_LATER;
	}
	if (q->kind != CHANNEL_CONFIG)
		return refuse(text, len, "svipd " PACKAGE_VERSION " does not know this question");
	*text = shown(q->key, len);
	return say(text, len, "its configuration is too large to be compared");
}

/* ---- comparing ---- */

/* What came from the other node is any text; jansson wants UTF-8. */
static json_t *
clean(const char *text)
{
	char out[256];

	return text == NULL ? json_null()
	                    : json_string(log_clean(text, strlen(text), out, sizeof(out)));
}

static void
on_difference(void *ctx, const struct conf_difference *d)
{
	struct comparison *c = ctx;

	if (json_array_size(c->differences) >= DIFFERENCES_MAX)
		c->left_out++;
	else
		json_array_append_new(
		    c->differences, json_pack("{s:o,s:o,s:o}", "key", clean(d->key), "here",
		                        clean(d->here), "there", clean(d->there)));
}

/* The answer isn't terminated, and may hold any byte. */
static void
compare(struct comparison *c, const uint8_t *body, size_t len)
{
	size_t size;
	char *here = shown(0, &size), *there = strndup((const char *)body, len);

	c->differences = json_array();
	if (here == NULL || there == NULL)
		strcpy(c->call.why, "out of memory");
	else if (!conf_compare(here, there, on_difference, c))
		strcpy(c->call.why, unreadable);
	free(here);
	free(there);
}

static void
on_answered(void *ctx, int node, uint32_t id, const uint8_t *body, size_t len, const char *why)
{
	struct comparison *c = &compared[node];
	struct question *q = &asked.of[node];

	(void)ctx;
	daemon_spread_answered(id, body, len, why);
	daemon_rotate_answered(node, id, body, len, why);
	if (call_answered(&c->call, id, why))
		compare(c, body, len);
	if (!call_answered(&q->call, id, why))
		return;
	q->answer = json_loadb((const char *)body, len, 0, NULL);
	if (json_is_object(q->answer))
		return;
	json_decref(q->answer);
	q->answer = NULL;
	strcpy(q->call.why, unreadable);
}

static void
begin(int node)
{
	struct comparison *c = &compared[node];

	if (c->call.running)
		return;
	json_decref(c->differences);
	*c = (struct comparison){ .begun = true };
	call_begin(&c->call, node, CHANNEL_CONFIG, "");
}

static bool
is_meant(int i, const char *node)
{
	const struct settings *set = daemon_state()->set;
	struct svip_addr a;

	if (i == set->self)
		return false;
	return strcmp(node, "all") == 0 ||
	       (svip_addr_parse(node, &a) && svip_addr_same(&a, &set->node[i]));
}

const char *
peers_compare(const char *node)
{
	static char why[WHY_MAX];
	const struct settings *set = daemon_state()->set;
	struct svip_addr a;
	bool own = svip_addr_parse(node, &a) && svip_addr_same(&a, &set->node[set->self]), found;

	found = strcmp(node, "all") == 0;
	for (int i = 0; i < set->n_nodes; i++) {
		if (!is_meant(i, node))
			continue;
		found = true;
		begin(i);
	}
	if (found)
		return NULL;
	snprintf(why, sizeof(why), "%s is %s", node,
	    own ? "this node itself" : "none of the nodes: it takes an address of nodes");
	return why;
}

static json_t *
one(int node)
{
	const struct comparison *c = &compared[node];
	char text[SVIP_TEXT_MAX];
	bool reached = c->call.why[0] == '\0';
	json_t *j = json_pack(
	    "{s:s}", "node", svip_addr_text(&daemon_state()->set->node[node], false, text));

	json_object_set_new(j, "running", json_boolean(c->call.running));
	if (c->call.running || !c->begun)
		return j;
	json_object_set_new(j, "reachable", json_boolean(reached));
	json_object_set_new(j, "error", clean(reached ? NULL : c->call.why));
	json_object_set_new(
	    j, "same", reached ? json_boolean(json_array_size(c->differences) == 0) : json_null());
	json_object_set(j, "differences", reached ? c->differences : json_null());
	json_object_set_new(j, "left_out", json_integer(c->left_out));
	return j;
}

json_t *
peers_compared(const char *node)
{
	const struct settings *set = daemon_state()->set;
	char text[SVIP_TEXT_MAX];
	json_t *nodes = json_array(), *j;
	bool running = false;

	for (int i = 0; i < set->n_nodes; i++) {
		if (!is_meant(i, node))
			continue;
		json_array_append_new(nodes, one(i));
		running = running || compared[i].call.running;
	}
	j = json_pack("{s:s,s:b,s:o}", "node", svip_addr_text(&set->node[set->self], false, text),
	    "running", running, "nodes", nodes);
	return j;
}

/* ---- questions to all ---- */

static json_t *
own_answer(void)
{
	struct ctl_request r;
	struct ctl_error err;
	char *text = ctl_request_parse(asked.line, &r, &err) ? daemon_report(&r) : NULL;
	json_t *j = text != NULL ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return j;
}

void
peers_ask(const char *what, const char *name)
{
	const struct settings *set = daemon_state()->set;

	snprintf(asked.line, sizeof(asked.line), "%s%s%s", what, name != NULL ? " " : "",
	    name != NULL ? name : "");
	for (int i = 0; i < set->n_nodes; i++) {
		struct question *q = &asked.of[i];

		json_decref(q->answer);
		*q = (struct question){ 0 };
		if (i == set->self)
			q->answer = own_answer();
		else
			call_begin(&q->call, i, CHANNEL_ASK, asked.line);
	}
}

static json_t *
told(int i)
{
	const struct question *q = &asked.of[i];
	char text[SVIP_TEXT_MAX];

	return json_pack("{s:s,s:b,s:b,s:o,s:O?}", "node",
	    svip_addr_text(&daemon_state()->set->node[i], false, text), "running", q->call.running,
	    "reachable", q->answer != NULL, "error",
	    clean(q->call.why[0] != '\0' ? q->call.why : NULL), "answer", q->answer);
}

json_t *
peers_answers(void)
{
	const struct settings *set = daemon_state()->set;
	json_t *nodes = json_array();
	bool running = false;

	for (int i = 0; i < set->n_nodes; i++) {
		json_array_append_new(nodes, told(i));
		running = running || asked.of[i].call.running;
	}
	return json_pack("{s:b,s:o}", "running", running, "nodes", nodes);
}

/* ---- life ---- */

void
peers_init(struct ev_loop *loop)
{
	static const struct channel_owner owner = { on_asked, on_answered };

	channel_init(loop, daemon_state()->set, &owner, NULL);
}

void
peers_forget(void)
{
	for (int i = 0; i < SVIP_NODES_MAX; i++) {
		json_decref(compared[i].differences);
		json_decref(asked.of[i].answer);
	}
	memset(compared, 0, sizeof(compared));
	memset(&asked, 0, sizeof(asked));
}

void
peers_interrupt(void)
{
	channel_interrupt("this node has read its configuration again meanwhile");
}

void
peers_fini(void)
{
	channel_fini();
	for (int i = 0; i < SVIP_NODES_MAX; i++) {
		json_decref(compared[i].differences);
		compared[i].differences = NULL;
		json_decref(asked.of[i].answer);
		asked.of[i].answer = NULL;
	}
}
