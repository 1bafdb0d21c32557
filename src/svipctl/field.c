/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads fields of JSON objects. Must accept whatever a newer daemon adds. */
#include "field.h"

#include <string.h>

const char *
field_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : otherwise;
}

json_int_t
field_int(const json_t *object, const char *key, json_int_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool
field_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const char *
field_age(const json_t *object, const char *key, char out[AGE_MAX])
{
	json_int_t ms = field_int(object, key, -1);

	return ms < 0 ? strcpy(out, "-") : age_text(ms, out);
}

static const struct {
	const char *word, *symbol, *sign;
	enum out_colour colour;
} states[] = {
	{ "master", "●", "*", OUT_GOOD },
	{ "waiting", "◌", "~", OUT_WARN },
	{ "backup", "○", "-", OUT_PLAIN },
	{ "init", "◌", "?", OUT_WARN },
	{ "fault", "✗", "!", OUT_BAD },
};

enum { STATES = sizeof(states) / sizeof(states[0]) };

enum out_colour
field_state_colour(const char *state)
{
	for (int i = 0; i < STATES; i++) {
		if (strcmp(state, states[i].word) == 0)
			return states[i].colour;
	}
	return OUT_PLAIN;
}

const char *
field_state(const struct out *o, const char *state, char out[OUT_CELL_MAX])
{
	const char *mark = "?";

	for (int i = 0; i < STATES; i++) {
		if (strcmp(state, states[i].word) == 0)
			mark = o->symbols ? states[i].symbol : states[i].sign;
	}
	snprintf(out, OUT_CELL_MAX, "%s %s", mark, state);
	return out;
}
