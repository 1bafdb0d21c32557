/* SPDX-License-Identifier: BSD-2-Clause */
/* rtnetlink messages, as the kernel sends them. An address that was read, put into an order of this program, reads the same. */
#include <string.h>

#include "fuzz.h"
#include "wire/rtnl_msg.h"

static void
take_address(void *ctx, const struct rtnl_info *info)
{
	MUST(info->kind == RTNL_ADDRESS || info->kind == RTNL_ADDRESS_GONE);
	*(struct rtnl_address *)ctx = info->address;
}

static void
check_address(const struct rtnl_address *a)
{
	uint32_t out[RTNL_MSG_MAX / 4];
	struct rtnl_address again;
	char text[SVIP_TEXT_MAX];
	const char *why;
	size_t len;

	MUST(a->addr.family == 0 || a->addr.family == 4 || a->addr.family == 6);
	MUST(!a->has_end || a->end.family == a->addr.family);
	svip_addr_text(&a->addr, true, text);
	if (a->addr.family == 0)
		return;
	len = rtnl_put_address(out, 1, a, 7);
	MUST(len <= RTNL_MSG_MAX && rtnl_parse(out, len, take_address, &again, &why));
	MUST(svip_addr_same(&again.addr, &a->addr) && again.addr.prefix == a->addr.prefix);
	MUST(again.ifindex == a->ifindex && again.usual_scope && !again.has_end);
	len = rtnl_put_delete(out, 2, a);
	MUST(len <= RTNL_MSG_MAX && rtnl_parse(out, len, take_address, &again, &why));
	MUST(svip_addr_same(&again.addr, &a->addr) && again.has_end == a->has_end);
}

static void
look(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	switch (info->kind) {
	case RTNL_ADDRESS:
	case RTNL_ADDRESS_GONE:
		check_address(&info->address);
		return;
	case RTNL_LINK:
	case RTNL_LINK_GONE:
		MUST(memchr(info->link.name, '\0', sizeof(info->link.name)) != NULL);
		return;
	case RTNL_NEIGHBOUR:
		MUST(info->neighbour.addr.family == 0 || info->neighbour.addr.family == 4 || info->neighbour.addr.family == 6);
		return;
	case RTNL_ROUTE:
		MUST(info->route.n_hops >= 0 && info->route.n_hops <= RTNL_HOPS_MAX);
		for (int i = 0; i < info->route.n_hops; i++)
			MUST(info->route.hop[i].addr.family == 4 || info->route.hop[i].addr.family == 6);
		return;
	case RTNL_ACK:
	case RTNL_DONE:
		MUST(info->error >= 0);
		return;
	case RTNL_OTHER:
		return;
	}
	MUST(false); /* there is no other kind */
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	void *aligned = malloc(len > 0 ? len : 1);
	const char *why = NULL;

	MUST(aligned != NULL);
	memcpy(aligned, in, len);
	if (!rtnl_parse(aligned, len, look, NULL, &why))
		MUST(why != NULL && why[0] != '\0');
	free(aligned);
	return 0;
}
