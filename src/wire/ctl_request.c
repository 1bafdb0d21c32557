/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a request of the control socket. Must not trust a byte of it, nor know what is done with it. */
#include "ctl_request.h"

#include <stdio.h>
#include <string.h>

#include "nearest.h"

static const struct {
	struct ctl_usage usage;
	int args_min, args_max;
} commands[CTL_COMMANDS] = {
	[CTL_STATUS] = { { "status", "[NAME]", "everything this node knows, or one instance",
	                     false },
	    0, 1 },
	[CTL_PEERS] = { { "peers", "", "the other nodes", false }, 0, 0 },
	[CTL_SENTINELS] = { { "sentinels", "", "the Sentinels and what they say", false }, 0, 0 },
	[CTL_WHY] = { { "why", "[NAME]", "the rule that decides, in a sentence", false }, 0, 1 },
	[CTL_HISTORY] = { { "history", "[NAME]", "the last changes of state", false }, 0, 1 },
	[CTL_CONFIG_DIFF] = { { "config-diff", "NODE|all [progress]",
	                          "in what the configurations of other nodes differ", false },
	    1, 2 },
	[CTL_CHECK] = { { "check", "[again]", "what this kernel grants; again: try it anew",
	                    false },
	    0, 1 },
	[CTL_CLUSTER] = { { "cluster", "status|why|history [NAME] [progress]",
	                      "what every node answers to that", false },
	    1, 3 },
	[CTL_RELOAD] = { { "reload", "", "read the configuration again", true }, 0, 0 },
	[CTL_MAINTENANCE] = { { "maintenance", "on|off", "keep this node from taking", true }, 1,
	    1 },
	[CTL_LOG] = { { "log", "error|warning|notice|info|debug",
	                  "how much is logged, until the next reload", true },
	    1, 1 },
	[CTL_HANDOVER] = { { "handover", "NAME [SECONDS|progress]",
	                       "give the master NAME, held here, to a replica", true },
	    1, 2 },
	[CTL_CONFIG_APPLY] = { { "config-apply", "[progress|NODE...]",
	                           "take the file that comes along over on all nodes", true },
	    0, 7 },
	[CTL_KEY_ROTATE] = { { "key-rotate", "[progress]", "another key, on all nodes", true }, 0,
	    1 },
	[CTL_CLIENT_RECONFIG] = { { "client-reconfig",
	                              "NAME ROLE STATE FROM-IP FROM-PORT TO-IP TO-PORT",
	                              "a hint to ask the Sentinels now", false },
	    7, 7 },
	[CTL_VERSION] = { { "version", "", "the daemon's version", false }, 0, 0 },
	[CTL_HELP] = { { "help", "", "this list", false }, 0, 0 },
};

const struct ctl_usage *
ctl_request_usage(enum ctl_command command)
{
	return &commands[command].usage;
}

static bool
bad(struct ctl_error *err, const char *word, const char *message)
{
	err->word = word;
	snprintf(err->message, sizeof(err->message), "%s", message);
	return false;
}

/* Takes the next word of *rest. False when it is too long; an empty word: there is none. */
static bool
next_word(const char **rest, char word[CTL_ARG_MAX])
{
	size_t len;

	*rest += strspn(*rest, " \t");
	len = strcspn(*rest, " \t");
	word[0] = '\0';
	if (len >= CTL_ARG_MAX)
		return false;
	memcpy(word, *rest, len);
	word[len] = '\0';
	*rest += len;
	return true;
}

static bool
unknown(const char *word, struct ctl_error *err)
{
	const char *near = NULL;
	int best = 0;

	for (int i = 0; i < CTL_COMMANDS; i++) {
		const char *name = commands[i].usage.name;
		int d = nearest_distance(word, name);

		if (nearest_alike(word, name) && (near == NULL || d < best)) {
			near = name;
			best = d;
		}
	}
	err->word = "unknown-command";
	if (near != NULL)
		snprintf(err->message, sizeof(err->message),
		    "unknown command '%s' (did you mean '%s'?)", word, near);
	else
		snprintf(err->message, sizeof(err->message),
		    "unknown command '%s' ('help' lists them)", word);
	return false;
}

static bool
read_arguments(const char *rest, struct ctl_request *r, struct ctl_error *err)
{
	const struct ctl_usage *u = &commands[r->command].usage;
	char word[CTL_ARG_MAX];

	for (;;) {
		if (!next_word(&rest, word))
			return bad(err, "bad-request", "an argument is longer than 63 bytes");
		if (word[0] == '\0')
			break;
		if (r->n_args < commands[r->command].args_max)
			strcpy(r->arg[r->n_args], word);
		r->n_args++;
	}
	if (r->n_args < commands[r->command].args_min ||
	    r->n_args > commands[r->command].args_max) {
		err->word = "bad-request";
		snprintf(err->message, sizeof(err->message), "usage: %s%s%s", u->name,
		    u->arguments[0] != '\0' ? " " : "", u->arguments);
		return false;
	}
	return true;
}

/* "progress", or a limit in seconds. */
static bool
read_handover(struct ctl_request *r)
{
	const char *s = r->arg[1];

	r->name = r->arg[0];
	r->progress = strcmp(s, "progress") == 0;
	if (r->n_args < 2 || r->progress)
		return true;
	for (; *s >= '0' && *s <= '9' && r->seconds <= CTL_HANDOVER_MOST_S; s++)
		r->seconds = 10 * r->seconds + (*s - '0');
	return *s == '\0' && r->seconds >= 1 && r->seconds <= CTL_HANDOVER_MOST_S;
}

/* A question that others answer, too. */
static bool
read_cluster(struct ctl_request *r)
{
	const char *what = r->arg[0];

	r->progress = r->n_args > 1 && strcmp(r->arg[r->n_args - 1], "progress") == 0;
	r->name = r->n_args - r->progress > 1 ? r->arg[1] : NULL;
	return r->n_args - r->progress <= 2 &&
	       (strcmp(what, "status") == 0 || strcmp(what, "why") == 0 ||
	           strcmp(what, "history") == 0);
}

bool
ctl_request_parse(const char *line, struct ctl_request *r, struct ctl_error *err)
{
	char word[CTL_ARG_MAX];
	int i = 0;

	memset(r, 0, sizeof(*r));
	err->word = "";
	err->message[0] = '\0';
	for (const char *p = line; *p != '\0'; p++) {
		if (*p != '\t' && (*p < 0x20 || *p > 0x7e))
			return bad(err, "bad-request", "a request is printable ASCII");
	}
	if (!next_word(&line, word))
		return bad(err, "unknown-command", "no command is that long ('help' lists them)");
	if (word[0] == '\0')
		return bad(err, "bad-request", "an empty request ('help' lists the commands)");
	while (i < CTL_COMMANDS && strcmp(word, commands[i].usage.name) != 0)
		i++;
	if (i == CTL_COMMANDS)
		return unknown(word, err);
	r->command = (enum ctl_command)i;
	if (!read_arguments(line, r, err))
		return false;
	if (r->command == CTL_MAINTENANCE) {
		r->on = strcmp(r->arg[0], "on") == 0;
		if (!r->on && strcmp(r->arg[0], "off") != 0)
			return bad(err, "bad-request", "usage: maintenance on|off");
	} else if (r->command == CTL_CLUSTER) {
		if (!read_cluster(r))
			return bad(err, "bad-request",
			    "usage: cluster status|why|history [NAME] [progress]");
	} else if (r->command == CTL_HANDOVER) {
		if (!read_handover(r))
			return bad(err, "bad-request",
			    "usage: handover NAME [SECONDS], from 1 to 60 of them");
	} else if (r->command == CTL_KEY_ROTATE) {
		r->progress = strcmp(r->arg[0], "progress") == 0;
		if (r->n_args > 0 && !r->progress)
			return bad(err, "bad-request", "usage: key-rotate [progress]");
	} else if (r->n_args > 0) {
		r->name = r->arg[0];
		r->progress = r->command == CTL_CONFIG_APPLY && strcmp(r->name, "progress") == 0;
	}
	if (r->command == CTL_CONFIG_DIFF && r->n_args > 1) {
		r->progress = strcmp(r->arg[1], "progress") == 0;
		if (!r->progress)
			return bad(err, "bad-request", "usage: config-diff NODE|all [progress]");
	}
	return true;
}

bool
ctl_request_permitted(const struct ctl_request *r, uid_t caller, uid_t own_uid)
{
	return !commands[r->command].usage.changes || caller == 0 || caller == own_uid;
}
