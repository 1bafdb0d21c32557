/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the network where the addresses of a slot are, while they are held: both forms of ARP
 * announcement for IPv4 (some devices ignore either), unsolicited neighbour advertisements for
 * IPv6. Decides nothing: before each volley that a timer causes it asks its owner.
 *
 * Then every neighbour that the kernel knows on the link, and the gateways, is asked a question in the address's name
 * (frames_arp_ask(), frames_ns_ask()): that puts right the caches that ignore announcements. The first announcement never
 * waits for it: these leave from the next turn of the loop on, 256 for each with pauses between, up to 4096 for a slot, to up
 * to 1024 neighbours of each family, gateways first. With the first frames of a burst, and once more with the third step, for
 * a frame may be lost, and who began to talk to this host meanwhile is known then. Not later: who hasn't heard two isn't there.
 *
 * A burst follows struct set_arp: at its offsets, then the refresh for ever, earlier or later by up
 * to 10 %, until announcer_stop(). Frames go through the device's queue and with it through the
 * packet filter's egress hook, so a fence there holds for them, too.
 */
#ifndef IO_ANNOUNCER_H
#define IO_ANNOUNCER_H

#include <svip/settings.h>

struct ev_loop;

/* may(ctx, slot): does this node hold the slot's addresses right now? False ends the slot's burst.
 * It may itself start and stop bursts. The schedule is copied. 0, or -errno when there is no packet
 * socket (CAP_NET_RAW). */
int announcer_init(
    struct ev_loop *, const struct set_arp *, bool (*may)(void *ctx, int slot), void *ctx);
void announcer_fini(void);

/* Another schedule: for bursts from now on, and for what is left of those that run. */
void announcer_schedule(const struct set_arp *);

/* name (for the log) and addresses stay the caller's and must outlive announcer_remove(). */
void announcer_add(int slot, const char *name, const struct svip_addr *, int n);
void announcer_remove(int slot);

/* Begins a burst, anew if one runs: its first frames have been sent when this returns, the caller
 * has just made sure that they may. mac: of the interface; ethernet false: it has none, which is
 * said once. */
void announcer_start(int slot, int ifindex, const uint8_t mac[6], bool ethernet);

/* Not one more frame is sent for the slot once this has been called. */
void announcer_stop(int slot);

uint64_t announcer_count(int slot);  /* frames sent */
uint64_t announcer_errors(int slot); /* frames that the kernel would not send */

#endif
