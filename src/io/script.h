/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notify scripts: one at a time, in order, off the loop, by a helper process that has no privileges.
 * Tells what has happened; a script can neither delay nor change a decision.
 */
#ifndef IO_SCRIPT_H
#define IO_SCRIPT_H

#include <ev.h>
#include <stdbool.h>
#include <svip/settings.h>

enum {
	SCRIPT_BACKLOG = 64,  /* runs queued before an instance's older news give way to its newest */
	SCRIPT_QUEUE_MAX = SCRIPT_BACKLOG + 2 * SVIP_INSTANCES_MAX, /* the newest of each always fit */
	SCRIPT_GRACE_MS = 2000, /* between SIGTERM and SIGKILL */
	SCRIPT_OUTPUT_MAX = 4096, /* bytes of one run's output that are logged */
};

/* One change of state, as scripts hear of it. All strings are copied; NULL counts as "". */
struct script_news {
	const char *instance;
	const char *word;      /* MASTER, BACKUP, FAULT or STOP */
	const char *state;     /* svipd's own words: core_state_word(), core_reason_word() */
	const char *reason;
	uint64_t epoch;
	const char *master;    /* "host:port" that the Sentinels name */
	const char *master_before;
	const char *addresses; /* "10.0.0.50/32 …", separated by spaces */
	const char *interface;
};

struct script_counts {
	uint64_t done, failed, timed_out, dropped; /* failed: exit status not 0, or could not run */
};

/*
 * Starts the helper. Before privileges are dropped (it takes `user`'s identity and no capability)
 * and before threads are. The helper closes every descriptor but its own, and ends with this process.
 * 0 or -errno; then `why` holds the cause.
 */
int script_start(const char *user, char *why, size_t size);

/* Uses the helper from this loop. idle (may be NULL) is called whenever the last queued run has ended. */
void script_init(struct ev_loop *, svip_ms timeout_ms, void (*idle)(void *), void *arg);

/* A new time limit, for runs that begin from now on. */
void script_timeout(svip_ms timeout_ms);

/*
 * Queues the script for this word (notify-master, notify-backup, notify-fault), then `notify`; both are
 * called as keepalived does: INSTANCE name WORD 100, and with SVIPD_* variables. Never blocks.
 */
void script_tell(const struct set_scripts *, const struct script_news *);

bool script_idle(void); /* nothing runs, nothing waits */
const struct script_counts *script_counts(void);
int script_queued(void); /* runs that wait */

/* Forgets what is queued and lets go of the helper, which still ends what runs. */
void script_fini(void);

#endif
