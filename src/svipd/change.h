/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two configurations at once, as settings: what the core and the hands need while the nodes go from one to the next (core.h,
 * core_change(); doc/SAFETY.md, "Changes"). Arithmetic on lists; knows no file, no core and no hand.
 *
 * Sentinels and nodes are known by their places, and keep them while they are in force: so settings in force aren't sorted.
 */
#ifndef SVIPD_CHANGE_H
#define SVIPD_CHANGE_H

#include <svip/core.h>
#include <svip/settings.h>

/* What can only be changed by going through both. NULL: nothing. */
const char *change_what(const struct settings *, const struct settings *);

/* What next can't be together with such a change. NULL: it can. */
const char *change_alone(const struct settings *now, const struct settings *next);

/* The same virtual addresses, in any order. */
bool change_same_addresses(const struct set_instance *, const struct set_instance *);

/* The same Sentinels and nodes, in the places that they have. False: they aren't the same. */
bool change_arrange(struct settings *, const struct settings *like);

/*
 * Both together, malloc'd: next, with the Sentinels and nodes of both (those of now first, in their places), the smaller lease, poll and guard, and
 * now's digest_safety. A node that next hasn't stays as it is. NULL: why says what stands against it.
 */
struct settings *change_both(
    const struct settings *now, const struct settings *next, const char **why);

/* For core_change(): the lists. The rest of the numbers is the caller's. */
void change_lists(const struct settings *both, const struct settings *next, struct core_next *);

/* Those of `both` that next has, in their order; into next. */
void change_keep(const struct settings *both, struct settings *next);

/* Nodes of next's first line that aren't this one, by their places in both. -1 in *stranger: all are known; else which isn't. */
uint32_t change_absent(const struct settings *both, const struct settings *next, int *stranger);

#endif
