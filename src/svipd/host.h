/* SPDX-License-Identifier: BSD-2-Clause */
/* What is so on this host now: its addresses and interfaces, for judging a configuration. */
#ifndef SVIPD_HOST_H
#define SVIPD_HOST_H

#include "conf.h"

/* Fills in what stays valid until the next call. */
void host_look(struct conf_host *);

#endif
