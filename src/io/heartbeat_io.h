/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heartbeats on the network: UDP over IPv4 and IPv6, as the nodes and the group need it. Sends what
 * it is given to the group and to every other node; hands on what is authentic, well-formed and
 * from a node. Whether that is fresh, and what it means, is the core's to say.
 *
 * Checks of a datagram, the cheap ones first: whole? TTL? magic, version, cluster? tag? each field?
 * one of our nodes? Each refusal is counted, and logged at a limited rate. At most
 * HEARTBEAT_IO_BUDGET datagrams are read before the loop goes on, so a flood can't keep it from
 * anything else.
 */
#ifndef IO_HEARTBEAT_IO_H
#define IO_HEARTBEAT_IO_H

#include <svip/heartbeat.h>
#include <svip/settings.h>

struct ev_loop;

enum { HEARTBEAT_IO_BUDGET = 64 };

enum heartbeat_io_refusal {
	HEARTBEAT_IO_TRUNCATED, /* longer than any heartbeat */
	HEARTBEAT_IO_LOW_TTL,   /* below ttl_min: not from this link */
	HEARTBEAT_IO_BAD_VERSION,
	HEARTBEAT_IO_OTHER_CLUSTER,
	HEARTBEAT_IO_BAD_TAG, /* another key, or forged */
	HEARTBEAT_IO_MALFORMED,
	HEARTBEAT_IO_NOT_A_NODE, /* authentic, but from nobody in `nodes` */
	HEARTBEAT_IO_OWN,        /* this node's own, thrown back by the network */
	HEARTBEAT_IO_REFUSALS,
};

struct heartbeat_io_counters {
	uint64_t sent, send_errors; /* datagrams: each destination counts */
	uint64_t received;          /* all that came */
	uint64_t accepted;
	uint64_t refused[HEARTBEAT_IO_REFUSALS];
};

/*
 * heard(ctx, hb): authentic, of this cluster, from another node of `nodes`; hb isn't kept.
 * unknown(ctx, node): a datagram from the address of nodes[node] was refused; at most a few times a
 * second. Neither may call init, reload or fini here. What is needed of the settings is copied;
 * seal_init() comes before. 0, or -errno when a socket can't be had. That the group can't be joined
 * yet is no error.
 */
int heartbeat_io_init(struct ev_loop *, const struct settings *,
    void (*heard)(void *ctx, const struct heartbeat *), void (*unknown)(void *ctx, int node),
    void *ctx);
void heartbeat_io_fini(void);

/* Takes other settings; sockets that can stay, do. On an error nothing has changed. 0 or -errno. */
int heartbeat_io_reload(const struct settings *);

/* Looks where this node's own address is now, and joins the group there when that (or the link) has
 * changed. */
void heartbeat_io_rejoin(void);

/* Encodes, seals, and sends to the group and to each other node. 0 when at least one copy has left,
 * else -errno; there is nothing to be done about it: it is counted and logged, and the next beat
 * comes. */
int heartbeat_io_send(const struct heartbeat *);

/* When nodes[node] was last heard by multicast; SVIP_LONG_AGO: never. */
svip_ms heartbeat_io_group_heard(int node);

const struct heartbeat_io_counters *heartbeat_io_counters(void);
const char *heartbeat_io_refusal_word(enum heartbeat_io_refusal); /* "low-ttl", …: for metrics */

#endif
