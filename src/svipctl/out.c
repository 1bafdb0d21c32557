/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays text out on a terminal. Must not know what it says. */
#include "out.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GAP = 2, NARROW = 6 }; /* columns between columns; no column is made narrower */

static const char *const codes[] = {
	[OUT_PLAIN] = "",
	[OUT_GOOD] = "\033[32m",
	[OUT_WARN] = "\033[33m",
	[OUT_BAD] = "\033[31m",
	[OUT_DIM] = "\033[2m",
};

void
out_init(struct out *o)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	o->file = stdout;
	o->colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0') &&
	            (term == NULL || strcmp(term, "dumb") != 0);
	o->symbols = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Columns of a text whose letters are one column wide each. */
static int
width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* Bytes of the first `columns` columns. */
static int
bytes_of(const char *text, int columns)
{
	int i = 0, n = 0;

	while (text[i] != '\0') {
		if ((text[i] & 0xc0) != 0x80 && n++ == columns)
			break;
		i++;
	}
	return i;
}

void
out_colour(const struct out *o, enum out_colour colour, const char *text)
{
	bool on = o->colour && colour != OUT_PLAIN;

	fprintf(o->file, "%s%s%s", on ? codes[colour] : "", text, on ? "\033[0m" : "");
}

void
out_wrap(const struct out *o, enum out_colour colour, const char *first, const char *text)
{
	const int indent = width(first), room = OUT_WIDTH - indent;

	out_colour(o, colour, first);
	for (;;) {
		int len = (int)strlen(text), cut = len;

		if (len > room) {
			cut = room;
			while (cut > 0 && text[cut] != ' ')
				cut--;
			if (cut == 0) /* one word fills the line: break it */
				cut = room;
		}
		fprintf(o->file, "%.*s\n", cut, text);
		text += cut;
		text += strspn(text, " ");
		if (*text == '\0')
			return;
		fprintf(o->file, "%*s", indent, "");
	}
}

/* ---- tables ---- */

struct out_row *
out_table_row(struct out_table *t)
{
	struct out_row *r;

	if (t->n_rows == t->rows_size) {
		t->rows_size = t->rows_size == 0 ? 16 : t->rows_size * 2;
		r = realloc(t->row, (size_t)t->rows_size * sizeof(*r));
		if (r == NULL) {
			fprintf(stderr, "svipctl: out of memory\n");
			exit(1);
		}
		t->row = r;
	}
	r = &t->row[t->n_rows++];
	memset(r, 0, sizeof(*r));
	return r;
}

void
out_table_init(struct out_table *t, const char *const *heads)
{
	struct out_row *r;

	memset(t, 0, sizeof(*t));
	r = out_table_row(t);
	for (; heads[t->n_columns] != NULL; t->n_columns++) {
		const char *head = heads[t->n_columns];

		t->right[t->n_columns] = head[0] == '#';
		out_cell(r, t->n_columns, OUT_DIM, "%s", head + (head[0] == '#'));
	}
}

void
out_cell(struct out_row *r, int column, enum out_colour colour, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->cell[column].colour = colour;
	vsnprintf(r->cell[column].text, OUT_CELL_MAX, fmt, ap);
	va_end(ap);
}

static void
measure(const struct out_table *t, int *wide)
{
	int sum;

	for (int c = 0; c < t->n_columns; c++) {
		wide[c] = 0;
		for (int i = 0; i < t->n_rows; i++) {
			int w = t->row[i].section ? 0 : width(t->row[i].cell[c].text);

			wide[c] = w > wide[c] ? w : wide[c];
		}
	}
	for (;;) {
		int widest = 0;

		sum = GAP * (t->n_columns - 1);
		for (int c = 0; c < t->n_columns; c++) {
			sum += wide[c];
			if (wide[c] > wide[widest])
				widest = c;
		}
		if (sum <= OUT_WIDTH || wide[widest] <= NARROW)
			return;
		wide[widest]--;
	}
}

static void
write_cell(const struct out *o, const struct out_cell *cell, int wide, bool right, bool last)
{
	char text[OUT_CELL_MAX + 4];
	int w = width(cell->text);

	if (w > wide) {
		snprintf(text, sizeof(text), "%.*s%s", bytes_of(cell->text, wide - 1), cell->text,
		    o->symbols ? "…" : "~");
		w = wide;
	} else {
		snprintf(text, sizeof(text), "%s", cell->text);
	}
	if (right)
		fprintf(o->file, "%*s", wide - w, "");
	out_colour(o, cell->colour, text);
	if (!right && !last)
		fprintf(o->file, "%*s", wide - w, "");
	if (!last)
		fprintf(o->file, "%*s", GAP, "");
}

/* The last cell of a row that has something in it. */
static int
last_cell(const struct out_row *r, int n)
{
	while (n > 1 && r->cell[n - 1].text[0] == '\0')
		n--;
	return n - 1;
}

void
out_table_write(const struct out *o, struct out_table *t)
{
	int wide[OUT_COLUMNS_MAX];

	measure(t, wide);
	for (int i = 0; i < t->n_rows; i++) {
		const struct out_row *r = &t->row[i];
		int last = r->section ? 0 : last_cell(r, t->n_columns);

		for (int c = 0; c <= last; c++)
			write_cell(o, &r->cell[c], r->section ? OUT_WIDTH : wide[c],
			    t->right[c] && !r->section, c == last);
		fputc('\n', o->file);
	}
	free(t->row);
	memset(t, 0, sizeof(*t));
}
