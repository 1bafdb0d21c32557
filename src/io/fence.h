/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet filter's lease: nftables tables of this daemon's own that drop all traffic for the virtual addresses
 * (IP, ARP, neighbour discovery, both directions) unless they are in a set whose elements time out. The kernel looks
 * at the time-out when a packet arrives, so a hold ends to the millisecond whatever became of the process.
 *
 * Every order is dated: a token of TOKEN_MS is put into the kernel before the clock is read, and the order itself takes
 * it away again, or fails as a whole. So an order that was delayed (the process was stopped in between) does nothing.
 * Decides nothing; must never prolong what has run out.
 */
#ifndef IO_FENCE_H
#define IO_FENCE_H

#include <svip/types.h>

struct ev_loop;

/* torn(ctx): another hand has changed or removed the tables. They have been made again (err 0), but what was open may be
 * shut: open again what is still held. err (positive errno): they could not be made; nothing is fenced. */
struct fence_calls {
	void (*torn)(void *ctx, int err);
};

/* Opens the sockets; touches no table. `cluster` names them. 0 or -errno. */
int fence_init(struct ev_loop *, const char *cluster, const struct fence_calls *, void *ctx);

/* Removes the tables unless `leave` (a successor takes over, or nothing may be touched); closes the sockets. */
void fence_fini(bool leave);

/* Makes the slot's addresses known (they stay the caller's, until fence_remove), on that interface. Then fence_make(). */
void fence_add(int slot, const char *interface, const struct svip_addr *, int n);
void fence_remove(int slot);

/*
 * Makes the tables as the slots want them, in one transaction: all or nothing; what is open stays open, also what a
 * predecessor left open. A table of another shape (another version's) is replaced; then everything is shut.
 * Also to be called when an interface has come. 0 or -errno: this kernel or namespace doesn't grant it.
 */
int fence_make(void);

/* False: this kernel can't filter what goes out of an interface below IP (before 5.16): the daemon's own announcements
 * are not fenced; everything else is. */
bool fence_egress(void);

/* Lets the slot's traffic pass until `until` (CLOCK_BOOTTIME). open: it was shut. renew: -ENOENT when one of its
 * elements has run out or was taken away; nothing has changed then. -ETIME: `until` is over, or less than 10 ms away (a
 * tick; older kernels take a time-out of less for none). 0 or -errno. */
int fence_open(int slot, svip_ms until);
int fence_renew(int slot, svip_ms until);

/* As long as it is open yet, no TCP connection to the slot's addresses begins, while all else passes; fence_open() ends that, for every slot.
 * For a drop: who has been reset must not come back before the addresses have gone. 0 or -errno; then nothing has changed. */
int fence_closing(int slot);

/* Shuts it. Not being open is no error. 0 or -errno. */
int fence_close(int slot);

/* When the first of the slot's elements runs out, by the kernel's word; SVIP_LONG_AGO: one of them isn't there. */
svip_ms fence_ends(int slot);

/* The self-test, in scratch tables: start, and FENCE_PROBE_MS later end. */
enum { FENCE_PROBE_MS = 200 };

struct fence_probe {
	int fd;
	char name[32];
	bool egress; /* what goes out below IP can be filtered, too */
};

/* 0 or -errno: this kernel or namespace doesn't grant it; then no end is due. */
int fence_probe_start(struct fence_probe *);

/* 0; -ETIME: the element has not timed out; other -errno. Removes the tables. */
int fence_probe_end(struct fence_probe *);

#endif
