/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of http.c where svipd is built without it: refuses to listen. */
#include "http.h"

#include <errno.h>

int
http_init(struct ev_loop *loop, const struct svip_addr *at, uint16_t port, const char *path,
    const char *type, http_page *make, void *ctx)
{
	(void)loop, (void)at, (void)port, (void)path, (void)type, (void)make, (void)ctx;
	return -EOPNOTSUPP;
}

void
http_fini(void)
{
}
