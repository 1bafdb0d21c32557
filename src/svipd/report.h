/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answers of the control socket as JSON: from the core's state, the settings and a few views of
 * what the I/O modules know. Changes nothing; the fields are those of svipctl(8) and are never renamed.
 */
#ifndef SVIPD_REPORT_H
#define SVIPD_REPORT_H

#include <sys/types.h>

#include <svip/core.h>
#include <svip/settings.h>

#include "wire/ctl_request.h"

struct history;
struct json_t;
struct heartbeat_io_counters;
struct channel_counters;
struct script_counts;

enum { REPORT_SCHEMA = 1 };

/* One Sentinel as its connections see it. Texts may be NULL or empty: nothing to say. */
struct report_sentinel {
	const char *state; /* of the connection for questions: "connected", "timeout", … */
	const char *listening_state; /* of the one for events */
	svip_ms last_reply;          /* time of the last good reply; SVIP_LONG_AGO: none */
	svip_ms rtt_ms;              /* of that one; negative: none */
	const char *error;           /* of the last loss */
	const char *id;              /* its run id */
	uint64_t reconnects;
	/* Sentinels that it knows and the configuration doesn't, and the reverse: how many, and the first few. */
	int n_unknown, n_missing;
	int n_unknown_listed, n_missing_listed;
	const struct svip_host *unknown, *missing;
};

/* One instance, in the order of core->inst. */
struct report_instance {
	uint64_t conflicts;                    /* another MAC that spoke for one of its addresses */
	uint64_t announcements;                /* frames sent */
	uint64_t announcement_errors;          /* frames that the kernel would not send */
	const uint32_t *entered;               /* changes of state, by the state after; NULL: not known */
	const uint32_t *released;              /* holds that have ended, by their reason; NULL: not known */
	uint64_t resets;                       /* connections of clients that were reset */
	int reset_error;                       /* why they could not be, the last time: a positive errno */
	svip_ms conflict_at;                   /* the last one, if there was any */
	const char *conflict;                  /* of that one: "10.0.0.50 at 02:00:00:00:00:01" */
	const char *redis_error;               /* of the local Redis' connection */
	const char *writes_error;              /* why it would hold no writes back; empty: it would */
	const char *fault[SVIP_SENTINELS_MAX]; /* what a Sentinel answers instead of a view */
};

struct report_input {
	svip_ms now;
	int64_t wall_ms; /* the wall clock at now, since 1970 */
	pid_t pid;
	const char *version;                    /* "0.1.0" */
	const char *fence;                      /* what ends a hold: "nftables", "lifetime", "none" (observe) */
	const struct report_sentinel *sentinel; /* settings->n_sentinels */
	const struct report_instance *instance; /* core->conf.n_instances */
	const struct history *history;
	/* What has come and gone since the start; NULL: not known. */
	const struct heartbeat_io_counters *heartbeats;
	const struct channel_counters *channel;
	const struct script_counts *scripts;
	int scripts_queued;
};

/* The core's index of settings->instance[i]; -1: the core doesn't have it (yet). */
int report_index(const struct core *, const struct settings *, int i);

/*
 * The builders return one line of JSON without an LF, which the caller frees with free(); NULL: out of
 * memory. Whatever came from the network is printable ASCII in it.
 */

/* Answers status, peers, sentinels, why, history, version and help. */
char *report_reply(const struct core *, const struct settings *, const struct report_input *,
    const struct ctl_request *);

/* The answer to status before it is printed, to be given back by json_decref(); NULL: out of memory. */
struct json_t *report_status(
    const struct core *, const struct settings *, const struct report_input *);

/* {"ok":true,"message":…} */
char *report_done(const char *message);

/* {"ok":false,"error":word,"message":…}; the words are listed in svipctl(8). */
char *report_error(const char *word, const char *message);

/* The same with "errors": each line of text, such as FILE:LINE: key: what is wrong. */
char *report_errors(const char *word, const char *message, const char *text);

#endif
