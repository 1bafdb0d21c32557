/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision core: dated events in, actions out. No I/O, no clock, no heap, no log.
 *
 * struct core is plain data without pointers: it can be copied, compared, hashed and replayed.
 * The rules are those of doc/SAFETY.md; the arithmetic is in src/core/lease.c.
 */
#ifndef SVIP_CORE_H
#define SVIP_CORE_H

#include <svip/heartbeat.h>
#include <svip/types.h>

enum core_state { CORE_INIT, CORE_BACKUP, CORE_WAITING, CORE_MASTER, CORE_FAULT };

/* Why an instance is in its state. A closed list: the same words in log, JSON, scripts, metrics. */
enum core_reason {
	WHY_STARTING,         /* the kernel or a majority of the Sentinels has not been heard yet */
	WHY_NO_QUORUM,        /* fewer than a majority of the Sentinels answer */
	WHY_SPLIT,            /* they answer, but no majority names one node at one epoch */
	WHY_OTHER_NAMED,      /* a majority names another node */
	WHY_MASTER_DOWN,      /* this node is named, but Sentinels see its Redis down */
	WHY_LEASE_RUNS,       /* named; the lease of a holder before may still run */
	WHY_NEWER_EPOCH,      /* a Sentinel or a peer has shown a newer epoch */
	WHY_PROMISED,         /* yielded to a claim at this epoch or a later one */
	WHY_TAKING,           /* the kernel has been asked for the addresses */
	WHY_QUORUM_CONFIRMED, /* holding: older leases have run out */
	WHY_ALL_YIELDED,      /* holding: every other node has said that it holds nothing */
	WHY_TAKEN_OVER,       /* holding: what this host's svipd held before its end was still good */
	WHY_QUORUM_LOST_HELD, /* holding without a lease, as on-quorum-loss = hold orders */
	WHY_LEASE_EXPIRED,    /* let go: no fresh majority */
	WHY_PEER_NEWER,       /* let go: a peer holds or claims at a newer epoch */
	WHY_CLOCK_JUMP,       /* let go: the clocks jumped or the process slept */
	WHY_REDIS_NOT_MASTER, /* the local Redis does not say that it is a master */
	WHY_REDIS_GONE,       /* let go: the local Redis is certainly gone */
	WHY_LINK_DOWN,        /* interface down or gone */
	WHY_ADDRESS_REFUSED,  /* the kernel would not add an address */
	WHY_ADDRESS_STUCK,    /* the kernel would not remove an address */
	WHY_CONFIG_MISMATCH,  /* a peer has another safety part of the configuration */
	WHY_NOT_MEMBER,       /* a change of the nodes is under way, and this one is not both before and after */
	WHY_GUARD_UNKNOWN,    /* this node's release may be later than others count on, and not all have heard it */
	WHY_TWIN,             /* a peer holds at the same epoch: both take themselves for the same master */
	WHY_CONFLICT,         /* another host answers for an address, and the configuration says to yield */
	WHY_MAINTENANCE,
	WHY_STOPPING,
	WHY_REASONS           /* how many */
};

const char *core_state_word(enum core_state);   /* "init", "backup", … */
const char *core_reason_word(enum core_reason); /* "lease-expired", … */

/* ---- what the core must know at its start ---- */

struct core_conf {
	svip_ms lease_ms, poll_ms, heartbeat_ms;
	svip_ms guard_ms;           /* how late this node's own release may come at most; heartbeats tell it */
	svip_ms guard_least_ms;     /* what is counted with for anybody at least, on all nodes; <= guard_ms */
	svip_ms guard_unheard_ms;   /* what is counted with for a node that this process has not heard */
	int drift_ppm;              /* bound of a clock's rate error, parts per million */
	int n_sentinels, n_nodes, self, n_instances;
	bool hold_on_quorum_loss, observe;
	bool joining;               /* this node isn't in it yet, only in the next one: core_change() follows at once */
	uint64_t cluster;
	uint64_t incarnation;       /* random, not 0 */
	uint64_t seed;              /* for claim ids */
	uint32_t version;
	uint64_t serial;
	uint8_t digest_safety[SVIP_DIGEST_LEN], digest_all[SVIP_DIGEST_LEN];
	uint8_t node[SVIP_NODES_MAX][16]; /* as in heartbeats */
};

/* ---- facts ---- */

/* One Sentinel's word about one instance: the answer to one poll. */
struct view {
	svip_ms asked; /* just before the question was written, rounded down */
	svip_ms heard; /* set by the core; rounded up */
	svip_ms since; /* set by the core: heard of the first view with this master and epoch */
	uint64_t epoch; /* config-epoch */
	struct svip_host master; /* GET-MASTER-ADDR-BY-NAME */
	bool valid;    /* false: nothing usable has been heard since the start */
	bool me;       /* that is this node's Redis */
	bool down;     /* s_down or o_down, and SENTINEL MASTER has the same address */
};

/* What a Sentinel's pub/sub stream tells about one instance, in its order. */
enum sentinel_news {
	NEWS_SWITCH,  /* +switch-master, or +promoted-slave on the leader: `to` is the new master */
	NEWS_CLEARED, /* -sdown of the master */
	NEWS_RESET,   /* +reset-master, or the master removed or monitored anew */
	NEWS_TRIES,   /* +try-failover: wants to fail over, or has been told to */
	NEWS_ELECTED, /* +elected-leader: and is the one that may */
	NEWS_ABORTED, /* -failover-abort-…: everything is as it was */
	NEWS_OTHER,   /* anything else about this instance: a mere hint */
};

enum core_event_kind {
	EV_TICK,       /* time alone */
	EV_VIEW,       /* instance, sentinel, view (asked, epoch, master, me, down) */
	EV_NEWS,       /* instance, sentinel, news, to */
	EV_LISTENING,  /* sentinel: subscribed to its events from now on */
	EV_PONG,       /* sentinel, asked: a PING of then, on its event stream, was answered: every event of
	                  before has been heard */
	EV_SESSION,    /* sentinel: one of its connections was lost (or is new) */
	EV_ROLE,       /* instance, asked, yes = the local Redis says ROLE master */
	EV_GONE,       /* instance: the local Redis is certainly gone: let go, and take again only once it has said that it is a
	                  master */
	EV_LINK,       /* instance, yes = interface there, up and running */
	EV_HELD,       /* instance: the kernel has confirmed all addresses */
	EV_REFUSED,    /* instance, error: the kernel refused; none of the addresses is there */
	EV_CLEAR,      /* instance: the kernel has confirmed that none of the addresses is there */
	EV_STUCK,      /* instance, error: the kernel refused to remove; they may be there */
	EV_INHERIT,    /* instance, epoch, until: at the start, in place of EV_CLEAR: the kernel has all addresses, and this
	                  host's process before this one held at that epoch until then; it is dead */
	EV_LOST,       /* instance: an address is gone though held (another's hand, or its lifetime) */
	EV_HEARTBEAT,  /* hb: authenticated, of this cluster; not yet checked for freshness */
	EV_UNKNOWN,    /* peer: a datagram from its address that could not be authenticated */
	EV_JUMP,       /* the clocks jumped, or the loop slept too long */
	EV_WRITES,     /* instance, yes = the local Redis does as ACT_WRITES asked: clients' writes wait */
	EV_MAINTENANCE, /* yes = on */
	EV_CONFLICT,   /* instance: another host claims one of its addresses; yes = such a claim is to be yielded to. Once a
	                  second at most as long as it goes on */
	EV_FORGET,     /* instance: let it go for good; core_remove() follows */
	EV_STOP,       /* let everything go */
};

struct core_event {
	enum core_event_kind kind;
	int instance, sentinel, peer; /* as the kind says; otherwise not read */
	bool yes;
	int error;                    /* positive errno */
	svip_ms asked, until;
	uint64_t epoch;
	enum sentinel_news news;
	struct svip_host to;
	struct view view;
	const struct heartbeat *hb;   /* not kept */
};

/* ---- decisions ---- */

enum core_action_kind {
	ACT_HOLD,     /* instance, until: have all addresses, or keep them; the kernel's lifetime ends soon after */
	ACT_DROP,     /* instance: stop announcing, then remove all addresses; answer EV_CLEAR or EV_STUCK */
	ACT_ANNOUNCE, /* instance: start a burst of announcements */
	ACT_POLL,     /* instance: ask every Sentinel, and the local Redis, now */
	ACT_SEND,     /* instance: send a heartbeat with this instance now */
	ACT_STATE,    /* instance, from, to, reason, until = ms spent in from: tell log, history, scripts; from == to: another reason
	                 that people must hear of (holding without a quorum) */
	ACT_WRITES,   /* instance, until: have the local Redis keep clients' writes waiting until then; SVIP_LONG_AGO: no longer */
	ACT_VOID,     /* instance: warn: the Sentinels were reset, an old promise is void */
};

struct core_action {
	uint8_t kind, from, to, reason;
	int16_t instance;
	svip_ms until; /* a time; with ACT_STATE a span */
};

enum { CORE_ACTIONS_MAX = 12 * SVIP_INSTANCES_MAX + 64 };

struct core_actions {
	int n;
	struct core_action a[CORE_ACTIONS_MAX];
};

/* ---- state (read it freely; only src/core writes it) ---- */

/* Since when a Sentinel can't have confirmed anybody else: src/core/evidence.c */
struct evidence {
	svip_ms run_heard;  /* heard of the first view of an unbroken run of down views; SVIP_NEVER: none */
	bool run_proved;    /* every event from before the run's first view has been heard */
	uint64_t run_epoch;
	struct svip_host run_master;
	bool switched;      /* one switch has been heard since the run began, to switch_to */
	struct svip_host switch_to;
	svip_ms switch_heard, doubt_heard; /* latest news of each kind */
	bool open;          /* the first view that named this node came before the news of the switch */
	svip_ms since;      /* d_i; SVIP_NEVER: doesn't name this node */
	uint64_t since_epoch;
};

enum core_kernel { KERNEL_UNKNOWN, KERNEL_CLEAR, KERNEL_ADDING, KERNEL_HELD, KERNEL_REMOVING, KERNEL_STUCK };

/* What a peer said about an instance. */
struct peer_instance {
	bool known;
	uint8_t state;
	bool holding;
	uint64_t hold_epoch;
	uint32_t lease_left_ms;
	uint64_t claim_epoch, claim_id;
	uint64_t yield_epoch, yield_id;
};

enum {
	CORE_FOREIGN_MAX = 3,            /* a claim heard in that many seconds ... */
	CORE_FOREIGN_WITHIN_MS = 5000,   /* ... out of these is no stray frame of a take-over's end */
	CORE_CONFLICT_QUIET_MS = 30000,  /* without a claim before the address counts as free again */
};

struct instance {
	uint64_t id;
	struct view view[SVIP_SENTINELS_MAX];
	struct evidence evidence[SVIP_SENTINELS_MAX];
	struct peer_instance peer[SVIP_NODES_MAX];

	bool role_master;         /* the local Redis' last word */
	svip_ms role_asked;       /* SVIP_LONG_AGO: none yet */
	bool redis_gone;          /* EV_GONE, and it has said nothing since */
	bool link_up;
	enum core_kernel kernel;
	int error;                /* of the last refusal */
	svip_ms retry_at;         /* not before this after a refusal */

	uint64_t hold_epoch;      /* ADDING, HELD, REMOVING */
	svip_ms lease_end;        /* of hold_epoch, as last told to the kernel */
	svip_ms inherited;        /* end of the predecessor's lease of hold_epoch; SVIP_LONG_AGO: none */
	enum core_reason take_reason; /* QUORUM_CONFIRMED or ALL_YIELDED */
	enum core_reason drop_reason; /* while REMOVING */
	svip_ms foreign[CORE_FOREIGN_MAX]; /* claims of another host, ascending; SVIP_LONG_AGO: none */
	svip_ms conflict_until;   /* yields to another host until then; SVIP_LONG_AGO: doesn't */
	svip_ms earn_after;       /* views asked before this don't count (a jump of the clocks) */

	svip_ms named_since;      /* of the claim; SVIP_NEVER: not named */
	uint64_t claim_epoch, claim_id; /* id 0: none */
	svip_ms claim_next;       /* when to repeat it */
	svip_ms claim_step;
	uint32_t yields;          /* bit per node: has yielded to this claim */

	uint64_t floor;           /* promised: never to hold at an epoch below this; 0: nothing promised */
	bool forgotten;           /* EV_FORGET: never to be taken again */
	uint64_t yield_epoch, yield_id; /* the claim last yielded to; id 0: none */
	svip_ms writes_until;     /* clients' writes are held back until then; SVIP_LONG_AGO: they aren't */
	bool writes_wait;         /* Redis has confirmed it */
	int writes_for;           /* for this Sentinel's failover */

	svip_ms below_since;      /* since when a majority reports epochs below the floor; SVIP_NEVER */

	enum core_state state;
	enum core_reason reason;
	svip_ms since;            /* of the state */
};

enum core_peer_state { PEER_SILENT, PEER_UNKNOWN, PEER_ALIVE };
enum core_peer_config { CONFIG_SAME, CONFIG_DIFFERS, CONFIG_UNSAFE };

enum { CORE_RETIRED_MAX = 4 };

struct peer {
	uint64_t incarnation;     /* established: it has echoed this process; 0: none */
	uint64_t sequence;        /* last accepted of it */
	uint64_t sent_us;         /* its stamp in that, to be echoed */
	uint64_t heard_us;        /* when that was, own clock */
	uint64_t cand_incarnation, cand_sequence, cand_sent_us, cand_heard_us; /* not yet proven */
	uint64_t retired[CORE_RETIRED_MAX];
	int retired_next;
	svip_ms heard;            /* last accepted datagram; SVIP_LONG_AGO: none */
	svip_ms echoed;           /* when it last echoed this process freshly; SVIP_LONG_AGO: never */
	uint64_t echo_us;         /* stamp of this process's latest datagram that it has echoed */
	svip_ms unknown;          /* last datagram from it that failed authentication */
	uint32_t rtt_us;
	uint32_t version;
	uint64_t serial;
	uint32_t lease_ms, guard_ms;
	bool joint;
	uint8_t digest_next[SVIP_DIGEST_LEN];
	svip_ms joined;           /* while this node is joint: since when it is known that the peer isn't old; SVIP_NEVER: it isn't */
	uint32_t cand_guard_ms;   /* the largest that a process not yet established has told */
	uint8_t digest_safety[SVIP_DIGEST_LEN], digest_all[SVIP_DIGEST_LEN];
	enum core_peer_config config;
	bool heard_config;        /* `config` is from an established peer */
	bool maintenance, observe;
	uint64_t refused_count;   /* replayed, stale or out of order */
};

/* The next configuration, as far as it differs. Sentinels and nodes of now keep their places, new ones follow them. */
struct core_next {
	svip_ms lease_ms, guard_ms, guard_least_ms, guard_unheard_ms;
	int drift_ppm;
	int n_sentinels, n_nodes;   /* of both configurations together */
	uint32_t sentinels, nodes;  /* a bit each: those of the next one */
	uint64_t serial;            /* greater than before */
	uint8_t digest_safety[SVIP_DIGEST_LEN], digest_all[SVIP_DIGEST_LEN];
	uint8_t node[SVIP_NODES_MAX][16]; /* the new ones are read */
};

/* While both configurations are in force. conf then has the smaller lease and guards, and both configurations' Sentinels and nodes. */
struct core_joint {
	bool on;
	svip_ms since;            /* of the change, or of the last word about absent nodes */
	uint32_t nodes;           /* of the old one */
	uint32_t absent;
	svip_ms lease_ms, guard_ms, guard_least_ms, guard_unheard_ms; /* the greater ones, to be counted with */
	struct core_next next;
};

struct core {
	struct core_conf conf;
	uint64_t rng;
	uint64_t sequence;        /* last one used in a heartbeat */
	svip_ms started;
	svip_ms listening[SVIP_SENTINELS_MAX]; /* subscribed since; SVIP_NEVER: not */
	struct peer peer[SVIP_NODES_MAX];
	bool maintenance, stopping;
	uint32_t list[2];         /* Sentinels, a bit each: the list in force, and the next one while joint */
	int n_lists;
	struct core_joint joint;
	svip_ms next_due;
	svip_ms due[SVIP_INSTANCES_MAX];
	struct instance inst[SVIP_INSTANCES_MAX]; /* conf.n_instances are used */
};

/* Starts the core at `now`. Instances are known by their ids, in this order for the events. */
void core_init(struct core *, const struct core_conf *, const uint64_t *ids, svip_ms now);

/*
 * Takes one event. First looks at every lease and timer that is due at `now`, before the event.
 * Appends to *out; the caller carries out what stands there, in order, and posts the results
 * as events. `now` never goes back. now_us: the same instant in microseconds (heartbeats only).
 */
void core_step(struct core *, const struct core_event *, svip_ms now, uint64_t now_us,
    struct core_actions *out);

/* When time alone could change the core's mind; SVIP_NEVER: never. Then post EV_TICK. */
svip_ms core_deadline(const struct core *);

/* The configuration has changed, but for what safety needs: other digests in heartbeats, peers compared anew. Not while joint. */
void core_config(struct core *, uint64_t serial, const uint8_t safety[SVIP_DIGEST_LEN],
    const uint8_t all[SVIP_DIGEST_LEN], svip_ms now, struct core_actions *out);

/*
 * Another configuration while running: old, joint, new (doc/SAFETY.md, "Changes").
 *
 * core_change(): joint from now on. The caller has stored that before, so that after any restart it is joint again: core_init()
 * with the old one and core_change(). It asks all of n_sentinels from now on, and what it orders ends within the smaller guard.
 * core_absent(): an operator's word that svipd doesn't run on these nodes, and won't but with the next configuration.
 * core_change_at(): from when on the next one alone may be in force; SVIP_NEVER: somebody may be old yet, or this node is
 * removed: then it stays joint, and holds nothing. It may change with every event.
 * core_settle(): new from now on; not before core_change_at(). The caller has stored it before. Sentinels and nodes that are gone
 * leave their places, the others move up in their order, also as indexes of events.
 */
void core_change(struct core *, const struct core_next *, svip_ms now, struct core_actions *out);
void core_absent(struct core *, uint32_t nodes, svip_ms now);
svip_ms core_change_at(const struct core *);
void core_settle(struct core *, svip_ms now, struct core_actions *out);

/* Adds an instance at the end, or takes one away (the last takes its index); for reload. Before, EV_FORGET has
 * let it go. When the kernel would not (EV_STUCK) it may be taken away all the same: no yield is ever given for an
 * instance that the core doesn't know, so nobody counts on its being gone. */
int core_add(struct core *, uint64_t id, svip_ms now);
void core_remove(struct core *, int instance);

/* Fills a heartbeat with the node's part and up to the fitting number of instances from `first` on.
 * Uses one sequence number. Returns the index after the last instance filled in. */
int core_heartbeat(struct core *, int first, svip_ms now, uint64_t now_us, struct heartbeat *);

/* ---- questions, for status and why ---- */

int core_majority(const struct core *); /* m */
/* How many Sentinels confirm this node at the epoch that most of them confirm (stored in *epoch; 0: none). */
int core_confirmations(const struct core *, int instance, svip_ms now, uint64_t *epoch);
/* End of the lease that the views give now; SVIP_LONG_AGO: none. Its epoch in *epoch. */
svip_ms core_lease_end(const struct core *, int instance, uint64_t *epoch);
/* When every older lease has run out, at this epoch; SVIP_NEVER: not known. */
svip_ms core_free_at(const struct core *, int instance, uint64_t epoch);
enum core_peer_state core_peer_state(const struct core *, int peer, svip_ms now);
bool core_peer_two_way(const struct core *, int peer, svip_ms now);
/* The node that holds, as far as this one knows: index, or -1. */
int core_holder(const struct core *, int instance, svip_ms now);
/* Sentinels whose newest usable view was asked within the last lease. */
int core_sentinels_fresh(const struct core *, int instance, svip_ms now);

#endif
