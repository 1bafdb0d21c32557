/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads clocks. Nothing else in the program may. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	/* Without a clock no lease can be kept: stop, and let the kernel's lifetimes run out. */
	if (clock_gettime(id, &ts) == -1)
		abort();
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

svip_ms
clock_ms(void)
{
	return read_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t
clock_us(void)
{
	return (uint64_t)read_us(CLOCK_BOOTTIME);
}

int64_t
clock_offset_ms(void)
{
	return (read_us(CLOCK_REALTIME) - read_us(CLOCK_BOOTTIME)) / 1000;
}

int64_t
clock_wall_ms(svip_ms when)
{
	return when + clock_offset_ms();
}

int64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}
