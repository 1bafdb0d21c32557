/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks up a host name in a child process, so that a slow name server never stops the loop. Knows nothing of its use.
 */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include <ev.h>
#include <svip/types.h>

struct resolver;

enum {
	RESOLVER_ADDRESSES_MAX = 8, /* the rest is ignored */
	RESOLVER_LIMIT_MS = 10000,  /* then the child is killed */
};

/* n addresses, in the order to be tried; n = 0: none, *why says so. The resolver is gone after this call. */
typedef void resolver_done(void *ctx, const struct svip_addr *, int n, const char *why);

/* Starts a look-up in the default loop. NULL and errno: no child could be made. done is called once, later. */
struct resolver *resolver_start(struct ev_loop *, const char *name, resolver_done *, void *ctx);

/* Ends it without an answer; not from inside done. NULL is accepted. */
void resolver_cancel(struct resolver *);

#endif
