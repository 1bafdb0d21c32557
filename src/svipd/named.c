/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts what the Sentinels say. Must not be used to decide anything. */
#include "named.h"

#include <string.h>

bool
named_fresh(const struct core *c, const struct instance *in, const struct view *v, svip_ms now)
{
	return v->valid && v->asked > now - c->conf.lease_ms && v->asked >= in->earn_after;
}

void
named_most(const struct core *c, int instance, svip_ms now, struct named *best)
{
	const struct instance *in = &c->inst[instance];

	memset(best, 0, sizeof(*best));
	for (int s = 0; s < c->conf.n_sentinels; s++) {
		const struct view *v = &in->view[s];
		struct named n = { .me = v->me, .epoch = v->epoch, .master = v->master };

		if (!named_fresh(c, in, v, now))
			continue;
		for (int t = 0; t < c->conf.n_sentinels; t++) {
			const struct view *w = &in->view[t];

			if (!named_fresh(c, in, w, now) || w->epoch != v->epoch ||
			    !svip_host_same(&w->master, &v->master))
				continue;
			n.count++;
			n.up += !w->down;
		}
		if (n.count > best->count || (n.count == best->count && n.epoch > best->epoch))
			*best = n;
	}
}
