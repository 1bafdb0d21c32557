/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that stays, and a place in front of ordinary processes: mlockall(2), sched(7). Must never fail the start. */
#include "steady.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

static int
lock_memory(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY }, now;

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	if (getrlimit(RLIMIT_MEMLOCK, &now) == -1 || now.rlim_cur != RLIM_INFINITY)
		return -EPERM; /* a container's root, for example */
	/* On fault: the tables are made for the largest cluster, and most of their pages are never touched. */
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1 ? -errno : 0;
}

static int
schedule(void)
{
	struct sched_param p = { .sched_priority = STEADY_PRIORITY };
	struct rlimit runaway = { STEADY_RUNAWAY_MS * 1000, STEADY_RUNAWAY_MS * 1000 };
	int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

	if (policy != SCHED_FIFO && policy != SCHED_RR &&
	    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) == -1)
		return -errno;
	return setrlimit(RLIMIT_RTTIME, &runaway) == -1 ? -errno : 0;
}

void
steady_init(struct steady *out)
{
	out->memory = lock_memory();
	out->schedule = schedule();
}
