/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decisions about one instance from the facts that core.c has folded. The only writer of its state.
 */
#ifndef CORE_DECIDE_H
#define CORE_DECIDE_H

#include <svip/core.h>

/* Appends an action; the caller may fill in more. Bounded: CORE_ACTIONS_MAX is enough for any one step. */
struct core_action *decide_act(struct core_actions *, enum core_action_kind, int instance);

/* Looks at the lease first, then at everything else. */
void decide(struct core *, int instance, svip_ms now, struct core_actions *);
void decide_all(struct core *, svip_ms now, struct core_actions *);

/* The kernel's answers. */
void decide_held(struct core *, int instance, svip_ms now, struct core_actions *);
void decide_refused(struct core *, int instance, int error, svip_ms now, struct core_actions *);
void decide_clear(struct core *, int instance, svip_ms now, struct core_actions *);
void decide_stuck(struct core *, int instance, int error, svip_ms now, struct core_actions *);
void decide_lost(struct core *, int instance, svip_ms now, struct core_actions *);

/* At the start: the predecessor's hold, while its lease lasts. A newer epoch ends it as it ends any other. */
void decide_inherit(struct core *, int instance, uint64_t epoch, svip_ms until, svip_ms now, struct core_actions *);

/* The clocks jumped: let go, whatever the lease seems to say. */
void decide_jump(struct core *, int instance, svip_ms now, struct core_actions *);

#endif
