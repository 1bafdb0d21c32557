/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays the daemon's answers out. Must not hide what is wrong, nor judge what the daemon has judged. */
#include "show.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "field.h"

enum { LINE_MAX_BYTES = 512 };

/* "10.0.0.50/32", or "10.0.0.50 +2" where there are more; a host's prefix says nothing in a table. */
static void
addresses_cell(struct out_row *r, int column, const json_t *in)
{
	const json_t *all = json_object_get(in, "addresses");
	const char *first = json_string_value(json_array_get(all, 0));
	size_t n = json_array_size(all), len;

	if (first == NULL)
		return;
	len = strlen(first);
	if (len > 3 && strcmp(first + len - 3, "/32") == 0)
		len -= 3;
	else if (len > 4 && strcmp(first + len - 4, "/128") == 0)
		len -= 4;
	if (n > 1)
		out_cell(r, column, OUT_PLAIN, "%.*s +%zu", (int)len, first, n - 1);
	else
		out_cell(r, column, OUT_PLAIN, "%.*s", (int)len, first);
}

static void
instances_table(const struct out *o, const json_t *all)
{
	static const char *const heads[] = { "INSTANCE", "STATE", "ADDRESS", "HOLDER", "MASTER",
		"#LEASE", "#SINCE", NULL };
	struct out_table t;
	const json_t *in;
	size_t i;

	out_table_init(&t, heads);
	json_array_foreach(all, i, in)
	{
		struct out_row *r = out_table_row(&t);
		const char *state = field_text(in, "state", "?"),
		           *holder = field_text(in, "holder", NULL);
		const char *master = field_text(in, "master", NULL);
		char text[OUT_CELL_MAX], age[AGE_MAX];

		out_cell(r, 0, OUT_PLAIN, "%s", field_text(in, "name", "?"));
		out_cell(r, 1, field_state_colour(state), "%s", field_state(o, state, text));
		addresses_cell(r, 2, in);
		out_cell(r, 3, holder == NULL ? OUT_BAD : OUT_PLAIN, "%s",
		    holder != NULL ? holder : "nobody");
		out_cell(r, 4, OUT_PLAIN, "%s%s", field_text(in, "master", "-"),
		    master != NULL &&
		            field_int(in, "confirmations", 0) < field_int(in, "majority", 0)
		        ? "?"
		        : "");
		out_cell(r, 5, OUT_PLAIN, "%s",
		    field_int(in, "lease_left_ms", 0) > 0 ? field_age(in, "lease_left_ms", age)
		                                          : "-");
		out_cell(r, 6, OUT_PLAIN, "%s", field_age(in, "since_ms", age));
	}
	if (json_array_size(all) == 0)
		fputs("no vip is configured\n", o->file);
	else
		out_table_write(o, &t);
	free(t.row);
}

/* How many objects of the array have this word in this field. */
static int
count(const json_t *all, const char *key, const char *word)
{
	const json_t *x;
	size_t i;
	int n = 0;

	json_array_foreach(all, i, x) n += strcmp(field_text(x, key, ""), word) == 0;
	return n;
}

static int
change_words(char *line, size_t size, const json_t *change)
{
	const json_t *waits = json_object_get(change, "waits_for");
	const char *first = json_string_value(json_array_get(waits, 0));
	long long serial = (long long)field_int(change, "serial", 0);

	if (!json_is_object(change))
		return 0;
	if (field_true(change, "removed"))
		return snprintf(line, size, "; configuration %lld is without this node", serial);
	if (first == NULL)
		return snprintf(line, size, "; configuration %lld comes into force", serial);
	return snprintf(line, size, "; configuration %lld waits for %.48s%s", serial, first,
	    json_array_size(waits) > 1 ? " and others" : "");
}

static void
head_line(const struct out *o, const json_t *a)
{
	const json_t *sentinels = json_object_get(a, "sentinels"),
	             *peers = json_object_get(a, "peers");
	char line[LINE_MAX_BYTES], age[AGE_MAX];
	int n = snprintf(line, sizeof(line), "node %.64s of %.64s", field_text(a, "node", "?"),
	    field_text(a, "cluster", "?"));

	if (sentinels != NULL)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "; %d of %zu Sentinels",
		    count(sentinels, "state", "connected"), json_array_size(sentinels));
	if (peers != NULL && json_array_size(peers) > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "; %d of %zu peers",
		    count(peers, "state", "alive"), json_array_size(peers));
	if (strcmp(field_text(a, "fence", ""), "lifetime") == 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n,
		    "; without nftables: releases up to %lld ms late",
		    (long long)field_int(a, "guard_ms", 0));
	n += change_words(line + n, sizeof(line) - (size_t)n, json_object_get(a, "change"));
	snprintf(line + n, sizeof(line) - (size_t)n, "; up %s", field_age(a, "uptime_ms", age));
	out_wrap(o, OUT_PLAIN, "", line);
	fputc('\n', o->file);
}

static void detail(const struct out *, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
detail(const struct out *o, const char *what, const char *fmt, ...)
{
	char head[32], text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(head, sizeof(head), "  %-11s", what);
	out_wrap(o, OUT_PLAIN, head, text);
}

static void
instance_details(const struct out *o, const json_t *in)
{
	const json_t *all = json_object_get(in, "addresses"), *x;
	char a[AGE_MAX], text[OUT_CELL_MAX];
	size_t i;

	fprintf(o->file, "%s\n", field_text(in, "name", "?"));
	detail(o, "state", "%s for %s (%s)", field_state(o, field_text(in, "state", "?"), text),
	    field_age(in, "since_ms", a), field_text(in, "reason", "?"));
	out_wrap(o, OUT_PLAIN, "  why        ", field_text(in, "why", "-"));
	json_array_foreach(all, i, x)
	    detail(o, i == 0 ? "addresses" : "", "%s", json_string_value(x) ?: "?");
	detail(o, "interface", "%s, %s", field_text(in, "interface", "?"),
	    field_true(in, "link") ? "up" : "down");
	detail(o, "master",
	    "%s at epoch %" JSON_INTEGER_FORMAT ", confirmed by %" JSON_INTEGER_FORMAT
	    " Sentinels (%" JSON_INTEGER_FORMAT " needed)",
	    field_text(in, "master", "-"), field_int(in, "epoch", 0),
	    field_int(in, "confirmations", 0), field_int(in, "majority", 0));
	detail(o, "holder", "%s", field_text(in, "holder", "nobody that this node hears"));
	if (field_int(in, "lease_left_ms", 0) > 0)
		detail(o, "lease", "%s left", field_age(in, "lease_left_ms", a));
	if (field_text(in, "redis_error", NULL) != NULL)
		detail(o, "redis", "%s: %s", field_text(in, "redis", "?"),
		    field_text(in, "redis_error", ""));
	else
		detail(o, "redis", "%s %s, %s ago", field_text(in, "redis", "?"),
		    field_true(in, "redis_master") ? "says master" : "does not say master",
		    field_age(in, "redis_heard_ms", a));
	if (field_int(in, "writes_held_ms", 0) > 0)
		detail(o, "writes", "wait for the failover, %s at most",
		    field_age(in, "writes_held_ms", a));
	else if (field_text(in, "writes_error", NULL) != NULL)
		detail(o, "writes", "can't be held back: %s", field_text(in, "writes_error", ""));
	detail(
	    o, "sent", "%" JSON_INTEGER_FORMAT " announcements", field_int(in, "announcements", 0));
	if (field_text(in, "reset_error", NULL) != NULL)
		detail(o, "clients", "their connections can't be reset: %s",
		    field_text(in, "reset_error", ""));
	else if (field_int(in, "resets", 0) > 0)
		detail(o, "clients", "%" JSON_INTEGER_FORMAT " connections reset",
		    field_int(in, "resets", 0));
	detail(o, "conflicts", "%" JSON_INTEGER_FORMAT, field_int(in, "conflicts", 0));
}

/* ---- Sentinels and peers ---- */

static void
sentinel_row(struct out_row *r, const json_t *s)
{
	const char *state = field_text(s, "state", "?");
	char age[AGE_MAX];

	out_cell(r, 0, OUT_PLAIN, "%s", field_text(s, "address", "?"));
	out_cell(r, 1, strcmp(state, "connected") == 0 ? OUT_GOOD : OUT_BAD, "%s", state);
	out_cell(r, 2, OUT_PLAIN, "%s", field_age(s, "last_reply_ms", age));
}

static void
view_row(struct out_row *r, const json_t *v)
{
	const char *fault = field_text(v, "fault", NULL);

	out_cell(r, 3, OUT_PLAIN, "%s", field_text(v, "name", "?"));
	if (fault != NULL) {
		out_cell(r, 4, OUT_BAD, "%s", fault);
		return;
	}
	out_cell(r, 4, OUT_PLAIN, "%s", field_text(v, "master", "-"));
	out_cell(r, 5, OUT_PLAIN, "%" JSON_INTEGER_FORMAT, field_int(v, "epoch", 0));
	if (field_true(v, "down"))
		out_cell(r, 6, OUT_BAD, "down");
	else if (field_true(v, "here"))
		out_cell(r, 6, OUT_GOOD, "this node");
}

static void
sentinels_table(const struct out *o, const json_t *all)
{
	static const char *const heads[] = { "SENTINEL", "STATE", "#REPLY", "INSTANCE", "NAMES",
		"#EPOCH", "", NULL };
	struct out_table t;
	const json_t *s, *v;
	size_t i, k;

	out_table_init(&t, heads);
	json_array_foreach(all, i, s)
	{
		struct out_row *r = out_table_row(&t);

		sentinel_row(r, s);
		json_array_foreach(json_object_get(s, "views"), k, v)
		    view_row(k == 0 ? r : out_table_row(&t), v);
	}
	out_table_write(o, &t);
}

static enum out_colour
config_colour(const char *config)
{
	if (strcmp(config, "unsafe") == 0)
		return OUT_BAD;
	return strcmp(config, "differs") == 0 ? OUT_WARN : OUT_PLAIN;
}

/* "cache, sessions" or "-"; what doesn't fit is cut off by the table. */
static void
holds_cell(struct out_row *r, int column, const json_t *peer)
{
	char text[OUT_CELL_MAX] = "";
	const json_t *in;
	size_t i;

	json_array_foreach(json_object_get(peer, "instances"), i, in)
	{
		size_t len = strlen(text);

		if (field_true(in, "holding"))
			snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? ", " : "",
			    field_text(in, "name", "?"));
	}
	out_cell(r, column, OUT_PLAIN, "%s", text[0] != '\0' ? text : "-");
}

static void
peers_table(const struct out *o, const json_t *all)
{
	static const char *const heads[] = { "NODE", "STATE", "#HEARD", "#RTT", "CONFIG", "VERSION",
		"HOLDS", "", NULL };
	struct out_table t;
	const json_t *p;
	size_t i;

	if (json_array_size(all) == 0) {
		fputs("no other node is configured\n", o->file);
		return;
	}
	out_table_init(&t, heads);
	json_array_foreach(all, i, p)
	{
		struct out_row *r = out_table_row(&t);
		const char *state = field_text(p, "state", "?"),
		           *config = field_text(p, "config", "-");
		json_int_t rtt_us = field_int(p, "rtt_us", -1);
		char age[AGE_MAX];

		out_cell(r, 0, OUT_PLAIN, "%s", field_text(p, "node", "?"));
		out_cell(r, 1, strcmp(state, "alive") == 0 ? OUT_GOOD : OUT_BAD, "%s", state);
		out_cell(r, 2, OUT_PLAIN, "%s", field_age(p, "heard_ms", age));
		if (rtt_us >= 0)
			out_cell(r, 3, OUT_PLAIN, "%" JSON_INTEGER_FORMAT ".%d ms", rtt_us / 1000,
			    (int)(rtt_us % 1000 / 100));
		else
			out_cell(r, 3, OUT_PLAIN, "-");
		out_cell(r, 4, config_colour(config), "%s", config);
		out_cell(r, 5, OUT_PLAIN, "%s", field_text(p, "version", "-"));
		holds_cell(r, 6, p);
		if (field_true(p, "maintenance"))
			out_cell(r, 7, OUT_WARN, "maintenance");
	}
	out_table_write(o, &t);
}

/* ---- answers ---- */

void
show_status(const struct out *o, const json_t *a, const char *name)
{
	head_line(o, a);
	show_problems(o, a, NULL);
	if (name == NULL) {
		instances_table(o, json_object_get(a, "instances"));
		return;
	}
	instance_details(o, json_array_get(json_object_get(a, "instances"), 0));
	fputc('\n', o->file);
	sentinels_table(o, json_object_get(a, "sentinels"));
	fputc('\n', o->file);
	peers_table(o, json_object_get(a, "peers"));
}

void
show_peers(const struct out *o, const json_t *a, const char *name)
{
	(void)name;
	head_line(o, a);
	show_problems(o, a, NULL);
	peers_table(o, json_object_get(a, "peers"));
}

void
show_sentinels(const struct out *o, const json_t *a, const char *name)
{
	(void)name;
	head_line(o, a);
	show_problems(o, a, NULL);
	sentinels_table(o, json_object_get(a, "sentinels"));
}

void
show_why(const struct out *o, const json_t *a, const char *name)
{
	const json_t *in;
	size_t i;

	(void)name;
	json_array_foreach(json_object_get(a, "instances"), i, in)
	{
		const char *next = field_text(in, "next", NULL);
		char first[OUT_CELL_MAX];

		snprintf(first, sizeof(first), "%s: ", field_text(in, "name", "?"));
		if (strlen(first) > OUT_WIDTH / 3) {
			fprintf(o->file, "%s:\n", field_text(in, "name", "?"));
			strcpy(first, "  ");
		}
		out_wrap(o, field_state_colour(field_text(in, "state", "")), first,
		    field_text(in, "why", "?"));
		if (next != NULL)
			out_wrap(o, OUT_DIM, "  next: ", next);
	}
	if (json_array_size(json_object_get(a, "instances")) == 0)
		fputs("no vip is configured\n", o->file);
}

/* One line of the history: a change of state, or a step on the way. */
struct moment {
	json_int_t us;
	const json_t *entry;
	bool step;
};

static int
by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return x->us != y->us ? (x->us > y->us) - (x->us < y->us) : x->step - y->step;
}

static size_t
collect(const json_t *from, bool step, struct moment *to)
{
	const json_t *e;
	size_t i;

	json_array_foreach(from, i, e)
	{
		json_int_t ms = field_int(e, "time_ms", 0);

		to[i] = (struct moment){
			field_int(e, "time_us", ms < INT64_MAX / 1000 ? ms * 1000 : ms), e, step
		};
	}
	return json_array_size(from);
}

/* Since the last line of the same instance, for steps that follow each other quickly. */
static void
step_row(struct out_row *r, const struct moment *all, size_t i)
{
	const char *name = field_text(all[i].entry, "name", "?");
	size_t k = i;

	out_cell(r, 2, OUT_DIM, "  %s", field_text(all[i].entry, "step", "?"));
	out_cell(r, 3, OUT_DIM, "%s", field_text(all[i].entry, "sentinel", ""));
	while (k > 0 && strcmp(field_text(all[k - 1].entry, "name", "?"), name) != 0)
		k--;
	if (k > 0 && all[i].us - all[k - 1].us < 60 * 1000000)
		out_cell(r, 5, OUT_DIM, "%.1f ms", (double)(all[i].us - all[k - 1].us) / 1000);
}

static void
change_row(const struct out *o, struct out_row *r, const json_t *e)
{
	char age[AGE_MAX];
	const char *to = field_text(e, "to", "?");

	out_cell(r, 2, field_state_colour(to), "%s %s %s", field_text(e, "from", "?"),
	    o->symbols ? "→" : "->", to);
	out_cell(r, 3, OUT_PLAIN, "%s", field_text(e, "reason", "?"));
	out_cell(r, 4, OUT_PLAIN, "%" JSON_INTEGER_FORMAT, field_int(e, "epoch", 0));
	out_cell(r, 5, OUT_PLAIN, "%s", field_age(e, "waited_ms", age));
}

void
show_history(const struct out *o, const json_t *a, const char *name)
{
	static const char *const heads[] = { "TIME", "INSTANCE", "CHANGE", "REASON", "#EPOCH",
		"#AFTER", NULL },
	                         *const cluster_heads[] = { "TIME", "INSTANCE", "CHANGE", "REASON",
		                         "#EPOCH", "#AFTER", "NODE", NULL };
	const json_t *changes = json_object_get(a, "history"), *steps = json_object_get(a, "steps");
	size_t n = json_array_size(changes) + json_array_size(steps);
	char day[32] = "", before[32] = "";
	struct moment *all;
	struct out_table t;
	bool of_nodes;

	(void)name;
	if (n == 0) {
		fputs("nothing has changed since the start\n", o->file);
		return;
	}
	all = calloc(n, sizeof(*all));
	if (all == NULL)
		err(1, NULL);
	collect(steps, true, all + collect(changes, false, all));
	qsort(all, n, sizeof(*all), by_time);
	of_nodes = json_object_get(all[0].entry, "node") != NULL;
	out_table_init(&t, of_nodes ? cluster_heads : heads);
	for (size_t i = 0; i < n; i++) {
		time_t when = (time_t)(all[i].us / 1000000);
		struct out_row *r;
		struct tm tm;

		if (localtime_r(&when, &tm) == NULL)
			memset(&tm, 0, sizeof(tm));
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		if (strcmp(day, before) != 0) {
			r = out_table_row(&t);
			r->section = true;
			out_cell(r, 0, OUT_PLAIN, "%s", day);
			strcpy(before, day);
		}
		r = out_table_row(&t);
		out_cell(r, 0, OUT_PLAIN, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		    (int)(all[i].us / 1000 % 1000));
		out_cell(r, 1, OUT_PLAIN, "%s", field_text(all[i].entry, "name", "?"));
		if (all[i].step)
			step_row(r, all, i);
		else
			change_row(o, r, all[i].entry);
		if (of_nodes)
			out_cell(r, 6, OUT_PLAIN, "%s", field_text(all[i].entry, "node", "?"));
	}
	out_table_write(o, &t);
	free(all);
}

void
show_message(const struct out *o, const json_t *a, const char *name)
{
	(void)name;
	out_wrap(o, OUT_PLAIN, "", field_text(a, "message", "done"));
}
