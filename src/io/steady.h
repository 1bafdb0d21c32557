/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the process going when the machine has no time and no memory left: a renewal that comes late costs the hold.
 * Must never be able to take a core for itself.
 */
#ifndef IO_STEADY_H
#define IO_STEADY_H

enum {
	STEADY_PRIORITY =
	    1, /* the lowest of the real-time ones: before all ordinary processes, behind the kernel's */
	STEADY_RUNAWAY_MS =
	    1000, /* of computing without a pause: then the kernel ends the process (RLIMIT_RTTIME) */
};

/* What could be had: 0 or -errno each. */
struct steady {
	int memory;   /* every page that is in use stays in memory (mlockall, on fault) */
	int schedule; /* SCHED_FIFO; what it forks runs as usual */
};

/*
 * To be called before privileges are dropped, and after whatever must not run like this was forked. As root both can be
 * had. Otherwise as far as the limits allow (RLIMIT_MEMLOCK must be unlimited: a part would let malloc fail later); a
 * real-time policy that the service manager has given counts.
 */
void steady_init(struct steady *);

#endif
