/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves on scratch names what this kernel and network namespace grant: it is not enough that a call is known here. Runs in
 * the loop for up to SELFTEST_MS, never waits in it. Tells facts; what they mean is check.c's.
 */
#ifndef IO_SELFTEST_H
#define IO_SELFTEST_H

#include <svip/types.h>

struct ev_loop;

enum {
	SELFTEST_MS = 2600,    /* the whole, at most */
	SELFTEST_SKIPPED = -1, /* not tried */
};

/* 0: granted; else a positive errno, or SELFTEST_SKIPPED. */
struct selftest {
	bool running;
	svip_ms when;           /* it began; SVIP_LONG_AGO: never */
	int address4, address6; /* an address with a lifetime of a second, on lo */
	int expiry4, expiry6;   /* and the kernel took it away; ETIME: not in time */
	svip_ms gone4, gone6;   /* after so many ms */
	int nftables;           /* a table, and an element that times out */
	int egress;             /* and frames of packet sockets can be filtered */
	int packet;             /* packet sockets, for announcements and the conflict watch */
	int destroy;            /* SOCK_DESTROY ends a TCP connection */
	int clock;              /* a timer on CLOCK_BOOTTIME */
	char clocksource[32];   /* as the kernel has it; "": can't be read */
};

/* Begins, unless one is under way. touch: else what changes something in the kernel is skipped. done: at the end. */
void selftest_start(struct ev_loop *, bool touch, void (*done)(void));
void selftest_fini(void); /* removes what it has made */

const struct selftest *selftest_result(void);

#endif
