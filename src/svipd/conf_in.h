/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the configuration share: the text as a tree of blocks, keys and values, each with its
 * place. Private to src/svipd/conf*.c.
 *
 *   conf_file    files    -> text           conf_tree   blocks, keys, values
 *   conf_scan    text     -> tokens         conf_block  tokens -> tree
 *   conf_confuse text     -> the same tree once more, by libconfuse; any difference is a fault
 *   conf_value   value    -> number, address, …
 *   conf_take    key      -> judged value   conf_keys   the table of keys
 *   conf_global, conf_network, conf_vip, conf_script, conf_secret   tree -> settings
 *   conf_nodes, conf_check   settings as a whole, on this host
 *   conf_digest  canonical form, digests    conf        all in order
 *   conf_compare two canonical forms
 */
#ifndef SVIPD_CONF_IN_H
#define SVIPD_CONF_IN_H

#include <stdarg.h>

#include "conf.h"

enum {
	CONF_SIZE_MAX = 1024 * 1024, /* bytes of one file */
	CONF_FILES_MAX = 64,         /* files read, all includes together */
	CONF_DEPTH_MAX = 4,          /* an include in an include in … */
	CONF_WORD_MAX = 255,         /* bytes of one word */
	CONF_NESTING_MAX = 8,        /* blocks in blocks, known or not */
	CONF_VALUES_MAX = 256,       /* elements of one list */
	CONF_MEANT_MAX = 4,
};

/* ---- report (conf_report.c) ---- */

/* One message about a key; key NULL: about no key. The text may hold anything. */
void conf_say(struct conf_report *, enum conf_kind, int order, const char *file, int line,
    const char *key, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
void conf_vsay(struct conf_report *, enum conf_kind, int order, const char *file, int line,
    const char *key, const char *fmt, va_list) __attribute__((format(printf, 7, 0)));
void conf_report_sort(struct conf_report *);

/* ---- tree (conf_tree.c) ---- */

struct conf_file {
	char name[SET_PATH_MAX];
	int depth;              /* 0: the file itself, 1: included by it, … */
	uint64_t device, inode; /* a file is read once */
	char *text;             /* NUL-terminated; comments become blanks as they are scanned */
	size_t size;
};

struct conf_value {
	const char *text;
	int line;
};

struct conf_entry {
	struct conf_entry *next; /* in the block, in the order written */
	const struct conf_key *key;
	int file, line;
	bool spoilt; /* already complained about: there, but its values can't be used */
	int n;
	struct conf_value *value;
};

struct conf_block {
	struct conf_block *next; /* of the same kind, in the order written */
	unsigned where;          /* CONF_GLOBAL, CONF_VIP, CONF_ARP */
	const char *title;       /* "" without one */
	int file, line;
	int n_meant;
	const struct conf_key
	    *meant[CONF_MEANT_MAX]; /* most likely there, misspelt: not to be missed */
	struct conf_entry *first, **end;
};

struct conf_tree {
	struct conf_report *report;
	int n_files;
	struct conf_file file[CONF_FILES_MAX];
	struct conf_block global;
	struct conf_block *arp; /* NULL: none */
	struct conf_block *vip, **vip_end;
	int n_vips;
	int n_refused; /* blocks that were refused and complained about */
	void *chunks;  /* all of the tree's memory */
	uint64_t serial; /* of the first file: wire/version.h */
	bool edited;
	int n_absent;
	struct svip_addr absent[SVIP_NODES_MAX];
};

void conf_tree_init(struct conf_tree *, struct conf_report *);
void conf_tree_fini(struct conf_tree *);

/* Zeroed memory that lives as long as the tree; NULL when there is none, which has been reported. */
void *conf_alloc(struct conf_tree *, size_t);

/* A fault at a place of a file. */
void conf_fault(struct conf_tree *, int file, int line, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void conf_warn(struct conf_tree *, int file, int line, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Writes "line 3" or, in another file than `here`, "FILE:3". Returns out (SET_PATH_MAX + 16 bytes). */
const char *conf_place(const struct conf_tree *, int here, int file, int line, char *out);
enum { CONF_PLACE_MAX = SET_PATH_MAX + 16 };

/* A new block, NULL when it is refused (which has been reported). */
struct conf_block *conf_block_add(
    struct conf_tree *, unsigned where, const char *title, int file, int line);

/* Adds a key; complains when it is there already, and returns NULL then. */
struct conf_entry *conf_entry_add(
    struct conf_tree *, struct conf_block *, const struct conf_key *, int file, int line);

/* The block's entry; NULL: not there. */
const struct conf_entry *conf_get(const struct conf_block *, const char *key);

/* ---- keys (conf_keys.c) ---- */

const struct conf_key *conf_key_find(const char *name);
/* The key, or the name of a block, that was most likely meant in such a block; NULL: none is alike. */
const char *conf_key_guess(const char *name, unsigned where);
/* CONF_VIP for "vip", CONF_ARP for "arp", 0 otherwise. */
unsigned conf_block_kind(const char *name);

/* ---- files (conf_file.c) ---- */

/* Reads a file into the tree's list; by: file and line of the include, 0 for the first one. */
void conf_file_add(struct conf_tree *, const char *name, int by_file, int by_line);
/* Adds the files that this file includes. */
void conf_file_includes(struct conf_tree *, int file);
/* Reads at most max bytes of a regular file into buf, which is then NUL-terminated (max + 1 bytes).
 * Bytes read, or -errno; -EFBIG: longer; -EINVAL: not a regular file. */
long conf_slurp(const char *name, char *buf, size_t max, void *stat_out);

/* Reads up to max bytes and looks whether more would come; adds a NUL. Their number; -EFBIG, or -errno. */
long conf_slurp_fd(int fd, char *buf, size_t max);

/* ---- scanner (conf_scan.c) ---- */

enum conf_token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_QUOTED,
	TOKEN_OPEN,  /* { */
	TOKEN_CLOSE, /* } */
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_BAD, /* has been reported */
};

struct conf_token {
	enum conf_token_kind kind;
	int line;
	bool spoilt;       /* a word that has been complained about */
	const char *start; /* of the word, without its quotes */
	size_t len;
};

struct conf_scan {
	struct conf_tree *tree;
	int file;
	char *at, *end;
	int line;
};

void conf_scan_init(struct conf_scan *, struct conf_tree *, int file);
/* The next token. Comments are made blank in the text. */
struct conf_token conf_scan_next(struct conf_scan *);
/* The next byte on the line that is not blank, which stays there; '\0' at the end. */
char conf_scan_peek(const struct conf_scan *);
/* Goes on at the end of the line. */
void conf_scan_skip_line(struct conf_scan *);

/* ---- structure (conf_block.c) ---- */

/* Reads the statements of one file into the tree. */
void conf_blocks_read(struct conf_tree *, int file);

/* ---- libconfuse (conf_confuse.c) ---- */

/* Lets libconfuse read the file; whatever it reads otherwise than the tree has it is a fault.
 * Only for a file without a fault. */
void conf_confuse_compare(struct conf_tree *, int file);

/* ---- values (conf_value.c): NULL, or what is wrong with the text ---- */

const char *conf_value_duration(const char *, svip_ms *); /* "500ms", "2s", "1m" */
const char *conf_value_percent(const char *, int *ppm);   /* "1%", "0.0200%" */
const char *conf_value_bool(const char *, bool *);
const char *conf_value_number(const char *, long least, long most, long *);
const char *conf_value_name(const char *); /* [A-Za-z0-9_.-]{1,63} */
bool conf_is_loopback(const struct svip_addr *);
const char *conf_duration_text(svip_ms, char *out); /* "2s", "500ms"; CONF_DURATION_MAX bytes */
enum { CONF_DURATION_MAX = 24 };

/* A virtual address and where it was written. */
struct conf_vip_at {
	struct svip_addr address;
	int file, line;
	const char *instance;
	bool told; /* that it is somebody's */
};

struct conf_loader {
	struct conf_tree *tree;
	const struct conf_host *host;
	struct settings *set;
	struct conf_value_at {
		int file, line;
	} sentinel_at[SVIP_SENTINELS_MAX], node_at[SVIP_NODES_MAX];
	struct conf_vip_at *vip; /* of the tree's memory */
	int n_vips, vips_max;
	struct set_scripts scripts; /* the file's own */
	bool user_known;
	unsigned uid, gid; /* of the service's user and group, when known */
};

/* ---- keys as values (conf_take.c); what is wrong is reported, and *out stays as it was ---- */

/* The only value of an entry that is there and usable, with its entry; NULL otherwise. */
const struct conf_value *conf_one(
    const struct conf_block *, const char *key, const struct conf_entry **);
/* A fault: the value in quotes, then why. */
void conf_wrong(
    struct conf_loader *, const struct conf_entry *, const struct conf_value *, const char *why);
void conf_duration(struct conf_loader *, const struct conf_block *, const char *key, svip_ms least,
    svip_ms most, svip_ms *out);
void conf_bool(struct conf_loader *, const char *key, bool *out);
/* True when a key that must be there is not, not even misspelt. */
bool conf_missing(const struct conf_block *, const char *key);

/* ---- settings ---- */

void conf_global_read(struct conf_loader *);  /* conf_global.c: timers, lists, names */
void conf_network_read(struct conf_loader *); /* conf_network.c: heartbeats, announcements */
void conf_vips_read(struct conf_loader *);    /* conf_vip.c */
void conf_users_read(struct conf_loader *);   /* conf_secret.c: user, group, script-user */
void conf_secrets_read(struct conf_loader *); /* conf_secret.c: keys and passwords */
void conf_scripts_read(
    struct conf_loader *, const struct conf_block *, struct set_scripts *); /* conf_script.c */
void conf_nodes_check(
    struct conf_loader *); /* conf_nodes.c: nodes, Sentinels, which of them this host is */
void conf_check(struct conf_loader *);         /* conf_check.c: everything together */
void conf_settings_sort(struct settings *);    /* conf_digest.c: into the canonical order */
bool conf_digests(struct settings *);          /* conf_digest.c; false: out of memory */
const char *conf_fence_word(enum set_fence);   /* conf_global.c */
svip_ms conf_wait_ms(const struct settings *); /* conf_check.c: L (1+rho)/(1-rho) + G, rounded up */

#endif
