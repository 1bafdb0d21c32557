/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For ten seconds after the addresses of a slot have gone: tells who still tries to connect to them here that they can't be reached,
 * as a router would (ICMP host unreachable, RFC 1812 section 5.2.7.1; ICMPv6 address unreachable, RFC 4443 section 3.1). A client
 * whose neighbour cache is still the old one sends its SYN into the void else, and a Linux client again only after a second.
 *
 * Must never say anything in the name of a virtual address: what it sends comes from this host's own address. Nor about one
 * that may still be here: only the kernel's word that they have gone lets it begin.
 */
#ifndef IO_UNREACHABLE_H
#define IO_UNREACHABLE_H

#include <svip/types.h>

struct ev_loop;

enum {
	/* From the kernel's word. Longer than Sentinels need from the first newer epoch, at which a holder without a living Redis lets
	 * go, until the next one is named: whose SYN is lost meanwhile waits 1 s, 3 s and 7 s for its repeats. */
	UNREACHABLE_MS = 10000,
	UNREACHABLE_FIRST_MS = 1000, /* a planned move has announced itself long before */
	UNREACHABLE_MAX = 2000,      /* answers in each second */
};

void unreachable_init(struct ev_loop *);
void unreachable_fini(void);

/* Makes ready what a drop on this interface needs, so that it costs little then. The addresses stay the caller's and must outlive
 * unreachable_remove(). What can't be had is logged; then this is left undone. */
void unreachable_add(int slot, const char *interface, const struct svip_addr *, int n);
void unreachable_remove(int slot);

/* The addresses are about to go from this interface, an Ethernet with this MAC: from now on SYNs to them are kept, not answered.
 * Microseconds; there is no system call that waits. */
void unreachable_expect(int slot, int ifindex, const uint8_t mac[6]);

/*
 * The kernel has confirmed that they are gone: SYNs are answered from own4 and own6 (NULL: this family isn't), also those kept.
 * Among these may be one that the kernel has accepted before: its client is connected, and to that an ICMP error is but a hint
 * (RFC 1122 section 4.2.3.9), or it was reset; or the SYN+ACK was lost, and then nobody is behind it any more. So no time
 * has to be compared, and no SYN is lost in between. Nothing unless unreachable_expect() came before.
 */
void unreachable_begin(int slot, const struct svip_addr *own4, const struct svip_addr *own6);

/* Ends it before its time; what is kept is thrown away. A repeat costs nothing. */
void unreachable_stop(int slot);

/* No slot is in its first second: who stops needs not wait for more. */
bool unreachable_idle(void);

#endif
