/* SPDX-License-Identifier: BSD-2-Clause */
/* Two rings: transitions and steps. Must not allocate or judge. */
#include "history.h"

#include <stddef.h>

void
history_add(struct history *h, const struct history_entry *e)
{
	h->entry[h->count++ % HISTORY_MAX] = *e;
}

const struct history_entry *
history_get(const struct history *h, int back)
{
	if (back < 0 || back >= HISTORY_MAX || (uint64_t)back >= h->count)
		return NULL;
	return &h->entry[(h->count - 1 - (uint64_t)back) % HISTORY_MAX];
}

void
history_note(struct history *h, const struct history_note *n)
{
	h->note[h->notes++ % HISTORY_MAX] = *n;
}

const struct history_note *
history_noted(const struct history *h, int back)
{
	if (back < 0 || back >= HISTORY_MAX || (uint64_t)back >= h->notes)
		return NULL;
	return &h->note[(h->notes - 1 - (uint64_t)back) % HISTORY_MAX];
}

const char *
history_step_word(enum history_step step)
{
	static const char *const words[HISTORY_STEPS] = {
		[STEP_TRIES] = "failover-tried",
		[STEP_ELECTED] = "failover-begun",
		[STEP_ABORTED] = "failover-given-up",
		[STEP_SWITCHED] = "master-switched",
		[STEP_WRITES_WAIT] = "writes-wait",
		[STEP_WRITES_GO_ON] = "writes-go-on",
		[STEP_RELEASED] = "released",
		[STEP_TAKEN] = "taken",
		[STEP_ANNOUNCED] = "announced",
	};

	return words[step];
}
