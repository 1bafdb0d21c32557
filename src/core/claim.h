/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims and yields: how a living cluster takes without waiting (doc/SAFETY.md, "Yields").
 */
#ifndef CORE_CLAIM_H
#define CORE_CLAIM_H

#include <svip/core.h>

/* This node is named at the epoch and wants the addresses: starts a claim, or repeats it when due.
 * True: a heartbeat must go out now. */
bool claim_make(struct core *, struct instance *, uint64_t epoch, svip_ms now);
void claim_end(struct instance *);

/* Every other node has yielded to the present claim. */
bool claim_granted(const struct core *, const struct instance *);

/* A fresh heartbeat of peer p carried this yield. */
void claim_yielded(struct instance *, int p, uint64_t epoch, uint64_t id);

/* This node holds nothing, by its kernel's word: yields to the highest claim of its living peers, and
 * by that promises never to hold at its epoch or below. True: a heartbeat must go out now. */
bool claim_answer(const struct core *, struct instance *, svip_ms now);

/* A living peer says that it holds at this very epoch. By the rules nobody else can: both take themselves for
 * the same master. */
bool claim_twin(const struct core *, const struct instance *, svip_ms now, uint64_t epoch);

/* The highest epoch at which a living peer with the same configuration holds or claims.
 * False: none does. */
bool claim_seen(const struct core *, const struct instance *, svip_ms now, uint64_t *epoch);

#endif
