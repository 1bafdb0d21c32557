/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives src/io/fence.c alone, for tests/smoke/fence.py: one command a line on stdin, one answer a line on stdout, and
 * "torn ERR" whenever it says so. Not part of the product.
 */
#include <ev.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/fence.h"
#include "io/log.h"
#include "io/seal.h"
#include "wire/frames.h"

enum { WORDS_MAX = 1100, RUNS_MAX = 10000 };

static struct {
	char interface[IFNAMSIZ];
	struct svip_addr addr[1024];
	int n;
} slots[SVIP_INSTANCES_MAX];

static int late_in; /* the send() that is late; 0: none */
static int late_ms;

/* Stands before libc's: an order that is written after the clock was read, and sent a while later. */
ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
	if (late_in > 0 && --late_in == 0)
		usleep((useconds_t)late_ms * 1000);
	return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

static void
on_torn(void *ctx, int err)
{
	(void)ctx;
	printf("torn %d\n", err);
}

/* An announcement as the daemon sends it, and a question to somebody. 0, or -1: one was refused. */
static int
announce(const char *interface, const char *text)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 9, 1 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct svip_addr a, somebody;
	uint8_t frame[FRAMES_LEN_MAX], ask[FRAMES_LEN_MAX];
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	size_t len, ask_len;
	ssize_t n;

	if (fd == -1 || !svip_addr_parse(text, &a))
		exit(3);
	somebody = a;
	somebody.bytes[a.family == 4 ? 3 : 15] ^= 1;
	to.sll_ifindex = (int)if_nametoindex(interface);
	to.sll_protocol = htons(a.family == 4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6);
	len = a.family == 4 ? frames_arp_request(mac, &a, frame) : frames_na(mac, &a, frame);
	ask_len = a.family == 4 ? frames_arp_ask(mac, &a, &somebody, NULL, ask)
	                        : frames_ns_ask(mac, &a, &somebody, NULL, ask);
	n = sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to));
	if (n != -1)
		n = sendto(fd, ask, ask_len, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return n == -1 ? -1 : 0;
}

static int
order(const char *what, int slot, svip_ms until)
{
	if (strcmp(what, "open") == 0)
		return fence_open(slot, until);
	return fence_renew(slot, until);
}

static int
smaller(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* bench open|renew|close SLOT RUNS: median, 99th percentile and longest in µs. An open is from shut. */
static void
bench(const char *what, int slot, int runs)
{
	static uint64_t took[RUNS_MAX];
	bool renew = strcmp(what, "renew") == 0, close = strcmp(what, "close") == 0;
	int rc = fence_open(slot, clock_ms() + 60000);

	for (int i = 0; i < runs && i < RUNS_MAX && rc == 0; i++) {
		uint64_t t = clock_us();

		rc = renew ? fence_renew(slot, clock_ms() + 60000) : fence_close(slot);
		if (!renew && !close) {
			t = clock_us();
			rc = fence_open(slot, clock_ms() + 60000);
		}
		took[i] = clock_us() - t;
		if (close && rc == 0)
			rc = fence_open(slot, clock_ms() + 60000);
	}
	qsort(took, (size_t)runs, sizeof(took[0]), smaller);
	printf("bench %d %llu %llu %llu\n", rc, (unsigned long long)took[runs / 2],
	    (unsigned long long)took[runs * 99 / 100], (unsigned long long)took[runs - 1]);
}

static void
add(int slot, char **word, int n)
{
	snprintf(slots[slot].interface, IFNAMSIZ, "%s", word[0]);
	slots[slot].n = n - 1;
	for (int i = 0; i < n - 1; i++) {
		if (!svip_addr_parse(word[i + 1], &slots[slot].addr[i]))
			exit(2);
	}
	fence_add(slot, slots[slot].interface, slots[slot].addr, slots[slot].n);
	printf("add 0\n");
}

static void
command(struct ev_loop *loop, char **w, int n)
{
	static struct fence_probe probe;
	const char *what = w[0];
	int slot = n > 1 ? atoi(w[1]) : 0, rc;

	if (strcmp(what, "add") == 0) {
		add(slot, &w[2], n - 2);
	} else if (strcmp(what, "remove") == 0) {
		fence_remove(slot);
		printf("remove 0\n");
	} else if (strcmp(what, "make") == 0) {
		rc = fence_make();
		printf("make %d %d\n", rc, fence_egress());
	} else if (strcmp(what, "open") == 0 || strcmp(what, "renew") == 0) {
		svip_ms until = clock_ms() + atoi(w[2]);
		uint64_t t = clock_us();

		rc = order(what, slot, until);
		printf("%s %d %lld %llu\n", what, rc, (long long)until,
		    (unsigned long long)(clock_us() - t));
	} else if (strcmp(what, "close") == 0) {
		printf("close %d\n", fence_close(slot));
	} else if (strcmp(what, "closing") == 0) {
		printf("closing %d\n", fence_closing(slot));
	} else if (strcmp(what, "ends") == 0) {
		svip_ms end = fence_ends(slot);

		printf("ends %lld\n", end == SVIP_LONG_AGO ? -1LL : (long long)(end - clock_ms()));
	} else if (strcmp(what, "late") == 0) { /* late N MS: the Nth message from now on */
		late_in = slot;
		late_ms = atoi(w[2]);
		printf("late 0\n");
	} else if (strcmp(what, "announce") == 0) {
		printf("announce %d\n", announce(w[1], w[2]));
	} else if (strcmp(what, "bench") == 0) {
		bench(w[1], atoi(w[2]), atoi(w[3]));
	} else if (strcmp(what, "flush") ==
	           0) { /* the next order in the same write() comes before it is heard of */
		printf("flush %d\n", system("nft flush ruleset"));
	} else if (strcmp(what, "probe") == 0) {
		rc = fence_probe_start(&probe);
		printf("probe %d %d\n", rc, probe.egress);
	} else if (strcmp(what, "proved") == 0) {
		printf("proved %d\n", fence_probe_end(&probe));
	} else if (strcmp(what, "fini") == 0) {
		fence_fini(slot != 0);
		printf("fini 0\n");
		ev_break(loop, EVBREAK_ALL);
	} else {
		exit(2);
	}
}

static void
on_input(struct ev_loop *loop, ev_io *w, int revents)
{
	static char text[1 << 16], *word[WORDS_MAX];
	static size_t len;
	ssize_t got = read(w->fd, text + len, sizeof(text) - len);
	char *end;

	(void)revents;
	if (got <= 0)
		exit(got == 0 ? 0 : 3);
	len += (size_t)got;
	while ((end = memchr(text, '\n', len)) != NULL) {
		size_t line = (size_t)(end - text) + 1;
		int n = 0;

		*end = '\0';
		for (char *p = strtok(text, " "); p != NULL && n < WORDS_MAX; p = strtok(NULL, " "))
			word[n++] = p;
		if (n > 0)
			command(loop, word, n);
		memmove(text, text + line, len - line);
		len -= line;
	}
}

int
main(int argc, char **argv)
{
	static const struct fence_calls calls = { on_torn };
	struct ev_loop *loop = ev_default_loop(0);
	ev_io input;
	int rc;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(false, SET_LOG_DEBUG);
	rc = fence_init(loop, argv[1], &calls, NULL);
	printf("init %d\n", rc);
	if (rc != 0)
		return 1;
	ev_io_init(&input, on_input, 0, EV_READ);
	ev_io_start(loop, &input);
	ev_run(loop, 0);
	ev_loop_destroy(loop);
	return 0;
}
