/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses, host names and ports between text and struct, in one spelling each.
 * Pure: looks nothing up and must accept nothing that two readers could understand differently.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <svip/types.h>

_Static_assert(
    SVIP_HOST_MAX <= 63, "a whole name is no longer than a label may be (RFC 1035, 2.3.4)");

static size_t
addr_len(const struct svip_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

bool
svip_addr_same(const struct svip_addr *a, const struct svip_addr *b)
{
	return a->family == b->family &&
	       (a->family == 0 || memcmp(a->bytes, b->bytes, addr_len(a)) == 0);
}

/* Digits without sign, space or leading zero, up to max. */
static bool
number(const char *text, long max, long *out)
{
	long n = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (*text - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

static bool
parse_bare(const char *text, struct svip_addr *out)
{
	struct svip_addr a = { 0 };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = 4, a.prefix = 32;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = 6, a.prefix = 128;
	else
		return false;
	*out = a;
	return true;
}

int
svip_addr_order(const void *a, const void *b)
{
	const struct svip_addr *x = a, *y = b;

	return x->family != y->family ? x->family - y->family
	                              : memcmp(x->bytes, y->bytes, sizeof(x->bytes));
}

bool
svip_addr_parse(const char *text, struct svip_addr *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	char bare[INET6_ADDRSTRLEN];
	struct svip_addr a;
	long prefix;

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, text, len);
	bare[len] = '\0';
	if (!parse_bare(bare, &a))
		return false;
	if (slash != NULL) {
		if (!number(slash + 1, a.prefix, &prefix))
			return false;
		a.prefix = (uint8_t)prefix;
	}
	*out = a;
	return true;
}

const char *
svip_addr_text(const struct svip_addr *a, bool prefix, char *out)
{
	char bare[INET6_ADDRSTRLEN] = "none";

	if (a->family != 0)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, bare, sizeof(bare));
	if (prefix && a->family != 0)
		snprintf(out, SVIP_TEXT_MAX, "%s/%u", bare, (unsigned)a->prefix);
	else
		snprintf(out, SVIP_TEXT_MAX, "%s", bare);
	return out;
}

/* RFC 1123, 2.1, and the underscore that people use. The last label has a letter, so that "10.0.0.300"
 * is never taken for a name. */
static bool
is_name(const char *text)
{
	bool empty = true, letter = false; /* the label */
	char before = '.';

	for (; *text != '\0'; before = *text++) {
		bool alpha = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
		             *text == '_';

		if (*text == '.') {
			if (empty || before == '-')
				return false;
			empty = true;
			letter = false;
			continue;
		}
		if (!alpha && !(*text >= '0' && *text <= '9') && !(*text == '-' && !empty))
			return false;
		letter = letter || alpha;
		empty = false;
	}
	return !empty && letter && before != '-';
}

/* Stores the host's text in its one spelling. */
static bool
set_name(const char *text, size_t len, bool v6_only, struct svip_host *h)
{
	char name[SVIP_TEXT_MAX];
	struct svip_addr a;

	if (len == 0 || len >= SVIP_HOST_MAX)
		return false;
	memcpy(name, text, len);
	name[len] = '\0';
	if (parse_bare(name, &a)) {
		if (v6_only && a.family != 6)
			return false;
		svip_addr_text(&a, false, name);
	} else if (v6_only || !is_name(name)) {
		return false;
	}
	for (char *p = name; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	memset(h->name, 0, sizeof(h->name));
	memcpy(h->name, name, strlen(name));
	return true;
}

bool
svip_host_parse(const char *text, uint16_t port_default, struct svip_host *out)
{
	struct svip_host h = { .port = port_default };
	const char *end, *colon = strchr(text, ':');
	long port;

	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL || !set_name(text + 1, (size_t)(end - text - 1), true, &h))
			return false;
		colon = end[1] == '\0' ? NULL : end + 1;
		if (colon != NULL && *colon != ':')
			return false;
	} else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
		/* two colons without brackets: an IPv6 address and nothing else */
		if (!set_name(text, strlen(text), true, &h))
			return false;
		colon = NULL;
	} else if (!set_name(
	               text, colon == NULL ? strlen(text) : (size_t)(colon - text), false, &h)) {
		return false;
	}
	if (colon != NULL) {
		if (!number(colon + 1, UINT16_MAX, &port) || port == 0)
			return false;
		h.port = (uint16_t)port;
	}
	*out = h;
	return true;
}

const char *
svip_host_text(const struct svip_host *h, char *out)
{
	bool v6 = strchr(h->name, ':') != NULL;

	snprintf(out, SVIP_TEXT_MAX, "%s%s%s:%u", v6 ? "[" : "", h->name, v6 ? "]" : "",
	    (unsigned)h->port);
	return out;
}

bool
svip_host_same(const struct svip_host *a, const struct svip_host *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0;
}

int
svip_host_order(const void *a, const void *b)
{
	const struct svip_host *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c != 0 ? c : x->port - y->port;
}

bool
svip_host_addr(const struct svip_host *h, struct svip_addr *out)
{
	return parse_bare(h->name, out);
}
