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

/* How the attempt went: 0 or -errno. */
int tcp_connected(int fd);

#endif
