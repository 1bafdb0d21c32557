/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cuts the text of a file into tokens, each with its line, and makes comments blank. Stricter than libconfuse:
 * whatever libconfuse would take in a way of its own (escapes, ${…}, odd bytes) is refused here.
 */
#include <string.h>

#include "conf_in.h"

/* Bytes that may stand in a word without quotes. */
static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_.:/%@[]-", c) != NULL);
}

/* Bytes that end such a word. */
static bool
is_border(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
	       (c != '\0' && strchr("#\"'={},()+", c) != NULL);
}

void
conf_scan_init(struct conf_scan *s, struct conf_tree *t, int file)
{
	struct conf_file *f = &t->file[file];

	*s = (struct conf_scan){
		.tree = t, .file = file, .at = f->text, .end = f->text + f->size, .line = 1
	};
}

void
conf_scan_skip_line(struct conf_scan *s)
{
	char *nl = memchr(s->at, '\n', (size_t)(s->end - s->at));

	s->at = nl == NULL ? s->end : nl;
}

char
conf_scan_peek(const struct conf_scan *s)
{
	const char *p = s->at;

	while (p < s->end && (*p == ' ' || *p == '\t'))
		p++;
	return p < s->end ? *p : '\0';
}

/* The two bytes at p. */
static bool
looking_at(const struct conf_scan *s, const char *p, const char *two)
{
	return s->end - p >= 2 && p[0] == two[0] && p[1] == two[1];
}

/* A comment from the slash and the star on. Its lines stay, so that libconfuse counts as we do. */
static bool
blank_block_comment(struct conf_scan *s)
{
	int line = s->line;

	s->at[0] = s->at[1] = ' ';
	for (s->at += 2; s->at < s->end; s->at++) {
		if (looking_at(s, s->at, "*/")) {
			s->at[0] = s->at[1] = ' ';
			s->at += 2;
			return true;
		}
		if (*s->at == '\n')
			s->line++;
		else
			*s->at = ' ';
	}
	conf_fault(s->tree, s->file, line, NULL,
	    "the comment that begins here is never closed: \"*/\" is missing");
	return false;
}

/* Passes blanks and comments. */
static void
skip_blanks(struct conf_scan *s)
{
	while (s->at < s->end) {
		if (*s->at == '\n') {
			s->line++;
			s->at++;
		} else if (*s->at == ' ' || *s->at == '\t') {
			s->at++;
		} else if (*s->at == '\r' && looking_at(s, s->at, "\r\n")) {
			*s->at++ = ' ';
		} else if (*s->at == '#' || looking_at(s, s->at, "//")) {
			while (s->at < s->end && *s->at != '\n')
				*s->at++ = ' ';
		} else if (looking_at(s, s->at, "/*")) {
			blank_block_comment(s);
		} else {
			return;
		}
	}
}

static struct conf_token
scan_quoted(struct conf_scan *s)
{
	struct conf_token t = { .kind = TOKEN_QUOTED, .line = s->line, .start = s->at + 1 };
	char quote = *s->at;
	const char *what = NULL;

	for (s->at++; s->at < s->end && *s->at != quote && *s->at != '\n'; s->at++) {
		if (*s->at == '\\')
			what = "a backslash has no meaning in a value: remove it";
		else if (looking_at(s, s->at, "${"))
			what = "variables are not replaced: write the value itself instead of ${";
		else if (((unsigned char)*s->at < ' ' || *s->at == 0x7f) && what == NULL)
			what = "the quoted text holds a control character: remove it";
	}
	t.len = (size_t)(s->at - t.start);
	if (s->at == s->end || *s->at == '\n')
		what = "the quote that begins here is not closed on its line";
	else
		s->at++;
	if (what == NULL && t.len > CONF_WORD_MAX)
		what = "the quoted text is longer than 255 bytes";
	if (what != NULL) {
		conf_fault(s->tree, s->file, t.line, NULL, "%s (\"%.*s\")", what,
		    (int)(t.len < 40 ? t.len : 40), t.start);
		t.spoilt = true;
	}
	return t;
}

static struct conf_token
scan_word(struct conf_scan *s)
{
	struct conf_token t = { .kind = TOKEN_WORD, .line = s->line, .start = s->at };
	const char *what = NULL;

	for (; s->at < s->end && !is_border(*s->at); s->at++) {
		if (looking_at(s, s->at, "//") || looking_at(s, s->at, "/*"))
			what = "it is not clear whether a comment begins in the word: put quotes "
			       "around it, or a blank before";
		else if (looking_at(s, s->at, "${"))
			what = "variables are not replaced: write the value itself instead of ${";
		else if (*s->at == ';' && what == NULL)
			what = "a statement ends without ';': remove it, or put quotes around the "
			       "word";
		else if (!is_plain(*s->at) && what == NULL)
			what = "a word of other than plain characters needs quotes around it";
	}
	t.len = (size_t)(s->at - t.start);
	if (what == NULL && t.len > CONF_WORD_MAX)
		what = "the word is longer than 255 bytes";
	if (what != NULL) {
		conf_fault(s->tree, s->file, t.line, NULL, "%s (\"%.*s\")", what,
		    (int)(t.len < 40 ? t.len : 40), t.start);
		t.spoilt = true;
	}
	return t;
}

/* '+', '(' and ')' mean something to libconfuse, other bytes nothing to anybody. */
static struct conf_token
refuse_byte(struct conf_scan *s)
{
	struct conf_token t = { .kind = TOKEN_BAD, .line = s->line };

	if (looking_at(s, s->at, "+="))
		conf_fault(s->tree, s->file, s->line, NULL,
		    "\"+=\" is not supported: write one list with '='");
	else if (*s->at == '(' || *s->at == ')')
		conf_fault(s->tree, s->file, s->line, NULL,
		    "unexpected '%c': include is written  include = \"FILE\"", *s->at);
	else if (looking_at(s, s->at, "${"))
		conf_fault(s->tree, s->file, s->line, NULL,
		    "variables are not replaced: write the value itself instead of ${");
	else if (*s->at > ' ' && *s->at <= '~')
		conf_fault(s->tree, s->file, s->line, NULL, "unexpected '%c'", *s->at);
	else
		conf_fault(s->tree, s->file, s->line, NULL,
		    "unexpected byte 0x%02x: is this a text file?",
		    (unsigned)(unsigned char)*s->at);
	conf_scan_skip_line(s);
	return t;
}

struct conf_token
conf_scan_next(struct conf_scan *s)
{
	struct conf_token t = { .kind = TOKEN_END };

	skip_blanks(s);
	t.line = s->line;
	if (s->at == s->end)
		return t;
	switch (*s->at) {
	case '"':
	case '\'':
		return scan_quoted(s);
	case '{':
		t.kind = TOKEN_OPEN;
		break;
	case '}':
		t.kind = TOKEN_CLOSE;
		break;
	case '=':
		t.kind = TOKEN_EQUALS;
		break;
	case ',':
		t.kind = TOKEN_COMMA;
		break;
	case ';':
		conf_fault(
		    s->tree, s->file, s->line, NULL, "a statement ends without ';': remove it");
		t.kind = TOKEN_BAD;
		conf_scan_skip_line(s);
		return t;
	default:
		if (is_plain(*s->at))
			return scan_word(s);
		return refuse_byte(s);
	}
	s->at++;
	return t;
}
