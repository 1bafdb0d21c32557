/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of holds: a file that the process before has left, changed in any way, also by one who has the key; then orders and
 * restarts. Only what was written whole, of here and now, may be taken over, and nothing that was cleared.
 *
 *   flags and how many records, bytes after the last one | each record 8: id, epoch, minutes, three changed bytes, sealed
 *   again | then orders of 4: what, id, epoch, minutes
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/clock.h"
#include "io/holds.h"
#include "io/log.h"
#include "io/seal.h"
#include <svip/heartbeat.h>

enum {
	RECORD_LEN = 256,
	AT_ID = 104, /* before it: who and where, and that it is held */
	AT_ZERO = 82,
	AT_DIGEST = 88,
	AT_EPOCH = 112,
	AT_UNTIL = 120,
	AT_TAG = RECORD_LEN - HB_TAG_LEN,
	RECORDS_MAX = 15,
	ORDERS_MAX = 32,
	IDS = 16,
	MINUTE_MS = 60000, /* coarse: no clock's tick changes a verdict */
	LEASE_MIN = 60,
};

/* What must be known of an id. */
struct held {
	bool held; /* the file says so */
	bool left; /* by the process before */
	uint8_t digest;
	uint64_t epoch;
	svip_ms until;
};

static char dir[64], path[96];
static struct settings set = { .n_keys = 1, .n_nodes = 1, .lease_ms = LEASE_MIN * MINUTE_MS };
static uint8_t template[RECORD_LEN];
static struct held held[IDS];

static void
clean(void)
{
	holds_fini();
	unlink(path);
	rmdir(dir);
}

static void
write_file(const uint8_t *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd != -1 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0);
}

/* Learns from the module itself what a record of this process looks like. */
static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	FILE *f;

	if (path[0] != '\0')
		return;
	snprintf(dir, sizeof(dir), "%.40s/svip-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
	MUST(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/holds", dir);
	atexit(clean);
	log_level(SET_LOG_ERROR);
	memset(set.key[0], 1, sizeof(set.key[0]));
	MUST(seal_init(&set) == 0 && svip_addr_parse("10.0.0.11", &set.node[0]));
	MUST(holds_init(path, &set) == 0);
	holds_note(1, 2, clock_ms() + MINUTE_MS);
	holds_fini();
	f = fopen(path, "rb");
	MUST(f != NULL && fread(template, 1, RECORD_LEN, f) == RECORD_LEN);
	fclose(f);
	MUST(template[AT_ID] == 1 && template[AT_EPOCH] == 2);
}

static bool
is_good(const uint8_t *r, svip_ms now)
{
	svip_ms until;

	memcpy(&until, r + AT_UNTIL, sizeof(until));
	return memcmp(r, template, AT_ZERO) == 0 &&
	       memcmp(r + AT_DIGEST, template + AT_DIGEST, AT_ID - AT_DIGEST) == 0 &&
	       seal_kept(r, RECORD_LEN) && until > now && until - now <= set.lease_ms;
}

/* One record out of 8 bytes; an id comes only once, as the writer has it. */
static void
make_record(uint8_t *r, int k, const uint8_t *b, svip_ms now)
{
	uint64_t id = (uint64_t)k, epoch = b[1];
	svip_ms until = now + (int8_t)b[2] * (svip_ms)MINUTE_MS;

	memcpy(r, template, RECORD_LEN);
	memcpy(r + AT_ID, &id, sizeof(id));
	memcpy(r + AT_EPOCH, &epoch, sizeof(epoch));
	memcpy(r + AT_UNTIL, &until, sizeof(until));
	seal_keep(r, AT_TAG);
	if ((b[0] & 3) == 0)
		return;
	r[b[3]] ^= b[4];
	if ((b[0] & 3) == 2)
		r[b[5]] ^= b[6];
	if ((b[0] & 3) == 3)
		memset(r, b[7], RECORD_LEN);
	if ((b[0] & 4) != 0 && b[3] < AT_ID && b[5] < AT_ID)
		seal_keep(r, AT_TAG);
}

/* What the module says of an id is what is known. */
static void
compare(int id)
{
	uint64_t epoch = 0;
	svip_ms until = 0;
	bool left = holds_left((uint64_t)id, &epoch, &until);

	MUST(left == (held[id].held && held[id].left));
	MUST(!left || (epoch == held[id].epoch && until == held[id].until));
}

static void
restart(void)
{
	svip_ms now = clock_ms();

	MUST(holds_init(path, &set) == 0);
	for (int i = 0; i < IDS; i++) {
		held[i].held = held[i].held && held[i].digest == set.digest_safety[0] &&
		               held[i].until > now && held[i].until - now <= set.lease_ms;
		held[i].left = held[i].held;
		compare(i);
	}
}

static void
order(const uint8_t *b)
{
	int id = b[1] % IDS;
	svip_ms until = clock_ms() + (int8_t)b[3] * (svip_ms)MINUTE_MS;

	switch (b[0] % 4) {
	case 0:
		holds_note((uint64_t)id, b[2], until);
		held[id] = (struct held){ true, false, set.digest_safety[0], b[2], until };
		break;
	case 1:
		holds_clear((uint64_t)id);
		held[id].held = false;
		break;
	case 2:
		restart();
		break;
	case 3:
		set.digest_safety[0] = b[2] & 1;
		holds_config(&set);
		break;
	}
	compare(id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static uint8_t file[RECORDS_MAX * RECORD_LEN + 255];
	int n = len >= 2 ? in[0] & 15 : 0;
	svip_ms now = clock_ms();
	size_t at = 2, size;

	if (len < 2 || len < 2 + 8 * (size_t)n)
		return 0;
	setup();
	set.digest_safety[0] = 0;
	memset(held, 0, sizeof(held));
	for (int k = 0; k < n; k++, at += 8) {
		uint8_t *r = file + k * RECORD_LEN;
		uint64_t id, epoch;

		make_record(r, k, in + at, now);
		memcpy(&id, r + AT_ID, sizeof(id));
		memcpy(&epoch, r + AT_EPOCH, sizeof(epoch));
		if (!is_good(r, now) || id >= IDS)
			continue;
		held[id] = (struct held){ true, true, 0, epoch, 0 };
		memcpy(&held[id].until, r + AT_UNTIL, sizeof(now));
	}
	size = (size_t)n * RECORD_LEN + in[1] % 255u;
	memset(file + n * RECORD_LEN, in[1], in[1] % 255u);
	holds_fini();
	write_file(file, size);
	restart();
	restart(); /* the same once more */
	for (int k = 0; k < ORDERS_MAX && at + 4 <= len; k++, at += 4)
		order(in + at);
	holds_fini();
	return 0;
}
