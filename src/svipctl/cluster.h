/* SPDX-License-Identifier: BSD-2-Clause */
/* `svipctl --cluster status|why|history`: what every node answers, by way of the local svipd. */
#ifndef SVIPCTL_CLUSTER_H
#define SVIPCTL_CLUSTER_H

#include <stdbool.h>

#include "show.h"

/* line: "status" or the like, perhaps with a NAME. show: for one node's answer; a history is merged from all. Returns the exit status: 1
 * when not every node has answered. */
int cluster(const char *socket, bool json, const char *line, show_answer *show, const char *name);

#endif
