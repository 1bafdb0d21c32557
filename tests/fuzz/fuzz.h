/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For all fuzz targets: one input in, and the program ends with a message when something that must be so is not.
 * A target keeps nothing from one input to the next, and needs no privileges.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* As libFuzzer calls it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* An assertion that no build leaves out. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: must be: %s\n", __FILE__, __LINE__, #condition);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
