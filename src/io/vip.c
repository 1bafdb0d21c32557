/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the kernel's addresses as they were ordered, and knows the truth only from the kernel: acknowledgements and dumps.
 * Notifications are hints to look. Must never renew what nobody has ordered.
 */
#include "vip.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fence.h"
#include "log.h"
#include "reset.h"
#include "rtnl.h"

enum {
	LINKS_MAX = 4096,
	TABLE_MAX = 32768,   /* addresses of this host */
	INDEX_MAX = 4096,    /* lists of virtual addresses */
	CLEAR_TRIES = 8,     /* against another hand that puts them back */
	AGAIN_MS = 100,      /* after the kernel could not be read */
	REMOVAL_MS = 20,     /* of a hold's time are for the removal itself */
	COMPLAIN_MS = 10000, /* the same complaint at most this often */
};

/* What another hand, or the kernel, can make this program say again and again. */
enum complaint { SAY_REMOVED, SAY_COPY, SAY_ENDLESS, SAY_OPEN, COMPLAINTS };

/* Where an address is looked for: there may be many thousands, and the kernel's news come for each. */
struct member {
	const struct svip_addr *addr;
	int owner;
	struct member *next; /* of the same list */
};

/* Addresses that have been removed, until a dump has shown it. */
enum pending { NOT_PENDING, TO_LOOK, LOOKED };

struct vip {
	bool used, wanted, there;
	enum pending pending;
	const char *what; /* while it is pending: what is said of left-overs; NULL: nothing */
	uint8_t mac[6]; /* of the interface, when it was there last */
	char interface[IFNAMSIZ];
	int ifindex; /* 0: the interface isn't there */
	bool up;
	int n;
	struct svip_addr *addr; /* owned */
	struct member *member;  /* owned; of the same addresses */
	int first;              /* of its addresses in the table; -1: none */
	svip_ms until;          /* as ordered last */
	svip_ms expires;        /* when the kernel will remove them, at the earliest */
	svip_ms reset_ms;       /* for the resets of its clients; 0: none */
	struct log_limit limit[COMPLAINTS];
};

static struct {
	struct vip_calls call;
	void *ctx;
	int n_links;
	struct rtnl_link link[LINKS_MAX];
	int n_table;
	struct rtnl_address table[TABLE_MAX]; /* all addresses as of the last dump */
	int16_t owner[TABLE_MAX];             /* the instance that has it; -1: none */
	int next[TABLE_MAX];                  /* the same instance's next one; -1: none */
	struct member *index[INDEX_MAX];
	bool too_many;                        /* the last dump didn't fit */
	bool dirty;                           /* the table may be out of date */
	bool links_dirty;                     /* so may the links */
	bool observe;
	bool fenced;
	int refuse; /* nothing may be held without the packet filter: the errno of that */
	struct ev_loop *loop;
	ev_timer again;
	struct log_limit links_limit, read_limit, overrun_limit;
	int top; /* handles in use are below this */
	int n_pending;
	struct vip vip[SVIP_INSTANCES_MAX];
} v;

/* What became of an instance's clients at a drop. */
struct reset {
	bool tried, going; /* going: it has been told of */
	int n, rc;
	svip_ms took_ms;
};

/* ---- whose an address is ---- */

static struct member **
list_of(const struct svip_addr *a)
{
	uint32_t h = a->family;

	for (int k = 0; k < (a->family == 4 ? 4 : 16); k++)
		h = (h ^ a->bytes[k]) * 16777619; /* FNV-1a */
	return &v.index[(h ^ h >> 16) % INDEX_MAX];
}

/* The instance that has the address; -1: none. */
static int
owner_of(const struct svip_addr *a)
{
	for (const struct member *m = *list_of(a); m != NULL; m = m->next) {
		if (svip_addr_same(m->addr, a))
			return m->owner;
	}
	return -1;
}

static void
index_in(int i)
{
	struct vip *p = &v.vip[i];

	for (int k = 0; k < p->n; k++) {
		struct member **list = list_of(&p->addr[k]);

		p->member[k] = (struct member){ .addr = &p->addr[k], .owner = i, .next = *list };
		*list = &p->member[k];
	}
}

static void
index_out(const struct vip *p)
{
	for (int k = 0; k < p->n; k++) {
		struct member **at = list_of(&p->addr[k]);

		while (*at != &p->member[k])
			at = &(*at)->next;
		*at = p->member[k].next;
	}
}

/* ---- what is known of the kernel ---- */

static void
on_dumped_address(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	if (info == NULL) {
		v.n_table = 0;
		v.too_many = false;
	} else if (info->kind == RTNL_ADDRESS && info->address.addr.family != 0) {
		if (v.n_table < TABLE_MAX)
			v.table[v.n_table++] = info->address;
		else
			v.too_many = true;
	}
}

static void
complain(const char *what, int rc)
{
	unsigned held;

	if (log_allowed(&v.read_limit, COMPLAIN_MS, clock_ms(), &held))
		log_error("netlink: this host's %s can't be read: %s (%u more of these)", what,
		    strerror(-rc), held);
}

static bool
may_say(struct vip *p, enum complaint what, unsigned *held)
{
	return log_allowed(&p->limit[what], COMPLAIN_MS, clock_ms(), held);
}

static void
sort_table(void)
{
	for (int i = 0; i < v.top; i++)
		v.vip[i].first = -1;
	for (int t = v.n_table - 1; t >= 0; t--) {
		int i = owner_of(&v.table[t].addr);

		v.owner[t] = (int16_t)i;
		v.next[t] = i == -1 ? -1 : v.vip[i].first;
		if (i != -1)
			v.vip[i].first = t;
	}
}

static int
read_table(void)
{
	int rc = rtnl_dump_addresses(on_dumped_address, NULL);

	sort_table();
	if (rc == 0 && v.too_many) /* a virtual one may be among those left out */
		rc = -E2BIG;
	if (rc != 0)
		complain("addresses", rc);
	return rc;
}

static struct rtnl_link *
find_link(int ifindex)
{
	for (int i = 0; i < v.n_links; i++) {
		if (v.link[i].ifindex == ifindex)
			return &v.link[i];
	}
	return NULL;
}

static struct rtnl_link *
named_link(const char *name)
{
	for (int i = 0; i < v.n_links; i++) {
		if (strcmp(v.link[i].name, name) == 0)
			return &v.link[i];
	}
	return NULL;
}

static void
put_link(const struct rtnl_link *l)
{
	struct rtnl_link *old = find_link(l->ifindex);
	unsigned held;

	if (old == NULL && v.n_links < LINKS_MAX)
		old = &v.link[v.n_links++];
	if (old != NULL)
		*old = *l;
	else if (log_allowed(&v.links_limit, 60000, clock_ms(), &held))
		log_warning(
		    "netlink: more than %d interfaces, %s isn't looked at", LINKS_MAX, l->name);
}

static void
on_dumped_link(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	if (info == NULL)
		v.n_links = 0;
	else if (info->kind == RTNL_LINK)
		put_link(&info->link);
}

/* The address is as this program puts it: same interface, prefix and scope, no other end. */
static bool
is_ours(const struct vip *p, const struct rtnl_address *a)
{
	if (a->ifindex != p->ifindex || a->has_end || !a->usual_scope)
		return false;
	for (int k = 0; k < p->n; k++) {
		if (svip_addr_same(&p->addr[k], &a->addr) && p->addr[k].prefix == a->addr.prefix)
			return true;
	}
	return false;
}

/* ---- orders ---- */

/* Removes every entry of the table that is an address of p, or only those that another hand has put there.
 * Returns 0 or the positive errno of a refusal; *n is how many there were. */
static int
remove_found(struct vip *p, bool foreign_only, int *n)
{
	struct rtnl_address found[SVIP_ADDRESSES_MAX];
	int error[SVIP_ADDRESSES_MAX], rc;

	*n = 0;
	for (int t = p->first; t != -1 && *n < SVIP_ADDRESSES_MAX; t = v.next[t]) {
		if (!(foreign_only && is_ours(p, &v.table[t])))
			found[(*n)++] = v.table[t];
	}
	if (*n == 0)
		return 0;
	rc = rtnl_delete(found, *n, error);
	for (int k = 0; k < *n && rc == 0; k++) {
		if (error[k] != 0 && error[k] != EADDRNOTAVAIL && error[k] != ENODEV)
			rc = -error[k];
	}
	return -rc;
}

/* Removes p's addresses until a dump shows none. Returns 0, or the positive errno of what stands in the way. */
static int
clear_all(struct vip *p)
{
	int err, n;

	for (int tries = 0; tries < CLEAR_TRIES; tries++) {
		err = -read_table();
		if (err == 0)
			err = remove_found(p, false, &n);
		if (err != 0 || n == 0)
			return err;
	}
	return EBUSY; /* somebody puts it back as fast as it is removed */
}

static void
set_pending(int i, enum pending to)
{
	v.n_pending += (to != NOT_PENDING) - (v.vip[i].pending != NOT_PENDING);
	v.vip[i].pending = to;
}

/* To be told at the end of this turn that none of its addresses is there: one look at the kernel serves all. */
static void
clear_later(int i, const char *what)
{
	v.vip[i].wanted = v.vip[i].there = false;
	v.vip[i].what = what;
	set_pending(i, TO_LOOK);
}

static void
tell_clear(int i, int err)
{
	unsigned held;

	set_pending(i, NOT_PENDING);
	if (v.fenced) { /* also when one can't be removed: nobody hears of it then */
		int rc = fence_close(i);

		if (rc != 0 && may_say(&v.vip[i], SAY_OPEN, &held))
			log_error("%s: the packet filter stays open until the lease's end: %s (%u "
			          "more of these)",
			    v.vip[i].interface, strerror(-rc), held);
	}
	if (err == 0)
		v.call.clear(v.ctx, i);
	else
		v.call.stuck(v.ctx, i, err);
}

static void
say_removed(struct vip *p)
{
	char text[SVIP_TEXT_MAX];
	unsigned held;

	if (p->what != NULL && may_say(p, SAY_REMOVED, &held))
		log_warning("%s on %s: %s; removed (%u more of these)",
		    svip_addr_text(&p->addr[0], false, text), p->interface, p->what, held);
	p->what = NULL;
}

/* After a look: err is what it came to. */
static void
judge_clear(int i, int err)
{
	struct vip *p = &v.vip[i];
	int n = 0;

	if (err == 0 && !v.observe)
		err = remove_found(p, false, &n);
	if (n > 0)
		say_removed(p);
	if (err != 0 || n == 0)
		tell_clear(i, err);
}

void
vip_confirm(void)
{
	for (int tries = 0; tries < CLEAR_TRIES && v.n_pending > 0; tries++) {
		int err;

		/* Telling can bring more of them: a look proves nothing for what was ordered after it. */
		for (int i = 0; i < v.top; i++) {
			if (v.vip[i].pending == TO_LOOK)
				v.vip[i].pending = LOOKED;
		}
		err = v.observe ? 0 : -read_table();
		for (int i = 0; i < v.top; i++) {
			if (v.vip[i].pending == LOOKED)
				judge_clear(i, err);
		}
	}
	for (int i = 0; i < v.top && v.n_pending > 0; i++) {
		if (v.vip[i].pending != NOT_PENDING)
			tell_clear(i, EBUSY); /* somebody puts it back as fast as it is removed */
	}
}

static int
ours(const struct vip *p, struct rtnl_address *out)
{
	for (int k = 0; k < p->n; k++)
		out[k] = (struct rtnl_address){ .ifindex = p->ifindex, .addr = p->addr[k] };
	return p->n;
}

/*
 * Some connect again within the millisecond of their reset. From now on that gets no answer here: their SYNs wait for unreachable.c. So none
 * is left behind who believes itself connected, and would wait for ever. Without the packet filter a few may be.
 */
static void
reset_who_came_back(int i, struct reset *r)
{
	struct vip *p = &v.vip[i];
	svip_ms left = p->until - REMOVAL_MS - clock_ms();
	int n = 0;

	v.call.going(v.ctx, i);
	r->going = true;
	if (left <= 0 || !v.fenced || fence_closing(i) != 0)
		return;
	r->rc = reset_clients(p->addr, p->n, left < p->reset_ms ? left : p->reset_ms, &n);
	r->n += n;
}

/*
 * Resets the clients' connections while the addresses are there and let through: after that a reset reaches nobody, so it isn't
 * tried. Nor without a link: the connections may be good again in a moment, when the addresses are back here.
 */
static void
reset(int i, struct reset *r)
{
	struct vip *p = &v.vip[i];
	svip_ms now = clock_ms(), left = p->until - REMOVAL_MS - now;

	*r = (struct reset){ .tried = p->there && p->up && p->reset_ms > 0 && left > 0 };
	if (!r->tried)
		return;
	r->rc = reset_clients(p->addr, p->n, left < p->reset_ms ? left : p->reset_ms, &r->n);
	if (r->rc == 0)
		reset_who_came_back(i, r);
	r->took_ms = clock_ms() - now;
	if (r->rc != 0 && r->rc != -ETIME)
		v.call.unreset(v.ctx, i, -r->rc, left < p->reset_ms ? left : p->reset_ms);
}

void
vip_drop(int i)
{
	struct vip *p = &v.vip[i];
	struct rtnl_address a[SVIP_ADDRESSES_MAX];
	int error[SVIP_ADDRESSES_MAX];
	struct reset r;

	reset(i, &r);
	if (p->wanted && !r.going)
		v.call.going(v.ctx, i);
	/* First what this program has put there, at once; the look whether anything is left comes with the turn's end. */
	if (p->ifindex != 0)
		(void)rtnl_delete(a, ours(p, a), error);
	clear_later(i, NULL);
	if (r.tried)
		v.call.reset(v.ctx, i, r.n, -r.rc, r.took_ms);
}

static void
lose(int i, const char *what)
{
	v.vip[i].there = false;
	v.call.lost(v.ctx, i, what);
}

/* Has the kernel keep the addresses until then. 0 or a positive errno. */
static int
set_addresses(struct vip *p, svip_ms until)
{
	struct rtnl_address a[SVIP_ADDRESSES_MAX];
	int error[SVIP_ADDRESSES_MAX], n = ours(p, a), rc;
	svip_ms now = clock_ms(), left_s = (until - now + 999) / 1000;

	if (until <= now)
		return ETIME;
	rc = p->ifindex == 0 ? -ENODEV : rtnl_set(a, n, (uint32_t)left_s, error);
	if (rc != 0)
		return -rc;
	for (int k = 0; k < n; k++) {
		if (error[k] != 0)
			return error[k];
	}
	p->expires = now + left_s * 1000;
	return 0;
}

/* The packet filter first, each time: an order that comes too late ends there. */
static void
keep(int i, svip_ms until)
{
	struct vip *p = &v.vip[i];
	int rc = v.fenced && until > p->until ? fence_renew(i, until) : 0;

	p->until = until;
	if (rc == -ENOENT)
		lose(i, "its time in the packet filter had run out, or another hand took it out");
	else if (rc != 0 &&
	         rc != -ETIME) /* -ETIME: the loop was late, the next look at the lease drops it */
		lose(i, strerror(-rc));
	else if (rc == 0 && until > p->expires && set_addresses(p, until) != 0)
		lose(i, "the kernel refuses to prolong it");
}

static void
take(int i, svip_ms until)
{
	struct vip *p = &v.vip[i];
	int err = v.refuse, rc;

	p->until = until;
	if (err == 0 && v.fenced)
		err = -fence_open(i, until);
	if (err == 0)
		err = set_addresses(p, until);
	if (err == 0) {
		p->there = true;
		v.call.held(v.ctx, i);
		return;
	}
	/* All or none. */
	p->wanted = false;
	rc = clear_all(p);
	if (v.fenced)
		(void)fence_close(i); /* it ends by itself */
	if (rc == 0)
		v.call.refused(v.ctx, i, err);
	else
		v.call.stuck(v.ctx, i, rc);
}

void
vip_hold(int i, svip_ms until)
{
	assert(v.vip[i].pending == NOT_PENDING);
	v.vip[i].wanted = true;
	if (until <= clock_ms()) /* the loop was late: the next look at the lease drops it */
		return;
	if (v.vip[i].there)
		keep(i, until);
	else
		take(i, until);
}

/* Compares the table with the orders. */
static void
reconcile(int i)
{
	struct vip *p = &v.vip[i];
	int found = 0, n, err;
	bool any = false, foreign = false, endless = false;
	unsigned held;

	for (int t = p->first; t != -1; t = v.next[t]) {
		any = true;
		if (!is_ours(p, &v.table[t])) {
			foreign = true;
			continue;
		}
		found++;
		endless |= (v.table[t].flags & IFA_F_PERMANENT) != 0;
	}
	if (p->wanted && foreign) { /* it has no lifetime, and would outlive the hold */
		err = remove_found(p, true, &n);
		if (may_say(p, SAY_COPY, &held))
			log_warning("%s: another hand has added a virtual address once more; %s "
			            "(%u more of these)",
			    p->interface, err == 0 ? "removed" : strerror(err), held);
	}
	if (p->wanted && p->there && found < p->n) {
		lose(i, "another hand has taken it away");
	} else if (p->wanted && p->there && endless) { /* it would outlive this process */
		if (may_say(p, SAY_ENDLESS, &held))
			log_warning("%s: another hand has taken the end off an address's lifetime; "
			            "put back (%u more of these)",
			    p->interface, held);
		p->expires = SVIP_LONG_AGO;
		keep(i, p->until);
	} else if (!p->wanted && any && p->pending == NOT_PENDING) {
		clear_later(i, "a virtual address that this node doesn't hold");
	}
}

/* ---- changes ---- */

static void
refresh_link(int i)
{
	struct vip *p = &v.vip[i];
	const struct rtnl_link *l = named_link(p->interface);
	int ifindex = l != NULL ? l->ifindex : 0;
	bool up = l != NULL && l->up, moved = p->ifindex != ifindex;
	bool new_mac = l != NULL && memcmp(p->mac, l->mac, sizeof(p->mac)) != 0;

	if (moved && p->there) /* the addresses went with the interface */
		v.dirty = true;
	p->ifindex = ifindex;
	if (new_mac)
		memcpy(p->mac, l->mac, sizeof(p->mac));
	if (up != p->up) {
		p->up = up;
		v.call.link(v.ctx, i, up);
	} else if (up && p->there && (moved || new_mac)) {
		v.call.relinked(v.ctx, i);
	}
}

/* What is filtered below IP went with an interface that has come again. Once for all instances: there may be a thousand. */
static void
refence_links(void)
{
	const struct rtnl_link *l = NULL;
	int rc;

	for (int i = 0; i < v.top && l == NULL; i++) {
		l = v.vip[i].used ? named_link(v.vip[i].interface) : NULL;
		if (l != NULL && l->ifindex == v.vip[i].ifindex)
			l = NULL;
	}
	if (l == NULL)
		return;
	rc = fence_make();
	if (rc != 0)
		log_error("packet filter: %s: %s", l->name, strerror(-rc));
}

static void
refresh_links(void)
{
	if (v.fenced)
		refence_links();
	for (int i = 0; i < v.top; i++) {
		if (v.vip[i].used)
			refresh_link(i);
	}
}

static void
on_link(const struct rtnl_info *info)
{
	struct rtnl_link *old = find_link(info->link.ifindex);

	if (info->kind == RTNL_LINK) {
		put_link(&info->link);
	} else if (old != NULL) {
		*old = v.link[--v.n_links];
	}
	if (!v.links_dirty) /* else some may be missing; look() comes */
		refresh_links();
}

static void
on_address(const struct rtnl_info *info)
{
	const struct svip_addr *a = &info->address.addr;
	bool appeared = info->kind == RTNL_ADDRESS;
	int i;

	if (a->family == 0)
		return;
	i = owner_of(a);
	if (i != -1) {
		/* Renewals and what was just removed are the normal case; anything else needs a look. */
		if (appeared != v.vip[i].wanted || !is_ours(&v.vip[i], &info->address) ||
		    (appeared && (info->address.flags & IFA_F_PERMANENT) != 0))
			v.dirty = true;
		return;
	}
	for (int t = 0; t < v.n_table; t++) {
		if (v.table[t].ifindex == info->address.ifindex &&
		    svip_addr_same(&v.table[t].addr, a)) {
			if (!appeared)
				v.dirty = true;
			return;
		}
	}
	if (appeared)
		v.dirty = true;
}

static void
on_change(void *ctx, const struct rtnl_info *info)
{
	(void)ctx;
	if (info->kind == RTNL_LINK || info->kind == RTNL_LINK_GONE)
		on_link(info);
	else if (info->kind == RTNL_ADDRESS || info->kind == RTNL_ADDRESS_GONE)
		on_address(info);
}

static void
on_overrun(void *ctx)
{
	unsigned held;

	(void)ctx;
	v.links_dirty = v.dirty = true;
	if (log_allowed(&v.overrun_limit, COMPLAIN_MS, clock_ms(), &held))
		log_warning("netlink: notifications were lost, reading everything again (%u more "
		            "of these)",
		    held);
}

/* Reads again what may be out of date. False: it could not be read. */
static bool
look(void)
{
	if (v.links_dirty) {
		int rc = rtnl_dump_links(on_dumped_link, NULL);

		if (rc != 0) {
			complain("links", rc);
			return false;
		}
		v.links_dirty = false;
		refresh_links();
	}
	v.dirty = false;
	if (read_table() != 0) {
		v.dirty = true;
		return false;
	}
	return true;
}

static void
on_settled(void *ctx)
{
	(void)ctx;
	if (!v.dirty && !v.links_dirty)
		return;
	if (!look()) {
		ev_timer_stop(v.loop, &v.again);
		ev_timer_set(&v.again, AGAIN_MS / 1000.0, 0);
		ev_timer_start(v.loop, &v.again);
		return;
	}
	if (v.observe) {
		v.call.locals(v.ctx);
		return;
	}
	for (int i = 0; i < v.top; i++) {
		if (v.vip[i].used)
			reconcile(i);
	}
	v.call.locals(v.ctx);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	on_settled(NULL);
}

/* ---- life ---- */

int
vip_init(struct ev_loop *loop, const struct vip_calls *call, void *ctx, bool observe)
{
	int rc;

	memset(&v, 0, sizeof(v));
	v.call = *call;
	v.ctx = ctx;
	v.observe = observe;
	v.loop = loop;
	ev_init(&v.again, on_again);
	(void)reset_init(); /* tried again, and told, when it is needed */
	rc = rtnl_init(loop, on_change, on_overrun, on_settled, NULL);
	if (rc == 0)
		rc = rtnl_dump_links(on_dumped_link, NULL);
	if (rc == 0)
		rc = rtnl_dump_addresses(on_dumped_address, NULL);
	return rc;
}

/* Another hand was at the packet filter; what is held has to be let through again. */
static void
on_torn(void *ctx, int err)
{
	(void)ctx;
	for (int i = 0; i < v.top; i++) {
		struct vip *p = &v.vip[i];

		if (!p->used || !p->wanted || !p->there)
			continue;
		if (err == 0 && fence_open(i, p->until) == 0)
			continue;
		lose(i, "another hand has removed it from the packet filter");
	}
}

int
vip_fence_open(const char *cluster)
{
	static const struct fence_calls calls = { on_torn };
	int rc = fence_init(v.loop, cluster, &calls, NULL);

	v.fenced = rc == 0;
	return rc;
}

int
vip_fence_make(void)
{
	return v.fenced ? fence_make() : 0;
}

void
vip_fence_without(int refuse)
{
	if (v.fenced)
		fence_fini(true);
	v.fenced = false;
	v.refuse = refuse;
}

void
vip_fence_sweep(const char *cluster)
{
	static const struct fence_calls calls = { on_torn };

	if (!v.fenced && v.refuse == 0 && fence_init(v.loop, cluster, &calls, NULL) == 0)
		fence_fini(false);
}

bool
vip_held(int i)
{
	return v.vip[i].there;
}

bool
vip_fenced(void)
{
	return v.fenced;
}

void
vip_fini(bool leave)
{
	if (v.fenced)
		fence_fini(leave);
	v.fenced = false;
	rtnl_fini();
	reset_fini();
	if (v.loop != NULL)
		ev_timer_stop(v.loop, &v.again);
	for (int i = 0; i < v.top; i++) {
		free(v.vip[i].addr);
		free(v.vip[i].member);
	}
	memset(v.vip, 0, sizeof(v.vip));
	memset(v.index, 0, sizeof(v.index));
}

void
vip_add(int i, const char *interface, const struct svip_addr *addr, int n)
{
	struct vip *p = &v.vip[i];

	assert(!p->used && n >= 1 && n <= SVIP_ADDRESSES_MAX);
	memset(p, 0, sizeof(*p));
	p->addr = calloc((size_t)n, sizeof(*addr));
	p->member = calloc((size_t)n, sizeof(*p->member));
	if (p->addr == NULL || p->member == NULL)
		abort();
	memcpy(p->addr, addr, (size_t)n * sizeof(*addr));
	p->n = n;
	p->first = -1;
	index_in(i);
	memcpy(p->interface, interface, strnlen(interface, IFNAMSIZ - 1));
	p->used = true;
	if (i >= v.top)
		v.top = i + 1;
	if (v.fenced)
		fence_add(i, p->interface, p->addr, p->n);
}

void
vip_reset_clients(int i, svip_ms ms)
{
	v.vip[i].reset_ms = ms;
}

static void
find_own_link(int i)
{
	struct vip *p = &v.vip[i];
	const struct rtnl_link *l = named_link(p->interface);

	p->ifindex = l != NULL ? l->ifindex : 0;
	p->up = l != NULL && l->up;
	if (l != NULL)
		memcpy(p->mac, l->mac, sizeof(p->mac));
	v.call.link(v.ctx, i, p->up);
}

bool
vip_inherit(int i)
{
	struct vip *p = &v.vip[i];
	svip_ms now = clock_ms();
	int found = 0;

	find_own_link(i);
	if (!p->up || v.observe || v.refuse != 0 || v.dirty || v.too_many)
		return false;
	sort_table(); /* as of vip_init(): what has changed since will be heard */
	for (int t = p->first; t != -1; t = v.next[t]) {
		if (!is_ours(p, &v.table[t]) || (v.table[t].flags & IFA_F_PERMANENT) != 0)
			return false;
		found++;
	}
	if (found != p->n || (v.fenced && fence_ends(i) <= now))
		return false;
	p->wanted = p->there = true;
	p->until = p->expires = now; /* the first order prolongs both */
	return true;
}

void
vip_start(int i)
{
	find_own_link(i);
	clear_later(i, "left over");
}

void
vip_remove(int i)
{
	if (v.fenced)
		fence_remove(i);
	set_pending(i, NOT_PENDING);
	index_out(&v.vip[i]);
	free(v.vip[i].addr);
	free(v.vip[i].member);
	memset(&v.vip[i], 0, sizeof(v.vip[i]));
}

bool
vip_is_virtual(const struct svip_addr *a)
{
	return owner_of(a) != -1;
}

int
vip_local_on(const struct svip_addr *a)
{
	if (owner_of(a) != -1)
		return 0;
	for (int t = 0; t < v.n_table; t++) {
		if (svip_addr_same(&v.table[t].addr, a))
			return v.table[t].ifindex;
	}
	return 0;
}

static bool
is_near(const struct rtnl_address *a, const struct svip_addr *vip)
{
	int whole = a->addr.prefix / 8, rest = a->addr.prefix % 8;

	return a->addr.family == vip->family &&
	       memcmp(a->addr.bytes, vip->bytes, (size_t)whole) == 0 &&
	       (rest == 0 || ((a->addr.bytes[whole] ^ vip->bytes[whole]) >> (8 - rest)) == 0);
}

/* 0: not at all. One in a virtual address's own network is what a client of that network expects; from a link-local one nothing
 * passes a router (RFC 4291 section 2.5.6). */
static int
fitness(const struct vip *p, const struct rtnl_address *a)
{
	if ((a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0)
		return 0;
	if (a->addr.family == 6 && a->addr.bytes[0] == 0xfe && (a->addr.bytes[1] & 0xc0) == 0x80)
		return 1;
	for (int k = 0; k < p->n; k++) {
		if (is_near(a, &p->addr[k]))
			return 3;
	}
	return 2;
}

bool
vip_own_address(int i, int family, struct svip_addr *out)
{
	const struct vip *p = &v.vip[i];
	int best = 0;

	for (int t = 0; t < v.n_table; t++) {
		const struct rtnl_address *a = &v.table[t];
		int fit = a->ifindex == p->ifindex && a->addr.family == family ? fitness(p, a) : 0;

		if (fit > best && owner_of(&a->addr) == -1) {
			best = fit;
			*out = a->addr;
		}
	}
	return best > 0;
}

int
vip_ifindex(int i)
{
	return v.vip[i].ifindex;
}

bool
vip_own_mac(const uint8_t mac[6])
{
	for (int i = 0; i < v.n_links; i++) {
		if (memcmp(v.link[i].mac, mac, 6) == 0)
			return true;
	}
	return false;
}

bool
vip_link(int i, int *ifindex, uint8_t mac[6], bool *ethernet)
{
	const struct rtnl_link *l = find_link(v.vip[i].ifindex);

	if (v.vip[i].ifindex == 0 || l == NULL)
		return false;
	*ifindex = l->ifindex;
	memcpy(mac, l->mac, 6);
	*ethernet = l->ethernet;
	return true;
}
