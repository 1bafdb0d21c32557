/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes are held from a Sentinel's first word about a failover on. Must never hold them longer than the limits here, and never where
 * this node doesn't hold: other people's writes are not svipd's.
 *
 * Sources: Redis' sentinel.c, sentinelFailoverStateMachine(): a failover that an operator orders is "+try-failover" and "+elected-leader" within
 * a tick of 100 ms, REPLICAOF NO ONE follows two states later; one of Sentinel's own is "+try-failover", an election, then the same.
 */
#include "writes.h"

#include "decide.h"

enum {
	/* Not elected yet, and perhaps never: a Sentinel in a minority tries again and again. */
	TRY_MS = 500,
	/* To the majority's word: 1.3 s at most were measured. Sentinel itself sets no limit below failover-timeout. */
	MOVE_MS = 5000,
};

void
writes_init(struct instance *in)
{
	in->writes_until = SVIP_LONG_AGO;
	in->writes_wait = false;
}

static void
hold(struct core *c, int i, int sentinel, svip_ms now, svip_ms until, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	if (in->kernel != KERNEL_HELD || !in->role_master || c->conf.observe ||
	    until <= in->writes_until)
		return;
	if (now >= in->writes_until)
		in->writes_wait = false; /* they have gone on meanwhile */
	in->writes_until = until;
	in->writes_for = sentinel;
	decide_act(out, ACT_WRITES, i)->until = until;
}

static void
give_back(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	struct instance *in = &c->inst[i];

	if (now < in->writes_until)
		decide_act(out, ACT_WRITES, i)->until = SVIP_LONG_AGO;
	in->writes_until = SVIP_LONG_AGO;
	in->writes_wait = false;
}

void
writes_answer(struct instance *in, bool wait)
{
	in->writes_wait = wait;
}

bool
writes_wait(const struct instance *in, svip_ms now, svip_ms *until)
{
	*until = in->writes_until;
	return in->writes_wait && now < in->writes_until;
}

void
writes_news(struct core *c, int i, int sentinel, enum sentinel_news news, svip_ms now,
    struct core_actions *out)
{
	switch (news) { /* GCOV_EXCL_BR_LINE: a closed set */
	case NEWS_TRIES:
		hold(c, i, sentinel, now, now + TRY_MS, out);
		return;
	case NEWS_ELECTED:
		hold(c, i, sentinel, now, now + MOVE_MS, out);
		return;
	case NEWS_ABORTED:
	case NEWS_RESET:
		if (sentinel == c->inst[i].writes_for)
			give_back(c, i, now, out);
		return;
	case NEWS_SWITCH:
	case NEWS_CLEARED:
	case NEWS_OTHER:
		return;
	}
}

void
writes_role(struct core *c, int i, svip_ms now, struct core_actions *out)
{
	if (!c->inst[i].role_master)
		give_back(c, i, now, out);
}
