/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens and sets up the heartbeats' UDP sockets, and finds the interface they belong to. Private to
 * heartbeat_io. */
#ifndef IO_HEARTBEAT_SOCKET_H
#define IO_HEARTBEAT_SOCKET_H

#include <svip/types.h>

#include <sys/socket.h>

/*
 * A non-blocking socket of the family (4 or 6), bound to the port on any address (a socket bound to
 * one address would not hear multicast). Sends with TTL 255 and as network control (CS6), tells the
 * TTL of what it receives, hears no group that it hasn't joined itself, and nothing of its own.
 * Returns it, or -errno.
 */
int heartbeat_socket_open(int family, uint16_t port);

/* Joins (or leaves) the group on the interface and makes that the one that multicasts leave by. 0
 * or -errno. */
int heartbeat_socket_join(int fd, const struct svip_addr *group, int ifindex);
void heartbeat_socket_leave(int fd, const struct svip_addr *group, int ifindex);

/* The interface that carries the address, by getifaddrs(3): its index, or 0. *up: it is up and
 * running. */
int heartbeat_socket_interface(const struct svip_addr *, bool *up);

/* Address and port as a socket address; scope: index of the interface, for link-local IPv6. Returns
 * its length. */
socklen_t heartbeat_socket_address(
    const struct svip_addr *, uint16_t port, int scope, struct sockaddr_storage *);

/* A source address as it was received. */
void heartbeat_socket_from(const struct sockaddr_storage *, struct svip_addr *);

/* Bytes of control message that heartbeat_socket_source() writes at most. */
enum { HEARTBEAT_SOCKET_CONTROL = 64 };

/* Makes `from` the source of the message, whose msg_control has HEARTBEAT_SOCKET_CONTROL bytes,
 * aligned for struct cmsghdr. The interface stays the kernel's choice when ifindex is 0. */
void heartbeat_socket_source(struct msghdr *, const struct svip_addr *from, int ifindex);

/* The TTL or hop limit that a received message tells; -1: it doesn't. */
int heartbeat_socket_ttl(struct msghdr *);

/* It came by multicast. */
bool heartbeat_socket_group(struct msghdr *);

#endif
