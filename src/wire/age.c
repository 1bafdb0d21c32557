/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations for people. Two numbers at most: more digits than that nobody reads. */
#include "age.h"

#include <inttypes.h>
#include <stdio.h>

const char *
age_text(svip_ms ms, char out[AGE_MAX])
{
	const int64_t s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;

	if (ms < 0)
		snprintf(out, AGE_MAX, "0.0 s");
	else if (s < 10)
		snprintf(out, AGE_MAX, "%" PRId64 ".%d s", s, (int)(ms % 1000 / 100));
	else if (s < 100)
		snprintf(out, AGE_MAX, "%" PRId64 " s", s);
	else if (min < 100)
		snprintf(out, AGE_MAX, "%" PRId64 " min", min);
	else if (h < 48)
		snprintf(out, AGE_MAX, "%" PRId64 " h %d min", h, (int)(min % 60));
	else
		snprintf(out, AGE_MAX, "%" PRId64 " d %d h", d, (int)(h % 24));
	return out;
}
