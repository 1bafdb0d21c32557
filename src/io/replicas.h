/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks replicas themselves how far they are, as often as they answer. Reports; gives no orders, and tries to connect only once. */
#ifndef IO_REPLICAS_H
#define IO_REPLICAS_H

#include <ev.h>
#include <svip/settings.h>

struct replicas;

/* Replica number i has all up to that offset. Called from the event loop; replicas_close() may be called in it. */
typedef void replicas_told(void *ctx, int i, uint64_t offset);

/* Those without a numeric address are left out. NULL: no memory. */
struct replicas *replicas_open(struct ev_loop *, const struct set_auth *,
    const struct svip_host *const *, int n, replicas_told *, void *ctx);
void replicas_close(struct replicas *); /* accepts NULL */

#endif
