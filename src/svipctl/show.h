/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's answers as text for people, one function for each kind of answer. Pure but for o->file. */
#ifndef SVIPCTL_SHOW_H
#define SVIPCTL_SHOW_H

#include <jansson.h>

#include "out.h"

/* name: the NAME that was asked for; NULL: none. */
typedef void show_answer(const struct out *, const json_t *answer, const char *name);

show_answer show_status; /* with NAME: all about it */
show_answer show_peers;
show_answer show_sentinels;
show_answer show_why;
show_answer show_history;
show_answer show_message; /* reload, maintenance */

enum { SHOW_PROBLEM_MAX = 1280 };

/* The worst problem, the first of these; colour OUT_PLAIN: there is none. */
struct show_worst {
	enum out_colour colour;
	char text[SHOW_PROBLEM_MAX];
};

/* What is wrong, each with the next step, before anything else; nothing when all is well. worst may be NULL. */
void show_problems(const struct out *, const json_t *answer, struct show_worst *worst);

#endif
