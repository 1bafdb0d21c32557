/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of all keys: where each may stand and what holds without it. Knows no values. */
#include <limits.h>
#include <string.h>

#include "conf_in.h"
#include "wire/nearest.h"

enum { NOTIFY = CONF_GLOBAL | CONF_VIP };

/* Every line has its words in doc/svipd.conf.5 and etc/svipd.conf; a test looks. */
static const struct conf_key keys[] = {
	{ "cluster", CONF_GLOBAL, false, NULL },
	{ "sentinels", CONF_GLOBAL, true, NULL },
	{ "nodes", CONF_GLOBAL, true, NULL },
	{ "key-file", CONF_GLOBAL, false, NULL },
	{ "lease", CONF_GLOBAL, false, "2s" },
	{ "poll", CONF_GLOBAL, false, NULL },
	{ "fence", CONF_GLOBAL, false, "auto" },
	{ "guard", CONF_GLOBAL, false, "60ms" },
	{ "clock-drift", CONF_GLOBAL, false, "1%" },
	{ "on-quorum-loss", CONF_GLOBAL, false, "release" },
	{ "on-conflict", CONF_GLOBAL | CONF_VIP, false, "defend" },
	{ "hold-writes", CONF_GLOBAL, false, "on" },
	{ "handover-on-stop", CONF_GLOBAL, false, "off" },
	{ "expedite-failover", CONF_GLOBAL, false, "off" },
	{ "reset-connections", CONF_GLOBAL | CONF_VIP, false, "on" },
	{ "observe", CONF_GLOBAL, false, "off" },
	{ "heartbeat", CONF_GLOBAL, false, "500ms" },
	{ "multicast", CONF_GLOBAL, false, "239.192.83.86:8386" },
	{ "unicast", CONF_GLOBAL, false, "on" },
	{ "port", CONF_GLOBAL, false, "8386" },
	{ "ttl-min", CONF_GLOBAL, false, "255" },
	{ "sentinel-user", CONF_GLOBAL, false, NULL },
	{ "sentinel-password-file", CONF_GLOBAL, false, NULL },
	{ "redis-user", CONF_GLOBAL, false, NULL },
	{ "redis-password-file", CONF_GLOBAL, false, NULL },
	{ "redis", CONF_GLOBAL | CONF_VIP, false, "6379" },
	{ "announce", CONF_GLOBAL | CONF_VIP, false, NULL },
	{ "notify", NOTIFY, false, NULL },
	{ "notify-master", NOTIFY, false, NULL },
	{ "notify-backup", NOTIFY, false, NULL },
	{ "notify-fault", NOTIFY, false, NULL },
	{ "notify-timeout", CONF_GLOBAL, false, "30s" },
	{ "script-user", CONF_GLOBAL, false, NULL },
	{ "user", CONF_GLOBAL, false, NULL },
	{ "group", CONF_GLOBAL, false, NULL },
	{ "log-level", CONF_GLOBAL, false, "info" },
	{ "metrics-listen", CONF_GLOBAL, false, NULL },
	{ "include", CONF_GLOBAL, true, NULL },
	{ "interface", CONF_VIP, false, NULL },
	{ "address", CONF_VIP, true, NULL },
	{ "at", CONF_ARP, true,
	    "{ \"0s\", \"100ms\", \"300ms\", \"1100ms\", \"2200ms\", \"5s\", \"10s\" }" },
	{ "refresh", CONF_ARP, false, "60s" },
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

const struct conf_key *
conf_keys(int *n)
{
	*n = N_KEYS;
	return keys;
}

const struct conf_key *
conf_key_find(const char *name)
{
	for (int i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

unsigned
conf_block_kind(const char *name)
{
	if (strcmp(name, "vip") == 0)
		return CONF_VIP;
	if (strcmp(name, "arp") == 0)
		return CONF_ARP;
	return 0;
}

static void
consider(const char *name, const char *candidate, int *least, const char **best)
{
	int d = nearest_distance(name, candidate);

	if (d < *least && nearest_alike(name, candidate)) {
		*least = d;
		*best = candidate;
	}
}

const char *
conf_key_guess(const char *name, unsigned where)
{
	const char *best = NULL;
	int least = INT_MAX;

	for (int i = 0; i < N_KEYS; i++) {
		if ((keys[i].where & where) != 0)
			consider(name, keys[i].name, &least, &best);
	}
	if (where == CONF_GLOBAL) {
		consider(name, "vip", &least, &best);
		consider(name, "arp", &least, &best);
	}
	for (int i = 0; best == NULL && i < N_KEYS; i++)
		consider(name, keys[i].name, &least, &best);
	return best;
}
