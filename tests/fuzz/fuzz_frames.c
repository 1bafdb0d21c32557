/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of ARP, neighbour discovery and TCP. A claim that was read, told by the frames of this program, is the same claim;
 * probes claim nothing. Who connects is answered with what he sent, from the own address, by a whole ICMP message.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/frames.h"

static bool
reads_as(const uint8_t *frame, size_t len, const struct frames_claim *claim)
{
	struct frames_claim again;
	const char *why;

	return frames_claim_read(frame, len, &again, &why) &&
	       svip_addr_same(&again.addr, &claim->addr) &&
	       memcmp(again.mac, claim->mac, FRAMES_MAC_LEN) == 0;
}

static void
check_claim(const struct frames_claim *c)
{
	uint8_t frame[FRAMES_LEN_MAX];
	struct frames_claim none;
	const char *why = NULL;
	char text[SVIP_TEXT_MAX];
	struct svip_addr back;

	MUST(c->addr.family == 4 || c->addr.family == 6);
	MUST(c->addr.prefix == (c->addr.family == 4 ? 32 : 128));
	MUST(svip_addr_parse(svip_addr_text(&c->addr, false, text), &back));
	MUST(svip_addr_same(&back, &c->addr));
	if (c->addr.family == 6) {
		MUST(reads_as(frame, frames_na(c->mac, &c->addr, frame), c));
		MUST(!frames_claim_read(
		    frame, frames_ns_probe(c->mac, &c->addr, frame), &none, &why));
	} else {
		MUST(reads_as(frame, frames_arp_request(c->mac, &c->addr, frame), c));
		MUST(reads_as(frame, frames_arp_reply(c->mac, &c->addr, frame), c));
		MUST(!frames_claim_read(
		    frame, frames_arp_probe(c->mac, &c->addr, frame), &none, &why));
	}
	MUST(why != NULL);
}

/* RFC 1071; 0: the checksum within is right. */
static uint16_t
checksum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
check_unreachable(const uint8_t *in, size_t len, const struct frames_syn *syn)
{
	static const uint8_t mac[FRAMES_MAC_LEN] = { 2, 0, 0, 0, 0, 9 };
	bool six = syn->to.family == 6;
	size_t ip = six ? 40 : 20, addr = six ? 16 : 4, from = 14 + (six ? 8 : 12), said;
	struct svip_addr own = { .family = syn->to.family, .prefix = syn->to.prefix };
	uint8_t out[FRAMES_UNREACHABLE_MAX];

	own.bytes[0] = 10;
	own.bytes[addr - 1] = syn->to.bytes[addr - 1] == 1 ? 2 : 1;
	MUST(syn->packet == in + 14 && syn->quote <= len - 14);
	said = frames_unreachable(mac, &own, syn, out);
	MUST(said == 14 + ip + 8 + syn->quote && said <= sizeof(out));
	MUST(memcmp(out, syn->mac, 6) == 0 && memcmp(out + 6, mac, 6) == 0);
	MUST(memcmp(out + 12, in + 12, 2) == 0); /* the same family */
	MUST(memcmp(out + from, own.bytes, addr) == 0);
	MUST(memcmp(out + from + addr, syn->from.bytes, addr) == 0);
	MUST(memcmp(out + 14 + ip + 8, in + 14, syn->quote) == 0);
	if (six) {
		uint32_t pseudo = 58 + (uint32_t)(8 + syn->quote);

		for (size_t i = 0; i < 2 * addr; i += 2)
			pseudo += (uint32_t)out[from + i] << 8 | out[from + i + 1];
		MUST(out[14 + 4] == 0 && out[14 + 5] == 8 + syn->quote);
		MUST(out[14 + 6] == 58 && out[54] == 1 && out[55] == 3);
		MUST(checksum(out + 54, 8 + syn->quote, pseudo) == 0);
	} else {
		MUST(out[14 + 2] == 0 && out[14 + 3] == said - 14);
		MUST(out[14 + 9] == 1 && out[34] == 3 && out[35] == 1);
		MUST(checksum(out + 14, 20, 0) == 0);
		MUST(checksum(out + 34, 8 + syn->quote, 0) == 0);
	}
}

static void
check_host(const struct svip_addr *a)
{
	struct svip_addr back;
	char text[SVIP_TEXT_MAX];

	MUST(svip_addr_parse(svip_addr_text(a, false, text), &back) && svip_addr_same(&back, a));
	MUST(strcmp(text, "0.0.0.0") != 0 && strcmp(text, "::") != 0 && strcmp(text, "::1") != 0);
	MUST(a->bytes[0] != (a->family == 4 ? 127 : 255));
	MUST(a->family == 6 || a->bytes[0] < 224);
}

static void
check_syn(const uint8_t *in, size_t len)
{
	struct frames_syn syn, cut;
	const char *why = NULL;

	if (!frames_syn_read(in, len, &syn, &why)) {
		MUST(why != NULL && why[0] != '\0');
		return;
	}
	check_host(&syn.from);
	MUST(syn.from.family == syn.to.family && !svip_addr_same(&syn.from, &syn.to));
	MUST((syn.mac[0] & 1) == 0);
	check_unreachable(in, len, &syn);
	MUST(frames_syn_read(in, len < FRAMES_SYN_READ ? len : FRAMES_SYN_READ, &cut, &why));
	MUST(cut.quote == syn.quote && svip_addr_same(&cut.from, &syn.from));
	for (size_t some = 0; some < 14 + syn.quote; some++)
		MUST(!frames_syn_read(in, some, &cut, &why));
}

/* The same with the right checksum in its IPv4 header, which chance doesn't find. */
static void
check_whole_syn(const uint8_t *in, size_t len)
{
	size_t ip = len > 14 ? (size_t)(in[14] & 15) * 4 : 0;
	uint8_t *copy;
	uint16_t sum;

	if (ip < 20 || len < 14 + ip)
		return;
	copy = malloc(len);
	MUST(copy != NULL);
	memcpy(copy, in, len);
	copy[24] = copy[25] = 0;
	sum = checksum(copy + 14, ip, 0);
	copy[24] = (uint8_t)(sum >> 8);
	copy[25] = (uint8_t)sum;
	check_syn(copy, len);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct frames_claim claim;
	const char *why = NULL;

	check_syn(in, len);
	check_whole_syn(in, len);
	if (frames_claim_read(in, len, &claim, &why))
		check_claim(&claim);
	else
		MUST(why != NULL && why[0] != '\0');
	return 0;
}
