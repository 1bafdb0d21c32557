/* SPDX-License-Identifier: BSD-2-Clause */
/* The last transitions of all instances, and the steps between them, for `svipctl history`. Plain data; knows no clock. */
#ifndef SVIPD_HISTORY_H
#define SVIPD_HISTORY_H

#include <svip/core.h>

enum { HISTORY_MAX = 128 };

struct history_entry {
	int64_t wall_us;          /* since 1970, as the wall clock was then */
	char name[SVIP_NAME_MAX]; /* of the instance, which a reload may have taken away since */
	enum core_state from, to;
	enum core_reason reason;
	uint64_t epoch;    /* of the hold, or the highest seen; 0: none */
	svip_ms waited_ms; /* spent in `from` */
};

/* What happened on the way from one state to another. */
enum history_step {
	STEP_TRIES,    /* a Sentinel wants to fail over, or was told to */
	STEP_ELECTED,  /* and is the one that may */
	STEP_ABORTED,  /* and has given it up */
	STEP_SWITCHED, /* a Sentinel names another master */
	STEP_WRITES_WAIT,
	STEP_WRITES_GO_ON,
	STEP_RELEASED, /* the kernel has confirmed that the addresses are gone */
	STEP_TAKEN,    /* … that they are there */
	STEP_ANNOUNCED,
	HISTORY_STEPS, /* how many */
};

struct history_note {
	int64_t wall_us;
	char name[SVIP_NAME_MAX];
	enum history_step step;
	struct svip_host who; /* the Sentinel; port 0: none */
};

struct history {
	uint64_t count; /* ever added; the last HISTORY_MAX are kept */
	struct history_entry entry[HISTORY_MAX];
	uint64_t notes;
	struct history_note note[HISTORY_MAX];
};

void history_add(struct history *, const struct history_entry *);

/* The entry `back` steps before the newest (0: the newest); NULL: not kept. */
const struct history_entry *history_get(const struct history *, int back);

void history_note(struct history *, const struct history_note *);
const struct history_note *history_noted(const struct history *, int back);
const char *history_step_word(enum history_step); /* "writes-wait", … */

#endif
