/* SPDX-License-Identifier: BSD-2-Clause */
/* What a check of the configuration has found, in the order of the file. Judges nothing itself. */
#include <limits.h>
#include <string.h>

#include "conf_in.h"

/* Texts quote the file, which may hold anything; what is printed holds printable ASCII only. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void
conf_vsay(struct conf_report *r, enum conf_kind kind, int order, const char *file, int line,
    const char *key, const char *fmt, va_list ap)
{
	struct conf_message *m;
	size_t used;

	if (kind == CONF_FAULT)
		r->n_faults++;
	if (r->n == CONF_MESSAGES_MAX || (kind == CONF_FAULT && r->n_faults > CONF_FAULTS_MAX)) {
		r->n_left_out++;
		return;
	}
	m = &r->message[r->n++];
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->order = order;
	m->line = line;
	snprintf(m->file, sizeof(m->file), "%s", file);
	if (key != NULL)
		snprintf(m->text, sizeof(m->text), "%.64s: ", key);
	used = strlen(m->text);
	vsnprintf(m->text + used, sizeof(m->text) - used, fmt, ap);
	clean(m->text);
	clean(m->file);
}

void
conf_say(struct conf_report *r, enum conf_kind kind, int order, const char *file, int line,
    const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_vsay(r, kind, order, file, line, key, fmt, ap);
	va_end(ap);
}

static bool
comes_after(const struct conf_message *a, const struct conf_message *b)
{
	int a_line = a->line == 0 ? INT_MAX : a->line, b_line = b->line == 0 ? INT_MAX : b->line;

	return a->order != b->order ? a->order > b->order : a_line > b_line;
}

void
conf_report_sort(struct conf_report *r)
{
	struct conf_message m;

	/* by insertion: few, nearly sorted, and what is said of one line stays in its order */
	for (int i = 1; i < r->n; i++) {
		for (int k = i; k > 0 && comes_after(&r->message[k - 1], &r->message[k]); k--) {
			m = r->message[k];
			r->message[k] = r->message[k - 1];
			r->message[k - 1] = m;
		}
	}
}

static const char *
kind_word(enum conf_kind kind)
{
	switch (kind) {
	case CONF_FAULT:
		return "";
	case CONF_WARNING:
		return "warning: ";
	case CONF_NOTE:
		return "note: ";
	}
	return "";
}

const char *
conf_message_text(const struct conf_message *m, char *out, size_t size)
{
	if (m->line == 0)
		snprintf(out, size, "%s: %s%s", m->file, kind_word(m->kind), m->text);
	else
		snprintf(out, size, "%s:%d: %s%s", m->file, m->line, kind_word(m->kind), m->text);
	return out;
}

void
conf_report_print(const struct conf_report *r, FILE *to)
{
	char text[SET_PATH_MAX + CONF_TEXT_MAX + 32];

	for (int i = 0; i < r->n; i++)
		fprintf(to, "%s\n", conf_message_text(&r->message[i], text, sizeof(text)));
	if (r->n_left_out > 0)
		fprintf(to, "and %d more\n", r->n_left_out);
}
