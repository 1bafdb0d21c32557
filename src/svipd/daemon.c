/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carries events to the core and its decisions to the hands. The order of things is here and nowhere else: what the
 * kernel must do comes first, then words to the peers, then questions to the Sentinels, then logs and scripts.
 */
#include "daemon.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon_state.h"
#include "hands.h"
#include "io/announcer.h"
#include "io/clock.h"
#include "io/conflict.h"
#include "io/control.h"
#include "io/heartbeat_io.h"
#include "io/holds.h"
#include "io/priv.h"
#include "io/script.h"
#include "io/sdnotify.h"
#include "io/seal.h"
#include "io/selftest.h"
#include "io/steady.h"
#include "io/unreachable.h"
#include "io/vip.h"
#include "keeper.h"

enum {
	SEND_EARLY = HB_INSTANCES_MAX, /* instances with news; what is less waits for the end of this turn of the loop */
	JUMP_MS = 500,        /* the wall clock against CLOCK_BOOTTIME: a jump, not a correction */
	STOP_LIMIT_MS = 5000, /* for the last scripts, and for a kernel that won't let go */
};

static struct daemon_state d;
static struct control *control;
static ev_io timer_watch;
static ev_timer beat, watchdog, stop_limit;
static ev_prepare before_sleep;
static ev_check after_sleep;
static int timer_fd = -1;
static svip_ms armed = SVIP_NEVER; /* what timer_fd is set to */
static svip_ms last_turn;          /* when the loop was last seen going */
static int64_t clock_offset;

struct daemon_state *
daemon_state(void)
{
	return &d;
}

/* ---- decisions to the hands ---- */

static void
send_heartbeats(void)
{
	static struct heartbeat hb;
	int next = 0;

	do {
		next = core_heartbeat(&d.core, next, clock_ms(), clock_us(), &hb);
		heartbeat_io_send(&hb);
	} while (next < d.core.conf.n_instances);
	memset(d.send, 0, sizeof(d.send));
	d.n_send = 0;
}

static bool
mark(uint64_t *bits, int i)
{
	uint64_t bit = 1ULL << i % 64;
	bool fresh = (bits[i / 64] & bit) == 0;

	bits[i / 64] |= bit;
	return fresh;
}

/* The first one marked from `from` on, and below n; -1: none. */
static int
marked(const uint64_t *bits, int from, int n)
{
	for (int i = from; i < n; i = (i / 64 + 1) * 64) {
		uint64_t rest = bits[i / 64] >> i % 64;

		if (rest != 0) {
			i += __builtin_ctzll(rest);
			return i < n ? i : -1;
		}
	}
	return -1;
}

/* Of the instances that have news, and of those that fit beside them. */
static void
send_news(void)
{
	static struct heartbeat hb;
	int n = d.core.conf.n_instances;

	if (d.n_send == 0)
		return;
	for (int i = marked(d.send, 0, n); i != -1;) {
		int next = core_heartbeat(&d.core, i, clock_ms(), clock_us(), &hb);

		heartbeat_io_send(&hb);
		i = marked(d.send, next, n);
	}
	memset(d.send, 0, sizeof(d.send));
	d.n_send = 0;
}

bool
daemon_holds(int s)
{
	const struct instance *in = &d.core.inst[d.slot[s].index];

	return in->kernel == KERNEL_HELD && !d.core.conf.observe && clock_ms() < in->lease_end;
}

void
daemon_announce(int s)
{
	int ifindex;
	uint8_t mac[6];
	bool ethernet;

	if (!daemon_holds(s) || !vip_link(s, &ifindex, mac, &ethernet))
		return;
	announcer_start(s, ifindex, mac, ethernet);
	if (!d.slot[s].announced)
		daemon_note(s, STEP_ANNOUNCED, NULL);
	d.slot[s].announced = true;
	conflict_start(s, ifindex, mac);
}

void
daemon_watch(int s)
{
	const struct instance *in = &d.core.inst[d.slot[s].index];
	bool yielded = in->state == CORE_FAULT && in->reason == WHY_CONFLICT, ethernet;
	uint8_t mac[6];
	int ifindex;

	if ((yielded || daemon_holds(s)) && vip_link(s, &ifindex, mac, &ethernet))
		conflict_start(s, ifindex, mac);
	else
		conflict_stop(s);
}

/* A renewal is written down first: it is true whatever the kernel makes of it. A hold is when it is one; until then
 * there is none, also when one was lost, for putting it back may be refused, and then this node yields. */
static void
hold(int s, const struct instance *in, svip_ms until)
{
	bool renewal = vip_held(s);

	unreachable_stop(s);
	if (renewal)
		holds_note(in->id, in->hold_epoch, until);
	else
		holds_clear(in->id);
	vip_hold(s, until);
	if (!renewal && vip_held(s))
		holds_note(in->id, in->hold_epoch, until);
}

static void
carry_out(const struct core_action *a)
{
	int s = d.slot_of[a->instance];
	const struct instance *in = &d.core.inst[a->instance];

	switch ((enum core_action_kind)a->kind) {
	case ACT_HOLD:
		hold(s, in, a->until);
		return;
	case ACT_DROP:
		holds_clear(in->id);
		announcer_stop(s);
		conflict_stop(s);
		vip_drop(s);
		return;
	case ACT_ANNOUNCE:
		daemon_announce(s);
		return;
	case ACT_POLL:
		mark(d.poll, a->instance);
		return;
	case ACT_SEND:
		d.n_send += mark(d.send, a->instance);
		return;
	case ACT_WRITES:
		hands_writes(s, a->until);
		return;
	case ACT_STATE:
		daemon_watch(s);
		hands_eager(s);
		/* fall through */
	case ACT_VOID:
		assert(d.n_told < CORE_ACTIONS_MAX);
		d.told[d.n_told++] = *a;
		return;
	}
}

static void
step(const struct core_event *ev)
{
	d.out.n = 0;
	core_step(&d.core, ev, clock_ms(), clock_us(), &d.out);
	for (int i = 0; i < d.out.n; i++)
		carry_out(&d.out.a[i]);
}

static void
arm_timer(void)
{
	svip_ms due = core_deadline(&d.core);
	struct itimerspec t = { 0 };

	/* An alarm that comes too early is harmless, and cheaper than setting it at each renewal. */
	if (due >= armed)
		return;
	t.it_value.tv_sec = due / 1000;
	t.it_value.tv_nsec = due % 1000 * 1000000;
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &t, NULL) == -1) {
		log_error("timer: %s; letting everything go", strerror(errno));
		abort(); /* the kernel's lifetimes do the rest */
	}
	armed = due;
}

static void
tell_all(void)
{
	for (int i = 0; i < d.n_told; i++) {
		const struct core_action *a = &d.told[i];

		if (a->kind == ACT_STATE)
			daemon_tell(a);
		else
			log_warning("%s: the Sentinels have gone back to an older epoch for good "
			            "(reset?): an "
			            "old promise is void",
			    d.slot[d.slot_of[a->instance]].conf.name);
	}
	d.n_told = 0;
}

static void
flush(void)
{
	int n = d.core.conf.n_instances;

	if (d.n_send >= SEND_EARLY)
		send_news();
	for (int i = marked(d.poll, 0, n); i != -1; i = marked(d.poll, i + 1, n)) {
		d.poll[i / 64] &= ~(1ULL << i % 64);
		hands_poll(i);
	}
	tell_all();
	arm_timer();
}

/* The answers that carrying out has brought, then everything that may wait. */
static void
drain(void)
{
	while (d.n_events > 0) {
		struct core_event ev = d.event[d.first_event];

		d.first_event = (d.first_event + 1) % DAEMON_EVENTS_MAX;
		d.n_events--;
		step(&ev);
	}
	d.busy = false;
	flush();
}

void
daemon_post(const struct core_event *ev)
{
	if (d.busy) {
		/* Only the kernel's answers come here: an instance has one order under way at a time. */
		assert(d.n_events < DAEMON_EVENTS_MAX && ev->kind != EV_HEARTBEAT);
		d.event[(d.first_event + d.n_events++) % DAEMON_EVENTS_MAX] = *ev;
		return;
	}
	d.busy = true;
	step(ev);
	drain();
}

void
daemon_post_slot(enum core_event_kind kind, int slot)
{
	daemon_post(&(struct core_event){ .kind = kind, .instance = d.slot[slot].index });
}

/* ---- time ---- */

static void
on_timer(struct ev_loop *loop, ev_io *w, int revents)
{
	uint64_t count;

	(void)loop, (void)w, (void)revents;
	(void)!read(timer_fd, &count, sizeof(count));
	armed = SVIP_NEVER;
	daemon_post(&(struct core_event){ .kind = EV_TICK });
}

static void
jumped(const char *what, long long ms)
{
	daemon_post(&(struct core_event){ .kind = EV_JUMP });
	log_warning("%s by %lld ms: everything is let go, to be earned anew", what, ms);
}

/* First of all on every wake-up, before any input is read: have we slept too long, is a lease over? */
static void
on_wake(struct ev_loop *loop, ev_check *w, int revents)
{
	svip_ms now = clock_ms(), slept = now - last_turn;
	int64_t offset = clock_offset_ms(), moved = offset - clock_offset;

	(void)loop, (void)w, (void)revents;
	last_turn = now;
	clock_offset = offset;
	if (slept > d.set->poll_ms + d.set->lease_ms / 2)
		jumped("the process has not run, late", slept);
	else if (moved > JUMP_MS || moved < -JUMP_MS)
		jumped("the clock was set", moved);
	else if (now >= core_deadline(&d.core))
		daemon_post(&(struct core_event){ .kind = EV_TICK });
}

static void
on_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	on_wake(loop, &after_sleep, revents);
	/* Of this whole turn at once: many instances may have moved. */
	vip_confirm();
	send_news();
	(void)w;
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	send_heartbeats();
	daemon_spread_tick();
	daemon_change_tick();
	daemon_metrics_tick();
}

static void
on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	sdnotify_send("WATCHDOG=1");
}

static int
start_timers(void)
{
	double beat_s = (double)d.set->heartbeat_ms / 1000,
	       dog_s = (double)sdnotify_watchdog_ms() / 1000;

	timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd == -1)
		return -errno;
	ev_io_init(&timer_watch, on_timer, timer_fd, EV_READ);
	ev_set_priority(&timer_watch, EV_MAXPRI);
	ev_io_start(d.loop, &timer_watch);
	ev_timer_init(&beat, on_beat, beat_s, beat_s);
	ev_timer_start(d.loop, &beat);
	if (dog_s > 0) {
		ev_timer_init(&watchdog, on_watchdog, dog_s, dog_s);
		ev_timer_start(d.loop, &watchdog);
	}
	last_turn = clock_ms();
	clock_offset = clock_offset_ms();
	ev_check_init(&after_sleep, on_wake);
	ev_set_priority(&after_sleep, EV_MAXPRI);
	ev_check_start(d.loop, &after_sleep);
	ev_prepare_init(&before_sleep, on_sleep);
	ev_prepare_start(d.loop, &before_sleep);
	return 0;
}

/* ---- slots ---- */

int
daemon_slot_add(const struct set_instance *conf)
{
	int s = 0;

	while (s < SVIP_INSTANCES_MAX && d.slot[s].used)
		s++;
	if (s == SVIP_INSTANCES_MAX)
		return -1;
	memset(&d.slot[s], 0, sizeof(d.slot[s]));
	d.slot[s].used = true;
	d.slot[s].conf = *conf;
	return s;
}

/* At a start only: what this host's process before held is held on, when that is provably still good. */
static void
slot_begin(int s)
{
	uint64_t id = d.slot[s].conf.id, epoch;
	svip_ms until;

	if (!holds_left(id, &epoch, &until)) {
		vip_start(s);
	} else if (vip_inherit(s)) {
		daemon_post(&(struct core_event){ .kind = EV_INHERIT,
		    .instance = d.slot[s].index,
		    .epoch = epoch,
		    .until = until });
		log_notice(
		    "%s: the hold of the svipd before goes on, %lld ms of its lease are left",
		    d.slot[s].conf.name, (long long)(until - clock_ms()));
	} else {
		log_notice("%s: the svipd before held, but an address is not as it left it: "
		           "removed, to be earned anew",
		    d.slot[s].conf.name);
		holds_clear(id);
		vip_start(s);
	}
}

void
daemon_slot_remove(int s)
{
	int i = d.slot[s].index, last = d.core.conf.n_instances - 1;

	daemon_handing_forget(s);
	hands_remove(s);
	core_remove(&d.core, i);
	if (i != last) { /* the core has moved its last one */
		d.slot_of[i] = d.slot_of[last];
		d.slot[d.slot_of[i]].index = i;
		d.n_send += mark(d.send, i); /* as the one that has moved may have had to */
		mark(d.poll, i);
	}
	d.slot[s].used = false;
}

void
daemon_carry_out(void)
{
	d.busy = true;
	for (int i = 0; i < d.out.n; i++)
		carry_out(&d.out.a[i]);
	drain();
}

void
daemon_config_changed(void)
{
	if (d.next != NULL)
		return;
	d.out.n = 0;
	core_config(
	    &d.core, d.set->serial, d.set->digest_safety, d.set->digest_all, clock_ms(), &d.out);
	daemon_carry_out();
}

/* ---- life ---- */

static uint32_t
version_number(void)
{
	unsigned major = 0, minor = 0, patch = 0;

	sscanf(PACKAGE_VERSION, "%u.%u.%u", &major, &minor, &patch);
	return major << 16 | minor << 8 | patch;
}

static void
slots_fill(void)
{
	for (int i = 0; i < d.set->n_instances; i++) {
		int s = daemon_slot_add(&d.set->instance[i]);

		d.slot[s].index = i;
		d.slot_of[i] = s;
	}
}

struct guards
daemon_guards(const struct settings *set)
{
	/* Only under "auto" can a node be fenced otherwise than the configuration says. */
	bool sure = set->fence != SET_FENCE_AUTO || set->guard_ms > SET_GUARD_LIFETIME_MS;

	return (struct guards){ .own = hands_guard(set),
		.least = set->guard_ms,
		.unheard = sure ? set->guard_ms : SET_GUARD_LIFETIME_MS };
}

static void
core_start(const struct settings *set)
{
	static uint64_t ids[SVIP_INSTANCES_MAX];
	struct guards guards = daemon_guards(set);
	struct core_conf conf = { .lease_ms = set->lease_ms,
		.guard_ms = guards.own,
		.guard_least_ms = guards.least,
		.guard_unheard_ms = guards.unheard,
		.poll_ms = set->poll_ms,
		.heartbeat_ms = set->heartbeat_ms,
		.drift_ppm = set->drift_ppm,
		.n_sentinels = set->n_sentinels,
		.n_nodes = set->n_nodes,
		.self = set->self,
		.n_instances = set->n_instances,
		.hold_on_quorum_loss = set->hold_on_quorum_loss,
		.observe = set->observe,
		.cluster = set->cluster_id,
		.incarnation = seal_random64(),
		.seed = seal_random64(),
		.version = version_number(),
		.serial = set->serial };

	memcpy(conf.digest_safety, set->digest_safety, SVIP_DIGEST_LEN);
	memcpy(conf.digest_all, set->digest_all, SVIP_DIGEST_LEN);
	for (int i = 0; i < set->n_nodes; i++)
		hb_node(&set->node[i], conf.node[i]);
	for (int i = 0; i < set->n_instances; i++)
		ids[i] = set->instance[i].id;
	d.started = clock_ms();
	core_init(&d.core, &conf, ids, d.started);
}

static bool
failed(char *why, size_t size, const char *what, int rc)
{
	snprintf(why, size, "%s: %s", what, strerror(-rc));
	return false;
}

static gid_t
group_id(const char *name)
{
	const struct group *g = name[0] != '\0' ? getgrnam(name) : NULL;

	return g != NULL ? g->gr_gid : (gid_t)-1;
}

/* Beside the control socket: /run/svipd/svipd.sock has /run/svipd/svipd.holds. */
static void
holds_start(void)
{
	char path[SET_PATH_MAX];
	size_t len = strlen(d.options.socket);
	int rc;

	if (len > 5 && strcmp(d.options.socket + len - 5, ".sock") == 0)
		len -= 5;
	snprintf(path, sizeof(path), "%.*s.holds", (int)len, d.options.socket);
	rc = holds_init(path, d.set);
	if (rc != 0)
		log_warning("%s: %s; a restart will let go of the addresses for a moment", path,
		    strerror(-rc));
}

static void
make_steady(void)
{
	steady_init(&d.steady);
	if (d.steady.memory != 0)
		log_notice("memory can't be locked: %s; under memory pressure a lease may be "
		           "missed (LimitMEMLOCK=infinity)",
		    strerror(-d.steady.memory));
	if (d.steady.schedule != 0)
		log_notice("no real-time scheduling: %s; on a busy machine a lease may be missed "
		           "(CPUSchedulingPolicy=fifo)",
		    strerror(-d.steady.schedule));
}

bool
daemon_init(struct ev_loop *loop, struct settings *set, const struct daemon_options *options,
    char *why, size_t size)
{
	struct settings *before;
	int rc;

	d.loop = loop;
	d.options = *options;
	if (!daemon_change_resume(&set, &before, why, size))
		return false;
	d.set = set;
	rc = seal_init(set);
	if (rc != 0)
		return failed(why, size, "keys", rc);
	if (script_start(set->script_user, why, size) != 0)
		return false;
	if (keeper_start(set, why, size) != 0)
		return false;
	make_steady();
	if (priv_directory(options->socket, set->user, set->group_name, why, size) != 0)
		return false;
	rc = control_init(
	    &control, loop, options->socket, group_id(set->group_name), daemon_answer, NULL);
	if (rc != 0)
		return failed(why, size, options->socket, rc);
	if (priv_drop(set->user, set->group_name, why, size) != 0)
		return false;
	script_init(loop, set->script_timeout_ms, NULL, NULL);
	holds_start();
	slots_fill();
	if (!hands_init(loop, why, size))
		return false;
	for (int i = 0; i < set->n_instances; i++)
		hands_add(d.slot_of[i]);
	if (!hands_fence(why, size))
		return false;
	holds_guard(hands_guard(set));
	core_start(before != NULL ? before : set);
	settings_free(before);
	daemon_change_resumed();
	return true;
}

void
daemon_start(void)
{
	int rc = start_timers();

	if (rc != 0) {
		log_error("timer: %s", strerror(-rc));
		ev_break(d.loop, EVBREAK_ALL);
		return;
	}
	for (int i = 0; i < d.core.conf.n_instances; i++)
		slot_begin(d.slot_of[i]);
	hands_sweep();
	send_heartbeats();
	last_turn = clock_ms(); /* the start isn't a turn of the loop */
	daemon_spread_start();
	daemon_metrics_tick();
	sdnotify_send("READY=1");
	daemon_check();
}

static bool
all_clear(void)
{
	for (int i = 0; i < d.core.conf.n_instances; i++) {
		if (d.core.inst[i].kernel != KERNEL_CLEAR)
			return false;
	}
	return true;
}

static void
on_stop_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	static int ticks;

	(void)revents;
	/* Who still connects here is told for a moment that nobody does. */
	if (all_clear() && script_idle() && unreachable_idle()) {
		send_news();
		ev_break(loop, EVBREAK_ALL);
	} else if (++ticks * 20 > STOP_LIMIT_MS) {
		if (!all_clear())
			log_error("stopping though the kernel keeps an address: its lifetime ends "
			          "it within %lld ms",
			    (long long)(d.set->lease_ms + d.set->guard_ms));
		ev_timer_stop(loop, w);
		ev_break(loop, EVBREAK_ALL);
	}
}

void
daemon_stop(const char *cause, bool hand_over)
{
	if (d.stopping)
		return;
	if (hand_over && d.set->handover_on_stop && !d.handing_over) {
		d.handing_over = true;
		log_notice("%s: handing over what this node holds", cause);
		if (daemon_handover_all())
			return;
	}
	daemon_handover_end();
	d.stopping = true;
	log_notice("stopping: %s", cause);
	sdnotify_send("STOPPING=1");
	daemon_post(&(struct core_event){ .kind = EV_STOP });
	send_heartbeats();
	daemon_tell_stop();
	ev_timer_init(&stop_limit, on_stop_limit, 0, 0.02);
	ev_timer_start(d.loop, &stop_limit);
}

void
daemon_leave(void)
{
	if (d.stopping)
		return;
	d.leaving = true;
	log_notice(
	    "leaving: addresses stay until their leases end; a successor may take them over");
	sdnotify_send("STOPPING=1");
	ev_break(d.loop, EVBREAK_ALL);
}

void
daemon_log_status(void)
{
	svip_ms now = clock_ms();

	for (int i = 0; i < d.core.conf.n_instances; i++) {
		const struct instance *in = &d.core.inst[i];
		uint64_t epoch;

		log_notice("%s: %s reason=%s confirmations=%d/%d epoch=%llu lease_left_ms=%lld",
		    d.slot[d.slot_of[i]].conf.name, core_state_word(in->state),
		    core_reason_word(in->reason), core_confirmations(&d.core, i, now, &epoch),
		    core_majority(&d.core), (unsigned long long)epoch,
		    in->kernel == KERNEL_HELD && in->lease_end > now
		        ? (long long)(in->lease_end - now)
		        : 0LL);
	}
}

void
daemon_fini(void)
{
	selftest_fini();
	daemon_metrics_fini();
	daemon_handing_fini();
	daemon_spread_fini();
	/* What the kernel keeps though it shouldn't stays fenced. */
	hands_fini(d.leaving || !all_clear());
	holds_fini();
	control_fini(control);
	script_fini();
	seal_fini();
	if (timer_fd != -1)
		close(timer_fd);
	settings_free(d.set);
	settings_free(d.next);
}
