/* SPDX-License-Identifier: BSD-2-Clause */
/* The last transitions of all instances, for `svipctl history`. Plain data; knows no clock. */
#ifndef SVIPD_HISTORY_H
#define SVIPD_HISTORY_H

#include <svip/core.h>

enum { HISTORY_MAX = 128 };

struct history_entry {
	int64_t wall_ms;          /* since 1970, as the wall clock was then */
	char name[SVIP_NAME_MAX]; /* of the instance, which a reload may have taken away since */
	enum core_state from, to;
	enum core_reason reason;
	uint64_t epoch;    /* of the hold, or the highest seen; 0: none */
	svip_ms waited_ms; /* spent in `from` */
};

struct history {
	uint64_t count; /* ever added; the last HISTORY_MAX are kept */
	struct history_entry entry[HISTORY_MAX];
};

void history_add(struct history *, const struct history_entry *);

/* The entry `back` steps before the newest (0: the newest); NULL: not kept. */
const struct history_entry *history_get(const struct history *, int back);

#endif
