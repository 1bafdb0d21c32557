/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vocabulary that every room speaks: time, limits, addresses, names.
 * Plain types and pure functions only; nothing here may do I/O.
 */
#ifndef SVIP_TYPES_H
#define SVIP_TYPES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of this host's CLOCK_BOOTTIME (it counts suspend). Never compared between hosts. */
typedef int64_t svip_ms;

#define SVIP_NEVER INT64_MAX      /* later than any time */
#define SVIP_LONG_AGO (INT64_MIN / 4) /* earlier than any time, with room to subtract */

enum {
	SVIP_SENTINELS_MAX = 15,   /* Sentinels asked */
	SVIP_NODES_MAX = 16,       /* svipd hosts in a cluster */
	SVIP_INSTANCES_MAX = 1024, /* masters followed */
	SVIP_ADDRESSES_MAX = 128,  /* virtual addresses of one instance */
	SVIP_NAME_MAX = 64,        /* bytes of a cluster's or instance's name, with the NUL */
	SVIP_HOST_MAX = 62,        /* bytes of a host name or address as text, with the NUL */
	SVIP_TEXT_MAX = 96,        /* bytes of "host:port" or "address/prefix" as text, with the NUL */
	SVIP_DIGEST_LEN = 16,
	SVIP_KEY_LEN = 32,
};

/* A place that speaks TCP: a numeric address in canonical text, or a host name in lower case. */
struct svip_host {
	char name[SVIP_HOST_MAX];
	uint16_t port; /* host byte order; 0: none */
};

/* An IP address with a prefix length. */
struct svip_addr {
	uint8_t family; /* 4, 6, or 0 for none */
	uint8_t prefix; /* 32 or 128 unless said otherwise */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

/* Equal in address and family; the prefix length doesn't count. */
bool svip_addr_same(const struct svip_addr *, const struct svip_addr *);

/* IPv4 first, then by their bytes: for qsort(3), of struct svip_addr. */
int svip_addr_order(const void *, const void *);

/* Reads "192.0.2.1", "2001:db8::1", either with "/PREFIX". False: not such a text. */
bool svip_addr_parse(const char *text, struct svip_addr *);

/* Writes the address, with "/prefix" when asked, into out (SVIP_TEXT_MAX bytes); returns out. */
const char *svip_addr_text(const struct svip_addr *, bool prefix, char *out);

/* Reads "host", "host:port", "[v6]:port" or a bare IPv6 address. A port that is missing becomes
 * port_default. Numeric addresses are made canonical, names lower case. False: not such a text. */
bool svip_host_parse(const char *text, uint16_t port_default, struct svip_host *);

/* Writes "host:port" ("[v6]:port") into out (SVIP_TEXT_MAX bytes); returns out. */
const char *svip_host_text(const struct svip_host *, char *out);

bool svip_host_same(const struct svip_host *, const struct svip_host *);

/* By name, then by port: for qsort(3), of struct svip_host. */
int svip_host_order(const void *, const void *);

/* True when the host is a numeric address, which is then stored (prefix = whole). */
bool svip_host_addr(const struct svip_host *, struct svip_addr *);

#endif
