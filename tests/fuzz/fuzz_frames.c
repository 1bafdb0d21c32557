/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of ARP and neighbour discovery. A claim that was read, told by the frames of this program, is the same claim; probes
 * claim nothing.
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

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct frames_claim claim;
	const char *why = NULL;

	if (frames_claim_read(in, len, &claim, &why))
		check_claim(&claim);
	else
		MUST(why != NULL && why[0] != '\0');
	return 0;
}
