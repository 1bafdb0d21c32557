/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users, keys and passwords. Files with secrets that others may read are refused, and no secret is ever part
 * of a message.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_in.h"

enum {
	SCRIPT_TIMEOUT_MS = 30000,
	SCRIPT_TIMEOUT_LEAST_MS = 1000,
	SCRIPT_TIMEOUT_MOST_MS = 600000,
	KEY_FILE_MAX = 4096,
};

/* ---- users ---- */

/* A user's or group's name that is written; else what is there already stays. */
static const struct conf_entry *
read_name(struct conf_loader *l, const char *key, char out[SVIP_NAME_MAX])
{
	const struct conf_entry *e = NULL;
	const struct conf_value *v = conf_one(&l->tree->global, key, &e);
	const char *why = v == NULL ? NULL : conf_value_name(v->text);

	if (v == NULL)
		return NULL;
	if (why != NULL) {
		conf_wrong(l, e, v, why);
		return NULL;
	}
	snprintf(out, SVIP_NAME_MAX, "%s", v->text);
	return e;
}

static void
read_user(struct conf_loader *l)
{
	struct settings *s = l->set;
	bool standard = l->host == NULL || getpwnam("svipd") != NULL;
	const struct conf_entry *e;
	const struct passwd *pw;

	snprintf(s->user, sizeof(s->user), "%s", standard ? "svipd" : "nobody");
	e = read_name(l, "user", s->user);
	if (l->host == NULL)
		return;
	pw = getpwnam(s->user);
	if (pw == NULL) {
		if (e != NULL)
			conf_wrong(l, e, &e->value[0], "is no user of this host");
		else
			conf_fault(l->tree, 0, 0, "user",
			    "this host has neither \"svipd\" nor \"nobody\": name one");
		return;
	}
	if (pw->pw_uid == 0 && e != NULL)
		conf_wrong(l, e, &e->value[0], "is root: svipd gives root's rights up");
	l->user_known = true;
	l->uid = pw->pw_uid;
	l->gid = pw->pw_gid;
}

static void
read_group(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct group *gr = l->host == NULL ? NULL : getgrnam("svipd");
	const struct conf_entry *e;

	if (gr == NULL && l->user_known)
		gr = getgrgid(l->gid);
	snprintf(s->group_name, sizeof(s->group_name), "%s", gr == NULL ? "svipd" : gr->gr_name);
	e = read_name(l, "group", s->group_name);
	if (l->host == NULL)
		return;
	gr = getgrnam(s->group_name);
	if (gr != NULL)
		l->gid = gr->gr_gid;
	else if (e != NULL)
		conf_wrong(l, e, &e->value[0], "is no group of this host");
}

void
conf_users_read(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct conf_entry *e;

	read_user(l);
	read_group(l);
	snprintf(s->script_user, sizeof(s->script_user), "%s", s->user);
	e = read_name(l, "script-user", s->script_user);
	if (e != NULL && l->host != NULL && getpwnam(s->script_user) == NULL)
		conf_wrong(l, e, &e->value[0], "is no user of this host");
	s->script_timeout_ms = SCRIPT_TIMEOUT_MS;
	conf_duration(l, &l->tree->global, "notify-timeout", SCRIPT_TIMEOUT_LEAST_MS,
	    SCRIPT_TIMEOUT_MOST_MS, &s->script_timeout_ms);
}

/* ---- secrets ---- */

/* NULL, or why a file's owner and mode don't keep a secret. */
static const char *
leaks(const struct conf_loader *l, const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid() && !(l->user_known && st->st_uid == l->uid))
		return "belongs to another user: chown root";
	if ((st->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)) != 0)
		return "may be read or written by others: chmod 0640";
	if ((st->st_mode & S_IRGRP) != 0 && st->st_gid != 0 &&
	    !(l->user_known && st->st_gid == l->gid))
		return "may be read by a group that is not the service's: chgrp or chmod 0600";
	return NULL;
}

/* Reads a file that keeps its secret; bytes read, or -1 when it was refused. buf has max + 1 bytes. */
static long
read_secret(struct conf_loader *l, const struct conf_entry *e, char *buf, size_t max)
{
	const struct conf_value *v = &e->value[0];
	const char *why = NULL;
	struct stat st;
	long n = conf_slurp(v->text, buf, max, &st);

	if (n == -EINVAL)
		why = "is not a regular file";
	else if (n == -EFBIG)
		why = "is too large";
	else if (n == -ENOENT && strcmp(e->key->name, "key-file") == 0)
		why = "is not there: make it with  svipctl keygen  and copy it to every node";
	else if (n < 0)
		why = strerror((int)-n);
	else if ((why = leaks(l, &st)) == NULL && n == 0)
		why = "is empty";
	else if (why == NULL && memchr(buf, '\0', (size_t)n) != NULL)
		why = "holds a zero byte";
	if (why == NULL)
		return n;
	conf_wrong(l, e, v, why);
	return -1;
}

/* One line of a key file; false: not a key. */
static bool
read_key(struct settings *s, const char *line, size_t len)
{
	size_t got;

	return sodium_hex2bin(s->key[s->n_keys], SVIP_KEY_LEN, line, len, NULL, &got, NULL) == 0 &&
	       got == SVIP_KEY_LEN && len == 2 * SVIP_KEY_LEN;
}

static uint32_t
key_number(const char *comment)
{
	unsigned n = 0;

	return sscanf(comment, "# key %9u", &n) == 1 ? n : 0;
}

static void
read_keys(struct conf_loader *l, const struct conf_entry *e, const char *text)
{
	struct settings *s = l->set;
	int line = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), used = len, hash = strcspn(text, "#\n");

		line++;
		if (hash < used)
			used = hash;
		while (used > 0 && strchr(" \t\r", text[used - 1]) != NULL)
			used--;
		if (used > 0 && s->n_keys == SET_KEYS_MAX) {
			conf_fault(l->tree, e->file, e->value[0].line, "key-file",
			    "line %d of \"%s\": more than %d keys", line, e->value[0].text,
			    SET_KEYS_MAX);
			return;
		}
		if (used > 0 && !read_key(s, text, used)) {
			conf_fault(l->tree, e->file, e->value[0].line, "key-file",
			    "line %d of \"%s\" is not a key of 64 hexadecimal digits (svipctl "
			    "keygen makes one)",
			    line, e->value[0].text);
			return;
		}
		if (used > 0)
			s->key_number[s->n_keys++] = key_number(text + hash);
		text += len + (text[len] == '\n');
	}
	if (s->n_keys == 0)
		conf_fault(l->tree, e->file, e->value[0].line, "key-file", "\"%s\" holds no key",
		    e->value[0].text);
	if (s->n_keys == 2 && sodium_memcmp(s->key[0], s->key[1], SVIP_KEY_LEN) == 0)
		conf_warn(l->tree, e->file, e->value[0].line, "key-file",
		    "\"%s\" holds the same key twice", e->value[0].text);
}

static void
read_key_file(struct conf_loader *l)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "key-file", &e);
	char text[KEY_FILE_MAX + 1];

	if (conf_missing(&l->tree->global, "key-file"))
		conf_fault(l->tree, 0, 1, "key-file",
		    "is missing:  key-file = \"/etc/svipd/key\"  (svipctl keygen makes one)");
	if (v == NULL)
		return;
	if (v->text[0] != '/') {
		conf_wrong(l, e, v, "is not an absolute path");
		return;
	}
	snprintf(l->set->key_file, sizeof(l->set->key_file), "%s", v->text);
	if (l->host != NULL && read_secret(l, e, text, KEY_FILE_MAX) > 0)
		read_keys(l, e, text);
	sodium_memzero(text, sizeof(text));
}

static void
read_auth(struct conf_loader *l, const char *user_key, const char *file_key, struct set_auth *auth)
{
	const struct conf_entry *e, *user = conf_get(&l->tree->global, user_key);
	const struct conf_value *v = conf_one(&l->tree->global, user_key, &e);

	if (v != NULL && (*v->text == '\0' || strlen(v->text) >= sizeof(auth->user) ||
	                     strpbrk(v->text, " \t") != NULL))
		conf_wrong(l, e, v, "can't be the name of a Redis user");
	else if (v != NULL)
		snprintf(auth->user, sizeof(auth->user), "%s", v->text);
	if (user != NULL && conf_missing(&l->tree->global, file_key))
		conf_fault(l->tree, user->file, user->line, user_key, "needs %s, too", file_key);
	v = conf_one(&l->tree->global, file_key, &e);
	if (v == NULL)
		return;
	if (v->text[0] != '/') {
		conf_wrong(l, e, v, "is not an absolute path");
		return;
	}
	snprintf(auth->file, sizeof(auth->file), "%s", v->text);
	if (l->host == NULL || read_secret(l, e, auth->password, sizeof(auth->password) - 1) < 0) {
		sodium_memzero(auth->password, sizeof(auth->password));
		return;
	}
	auth->password[strcspn(auth->password, "\r\n")] = '\0';
	if (auth->password[0] == '\0')
		conf_wrong(l, e, v, "has an empty first line: the password stands there");
}

void
conf_secrets_read(struct conf_loader *l)
{
	read_key_file(l);
	read_auth(l, "sentinel-user", "sentinel-password-file", &l->set->sentinel_auth);
	read_auth(l, "redis-user", "redis-password-file", &l->set->redis_auth);
}
