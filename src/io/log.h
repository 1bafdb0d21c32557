/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines to stderr, syslog or the journal. Says what happened; decides nothing, and waits for nobody: what the log doesn't take
 * at once is lost, and the next line says how much.
 */
#ifndef IO_LOG_H
#define IO_LOG_H

#include <stdbool.h>
#include <svip/settings.h>

/* to_syslog: LOG_DAEMON under the name "svipd"; else stderr, one line each, with a level word; to the journal where stderr is its. */
void log_init(bool to_syslog, enum set_loglevel);
void log_level(enum set_loglevel);
/* "error", "warning", …; false: none of these. */
bool log_level_read(const char *word, enum set_loglevel *);
bool log_would(enum set_loglevel);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same with fields for those who search the journal. Names in capitals; values without a line end. */
struct log_field {
	const char *name, *value;
};
void log_fields(enum set_loglevel, const struct log_field *, int n, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A repeat of the same kind of message: at most one line each `every` ms. Counts what it holds back. */
struct log_limit {
	svip_ms next;
	unsigned held_back;
};
/* True: log now; *held is how many were held back since the last line. */
bool log_allowed(struct log_limit *, svip_ms every, svip_ms now, unsigned *held);

/* Copies hostile text: printable ASCII stays, the rest becomes '?'; always terminated. Returns out. */
const char *log_clean(const char *in, size_t len, char *out, size_t size);

#endif
