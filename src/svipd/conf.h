/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: read whole, judged whole, and made into settings or into a list of faults.
 * Must not act on anything it reads, and never gives half of a configuration.
 */
#ifndef SVIPD_CONF_H
#define SVIPD_CONF_H

#include <stdio.h>
#include <svip/settings.h>

enum {
	CONF_FAULTS_MAX = 50,    /* told in one report; the rest is counted */
	CONF_MESSAGES_MAX = 100, /* faults, warnings and notes */
	CONF_TEXT_MAX = 400,     /* bytes of one message, with the NUL */
};

enum conf_kind {
	CONF_FAULT,   /* the configuration is refused */
	CONF_WARNING, /* accepted, but most likely not what was wanted */
	CONF_NOTE,    /* a consequence worth knowing */
};

struct conf_message {
	enum conf_kind kind;
	int order; /* of the files, as they were read */
	int line;  /* 0: about no line */
	char file[SET_PATH_MAX];
	char text[CONF_TEXT_MAX]; /* "key: what is wrong"; printable ASCII */
};

/* What was found, sorted by file and line. Large: not for the stack of a deep call. */
struct conf_report {
	int n;
	struct conf_message message[CONF_MESSAGES_MAX];
	int n_faults, n_left_out; /* n_faults counts all of them, those left out too */
};

/* What is so on this host, as the caller found it. */
struct conf_host {
	const struct svip_addr *address; /* all local addresses; VIPs among them don't disturb */
	int n_addresses;
	const char *const *interface; /* names of the interfaces that are there now */
	int n_interfaces;
	bool may_leave; /* nodes without this host are no fault: `self` is -1 */
};

/*
 * Reads and judges a file with what it includes. Returns settings, to be given to settings_free(), or NULL
 * when the report holds a fault. With host NULL nothing about this host is looked at: neither addresses,
 * interfaces, users, scripts, nor files with secrets; then there are no keys and `self` is -1.
 * Writes nothing, prints nothing. Never fails on any content otherwise than by a report.
 */
struct settings *conf_load(
    const char *file, const struct conf_host *host, struct conf_report *report);

/* Writes "FILE:LINE: key: what is wrong" into out (of size bytes); warnings and notes say so. Returns out. */
const char *conf_message_text(const struct conf_message *, char *out, size_t size);

/* All messages, one a line, and how many faults were left out. */
void conf_report_print(const struct conf_report *, FILE *);

/* One paragraph: what this node is, in which company, and how long things may take. */
void conf_summary(const struct settings *, FILE *);

/*
 * The configuration in its canonical form: every value written out, in one order and spelling, as a file
 * that conf_load() reads again. No secrets. Lines about this host alone come last, after a remark.
 */
void conf_canonical(const struct settings *, FILE *);

/* The same without what is this host's alone: what digest_all is of. */
void conf_shared(const struct settings *, FILE *);

/* One thing that differs between two such texts. NULL: not there. */
struct conf_difference {
	const char *key; /* "lease", "sentinels" or, in a block, "vip \"mymaster\": interface" */
	const char *here, *there;
};

/*
 * Calls each() for what differs, in the order of the keys; of a list only the elements that one of the two has, of a block
 * that one of them lacks only that. Both texts are taken apart. False: one of them is no such text, or there is no memory.
 */
bool conf_compare(
    char *here, char *there, void (*each)(void *ctx, const struct conf_difference *), void *ctx);

/* Where a key may stand. */
enum { CONF_GLOBAL = 1, CONF_VIP = 2, CONF_ARP = 4 };

struct conf_key {
	const char *name;
	unsigned where;       /* CONF_GLOBAL, … or-ed */
	bool list;            /* { "a", "b" } is allowed */
	const char *standard; /* the default as it would be written; NULL: none, or it depends */
};

/* The table of all keys, for the documentation's tests; *n of them. Blocks ("vip", "arp") are not in it. */
const struct conf_key *conf_keys(int *n);

#endif
