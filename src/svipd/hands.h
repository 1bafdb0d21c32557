/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the hands (src/io) and turns what they report into events for the core. Decides nothing. */
#ifndef SVIPD_HANDS_H
#define SVIPD_HANDS_H

#include <stdbool.h>
#include <stddef.h>

struct ev_loop;
struct sentinels;
struct local_redis;

/* Netlink, packet sockets, heartbeats, Sentinels, the local Redis. False: why says which. */
bool hands_init(struct ev_loop *, char *why, size_t size);
void hands_fini(void);

struct sentinels *hands_sentinels(void);

#endif
