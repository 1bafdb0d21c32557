/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a successor on this host must know: which slots this process holds, at which epoch, until when. A small file
 * under /run, one record for each instance, written in place while holding; locked for as long as the process lives.
 *
 * A record counts only if it is of this boot, of this network namespace, of this node, of the same safety part of the
 * configuration, written with this cluster's key (BLAKE2b, keyed), and not over. Anything else is worthless, and the log
 * says why. Must never say that something is held which is being let go: a drop is written down before it is begun.
 */
#ifndef IO_HOLDS_H
#define IO_HOLDS_H

#include <svip/settings.h>

/*
 * Opens and locks the file (created, mode 0600) and reads what the predecessor has left. 0; -EWOULDBLOCK: another svipd
 * that lives has it; -EPERM: a link, not a file, or another user's; other -errno. After an error nothing is kept and
 * nothing can be taken over; all functions may be called all the same. Needs seal_init(). The settings aren't kept.
 */
int holds_init(const char *path, const struct settings *);
void holds_fini(void); /* leaves the file as it is: who has let everything go has said so */

/* A reload: the records that are written from now on are of this configuration. Node and lease can't have changed. */
void holds_config(const struct settings *);

/*
 * How late a release of this process may come at most: stands in each record. What was held with another guard isn't taken
 * over, for the other nodes count on what the predecessor has told them. Once, before holds_left() and holds_note().
 */
void holds_guard(svip_ms guard_ms);

/* What the predecessor held for the instance with this id. False: nothing that counts. */
bool holds_left(uint64_t id, uint64_t *epoch, svip_ms *until);

/* Holding from now on (or still), until then. */
void holds_note(uint64_t id, uint64_t epoch, svip_ms until);

/* Not holding any more: to be called before the first address is removed. */
void holds_clear(uint64_t id);

#endif
