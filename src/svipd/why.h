/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why an instance is in its state: one English sentence with the numbers of the rule that decides.
 * Pure: reads facts, writes text.
 */
#ifndef SVIPD_WHY_H
#define SVIPD_WHY_H

#include "report.h"

enum { WHY_TEXT_MAX = 1024 };

/* What a sentence is about. index: of core->inst; conf: the same instance in the settings. */
struct why_about {
	const struct core *core;
	const struct settings *settings;
	const struct report_input *input;
	const struct set_instance *conf;
	int index;
};

/* The sentence, printable ASCII, without a full stop. Returns out. */
const char *why_text(const struct why_about *, char out[WHY_TEXT_MAX]);

/* What a person can do about it; NULL: nothing needs to be done. Returns out otherwise. */
const char *why_next(const struct why_about *, char out[WHY_TEXT_MAX]);

#endif
