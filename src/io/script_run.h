/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper process behind script.c: takes one run, carries it out, answers, takes the next.
 * Both ends are the same program, so plain structs go over a SOCK_SEQPACKET pair.
 */
#ifndef IO_SCRIPT_RUN_H
#define IO_SCRIPT_RUN_H

#include <stdint.h>

#include "script.h"

enum {
	RUN_TEXT_MAX = 10240, /* path, arguments, environment: 128 addresses take 6,400 */
	RUN_ARGS_MAX = 8,
	RUN_ENV_MAX = 12,
};

/* Strings one after the other, each with its NUL: n_args arguments (the first is the path), then the
 * environment. Only `used` bytes of text are sent. */
struct run {
	svip_ms limit_ms;
	int n_args, n_env;
	uint32_t used;
	char text[RUN_TEXT_MAX];
};

enum run_end { RUN_EXITED, RUN_SIGNALLED, RUN_TIMED_OUT, RUN_REFUSED };

struct run_result {
	enum run_end end;
	int number;      /* exit status, signal, or for RUN_REFUSED nothing */
	uint32_t used;   /* bytes of output, or why it was refused */
	char output[SCRIPT_OUTPUT_MAX];
};

/* Serves the socket until its other end is closed. Never returns. */
_Noreturn void script_run_serve(int fd);

#endif
