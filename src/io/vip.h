/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual addresses in the kernel with the packet filter in front of them, the links they live on, and this host's own
 * addresses. Carries out "hold until" and "drop" and reports what the kernel has confirmed; decides nothing.
 */
#ifndef IO_VIP_H
#define IO_VIP_H

#include <svip/types.h>

struct ev_loop;

/* All of them are called from the loop or from within the functions below. i: the instance's handle. */
struct vip_calls {
	void (*held)(void *ctx, int i);             /* all addresses are there, by the kernel's word */
	void (*refused)(void *ctx, int i, int err); /* the kernel refused one; none is there */
	void (*clear)(void *ctx, int i);            /* none is there, by the kernel's word */
	void (*stuck)(void *ctx, int i, int err);   /* the kernel refused to remove one */
	void (*lost)(void *ctx, int i, const char *what); /* one has gone, or is fenced, though it should be held */
	void (*link)(void *ctx, int i, bool up);    /* the interface went up or down, came or went */
	void (*relinked)(void *ctx, int i);         /* same link, but another MAC or index: announce again */
	void (*locals)(void *ctx);                  /* this host's own addresses have changed */
	/* Before the addresses go: the kernel doesn't reset connections (positive errno). The last moment for other means, which have left_ms. */
	void (*unreset)(void *ctx, int i, int err, svip_ms left_ms);
	/* At a drop, right before they go: from now on nobody can connect to them here. */
	void (*going)(void *ctx, int i);
	/* After they have gone: n connections of clients were reset. err: 0; ETIME: some were left when the time was up; or as above. */
	void (*reset)(void *ctx, int i, int n, int err, svip_ms took_ms);
};

/* Reads links and addresses and listens to their changes. 0 or -errno. observe: touches no address; every instance
 * counts as clear, for what another program does with its addresses is none of ours. */
int vip_init(struct ev_loop *, const struct vip_calls *, void *ctx, bool observe);

/* leave: a successor is to find everything as it is. Else the packet filter goes; no address is touched. */
void vip_fini(bool leave);

/* From here on the addresses are fenced: to be called before the first vip_add(). `cluster` names the tables. 0 or -errno. */
int vip_fence_open(const char *cluster);

/* Makes the packet filter as the instances need it, after vip_add() and vip_remove(). 0; or -errno: as it was before. */
int vip_fence_make(void);

/* Goes on with the addresses' lifetimes alone. refuse: nothing may be held without the packet filter; holding is
 * refused with this errno (0: it may). */
void vip_fence_without(int refuse);

/* Where the lifetimes alone are to serve: removes the tables that a fenced predecessor has left, for nothing would let
 * through in them what is held now. To be called when its addresses are gone. */
void vip_fence_sweep(const char *cluster);

bool vip_fenced(void);

/* All addresses are there, by the kernel's last word. */
bool vip_held(int i);

/* Makes known that the instance with this handle (0 … SVIP_INSTANCES_MAX-1) has these addresses (copied). */
void vip_add(int i, const char *interface, const struct svip_addr *, int n);

/* Looks at the link and calls link(). Then: are all addresses there as this program puts them, with an end to their
 * lifetime, and let through by the packet filter? True: they count as held from now on, and nothing has been touched. */
bool vip_inherit(int i);

/* Looks at the link and calls link(). Left-overs are removed, and clear() or stuck() called, by vip_confirm(). */
void vip_start(int i);

/* Forgets the instance; its addresses must be gone. */
void vip_remove(int i);

/* Has all addresses until `until` at least, and by the kernel's own hand not for long after: to the millisecond by the
 * packet filter; the lifetimes of addresses are whole seconds. Calls held() or refused() when they were not there before; a failed renewal calls lost(). */
void vip_hold(int i, svip_ms until);

/* Removes them at once, and resets their clients before. vip_confirm() tells what came of it. */
void vip_drop(int i);

/* At the end of each turn of the loop: one look at the kernel for all that were dropped or started in it. Removes what is left of their
 * addresses, on whatever interface and with whatever prefix, and calls clear() or stuck(). */
void vip_confirm(void);

/* At a drop the clients' connections are reset for so long at most, but not beyond the end of the hold; 0: they aren't, as after
 * vip_add(). The loop waits for it, and so does the removal. */
void vip_reset_clients(int i, svip_ms ms);

/* The interface, by index, that has the address here, which is no virtual one; 0: none. */
int vip_local_on(const struct svip_addr *);

/* The index of the instance's interface; 0: it isn't there. */
int vip_ifindex(int i);

/* This host's own address on the instance's interface that is the best source for what it has to say about the virtual ones of this
 * family (4, 6): no virtual one itself. False: there is none. */
bool vip_own_address(int i, int family, struct svip_addr *);

bool vip_is_virtual(const struct svip_addr *);

/* A link of this host has this MAC. */
bool vip_own_mac(const uint8_t mac[6]);

/* The instance's link as it is now: false when the interface isn't there. */
bool vip_link(int i, int *ifindex, uint8_t mac[6], bool *ethernet);

#endif
