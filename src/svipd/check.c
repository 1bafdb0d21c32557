/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a row. A row is missing when promises can't be kept without it, degraded when they are kept less well. */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/log.h"

enum { SOON_MS = 10000 }; /* a peer has had time for some heartbeats */

struct table {
	const struct check_input *in;
	struct check_row *row;
	int n;
};

__attribute__((format(printf, 5, 6))) static void
put(struct table *t, const char *name, enum check_verdict v, const char *remedy, const char *fmt,
    ...)
{
	struct check_row *r = &t->row[t->n++];
	va_list ap;

	r->name = name;
	r->verdict = v;
	r->remedy = v == CHECK_OK ? NULL : remedy;
	va_start(ap, fmt);
	vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
	va_end(ap);
}

static void
put_addresses(struct table *t)
{
	const struct selftest *s = t->in->test;
	static const char remedy[] =
	    "svipd needs CAP_NET_ADMIN in this network namespace; a container must be given it";

	if (s->address4 == SELFTEST_SKIPPED)
		put(t, "address", CHECK_OK, NULL, "not tried: observe is on");
	else if (s->address4 != 0)
		put(t, "address", CHECK_MISSING, remedy, "an address can't be added: %s",
		    strerror(s->address4));
	else
		put(t, "address", CHECK_OK, NULL, "IPv4%s, with a lifetime",
		    s->address6 == 0 ? " and IPv6" : "");
	if (s->address4 == 0 && s->address6 != 0 && s->address6 != SELFTEST_SKIPPED)
		put(t, "address-ipv6", CHECK_DEGRADED,
		    "turn IPv6 on (net.ipv6.conf.*.disable_ipv6) if a virtual address needs it",
		    "an IPv6 address can't be added: %s", strerror(s->address6));
}

static void
put_expiry(struct table *t)
{
	const struct selftest *s = t->in->test;
	bool late4 = s->expiry4 == ETIME, late6 = s->expiry6 == ETIME;

	if (s->address4 != 0)
		return;
	if (late4 || late6)
		put(t, "expiry", CHECK_MISSING,
		    "report this kernel; don't rely on it without nftables",
		    "the kernel did not take an address away at the end of its lifetime");
	else if (s->expiry4 == 0)
		put(t, "expiry", CHECK_OK, NULL,
		    "the kernel took the address away after %lld ms (1000 asked for)",
		    (long long)s->gone4);
}

static void
put_nftables(struct table *t)
{
	const struct selftest *s = t->in->test;
	const struct settings *set = t->in->set;
	static const char remedy[] = "load nf_tables (CONFIG_NF_TABLES, NF_TABLES_INET, "
	                             "NF_TABLES_ARP, NFT_FIB_INET) in the kernel";
	enum check_verdict without =
	    set->fence == SET_FENCE_NFTABLES || set->fence == SET_FENCE_REQUIRED ? CHECK_MISSING
	                                                                         : CHECK_DEGRADED;

	if (s->nftables == SELFTEST_SKIPPED) {
		put(t, "nftables", CHECK_OK, NULL, "not tried: observe is on");
	} else if (s->nftables == ETIME) {
		put(t, "nftables", CHECK_MISSING,
		    "report this kernel, and say fence = \"lifetime\"",
		    "an element of a set did not time out");
	} else if (s->nftables != 0) {
		put(t, "nftables", without, remedy,
		    "%s: addresses of a dead svipd answer for up to %d ms more",
		    strerror(s->nftables), (int)t->in->core->conf.guard_ms);
	} else if (!t->in->fenced) {
		put(t, "nftables", set->fence == SET_FENCE_LIFETIME ? CHECK_OK : without,
		    "restart svipd; its log says why", "granted, but not in use%s",
		    set->fence == SET_FENCE_LIFETIME ? ": fence = lifetime" : "");
	} else {
		put(t, "nftables", CHECK_OK, NULL, "in use: a hold ends to the millisecond");
		if (s->egress != 0)
			put(t, "nftables-egress", CHECK_DEGRADED, "Linux 5.16 or later has it",
			    "no egress hook: an announcement may leave late by as much as svipd "
			    "was stopped");
	}
}

static const char *
no_destroy(int error)
{
	if (error == EPERM)
		return "svipd needs CAP_NET_ADMIN in this network namespace";
	return "CONFIG_INET_DIAG_DESTROY in the kernel (module tcp_diag); or Redis 6.2, and for "
	       "redis-user: ACL SETUSER ... "
	       "+client|kill";
}

static void
put_sockets(struct table *t)
{
	const struct selftest *s = t->in->test;

	if (s->packet == 0)
		put(t, "packet-socket", CHECK_OK, NULL,
		    "announcements and the conflict watch can work");
	else
		put(t, "packet-socket", CHECK_MISSING,
		    "svipd needs CAP_NET_RAW in this network namespace",
		    "%s: the network can't be told of a move", strerror(s->packet));
	if (s->destroy == 0)
		put(t, "sock-destroy", CHECK_OK, NULL,
		    "connections of clients can be reset before a move");
	else if (t->in->end_error == NULL)
		put(t, "sock-destroy", CHECK_DEGRADED, no_destroy(s->destroy),
		    "%s: the local Redis ends clients' connections instead (CLIENT KILL)",
		    strerror(s->destroy));
	else
		put(t, "sock-destroy", CHECK_DEGRADED, no_destroy(s->destroy),
		    "%s, nor does Redis (%s): idle clients will not hear of a move",
		    strerror(s->destroy), t->in->end_error);
}

static void
put_time(struct table *t)
{
	const struct selftest *s = t->in->test;
	const char *source = s->clocksource;
	bool coarse = strcmp(source, "jiffies") == 0 || strcmp(source, "refined-jiffies") == 0 ||
	              strcmp(source, "pit") == 0;

	if (s->clock != 0)
		put(t, "clock", CHECK_MISSING, "Linux 3.15 or later",
		    "no timer on CLOCK_BOOTTIME: %s", strerror(s->clock));
	else if (coarse)
		put(t, "clock", CHECK_DEGRADED,
		    "choose a better clocksource (tsc, kvm-clock, hpet)",
		    "the kernel counts time by %s", source);
	else
		put(t, "clock", CHECK_OK, NULL, "CLOCK_BOOTTIME%s%s",
		    source[0] != '\0' ? " by " : "", source);
}

static void
put_steady(struct table *t)
{
	const struct steady *s = t->in->steady;

	if (s->memory == 0)
		put(t, "memory", CHECK_OK, NULL, "locked: it is never swapped out");
	else
		put(t, "memory", CHECK_DEGRADED,
		    "start as root, or LimitMEMLOCK=infinity in the unit",
		    "not locked (%s): under memory pressure a lease may be missed",
		    strerror(-s->memory));
	if (s->schedule == 0)
		put(t, "scheduling", CHECK_OK, NULL, "before ordinary processes");
	else
		put(t, "scheduling", CHECK_DEGRADED,
		    "start as root, or CPUSchedulingPolicy=fifo in the unit",
		    "as ordinary processes (%s): on a busy machine a lease may be missed",
		    strerror(-s->schedule));
}

static void
put_writes(struct table *t)
{
	if (!t->in->set->hold_writes)
		put(t, "hold-writes", CHECK_OK, NULL, "off in the configuration");
	else if (t->in->writes_error == NULL)
		put(t, "hold-writes", CHECK_OK, NULL, "nothing that the local Redis has refused");
	else
		put(t, "hold-writes", CHECK_DEGRADED,
		    "Redis 6.2 or later, and for redis-user: ACL SETUSER ... +client|pause "
		    "+client|unpause",
		    "%s: a planned failover loses writes", t->in->writes_error);
}

static void
put_peers(struct table *t)
{
	const struct settings *set = t->in->set;
	const struct core *c = t->in->core;
	char node[SVIP_TEXT_MAX];

	if (!set->multicast && set->n_nodes > 1)
		put(t, "multicast", CHECK_OK, NULL, "off in the configuration");
	for (int i = 0; i < set->n_nodes; i++) {
		svip_ms group = t->in->group_ms[i];

		if (i == c->conf.self)
			continue;
		svip_addr_text(&set->node[i], false, node);
		if (core_peer_state(c, i, t->in->now) != PEER_ALIVE) {
			bool early = t->in->now - c->started < SOON_MS;

			put(t, "peer", early ? CHECK_OK : CHECK_DEGRADED,
			    "is svipd running there, with this key, and does the network let UDP "
			    "through?",
			    "%s is not heard%s", node, early ? " yet" : "");
		} else if (!core_peer_two_way(c, i, t->in->now)) {
			put(t, "peer", CHECK_DEGRADED, "look at filters on the way to it",
			    "%s is heard, but does not hear this node", node);
		} else if (!set->multicast) {
			put(t, "peer", CHECK_OK, NULL, "%s is heard", node);
		} else if (group < 0 || group > SOON_MS) {
			bool early = t->in->now - c->started < SOON_MS;

			put(t, "multicast", early ? CHECK_OK : CHECK_DEGRADED,
			    "a switch with IGMP snooping needs a querier; or say multicast = "
			    "\"off\"",
			    "%s is not heard by multicast, by unicast it is", node);
		} else {
			put(t, "multicast", CHECK_OK, NULL, "%s is heard", node);
		}
	}
}

int
check_rows(const struct check_input *in, struct check_row rows[CHECK_ROWS_MAX])
{
	struct table t = { .in = in, .row = rows };

	put_addresses(&t);
	put_expiry(&t);
	put_nftables(&t);
	put_sockets(&t);
	put(&t, "capabilities", CHECK_OK, NULL,
	    "CAP_NET_ADMIN and CAP_NET_RAW, and no other"); /* else it had not started */
	put_time(&t);
	put_steady(&t);
	put_writes(&t);
	put_peers(&t);
	return t.n;
}

const char *
check_word(enum check_verdict v)
{
	return v == CHECK_OK ? "ok" : v == CHECK_DEGRADED ? "degraded" : "missing";
}

json_t *
check_json(const struct check_input *in)
{
	static struct check_row rows[CHECK_ROWS_MAX];
	enum check_verdict worst = CHECK_OK;
	json_t *all = json_array();
	int n = check_rows(in, rows);

	for (int i = 0; i < n; i++) {
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s?}", "name", rows[i].name,
		                               "verdict", check_word(rows[i].verdict), "detail",
		                               rows[i].detail, "remedy", rows[i].remedy));
		if (rows[i].verdict > worst)
			worst = rows[i].verdict;
	}
	return json_pack("{s:b, s:I, s:s, s:o}", "running", in->test->running, "age_ms",
	    (json_int_t)(in->now - in->test->when), "verdict", check_word(worst), "checks", all);
}
