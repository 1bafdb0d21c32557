/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is on a link, by the kernel's word: the gateways of its default routes, and whom its neighbour cache knows.
 *
 * A look is a dump, asked for when somebody wants to know. To keep a list from notifications would cost each host the news of
 * every client for what is used once in a failover, and lose some of them when much happens, which is then. Each look has a
 * socket of its own, so that one that is given up leaves nothing behind. The kernel is asked here, and read from the loop, a
 * bounded piece for each wake-up. Decides nothing; must never be waited for.
 */
#ifndef IO_NEIGHBOURS_H
#define IO_NEIGHBOURS_H

#include <svip/types.h>

struct ev_loop;

enum { NEIGHBOURS_MAX = 1024 }; /* of one family; more than these are not looked at */

struct neighbour {
	struct svip_addr addr;
	bool has_mac; /* false: a gateway that the cache doesn't know */
	uint8_t mac[6];
};

/* ready(ctx): a look has ended, well or not. Called from the loop. */
void neighbours_init(struct ev_loop *, void (*ready)(void *ctx), void *ctx);
void neighbours_fini(void);

/*
 * The neighbours of one family (4, 6) on a link, gateways first, as of a look at most max_age_ms ago; valid until the next
 * call. NULL: there is none, so the kernel is being asked, and ready() comes; a look at another link that was under way is
 * given up. An empty list when the kernel would not tell, which is logged.
 *
 * Left out: who hasn't answered (NUD_INCOMPLETE, NUD_FAILED), entries that need no answer (NUD_NOARP: multicast, loopback,
 * point-to-point), and MACs that are nobody's. Static entries (NUD_PERMANENT) are neighbours like others.
 */
const struct neighbour *neighbours_on(int ifindex, int family, svip_ms max_age_ms, int *n);

#endif
