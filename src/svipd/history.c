/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of transitions. Must not allocate or judge. */
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
