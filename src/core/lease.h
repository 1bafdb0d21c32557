/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fencing arithmetic, all of it. The argument why it is safe stands in lease.c and doc/SAFETY.md.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <svip/core.h>

/* m: how many of n Sentinels make a majority. */
int lease_majority(int n);

/* k: how many of n Sentinels meet every majority. */
int lease_blocking(int n);

/* The longest time, on this host's clock, that a lease of lease_ms and its late release can last on
 * any other host's: L * (1 + rho) / (1 - rho) + G, rounded up. */
svip_ms lease_wait(svip_ms lease_ms, svip_ms guard_ms, int drift_ppm);

/* True when the view confirms this node at the epoch, and was asked no earlier than not_before. */
bool lease_confirms(const struct view *, uint64_t epoch, svip_ms not_before);

/* How many of the n views confirm this node at the epoch. */
int lease_count(const struct view *, int n, uint64_t epoch, svip_ms not_before);

/* End of the lease at the epoch: the m-th largest `asked` of the confirming views, plus lease_ms.
 * SVIP_LONG_AGO: no majority. */
svip_ms lease_end(const struct view *, int n, uint64_t epoch, svip_ms not_before, svip_ms lease_ms);

/* When the leases of all earlier epochs have run out everywhere: the k-th smallest d_i of the Sentinels
 * that name this node at the epoch, plus wait_ms. SVIP_NEVER: fewer than k name it. */
svip_ms lease_free_at(const struct evidence *, int n, uint64_t epoch, svip_ms wait_ms);

#endif
