/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client as C programs have them: hiredis, blocking, without time limits, at once again after an error.
 *
 *	hiredis ADDRESS PORT KEY
 *
 * adds 1, 2, 3, ... to the set KEY and says on stdout what it felt, one line each, as clients.py's clients do:
 * {"ack": [number], "t": seconds of CLOCK_BOOTTIME}, {"end": error, "t": ...}.
 */
#include <hiredis.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	WRITES_NS = 2000000, /* between two writes */
	AGAIN_NS =
	    1000000, /* after an error: at once, but leaves the others some of the processor */
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
pause_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* Until the connection ends; returns why. */
static const char *
work(redisContext *c, const char *key, long *number)
{
	static char why[256];

	for (;;) {
		long n = ++*number;
		redisReply *r = redisCommand(c, "SADD %s %ld", key, n);
		bool done = r != NULL && r->type == REDIS_REPLY_INTEGER;

		snprintf(why, sizeof(why), "%s", r == NULL ? c->errstr : done ? "" : r->str);
		freeReplyObject(r);
		if (!done)
			return why;
		printf("{\"ack\": [%ld], \"t\": %.6f}\n", n, now());
		fflush(stdout);
		pause_ns(WRITES_NS);
	}
}

int
main(int argc, char **argv)
{
	long number = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: hiredis ADDRESS PORT KEY\n");
		return 2;
	}
	for (;;) {
		redisContext *c = redisConnect(argv[1], atoi(argv[2]));
		const char *why = c == NULL ? "no memory"
		                  : c->err  ? c->errstr
		                            : work(c, argv[3], &number);

		printf("{\"end\": \"%s\", \"t\": %.6f}\n", why, now());
		fflush(stdout);
		if (c != NULL)
			redisFree(c);
		pause_ns(AGAIN_NS);
	}
}
