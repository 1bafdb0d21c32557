/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines to stderr or syslog. Says what happened; decides nothing. */
#ifndef IO_LOG_H
#define IO_LOG_H

#include <stdbool.h>
#include <svip/settings.h>

/* to_syslog: LOG_DAEMON under the name "svipd"; else stderr, one line each, with a level word. */
void log_init(bool to_syslog, enum set_loglevel);
void log_level(enum set_loglevel);
bool log_would(enum set_loglevel);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

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
