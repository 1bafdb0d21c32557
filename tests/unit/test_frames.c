/* SPDX-License-Identifier: BSD-2-Clause */
/* ARP and neighbour discovery frames, byte by byte. Checksums were computed by another program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/frames.h"

static const uint8_t mac[6] = { 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e };
static const struct svip_addr v4 = { 4, 32, { 192, 0, 2, 50 } };
static const struct svip_addr v6 = { 6, 128, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x50 } };

static const uint8_t request[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x08, 0x06, /* to all, ARP */
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,          /* Ethernet, IPv4, request */
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 192, 0, 2, 50, /* sender: MAC, VIP */
	0, 0, 0, 0, 0, 0, 192, 0, 2, 50,                   /* target: zero, VIP */
};
static const uint8_t reply[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x08, 0x06,
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02,          /* reply */
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 192, 0, 2, 50,
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 192, 0, 2, 50, /* target: the same MAC, not all ones */
};
static const uint8_t probe[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x08, 0x06,
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0, 0, 0, 0,    /* sender: MAC, no address */
	0, 0, 0, 0, 0, 0, 192, 0, 2, 50,
};
static const uint8_t na[] = {
	0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x86, 0xdd,
	0x60, 0, 0, 0, 0x00, 0x20, 58, 255,                /* IPv6, 32 bytes of ICMPv6, hop limit 255 */
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, /* from the VIP */
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,       /* to all nodes */
	136, 0, 0xe0, 0x69, 0x20, 0, 0, 0,                 /* advertisement, checksum, O alone */
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, /* target: the VIP */
	2, 1, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,          /* target link-layer address */
};
static const uint8_t ns[] = {
	0x33, 0x33, 0xff, 0x00, 0x00, 0x50, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x86, 0xdd,
	0x60, 0, 0, 0, 0x00, 0x18, 58, 255,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    /* from :: */
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0x00, 0x00, 0x50, /* solicited-node group */
	135, 0, 0x4c, 0x4f, 0, 0, 0, 0,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
};

static const struct svip_addr him4 = { 4, 32, { 192, 0, 2, 7 } };
static const struct svip_addr him6 = { 6, 128, { 0xfe, 0x80, [12] = 0x12, 0x34, 0x56, 0x78 } };
static const uint8_t his_mac[6] = { 0x02, 0x70, 0x71, 0x72, 0x73, 0x74 };

static const uint8_t ask4[] = {
	0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x08, 0x06, /* to him */
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,          /* request */
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 192, 0, 2, 50, /* sender: MAC, VIP */
	0, 0, 0, 0, 0, 0, 192, 0, 2, 7,                    /* target: he */
};
static const uint8_t ask6[] = {
	0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x86, 0xdd,
	0x60, 0, 0, 0, 0x00, 0x20, 58, 255,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, /* from the VIP */
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, /* to him */
	135, 0, 0x61, 0x1c, 0, 0, 0, 0,                    /* solicitation, checksum */
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, /* target: he */
	1, 1, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,          /* source link-layer address */
};
static const uint8_t ask6_all[] = {
	0x33, 0x33, 0xff, 0x34, 0x56, 0x78, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x86, 0xdd,
	0x60, 0, 0, 0, 0x00, 0x20, 58, 255,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0x34, 0x56, 0x78, /* to his solicited-node group */
	135, 0, 0x73, 0x98, 0, 0, 0, 0,
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78,
	1, 1, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
};

static void
frames_are_as_the_rfcs_have_them(void **state)
{
	static const struct {
		size_t (*make)(const uint8_t *, const struct svip_addr *, uint8_t *);
		const struct svip_addr *addr;
		const uint8_t *want;
		size_t len;
	} cases[] = {
		{ frames_arp_request, &v4, request, sizeof(request) },
		{ frames_arp_reply, &v4, reply, sizeof(reply) },
		{ frames_arp_probe, &v4, probe, sizeof(probe) },
		{ frames_na, &v6, na, sizeof(na) },
		{ frames_ns_probe, &v6, ns, sizeof(ns) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[FRAMES_LEN_MAX];

		assert_int_equal(cases[i].make(mac, cases[i].addr, out), cases[i].len);
		assert_memory_equal(out, cases[i].want, cases[i].len);
	}
}

static void
a_question_goes_to_one_neighbour_or_to_all_who_could_be_it(void **state)
{
	uint8_t out[FRAMES_LEN_MAX], all[sizeof(ask4)];

	(void)state;
	assert_int_equal(frames_arp_ask(mac, &v4, &him4, his_mac, out), sizeof(ask4));
	assert_memory_equal(out, ask4, sizeof(ask4));
	assert_int_equal(frames_arp_ask(mac, &v4, &him4, NULL, out), sizeof(ask4));
	memcpy(all, ask4, sizeof(ask4));
	memset(all, 0xff, 6);
	assert_memory_equal(out, all, sizeof(all));
	assert_int_equal(frames_ns_ask(mac, &v6, &him6, his_mac, out), sizeof(ask6));
	assert_memory_equal(out, ask6, sizeof(ask6));
	assert_int_equal(frames_ns_ask(mac, &v6, &him6, NULL, out), sizeof(ask6_all));
	assert_memory_equal(out, ask6_all, sizeof(ask6_all));
}

/* Whoever watches for conflicts takes it for what it is: a claim of the sender's address, not of the target's. */
static void
a_question_claims_the_address_that_asks(void **state)
{
	struct frames_claim claim;
	const char *why;

	(void)state;
	assert_true(frames_claim_read(ask4, sizeof(ask4), &claim, &why));
	assert_true(svip_addr_same(&claim.addr, &v4));
	assert_memory_equal(claim.mac, mac, 6);
	assert_false(frames_claim_read(ask6, sizeof(ask6), &claim, &why));
	assert_string_equal(why, "no neighbour advertisement");
}

/* RFC 1071 section 4.1, over the pseudo-header and the message: a right checksum makes the sum all ones. */
static uint32_t
sum_of_nd(const uint8_t *frame, size_t len)
{
	uint32_t sum = (uint32_t)(len - 54) + 58;

	for (size_t i = 22; i < len; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
checksums_hold_for_any_address(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int n = 0; n < 2000; n++) {
		struct svip_addr a = { .family = 6, .prefix = 128 };
		uint8_t out[FRAMES_LEN_MAX], m[6];

		for (int i = 0; i < 16; i++)
			a.bytes[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		for (int i = 0; i < 6; i++)
			m[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		assert_int_equal(sum_of_nd(out, frames_na(m, &a, out)), 0xffff);
		assert_int_equal(sum_of_nd(out, frames_ns_probe(m, &a, out)), 0xffff);
		assert_int_equal(sum_of_nd(out, frames_ns_ask(m, &v6, &a, m, out)), 0xffff);
		assert_int_equal(sum_of_nd(out, frames_ns_ask(m, &a, &v6, NULL, out)), 0xffff);
	}
}

static void
announcements_and_answers_are_claims(void **state)
{
	static const struct {
		const uint8_t *frame;
		size_t len;
		const struct svip_addr *addr;
	} cases[] = {
		{ request, sizeof(request), &v4 },
		{ reply, sizeof(reply), &v4 },
		{ na, sizeof(na), &v6 },
	};
	struct frames_claim claim;
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(frames_claim_read(cases[i].frame, cases[i].len, &claim, &why));
		assert_int_equal(claim.addr.family, cases[i].addr->family);
		assert_memory_equal(claim.addr.bytes, cases[i].addr->bytes, 16);
		assert_memory_equal(claim.mac, mac, 6);
	}
}

static void
padding_behind_a_frame_does_not_matter(void **state)
{
	uint8_t padded[60] = { 0 };
	struct frames_claim claim;
	const char *why;

	(void)state;
	memcpy(padded, reply, sizeof(reply));
	assert_true(frames_claim_read(padded, sizeof(padded), &claim, &why));
}

static void
probes_and_cut_frames_claim_nothing(void **state)
{
	struct frames_claim claim;
	const char *why;

	(void)state;
	assert_false(frames_claim_read(probe, sizeof(probe), &claim, &why));
	assert_string_equal(why, "an ARP probe claims nothing");
	assert_false(frames_claim_read(ns, sizeof(ns), &claim, &why));
	assert_string_equal(why, "no neighbour advertisement");
	for (size_t len = 0; len < sizeof(reply); len++) {
		why = NULL;
		assert_false(frames_claim_read(reply, len, &claim, &why));
		assert_non_null(why);
	}
	/* Without its option, the advertisement speaks for the MAC that sent it. */
	for (size_t len = 0; len < sizeof(na) - 8; len++)
		assert_false(frames_claim_read(na, len, &claim, &why));
}

static void
each_wrong_field_has_its_reason(void **state)
{
	static const struct {
		const uint8_t *frame;
		size_t len, at;
		uint8_t byte;
		const char *why;
	} cases[] = {
		{ request, sizeof(request), 13, 0x00, "neither ARP nor IPv6" },
		{ request, sizeof(request), 15, 6, "ARP of something else than IPv4 on Ethernet" },
		{ request, sizeof(request), 16, 0x86, "ARP of something else than IPv4 on Ethernet" },
		{ request, sizeof(request), 18, 8, "ARP of something else than IPv4 on Ethernet" },
		{ request, sizeof(request), 19, 16, "ARP of something else than IPv4 on Ethernet" },
		{ request, sizeof(request), 21, 3, "neither an ARP request nor a reply" },
		{ na, sizeof(na), 14, 0x40, "no neighbour advertisement" },
		{ na, sizeof(na), 19, 23, "neighbour discovery cut off" },
		{ na, sizeof(na), 20, 17, "no neighbour advertisement" },
		{ na, sizeof(na), 21, 254, "a neighbour advertisement from beyond a router" },
		{ na, sizeof(na), 54, 134, "no neighbour advertisement" },
		{ na, sizeof(na), 55, 1, "no neighbour advertisement" },
		{ na, sizeof(na), 79, 0, "malformed option of neighbour discovery" },
		{ na, sizeof(na), 79, 2, "malformed option of neighbour discovery" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t frame[FRAMES_LEN_MAX];
		struct frames_claim claim;
		const char *why = NULL;

		memcpy(frame, cases[i].frame, cases[i].len);
		frame[cases[i].at] = cases[i].byte;
		assert_false(frames_claim_read(frame, cases[i].len, &claim, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void
an_advertisement_without_option_speaks_for_its_sender(void **state)
{
	uint8_t frame[sizeof(na)];
	struct frames_claim claim;
	const char *why;

	(void)state;
	memcpy(frame, na, sizeof(na));
	frame[19] = 24;
	frame[11] = 0x77;
	assert_true(frames_claim_read(frame, sizeof(na) - 8, &claim, &why));
	assert_int_equal(claim.mac[5], 0x77);
	/* An option of another kind before the MAC is stepped over, whole. */
	frame[19] = 32;
	frame[78] = 14;
	assert_true(frames_claim_read(frame, sizeof(na), &claim, &why));
	assert_int_equal(claim.mac[5], 0x77);
}

/* Infiniband has addresses of 20 bytes there: an option of another length is none for Ethernet. */
static void
a_target_address_of_another_length_is_stepped_over(void **state)
{
	uint8_t frame[sizeof(na) + 24];
	struct frames_claim claim;
	const char *why;

	(void)state;
	memset(frame, 0, sizeof(frame));
	memcpy(frame, na, sizeof(na));
	frame[11] = 0x77;
	frame[19] = 24 + 24;
	frame[79] = 3;
	assert_true(frames_claim_read(frame, sizeof(na) + 16, &claim, &why));
	assert_int_equal(claim.mac[5], 0x77);
	frame[19] += 8; /* the right one behind it */
	memcpy(&frame[sizeof(na) + 16], &na[78], 8);
	assert_true(frames_claim_read(frame, sizeof(frame), &claim, &why));
	assert_int_equal(claim.mac[5], 0x0e);
}

/* The header promises more than has come. */
static void
options_end_where_the_frame_ends(void **state)
{
	uint8_t frame[sizeof(na)];
	struct frames_claim claim;
	const char *why;

	(void)state;
	memcpy(frame, na, sizeof(na));
	frame[11] = 0x77;
	for (size_t len = sizeof(na) - 8; len < sizeof(na); len++) {
		assert_true(frames_claim_read(frame, len, &claim, &why));
		assert_int_equal(claim.mac[5], 0x77);
	}
}

/* Ethernet pads; what stands there is no option. */
static void
options_end_where_the_packet_ends(void **state)
{
	uint8_t frame[sizeof(na) + 8];
	struct frames_claim claim;
	const char *why;

	(void)state;
	memcpy(frame, na, sizeof(na));
	frame[78] = 14;
	memcpy(&frame[sizeof(na)], &na[78], 8);
	frame[sizeof(na) + 7] = 0x99;
	assert_true(frames_claim_read(frame, sizeof(frame), &claim, &why));
	assert_int_equal(claim.mac[5], 0x0e);
	frame[19] += 8;
	assert_true(frames_claim_read(frame, sizeof(frame), &claim, &why));
	assert_int_equal(claim.mac[5], 0x99);
}

/* ---- connections that nobody takes ---- */

static const uint8_t syn4[] = {
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x08, 0x00, /* from him */
	0x46, 0, 0, 44, 0x12, 0x34, 0x40, 0, 64, 6, 0x0f, 0x5a, /* 24 bytes of IP header, DF, TCP, checksum */
	192, 0, 2, 7, 192, 0, 2, 50,                     /* to the VIP */
	0x94, 0x04, 0, 0,                                /* option: router alert */
	0xd4, 0x31, 0x18, 0xeb, 0xde, 0xad, 0xbe, 0xef,  /* ports, sequence number */
	0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,  /* 20 bytes of TCP header, SYN */
};
static const uint8_t unreachable4[] = {
	0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x08, 0x00, /* to him */
	0x45, 0xc0, 0, 60, 0, 0, 0x40, 0, 64, 1, 0xb5, 0xe5, /* ICMP, checksum */
	192, 0, 2, 20, 192, 0, 2, 7,                     /* from the own address */
	3, 1, 0x72, 0x44, 0, 0, 0, 0,                    /* host unreachable, checksum */
	0x46, 0, 0, 44, 0x12, 0x34, 0x40, 0, 64, 6, 0x0f, 0x5a,
	192, 0, 2, 7, 192, 0, 2, 50, 0x94, 0x04, 0, 0,
	0xd4, 0x31, 0x18, 0xeb, 0xde, 0xad, 0xbe, 0xef,
};
static const uint8_t syn6[] = {
	0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 24, 6, 64,                       /* IPv6, 24 bytes of TCP */
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, /* to the VIP */
	0xd4, 0x31, 0x18, 0xeb, 0xde, 0xad, 0xbe, 0xef,
	0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,    /* 24 bytes of TCP header */
	2, 4, 0x05, 0xb4,                                  /* option: greatest segment */
};
static const uint8_t unreachable6[] = {
	0x02, 0x70, 0x71, 0x72, 0x73, 0x74, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 72, 58, 64,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, /* from the own address */
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07,
	1, 3, 0xf3, 0x59, 0, 0, 0, 0,                      /* address unreachable, checksum */
	0x60, 0, 0, 0, 0, 24, 6, 64,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
	0xd4, 0x31, 0x18, 0xeb, 0xde, 0xad, 0xbe, 0xef,
	0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 0x05, 0xb4,
};
static const struct svip_addr own4 = { 4, 24, { 192, 0, 2, 20 } };
static const struct svip_addr own6 = { 6, 64, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x20 } };

static void
who_connects_is_told_from_the_own_address_that_it_is_unreachable(void **state)
{
	uint8_t out[FRAMES_UNREACHABLE_MAX];
	struct frames_syn syn;
	const char *why;

	(void)state;
	assert_true(frames_syn_read(syn4, sizeof(syn4), &syn, &why));
	assert_true(svip_addr_same(&syn.from, &him4) && svip_addr_same(&syn.to, &v4));
	assert_memory_equal(syn.mac, his_mac, 6);
	assert_int_equal(frames_unreachable(mac, &own4, &syn, out), sizeof(unreachable4));
	assert_memory_equal(out, unreachable4, sizeof(unreachable4));
	assert_true(frames_syn_read(syn6, sizeof(syn6), &syn, &why));
	assert_true(svip_addr_same(&syn.to, &v6));
	assert_int_equal(frames_unreachable(mac, &own6, &syn, out), sizeof(unreachable6));
	assert_memory_equal(out, unreachable6, sizeof(unreachable6));
}

/* The IP header's checksum put right again, so that the field alone is wrong. */
static void
sum_header(uint8_t *frame)
{
	uint32_t sum = 0;

	frame[24] = frame[25] = 0;
	for (int i = 14; i < 14 + (frame[14] & 0x0f) * 4; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = (uint8_t)(~sum >> 8);
	frame[25] = (uint8_t)~sum;
}

static void
nobody_is_told_whom_the_rfcs_forbid_to_tell(void **state)
{
	static const struct {
		const uint8_t *frame;
		size_t len, at;
		uint8_t byte;
		const char *why;
	} cases[] = {
		{ syn4, sizeof(syn4), 12, 0x81, "not IP" },
		{ syn4, sizeof(syn4), 14, 0x56, "malformed IPv4 header" },
		{ syn4, sizeof(syn4), 14, 0x44, "malformed IPv4 header" },
		{ syn4, sizeof(syn4), 17, 23, "malformed IPv4 header" },
		{ syn4, sizeof(syn4), 17, 43, "malformed TCP header" }, /* its header goes beyond the packet */
		{ syn4, sizeof(syn4), 20, 0x1f, "not the first fragment" },
		{ syn4, sizeof(syn4), 21, 0x01, "not the first fragment" },
		{ syn4, sizeof(syn4), 23, 1, "not TCP" }, /* ICMP */
		{ syn4, sizeof(syn4), 26, 0, "not from a host" },
		{ syn4, sizeof(syn4), 26, 127, "not from a host" },
		{ syn4, sizeof(syn4), 26, 224, "not from a host" },
		{ syn4, sizeof(syn4), 26, 255, "not from a host" },
		{ syn4, sizeof(syn4), 29, 50, "not from a host" }, /* the VIP itself */
		{ syn4, sizeof(syn4), 6, 0x03, "not from a host" }, /* by its MAC: a group */
		{ syn4, sizeof(syn4), 50, 0x40, "malformed TCP header" },
		{ syn4, sizeof(syn4), 50, 0x60, "malformed TCP header" },
		{ syn4, sizeof(syn4), 51, 0x12, "opens no connection" },
		{ syn4, sizeof(syn4), 51, 0x10, "opens no connection" },
		{ syn4, sizeof(syn4), 51, 0x06, "opens no connection" },
		{ syn4, sizeof(syn4), 51, 0x03, "opens no connection" },
		{ syn6, sizeof(syn6), 14, 0x40, "malformed IPv6 header" },
		{ syn6, sizeof(syn6), 19, 23, "malformed TCP header" },
		{ syn6, sizeof(syn6), 20, 58, "not TCP" },
		{ syn6, sizeof(syn6), 20, 44, "not TCP" }, /* a fragment */
		{ syn6, sizeof(syn6), 22, 0xff, "not from a host" },
		{ syn6, sizeof(syn6), 37, 0x50, "not from a host" },
		{ syn6, sizeof(syn6), 67, 0x12, "opens no connection" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t frame[sizeof(syn6)];
		struct frames_syn syn;
		const char *why = NULL;

		memcpy(frame, cases[i].frame, cases[i].len);
		frame[cases[i].at] = cases[i].byte;
		if (frame[14] == 0x46)
			sum_header(frame);
		assert_false(frames_syn_read(frame, cases[i].len, &syn, &why));
		assert_string_equal(why, cases[i].why);
	}
}

static void
no_source_and_no_sender_are_no_host(void **state)
{
	uint8_t frame[sizeof(syn6)];
	struct frames_syn syn;
	const char *why;

	(void)state;
	for (int last = 0; last < 2; last++) { /* ::, ::1 */
		memcpy(frame, syn6, sizeof(syn6));
		memset(&frame[22], 0, 16);
		frame[37] = (uint8_t)last;
		assert_false(frames_syn_read(frame, sizeof(syn6), &syn, &why));
		assert_string_equal(why, "not from a host");
	}
	memcpy(frame, syn4, sizeof(syn4));
	memset(&frame[6], 0, 6);
	assert_false(frames_syn_read(frame, sizeof(syn4), &syn, &why));
	assert_string_equal(why, "not from a host");
}

static void
a_first_fragment_is_answered_and_a_damaged_header_is_not(void **state)
{
	uint8_t frame[sizeof(syn4)];
	struct frames_syn syn;
	const char *why;

	(void)state;
	memcpy(frame, syn4, sizeof(syn4));
	frame[20] = 0x20; /* more follow */
	sum_header(frame);
	assert_true(frames_syn_read(frame, sizeof(frame), &syn, &why));
	frame[25] ^= 1;
	assert_false(frames_syn_read(frame, sizeof(frame), &syn, &why));
	assert_string_equal(why, "wrong checksum");
}

static void
cut_segments_are_not_read(void **state)
{
	struct frames_syn syn;
	const char *why;

	(void)state;
	for (size_t len = 0; len < sizeof(syn4); len++) {
		why = NULL;
		assert_false(frames_syn_read(syn4, len, &syn, &why));
		assert_string_equal(why, len < 14 ? "not IP" : len < 34 ? why : "cut off");
	}
	for (size_t len = 0; len < sizeof(syn6); len++)
		assert_false(frames_syn_read(syn6, len, &syn, &why));
	assert_string_equal(why, "cut off");
}

/* RFC 1071 over what an error says, for sources, ports and options of any kind. */
static void
errors_have_right_checksums_and_quote_what_came(void **state)
{
	uint32_t seed = 3;

	(void)state;
	for (int n = 0; n < 20000; n++) {
		uint8_t frame[FRAMES_SYN_READ], out[FRAMES_UNREACHABLE_MAX];
		bool six = n % 2 == 1;
		size_t ip = six ? 40 : 20 + (size_t)(n / 2 % 11) * 4, tcp = 20 + (size_t)(n / 22 % 11) * 4, len;
		struct frames_syn syn;
		const char *why;
		uint32_t sum = 0;

		for (size_t i = 0; i < sizeof(frame); i++)
			frame[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		memcpy(frame, six ? syn6 : syn4, 14);
		if (six) {
			memcpy(&frame[14], &syn6[14], 8);
			frame[19] = (uint8_t)tcp;
			frame[22] = 0x20;
		} else {
			frame[14] = (uint8_t)(0x40 | ip / 4);
			frame[16] = 0;
			frame[17] = (uint8_t)(ip + tcp);
			memcpy(&frame[20], &syn4[20], 4);
			frame[26] = 10;
			sum_header(frame);
		}
		frame[14 + ip + 12] = (uint8_t)(tcp / 4 << 4);
		frame[14 + ip + 13] = 0x02;
		assert_true(frames_syn_read(frame, sizeof(frame), &syn, &why));
		len = frames_unreachable(mac, six ? &own6 : &own4, &syn, out);
		if (six) {
			assert_int_equal(len, 14 + 40 + 8 + 40 + tcp);
			assert_int_equal(sum_of_nd(out, len), 0xffff);
			assert_memory_equal(&out[62], &frame[14], 40 + tcp);
			continue;
		}
		assert_int_equal(len, 14 + 20 + 8 + ip + 8);
		assert_memory_equal(&out[42], &frame[14], ip + 8);
		for (size_t i = 34; i < len; i += 2)
			sum += (uint32_t)(out[i] << 8 | out[i + 1]);
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(sum, 0xffff);
	}
}

static void
random_bytes_do_no_harm(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int n = 0; n < 200000; n++) {
		uint8_t frame[128];
		struct frames_claim claim;
		struct frames_syn syn;
		const char *why = NULL;
		size_t len = n % (int)sizeof(frame);

		for (size_t i = 0; i < len; i++)
			frame[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		if (n % 2 == 0 && len >= 22)
			memcpy(&frame[12], n % 4 == 0 ? &request[12] : &na[12], 10);
		if (!frames_claim_read(frame, len, &claim, &why))
			assert_non_null(why);
		if (n % 8 == 1 && len >= 22)
			memcpy(&frame[12], n % 16 == 1 ? &syn4[12] : &syn6[12], 10);
		if (!frames_syn_read(frame, len, &syn, &why))
			assert_non_null(why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_as_the_rfcs_have_them),
		cmocka_unit_test(a_question_goes_to_one_neighbour_or_to_all_who_could_be_it),
		cmocka_unit_test(a_question_claims_the_address_that_asks),
		cmocka_unit_test(checksums_hold_for_any_address),
		cmocka_unit_test(announcements_and_answers_are_claims),
		cmocka_unit_test(padding_behind_a_frame_does_not_matter),
		cmocka_unit_test(probes_and_cut_frames_claim_nothing),
		cmocka_unit_test(each_wrong_field_has_its_reason),
		cmocka_unit_test(an_advertisement_without_option_speaks_for_its_sender),
		cmocka_unit_test(a_target_address_of_another_length_is_stepped_over),
		cmocka_unit_test(options_end_where_the_frame_ends),
		cmocka_unit_test(options_end_where_the_packet_ends),
		cmocka_unit_test(who_connects_is_told_from_the_own_address_that_it_is_unreachable),
		cmocka_unit_test(nobody_is_told_whom_the_rfcs_forbid_to_tell),
		cmocka_unit_test(no_source_and_no_sender_are_no_host),
		cmocka_unit_test(a_first_fragment_is_answered_and_a_damaged_header_is_not),
		cmocka_unit_test(cut_segments_are_not_read),
		cmocka_unit_test(errors_have_right_checksums_and_quote_what_came),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
