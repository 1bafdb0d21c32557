/* SPDX-License-Identifier: BSD-2-Clause */
/* LD_PRELOAD: while the file named by SVIP_HALFNFT is there, nftables tables can't be set up; elements go on. */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A transaction that deletes rules: only setting up does that. */
static int
sets_up(const char *buf, size_t len)
{
	size_t at = 0;

	while (at + sizeof(struct nlmsghdr) <= len) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(buf + at);

		if (h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE))
			return 1;
		if (h->nlmsg_len < sizeof(*h))
			return 0;
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	return 0;
}

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	int protocol = -1;
	socklen_t size = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	    protocol == NETLINK_NETFILTER && sets_up(buf, len) &&
	    access(getenv("SVIP_HALFNFT"), F_OK) == 0) {
		errno = ENOMEM;
		return -1;
	}
	return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}
