/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two rtnetlink sockets: one for requests, answered at once, and one that listens to changes.
 * The kernel works on a request inside sendmsg(), so its answers lie ready when that returns: nothing blocks
 * here but the kernel's own RTNL lock (net/core/rtnetlink.c).
 */
#ifndef IO_RTNL_H
#define IO_RTNL_H

#include "wire/rtnl_msg.h"

struct ev_loop;

/* change(ctx, info): one notification. overrun(ctx): notifications were lost, look at everything. settled(ctx):
 * all that was waiting has been told. 0 or -errno. */
int rtnl_init(struct ev_loop *, void (*change)(void *, const struct rtnl_info *), void (*overrun)(void *),
    void (*settled)(void *), void *ctx);
void rtnl_fini(void);

/* Sends n requests in one batch and collects the kernel's answers: error[i] is 0 or a positive errno for
 * request i. Returns 0, or -errno when not all answers could be had (those are then EIO). */
int rtnl_set(const struct rtnl_address *, int n, uint32_t valid_s, int *error);
int rtnl_delete(const struct rtnl_address *, int n, int *error);

/* Asks for all addresses or links of this network namespace: each(ctx, info) for one, and each(ctx, NULL)
 * before the first and whenever the dump has to begin again. 0 or -errno. */
int rtnl_dump_addresses(void (*each)(void *, const struct rtnl_info *), void *ctx);
int rtnl_dump_links(void (*each)(void *, const struct rtnl_info *), void *ctx);

#endif
