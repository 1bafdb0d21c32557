/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches for others who claim the addresses of a slot, as its owner wants it: listens to ARP and
 * neighbour advertisements on the interface, and asks once a second (a probe claims nothing,
 * RFC 5227 section 2.1.1), for answers to others are not to be heard. Answers nobody itself; that
 * is the owner's.
 */
#ifndef IO_CONFLICT_H
#define IO_CONFLICT_H

#include <svip/types.h>

struct ev_loop;

/* found(ctx, slot, address, mac): another MAC claims the address; at most once a second for each
 * slot. It may start, stop and remove slots. own(ctx, mac): it is one of this host's: a second
 * interface on the same network answers for all addresses of its host (arp_ignore = 0 in
 * Linux' ip-sysctl). 0 or -errno (none today: sockets are opened as needed). */
int conflict_init(struct ev_loop *,
    void (*found)(void *ctx, int slot, const struct svip_addr *, const uint8_t mac[6]),
    bool (*own)(void *ctx, const uint8_t mac[6]), void *ctx);
void conflict_fini(void);

/* The addresses stay the caller's and must outlive conflict_remove(). */
void conflict_add(int slot, const struct svip_addr *, int n);
void conflict_remove(int slot);

/* Watches from now on, on this interface, whose MAC is `mac`; a repeat costs nothing. An all-zero
 * MAC (no Ethernet): doesn't watch. A socket that can't be had is logged, and tried again each
 * second. */
void conflict_start(int slot, int ifindex, const uint8_t mac[6]);
void conflict_stop(int slot);

uint64_t conflict_count(int slot); /* foreign claims seen, each frame counted */

#endif
