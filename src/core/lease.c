/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fencing arithmetic. Changes here need the argument below, doc/SAFETY.md, and a test that fails.
 *
 *   Sentinel i    ──answers O──────────────(down, or names X)───────────────
 *                   ▲       │                          │
 *   holder O      asked     ▼                          │
 *                   ├──────────── L ───────────┤ + G   │      O's lease: dated from the question
 *   taker X                                     d_i ◄──┘ heard
 *                                                ├──── L(1+ρ)/(1−ρ) + G ────┤ X may take
 *
 * O's lease rests on m Sentinels, X's patience on k = n − m + 1 others: they share one, i. Its epoch never
 * goes back, and from d_i on it confirms nobody at an earlier epoch; so O asked i before d_i. O counts L from
 * then on its clock, X counts more than that on its own, and G covers a late release.
 */
#include "lease.h"

#include <assert.h>

int
lease_majority(int n)
{
	return n / 2 + 1;
}

int
lease_blocking(int n)
{
	return n - lease_majority(n) + 1;
}

svip_ms
lease_wait(svip_ms lease_ms, svip_ms guard_ms, int drift_ppm)
{
	svip_ms fast = 1000000 + drift_ppm, slow = 1000000 - drift_ppm;

	assert(drift_ppm >= 0 && drift_ppm < 1000000);
	return (lease_ms * fast + slow - 1) / slow + guard_ms;
}

bool
lease_confirms(const struct view *v, uint64_t epoch, svip_ms not_before)
{
	return v->valid && v->me && !v->down && v->epoch == epoch && v->asked >= not_before;
}

int
lease_count(const struct view *v, int n, uint64_t epoch, svip_ms not_before)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += lease_confirms(&v[i], epoch, not_before);
	return count;
}

/* Keeps t[0..n) in ascending order. */
static void
insert(svip_ms *t, int n, svip_ms value)
{
	while (n > 0 && t[n - 1] > value) {
		t[n] = t[n - 1];
		n--;
	}
	t[n] = value;
}

svip_ms
lease_end(const struct view *v, int n, uint64_t epoch, svip_ms not_before, svip_ms lease_ms)
{
	svip_ms asked[SVIP_SENTINELS_MAX];
	int count = 0;

	assert(n <= SVIP_SENTINELS_MAX);
	for (int i = 0; i < n; i++) {
		if (lease_confirms(&v[i], epoch, not_before))
			insert(asked, count++, v[i].asked);
	}
	if (count < lease_majority(n))
		return SVIP_LONG_AGO;
	return asked[count - lease_majority(n)] + lease_ms;
}

svip_ms
lease_free_at(const struct evidence *e, int n, uint64_t epoch, svip_ms wait_ms)
{
	svip_ms since[SVIP_SENTINELS_MAX];
	int count = 0;

	assert(n <= SVIP_SENTINELS_MAX);
	for (int i = 0; i < n; i++) {
		if (e[i].since != SVIP_NEVER && e[i].since_epoch == epoch)
			insert(since, count++, e[i].since);
	}
	if (count < lease_blocking(n))
		return SVIP_NEVER;
	return since[lease_blocking(n) - 1] + wait_ms;
}
