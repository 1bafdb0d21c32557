/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person can do about an instance's state: one step, a command where there is one. Must not guess. */
#include "why.h"

#include <stdio.h>

#include "named.h"
#include "sentence.h"

/* Nobody is named, or the wrong one: what to look at. */
static const char *
next_about_sentinels(const struct why_about *a, enum core_reason reason)
{
	struct named named;

	if (reason == WHY_OTHER_NAMED) {
		named_most(a->core, a->index, a->input->now, &named);
		if (named.count > 0 && sentence_virtual(a->settings, &named.master))
			return "let Redis announce its own address (replica-announce-ip), then "
			       "reset the Sentinels";
		if (core_holder(a->core, a->index, a->input->now) != -1)
			return NULL;
		return "run 'svipctl why' on the node that is named";
	}
	if (reason == WHY_SPLIT)
		return "'svipctl sentinels' shows who names whom; a failover settles it within "
		       "seconds";
	return "check the Sentinels, and the network to them: svipctl sentinels";
}

const char *
why_next(const struct why_about *a, char out[WHY_TEXT_MAX])
{
	const struct instance *in = &a->core->inst[a->index];
	const char *next = NULL;
	char host[SVIP_TEXT_MAX];

	switch (in->reason) {
	case WHY_NO_QUORUM:
	case WHY_SPLIT:
	case WHY_OTHER_NAMED:
	case WHY_QUORUM_LOST_HELD:
	case WHY_LEASE_EXPIRED:
		next = next_about_sentinels(a, in->reason);
		break;
	case WHY_MASTER_DOWN:
		next = "check the local Redis: Sentinel moves the master unless it answers again";
		break;
	case WHY_REDIS_NOT_MASTER:
		if (in->state != CORE_FAULT)
			break;
		snprintf(out, WHY_TEXT_MAX,
		    "check that Redis answers at %s, and the user and password for it",
		    svip_host_text(&a->conf->redis, host));
		return out;
	case WHY_REDIS_GONE:
		next = "see Redis' log; another node takes as soon as Sentinel has failed over";
		break;
	case WHY_LINK_DOWN:
		snprintf(out, WHY_TEXT_MAX, "bring it up: ip link set %s up", a->conf->interface);
		return out;
	case WHY_ADDRESS_REFUSED:
		next = "see the log; svipd needs CAP_NET_ADMIN, and the address must be nobody "
		       "else's here";
		break;
	case WHY_ADDRESS_STUCK:
		snprintf(out, WHY_TEXT_MAX, "remove it by hand: ip address show dev %s",
		    a->conf->interface);
		return out;
	case WHY_CONFIG_MISMATCH:
		next = "make svipd.conf the same on every node, then run 'svipctl reload' there";
		break;
	case WHY_NOT_MEMBER:
		next = "wait for the change to end; a node that is removed may be stopped";
		break;
	case WHY_GUARD_UNKNOWN:
		next = "bring these nodes back, or have nftables in this kernel, or say fence = "
		       "\"lifetime\" on every node";
		break;
	case WHY_TWIN:
		next = "the address that the Sentinels name must belong to one host: look at "
		       "'sentinel monitor', "
		       "and at 'redis' and 'announce' in svipd.conf";
		break;
	case WHY_CONFLICT:
		next = "take the address away from the host with that MAC: it alone serves it now";
		break;
	case WHY_MAINTENANCE:
		next = "svipctl maintenance off";
		break;
	case WHY_STARTING:
	case WHY_LEASE_RUNS:
	case WHY_NEWER_EPOCH:
	case WHY_PROMISED:
	case WHY_TAKING:
	case WHY_QUORUM_CONFIRMED:
	case WHY_ALL_YIELDED:
	case WHY_TAKEN_OVER:
	case WHY_PEER_NEWER:
	case WHY_CLOCK_JUMP:
	case WHY_STOPPING:
	case WHY_REASONS:
		break;
	}
	if (next == NULL)
		return NULL;
	snprintf(out, WHY_TEXT_MAX, "%s", next);
	return out;
}
