/* SPDX-License-Identifier: BSD-2-Clause */
/* sock_diag messages: the filter lets exactly the addresses' sockets pass, as the kernel runs it, and no length is trusted. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/diag_msg.h"

static char buf[DIAG_DUMP_MAX] __attribute__((aligned(8)));
static struct diag_info seen[4];
static int n_seen;

static void
see(void *ctx, const struct diag_info *info)
{
	(void)ctx;
	assert_true(n_seen < 4);
	seen[n_seen++] = *info;
}

static struct svip_addr
make(const char *text)
{
	struct svip_addr a;

	assert_true(svip_addr_parse(text, &a));
	return a;
}

/* ---- the kernel's part, after net/ipv4/inet_diag.c ---- */

/* valid_cc(): is that place reached by `yes` alone? */
static bool
reachable(const char *code, int len, int place)
{
	while (len > place) {
		const struct inet_diag_bc_op *op = (const void *)code;

		if (op->yes < 4 || op->yes % 4 != 0)
			return false;
		code += op->yes;
		len -= op->yes;
	}
	return len == place;
}

/* inet_diag_bc_audit() */
static void
audit(const char *code, int whole)
{
	const char *at = code;
	int len = whole;

	while (len > 0) {
		const struct inet_diag_bc_op *op = (const void *)at;
		int least = (int)sizeof(*op);

		if (op->code == INET_DIAG_BC_S_COND) {
			const struct inet_diag_hostcond *cond = (const void *)(op + 1);

			least += (int)sizeof(*cond) + (cond->family == AF_INET ? 4 : 16);
			assert_int_equal(cond->prefix_len, cond->family == AF_INET ? 32 : 128);
			assert_true(len >= least);
		} else {
			assert_int_equal(op->code, INET_DIAG_BC_JMP);
		}
		assert_true(op->no >= least && op->no <= len + 4 && op->no % 4 == 0);
		assert_true(op->no >= len || reachable(code, whole, len - op->no));
		assert_true(op->yes >= least && op->yes <= len + 4 && op->yes % 4 == 0);
		at += op->yes;
		len -= op->yes;
	}
	assert_int_equal(len, 0);
}

/* inet_diag_bc_run() */
static bool
passes(const char *code, int len, const struct svip_addr *local)
{
	while (len > 0) {
		const struct inet_diag_bc_op *op = (const void *)code;
		const struct inet_diag_hostcond *cond = (const void *)(op + 1);
		bool yes = false;

		if (op->code == INET_DIAG_BC_S_COND &&
		    cond->family == (local->family == 4 ? AF_INET : AF_INET6))
			yes = cond->port == -1 &&
			      memcmp(cond->addr, local->bytes, local->family == 4 ? 4 : 16) == 0;
		len -= yes ? op->yes : op->no;
		code += yes ? op->yes : op->no;
	}
	return len == 0;
}

static const char *
filter_of(size_t len, int *filter_len)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	const struct nlattr *a = mnl_nlmsg_get_payload_offset(h, sizeof(struct inet_diag_req_v2));

	assert_int_equal(h->nlmsg_len, len);
	assert_int_equal(h->nlmsg_type, SOCK_DIAG_BY_FAMILY);
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_true(mnl_attr_ok(a, (int)(len - ((const char *)a - buf))));
	assert_int_equal(mnl_attr_get_type(a), INET_DIAG_REQ_BYTECODE);
	*filter_len = mnl_attr_get_payload_len(a);
	return mnl_attr_get_payload(a);
}

static void
the_filter_passes_the_addresses_and_no_other(void **state)
{
	const struct svip_addr a[] = { make("10.0.0.50"), make("2001:db8::50"), make("10.0.0.51"),
		make("2001:db8::51") };
	const struct svip_addr other[] = { make("10.0.0.52"), make("10.0.0.5"),
		make("2001:db8::52") };
	const char *code;
	int len;

	(void)state;
	for (int n = 1; n <= 4; n++) {
		for (int family = 4; family <= 6; family += 2) {
			code = filter_of(diag_put_dump(buf, 7, family, a, n), &len);
			audit(code, len);
			for (int i = 0; i < 4; i++)
				assert_int_equal(passes(code, len, &a[i]),
				    i < n && (family == 6 || a[i].family == 4));
			for (int i = 0; i < 3; i++)
				assert_false(passes(code, len, &other[i]));
		}
	}
}

static void
an_ipv4_address_is_also_looked_for_among_sockets_for_both_families(void **state)
{
	const struct svip_addr a = make("10.0.0.50"), six = make("2001:db8::50");
	const struct inet_diag_req_v2 *req = mnl_nlmsg_get_payload((struct nlmsghdr *)buf);
	const char *code;
	int len;

	(void)state;
	code = filter_of(diag_put_dump(buf, 7, 6, &a, 1), &len);
	assert_int_equal(req->sdiag_family, AF_INET6);
	audit(code, len);
	assert_true(passes(code, len, &a));
	assert_int_equal(diag_put_dump(buf, 7, 4, &six, 1), 0);
	assert_int_equal(diag_put_dump(buf, 7, 6, &six, 0), 0);
}

static void
the_most_addresses_fit(void **state)
{
	struct svip_addr a[SVIP_ADDRESSES_MAX], other = make("2001:db8::1:0");
	const char *code;
	int len;

	(void)state;
	for (int i = 0; i < SVIP_ADDRESSES_MAX; i++) {
		a[i] = make("2001:db8::");
		a[i].bytes[15] = (uint8_t)i;
	}
	code = filter_of(diag_put_dump(buf, 7, 6, a, SVIP_ADDRESSES_MAX), &len);
	audit(code, len);
	for (int i = 0; i < SVIP_ADDRESSES_MAX; i++)
		assert_true(passes(code, len, &a[i]));
	assert_false(passes(code, len, &other));
}

static void
listeners_and_what_has_ended_are_not_asked_for(void **state)
{
	const struct inet_diag_req_v2 *req = mnl_nlmsg_get_payload((struct nlmsghdr *)buf);
	const struct svip_addr a = make("10.0.0.50");

	(void)state;
	diag_put_dump(buf, 7, 4, &a, 1);
	assert_int_equal(req->sdiag_family, AF_INET);
	assert_int_equal(req->sdiag_protocol, IPPROTO_TCP);
	for (int s = TCP_ESTABLISHED; s <= TCP_CLOSING; s++)
		assert_int_equal((req->idiag_states >> s & 1) != 0,
		    s != TCP_LISTEN && s != TCP_CLOSE && s != TCP_TIME_WAIT && s != TCP_FIN_WAIT2);
}

static void
an_order_names_one_connection(void **state)
{
	struct diag_socket s = {
		.family = AF_INET6,
	};
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	const struct inet_diag_req_v2 *req = mnl_nlmsg_get_payload(h);
	size_t len;

	(void)state;
	memset(&s.id, 0x5a, sizeof(s.id));
	len = diag_put_destroy(buf, 9, &s);
	assert_true(len <= DIAG_DESTROY_MAX && len % 4 == 0);
	assert_int_equal(h->nlmsg_len, len);
	assert_int_equal(h->nlmsg_type, 21); /* SOCK_DESTROY */
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST);
	assert_int_equal(h->nlmsg_seq, 9);
	assert_int_equal(req->sdiag_family, AF_INET6);
	assert_int_equal(req->sdiag_protocol, IPPROTO_TCP);
	assert_memory_equal(&req->id, &s.id, sizeof(s.id));
}

/* ---- reading ---- */

static struct nlmsghdr *
put(size_t at, uint16_t type, uint32_t seq, const void *payload, size_t len)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf + at);

	h->nlmsg_type = type;
	h->nlmsg_seq = seq;
	memcpy(mnl_nlmsg_put_extra_header(h, len), payload, len);
	return h;
}

static void
connections_and_answers_are_read(void **state)
{
	struct inet_diag_msg m = { .idiag_family = AF_INET,
		.idiag_state = TCP_ESTABLISHED,
		.id = { .idiag_sport = 1, .idiag_cookie = { 2, 3 } } };
	const struct nlmsgerr refused = { .error = -EOPNOTSUPP }, done = { .error = 0 };
	const int end = 0, bad_end = -ENOENT;
	size_t len = 0;

	(void)state;
	len += put(len, SOCK_DIAG_BY_FAMILY, 5, &m, sizeof(m))->nlmsg_len;
	len += put(len, NLMSG_ERROR, 6, &refused, sizeof(refused))->nlmsg_len;
	len += put(len, NLMSG_ERROR, 7, &done, sizeof(done))->nlmsg_len;
	len += put(len, NLMSG_DONE, 5, &end, sizeof(end))->nlmsg_len;
	n_seen = 0;
	assert_true(diag_parse(buf, len, see, NULL));
	assert_int_equal(n_seen, 4);
	assert_true(seen[0].kind == DIAG_SOCKET && seen[0].seq == 5);
	assert_int_equal(seen[0].socket.family, AF_INET);
	assert_memory_equal(&seen[0].socket.id, &m.id, sizeof(m.id));
	assert_true(seen[1].kind == DIAG_ANSWER && seen[1].seq == 6 && seen[1].error == EOPNOTSUPP);
	assert_true(seen[2].kind == DIAG_ANSWER && seen[2].error == 0);
	assert_true(seen[3].kind == DIAG_DONE && seen[3].error == 0);
	n_seen = 0;
	len = put(0, NLMSG_DONE, 5, &bad_end, sizeof(bad_end))->nlmsg_len;
	len += put(len, NLMSG_DONE, 5, "", 0)->nlmsg_len;
	len += put(len, NLMSG_NOOP, 5, "", 0)->nlmsg_len;
	assert_true(diag_parse(buf, len, see, NULL));
	assert_true(seen[0].kind == DIAG_DONE && seen[0].error == ENOENT);
	assert_true(seen[1].kind == DIAG_DONE && seen[1].error == 0 && seen[2].kind == DIAG_OTHER);
}

static void
what_is_cut_off_or_impossible_is_refused(void **state)
{
	const struct inet_diag_msg m = { .idiag_family = AF_INET };
	const struct nlmsgerr e = { .error = -EPERM };
	const int impossible[] = { 1, -4096, INT32_MIN };
	struct nlmsghdr *h = put(0, SOCK_DIAG_BY_FAMILY, 5, &m, sizeof(m));
	const size_t whole = h->nlmsg_len;

	(void)state;
	for (size_t len = 1; len < whole; len++) {
		n_seen = 0;
		assert_false(diag_parse(buf, len, see, NULL));
		assert_int_equal(n_seen, 0);
	}
	h->nlmsg_len = UINT32_MAX;
	assert_false(diag_parse(buf, whole, see, NULL));
	put(0, SOCK_DIAG_BY_FAMILY, 5, &m, sizeof(m) - 4);
	assert_false(diag_parse(buf, whole - 4, see, NULL));
	put(0, NLMSG_ERROR, 5, &e, sizeof(e) - 4);
	assert_false(diag_parse(buf, NLMSG_HDRLEN + sizeof(e) - 4, see, NULL));
	for (int i = 0; i < 3; i++) {
		const struct nlmsgerr wrong = { .error = impossible[i] };

		put(0, NLMSG_ERROR, 5, &wrong, sizeof(wrong));
		assert_false(diag_parse(buf, NLMSG_HDRLEN + sizeof(wrong), see, NULL));
		put(0, NLMSG_DONE, 5, &impossible[i], sizeof(impossible[i]));
		assert_false(diag_parse(buf, NLMSG_HDRLEN + sizeof(impossible[i]), see, NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_filter_passes_the_addresses_and_no_other),
		cmocka_unit_test(
		    an_ipv4_address_is_also_looked_for_among_sockets_for_both_families),
		cmocka_unit_test(the_most_addresses_fit),
		cmocka_unit_test(listeners_and_what_has_ended_are_not_asked_for),
		cmocka_unit_test(an_order_names_one_connection),
		cmocka_unit_test(connections_and_answers_are_read),
		cmocka_unit_test(what_is_cut_off_or_impossible_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
