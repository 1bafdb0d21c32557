/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up privileges by libcap-ng. Must fail rather than go on with more than asked for. */
#define _GNU_SOURCE /* getresuid */
#include "priv.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct identity {
	const char *name;
	uid_t uid;
	gid_t gid;
};

static int
fail(int error, char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s: %s", what, strerror(error));
	return -error;
}

static bool
given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int
find_identity(const char *user, const char *group, struct identity *id, char *why, size_t size)
{
	struct passwd *pw;
	struct group *gr;

	*id = (struct identity){ .name = user, .uid = geteuid(), .gid = getegid() };
	if (given(user)) {
		pw = getpwnam(user);
		if (pw == NULL) {
			snprintf(why, size, "user \"%s\" does not exist", user);
			return -ENOENT;
		}
		id->uid = pw->pw_uid;
		if (geteuid() == 0)
			id->gid = pw->pw_gid;
	}
	if (given(group)) {
		gr = getgrnam(group);
		if (gr == NULL) {
			snprintf(why, size, "group \"%s\" does not exist", group);
			return -ENOENT;
		}
		id->gid = gr->gr_gid;
	}
	return 0;
}

/* For ever: neither set-uid programs nor file capabilities give anything back. Ambient capabilities
 * (systemd's way) would survive an exec. */
static int
close_doors(char *why, size_t size)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(errno, why, size, "no_new_privs");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return fail(errno, why, size, "ambient capabilities");
	return 0;
}

/* A process keeps nothing, or two capabilities. */
struct keep {
	bool some;
	unsigned a, b;
};

static const struct keep nothing = { .some = false },
                         network = { true, CAP_NET_ADMIN, CAP_NET_RAW },
                         files = { true, CAP_DAC_OVERRIDE, CAP_CHOWN };

static void
choose(const struct keep *k)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (k->some)
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, k->a, k->b, -1);
}

/* Trust is good: asks the kernel what this process has now. */
static int
verify(const struct identity *id, const struct keep *keep, char *why, size_t size)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return fail(errno, why, size, "own identity");
	if (ruid != id->uid || euid != id->uid || suid != id->uid || rgid != id->gid ||
	    egid != id->gid || sgid != id->gid) {
		snprintf(
		    why, size, "still uid %ld, gid %ld after the drop", (long)euid, (long)egid);
		return -EPERM;
	}
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() < 0)
		return fail(EPERM, why, size, "own capabilities");
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool wanted = keep->some && (cap == keep->a || cap == keep->b);
		bool effective = capng_have_capability(CAPNG_EFFECTIVE, cap);
		bool permitted = capng_have_capability(CAPNG_PERMITTED, cap);

		if (effective == wanted && permitted == wanted &&
		    !capng_have_capability(CAPNG_INHERITABLE, cap))
			continue;
		snprintf(why, size, "capability %s %s after the drop",
		    capng_capability_to_name(cap), wanted ? "is missing" : "is still there");
		return -EPERM;
	}
	return 0;
}

static int
drop_from_root(
    const struct identity *id, const struct keep *keep, bool groups, char *why, size_t size)
{
	capng_flags_t flags = groups ? CAPNG_INIT_SUPP_GRP : CAPNG_DROP_SUPP_GRP;
	int rc;

	/* Beside no_new_privs the bounding set is a second lock; a container may have taken CAP_SETPCAP. */
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		flags |= CAPNG_CLEAR_BOUNDING;
	choose(keep);
	rc = capng_change_id((int)id->uid, (int)id->gid, flags);
	if (rc != 0) {
		snprintf(why, size, "cannot become %s (libcap-ng %d): %s", id->name, rc,
		    strerror(errno));
		return -EPERM;
	}
	return 0;
}

static int
drop(const struct identity *id, const struct keep *keep, bool groups, char *why, size_t size)
{
	int rc;

	if (geteuid() == 0) {
		rc = drop_from_root(id, keep, groups, why, size);
		if (rc < 0)
			return rc;
	} else {
		if (id->uid != geteuid()) {
			snprintf(why, size, "only root can become user \"%s\"; this is uid %ld",
			    id->name, (long)geteuid());
			return -EPERM;
		}
		choose(keep);
		if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
			snprintf(why, size, "%s",
			    keep->some ? "CAP_NET_ADMIN and CAP_NET_RAW are needed: start as root, "
			                 "or with "
			                 "AmbientCapabilities= under systemd"
			               : "capabilities cannot be dropped");
			return -EPERM;
		}
	}
	rc = close_doors(why, size);
	return rc < 0 ? rc : verify(id, keep, why, size);
}

int
priv_drop(const char *user, const char *group, char *why, size_t size)
{
	struct identity id;
	int rc = find_identity(user, group, &id, why, size);

	return rc < 0 ? rc : drop(&id, &network, false, why, size);
}

int
priv_drop_all(const char *user, char *why, size_t size)
{
	struct identity id;
	int rc = find_identity(user, NULL, &id, why, size);

	return rc < 0 ? rc : drop(&id, &nothing, true, why, size);
}

int
priv_drop_files(char *why, size_t size)
{
	struct identity id;
	int rc = find_identity(NULL, NULL, &id, why, size);

	return rc < 0 ? rc : drop(&id, geteuid() == 0 ? &files : &nothing, false, why, size);
}

int
priv_directory(const char *file, const char *user, const char *group, char *why, size_t size)
{
	const char *slash = strrchr(file, '/');
	struct identity id;
	char path[512];
	int rc;

	if (slash == NULL || slash == file || (size_t)(slash - file) >= sizeof(path))
		return 0;
	memcpy(path, file, (size_t)(slash - file));
	path[slash - file] = '\0';
	if (mkdir(path, 0755) < 0) {
		if (errno == EEXIST)
			return 0;
		snprintf(why, size, "directory %s: %s", path, strerror(errno));
		return -errno;
	}
	rc = find_identity(user, group, &id, why, size);
	if (rc == 0 && (chmod(path, 0755) < 0 || chown(path, id.uid, id.gid) < 0))
		rc = fail(errno, why, size, path);
	return rc;
}
