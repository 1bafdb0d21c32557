/* SPDX-License-Identifier: BSD-2-Clause */
/* Likeness of words, for "did you mean": pure, and only for short words. */
#ifndef WIRE_NEAREST_H
#define WIRE_NEAREST_H

#include <stdbool.h>

/*
 * Letters to insert, delete, replace or swap with their neighbour to turn a into b (optimal string
 * alignment distance). Words of more than 31 bytes are never alike.
 */
int nearest_distance(const char *a, const char *b);

/* True when b is worth being named to somebody who wrote a. */
bool nearest_alike(const char *a, const char *b);

#endif
