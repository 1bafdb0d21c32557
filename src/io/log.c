/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines to stderr or syslog. Must not block, allocate or decide. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static struct {
	bool to_syslog;
	enum set_loglevel level;
} out = { false, SET_LOG_INFO };

static const struct {
	int priority;
	const char *word;
} levels[] = {
	[SET_LOG_ERROR] = { LOG_ERR, "error" },
	[SET_LOG_WARNING] = { LOG_WARNING, "warning" },
	[SET_LOG_NOTICE] = { LOG_NOTICE, "notice" },
	[SET_LOG_INFO] = { LOG_INFO, "info" },
	[SET_LOG_DEBUG] = { LOG_DEBUG, "debug" },
};

void
log_init(bool to_syslog, enum set_loglevel level)
{
	out.to_syslog = to_syslog;
	out.level = level;
	if (to_syslog)
		openlog("svipd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
log_level(enum set_loglevel level)
{
	out.level = level;
}

bool
log_would(enum set_loglevel level)
{
	return level <= out.level;
}

static void
emit(enum set_loglevel level, const char *fmt, va_list ap)
{
	char line[1024];

	if (!log_would(level))
		return;
	if (out.to_syslog) {
		vsyslog(levels[level].priority, fmt, ap);
		return;
	}
	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "svipd: %s: %s\n", levels[level].word, line);
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		emit(level, fmt, ap);                                                              \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, SET_LOG_ERROR)
LOG_FUNCTION(log_warning, SET_LOG_WARNING)
LOG_FUNCTION(log_notice, SET_LOG_NOTICE)
LOG_FUNCTION(log_info, SET_LOG_INFO)
LOG_FUNCTION(log_debug, SET_LOG_DEBUG)

bool
log_allowed(struct log_limit *l, svip_ms every, svip_ms now, unsigned *held)
{
	if (now < l->next) {
		l->held_back++;
		return false;
	}
	*held = l->held_back;
	l->held_back = 0;
	l->next = now + every;
	return true;
}

const char *
log_clean(const char *in, size_t len, char *text, size_t size)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
	text[n] = '\0';
	return text;
}
