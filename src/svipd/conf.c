/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration from file to settings, step by step; all or nothing. Holds no rules of its own. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"
#include "wire/version.h"

static int
read_absent(char *words, struct svip_addr out[SVIP_NODES_MAX])
{
	int n = 0;

	for (char *w; (w = strsep(&words, " ")) != NULL && n < SVIP_NODES_MAX;)
		n += svip_addr_parse(w, &out[n]);
	return n;
}

/* All files into the tree: one after the other, an included file after those named before it. */
static void
read_files(struct conf_tree *t, const char *file)
{
	struct version version;

	conf_file_add(t, file, 0, 0);
	if (t->n_files > 0) { /* before comments are made blank */
		version_read(t->file[0].text, t->file[0].size, &version);
		t->serial = version.serial;
		t->edited = version.edited;
		t->n_absent = read_absent(version.absent, t->absent);
	}
	for (int i = 0; i < t->n_files; i++) {
		int faults = t->report->n_faults;

		conf_blocks_read(t, i);
		if (t->report->n_faults == faults)
			conf_confuse_compare(t, i);
		conf_file_includes(t, i);
	}
}

/* In this order: later ones look at what earlier ones have read. */
static void
read_settings(struct conf_loader *l)
{
	conf_users_read(l);
	conf_global_read(l);
	conf_network_read(l);
	conf_nodes_check(l);
	conf_scripts_read(l, &l->tree->global, &l->scripts);
	conf_secrets_read(l);
	conf_vips_read(l);
	conf_check(l);
}

/* Settings out of a tree that may have faults; NULL when it has any. */
static struct settings *
make(struct conf_tree *t, const char *file, const struct conf_host *host)
{
	struct conf_loader l = { .tree = t, .host = host };

	l.set = calloc(1, sizeof(*l.set));
	if (l.set == NULL) {
		conf_fault(t, 0, 0, NULL, "out of memory");
		return NULL;
	}
	snprintf(l.set->file, sizeof(l.set->file), "%s", file);
	l.set->serial = t->serial;
	l.set->edited = t->edited;
	l.set->n_absent = t->n_absent;
	memcpy(l.set->absent, t->absent, sizeof(t->absent));
	read_settings(&l);
	if (t->report->n_faults == 0) {
		conf_settings_sort(l.set);
		if (conf_digests(l.set))
			return l.set;
		conf_fault(t, 0, 0, NULL, "out of memory");
	}
	settings_free(l.set);
	return NULL;
}

struct settings *
conf_load(const char *file, const struct conf_host *host, struct conf_report *report)
{
	struct conf_tree *t = malloc(sizeof(*t));
	struct settings *s = NULL;

	memset(report, 0, sizeof(*report));
	if (t == NULL) {
		conf_say(report, CONF_FAULT, 0, file, 0, NULL, "out of memory");
		return NULL;
	}
	conf_tree_init(t, report);
	read_files(t, file);
	if (t->n_files > 0)
		s = make(t, file, host);
	conf_report_sort(report);
	conf_tree_fini(t);
	free(t);
	return s;
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	free(s->instance);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

static void
summary_instances(const struct settings *s, FILE *to)
{
	const struct set_instance *in = &s->instance[0];
	char text[SVIP_TEXT_MAX];
	int n = 0;

	for (int i = 0; i < s->n_instances; i++)
		n += s->instance[i].n_addresses;
	fprintf(to, "%d instance%s with %d virtual address%s", s->n_instances,
	    s->n_instances == 1 ? "" : "s", n, n == 1 ? "" : "es");
	if (s->n_instances == 1)
		fprintf(to, " (%s: %s%s on %s)", in->name,
		    svip_addr_text(&in->address[0], true, text), n > 1 ? " and more" : "",
		    in->interface);
}

void
conf_summary(const struct settings *s, FILE *to)
{
	svip_ms wait = conf_wait_ms(s);
	char text[SVIP_TEXT_MAX], lease[CONF_DURATION_MAX], poll[CONF_DURATION_MAX],
	    beat[CONF_DURATION_MAX];
	int majority = s->n_sentinels / 2 + 1;

	fprintf(to, "Cluster \"%s\": ", s->cluster);
	if (s->self >= 0)
		fprintf(to, "this is node %s, one of %d. ",
		    svip_addr_text(&s->node[s->self], false, text), s->n_nodes);
	else
		fprintf(to, "%d nodes; this host is not looked at. ", s->n_nodes);
	summary_instances(s, to);
	fprintf(to,
	    ". %d Sentinel%s, a majority is %d, asked every %s; whoever loses it lets go within "
	    "%s. ",
	    s->n_sentinels, s->n_sentinels == 1 ? "" : "s", majority,
	    conf_duration_text(s->poll_ms, poll), conf_duration_text(s->lease_ms, lease));
	fprintf(to,
	    "A dead holder is waited out for at most %lld.%lld s, counted from when a majority saw "
	    "it down; one that "
	    "lives says that it has let go, and nobody waits. ",
	    (long long)(wait / 1000), (long long)(wait % 1000 / 100));
	fprintf(to, "Heartbeats every %s by %s.%s\n", conf_duration_text(s->heartbeat_ms, beat),
	    !s->multicast ? "unicast"
	    : s->unicast  ? "multicast and unicast"
	                  : "multicast",
	    s->observe ? " Dry run: nothing is touched." : "");
}
