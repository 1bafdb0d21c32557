/* SPDX-License-Identifier: BSD-2-Clause */
/* The vip blocks into settings. Refuses addresses that can't be virtual ones. */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "conf_in.h"
#include "io/seal.h"

enum { REDIS_PORT = 6379 };

/* A local Redis as written in one block. */
struct redis_key {
	struct svip_host host; /* name "": only the port */
	bool given;            /* an address of this host's own, not loopback */
};

/* True also when nothing is known of this host. */
static bool
is_local(const struct conf_loader *l, const struct svip_addr *a)
{
	if (l->host == NULL)
		return true;
	for (int i = 0; i < l->host->n_addresses; i++) {
		if (svip_addr_same(&l->host->address[i], a))
			return true;
	}
	return false;
}

static bool
read_redis(struct conf_loader *l, const struct conf_block *b, struct redis_key *out)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, "redis", &e);
	struct svip_addr a;
	struct svip_host h;
	long port;

	if (v == NULL)
		return false;
	if (conf_value_number(v->text, 1, UINT16_MAX, &port) == NULL) {
		*out = (struct redis_key){ .host = { .port = (uint16_t)port } };
		return true;
	}
	if (!svip_host_parse(v->text, REDIS_PORT, &h) || !svip_host_addr(&h, &a)) {
		conf_wrong(l, e, v,
		    "is neither a port nor an IP address and port, such as 10.0.0.11:6379");
		return false;
	}
	if (!conf_is_loopback(&a) && !is_local(l, &a)) {
		conf_wrong(l, e, v, "is no address of this host; in a file that is the same on every "
		                    "node write the port alone");
		return false;
	}
	*out = (struct redis_key){ .host = h, .given = !conf_is_loopback(&a) };
	return true;
}

/* The port stays 0 when none is written. */
static void
read_announce(struct conf_loader *l, const struct conf_block *b, struct svip_host *out)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, "announce", &e);

	if (v != NULL && !svip_host_parse(v->text, 0, out))
		conf_wrong(l, e, v, "is not HOST or HOST:PORT");
}

static void
read_conflict(struct conf_loader *l, const struct conf_block *b, bool *yield)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, "on-conflict", &e);

	if (v == NULL)
		return;
	*yield = strcmp(v->text, "yield-and-fault") == 0;
	if (!*yield && strcmp(v->text, "defend") != 0)
		conf_wrong(l, e, v, "is neither \"defend\" nor \"yield-and-fault\"");
}

static void
read_resets(struct conf_loader *l, const struct conf_block *b, bool *resets)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, "reset-connections", &e);
	const char *why = v == NULL ? NULL : conf_value_bool(v->text, resets);

	if (why != NULL)
		conf_wrong(l, e, v, why);
}

/* NULL, or why an address can't be a virtual one. */
static const char *
refused(const struct svip_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[16];

	if (a->prefix == 0)
		return "has no network: /32 and /128 are the usual prefixes";
	if (conf_is_loopback(a))
		return "is a loopback address";
	if (a->family == 4) {
		uint32_t n = (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 |
		             (uint32_t)a->bytes[2] << 8 | a->bytes[3];
		uint32_t rest = a->prefix == 32 ? 0 : UINT32_MAX >> a->prefix;

		if (a->bytes[0] == 0)
			return "is no host's address";
		if (a->bytes[0] >= 224)
			return a->bytes[0] < 240 ? "is a multicast address"
			                         : "is a reserved address";
		if (a->prefix < 31 && ((n & rest) == 0 || (n & rest) == rest))
			return "is the network's own or its broadcast address";
		return NULL;
	}
	if (a->bytes[0] == 0xff)
		return "is a multicast address";
	if (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80)
		return "is a link-local address: clients would need to name an interface with it";
	if (memcmp(a->bytes, mapped, sizeof(mapped)) == 0)
		return "is an IPv4 address in IPv6 form: write it as IPv4";
	if (memcmp(a->bytes, zero, sizeof(zero)) == 0)
		return "is no host's address";
	return NULL;
}

static void
add_address(struct conf_loader *l, struct set_instance *in, const struct conf_entry *e,
    const struct conf_value *v)
{
	struct svip_addr a;
	const char *why = "is not an IP address, with or without /PREFIX";

	if (svip_addr_parse(v->text, &a))
		why = refused(&a);
	if (why != NULL) {
		conf_wrong(l, e, v, why);
		return;
	}
	if (a.family == 4 && a.prefix != 32)
		conf_warn(l->tree, e->file, v->line, "address",
		    "\"%s\": with a prefix other than /32 the address can become the source of "
		    "this host's own "
		    "connections, and its network's first address",
		    v->text);
	in->address[in->n_addresses++] = a;
	l->vip[l->n_vips++] = (struct conf_vip_at){ a, e->file, v->line, in->name, false };
}

static void
read_addresses(struct conf_loader *l, const struct conf_block *b, struct set_instance *in)
{
	const struct conf_entry *e = conf_get(b, "address");

	if (conf_missing(b, "address"))
		conf_fault(l->tree, b->file, b->line, "address",
		    "is missing in vip \"%s\":  address = { \"10.0.0.50\" }", b->title);
	if (e == NULL || e->spoilt)
		return;
	if (e->n == 0)
		conf_fault(l->tree, e->file, e->line, "address", "the list is empty");
	if (e->n > SVIP_ADDRESSES_MAX)
		conf_fault(l->tree, e->file, e->value[SVIP_ADDRESSES_MAX].line, "address",
		    "\"%s\" is one more than %d, the most", e->value[SVIP_ADDRESSES_MAX].text,
		    SVIP_ADDRESSES_MAX);
	for (int i = 0; i < e->n && i < SVIP_ADDRESSES_MAX; i++)
		add_address(l, in, e, &e->value[i]);
}

static void
read_interface(struct conf_loader *l, const struct conf_block *b, struct set_instance *in)
{
	const struct conf_entry *e;
	const struct conf_value *v = conf_one(b, "interface", &e);
	bool there = l->host == NULL;

	_Static_assert(sizeof(in->interface) == IF_NAMESIZE, "room for an interface's name");
	if (conf_missing(b, "interface"))
		conf_fault(l->tree, b->file, b->line, "interface",
		    "is missing in vip \"%s\":  interface = \"eth0\"", b->title);
	if (v == NULL)
		return;
	if (*v->text == '\0' || strlen(v->text) >= sizeof(in->interface) ||
	    strpbrk(v->text, " \t/:%") != NULL || strcmp(v->text, ".") == 0 ||
	    strcmp(v->text, "..") == 0) {
		conf_wrong(l, e, v, "can't be the name of an interface");
		return;
	}
	snprintf(in->interface, sizeof(in->interface), "%s", v->text);
	for (int i = 0; !there && i < l->host->n_interfaces; i++)
		there = strcmp(l->host->interface[i], in->interface) == 0;
	if (!there)
		conf_warn(l->tree, e->file, v->line, "interface",
		    "\"%s\" is not there (yet): the instance stays in fault until it comes",
		    v->text);
}

static void
read_vip(struct conf_loader *l, const struct conf_block *b, struct set_instance *in,
    struct redis_key redis, struct svip_host announce, bool yield, bool resets)
{
	const struct settings *s = l->set;
	const char *why = conf_value_name(b->title);

	if (why != NULL)
		conf_fault(l->tree, b->file, b->line, "vip", "\"%s\" %s", b->title, why);
	snprintf(in->name, sizeof(in->name), "%s", b->title);
	in->id = seal_id64(in->name);
	in->line = b->line;
	read_interface(l, b, in);
	read_addresses(l, b, in);
	read_redis(l, b, &redis);
	in->redis = redis.host;
	in->redis_given = redis.given;
	/* Where the other nodes reach this one is where Redis must listen anyway. */
	if (in->redis.name[0] == '\0' && s->self >= 0) {
		char text[SVIP_TEXT_MAX];

		snprintf(in->redis.name, sizeof(in->redis.name), "%s",
		    svip_addr_text(&s->node[s->self], false, text));
	}
	read_announce(l, b, &announce);
	if (announce.name[0] != '\0' && announce.port == 0)
		announce.port = in->redis.port;
	in->announce = announce;
	read_conflict(l, b, &yield);
	in->yield_on_conflict = yield;
	read_resets(l, b, &resets);
	in->reset_connections = resets;
	in->scripts = l->scripts;
	conf_scripts_read(l, b, &in->scripts);
}

static int
addresses_in(const struct conf_tree *t)
{
	int n = 0;

	for (const struct conf_block *b = t->vip; b != NULL; b = b->next) {
		const struct conf_entry *e = conf_get(b, "address");

		n += e == NULL ? 0 : e->n;
	}
	return n;
}

void
conf_vips_read(struct conf_loader *l)
{
	struct settings *s = l->set;
	struct redis_key redis = { .host = { .port = REDIS_PORT } };
	struct svip_host announce = { .port = 0 };
	bool yield = false, resets = true;

	read_conflict(l, &l->tree->global, &yield);
	read_resets(l, &l->tree->global, &resets);
	read_redis(l, &l->tree->global, &redis);
	read_announce(l, &l->tree->global, &announce);
	if (l->tree->n_vips == 0) {
		if (l->tree->n_refused == 0)
			conf_fault(l->tree, 0, 1, "vip", "there is no vip block: nothing to hold");
		return;
	}
	s->instance = calloc((size_t)l->tree->n_vips, sizeof(*s->instance));
	l->vip = conf_alloc(l->tree, (size_t)(addresses_in(l->tree) + 1) * sizeof(*l->vip));
	if (s->instance == NULL || l->vip == NULL) {
		conf_fault(l->tree, 0, 0, NULL, "out of memory");
		return;
	}
	for (const struct conf_block *b = l->tree->vip; b != NULL; b = b->next)
		read_vip(l, b, &s->instance[s->n_instances++], redis, announce, yield, resets);
}
