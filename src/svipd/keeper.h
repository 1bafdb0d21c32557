/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration's file, kept by a helper process with the rights that svipd was started with: what is applied from another
 * node is looked at, staged beside the file, and put in its place, without a write or an fsync in the loop. The helper trusts the
 * daemon in nothing that could make it another user: such changes are refused here.
 *
 * FILE.new   staged: checked, and on the disk
 * FILE.old   what the last commit has replaced
 * FILE.before  while a change of Sentinels, nodes, lease or guards is under way: what is in force beside FILE (changing.h)
 *
 * A crash at any point leaves FILE whole, old or new; a staged file that nobody has committed is removed at the next start.
 */
#ifndef SVIPD_KEEPER_H
#define SVIPD_KEEPER_H

#include <ev.h>
#include <svip/settings.h>

#include "wire/version.h"

enum { KEEPER_REPORT_MAX = 8192 };

enum keeper_order {
	KEEPER_STAGE,   /* a text with its version's line: check it, write FILE.new */
	KEEPER_COMMIT,  /* FILE.new, of that digest, takes FILE's place */
	KEEPER_CHANGE,  /* the same, and FILE stays as FILE.before */
	KEEPER_SETTLE,  /* no FILE.before any more */
	KEEPER_KEYS,    /* the text takes the place of FILE's key-file */
	KEEPER_DISCARD, /* no FILE.new any more */
};

struct keeper_answer {
	int error; /* 0; else nothing has changed */
	char report
	    [KEEPER_REPORT_MAX]; /* faults, warnings and notes, a line each; the cause of an error */
};

/* Starts the helper, before privileges are dropped; it ends with this process. `set` is what it was started with, its file's
 * name included. 0 or -errno, and `why`. */
int keeper_start(const struct settings *set, char *why, size_t size);

typedef void keeper_done(void *ctx, const struct keeper_answer *);

/* Uses the helper from this loop. */
void keeper_init(struct ev_loop *, keeper_done *, void *ctx);
void keeper_fini(void);

/* One order at a time: -EBUSY while the answer to the last one hasn't come; -EPIPE when the helper is gone. Otherwise done is
 * called later, once. The text (KEEPER_STAGE, KEEPER_KEYS) is copied; the digest is that of its version. Never blocks. */
int keeper_do(
    enum keeper_order, const uint8_t digest[VERSION_DIGEST_LEN], const char *text, size_t len);

#endif
