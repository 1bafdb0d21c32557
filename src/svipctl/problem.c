/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds what is wrong in an answer and says so first, each with the next step. Must not cry wolf. */
#include <stdarg.h>
#include <string.h>

#include "field.h"
#include "show.h"

enum { PROBLEMS_MAX = 8, CONFLICT_RECENT_MS = 600000 };

/* Written one after the other; what is above the limit is only counted. */
struct problems {
	const struct out *out;
	int written, more;
	struct show_worst worst;
};

static void problem(struct problems *, enum out_colour, const char *next, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void
problem(struct problems *p, enum out_colour colour, const char *next, const char *fmt, ...)
{
	char text[SHOW_PROBLEM_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->worst.colour == OUT_PLAIN || (colour == OUT_BAD && p->worst.colour == OUT_WARN)) {
		p->worst.colour = colour;
		memcpy(p->worst.text, text, sizeof(text));
	}
	if (p->written == PROBLEMS_MAX) {
		p->more++;
		return;
	}
	p->written++;
	out_wrap(p->out, colour, "! ", text);
	if (next != NULL && next[0] != '\0')
		out_wrap(p->out, OUT_DIM, "  next: ", next);
}

static void
about_instance(struct problems *p, const json_t *in)
{
	const char *name = field_text(in, "name", "?"), *state = field_text(in, "state", "?");
	const char *why = field_text(in, "why", field_text(in, "reason", "?"));
	const char *next = field_text(in, "next", "");
	const char *reason = field_text(in, "reason", "");
	json_int_t conflicts = field_int(in, "conflicts", 0);

	if (strcmp(state, "fault") == 0)
		problem(p, OUT_BAD, next, "%s: %s", name, why);
	else if (strcmp(reason, "quorum-lost-held") == 0)
		problem(p, OUT_BAD, next, "%s: %s", name, why);
	else if (strcmp(state, "waiting") == 0)
		problem(p, OUT_WARN, next, "%s: %s", name, why);
	else if (field_text(in, "holder", NULL) == NULL && strcmp(state, "master") != 0)
		problem(
		    p, OUT_BAD, next, "%s is held by no node that this one hears; %s", name, why);
	if (conflicts > 0 && field_int(in, "conflict_ms", 0) < CONFLICT_RECENT_MS)
		problem(p, OUT_BAD, "find the host with that address: see the log",
		    "%s: another host answered for an address, %" JSON_INTEGER_FORMAT
		    " time%s (last: %s)",
		    name, conflicts, conflicts == 1 ? "" : "s", field_text(in, "conflict", "?"));
}

static void
about_views(struct problems *p, const char *address, const json_t *views)
{
	const json_t *v;
	size_t i;

	json_array_foreach(views, i, v)
	{
		const char *fault = field_text(v, "fault", NULL);

		if (fault != NULL)
			problem(p, OUT_WARN, "", "Sentinel %s answers for %s: %s", address,
			    field_text(v, "name", "?"), fault);
	}
}

static void
about_sentinel(struct problems *p, const json_t *s)
{
	static const char *const same = "list the same Sentinels in every svipd.conf, and no other";
	const char *address = field_text(s, "address", "?"), *state = field_text(s, "state", "?");
	const char *error = field_text(s, "error", "");
	char age[AGE_MAX];

	if (strcmp(state, "connected") != 0) {
		if (field_int(s, "last_reply_ms", -1) < 0)
			problem(p, OUT_WARN, "", "Sentinel %s: %s, it has never answered%s%s",
			    address, state, error[0] != '\0' ? ": " : "", error);
		else
			problem(p, OUT_WARN, "", "Sentinel %s: %s, no answer for %s%s%s", address,
			    state, field_age(s, "last_reply_ms", age), error[0] != '\0' ? ": " : "",
			    error);
		return;
	}
	about_views(p, address, json_object_get(s, "views"));
	if (field_int(s, "unknown", 0) > 0)
		problem(p, OUT_WARN, same, "Sentinel %s knows %s, which svipd.conf does not list",
		    address,
		    json_string_value(json_array_get(json_object_get(s, "unknown_sentinels"), 0))
		        ?: "others");
	if (field_int(s, "missing", 0) > 0)
		problem(p, OUT_WARN, same, "Sentinel %s does not know %s, which svipd.conf lists",
		    address,
		    json_string_value(json_array_get(json_object_get(s, "missing_sentinels"), 0))
		        ?: "others");
}

static void
about_peer(struct problems *p, const json_t *peer)
{
	static const char *const same =
	    "make svipd.conf the same on every node, then run 'svipctl reload'";
	const char *node = field_text(peer, "node", "?"), *state = field_text(peer, "state", "?");
	const char *config = field_text(peer, "config", "");
	char age[AGE_MAX];

	if (strcmp(config, "unsafe") == 0)
		problem(p, OUT_BAD, same,
		    "%s differs in the safety part of the configuration: nothing is taken", node);
	else if (strcmp(config, "differs") == 0)
		problem(p, OUT_WARN, same, "%s runs another configuration", node);
	if (strcmp(state, "unknown") == 0)
		problem(p, OUT_BAD, "the same key must be in key-file on every node",
		    "%s speaks, but its heartbeats are not authentic", node);
	else if (strcmp(state, "silent") == 0 && field_int(peer, "heard_ms", -1) < 0)
		problem(p, OUT_WARN, "", "%s has never been heard", node);
	else if (strcmp(state, "silent") == 0)
		problem(
		    p, OUT_WARN, "", "%s is silent for %s", node, field_age(peer, "heard_ms", age));
	else if (strcmp(state, "alive") == 0 && !field_true(peer, "two_way"))
		problem(p, OUT_WARN, "look for a firewall between the two",
		    "%s is heard, but does not hear this node", node);
}

void
show_problems(const struct out *o, const json_t *answer, struct show_worst *worst)
{
	struct problems p = { .out = o, .worst = { .colour = OUT_PLAIN } };
	const json_t *x;
	size_t i;

	if (field_true(answer, "maintenance"))
		problem(&p, OUT_WARN, "svipctl maintenance off",
		    "maintenance is on: this node takes nothing");
	if (field_true(answer, "observe"))
		problem(
		    &p, OUT_WARN, "", "observe is on: this node decides, but touches no address");
	json_array_foreach(json_object_get(answer, "instances"), i, x) about_instance(&p, x);
	json_array_foreach(json_object_get(answer, "peers"), i, x) about_peer(&p, x);
	json_array_foreach(json_object_get(answer, "sentinels"), i, x) about_sentinel(&p, x);
	if (p.more > 0)
		fprintf(o->file, "! and %d more\n", p.more);
	if (p.written > 0)
		fputc('\n', o->file);
	if (worst != NULL)
		*worst = p.worst;
}
