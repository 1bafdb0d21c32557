/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A valid configuration as plain data. Made whole by the parser or not at all; never changed after.
 */
#ifndef SVIP_SETTINGS_H
#define SVIP_SETTINGS_H

#include <svip/types.h>

enum {
	SET_ARP_STEPS_MAX = 16, /* announcements in one burst */
	SET_PATH_MAX = 256,
	SET_SECRET_MAX = 256,
	SET_KEYS_MAX = 2,
};

enum set_loglevel { SET_LOG_ERROR, SET_LOG_WARNING, SET_LOG_NOTICE, SET_LOG_INFO, SET_LOG_DEBUG };

struct set_auth {
	char user[SVIP_NAME_MAX];        /* empty: the default user */
	char file[SET_PATH_MAX];         /* where the password was read; empty: none */
	char password[SET_SECRET_MAX];   /* empty: no AUTH; never printed */
};

/* Announcements after taking: offsets from the take, then a refresh for ever. */
struct set_arp {
	int n_steps;
	svip_ms step_ms[SET_ARP_STEPS_MAX]; /* ascending, the first is 0 */
	svip_ms refresh_ms;                 /* 0: no refresh; jitter of up to 10 % is added */
};

struct set_scripts { /* absolute paths; empty: none */
	char any[SET_PATH_MAX];    /* notify */
	char master[SET_PATH_MAX]; /* notify-master */
	char backup[SET_PATH_MAX];
	char fault[SET_PATH_MAX];
};

struct set_instance {
	char name[SVIP_NAME_MAX]; /* [A-Za-z0-9_.-]+, as in "sentinel monitor" */
	uint64_t id;              /* keyless BLAKE2b of the name, 8 bytes, read big-endian */
	int line;                 /* where the block begins, for messages */
	char interface[16];
	int n_addresses;
	struct svip_addr address[SVIP_ADDRESSES_MAX];
	struct svip_host redis;   /* the local Redis: numeric address (this node's unless written) and port */
	bool redis_given;         /* "ip:port" was written, not of loopback: only this endpoint is this node's */
	struct svip_host announce; /* the name or address under which Sentinel knows this node; port 0: none */
	bool yield_on_conflict;   /* to another host that has an address: the block's own, else the file's */
	bool reset_connections;   /* of clients, before the addresses go: the block's own, else the file's */
	struct set_scripts scripts; /* the block's own, else the file's */
};

/* What ends a hold when the process can't: `auto` takes what this kernel has. */
enum set_fence { SET_FENCE_AUTO, SET_FENCE_NFTABLES, SET_FENCE_REQUIRED, SET_FENCE_LIFETIME };

enum {
	SET_GUARD_MS = 60,            /* with nftables: the time-out is exact, an order may be 20 ms old, and a tick */
	SET_GUARD_LIFETIME_MS = 2200, /* without: whole seconds, rounded up, and up to 1.03 s late */
};

struct settings {
	char file[SET_PATH_MAX];
	char cluster[SVIP_NAME_MAX];
	uint64_t cluster_id;       /* keyless BLAKE2b of the name, 8 bytes */

	int n_sentinels;
	struct svip_host sentinel[SVIP_SENTINELS_MAX]; /* sorted as in the canonical form */
	int n_nodes;
	struct svip_addr node[SVIP_NODES_MAX]; /* sorted as in the canonical form */
	int self;                  /* index in node[], -1: this host isn't there (only with -t) */

	char key_file[SET_PATH_MAX];
	int n_keys;                /* the first is used, both are accepted */
	uint8_t key[SET_KEYS_MAX][SVIP_KEY_LEN];
	uint32_t key_number[SET_KEYS_MAX]; /* "# key N" behind it, as `svipctl key rotate` writes it; 0: none */

	svip_ms lease_ms;
	svip_ms poll_ms;
	svip_ms guard_ms;          /* what every release keeps to, with the fence that is asked for */
	enum set_fence fence;
	int drift_ppm;
	svip_ms heartbeat_ms;
	bool hold_on_quorum_loss;
	bool observe;

	bool multicast;
	struct svip_addr group;
	uint16_t port;             /* UDP, multicast and unicast */
	bool hold_writes;          /* at the local Redis, while a failover of it runs */
	bool handover_on_stop;
	svip_ms expedite_ms;       /* the local Redis gone for so long is let go; 0: never */
	bool unicast;
	int ttl_min;               /* least TTL accepted; 255 by default */

	struct set_auth sentinel_auth;
	struct set_auth redis_auth;
	struct set_arp arp;

	svip_ms script_timeout_ms;
	char script_user[SVIP_NAME_MAX];
	char user[SVIP_NAME_MAX];
	char group_name[SVIP_NAME_MAX];
	enum set_loglevel log_level;
	struct svip_host metrics;  /* where they are read over HTTP, a numeric address; port 0: nowhere */

	uint64_t serial;           /* of the file's first line: wire/version.h */
	bool edited;               /* since that was written */
	int n_absent;              /* nodes that may be missing while it comes into force: the same line */
	struct svip_addr absent[SVIP_NODES_MAX];
	uint8_t digest_safety[SVIP_DIGEST_LEN];
	uint8_t digest_all[SVIP_DIGEST_LEN];

	int n_instances;
	struct set_instance *instance; /* in the order of the file; owned, see settings_free */
};

void settings_free(struct settings *); /* wipes secrets; accepts NULL */

#endif
