/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks at this host's addresses and interfaces once. For the configuration only; the daemon follows netlink. */
#include "host.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

enum { HOST_ADDRESSES_MAX = 1024, HOST_INTERFACES_MAX = 256 };

static bool
read_address(const struct sockaddr *sa, struct svip_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (sa != NULL && sa->sa_family == AF_INET) {
		a->family = 4;
		a->prefix = 32;
		memcpy(a->bytes, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		a->family = 6;
		a->prefix = 128;
		memcpy(a->bytes, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	}
	return a->family != 0;
}

void
host_look(struct conf_host *host)
{
	static struct svip_addr address[HOST_ADDRESSES_MAX];
	static char names[HOST_INTERFACES_MAX][IF_NAMESIZE];
	static const char *interface[HOST_INTERFACES_MAX];
	struct if_nameindex *list = if_nameindex();
	struct ifaddrs *all = NULL;

	*host = (struct conf_host){ .address = address, .interface = interface };
	if (getifaddrs(&all) == 0) {
		for (const struct ifaddrs *i = all; i != NULL && host->n_addresses < HOST_ADDRESSES_MAX; i = i->ifa_next)
			host->n_addresses += read_address(i->ifa_addr, &address[host->n_addresses]);
		freeifaddrs(all);
	}
	for (int i = 0; list != NULL && list[i].if_index != 0 && i < HOST_INTERFACES_MAX; i++) {
		memcpy(names[i], list[i].if_name, strnlen(list[i].if_name, IF_NAMESIZE - 1));
		interface[i] = names[i];
		host->n_interfaces = i + 1;
	}
	if (list != NULL)
		if_freenameindex(list);
}
