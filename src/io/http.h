/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One page of text over HTTP, to be read and nothing else: GET and HEAD of one path, by libmicrohttpd in the loop.
 *
 * Whoever asks must not be felt: the lowest priority in the loop, a pause of 10 ms after each turn, eight connections
 * and four from one address, each closed after its answer; a page serves everybody for a second. There is no TLS and no
 * password: what others must not read belongs on an address that they can't reach.
 */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include <svip/types.h>

struct ev_loop;

enum {
	HTTP_CONNECTIONS_MAX = 8, /* more wait in the kernel's queue */
	HTTP_OF_ADDRESS_MAX = 4,  /* of one address; more are closed at once */
	HTTP_IDLE_S = 10,         /* without a byte; then a connection is closed */
	HTTP_FRESH_MS = 1000,     /* a page is made anew at most so often */
};

/* The page, malloc'd, which the module frees; NULL: none now, the one before serves on. Must not block. */
typedef char *http_page(void *ctx);

/* Listens. path: "/metrics"; type: of the content; both must stay. One server in a process. 0 or -errno. */
int http_init(struct ev_loop *, const struct svip_addr *, uint16_t port, const char *path,
    const char *type, http_page *, void *ctx);

/* Closes everything; nothing to do without http_init(). */
void http_fini(void);

#endif
