/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds and reads frames of ARP and neighbour discovery, reads first segments of connections and builds ICMP errors about
 * them. Must not send, nor trust what it reads.
 */
#include "frames.h"

#include <assert.h>
#include <string.h>

#include "cursor.h"

enum {
	ETHER_LEN = 14,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_IPV6 = 0x86dd,
	ARP_ETHERNET = 1,
	ARP_IPV4 = 0x0800,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	IP_LEN = 4,
	IP6_LEN = 16,
	ICMP6 = 58,    /* next header */
	ND_HOPS = 255, /* RFC 4861 section 7.1: anything less came through a router */
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_OVERRIDE = 0x20, /* of the flags R, S, O */
	ND_SOURCE_MAC = 1,  /* options, in units of 8 bytes: 1 */
	ND_TARGET_MAC = 2,
	ND_SOLICIT_LEN = 24,
	ND_ADVERT_LEN = 32,
	ICMP = 1, /* protocol */
	ICMP_LEN = 8,
	ICMP_UNREACHABLE = 3,
	ICMP_HOST = 1,
	ICMP6_UNREACHABLE = 1,
	ICMP6_ADDRESS = 3,
	IPV4_LEN = 20, /* without options */
	IPV6_LEN = 40,
	OFFSET = 0x1fff, /* of a fragment, within its word */
	DONT_FRAGMENT = 0x4000,
	CONTROL = 0xc0, /* TOS: RFC 1812 section 4.3.2.5 */
	HOPS = 64,
	TCP = 6,
	TCP_LEN = 20,
	TCP_PORTS = 8, /* ports and sequence number: what an ICMP error must quote (RFC 792) */
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

static const uint8_t broadcast[FRAMES_MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t nobody[FRAMES_MAC_LEN];
static const uint8_t unspecified[IP6_LEN];

/* ---- building ---- */

static void
put_ether(struct cursor *c, const uint8_t *to, const uint8_t *from, uint16_t type)
{
	cursor_put(c, to, FRAMES_MAC_LEN);
	cursor_put(c, from, FRAMES_MAC_LEN);
	cursor_put16(c, type);
}

static size_t
done(const struct cursor *c)
{
	assert(!c->bad);
	return c->at;
}

static size_t
arp_to(const uint8_t *to, int op, const uint8_t *mac, const uint8_t *spa, const uint8_t *tha,
    const uint8_t *tpa, uint8_t *out)
{
	struct cursor c;

	cursor_write(&c, out, FRAMES_LEN_MAX);
	put_ether(&c, to, mac, TYPE_ARP);
	cursor_put16(&c, ARP_ETHERNET);
	cursor_put16(&c, ARP_IPV4);
	cursor_put8(&c, FRAMES_MAC_LEN);
	cursor_put8(&c, IP_LEN);
	cursor_put16(&c, (uint16_t)op);
	cursor_put(&c, mac, FRAMES_MAC_LEN);
	cursor_put(&c, spa, IP_LEN);
	cursor_put(&c, tha, FRAMES_MAC_LEN);
	cursor_put(&c, tpa, IP_LEN);
	return done(&c);
}

static size_t
arp(int op, const uint8_t *mac, const uint8_t *spa, const uint8_t *tha, const uint8_t *tpa,
    uint8_t *out)
{
	return arp_to(broadcast, op, mac, spa, tha, tpa, out);
}

size_t
frames_arp_request(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a, uint8_t out[FRAMES_LEN_MAX])
{
	assert(a->family == 4);
	return arp(ARP_REQUEST, mac, a->bytes, nobody, a->bytes, out);
}

size_t
frames_arp_reply(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a, uint8_t out[FRAMES_LEN_MAX])
{
	assert(a->family == 4);
	return arp(ARP_REPLY, mac, a->bytes, mac, a->bytes, out);
}

size_t
frames_arp_probe(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a, uint8_t out[FRAMES_LEN_MAX])
{
	assert(a->family == 4);
	return arp(ARP_REQUEST, mac, unspecified, nobody, a->bytes, out);
}

size_t
frames_arp_ask(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a,
    const struct svip_addr *whom, const uint8_t *whom_mac, uint8_t out[FRAMES_LEN_MAX])
{
	assert(a->family == 4 && whom->family == 4);
	return arp_to(whom_mac != NULL ? whom_mac : broadcast, ARP_REQUEST, mac, a->bytes, nobody,
	    whom->bytes, out);
}

/* One ICMPv6 message of neighbour discovery; option 0: without one. */
struct nd {
	uint8_t type, flags, option;
	const uint8_t *from, *to, *target, *mac;
};

static void
put_nd(struct cursor *c, const struct nd *m, uint16_t checksum)
{
	cursor_put8(c, m->type);
	cursor_put8(c, 0);
	cursor_put16(c, checksum);
	cursor_put8(c, m->flags);
	cursor_fill(c, 0, 3);
	cursor_put(c, m->target, IP6_LEN);
	if (m->option != 0) {
		cursor_put8(c, m->option);
		cursor_put8(c, 1);
		cursor_put(c, m->mac, FRAMES_MAC_LEN);
	}
}

static uint32_t
sum16(const uint8_t *bytes, size_t len)
{
	struct cursor c;
	uint32_t sum = 0;

	cursor_read(&c, bytes, len);
	while (cursor_left(&c) != 0)
		sum += cursor_get16(&c);
	return sum;
}

/* RFC 1071. */
static uint16_t
folded(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* RFC 8200 section 8.1: over both addresses, length, next header and the message. */
static uint16_t
nd_checksum(const struct nd *m, size_t len)
{
	uint8_t message[ND_ADVERT_LEN];
	struct cursor c;
	uint32_t sum;

	cursor_write(&c, message, sizeof(message));
	put_nd(&c, m, 0);
	sum = sum16(m->from, IP6_LEN) + sum16(m->to, IP6_LEN) + (uint32_t)len + ICMP6 +
	      sum16(message, done(&c));
	return folded(sum);
}

/* ether NULL: to the group's MAC. */
static size_t
nd(const struct nd *m, const uint8_t *ether, uint8_t *out)
{
	size_t len = m->option != 0 ? ND_ADVERT_LEN : ND_SOLICIT_LEN;
	/* RFC 2464 section 7: 33:33 and the last four bytes of the group. */
	uint8_t group[FRAMES_MAC_LEN] = { 0x33, 0x33, m->to[12], m->to[13], m->to[14], m->to[15] };
	struct cursor c;

	cursor_write(&c, out, FRAMES_LEN_MAX);
	put_ether(&c, ether != NULL ? ether : group, m->mac, TYPE_IPV6);
	cursor_put32(&c, 6u << 28);
	cursor_put16(&c, (uint16_t)len);
	cursor_put8(&c, ICMP6);
	cursor_put8(&c, ND_HOPS);
	cursor_put(&c, m->from, IP6_LEN);
	cursor_put(&c, m->to, IP6_LEN);
	put_nd(&c, m, nd_checksum(m, len));
	return done(&c);
}

size_t
frames_na(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a, uint8_t out[FRAMES_LEN_MAX])
{
	static const uint8_t all_nodes[IP6_LEN] = { 0xff, 0x02, [15] = 0x01 };
	struct nd m = { .type = ND_ADVERT,
		.flags = ND_OVERRIDE,
		.option = ND_TARGET_MAC,
		.from = a->bytes,
		.to = all_nodes,
		.target = a->bytes,
		.mac = mac };

	assert(a->family == 6);
	return nd(&m, NULL, out);
}

/* RFC 4291 section 2.7.1. */
static void
solicited_node(const struct svip_addr *a, uint8_t group[IP6_LEN])
{
	static const uint8_t prefix[] = { 0xff, 0x02, [11] = 0x01, [12] = 0xff };

	memcpy(group, prefix, sizeof(prefix));
	memcpy(&group[sizeof(prefix)], &a->bytes[sizeof(prefix)], IP6_LEN - sizeof(prefix));
}

size_t
frames_ns_probe(
    const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a, uint8_t out[FRAMES_LEN_MAX])
{
	uint8_t group[IP6_LEN];
	struct nd m = {
		.type = ND_SOLICIT, .from = unspecified, .to = group, .target = a->bytes, .mac = mac
	};

	assert(a->family == 6);
	solicited_node(a, group);
	return nd(&m, NULL, out);
}

size_t
frames_ns_ask(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *a,
    const struct svip_addr *whom, const uint8_t *whom_mac, uint8_t out[FRAMES_LEN_MAX])
{
	uint8_t group[IP6_LEN];
	struct nd m = { .type = ND_SOLICIT,
		.option = ND_SOURCE_MAC,
		.from = a->bytes,
		.to = whom_mac != NULL ? whom->bytes : group,
		.target = whom->bytes,
		.mac = mac };

	assert(a->family == 6 && whom->family == 6);
	solicited_node(whom, group);
	return nd(&m, whom_mac, out);
}

/* ---- ICMP errors ---- */

static void
put_icmp(struct cursor *c, int type, int code, uint16_t checksum, const struct frames_syn *syn)
{
	cursor_put8(c, (uint8_t)type);
	cursor_put8(c, (uint8_t)code);
	cursor_put16(c, checksum);
	cursor_put32(c, 0);
	cursor_put(c, syn->packet, syn->quote);
}

static uint32_t
sum_icmp(int type, int code, const struct frames_syn *syn)
{
	return (uint32_t)(type << 8 | code) + sum16(syn->packet, syn->quote);
}

/* RFC 791 section 3.1. */
static void
put_ipv4(
    struct cursor *c, size_t payload, uint16_t checksum, const uint8_t *from, const uint8_t *to)
{
	cursor_put8(c, 4 << 4 | IPV4_LEN / 4);
	cursor_put8(c, CONTROL);
	cursor_put16(c, (uint16_t)(IPV4_LEN + payload));
	cursor_put16(c, 0); /* never a fragment: RFC 6864 section 4.1 */
	cursor_put16(c, DONT_FRAGMENT);
	cursor_put8(c, HOPS);
	cursor_put8(c, ICMP);
	cursor_put16(c, checksum);
	cursor_put(c, from, IP_LEN);
	cursor_put(c, to, IP_LEN);
}

static void
put_unreachable4(struct cursor *c, const uint8_t *own, const struct frames_syn *syn)
{
	size_t len = ICMP_LEN + syn->quote;
	uint8_t header[IPV4_LEN];
	struct cursor h;

	cursor_write(&h, header, sizeof(header));
	put_ipv4(&h, len, 0, own, syn->from.bytes);
	put_ipv4(c, len, folded(sum16(header, done(&h))), own, syn->from.bytes);
	put_icmp(c, ICMP_UNREACHABLE, ICMP_HOST, folded(sum_icmp(ICMP_UNREACHABLE, ICMP_HOST, syn)),
	    syn);
}

static void
put_unreachable6(struct cursor *c, const uint8_t *own, const struct frames_syn *syn)
{
	size_t len = ICMP_LEN + syn->quote;
	uint32_t sum = sum16(own, IP6_LEN) + sum16(syn->from.bytes, IP6_LEN) + (uint32_t)len +
	               ICMP6 + sum_icmp(ICMP6_UNREACHABLE, ICMP6_ADDRESS, syn);

	cursor_put32(c, 6u << 28);
	cursor_put16(c, (uint16_t)len);
	cursor_put8(c, ICMP6);
	cursor_put8(c, HOPS);
	cursor_put(c, own, IP6_LEN);
	cursor_put(c, syn->from.bytes, IP6_LEN);
	put_icmp(c, ICMP6_UNREACHABLE, ICMP6_ADDRESS, folded(sum), syn);
}

size_t
frames_unreachable(const uint8_t mac[FRAMES_MAC_LEN], const struct svip_addr *own,
    const struct frames_syn *syn, uint8_t out[FRAMES_UNREACHABLE_MAX])
{
	struct cursor c;

	assert(own->family == syn->to.family && !svip_addr_same(own, &syn->to));
	cursor_write(&c, out, FRAMES_UNREACHABLE_MAX);
	put_ether(&c, syn->mac, mac, own->family == 4 ? TYPE_IPV4 : TYPE_IPV6);
	if (own->family == 4)
		put_unreachable4(&c, own->bytes, syn);
	else
		put_unreachable6(&c, own->bytes, syn);
	return done(&c);
}

/* ---- reading ---- */

static bool
read_arp(struct cursor *c, struct frames_claim *claim, const char **why)
{
	uint16_t hardware = cursor_get16(c), protocol = cursor_get16(c), op;
	uint8_t hardware_len = cursor_get8(c), protocol_len = cursor_get8(c);

	op = cursor_get16(c);
	claim->addr = (struct svip_addr){ .family = 4, .prefix = 32 };
	cursor_get(c, claim->mac, FRAMES_MAC_LEN);
	cursor_get(c, claim->addr.bytes, IP_LEN);
	cursor_skip(c, FRAMES_MAC_LEN + IP_LEN);
	if (c->bad)
		*why = "ARP packet cut off";
	else if (hardware != ARP_ETHERNET || protocol != ARP_IPV4 ||
	         hardware_len != FRAMES_MAC_LEN || protocol_len != IP_LEN)
		*why = "ARP of something else than IPv4 on Ethernet";
	else if (op != ARP_REQUEST && op != ARP_REPLY)
		*why = "neither an ARP request nor a reply";
	else if (memcmp(claim->addr.bytes, unspecified, IP_LEN) == 0)
		*why = "an ARP probe claims nothing";
	else
		return true;
	return false;
}

/* Looks for the target's MAC among the options; without one the frame's own source stays. */
static bool
read_options(struct cursor *c, size_t len, uint8_t mac[FRAMES_MAC_LEN])
{
	while (len >= 8 && cursor_left(c) >= 8) {
		uint8_t type = cursor_get8(c);
		size_t option = cursor_get8(c) * (size_t)8;

		if (option == 0 || option > len)
			return false;
		if (type == ND_TARGET_MAC && option == 8) {
			cursor_get(c, mac, FRAMES_MAC_LEN);
			return true;
		}
		cursor_skip(c, option - 2);
		len -= option;
	}
	return true;
}

static bool
read_na(struct cursor *c, struct frames_claim *claim, const char **why)
{
	uint8_t next, hops, type, code;
	uint8_t version;
	uint16_t len;

	version = cursor_get8(c) >> 4;
	cursor_skip(c, 3);
	len = cursor_get16(c);
	next = cursor_get8(c);
	hops = cursor_get8(c);
	cursor_skip(c, 2 * IP6_LEN);
	type = cursor_get8(c);
	code = cursor_get8(c);
	cursor_skip(c, 2 + 4); /* checksum, flags */
	claim->addr = (struct svip_addr){ .family = 6, .prefix = 128 };
	cursor_get(c, claim->addr.bytes, IP6_LEN);
	if (c->bad || len < ND_SOLICIT_LEN)
		*why = "neighbour discovery cut off";
	else if (version != 6 || next != ICMP6 || type != ND_ADVERT || code != 0)
		*why = "no neighbour advertisement";
	else if (hops != ND_HOPS)
		*why = "a neighbour advertisement from beyond a router";
	else if (!read_options(c, len - (size_t)ND_SOLICIT_LEN, claim->mac))
		*why = "malformed option of neighbour discovery";
	else
		return true;
	return false;
}

bool
frames_claim_read(const uint8_t *frame, size_t len, struct frames_claim *claim, const char **why)
{
	struct cursor c;
	uint16_t type;

	memset(claim, 0, sizeof(*claim));
	cursor_read(&c, frame, len);
	cursor_skip(&c, FRAMES_MAC_LEN);
	cursor_get(&c, claim->mac, FRAMES_MAC_LEN);
	type = cursor_get16(&c);
	if (!c.bad && type == TYPE_ARP)
		return read_arp(&c, claim, why);
	if (!c.bad && type == TYPE_IPV6)
		return read_na(&c, claim, why);
	*why = "neither ARP nor IPv6";
	return false;
}

/* A single host's, which an error may be sent to: RFC 1122 section 3.2.1.3, RFC 4443 section 2.4 (e.6). A directed broadcast
 * can't be told without knowing its network. */
static bool
is_host(const struct svip_addr *a)
{
	static const uint8_t loopback[IP6_LEN] = { [15] = 1 };

	if (a->family == 4)
		return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
	return a->bytes[0] != 0xff && memcmp(a->bytes, unspecified, IP6_LEN) != 0 &&
	       memcmp(a->bytes, loopback, IP6_LEN) != 0;
}

/* What the IP header says of the segment in it. */
struct segment {
	size_t ip;   /* bytes of the header before it */
	size_t size; /* its own, as the header has it */
};

/* The cursor is behind the header then. False: no first part of a TCP segment. */
static bool
read_ipv4(struct cursor *c, const uint8_t *packet, struct frames_syn *syn, struct segment *g,
    const char **why)
{
	uint8_t version = cursor_get8(c), proto;
	uint16_t fragment, total;

	g->ip = (size_t)(version & 0x0f) * 4;
	cursor_skip(c, 1);
	total = cursor_get16(c);
	cursor_skip(c, 2);
	fragment = cursor_get16(c);
	cursor_skip(c, 1);
	proto = cursor_get8(c);
	cursor_skip(c, 2);
	syn->from = syn->to = (struct svip_addr){ .family = 4, .prefix = 32 };
	cursor_get(c, syn->from.bytes, IP_LEN);
	cursor_get(c, syn->to.bytes, IP_LEN);
	if (version >> 4 != 4 || g->ip < IPV4_LEN || total < g->ip) {
		*why = "malformed IPv4 header";
		return false;
	}
	g->size = total - g->ip;
	cursor_skip(c, g->ip - IPV4_LEN);
	if (c->bad)
		*why = "cut off";
	else if (folded(sum16(packet, g->ip)) != 0)
		*why = "wrong checksum";
	else if (proto != TCP)
		*why = "not TCP";
	else if ((fragment & OFFSET) != 0)
		*why = "not the first fragment";
	else
		return true;
	return false;
}

static bool
read_ipv6(struct cursor *c, struct frames_syn *syn, struct segment *g, const char **why)
{
	uint8_t version = cursor_get8(c) >> 4, next;

	g->ip = IPV6_LEN;
	cursor_skip(c, 3);
	g->size = cursor_get16(c);
	next = cursor_get8(c);
	cursor_skip(c, 1);
	syn->from = syn->to = (struct svip_addr){ .family = 6, .prefix = 128 };
	cursor_get(c, syn->from.bytes, IP6_LEN);
	cursor_get(c, syn->to.bytes, IP6_LEN);
	if (c->bad)
		*why = "cut off";
	else if (version != 6)
		*why = "malformed IPv6 header";
	else if (next != TCP) /* nor behind extension headers: who connects sends none */
		*why = "not TCP";
	else
		return true;
	return false;
}

/* Returns the length of the TCP header, all of which is there; 0: it opens no connection. */
static size_t
read_tcp(struct cursor *c, const struct segment *g, const char **why)
{
	size_t size;
	uint8_t flags;

	cursor_skip(c, 12);
	size = (size_t)(cursor_get8(c) >> 4) * 4;
	flags = cursor_get8(c);
	if (!c->bad && (size < TCP_LEN || size > g->size)) {
		*why = "malformed TCP header";
		return 0;
	}
	if (!c->bad)
		cursor_skip(c, size - 14);
	if (c->bad)
		*why = "cut off";
	else if ((flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) != TCP_SYN)
		*why = "opens no connection";
	else
		return size;
	return 0;
}

bool
frames_syn_read(const uint8_t *frame, size_t len, struct frames_syn *syn, const char **why)
{
	struct segment g = { 0 };
	struct cursor c;
	uint16_t type;
	size_t tcp;

	memset(syn, 0, sizeof(*syn));
	cursor_read(&c, frame, len);
	cursor_skip(&c, FRAMES_MAC_LEN);
	cursor_get(&c, syn->mac, FRAMES_MAC_LEN);
	type = cursor_get16(&c);
	if (c.bad || (type != TYPE_IPV4 && type != TYPE_IPV6)) {
		*why = "not IP";
		return false;
	}
	syn->packet = &frame[ETHER_LEN];
	if (type == TYPE_IPV4 ? !read_ipv4(&c, syn->packet, syn, &g, why)
	                      : !read_ipv6(&c, syn, &g, why))
		return false;
	tcp = read_tcp(&c, &g, why);
	if (tcp == 0)
		return false;
	if (!is_host(&syn->from) || svip_addr_same(&syn->from, &syn->to) ||
	    (syn->mac[0] & 1) != 0 || memcmp(syn->mac, nobody, sizeof(nobody)) == 0) {
		*why = "not from a host";
		return false;
	}
	syn->quote = g.ip + (type == TYPE_IPV4 ? TCP_PORTS : tcp);
	return true;
}
