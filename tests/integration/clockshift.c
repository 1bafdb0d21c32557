/* SPDX-License-Identifier: BSD-2-Clause */
/* LD_PRELOAD: the wall clock of this process goes wrong by the milliseconds in the file that $CLOCKSHIFT names. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *shift_ms;

__attribute__((constructor)) static void
start(void)
{
	const char *file = getenv("CLOCKSHIFT");
	int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd != -1 ? mmap(NULL, sizeof(*shift_ms), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (map == MAP_FAILED)
		abort();
	shift_ms = map;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	long rc = syscall(SYS_clock_gettime, id, ts);
	int64_t ns;

	if (rc == 0 && id == CLOCK_REALTIME) {
		ns = (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec + *shift_ms * 1000000;
		ts->tv_sec = (time_t)(ns / 1000000000);
		ts->tv_nsec = (long)(ns % 1000000000);
	}
	return (int)rc;
}
