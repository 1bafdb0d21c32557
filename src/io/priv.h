/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Privileges: everything but CAP_NET_ADMIN and CAP_NET_RAW is given up, for good.
 * The only file that may use libcap-ng. Must never go on with more than it was asked to keep.
 */
#ifndef IO_PRIV_H
#define IO_PRIV_H

#include <stddef.h>

/*
 * The daemon's own drop: becomes user and group, without supplementary groups, keeps CAP_NET_ADMIN and
 * CAP_NET_RAW, sets no_new_privs, empties the bounding set. Started as another user than root (systemd's
 * User=) it must already be `user` and have both capabilities; the rest is dropped.
 * group NULL or "": the user's own. 0 or -errno; then `why` says what could not be done: do not go on.
 */
int priv_drop(const char *user, const char *group, char *why, size_t size);

/*
 * For what runs scripts: becomes `user` with its groups and no capability at all. user NULL or "": as it
 * is. Only root can become somebody else; 0 or -errno, and `why`.
 */
int priv_drop_all(const char *user, char *why, size_t size);

/* For what keeps the configuration's file: stays who it is, and keeps CAP_DAC_OVERRIDE and CAP_CHOWN if it is root. 0 or -errno, and `why`. */
int priv_drop_files(char *why, size_t size);

/*
 * Makes the directory of `file` (one level, 0755, owned by user and group) unless it is there.
 * For /run/svipd, whose content is gone after a boot. 0 or -errno, and `why`.
 */
int priv_directory(const char *file, const char *user, const char *group, char *why, size_t size);

#endif
