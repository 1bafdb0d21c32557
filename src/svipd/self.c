/* SPDX-License-Identifier: BSD-2-Clause */
/* Begins the self-test and tells what it has found. Decides nothing: a node that can do less takes what it can. */
#include <jansson.h>

#include "check.h"
#include "daemon_state.h"
#include "io/clock.h"
#include "io/heartbeat_io.h"
#include "io/log.h"
#include "io/selftest.h"
#include "io/vip.h"

enum { AGAIN_MS = 3000 }; /* not more often */

static struct check_input
look(svip_ms group_ms[SVIP_NODES_MAX])
{
	struct daemon_state *d = daemon_state();
	svip_ms now = clock_ms();

	const char *writes_error = NULL, *end_error = NULL;

	for (int i = 0; i < d->core.conf.n_instances; i++) {
		if (d->slot[d->slot_of[i]].writes_error[0] != '\0')
			writes_error = d->slot[d->slot_of[i]].writes_error;
		if (d->slot[d->slot_of[i]].end_error[0] != '\0')
			end_error = d->slot[d->slot_of[i]].end_error;
	}
	for (int i = 0; i < d->set->n_nodes; i++) {
		svip_ms heard = heartbeat_io_group_heard(i);

		group_ms[i] = heard == SVIP_LONG_AGO ? -1 : now - heard;
	}
	return (struct check_input){ .set = d->set,
		.core = &d->core,
		.test = selftest_result(),
		.steady = &d->steady,
		.fenced = vip_fenced(),
		.now = now,
		.group_ms = group_ms,
		.end_error = end_error,
		.writes_error = writes_error };
}

static void
on_done(void)
{
	static struct check_row rows[CHECK_ROWS_MAX];
	svip_ms group_ms[SVIP_NODES_MAX];
	struct check_input in = look(group_ms);
	int n = check_rows(&in, rows), bad = 0;

	for (int i = 0; i < n; i++) {
		if (rows[i].verdict == CHECK_OK)
			continue;
		bad++;
		log_warning("self-test: %s %s: %s; %s", rows[i].name, check_word(rows[i].verdict),
		    rows[i].detail, rows[i].remedy);
	}
	if (bad == 0)
		log_notice("self-test: this kernel grants all that is needed");
}

void
daemon_check(void)
{
	struct daemon_state *d = daemon_state();

	if (clock_ms() - selftest_result()->when >= AGAIN_MS)
		selftest_start(d->loop, !d->set->observe, on_done);
}

json_t *
daemon_check_json(void)
{
	svip_ms group_ms[SVIP_NODES_MAX];
	struct check_input in = look(group_ms);

	return check_json(&in);
}
