/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs clusters out of seeds and judges them: never two that answer, nothing announced without a lease, and after the faults
 * the named master holds. The same seed gives the same run, to the byte. Looks at a real clock for its own speed alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum {
	BEYOND = 20,        /* times the drift that is assumed */
	STILL_MAX = 100000, /* events at one instant */
};

static const char usage[] =
    "usage: sim [-v] [-q] [-d] [-k] [-x] [-m MIX] [-n COUNT] [SEED]\n"
    "  -v  tell everything   -q  only the result   -d  each seed twice, compared\n"
    "  -k  a slow kernel     -x  clocks worse than is assumed: overlaps are counted, no more\n"
    "  -m  all cuts lives pauses flips relapses lates traps successors machines confs unseen "
    "changes lags single\n";

static bool beyond;

/* What each host's kernel has, and what their configuration promises of it. */
static void
prepare_fences(struct sim *s)
{
	static const svip_ms guards[] = { 60, 60, 500, 2200 };

	s->fence = (enum fence)draw(s, 3);
	s->guard_least_ms = 60;
	switch (s->fence) {
	case FENCE_LIFETIME:
		s->guard_ms = s->guard_least_ms = guards[draw(s, 4)];
		break;
	case FENCE_NFTABLES:
		s->guard_ms = 60;
		break;
	case FENCE_AUTO:
		s->guard_ms = 2200;
		break;
	}
	s->guard_unheard_ms = s->guard_ms;
	for (int x = 0; x < HOSTS_MAX; x++)
		node_kind(
		    s, x, s->fence == FENCE_NFTABLES || (s->fence == FENCE_AUTO && chance(s, 0.6)));
}

static void
prepare(struct sim *s, uint64_t seed, const struct mix *mix, bool slow_kernel)
{
	static const sim_us downs[] = { 200 * MS, 500 * MS, 1000 * MS, 1500 * MS };
	static const double losses[] = { 0, 0, 0.05, 0.3 }, flaps[] = { 0, 0, 0.1, 0.4 };

	s->seed = s->rng = seed;
	s->mix = mix;
	s->n_nodes = chance(s, 0.6) ? 3 : 2 + draw(s, HOSTS_MAX - 1);
	s->n_sentinels = chance(s, 0.4)   ? 3
	                 : chance(s, 0.4) ? 1 + draw(s, 2)
	                                  : 1 + draw(s, HOSTS_MAX);
	s->lease_ms = chance(s, 0.5) ? 1000 : 2000;
	prepare_fences(s);
	s->drift_ppm = chance(s, 0.2) && !s->beyond ? 100000 : 10000; /* what is assumed, and half of the clocks do */
	s->down_after = downs[draw(s, 4)];
	s->ambush = chance(s, 0.5) ? 0.5 : 0;
	s->loss = losses[draw(s, 4)];
	s->flap = flaps[draw(s, 4)];
	s->repeat = chance(s, 0.5) ? 0.02 : 0;
	s->refuse = chance(s, 0.3) ? 0.05 : 0;
	if (mix->narrow) {
		s->n_nodes = 2 + draw(s, 2);
		s->n_sentinels = 1 + draw(s, 3);
		s->lease_ms = 2000;
		s->down_after = downs[draw(s, 2)];
		s->loss = s->flap = s->ambush = s->repeat = s->refuse = 0;
	}
	s->n_hosts = s->n_nodes > s->n_sentinels ? s->n_nodes : s->n_sentinels;
	s->jumps = chance(s, 0.5);
	s->slow_kernel = slow_kernel;
	s->calm_at = 30 * SECOND;
	s->end_at = (fault_changes(mix) ? 80 : 65) * SECOND;
	if (fault_changes(mix)) { /* room for disjoint lists */
		s->n_nodes = 2 + draw(s, mix->narrow ? 2 : 4);
		s->n_sentinels = 2 + draw(s, HOSTS_MAX - 1);
		s->n_hosts = s->n_nodes > s->n_sentinels ? s->n_nodes : s->n_sentinels;
	}
	change_prepare(s);
	fault_start(s);
	for (int h = 0; h < s->n_hosts; h++) {
		s->host_up[h] = true;
		if (h < s->n_sentinels)
			sentinel_start(s, h);
	}
	for (int x = 0; x < s->n_nodes; x++) {
		struct node *n = &s->node[x];

		s->redis_up[x] = n->link_up = true;
		s->redis_master[x] = x == 0;
		n->boot = draw_us(s, SECOND, 3600 * (sim_us)SECOND);
		if (s->beyond)
			n->ppm = (draw(s, 2 * BEYOND + 1) - BEYOND) * s->drift_ppm;
		else
			n->ppm = chance(s, 0.25) ? draw(s, 2 * s->drift_ppm + 1) - s->drift_ppm
			                         : (2 * draw(s, 2) - 1) * s->drift_ppm;
		node_start(s, x);
	}
}

/* The node that a majority of the Sentinels in the list confirms at one epoch; -1: none. */
static int
confirmed(const struct sim *s)
{
	uint32_t list = s->config[s->latest].sentinels;

	for (int i = 0; i < s->n_sentinels; i++) {
		const struct sentinel *t = &s->sentinel[i];
		int n = 0;

		for (int j = 0; j < s->n_sentinels; j++) {
			const struct sentinel *u = &s->sentinel[j];

			n +=
			    (list >> j & 1) && u->epoch == t->epoch && u->get == t->get && !u->down;
		}
		if (n > __builtin_popcount(list) / 2)
			return t->get;
	}
	return -1;
}

static void
judge_end(struct sim *s)
{
	int x = confirmed(s);

	if (x == -1 || !(s->config[s->latest].nodes >> x & 1) || !s->redis_master[x] ||
	    s->now - s->named_at < 2 * SETTLE_US / (fault_changes(s->mix) ? 1 : 2))
		s->undecided++;
	else if (!kernel_answers(s, x))
		snprintf(s->violation, sizeof(s->violation),
		    "node %d is named and doesn't hold, %d s after the last word: %s, %s", x,
		    (int)((s->now - s->named_at) / SECOND),
		    core_state_word(s->node[x].core.inst[0].state),
		    core_reason_word(s->node[x].core.inst[0].reason));
}

static void
run(struct sim *s, uint64_t seed, const struct mix *mix, bool slow_kernel, bool verbose)
{
	struct event e;
	bool calm = false;
	int still = 0;

	memset(s, 0, offsetof(struct sim, node));
	for (int x = 0; x < HOSTS_MAX; x++)
		memset(&s->node[x], 0, offsetof(struct node, core));
	s->hash = 1;
	s->beyond = beyond;
	s->named_at = s->settled_at = s->overlap_since = s->overlap_longest = 0;
	s->overlaps = 0;
	s->takes = s->by_yield = s->undecided = s->inherited = s->trapped = 0;
	s->violation[0] = '\0';
	s->verbose = verbose;
	prepare(s, seed, mix, slow_kernel);
	say(s,
	    "%d nodes, %d sentinels, lease %d ms, guard %d ms, down after %d ms, loss %.2f, flap "
	    "%.2f",
	    s->n_nodes, s->n_sentinels, (int)s->lease_ms, (int)s->guard_ms,
	    (int)(s->down_after / MS), s->loss, s->flap);
	while (s->violation[0] == '\0' && queue_next(s, &e) && e.at < s->end_at) {
		still = e.at == s->now ? still + 1 : 0;
		if (still > STILL_MAX)
			snprintf(s->violation, sizeof(s->violation), "time stands still");
		s->now = e.at;
		if (!calm && s->now >= s->calm_at) {
			calm = true;
			fault_heal_all(s);
			s->settled_at = s->calm_at + (fault_changes(mix) ? 30 * SECOND : SETTLE_US);
		}
		e.run(s, &e);
		free(e.data);
		e.data = NULL;
	}
	free(e.data);
	if (s->violation[0] == '\0')
		judge_end(s);
	if (s->violation[0] == '\0')
		change_judge(s);
	trace(s, (uint64_t)s->n_events);
	queue_fini(s);
	for (int x = 0; x < s->n_nodes; x++) {
		node_end(s, x);
		free(s->node[x].inbox);
	}
	free(s->events);
	s->events = NULL;
}

static const struct mix *
find_mix(const char *name)
{
	for (const struct mix *m = fault_mixes; m->name != NULL; m++) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	fprintf(stderr, "sim: no mix %s\n%s", name, usage);
	exit(2);
}

int
main(int argc, char **argv)
{
	static struct sim s;
	const struct mix *mix = &fault_mixes[0];
	bool verbose = false, quiet = false, twice = false, slow = false;
	uint64_t first = 1, count = 1, takes = 0, by_yield = 0, undecided = 0, done = 0,
	         inherited = 0, trapped = 0, overlaps = 0;
	sim_us longest = 0;
	double virtual_s = 0, real_s;
	clock_t start = clock();
	int opt;

	while ((opt = getopt(argc, argv, "vqdkxm:n:")) != -1) {
		switch (opt) {
		case 'v':
			verbose = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'd':
			twice = true;
			break;
		case 'k':
			slow = true;
			break;
		case 'x':
			beyond = true;
			break;
		case 'm':
			mix = find_mix(optarg);
			break;
		case 'n':
			count = strtoull(optarg, NULL, 10);
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc)
		first = strtoull(argv[optind], NULL, 10);
	for (uint64_t seed = first; seed < first + count; seed++) {
		uint64_t hash;

		run(&s, seed, mix, slow, verbose);
		hash = s.hash;
		done++;
		virtual_s += (double)s.now / SECOND;
		takes += (uint64_t)s.takes;
		by_yield += (uint64_t)s.by_yield;
		undecided += (uint64_t)s.undecided;
		inherited += (uint64_t)s.inherited;
		trapped += (uint64_t)s.trapped;
		overlaps += (uint64_t)s.overlaps;
		if (s.overlap_longest > longest)
			longest = s.overlap_longest;
		if (s.violation[0] != '\0') {
			printf("seed %llu: %s\nreplay: sim%s -m %s -v %llu\n",
			    (unsigned long long)seed, s.violation, slow ? " -k" : "", mix->name,
			    (unsigned long long)seed);
			if (!quiet && !verbose)
				run(&s, seed, mix, slow, true);
			return 1;
		}
		if (twice) {
			run(&s, seed, mix, slow, false);
			if (s.hash != hash) {
				printf("seed %llu: two runs differ\n", (unsigned long long)seed);
				return 1;
			}
		}
	}
	real_s = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("%s%s: %llu seeds from %llu, no violation; %.0f cluster-seconds in %.1f s (%.0f a "
	       "second); %llu takes, %llu by "
	       "yields, %llu inherited; %llu trapped, %llu undecided\n",
	    mix->name, slow ? " -k" : "", (unsigned long long)done, (unsigned long long)first,
	    virtual_s, real_s, virtual_s / (real_s > 0 ? real_s : 1), (unsigned long long)takes,
	    (unsigned long long)by_yield, (unsigned long long)inherited,
	    (unsigned long long)trapped, (unsigned long long)undecided);
	if (overlaps > 0)
		printf("%llu overlaps, the longest %.3f s\n", (unsigned long long)overlaps,
		    (double)longest / SECOND);
	return 0;
}
