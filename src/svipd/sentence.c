/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the words that several sentences share: numbers, names, who says what. Knows no reason. */
#include "sentence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "named.h"
#include "wire/age.h"

void
sentence_put(struct sentence *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->out + s->len, WHY_TEXT_MAX - s->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len += (size_t)n;
	if (s->len >= WHY_TEXT_MAX)
		s->len = WHY_TEXT_MAX - 1;
}

void
sentence_age(struct sentence *s, svip_ms ms)
{
	char age[AGE_MAX];

	sentence_put(s, "%s", age_text(ms, age));
}

void
sentence_node(struct sentence *s, int node)
{
	char text[SVIP_TEXT_MAX];

	sentence_put(s, "%s", svip_addr_text(&s->about->settings->node[node], false, text));
}

void
sentence_host(struct sentence *s, const struct svip_host *host)
{
	char text[SVIP_TEXT_MAX];

	sentence_put(s, "%s", svip_host_text(host, text));
}

/* The port is said only where two Sentinels live on one host. */
void
sentence_sentinel(struct sentence *s, int i)
{
	const struct svip_host *host = s->about->settings->sentinel;

	for (int k = 0; k < s->n; k++) {
		if (k != i && strcmp(host[k].name, host[i].name) == 0) {
			sentence_host(s, &host[i]);
			return;
		}
	}
	sentence_put(s, "%s", host[i].name);
}

/* ---- who says what ---- */

static void
put_silent(struct sentence *s, int i)
{
	const struct report_sentinel *rs = &s->about->input->sentinel[i];
	const char *fault = s->about->input->instance[s->about->index].fault[i];
	const struct view *v = &s->in->view[i];

	sentence_sentinel(s, i);
	if (fault != NULL && fault[0] != '\0') {
		sentence_put(s, " answers: %s", fault);
		return;
	}
	if (v->valid) {
		sentence_put(s, " has not answered for ");
		sentence_age(s, s->now - v->heard);
	} else if (rs->last_reply == SVIP_LONG_AGO) {
		sentence_put(s, " has never answered");
	} else if (s->now - rs->last_reply < s->core->conf.lease_ms) {
		sentence_put(s, " has said nothing about it yet");
	} else {
		sentence_put(s, " has not answered for ");
		sentence_age(s, s->now - rs->last_reply);
	}
	if (rs->error != NULL && rs->error[0] != '\0')
		sentence_put(s, " (%s)", rs->error);
}

static void
put_view(struct sentence *s, int i, const struct view *v)
{
	sentence_sentinel(s, i);
	if (v->me && v->down) {
		sentence_put(s, " sees this node's Redis down");
	} else if (v->me) {
		sentence_put(s, " names this node at epoch %" PRIu64, v->epoch);
	} else {
		sentence_put(s, " names ");
		sentence_host(s, &v->master);
		sentence_put(
		    s, " at epoch %" PRIu64 "%s", v->epoch, v->down ? ", and sees it down" : "");
	}
}

/* The Sentinels that don't confirm this node, one by one; silent_only: those without a fresh word. */
void
sentence_dissent(struct sentence *s, bool silent_only)
{
	int listed = 0, more = 0;

	for (int i = 0; i < s->n; i++) {
		const struct view *v = &s->in->view[i];
		bool fresh = named_fresh(s->core, s->in, v, s->now);

		if (fresh && (silent_only || (v->me && !v->down && v->epoch == s->epoch)))
			continue;
		if (listed == SENTENCE_LIST_MAX) {
			more++;
			continue;
		}
		sentence_put(s, "; ");
		if (fresh)
			put_view(s, i, v);
		else
			put_silent(s, i);
		listed++;
	}
	if (more > 0)
		sentence_put(s, "; and %d more", more);
}

void
sentence_confirmations(struct sentence *s)
{
	sentence_put(s, "%d of %d Sentinels name%s this node", s->confirmations, s->n,
	    s->confirmations == 1 ? "s" : "");
	if (s->confirmations > 0)
		sentence_put(s, " at epoch %" PRIu64, s->epoch);
}

void
sentence_named(struct sentence *s)
{
	sentence_put(s, "named at epoch %" PRIu64 " by %d of %d Sentinels", s->epoch,
	    s->confirmations, s->n);
}

bool
sentence_virtual(const struct settings *set, const struct svip_host *host)
{
	struct svip_addr a;

	if (!svip_host_addr(host, &a))
		return false;
	for (int i = 0; i < set->n_instances; i++) {
		for (int k = 0; k < set->instance[i].n_addresses; k++) {
			if (svip_addr_same(&a, &set->instance[i].address[k]))
				return true;
		}
	}
	return false;
}
