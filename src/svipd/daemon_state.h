/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon's files share: the core, the settings, and a slot for each instance. Private to src/svipd. */
#ifndef SVIPD_DAEMON_STATE_H
#define SVIPD_DAEMON_STATE_H

#include <ev.h>

#include <svip/core.h>
#include <svip/settings.h>

#include "daemon.h"
#include "history.h"
#include "io/log.h"
#include "io/steady.h"
#include "wire/sentinel_reply.h"

enum { DAEMON_EVENTS_MAX = 2 * SVIP_INSTANCES_MAX + 64 }; /* the kernel's answers waiting for the core */

/* One instance. Its slot never changes while it lives; the core's index may. */
struct slot {
	bool used;
	int index;                  /* in core->inst */
	struct set_instance conf;
	bool announced;             /* since it was taken */
	const char *word;           /* MASTER, BACKUP or FAULT as scripts heard it last; NULL: nothing yet */
	struct svip_host master;    /* as most Sentinels name it; port 0: nobody yet */
	struct svip_host master_before;
	uint64_t conflicts;
	svip_ms conflict_at;        /* the last one, if there was any */
	char conflict[SVIP_TEXT_MAX + 32];
	uint32_t entered[CORE_FAULT + 1]; /* changes of state, by the state after */
	uint32_t released[WHY_REASONS];   /* holds that have ended, by their reason */
	uint64_t resets;            /* connections of clients */
	int reset_error;            /* why they could not be reset by the kernel, the last time */
	char end_error[SVIP_TEXT_MAX]; /* why its Redis would not end them instead; empty: it would, or wasn't asked */
	char redis_error[SVIP_TEXT_MAX];
	char writes_error[SVIP_TEXT_MAX]; /* why its Redis would not hold writes; empty: it would, or wasn't asked */
	char fault[SVIP_SENTINELS_MAX][SVIP_TEXT_MAX];
	struct log_limit named_limit, conflict_limit, lost_limit;
};

struct daemon_state {
	struct ev_loop *loop;
	struct settings *set;  /* what is in force; while there are two, both together (change.h) */
	struct settings *next; /* while there are two: the one to come; else NULL */
	struct daemon_options options;
	struct core core;
	struct core_actions out;
	struct slot slot[SVIP_INSTANCES_MAX];
	int slot_of[SVIP_INSTANCES_MAX]; /* core's index -> slot */
	struct history history;

	bool busy;                       /* carrying out: events wait in the queue */
	int n_events, first_event;       /* a ring */
	struct core_event event[DAEMON_EVENTS_MAX];
	uint64_t send[SVIP_INSTANCES_MAX / 64], poll[SVIP_INSTANCES_MAX / 64]; /* a bit for each of the core's instances */
	int n_send;                      /* how many wait to be sent */
	int n_told;
	struct core_action told[CORE_ACTIONS_MAX]; /* states to tell once the hands are free */

	svip_ms started;
	struct steady steady;
	bool stopping, leaving, handing_over;
};

struct daemon_state *daemon_state(void);

/* Gives the core an event and carries out what it decides. From inside a decision: queued. */
void daemon_post(const struct core_event *);
void daemon_post_slot(enum core_event_kind, int slot);

/* A free slot for the instance; -1: no room. And the reverse, after its addresses are gone. */
int daemon_slot_add(const struct set_instance *);
void daemon_slot_remove(int slot);

/* The settings' digests go to the core, unless two are in force. */
void daemon_config_changed(void);
/* What stands in d->out is carried out: the core's answer to another call than core_step(). */
void daemon_carry_out(void);

/* Writes *report, malloc'd, and is false. */
bool daemon_refuse(char **report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Takes settings over; which instances are there may be another set than before. */
void daemon_apply(struct settings *);

/* The numbers of settings, for the core. */
struct guards {
	svip_ms own, least, unheard;
};
struct guards daemon_guards(const struct settings *);

/*
 * From one configuration to the next (changing.c).
 * resume: at a start, whether a change was under way; takes *set over then, and *before is what the core begins with, else NULL.
 * False: why. resumed: once the core has begun.
 */
bool daemon_change_resume(struct settings **set, struct settings **before, char *why, size_t size);
void daemon_change_resumed(void);
/* Whether the running daemon can go there; else *report says why not. */
bool daemon_change_fits(const struct settings *next, char **report);
/* Goes there: both are in force from now on. Takes next over, also when it fails: nothing has changed then. */
bool daemon_change_begin(struct settings *next, char **report);
/* Once in a while: whether it is over. kept: the keeper's answer; true: it was about this. */
void daemon_change_tick(void);
struct keeper_answer;
bool daemon_change_kept(const struct keeper_answer *);

/* The kernel has confirmed the slot's addresses, and the lease is good at this moment. */
bool daemon_holds(int slot);

/* A step of the slot's instance, for the history. who: the Sentinel, or NULL. */
void daemon_note(int slot, enum history_step, const struct svip_host *who);

/* Starts a burst of announcements, if this slot holds. */
void daemon_announce(int slot);

/* Watches for other hosts with the slot's addresses while it holds, and while it has yielded to one. */
void daemon_watch(int slot);

/* The self-test: begins one, logs it at its end; and its table. */
void daemon_check(void);
struct json_t *daemon_check_json(void);

/* Begins to hand the slot's master over, within limit_ms in all. False: that is under way, or no memory. */
bool daemon_handover(int slot, svip_ms limit_ms);
/* The last one's steps; NULL: there was none. */
struct json_t *daemon_handover_json(int slot);
/* All that this node holds, before it stops: daemon_stop() follows when they have ended. False: nothing to do. */
bool daemon_handover_all(void);
bool daemon_handover_runs(void);
void daemon_handover_end(void); /* gives up those that run */
void daemon_handing_forget(int slot);
void daemon_handing_fini(void);

/* For handovers and early failovers: what the hands hear. */
struct sentinel_answer;
struct replication_info;
void daemon_sentinel_answer(int slot, int sentinel, const struct sentinel_answer *);
void daemon_redis_told(int slot, const struct replication_info *, enum reply_fault, const char *text);
bool daemon_writes_told(int slot, bool wait, const char *text); /* true: for a handover, which tells of it */
void daemon_failover_news(int slot, int sentinel, enum sentinel_news);
void daemon_refused(int slot, bool refused); /* an attempt to connect to the local Redis has ended */
bool daemon_keeps_writes(int slot);          /* a handover has them wait, and must say when they go on */

/* Configurations for all nodes. apply: begins; NULL, or why not. */
void daemon_spread_start(void);
void daemon_spread_tick(void); /* with each heartbeat */
void daemon_spread_fini(void);
bool daemon_spread_idle(void);
void daemon_spread_nodes(void); /* they have changed; only while idle */
struct channel_question;
void daemon_spread_asked(const struct channel_question *);
void daemon_spread_answered(uint32_t call, const uint8_t *body, size_t len, const char *why);
const char *daemon_spread_apply(int fd, int n_absent, const char *const *absent);
struct json_t *daemon_spread_json(void);

/* Another key for all nodes (rotating.c). start: NULL, or why not. asked: NULL when it is or will be answered, or why not. */
const char *daemon_rotate_start(void);
struct json_t *daemon_rotate_json(void);
bool daemon_rotate_runs(void);
const char *daemon_rotate_asked(const struct channel_question *);
void daemon_rotate_answered(
    int node, uint32_t call, const uint8_t *body, size_t len, const char *why);
bool daemon_rotate_kept(const struct keeper_answer *);

/* The answer to a question that changes nothing (malloc'd JSON). */
struct ctl_request;
char *daemon_report(const struct ctl_request *);

/* The same to status before it is printed, to be given back by json_decref(); NULL: out of memory. */
struct json_t *daemon_status_json(void);

/* Metrics over HTTP (exporter.c): listens where the settings want it, if it can. fini: no more. */
void daemon_metrics_tick(void);
void daemon_metrics_fini(void);

/* The answer to one line on the control socket (malloc'd JSON). */
struct control_caller;
char *daemon_answer(void *ctx, const struct control_caller *, const char *line);

/* Tells log, history and scripts of a change of state. */
void daemon_tell(const struct core_action *);
void daemon_tell_stop(void);

#endif
