/* SPDX-License-Identifier: BSD-2-Clause */
/* Begins, asks until it has ended, prints a table. Ending this program ends nothing: the nodes finish what they have begun. */
#define _GNU_SOURCE /* memfd_create */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "field.h"
#include "out.h"
#include "wait.h"
#include "wire/version.h"

enum { DONE, FAILED, USAGE };
/* svipd's own limit is 20 s, and then it tells the others. */
enum { LIMIT_S = 5, LIMIT_MS = 90000, LINE_MAX_BYTES = 1024, PATH_MAX_BYTES = 4096 };

static int
complain(const char *what, int error)
{
	fprintf(stderr, "svipctl: %s: %s\n", what, strerror(error));
	return -1;
}

/* A copy in memory, so that svipd waits for no disk. A descriptor, or -1 after a word to the user. */
static int
copy(const char *file)
{
	int from = open(file, O_RDONLY | O_CLOEXEC), to;
	char buf[65536];
	ssize_t n;

	if (from == -1)
		return complain(file, errno);
	to = memfd_create("svipd.conf", MFD_CLOEXEC);
	if (to == -1) {
		close(from);
		return complain("memory", errno);
	}
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n) {
			n = -1;
			break;
		}
	}
	if (n < 0 || lseek(to, 0, SEEK_SET) == -1) {
		complain(file, errno);
		close(to);
		to = -1;
	}
	close(from);
	return to;
}

static bool
has_version(int fd)
{
	char begin[VERSION_LINE_MAX];
	ssize_t n = pread(fd, begin, sizeof(begin), 0);
	struct version v;

	version_read(begin, n > 0 ? (size_t)n : 0, &v);
	return v.text > 0;
}

static enum out_colour
colour_of(const char *verdict)
{
	if (strcmp(verdict, "done") == 0 || strcmp(verdict, "agrees") == 0)
		return OUT_GOOD;
	return strcmp(verdict, "absent") == 0 || strcmp(verdict, "not-asked") == 0 ? OUT_WARN
	                                                                           : OUT_BAD;
}

/* "FILE:LINE: text" of a node, in the lines of the file that was given: it has no version's line, or one. */
static void
show_report(const char *node, const char *line, int shift)
{
	for (size_t len; *line != '\0'; line += len + (line[len] == '\n')) {
		const char *at = strchr(line, ':');
		int n = 0, used = 0;

		len = strcspn(line, "\n");
		if (*line == '/' && at != NULL && at < line + len &&
		    sscanf(at, ":%d: %n", &n, &used) == 1 && used > 0)
			printf("%s: line %d: %.*s\n", node, n - shift,
			    (int)(line + len - at - used), at + used);
		else
			printf("%s: %.*s\n", node, (int)len, line);
	}
}

/* A table: node, verdict; then the lines of each node's report. */
static void
show(const json_t *answer, int shift)
{
	static const char *const heads[] = { "NODE", "VERDICT", NULL };
	const json_t *all = json_object_get(answer, "nodes"), *node;
	struct out_table t;
	struct out o;
	size_t i;

	out_init(&o);
	out_table_init(&t, heads);
	json_array_foreach(all, i, node)
	{
		struct out_row *r = out_table_row(&t);
		const char *verdict = field_text(node, "verdict", "?");

		out_cell(r, 0, OUT_PLAIN, "%s", field_text(node, "node", "?"));
		out_cell(r, 1, colour_of(verdict), "%s", verdict);
	}
	out_table_write(&o, &t);
	json_array_foreach(all, i, node)
	    show_report(field_text(node, "node", "?"), field_text(node, "report", ""), shift);
}

static int
judge(const json_t *answer, const char *text, bool json, int shift)
{
	bool fine = field_true(answer, "ok") && !field_true(answer, "running");

	if (json) {
		puts(text);
		return fine ? DONE : FAILED;
	}
	if (json_object_get(answer, "nodes") != NULL)
		show(answer, shift);
	if (fine)
		printf(
		    "configuration %lld is in force\n", (long long)field_int(answer, "serial", 0));
	else
		fprintf(stderr, "svipctl: %s\n",
		    field_true(answer, "running")
		        ? "it is still under way"
		        : field_text(answer, "message", "the answer can't be read"));
	return fine ? DONE : FAILED;
}

static int
give(const char *socket, bool json, int fd, int shift, int n, char *const *absent)
{
	char why[CLIENT_WHY_MAX], line[LINE_MAX_BYTES], *text;
	const struct wait w = {
		.line = line, .progress = "config-apply progress", .file = fd, .limit_ms = LIMIT_MS
	};
	int len = snprintf(line, sizeof(line), "config-apply"), status;
	json_t *answer;

	for (int i = 0; i < n && len < (int)sizeof(line); i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %s", absent[i]);
	answer = wait_for_end(socket, &w, &text, why);
	if (text == NULL) {
		fprintf(stderr, "svipctl: %s\n", why);
		return FAILED;
	}
	status = judge(answer, text, json, shift);
	json_decref(answer);
	free(text);
	return status;
}

int
apply(const char *socket, bool json, const char *file, int n, char *const *absent)
{
	int fd = copy(file), status;

	if (fd == -1)
		return FAILED;
	status = give(socket, json, fd, has_version(fd) ? 0 : 1, n, absent);
	close(fd);
	return status;
}

int
rollback(const char *socket, bool json, int n, char *const *absent)
{
	char why[CLIENT_WHY_MAX], old[PATH_MAX_BYTES],
	    *text = client_ask(socket, "config-apply progress", LIMIT_S, why);
	json_t *answer = text != NULL ? json_loads(text, 0, NULL) : NULL;

	if (answer == NULL) {
		fprintf(stderr, "svipctl: %s\n", text == NULL ? why : "the answer can't be read");
		free(text);
		return FAILED;
	}
	snprintf(old, sizeof(old), "%s.old", field_text(answer, "file", ""));
	json_decref(answer);
	free(text);
	return apply(socket, json, old, n, absent);
}
