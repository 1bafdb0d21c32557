/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the hands (src/io) and turns what they report into events for the core. Decides nothing. */
#include "hands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "daemon_state.h"
#include "io/announcer.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/conflict.h"
#include "io/heartbeat_io.h"
#include "io/local_redis.h"
#include "io/script.h"
#include "io/seal.h"
#include "io/sentinel.h"
#include "io/unreachable.h"
#include "io/vip.h"
#include "peers.h"

enum {
	END_WAIT_MS = 20,    /* for Redis to end its clients' connections, before the addresses go */
	COMPLAIN_MS = 60000, /* the same complaint at most this often */
	LOST_MS = 10000,     /* that an address was lost */
	/* For resets, of the lease: other leases of this host have to be renewed. And never so long that the kernel takes it for
	 * a runaway (STEADY_RUNAWAY_MS). 10,000 connections take 70 to 290 ms. */
	RESET_PART = 5,
	RESET_MOST_MS = 300,
};

static struct sentinels *sentinels;
static struct local_redis *redis;
static int fence_error; /* of the packet filter's sockets */

struct sentinels *
hands_sentinels(void)
{
	return sentinels;
}

struct local_redis *
hands_redis(void)
{
	return redis;
}

/* Asked before each frame: the lease first. */
static bool
may_announce(void *ctx, int s)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_TICK });
	return daemon_holds(s);
}

/* ---- the kernel ---- */

static void
on_held(void *ctx, int s)
{
	struct slot *slot = &daemon_state()->slot[s];

	(void)ctx;
	if (daemon_state()->core.inst[slot->index].kernel == KERNEL_ADDING) {
		daemon_note(s, STEP_TAKEN, NULL);
		slot->announced = false;
	}
	daemon_post_slot(EV_HELD, s);
}

/* Before they go: who connects in the very moment must not be missed. */
static void
on_going(void *ctx, int s)
{
	int ifindex;
	uint8_t mac[6];
	bool ethernet;

	(void)ctx;
	if (vip_link(s, &ifindex, mac, &ethernet) && ethernet)
		unreachable_expect(s, ifindex, mac);
}

/* This host's own address says that they are gone. */
static void
answer_for_gone(int s)
{
	struct svip_addr own4, own6;
	bool has4 = vip_own_address(s, 4, &own4), has6 = vip_own_address(s, 6, &own6);

	unreachable_begin(s, has4 ? &own4 : NULL, has6 ? &own6 : NULL);
}

static void
on_clear(void *ctx, int s)
{
	struct daemon_state *d = daemon_state();

	(void)ctx;
	if (d->core.inst[d->slot[s].index].kernel == KERNEL_REMOVING)
		daemon_note(s, STEP_RELEASED, NULL);
	answer_for_gone(s);
	daemon_post_slot(EV_CLEAR, s);
}

static void
on_lost(void *ctx, int s, const char *what)
{
	struct slot *slot = &daemon_state()->slot[s];
	unsigned held;

	(void)ctx;
	daemon_post_slot(EV_LOST, s); /* acts first, talks after */
	if (log_allowed(&slot->lost_limit, LOST_MS, clock_ms(), &held))
		log_warning(
		    "%s: an address was lost: %s (%u more of these)", slot->conf.name, what, held);
}

static void
post_error(enum core_event_kind kind, int s, int err)
{
	daemon_post(&(struct core_event){
	    .kind = kind, .instance = daemon_state()->slot[s].index, .error = err });
}

static void
on_refused(void *ctx, int s, int err)
{
	(void)ctx;
	post_error(EV_REFUSED, s, err);
}

static void
on_stuck(void *ctx, int s, int err)
{
	(void)ctx;
	unreachable_stop(s); /* one of them may be here yet */
	post_error(EV_STUCK, s, err);
}

static void
on_link(void *ctx, int s, bool up)
{
	struct daemon_state *d = daemon_state();

	(void)ctx;
	daemon_post(
	    &(struct core_event){ .kind = EV_LINK, .instance = d->slot[s].index, .yes = up });
	daemon_watch(s); /* it may be another one with the same name */
	log_info("%s: %s is %s", d->slot[s].conf.name, d->slot[s].conf.interface,
	    up ? "up" : "down or not there");
	heartbeat_io_rejoin();
}

/* The neighbours know another MAC than the link has now. */
static void
on_relinked(void *ctx, int s)
{
	if (may_announce(ctx, s))
		daemon_announce(s);
}

static void
on_locals(void *ctx)
{
	(void)ctx;
	heartbeat_io_rejoin();
}

/* The local Redis can end its clients' connections itself. It must have done so before the addresses go; when it doesn't answer, nobody
 * waits for it again for a while. */
static void
on_unreset(void *ctx, int s, int err, svip_ms left)
{
	static svip_ms busy_until = SVIP_LONG_AGO;
	struct slot *slot = &daemon_state()->slot[s];
	svip_ms wait = left < END_WAIT_MS ? left : END_WAIT_MS;
	bool sent = false;

	(void)ctx;
	slot->reset_error = err;
	for (int i = 0; i < slot->conf.n_addresses; i++)
		sent |= local_redis_end(redis, slot->index, &slot->conf.address[i]) == 0;
	if (!sent)
		return;
	if (slot->end_error[0] != '\0' || clock_ms() < busy_until)
		wait = 0;
	if (!local_redis_wait(redis, slot->index, wait) && wait > 0)
		busy_until = clock_ms() + 1000;
}

static void
on_reset(void *ctx, int s, int n, int err, svip_ms took_ms)
{
	static struct log_limit limit;
	struct slot *slot = &daemon_state()->slot[s];
	unsigned held;

	(void)ctx;
	slot->resets += (uint64_t)n;
	if (err == 0)
		slot->reset_error = 0;
	if (n > 0)
		log_info("%s: %d connections of clients reset, in %lld ms", slot->conf.name, n,
		    (long long)took_ms);
	if (err == 0 || (err != ETIME && slot->end_error[0] == '\0') ||
	    !log_allowed(&limit, 10000, clock_ms(), &held))
		return;
	if (err == ETIME)
		log_warning("%s: no time was left for all connections of clients; idle ones may "
		            "not hear of the move (%u "
		            "more of these)",
		    slot->conf.name, held);
	else
		log_warning("%s: connections of clients can't be reset: %s; idle ones will not "
		            "hear of the move (%u more "
		            "of these)",
		    slot->conf.name, strerror(err), held);
}

static const struct vip_calls vip_calls = { on_held, on_refused, on_clear, on_stuck, on_lost,
	on_link, on_relinked, on_locals, on_unreset, on_going, on_reset };

/* ---- Sentinels ---- */

static struct slot *
slot_at(int instance)
{
	struct daemon_state *d = daemon_state();

	return &d->slot[d->slot_of[instance]];
}

static void
on_view(void *ctx, int sentinel, int i, const struct view *view)
{
	(void)ctx;
	slot_at(i)->fault[sentinel][0] = '\0';
	daemon_post(&(struct core_event){
	    .kind = EV_VIEW, .sentinel = sentinel, .instance = i, .view = *view });
}

static void
on_fault(void *ctx, int sentinel, int i, enum reply_fault fault, const char *text)
{
	char *out = slot_at(i)->fault[sentinel], host[SVIP_TEXT_MAX], is[SVIP_TEXT_MAX];

	(void)ctx;
	snprintf(is, sizeof(is), "%s", text[0] != '\0' ? text : reply_fault_word(fault));
	if (strcmp(is, out) == 0)
		return;
	memcpy(out, is, sizeof(is));
	log_warning("%s: Sentinel %s: %s", slot_at(i)->conf.name,
	    svip_host_text(&daemon_state()->set->sentinel[sentinel], host), is);
}

static void
note_news(int sentinel, int i, enum sentinel_news news)
{
	const struct svip_host *who = &daemon_state()->set->sentinel[sentinel];
	int s = daemon_state()->slot_of[i];

	switch (news) {
	case NEWS_TRIES:
		daemon_note(s, STEP_TRIES, who);
		return;
	case NEWS_ELECTED:
		daemon_note(s, STEP_ELECTED, who);
		return;
	case NEWS_ABORTED:
		daemon_note(s, STEP_ABORTED, who);
		return;
	case NEWS_SWITCH:
		daemon_note(s, STEP_SWITCHED, who);
		return;
	case NEWS_CLEARED:
	case NEWS_RESET:
	case NEWS_OTHER:
		return;
	}
}

static void
on_news(void *ctx, int sentinel, int i, enum sentinel_news news, const struct svip_host *to)
{
	struct core_event ev = {
		.kind = EV_NEWS, .sentinel = sentinel, .instance = i, .news = news
	};

	(void)ctx;
	if (to != NULL)
		ev.to = *to;
	note_news(sentinel, i, news);
	daemon_post(&ev);
	daemon_failover_news(daemon_state()->slot_of[i], sentinel, news);
}

static void
on_pong(void *ctx, int sentinel, svip_ms asked)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_PONG, .sentinel = sentinel, .asked = asked });
}

static void
on_listening(void *ctx, int sentinel)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_LISTENING, .sentinel = sentinel });
}

static void
on_session(void *ctx, int sentinel)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_SESSION, .sentinel = sentinel });
}

static bool
is_loopback(const struct svip_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}

static void
complain(struct slot *s, const struct svip_host *host, const char *what)
{
	char text[SVIP_TEXT_MAX];
	unsigned held;

	if (log_allowed(&s->named_limit, COMPLAIN_MS, clock_ms(), &held))
		log_error("%s: Sentinel names %s as master: %s; not followed", s->conf.name,
		    svip_host_text(host, text), what);
}

/*
 * Is the named endpoint this node's Redis? No address may be taken for "me" on two nodes. So a loopback address isn't, nor
 * one of an interface that might exist on every host in the same way (docker0, virbr0): only those beside this
 * node's own address and beside the virtual ones. A virtual address never is: that would be following one's own tail.
 */
static bool
is_me(void *ctx, int i, const struct svip_host *host)
{
	const struct settings *set = daemon_state()->set;
	struct slot *s = slot_at(i);
	struct svip_addr a;
	int on;

	(void)ctx;
	if (s->conf.announce.port != 0 && svip_host_same(host, &s->conf.announce))
		return true;
	if (!svip_host_addr(host, &a))
		return false;
	if (vip_is_virtual(&a)) {
		complain(s, host,
		    "that is a virtual address; a replica or a Sentinel was pointed at it");
		return false;
	}
	if (is_loopback(&a) && set->n_nodes > 1) {
		complain(s, host,
		    "a loopback address is every host's; 'sentinel monitor' needs the master's "
		    "own");
		return false;
	}
	on = vip_local_on(&a);
	if (on == 0)
		return false;
	if (s->conf.redis_given)
		return svip_host_same(host, &s->conf.redis);
	if (set->n_nodes > 1 && on != vip_ifindex(daemon_state()->slot_of[i]) &&
	    on != vip_local_on(&set->node[set->self])) {
		complain(s, host,
		    "that is an address of this host, but on another interface than its virtual "
		    "addresses "
		    "and its address in nodes; say redis = \"ADDRESS:PORT\" here if it is Redis'");
		return false;
	}
	return host->port == s->conf.redis.port;
}

static void
on_answer(void *ctx, int sentinel, int i, const struct sentinel_answer *answer)
{
	(void)ctx;
	daemon_sentinel_answer(daemon_state()->slot_of[i], sentinel, answer);
}

static const struct sentinel_owner sentinel_owner = { on_view, on_fault, on_news, on_pong,
	on_listening, on_session, is_me, on_answer };

/* ---- the local Redis ---- */

static void
on_role(void *ctx, int i, svip_ms asked, bool master, enum reply_fault fault, const char *text)
{
	struct slot *s = slot_at(i);

	(void)ctx;
	if (fault == REPLY_FINE)
		s->redis_error[0] = '\0';
	else
		snprintf(s->redis_error, sizeof(s->redis_error), "%s",
		    text[0] != '\0' ? text : reply_fault_word(fault));
	daemon_post(
	    &(struct core_event){ .kind = EV_ROLE, .instance = i, .asked = asked, .yes = master });
}

/* Acts first, talks after. */
void
hands_writes(int s, svip_ms until)
{
	struct daemon_state *d = daemon_state();
	struct slot *slot = &d->slot[s];
	svip_ms left = until - clock_ms();
	int rc;

	if (!d->set->hold_writes || (left <= 0 && daemon_keeps_writes(s)))
		return;
	rc = left > 0 ? local_redis_hold_writes(redis, slot->index, left)
	              : local_redis_give_writes_back(redis, slot->index);
	if (rc != 0 && left > 0)
		log_warning("%s: the local Redis is not connected: clients' writes don't wait for "
		            "the failover",
		    slot->conf.name);
}

static void
on_writes(void *ctx, int i, svip_ms ms, enum reply_fault fault, const char *text)
{
	struct slot *s = slot_at(i);
	bool news = (fault == REPLY_FINE) != (s->writes_error[0] == '\0');

	(void)ctx;
	if (ms > 0 && daemon_state()->set->hold_writes)
		daemon_post(&(struct core_event){
		    .kind = EV_WRITES, .instance = i, .yes = fault == REPLY_FINE });
	if (fault == REPLY_FINE)
		s->writes_error[0] = '\0';
	else
		snprintf(s->writes_error, sizeof(s->writes_error), "%s",
		    text[0] != '\0' ? text : reply_fault_word(fault));
	if (ms > 0 &&
	    daemon_writes_told(daemon_state()->slot_of[i], fault == REPLY_FINE, s->writes_error) &&
	    fault == REPLY_FINE)
		return;
	if (fault != REPLY_FINE && (news || ms > 0))
		log_warning(
		    "%s: the local Redis holds no writes back: %s", s->conf.name, s->writes_error);
	else if (fault == REPLY_FINE && ms >= 0)
		daemon_note(daemon_state()->slot_of[i],
		    ms > 0 ? STEP_WRITES_WAIT : STEP_WRITES_GO_ON, NULL);
	if (fault == REPLY_FINE && ms > 0)
		log_info("%s: Sentinel fails over: clients' writes wait, for %lld ms at most",
		    s->conf.name, (long long)ms);
	else if (fault == REPLY_FINE && ms == 0)
		log_info("%s: clients' writes go on", s->conf.name);
}

static void
on_told(void *ctx, int i, svip_ms asked, const struct replication_info *info,
    enum reply_fault fault, const char *text)
{
	(void)ctx, (void)asked;
	daemon_redis_told(daemon_state()->slot_of[i], info, fault, text);
}

static void
on_refusal(void *ctx, int i, bool yes)
{
	(void)ctx;
	daemon_refused(daemon_state()->slot_of[i], yes);
}

static void
on_ended(void *ctx, int i, int n, enum reply_fault fault, const char *text)
{
	struct slot *s = slot_at(i);
	bool news = fault != REPLY_FINE && s->end_error[0] == '\0';

	(void)ctx;
	snprintf(s->end_error, sizeof(s->end_error), "%s", fault == REPLY_FINE ? "" : text);
	if (n > 0) {
		s->resets += (uint64_t)n;
		log_info("%s: %d connections of clients ended by the local Redis", s->conf.name, n);
	}
	if (news && n != -1)
		log_warning("%s: the local Redis ends no connections of clients: %s", s->conf.name,
		    s->end_error);
}

static const struct local_redis_owner redis_owner = { .role = on_role,
	.writes = on_writes,
	.ended = on_ended,
	.told = on_told,
	.refused = on_refusal };

void
hands_eager(int s)
{
	const struct daemon_state *d = daemon_state();

	local_redis_eager(redis, d->slot[s].index, d->set->expedite_ms > 0 && daemon_holds(s));
}

/* Whether it would, if it had to. */
static void
ask_writes(int i)
{
	if (daemon_state()->set->hold_writes && !daemon_state()->set->observe)
		local_redis_may_hold_writes(redis, i);
}

/* ---- peers ---- */

static void
on_heard(void *ctx, const struct heartbeat *hb)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_HEARTBEAT, .hb = hb });
}

static void
on_unknown(void *ctx, int node)
{
	(void)ctx;
	daemon_post(&(struct core_event){ .kind = EV_UNKNOWN, .peer = node });
}

/* ---- announcements ---- */

static bool
is_own_mac(void *ctx, const uint8_t mac[6])
{
	(void)ctx;
	return vip_own_mac(mac);
}

static void
on_conflict(void *ctx, int s, const struct svip_addr *addr, const uint8_t mac[6])
{
	struct daemon_state *d = daemon_state();
	struct slot *slot = &d->slot[s];
	char text[SVIP_TEXT_MAX];
	unsigned held;

	slot->conflicts = conflict_count(s);
	slot->conflict_at = clock_ms();
	snprintf(slot->conflict, sizeof(slot->conflict), "%s at %02x:%02x:%02x:%02x:%02x:%02x",
	    svip_addr_text(addr, false, text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	daemon_post(&(struct core_event){
	    .kind = EV_CONFLICT, .instance = slot->index, .yes = slot->conf.yield_on_conflict });
	if (may_announce(ctx, s))
		daemon_announce(s);
	if (log_allowed(&slot->conflict_limit, 10000, clock_ms(), &held))
		log_warning("%s: another host answers for %s (%u more like this)", slot->conf.name,
		    slot->conflict, held);
}

/* ---- the packet filter ---- */

bool
hands_fence(char *why, size_t size)
{
	const struct settings *set = daemon_state()->set;
	int rc;

	if (set->observe || set->fence == SET_FENCE_LIFETIME)
		return true;
	rc = fence_error != 0 ? fence_error : vip_fence_make();
	if (rc == 0)
		return true;
	vip_fence_without(set->fence == SET_FENCE_AUTO ? 0 : -rc);
	if (set->fence == SET_FENCE_REQUIRED) {
		snprintf(
		    why, size, "nftables: %s; fence = \"required\" asks for it", strerror(-rc));
		return false;
	}
	if (set->fence == SET_FENCE_NFTABLES)
		log_error("nftables: %s; this node takes nothing without it (fence = \"nftables\")",
		    strerror(-rc));
	else
		log_warning("nftables: %s; the addresses' lifetimes alone end a hold, up to %d ms "
		            "late, and the other "
		            "nodes wait for it",
		    strerror(-rc), SET_GUARD_LIFETIME_MS);
	return true;
}

void
hands_sweep(void)
{
	const struct settings *set = daemon_state()->set;

	if (!set->observe)
		vip_fence_sweep(set->cluster);
}

svip_ms
hands_guard(const struct settings *set)
{
	bool exact = set->observe || vip_fenced() || set->fence == SET_FENCE_NFTABLES;

	return exact || set->guard_ms > SET_GUARD_LIFETIME_MS ? set->guard_ms
	                                                      : SET_GUARD_LIFETIME_MS;
}

/* ---- life ---- */

void
hands_resets(int s)
{
	const struct daemon_state *d = daemon_state();
	svip_ms part = d->set->lease_ms / RESET_PART,
	        ms = part < RESET_MOST_MS ? part : RESET_MOST_MS;

	vip_reset_clients(s, d->slot[s].conf.reset_connections ? ms : 0);
}

void
hands_add(int s)
{
	struct daemon_state *d = daemon_state();
	const struct set_instance *conf = &d->slot[s].conf;

	vip_add(s, conf->interface, conf->address, conf->n_addresses);
	hands_resets(s);
	announcer_add(s, conf->name, conf->address, conf->n_addresses);
	conflict_add(s, conf->address, conf->n_addresses);
	if (!d->set->observe)
		unreachable_add(s, conf->interface, conf->address, conf->n_addresses);
	if (sentinel_add(sentinels, conf->name) < 0 || local_redis_add(redis, &conf->redis) < 0)
		abort(); /* no memory, at a start or a reload: the kernel's lifetimes do the rest */
	ask_writes(daemon_state()->slot[s].index);
	if (!daemon_state()->set->observe)
		local_redis_may_end(redis, daemon_state()->slot[s].index);
}

void
hands_remove(int s)
{
	int i = daemon_state()->slot[s].index;

	sentinel_remove(sentinels, i);
	local_redis_remove(redis, i);
	announcer_remove(s);
	conflict_remove(s);
	unreachable_remove(s);
	vip_remove(s);
}

void
hands_redis_moved(int s)
{
	struct daemon_state *d = daemon_state();

	local_redis_move(redis, d->slot[s].index, &d->slot[s].conf.redis);
}

void
hands_lists(void)
{
	const struct daemon_state *d = daemon_state();
	unsigned lists[SVIP_SENTINELS_MAX];
	struct core_next next = { .sentinels = 0 };

	if (d->next != NULL)
		change_lists(d->set, d->next, &next);
	for (int i = 0; i < d->set->n_sentinels; i++)
		lists[i] = (d->core.list[0] >> i & 1) | (next.sentinels >> i & 1) << 1;
	if (sentinel_list(sentinels, d->set->n_sentinels, d->set->sentinel, lists) != 0)
		abort(); /* no memory: the kernel's lifetimes do the rest */
	sentinel_timing(sentinels, d->set->poll_ms, d->set->lease_ms);
	local_redis_timing(redis, d->set->poll_ms);
	channel_nodes(d->set);
	for (int i = 0; i < d->core.conf.n_instances; i++)
		hands_resets(d->slot_of[i]);
}

void
hands_reload(void)
{
	const struct settings *set = daemon_state()->set;
	int rc = seal_init(set);

	hands_lists();
	if (rc != 0)
		log_error("keys: %s; the old ones stay in use", strerror(-rc));
	rc = heartbeat_io_reload(set);
	if (rc != 0)
		log_error("heartbeats: %s; sockets stay as they are", strerror(-rc));
	announcer_schedule(&set->arp);
	sentinel_auth(sentinels, &set->sentinel_auth);
	local_redis_auth(redis, &set->redis_auth);
	script_timeout(set->script_timeout_ms);
	for (int i = 0; i < daemon_state()->core.conf.n_instances; i++)
		hands_eager(daemon_state()->slot_of[i]);
}

void
hands_poll(int i)
{
	sentinel_poll(sentinels, i);
	local_redis_poll(redis, i);
}

static bool
failed(char *why, size_t size, const char *what, int rc)
{
	snprintf(why, size, "%s: %s", what, strerror(-rc));
	return false;
}

bool
hands_init(struct ev_loop *loop, char *why, size_t size)
{
	const struct settings *set = daemon_state()->set;
	struct sentinel_conf conf = { .n = set->n_sentinels,
		.host = set->sentinel,
		.auth = &set->sentinel_auth,
		.poll_ms = set->poll_ms,
		.lease_ms = set->lease_ms };
	int rc;

	rc = vip_init(loop, &vip_calls, NULL, set->observe);
	if (rc != 0)
		return failed(why, size, "netlink", rc);
	if (!set->observe && set->fence != SET_FENCE_LIFETIME)
		fence_error = vip_fence_open(set->cluster); /* hands_fence() tells */
	rc = announcer_init(loop, &set->arp, may_announce, NULL);
	if (rc != 0)
		return failed(why, size, "packet socket for announcements", rc);
	rc = conflict_init(loop, on_conflict, is_own_mac, NULL);
	if (rc != 0)
		return failed(why, size, "packet socket for the conflict watch", rc);
	unreachable_init(loop);
	rc = heartbeat_io_init(loop, set, on_heard, on_unknown, NULL);
	if (rc != 0)
		return failed(why, size, "heartbeat socket", rc);
	peers_init(loop);
	sentinels = sentinel_init(loop, &conf, &sentinel_owner, NULL);
	redis = local_redis_init(loop, &set->redis_auth, set->poll_ms, &redis_owner, NULL);
	if (sentinels == NULL || redis == NULL)
		return failed(why, size, "Sentinel connections", -ENOMEM);
	return true;
}

void
hands_fini(bool leave)
{
	if (sentinels != NULL)
		sentinel_fini(sentinels);
	if (redis != NULL)
		local_redis_fini(redis);
	peers_fini();
	heartbeat_io_fini();
	unreachable_fini();
	conflict_fini();
	announcer_fini();
	vip_fini(leave);
}
