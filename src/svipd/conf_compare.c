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
	const char *key, *value;
	bool element; /* of a list */
};

struct entries {
	size_t n;
	struct entry *entry;
};

/* "arp" or "vip \"NAME\"", with its lines. */
struct block {
	const char *name;
	char *body;
};

struct parts {
	struct entries global;
	struct entries inner; /* of the block that is looked at */
	size_t n_blocks;
	struct block *block;
};

static int
entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->key, y->key);

	return c != 0 || !x->element || !y->element ? c : strcmp(x->value, y->value);
}

static int
block_order(const void *a, const void *b)
{
	return strcmp(((const struct block *)a)->name, ((const struct block *)b)->name);
}

/* `key = "value"` or `key = { "value", … }`. */
static bool
read_key(struct entries *to, char *line)
{
	char *equals = strstr(line, " = "), *at, *end;
	bool list;

	if (equals == NULL || equals == line)
		return false;
	*equals = '\0';
	at = equals + 3;
	list = *at == '{';
	if (!list && *at != '"')
		return false;
	for (at = strchr(at, '"'); at != NULL; at = list ? strchr(end + 1, '"') : NULL) {
		end = strchr(at + 1, '"');
		if (end == NULL)
			return false;
		*end = '\0';
		to->entry[to->n++] = (struct entry){ line, at + 1, list };
	}
	return true;
}

/* Ends the line, and returns the beginning of the next one; NULL: it isn't whole. */
static char *
cut_line(char *line)
{
	char *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

/* Takes the block whose first line (ended by cut_line()) this is. Returns what follows it; NULL: it has no end. */
static char *
take_block(struct parts *p, char *line, char *body)
{
	char *end = body[0] == '}' ? body : strstr(body, "\n}\n");

	if (end == NULL || (end == body && body[1] != '\n'))
		return NULL;
	line[strlen(line) - 2] = '\0';
	p->block[p->n_blocks++] = (struct block){ line, body };
	if (end == body) {
		*end = '\0';
		return end + 2;
	}
	end[1] = '\0';
	return end + 3;
}

static bool
take_apart(struct parts *p, char *text)
{
	size_t quotes = 1, lines = 1;
	char *next;

	for (const char *at = text; *at != '\0'; at++) {
		quotes += *at == '"';
		lines += *at == '\n';
	}
	if (quotes > 2 * ENTRIES_MAX || lines > ENTRIES_MAX)
		return false;
	p->global.entry = calloc(quotes, sizeof(struct entry));
	p->inner.entry = calloc(quotes, sizeof(struct entry));
	p->block = calloc(lines, sizeof(*p->block));
	if (p->global.entry == NULL || p->inner.entry == NULL || p->block == NULL)
		return false;
	for (char *line = text; *line != '\0'; line = next) {
		size_t len;

		next = cut_line(line);
		len = strlen(line);
		if (next != NULL && len > 2 && strcmp(line + len - 2, " {") == 0)
			next = take_block(p, line, next);
		else if (next != NULL && !read_key(&p->global, line))
			return false;
		if (next == NULL)
			return false;
	}
	qsort(p->global.entry, p->global.n, sizeof(struct entry), entry_order);
	qsort(p->block, p->n_blocks, sizeof(*p->block), block_order);
	return true;
}

static bool
read_body(struct entries *to, char *body)
{
	char *next;

	to->n = 0;
	for (char *line = body; *line != '\0'; line = next) {
		next = cut_line(line);
		if (next == NULL || !read_key(to, line))
			return false;
	}
	qsort(to->entry, to->n, sizeof(struct entry), entry_order);
	return true;
}

struct listener {
	void (*each)(void *, const struct conf_difference *);
	void *ctx;
};

static void
tell(const struct listener *l, const char *block, const struct entry *here,
    const struct entry *there)
{
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "%s%s%s", block != NULL ? block : "", block != NULL ? ": " : "",
	    here != NULL ? here->key : there->key);
	l->each(l->ctx, &(struct conf_difference){ .key = key,
	                    .here = here != NULL ? here->value : NULL,
	                    .there = there != NULL ? there->value : NULL });
}

static void
compare_entries(
    const struct listener *l, const char *block, const struct entries *a, const struct entries *b)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		const struct entry *x = &a->entry[i], *y = &b->entry[k];
		int c = i == a->n ? 1 : k == b->n ? -1 : entry_order(x, y);

		if (c != 0 || strcmp(x->value, y->value) != 0)
			tell(l, block, c <= 0 ? x : NULL, c >= 0 ? y : NULL);
		i += c <= 0;
		k += c >= 0;
	}
}

/* Those that are equal, which is most of them, aren't even read: a thousand instances must not hold the loop up. */
static bool
compare_blocks(const struct listener *l, struct parts *a, struct parts *b)
{
	size_t i = 0, k = 0;

	while (i < a->n_blocks || k < b->n_blocks) {
		struct block *x = &a->block[i], *y = &b->block[k];
		int c = i == a->n_blocks ? 1 : k == b->n_blocks ? -1 : block_order(x, y);

		if (c < 0) {
			l->each(l->ctx, &(struct conf_difference){ x->name, "there", NULL });
		} else if (c > 0) {
			l->each(l->ctx, &(struct conf_difference){ y->name, NULL, "there" });
		} else if (strcmp(x->body, y->body) != 0) {
			if (!read_body(&a->inner, x->body) || !read_body(&b->inner, y->body))
				return false;
			compare_entries(l, x->name, &a->inner, &b->inner);
		}
		i += c <= 0;
		k += c >= 0;
	}
	return true;
}

static void
parts_free(struct parts *p)
{
	free(p->global.entry);
	free(p->inner.entry);
	free(p->block);
}

bool
conf_compare(
    char *here, char *there, void (*each)(void *ctx, const struct conf_difference *), void *ctx)
{
	const struct listener l = { each, ctx };
	struct parts a = { 0 }, b = { 0 };
	bool ok = take_apart(&a, here) && take_apart(&b, there);

	if (ok)
		compare_entries(&l, NULL, &a.global, &b.global);
	ok = ok && compare_blocks(&l, &a, &b);
	parts_free(&a);
	parts_free(&b);
	return ok;
}
