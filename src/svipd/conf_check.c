/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration as a whole: addresses that meet, and what the times add up to. Changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"

/* Measured on Redis 7, median: from a majority's s_down until a majority names the new master. */
enum { SENTINEL_SWITCH_MS = 1200 };

svip_ms
conf_wait_ms(const struct settings *s)
{
	int64_t fast = 1000000 + s->drift_ppm, slow = 1000000 - s->drift_ppm;

	return (s->lease_ms * fast + slow - 1) / slow + s->guard_ms;
}

static int
order(const void *a, const void *b)
{
	const struct conf_vip_at *x = a, *y = b;
	int c = memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));

	if (x->address.family != y->address.family)
		return x->address.family - y->address.family;
	if (c == 0 && x->file != y->file)
		return x->file - y->file;
	return c != 0 ? c : x->line - y->line;
}

static void
check_doubles(struct conf_loader *l)
{
	char text[SVIP_TEXT_MAX], place[CONF_PLACE_MAX];

	if (l->n_vips > 0)
		qsort(l->vip, (size_t)l->n_vips, sizeof(*l->vip), order);
	for (int i = 1; i < l->n_vips; i++) {
		const struct conf_vip_at *a = &l->vip[i - 1], *b = &l->vip[i];

		if (svip_addr_same(&a->address, &b->address))
			conf_fault(l->tree, b->file, b->line, "address",
			    "\"%s\" is given twice, first in vip \"%s\", %s",
			    svip_addr_text(&b->address, false, text), a->instance,
			    conf_place(l->tree, b->file, a->file, a->line, place));
	}
}

/* What is fixed to one host can't move between hosts. */
static void
check_taken(struct conf_loader *l, const struct svip_addr *a, const char *whose)
{
	struct conf_vip_at key = { .address = *a };
	int low = 0, high = l->n_vips;
	char text[SVIP_TEXT_MAX];

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (order(&l->vip[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == l->n_vips || !svip_addr_same(&l->vip[low].address, a) || l->vip[low].told)
		return;
	l->vip[low].told = true;
	conf_fault(l->tree, l->vip[low].file, l->vip[low].line, "address",
	    "\"%s\" is also %s: a virtual address belongs to no host",
	    svip_addr_text(a, false, text), whose);
}

static void
check_all_taken(struct conf_loader *l)
{
	const struct settings *s = l->set;
	struct svip_addr a;

	for (int i = 0; i < s->n_nodes; i++)
		check_taken(l, &s->node[i], "a node's own address");
	for (int i = 0; i < s->n_sentinels; i++) {
		if (svip_host_addr(&s->sentinel[i], &a))
			check_taken(l, &a, "a Sentinel's address");
	}
	for (int i = 0; i < s->n_instances; i++) {
		const struct set_instance *in = &s->instance[i];
		if (in->redis_given && svip_host_addr(&in->redis, &a))
			check_taken(l, &a, "the address under \"redis\"");
		if (in->announce.port != 0 && svip_host_addr(&in->announce, &a))
			check_taken(l, &a, "the address under \"announce\"");
	}
}

static void
note_times(struct conf_loader *l)
{
	const struct settings *s = l->set;
	const struct conf_entry *e = NULL;
	const struct conf_value *v = conf_one(&l->tree->global, "lease", &e);
	svip_ms more = conf_wait_ms(s) - SENTINEL_SWITCH_MS;
	char lease[CONF_DURATION_MAX], guard[CONF_DURATION_MAX];

	if (more <= 0)
		return;
	conf_say(l->tree->report, CONF_NOTE, v == NULL ? 0 : e->file,
	    l->tree->file[v == NULL ? 0 : e->file].name, v == NULL ? 0 : v->line, NULL,
	    "a crash failover may wait up to %lld.%lld s after Sentinel's switch when the old host "
	    "is dead (lease %s, "
	    "guard %s); a shorter lease waits less",
	    (long long)(more / 1000), (long long)(more % 1000 / 100),
	    conf_duration_text(s->lease_ms, lease), conf_duration_text(s->guard_ms, guard));
}

void
conf_check(struct conf_loader *l)
{
	check_doubles(l);
	check_all_taken(l);
	if (l->tree->report->n_faults == 0)
		note_times(l);
}
