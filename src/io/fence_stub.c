/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in until fence.c and holds.c are there; goes then. */
#include <svip/settings.h>
#include <errno.h>
#include "io/fence.h"
#include "io/holds.h"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define W __attribute__((weak))
W int fence_init(struct ev_loop *l, const char *c, const struct fence_calls *x, void *y){return -EOPNOTSUPP;}
W void fence_fini(bool l){} W void fence_add(int s,const char*i,const struct svip_addr*a,int n){} W void fence_remove(int s){}
W int fence_make(void){return -1;} W bool fence_egress(void){return false;} W int fence_open(int s, svip_ms u){return -1;} W int fence_renew(int s, svip_ms u){return -1;}
W int fence_close(int s){return 0;} W svip_ms fence_ends(int s){return 0;}
W int holds_init(const char*p,const struct settings*s){return -EPERM;} W void holds_fini(void){} W bool holds_left(uint64_t i,uint64_t*e,svip_ms*u){return false;}
W void holds_note(uint64_t i,uint64_t e,svip_ms u){} W void holds_clear(uint64_t i){}
