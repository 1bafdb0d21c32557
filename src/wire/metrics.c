/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes metrics out of the answer to `status`. One table line is one metric; must not judge what it writes. */
#include "metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	INTEGER, /* as it is */
	TRUTH,   /* 1: true */
	MS,      /* milliseconds, as seconds */
	US,      /* microseconds, as seconds */
	WHEN,    /* milliseconds ago, as a time */
	WORD,    /* 1: the text is this word */
	COUNTS,  /* an object of integers: one line for each, the word is its label */
};

struct metric {
	const char *name; /* without "svipd_"; that of a counter ends in _total */
	enum kind kind;
	const char *key; /* the answer's field */
	const char *word;
	const char *help;
};

static const struct metric of_node[] = { { "start_timestamp_seconds", WHEN, "uptime_ms", NULL,
	                                     "When this svipd started." },
	{ "maintenance", TRUTH, "maintenance", NULL, "1: this node takes nothing." },
	{ "observe", TRUTH, "observe", NULL, "1: a dry run, no address is touched." },
	{ "configuration_serial", INTEGER, "serial", NULL,
	    "Version of the configuration in force; 0: never applied to all nodes." },
	{ "guard_seconds", MS, "guard_ms", NULL, "How late a release of this node may come." },
	{ NULL, 0, NULL, NULL, NULL } };

static const struct metric of_vip[] = {
	{ "vip_held", TRUTH, "holding", NULL,
	    "1: this node holds; the kernel has confirmed the addresses." },
	{ "vip_lease_remaining_seconds", MS, "lease_left_ms", NULL,
	    "How long this node may hold without another word of the Sentinels." },
	{ "vip_wait_remaining_seconds", MS, "wait_left_ms", NULL,
	    "Until the leases of holders before have run out." },
	{ "vip_last_change_timestamp_seconds", WHEN, "since_ms", NULL,
	    "Since when it is in its state." },
	{ "vip_epoch", INTEGER, "epoch", NULL,
	    "Configuration epoch: of the hold, else of what most Sentinels say." },
	{ "vip_confirmations", INTEGER, "confirmations", NULL,
	    "Sentinels that name this master and don't see it down." },
	{ "vip_majority", INTEGER, "majority", NULL, "How many are needed." },
	{ "vip_named_here", TRUTH, "named_here", NULL,
	    "1: a majority of the Sentinels names this node." },
	{ "vip_sentinels_fresh", INTEGER, "sentinels_fresh", NULL,
	    "Sentinels that have answered within the lease." },
	{ "vip_link_up", TRUTH, "link", NULL, "1: the interface is up." },
	{ "vip_redis_master", TRUTH, "redis_master", NULL,
	    "1: the local Redis says that it is a master." },
	{ "vip_redis_age_seconds", MS, "redis_heard_ms", NULL,
	    "Since the last answer of the local Redis." },
	{ "vip_writes_held_seconds", MS, "writes_held_ms", NULL,
	    "How long clients' writes still wait for a failover at most." },
	{ "vip_transitions_total", COUNTS, "entered", "to", "Changes of state." },
	{ "vip_releases_total", COUNTS, "released", "reason",
	    "Holds that have ended, by their reason." },
	{ "vip_announcements_total", INTEGER, "announcements", NULL, "Announcements sent." },
	{ "vip_announcement_errors_total", INTEGER, "announcement_errors", NULL,
	    "Announcements that the kernel would not send." },
	{ "vip_conflicts_total", INTEGER, "conflicts", NULL,
	    "Another host has spoken for an address." },
	{ "vip_resets_total", INTEGER, "resets", NULL,
	    "Connections of clients that were reset before the addresses went." },
	{ NULL, 0, NULL, NULL, NULL }
};

static const struct metric of_sentinel[] = { { "sentinel_up", WORD, "state", "connected",
	                                         "1: it is connected." },
	{ "sentinel_listening", TRUTH, "listening", NULL, "1: its events are heard." },
	{ "sentinel_age_seconds", MS, "last_reply_ms", NULL, "Since its last answer." },
	{ "sentinel_reply_seconds", MS, "rtt_ms", NULL, "How long that answer took." },
	{ "sentinel_reconnects_total", INTEGER, "reconnects", NULL,
	    "Connections after the first." },
	{ "sentinel_unknown_sentinels", INTEGER, "unknown", NULL,
	    "Sentinels that it knows and the configuration doesn't." },
	{ "sentinel_missing_sentinels", INTEGER, "missing", NULL,
	    "Sentinels of the configuration that it doesn't know." },
	{ NULL, 0, NULL, NULL, NULL } };

static const struct metric of_peer[] = { { "peer_up", WORD, "state", "alive",
	                                     "1: its heartbeats are heard." },
	{ "peer_age_seconds", MS, "heard_ms", NULL, "Since its last heartbeat." },
	{ "peer_rtt_seconds", US, "rtt_us", NULL, "Round trip of a heartbeat." },
	{ "peer_two_way", TRUTH, "two_way", NULL, "1: it hears this node, too." },
	{ "peer_config_match", WORD, "config", "same", "1: its configuration is the same." },
	{ "peer_config_unsafe", WORD, "config", "unsafe",
	    "1: its configuration differs so that nothing is taken." },
	{ "peer_maintenance", TRUTH, "maintenance", NULL, "1: it takes nothing." },
	{ "peer_stale_total", INTEGER, "stale", NULL, "Heartbeats that came too late, or again." },
	{ NULL, 0, NULL, NULL, NULL } };

static const struct metric of_heartbeats[] = { { "heartbeats_sent_total", INTEGER, "sent", NULL,
	                                           "Datagrams sent; each destination counts." },
	{ "heartbeat_send_errors_total", INTEGER, "send_errors", NULL,
	    "Datagrams that the kernel would not send." },
	{ "heartbeats_received_total", INTEGER, "received", NULL, "Datagrams that came." },
	{ "heartbeats_accepted_total", INTEGER, "accepted", NULL,
	    "Datagrams that were authentic and whole." },
	{ "heartbeats_refused_total", COUNTS, "refused", "reason",
	    "Datagrams refused; bad-tag: another key, or forged." },
	{ NULL, 0, NULL, NULL, NULL } };

static const struct metric of_channel[] = { { "channel_answers_total", INTEGER, "answers", NULL,
	                                        "Questions of other nodes answered over TCP." },
	{ "channel_calls_total", INTEGER, "calls", NULL, "Questions to other nodes." },
	{ "channel_call_failures_total", INTEGER, "calls_failed", NULL,
	    "Of these, without an answer." },
	{ "channel_refused_total", COUNTS, "refused", "reason",
	    "Connections refused; unproven: without the key." },
	{ NULL, 0, NULL, NULL, NULL } };

static const struct metric of_scripts[] = { { "notify_runs_total", COUNTS, "runs", "result",
	                                        "Runs of notify scripts." },
	{ "notify_queue_length", INTEGER, "queued", NULL, "Runs that wait for the one before." },
	{ NULL, 0, NULL, NULL, NULL } };

/* As core_state_word() has them. */
static const char *const states[] = { "init", "backup", "waiting", "master", "fault" };

enum { STATES = sizeof(states) / sizeof(states[0]) };

/* ---- lines ---- */

static void
head(FILE *to, const char *name, const char *help)
{
	size_t len = strlen(name);
	bool counter = len > 6 && strcmp(name + len - 6, "_total") == 0;

	fprintf(to, "# HELP svipd_%s %s\n# TYPE svipd_%s %s\n", name, help, name,
	    counter ? "counter" : "gauge");
}

/* A label's value: backslash, quote and line end are written with a backslash. */
static void
label(FILE *to, char before, const char *name, const char *value)
{
	putc_unlocked(before, to);
	fputs_unlocked(name, to);
	fputs_unlocked("=\"", to);
	for (;;) {
		size_t plain = strcspn(value, "\\\"\n");

		fwrite_unlocked(value, 1, plain, to);
		value += plain;
		if (*value == '\0')
			break;
		putc_unlocked('\\', to);
		putc_unlocked(*value == '\n' ? 'n' : *value, to);
		value++;
	}
	putc_unlocked('"', to);
}

static const char *
text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

static json_int_t
integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void
seconds(FILE *to, json_int_t n, int digits)
{
	json_int_t one = digits == 3 ? 1000 : 1000000;

	fprintf(to, "%s%lld.%0*lld\n", n < 0 ? "-" : "", llabs(n / one), digits, llabs(n % one));
}

/* Whom a line is about. */
struct about {
	const json_t *object;
	const char *label, *value; /* NULL: about the node as a whole */
	json_int_t now_ms;         /* since 1970 */
};

static void
name(FILE *to, const struct metric *m, const struct about *a, const char *more)
{
	fputs_unlocked("svipd_", to);
	fputs_unlocked(m->name, to);
	if (a->label != NULL)
		label(to, '{', a->label, a->value);
	if (more != NULL)
		label(to, a->label != NULL ? ',' : '{', m->word, more);
	fputs_unlocked(a->label != NULL || more != NULL ? "} " : " ", to);
}

static void
counts(FILE *to, const struct metric *m, const struct about *a, json_t *object)
{
	const char *key;
	json_t *v;

	json_object_foreach(object, key, v) /* GCOV_EXCL_BR_LINE: asks for NULL twice */
	{
		if (json_typeof(v) == JSON_INTEGER) {
			name(to, m, a, key);
			fprintf(to, "%lld\n", json_integer_value(v));
		}
	}
}

static bool
fits(enum kind kind, const json_t *v)
{
	switch (kind) { /* GCOV_EXCL_BR_LINE: a closed set */
	case INTEGER:
	case MS:
	case US:
	case WHEN:
		return json_is_integer(v);
	case TRUTH:
		return json_is_boolean(v);
	case WORD:
		return json_is_string(v);
	case COUNTS:
		break;
	}
	return json_is_object(v);
}

static void
line(FILE *to, const struct metric *m, const struct about *a)
{
	json_t *v = json_object_get(a->object, m->key);

	if (!fits(m->kind, v))
		return;
	if (m->kind != COUNTS)
		name(to, m, a, NULL);
	switch (m->kind) { /* GCOV_EXCL_BR_LINE: a closed set */
	case INTEGER:
		fprintf(to, "%lld\n", json_integer_value(v));
		return;
	case TRUTH:
		fprintf(to, "%d\n", json_typeof(v) == JSON_TRUE);
		return;
	case MS:
		seconds(to, json_integer_value(v), 3);
		return;
	case US:
		seconds(to, json_integer_value(v), 6);
		return;
	case WHEN:
		seconds(to, a->now_ms - json_integer_value(v), 3);
		return;
	case WORD:
		fprintf(to, "%d\n", strcmp(json_string_value(v), m->word) == 0);
		return;
	case COUNTS:
		counts(to, m, a, v);
		return;
	}
}

/* ---- groups ---- */

static void
one(FILE *to, const struct metric *m, const json_t *object, json_int_t now_ms)
{
	const struct about a = { .object = object, .now_ms = now_ms };

	for (; m->name != NULL; m++) {
		head(to, m->name, m->help);
		line(to, m, &a);
	}
}

/* key: the field of an element that tells it from the others, the label's value. */
static void
each(FILE *to, const struct metric *m, const json_t *array, const char *label_name, const char *key,
    json_int_t now_ms)
{
	const json_t *object;
	size_t i;

	for (; m->name != NULL; m++) {
		head(to, m->name, m->help);
		json_array_foreach(array, i, object) /* GCOV_EXCL_BR_LINE: asks for NULL twice */
		{
			const struct about a = { object, label_name, text(object, key), now_ms };

			line(to, m, &a);
		}
	}
}

static void
build(FILE *to, const json_t *status)
{
	head(to, "build_info", "1; what runs here, and under which configuration.");
	fputs("svipd_build_info", to);
	label(to, '{', "version", text(status, "version"));
	label(to, ',', "cluster", text(status, "cluster"));
	label(to, ',', "node", text(status, "node"));
	label(to, ',', "fence", text(status, "fence"));
	label(to, ',', "config", text(status, "digest"));
	fputs("} 1\n", to);
}

static void
vip_states(FILE *to, const json_t *vips)
{
	const json_t *v;
	size_t i;

	head(to, "vip_state", "1: the state it is in.");
	json_array_foreach(vips, i, v) /* GCOV_EXCL_BR_LINE: asks for NULL twice */
	{
		for (int s = 0; s < STATES; s++) {
			fputs("svipd_vip_state", to);
			label(to, '{', "vip", text(v, "name"));
			label(to, ',', "state", states[s]);
			fprintf(to, "} %d\n", strcmp(text(v, "state"), states[s]) == 0);
		}
	}
}

/* Whether for every instance a majority of the Sentinels has answered within the lease. */
static void
quorum(FILE *to, const json_t *vips)
{
	bool all = true;

	for (size_t i = 0; i < json_array_size(vips); i++) {
		const json_t *v = json_array_get(vips, i);

		all = all && integer(v, "sentinels_fresh") >= integer(v, "majority");
	}
	head(to, "quorum",
	    "1: a majority of the Sentinels has answered within the lease, for every instance.");
	fprintf(to, "svipd_quorum %d\n", all);
}

/* Views stand in the order of the instances. */
static void
agreement(FILE *to, const json_t *sentinels, const json_t *vips)
{
	const json_t *s, *v;
	size_t i, k;

	head(to, "sentinel_agrees", "1: it names the master that most name.");
	json_array_foreach(sentinels, i, s) /* GCOV_EXCL_BR_LINE: asks for NULL twice */
	{
		const json_t *views = json_object_get(s, "views");

		json_array_foreach(views, k, v) /* GCOV_EXCL_BR_LINE: asks for NULL twice */
		{
			const char *master = text(v, "master");

			fputs("svipd_sentinel_agrees", to);
			label(to, '{', "sentinel", text(s, "address"));
			label(to, ',', "vip", text(v, "name"));
			fprintf(to, "} %d\n",
			    *master != '\0' &&
			        strcmp(master, text(json_array_get(vips, k), "master")) == 0);
		}
	}
}

void
metrics_write(FILE *to, const json_t *status)
{
	const json_t *vips = json_object_get(status, "instances"),
	             *sentinels = json_object_get(status, "sentinels");
	json_int_t now_ms = integer(status, "time_ms");

	build(to, status);
	one(to, of_node, status, now_ms);
	quorum(to, vips);
	vip_states(to, vips);
	each(to, of_vip, vips, "vip", "name", now_ms);
	agreement(to, sentinels, vips);
	each(to, of_sentinel, sentinels, "sentinel", "address", now_ms);
	each(to, of_peer, json_object_get(status, "peers"), "peer", "node", now_ms);
	one(to, of_heartbeats, json_object_get(status, "heartbeats"), now_ms);
	one(to, of_channel, json_object_get(status, "channel"), now_ms);
	one(to, of_scripts, json_object_get(status, "scripts"), now_ms);
}
