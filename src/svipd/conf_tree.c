/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration as a tree of blocks, keys and values with their places; owns its memory. Refuses doubles. */
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t data[];
};

enum { CHUNK_SIZE = 64 * 1024 };

void *
conf_alloc(struct conf_tree *t, size_t size)
{
	struct chunk *c = t->chunks;
	void *p;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (c == NULL || c->size - c->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		c = calloc(1, sizeof(*c) + room);
		if (c == NULL) {
			conf_fault(t, 0, 0, NULL, "out of memory");
			return NULL;
		}
		c->size = room;
		c->next = t->chunks;
		t->chunks = c;
	}
	p = (char *)c->data + c->used;
	c->used += size;
	return p;
}

void
conf_tree_init(struct conf_tree *t, struct conf_report *report)
{
	memset(t, 0, sizeof(*t));
	t->report = report;
	t->global.where = CONF_GLOBAL;
	t->global.title = "";
	t->global.end = &t->global.first;
	t->vip_end = &t->vip;
}

void
conf_tree_fini(struct conf_tree *t)
{
	struct chunk *c, *next;

	for (c = t->chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	for (int i = 0; i < t->n_files; i++)
		free(t->file[i].text);
}

void
conf_fault(struct conf_tree *t, int file, int line, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vsay(t->report, CONF_FAULT, file, t->file[file].name, line, key, fmt, ap);
	va_end(ap);
}

void
conf_warn(struct conf_tree *t, int file, int line, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vsay(t->report, CONF_WARNING, file, t->file[file].name, line, key, fmt, ap);
	va_end(ap);
}

const char *
conf_place(const struct conf_tree *t, int here, int file, int line, char *out)
{
	if (here == file)
		snprintf(out, CONF_PLACE_MAX, "line %d", line);
	else
		snprintf(out, CONF_PLACE_MAX, "%s:%d", t->file[file].name, line);
	return out;
}

struct conf_block *
conf_block_add(struct conf_tree *t, unsigned where, const char *title, int file, int line)
{
	char place[CONF_PLACE_MAX];
	struct conf_block *b;

	if (where == CONF_ARP && t->arp != NULL) {
		conf_fault(t, file, line, "arp", "given twice, first at %s: merge the two blocks",
		    conf_place(t, file, t->arp->file, t->arp->line, place));
		return NULL;
	}
	for (b = where == CONF_VIP ? t->vip : NULL; b != NULL; b = b->next) {
		if (strcmp(b->title, title) != 0)
			continue;
		conf_fault(t, file, line, "vip",
		    "\"%s\" is given twice, first at %s: merge the two blocks", title,
		    conf_place(t, file, b->file, b->line, place));
		return NULL;
	}
	if (where == CONF_VIP && t->n_vips == SVIP_INSTANCES_MAX) {
		conf_fault(t, file, line, "vip", "more than %d blocks", SVIP_INSTANCES_MAX);
		return NULL;
	}
	b = conf_alloc(t, sizeof(*b));
	if (b == NULL)
		return NULL;
	*b = (struct conf_block){
		.where = where, .title = title, .file = file, .line = line, .end = &b->first
	};
	if (where == CONF_ARP) {
		t->arp = b;
	} else {
		*t->vip_end = b;
		t->vip_end = &b->next;
		t->n_vips++;
	}
	return b;
}

struct conf_entry *
conf_entry_add(
    struct conf_tree *t, struct conf_block *b, const struct conf_key *key, int file, int line)
{
	bool per_file = strcmp(key->name, "include") == 0;
	char place[CONF_PLACE_MAX];
	struct conf_entry *e;

	for (e = b->first; e != NULL; e = e->next) {
		if (e->key != key || (per_file && e->file != file))
			continue;
		conf_fault(t, file, line, key->name, "given twice, first at %s: remove one of them",
		    conf_place(t, file, e->file, e->line, place));
		return NULL;
	}
	e = conf_alloc(t, sizeof(*e));
	if (e == NULL)
		return NULL;
	*e = (struct conf_entry){ .key = key, .file = file, .line = line };
	*b->end = e;
	b->end = &e->next;
	return e;
}

const struct conf_entry *
conf_get(const struct conf_block *b, const char *key)
{
	const struct conf_entry *e = b == NULL ? NULL : b->first;

	while (e != NULL && strcmp(e->key->name, key) != 0)
		e = e->next;
	return e;
}
