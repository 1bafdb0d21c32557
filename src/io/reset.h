/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets the TCP connections that clients have to addresses of this host (SOCK_DESTROY), so that an idle client hears of a
 * move at once. Knows no instances, and must never take longer than it was given.
 */
#ifndef IO_RESET_H
#define IO_RESET_H

#include <netinet/in.h>

#include <svip/types.h>

/* Opens the sockets. 0 or -errno; then every reset says it again. */
int reset_init(void);
void reset_fini(void);

/*
 * Resets every TCP connection whose local address is one of these, also as ::ffff:ADDRESS. The resets are on their way when it
 * returns. Takes up to budget_ms (and 2 ms), together with the calls before it: what they have taken comes back at a quarter of
 * the time that passes, so that many in a row don't keep the loop from its work. *n: connections reset. 0; -ETIME: the time
 * was up, and some may be left; other -errno: the kernel refuses (-EOPNOTSUPP: no CONFIG_INET_DIAG_DESTROY; -EPERM: no
 * CAP_NET_ADMIN).
 */
int reset_clients(const struct svip_addr *, int n_addr, svip_ms budget_ms, int *n);

/* Proves it with a connection of its own on the loopback interface. 0, or a positive errno; ENOTSUP: the kernel says yes, and the
 * connection lives. */
int reset_probe(void);

#endif
