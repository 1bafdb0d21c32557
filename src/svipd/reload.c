/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes a new configuration into the running daemon: all of it or nothing. An instance whose interface and addresses stay the
 * same keeps its hold untouched. Another list of Sentinels or nodes, another lease or guard come into force only on all nodes together
 * (changing.c). What else concerns the cluster as a whole needs a restart, and is refused here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "conf.h"
#include "daemon_state.h"
#include "hands.h"
#include "host.h"
#include "io/clock.h"
#include "io/holds.h"
#include "io/sdnotify.h"
#include "io/vip.h"
#include "peers.h"

/* What differs in a way that a running daemon can't follow. NULL: nothing. */
static const char *
needs_restart(const struct settings *a, const struct settings *b)
{
	if (strcmp(a->cluster, b->cluster) != 0)
		return "cluster";
	if (a->fence != b->fence)
		return "fence";
	if (a->heartbeat_ms != b->heartbeat_ms)
		return "heartbeat";
	if (a->multicast != b->multicast || !svip_addr_same(&a->group, &b->group))
		return "multicast";
	if (a->port != b->port)
		return "port";
	if (a->unicast != b->unicast)
		return "unicast";
	if (a->ttl_min != b->ttl_min)
		return "ttl-min";
	if (a->hold_on_quorum_loss != b->hold_on_quorum_loss)
		return "on-quorum-loss";
	if (a->observe != b->observe)
		return "observe";
	if (strcmp(a->user, b->user) != 0 || strcmp(a->group_name, b->group_name) != 0)
		return "user or group";
	if (strcmp(a->script_user, b->script_user) != 0)
		return "script-user";
	return NULL;
}

static void
log_message(const struct conf_message *m)
{
	char line[SET_PATH_MAX + CONF_TEXT_MAX + 32];

	conf_message_text(m, line, sizeof(line));
	if (m->kind == CONF_WARNING)
		log_warning("%s", line);
	else if (m->kind == CONF_NOTE)
		log_notice("%s", line);
}

struct settings *
daemon_read_settings(const char *file, bool may_leave, char **report)
{
	static struct conf_report found;
	struct conf_host host;
	struct settings *set;
	size_t size;
	FILE *out;

	*report = NULL;
	host_look(&host);
	host.may_leave = may_leave;
	set = conf_load(file, &host, &found);
	if (set != NULL) {
		for (int i = 0; i < found.n; i++)
			log_message(&found.message[i]);
		return set;
	}
	out = open_memstream(report, &size);
	if (out != NULL) {
		conf_report_print(&found, out);
		fclose(out);
	}
	return NULL;
}

static const struct set_instance *
find(const struct settings *set, const char *name)
{
	for (int i = 0; i < set->n_instances; i++) {
		if (strcmp(set->instance[i].name, name) == 0)
			return &set->instance[i];
	}
	return NULL;
}

/* The hold goes on. */
static bool
stays(const struct set_instance *a, const struct set_instance *b)
{
	return strcmp(a->interface, b->interface) == 0 && change_same_addresses(a, b);
}

static void
take_away(int s)
{
	struct daemon_state *d = daemon_state();
	int i = d->slot[s].index;

	log_notice("%s: taken out of the configuration, or its addresses have changed",
	    d->slot[s].conf.name);
	daemon_post(&(struct core_event){ .kind = EV_FORGET, .instance = i });
	if (d->core.inst[i].kernel != KERNEL_CLEAR)
		log_error("%s: the kernel keeps an address; its lifetime ends it within %lld ms",
		    d->slot[s].conf.name, (long long)(d->set->lease_ms + d->set->guard_ms));
	daemon_slot_remove(s);
}

static int
bring_in(const struct set_instance *conf)
{
	struct daemon_state *d = daemon_state();
	int s = daemon_slot_add(conf);

	d->slot[s].index = core_add(&d->core, conf->id, clock_ms());
	d->slot_of[d->slot[s].index] = s;
	log_notice("%s: new in the configuration", conf->name);
	hands_add(s);
	return s;
}

void
daemon_apply(struct settings *new)
{
	struct daemon_state *d = daemon_state();
	struct settings *old = d->set;
	static int fresh[SVIP_INSTANCES_MAX];
	int n_fresh = 0, rc;

	for (int i = d->core.conf.n_instances - 1; i >= 0; i--) {
		int s = d->slot_of[i];
		const struct set_instance *conf = find(new, d->slot[s].conf.name);

		if (conf == NULL || !stays(&d->slot[s].conf, conf)) {
			take_away(s);
		} else {
			d->slot[s].conf = *conf;
			hands_redis_moved(s);
			hands_resets(s);
		}
	}
	if (new->n_keys != old->n_keys || memcmp(new->key, old->key, sizeof(new->key)) != 0)
		peers_interrupt();
	d->set = new;
	hands_reload();
	if (!d->options.level_given)
		log_level(new->log_level);
	daemon_config_changed();
	for (int i = 0; i < new->n_instances; i++) {
		bool known = false;

		for (int k = 0; k < d->core.conf.n_instances && !known; k++)
			known = d->core.inst[k].id == new->instance[i].id;
		if (!known)
			fresh[n_fresh++] = bring_in(&new->instance[i]);
	}
	holds_config(new);
	rc = vip_fence_make();
	if (rc != 0)
		log_error("packet filter: %s; it stays as it was", strerror(-rc));
	for (int i = 0; i < n_fresh; i++)
		vip_start(fresh[i]);
	settings_free(old);
}

bool
daemon_refuse(char **report, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(report, fmt, ap) == -1)
		*report = NULL;
	va_end(ap);
	return false;
}

static bool
can_run(const struct settings *new, char **report)
{
	const char *file = daemon_state()->options.file,
	           *what = needs_restart(daemon_state()->set, new);

	return what == NULL ||
	       daemon_refuse(report,
	           "%s: %s: has changed, and only a restart of svipd can take it over", file, what);
}

bool
daemon_fits(const char *file, bool *change, char **report)
{
	struct daemon_state *d = daemon_state();
	struct settings *new = daemon_read_settings(file, true, report);
	bool fits;

	*change = false;
	if (new == NULL)
		return false;
	fits = can_run(new, report);
	if (fits && d->next != NULL)
		fits = daemon_refuse(report,
		    "the change to configuration %llu is not over yet: see svipctl status",
		    (unsigned long long)d->next->serial);
	if (fits && change_what(d->set, new) != NULL) {
		*change = true;
		fits = daemon_change_fits(new, report);
	} else if (fits && new->n_absent > 0) {
		int stranger;

		change_absent(d->set, new, &stranger);
		if (stranger != -1)
			fits = daemon_refuse(report, "--absent-ok: one of these is no node");
	}
	settings_free(new);
	return fits;
}

/* Both are in force: the next one may be read again as long as it is the same in what they are about. */
static bool
reload_next(struct settings *new, char **report)
{
	struct daemon_state *d = daemon_state();
	struct settings *both;
	const char *why;

	if (memcmp(new->digest_safety, d->next->digest_safety, SVIP_DIGEST_LEN) != 0) {
		daemon_refuse(report,
		    "%s: the change to configuration %llu is not over yet: see svipctl status",
		    d->options.file, (unsigned long long)d->next->serial);
		settings_free(new);
		return false;
	}
	both = change_both(d->set, new, &why);
	if (both == NULL) {
		settings_free(new);
		return daemon_refuse(report, "%s", why);
	}
	settings_free(d->next);
	d->next = new;
	daemon_apply(both);
	return true;
}

static bool
take_over(struct settings *new, char **report)
{
	struct daemon_state *d = daemon_state();

	if (d->next != NULL)
		return reload_next(new, report);
	if (change_what(d->set, new) != NULL)
		return daemon_change_begin(new, report);
	change_arrange(new, d->set);
	daemon_apply(new);
	return true;
}

bool
daemon_reload(char **report)
{
	struct daemon_state *d = daemon_state();
	struct settings *new;
	bool fine;
	int n;

	*report = NULL;
	if (d->stopping) {
		*report = strdup("svipd is stopping");
		return false;
	}
	new = daemon_read_settings(d->options.file, true, report);
	if (new == NULL)
		return false;
	if (!can_run(new, report)) {
		settings_free(new);
		return false;
	}
	n = new->n_instances;
	sdnotify_send("RELOADING=1");
	fine = take_over(new, report);
	sdnotify_send("READY=1");
	if (fine)
		log_notice("reloaded: %d instance%s", n, n == 1 ? "" : "s");
	return fine;
}
