/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libconfuse reads the file, and every value must be the one that the scanner has seen at its place. All keys
 * are lists of strings, so that libconfuse judges none; it never prints, and gets no file that has a fault.
 */
#include <confuse.h>
#include <string.h>

#include "conf_in.h"

enum { OPTIONS_MAX = 64 };

/* libconfuse's error function has no argument of the caller's; one file is read at a time. */
static struct {
	struct conf_tree *tree;
	int file;
} reading;

static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct conf_tree *t = reading.tree;

	conf_vsay(t->report, CONF_FAULT, reading.file, t->file[reading.file].name,
	    cfg == NULL ? 0 : cfg->line, "libconfuse", fmt, ap);
}

/* The options of one kind of block. */
static int
fill(cfg_opt_t *opts, unsigned where)
{
	const struct conf_key *keys;
	int n, used = 0;

	keys = conf_keys(&n);
	for (int i = 0; i < n && used < OPTIONS_MAX - 3; i++) {
		if ((keys[i].where & where) != 0)
			opts[used++] = (cfg_opt_t)CFG_STR_LIST(keys[i].name, NULL, CFGF_NODEFAULT);
	}
	return used;
}

static int
values_in(cfg_t *section)
{
	int n = 0;

	for (unsigned i = 0; i < cfg_num(section); i++) {
		cfg_opt_t *o = cfg_getnopt(section, i);

		n += o->type == CFGT_STR ? (int)cfg_opt_size(o) : 0;
	}
	return n;
}

/* All values of a block, as far as they are written in this file. */
static void
compare_block(struct conf_tree *t, int file, const struct conf_block *b, cfg_t *section)
{
	int n = 0;

	for (const struct conf_entry *e = b->first; e != NULL; e = e->next) {
		cfg_opt_t *o;

		if (e->file != file)
			continue;
		o = cfg_getopt(section, e->key->name);
		for (int i = 0; i < e->n; i++) {
			const char *s = o == NULL ? NULL : cfg_opt_getnstr(o, (unsigned)i);

			if (s == NULL || strcmp(s, e->value[i].text) != 0)
				conf_fault(t, file, e->value[i].line, e->key->name,
				    "\"%s\" can be read in two ways: write it plainly",
				    e->value[i].text);
		}
		n += e->n;
	}
	if (values_in(section) != n)
		conf_fault(t, file, b->line > 0 ? b->line : 1, *b->title == '\0' ? NULL : b->title,
		    "%d values are found in one way of reading and %d in another: write it more "
		    "plainly",
		    n, values_in(section));
}

static void
compare(struct conf_tree *t, int file, cfg_t *cfg)
{
	unsigned n = 0;

	compare_block(t, file, &t->global, cfg);
	if (cfg_size(cfg, "arp") != (t->arp != NULL && t->arp->file == file))
		conf_fault(
		    t, file, 1, "arp", "the block can be read in two ways: write it plainly");
	else if (t->arp != NULL && t->arp->file == file)
		compare_block(t, file, t->arp, cfg_getnsec(cfg, "arp", 0));
	for (const struct conf_block *b = t->vip; b != NULL; b = b->next) {
		cfg_t *section = b->file == file ? cfg_getnsec(cfg, "vip", n++) : NULL;

		if (b->file != file)
			continue;
		if (section == NULL || cfg_title(section) == NULL ||
		    strcmp(cfg_title(section), b->title) != 0)
			conf_fault(t, file, b->line, "vip",
			    "the block can be read in two ways: write it plainly");
		else
			compare_block(t, file, b, section);
	}
	if (cfg_size(cfg, "vip") != n)
		conf_fault(t, file, 1, "vip",
		    "%u blocks are found in one way of reading and %u in another", n,
		    cfg_size(cfg, "vip"));
}

void
conf_confuse_compare(struct conf_tree *t, int file)
{
	cfg_opt_t vip[OPTIONS_MAX] = { CFG_END() }, arp[OPTIONS_MAX] = { CFG_END() },
	          global[OPTIONS_MAX] = { CFG_END() };
	int n, faults = t->report->n_faults;
	cfg_t *cfg;

	vip[fill(vip, CONF_VIP)] = (cfg_opt_t)CFG_END();
	arp[fill(arp, CONF_ARP)] = (cfg_opt_t)CFG_END();
	n = fill(global, CONF_GLOBAL);
	global[n++] = (cfg_opt_t)CFG_SEC("vip", vip, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	global[n++] = (cfg_opt_t)CFG_SEC("arp", arp, CFGF_MULTI);
	global[n] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(global, CFGF_NONE);
	if (cfg == NULL) {
		conf_fault(t, file, 0, NULL, "out of memory");
		return;
	}
	reading.tree = t;
	reading.file = file;
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, t->file[file].text) == CFG_SUCCESS)
		compare(t, file, cfg);
	else if (t->report->n_faults == faults)
		conf_fault(t, file, 0, "libconfuse", "can't read the file");
	cfg_free(cfg);
	reading.tree = NULL;
}
