/* SPDX-License-Identifier: BSD-2-Clause */
/* The helper takes an order, carries it out, answers. Must never leave FILE in pieces, nor put in place what it hasn't checked. */
#define _GNU_SOURCE /* memfd_create, statx */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "conf_in.h"
#include "host.h"
#include "io/daemonise.h"
#include "io/log.h"
#include "io/priv.h"

struct order {
	enum keeper_order what;
	uint8_t digest[VERSION_DIGEST_LEN];
};

/* ---- the helper ---- */

static struct {
	int fd;
	const struct settings *set; /* as at the start */
	char file[PATH_MAX], new[PATH_MAX + 8], old[PATH_MAX + 8], link[PATH_MAX + 8], before[PATH_MAX + 8];
	char text[CONF_SIZE_MAX + 1];
	size_t len;
	struct conf_report report;
	struct keeper_answer answer;
} h;

static int __attribute__((format(printf, 2, 3))) fail(int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h.answer.report, sizeof(h.answer.report), fmt, ap);
	va_end(ap);
	return -error;
}

/* The file itself, wherever a link points, and its neighbours. */
static int
find_file(void)
{
	struct statx x;

	if (realpath(h.set->file, h.file) == NULL)
		return fail(errno, "%s: %s", h.set->file, strerror(errno));
	if (statx(AT_FDCWD, h.file, 0, STATX_BASIC_STATS, &x) == 0 &&
	    (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
		return fail(EBUSY,
		    "%s: is a mount by itself, and can't be replaced: mount its folder", h.file);
	snprintf(h.new, sizeof(h.new), "%s.new", h.file);
	snprintf(h.old, sizeof(h.old), "%s.old", h.file);
	snprintf(h.link, sizeof(h.link), "%s.old~", h.file);
	snprintf(h.before, sizeof(h.before), "%s.before", h.file);
	return 0;
}

static int
take_text(int fd)
{
	char path[32];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = conf_slurp(path, h.text, CONF_SIZE_MAX, NULL);
	if (n < 0)
		return fail((int)-n, "the text: %s", strerror((int)-n));
	h.len = (size_t)n;
	return 0;
}

static bool
write_all(int fd)
{
	for (size_t done = 0; done < h.len;) {
		ssize_t n = write(fd, h.text + done, h.len - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* What was sent, as `path`, with owner and mode of what it will replace. */
static int
write_beside(const char *path, const char *replaced)
{
	struct stat st;
	bool fine;
	int fd, error;

	if (stat(replaced, &st) != 0)
		return fail(errno, "%s: %s", replaced, strerror(errno));
	if (unlink(path) != 0 && errno != ENOENT)
		return fail(errno, "%s: can't be removed: %s", path, strerror(errno));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(errno, "%s: can't be made: %s%s", path, strerror(errno),
		    errno == EACCES ? " (svipd's user must be able to write the folder)" : "");
	/* As readable as it was. Only root can give a file away, and can't do anything with it after that. */
	fine = write_all(fd) && fchmod(fd, st.st_mode & 0777) == 0;
	if (fine && fchown(fd, st.st_uid, st.st_gid) != 0 && errno != EPERM)
		fine = false;
	fine = fine && fsync(fd) == 0;
	error = errno;
	close(fd);
	if (fine)
		return 0;
	unlink(path);
	return fail(error, "%s: can't be written: %s", path, strerror(error));
}

/* What only who edits the file on this host may change. */
static const char *
forbidden(const struct settings *a, const struct settings *b)
{
	if (strcmp(a->user, b->user) != 0 || strcmp(a->group_name, b->group_name) != 0)
		return "user or group";
	if (strcmp(a->script_user, b->script_user) != 0)
		return "script-user";
	return NULL;
}

static int
judge_new(void)
{
	struct conf_host host;
	struct settings *set;
	const char *what;
	FILE *out = fmemopen(h.answer.report, sizeof(h.answer.report), "w");

	if (out == NULL)
		return fail(errno, "no memory");
	host_look(&host);
	host.may_leave = true;
	set = conf_load(h.new, &host, &h.report);
	for (int i = 0; i < h.report.n; i++) { /* people know it by its own name */
		if (strcmp(h.report.message[i].file, h.new) == 0)
			snprintf(h.report.message[i].file, sizeof(h.report.message[i].file), "%s",
			    h.set->file);
	}
	conf_report_print(&h.report, out);
	fclose(out);
	if (set == NULL)
		return -EINVAL;
	what = forbidden(h.set, set);
	settings_free(set);
	if (what != NULL)
		return fail(EPERM,
		    "%s: %s: can be changed on each host alone, with a restart of svipd",
		    h.set->file, what);
	return 0;
}

static int
stage(const struct order *o, int fd)
{
	struct version v;
	int rc = take_text(fd);

	if (rc != 0)
		return rc;
	version_read(h.text, h.len, &v);
	if (v.serial == 0 || v.edited || memcmp(v.digest, o->digest, sizeof(v.digest)) != 0)
		return fail(EINVAL, "the text isn't what its first line says");
	rc = write_beside(h.new, h.file);
	if (rc != 0)
		return rc;
	rc = judge_new();
	if (rc != 0)
		unlink(h.new);
	return rc;
}

static int
sync_folder(const char *file)
{
	char path[PATH_MAX];
	int fd, rc;

	snprintf(path, sizeof(path), "%s", file);
	strrchr(path, '/')[1] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, "%s: %s", path, strerror(errno));
	rc = fsync(fd) == 0 ? 0 : fail(errno, "%s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

/* A second name for FILE, which is never missing. */
static int
keep_as(const char *name)
{
	if (unlink(h.link) != 0 && errno != ENOENT)
		return fail(errno, "%s: %s", h.link, strerror(errno));
	if (link(h.file, h.link) != 0 || rename(h.link, name) != 0)
		return fail(errno, "%s: can't be made: %s", name, strerror(errno));
	(void)unlink(h.link); /* rename(2) does nothing when both are one file */
	return 0;
}

static int
settle(void)
{
	if (unlink(h.before) != 0 && errno != ENOENT)
		return fail(errno, "%s: can't be removed: %s", h.before, strerror(errno));
	return sync_folder(h.file);
}

static int
commit(const struct order *o)
{
	struct version v;
	int rc;
	long n = conf_slurp(h.new, h.text, CONF_SIZE_MAX, NULL);

	if (n < 0)
		return fail((int)-n, "%s: %s", h.new, strerror((int)-n));
	version_read(h.text, (size_t)n, &v);
	if (memcmp(v.digest, o->digest, sizeof(v.digest)) != 0)
		return fail(ESTALE, "%s: is another one than was staged", h.new);
	rc = o->what == KEEPER_CHANGE ? keep_as(h.before) : 0;
	/* On the disk before FILE is another one. */
	if (rc == 0 && o->what == KEEPER_CHANGE)
		rc = sync_folder(h.file);
	if (rc == 0)
		rc = keep_as(h.old);
	if (rc == 0 && rename(h.new, h.file) != 0)
		rc = fail(errno, "%s: can't be replaced: %s", h.file, strerror(errno));
	return rc != 0 ? rc : sync_folder(h.file);
}

/* The daemon's word alone is no key: the text is read as one before it takes the place of what works. */
static bool
are_keys(void)
{
	char digits[2 * SVIP_KEY_LEN + 1];
	unsigned number;
	int n = 0, used;

	for (const char *at = h.text; *at != '\0'; at += used, n++) {
		used = 0;
		if (sscanf(at, "%64[0-9a-f] # key %9u\n%n", digits, &number, &used) != 2 ||
		    used == 0 || strlen(digits) != 2 * SVIP_KEY_LEN)
			return false;
	}
	return n >= 1 && n <= SET_KEYS_MAX;
}

static int
keep_keys(int fd)
{
	char file[PATH_MAX], new[PATH_MAX + 8];
	struct conf_host host;
	struct settings *set;
	int rc = take_text(fd);

	if (rc != 0)
		return rc;
	h.text[h.len] = '\0';
	if (!are_keys())
		return fail(EINVAL, "these are no keys");
	host_look(&host);
	host.may_leave = true;
	set = conf_load(h.file, &host, &h.report);
	if (set == NULL)
		return fail(EINVAL, "%s: has faults: svipd -t says which", h.file);
	if (realpath(set->key_file, file) == NULL)
		rc = fail(errno, "%s: %s", set->key_file, strerror(errno));
	settings_free(set);
	if (rc != 0)
		return rc;
	snprintf(new, sizeof(new), "%s.new", file);
	rc = write_beside(new, file);
	if (rc == 0 && rename(new, file) != 0)
		rc = fail(errno, "%s: can't be replaced: %s", file, strerror(errno));
	explicit_bzero(h.text, h.len);
	return rc != 0 ? rc : sync_folder(file);
}

static int
discard(void)
{
	if (unlink(h.new) != 0 && errno != ENOENT)
		return fail(errno, "%s: %s", h.new, strerror(errno));
	return 0;
}

static void
carry_out(const struct order *o, int fd)
{
	int rc = find_file();

	if (rc == 0) {
		switch (o->what) {
		case KEEPER_STAGE:
			rc = stage(o, fd);
			break;
		case KEEPER_COMMIT:
		case KEEPER_CHANGE:
			rc = commit(o);
			break;
		case KEEPER_SETTLE:
			rc = settle();
			break;
		case KEEPER_KEYS:
			rc = keep_keys(fd);
			break;
		case KEEPER_DISCARD:
			rc = discard();
			break;
		}
	}
	h.answer.error = -rc;
}

/* The next order, and the descriptor that came with it; false: the daemon has ended. */
static bool
next_order(struct order *o, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { o, sizeof(*o) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(h.fd, &m, MSG_CMSG_CLOEXEC) != sizeof(*o))
		return false;
	c = CMSG_FIRSTHDR(&m);
	*fd = -1;
	if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return true;
}

static _Noreturn void
serve(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };
	char why[256];
	struct order o;
	int fd;

	prctl(PR_SET_NAME, "svipd-keeper");
	/* The memory is a copy of the daemon's, keys included: no debugger, no core dump. */
	if (priv_drop_files(why, sizeof(why)) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
		_exit(1);
	/* The daemon's handlers, which this process has inherited, write into its pipe; here that number may be a file. It ends with its
	 * socket. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	umask(077);
	if (find_file() == 0)
		discard();
	while (next_order(&o, &fd)) {
		memset(&h.answer, 0, sizeof(h.answer));
		carry_out(&o, fd);
		if (fd >= 0)
			close(fd);
		if (send(h.fd, &h.answer, sizeof(h.answer), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* ---- the daemon's end ---- */

static struct {
	struct ev_loop *loop;
	ev_io readable;
	int fd; /* to the helper; -1: none */
	bool busy;
	keeper_done *done;
	void *ctx;
} k = { .fd = -1 };

int
keeper_start(const struct settings *set, char *why, size_t size)
{
	int fd[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
		rc = -errno;
		snprintf(why, size, "helper for the configuration: %s", strerror(-rc));
		return rc;
	}
	pid = fork();
	if (pid == 0) {
		h.set = set;
		h.fd = daemonise_keep_only(fd[1]);
		if (h.fd < 0)
			_exit(1);
		serve();
	}
	rc = pid < 0 ? -errno : 0;
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		snprintf(why, size, "helper for the configuration: %s", strerror(-rc));
		return rc;
	}
	k.fd = fd[0];
	return 0;
}

static void
answered(const struct keeper_answer *a)
{
	k.busy = false;
	k.done(k.ctx, a);
}

static void
on_answer(struct ev_loop *loop, ev_io *w, int revents)
{
	static struct keeper_answer a;
	ssize_t n = recv(k.fd, &a, sizeof(a), MSG_DONTWAIT);

	(void)w, (void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof(a)) {
		a.report[sizeof(a.report) - 1] = '\0';
		answered(&a);
		return;
	}
	ev_io_stop(loop, &k.readable);
	close(k.fd);
	k.fd = -1;
	log_error("configuration: the helper is gone; nothing can be applied until svipd is "
	          "started anew");
	a = (struct keeper_answer){ .error = EPIPE,
		.report = "the helper for the configuration is gone" };
	if (k.busy)
		answered(&a);
}

void
keeper_init(struct ev_loop *loop, keeper_done *done, void *ctx)
{
	k.loop = loop;
	k.done = done;
	k.ctx = ctx;
	ev_io_init(&k.readable, on_answer, k.fd, EV_READ);
	ev_set_priority(&k.readable, EV_MINPRI);
	ev_io_start(loop, &k.readable);
}

void
keeper_fini(void)
{
	if (k.fd < 0)
		return;
	ev_io_stop(k.loop, &k.readable);
	close(k.fd);
	k.fd = -1;
	k.busy = false;
}

/* In memory: no disk can make it wait. -errno, or a descriptor. */
static int
wrap(const char *text, size_t len)
{
	int fd = memfd_create("svipd.conf", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n == (ssize_t)len)
		return fd;
	close(fd);
	return n < 0 ? -errno : -ENOMEM;
}

static int
send_order(const struct order *o, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { (void *)o, sizeof(*o) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	return sendmsg(k.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*o) ? 0 : -errno;
}

int
keeper_do(
    enum keeper_order what, const uint8_t digest[VERSION_DIGEST_LEN], const char *text, size_t len)
{
	struct order o = { .what = what };
	int fd = -1, rc;

	if (k.fd < 0)
		return -EPIPE;
	if (k.busy)
		return -EBUSY;
	memcpy(o.digest, digest, sizeof(o.digest));
	if (what == KEEPER_STAGE || what == KEEPER_KEYS) {
		fd = wrap(text, len);
		if (fd < 0)
			return fd;
	}
	rc = send_order(&o, fd);
	if (fd >= 0)
		close(fd);
	k.busy = rc == 0;
	return rc;
}
