/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files sentinel*.c share: one struct for each configured Sentinel. Nobody else includes this.
 *
 * sentinel.c        the set: instances, addresses, status
 * sentinel_query.c  questions, answers, the spare connection
 * sentinel_news.c   events
 * sentinel_ask.c    questions of other kinds, to one Sentinel
 * sentinel_known.c  which Sentinels a Sentinel knows
 */
#ifndef IO_SENTINEL_IN_H
#define IO_SENTINEL_IN_H

#include "log.h"
#include "resolver.h"
#include "rkeep.h"
#include "sentinel.h"

enum {
	QUERIES = 2,        /* connections for questions: one, and the spare */
	POLLS_OUT_MAX = 12, /* questions without an answer about one instance on one connection */
	HINT_GAP_MS = 2,    /* between two questions that hints have caused */
	LAG_MIN_MS = 250,   /* an answer out for longer opens the spare, or 1.5 polls */
	CALM_MS = 5000,     /* no answer late for so long: the spare is closed */
	COMMAND_MIN_MS = 2000,  /* an answer out for longer ends the connection, or two leases */
	PING_MS = 1000,         /* probe of the connection for events */
	KNOWN_FIRST_MS = 10000, /* a Sentinel finds the others in the seconds after its start */
	KNOWN_EVERY_MS = 60000,
	SAY_MS = 600000,         /* between two warnings of one kind */
	RESOLVE_AGAIN_MS = 2000, /* between two look-ups */
	ID_MAX = 41,
};

/* The last answers of one connection that named two masters. */
struct disagreement {
	bool set;
	uint64_t epoch;
	struct svip_host master, addr;
	svip_ms asked;
};

/* One instance at one Sentinel. */
struct track {
	unsigned wanted;  /* bit for each connection: to be asked */
	int out[QUERIES]; /* questions without an answer */
	struct disagreement odd[QUERIES];
	int from;      /* connection of the last view */
	svip_ms heard; /* when it came; SVIP_LONG_AGO: none yet */
	enum reply_fault fault;
};

struct query {
	struct server *server;
	int n;
	bool used;
	struct rkeep keep;
	bool starved; /* instances had to wait for room */
	int next;     /* instance to begin with */
	/* The answer to SENTINEL MASTER, until the other one comes. */
	struct sentinel_master half;
	enum reply_fault half_fault;
	char half_text[REPLY_TEXT_MAX];
	svip_ms half_asked;
};

struct server {
	struct sentinels *set;
	int index;
	unsigned lists; /* it is in: a bit each */
	struct svip_host host;
	char text[SVIP_TEXT_MAX];
	char id[ID_MAX];

	bool numeric;
	struct resolver *resolver;
	int n_addrs;
	struct svip_addr addr[RESOLVER_ADDRESSES_MAX];
	int good;   /* index of the address that worked last */
	bool stale; /* look the name up again */
	svip_ms looked_up;
	char lookup_error[REPLY_TEXT_MAX]; /* empty: none */

	struct query query[QUERIES];
	int current; /* the connection that the views come by */
	struct ev_timer tick, soon, lag;
	svip_ms hinted, lagged;
	svip_ms replied, rtt_ms;
	bool said_up; /* as logged */

	struct rkeep sub;
	int confirmed; /* channels */
	bool listening;
	svip_ms pinged;

	svip_ms known_next;
	int known_turn;        /* instance to ask about next */
	uint32_t known_serial; /* instance that the findings are about; 0: none */
	int n_unknown, n_missing;
	struct svip_host unknown[SENTINEL_ODD_MAX], missing[SENTINEL_ODD_MAX];
	struct log_limit known_limit, news_limit, log_limit;

	struct track *track; /* for each instance */
};

struct named {
	char name[SVIP_NAME_MAX];
	uint32_t serial; /* never used twice, never 0 */
};

struct sentinels {
	struct ev_loop *loop;
	const struct sentinel_owner *owner;
	void *ctx;
	struct set_auth auth;
	svip_ms poll_ms, lease_ms;
	int n_servers;
	struct server *server[SVIP_SENTINELS_MAX];
	int n_instances, instances_max;
	struct named *instance;
	uint32_t last_serial;
};

/* sentinel.c */
uint64_t sentinel_tag(const struct sentinels *, int instance);
int sentinel_of_tag(const struct sentinels *, uint64_t tag); /* -1: gone */
bool sentinel_where(struct server *, const struct rkeep *, struct svip_addr *, uint16_t *port);
void sentinel_where_failed(struct server *, const struct rkeep *, bool was_up);
void sentinel_where_worked(struct server *, const struct rkeep *);
/* Notes the Sentinel's id. second: it must be the one already known. False: it is not; why says so. */
bool sentinel_identify(
    struct server *, const struct redisReply *, bool second, char why[REPLY_TEXT_MAX]);
void sentinel_session(struct server *); /* tells session(), and listening() if so */

/* sentinel_query.c */
void sentinel_query_init(struct server *);
void sentinel_query_fini(struct server *);
void sentinel_query_auth(struct server *);
void sentinel_query_hint(struct server *, int instance);
void sentinel_query_timing(struct server *);
bool sentinel_query_up(const struct server *);

/* sentinel_news.c */
void sentinel_news_init(struct server *);
void sentinel_news_fini(struct server *);
void sentinel_news_tick(struct server *, svip_ms now);
void sentinel_news_ping(struct server *, svip_ms now); /* at once, unless one is out */

/* sentinel_known.c */
void sentinel_known_tick(struct server *, struct rkeep *, svip_ms now);

#endif
