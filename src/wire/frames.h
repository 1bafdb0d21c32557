/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet frames that tell or ask who has an address: ARP (RFC 826, RFC 5227) and neighbour
 * discovery (RFC 4861). Pure functions; they send nothing.
 *
 *            Ethernet 14 | ARP 28
 *   request  to all, from MAC | op 1, sha MAC, spa VIP, tha 0,   tpa VIP   RFC 5227 section 3
 *   reply    to all, from MAC | op 2, sha MAC, spa VIP, tha MAC, tpa VIP   where requests are ignored
 *   probe    to all, from MAC | op 1, sha MAC, spa 0,   tha 0,   tpa VIP   RFC 5227 section 2.1.1
 *   ask      to him, from MAC | op 1, sha MAC, spa VIP, tha 0,   tpa his   RFC 826: "merge" comes first
 *
 *            Ethernet 14 | IPv6 40 | ICMPv6
 *   NA 32    33:33:00:00:00:01 | VIP to ff02::1, hops 255  | type 136, O, target VIP, option 2: MAC
 *   NS 24    33:33:ff:xx:xx:xx | :: to ff02::1:ffxx:xxxx, 255 | type 135, target VIP, no option
 *   ask 32   to his MAC           | VIP to him, 255           | type 135, target his, option 1: MAC
 */
#ifndef WIRE_FRAMES_H
#define WIRE_FRAMES_H

#include <svip/types.h>

enum {
	FRAMES_MAC_LEN = 6,
	FRAMES_LEN_MAX = 86, /* neighbour discovery with an option */
};

/* Each writes one frame from `mac` about the address and returns its length in bytes. The family of
 * the address must fit: 4 for ARP, 6 for NA and NS. Frames shorter than Ethernet's least are padded
 * by the driver. */
size_t frames_arp_request(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *, uint8_t out[FRAMES_LEN_MAX]);
size_t frames_arp_reply(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *, uint8_t out[FRAMES_LEN_MAX]);
size_t frames_arp_probe(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *, uint8_t out[FRAMES_LEN_MAX]);
size_t frames_na(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *, uint8_t out[FRAMES_LEN_MAX]);
size_t frames_ns_probe(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *, uint8_t out[FRAMES_LEN_MAX]);

/*
 * A question of the address's holder to one neighbour, of the same family: "who has `whom`? Tell the address at `mac`." Who is
 * asked puts its own entry for the sender right before it answers, also one that ignores announcements (RFC 826, "merge
 * flag"; RFC 4861 section 7.2.3; arp_process() in net/ipv4/arp.c, ndisc_recv_ns() in net/ipv6/ndisc.c). To whom_mac alone;
 * NULL: unknown, to all, or to the solicited-node group.
 */
size_t frames_arp_ask(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *,
    const struct svip_addr *whom, const uint8_t *whom_mac, uint8_t out[FRAMES_LEN_MAX]);
size_t frames_ns_ask(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *,
    const struct svip_addr *whom, const uint8_t *whom_mac, uint8_t out[FRAMES_LEN_MAX]);

/* "The address is at this MAC", as a frame says it. */
struct frames_claim {
	struct svip_addr addr;
	uint8_t mac[FRAMES_MAC_LEN];
};

/* Reads a frame as received (bytes after the first FRAMES_LEN_MAX or so don't matter). True: an ARP
 * packet of either kind with a sender address, or a neighbour advertisement. False: it claims
 * nothing, *why says so (a constant string). Checksums are the receiving hardware's and kernel's
 * business. */
bool frames_claim_read(const uint8_t *frame, size_t len, struct frames_claim *, const char **why);

#endif
