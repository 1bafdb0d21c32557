/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of the configuration: files in a folder of their own, and a host that fits them. */
#ifndef TESTS_CONF_TEMP_H
#define TESTS_CONF_TEMP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "svipd/conf.h"

#define KEY_1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_2 "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

/* A file that is valid on the host below; the key file is in the folder. */
#define GLOBAL_TEXT                                                                                \
	"cluster = \"cache\"\n"                                                                    \
	"sentinels = { \"10.0.0.11:26379\", \"10.0.0.12\", \"10.0.0.13\" }\n"                      \
	"nodes = { \"10.0.0.11\", \"10.0.0.12\", \"10.0.0.13\" }\n"                                \
	"key-file = \"/KEY\"\n"
#define VIP_TEXT "vip \"mymaster\" {\n\tinterface = \"eth0\"\n\taddress = { \"10.0.0.50\" }\n}\n"
#define BASE_TEXT GLOBAL_TEXT VIP_TEXT

static char temp_dir[] = "/tmp/svip-conf-XXXXXX";
static struct conf_report report;
static struct svip_addr local_address[4]; /* two networks, and a VIP that is here now */
static const char *const local_interface[] = { "lo", "eth0" };
static const struct conf_host host = { local_address, 4, local_interface, 2, false };

static inline const char *
temp_path(const char *name)
{
	static char path[4][256];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", temp_dir, name);
	return p;
}

static inline const char *
temp_write(const char *name, const void *data, size_t size, mode_t mode)
{
	const char *path = temp_path(name);
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* Replaces each "/KEY" by the key file's path, and each "/DIR" by the folder's. To be freed. */
static inline char *
temp_text(const char *text)
{
	size_t size = strlen(text) * 8 + 1024, n = 0;
	char *out = malloc(size);

	assert_non_null(out);
	while (*text != '\0') {
		if (strncmp(text, "/KEY", 4) == 0 || strncmp(text, "/DIR", 4) == 0) {
			n += (size_t)snprintf(
			    out + n, size - n, "%s%s", temp_dir, text[1] == 'K' ? "/key" : "");
			text += 4;
		} else {
			out[n++] = *text++;
		}
	}
	out[n] = '\0';
	return out;
}

static inline struct settings *
load_on(const char *text, const struct conf_host *h)
{
	char *t = temp_text(text);
	const char *path = temp_write("svipd.conf", t, strlen(t), 0644);

	free(t);
	return conf_load(path, h, &report);
}

static inline struct settings *
load(const char *text)
{
	return load_on(text, &host);
}

/* The report as text, without the folder's name. Overwritten by the next call. */
static inline const char *
told(void)
{
	static char out[CONF_MESSAGES_MAX * (CONF_TEXT_MAX + 300)];
	size_t n = 0, dir = strlen(temp_dir) + 1;
	char line[CONF_TEXT_MAX + 300];

	out[0] = '\0';
	for (int i = 0; i < report.n; i++) {
		conf_message_text(&report.message[i], line, sizeof(line));
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\n",
		    strncmp(line, temp_dir, dir - 1) == 0 ? line + dir : line);
	}
	return out;
}

static inline void
assert_told(const char *part)
{
	if (strstr(told(), part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, told());
}

static inline struct settings *
load_ok(const char *text)
{
	struct settings *s = load(text);

	if (s == NULL)
		fail_msg("refused:\n%s\n%s", text, told());
	assert_int_equal(report.n_faults, 0);
	return s;
}

static inline int
temp_make(void **state)
{
	(void)state;
	if (mkdtemp(temp_dir) == NULL)
		return -1;
	temp_write("key", KEY_1 "\n", strlen(KEY_1) + 1, 0600);
	return !svip_addr_parse("10.0.0.11/24", &local_address[0]) ||
	       !svip_addr_parse("10.0.0.50", &local_address[1]) ||
	       !svip_addr_parse("10.0.0.98", &local_address[2]) ||
	       !svip_addr_parse("10.0.0.99", &local_address[3]);
}

static inline int
temp_remove(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", temp_dir);
	return system(command);
}

#endif
