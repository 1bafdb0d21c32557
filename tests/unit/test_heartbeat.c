/* SPDX-License-Identifier: BSD-2-Clause */
/* Heartbeats: bytes and struct, limits, refusals, and the example of doc/PROTOCOL.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <svip/heartbeat.h>

#include "io/seal.h"

enum { HEADER = 112, ECHO = 37, ECHO_SAME = 21, INSTANCE = 56 };

static uint64_t rng = 88172645463325252u;

static uint64_t
roll(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

/* The heartbeat of doc/PROTOCOL.md: 10.0.0.11 has just heard 10.0.0.12 and claims mymaster at epoch 7. */
static void
example(struct heartbeat *hb)
{
	const struct svip_addr self = { 4, 32, { 10, 0, 0, 11 } },
	                       other = { 4, 32, { 10, 0, 0, 12 } };

	memset(hb, 0, sizeof(*hb));
	hb->cluster = seal_id64("cache");
	hb_node(&self, hb->node);
	hb->incarnation = 0x1122334455667788;
	hb->sequence = 42;
	hb->sent_us = 5000000;
	hb->version = 0x000100;
	hb->lease_ms = 2000;
	hb->guard_ms = 60;
	hb->serial = 3;
	memset(hb->digest_safety, 0xaa, SVIP_DIGEST_LEN);
	memset(hb->digest_all, 0xbb, SVIP_DIGEST_LEN);
	hb->n_echoes = 1;
	hb_node(&other, hb->echo[0].node);
	hb->echo[0].incarnation = 0x99aabbccddeeff00;
	hb->echo[0].sent_us = 7000000;
	hb->echo[0].held_us = 250;
	hb->n_instances = 1;
	hb->instance[0].id = seal_id64("mymaster");
	hb->instance[0].state = 2; /* waiting */
	hb->instance[0].claim_epoch = 7;
	hb->instance[0].claim_id = 0x0102030405060708;
}

static void
use_key(uint8_t first)
{
	struct settings set;

	memset(&set, 0, sizeof(set));
	set.n_keys = 1;
	for (int i = 0; i < SVIP_KEY_LEN; i++)
		set.key[0][i] = (uint8_t)(first + i);
	assert_int_equal(seal_init(&set), 0);
}

static void
fill(struct heartbeat *hb, int nodes, int echoes, int instances)
{
	example(hb);
	hb->maintenance = roll() & 1;
	hb->observe = roll() & 1;
	hb->leaving = roll() & 1;
	hb->n_echoes = echoes;
	for (int i = 0; i < echoes; i++) {
		struct hb_echo *e = &hb->echo[i];

		memset(e->node, 0xfd, sizeof(e->node));
		e->node[15] = (uint8_t)(i * nodes / echoes);
		e->incarnation = roll() | 1;
		e->sent_us = roll();
		e->held_us = (uint32_t)roll();
	}
	hb->n_instances = instances;
	for (int i = 0; i < instances; i++) {
		struct hb_instance *in = &hb->instance[i];

		memset(in, 0, sizeof(*in));
		in->id = roll();
		in->state = (uint8_t)(roll() % 5);
		in->holding = roll() & 1;
		if (in->holding) {
			in->hold_epoch = roll();
			in->lease_left_ms = (uint32_t)roll();
		}
		in->claim_id = roll() & 1 ? roll() : 0;
		in->claim_epoch = in->claim_id != 0 ? roll() : 0;
		in->yield_id = roll() & 1 ? roll() : 0;
		in->yield_epoch = in->yield_id != 0 ? roll() : 0;
	}
}

static void
assert_same(const struct heartbeat *a, const struct heartbeat *b)
{
	assert_true(a->cluster == b->cluster && a->incarnation == b->incarnation &&
	            a->sequence == b->sequence && a->sent_us == b->sent_us &&
	            a->serial == b->serial);
	assert_true(
	    a->version == b->version && a->lease_ms == b->lease_ms && a->guard_ms == b->guard_ms);
	assert_true(a->maintenance == b->maintenance && a->observe == b->observe &&
	            a->leaving == b->leaving && a->joint == b->joint);
	assert_memory_equal(a->digest_next, b->digest_next, SVIP_DIGEST_LEN);
	assert_memory_equal(a->node, b->node, 16);
	assert_memory_equal(a->digest_safety, b->digest_safety, SVIP_DIGEST_LEN);
	assert_memory_equal(a->digest_all, b->digest_all, SVIP_DIGEST_LEN);
	assert_int_equal(a->n_echoes, b->n_echoes);
	for (int i = 0; i < a->n_echoes; i++) {
		const struct hb_echo *x = &a->echo[i], *y = &b->echo[i];

		assert_memory_equal(x->node, y->node, 16);
		assert_true(x->incarnation == y->incarnation && x->sent_us == y->sent_us &&
		            x->held_us == y->held_us);
	}
	assert_int_equal(a->n_instances, b->n_instances);
	for (int i = 0; i < a->n_instances; i++) {
		const struct hb_instance *x = &a->instance[i], *y = &b->instance[i];

		assert_true(x->id == y->id && x->state == y->state && x->holding == y->holding &&
		            x->hold_epoch == y->hold_epoch && x->lease_left_ms == y->lease_left_ms);
		assert_true(x->claim_epoch == y->claim_epoch && x->claim_id == y->claim_id &&
		            x->yield_epoch == y->yield_epoch && x->yield_id == y->yield_id);
	}
}

static void
what_is_written_is_read_back(void **state)
{
	(void)state;
	for (int n = 0; n < 2000; n++) {
		int nodes = 1 + (int)(roll() % SVIP_NODES_MAX);
		int echoes = (int)(roll() % (unsigned)(2 * nodes + 1));
		int instances = (int)(roll() % (unsigned)(hb_instances_fit(echoes, false) + 1));
		struct heartbeat in, out;
		uint8_t bytes[HB_SIZE_MAX], again[HB_SIZE_MAX];
		const char *why = "";
		size_t len;

		fill(&in, nodes, echoes, instances);
		in.joint = (roll() & 1) && instances <= hb_instances_fit(echoes, true);
		if (in.joint)
			memset(in.digest_next, 0xcc, SVIP_DIGEST_LEN);
		len = hb_encode(&in, 9, bytes, sizeof(bytes));
		assert_in_range(len, HEADER, HB_SIZE_MAX - HB_TAG_LEN);
		assert_true(hb_decode(bytes, len, &out, &why));
		assert_same(&in, &out);
		assert_int_equal(hb_encode(&out, 9, again, sizeof(again)), len);
		assert_memory_equal(bytes, again, len);
	}
}

static void
whatever_hb_instances_fit_says_fits(void **state)
{
	(void)state;
	assert_int_equal(
	    hb_instances_fit(0, false), (HB_SIZE_MAX - HB_TAG_LEN - HEADER) / INSTANCE);
	for (int n = 0; n <= 2 * HB_ECHOES_MAX + 1; n++) {
		struct heartbeat hb;
		uint8_t bytes[HB_SIZE_MAX];
		int echoes = n / 2, fit = hb_instances_fit(echoes, n % 2 == 1);

		assert_in_range(fit, 1, HB_INSTANCES_MAX);
		fill(&hb, echoes < SVIP_NODES_MAX ? echoes : SVIP_NODES_MAX, echoes, fit);
		hb.joint = n % 2 == 1;
		assert_int_not_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
	}
}

static void
what_does_not_fit_is_not_written(void **state)
{
	struct heartbeat hb;
	uint8_t bytes[HB_SIZE_MAX + 64];
	size_t len = HEADER + ECHO + INSTANCE + HB_TAG_LEN;

	(void)state;
	example(&hb);
	assert_int_equal(hb_encode(&hb, 0, bytes, len), len - HB_TAG_LEN);
	for (size_t size = 0; size < len; size++)
		assert_int_equal(hb_encode(&hb, 0, bytes, size), 0);
	hb.n_instances = HB_INSTANCES_MAX; /* more than 1,200 bytes, whatever the room */
	assert_int_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
	hb.n_instances = HB_INSTANCES_MAX + 1;
	assert_int_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
	hb.n_instances = -1;
	assert_int_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
	hb.n_instances = 0;
	hb.n_echoes = HB_ECHOES_MAX + 1;
	assert_int_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
	hb.n_echoes = -1;
	assert_int_equal(hb_encode(&hb, 0, bytes, sizeof(bytes)), 0);
}

static void
cut_or_lengthened_datagrams_are_refused(void **state)
{
	struct heartbeat hb, out;
	uint8_t bytes[HB_SIZE_MAX] = { 0 };
	size_t len;

	(void)state;
	fill(&hb, 2, 3, 3);
	len = hb_encode(&hb, 0, bytes, sizeof(bytes));
	assert_int_equal(len, HEADER + 2 * ECHO + ECHO_SAME + 3 * INSTANCE);
	for (size_t cut = 0; cut < len; cut++) {
		const char *why = NULL;
		uint8_t *exact = malloc(cut + 1); /* so that the sanitizer sees a read beyond */

		memcpy(exact, bytes, cut);
		assert_false(hb_decode(exact, cut, &out, &why));
		assert_non_null(why);
		free(exact);
	}
	for (size_t more = 1; len + more <= sizeof(bytes); more++) {
		const char *why = NULL;

		assert_false(hb_decode(bytes, len + more, &out, &why));
		assert_string_equal(why, len + more > HB_SIZE_MAX - HB_TAG_LEN
		                             ? "too long"
		                             : "bytes after the last instance");
	}
}

static void
each_fault_has_its_reason(void **state)
{
	enum { E = HEADER, I = HEADER + ECHO };
	static const struct {
		size_t at;
		uint8_t byte;
		const char *why;
	} cases[] = {
		{ 0, 's', "no heartbeat of svipd" },
		{ 3, 0, "no heartbeat of svipd" },
		{ 4, 2, HB_WHY_VERSION },
		{ 4, 0, HB_WHY_VERSION },
		{ 6, 0x80, "unknown flag in the header" },
		{ 7, 0x10, "unknown flag in the header" },
		{ 108, HB_ECHOES_MAX + 1, "too many echoes" },
		{ 108, 0, "reserved bytes of an instance aren't zero" },
		{ 108, 2, "unknown flag in an echo" },
		{ 109, HB_INSTANCES_MAX + 1, "too many instances" },
		{ 109, 0, "bytes after the last instance" },
		{ 109, 2, "cut off within the instances" },
		{ 110, 1, "reserved bytes of the header aren't zero" },
		{ 111, 1, "reserved bytes of the header aren't zero" },
		{ E, 2, "unknown flag in an echo" },
		{ E, 1, "the first echo has no node" },
		{ I + 8, 5, "unknown state of an instance" },
		{ I + 9, 2, "unknown flag in an instance" },
		{ I + 10, 1, "reserved bytes of an instance aren't zero" },
		{ I + 11, 1, "reserved bytes of an instance aren't zero" },
		{ I + 15, 1, "a lease or an epoch without a hold" },
		{ I + 23, 1, "a lease or an epoch without a hold" },
		{ I + 47, 1, "a yield without an id" },
	};
	struct heartbeat hb, out;
	uint8_t bytes[HB_SIZE_MAX];
	size_t len;

	(void)state;
	example(&hb);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = "accepted";

		len = hb_encode(&hb, 0, bytes, sizeof(bytes));
		assert_int_not_equal(bytes[cases[i].at], cases[i].byte);
		bytes[cases[i].at] = cases[i].byte;
		assert_false(hb_decode(bytes, len, &out, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void
zero_where_there_must_be_a_number_is_refused(void **state)
{
	static const struct {
		size_t at, len;
		const char *why;
	} cases[] = {
		{ 32, 8, "incarnation is zero" },
		{ HEADER + 17, 8, "incarnation in an echo is zero" },
		{ HEADER + ECHO + 32, 8, "a claim without an id" },
	};
	struct heartbeat hb, out;
	uint8_t bytes[HB_SIZE_MAX];

	(void)state;
	example(&hb);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = hb_encode(&hb, 0, bytes, sizeof(bytes));
		const char *why = "accepted";

		memset(&bytes[cases[i].at], 0, cases[i].len);
		assert_false(hb_decode(bytes, len, &out, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void
a_node_is_named_once_for_its_echoes(void **state)
{
	struct heartbeat hb, out;
	uint8_t bytes[HB_SIZE_MAX], wide[HB_SIZE_MAX];
	const char *why = "accepted";
	size_t len;

	(void)state;
	fill(&hb, 1, 2, 0);
	len = hb_encode(&hb, 0, bytes, sizeof(bytes));
	assert_int_equal(len, HEADER + ECHO + ECHO_SAME);
	assert_true(hb_decode(bytes, len, &out, &why));
	assert_memory_equal(out.echo[1].node, out.echo[0].node, 16);
	/* The same said in more words: there is one way to write a heartbeat. */
	memcpy(wide, bytes, HEADER + ECHO);
	wide[HEADER + ECHO] = 0;
	memcpy(&wide[HEADER + ECHO + 1], out.echo[1].node, 16);
	memcpy(&wide[HEADER + ECHO + 17], &bytes[HEADER + ECHO + 1], ECHO_SAME - 1);
	assert_false(hb_decode(wide, HEADER + 2 * ECHO, &out, &why));
	assert_string_equal(why, "an echo repeats its node");
}

static void
the_first_bytes_tell_what_is_not_for_us(void **state)
{
	struct heartbeat hb;
	uint8_t bytes[HB_SIZE_MAX], key_id = 0;
	const char *why = "";
	size_t len;

	(void)state;
	example(&hb);
	len = hb_encode(&hb, 0x5a, bytes, sizeof(bytes));
	assert_true(hb_peek(bytes, len, hb.cluster, &key_id, &why));
	assert_int_equal(key_id, 0x5a);
	assert_true(hb_peek(bytes, 16, hb.cluster, &key_id, &why));
	for (size_t cut = 0; cut < 16; cut++)
		assert_false(hb_peek(bytes, cut, hb.cluster, &key_id, &why));
	assert_false(hb_peek(bytes, 8, 0, &key_id, &why));
	assert_false(hb_peek(bytes, len, hb.cluster + 1, &key_id, &why));
	assert_string_equal(why, HB_WHY_CLUSTER);
	bytes[4]++;
	assert_false(hb_peek(bytes, len, hb.cluster, &key_id, &why));
	assert_string_equal(why, HB_WHY_VERSION);
}

static void
the_tag_refuses_every_flipped_bit(void **state)
{
	struct heartbeat hb;
	uint8_t bytes[HB_SIZE_MAX];
	size_t len;

	(void)state;
	use_key(0);
	fill(&hb, 3, 4, 4);
	len = seal_put(bytes, hb_encode(&hb, seal_key_id(), bytes, sizeof(bytes)));
	assert_true(seal_check(bytes, len, bytes[5]));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(seal_check(bytes, len, bytes[5]));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	use_key(1);
	assert_false(seal_check(bytes, len, seal_key_id()));
	seal_fini();
}

/* What a peer with the key, but gone mad, may send: bytes flipped and copied about in a good one. */
static void
random_bytes_do_no_harm(void **state)
{
	(void)state;
	for (int n = 0; n < 100000; n++) {
		struct heartbeat hb, out;
		uint8_t bytes[HB_SIZE_MAX], again[HB_SIZE_MAX], *exact;
		const char *why = NULL;
		size_t len;

		fill(&hb, 2, (int)(roll() % 4), (int)(roll() % 4));
		len = hb_encode(&hb, 0, bytes, sizeof(bytes));
		if (n % 4 == 0) {
			len = roll() % (HB_SIZE_MAX - HB_TAG_LEN);
			for (size_t i = 6; i < len; i++)
				bytes[i] = (uint8_t)roll();
		}
		for (unsigned i = (unsigned)(roll() % 3); len > 0 && i > 0; i--)
			bytes[roll() % len] = (uint8_t)roll();
		exact = malloc(len + 1);
		memcpy(exact, bytes, len);
		if (!hb_decode(exact, len, &out, &why)) {
			assert_non_null(why);
		} else { /* what is accepted is what the encoder writes */
			assert_int_equal(hb_encode(&out, bytes[5], again, sizeof(again)), len);
			assert_memory_equal(again, bytes, len);
		}
		free(exact);
	}
}

static void
nodes_of_both_families_have_sixteen_bytes(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 11 };
	const struct svip_addr a = { 4, 32, { 10, 0, 0, 11 } }, b = { 6, 128, { 0xfd, [15] = 1 } };
	uint8_t out[16];

	(void)state;
	hb_node(&a, out);
	assert_memory_equal(out, mapped, 16);
	hb_node(&b, out);
	assert_memory_equal(out, b.bytes, 16);
}

/* ---- doc/PROTOCOL.md ---- */

static void
hexdump(const uint8_t *bytes, size_t len, char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i % 16 == 0)
			at += (size_t)snprintf(
			    &text[at], size - at, "%s%04zx ", i == 0 ? "" : "\n", i);
		at += (size_t)snprintf(&text[at], size - at, " %02x", bytes[i]);
	}
	snprintf(&text[at], size - at, "\n");
}

static void
the_example_in_the_protocol_is_what_the_code_writes(void **state)
{
	static char doc[65536], want[2048];
	const char *dir = getenv("srcdir");
	struct heartbeat hb;
	uint8_t bytes[HB_SIZE_MAX];
	char path[512];
	size_t len;
	FILE *f;

	(void)state;
	use_key(0);
	example(&hb);
	len = seal_put(bytes, hb_encode(&hb, seal_key_id(), bytes, sizeof(bytes)));
	hexdump(bytes, len, want, sizeof(want));
	seal_fini();
	snprintf(path, sizeof(path), "%s/doc/PROTOCOL.md", dir != NULL ? dir : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	doc[fread(doc, 1, sizeof(doc) - 1, f)] = '\0';
	fclose(f);
	if (strstr(doc, want) == NULL)
		print_error("%s should have:\n%s", path, want);
	assert_non_null(strstr(doc, want));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(whatever_hb_instances_fit_says_fits),
		cmocka_unit_test(what_does_not_fit_is_not_written),
		cmocka_unit_test(cut_or_lengthened_datagrams_are_refused),
		cmocka_unit_test(each_fault_has_its_reason),
		cmocka_unit_test(zero_where_there_must_be_a_number_is_refused),
		cmocka_unit_test(a_node_is_named_once_for_its_echoes),
		cmocka_unit_test(the_first_bytes_tell_what_is_not_for_us),
		cmocka_unit_test(the_tag_refuses_every_flipped_bit),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(nodes_of_both_families_have_sixteen_bytes),
		cmocka_unit_test(the_example_in_the_protocol_is_what_the_code_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
