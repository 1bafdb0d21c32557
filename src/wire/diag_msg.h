/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock_diag messages: which TCP connections have one of these addresses as their local one, and "end this one". No
 * descriptor. Source: sock_diag(7), net/ipv4/inet_diag.c and net/core/sock_diag.c in the kernel.
 */
#ifndef WIRE_DIAG_MSG_H
#define WIRE_DIAG_MSG_H

#include <linux/inet_diag.h>

#include <svip/types.h>

enum {
	DIAG_DUMP_MAX = 128 + SVIP_ADDRESSES_MAX * 32, /* bytes of a question */
	DIAG_DESTROY_MAX = 80,                         /* bytes of an order */
};

/* A connection as the kernel names it: its cookie makes sure that no other one with the same ends is meant. */
struct diag_socket {
	uint8_t family; /* AF_INET or AF_INET6 */
	struct inet_diag_sockid id;
};

/*
 * Asks for the TCP connections of sockets of this family (4 or 6) whose local address is one of these; with 6 also those
 * of IPv4 addresses that a socket for both has (::ffff:10.0.0.50). The kernel filters. Not asked for: listeners, and those
 * whose end the client has confirmed. n: up to SVIP_ADDRESSES_MAX. Returns the length; 0: this family can have none. out has DIAG_DUMP_MAX
 * bytes.
 */
size_t diag_put_dump(void *out, uint32_t seq, int family, const struct svip_addr *, int n);

/* Ends the connection: the client gets a reset, the program here ECONNABORTED. The kernel answers only when it refuses.
 * Returns the length; out has DIAG_DESTROY_MAX bytes. */
size_t diag_put_destroy(void *out, uint32_t seq, const struct diag_socket *);

enum diag_kind { DIAG_OTHER, DIAG_SOCKET, DIAG_ANSWER, DIAG_DONE };

struct diag_info {
	enum diag_kind kind;
	uint32_t seq;
	int error; /* DIAG_ANSWER and DIAG_DONE: 0 or a positive errno */
	struct diag_socket socket;
};

/* Calls each() for every message. False: malformed. */
bool diag_parse(const void *in, size_t len, void (*each)(void *ctx, const struct diag_info *), void *ctx);

#endif
