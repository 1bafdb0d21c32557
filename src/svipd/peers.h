/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this node asks the others over the peers' channel, and what it answers them: configurations are compared. Decides
 * nothing, changes nothing: whether a difference forbids to take is the core's business, by the heartbeats' digests.
 */
#ifndef SVIPD_PEERS_H
#define SVIPD_PEERS_H

struct ev_loop;
struct json_t;

void peers_init(struct ev_loop *);
void peers_fini(void);

/* What was asked and answered so far: the nodes have other indexes now. */
void peers_forget(void);

/* Before other keys are in force: what is under way ends. */
void peers_interrupt(void);

/* Begins to ask the node ("all": every other one) for its configuration, unless that is under way. Returns NULL, or why that
 * can't be (a text that lasts until the next call). */
const char *peers_compare(const char *node);

/* Asks every other node that: "status", "why" or "history", name NULL or an instance's. What is under way is forgotten. */
void peers_ask(const char *what, const char *name);

/* What they have answered by now, this node's own answer first: "running", "nodes" as in svipctl(8). NULL: out of memory. */
struct json_t *peers_answers(void);

/* What is known of it by now: "node", "running", and "nodes" as in svipctl(8). NULL: out of memory. */
struct json_t *peers_compared(const char *node);

#endif
