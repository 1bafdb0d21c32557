/* SPDX-License-Identifier: BSD-2-Clause */
/* The line as it is written, and nothing else: digits without zeros before them, small hexadecimal letters, one space. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version.h"

#define BEGIN "# svipd: configuration "
#define AFTER " after"
#define ABSENT " absent "

enum { HEX = 2 * VERSION_DIGEST_LEN };

static void
digest_of(const char *text, size_t len, uint8_t out[VERSION_DIGEST_LEN])
{
	crypto_generichash(out, VERSION_DIGEST_LEN, (const uint8_t *)text, len, NULL, 0);
}

/* " DIGEST" at *p; moves it on. */
static bool
read_digest(const char **p, uint8_t out[VERSION_DIGEST_LEN])
{
	const char *end;

	if (**p != ' ' ||
	    sodium_hex2bin(out, VERSION_DIGEST_LEN, *p + 1, HEX, NULL, NULL, &end) != 0 ||
	    end != *p + 1 + HEX)
		return false;
	*p = end;
	return true;
}

static bool
read_absent(const char *p, char out[VERSION_ABSENT_MAX])
{
	size_t len = strlen(p);

	if (len == 0 || len >= VERSION_ABSENT_MAX || strspn(p, "0123456789abcdef:. ") != len)
		return false;
	memcpy(out, p, len + 1);
	return true;
}

/* The line without its end, into v, and the digest it says. */
static bool
read_line(const char *line, struct version *v, uint8_t said[VERSION_DIGEST_LEN])
{
	const char *p = line + strlen(BEGIN);
	char *end;

	if (strncmp(line, BEGIN, strlen(BEGIN)) != 0 || *p < '1' || *p > '9')
		return false;
	v->serial = strtoull(p, &end, 10);
	p = end;
	if (v->serial == UINT64_MAX || !read_digest(&p, said))
		return false;
	if (strncmp(p, AFTER, strlen(AFTER)) == 0) {
		p += strlen(AFTER);
		while (v->n_after < VERSION_AFTER_MAX && read_digest(&p, v->after[v->n_after]))
			v->n_after++;
		if (v->n_after == 0)
			return false;
	}
	if (*p == '\0')
		return true;
	return strncmp(p, ABSENT, strlen(ABSENT)) == 0 &&
	       read_absent(p + strlen(ABSENT), v->absent);
}

void
version_read(const char *text, size_t len, struct version *v)
{
	uint8_t said[VERSION_DIGEST_LEN];
	const char *end = memchr(text, '\n', len < VERSION_LINE_MAX ? len : VERSION_LINE_MAX - 1);
	char line[VERSION_LINE_MAX];

	memset(v, 0, sizeof(*v));
	if (end != NULL) {
		memcpy(line, text, (size_t)(end - text));
		line[end - text] = '\0';
		if (strlen(line) == (size_t)(end - text) && read_line(line, v, said))
			v->text = (size_t)(end - text) + 1;
		else
			memset(v, 0, sizeof(*v));
	}
	digest_of(text + v->text, len - v->text, v->digest);
	v->edited = v->serial != 0 && memcmp(said, v->digest, sizeof(said)) != 0;
}

static void
add_after(struct version *v, const uint8_t digest[VERSION_DIGEST_LEN])
{
	if (v->n_after == VERSION_AFTER_MAX || memcmp(digest, v->digest, VERSION_DIGEST_LEN) == 0)
		return;
	for (int i = 0; i < v->n_after; i++) {
		if (memcmp(digest, v->after[i], VERSION_DIGEST_LEN) == 0)
			return;
	}
	memcpy(v->after[v->n_after++], digest, VERSION_DIGEST_LEN);
}

int
version_line(char out[VERSION_LINE_MAX], const struct version *text, uint64_t serial,
    const struct version *before, int n, const char *absent)
{
	struct version v = { .serial = serial };
	char hex[HEX + 1];
	int len;

	memcpy(v.digest, text->digest, sizeof(v.digest));
	for (int i = 0; i < n; i++)
		add_after(&v, before[i].digest);
	for (int i = 0; n > 0 && i < before[0].n_after; i++)
		add_after(&v, before[0].after[i]);
	len = snprintf(out, VERSION_LINE_MAX, BEGIN "%" PRIu64 " %s%s", serial,
	    sodium_bin2hex(hex, sizeof(hex), v.digest, sizeof(v.digest)),
	    v.n_after > 0 ? AFTER : "");
	for (int i = 0; i < v.n_after; i++)
		len += snprintf(out + len, (size_t)(VERSION_LINE_MAX - len), " %s",
		    sodium_bin2hex(hex, sizeof(hex), v.after[i], sizeof(v.after[i])));
	len += snprintf(out + len, (size_t)(VERSION_LINE_MAX - len), "%s%.*s\n",
	    absent[0] != '\0' ? ABSENT : "", VERSION_ABSENT_MAX - 1, absent);
	return len;
}

bool
version_follows(const struct version *next, const struct version *old)
{
	if (next->serial <= old->serial || next->edited)
		return false;
	if (old->serial != 0 && !old->edited)
		return true;
	for (int i = 0; i < next->n_after; i++) {
		if (memcmp(next->after[i], old->digest, VERSION_DIGEST_LEN) == 0)
			return true;
	}
	return false;
}
