/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster in one process: the unchanged core on every node, and around it a network, Sentinels, Redis servers and
 * kernels that are only played. All of it comes out of one seed; nothing here may look at a clock or sleep.
 *
 * queue.c     events in the order of virtual time; random numbers
 * net.c       who reaches whom, datagrams, connections
 * sentinel.c  Sentinels and their Redis servers
 * kernel.c    what each host's kernel has: the only thing that the checks look at
 * hands.c     the daemon's orders to the kernel, system call by system call
 * node.c      what the daemon does around the core
 * fault.c     what goes wrong, and when
 * change.c    configurations that follow each other
 * sim.c       runs seeds, judges, reports
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <svip/core.h>

enum {
	/* From the Sentinels' last word until the named master holds: the longest wait (lease and guard, 4.3 s), and for questions,
	 * roles and an address refused just before, a second each. */
	SETTLE_US = 8000000,
};

enum { CONFIGS_MAX = 12 };

enum { HOSTS_MAX = 7 }; /* host i has node i and Sentinel i, as far as there are so many */

#define SIM_NEVER INT64_MAX
#define MS 1000 /* virtual real time is in microseconds */
#define SECOND (1000 * MS)

typedef int64_t sim_us;

struct sim;

/* Something that happens at a time. What the fields mean is the affair of `run`. data is freed after the run. */
struct event {
	sim_us at;
	uint64_t order; /* of two at the same time the older one first */
	void (*run)(struct sim *, struct event *);
	int a, b;
	uint64_t gen; /* void when what it is about has another one by now */
	int64_t n;
	void *data;
};

struct mix {
	const char *name;
	bool
	    narrow; /* few Sentinels, quick ones, on a quick network: for what needs many things at once */
	bool gapless;   /* the first holder must never stop answering */
	int weight[32]; /* for each fault of fault.c */
};

/* ---- a connection between a node and a Sentinel ---- */

enum { TO_SENTINEL, TO_NODE };

struct connection {
	bool up;
	uint64_t gen;
	int life;                 /* of the Sentinel when it was made */
	uint64_t sent[2], got[2]; /* messages, each way */
	sim_us due[2];            /* arrival of the last one; of the first that is held up */
	sim_us bad_since;         /* nothing gets through since then */
	int asked;                /* questions without an answer */
	sim_us asked_at;          /* the oldest of them, about */
};

enum { QUERY, EVENTS, CONNECTIONS };

enum message_kind { QUESTION, ANSWER, SUBSCRIBED, NEWS, PING, PONG, CLOSED };

struct message {
	enum message_kind kind;
	int node, sentinel, connection;
	uint64_t gen, number;
	struct view view;
	enum sentinel_news news;
	int to;
	svip_ms asked; /* PING and PONG */
};

/* ---- hosts ---- */

struct sentinel {
	bool up;
	int life;
	uint64_t epoch;   /* config-epoch */
	uint64_t current; /* current-epoch */
	uint64_t voted;
	int get,
	    master; /* GET-MASTER-ADDR-BY-NAME and SENTINEL MASTER differ on the leader of a failover */
	bool down;
	sim_us unanswered; /* first ping without an answer; SIM_NEVER: none */
	sim_us changed;
	bool failing_over, promoted;
	uint64_t failover_gen, failover_epoch;
	sim_us next_failover, tilt_until;
	sim_us named[HOSTS_MAX]; /* when it stopped naming each */
};

struct kernel {
	bool there;  /* the addresses */
	bool frozen; /* the whole machine: no time passes, nobody is answered */
	uint64_t boots;
	sim_us expires, thaws;
	sim_us excused_until; /* after that: the overlap is bounded, not excluded */
	uint64_t gen;         /* of their lifetime */
	bool fence; /* the packet filter is there, and lets them through until open_until only */
	sim_us open_until;
	svip_ms until; /* as told last, by a process with this configuration */
	svip_ms lease_ms, guard_ms;
	int n_lists;
	uint32_t list[2]; /* hosts of Sentinels; a majority of each */
	bool record;       /* in /run: for a successor */
	bool record_other; /* of another configuration */
	int record_conf;
	uint64_t record_epoch;
	svip_ms record_until;
	sim_us busy_until;
	uint64_t ordered, valid; /* orders given; those before `valid` are void */
	sim_us since;            /* answers */
};

/* ---- the daemon's hands ---- */

/* System calls, each of them one instant; a process may be stopped or killed before any. */
enum call {
	CALL_NONE,
	CALL_ENTRY, /* not one: the decision has been made */
	CALL_TOKEN, /* a dated order to the packet filter: its token, the clock, the order itself */
	CALL_CLOCK,
	CALL_FILTER,
	CALL_LIFE, /* the addresses' lifetimes: the clock, the order */
	CALL_ADDRESS,
	CALL_UNDO, /* all or none */
	CALL_CLOSE,
	CALL_NOTE, /* for a successor */
	CALL_ERASE,
	CALL_REMOVE, /* what is to be let go */
	CALL_DUMP,
	CALL_SHUT,
};

struct order {
	enum call call; /* the next one */
	bool take, stuck;
	svip_ms until, clock;
	uint64_t epoch;
	sim_us token, life;
};

enum trap_kind { TRAP_ANY, TRAP_TAKE, TRAP_DROP, TRAP_FILTER };

/* The process is stopped or killed before that many more calls of the kind. */
struct trap {
	int calls; /* 0: no trap */
	enum trap_kind kind;
	bool kill;
	sim_us lasts;
};

struct node {
	bool alive, paused, link_up;
	bool fenced; /* the host's kernel has nftables */
	bool other;  /* has another configuration: a longer lease, fewer Sentinels */
	/* on its disk: the configuration, and whether it is joint with the next one */
	int conf;
	bool joint, joining;
	bool out; /* no svipd is to run here */
	uint32_t absent; /* what it has been told of others */
	sim_us deaf_from, deaf; /* goes no step further between these */
	int n_asked, asked[HOSTS_MAX]; /* hosts of Sentinels, by the core's index */
	int n_known, known[HOSTS_MAX]; /* nodes */
	svip_ms lease_ms;
	svip_ms guard_ms; /* how late its releases come at most */
	uint64_t life;
	sim_us boot; /* offset of its clock */
	int ppm;     /* its error */
	sim_us armed;
	svip_ms last_turn;
	bool busy, send, poll, listening[HOSTS_MAX], there;
	int n_results;
	struct core_event result[16];
	int next_action; /* of the last step's */
	struct order order;
	struct trap trap;
	struct connection connection[HOSTS_MAX][CONNECTIONS];
	sim_us stalled[CONNECTIONS][2]; /* until then nothing gets through to Sentinels, or back */
	int n_inbox, inbox_max;
	struct event *inbox; /* what came while it was paused */
	struct core core;
};

/* One that the operator has made. */
struct config {
	uint32_t sentinels, nodes; /* hosts */
	svip_ms lease_ms;
	svip_ms guard_ms; /* of lifetimes alone */
	svip_ms guard_least_ms;
	uint32_t absent; /* the operator's word when it was made */
};

struct sim {
	/* the draw */
	uint64_t seed, rng;
	const struct mix *mix;
	int n_nodes, n_sentinels, n_hosts;
	enum fence { FENCE_LIFETIME, FENCE_NFTABLES, FENCE_AUTO } fence;
	svip_ms lease_ms, guard_ms; /* of lifetimes alone */
	svip_ms guard_least_ms, guard_unheard_ms;
	int drift_ppm;
	sim_us down_after;
	double loss, repeat, flap, refuse, ambush;
	bool jumps, slow_kernel;
	sim_us calm_at, end_at;
	int latest;
	struct config config[CONFIGS_MAX];

	/* the world */
	sim_us now;
	uint64_t order;
	int n_events, events_max;
	struct event *events;
	bool cut[HOSTS_MAX][HOSTS_MAX];
	sim_us delay_max[HOSTS_MAX][HOSTS_MAX];
	sim_us mute[HOSTS_MAX]; /* until then its heartbeats get lost */
	bool host_up[HOSTS_MAX], redis_up[HOSTS_MAX], redis_master[HOSTS_MAX];
	struct sentinel sentinel[HOSTS_MAX];
	struct kernel kernel[HOSTS_MAX];
	struct node node[HOSTS_MAX];

	/* the report */
	bool verbose;
	uint64_t hash;
	char violation[160];
	sim_us settled_at; /* from when on nothing may move without a Sentinel's word */
	int overlaps;      /* two that answered, where that is bounded, not excluded */
	sim_us overlap_longest;
	sim_us overlap_since;
	bool beyond;     /* clocks worse than is assumed: overlaps are counted, nothing else */
	sim_us named_at; /* when a Sentinel changed its mind last */
	int takes, by_yield, undecided, inherited, trapped;
};

/* queue.c */
void queue_add(struct sim *, sim_us at, struct event);
bool queue_next(struct sim *, struct event *);
void queue_fini(struct sim *);
uint64_t draw64(struct sim *);
int draw(struct sim *, int n); /* 0 … n-1 */
sim_us draw_us(struct sim *, sim_us from, sim_us to);
bool chance(struct sim *, double p);
void trace(struct sim *, uint64_t); /* into the hash */
void say(struct sim *, const char *, ...) __attribute__((format(printf, 2, 3)));

/* net.c */
bool reach(const struct sim *, int a, int b);
bool both_ways(const struct sim *, int a, int b);
sim_us net_delay(struct sim *, int from, int to);
void net_datagram(struct sim *, int from, int to, const uint8_t *bytes, size_t len);
void net_connect(struct sim *, int node, int sentinel, int connection);
void net_break(struct sim *, int node, int sentinel, int connection);
void net_send(struct sim *, int way, const struct message *);
/* What goes on about its connections, every second; the first time at once. */
void net_watch(struct sim *, int node, int sentinel, bool first);

/* sentinel.c */
void sentinel_start(struct sim *, int i);
void sentinel_restart(struct sim *, int i);
void sentinel_reset(struct sim *, int i); /* SENTINEL RESET */
void sentinel_up(struct sim *, int i, bool up);
sim_us sentinel_named(const struct sim *, int i, int x); /* when it named x last; 0: never */
void sentinel_force(struct sim *, int i);                /* SENTINEL FAILOVER */
void sentinel_receive(struct sim *, const struct message *);

/* kernel.c */
sim_us kernel_when(const struct sim *, int x, svip_ms local); /* when host x's clock shows that */
svip_ms kernel_ms(const struct sim *, int x);
sim_us kernel_span(const struct sim *, int x, svip_ms from); /* since then, real time */
bool kernel_answers(
    const struct sim *, int x); /* has the addresses, and lets their traffic through */
void kernel_add(struct sim *, int x, sim_us expires);
void kernel_gone(struct sim *, int x, const char *why);
void kernel_fence(struct sim *, int x); /* makes the tables: shut, if they weren't there */
void kernel_pass(struct sim *, int x, sim_us ends);
void kernel_shut(struct sim *, int x, const char *why);
void kernel_boot(struct sim *, int x);                 /* nothing is left */
void kernel_freeze(struct sim *, int x, sim_us lasts); /* the whole machine */
void kernel_named(
    struct sim *, int x); /* a Sentinel is about to name x: was every moment until now covered? */

/* hands.c */
void hands_start(struct sim *, int x);
void hands_hold(struct sim *, int x, uint64_t epoch, svip_ms until);
void hands_drop(struct sim *, int x);
void hands_call(struct sim *, int x); /* the next call of the order under way */

/* node.c */
void node_start(struct sim *, int x);
void node_end(struct sim *, int x);
void node_kind(struct sim *, int x, bool fenced);
void node_resume(struct sim *, int x);
void node_post(struct sim *, int x, const struct core_event *);
void node_receive(struct sim *,
    struct event *); /* a = node, data = struct message or datagram (b = 1, n = length) */
void node_lists(const struct sim *, int x, struct kernel *); /* the majorities that its hold rests on */
bool node_asks(const struct sim *, int x, int sentinel);
void node_change(struct sim *, int x); /* joint from now on */
void node_absent(struct sim *, int x, uint32_t hosts);
void node_settle(struct sim *, int x);
void node_session(struct sim *, int x, int sentinel);
void node_look(struct sim *, int x); /* at the kernel: something has changed there */

/* change.c */
void change_prepare(struct sim *);
void change_begin(struct sim *, bool much); /* much: the Sentinels surely */
void change_judge(struct sim *);

/* fault.c */
extern const struct mix fault_mixes[];
bool fault_changes(const struct mix *); /* it changes configurations */
void fault_start(struct sim *);
void fault_ambush(struct sim *);      /* a Sentinel has just switched: the worst moment */
bool fault_trap(struct sim *, int x); /* before each call: true: stopped or killed */
void fault_heal_all(struct sim *);

#endif
