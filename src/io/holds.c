/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of holds, as a file of fixed records. Must not take anything from it that this host's last svipd hasn't
 * written in this boot, nor follow a path to somebody else's file.
 */
#include "holds.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <svip/heartbeat.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "seal.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NETWORK "/proc/self/ns/net"

enum {
	BOOT_LEN = 36,
	COMPLAIN_MS = 60000,
};

/*
 * In the host's own byte order: it never leaves the host. A divisor of the page size: a write that doesn't cross
 * a page is whole or not at all, whatever becomes of the process (generic_perform_write() of the kernel's mm/filemap.c).
 */
struct record {
	char magic[8];
	char boot[40]; /* as the kernel writes it, then zeros */
	uint64_t net_dev, net_ino;
	uint8_t node[16];
	uint8_t node_family;
	uint8_t held; /* 0 or 1 */
	uint8_t zero[6];
	uint8_t digest[SVIP_DIGEST_LEN];
	uint64_t id, epoch;
	svip_ms until;
	uint32_t guard_ms; /* how late a release may come, as the other nodes count on */
	uint8_t spare[92];
	uint8_t tag[HB_TAG_LEN];
};

_Static_assert(sizeof(struct record) == 256, "a divisor of the page size, without holes");

static const char magic[8] = { 'S', 'V', 'I', 'P', 'H', 'L', 'D',
	'1' }; /* the format's number comes last */

/* Why a record doesn't count. */
enum fault {
	FAULT_LARGE,
	FAULT_SHORT,
	FAULT_FORM,
	FAULT_TAG,
	FAULT_BOOT,
	FAULT_NET,
	FAULT_NODE,
	FAULT_DIGEST,
	FAULT_OVER,
	FAULT_AHEAD,
	FAULTS,
	FAULT_NONE = FAULTS,
	FAULT_EMPTY, /* says nothing */
};

static const char *const fault_words[FAULTS] = {
	[FAULT_LARGE] = "too large for a record of holds",
	[FAULT_SHORT] = "cut short",
	[FAULT_FORM] = "not in this version's format",
	[FAULT_TAG] = "damaged, or written with another key",
	[FAULT_BOOT] = "of another boot",
	[FAULT_NET] = "of another network namespace",
	[FAULT_NODE] = "of another node",
	[FAULT_DIGEST] = "of another configuration",
	[FAULT_OVER] = "over",
	[FAULT_AHEAD] = "further ahead than a lease",
};

/* What may be without anybody having had his hands on the file. */
static const unsigned ordinary = 1u << FAULT_BOOT | 1u << FAULT_DIGEST | 1u << FAULT_OVER;

static struct {
	int fd;             /* -1: nothing is taken over, nothing is written */
	struct record self; /* what is the same in every record */
	svip_ms lease_ms;
	int top;  /* places in use are below this */
	int last; /* the place that was found last: orders come in rows */
	struct log_limit limit;
	struct place {
		bool held; /* the file says so */
		bool left; /* by the predecessor */
		uint64_t id, epoch;
		svip_ms until;
		uint32_t guard_ms;
	} place[SVIP_INSTANCES_MAX];
} h = { .fd = -1 };

static struct record table[SVIP_INSTANCES_MAX]; /* for reading */

/* ---- who and where this process is ---- */

static int
read_boot(char boot[BOOT_LEN])
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n;

	if (fd == -1)
		return -errno;
	n = read(fd, boot, BOOT_LEN);
	if (n != BOOT_LEN)
		rc = n == -1 ? -errno : -EIO;
	close(fd);
	return rc;
}

static int
look_around(const struct settings *set)
{
	struct stat net;
	int rc = read_boot(h.self.boot);

	if (rc != 0) {
		log_warning("%s: %s", BOOT_ID, strerror(-rc));
		return rc;
	}
	if (stat(NETWORK, &net) == -1) {
		rc = -errno;
		log_warning("%s: %s", NETWORK, strerror(-rc));
		return rc;
	}
	assert(set->self >= 0 && set->self < set->n_nodes);
	memcpy(h.self.magic, magic, sizeof(magic));
	h.self.net_dev = net.st_dev;
	h.self.net_ino = net.st_ino;
	h.self.node_family = set->node[set->self].family;
	memcpy(h.self.node, set->node[set->self].bytes, sizeof(h.self.node));
	h.lease_ms = set->lease_ms;
	holds_config(set);
	return 0;
}

/* ---- the file ---- */

/* A descriptor that is locked, or -errno. */
static int
open_file(const char *path, off_t *size)
{
	int fd =
	        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600),
	    rc = 0;
	struct stat st;

	if (fd == -1)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EPERM : -errno;
	if (fstat(fd, &st) == -1)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
	         st.st_nlink != 1 || (st.st_uid != geteuid() && st.st_uid != 0))
		rc = -EPERM;
	else if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		rc = -errno;
	else if (fstat(fd, &st) == -1) /* once more, now that nobody writes any more */
		rc = -errno;
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*size = st.st_size;
	return fd;
}

static int
write_record(int i, const struct record *r)
{
	ssize_t n = pwrite(h.fd, r, sizeof(*r), (off_t)i * (off_t)sizeof(*r));

	return n == sizeof(*r) ? 0 : n == -1 ? -errno : -EIO;
}

static void
seal(struct record *r)
{
	seal_keep((uint8_t *)r, offsetof(struct record, tag));
}

static void
put(int i, const struct place *p)
{
	h.place[i] = *p;
	if (i >= h.top)
		h.top = i + 1;
}

/* ---- what the predecessor has left ---- */

static enum fault
judge(const struct record *r, svip_ms now)
{
	static const struct record nothing;

	if (memcmp(r, &nothing, sizeof(nothing)) == 0)
		return FAULT_EMPTY;
	if (memcmp(r->magic, magic, sizeof(magic)) != 0)
		return FAULT_FORM;
	if (!seal_kept((const uint8_t *)r, sizeof(*r)))
		return FAULT_TAG;
	if (r->held != 1)
		return FAULT_EMPTY;
	if (memcmp(r->boot, h.self.boot, sizeof(r->boot)) != 0)
		return FAULT_BOOT;
	if (r->net_dev != h.self.net_dev || r->net_ino != h.self.net_ino)
		return FAULT_NET;
	if (r->node_family != h.self.node_family ||
	    memcmp(r->node, h.self.node, sizeof(r->node)) != 0)
		return FAULT_NODE;
	if (memcmp(r->digest, h.self.digest, sizeof(r->digest)) != 0)
		return FAULT_DIGEST;
	if (r->until <= now)
		return FAULT_OVER;
	if (r->until - now > h.lease_ms)
		return FAULT_AHEAD;
	return FAULT_NONE;
}

static void
complain(const char *path, unsigned faults)
{
	char text[512] = "";
	size_t n = 0;

	for (int f = 0; f < FAULTS; f++) {
		if ((faults & 1u << f) != 0)
			n += (size_t)snprintf(
			    &text[n], sizeof(text) - n, "%s%s", n > 0 ? "; " : "", fault_words[f]);
	}
	assert(n < sizeof(text));
	if ((faults & ~ordinary) != 0)
		log_warning("%s: not taken over: %s", path, text);
	else if (faults != 0)
		log_notice("%s: not taken over: %s", path, text);
}

/* All records of a file that has a sane size: how many, or -errno. */
static int
read_table(size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(h.fd, (char *)table + got, size - got, (off_t)got);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0) /* somebody has just cut it off */
			return -EIO;
		got += (size_t)n;
	}
	return (int)(size / sizeof(table[0]));
}

/* What doesn't count is wiped out: a time that is too far ahead now wouldn't be later. 0 or -errno. */
static int
take_in(int n, unsigned *faults)
{
	static const struct record nothing;
	svip_ms now = clock_ms();
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		enum fault f = judge(&table[i], now);

		if (f < FAULTS) {
			*faults |= 1u << f;
			rc = write_record(i, &nothing);
		} else if (f == FAULT_NONE) {
			put(i,
			    &(struct place){ true, true, table[i].id, table[i].epoch,
			        table[i].until, table[i].guard_ms });
		}
	}
	return rc;
}

static int
read_left(off_t size, unsigned *faults)
{
	off_t whole = size - size % (off_t)sizeof(table[0]);
	int n;

	if (size > (off_t)sizeof(table)) {
		*faults |= 1u << FAULT_LARGE;
		whole = 0;
	} else if (whole != size) {
		*faults |= 1u << FAULT_SHORT;
	}
	if (whole != size && ftruncate(h.fd, whole) == -1)
		return -errno;
	n = read_table((size_t)whole);
	return n < 0 ? n : take_in(n, faults);
}

/* ---- life ---- */

int
holds_init(const char *path, const struct settings *set)
{
	unsigned faults = 0;
	off_t size = 0;
	int rc;

	holds_fini();
	memset(&h.self, 0, sizeof(h.self));
	memset(h.place, 0, sizeof(h.place));
	h.top = h.last = 0;
	rc = look_around(set);
	if (rc != 0)
		return rc;
	rc = open_file(path, &size);
	if (rc < 0)
		return rc;
	h.fd = rc;
	rc = read_left(size, &faults);
	complain(path, faults);
	if (rc != 0) {
		holds_fini();
		memset(h.place, 0, sizeof(h.place));
	}
	return rc;
}

void
holds_fini(void)
{
	if (h.fd != -1)
		close(h.fd);
	h.fd = -1;
}

void
holds_config(const struct settings *set)
{
	memcpy(h.self.digest, set->digest_safety, sizeof(h.self.digest));
}

/* ---- records ---- */

/* The place where the file says that this one is held; -1: it doesn't. */
static int
find(uint64_t id)
{
	for (int k = 0; k < h.top; k++) {
		int i = (h.last + k) % h.top;

		if (h.place[i].held && h.place[i].id == id)
			return h.last = i;
	}
	return -1;
}

static int
find_free(void)
{
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++) {
		if (!h.place[i].held)
			return i;
	}
	return -1;
}

bool
holds_left(uint64_t id, uint64_t *epoch, svip_ms *until)
{
	int i = find(id);

	if (i == -1 || !h.place[i].left || h.place[i].until <= clock_ms())
		return false;
	*epoch = h.place[i].epoch;
	*until = h.place[i].until;
	return true;
}

void
holds_note(uint64_t id, uint64_t epoch, svip_ms until)
{
	struct record r = h.self;
	unsigned held_back;
	int i, rc;

	if (h.fd == -1)
		return;
	i = find(id);
	if (i == -1)
		i = find_free();
	if (i ==
	    -1) /* of instances that were let go of otherwise; then there is nothing to inherit */
		return;
	r.held = 1;
	r.id = id;
	r.epoch = epoch;
	r.until = until;
	seal(&r);
	rc = write_record(i, &r);
	if (rc == 0)
		put(i, &(struct place){ true, false, id, epoch, until, r.guard_ms });
	else if (log_allowed(&h.limit, COMPLAIN_MS, clock_ms(), &held_back))
		log_warning("record of holds: %s; a restart will let go of addresses for a moment",
		    strerror(-rc));
}

void
holds_clear(uint64_t id)
{
	struct record r = h.self;
	int i = h.fd != -1 ? find(id) : -1, rc;

	if (i == -1)
		return;
	r.id = id;
	seal(&r);
	rc = write_record(i, &r);
	memset(&h.place[i], 0, sizeof(h.place[i]));
	if (rc == 0)
		return;
	/* Rather no record at all than one that isn't true any more. */
	if (ftruncate(h.fd, 0) == -1)
		log_error("record of holds: %s; it can't be emptied either", strerror(-rc));
	else
		log_error("record of holds: %s; emptied", strerror(-rc));
	holds_fini();
}

void
holds_guard(svip_ms guard_ms)
{
	int n = 0;

	h.self.guard_ms = (uint32_t)guard_ms;
	for (int i = 0; i < SVIP_INSTANCES_MAX; i++) {
		if (!h.place[i].left || h.place[i].guard_ms == h.self.guard_ms)
			continue;
		holds_clear(h.place[i].id);
		n++;
	}
	if (n > 0)
		log_notice(
		    "record of holds: %d not taken over: fenced otherwise than by this process", n);
}
