/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One node's part in a change of the configuration: asked by an operator, asked by a peer, or late. One of these at a time.
 * Must never tell anybody to take what not all have agreed to, and never commit what it wasn't told.
 */
#include "spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
free_text(struct spread *s)
{
	free(s->text);
	s->text = NULL;
	s->len = 0;
}

void
spread_init(struct spread *s, const struct spread_ops *ops, void *ctx, int self, int n_nodes,
    uint64_t own_serial)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->ctx = ctx;
	s->self = self;
	s->n_nodes = n_nodes;
	s->node[self].alive = true;
	s->node[self].serial = own_serial;
}

void
spread_fini(struct spread *s)
{
	free_text(s);
}

static bool
is_free(const struct spread *s)
{
	return !s->taken && s->keeping == FOR_NONE && !s->fetching;
}

static bool
idle(const struct spread *s)
{
	return is_free(s) && s->phase == SPREAD_IDLE;
}

static void
keep(struct spread *s, enum spread_for whom, enum keeper_order order, const char *text, size_t len)
{
	s->keeping = whom;
	s->order = order;
	s->ops->keep(s->ctx, order, s->digest, text, len);
}

static void
take(struct spread *s, int by, const struct version *v, svip_ms now)
{
	s->taken = true;
	s->by = by;
	s->serial = v->serial;
	memcpy(s->digest, v->digest, sizeof(s->digest));
	s->until = now + SPREAD_STAGED_MS;
}

static bool
own_version(struct spread *s, struct version *v)
{
	size_t len;
	char *text = s->ops->read(s->ctx, &len);

	if (text == NULL)
		return false;
	version_read(text, len, v);
	free(text);
	return true;
}

/* The file has changed on the disk; now this process. */
static bool
reload(struct spread *s, char why[SPREAD_WHY_MAX])
{
	s->taken = false;
	if (!s->ops->reload(s->ctx, why))
		return false;
	s->node[s->self].serial = s->serial;
	return true;
}

/* ---- a peer asks ---- */

static void
answer(
    struct spread *s, uint64_t question, enum spread_verdict verdict, const char *text, size_t len)
{
	uint8_t *bytes = malloc(len + 1);
	uint8_t none = SPREAD_REFUSES;

	if (bytes == NULL) {
		s->ops->answer(s->ctx, question, &none, 1);
		return;
	}
	bytes[0] = (uint8_t)verdict;
	memcpy(bytes + 1, text, len);
	s->ops->answer(s->ctx, question, bytes, len + 1);
	free(bytes);
}

static void
say_no(struct spread *s, uint64_t question, enum spread_verdict verdict, const char *why)
{
	answer(s, question, verdict, why, strlen(why));
}

/* Not for anybody any more. */
static void
drop(struct spread *s)
{
	s->taken = false;
	keep(s, FOR_NOBODY, KEEPER_DISCARD, NULL, 0);
}

static void
asked_to_stage(
    struct spread *s, int node, const char *text, size_t len, uint64_t question, svip_ms now)
{
	struct version v;
	bool again = s->taken && s->by == node && s->keeping == FOR_NONE;
	/* Who applies itself, and hasn't come to its own turn, is in nobody's way. */
	bool may = is_free(s) && s->phase != SPREAD_DECIDING && s->phase != SPREAD_TELLING;

	version_read(text, len, &v);
	if (!may && !again)
		say_no(s, question, SPREAD_BUSY, "another change is under way there");
	else if (v.serial == 0 || v.edited)
		say_no(s, question, SPREAD_REFUSES, "the text isn't what its first line says");
	else if (v.serial <= s->node[s->self].serial)
		say_no(s, question, SPREAD_REFUSES, "its configuration is a later one");
	else {
		take(s, node, &v, now);
		s->question = question;
		keep(s, FOR_PEER, KEEPER_STAGE, text, len);
	}
}

static void
asked_to_end(struct spread *s, int node, enum keeper_order order, const uint8_t *digest, size_t len,
    uint64_t question)
{
	if (!s->taken || s->by != node || s->keeping != FOR_NONE || len != VERSION_DIGEST_LEN ||
	    memcmp(digest, s->digest, VERSION_DIGEST_LEN) != 0) {
		say_no(s, question, SPREAD_REFUSES, "nothing of that is staged there");
		return;
	}
	s->question = question;
	keep(s, FOR_PEER, order, NULL, 0);
}

static void
asked_for_text(struct spread *s, uint64_t question)
{
	size_t len;
	char *text = s->ops->read(s->ctx, &len);

	if (text == NULL)
		say_no(s, question, SPREAD_REFUSES, "its file can't be read");
	else
		answer(s, question, SPREAD_DONE, text, len);
	free(text);
}

void
spread_asked(struct spread *s, int node, enum spread_kind kind, const void *bytes, size_t len,
    uint64_t question, svip_ms now)
{
	switch (kind) {
	case SPREAD_STAGE:
		asked_to_stage(s, node, bytes, len, question, now);
		return;
	case SPREAD_COMMIT:
		asked_to_end(s, node, KEEPER_COMMIT, bytes, len, question);
		return;
	case SPREAD_DISCARD:
		asked_to_end(s, node, KEEPER_DISCARD, bytes, len, question);
		return;
	case SPREAD_FETCH:
		asked_for_text(s, question);
		return;
	}
	say_no(s, question, SPREAD_REFUSES, "that isn't known there");
}

/* For a peer: what came of it. */
static void
kept_for_peer(struct spread *s, const struct keeper_answer *a)
{
	char why[SPREAD_WHY_MAX];

	if (a->error != 0) {
		s->taken = s->taken && s->order == KEEPER_COMMIT; /* staged it still is */
		say_no(s, s->question, SPREAD_REFUSES, a->report);
		return;
	}
	switch (s->order) {
	case KEEPER_STAGE:
		if (s->ops->fits(s->ctx, why)) {
			say_no(s, s->question, SPREAD_AGREES, a->report);
			return;
		}
		say_no(s, s->question, SPREAD_REFUSES, why);
		drop(s);
		return;
	case KEEPER_COMMIT:
		if (reload(s, why))
			say_no(s, s->question, SPREAD_DONE, "");
		else
			say_no(s, s->question, SPREAD_REFUSES, why);
		return;
	case KEEPER_DISCARD:
		s->taken = false;
		say_no(s, s->question, SPREAD_DONE, "");
		return;
	case KEEPER_CHANGE: /* never ordered here: how a commit is made is ops->keep()'s business */
	case KEEPER_SETTLE:
	case KEEPER_KEYS:
		return;
	}
}

/* ---- this node applies ---- */

static void
note(struct spread *s, int node, enum spread_verdict verdict, const char *report)
{
	s->result[node].verdict = verdict;
	snprintf(s->result[node].report, sizeof(s->result[node].report), "%s", report);
	if (verdict != SPREAD_AGREES && verdict != SPREAD_DONE && verdict != SPREAD_ABSENT)
		s->failed = true;
}

static void
finish(struct spread *s)
{
	s->phase = SPREAD_IDLE;
	free_text(s);
}

/* To each node that has agreed, one after the other, from s->at on; this one has been seen to. */
static void
tell_next(struct spread *s)
{
	for (; s->at < s->n_nodes; s->at++) {
		if (s->at == s->self || s->result[s->at].verdict != SPREAD_AGREES)
			continue;
		s->ops->call(s->ctx, s->at,
		    s->phase == SPREAD_TELLING ? SPREAD_COMMIT : SPREAD_DISCARD, s->next.digest,
		    sizeof(s->next.digest));
		return;
	}
	finish(s);
}

static void
undo(struct spread *s)
{
	s->phase = SPREAD_UNDOING;
	s->at = 0;
	if (s->taken && s->by == s->self) {
		s->taken = false;
		keep(s, FOR_SELF, KEEPER_DISCARD, NULL, 0);
	} else {
		tell_next(s);
	}
}

static void
stage_here(struct spread *s, svip_ms now)
{
	take(s, s->self, &s->next, now);
	keep(s, FOR_SELF, KEEPER_STAGE, s->text, s->len);
}

static void
stage_next(struct spread *s, svip_ms now)
{
	for (; s->at < s->n_nodes; s->at++) {
		int i = s->at;

		if (now >= s->limit) {
			note(s, i, SPREAD_NONE, "the others took too long");
		} else if (i == s->self && !is_free(s)) {
			note(s, i, SPREAD_BUSY, "another change is under way there");
			undo(s);
			return;
		} else if (i == s->self) {
			stage_here(s, now);
			return;
		} else if (s->node[i].alive) {
			s->ops->call(s->ctx, i, SPREAD_STAGE, s->text, s->len);
			return;
		} else {
			note(s, i, (s->absent >> i & 1) != 0 ? SPREAD_ABSENT : SPREAD_UNREACHABLE,
			    "it isn't heard");
		}
	}
	if (s->failed) {
		undo(s);
	} else {
		s->phase = SPREAD_DECIDING;
		keep(s, FOR_SELF, KEEPER_COMMIT, NULL, 0);
	}
}

/* The turn is over. Who is second needn't disturb the others. */
static void
staged(struct spread *s, svip_ms now)
{
	if (s->result[s->at].verdict == SPREAD_BUSY) {
		undo(s);
		return;
	}
	s->at++;
	stage_next(s, now);
}

/* Who is missing, for the first line. */
static void
absent_words(const struct spread *s, const char *joining, char out[VERSION_ABSENT_MAX])
{
	char text[SVIP_TEXT_MAX];
	int n = snprintf(out, VERSION_ABSENT_MAX, "%s", joining);

	for (int i = 0; i < s->n_nodes && n < VERSION_ABSENT_MAX; i++) {
		if ((s->absent >> i & 1) != 0)
			n += snprintf(out + n, (size_t)(VERSION_ABSENT_MAX - n), "%s%s",
			    n > 0 ? " " : "", s->ops->name(s->ctx, i, text));
	}
}

/* The text with its new first line. */
static bool
make_text(struct spread *s, const char *text, size_t len, const char *joining)
{
	struct version v, own;
	uint64_t serial = 0;
	char line[VERSION_LINE_MAX], absent[VERSION_ABSENT_MAX];
	size_t n;

	version_read(text, len, &v);
	if (!own_version(s, &own))
		return false;
	absent_words(s, joining, absent);
	for (int i = 0; i < s->n_nodes; i++)
		serial = s->node[i].serial > serial ? s->node[i].serial : serial;
	serial =
	    (own.serial > serial ? own.serial : serial) + (s->absent != 0 ? SPREAD_ABSENT_STEP : 1);
	n = (size_t)version_line(line, &v, serial, &own, 1, absent);
	s->len = n + len - v.text;
	s->text = malloc(s->len);
	if (s->text == NULL)
		return false;
	memcpy(s->text, line, n);
	memcpy(s->text + n, text + v.text, len - v.text);
	version_read(s->text, s->len, &s->next);
	return true;
}

const char *
spread_apply(struct spread *s, const char *text, size_t len, uint32_t absent, const char *joining,
    svip_ms now)
{
	bool missing = false;

	if (!idle(s))
		return "another change is under way";
	memset(s->result, 0, sizeof(s->result));
	s->ever = true;
	s->failed = s->decided = false;
	s->absent = 0;
	for (int i = 0; i < s->n_nodes; i++) {
		if (s->node[i].alive)
			continue;
		s->absent |= 1U << i;
		if ((absent >> i & 1) == 0) {
			note(s, i, SPREAD_UNREACHABLE, "it isn't heard");
			missing = true;
		}
	}
	if (missing)
		return NULL;
	if (!make_text(s, text, len, joining)) {
		free_text(s);
		return "this node's own file can't be read";
	}
	s->phase = SPREAD_STAGING;
	s->limit = now + SPREAD_LIMIT_MS;
	s->at = 0;
	stage_next(s, now);
	return NULL;
}

static void
kept_for_self(struct spread *s, const struct keeper_answer *a, svip_ms now)
{
	char why[SPREAD_WHY_MAX];

	switch (s->phase) {
	case SPREAD_STAGING:
		s->taken = a->error == 0;
		if (a->error != 0)
			note(s, s->self, SPREAD_REFUSES, a->report);
		else if (!s->ops->fits(s->ctx, why))
			note(s, s->self, SPREAD_REFUSES, why);
		else
			note(s, s->self, SPREAD_AGREES, a->report);
		staged(s, now);
		return;
	case SPREAD_DECIDING:
		if (a->error != 0) {
			note(s, s->self, SPREAD_REFUSES, a->report);
			undo(s);
			return;
		}
		if (reload(s, why))
			s->result[s->self].verdict = SPREAD_DONE;
		else
			note(s, s->self, SPREAD_REFUSES, why);
		s->decided = true;
		s->phase = SPREAD_TELLING;
		s->at = 0;
		tell_next(s);
		return;
	case SPREAD_UNDOING:
		tell_next(s);
		return;
	case SPREAD_IDLE:
	case SPREAD_TELLING:
		return;
	}
}

static void
told(struct spread *s, enum spread_verdict verdict, const char *report, svip_ms now)
{
	switch (s->phase) {
	case SPREAD_STAGING:
		note(s, s->at, verdict, report);
		staged(s, now);
		return;
	case SPREAD_TELLING:
		note(s, s->at, verdict, report);
		/* fall through */
	case SPREAD_UNDOING:
		s->at++;
		tell_next(s);
		return;
	case SPREAD_IDLE:
	case SPREAD_DECIDING:
		return;
	}
}

/* ---- this node is late ---- */

static void
fetched(struct spread *s, const char *text, size_t len, svip_ms now)
{
	struct version v, own;
	char line[SPREAD_WHY_MAX];

	version_read(text, len, &v);
	if (!own_version(s, &own))
		return;
	if (version_follows(&v, &own)) {
		take(s, -1, &v, now);
		keep(s, FOR_CATCH_UP, KEEPER_STAGE, text, len);
	} else if (v.serial > own.serial && v.serial != s->odd_serial) {
		s->odd_serial = v.serial;
		snprintf(line, sizeof(line),
		    "a peer has configuration %llu, which doesn't follow this file: it has been "
		    "edited here (svipctl config diff)",
		    (unsigned long long)v.serial);
		s->ops->say(s->ctx, line);
	}
}

static void
kept_to_catch_up(struct spread *s, const struct keeper_answer *a)
{
	char line[SPREAD_WHY_MAX + 64], why[SPREAD_WHY_MAX] = "";
	bool fine = a->error == 0;

	if (!fine)
		snprintf(why, sizeof(why), "%.200s", a->report);
	else if (s->order == KEEPER_STAGE)
		fine = s->ops->fits(s->ctx, why);
	else
		fine = reload(s, why);
	if (fine && s->order == KEEPER_STAGE) {
		keep(s, FOR_CATCH_UP, KEEPER_COMMIT, NULL, 0);
		return;
	}
	snprintf(line, sizeof(line),
	    fine ? "configuration %llu is taken over from a peer"
	         : "configuration %llu of a peer: %s",
	    (unsigned long long)s->serial, why);
	s->ops->say(s->ctx, line);
	if (!fine && s->taken)
		drop(s);
}

static void
catch_up(struct spread *s, svip_ms now)
{
	int best = s->self;

	for (int i = 0; i < s->n_nodes; i++) {
		if (s->node[i].alive && s->node[i].serial > s->node[best].serial)
			best = i;
	}
	if (best == s->self || now < s->next_fetch)
		return;
	s->next_fetch = now + SPREAD_RETRY_MS;
	s->fetching = true;
	s->ops->call(s->ctx, best, SPREAD_FETCH, NULL, 0);
}

/* ---- events ---- */

void
spread_heard(struct spread *s, int node, bool alive, uint64_t serial)
{
	s->node[node].alive = alive;
	s->node[node].serial = serial;
}

void
spread_answered(struct spread *s, const void *bytes, size_t len, const char *why, svip_ms now)
{
	const uint8_t *b = bytes;
	enum spread_verdict verdict = len > 0 ? (enum spread_verdict)b[0] : SPREAD_UNREACHABLE;
	char report[SPREAD_REPORT_MAX];

	if (verdict > SPREAD_DONE) /* of another version */
		verdict = SPREAD_REFUSES;
	if (s->fetching) {
		s->fetching = false;
		if (verdict == SPREAD_DONE)
			fetched(s, (const char *)b + 1, len - 1, now);
		return;
	}
	if (len > 0)
		snprintf(report, sizeof(report), "%.*s",
		    (int)(len - 1 < sizeof(report) ? len - 1 : sizeof(report)), b + 1);
	else
		snprintf(report, sizeof(report), "%s", why);
	told(s, verdict, report, now);
}

void
spread_kept(struct spread *s, const struct keeper_answer *a, svip_ms now)
{
	enum spread_for whom = s->keeping;

	s->keeping = FOR_NONE;
	if (whom == FOR_PEER)
		kept_for_peer(s, a);
	else if (whom == FOR_SELF)
		kept_for_self(s, a, now);
	else if (whom == FOR_CATCH_UP)
		kept_to_catch_up(s, a);
}

void
spread_tick(struct spread *s, svip_ms now)
{
	bool decided = false;

	for (int i = 0; i < s->n_nodes; i++)
		decided |= i != s->self && s->node[i].alive && s->node[i].serial >= s->serial;
	/* Heartbeats are faster than the word to commit, which may be on its way. */
	if (decided && s->until > now + SPREAD_DECIDED_MS)
		s->until = now + SPREAD_DECIDED_MS;
	if (s->taken && s->by != s->self && s->keeping == FOR_NONE && now >= s->until)
		drop(s);
	if (idle(s))
		catch_up(s, now);
}
