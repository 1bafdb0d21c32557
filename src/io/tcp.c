/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes TCP sockets and sets their options. Must not block. */
#include "tcp.h"

#include "log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Returns the length. */
static socklen_t
address(const struct svip_addr *addr, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (addr->family == 6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, addr->bytes, 16);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, addr->bytes, 4);
	return sizeof(*in);
}

int
tcp_connect(const struct svip_addr *addr, uint16_t port, svip_ms user_timeout_ms, int *fd)
{
	return tcp_connect_from(NULL, addr, port, user_timeout_ms, fd);
}

int
tcp_connect_from(const struct svip_addr *from, const struct svip_addr *addr, uint16_t port,
    svip_ms user_timeout_ms, int *fd)
{
	struct sockaddr_storage at;
	socklen_t len;
	int rc;

	*fd = socket(
	    addr->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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
	if (from != NULL) {
		len = address(from, 0, &at);
		if (bind(*fd, (struct sockaddr *)&at, len) == -1)
			return -errno;
	}
	len = address(addr, port, &at);
	rc = connect(*fd, (struct sockaddr *)&at, len);
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

int
tcp_listen(const struct svip_addr *addr, uint16_t port, int backlog, int *fd)
{
	struct sockaddr_storage at;
	socklen_t len = address(addr, port, &at);
	int rc;

	*fd = socket(
	    addr->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd == -1)
		return -errno;
	set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(*fd, (struct sockaddr *)&at, len) == 0 && listen(*fd, backlog) == 0)
		return 0;
	rc = -errno;
	close(*fd);
	*fd = -1;
	return rc;
}

int
tcp_accept(int listening, struct svip_addr *from)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	int fd = accept4(listening, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		return -errno;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	memset(from, 0, sizeof(*from));
	from->family = at.ss_family == AF_INET6 ? 6 : 4;
	from->prefix = from->family == 6 ? 128 : 32;
	if (from->family == 6)
		memcpy(from->bytes, &((struct sockaddr_in6 *)&at)->sin6_addr, 16);
	else
		memcpy(from->bytes, &((struct sockaddr_in *)&at)->sin_addr, 4);
	return fd;
}
