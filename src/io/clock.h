/* SPDX-License-Identifier: BSD-2-Clause */
/* The only clock of the program: CLOCK_BOOTTIME, which counts suspend and never jumps. */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <svip/types.h>

svip_ms clock_ms(void);      /* milliseconds, rounded down */
uint64_t clock_us(void);     /* microseconds, rounded down */

/* CLOCK_REALTIME minus CLOCK_BOOTTIME in milliseconds; changes when somebody sets the clock. */
int64_t clock_offset_ms(void);

/* Wall-clock time of an instant of clock_ms(), for people: milliseconds since 1970. */
int64_t clock_wall_ms(svip_ms);
int64_t clock_wall_us(void); /* now */

#endif
