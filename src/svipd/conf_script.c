/* SPDX-License-Identifier: BSD-2-Clause */
/* Notify scripts' keys into settings; refuses what somebody else could put other commands into. Runs nothing. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_in.h"

static bool
trusted(const struct conf_loader *l, const struct stat *st)
{
	return st->st_uid == 0 || (l->user_known && st->st_uid == l->uid);
}

/* NULL, or why a folder is not safe. */
static const char *
folder_fault(const struct conf_loader *l, const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir ? 1 : 0] = '\0';
	if (stat(dir, &st) != 0)
		return "is in a folder that can't be looked at";
	if (!trusted(l, &st))
		return "is in a folder that belongs neither to root nor to the service's user";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "is in a folder that others may write: chmod go-w the folder";
	return NULL;
}

static const char *
script_fault(const struct conf_loader *l, const char *path)
{
	char real[PATH_MAX];
	const char *why;
	struct stat st;

	if (realpath(path, real) == NULL || stat(real, &st) != 0)
		return errno == ENOENT ? "is not there" : "can't be looked at";
	if (!S_ISREG(st.st_mode))
		return "is not a file";
	if ((st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return "is not executable: chmod +x";
	if (!trusted(l, &st))
		return "belongs neither to root nor to the service's user";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "may be written by others: chmod go-w";
	why = folder_fault(l, real);
	return why != NULL ? why : folder_fault(l, path);
}

static void
read_script(
    struct conf_loader *l, const struct conf_block *b, const char *key, char out[SET_PATH_MAX])
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, key, &e);
	const char *why = NULL;

	if (v == NULL)
		return;
	if (v->text[0] != '/')
		why = "is not an absolute path, without arguments";
	else if (l->host != NULL)
		why = script_fault(l, v->text);
	if (why != NULL)
		conf_wrong(l, e, v, why);
	snprintf(out, SET_PATH_MAX, "%s", v->text);
}

void
conf_scripts_read(struct conf_loader *l, const struct conf_block *b, struct set_scripts *out)
{
	read_script(l, b, "notify", out->any);
	read_script(l, b, "notify-master", out->master);
	read_script(l, b, "notify-backup", out->backup);
	read_script(l, b, "notify-fault", out->fault);
}
