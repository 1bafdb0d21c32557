/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes keys out of their blocks as judged values; complains at the value's place. Knows no key by name. */
#include <string.h>

#include "conf_in.h"

const struct conf_value *
conf_one(const struct conf_block *b, const char *key, const struct conf_entry **entry)
{
	const struct conf_entry *e = conf_get(b, key);

	if (e == NULL || e->spoilt || e->n != 1)
		return NULL;
	if (entry != NULL)
		*entry = e;
	return &e->value[0];
}

void
conf_wrong(
    struct conf_loader *l, const struct conf_entry *e, const struct conf_value *v, const char *why)
{
	conf_fault(l->tree, e->file, v->line, e->key->name, "\"%s\" %s", v->text, why);
}

void
conf_duration(struct conf_loader *l, const struct conf_block *b, const char *key, svip_ms least,
    svip_ms most, svip_ms *out)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, key, &e);
	char bound[CONF_DURATION_MAX];
	const char *why;
	svip_ms ms;

	if (v == NULL)
		return;
	why = conf_value_duration(v->text, &ms);
	if (why != NULL)
		conf_wrong(l, e, v, why);
	else if (ms < least)
		conf_fault(l->tree, e->file, v->line, key, "\"%s\" is below %s, the least", v->text,
		    conf_duration_text(least, bound));
	else if (ms > most)
		conf_fault(l->tree, e->file, v->line, key, "\"%s\" is above %s, the most", v->text,
		    conf_duration_text(most, bound));
	else
		*out = ms;
}

void
conf_bool(struct conf_loader *l, const char *key, bool *out)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(&l->tree->global, key, &e);
	const char *why = v == NULL ? NULL : conf_value_bool(v->text, out);

	if (why != NULL)
		conf_wrong(l, e, v, why);
}

bool
conf_missing(const struct conf_block *b, const char *key)
{
	if (conf_get(b, key) != NULL)
		return false;
	for (int i = 0; i < b->n_meant; i++) {
		if (strcmp(b->meant[i]->name, key) == 0)
			return false; /* there, but misspelt: told */
	}
	return true;
}
