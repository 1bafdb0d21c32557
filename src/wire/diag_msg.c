/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds and reads sock_diag messages. Must not trust a length that it has not checked. */
#include "diag_msg.h"

#include <assert.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef SOCK_DESTROY /* linux/sock_diag.h, Linux 4.5 */
#define SOCK_DESTROY 21
#endif

enum {
	ERRNO_MAX = 4095, /* MAX_ERRNO in include/linux/err.h */
	ANY_PORT = -1,
	ALL_BITS = 0xfff,
};

/* In the last three the client has had the end of the connection, or there is no client. */
static const uint32_t states =
    ALL_BITS & ~(1u << TCP_LISTEN | 1u << TCP_CLOSE | 1u << TCP_TIME_WAIT | 1u << TCP_FIN_WAIT2);

static struct nlmsghdr *
put_request(
    void *out, uint16_t type, uint16_t flags, uint32_t seq, const struct inet_diag_req_v2 *req)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(*req)), req, sizeof(*req));
	return nlh;
}

/* ---- the filter ---- */

static size_t
address_len(const struct svip_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

/* An IPv4 address is also that of a socket for both families; the other way round there is nothing. */
static bool
can_match(int family, const struct svip_addr *a)
{
	return family == 6 || a->family == 4;
}

/*
 * A program for the kernel (inet_diag_bc_run()). Each operation says how far to go on from itself: `yes` when it is true,
 * `no` when not. At the end of the program a socket is accepted, 4 bytes behind it refused. inet_diag_bc_audit() wants
 * every place to be reachable by `yes` alone, which is a byte only; so a jump (always its `no`) leads from a match to
 * the end, as in ss:
 *
 *     local is A?  yes: +1 operation        no: +2
 *     jump to the end
 *     local is B?  yes: the end             no: refused
 */
static size_t
put_condition(uint8_t *out, const struct svip_addr *a, size_t after)
{
	const size_t jump = sizeof(struct inet_diag_bc_op);
	const size_t len =
	    sizeof(struct inet_diag_bc_op) + sizeof(struct inet_diag_hostcond) + address_len(a);
	struct inet_diag_bc_op op = {
		.code = INET_DIAG_BC_S_COND, .yes = (uint8_t)len, .no = (uint16_t)(len + jump)
	};
	struct inet_diag_hostcond cond = { .family = a->family == 4 ? AF_INET : AF_INET6,
		.prefix_len = (uint8_t)(8 * address_len(a)),
		.port = ANY_PORT };

	memcpy(out, &op, sizeof(op));
	memcpy(out + sizeof(op), &cond, sizeof(cond));
	memcpy(out + sizeof(op) + sizeof(cond), a->bytes, address_len(a));
	if (after == 0)
		return len;
	op = (struct inet_diag_bc_op){
		.code = INET_DIAG_BC_JMP, .yes = (uint8_t)jump, .no = (uint16_t)(jump + after)
	};
	memcpy(out + len, &op, sizeof(op));
	return len + jump;
}

/* From the last condition to the first, for each jump has to know what follows. Returns where it begins. */
static const uint8_t *
build_filter(uint8_t *end, int family, const struct svip_addr *a, int n)
{
	uint8_t one[64], *begin = end;

	for (int i = n - 1; i >= 0; i--) {
		size_t len;

		if (!can_match(family, &a[i]))
			continue;
		len = put_condition(one, &a[i], (size_t)(end - begin));
		begin -= len;
		memcpy(begin, one, len);
	}
	return begin;
}

size_t
diag_put_dump(void *out, uint32_t seq, int family, const struct svip_addr *a, int n)
{
	uint8_t room[SVIP_ADDRESSES_MAX * 32];
	const uint8_t *filter;
	const struct inet_diag_req_v2 req = { .sdiag_family = family == 4 ? AF_INET : AF_INET6,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = states };
	struct nlmsghdr *nlh;

	assert(n <= SVIP_ADDRESSES_MAX);
	filter = build_filter(room + sizeof(room), family, a, n);
	if (filter == room + sizeof(room))
		return 0;
	nlh = put_request(out, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, seq, &req);
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, (size_t)(room + sizeof(room) - filter), filter);
	return nlh->nlmsg_len;
}

size_t
diag_put_destroy(void *out, uint32_t seq, const struct diag_socket *s)
{
	const struct inet_diag_req_v2 req = { .sdiag_family = s->family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = states,
		.id = s->id };

	return put_request(out, SOCK_DESTROY, 0, seq, &req)->nlmsg_len;
}

/* ---- reading ---- */

/* An answer's error as a positive errno. False: no kernel says that. */
static bool
read_error(int told, int *error)
{
	if (told > 0 || told < -ERRNO_MAX)
		return false;
	*error = -told;
	return true;
}

static bool
read_message(const struct nlmsghdr *nlh, struct diag_info *info)
{
	const size_t len = mnl_nlmsg_get_payload_len(nlh);
	const void *payload = mnl_nlmsg_get_payload(nlh);
	const struct inet_diag_msg *m = payload;

	switch (nlh->nlmsg_type) {
	case SOCK_DIAG_BY_FAMILY:
		if (len < sizeof(*m))
			return false;
		info->kind = DIAG_SOCKET;
		info->socket = (struct diag_socket){ .family = m->idiag_family, .id = m->id };
		return true;
	case NLMSG_ERROR:
		info->kind = DIAG_ANSWER;
		return len >= sizeof(struct nlmsgerr) &&
		       read_error(((const struct nlmsgerr *)payload)->error, &info->error);
	case NLMSG_DONE:
		info->kind = DIAG_DONE;
		return len < sizeof(int) || read_error(*(const int *)payload, &info->error);
	default:
		info->kind = DIAG_OTHER;
		return true;
	}
}

bool
diag_parse(const void *in, size_t len, void (*each)(void *, const struct diag_info *), void *ctx)
{
	const struct nlmsghdr *nlh = in;
	int left = (int)len;

	while (left > 0) {
		struct diag_info info = { .kind = DIAG_OTHER };

		/* libmnl 1.0.4 takes a length above INT_MAX for a negative one, and lets it pass. */
		if (!mnl_nlmsg_ok(nlh, left) || nlh->nlmsg_len > (uint32_t)left)
			return false;
		info.seq = nlh->nlmsg_seq;
		if (!read_message(nlh, &info))
			return false;
		each(ctx, &info);
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return true;
}
