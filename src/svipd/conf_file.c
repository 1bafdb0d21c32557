/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the configuration's files: regular ones only, of bounded size, number and depth, each once.
 * Must never block on what it opens, and looks at no content.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_in.h"

long
conf_slurp_fd(int fd, char *buf, size_t max)
{
	size_t n = 0;
	char more;

	for (;;) {
		ssize_t got = n < max ? read(fd, buf + n, max - n) : read(fd, &more, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		if (n == max)
			return -EFBIG;
		n += (size_t)got;
	}
	buf[n] = '\0';
	return (long)n;
}

long
conf_slurp(const char *name, char *buf, size_t max, void *stat_out)
{
	struct stat st;
	long n;
	int fd;

	/* Looked at before it is opened: to open a device can do something, and a pipe would wait. */
	if (stat(name, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		n = -errno;
	else if (!S_ISREG(st.st_mode))
		n = -EINVAL;
	else
		n = conf_slurp_fd(fd, buf, max);
	close(fd);
	if (stat_out != NULL)
		memcpy(stat_out, &st, sizeof(st));
	return n;
}

/* A complaint about a file that can't be read: at the include that names it, else about the file itself. */
static void __attribute__((format(printf, 4, 5)))
refuse(struct conf_tree *t, int by_file, int by_line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vsay(t->report, CONF_FAULT, by_file, t->file[by_file].name, by_line,
	    by_line > 0 ? "include" : NULL, fmt, ap);
	va_end(ap);
}

/* The same file under any name must not be read twice: its keys would all be given twice. */
static bool
is_new(struct conf_tree *t, const struct conf_file *f, int by_file, int by_line)
{
	for (int i = 0; i < t->n_files; i++) {
		const struct conf_file *o = &t->file[i];

		if (f != o && o->text != NULL && o->device == f->device && o->inode == f->inode) {
			refuse(t, by_file, by_line, "\"%s\" has been read already%s", f->name,
			    strcmp(o->name, f->name) == 0 ? "" : " under another name");
			return false;
		}
	}
	return true;
}

void
conf_file_add(struct conf_tree *t, const char *name, int by_file, int by_line)
{
	struct conf_file *f = &t->file[t->n_files], small;
	struct stat st;
	long n;

	if (t->n_files == CONF_FILES_MAX) {
		refuse(t, by_file, by_line, "more than %d files; \"%s\" is one too many",
		    CONF_FILES_MAX, name);
		return;
	}
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", name);
	if (strlen(name) >= sizeof(f->name)) {
		refuse(t, by_file, by_line, "the path \"%s\" is longer than %d bytes", name,
		    SET_PATH_MAX - 1);
		return;
	}
	f->depth = by_line == 0 ? 0 : t->file[by_file].depth + 1;
	f->text = malloc(CONF_SIZE_MAX + 1);
	if (f->text == NULL) {
		refuse(t, by_file, by_line, "\"%s\": out of memory", name);
		return;
	}
	n = conf_slurp(name, f->text, CONF_SIZE_MAX, &st);
	if (n == -EFBIG)
		refuse(t, by_file, by_line, "\"%s\" is larger than %d bytes", name, CONF_SIZE_MAX);
	else if (n == -EINVAL)
		refuse(t, by_file, by_line, "\"%s\" is not a regular file", name);
	else if (n < 0)
		refuse(t, by_file, by_line, "\"%s\" can't be read: %s", name, strerror((int)-n));
	if (n >= 0) {
		f->device = st.st_dev;
		f->inode = st.st_ino;
		f->size = (size_t)n;
	}
	if (n < 0 || !is_new(t, f, by_file, by_line)) {
		free(f->text);
		f->text = NULL;
		return;
	}
	small = *f;
	small.text = realloc(f->text, f->size + 1);
	if (small.text != NULL)
		f->text = small.text;
	t->n_files++;
}

/* A relative pattern counts from the folder of the file that has it. What is special to glob(3) in the
 * name of that folder is meant as it stands. */
static void
full_pattern(const char *file, const char *text, char *out, size_t size)
{
	const char *slash = text[0] == '/' ? NULL : strrchr(file, '/');
	size_t n = 0;

	for (const char *p = file; slash != NULL && p <= slash; p++) {
		if (strchr("*?[\\", *p) != NULL)
			out[n++] = '\\';
		out[n++] = *p;
	}
	snprintf(out + n, size - n, "%s", text);
}

static void
include_pattern(struct conf_tree *t, int file, const struct conf_value *v)
{
	char pattern[2 * SET_PATH_MAX + CONF_WORD_MAX + 1];
	glob_t found;
	int rc;

	full_pattern(t->file[file].name, v->text, pattern, sizeof(pattern));
	rc = glob(pattern, 0, NULL, &found);
	if (rc == GLOB_NOMATCH) {
		/* a folder may be empty; a file that is named must be there */
		if (strpbrk(v->text, "*?[") == NULL)
			conf_fault(
			    t, file, v->line, "include", "\"%s\": there is no such file", v->text);
		return;
	}
	if (rc != 0) {
		conf_fault(t, file, v->line, "include", "\"%s\" can't be searched", v->text);
		return;
	}
	if (found.gl_pathc > CONF_FILES_MAX)
		conf_fault(t, file, v->line, "include", "\"%s\" means %zu files; %d is the most",
		    v->text, (size_t)found.gl_pathc, CONF_FILES_MAX);
	for (size_t i = 0; i < found.gl_pathc && found.gl_pathc <= CONF_FILES_MAX; i++)
		conf_file_add(t, found.gl_pathv[i], file, v->line);
	globfree(&found);
}

void
conf_file_includes(struct conf_tree *t, int file)
{
	for (const struct conf_entry *e = t->global.first; e != NULL; e = e->next) {
		if (e->file != file || e->spoilt || strcmp(e->key->name, "include") != 0)
			continue;
		if (t->file[file].depth == CONF_DEPTH_MAX) {
			conf_fault(t, file, e->line, "include",
			    "files are included more than %d deep", CONF_DEPTH_MAX);
			continue;
		}
		for (int i = 0; i < e->n; i++)
			include_pattern(t, file, &e->value[i]);
	}
}
