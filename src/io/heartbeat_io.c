/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends and receives heartbeats. Must not judge them beyond their form: freshness and meaning are
 * the core's. */
#define _GNU_SOURCE /* recvmmsg */
#include "heartbeat_io.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "heartbeat_socket.h"
#include "log.h"
#include "seal.h"

enum {
	BATCH = 32,       /* datagrams in one system call */
	CONTROL_LEN = 64, /* bytes of control messages received: the TTL alone */
	LOG_EVERY_MS = 10000,
	UNKNOWN_EVERY_MS = 200, /* for each node */
};

_Static_assert(HEARTBEAT_IO_BUDGET % BATCH == 0, "whole batches");

static const struct {
	const char *word, *text;
} refusals[HEARTBEAT_IO_REFUSALS] = {
	[HEARTBEAT_IO_TRUNCATED] = { "truncated", "too long" },
	[HEARTBEAT_IO_LOW_TTL] = { "low-ttl",
	    "its TTL is below ttl-min: it came through a router" },
	[HEARTBEAT_IO_BAD_VERSION] = { "bad-version", HB_WHY_VERSION },
	[HEARTBEAT_IO_OTHER_CLUSTER] = { "other-cluster", HB_WHY_CLUSTER },
	[HEARTBEAT_IO_BAD_TAG] = { "bad-tag", "wrong key" },
	[HEARTBEAT_IO_MALFORMED] = { "malformed", "malformed" },
	[HEARTBEAT_IO_NOT_A_NODE] = { "not-a-node", "its sender is none of the nodes" },
	[HEARTBEAT_IO_OWN] = { "own", "this node's own, thrown back" },
};

/* What is needed of the settings. */
struct plan {
	uint64_t cluster;
	int n_nodes, self, ttl_min;
	struct svip_addr node[SVIP_NODES_MAX];
	uint8_t node16[SVIP_NODES_MAX][16];
	bool multicast, unicast;
	struct svip_addr group;
	uint16_t port;
};

enum { V4, V6, FAMILIES };

static struct {
	struct ev_loop *loop;
	struct plan plan;
	int fd[FAMILIES]; /* -1: not needed */
	ev_io io[FAMILIES];
	int joined; /* interface on which the group was joined; 0: none */
	bool up;    /* it was, at that time */
	void (*heard)(void *, const struct heartbeat *);
	void (*unknown)(void *, int);
	void *ctx;
	struct heartbeat_io_counters counters;
	svip_ms unknown_next[SVIP_NODES_MAX];
	svip_ms group_heard[SVIP_NODES_MAX]; /* by multicast; 0: never */
	struct log_limit limit[2]
	                      [HEARTBEAT_IO_REFUSALS]; /* from elsewhere, from a node's address */
	struct log_limit send_limit, receive_limit, join_limit;
} hio = { .fd = { -1, -1 } };

static int
family_of(const struct svip_addr *a)
{
	return a->family == 4 ? V4 : V6;
}

/* ---- sending ---- */

static int
send_one(const uint8_t *bytes, size_t len, const struct svip_addr *to)
{
	const struct svip_addr *own = &hio.plan.node[hio.plan.self];
	bool group = to == &hio.plan.group;
	union {
		struct cmsghdr align;
		uint8_t bytes[HEARTBEAT_SOCKET_CONTROL];
	} control = { .bytes = { 0 } };
	struct sockaddr_storage at;
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_name = &at, .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	msg.msg_namelen = heartbeat_socket_address(to, hio.plan.port, hio.joined, &at);
	/* Never a virtual address, whatever the routes prefer. */
	if (to->family == own->family) {
		msg.msg_control = control.bytes;
		heartbeat_socket_source(&msg, own, group ? hio.joined : 0);
	}
	do {
		n = sendmsg(hio.fd[family_of(to)], &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -errno : 0;
}

static void
count_sent(int rc, const struct svip_addr *to, int *result)
{
	char text[SVIP_TEXT_MAX];
	unsigned held;

	if (rc == 0) {
		hio.counters.sent++;
		*result = 0;
		return;
	}
	hio.counters.send_errors++;
	if (*result != 0)
		*result = rc;
	if (log_allowed(&hio.send_limit, LOG_EVERY_MS, clock_ms(), &held))
		log_warning("heartbeat to %s not sent: %s (%u more of these)",
		    svip_addr_text(to, false, text), strerror(-rc), held);
}

int
heartbeat_io_send(const struct heartbeat *hb)
{
	const struct plan *p = &hio.plan;
	uint8_t bytes[HB_SIZE_MAX];
	size_t len = hb_encode(hb, seal_key_id(), bytes, sizeof(bytes));
	int result = -ENOENT;

	assert(len != 0); /* hb_instances_fit() was heeded */
	len = seal_put(bytes, len);
	if (p->multicast && hio.joined != 0)
		count_sent(send_one(bytes, len, &p->group), &p->group, &result);
	for (int i = 0; p->unicast && i < p->n_nodes; i++) {
		if (i != p->self)
			count_sent(send_one(bytes, len, &p->node[i]), &p->node[i], &result);
	}
	return result;
}

/* ---- receiving ---- */

static int
node_at(const struct svip_addr *from)
{
	for (int i = 0; i < hio.plan.n_nodes; i++) {
		if (i != hio.plan.self && svip_addr_same(from, &hio.plan.node[i]))
			return i;
	}
	return -1;
}

static void
refuse(enum heartbeat_io_refusal kind, const char *why, const struct svip_addr *from)
{
	int node = node_at(from);
	svip_ms now = clock_ms();
	char text[SVIP_TEXT_MAX];
	unsigned held;

	hio.counters.refused[kind]++;
	/* Another cluster in the same group is nothing to talk about. */
	if (node == -1 && kind == HEARTBEAT_IO_OTHER_CLUSTER)
		return;
	if (log_allowed(&hio.limit[node != -1][kind], LOG_EVERY_MS, now, &held)) {
		svip_addr_text(from, false, text);
		if (node != -1)
			log_warning("heartbeat from node %s refused: %s (%u more of these)", text,
			    why, held);
		else
			log_info(
			    "heartbeat from %s refused: %s (%u more of these)", text, why, held);
	}
	if (node != -1 && now >= hio.unknown_next[node]) {
		hio.unknown_next[node] = now + UNKNOWN_EVERY_MS;
		hio.unknown(hio.ctx, node);
	}
}

static enum heartbeat_io_refusal
kind_of(const char *why)
{
	if (strcmp(why, HB_WHY_VERSION) == 0)
		return HEARTBEAT_IO_BAD_VERSION;
	if (strcmp(why, HB_WHY_CLUSTER) == 0)
		return HEARTBEAT_IO_OTHER_CLUSTER;
	return HEARTBEAT_IO_MALFORMED;
}

/* All that a datagram must be before its sender is looked at. True: *hb is filled in. */
static bool
check(struct msghdr *msg, const uint8_t *bytes, size_t len, struct heartbeat *hb,
    enum heartbeat_io_refusal *kind, const char **why)
{
	uint8_t key_id;

	*why = NULL;
	if (msg->msg_flags & MSG_TRUNC) {
		*kind = HEARTBEAT_IO_TRUNCATED;
		return false;
	}
	if (heartbeat_socket_ttl(msg) < hio.plan.ttl_min) {
		*kind = HEARTBEAT_IO_LOW_TTL;
		return false;
	}
	if (!hb_peek(bytes, len, hio.plan.cluster, &key_id, why)) {
		*kind = kind_of(*why);
		return false;
	}
	if (!seal_check(bytes, len, key_id)) {
		*kind = HEARTBEAT_IO_BAD_TAG;
		return false;
	}
	*kind = HEARTBEAT_IO_MALFORMED;
	return hb_decode(bytes, len - HB_TAG_LEN, hb, why);
}

static void
take(struct msghdr *msg, const uint8_t *bytes, size_t len)
{
	static struct heartbeat hb;
	enum heartbeat_io_refusal kind;
	const struct plan *p = &hio.plan;
	struct svip_addr from;
	const char *why;

	hio.counters.received++;
	heartbeat_socket_from(msg->msg_name, &from);
	if (!check(msg, bytes, len, &hb, &kind, &why)) {
		refuse(kind, why != NULL ? why : refusals[kind].text, &from);
		return;
	}
	for (int i = 0; i < p->n_nodes; i++) {
		if (memcmp(hb.node, p->node16[i], sizeof(hb.node)) != 0)
			continue;
		if (i == p->self)
			break;
		hio.counters.accepted++;
		if (heartbeat_socket_group(msg))
			hio.group_heard[i] = clock_ms();
		hio.heard(hio.ctx, &hb);
		return;
	}
	kind = memcmp(hb.node, p->node16[p->self], sizeof(hb.node)) == 0 ? HEARTBEAT_IO_OWN
	                                                                 : HEARTBEAT_IO_NOT_A_NODE;
	refuse(kind, refusals[kind].text, &from);
}

static void
receive_failed(void)
{
	unsigned held;

	if (errno != EAGAIN && errno != EINTR &&
	    log_allowed(&hio.receive_limit, LOG_EVERY_MS, clock_ms(), &held))
		log_warning("heartbeats: receiving: %s (%u more of these)", strerror(errno), held);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	static uint8_t bytes[BATCH][HB_SIZE_MAX];
	static struct sockaddr_storage from[BATCH];
	static union {
		struct cmsghdr align;
		uint8_t bytes[CONTROL_LEN];
	} control[BATCH];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];

	(void)loop, (void)revents;
	for (int read = 0; read < HEARTBEAT_IO_BUDGET; read += BATCH) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = HB_SIZE_MAX };
			msg[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = control[i].bytes,
				.msg_controllen = sizeof(control[i].bytes) };
		}
		n = recvmmsg(w->fd, msg, BATCH, MSG_DONTWAIT, NULL);
		if (n == -1)
			receive_failed();
		for (int i = 0; i < n; i++)
			take(&msg[i].msg_hdr, bytes[i], msg[i].msg_len);
		if (n < BATCH)
			return;
	}
}

/* ---- the group ---- */

static void
leave(void)
{
	if (hio.joined != 0 && hio.fd[family_of(&hio.plan.group)] != -1)
		heartbeat_socket_leave(
		    hio.fd[family_of(&hio.plan.group)], &hio.plan.group, hio.joined);
	hio.joined = 0;
}

void
heartbeat_io_rejoin(void)
{
	const struct plan *p = &hio.plan;
	char group[SVIP_TEXT_MAX], own[SVIP_TEXT_MAX], name[IF_NAMESIZE] = "?";
	bool up;
	unsigned held;
	int ifindex, rc = -ENODEV;

	if (!p->multicast || hio.loop == NULL)
		return;
	ifindex = heartbeat_socket_interface(&p->node[p->self], &up);
	if (ifindex == hio.joined && ifindex != 0 && up == hio.up)
		return;
	/* Anew even on the same interface: a switch that snoops may have forgotten us with the
	 * link. */
	leave();
	if (ifindex != 0)
		rc = heartbeat_socket_join(hio.fd[family_of(&p->group)], &p->group, ifindex);
	svip_addr_text(&p->group, false, group);
	if (rc == 0) {
		hio.joined = ifindex;
		hio.up = up;
		log_info(
		    "heartbeats: joined %s on %s", group, if_indextoname((unsigned)ifindex, name));
		return;
	}
	if (log_allowed(&hio.join_limit, LOG_EVERY_MS, clock_ms(), &held))
		log_warning("heartbeats: %s not joined on the interface of %s: %s", group,
		    svip_addr_text(&p->node[p->self], false, own),
		    ifindex == 0 ? "no interface has that address" : strerror(-rc));
}

/* ---- life ---- */

static void
make_plan(struct plan *p, const struct settings *set)
{
	assert(set->self >= 0 && set->self < set->n_nodes);
	*p = (struct plan){ .cluster = set->cluster_id,
		.n_nodes = set->n_nodes,
		.self = set->self,
		.ttl_min = set->ttl_min,
		.multicast = set->multicast,
		.unicast = set->unicast,
		.group = set->group,
		.port = set->port };
	for (int i = 0; i < set->n_nodes; i++) {
		p->node[i] = set->node[i];
		hb_node(&set->node[i], p->node16[i]);
	}
}

static bool
needs(const struct plan *p, int family)
{
	if (p->multicast && family_of(&p->group) == family)
		return true;
	for (int i = 0; i < p->n_nodes; i++) {
		if (family_of(&p->node[i]) == family)
			return true;
	}
	return false;
}

static void
close_socket(int family)
{
	if (hio.fd[family] == -1)
		return;
	ev_io_stop(hio.loop, &hio.io[family]);
	close(hio.fd[family]);
	hio.fd[family] = -1;
}

static void
use_socket(int family, int fd)
{
	hio.fd[family] = fd;
	ev_io_init(&hio.io[family], on_readable, fd, EV_READ);
	ev_io_start(hio.loop, &hio.io[family]);
}

/* First opens whatever is missing, then lets go of what isn't needed any more. */
static int
take_plan(const struct plan *next)
{
	bool moved = next->port != hio.plan.port;
	int fresh[FAMILIES] = { -1, -1 };

	for (int f = 0; f < FAMILIES; f++) {
		if (!needs(next, f) || (hio.fd[f] != -1 && !moved))
			continue;
		fresh[f] = heartbeat_socket_open(f == V4 ? 4 : 6, next->port);
		if (fresh[f] < 0) {
			if (f == V6 && fresh[V4] >= 0)
				close(fresh[V4]);
			return fresh[f];
		}
	}
	leave();
	for (int f = 0; f < FAMILIES; f++) {
		if (fresh[f] != -1 || !needs(next, f))
			close_socket(f);
		if (fresh[f] != -1)
			use_socket(f, fresh[f]);
	}
	if (next->n_nodes != hio.plan.n_nodes ||
	    memcmp(next->node16, hio.plan.node16, sizeof(next->node16)) != 0)
		memset(hio.group_heard, 0, sizeof(hio.group_heard));
	hio.plan = *next;
	memset(hio.unknown_next, 0, sizeof(hio.unknown_next));
	heartbeat_io_rejoin();
	return 0;
}

int
heartbeat_io_init(struct ev_loop *loop, const struct settings *set,
    void (*heard)(void *, const struct heartbeat *), void (*unknown)(void *, int), void *ctx)
{
	struct plan plan;
	int rc;

	assert(hio.loop == NULL);
	memset(&hio, 0, sizeof(hio));
	hio.fd[V4] = hio.fd[V6] = -1;
	hio.loop = loop;
	hio.heard = heard;
	hio.unknown = unknown;
	hio.ctx = ctx;
	make_plan(&plan, set);
	rc = take_plan(&plan);
	if (rc != 0)
		hio.loop = NULL;
	return rc;
}

void
heartbeat_io_fini(void)
{
	if (hio.loop == NULL)
		return;
	close_socket(V4);
	close_socket(V6);
	hio.loop = NULL;
}

int
heartbeat_io_reload(const struct settings *set)
{
	struct plan plan;

	make_plan(&plan, set);
	return take_plan(&plan);
}

svip_ms
heartbeat_io_group_heard(int node)
{
	return hio.group_heard[node] != 0 ? hio.group_heard[node] : SVIP_LONG_AGO;
}

const struct heartbeat_io_counters *
heartbeat_io_counters(void)
{
	return &hio.counters;
}

const char *
heartbeat_io_refusal_word(enum heartbeat_io_refusal kind)
{
	return refusals[kind].word;
}
