/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: carries events from the hands (src/io) to the core and its decisions back to them.
 * One instance of everything; the state is in daemon_state.h.
 */
#ifndef SVIPD_DAEMON_H
#define SVIPD_DAEMON_H

#include <svip/settings.h>

struct ev_loop;

/* How the command line has it. */
struct daemon_options {
	const char *file;     /* configuration */
	const char *socket;   /* control socket */
	bool level_given;     /* -l: the file's log-level doesn't count */
	enum set_loglevel level;
};

/* Reads the file for this host; NULL: *report (malloc'd, a line a fault) says why not. Warnings are logged. may_leave: this host needn't
 * be one of its nodes. */
struct settings *daemon_read_settings(const char *file, bool may_leave, char **report);

/*
 * Opens everything that needs root, drops privileges, opens the rest. Takes the settings over. False: *why
 * (size bytes) says what is missing; nothing has been touched in the kernel.
 */
bool daemon_init(struct ev_loop *, struct settings *, const struct daemon_options *, char *why, size_t size);

/* Looks at the kernel, removes left-overs, and begins to ask. */
void daemon_start(void);

/* Lets everything go, tells the peers and the scripts, and ends the loop when that is done. hand_over: as far as `handover-on-stop`
 * asks for it, masters are handed over before; a second call doesn't wait for that. */
void daemon_stop(const char *cause, bool hand_over);

/* Ends the loop and leaves everything in the kernel as it is, for a successor that starts at once. Without one the
 * leases end it. */
void daemon_leave(void);

/* Reads the file again: all or nothing. False: nothing has changed, and report (a malloc'd text, a line a
 * fault) says why. NULL report: nothing to say. */
bool daemon_reload(char **report);

/* Whether this process would take the file over, when all nodes do; else the same report. *change: by having both in force for a while. */
bool daemon_fits(const char *file, bool *change, char **report);

void daemon_log_status(void);

void daemon_fini(void);

#endif
