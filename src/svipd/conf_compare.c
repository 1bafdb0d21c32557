/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In what two canonical configurations differ, key by key. One of them comes from another node, perhaps of another version:
 * must take any text, and must not know what the keys mean.
 */
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"

enum { ENTRIES_MAX = 100000, KEY_MAX = 2 * CONF_WORD_MAX };

struct entry {
	const char *block; /* "", "arp", "vip \"NAME\"" */
	const char *key;   /* "": the block itself */
	const char *value;
	bool element; /* of a list */
};

struct entries {
	size_t n;
	struct entry *entry;
};

static int
entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->block, y->block);

	if (c == 0)
		c = strcmp(x->key, y->key);
	return c != 0 || !x->element || !y->element ? c : strcmp(x->value, y->value);
}

/* Adds the text between this quote and the next one, and ends it there. Returns what follows; NULL: no such. */
static char *
add_quoted(struct entries *to, const char *block, const char *key, char *quote, bool element)
{
	char *end = strchr(quote + 1, '"');

	if (end == NULL)
		return NULL;
	*end = '\0';
	to->entry[to->n++] = (struct entry){ block, key, quote + 1, element };
	return end + 1;
}

/* `key = "value"` or `key = { "value", … }`. */
static bool
read_key(struct entries *to, const char *block, char *line)
{
	char *equals = strstr(line, " = "), *at;
	bool list;

	if (equals == NULL || equals == line)
		return false;
	*equals = '\0';
	at = equals + 3;
	list = *at == '{';
	if (!list && *at != '"')
		return false;
	for (at = strchr(at, '"'); at != NULL; at = list ? strchr(at, '"') : NULL) {
		at = add_quoted(to, block, line, at, list);
		if (at == NULL)
			return false;
	}
	return true;
}

static bool
read_text(struct entries *to, char *text)
{
	const char *block = "";
	char *end;

	for (char *line = text; *line != '\0'; line = end + 1) {
		size_t len;

		end = strchr(line, '\n');
		if (end == NULL)
			return false;
		*end = '\0';
		len = strlen(line);
		if (strcmp(line, "}") == 0) {
			block = "";
		} else if (len > 2 && strcmp(line + len - 2, " {") == 0) {
			line[len - 2] = '\0';
			block = line;
			to->entry[to->n++] = (struct entry){ block, "", "there", false };
		} else if (!read_key(to, block, line)) {
			return false;
		}
	}
	return true;
}

/* More than there can be: each needs a quote or a line. */
static bool
take_apart(struct entries *to, char *text)
{
	size_t most = 1;

	for (const char *p = text; *p != '\0'; p++)
		most += *p == '"' || *p == '\n';
	to->n = 0;
	to->entry = most <= 3 * ENTRIES_MAX ? calloc(most, sizeof(*to->entry)) : NULL;
	if (to->entry == NULL || !read_text(to, text) || to->n > ENTRIES_MAX)
		return false;
	qsort(to->entry, to->n, sizeof(*to->entry), entry_order);
	return true;
}

static void
tell(const struct entry *here, const struct entry *there,
    void (*each)(void *, const struct conf_difference *), void *ctx)
{
	const struct entry *e = here != NULL ? here : there;
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "%s%s%s", e->block,
	    e->block[0] != '\0' && e->key[0] != '\0' ? ": " : "", e->key);
	each(ctx, &(struct conf_difference){ .key = key,
	              .here = here != NULL ? here->value : NULL,
	              .there = there != NULL ? there->value : NULL });
}

/* Goes past an entry that only one of them has; past its whole block when it is that. */
static size_t
past(const struct entries *all, size_t i)
{
	const struct entry *e = &all->entry[i++];

	while (e->key[0] == '\0' && i < all->n && strcmp(all->entry[i].block, e->block) == 0)
		i++;
	return i;
}

bool
conf_compare(
    char *here, char *there, void (*each)(void *ctx, const struct conf_difference *), void *ctx)
{
	struct entries a = { 0 }, b = { 0 };
	bool ok = take_apart(&a, here) && take_apart(&b, there);
	size_t i = 0, k = 0;

	while (ok && (i < a.n || k < b.n)) {
		int c = i == a.n ? 1 : k == b.n ? -1 : entry_order(&a.entry[i], &b.entry[k]);

		if (c < 0) {
			tell(&a.entry[i], NULL, each, ctx);
			i = past(&a, i);
		} else if (c > 0) {
			tell(NULL, &b.entry[k], each, ctx);
			k = past(&b, k);
		} else {
			if (strcmp(a.entry[i].value, b.entry[k].value) != 0)
				tell(&a.entry[i], &b.entry[k], each, ctx);
			i++;
			k++;
		}
	}
	free(a.entry);
	free(b.entry);
	return ok;
}
