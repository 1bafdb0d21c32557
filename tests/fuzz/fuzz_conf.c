/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration files. Whatever stands in them: settings or faults, never both and never neither; and the canonical form of what is
 * accepted is accepted again, as the same.
 *
 * The first byte: 1 looks at this host (made up; users and paths are the real one's). The text: /KEY is a key file; after the byte
 * 0x1c begins a second file, b.conf, which the first may include. Where anything is included no path has a slash, so
 * that nothing but these is read.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "svipd/conf.h"

enum { TEXT_MAX = 1 << 16, SPLIT = 0x1c };

static char dir[64], key[96], first[96], second[96];
static struct svip_addr address[2];
static const char *const interfaces[] = { "lo", "eth0", "eth1" };
static const struct conf_host host = { address, 2, interfaces, 3, false };
static struct conf_report report;

static void
write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd != -1 && write(fd, text, len) == (ssize_t)len && close(fd) == 0);
}

static void
clean(void)
{
	unlink(key);
	unlink(first);
	unlink(second);
	rmdir(dir);
}

static void
setup(void)
{
	static const char text[] =
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

	const char *tmp = getenv("TMPDIR");

	if (key[0] != '\0')
		return;
	snprintf(dir, sizeof(dir), "%.40s/svip-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
	MUST(mkdtemp(dir) != NULL);
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(first, sizeof(first), "%s/a.conf", dir);
	snprintf(second, sizeof(second), "%s/b.conf", dir);
	write_file(key, text, sizeof(text) - 1);
	MUST(svip_addr_parse("10.0.0.11/24", &address[0]));
	MUST(svip_addr_parse("fd00::11/64", &address[1]));
	atexit(clean);
}

/* The text with the key file's path in it. Returns its length. */
static size_t
expand(const uint8_t *in, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (len - i >= 4 && memcmp(in + i, "/KEY", 4) == 0) {
			n += (size_t)sprintf(out + n, "%s", key);
			i += 3;
		} else {
			out[n++] = (char)in[i];
		}
	}
	return n;
}

static void
check_report(void)
{
	char line[SET_PATH_MAX + CONF_TEXT_MAX + 64];
	int faults = 0;

	MUST(report.n >= 0 && report.n <= CONF_MESSAGES_MAX);
	for (int i = 0; i < report.n; i++) {
		const struct conf_message *m = &report.message[i];

		faults += m->kind == CONF_FAULT;
		MUST(memchr(m->text, '\0', sizeof(m->text)) != NULL && m->text[0] != '\0');
		for (const char *p = m->text; *p != '\0'; p++)
			MUST(*p >= ' ' && *p <= '~');
		MUST(m->line >= 0 && memchr(m->file, '\0', sizeof(m->file)) != NULL);
		conf_message_text(m, line, sizeof(line));
	}
	MUST(faults <= report.n_faults && (faults > 0) == (report.n_faults > 0));
}

static void
check_settings(const struct settings *s)
{
	MUST(s->n_sentinels >= 1 && s->n_sentinels <= SVIP_SENTINELS_MAX);
	MUST(s->n_nodes >= 1 && s->n_nodes <= SVIP_NODES_MAX);
	MUST(s->self >= -1 && s->self < s->n_nodes);
	MUST(s->n_instances >= 0 && s->n_instances <= SVIP_INSTANCES_MAX);
	MUST(s->lease_ms > 0 && s->poll_ms > 0 && s->poll_ms < s->lease_ms);
	MUST(s->heartbeat_ms > 0 && s->drift_ppm >= 0 && s->drift_ppm < 1000000);
	MUST(s->multicast || s->unicast || s->n_nodes == 1);
	MUST(s->arp.n_steps >= 1 && s->arp.n_steps <= SET_ARP_STEPS_MAX && s->arp.step_ms[0] == 0);
	for (int i = 1; i < s->arp.n_steps; i++)
		MUST(s->arp.step_ms[i] >= s->arp.step_ms[i - 1]);
	for (int i = 0; i < s->n_instances; i++) {
		const struct set_instance *in = &s->instance[i];

		MUST(in->name[0] != '\0' && in->interface[0] != '\0');
		MUST(in->n_addresses >= 1 && in->n_addresses <= SVIP_ADDRESSES_MAX);
		for (int k = 0; k < i; k++)
			MUST(strcmp(s->instance[k].name, in->name) != 0);
	}
}

static char *
canonical(const struct settings *s, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	MUST(f != NULL);
	conf_canonical(s, f);
	MUST(fclose(f) == 0);
	return text;
}

static void
check_canonical(const struct settings *s)
{
	struct settings *again;
	size_t len, len_again;
	char *text = canonical(s, &len), *text_again;

	write_file(first, text, len);
	again = conf_load(first, NULL, &report);
	if (again == NULL)
		fprintf(stderr, "%s\n%s\n", text, report.n > 0 ? report.message[0].text : "");
	MUST(again != NULL);
	MUST(memcmp(again->digest_safety, s->digest_safety, SVIP_DIGEST_LEN) == 0);
	MUST(memcmp(again->digest_all, s->digest_all, SVIP_DIGEST_LEN) == 0);
	text_again = canonical(again, &len_again);
	if (len != len_again || memcmp(text, text_again, len) != 0)
		fprintf(stderr, "%s\n%s\n", text, text_again);
	MUST(len == len_again && memcmp(text, text_again, len) == 0);
	free(text);
	free(text_again);
	settings_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static char text[16 * TEXT_MAX];
	const struct conf_host *at;
	struct settings *s;
	size_t n, cut;
	char *split;

	if (len < 1 || len > TEXT_MAX)
		return 0;
	setup();
	at = (in[0] & 1) != 0 ? &host : NULL;
	n = expand(in + 1, len - 1, text);
	for (size_t i = 0; memmem(text, n, "include", 7) != NULL && i < n; i++) {
		if (text[i] == '/')
			text[i] = '_';
	}
	split = memchr(text, SPLIT, n);
	cut = split != NULL ? (size_t)(split - text) : n;
	write_file(first, text, cut);
	unlink(second);
	if (split != NULL)
		write_file(second, split + 1, n - cut - 1);
	s = conf_load(first, at, &report);
	check_report();
	MUST((s == NULL) == (report.n_faults > 0));
	if (s != NULL) {
		check_settings(s);
		if (at == NULL)
			check_canonical(s);
	}
	settings_free(s);
	return 0;
}
