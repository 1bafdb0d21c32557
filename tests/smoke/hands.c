/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives one hand of src/io alone, for tests/smoke/network.py: heartbeats, announcements or the
 * conflict watch. Prints one line for each thing that happens, with its time in ms since the start.
 * Not part of the product.
 */
#include <assert.h>
#include <ev.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/announcer.h"
#include "io/clock.h"
#include "io/conflict.h"
#include "io/heartbeat_io.h"
#include "io/log.h"
#include "io/seal.h"

static struct settings set;
static struct heartbeat hb;
static svip_ms start;
static svip_ms may_until = SVIP_NEVER;

static long long
since(void)
{
	return (long long)(clock_ms() - start);
}

static void
on_heard(void *ctx, const struct heartbeat *h)
{
	(void)ctx;
	printf("%lld heard %02x seq %llu instances %d\n", since(), h->node[15],
	    (unsigned long long)h->sequence, h->n_instances);
}

static void
on_unknown(void *ctx, int node)
{
	(void)ctx;
	printf("%lld unknown %02x\n", since(),
	    set.node[node].bytes[set.node[node].family == 4 ? 3 : 15]);
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	hb.sequence++;
	hb.sent_us = clock_us();
	heartbeat_io_send(&hb);
	heartbeat_io_rejoin();
}

static bool
may(void *ctx, int slot)
{
	(void)ctx;
	if (since() < may_until)
		return true;
	printf("%lld may not %d\n", since(), slot);
	return false;
}

static bool
no_other(void *ctx, const uint8_t mac[6])
{
	(void)ctx, (void)mac;
	return false;
}

static void
on_found(void *ctx, int slot, const struct svip_addr *a, const uint8_t mac[6])
{
	char text[SVIP_TEXT_MAX];

	(void)ctx;
	printf("%lld conflict %d %s %02x:%02x:%02x:%02x:%02x:%02x\n", since(), slot,
	    svip_addr_text(a, false, text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void
on_end(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
on_stop(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	announcer_stop(0);
	printf("%lld stopped\n", since());
}

static void
addresses(char **arg, struct svip_addr *out, int *n)
{
	for (*n = 0; *arg != NULL; arg++) {
		if (!svip_addr_parse(*arg, &out[(*n)++]))
			exit(2);
	}
}

/* beat KEY GROUP|off unicast|off TTL_MIN SELF NODE... */
static void
beat(struct ev_loop *loop, char **arg)
{
	static ev_timer timer;

	set.cluster_id = hb.cluster = seal_id64("smoke");
	set.n_keys = 1;
	memset(set.key[0], atoi(arg[0]), SVIP_KEY_LEN);
	set.multicast = svip_addr_parse(arg[1], &set.group);
	set.unicast = strcmp(arg[2], "unicast") == 0;
	set.ttl_min = atoi(arg[3]);
	set.self = atoi(arg[4]);
	set.port = 27000;
	addresses(&arg[5], set.node, &set.n_nodes);
	if (seal_init(&set) != 0 || heartbeat_io_init(loop, &set, on_heard, on_unknown, NULL) != 0)
		exit(3);
	hb_node(&set.node[set.self], hb.node);
	hb.incarnation = seal_random64();
	hb.n_instances = 1;
	ev_timer_init(&timer, on_beat, 0.1, 0.1);
	ev_timer_start(loop, &timer);
}

static void
link_of(const char *name, int *ifindex, uint8_t mac[6])
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &r) == -1)
		exit(3);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	*ifindex = (int)if_nametoindex(name);
	close(fd);
}

/* announce INTERFACE MAY_MS|- STOP_MS|- ADDRESS...; watch INTERFACE ADDRESS... */
static void
announce(struct ev_loop *loop, char **arg)
{
	static struct svip_addr addr[SVIP_ADDRESSES_MAX];
	static ev_timer timer;
	struct set_arp arp = { .n_steps = 4, .step_ms = { 0, 100, 300, 700 }, .refresh_ms = 500 };
	uint64_t before;
	uint8_t mac[6];
	int n, ifindex;

	addresses(&arg[3], addr, &n);
	link_of(arg[0], &ifindex, mac);
	if (arg[1][0] != '-')
		may_until = atoi(arg[1]);
	if (announcer_init(loop, &arp, may, NULL) != 0)
		exit(3);
	if (arg[2][0] != '-') {
		ev_timer_init(&timer, on_stop, atoi(arg[2]) / 1000.0, 0);
		ev_timer_start(loop, &timer);
	}
	announcer_add(0, "smoke", addr, n);
	before = clock_us();
	announcer_start(0, ifindex, mac, true);
	printf("%lld started, %llu frames in %llu us\n", since(),
	    (unsigned long long)announcer_count(0), (unsigned long long)(clock_us() - before));
}

static void
watch(struct ev_loop *loop, char **arg)
{
	static struct svip_addr addr[SVIP_ADDRESSES_MAX];
	uint8_t mac[6];
	int n, ifindex;

	addresses(&arg[1], addr, &n);
	link_of(arg[0], &ifindex, mac);
	if (conflict_init(loop, on_found, no_other, NULL) != 0)
		exit(3);
	conflict_add(0, addr, n);
	conflict_start(0, ifindex, mac);
}

int
main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(0);
	const struct heartbeat_io_counters *c = heartbeat_io_counters();
	ev_timer end;

	if (argc < 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(false, SET_LOG_DEBUG);
	start = clock_ms();
	ev_timer_init(&end, on_end, atof(argv[2]), 0);
	ev_timer_start(loop, &end);
	if (strcmp(argv[1], "beat") == 0)
		beat(loop, &argv[3]);
	else if (strcmp(argv[1], "announce") == 0)
		announce(loop, &argv[3]);
	else if (strcmp(argv[1], "watch") == 0)
		watch(loop, &argv[3]);
	else
		return 2;
	ev_run(loop, 0);
	if (strcmp(argv[1], "beat") == 0) {
		printf("sent=%llu send_errors=%llu received=%llu accepted=%llu",
		    (unsigned long long)c->sent, (unsigned long long)c->send_errors,
		    (unsigned long long)c->received, (unsigned long long)c->accepted);
		for (int i = 0; i < HEARTBEAT_IO_REFUSALS; i++)
			printf(" %s=%llu", heartbeat_io_refusal_word(i),
			    (unsigned long long)c->refused[i]);
		printf("\n");
		heartbeat_io_fini();
		seal_fini();
	} else if (strcmp(argv[1], "announce") == 0) {
		printf("frames=%llu errors=%llu\n", (unsigned long long)announcer_count(0),
		    (unsigned long long)announcer_errors(0));
		announcer_fini();
	} else {
		printf("conflicts=%llu\n", (unsigned long long)conflict_count(0));
		conflict_fini();
	}
	ev_loop_destroy(loop);
	return 0;
}
