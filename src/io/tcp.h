/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCP socket with the options that short questions over a bad network need. Connects; speaks nothing. */
#ifndef IO_TCP_H
#define IO_TCP_H

#include <svip/types.h>

/*
 * Starts a non-blocking connection and stores its descriptor (close-on-exec) in *fd, also on failure; -1: none. Writable:
 * connected or failed, see tcp_connected(). user_timeout_ms: data without an ACK for longer end it (TCP_USER_TIMEOUT).
 * 0 or -errno.
 */
int tcp_connect(const struct svip_addr *, uint16_t port, svip_ms user_timeout_ms, int *fd);

/* The same from this local address (of the same family), so that the other end knows who it is. NULL: any. */
int tcp_connect_from(const struct svip_addr *from, const struct svip_addr *, uint16_t port,
    svip_ms user_timeout_ms, int *fd);

/*
 * A non-blocking listening socket at the address, in *fd. Only one that has just ended may have left the port behind
 * (SO_REUSEADDR). 0 or -errno, and then *fd is -1.
 */
int tcp_listen(const struct svip_addr *, uint16_t port, int backlog, int *fd);

/* Accepts a connection, non-blocking and close-on-exec, and tells whose address it comes from. Returns it or -errno. */
int tcp_accept(int fd, struct svip_addr *from);

/* How the attempt went: 0 or -errno. */
int tcp_connected(int fd);

#endif
