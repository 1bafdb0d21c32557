/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: a UNIX stream server, one text line in, one JSON line out. Moves lines and
 * knows who asks; what they mean and who may what is the owner's business.
 */
#ifndef IO_CONTROL_H
#define IO_CONTROL_H

#include <ev.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	CONTROL_CLIENTS_MAX = 16, /* more wait in the kernel's queue until one has gone */
	CONTROL_LINE_MAX = 4096,  /* bytes of a request, with its LF */
	CONTROL_REPLY_MAX =
	    4 << 20,            /* bytes of a reply, with its LF: status of 1024 instances fits */
	CONTROL_IDLE_S = 10,    /* time to send one request and to fetch its answer */
	CONTROL_PATH_MAX = 100, /* bytes of the socket's path, with the NUL: sun_path less ".new" */
};

/* Who asks, by the kernel's word (SO_PEERCRED). */
struct control_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int fd; /* a file that came with the line (SCM_RIGHTS), the module's to close; -1: none */
};

/*
 * Answers one line (without its LF; it may hold any byte but NUL and LF). Returns one line of JSON,
 * with no LF in it, that the module frees with free(); NULL: out of memory, the caller is told so.
 * Runs inside the loop: must not block, and must not call control_fini().
 */
typedef char *control_reply(void *ctx, const struct control_caller *, const char *line);

struct control_counters {
	uint64_t clients;   /* connections accepted */
	uint64_t requests;  /* lines answered by the owner */
	uint64_t garbage;   /* lines with a NUL, too long, or cut off */
	uint64_t too_large; /* replies above CONTROL_REPLY_MAX */
	uint64_t timeouts;  /* clients that let CONTROL_IDLE_S pass */
	uint64_t errors;    /* accept, read or write failed */
};

struct control;

/*
 * Listens at path with mode 0660. group: of the socket, (gid_t)-1 leaves it. The socket appears at
 * path complete and listening, by rename; an old socket there is replaced, any other file is not
 * (-EEXIST). 0 and *made, or -errno (-ENAMETOOLONG: see CONTROL_PATH_MAX).
 */
int control_init(struct control **made, struct ev_loop *, const char *path, gid_t group,
    control_reply *, void *ctx);

/* Closes every client, and removes the socket when it is still this one. Accepts NULL. */
void control_fini(struct control *);

const struct control_counters *control_counters(const struct control *);

#endif
