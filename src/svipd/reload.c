/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes a new configuration into the running daemon: all of it or nothing. An instance whose interface and addresses stay the
 * same keeps its hold untouched. What concerns the cluster as a whole needs a restart, and is refused here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
#define SAME(field) (memcmp(&a->field, &b->field, sizeof(a->field)) == 0)
	if (strcmp(a->cluster, b->cluster) != 0)
		return "cluster";
	if (a->n_sentinels != b->n_sentinels || !SAME(sentinel))
		return "sentinels";
	if (a->n_nodes != b->n_nodes || !SAME(node) || a->self != b->self)
		return "nodes";
	if (a->lease_ms != b->lease_ms)
		return "lease";
	if (a->poll_ms != b->poll_ms)
		return "poll";
	if (a->fence != b->fence)
		return "fence";
	if (a->guard_ms != b->guard_ms)
		return "guard";
	if (a->drift_ppm != b->drift_ppm)
		return "clock-drift";
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
#undef SAME
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
daemon_read_settings(const char *file, char **report)
{
	static struct conf_report found;
	struct conf_host host;
	struct settings *set;
	size_t size;
	FILE *out;

	*report = NULL;
	host_look(&host);
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

/* Same interface, same addresses in any order: the hold goes on. */
static bool
stays(const struct set_instance *a, const struct set_instance *b)
{
	if (strcmp(a->interface, b->interface) != 0 || a->n_addresses != b->n_addresses)
		return false;
	for (int i = 0; i < a->n_addresses; i++) {
		bool found = false;

		for (int k = 0; k < b->n_addresses && !found; k++)
			found = svip_addr_same(&a->address[i], &b->address[k]) &&
			        a->address[i].prefix == b->address[k].prefix;
		if (!found)
			return false;
	}
	return true;
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

static void
apply(struct settings *new)
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

static bool
refuse(char **report, const struct settings *set, const char *what)
{
	char line[SET_PATH_MAX + 128];

	snprintf(line, sizeof(line),
	    "%s: %s: has changed, and only a restart of svipd can take it over", set->file, what);
	*report = strdup(line);
	return false;
}

bool
daemon_fits(const char *file, char **report)
{
	struct daemon_state *d = daemon_state();
	struct settings *new = daemon_read_settings(file, report);
	const char *what;

	if (new == NULL)
		return false;
	what = needs_restart(d->set, new);
	settings_free(new);
	return what == NULL || refuse(report, d->set, what);
}

bool
daemon_reload(char **report)
{
	struct daemon_state *d = daemon_state();
	struct settings *new;
	const char *what;

	*report = NULL;
	if (d->stopping) {
		*report = strdup("svipd is stopping");
		return false;
	}
	new = daemon_read_settings(d->options.file, report);
	if (new == NULL)
		return false;
	what = needs_restart(d->set, new);
	if (what != NULL) {
		settings_free(new);
		return refuse(report, d->set, what);
	}
	sdnotify_send("RELOADING=1");
	apply(new);
	sdnotify_send("READY=1");
	log_notice("reloaded: %d instance%s", new->n_instances, new->n_instances == 1 ? "" : "s");
	return true;
}
