/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request on the control socket: one line of words parted by blanks, read into a struct. Decides
 * nothing but whether the words make a request; the commands are those of one table.
 */
#ifndef WIRE_CTL_REQUEST_H
#define WIRE_CTL_REQUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include <svip/types.h>

enum ctl_command {
	CTL_STATUS, /* [NAME] */
	CTL_PEERS,
	CTL_SENTINELS,
	CTL_WHY,             /* [NAME] */
	CTL_HISTORY,         /* [NAME] */
	CTL_CONFIG_DIFF,     /* NODE|all [progress]: in what the other nodes' configurations differ */
	CTL_CHECK,           /* [again]: the self-test's results; starts it anew */
	CTL_CLUSTER,         /* status|why|history [NAME] [progress]: the same of every node */
	CTL_RELOAD,          /* changes */
	CTL_MAINTENANCE,     /* on|off; changes */
	CTL_LOG,             /* a level; changes */
	CTL_HANDOVER,        /* NAME [SECONDS|progress]; changes */
	CTL_CONFIG_APPLY,    /* [progress|NODE...]: a file comes along; the nodes that may be missing; changes */
	CTL_KEY_ROTATE,      /* [progress]; changes */
	CTL_CLIENT_RECONFIG, /* Sentinel's seven arguments; a mere hint */
	CTL_VERSION,
	CTL_HELP,
	CTL_COMMANDS /* how many */
};

enum {
	CTL_ARGS_MAX = 7,
	CTL_ARG_MAX = SVIP_NAME_MAX, /* bytes of an argument, with the NUL */
	CTL_MESSAGE_MAX = 192,
	CTL_HANDOVER_MOST_S = 60, /* limit of a handover */
};

/* What people read about a command. */
struct ctl_usage {
	const char *name;
	const char *arguments; /* "[NAME]"; "" for none */
	const char *help;
	bool changes; /* for root and the daemon's own user only */
};
const struct ctl_usage *ctl_request_usage(enum ctl_command);

struct ctl_request {
	enum ctl_command command;
	int n_args;
	char arg[CTL_ARGS_MAX][CTL_ARG_MAX]; /* printable ASCII without blanks */
	const char
	    *name;     /* NAME, or the master's name of client-reconfig: arg[0]; NULL: not given */
	bool on;       /* maintenance on */
	int seconds;   /* of handover; 0: not given */
	bool progress; /* of handover, cluster, config-diff, config-apply and key-rotate: only tell of the one there is */
};

/* Why a line is no request. word is of the closed list in svipctl(8): "unknown-command", "bad-request". */
struct ctl_error {
	const char *word;
	char message[CTL_MESSAGE_MAX]; /* printable ASCII */
};

/* Reads one line without its LF. False: *err says what is wrong with it. r->name points into *r. */
bool ctl_request_parse(const char *line, struct ctl_request *r, struct ctl_error *err);

/* True when the caller may: anybody who could open the socket may ask, and root and own_uid may change. */
bool ctl_request_permitted(const struct ctl_request *, uid_t caller, uid_t own_uid);

#endif
