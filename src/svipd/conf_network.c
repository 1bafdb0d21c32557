/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of heartbeats, announcements and metrics into settings. Opens nothing. */
#include <string.h>

#include "conf_in.h"

enum {
	HEARTBEAT_MS = 500,
	HEARTBEAT_LEAST_MS = 50,
	HEARTBEAT_MOST_MS = 10000,
	PORT = 8386,
	TTL = 255,
	STEP_MOST_MS = 300000,
	REFRESH_MS = 60000,
	REFRESH_LEAST_MS = 1000,
	REFRESH_MOST_MS = 3600000,
};

static const char group_v4[] = "239.192.83.86", group_v6[] = "ff15::5356:4950";

static bool
is_multicast(const struct svip_addr *a)
{
	return a->family == 4 ? (a->bytes[0] & 0xf0) == 0xe0 : a->bytes[0] == 0xff;
}

static long
read_number(struct conf_loader *l, const char *key, long least, long most, long standard)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, key, &e);
	const char *why;
	long n;

	if (v == NULL)
		return standard;
	why = conf_value_number(v->text, least, most, &n);
	if (why == NULL)
		return n;
	conf_wrong(l, e, v, why);
	return standard;
}

static void
read_group(struct conf_loader *l, const struct conf_entry *e, const struct conf_value *v)
{
	struct settings *s = l->set;
	bool port_given = conf_get(&l->tree->global, "port") != NULL;
	struct svip_addr a;
	struct svip_host h;

	if (strcmp(v->text, "off") == 0) {
		s->multicast = false;
		return;
	}
	if (!svip_host_parse(v->text, 0, &h) || !svip_host_addr(&h, &a)) {
		conf_wrong(l, e, v, "is not GROUP, GROUP:PORT, [GROUP]:PORT or off");
		return;
	}
	if (!is_multicast(&a)) {
		conf_wrong(l, e, v,
		    "is not a multicast address: 239.0.0.0/8 and ff15::/16 are for use within a "
		    "site");
		return;
	}
	if (s->n_nodes > 0 && a.family != s->node[0].family) {
		conf_wrong(l, e, v, "is of another family than the nodes");
		return;
	}
	if (h.port != 0 && port_given && h.port != s->port)
		conf_wrong(l, e, v, "has another port than the key \"port\": write it once");
	if (h.port != 0)
		s->port = h.port;
	s->group = a;
}

static void
read_heartbeats(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "multicast", &e);

	s->heartbeat_ms = HEARTBEAT_MS;
	conf_duration(l, &l->tree->global, "heartbeat", HEARTBEAT_LEAST_MS, HEARTBEAT_MOST_MS,
	    &s->heartbeat_ms);
	s->ttl_min = (int)read_number(l, "ttl-min", 1, TTL, TTL);
	s->port = (uint16_t)read_number(l, "port", 1, UINT16_MAX, PORT);
	s->unicast = true;
	conf_bool(l, "unicast", &s->unicast);
	s->multicast = true;
	svip_addr_parse(s->n_nodes > 0 && s->node[0].family == 6 ? group_v6 : group_v4, &s->group);
	if (v != NULL)
		read_group(l, e, v);
	if (!s->multicast)
		memset(&s->group, 0, sizeof(s->group));
	if (!s->multicast && !s->unicast)
		conf_fault(l->tree, e->file, v->line, "multicast",
		    "multicast and unicast are both off: heartbeats need one of them");
}

static void
read_step(struct conf_loader *l, const struct conf_entry *e, const struct conf_value *v)
{
	struct set_arp *arp = &l->set->arp;
	const char *why;
	svip_ms ms = 0;

	why = conf_value_duration(v->text, &ms);
	if (why == NULL && ms > STEP_MOST_MS)
		why = "is above 5m, the most";
	if (why == NULL && arp->n_steps == 0 && ms != 0)
		why = "is not 0s: the first announcement follows the address at once";
	if (why == NULL && arp->n_steps > 0 && ms <= arp->step_ms[arp->n_steps - 1])
		why = "is not later than the one before: each counts from the beginning";
	if (why != NULL)
		conf_wrong(l, e, v, why);
	else
		arp->step_ms[arp->n_steps++] = ms;
}

static void
read_arp(struct conf_loader *l)
{
	/* Twice within 1.1 s, and beyond: kernels ignore what comes within a second of an entry's change. */
	static const svip_ms steps[] = { 0, 100, 300, 1100, 2200, 5000, 10000 };
	const struct conf_entry *e = conf_get(l->tree->arp, "at");
	const struct conf_value *v;
	struct set_arp *arp = &l->set->arp;

	arp->refresh_ms = REFRESH_MS;
	conf_duration(l, l->tree->arp, "refresh", 0, REFRESH_MOST_MS, &arp->refresh_ms);
	v = conf_one(l->tree->arp, "refresh", &e);
	if (v != NULL && arp->refresh_ms > 0 && arp->refresh_ms < REFRESH_LEAST_MS)
		conf_wrong(l, e, v, "is below 1s, the least; 0s means no refresh");
	e = conf_get(l->tree->arp, "at");
	if (e == NULL) {
		arp->n_steps = sizeof(steps) / sizeof(steps[0]);
		memcpy(arp->step_ms, steps, sizeof(steps));
		return;
	}
	if (e->spoilt)
		return;
	if (e->n == 0 || e->n > SET_ARP_STEPS_MAX)
		conf_fault(l->tree, e->file, e->line, "at",
		    "the list has %d times; 1 to %d are allowed", e->n, SET_ARP_STEPS_MAX);
	for (int i = 0; i < e->n && i < SET_ARP_STEPS_MAX; i++)
		read_step(l, e, &e->value[i]);
}

static void
read_metrics(struct conf_loader *l)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, "metrics-listen", &e);
	struct svip_addr a;
	struct svip_host h;

	if (v == NULL)
		return;
	if (!svip_host_parse(v->text, 0, &h) || !svip_host_addr(&h, &a) || h.port == 0)
		conf_wrong(l, e, v, "is not ADDRESS:PORT or [IPv6]:PORT");
	else if (is_multicast(&a))
		conf_wrong(l, e, v, "is a multicast address");
	else
		l->set->metrics = h;
}

void
conf_network_read(struct conf_loader *l)
{
	read_metrics(l);
	read_heartbeats(l);
	read_arp(l);
}
