/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Statements and blocks: tokens into the tree. Goes on after a fault so that all are told, and finds what
 * libconfuse lets pass: a file that is cut off, keys given twice. Judges no value.
 */
#include <string.h>

#include "conf_in.h"

struct open_block {
	char name[2 * CONF_WORD_MAX + 4]; /* with its title, for messages */
	int line;
	struct conf_block *block; /* NULL: refused; its content is passed over */
};

struct parse {
	struct conf_tree *tree;
	int file;
	struct conf_scan scan;
	struct conf_token t;
	int depth;
	struct open_block open[CONF_NESTING_MAX];
	bool given_up;
};

static void
advance(struct parse *p)
{
	p->t = conf_scan_next(&p->scan);
}

/* Where statements go now; NULL: nowhere. */
static struct conf_block *
current(struct parse *p)
{
	return p->depth == 0 ? &p->tree->global : p->open[p->depth - 1].block;
}

/* After a fault in a statement: the rest of its line is not read. */
static void
recover(struct parse *p, int line)
{
	if (p->t.kind == TOKEN_END || p->t.line != line)
		return;
	conf_scan_skip_line(&p->scan);
	advance(p);
}

static bool
is_text(const struct conf_token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_QUOTED;
}

static const char *
token_text(struct conf_tree *t, const struct conf_token *tok)
{
	char *s = conf_alloc(t, tok->len + 1);

	if (s != NULL)
		memcpy(s, tok->start, tok->len);
	return s;
}

static const char *
where_words(unsigned where)
{
	if ((where & CONF_VIP) != 0)
		return "belongs into a vip block";
	if ((where & CONF_ARP) != 0)
		return "belongs into the arp block";
	return "belongs outside of all blocks";
}

static void
unknown(struct parse *p, struct conf_block *b, const char *name, int line, const char *what)
{
	/* to search is worth it only for what will be told */
	bool told = p->tree->report->n_faults < CONF_FAULTS_MAX;
	const char *guess = told ? conf_key_guess(name, b->where) : NULL;
	const struct conf_key *key = guess == NULL ? NULL : conf_key_find(guess);

	if (guess != NULL)
		conf_fault(
		    p->tree, p->file, line, name, "unknown %s, did you mean \"%s\"?", what, guess);
	else
		conf_fault(
		    p->tree, p->file, line, name, "unknown %s; svipd.conf(5) names all", what);
	if (key != NULL && b->n_meant < CONF_MEANT_MAX)
		b->meant[b->n_meant++] = key;
}

/* The entry for a key of the current block; NULL: refused, or passed over. */
static struct conf_entry *
new_entry(struct parse *p, const char *name, int line)
{
	struct conf_block *b = current(p);
	const struct conf_key *key = conf_key_find(name);

	if (b == NULL)
		return NULL;
	if (key == NULL && conf_block_kind(name) != 0) {
		conf_fault(p->tree, p->file, line, name, "is a block, without '=':  %s {",
		    conf_block_kind(name) == CONF_VIP ? "vip \"NAME\"" : name);
		return NULL;
	}
	if (key == NULL) {
		unknown(p, b, name, line, "key");
		return NULL;
	}
	if ((key->where & b->where) == 0) {
		if (p->depth == 0)
			conf_fault(p->tree, p->file, line, name, "%s", where_words(key->where));
		else
			conf_fault(p->tree, p->file, line, name,
			    "%s; this is in %s, which begins at line %d", where_words(key->where),
			    p->open[p->depth - 1].name, p->open[p->depth - 1].line);
		return NULL;
	}
	return conf_entry_add(p->tree, b, key, p->file, line);
}

static void
spoil(struct conf_entry *e)
{
	if (e != NULL)
		e->spoilt = true;
}

static void
add_value(struct parse *p, struct conf_entry *e)
{
	struct conf_value *v;

	if (p->t.spoilt)
		spoil(e);
	if (e == NULL || e->spoilt)
		return;
	if (e->n == CONF_VALUES_MAX) {
		conf_fault(p->tree, p->file, p->t.line, e->key->name, "more than %d values",
		    CONF_VALUES_MAX);
		spoil(e);
		return;
	}
	if ((e->n & (e->n - 1)) == 0) { /* 0, 1, 2, 4, …: full */
		v = conf_alloc(p->tree, (size_t)(e->n == 0 ? 1 : 2 * e->n) * sizeof(*v));
		if (v == NULL)
			return;
		if (e->n > 0)
			memcpy(v, e->value, (size_t)e->n * sizeof(*v));
		e->value = v;
	}
	e->value[e->n].text = token_text(p->tree, &p->t);
	e->value[e->n].line = p->t.line;
	if (e->value[e->n].text != NULL)
		e->n++;
}

/* True when the word can only be the beginning of the next statement: the list before was not closed. */
static bool
begins_statement(struct parse *p)
{
	char next = conf_scan_peek(&p->scan), name[CONF_WORD_MAX + 1];

	if (p->t.kind != TOKEN_WORD || p->t.len > CONF_WORD_MAX)
		return false;
	memcpy(name, p->t.start, p->t.len);
	name[p->t.len] = '\0';
	return next == '=' || (conf_block_kind(name) != 0 && (next == '{' || next == '"'));
}

/* After an element: passes the comma. False: the list can't be followed any further. */
static bool
separator(struct parse *p, struct conf_entry *e, const char *name, int line, bool *told)
{
	if (p->t.kind == TOKEN_COMMA) {
		advance(p);
		return true;
	}
	if (p->t.kind == TOKEN_CLOSE || p->t.kind == TOKEN_END || begins_statement(p))
		return true; /* for list() to judge */
	spoil(e);
	if (p->t.kind == TOKEN_BAD)
		return true;
	if (!*told)
		conf_fault(p->tree, p->file, p->t.line, name,
		    "',' is missing in the list that begins at line %d", line);
	*told = true;
	return is_text(&p->t);
}

/* From the brace on. */
static void
list(struct parse *p, struct conf_entry *e, const char *name)
{
	int line = p->t.line;
	bool told = false;

	for (advance(p); p->t.kind != TOKEN_CLOSE;) {
		if (p->t.kind == TOKEN_END || begins_statement(p)) {
			conf_fault(p->tree, p->file, line, name,
			    "the list that begins here is not closed: '}' is missing%s",
			    p->t.kind == TOKEN_END ? " (was the file cut off?)" : "");
			spoil(e);
			return;
		}
		if (is_text(&p->t)) {
			add_value(p, e);
			advance(p);
			if (!separator(p, e, name, line, &told)) {
				recover(p, p->t.line);
				return;
			}
			continue;
		}
		spoil(e);
		if (p->t.kind != TOKEN_BAD)
			conf_fault(p->tree, p->file, p->t.line, name,
			    "a value is expected in the list that begins at line %d", line);
		if (p->t.kind != TOKEN_BAD && p->t.kind != TOKEN_COMMA) {
			recover(p, p->t.line);
			return;
		}
		advance(p);
	}
	advance(p);
}

static void
value(struct parse *p, struct conf_entry *e, const char *name, int line)
{
	if (p->t.kind == TOKEN_END || p->t.line != line ||
	    (p->t.kind != TOKEN_OPEN && p->t.kind != TOKEN_BAD && !is_text(&p->t))) {
		conf_fault(p->tree, p->file, line, name, "the value is missing after '='");
		spoil(e);
		if (p->t.kind != TOKEN_CLOSE)
			recover(p, line);
		return;
	}
	if (p->t.kind == TOKEN_OPEN) {
		if (e != NULL && !e->key->list) {
			conf_fault(p->tree, p->file, line, name, "takes one value, not a list");
			spoil(e);
		}
		list(p, e, name);
		return;
	}
	if (p->t.kind == TOKEN_BAD)
		spoil(e);
	else
		add_value(p, e);
	advance(p);
}

static void
open_block(struct parse *p, const char *name, int line, const struct conf_token *title)
{
	unsigned kind = conf_block_kind(name);
	struct conf_block *parent = current(p), *b = NULL;
	const char *text = "";

	if (p->depth == CONF_NESTING_MAX) {
		conf_fault(p->tree, p->file, line, name,
		    "blocks stand more than %d deep in each other; the rest of the file is not "
		    "read",
		    CONF_NESTING_MAX);
		p->given_up = true;
		return;
	}
	if (kind != 0 && parent != NULL && p->depth > 0) {
		conf_fault(p->tree, p->file, line, name,
		    "stands inside of %s, which begins at line %d: is its '}' missing?",
		    p->open[p->depth - 1].name, p->open[p->depth - 1].line);
		p->depth = 0;
	}
	if (title != NULL && !title->spoilt)
		text = token_text(p->tree, title);
	if (text == NULL)
		text = "";
	if (kind == 0 && parent != NULL)
		unknown(p, parent, name, line, "block");
	else if (kind == CONF_VIP && title == NULL)
		conf_fault(p->tree, p->file, line, name,
		    "a name is missing:  vip \"NAME\" {  (as in \"sentinel monitor\")");
	else if (kind == CONF_ARP && title != NULL)
		conf_fault(p->tree, p->file, line, name, "takes no name:  arp {");
	else if (kind != 0 && parent != NULL && (title == NULL || !title->spoilt))
		b = conf_block_add(p->tree, kind, text, p->file, line);
	if (b == NULL && parent != NULL)
		p->tree->n_refused++;
	if (*text == '\0')
		snprintf(p->open[p->depth].name, sizeof(p->open[0].name), "%s", name);
	else
		snprintf(p->open[p->depth].name, sizeof(p->open[0].name), "%s \"%s\"", name, text);
	p->open[p->depth].line = line;
	p->open[p->depth++].block = b;
	advance(p);
}

/* A statement or the head of a block, from its first word on. */
static void
statement(struct parse *p)
{
	struct conf_token first = p->t, title;
	char name[CONF_WORD_MAX + 1];

	if (first.spoilt) {
		recover(p, first.line);
		return;
	}
	memcpy(name, first.start, first.len);
	name[first.len] = '\0';
	advance(p);
	if (p->t.kind == TOKEN_EQUALS) {
		struct conf_entry *e = new_entry(p, name, first.line);
		int line = p->t.line;

		advance(p);
		value(p, e, name, line);
		return;
	}
	if (p->t.kind == TOKEN_OPEN && conf_key_find(name) != NULL) {
		struct conf_entry *e = new_entry(p, name, first.line);

		conf_fault(p->tree, p->file, first.line, name, "'=' is missing before '{'");
		spoil(e);
		list(p, e, name);
		return;
	}
	if (p->t.kind == TOKEN_OPEN) {
		open_block(p, name, first.line, NULL);
		return;
	}
	title = p->t;
	if (is_text(&title) && title.line == first.line) {
		advance(p);
		if (p->t.kind == TOKEN_OPEN) {
			open_block(p, name, first.line, &title);
			return;
		}
	}
	if (p->t.kind != TOKEN_BAD && !title.spoilt)
		conf_fault(p->tree, p->file, first.line, name, "neither '=' nor '{' follows%s",
		    conf_key_find(name) == NULL ? "; a value of several words needs quotes" : "");
	if (conf_key_find(name) != NULL && current(p) != NULL &&
	    (conf_key_find(name)->where & current(p)->where) != 0)
		spoil(new_entry(p, name, first.line));
	recover(p, first.line);
}

static void
close_block(struct parse *p)
{
	if (p->depth == 0)
		conf_fault(p->tree, p->file, p->t.line, NULL, "this '}' closes nothing");
	else
		p->depth--;
	advance(p);
}

void
conf_blocks_read(struct conf_tree *tree, int file)
{
	struct parse p = { .tree = tree, .file = file };

	conf_scan_init(&p.scan, tree, file);
	advance(&p);
	while (p.t.kind != TOKEN_END && !p.given_up) {
		switch (p.t.kind) {
		case TOKEN_WORD:
			statement(&p);
			break;
		case TOKEN_CLOSE:
			close_block(&p);
			break;
		case TOKEN_BAD:
			advance(&p);
			break;
		case TOKEN_QUOTED:
		case TOKEN_OPEN:
		case TOKEN_EQUALS:
		case TOKEN_COMMA:
		case TOKEN_END:
			if (!p.t.spoilt)
				conf_fault(tree, file, p.t.line, NULL,
				    "a key or the name of a block is expected here");
			recover(&p, p.t.line);
			break;
		}
	}
	for (int i = 0; i < p.depth && !p.given_up; i++)
		conf_fault(tree, file, p.open[i].line, p.open[i].name,
		    "the block that begins here is never closed: '}' is missing (was the file cut "
		    "off?)");
}
