/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the JSON answers. The only file of the daemon that knows jansson; must not change or decide anything.
 * Running out of memory makes a NULL that passes up through json_pack() to the caller.
 */
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "history.h"
#include "io/channel.h"
#include "io/heartbeat_io.h"
#include "io/log.h"
#include "io/script.h"
#include "named.h"
#include "why.h"

/* Everything an answer is built from. */
struct report {
	const struct core *core;
	const struct settings *set;
	const struct report_input *in;
	const char *name; /* only this instance; NULL: all */
};

int
report_index(const struct core *c, const struct settings *set, int i)
{
	uint64_t id = set->instance[i].id;

	/* The same order, unless a reload has taken one away. */
	if (i < c->conf.n_instances && c->inst[i].id == id)
		return i;
	for (int k = 0; k < c->conf.n_instances; k++) {
		if (c->inst[k].id == id)
			return k;
	}
	return -1;
}

/* ---- values ---- */

/* jansson refuses what is no UTF-8; hostile bytes become '?'. NULL and "" are null. */
static json_t *
text(const char *s)
{
	char clean[WHY_TEXT_MAX];

	if (s == NULL || s[0] == '\0')
		return json_null();
	return json_string(log_clean(s, strlen(s), clean, sizeof(clean)));
}

static json_t *
host(const struct svip_host *h)
{
	char out[SVIP_TEXT_MAX];

	return h->name[0] == '\0' ? json_null() : text(svip_host_text(h, out));
}

static json_t *
address(const struct svip_addr *a, bool prefix)
{
	char out[SVIP_TEXT_MAX];

	return text(svip_addr_text(a, prefix, out));
}

/* How long ago; null: never. */
static json_t *
age(const struct report *r, svip_ms t)
{
	return t == SVIP_LONG_AGO ? json_null() : json_integer(r->in->now - t);
}

static json_int_t
left(const struct report *r, svip_ms t)
{
	return t == SVIP_NEVER || t <= r->in->now ? 0 : t - r->in->now;
}

/* Takes item over. When memory runs out the array becomes NULL. */
static void
append(json_t **array, json_t *item)
{
	if (*array == NULL || json_array_append_new(*array, item) != 0) {
		json_decref(*array);
		*array = NULL;
	}
}

/* Adds more's fields to object; both are taken over. NULL when either is. */
static json_t *
join(json_t *object, json_t *more)
{
	if (object == NULL || more == NULL || json_object_update(object, more) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return object;
}

/* An answer with its head; takes body over. */
static json_t *
headed(bool ok, json_t *body)
{
	return join(json_pack("{s:i, s:b}", "schema", REPORT_SCHEMA, "ok", ok), body);
}

/* Prints it; takes body over. */
static char *
finish(bool ok, json_t *body)
{
	json_t *whole = headed(ok, body);
	char *out = whole != NULL ? json_dumps(whole, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(whole);
	return out;
}

/* ---- instances ---- */

/* The core's index of the settings' instance i when it is asked for; -1: it isn't. */
static int
wanted(const struct report *r, int i)
{
	if (r->name != NULL && strcmp(r->name, r->set->instance[i].name) != 0)
		return -1;
	return report_index(r->core, r->set, i);
}

static json_t *
holder(const struct report *r, int index)
{
	int h = core_holder(r->core, index, r->in->now);

	return h == -1 ? json_null() : address(&r->set->node[h], false);
}

/* Takes a lease or its rest into account only where there is one. */
static bool
has_lease(const struct instance *in)
{
	return in->kernel == KERNEL_ADDING || in->kernel == KERNEL_HELD;
}

static json_t *
instance_why(const struct report *r, const struct set_instance *conf, int index)
{
	const struct why_about about = {
		.core = r->core, .settings = r->set, .input = r->in, .conf = conf, .index = index
	};
	char why[WHY_TEXT_MAX], next[WHY_TEXT_MAX];

	return json_pack(
	    "{s:o, s:o}", "why", text(why_text(&about, why)), "next", text(why_next(&about, next)));
}

/* The fields of the contract; what has been added since is in instance_more(). */
static json_t *
instance_contract(const struct report *r, const struct set_instance *conf, int index)
{
	const struct instance *in = &r->core->inst[index];
	const bool waits = in->state == CORE_WAITING && in->reason == WHY_LEASE_RUNS;
	json_t *addresses = json_array();
	struct named named;
	uint64_t epoch;

	for (int k = 0; k < conf->n_addresses; k++)
		append(&addresses, address(&conf->address[k], true));
	named_most(r->core, index, r->in->now, &named);
	epoch = in->kernel == KERNEL_CLEAR ? named.epoch : in->hold_epoch;
	return json_pack(
	    "{s:o, s:s, s:b, s:s, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:i, s:o, s:I}", "name",
	    text(conf->name), "state", core_state_word(in->state), "holding",
	    in->kernel == KERNEL_HELD && !r->core->conf.observe, "reason",
	    core_reason_word(in->reason), "since_ms", (json_int_t)(r->in->now - in->since),
	    "interface", text(conf->interface), "addresses", addresses, "master",
	    named.count > 0 ? host(&named.master) : json_null(), "epoch", (json_int_t)epoch,
	    "lease_left_ms", has_lease(in) ? left(r, in->lease_end) : 0, "wait_left_ms",
	    waits ? left(r, core_free_at(r->core, index, named.epoch)) : 0, "confirmations",
	    named.up, "majority", core_majority(r->core), "holder", holder(r, index), "conflicts",
	    (json_int_t)r->in->instance[index].conflicts);
}

static json_t *
instance_more(const struct report *r, const struct set_instance *conf, int index)
{
	const struct instance *in = &r->core->inst[index];
	const struct report_instance *ri = &r->in->instance[index];
	const bool refused = in->reason == WHY_ADDRESS_REFUSED || in->reason == WHY_ADDRESS_STUCK;

	return json_pack("{s:b, s:i, s:b, s:o, s:b, s:o, s:o, s:I, s:o, s:o, s:I, s:o}",
	    "named_here", in->named_since != SVIP_NEVER, "sentinels_fresh",
	    core_sentinels_fresh(r->core, index, r->in->now), "link", in->link_up, "redis",
	    host(&conf->redis), "redis_master", in->role_master, "redis_heard_ms",
	    age(r, in->role_asked), "redis_error", text(ri->redis_error), "announcements",
	    (json_int_t)ri->announcements, "conflict", text(ri->conflict), "error",
	    refused ? text(strerror(in->error)) : json_null(), "writes_held_ms",
	    in->writes_until > r->in->now && r->set->hold_writes ? left(r, in->writes_until) : 0,
	    "writes_error", text(ri->writes_error));
}

/* What became of clients' connections. */
static json_t *
instance_clients(const struct report_instance *ri)
{
	return json_pack("{s:I, s:o}", "resets", (json_int_t)ri->resets, "reset_error",
	    ri->reset_error != 0 ? text(strerror(ri->reset_error)) : json_null());
}

/* Counts of the words that count[0..n) has; all: also those that never were. */
static json_t *
counted(const uint32_t *count, int n, const char *(*word)(int), bool all)
{
	json_t *object = count != NULL ? json_object() : json_null();

	for (int i = 0; count != NULL && i < n && object != NULL; i++) {
		if ((all || count[i] > 0) &&
		    json_object_set_new(object, word(i), json_integer(count[i])) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static const char *
state_word(int s)
{
	return core_state_word((enum core_state)s);
}

static const char *
reason_word(int r)
{
	return core_reason_word((enum core_reason)r);
}

/* What has happened since the start. */
static json_t *
instance_counts(const struct report *r, const struct report_instance *ri)
{
	return json_pack("{s:I, s:o, s:o, s:o}", "announcement_errors",
	    (json_int_t)ri->announcement_errors, "conflict_ms",
	    ri->conflicts > 0 ? json_integer(r->in->now - ri->conflict_at) : json_null(), "entered",
	    counted(ri->entered, CORE_FAULT + 1, state_word, true), "released",
	    counted(ri->released, WHY_REASONS, reason_word, false));
}

static json_t *
instances(const struct report *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->set->n_instances; i++) {
		const struct set_instance *conf = &r->set->instance[i];
		int index = wanted(r, i);

		if (index != -1)
			append(&all, join(join(join(join(instance_contract(r, conf, index),
			                                instance_more(r, conf, index)),
			                           instance_clients(&r->in->instance[index])),
			                      instance_counts(r, &r->in->instance[index])),
			                 instance_why(r, conf, index)));
	}
	return all;
}

static json_t *
whys(const struct report *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->set->n_instances; i++) {
		const struct set_instance *conf = &r->set->instance[i];
		int index = wanted(r, i);
		const struct instance *in;

		if (index == -1)
			continue;
		in = &r->core->inst[index];
		append(&all, join(json_pack("{s:o, s:s, s:b, s:s, s:I}", "name", text(conf->name),
		                      "state", core_state_word(in->state), "holding",
		                      in->kernel == KERNEL_HELD && !r->core->conf.observe, "reason",
		                      core_reason_word(in->reason), "since_ms",
		                      (json_int_t)(r->in->now - in->since)),
		                 instance_why(r, conf, index)));
	}
	return all;
}

/* ---- Sentinels ---- */

static json_t *
views(const struct report *r, int s)
{
	json_t *all = json_array();

	for (int i = 0; i < r->set->n_instances; i++) {
		int index = wanted(r, i);
		const struct view *v;

		if (index == -1)
			continue;
		v = &r->core->inst[index].view[s];
		append(&all,
		    json_pack("{s:o, s:o, s:I, s:b, s:b, s:o, s:o}", "name",
		        text(r->set->instance[i].name), "master",
		        v->valid ? host(&v->master) : json_null(), "epoch",
		        (json_int_t)(v->valid ? v->epoch : 0), "down", v->valid && v->down, "here",
		        v->valid && v->me, "asked_ms", v->valid ? age(r, v->asked) : json_null(),
		        "fault", text(r->in->instance[index].fault[s])));
	}
	return all;
}

static json_t *
hosts(const struct svip_host *h, int n)
{
	json_t *all = json_array();

	for (int i = 0; i < n; i++)
		append(&all, host(&h[i]));
	return all;
}

static json_t *
sentinels(const struct report *r)
{
	json_t *all = json_array();

	for (int s = 0; s < r->set->n_sentinels && s < r->core->conf.n_sentinels; s++) {
		const struct report_sentinel *rs = &r->in->sentinel[s];
		json_t *contract = json_pack("{s:o, s:o, s:o, s:o}", "address",
		    host(&r->set->sentinel[s]), "state", text(rs->state), "last_reply_ms",
		    age(r, rs->last_reply), "views", views(r, s));
		json_t *more = json_pack("{s:o, s:b, s:o, s:o, s:o, s:I, s:i, s:o, s:i, s:o}",
		    "error", text(rs->error), "listening", r->core->listening[s] != SVIP_NEVER,
		    "listening_state", text(rs->listening_state), "rtt_ms",
		    rs->rtt_ms >= 0 ? json_integer(rs->rtt_ms) : json_null(), "id", text(rs->id),
		    "reconnects", (json_int_t)rs->reconnects, "unknown", rs->n_unknown,
		    "unknown_sentinels", hosts(rs->unknown, rs->n_unknown_listed), "missing",
		    rs->n_missing, "missing_sentinels", hosts(rs->missing, rs->n_missing_listed));

		append(&all, join(contract, more));
	}
	return all;
}

/* ---- peers ---- */

static const char *
peer_state_word(enum core_peer_state s)
{
	switch (s) {
	case PEER_ALIVE:
		return "alive";
	case PEER_SILENT:
		return "silent";
	case PEER_UNKNOWN:
		return "unknown";
	}
	return "";
}

static json_t *
peer_config(const struct peer *p)
{
	if (!p->heard_config)
		return json_null();
	switch (p->config) {
	case CONFIG_SAME:
		return json_string("same");
	case CONFIG_DIFFERS:
		return json_string("differs");
	case CONFIG_UNSAFE:
		return json_string("unsafe");
	}
	return json_null();
}

static json_t *
peer_version(const struct peer *p)
{
	char out[32];

	if (!p->heard_config)
		return json_null();
	snprintf(out, sizeof(out), "%u.%u.%u", p->version >> 16, p->version >> 8 & 0xff,
	    p->version & 0xff);
	return json_string(out);
}

static json_t *
peer_instances(const struct report *r, int node)
{
	json_t *all = json_array();

	for (int i = 0; i < r->set->n_instances; i++) {
		int index = wanted(r, i);
		const struct peer_instance *p;

		if (index == -1)
			continue;
		p = &r->core->inst[index].peer[node];
		/* The state is a byte from the network. */
		if (!p->known || p->state > CORE_FAULT)
			continue;
		append(&all,
		    json_pack("{s:o, s:s, s:b, s:I, s:I, s:I}", "name",
		        text(r->set->instance[i].name), "state", core_state_word(p->state),
		        "holding", p->holding, "epoch",
		        (json_int_t)(p->holding ? p->hold_epoch : p->claim_epoch), "lease_left_ms",
		        (json_int_t)p->lease_left_ms, "yield_epoch", (json_int_t)p->yield_epoch));
	}
	return all;
}

static json_t *
peers(const struct report *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->set->n_nodes && i < r->core->conf.n_nodes; i++) {
		const struct peer *p = &r->core->peer[i];
		bool two_way = core_peer_two_way(r->core, i, r->in->now);
		json_t *contract, *more;

		if (i == r->core->conf.self)
			continue;
		contract = json_pack("{s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "node",
		    address(&r->set->node[i], false), "state",
		    peer_state_word(core_peer_state(r->core, i, r->in->now)), "heard_ms",
		    age(r, p->heard), "rtt_us",
		    p->echoed != SVIP_LONG_AGO ? json_integer(p->rtt_us) : json_null(), "two_way",
		    two_way, "version", peer_version(p), "config", peer_config(p), "instances",
		    peer_instances(r, i));
		more = json_pack("{s:b, s:b, s:I, s:I, s:I}", "maintenance", p->maintenance,
		    "observe", p->observe, "lease_ms", (json_int_t)p->lease_ms, "guard_ms",
		    (json_int_t)p->guard_ms, "stale", (json_int_t)p->refused_count);
		append(&all, join(contract, more));
	}
	return all;
}

/* ---- answers ---- */

/* While two configurations are in force; else null. */
static json_t *
change(const struct report *r)
{
	const struct core *c = r->core;
	svip_ms at = core_change_at(c);
	json_t *waits = json_array();

	if (!c->joint.on) {
		json_decref(waits);
		return json_null();
	}
	for (int i = 0; i < c->conf.n_nodes; i++) {
		if (i != c->conf.self && (c->joint.absent >> i & 1) == 0 &&
		    c->peer[i].joined == SVIP_NEVER)
			append(&waits, address(&r->set->node[i], false));
	}
	return json_pack("{s:I, s:b, s:o, s:o}", "serial", (json_int_t)c->joint.next.serial,
	    "removed", (c->joint.next.nodes >> c->conf.self & 1) == 0, "waits_for", waits, "left_ms",
	    at == SVIP_NEVER     ? json_null()
	    : at <= r->in->now ? json_integer(0)
	                         : json_integer(at - r->in->now));
}

static json_t *
head(const struct report *r)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:b, s:b, s:o, s:I, s:I, s:o}", "version",
	    text(r->in->version), "cluster", text(r->set->cluster), "node",
	    address(&r->set->node[r->core->conf.self], false), "pid", (json_int_t)r->in->pid,
	    "uptime_ms", (json_int_t)(r->in->now - r->core->started), "maintenance",
	    r->core->maintenance, "observe", r->core->conf.observe, "fence", text(r->in->fence),
	    "guard_ms", (json_int_t)r->core->conf.guard_ms,
	    "serial", (json_int_t)r->set->serial, "change", change(r));
}

/* Of the heartbeats, the peers' channel and the scripts, since the start. */
static json_t *
heartbeats(const struct heartbeat_io_counters *c)
{
	json_t *refused;

	if (c == NULL)
		return json_null();
	refused = json_object();
	for (int i = 0; i < HEARTBEAT_IO_REFUSALS; i++)
		json_object_set_new(refused,
		    heartbeat_io_refusal_word((enum heartbeat_io_refusal)i),
		    json_integer((json_int_t)c->refused[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "sent", (json_int_t)c->sent, "send_errors",
	    (json_int_t)c->send_errors, "received", (json_int_t)c->received, "accepted",
	    (json_int_t)c->accepted, "refused", refused);
}

static json_t *
channel(const struct channel_counters *c)
{
	if (c == NULL)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}}", "guests",
	    (json_int_t)c->guests, "answers", (json_int_t)c->answers, "calls", (json_int_t)c->calls,
	    "calls_failed", (json_int_t)c->calls_failed, "refused", "stranger",
	    (json_int_t)c->strangers, "crowded", (json_int_t)c->crowded, "unproven",
	    (json_int_t)c->unproven, "late", (json_int_t)c->late);
}

static json_t *
scripts(const struct script_counts *c, int queued)
{
	if (c == NULL)
		return json_null();
	return json_pack("{s:{s:I, s:I, s:I, s:I}, s:i}", "runs", "done", (json_int_t)c->done,
	    "failed", (json_int_t)c->failed, "timed-out", (json_int_t)c->timed_out, "dropped",
	    (json_int_t)c->dropped, "queued", queued);
}

static json_t *
counters(const struct report *r)
{
	static const char digits[] = "0123456789abcdef";
	char digest[2 * SVIP_DIGEST_LEN + 1] = "";

	for (int i = 0; i < SVIP_DIGEST_LEN; i++) {
		digest[2 * i] = digits[r->set->digest_all[i] >> 4];
		digest[2 * i + 1] = digits[r->set->digest_all[i] & 0xf];
	}
	return json_pack("{s:I, s:s, s:o, s:o, s:o}", "time_ms", (json_int_t)r->in->wall_ms, "digest",
	    digest, "heartbeats", heartbeats(r->in->heartbeats), "channel", channel(r->in->channel),
	    "scripts", scripts(r->in->scripts, r->in->scripts_queued));
}

static json_t *
history(const struct report *r)
{
	json_t *all = json_array();

	for (int back = HISTORY_MAX - 1; back >= 0; back--) {
		const struct history_entry *e = history_get(r->in->history, back);

		if (e == NULL || (r->name != NULL && strcmp(r->name, e->name) != 0))
			continue;
		append(&all, json_pack("{s:I, s:I, s:o, s:s, s:s, s:s, s:I, s:I}", "time_ms",
		                 (json_int_t)(e->wall_us / 1000), "time_us", (json_int_t)e->wall_us, "name", text(e->name), "from",
		                 core_state_word(e->from), "to", core_state_word(e->to), "reason",
		                 core_reason_word(e->reason), "epoch", (json_int_t)e->epoch,
		                 "waited_ms", (json_int_t)e->waited_ms));
	}
	return all;
}

static json_t *
steps(const struct report *r)
{
	json_t *all = json_array();

	for (int back = HISTORY_MAX - 1; back >= 0; back--) {
		const struct history_note *n = history_noted(r->in->history, back);

		if (n == NULL || (r->name != NULL && strcmp(r->name, n->name) != 0))
			continue;
		append(&all, json_pack("{s:I, s:o, s:s, s:o}", "time_us", (json_int_t)n->wall_us, "name", text(n->name),
		                 "step", history_step_word(n->step), "sentinel",
		                 n->who.port != 0 ? host(&n->who) : json_null()));
	}
	return all;
}

static json_t *
help(void)
{
	json_t *all = json_array();

	for (int i = 0; i < CTL_COMMANDS; i++) {
		const struct ctl_usage *u = ctl_request_usage(i);

		append(&all, json_pack("{s:s, s:s, s:s, s:b}", "command", u->name, "arguments",
		                 u->arguments, "help", u->help, "changes", u->changes));
	}
	return json_pack("{s:o}", "commands", all);
}

/* A name that no configured instance has, and none in the history when that is asked. */
static bool
unknown_name(const struct report *r, enum ctl_command command)
{
	if (r->name == NULL)
		return false;
	for (int i = 0; i < r->set->n_instances; i++) {
		if (strcmp(r->name, r->set->instance[i].name) == 0)
			return false;
	}
	for (int back = 0; command == CTL_HISTORY && back < HISTORY_MAX; back++) {
		const struct history_entry *e = history_get(r->in->history, back);

		if (e != NULL && strcmp(r->name, e->name) == 0)
			return false;
	}
	return true;
}

static json_t *
status(const struct report *r)
{
	return join(join(head(r), counters(r)), json_pack("{s:o, s:o, s:o}", "instances",
	                                            instances(r), "sentinels", sentinels(r),
	                                            "peers", peers(r)));
}

static json_t *
body(const struct report *r, enum ctl_command command)
{
	switch (command) {
	case CTL_STATUS:
		return status(r);
	case CTL_PEERS:
		return join(head(r), json_pack("{s:o}", "peers", peers(r)));
	case CTL_SENTINELS:
		return join(head(r), json_pack("{s:o}", "sentinels", sentinels(r)));
	case CTL_WHY:
		return join(head(r), json_pack("{s:o}", "instances", whys(r)));
	case CTL_HISTORY:
		return join(head(r), json_pack("{s:o, s:o}", "history", history(r), "steps", steps(r)));
	case CTL_VERSION:
		return json_pack("{s:o}", "version", text(r->in->version));
	case CTL_HELP:
		return help();
	case CTL_CONFIG_DIFF:
	case CTL_CLUSTER:
	case CTL_CONFIG_APPLY:
	case CTL_KEY_ROTATE:
	case CTL_CHECK:
	case CTL_RELOAD:
	case CTL_MAINTENANCE:
	case CTL_LOG:
	case CTL_HANDOVER:
	case CTL_CLIENT_RECONFIG:
	case CTL_COMMANDS:
		break;
	}
	return NULL;
}

char *
report_reply(const struct core *core, const struct settings *set, const struct report_input *in,
    const struct ctl_request *request)
{
	const struct report r = { .core = core, .set = set, .in = in, .name = request->name };
	char message[CTL_MESSAGE_MAX];

	if (unknown_name(&r, request->command)) {
		snprintf(
		    message, sizeof(message), "no vip \"%s\" is configured here", request->name);
		return report_error("unknown-name", message);
	}
	return finish(true, body(&r, request->command));
}

struct json_t *
report_status(const struct core *core, const struct settings *set, const struct report_input *in)
{
	const struct report r = { .core = core, .set = set, .in = in };

	return headed(true, status(&r));
}

char *
report_done(const char *message)
{
	return finish(true, json_pack("{s:o}", "message", text(message)));
}

char *
report_error(const char *word, const char *message)
{
	return finish(false, json_pack("{s:s, s:o}", "error", word, "message", text(message)));
}

char *
report_errors(const char *word, const char *message, const char *lines)
{
	json_t *all = json_array();
	char clean[WHY_TEXT_MAX];

	for (const char *p = lines; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, "\n");

		if (len > 0)
			append(&all, json_string(log_clean(p, len, clean, sizeof(clean))));
		p += len + (p[len] == '\n');
	}
	return finish(false,
	    json_pack("{s:s, s:o, s:o}", "error", word, "message", text(message), "errors", all));
}
