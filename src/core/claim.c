/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims and yields. A yield is a promise: who gives it holds nothing now and never will at the claim's epoch or an
 * earlier one. It may be delayed or repeated without harm, for it names one claim by a random id.
 */
#include "claim.h"

#include <assert.h>

#include "peer.h"

enum { REPEAT_MS = 10 }; /* the first repeat; then twice as long each time, up to a heartbeat */

/* splitmix64 (Steele, Lea, Flood 2014): ids must differ, nobody has to be unable to guess them. */
static uint64_t
next_id(struct core *c)
{
	uint64_t z = c->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return z != 0 ? z : 1;
}

bool
claim_make(struct core *c, struct instance *in, uint64_t epoch, svip_ms now)
{
	if (in->claim_id == 0 || in->claim_epoch != epoch) {
		in->claim_epoch = epoch;
		in->claim_id = next_id(c);
		in->yields = 0;
		in->claim_step = REPEAT_MS;
	} else if (now < in->claim_next) {
		return false;
	} else {
		in->claim_step = in->claim_step * 2 < c->conf.heartbeat_ms ? in->claim_step * 2
									   : c->conf.heartbeat_ms;
	}
	in->claim_next = now + in->claim_step;
	return true;
}

void
claim_end(struct instance *in)
{
	in->claim_id = in->claim_epoch = 0;
	in->claim_next = SVIP_NEVER;
	in->yields = 0;
}

bool
claim_granted(const struct core *c, const struct instance *in)
{
	uint32_t others = ((1u << c->conf.n_nodes) - 1) & ~(1u << c->conf.self);

	return in->claim_id != 0 && (in->yields & others) == others;
}

void
claim_yielded(struct instance *in, int p, uint64_t epoch, uint64_t id)
{
	if (in->claim_id != 0 && id == in->claim_id && epoch == in->claim_epoch)
		in->yields |= 1u << p;
}

bool
claim_answer(const struct core *c, struct instance *in, svip_ms now)
{
	const struct peer_instance *best = NULL;

	for (int i = 0; i < c->conf.n_nodes; i++) {
		const struct peer_instance *pi = &in->peer[i];

		if (!pi->known || pi->claim_id == 0 || !peer_alive(c, i, now) ||
		    c->peer[i].config == CONFIG_UNSAFE)
			continue;
		if (best == NULL || pi->claim_epoch > best->claim_epoch)
			best = pi;
	}
	if (best == NULL || best->claim_id == in->yield_id)
		return false;
	/* Never two: who may have the addresses doesn't yield. */
	assert(in->kernel == KERNEL_CLEAR);
	in->yield_epoch = best->claim_epoch;
	in->yield_id = best->claim_id;
	if (in->floor <= best->claim_epoch)
		in->floor = best->claim_epoch + 1;
	/* Whoever takes by this yield counts on it, however old the promise before is. */
	in->below_since = SVIP_NEVER;
	if (in->claim_id != 0 && in->claim_epoch < in->floor)
		claim_end(in);
	return true;
}

bool
claim_twin(const struct core *c, const struct instance *in, svip_ms now, uint64_t epoch)
{
	for (int i = 0; i < c->conf.n_nodes; i++) {
		const struct peer_instance *pi = &in->peer[i];

		if (pi->known && pi->holding && pi->hold_epoch == epoch && peer_alive(c, i, now))
			return true;
	}
	return false;
}

bool
claim_seen(const struct core *c, const struct instance *in, svip_ms now, uint64_t *epoch)
{
	bool seen = false;

	*epoch = 0;
	for (int i = 0; i < c->conf.n_nodes; i++) {
		const struct peer_instance *pi = &in->peer[i];

		if (!pi->known || !peer_alive(c, i, now) || c->peer[i].config == CONFIG_UNSAFE)
			continue;
		if (pi->holding && pi->hold_epoch >= *epoch) {
			*epoch = pi->hold_epoch;
			seen = true;
		}
		if (pi->claim_id != 0 && pi->claim_epoch >= *epoch) {
			*epoch = pi->claim_epoch;
			seen = true;
		}
	}
	return seen;
}
