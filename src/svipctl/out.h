/* SPDX-License-Identifier: BSD-2-Clause */
/* Plain text for people: at most 80 columns, wrapped lines, tables, colour and symbols where they are welcome. */
#ifndef SVIPCTL_OUT_H
#define SVIPCTL_OUT_H

#include <stdbool.h>
#include <stdio.h>

enum {
	OUT_WIDTH = 80,
	OUT_COLUMNS_MAX = 8,
	OUT_CELL_MAX = 104, /* bytes of a cell, with the NUL */
};

enum out_colour { OUT_PLAIN, OUT_GOOD, OUT_WARN, OUT_BAD, OUT_DIM };

struct out {
	FILE *file;
	bool colour;
	bool symbols; /* the locale is UTF-8 */
};

/* For stdout: colour on a terminal without NO_COLOR (https://no-color.org), symbols in a UTF-8 locale. */
void out_init(struct out *);

/* Writes text in one colour, without a line end. */
void out_colour(const struct out *, enum out_colour, const char *text);

/*
 * Writes first, then text from the same line on, wrapped at blanks; lines after the first are indented
 * by as many columns as first has.
 */
void out_wrap(const struct out *, enum out_colour, const char *first, const char *text);

/* A table under construction: rows are added, then it is written at once and emptied. */
struct out_cell {
	enum out_colour colour;
	char text[OUT_CELL_MAX];
};
struct out_row {
	bool section; /* one line of text across the columns */
	struct out_cell cell[OUT_COLUMNS_MAX];
};
struct out_table {
	int n_columns, n_rows, rows_size;
	bool right[OUT_COLUMNS_MAX]; /* numbers */
	struct out_row *row;
};

/* heads: n_columns titles, NULL at the end; "#TITLE": aligned right. */
void out_table_init(struct out_table *, const char *const *heads);
/* A new row of empty cells. The first row holds the titles. Ends the program when memory runs out. */
struct out_row *out_table_row(struct out_table *);
void out_cell(struct out_row *, int column, enum out_colour, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Narrows the widest columns until the table fits, writes it, frees it. */
void out_table_write(const struct out *, struct out_table *);

#endif
