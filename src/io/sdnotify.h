/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words to the service manager, sd_notify(3) without libsystemd. Nothing happens when there is none.
 * Never blocks; a lost word is not an error of the daemon.
 */
#ifndef IO_SDNOTIFY_H
#define IO_SDNOTIFY_H

#include <svip/types.h>

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment. */
void sdnotify_init(void);

/* "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…", several by newlines.
 * 0 (also without a manager) or -errno. */
int sdnotify_send(const char *words);

/* How often to send WATCHDOG=1 (half of what the manager allows); 0: not wanted. */
svip_ms sdnotify_watchdog_ms(void);

#endif
