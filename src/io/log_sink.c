/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands log lines to stderr, syslog or the journal. Must never wait for them. */
#include "log_sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_MAX = 2 * LOG_SINK_LINE_MAX + 1024 }; /* with its fields */

static struct {
	enum log_sink kind;
	struct sockaddr_un to;
	int fd; /* -1: not connected */
} sink = { .kind = LOG_SINK_STDERR, .fd = -1 };

void
log_sink_open(enum log_sink kind, const char *path)
{
	if (sink.fd != -1)
		close(sink.fd);
	sink.fd = -1;
	sink.kind = kind;
	memset(&sink.to, 0, sizeof(sink.to));
	sink.to.sun_family = AF_UNIX;
	if (path != NULL)
		snprintf(sink.to.sun_path, sizeof(sink.to.sun_path), "%s", path);
}

/* A datagram socket: its peer has it whole or not at all, and a full queue is EAGAIN. */
static bool
connected(void)
{
	if (sink.fd != -1)
		return true;
	sink.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sink.fd == -1)
		return false;
	if (connect(sink.fd, (const struct sockaddr *)&sink.to, sizeof(sink.to)) == 0)
		return true;
	close(sink.fd);
	sink.fd = -1;
	return false;
}

/* Twice: who listens may be another one since the last line. */
static bool
send_record(const char *record, size_t len)
{
	for (int i = 0; i < 2; i++) {
		if (!connected())
			return false;
		if (send(sink.fd, record, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
			return true;
		if (errno == EAGAIN)
			return false;
		close(sink.fd);
		sink.fd = -1;
	}
	return false;
}

/* RFC 3164, section 4.1, as syslog(3) writes it: without the host's name. */
static bool
put_syslog(int priority, int64_t wall_us, const char *line)
{
	char record[RECORD_MAX], when[32] = "";
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	int len;

	if (localtime_r(&seconds, &tm) != NULL)
		strftime(when, sizeof(when), "%b %e %T ", &tm);
	len = snprintf(record, sizeof(record), "<%d>%ssvipd[%d]: %s", LOG_DAEMON | priority, when,
	    (int)getpid(), line);
	return send_record(record, (size_t)len);
}

/* A value has no line end: of the line they have been taken, fields have none. */
static bool
put_journal(int priority, const char *line, const struct log_field *field, int n)
{
	char record[RECORD_MAX];
	int len = snprintf(record, sizeof(record),
	    "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=svipd\nMESSAGE=%s\n", priority,
	    LOG_DAEMON >> 3, line);

	for (int i = 0; i < n; i++) {
		int more = snprintf(record + len, sizeof(record) - (size_t)len, "%s=%s\n",
		    field[i].name, field[i].value);

		if (more >= (int)sizeof(record) - len)
			break; /* the ones before go */
		len += more;
	}
	return send_record(record, (size_t)len);
}

/* A pipe or a terminal that can be written has room for a page, which is more than a line. */
static bool
put_stderr(const char *word, const char *line)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char record[LOG_SINK_LINE_MAX + 64];
	int len = snprintf(record, sizeof(record), "svipd: %s: %s\n", word, line);
	ssize_t sent;

	sent = send(STDERR_FILENO, record, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == -1 && errno == ENOTSOCK) {
		if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
			return false;
		sent = write(STDERR_FILENO, record, (size_t)len);
	}
	return sent == len;
}

bool
log_sink_put(int priority, const char *word, int64_t wall_us, const char *line,
    const struct log_field *field, int n)
{
	switch (sink.kind) {
	case LOG_SINK_STDERR:
		break;
	case LOG_SINK_SYSLOG:
		return put_syslog(priority, wall_us, line);
	case LOG_SINK_JOURNAL:
		return put_journal(priority, line, field, n);
	}
	return put_stderr(word, line);
}

bool
log_sink_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}
