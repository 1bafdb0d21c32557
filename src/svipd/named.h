/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom most of the Sentinels name, for people to read. Decides nothing: that is the core's. */
#ifndef SVIPD_NAMED_H
#define SVIPD_NAMED_H

#include <svip/core.h>

/* One master at one epoch, as said by fresh views (asked within the last lease). */
struct named {
	int count; /* Sentinels that say so; 0: none says anything, and the rest is void */
	int up;    /* those among them that don't see it down: they confirm it */
	bool me;   /* it is this node */
	uint64_t epoch;
	struct svip_host master;
};

/* The one that most Sentinels name; of two that are level, that of the greater epoch. */
void named_most(const struct core *, int instance, svip_ms now, struct named *);

/* True when the view's question was asked within the last lease. */
bool named_fresh(const struct core *, const struct instance *, const struct view *, svip_ms now);

#endif
