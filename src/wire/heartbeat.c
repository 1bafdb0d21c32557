/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heartbeats between bytes and struct, as doc/PROTOCOL.md has it to the byte. Must not believe
 * anything: whatever the encoder below would not have written is refused, with a constant text that
 * says why.
 *
 *   header 112, or 128 when joint | n_echoes × (21, or 37 with the node's address) | n_instances × 56 | tag 32
 */
#include <svip/heartbeat.h>

#include <string.h>

#include <svip/core.h>

#include "cursor.h"

enum {
	HEADER_LEN = 112,
	NEXT_LEN = SVIP_DIGEST_LEN, /* when joint */
	ECHO_LEN = 21,              /* of the same node as the echo before */
	ECHO_NODE_LEN = 37,         /* with the node's address */
	INSTANCE_LEN = 56,

	FLAG_MAINTENANCE = 0x0001,
	FLAG_OBSERVE = 0x0002,
	FLAG_LEAVING = 0x0004,
	FLAG_JOINT = 0x0008,
	FLAGS_KNOWN = FLAG_MAINTENANCE | FLAG_OBSERVE | FLAG_LEAVING | FLAG_JOINT,

	ECHO_SAME_NODE = 0x01,
	INSTANCE_HOLDING = 0x01,
};

static const uint8_t magic[4] = { 'S', 'V', 'I', 'P' };

/* The most that n echoes take: those beyond one for each node go without the address. */
#define ECHOES_LEN(n)                                                                              \
	((int)(n) <= (int)SVIP_NODES_MAX                                                           \
	        ? (n)*ECHO_NODE_LEN                                                                \
	        : SVIP_NODES_MAX * ECHO_NODE_LEN + ((n)-SVIP_NODES_MAX) * ECHO_LEN)

_Static_assert(
    HEADER_LEN + NEXT_LEN + ECHOES_LEN(HB_ECHOES_MAX) + INSTANCE_LEN + HB_TAG_LEN <= HB_SIZE_MAX,
    "however many echoes there are, one instance must fit, else a sender would never get done");
_Static_assert(HB_INSTANCES_MAX <= UINT8_MAX && HB_ECHOES_MAX <= UINT8_MAX, "counts are one byte");

void
hb_node(const struct svip_addr *a, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == 4) {
		memcpy(out, mapped, 12);
		memcpy(&out[12], a->bytes, 4);
	} else {
		memcpy(out, a->bytes, 16);
	}
}

int
hb_instances_fit(int n_echoes, bool joint)
{
	int header = HEADER_LEN + (joint ? NEXT_LEN : 0);
	int fit = (HB_SIZE_MAX - HB_TAG_LEN - header - ECHOES_LEN(n_echoes)) / INSTANCE_LEN;

	return fit < HB_INSTANCES_MAX ? fit : HB_INSTANCES_MAX;
}

/* ---- struct to bytes ---- */

static void
put_header(struct cursor *c, const struct heartbeat *hb, uint8_t key_id)
{
	int flags = (hb->maintenance ? FLAG_MAINTENANCE : 0) | (hb->observe ? FLAG_OBSERVE : 0) |
	            (hb->leaving ? FLAG_LEAVING : 0) | (hb->joint ? FLAG_JOINT : 0);

	cursor_put(c, magic, sizeof(magic));
	cursor_put8(c, HB_VERSION);
	cursor_put8(c, key_id);
	cursor_put16(c, (uint16_t)flags);
	cursor_put64(c, hb->cluster);
	cursor_put(c, hb->node, sizeof(hb->node));
	cursor_put64(c, hb->incarnation);
	cursor_put64(c, hb->sequence);
	cursor_put64(c, hb->sent_us);
	cursor_put32(c, hb->version);
	cursor_put32(c, hb->lease_ms);
	cursor_put32(c, hb->guard_ms);
	cursor_put64(c, hb->serial);
	cursor_put(c, hb->digest_safety, SVIP_DIGEST_LEN);
	cursor_put(c, hb->digest_all, SVIP_DIGEST_LEN);
	cursor_put8(c, (uint8_t)hb->n_echoes);
	cursor_put8(c, (uint8_t)hb->n_instances);
	cursor_put16(c, 0);
	if (hb->joint)
		cursor_put(c, hb->digest_next, SVIP_DIGEST_LEN);
}

static bool
same_node(const struct heartbeat *hb, int i)
{
	return i > 0 && memcmp(hb->echo[i].node, hb->echo[i - 1].node, 16) == 0;
}

static void
put_echo(struct cursor *c, const struct hb_echo *e, bool same)
{
	cursor_put8(c, same ? ECHO_SAME_NODE : 0);
	if (!same)
		cursor_put(c, e->node, sizeof(e->node));
	cursor_put64(c, e->incarnation);
	cursor_put64(c, e->sent_us);
	cursor_put32(c, e->held_us);
}

static void
put_instance(struct cursor *c, const struct hb_instance *in)
{
	cursor_put64(c, in->id);
	cursor_put8(c, in->state);
	cursor_put8(c, in->holding ? INSTANCE_HOLDING : 0);
	cursor_put16(c, 0);
	cursor_put32(c, in->holding ? in->lease_left_ms : 0);
	cursor_put64(c, in->holding ? in->hold_epoch : 0);
	cursor_put64(c, in->claim_id != 0 ? in->claim_epoch : 0);
	cursor_put64(c, in->claim_id);
	cursor_put64(c, in->yield_id != 0 ? in->yield_epoch : 0);
	cursor_put64(c, in->yield_id);
}

size_t
hb_encode(const struct heartbeat *hb, uint8_t key_id, uint8_t *out, size_t size)
{
	struct cursor c;

	if (size > HB_SIZE_MAX)
		size = HB_SIZE_MAX;
	if (size < HB_TAG_LEN || hb->n_echoes < 0 || hb->n_echoes > HB_ECHOES_MAX ||
	    hb->n_instances < 0 || hb->n_instances > HB_INSTANCES_MAX)
		return 0;
	cursor_write(&c, out, size - HB_TAG_LEN);
	put_header(&c, hb, key_id);
	for (int i = 0; i < hb->n_echoes; i++)
		put_echo(&c, &hb->echo[i], same_node(hb, i));
	for (int i = 0; i < hb->n_instances; i++)
		put_instance(&c, &hb->instance[i]);
	return c.bad ? 0 : c.at;
}

/* ---- bytes to struct ---- */

/* The first 16 bytes, which every version will have. */
static bool
get_start(struct cursor *c, uint8_t *key_id, uint16_t *flags, uint64_t *cluster, const char **why)
{
	uint8_t m[sizeof(magic)], version;

	cursor_get(c, m, sizeof(m));
	version = cursor_get8(c);
	*key_id = cursor_get8(c);
	*flags = cursor_get16(c);
	*cluster = cursor_get64(c);
	if (memcmp(m, magic, sizeof(m)) != 0)
		*why = "no heartbeat of svipd";
	else if (c->bad)
		*why = "shorter than its header";
	else if (version != HB_VERSION)
		*why = HB_WHY_VERSION;
	else
		return true;
	return false;
}

bool
hb_peek(const uint8_t *in, size_t len, uint64_t cluster, uint8_t *key_id, const char **why)
{
	struct cursor c;
	uint16_t flags;
	uint64_t told;

	cursor_read(&c, in, len);
	if (!get_start(&c, key_id, &flags, &told, why))
		return false;
	if (told != cluster) {
		*why = HB_WHY_CLUSTER;
		return false;
	}
	return true;
}

static bool
get_header(struct cursor *c, struct heartbeat *hb, const char **why)
{
	uint16_t flags, reserved;
	uint8_t key_id; /* whoever verified the tag has used it */

	if (!get_start(c, &key_id, &flags, &hb->cluster, why))
		return false;
	cursor_get(c, hb->node, sizeof(hb->node));
	hb->incarnation = cursor_get64(c);
	hb->sequence = cursor_get64(c);
	hb->sent_us = cursor_get64(c);
	hb->version = cursor_get32(c);
	hb->lease_ms = cursor_get32(c);
	hb->guard_ms = cursor_get32(c);
	hb->serial = cursor_get64(c);
	cursor_get(c, hb->digest_safety, SVIP_DIGEST_LEN);
	cursor_get(c, hb->digest_all, SVIP_DIGEST_LEN);
	hb->n_echoes = cursor_get8(c);
	hb->n_instances = cursor_get8(c);
	reserved = cursor_get16(c);
	hb->maintenance = (flags & FLAG_MAINTENANCE) != 0;
	hb->observe = (flags & FLAG_OBSERVE) != 0;
	hb->leaving = (flags & FLAG_LEAVING) != 0;
	hb->joint = (flags & FLAG_JOINT) != 0;
	if (hb->joint)
		cursor_get(c, hb->digest_next, SVIP_DIGEST_LEN);
	if (c->bad)
		*why = "shorter than its header";
	else if ((flags & ~FLAGS_KNOWN) != 0)
		*why = "unknown flag in the header";
	else if (reserved != 0)
		*why = "reserved bytes of the header aren't zero";
	else if (hb->incarnation == 0)
		*why = "incarnation is zero";
	else if (hb->n_echoes > HB_ECHOES_MAX)
		*why = "too many echoes";
	else if (hb->n_instances > HB_INSTANCES_MAX)
		*why = "too many instances";
	else
		return true;
	return false;
}

static bool
get_echo(struct cursor *c, struct heartbeat *hb, int i, const char **why)
{
	struct hb_echo *e = &hb->echo[i];
	uint8_t flags = cursor_get8(c);
	bool same = (flags & ECHO_SAME_NODE) != 0;

	if (!c->bad && (flags & ~ECHO_SAME_NODE) != 0) {
		*why = "unknown flag in an echo";
		return false;
	}
	if (same && i == 0) {
		*why = "the first echo has no node";
		return false;
	}
	if (same)
		memcpy(e->node, hb->echo[i - 1].node, sizeof(e->node));
	else
		cursor_get(c, e->node, sizeof(e->node));
	e->incarnation = cursor_get64(c);
	e->sent_us = cursor_get64(c);
	e->held_us = cursor_get32(c);
	if (c->bad)
		*why = "cut off within the echoes";
	else if (e->incarnation == 0)
		*why = "incarnation in an echo is zero";
	else if (!same && same_node(hb, i))
		*why = "an echo repeats its node";
	else
		return true;
	return false;
}

static bool
get_instance(struct cursor *c, struct hb_instance *in, const char **why)
{
	uint8_t flags;
	uint16_t reserved;

	in->id = cursor_get64(c);
	in->state = cursor_get8(c);
	flags = cursor_get8(c);
	reserved = cursor_get16(c);
	in->holding = (flags & INSTANCE_HOLDING) != 0;
	in->lease_left_ms = cursor_get32(c);
	in->hold_epoch = cursor_get64(c);
	in->claim_epoch = cursor_get64(c);
	in->claim_id = cursor_get64(c);
	in->yield_epoch = cursor_get64(c);
	in->yield_id = cursor_get64(c);
	if (c->bad)
		*why = "cut off within the instances";
	else if (in->state > CORE_FAULT)
		*why = "unknown state of an instance";
	else if ((flags & ~INSTANCE_HOLDING) != 0)
		*why = "unknown flag in an instance";
	else if (reserved != 0)
		*why = "reserved bytes of an instance aren't zero";
	else if (!in->holding && (in->lease_left_ms != 0 || in->hold_epoch != 0))
		*why = "a lease or an epoch without a hold";
	else if (in->claim_id == 0 && in->claim_epoch != 0)
		*why = "a claim without an id";
	else if (in->yield_id == 0 && in->yield_epoch != 0)
		*why = "a yield without an id";
	else
		return true;
	return false;
}

bool
hb_decode(const uint8_t *in, size_t len, struct heartbeat *hb, const char **why)
{
	struct cursor c;

	memset(hb, 0, sizeof(*hb));
	if (len > HB_SIZE_MAX - HB_TAG_LEN) {
		*why = "too long";
		return false;
	}
	cursor_read(&c, in, len);
	if (!get_header(&c, hb, why))
		return false;
	for (int i = 0; i < hb->n_echoes; i++) {
		if (!get_echo(&c, hb, i, why))
			return false;
	}
	for (int i = 0; i < hb->n_instances; i++) {
		if (!get_instance(&c, &hb->instance[i], why))
			return false;
	}
	if (cursor_left(&c) != 0) {
		*why = "bytes after the last instance";
		return false;
	}
	return true;
}
