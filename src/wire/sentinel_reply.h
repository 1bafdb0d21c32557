/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Sentinel and Redis answered, as structs. Reads replies that hiredis has parsed; never does I/O, never trusts.
 *
 * Every reply is hostile until it has been looked at: type, count, length and range are checked, and whatever isn't
 * as expected becomes one word of a closed list. Nothing is kept of a reply after a function has returned.
 */
#ifndef WIRE_SENTINEL_REPLY_H
#define WIRE_SENTINEL_REPLY_H

#include <svip/core.h>

struct redisReply;

/* What can be wrong with a reply. */
enum reply_fault {
	REPLY_FINE,
	REPLY_NO_CONNECTION, /* there is no reply: not connected, or lost before it came */
	REPLY_WRONG_TYPE,    /* not an array, or not as many elements as it must have */
	REPLY_MISSING_FIELD,
	REPLY_BAD_NUMBER,
	REPLY_BAD_PORT,       /* 0, or above 65535, or no number */
	REPLY_BAD_HOST,       /* empty, too long, or neither an address nor a host name */
	REPLY_UNKNOWN_MASTER, /* Sentinel doesn't monitor that name */
	REPLY_LOADING,        /* Redis is reading its data */
	REPLY_NO_AUTH,        /* NOAUTH, WRONGPASS */
	REPLY_NO_PERMISSION,  /* NOPERM: the ACL forbids the command */
	REPLY_NO_SENTINEL,    /* the command isn't known there: not a Sentinel, or renamed */
	REPLY_ERROR,          /* any other error */
	REPLY_FAULTS          /* how many */
};

const char *reply_fault_word(enum reply_fault); /* "unknown-master", … */

enum {
	REPLY_TEXT_MAX = 128,     /* bytes of a cleaned text, with the NUL */
	REPLY_SENTINELS_MAX = 32, /* Sentinels read from one reply; the rest is ignored */
};

/*
 * Why a reply is at fault, for people: its error text, or the fault's word. Printable ASCII only.
 * reply may be NULL. Returns out.
 */
const char *reply_text(const struct redisReply *reply, enum reply_fault, char out[REPLY_TEXT_MAX]);

/* SENTINEL MASTER name. */
struct sentinel_master {
	struct svip_host host; /* during a failover, on its leader: still the old master */
	uint64_t epoch;        /* config-epoch, at most INT64_MAX */
	bool s_down, o_down;
	bool failover;        /* failover_in_progress: this Sentinel leads one */
	int other_sentinels;  /* num-other-sentinels; -1: not told */
	int quorum;           /* -1: not told */
	svip_ms last_ok_ping; /* ms since the last valid answer to a ping; -1: not told */
};
enum reply_fault sentinel_reply_master(const struct redisReply *, struct sentinel_master *);

/* SENTINEL GET-MASTER-ADDR-BY-NAME name. A nil is REPLY_UNKNOWN_MASTER. */
enum reply_fault sentinel_reply_addr(const struct redisReply *, struct svip_host *);

/* SENTINEL SENTINELS name: the other Sentinels, at most REPLY_SENTINELS_MAX. */
enum reply_fault sentinel_reply_sentinels(
    const struct redisReply *, struct svip_host out[REPLY_SENTINELS_MAX], int *n);

/* ROLE: *master is true for a master, false for a replica and whatever else there is. */
enum reply_fault sentinel_reply_role(const struct redisReply *, bool *master);

/* True for the confirmation of SUBSCRIBE channel. */
bool sentinel_reply_subscribed(const struct redisReply *, const char *channel);

/* True for a message to a subscriber, false for the answer to a command. */
bool sentinel_reply_is_message(const struct redisReply *);

/* An event of Sentinel's (Redis documentation, "Sentinel", Pub/Sub messages). */
struct sentinel_message {
	enum sentinel_news news;
	char name[SVIP_NAME_MAX]; /* of the master */
	struct svip_host to;      /* with NEWS_SWITCH: the new master */
};

/*
 * Reads a message about a master. False: it is about none, or can't be read.
 * A switch whose address can't be read becomes NEWS_RESET: it ends evidence and grants none.
 */
bool sentinel_reply_message(const struct redisReply *, struct sentinel_message *);

#endif
