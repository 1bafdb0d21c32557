/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When clients' writes are to be held back at the local Redis: while a failover of it runs and it lives. What it acknowledged after
 * its successor was promoted would be lost. A service to clients: neither a hold nor its end rests on it, and a limit stands on each order.
 */
#ifndef CORE_WRITES_H
#define CORE_WRITES_H

#include <svip/core.h>

void writes_init(struct instance *);

/* A Sentinel's news, in its order. May append ACT_WRITES. */
void writes_news(struct core *, int instance, int sentinel, enum sentinel_news, svip_ms now,
    struct core_actions *);

/* Redis' answer. */
void writes_answer(struct instance *, bool wait);

/* Clients' writes wait now. *until: for how long, if nothing comes in between. */
bool writes_wait(const struct instance *, svip_ms now, svip_ms *until);

/* The local Redis' last word has been folded: a replica refuses writes by itself. */
void writes_role(struct core *, int instance, svip_ms now, struct core_actions *);

#endif
