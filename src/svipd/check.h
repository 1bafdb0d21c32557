/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the self-test and the running daemon show, as a table for people: ok, degraded or missing, and what to do. Changes
 * nothing; does no probe itself.
 */
#ifndef SVIPD_CHECK_H
#define SVIPD_CHECK_H

#include <jansson.h>

#include <svip/core.h>
#include <svip/settings.h>

#include "io/selftest.h"
#include "io/steady.h"

enum check_verdict { CHECK_OK, CHECK_DEGRADED, CHECK_MISSING };

enum { CHECK_TEXT_MAX = 256, CHECK_ROWS_MAX = 16 + SVIP_NODES_MAX };

struct check_row {
	const char *name;
	enum check_verdict verdict;
	char detail[CHECK_TEXT_MAX];
	const char *remedy; /* NULL: nothing to do */
};

/* What is looked at. group_ms[i]: ms since node i was last heard by multicast; negative: never. */
struct check_input {
	const struct settings *set;
	const struct core *core;
	const struct selftest *test;
	const struct steady *steady;
	bool fenced;
	svip_ms now;
	const svip_ms *group_ms;
	const char *end_error;    /* of an instance whose Redis would end no connections; NULL: none */
	const char *writes_error; /* of an instance whose Redis would hold no writes; NULL: none */
};

/* Fills rows; returns how many. */
int check_rows(const struct check_input *, struct check_row rows[CHECK_ROWS_MAX]);

const char *check_word(enum check_verdict);

/* {"running":…,"age_ms":…,"verdict":…,"checks":[{"name","verdict","detail","remedy"}]} */
json_t *check_json(const struct check_input *);

#endif
