/* SPDX-License-Identifier: BSD-2-Clause */
/* Likeness of words, for "did you mean". Must not allocate; the table is small because words are. */
#include "nearest.h"

#include <limits.h>
#include <string.h>

enum { WORD_MAX = 31, ALIKE_MAX = 2 };

static int
least(int a, int b)
{
	return a < b ? a : b;
}

int
nearest_distance(const char *a, const char *b)
{
	int d[WORD_MAX + 1][WORD_MAX + 1];
	int n = (int)strnlen(a, WORD_MAX + 1), m = (int)strnlen(b, WORD_MAX + 1);

	if (n > WORD_MAX || m > WORD_MAX)
		return INT_MAX;
	for (int i = 0; i <= n; i++)
		d[i][0] = i;
	for (int k = 0; k <= m; k++)
		d[0][k] = k;
	for (int i = 1; i <= n; i++) {
		for (int k = 1; k <= m; k++) {
			d[i][k] = least(least(d[i - 1][k], d[i][k - 1]) + 1,
			    d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
		}
	}
	return d[n][m];
}

bool
nearest_alike(const char *a, const char *b)
{
	size_t n = strnlen(a, WORD_MAX + 1);

	/* A beginning of three letters, or few slips; in a short word two slips make another word. */
	if (n >= 3 && strncmp(a, b, n) == 0)
		return true;
	return nearest_distance(a, b) <= (n <= 4 ? 1 : ALIKE_MAX);
}
