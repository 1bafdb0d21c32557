/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks a Sentinel what there is, and writes it down as a configuration. Changes nothing anywhere. */
#include "generate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <svip/settings.h>

enum { LIMIT_S = 5, SENTINEL_PORT = 26379, REDIS_PORT = 6379 };

struct found {
	redisContext *sentinel;
	struct svip_host asked; /* the Sentinel, at an address that others can reach */
	char id[64];            /* its run id */
	int n_sentinels, n_nodes;
	struct svip_host sentinels[SVIP_SENTINELS_MAX];
	struct svip_addr node[SVIP_NODES_MAX];
	bool node_down[SVIP_NODES_MAX];
};

/* ---- asking ---- */

static void
complain(const char *about, const char *why)
{
	fprintf(stderr, "svipctl: %s: %s\n", about, why);
}

/* To be freed. NULL after a message. */
static redisReply *
command(redisContext *c, const char *about, int argc, const char **argv)
{
	redisReply *r = redisCommandArgv(c, argc, argv, NULL);

	if (r == NULL) {
		complain(about,
		    c->err == REDIS_ERR_IO && errno == EAGAIN ? "no answer in time" : c->errstr);
	} else if (r->type == REDIS_REPLY_ERROR) {
		complain(about, r->str);
		freeReplyObject(r);
		r = NULL;
	}
	return r;
}

static redisReply *
ask(redisContext *c, const char *about, const char *what, const char *name)
{
	const char *argv[] = { "SENTINEL", what, name };

	return command(c, about, name == NULL ? 2 : 3, argv);
}

/* The value of a field in a flat array of names and values; "" when it isn't there. */
static const char *
field(const redisReply *r, const char *name)
{
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
		if (r->element[i]->type == REDIS_REPLY_STRING &&
		    r->element[i + 1]->type == REDIS_REPLY_STRING &&
		    strcmp(r->element[i]->str, name) == 0)
			return r->element[i + 1]->str;
	}
	return "";
}

/* The first line of a file, without its end. False after a message. */
static bool
read_password(const char *file, char out[SET_SECRET_MAX])
{
	FILE *f = fopen(file, "re");
	bool done = f != NULL && fgets(out, SET_SECRET_MAX, f) != NULL;

	if (!done)
		complain(file, f == NULL ? strerror(errno) : "is empty");
	else
		out[strcspn(out, "\r\n")] = '\0';
	if (f != NULL)
		fclose(f);
	return done;
}

static bool
log_in(redisContext *c, const char *about, const char *user, const char *password)
{
	const char *argv[] = { "AUTH", user, password };
	redisReply *r;

	if (password[0] == '\0')
		return true;
	if (user == NULL)
		argv[1] = password;
	r = command(c, about, user == NULL ? 2 : 3, argv);
	freeReplyObject(r);
	return r != NULL;
}

/* NULL after a message. */
static redisContext *
connect_to(const struct svip_host *host, const char *user, const char *password)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	redisContext *c = redisConnectWithTimeout(host->name, host->port, limit);
	char about[SVIP_TEXT_MAX];

	svip_host_text(host, about);
	if (c == NULL || c->err != 0 || redisSetTimeout(c, limit) != REDIS_OK) {
		complain(about, c == NULL ? "out of memory" : c->errstr);
	} else if (log_in(c, about, user, password)) {
		return c;
	}
	redisFree(c);
	return NULL;
}

/* ---- what there is ---- */

static bool
is_loopback(const struct svip_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, sizeof(one)) == 0;
}

/* The numeric address of a name. False after a message. */
static bool
resolve(const char *name, struct svip_addr *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char text[INET6_ADDRSTRLEN];
	int rc;

	if (svip_addr_parse(name, out))
		return true;
	rc = getaddrinfo(name, NULL, &hints, &list);
	if (rc != 0) {
		complain(name, gai_strerror(rc));
		return false;
	}
	rc = getnameinfo(
	    list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	return rc == 0 && svip_addr_parse(text, out);
}

/* False after a message: too many, or nothing that could be one. */
static bool
add_node(struct found *f, const redisReply *r)
{
	bool down = strstr(field(r, "flags"), "down") != NULL ||
	            strstr(field(r, "flags"), "disconnected") != NULL;
	struct svip_addr a;

	if (!resolve(field(r, "ip"), &a))
		return false;
	if (is_loopback(&a)) {
		complain(field(r, "ip"),
		    "Sentinel monitors it at a loopback address, and no other host can find it "
		    "there: "
		    "\"sentinel monitor\" has to name an address of the network");
		return false;
	}
	for (int i = 0; i < f->n_nodes; i++) {
		if (svip_addr_same(&f->node[i], &a)) {
			f->node_down[i] &= down;
			return true;
		}
	}
	if (f->n_nodes == SVIP_NODES_MAX) {
		complain(field(r, "ip"), "more nodes than svipd can have");
		return false;
	}
	f->node_down[f->n_nodes] = down;
	f->node[f->n_nodes++] = a;
	return true;
}

static bool
add_sentinel(struct found *f, const struct svip_host *h)
{
	for (int i = 0; i < f->n_sentinels; i++) {
		if (svip_host_same(&f->sentinels[i], h))
			return true;
	}
	if (f->n_sentinels == SVIP_SENTINELS_MAX) {
		complain(h->name, "more Sentinels than svipd can have");
		return false;
	}
	f->sentinels[f->n_sentinels++] = *h;
	return true;
}

static bool
host_of(const redisReply *r, struct svip_host *out)
{
	char text[SVIP_TEXT_MAX + NI_MAXHOST];
	const char *ip = field(r, "ip");

	snprintf(text, sizeof(text), strchr(ip, ':') != NULL ? "[%s]:%s" : "%s:%s", ip,
	    field(r, "port"));
	return svip_host_parse(text, SENTINEL_PORT, out);
}

/* The others that a Sentinel knows; and whether one of these is the Sentinel that was asked, at an address that others use. */
static bool
add_sentinels(struct found *f, redisContext *c, const char *master, bool only_asked)
{
	redisReply *r = ask(c, master, "SENTINELS", master);
	bool done = r != NULL;

	for (size_t i = 0; done && i < r->elements; i++) {
		struct svip_host h;

		if (only_asked != (strcmp(field(r->element[i], "runid"), f->id) == 0) ||
		    !host_of(r->element[i], &h))
			continue;
		if (only_asked)
			f->asked = h;
		else
			done = add_sentinel(f, &h);
	}
	freeReplyObject(r);
	return done;
}

static bool
look_at_master(struct found *f, const redisReply *master)
{
	const char *name = field(master, "name");
	redisReply *r = ask(f->sentinel, name, "REPLICAS", name);
	bool done = r != NULL && add_node(f, master);

	for (size_t i = 0; done && i < r->elements; i++)
		done = add_node(f, r->element[i]);
	freeReplyObject(r);
	return done && add_sentinels(f, f->sentinel, name, false);
}

/* A Sentinel that was reached by loopback is reached by others as these know it. */
static bool
find_asked(struct found *f, const char *master, const char *user, const char *password)
{
	struct svip_addr a;
	char about[SVIP_TEXT_MAX];

	if (!resolve(f->asked.name, &a))
		return false;
	for (int i = 0; is_loopback(&a) && i < f->n_sentinels; i++) {
		redisContext *c = connect_to(&f->sentinels[i], user, password);

		if (c != NULL)
			(void)add_sentinels(f, c, master, true);
		redisFree(c);
		if (!svip_host_addr(&f->asked, &a))
			break;
	}
	if (is_loopback(&a)) {
		complain(svip_host_text(&f->asked, about),
		    "a loopback address, and no other Sentinel tells a better one: ask it at its "
		    "address in the network");
		return false;
	}
	return add_sentinel(f, &f->asked);
}

static bool
look(struct found *f, const redisReply *masters, const char *user, const char *password)
{
	redisReply *id;
	char about[SVIP_TEXT_MAX];

	svip_host_text(&f->asked, about);
	if (masters->type != REDIS_REPLY_ARRAY || masters->elements == 0) {
		complain(about, "monitors no master");
		return false;
	}
	id = ask(f->sentinel, about, "MYID", NULL);
	if (id != NULL && id->type == REDIS_REPLY_STRING)
		snprintf(f->id, sizeof(f->id), "%s", id->str);
	freeReplyObject(id);
	for (size_t i = 0; i < masters->elements; i++) {
		if (!look_at_master(f, masters->element[i]))
			return false;
	}
	return find_asked(f, field(masters->element[0], "name"), user, password);
}

/* ---- writing it down ---- */

static int
name_order(const void *a, const void *b)
{
	const redisReply *const *x = a, *const *y = b;

	return strcmp(field(*x, "name"), field(*y, "name"));
}

static bool
same_address(const struct sockaddr *sa, const struct svip_addr *a)
{
	const void *bytes;

	if (sa == NULL || sa->sa_family != (a->family == 4 ? AF_INET : AF_INET6))
		return false;
	bytes = sa->sa_family == AF_INET
	            ? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
	            : (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	return memcmp(bytes, a->bytes, a->family == 4 ? 4 : 16) == 0;
}

/* The interface of this host that has one of the nodes' addresses; false: this host is none of them. */
static bool
find_interface(const struct found *f, char out[IFNAMSIZ])
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) == -1)
		return false;
	for (const struct ifaddrs *a = list; a != NULL && !found; a = a->ifa_next) {
		for (int i = 0; i < f->n_nodes && !found; i++)
			found = same_address(a->ifa_addr, &f->node[i]);
		if (found)
			snprintf(out, IFNAMSIZ, "%s", a->ifa_name);
	}
	freeifaddrs(list);
	return found;
}

static void
print_lists(struct found *f)
{
	char text[SVIP_TEXT_MAX];

	qsort(f->sentinels, (size_t)f->n_sentinels, sizeof(f->sentinels[0]), svip_host_order);
	printf("sentinels = {");
	for (int i = 0; i < f->n_sentinels; i++)
		printf("%s \"%s\"", i == 0 ? "" : ",", svip_host_text(&f->sentinels[i], text));
	printf(" }\n");
	if (f->n_sentinels < 3)
		printf("# Only %d: a majority needs all of them, and when one is down the "
		       "addresses go. Run three.\n",
		    f->n_sentinels);
	else if (f->n_sentinels % 2 == 0)
		printf("# %d: one less would stand as many failures.\n", f->n_sentinels);
	for (int i = 0; i < f->n_nodes; i++) {
		if (f->node_down[i])
			printf("# %s: Sentinel doesn't reach its Redis now. Is it still one of "
			       "these hosts?\n",
			    svip_addr_text(&f->node[i], false, text));
	}
	qsort(f->node, (size_t)f->n_nodes, sizeof(f->node[0]), svip_addr_order);
	printf("nodes     = {");
	for (int i = 0; i < f->n_nodes; i++)
		printf("%s \"%s\"", i == 0 ? "" : ",", svip_addr_text(&f->node[i], false, text));
	printf(" }\n");
}

static void
print_instance(const redisReply *master, const char *interface)
{
	const char *name = field(master, "name"), *port = field(master, "port"),
	           *quorum = field(master, "quorum");

	printf("\n# Now at %s, port %s; down after %s ms, quorum %s.\n", field(master, "ip"), port,
	    field(master, "down-after-milliseconds"), quorum);
	printf("vip \"%s\" {\n\tinterface = \"%s\"%s\n", name,
	    interface == NULL ? "eth0" : interface,
	    interface == NULL ? " # a guess: this host is none of the nodes" : "");
	printf("\taddress   = { \"CHANGE-ME\" } # the virtual address: free, of the interface's "
	       "network\n");
	if (strtol(port, NULL, 10) != REDIS_PORT)
		printf("\tredis     = \"%s\"\n", port);
	printf("}\n");
}

static void
print_file(struct found *f, const redisReply *masters, bool password)
{
	char text[SVIP_TEXT_MAX], interface[IFNAMSIZ];
	bool here = find_interface(f, interface);

	printf("# /etc/svipd/svipd.conf, as the Sentinel at %s sees things.\n"
	       "# Review it, fill in the addresses, check it with svipd -t, and copy it to every "
	       "node. Every key is in "
	       "svipd.conf(5).\n",
	    svip_host_text(&f->asked, text));
	printf("cluster   = \"%s\" # a name of this cluster's own\n",
	    field(masters->element[0], "name"));
	print_lists(f);
	printf("key-file  = \"/etc/svipd/key\" # svipctl keygen /etc/svipd/key, once; then copy it "
	       "to every node\n");
	if (password)
		printf("sentinel-password-file = \"/etc/svipd/sentinel.password\"\n");
	printf("#redis-password-file = \"/etc/svipd/redis.password\" # when Redis wants one\n");
	for (size_t i = 0; i < masters->elements; i++)
		print_instance(masters->element[i], here ? interface : NULL);
}

int
generate(const char *sentinel, const char *user, const char *password_file)
{
	static struct found f;
	char password[SET_SECRET_MAX] = "";
	redisReply *masters;
	bool done = false;

	if (!svip_host_parse(sentinel, SENTINEL_PORT, &f.asked)) {
		complain(sentinel, "not HOST:PORT");
		return 1;
	}
	if (password_file != NULL && !read_password(password_file, password))
		return 1;
	f.sentinel = connect_to(&f.asked, user, password);
	if (f.sentinel == NULL)
		return 1;
	masters = ask(f.sentinel, sentinel, "MASTERS", NULL);
	if (masters != NULL && masters->type == REDIS_REPLY_ARRAY)
		qsort(masters->element, masters->elements, sizeof(masters->element[0]), name_order);
	if (masters != NULL && look(&f, masters, user, password)) {
		print_file(&f, masters, password[0] != '\0');
		done = fflush(stdout) == 0;
	}
	freeReplyObject(masters);
	redisFree(f.sentinel);
	explicit_bzero(password, sizeof(password));
	return done ? 0 : 1;
}
