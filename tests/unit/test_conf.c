/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration: what is read, which faults are told at which line, and what a value may be. */
#include "conf_temp.h"

static void
the_smallest_file_gets_all_defaults(void **state)
{
	static const svip_ms steps[] = { 0, 100, 300, 1100, 2200, 5000, 10000 };
	struct settings *s = load_ok(BASE_TEXT);
	char text[SVIP_TEXT_MAX];

	(void)state;
	assert_string_equal(s->cluster, "cache");
	assert_int_equal(s->n_sentinels, 3);
	assert_string_equal(svip_host_text(&s->sentinel[2], text), "10.0.0.13:26379");
	assert_int_equal(s->n_nodes, 3);
	assert_int_equal(s->self, 0);
	assert_int_equal(s->n_keys, 1);
	assert_int_equal(s->key[0][1], 1);
	assert_int_equal(s->lease_ms, 2000);
	assert_int_equal(s->poll_ms, 400);
	assert_int_equal(s->guard_ms, 60);
	assert_int_equal(s->fence, SET_FENCE_AUTO);
	assert_int_equal(s->drift_ppm, 10000);
	assert_int_equal(s->heartbeat_ms, 500);
	assert_true(s->multicast && s->unicast && !s->observe && !s->hold_on_quorum_loss);
	assert_string_equal(svip_addr_text(&s->group, false, text), "239.192.83.86");
	assert_int_equal(s->port, 8386);
	assert_int_equal(s->ttl_min, 255);
	assert_int_equal(s->arp.n_steps, 7);
	assert_memory_equal(s->arp.step_ms, steps, sizeof(steps));
	assert_int_equal(s->arp.refresh_ms, 60000);
	assert_int_equal(s->script_timeout_ms, 30000);
	assert_int_equal(s->log_level, SET_LOG_INFO);
	assert_string_equal(s->sentinel_auth.password, "");
	assert_string_equal(s->script_user, s->user);
	assert_int_equal(s->n_instances, 1);
	assert_string_equal(s->instance[0].name, "mymaster");
	assert_int_equal(s->instance[0].line, 5);
	assert_string_equal(s->instance[0].interface, "eth0");
	assert_int_equal(s->instance[0].n_addresses, 1);
	assert_string_equal(svip_addr_text(&s->instance[0].address[0], true, text), "10.0.0.50/32");
	assert_string_equal(svip_host_text(&s->instance[0].redis, text), "10.0.0.11:6379");
	assert_false(s->instance[0].redis_given);
	assert_int_equal(s->instance[0].announce.port, 0);
	assert_int_equal(s->serial, 0);
	settings_free(s);
	settings_free(NULL);
}

static void
every_key_is_read(void **state)
{
	struct settings *s =
	    load_ok("cluster=cache // words may do without quotes\n"
	            "sentinels = { s1.example.com:7000, 10.0.0.12, # and comments stand anywhere\n "
	            "'10.0.0.13:1', }\n"
	            "nodes = { 10.0.0.12, 10.0.0.11 } key-file = /KEY\r\n"
	            "lease = 1s poll = 250ms guard = 3s clock-drift = 0.1234% heartbeat = 1s\n"
	            "multicast = \"239.1.2.3:9999\" unicast = no ttl-min = 64 on-quorum-loss = "
	            "hold observe = yes handover-on-stop = on expedite-failover = 1s on-conflict = yield-and-fault reset-connections = off\n"
	            "redis = 7000 announce = r.example.com notify-timeout = 1m log-level = debug metrics-listen = \"[::1]:9478\"\n"
	            "/* over\n two lines { \" */ arp { at = { 0s, 2s } refresh = 0s }\n"
	            "vip a { interface = eth0 address = 10.0.1.1 }\n"
	            "vip b\n{ on-conflict = defend reset-connections = on interface = eth0 address = { 10.0.1.3/24, 2001:db8::5, 10.0.1.2 }\n"
	            "\tredis = \"10.0.0.99:1\" announce = \"nat.example.com:2\" }\n");
	char text[SVIP_TEXT_MAX];

	(void)state;
	assert_string_equal(svip_host_text(&s->sentinel[2], text), "s1.example.com:7000");
	assert_int_equal(s->self, 0);
	assert_string_equal(svip_addr_text(&s->node[1], false, text), "10.0.0.12");
	assert_int_equal(s->lease_ms, 1000);
	assert_int_equal(s->poll_ms, 250);
	assert_int_equal(s->guard_ms, 3000);
	assert_int_equal(s->drift_ppm, 1234);
	assert_int_equal(s->heartbeat_ms, 1000);
	assert_int_equal(s->port, 9999);
	assert_string_equal(svip_addr_text(&s->group, false, text), "239.1.2.3");
	assert_true(s->multicast && !s->unicast && s->hold_on_quorum_loss && s->observe);
	assert_true(s->instance[0].yield_on_conflict && !s->instance[1].yield_on_conflict);
	assert_true(!s->instance[0].reset_connections && s->instance[1].reset_connections);
	assert_true(s->handover_on_stop);
	assert_int_equal(s->expedite_ms, 1000);
	assert_int_equal(s->ttl_min, 64);
	assert_int_equal(s->script_timeout_ms, 60000);
	assert_int_equal(s->log_level, SET_LOG_DEBUG);
	assert_string_equal(svip_host_text(&s->metrics, text), "[::1]:9478");
	assert_int_equal(s->arp.n_steps, 2);
	assert_int_equal(s->arp.refresh_ms, 0);
	assert_int_equal(s->n_instances, 2);
	assert_string_equal(svip_host_text(&s->instance[0].redis, text), "10.0.0.11:7000");
	assert_string_equal(svip_host_text(&s->instance[0].announce, text), "r.example.com:7000");
	assert_string_equal(svip_host_text(&s->instance[1].redis, text), "10.0.0.99:1");
	assert_true(s->instance[1].redis_given);
	assert_string_equal(svip_host_text(&s->instance[1].announce, text), "nat.example.com:2");
	assert_string_equal(svip_addr_text(&s->instance[1].address[0], true, text), "10.0.1.2/32");
	assert_string_equal(svip_addr_text(&s->instance[1].address[1], true, text), "10.0.1.3/24");
	assert_string_equal(
	    svip_addr_text(&s->instance[1].address[2], true, text), "2001:db8::5/128");
	settings_free(s);
}

/* Lines that are added behind the base, whose last line is 8, and what must be told of them. */
static const struct {
	const char *add, *want;
} faults[] = {
	{ "lese = 2s", "svipd.conf:9: lese: unknown key, did you mean \"lease\"?" },
	{ "fense = auto", "svipd.conf:9: fense: unknown key" },
	{ "tls { ca = x }", "svipd.conf:9: tls: unknown block" },
	{ "tls-port = on", "svipd.conf:9: tls-port: unknown key" },
	{ "expedite-failover = off\nlese = 2s", "svipd.conf:10: lese: unknown key" },
	{ "metrics = on", "svipd.conf:9: metrics: unknown key" },
	{ "expedite-failover = 99ms", "svipd.conf:9: expedite-failover: \"99ms\" is below 100ms, the least" },
	{ "expedite-failover = 61s", "svipd.conf:9: expedite-failover: \"61s\" is above 60s, the most" },
	{ "expedite-failover = on", "svipd.conf:9: expedite-failover:" },
	{ "handover-on-stop = soon", "svipd.conf:9: handover-on-stop:" },
	{ "\ncluster = x", "svipd.conf:10: cluster: given twice, first at line 1" },
	{ "vip mymaster { }", "svipd.conf:9: vip: \"mymaster\" is given twice, first at line 5" },
	{ "arp { }\narp { }", "svipd.conf:10: arp: given twice, first at line 9" },
	{ "vip b {\nredis = 1\ninterface = a\nredis = 1 }",
	    "svipd.conf:12: redis: given twice, first at line 10" },
	{ "interface = eth0", "svipd.conf:9: interface: belongs into a vip block" },
	{ "refresh = 1s", "svipd.conf:9: refresh: belongs into the arp block" },
	{ "arp {\nlease = 1s }",
	    "svipd.conf:10: lease: belongs outside of all blocks; this is in arp" },
	{ "vip b {\n\n", "svipd.conf:9: vip \"b\": the block that begins here is never closed" },
	{ "vip b {\nvip c {",
	    "svipd.conf:10: vip: stands inside of vip \"b\", which begins at line 9" },
	{ "lease = \"2s\npoll = 1s", "svipd.conf:9: the quote that begins here is not closed" },
	{ "/* lease = 2s\n", "svipd.conf:9: the comment that begins here is never closed" },
	{ "arp { at = { \"0s\",\n \"1s\",",
	    "svipd.conf:9: at: the list that begins here is not closed" },
	{ "arp { at = { \"0s\"\nrefresh = 1s }",
	    "svipd.conf:9: at: the list that begins here is not closed" },
	{ "arp { at = { 0s\n 1s } }",
	    "svipd.conf:10: at: ',' is missing in the list that begins at line 9" },
	{ "}", "svipd.conf:9: this '}' closes nothing" },
	{ "lease 2s", "svipd.conf:9: lease: neither '=' nor '{' follows" },
	{ "lease =\n2s", "svipd.conf:9: lease: the value is missing" },
	{ "lease = { 2s }", "svipd.conf:9: lease: takes one value, not a list" },
	{ "arp { at { 0s } }", "svipd.conf:9: at: '=' is missing before '{'" },
	{ "include += x", "svipd.conf:9: \"+=\" is not supported" },
	{ "include(\"x\")", "svipd.conf:9: unexpected '(': include is written" },
	{ "lease = 2s;", "svipd.conf:9: a statement ends without ';'" },
	{ "user = ${USER}", "svipd.conf:9: variables are not replaced" },
	{ "user = \"${USER}\"", "svipd.conf:9: variables are not replaced" },
	{ "user = \"a\\\"b\"", "svipd.conf:9: a backslash has no meaning" },
	{ "notify = /a//b", "svipd.conf:9: it is not clear whether a comment begins in the word" },
	{ "user = r\xc3\xa9", "svipd.conf:9: a word of other than plain characters needs quotes" },
	{ "user = \"a\x0b\"", "svipd.conf:9: the quoted text holds a control character" },
	{ "\x0b", "svipd.conf:9: unexpected byte 0x0b" },
	{ "vip {\n}", "svipd.conf:9: vip: a name is missing" },
	{ "vip \"a b\" { }", "svipd.conf:9: vip: \"a b\" is not a name" },
	{ "vip b { address = 10.0.0.51 }", "svipd.conf:9: interface: is missing in vip \"b\"" },
	{ "vip b { interface = eth0 }", "svipd.conf:9: address: is missing in vip \"b\"" },
	{ "a { a { a { a { a { a { a { a { a { } } } } } } } } }",
	    "svipd.conf:9: a: blocks stand more than 8 deep" },

	{ "lease = 2", "svipd.conf:9: lease: \"2\" has no unit: write ms, s or m" },
	{ "lease = 2h", "svipd.conf:9: lease: \"2h\" is not a duration" },
	{ "lease = -2s", "svipd.conf:9: lease: \"-2s\" is not a duration" },
	{ "lease = 99999999999s", "svipd.conf:9: lease: \"99999999999s\" is not a duration" },
	{ "lease = 499ms", "svipd.conf:9: lease: \"499ms\" is below 500ms, the least" },
	{ "lease = 61s", "svipd.conf:9: lease: \"61s\" is above 60s, the most" },
	{ "lease = 1s poll = 334ms",
	    "svipd.conf:9: poll: \"334ms\" is above 333ms, a third of the lease" },
	{ "poll = 19ms", "svipd.conf:9: poll: \"19ms\" is below 20ms" },
	{ "guard = 59ms", "svipd.conf:9: guard: \"59ms\" is below 60ms, the least: the packet filter's" },
	{ "fence = lifetime guard = 2199ms",
	    "svipd.conf:9: guard: \"2199ms\" is below 2200ms, the least with fence = \"lifetime\": a dead" },
	{ "fence = iptables", "svipd.conf:9: fence: \"iptables\" is none of auto, nftables" },
	{ "guard = 2m", "svipd.conf:9: guard: \"2m\" is above 60s" },
	{ "clock-drift = 1", "svipd.conf:9: clock-drift: \"1\" is not a percentage" },
	{ "clock-drift = 1.00001%", "svipd.conf:9: clock-drift: \"1.00001%\" is not a percentage" },
	{ "clock-drift = 20.0001%", "svipd.conf:9: clock-drift: \"20.0001%\" is above 20%" },
	{ "clock-drift = 0.0499%", "svipd.conf:9: clock-drift: \"0.0499%\" is below 0.05%" },
	{ "heartbeat = 49ms", "svipd.conf:9: heartbeat: \"49ms\" is below 50ms" },
	{ "multicast = 10.0.0.1",
	    "svipd.conf:9: multicast: \"10.0.0.1\" is not a multicast address" },
	{ "multicast = ff15::1", "svipd.conf:9: multicast: \"ff15::1\" is of another family" },
	{ "multicast = on", "svipd.conf:9: multicast: \"on\" is not GROUP" },
	{ "port = 1 multicast = 239.0.0.1:2",
	    "svipd.conf:9: multicast: \"239.0.0.1:2\" has another port" },
	{ "port = 0", "svipd.conf:9: port: \"0\" is not a whole number from 1 to 65535" },
	{ "multicast = off unicast = off",
	    "svipd.conf:9: multicast: multicast and unicast are both off" },
	{ "unicast = maybe", "svipd.conf:9: unicast: \"maybe\" is neither on nor off" },
	{ "metrics-listen = 9478",
	    "svipd.conf:9: metrics-listen: \"9478\" is not ADDRESS:PORT or [IPv6]:PORT" },
	{ "metrics-listen = 127.0.0.1",
	    "svipd.conf:9: metrics-listen: \"127.0.0.1\" is not ADDRESS:PORT or [IPv6]:PORT" },
	{ "metrics-listen = 239.0.0.1:9478",
	    "svipd.conf:9: metrics-listen: \"239.0.0.1:9478\" is a multicast address" },
	{ "ttl-min = 256", "svipd.conf:9: ttl-min: \"256\" is not a whole number from 1 to 255" },
	{ "on-quorum-loss = keep", "svipd.conf:9: on-quorum-loss: \"keep\" is neither" },
	{ "reset-connections = perhaps", "svipd.conf:9: reset-connections: \"perhaps\"" },
	{ "on-conflict = yield", "svipd.conf:9: on-conflict: \"yield\" is neither" },
	{ "log-level = loud", "svipd.conf:9: log-level: \"loud\" is none of" },
	{ "redis = 10.0.0.12:6379",
	    "svipd.conf:9: redis: \"10.0.0.12:6379\" is no address of this host" },
	{ "redis = redis1:6379",
	    "svipd.conf:9: redis: \"redis1:6379\" is neither a port nor an IP address" },
	{ "announce = \"a b\"", "svipd.conf:9: announce: \"a b\" is not HOST" },
	{ "arp { at = { 1s } }", "svipd.conf:9: at: \"1s\" is not 0s" },
	{ "arp { at = { 0s, 2s,\n 2s } }",
	    "svipd.conf:10: at: \"2s\" is not later than the one before" },
	{ "arp { at = { } }", "svipd.conf:9: at: the list has 0 times" },
	{ "arp { refresh = 1ms }", "svipd.conf:9: refresh: \"1ms\" is below 1s" },
	{ "notify-timeout = 11m", "svipd.conf:9: notify-timeout: \"11m\" is above 600s" },
	{ "user = no-such-user-here", "svipd.conf:9: user: \"no-such-user-here\" is no user" },
	{ "user = root", "svipd.conf:9: user: \"root\" is root" },
	{ "group = no-such-group-here", "svipd.conf:9: group: \"no-such-group-here\" is no group" },
	{ "script-user = no-such-user-here",
	    "svipd.conf:9: script-user: \"no-such-user-here\" is no user" },
	{ "sentinel-user = svipd", "svipd.conf:9: sentinel-user: needs sentinel-password-file" },

	{ "vip b { interface = eth0\naddress = {\n10.0.0.51,\n10.0.0.50 } }",
	    "svipd.conf:12: address: \"10.0.0.50\" is given twice, first in vip \"mymaster\", line "
	    "7" },
	{ "vip b { interface = eth0 address = 10.0.0.12 }",
	    "svipd.conf:9: address: \"10.0.0.12\" is also a node's own" },
	{ "redis = 10.0.0.50:1",
	    "svipd.conf:7: address: \"10.0.0.50\" is also the address under \"redis\"" },
	{ "announce = 10.0.0.50:1",
	    "svipd.conf:7: address: \"10.0.0.50\" is also the address under \"announce\"" },
	{ "vip b { interface = eth0 address = 127.0.0.2 }",
	    "svipd.conf:9: address: \"127.0.0.2\" is a loopback" },
	{ "vip b { interface = eth0 address = ::1 }",
	    "svipd.conf:9: address: \"::1\" is a loopback" },
	{ "vip b { interface = eth0 address = 0.0.0.0 }",
	    "svipd.conf:9: address: \"0.0.0.0\" is no host's" },
	{ "vip b { interface = eth0 address = :: }", "svipd.conf:9: address: \"::\" is no host's" },
	{ "vip b { interface = eth0 address = 224.0.0.1 }",
	    "svipd.conf:9: address: \"224.0.0.1\" is a multicast" },
	{ "vip b { interface = eth0 address = ff02::1 }",
	    "svipd.conf:9: address: \"ff02::1\" is a multicast" },
	{ "vip b { interface = eth0 address = 255.255.255.255 }",
	    "\"255.255.255.255\" is a reserved address" },
	{ "vip b { interface = eth0 address = 10.0.1.255/24 }",
	    "\"10.0.1.255/24\" is the network's own" },
	{ "vip b { interface = eth0 address = 10.0.1.0/24 }",
	    "\"10.0.1.0/24\" is the network's own" },
	{ "vip b { interface = eth0 address = 10.0.1.1/0 }", "\"10.0.1.1/0\" has no network" },
	{ "vip b { interface = eth0 address = fe80::1 }", "\"fe80::1\" is a link-local address" },
	{ "vip b { interface = eth0 address = ::ffff:10.0.1.1 }",
	    "\"::ffff:10.0.1.1\" is an IPv4 address in IPv6" },
	{ "vip b { interface = eth0 address = redis1 }", "\"redis1\" is not an IP address" },
	{ "vip b { interface = eth0 address = { } }", "svipd.conf:9: address: the list is empty" },
	{ "vip b { interface = sixteen-letters- address = 10.0.1.1 }",
	    "can't be the name of an interface" },
	{ "vip b { interface = eth0/1 address = 10.0.1.1 }", "can't be the name of an interface" },
};

static void
every_fault_is_told_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char text[2048];

		snprintf(text, sizeof(text), "%s%s\n", BASE_TEXT, faults[i].add);
		assert_null(load(text));
		assert_true(report.n_faults > 0);
		assert_told(faults[i].want);
	}
}

/* Whole files in which the lists themselves are wrong. */
static void
faults_of_the_cluster_are_told(void **state)
{
	static const struct {
		const char *sentinels, *nodes, *want;
	} cases[] = {
		{ "{ a, b, A:26379 }", "{ 10.0.0.11, 10.0.0.12 }",
		    ":2: sentinels: \"A:26379\" is given twice, first at line 2" },
		{ "{ }", "{ 10.0.0.11, 10.0.0.12 }", ":2: sentinels: the list is empty" },
		{ "{ \"a b\" }", "{ 10.0.0.11, 10.0.0.12 }", ":2: sentinels: \"a b\" is not HOST" },
		{ "{ 127.0.0.1, b, c }", "{ 10.0.0.11, 10.0.0.12 }",
		    "\"127.0.0.1\" is another Sentinel on each node" },
		{ "{ localhost:1, b, c }", "{ 10.0.0.11, 10.0.0.12 }",
		    "\"localhost\" is another Sentinel on each node" },
		{ "{ a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,\np }", "{ 10.0.0.11, 10.0.0.12 }",
		    ":3: sentinels: \"p\" is one more than 15" },
		{ "{ 10.0.0.50, b, c }", "{ 10.0.0.11, 10.0.0.12 }",
		    ":7: address: \"10.0.0.50\" is also a Sentinel's" },
		{ "{ a, b, c }", "{ 10.0.0.11,\n10.0.0.12,\n10.0.0.11 }",
		    ":5: nodes: \"10.0.0.11\" is given twice, first at line 3" },
		{ "{ a, b, c }", "{ 10.0.0.11, redis2 }",
		    ":3: nodes: \"redis2\" is not an IP address" },
		{ "{ a, b, c }", "{ 10.0.0.11/24 }",
		    ":3: nodes: \"10.0.0.11/24\" is not an IP address" },
		{ "{ a, b, c }", "{ 10.0.0.11, 127.0.0.1 }",
		    ":3: nodes: \"127.0.0.1\" is a loopback address" },
		{ "{ a, b, c }", "{ 10.0.0.11, 239.0.0.1 }",
		    ":3: nodes: \"239.0.0.1\" is no host's address" },
		{ "{ a, b, c }", "{ 10.0.0.11, 2001:db8::1 }",
		    ":3: nodes: \"2001:db8::1\" is of another family" },
		{ "{ a, b, c }", "{ 2001:db8::2, fe80::1 }",
		    ":3: nodes: \"fe80::1\" is a link-local address" },
		{ "{ a, b, c }", "{ 10.0.0.12, 10.0.0.13 }",
		    ":3: nodes: none of them is an address of this host, which has 10.0.0.11, "
		    "10.0.0.50" },
		{ "{ a, b, c }", "{ 10.0.0.12, 10.0.0.50, 10.0.0.11 }",
		    ":3: nodes: \"10.0.0.50\" and \"10.0.0.11\" are both this host's" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
		    "cluster = c\nsentinels = %s\nnodes = %s\nkey-file = /KEY\n%s",
		    cases[i].sentinels, cases[i].nodes, VIP_TEXT);
		assert_null(load(text));
		assert_told(cases[i].want);
	}
}

static void
what_is_missing_is_told_unless_it_is_only_misspelt(void **state)
{
	(void)state;
	assert_null(load("# nothing\n"));
	assert_told("svipd.conf:1: cluster: is missing");
	assert_told("svipd.conf:1: sentinels: is missing");
	assert_told("svipd.conf:1: nodes: is missing");
	assert_told("svipd.conf:1: key-file: is missing");
	assert_told("svipd.conf:1: vip: there is no vip block");
	assert_int_equal(report.n_faults, 5);
	assert_null(load(""));
	assert_int_equal(report.n_faults, 5);
	assert_null(load("clustr = x\nsentinel = x\nnode = x\nkeyfile = x\nvpi { }\n"));
	assert_int_equal(report.n_faults, 5);
	assert_null(strstr(told(), "is missing"));
}

static void
doubtful_but_possible_is_a_warning(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ BASE_TEXT,
		    "note: a crash failover may wait up to 0.9 s after Sentinel's switch" },
		{ BASE_TEXT "lease = 3s\n",
		    "svipd.conf:9: note: a crash failover may wait up to 1.9 s" },
		{ BASE_TEXT "on-quorum-loss = hold\n",
		    "svipd.conf:9: warning: on-quorum-loss: \"hold\" gives up" },
		{ BASE_TEXT "vip b { interface = eth7 address = 10.0.1.1 }",
		    ":9: warning: interface: \"eth7\" is not there" },
		{ BASE_TEXT "vip b { interface = eth0 address = 10.0.1.1/24 }",
		    ":9: warning: address: \"10.0.1.1/24\": with a prefix" },
		{ "cluster=c sentinels={a,b}\nnodes={10.0.0.11,10.0.0.12} key-file=/KEY\n" VIP_TEXT,
		    ":1: warning: sentinels: 2 is an even number: a majority is 2, so 0 can be "
		    "lost" },
		{ "cluster=c sentinels={a}\nnodes={10.0.0.11,10.0.0.12} key-file=/KEY\n" VIP_TEXT,
		    ":1: warning: sentinels: there is one only" },
		{ "cluster=c sentinels={a,b,b:1}\nnodes={10.0.0.11,10.0.0.12} "
		  "key-file=/KEY\n" VIP_TEXT,
		    ":1: warning: sentinels: 2 of 3 are on \"b\"" },
		{ "cluster=c sentinels={127.0.0.1,b,c}\nnodes={10.0.0.11} key-file=/KEY\n" VIP_TEXT,
		    ":2: warning: nodes: there is one node only" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		settings_free(load_ok(cases[i].text));
		assert_told(cases[i].want);
	}
}

static void
ipv6_nodes_get_an_ipv6_group(void **state)
{
	struct svip_addr local;
	const struct conf_host v6 = { &local, 1, local_interface, 2, false };
	struct settings *s;
	char text[SVIP_TEXT_MAX];

	(void)state;
	assert_true(svip_addr_parse("2001:db8::11/64", &local));
	s = load_on("cluster=c sentinels={a,b,c} nodes={2001:db8::12,2001:db8::11} "
	            "key-file=/KEY\n" VIP_TEXT,
	    &v6);
	assert_non_null(s);
	assert_int_equal(s->self, 0);
	assert_string_equal(svip_addr_text(&s->group, false, text), "ff15::5356:4950");
	assert_string_equal(svip_host_text(&s->instance[0].redis, text), "[2001:db8::11]:6379");
	settings_free(s);
}

static void
loopback_says_where_redis_is_asked_not_who_it_is(void **state)
{
	struct settings *s = load_ok(BASE_TEXT "redis = \"127.0.0.1:7000\"\n");
	char text[SVIP_TEXT_MAX];

	(void)state;
	assert_string_equal(svip_host_text(&s->instance[0].redis, text), "127.0.0.1:7000");
	assert_false(s->instance[0].redis_given);
	settings_free(s);
}

static void
without_a_host_nothing_of_it_is_looked_at(void **state)
{
	struct settings *s;

	(void)state;
	s = load_on("cluster=c sentinels={a,b,c} nodes={10.9.0.1,10.9.0.2} key-file=/nowhere "
	            "user=no-such-user-here\n"
	            "sentinel-password-file = /nowhere notify = /nowhere\n" VIP_TEXT,
	    NULL);
	assert_non_null(s);
	assert_int_equal(s->self, -1);
	assert_int_equal(s->n_keys, 0);
	assert_string_equal(s->instance[0].scripts.any, "/nowhere");
	settings_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_file_gets_all_defaults),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(every_fault_is_told_with_its_line),
		cmocka_unit_test(faults_of_the_cluster_are_told),
		cmocka_unit_test(what_is_missing_is_told_unless_it_is_only_misspelt),
		cmocka_unit_test(doubtful_but_possible_is_a_warning),
		cmocka_unit_test(ipv6_nodes_get_an_ipv6_group),
		cmocka_unit_test(loopback_says_where_redis_is_asked_not_who_it_is),
		cmocka_unit_test(without_a_host_nothing_of_it_is_looked_at),
	};

	return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
