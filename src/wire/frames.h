/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet frames that tell or ask who has an address: ARP (RFC 826, RFC 5227) and neighbour
 * discovery (RFC 4861); and those that say, in a host's own name, that an address can't be reached
 * here (ICMP). Pure functions; they send nothing.
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
	/* The first bytes of a SYN that are looked at: Ethernet, IPv6 or IPv4 with all its options, TCP with all its. */
	FRAMES_SYN_READ = 14 + 60 + 60,
	FRAMES_UNREACHABLE_MAX = 14 + 40 + 8 + 40 + 60, /* Ethernet, IPv6, ICMPv6, the SYN's headers */
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

/* A first segment of a connection (SYN without ACK), as it came in. */
struct frames_syn {
	struct svip_addr from, to;
	uint8_t mac[FRAMES_MAC_LEN]; /* it came from: the client's or a router's */
	const uint8_t *packet;       /* within the frame: what an answer quotes */
	size_t quote;
};

/* Reads a frame as received, without a VLAN tag; of a longer one the first FRAMES_SYN_READ bytes do. True: an answer may go to
 * where it comes from. False: *why says why not (a constant string): it is something else, or RFC 1122 section 3.2.2, RFC
 * 1812 section 4.3.2.7 and RFC 4443 section 2.4 (e) forbid an ICMP error about it: a fragment that isn't the first; a
 * source that isn't one host (multicast, broadcast, zero, loopback). Refers to the frame's bytes. */
bool frames_syn_read(const uint8_t *frame, size_t len, struct frames_syn *, const char **why);

/*
 * "That address can't be reached here", as a router says it, from `mac` and this host's own address, which must be of the
 * same family and not the SYN's target. IPv4: type 3, code 1, host unreachable, with the IP header and 8 bytes (RFC 792).
 * IPv6: type 1, code 3, address unreachable, with the headers (RFC 4443 section 3.1). A Linux client's connect() fails at
 * once with EHOSTUNREACH (tcp_v4_err() in net/ipv4/tcp_ipv4.c, tcp_v6_err() in net/ipv6/tcp_ipv6.c). Returns the length.
 */
size_t frames_unreachable(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *own,
    const struct frames_syn *, uint8_t out[FRAMES_UNREACHABLE_MAX]);

#endif
