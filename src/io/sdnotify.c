/* SPDX-License-Identifier: BSD-2-Clause */
/* Words to the service manager by its datagram socket. Must not block or fail the daemon. */
#include "sdnotify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	int fd;
	struct sockaddr_un to;
	socklen_t to_len; /* 0: no manager */
	svip_ms watchdog_ms;
} manager = { .fd = -1 };

static svip_ms
watchdog_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	svip_ms ms;

	/* WATCHDOG_PID: the request may be meant for the process that started us. */
	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return 0;
	ms = strtoll(usec, NULL, 10) / 1000 / 2;
	return ms > 0 ? ms : 0;
}

void
sdnotify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);

	if (manager.fd >= 0)
		close(manager.fd);
	memset(&manager, 0, sizeof(manager));
	manager.fd = -1;
	manager.watchdog_ms = watchdog_interval();
	if (len > 1 && len < sizeof(manager.to.sun_path) && (path[0] == '/' || path[0] == '@')) {
		manager.to.sun_family = AF_UNIX;
		memcpy(manager.to.sun_path, path, len);
		if (path[0] == '@') /* the abstract name space begins with a NUL */
			manager.to.sun_path[0] = '\0';
		manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (manager.fd >= 0)
			manager.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

int
sdnotify_send(const char *words)
{
	if (manager.to_len == 0)
		return 0;
	if (sendto(manager.fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT,
	        (const struct sockaddr *)&manager.to, manager.to_len) < 0)
		return -errno;
	return 0;
}

svip_ms
sdnotify_watchdog_ms(void)
{
	return manager.watchdog_ms;
}
