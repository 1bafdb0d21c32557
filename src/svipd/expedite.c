/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts refusals, and asks once. A Redis that can't be heard is not a Redis that is gone: only a refusal is counted. */
#include "expedite.h"

bool
expedite_tried(struct expedite *e, bool refused, svip_ms limit_ms, svip_ms now)
{
	if (!refused) {
		e->n = 0;
		return false;
	}
	if (e->n == 0 || now - e->last > EXPEDITE_GAP_MS) {
		e->since = now;
		e->n = 0;
	}
	e->last = now;
	if (e->n < EXPEDITE_REFUSALS)
		e->n++;
	return limit_ms > 0 && e->n == EXPEDITE_REFUSALS && now - e->since >= limit_ms;
}

bool
expedite_begin(struct expedite *e, uint64_t epoch, svip_ms now)
{
	if (e->begun && e->epoch == epoch)
		return false;
	e->begun = true;
	e->epoch = epoch;
	e->asking = true;
	e->out = false;
	e->asked = 0;
	e->tried = 0;
	e->again = now;
	e->until = now + EXPEDITE_ASK_FOR_MS;
	return true;
}

void
expedite_end(struct expedite *e)
{
	e->asking = false;
}

int
expedite_ask(struct expedite *e, const bool *usable, int n, svip_ms now)
{
	if (e->asking && now >= e->until)
		e->asking = false;
	if (!e->asking || e->out || now < e->again)
		return -1;
	for (int i = 0; i < n; i++) {
		if (!usable[i] || (e->tried & 1u << i) != 0)
			continue;
		e->out = true;
		e->sentinel = i;
		e->asked++;
		return i;
	}
	return -1;
}

enum expedite_result
expedite_answer(struct expedite *e, int sentinel, enum replication_verdict verdict, bool lost,
    bool sent, svip_ms now)
{
	if (!e->asking || !e->out || sentinel != e->sentinel)
		return EXPEDITE_OTHER;
	e->out = false;
	if (lost && !sent) {
		e->tried |= 1u << sentinel;
		e->asked--;
		return EXPEDITE_OTHER;
	}
	if (!lost && verdict == REPLICATION_NO_REPLICA && e->asked < EXPEDITE_ASK_MAX) {
		e->again = now + EXPEDITE_AGAIN_MS;
		return EXPEDITE_LATER;
	}
	e->asking = false;
	if (lost ||
	    verdict ==
	        REPLICATION_YES) /* lost: it may have been heard, and asking another would be a second one */
		return EXPEDITE_ACCEPTED;
	return verdict == REPLICATION_IN_PROGRESS ? EXPEDITE_RUNS : EXPEDITE_REFUSED;
}
