/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * d_i: since when one Sentinel can't have confirmed anybody else than this node (doc/SAFETY.md).
 */
#ifndef CORE_EVIDENCE_H
#define CORE_EVIDENCE_H

#include <svip/core.h>

void evidence_init(struct evidence *);

/* A newer view of this Sentinel has been heard. listening: subscribed to its events since; SVIP_NEVER: not. */
void evidence_view(struct evidence *, const struct view *, svip_ms listening);

/* The Sentinel's event stream says something; `view` is its newest view. now is rounded up by the caller. */
void evidence_news(struct evidence *, enum sentinel_news, const struct svip_host *to, const struct view *view,
    svip_ms now);

/* A PING on its event stream, asked then, was answered: the events of before have all been heard. */
void evidence_pong(struct evidence *, svip_ms asked);

/* One of the Sentinel's connections broke: what was unbroken until now isn't any more. */
void evidence_broken(struct evidence *);

#endif
