/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of the daemon's answers, read so that a missing or odd one is "not known" and never a crash. */
#ifndef SVIPCTL_FIELD_H
#define SVIPCTL_FIELD_H

#include <jansson.h>
#include <stdbool.h>

#include "out.h"
#include "wire/age.h"

const char *field_text(const json_t *object, const char *key, const char *otherwise);
json_int_t field_int(const json_t *object, const char *key, json_int_t otherwise);
bool field_true(const json_t *object, const char *key);

/* A number of milliseconds as a duration; "-" when it is missing or null. Returns out. */
const char *field_age(const json_t *object, const char *key, char out[AGE_MAX]);

/* An instance's state: its colour, and its word behind a symbol. Returns out. */
enum out_colour field_state_colour(const char *state);
const char *field_state(const struct out *, const char *state, char out[OUT_CELL_MAX]);

#endif
