/* SPDX-License-Identifier: BSD-2-Clause */
/* The workshop of why.c: a sentence being written, and the parts that several reasons share. */
#ifndef SVIPD_SENTENCE_H
#define SVIPD_SENTENCE_H

#include "why.h"

enum { SENTENCE_LIST_MAX = 4 }; /* nodes or Sentinels named one by one */

/* A sentence being written. */
struct sentence {
	const struct why_about *about;
	const struct core *core;
	const struct instance *in;
	svip_ms now;
	int confirmations; /* Sentinels that confirm this node ... */
	uint64_t epoch;    /* ... at this epoch */
	int n, m;          /* Sentinels, and how many make a majority */
	char *out;         /* WHY_TEXT_MAX bytes; what doesn't fit is cut off */
	size_t len;
};

void sentence_put(struct sentence *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sentence_age(struct sentence *, svip_ms);
void sentence_node(struct sentence *, int node); /* index of settings->node */
void sentence_host(struct sentence *, const struct svip_host *);
/* Without the port, unless two Sentinels live on one host. index of settings->sentinel */
void sentence_sentinel(struct sentence *, int sentinel);

/* "; 10.0.0.12 names 10.0.0.13:6379 at epoch 41; 10.0.0.13 has never answered (timeout)": the Sentinels
 * that don't confirm this node, one by one. silent_only: those without a fresh word. */
void sentence_dissent(struct sentence *, bool silent_only);

/* "1 of 3 Sentinels names this node at epoch 8" */
void sentence_confirmations(struct sentence *);

/* "named at epoch 8 by 3 of 3 Sentinels" */
void sentence_named(struct sentence *);

/* True when the host is one of the virtual addresses. */
bool sentence_virtual(const struct settings *, const struct svip_host *);

#endif
