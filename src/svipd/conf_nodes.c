/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists of nodes and Sentinels as a whole: which node this host is, and what would break a majority. */
#include <string.h>

#include "conf_in.h"

/* NULL, or why an address can't be a node's. */
static const char *
refused(const struct svip_addr *a, int n_nodes)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[16];

	if (conf_is_loopback(a))
		return n_nodes == 1 ? NULL
		                    : "is a loopback address: every host would take it for its own";
	if (a->family == 4) {
		if (a->bytes[0] == 0 || a->bytes[0] >= 224)
			return "is no host's address";
		return NULL;
	}
	if (a->bytes[0] == 0xff || memcmp(a->bytes, zero, sizeof(zero)) == 0)
		return "is no host's address";
	if (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80)
		return "is a link-local address: it is not reached without naming an interface";
	if (memcmp(a->bytes, mapped, sizeof(mapped)) == 0)
		return "is an IPv4 address in IPv6 form: write it as IPv4";
	return NULL;
}

static void
check_nodes(struct conf_loader *l)
{
	const struct settings *s = l->set;
	char text[SVIP_TEXT_MAX];

	for (int i = 0; i < s->n_nodes; i++) {
		const struct conf_value_at *at = &l->node_at[i];
		const char *why = refused(&s->node[i], s->n_nodes);

		if (why == NULL && s->node[i].family != s->node[0].family)
			why =
			    "is of another family than the first node: heartbeats need one for all";
		if (why != NULL)
			conf_fault(l->tree, at->file, at->line, "nodes", "\"%s\" %s",
			    svip_addr_text(&s->node[i], false, text), why);
	}
	if (s->n_nodes == 1)
		conf_warn(l->tree, l->node_at[0].file, l->node_at[0].line, "nodes",
		    "there is one node only: nobody can take over from it");
}

/* A Sentinel that is another one on each node would make every proof void. */
static void
check_sentinels(struct conf_loader *l)
{
	const struct settings *s = l->set;
	int majority = s->n_sentinels / 2 + 1, n = s->n_sentinels;

	for (int i = 0; i < n; i++) {
		const struct conf_value_at *at = &l->sentinel_at[i];
		const char *name = s->sentinel[i].name;
		struct svip_addr a;
		int same = 0, first = -1;

		if (s->n_nodes > 1 &&
		    (strncmp(name, "localhost", 9) == 0 ||
		        (svip_host_addr(&s->sentinel[i], &a) && conf_is_loopback(&a))))
			conf_fault(l->tree, at->file, at->line, "sentinels",
			    "\"%s\" is another Sentinel on each node: write the address that all "
			    "nodes reach it by",
			    name);
		for (int k = 0; k < n; k++) {
			if (strcmp(s->sentinel[k].name, name) == 0 && same++ == 0)
				first = k;
		}
		if (n > 1 && same >= majority && first == i)
			conf_warn(l->tree, at->file, at->line, "sentinels",
			    "%d of %d are on \"%s\": without that host there is no majority", same,
			    n, name);
	}
	if (n == 1)
		conf_warn(l->tree, l->sentinel_at[0].file, l->sentinel_at[0].line, "sentinels",
		    "there is one only: without it nobody holds the addresses; three on different "
		    "hosts are usual");
	else if (n > 0 && n % 2 == 0)
		conf_warn(l->tree, l->sentinel_at[0].file, l->sentinel_at[0].line, "sentinels",
		    "%d is an even number: a majority is %d, so %d can be lost, no more than with "
		    "%d",
		    n, majority, n - majority, n - 1);
}

static bool
is_local(const struct conf_host *h, const struct svip_addr *a)
{
	for (int i = 0; i < h->n_addresses; i++) {
		if (svip_addr_same(&h->address[i], a))
			return true;
	}
	return false;
}

/* The addresses of this host, as far as they fit. */
static const char *
local_words(const struct conf_host *h, char *out, size_t size)
{
	size_t used = 0;
	char text[SVIP_TEXT_MAX];

	out[0] = '\0';
	for (int i = 0; i < h->n_addresses && used + SVIP_TEXT_MAX < size; i++) {
		if (!conf_is_loopback(&h->address[i]))
			used += (size_t)snprintf(out + used, size - used, "%s%s",
			    used == 0 ? "" : ", ", svip_addr_text(&h->address[i], false, text));
	}
	return used == 0 ? "no address" : out;
}

static void
find_self(struct conf_loader *l)
{
	struct settings *s = l->set;
	const struct conf_entry *e = conf_get(&l->tree->global, "nodes");
	char words[SET_PATH_MAX], text[SVIP_TEXT_MAX], other[SVIP_TEXT_MAX];

	s->self = -1;
	if (l->host == NULL || e == NULL || s->n_nodes == 0)
		return;
	for (int i = 0; i < s->n_nodes; i++) {
		if (!is_local(l->host, &s->node[i]))
			continue;
		if (s->self < 0)
			s->self = i;
		else
			conf_fault(l->tree, l->node_at[i].file, l->node_at[i].line, "nodes",
			    "\"%s\" and \"%s\" are both this host's: write one address of each "
			    "host",
			    svip_addr_text(&s->node[s->self], false, text),
			    svip_addr_text(&s->node[i], false, other));
	}
	if (s->self < 0 && !e->spoilt && !l->host->may_leave)
		conf_fault(l->tree, e->file, e->line, "nodes",
		    "none of them is an address of this host, which has %s",
		    local_words(l->host, words, sizeof(words)));
}

void
conf_nodes_check(struct conf_loader *l)
{
	check_nodes(l);
	check_sentinels(l);
	find_self(l);
}
