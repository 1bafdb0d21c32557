/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Sentinel of very many masters, for the cost of svipd: a real one can't serve a thousand of them to several nodes on a small machine.
 * It names who it is told to name, at the epoch it is told; never down.
 *
 *   sentinels ID N ADDRESS        ID: a digit, of its run id; masters m0, m1, ... at ADDRESS:6379, epoch 0; port 26379
 *   stdin, a line each: ADDRESS EPOCH    all of them are there from now on; subscribers are told. It says "told" when all was sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LINKS_MAX = 64, IN_MAX = 1 << 18, WORDS_MAX = 16, PORT = 26379 };

static struct link {
	int fd;
	bool switches; /* subscribed to +switch-master */
	int subscribed;
	size_t in_len, out_len, out_max;
	char in[IN_MAX], *out;
} link_[LINKS_MAX];

static struct pollfd poll_[LINKS_MAX + 2];
static int n_links, n_masters;
static char id[41], address[64];
static unsigned epoch;

static void
out(struct link *l, const char *bytes, size_t len)
{
	if (l->out_len + len > l->out_max) {
		l->out_max = 2 * (l->out_len + len);
		l->out = realloc(l->out, l->out_max);
		if (l->out == NULL)
			abort();
	}
	memcpy(l->out + l->out_len, bytes, len);
	l->out_len += len;
}

static void
put(struct link *l, const char *text)
{
	out(l, text, strlen(text));
}

static void
bulk(struct link *l, const char *text)
{
	char head[32];

	snprintf(head, sizeof(head), "$%zu\r\n", strlen(text));
	put(l, head);
	put(l, text);
	put(l, "\r\n");
}

static void
array(struct link *l, int n)
{
	char head[32];

	snprintf(head, sizeof(head), "*%d\r\n", n);
	put(l, head);
}

/* As long as a real one's. */
static void
master(struct link *l, const char *name)
{
	char number[16];
	const char *const fields[] = { "name", name, "ip", address, "port", "6379", "runid",
		"0123456789012345678901234567890123456789", "flags", "master",
		"link-pending-commands", "0", "link-refcount", "1", "last-ping-sent", "0",
		"last-ok-ping-reply", "120", "last-ping-reply", "120", "down-after-milliseconds",
		"5000", "info-refresh", "4321", "role-reported", "master", "role-reported-time",
		"123456", "config-epoch", number, "num-slaves", "2", "num-other-sentinels", "2",
		"quorum", "2", "failover-timeout", "60000", "parallel-syncs", "1" };
	int n = sizeof(fields) / sizeof(fields[0]);

	snprintf(number, sizeof(number), "%u", epoch);
	array(l, n);
	for (int i = 0; i < n; i++)
		bulk(l, fields[i]);
}

static void
subscribe(struct link *l, int n, char **word)
{
	for (int i = 1; i < n; i++) {
		char count[32];

		if (strcmp(word[i], "+switch-master") == 0)
			l->switches = true;
		array(l, 3);
		bulk(l, "subscribe");
		bulk(l, word[i]);
		snprintf(count, sizeof(count), ":%d\r\n", ++l->subscribed);
		put(l, count);
	}
}

static void
answer(struct link *l, int n, char **word)
{
	const char *what = n > 1 ? word[1] : "";

	if (strcasecmp(word[0], "SUBSCRIBE") == 0) {
		subscribe(l, n, word);
	} else if (strcasecmp(word[0], "PING") == 0 && l->subscribed > 0) {
		array(l, 2);
		bulk(l, "pong");
		bulk(l, "");
	} else if (strcasecmp(word[0], "PING") == 0) {
		put(l, "+PONG\r\n");
	} else if (strcasecmp(word[0], "SENTINEL") != 0) {
		put(l, "+OK\r\n");
	} else if (strcasecmp(what, "MYID") == 0) {
		bulk(l, id);
	} else if (strcasecmp(what, "GET-MASTER-ADDR-BY-NAME") == 0) {
		array(l, 2);
		bulk(l, address);
		bulk(l, "6379");
	} else if (strcasecmp(what, "MASTER") == 0 && n > 2) {
		master(l, word[2]);
	} else {
		array(l, 0);
	}
}

/* One whole command at *at, in arrays of bulk strings; false: not all of it is there. */
static bool
command(struct link *l, size_t *at)
{
	char *p = l->in + *at, *end = l->in + l->in_len, *word[WORDS_MAX];
	long n = 0;

	if (p == end || memchr(p, '\n', (size_t)(end - p)) == NULL)
		return false;
	n = strtol(p + 1, NULL, 10);
	if (*p != '*' || n < 1 || n > WORDS_MAX)
		abort();
	p = memchr(p, '\n', (size_t)(end - p)) + 1;
	for (int i = 0; i < n; i++) {
		char *line = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		long len = line != NULL ? strtol(p + 1, NULL, 10) : 0;

		if (line == NULL || line + 1 + len + 2 > end)
			return false;
		word[i] = line + 1;
		p = line + 1 + len + 2;
	}
	*at = (size_t)(p - l->in);
	for (int i = 0; i < n; i++) /* now that all is there */
		*strchr(word[i], '\r') = '\0';
	answer(l, (int)n, word);
	return true;
}

static void
hang_up(int i)
{
	close(link_[i].fd);
	free(link_[i].out);
	link_[i] = link_[--n_links];
	link_[n_links].out = NULL;
}

static bool
flush_link(struct link *l)
{
	while (l->out_len > 0) {
		ssize_t n = send(l->fd, l->out, l->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN;
		memmove(l->out, l->out + n, l->out_len - (size_t)n);
		l->out_len -= (size_t)n;
	}
	return true;
}

static bool
read_link(struct link *l)
{
	ssize_t n = recv(l->fd, l->in + l->in_len, IN_MAX - 1 - l->in_len, MSG_DONTWAIT);
	size_t at = 0;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	l->in_len += (size_t)n;
	l->in[l->in_len] = '\0';
	while (at < l->in_len && command(l, &at))
		;
	memmove(l->in, l->in + at, l->in_len - at);
	l->in_len -= at;
	return flush_link(l);
}

static void
welcome(int server)
{
	int one = 1, fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (n_links == LINKS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	memset(&link_[n_links], 0, sizeof(link_[0]));
	link_[n_links++].fd = fd;
}

static void
switch_all(void)
{
	char old[64], line[128], text[256];

	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(0);
	snprintf(old, sizeof(old), "%s", address);
	if (sscanf(line, "%63s %u", address, &epoch) != 2)
		abort();
	for (int i = 0; i < n_links; i++) {
		if (!link_[i].switches)
			continue;
		for (int m = 0; m < n_masters; m++) {
			snprintf(text, sizeof(text), "m%d %s 6379 %s 6379", m, old, address);
			array(&link_[i], 3);
			bulk(&link_[i], "message");
			bulk(&link_[i], "+switch-master");
			bulk(&link_[i], text);
		}
		flush_link(&link_[i]);
	}
	puts("told");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	if (argc != 4 || setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(server, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(server, 64) != 0) {
		perror("sentinels");
		return 1;
	}
	memset(id, argv[1][0], sizeof(id) - 1);
	n_masters = atoi(argv[2]);
	snprintf(address, sizeof(address), "%s", argv[3]);
	for (;;) {
		poll_[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
		poll_[1] = (struct pollfd){ .fd = server, .events = POLLIN };
		for (int i = 0; i < n_links; i++)
			poll_[2 + i] = (struct pollfd){ .fd = link_[i].fd,
				.events = POLLIN | (link_[i].out_len > 0 ? POLLOUT : 0) };
		if (poll(poll_, (nfds_t)(2 + n_links), -1) < 0)
			continue;
		for (int i = n_links - 1; i >= 0; i--) {
			if ((poll_[2 + i].revents & POLLOUT) != 0 && !flush_link(&link_[i]))
				hang_up(i);
			else if ((poll_[2 + i].revents & ~POLLOUT) != 0 && !read_link(&link_[i]))
				hang_up(i);
		}
		if (poll_[1].revents != 0)
			welcome(server);
		if (poll_[0].revents != 0)
			switch_all();
	}
}
