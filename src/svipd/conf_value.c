/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values: text into numbers. Explains what is wrong and never guesses a unit. */
#include <string.h>

#include "conf_in.h"

enum { DIGITS_MAX = 9 }; /* of a number before its unit: far more than any value here */

/* Reads digits; returns how many, 0 when there are none or too many. */
static int
digits(const char *s, int most, long *out)
{
	long n = 0;
	int i;

	for (i = 0; s[i] >= '0' && s[i] <= '9'; i++) {
		if (i == most)
			return 0;
		n = n * 10 + (s[i] - '0');
	}
	*out = n;
	return i;
}

const char *
conf_value_duration(const char *s, svip_ms *out)
{
	long n;
	int len = digits(s, DIGITS_MAX, &n);

	if (len == 0)
		return "is not a duration: write a whole number with its unit, such as 500ms, 2s "
		       "or 1m";
	if (strcmp(s + len, "ms") == 0)
		*out = n;
	else if (strcmp(s + len, "s") == 0)
		*out = (svip_ms)n * 1000;
	else if (strcmp(s + len, "m") == 0)
		*out = (svip_ms)n * 60000;
	else if (s[len] == '\0')
		return "has no unit: write ms, s or m behind the number";
	else
		return "is not a duration: write a whole number with its unit, such as 500ms, 2s "
		       "or 1m";
	return NULL;
}

const char *
conf_duration_text(svip_ms ms, char *out)
{
	if (ms % 1000 == 0)
		snprintf(out, CONF_DURATION_MAX, "%llds", (long long)(ms / 1000));
	else
		snprintf(out, CONF_DURATION_MAX, "%lldms", (long long)ms);
	return out;
}

const char *
conf_value_percent(const char *s, int *ppm)
{
	long whole, part = 0;
	int len = digits(s, 3, &whole), decimals = 0;

	if (len == 0)
		return "is not a percentage: write it as 1% or 0.05%";
	s += len;
	if (*s == '.') {
		decimals = digits(s + 1, 4, &part);
		if (decimals == 0)
			return "is not a percentage with one to four decimals, such as 0.05%";
		s += 1 + decimals;
	}
	if (strcmp(s, "%") != 0)
		return "is not a percentage: write it with its sign, as 1% or 0.05%";
	for (; decimals < 4; decimals++)
		part *= 10;
	*ppm = (int)(whole * 10000 + part);
	return NULL;
}

const char *
conf_value_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "on", "yes", "true" }, *const no[] = { "off", "no",
		"false" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*out = strcmp(s, yes[i]) == 0;
			return NULL;
		}
	}
	return "is neither on nor off";
}

const char *
conf_value_number(const char *s, long least, long most, long *out)
{
	static char why[64];
	int len = digits(s, DIGITS_MAX, out);

	if (len == 0 || s[len] != '\0' || *out < least || *out > most) {
		snprintf(why, sizeof(why), "is not a whole number from %ld to %ld", least, most);
		return why;
	}
	return NULL;
}

const char *
conf_value_name(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (n == 0 || s[n] != '\0')
		return "is not a name: letters, digits, '_', '.' and '-' are allowed";
	if (n >= SVIP_NAME_MAX)
		return "is longer than 63 bytes";
	return NULL;
}

bool
conf_is_loopback(const struct svip_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, sizeof(one)) == 0;
}
