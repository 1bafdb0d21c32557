/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations for people: "1.6 s", "42 s", "12 min", "3 h 12 min", "2 d 7 h". */
#ifndef WIRE_AGE_H
#define WIRE_AGE_H

#include <svip/types.h>

enum { AGE_MAX = 32 };

/* Rounded down; below zero is "0.0 s". Returns out. */
const char *age_text(svip_ms, char out[AGE_MAX]);

#endif
