/* SPDX-License-Identifier: BSD-2-Clause */
/* LD_PRELOAD: a kernel without CONFIG_INET_DIAG_DESTROY, as far as this process can see. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DESTROY = 21, UNKNOWN = 99 };

/* Elsewhere 21 is RTM_DELADDR. */
static int
is_diag(int fd)
{
	int protocol = -1;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == NETLINK_SOCK_DIAG &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &protocol, &len) == 0 && protocol == AF_NETLINK;
}

/* An order becomes one that no kernel knows; it answers EINVAL to that. */
ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
	struct nlmsghdr *h = (struct nlmsghdr *)bytes;
	size_t at = 0;

	for (; is_diag(fd) && at + sizeof(*h) <= len && h->nlmsg_type == DESTROY && h->nlmsg_len >= sizeof(*h);
	     at += h->nlmsg_len, h = (struct nlmsghdr *)((char *)bytes + at))
		h->nlmsg_type = UNKNOWN;
	return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

ssize_t
recv(int fd, void *bytes, size_t len, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
	struct nlmsghdr *h = bytes;
	struct nlmsgerr *e = NLMSG_DATA(h);

	if (n >= (ssize_t)(NLMSG_HDRLEN + sizeof(*e)) && h->nlmsg_type == NLMSG_ERROR &&
	    e->error == -EINVAL && e->msg.nlmsg_type == UNKNOWN)
		e->error = -EOPNOTSUPP;
	return n;
}
