/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines to stderr, syslog or the journal. Must not block, allocate or decide. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "log_sink.h"

static struct {
	enum set_loglevel level;
	unsigned lost; /* lines since the last one that was taken */
} out = { SET_LOG_INFO, 0 };

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
	out.level = level;
	if (to_syslog)
		log_sink_open(LOG_SINK_SYSLOG, "/dev/log");
	else if (log_sink_is_journal())
		log_sink_open(LOG_SINK_JOURNAL, "/run/systemd/journal/socket");
	else
		log_sink_open(LOG_SINK_STDERR, NULL);
}

void
log_level(enum set_loglevel level)
{
	out.level = level;
}

bool
log_level_read(const char *word, enum set_loglevel *level)
{
	for (int i = 0; i <= SET_LOG_DEBUG; i++) {
		if (strcmp(word, levels[i].word) == 0) {
			*level = (enum set_loglevel)i;
			return true;
		}
	}
	return false;
}

bool
log_would(enum set_loglevel level)
{
	return level <= out.level;
}

static bool
put(enum set_loglevel level, const char *line, const struct log_field *field, int n)
{
	return log_sink_put(
	    levels[level].priority, levels[level].word, clock_wall_us(), line, field, n);
}

/* Who reads the log has to know that it isn't whole. */
static bool
tell_lost(void)
{
	char line[80];

	if (out.lost == 0)
		return true;
	snprintf(line, sizeof(line), "the log did not take %u lines before this one", out.lost);
	if (!put(SET_LOG_WARNING, line, NULL, 0))
		return false;
	out.lost = 0;
	return true;
}

static void
emit(enum set_loglevel level, const struct log_field *field, int n, const char *fmt, va_list ap)
{
	char line[LOG_SINK_LINE_MAX];

	if (!log_would(level))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	for (char *p = line; (p = strchr(p, '\n')) != NULL;)
		*p = ' ';
	if (!tell_lost() || !put(level, line, field, n))
		out.lost++;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		emit(level, NULL, 0, fmt, ap);                                                     \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, SET_LOG_ERROR)
LOG_FUNCTION(log_warning, SET_LOG_WARNING)
LOG_FUNCTION(log_notice, SET_LOG_NOTICE)
LOG_FUNCTION(log_info, SET_LOG_INFO)
LOG_FUNCTION(log_debug, SET_LOG_DEBUG)

void
log_fields(enum set_loglevel level, const struct log_field *field, int n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, field, n, fmt, ap);
	va_end(ap);
}

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
