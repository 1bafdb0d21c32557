/* SPDX-License-Identifier: BSD-2-Clause */
/* Serves one page over HTTP. The only file that knows libmicrohttpd; must not hold anything else up. */
#include "http.h"

#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "tcp.h"

enum {
	BACKLOG = 16,
	REQUEST_MAX = 8192, /* bytes of a request's head, with what the library needs beside it */
};
static const double pause_s = 0.01;

/* Before 0.9.70.2 it was an int. */
#if MHD_VERSION < 0x00097002
typedef int result;
#else
typedef enum MHD_Result result;
#endif

static struct {
	struct ev_loop *loop;
	struct MHD_Daemon *server; /* NULL: not in use */
	ev_io io;
	ev_timer timer;
	const char *path, *type;
	http_page *make;
	void *ctx;
	struct MHD_Response *page;
	svip_ms made;
} http;

/* ---- answers ---- */

/* NULL: no memory. */
static struct MHD_Response *
response(char *text, enum MHD_ResponseMemoryMode mode, const char *header, const char *value)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, mode);

	if (r == NULL && mode == MHD_RESPMEM_MUST_FREE)
		free(text);
	if (r == NULL)
		return NULL;
	if (MHD_add_response_header(r, header, value) == MHD_YES &&
	    MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES)
		return r;
	MHD_destroy_response(r);
	return NULL;
}

static void
forget_page(void)
{
	if (http.page != NULL)
		MHD_destroy_response(http.page); /* who still reads it keeps it */
	http.page = NULL;
}

static struct MHD_Response *
page(void)
{
	svip_ms now = clock_ms();
	char *text;

	if (http.page != NULL && now - http.made < HTTP_FRESH_MS)
		return http.page;
	http.made = now;
	text = http.make(http.ctx);
	if (text == NULL)
		return http.page;
	forget_page();
	http.page = response(text, MHD_RESPMEM_MUST_FREE, MHD_HTTP_HEADER_CONTENT_TYPE, http.type);
	return http.page;
}

static result
refuse(struct MHD_Connection *c, unsigned status, char *text)
{
	struct MHD_Response *r =
	    response(text, MHD_RESPMEM_PERSISTENT, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result done;

	if (r == NULL)
		return MHD_NO;
	done = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return done;
}

/* MHD_NO closes the connection. */
static result
answer(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **of_request)
{
	static char method_text[] = "GET or HEAD\n", path_text[] = "not here\n",
	            none_text[] = "not now\n";
	struct MHD_Response *r;

	(void)ctx, (void)version, (void)data, (void)size, (void)of_request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, method_text);
	if (strcmp(url, http.path) != 0)
		return refuse(c, MHD_HTTP_NOT_FOUND, path_text);
	r = page();
	return r != NULL ? MHD_queue_response(c, MHD_HTTP_OK, r)
	                 : refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, none_text);
}

/* ---- the loop ---- */

/* Whatever waits is looked at again after a pause, and not before: so a flood costs a hundred turns a second. */
static void
turn(void)
{
	MHD_run(http.server);
	ev_io_stop(http.loop, &http.io);
	http.timer.repeat = pause_s;
	ev_timer_again(http.loop, &http.timer);
}

static void
on_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	turn();
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	MHD_UNSIGNED_LONG_LONG ms;
	bool waits = MHD_get_timeout(http.server, &ms) == MHD_YES;

	(void)revents;
	if (!ev_is_active(&http.io)) { /* the pause is over */
		ev_io_start(loop, &http.io);
		if (waits && ms > 0) {
			w->repeat = (double)ms / 1000;
			ev_timer_again(loop, w);
			return;
		}
	}
	if (waits)
		turn();
	else
		ev_timer_stop(loop, w);
}

/* ---- life ---- */

static struct MHD_Daemon *
start(int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    (unsigned)HTTP_OF_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX, MHD_OPTION_END);
}

int
http_init(struct ev_loop *loop, const struct svip_addr *at, uint16_t port, const char *path,
    const char *type, http_page *make, void *ctx)
{
	const union MHD_DaemonInfo *info;
	int fd, rc = tcp_listen(at, port, BACKLOG, &fd);

	if (rc != 0)
		return rc;
	http.loop = loop;
	http.path = path;
	http.type = type;
	http.make = make;
	http.ctx = ctx;
	http.server = start(fd);
	if (http.server == NULL) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(http.server, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || info->epoll_fd < 0) {
		MHD_stop_daemon(http.server);
		http.server = NULL;
		return -ENOTSUP;
	}
	ev_io_init(&http.io, on_ready, info->epoll_fd, EV_READ);
	ev_set_priority(&http.io, EV_MINPRI);
	ev_io_start(loop, &http.io);
	ev_timer_init(&http.timer, on_timer, 0, pause_s);
	ev_set_priority(&http.timer, EV_MINPRI);
	return 0;
}

void
http_fini(void)
{
	if (http.server == NULL)
		return;
	ev_io_stop(http.loop, &http.io);
	ev_timer_stop(http.loop, &http.timer);
	MHD_stop_daemon(http.server);
	http.server = NULL;
	forget_page();
}
