/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dates d_i. Without evidence it is `heard` of the first view that named this node at its epoch. With evidence it
 * is earlier: `heard` of the first view of an unbroken run in which this Sentinel had the master before down.
 *
 * The polls alone can't prove that a run was unbroken: between two of them the Sentinel may have cleared its flag,
 * confirmed the old master to somebody, and set it again. Its event stream can: it would have said so, in
 * order, before the switch. So the run counts only when the switch to this node is the first switch after it,
 * no clearing stands between, and both connections lived all the time. Any doubt ends the run.
 *
 * The two connections are not ordered against each other, and one may be far behind. So the run is proved only by a PING on the
 * event stream that was asked after the run's first view was heard: once it is answered, every older event has been heard, and what
 * comes from then on is younger than that view. A switch that comes before the proof may be an old one: it ends the run.
 * The switch itself may be heard after the first view that names this node: `open` then waits for it.
 */
#include "evidence.h"

#include <string.h>

void
evidence_init(struct evidence *e)
{
	memset(e, 0, sizeof(*e));
	e->run_heard = SVIP_NEVER;
	e->switch_heard = e->doubt_heard = SVIP_LONG_AGO;
	e->since = SVIP_NEVER;
}

static void
end_run(struct evidence *e)
{
	e->run_heard = SVIP_NEVER;
	e->run_proved = false;
	e->switched = false;
	e->open = false;
}

/* The master is another node. */
static void
view_of_other(struct evidence *e, const struct view *v, svip_ms listening)
{
	bool quiet, same;

	e->since = SVIP_NEVER;
	if (!v->down || e->open) /* or it has named this node meanwhile, and its epoch went back */
		end_run(e);
	if (!v->down)
		return;
	if (e->run_heard != SVIP_NEVER) {
		same = e->run_epoch == v->epoch && svip_host_same(&e->run_master, &v->master);
		/* Still the old master, in an answer to a question asked after the switch was heard? */
		if (same && !(e->switched && v->asked > e->switch_heard))
			return;
	}
	end_run(e);
	quiet = e->switch_heard < v->asked && e->doubt_heard < v->asked;
	if (listening != SVIP_NEVER && listening <= v->asked && quiet) {
		e->run_heard = v->heard;
		e->run_epoch = v->epoch;
		e->run_master = v->master;
	}
}

void
evidence_view(struct evidence *e, const struct view *v, svip_ms listening)
{
	if (!v->me) {
		view_of_other(e, v, listening);
		return;
	}
	if (e->since != SVIP_NEVER && e->since_epoch == v->epoch)
		return;
	e->since = v->heard;
	e->since_epoch = v->epoch;
	/* An epoch that was skipped may have been another node's, its news still on the way. */
	if (e->run_heard == SVIP_NEVER || v->epoch != e->run_epoch + 1) {
		end_run(e);
	} else if (!e->switched) {
		e->open = true;
	} else {
		if (svip_host_same(&e->switch_to, &v->master))
			e->since = e->run_heard;
		end_run(e);
	}
}

void
evidence_news(struct evidence *e, enum sentinel_news news, const struct svip_host *to, const struct view *v,
    svip_ms now)
{
	switch (news) { /* GCOV_EXCL_BR_LINE: a closed set */
	case NEWS_TRIES:
	case NEWS_ELECTED:
	case NEWS_ABORTED:
	case NEWS_OTHER:
		return;
	case NEWS_CLEARED:
	case NEWS_RESET:
		e->doubt_heard = now;
		end_run(e);
		if (news == NEWS_RESET) /* its memory of epochs may be gone, too */
			e->since = SVIP_NEVER;
		return;
	case NEWS_SWITCH:
		break;
	}
	e->switch_heard = now;
	if (e->run_heard == SVIP_NEVER)
		return;
	if (!e->run_proved) {
		end_run(e);
	} else if (e->open) {
		/* since_epoch's view named this node before the news of the switch came. */
		if (v->valid && v->me && v->epoch == e->since_epoch && svip_host_same(to, &v->master))
			e->since = e->run_heard;
		end_run(e);
	} else if (!e->switched) {
		e->switched = true;
		e->switch_to = *to;
	} else if (!svip_host_same(to, &e->switch_to)) {
		end_run(e); /* two switches: an epoch may have been skipped */
	}
}

void
evidence_pong(struct evidence *e, svip_ms asked)
{
	if (e->run_heard != SVIP_NEVER && asked >= e->run_heard)
		e->run_proved = true;
}

void
evidence_broken(struct evidence *e)
{
	end_run(e);
}
