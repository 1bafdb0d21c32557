/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes the running daemon from one configuration to the next, when Sentinels, nodes, lease or guards differ (core.h, core_change()).
 *
 * FILE.before is there as long as both are in force: it is what was in force before FILE. The keeper makes it before FILE is replaced,
 * and removes it before the core settles, so any restart goes on where this process was, or earlier by one step that has not been
 * told to anybody. Without it FILE alone is in force.
 */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "change.h"
#include "daemon_state.h"
#include "hands.h"
#include "io/clock.h"
#include "io/holds.h"
#include "keeper.h"
#include "peers.h"

enum { COMPLAIN_MS = 60000 };

static bool settling; /* the keeper removes FILE.before */
static bool settled;  /* it has: the core may settle */
static bool over;     /* a FILE.before that says nothing is there */
static struct log_limit keep_limit;

/* ---- what is stored ---- */

static bool
before_path(char out[PATH_MAX + 8])
{
	char file[PATH_MAX];

	if (realpath(daemon_state()->options.file, file) == NULL)
		return false;
	snprintf(out, PATH_MAX + 8, "%s.before", file);
	return true;
}

/* NULL: there is none, or *report says what is wrong with it. */
static struct settings *
read_before(char **report)
{
	char path[PATH_MAX + 8];

	*report = NULL;
	if (!before_path(path) || access(path, F_OK) != 0)
		return NULL;
	return daemon_read_settings(path, false, report);
}

static bool
same_safety(const struct settings *a, const struct settings *b)
{
	return memcmp(a->digest_safety, b->digest_safety, SVIP_DIGEST_LEN) == 0;
}

/* ---- the core's part ---- */

static void
tell_core(const struct settings *next)
{
	struct daemon_state *d = daemon_state();
	struct guards guards = daemon_guards(next);
	struct core_next n = { .lease_ms = next->lease_ms,
		.guard_ms = guards.own,
		.guard_least_ms = guards.least,
		.guard_unheard_ms = guards.unheard,
		.drift_ppm = next->drift_ppm,
		.serial = next->serial };
	uint32_t absent;
	int stranger;

	memcpy(n.digest_safety, next->digest_safety, SVIP_DIGEST_LEN);
	memcpy(n.digest_all, next->digest_all, SVIP_DIGEST_LEN);
	change_lists(d->set, next, &n);
	absent = change_absent(d->set, next, &stranger);
	d->out.n = 0;
	core_change(&d->core, &n, clock_ms(), &d->out);
	if (absent != 0)
		core_absent(&d->core, absent, clock_ms());
	settling = settled = false;
}

/* ---- at a start ---- */

bool
daemon_change_resume(struct settings **set, struct settings **before, char *why, size_t size)
{
	const char *what = NULL;
	struct settings *both;
	char *report;

	*before = read_before(&report);
	if (report != NULL) {
		snprintf(why, size, "%.*s", (int)strcspn(report, "\n"), report);
		free(report);
		return false;
	}
	over = *before != NULL && same_safety(*before, *set);
	if (over) {
		settings_free(*before);
		*before = NULL;
	}
	if (*before == NULL)
		return true;
	/* What this node has told the others must be what it does. */
	if ((*set)->edited || (*before)->edited)
		what = "one of them has been edited since";
	else if ((*set)->serial <= (*before)->serial || change_what(*before, *set) == NULL ||
	         change_alone(*before, *set) != NULL)
		what = "it is not what was to come into force";
	both = what == NULL ? change_both(*before, *set, &what) : NULL;
	if (both == NULL) {
		snprintf(why, size,
		    "%s: a change was under way, from %s.before: %s. Put another node's files in "
		    "their place",
		    (*set)->file, (*set)->file, what);
		settings_free(*before);
		return false;
	}
	daemon_state()->next = *set;
	*set = both;
	return true;
}

void
daemon_change_resumed(void)
{
	struct daemon_state *d = daemon_state();

	if (d->next == NULL)
		return;
	tell_core(d->next);
	hands_lists();
	log_notice("the change to configuration %llu goes on", (unsigned long long)d->next->serial);
}

/* ---- while running ---- */

static const struct slot *
held_slot(void)
{
	const struct daemon_state *d = daemon_state();

	for (int i = 0; i < d->core.conf.n_instances; i++) {
		if (daemon_holds(d->slot_of[i]))
			return &d->slot[d->slot_of[i]];
	}
	return NULL;
}

/* Who joins must not run before all have the list that it is in. */
static bool
joins_unseen(const struct settings *both, const struct settings *next, char **report)
{
	const struct settings *now = daemon_state()->set;
	char text[SVIP_TEXT_MAX];
	int stranger;
	uint32_t absent = change_absent(both, next, &stranger);

	if (stranger != -1)
		return daemon_refuse(report,
		    "--absent-ok %s: there is no such node, before or after",
		    svip_addr_text(&next->absent[stranger], false, text));
	for (int i = now->n_nodes; i < both->n_nodes; i++) {
		if ((absent >> i & 1) != 0)
			continue;
		svip_addr_text(&both->node[i], false, text);
		return daemon_refuse(report,
		    "nodes: %s is new: svipd must not run there until the others have the change "
		    "behind them; when "
		    "it doesn't, say --absent-ok %s",
		    text, text);
	}
	return true;
}

bool
daemon_change_fits(const struct settings *next, char **report)
{
	const struct daemon_state *d = daemon_state();
	const char *what = change_what(d->set, next), *alone = change_alone(d->set, next), *why;
	const struct slot *held = next->self == -1 ? held_slot() : NULL;
	struct settings *both, *file;
	bool same, fine;

	if (alone != NULL)
		return daemon_refuse(report,
		    "%s: can't be changed together with %s: apply one, and then the other", what,
		    alone);
	if (held != NULL)
		return daemon_refuse(report,
		    "nodes: this node is to be removed, and holds \"%s\": hand it over before "
		    "(svipctl handover %s)",
		    held->conf.name, held->conf.name);
	if (next->serial <= d->core.conf.serial)
		return daemon_refuse(
		    report, "%s: can only be changed by a later configuration", what);
	/* What is kept as the one before must be what is in force. */
	file = daemon_read_settings(d->options.file, false, report);
	if (file == NULL)
		return false;
	same = same_safety(file, d->set);
	settings_free(file);
	if (!same)
		return daemon_refuse(report,
		    "%s: has been edited since it was read: see svipctl "
		    "config diff, and svipctl reload",
		    d->options.file);
	both = change_both(d->set, next, &why);
	if (both == NULL)
		return daemon_refuse(report, "%s: %s", what, why);
	fine = joins_unseen(both, next, report);
	settings_free(both);
	return fine;
}

bool
daemon_change_begin(struct settings *next, char **report)
{
	struct daemon_state *d = daemon_state();
	const char *what = change_what(d->set, next), *why = NULL;
	struct settings *before = read_before(report), *both = NULL;
	bool stored = before != NULL && same_safety(before, d->set);

	settings_free(before);
	if (*report != NULL) {
		settings_free(next);
		return false;
	}
	if (stored && next->serial > d->core.conf.serial && change_alone(d->set, next) == NULL)
		both = change_both(d->set, next, &why);
	if (both == NULL) {
		daemon_refuse(report, "%s: %s: %s", d->options.file, what,
		    why != NULL ? why
		                : "can only be changed on all nodes together: svipctl config apply "
		                  "FILE, on one of them");
		settings_free(next);
		return false;
	}
	d->next = next;
	daemon_apply(both);
	tell_core(next);
	daemon_carry_out();
	log_notice(
	    "configuration %llu: %s: it and the one before are in force until all nodes have "
	    "both",
	    (unsigned long long)next->serial, what);
	return true;
}

/* Faults that Sentinels told move with them. */
static void
move_faults(const struct settings *both, const struct settings *next)
{
	struct daemon_state *d = daemon_state();
	struct core_next kept;
	int n = 0;

	change_lists(both, next, &kept);
	for (int k = 0; k < both->n_sentinels; k++) {
		if ((kept.sentinels >> k & 1) == 0)
			continue;
		for (int s = 0; s < SVIP_INSTANCES_MAX; s++)
			memmove(
			    d->slot[s].fault[n], d->slot[s].fault[k], sizeof(d->slot[s].fault[n]));
		n++;
	}
	for (; n < SVIP_SENTINELS_MAX; n++) {
		for (int s = 0; s < SVIP_INSTANCES_MAX; s++)
			d->slot[s].fault[n][0] = '\0';
	}
}

static void
settle(void)
{
	struct daemon_state *d = daemon_state();
	struct settings *both = d->set, *next = d->next;

	/* An answer that is waited for knows its Sentinel by its place. */
	for (int i = 0; i < d->core.conf.n_instances; i++)
		daemon_handing_forget(d->slot_of[i]);
	move_faults(both, next);
	change_keep(both, next);
	d->out.n = 0;
	core_settle(&d->core, clock_ms(), &d->out);
	d->set = next;
	d->next = NULL;
	settled = false;
	assert(d->core.conf.n_nodes == next->n_nodes && d->core.conf.self == next->self &&
	       d->core.conf.n_sentinels == next->n_sentinels);
	peers_forget();
	hands_reload();
	holds_config(next);
	daemon_carry_out();
	daemon_config_changed(); /* what is no matter of safety may have changed meanwhile */
	daemon_spread_nodes();
	settings_free(both);
	log_notice("configuration %llu alone is in force", (unsigned long long)next->serial);
}

void
daemon_change_tick(void)
{
	const struct daemon_state *d = daemon_state();
	static const uint8_t none[VERSION_DIGEST_LEN];

	if (settling || d->stopping || d->handing_over || daemon_handover_runs() ||
	    daemon_rotate_runs() || !daemon_spread_idle())
		return;
	if (over || (d->next != NULL && !settled && core_change_at(&d->core) <= clock_ms()))
		settling = keeper_do(KEEPER_SETTLE, none, NULL, 0) == 0;
	else if (settled && core_change_at(&d->core) <= clock_ms())
		settle();
}

bool
daemon_change_kept(const struct keeper_answer *a)
{
	unsigned held;

	if (!settling)
		return false;
	settling = false;
	if (a->error != 0) {
		if (log_allowed(&keep_limit, COMPLAIN_MS, clock_ms(), &held))
			log_error("configuration: the change can't be brought to its end: %.500s",
			    a->report);
		return true;
	}
	settled = daemon_state()->next != NULL;
	over = false;
	daemon_change_tick();
	return true;
}
