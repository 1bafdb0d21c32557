/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers the control socket: asks report.c for words, carries out the few commands that change something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_state.h"
#include "hands.h"
#include "io/announcer.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/control.h"
#include "io/heartbeat_io.h"
#include "io/script.h"
#include "io/sentinel.h"
#include "io/vip.h"
#include "report.h"
#include "check.h"
#include "handover.h"
#include "peers.h"
#include "wire/ctl_request.h"

static int
at_most(int n)
{
	return n < SENTINEL_ODD_MAX ? n : SENTINEL_ODD_MAX;
}

static void
fill_sentinels(struct report_sentinel *out, struct sentinel_status *st, svip_ms now)
{
	struct daemon_state *d = daemon_state();

	for (int s = 0; s < d->set->n_sentinels; s++) {
		sentinel_status(hands_sentinels(), s, now, &st[s]);
		out[s] = (struct report_sentinel){ .state = st[s].state, .error = st[s].error,
			.last_reply = st[s].last_reply_ms < 0 ? SVIP_LONG_AGO : now - st[s].last_reply_ms,
			.listening_state = st[s].listening_state, .rtt_ms = st[s].last_reply_ms < 0 ? -1 : st[s].rtt_ms,
			.id = st[s].id, .reconnects = st[s].reconnects, .n_unknown = st[s].n_unknown,
			.n_missing = st[s].n_missing, .unknown = st[s].unknown, .missing = st[s].missing,
			.n_unknown_listed = at_most(st[s].n_unknown), .n_missing_listed = at_most(st[s].n_missing) };
	}
}

/* Good until the next call. */
static struct report_input
gather(void)
{
	static struct report_instance instance[SVIP_INSTANCES_MAX];
	static struct report_sentinel sentinel[SVIP_SENTINELS_MAX];
	static struct sentinel_status status[SVIP_SENTINELS_MAX];
	struct daemon_state *d = daemon_state();
	svip_ms now = clock_ms();

	fill_sentinels(sentinel, status, now);
	for (int i = 0; i < d->core.conf.n_instances; i++) {
		struct slot *s = &d->slot[d->slot_of[i]];

		instance[i] = (struct report_instance){ .conflicts = s->conflicts, .conflict = s->conflict, .conflict_at = s->conflict_at,
			.resets = s->resets, .reset_error = s->reset_error,
			.announcements = announcer_count(d->slot_of[i]),
			.announcement_errors = announcer_errors(d->slot_of[i]), .entered = s->entered,
			.released = s->released, .redis_error = s->redis_error,
			.writes_error = s->writes_error };
		for (int k = 0; k < d->set->n_sentinels; k++)
			instance[i].fault[k] = s->fault[k];
	}
	return (struct report_input){ .now = now, .wall_ms = clock_wall_ms(now), .pid = getpid(), .version = PACKAGE_VERSION, .fence = d->set->observe ? "none" : vip_fenced() ? "nftables" : "lifetime",
		.sentinel = sentinel, .instance = instance, .history = &d->history,
		.heartbeats = heartbeat_io_counters(), .channel = channel_counters(),
		.scripts = script_counts(), .scripts_queued = script_queued() };
}

char *
daemon_report(const struct ctl_request *r)
{
	const struct daemon_state *d = daemon_state();
	const struct report_input in = gather();

	return report_reply(&d->core, d->set, &in, r);
}

struct json_t *
daemon_status_json(void)
{
	const struct daemon_state *d = daemon_state();
	const struct report_input in = gather();

	return report_status(&d->core, d->set, &in);
}

static char *
reload(void)
{
	char *text = NULL, *reply;

	if (daemon_reload(&text))
		reply = report_done("reloaded");
	else
		reply = report_errors("reload-refused", "nothing has been changed", text != NULL ? text : "");
	free(text);
	return reply;
}

static char *
maintenance(bool on)
{
	log_notice("maintenance %s", on ? "on: this node takes nothing" : "off");
	daemon_post(&(struct core_event){ .kind = EV_MAINTENANCE, .yes = on });
	return report_done(on ? "maintenance is on: this node takes nothing; what it holds it keeps"
			      : "maintenance is off");
}

static char *
change_level(const char *word)
{
	enum set_loglevel level;
	char text[80];

	if (!log_level_read(word, &level))
		return report_error("bad-request", "usage: log error|warning|notice|info|debug");
	log_level(level);
	snprintf(text, sizeof(text), "logging down to \"%s\" until the next reload", word);
	return report_done(text);
}

/* A mere hint: ask the Sentinels now. */
static char *
client_reconfig(const char *name)
{
	struct daemon_state *d = daemon_state();

	for (int i = 0; i < d->core.conf.n_instances; i++) {
		if (strcmp(d->slot[d->slot_of[i]].conf.name, name) == 0) {
			sentinel_poll(hands_sentinels(), i);
			return report_done("asking the Sentinels");
		}
	}
	return report_error("unknown-name", "no such instance here");
}

/* The answer as text; takes the object over. */
static char *
finish(json_t *j)
{
	char *text;

	json_object_set_new(j, "schema", json_integer(REPORT_SCHEMA));
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

/* Who asks anew gets what is known now, and asks again until it isn't running any more. */
static char *
check(bool again)
{
	json_t *j;

	if (again)
		daemon_check();
	j = daemon_check_json();
	json_object_set_new(j, "ok", json_true());
	return finish(j);
}

static int
find_slot(const char *name)
{
	const struct daemon_state *d = daemon_state();

	for (int i = 0; i < d->core.conf.n_instances; i++) {
		if (strcmp(d->slot[d->slot_of[i]].conf.name, name) == 0)
			return d->slot_of[i];
	}
	return -1;
}

/* The first request begins it, the others ask how far it is until it isn't running any more. */
static char *
handover(const struct ctl_request *r)
{
	svip_ms limit = r->seconds > 0 ? (svip_ms)r->seconds * 1000 : HANDOVER_LIMIT_MS;
	int s = find_slot(r->name);
	json_t *j;

	if (s == -1)
		return report_error("unknown-name", "no such instance here");
	if (daemon_state()->stopping)
		return report_error("handover-failed", "svipd is stopping");
	if (!r->progress && !daemon_handover(s, limit))
		return report_error("handover-running", "a handover of it is under way");
	j = daemon_handover_json(s);
	if (j == NULL)
		return report_error("bad-request", "there has been no handover of it");
	return finish(j);
}

static char *
cluster(const struct ctl_request *r)
{
	json_t *j;

	if (!r->progress)
		peers_ask(r->arg[0], r->name);
	j = peers_answers();
	json_object_set_new(j, "ok", json_true());
	return finish(j);
}

/* As a handover's: the first request begins it. */
static char *
config_diff(const struct ctl_request *r)
{
	const char *why = NULL;
	json_t *j;

	if (!r->progress)
		why = peers_compare(r->name);
	if (why != NULL)
		return report_error("unknown-name", why);
	j = peers_compared(r->name);
	json_object_set_new(j, "ok", json_true());
	return finish(j);
}

/* As with a handover: the first request begins it, the others ask. */
static char *
config_apply(const struct ctl_request *r, int fd)
{
	const char *absent[CTL_ARGS_MAX], *why = NULL;
	json_t *j;

	for (int i = 0; i < r->n_args; i++)
		absent[i] = r->arg[i];
	if (!r->progress)
		why = daemon_spread_apply(fd, r->n_args, absent);
	if (why != NULL)
		return report_error("config-refused", why);
	j = daemon_spread_json();
	return finish(j);
}

static char *
key_rotate(const struct ctl_request *r)
{
	const char *why = r->progress ? NULL : daemon_rotate_start();

	return why != NULL ? report_error("key-refused", why) : finish(daemon_rotate_json());
}

char *
daemon_answer(void *ctx, const struct control_caller *caller, const char *line)
{
	struct ctl_request r;
	struct ctl_error err;

	(void)ctx;
	if (!ctl_request_parse(line, &r, &err))
		return report_error(err.word, err.message);
	if (!ctl_request_permitted(&r, caller->uid, getuid()))
		return report_error("not-permitted", "only root and the daemon's own user may change something");
	if (ctl_request_usage(r.command)->changes && !r.progress)
		log_notice("control: \"%s\" by uid %u, pid %d", line, (unsigned)caller->uid, (int)caller->pid);
	switch (r.command) {
	case CTL_CHECK:
		return check(r.n_args > 0);
	case CTL_CLUSTER:
		return cluster(&r);
	case CTL_CONFIG_DIFF:
		return config_diff(&r);
	case CTL_RELOAD:
		return reload();
	case CTL_MAINTENANCE:
		return maintenance(r.on);
	case CTL_LOG:
		return change_level(r.name);
	case CTL_HANDOVER:
		return handover(&r);
	case CTL_CONFIG_APPLY:
		return config_apply(&r, caller->fd);
	case CTL_KEY_ROTATE:
		return key_rotate(&r);
	case CTL_CLIENT_RECONFIG:
		return client_reconfig(r.name);
	case CTL_STATUS:
	case CTL_PEERS:
	case CTL_SENTINELS:
	case CTL_WHY:
	case CTL_HISTORY:
	case CTL_VERSION:
	case CTL_HELP:
	case CTL_COMMANDS:
		break;
	}
	return daemon_report(&r);
}
