/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where log lines go: stderr, syslog's socket or the journal's. Each takes a line at once or not at all: a log that hangs
 * must not cost a lease, and syslog(3) would wait for it.
 */
#ifndef IO_LOG_SINK_H
#define IO_LOG_SINK_H

#include <stdbool.h>

#include "log.h"

enum {
	LOG_SINK_LINE_MAX = 1024, /* bytes of a line, with its NUL */
};

enum log_sink { LOG_SINK_STDERR, LOG_SINK_SYSLOG, LOG_SINK_JOURNAL };

/* path: of the socket (at most 107 bytes; copied); not for stderr. That nobody listens there yet is no error. */
void log_sink_open(enum log_sink, const char *path);

/*
 * priority: LOG_ERR … of syslog(3); word: its name; wall_us: the time since 1970. The fields go to the journal, whose protocol is
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. False: the line is lost.
 */
bool log_sink_put(int priority, const char *word, int64_t wall_us, const char *line,
    const struct log_field *, int n_fields);

/* True when stderr is the journal's, by its word (JOURNAL_STREAM, systemd.exec(5)). */
bool log_sink_is_journal(void);

#endif
