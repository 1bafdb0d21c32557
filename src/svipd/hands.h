/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the hands (src/io) and turns what they report into events for the core. Decides nothing. */
#ifndef SVIPD_HANDS_H
#define SVIPD_HANDS_H

#include <stdbool.h>
#include <stddef.h>

#include <svip/types.h>

struct ev_loop;
struct local_redis;
struct sentinels;
struct settings;

/* Netlink, packet sockets, heartbeats, Sentinels, the local Redis. False: why says which. */
bool hands_init(struct ev_loop *, char *why, size_t size);
void hands_fini(bool leave); /* leave: everything in the kernel stays for a successor */

/* Makes the instance of a slot known to them; its core index must be the next one there. And the reverse, before
 * the core forgets it: the last one takes its index. */
void hands_add(int slot);
void hands_remove(int slot);

/* Sets up the packet filter for all that was added, as `fence` asks for it. False: why says what is missing. */
bool hands_fence(char *why, size_t size);

/* Once every slot has begun: removes what a predecessor has left of a packet filter that isn't used any more. */
void hands_sweep(void);

/* How late this node's release may come, ms, as it is fenced now, with these settings. */
svip_ms hands_guard(const struct settings *);

/* The slot's `redis` may be another one now. */
void hands_redis_moved(int slot);

/* Its `reset-connections` may be another one now. */
void hands_resets(int slot);

/* Sentinels, nodes, lease and poll of the new settings. Who stays keeps its connections. */
void hands_lists(void);

/* These, and keys, passwords, announcements' schedule and limits. */
void hands_reload(void);

/* Clients' writes at the slot's Redis wait until then; SVIP_LONG_AGO: no longer. As far as `hold-writes` asks for it. */
void hands_writes(int slot, svip_ms until);

/* Asks the Sentinels and the local Redis about an instance (the core's index) now. */
void hands_poll(int instance);

/* Whether a Redis that is gone is looked for often: as `expedite-failover` asks for it, while the slot's addresses are held. */
void hands_eager(int slot);

struct sentinels *hands_sentinels(void);
struct local_redis *hands_redis(void);

#endif
