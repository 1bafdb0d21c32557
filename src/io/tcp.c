/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes TCP sockets and sets their options. Must not block. */
#include "tcp.h"

#include "log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
	KEEPALIVE_IDLE_S = 5,
	KEEPALIVE_INTERVAL_S = 1,
	KEEPALIVE_COUNT = 5,
};

static void
set_option(int fd, int level, int name, int value)
{
	/* All of them only make things better: a kernel without one is no reason to fail. */
	if (setsockopt(fd, level, name, &value, sizeof(value)) == -1)
		log_debug("setsockopt %d/%d: %s", level, name, strerror(errno));
}

int
tcp_connect(const struct svip_addr *addr, uint16_t port, svip_ms user_timeout_ms, int *fd)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool v6 = addr->family == 6;
	int rc;

	*fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd == -1)
		return -errno;
	set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* Few packets are in flight: retransmit them every RTO, without the back-off that outlasts leases. */
	set_option(*fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1);
	set_option(*fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
	set_option(*fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(*fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(*fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(*fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	if (v6) {
		memcpy(&in6.sin6_addr, addr->bytes, 16);
		rc = connect(*fd, (struct sockaddr *)&in6, sizeof(in6));
	} else {
		memcpy(&in.sin_addr, addr->bytes, 4);
		rc = connect(*fd, (struct sockaddr *)&in, sizeof(in));
	}
	return rc == -1 && errno != EINPROGRESS ? -errno : 0;
}

int
tcp_connected(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -errno;
	return -error;
}
