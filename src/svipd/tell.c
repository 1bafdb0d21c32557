/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells people and scripts what the core has decided: log, history, notify scripts, service manager. Decides nothing. */
#include <stdio.h>
#include <string.h>

#include "daemon_state.h"
#include "io/clock.h"
#include "io/script.h"
#include "io/sdnotify.h"
#include "named.h"

/* Of a change of state in the journal: told to administrators in svipd(8). */
static const char message_id[] = "8b74b05ebecf4762ac49740659ffb0e2";

/* keepalived's words, which its scripts expect. */
static const char *
script_word(enum core_state s)
{
	switch (s) {
	case CORE_MASTER:
		return "MASTER";
	case CORE_FAULT:
		return "FAULT";
	case CORE_INIT:
	case CORE_BACKUP:
	case CORE_WAITING:
		break;
	}
	return "BACKUP";
}

static void
addresses_text(const struct set_instance *conf, char *out, size_t size)
{
	char text[SVIP_TEXT_MAX];
	size_t len = 0;

	out[0] = '\0';
	for (int k = 0; k < conf->n_addresses && len < size; k++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", k > 0 ? " " : "",
		    svip_addr_text(&conf->address[k], true, text));
}

static void
run_script(struct slot *s, const char *word, const char *state, const char *reason, uint64_t epoch)
{
	static char addresses[SVIP_ADDRESSES_MAX * (SVIP_TEXT_MAX / 2)];
	char master[SVIP_TEXT_MAX] = "", before[SVIP_TEXT_MAX] = "";

	if (s->master.port != 0)
		svip_host_text(&s->master, master);
	if (s->master_before.port != 0)
		svip_host_text(&s->master_before, before);
	addresses_text(&s->conf, addresses, sizeof(addresses));
	script_tell(&s->conf.scripts, &(struct script_news){ .instance = s->conf.name, .word = word, .state = state,
	    .reason = reason, .epoch = epoch, .master = master, .master_before = before,
	    .addresses = addresses, .interface = s->conf.interface });
}

static void
note_master(struct slot *s, const struct named *named)
{
	if (named->count == 0 || svip_host_same(&named->master, &s->master))
		return;
	s->master_before = s->master;
	s->master = named->master;
}

static void
manager_status(void)
{
	struct daemon_state *d = daemon_state();
	char text[256];
	int held = 0;

	for (int i = 0; i < d->core.conf.n_instances; i++)
		held += d->core.inst[i].kernel == KERNEL_HELD;
	snprintf(text, sizeof(text), "STATUS=holding %d of %d", held, d->core.conf.n_instances);
	sdnotify_send(text);
}

/* error: why the kernel would not; 0: nothing of that kind. */
static void
log_change(const char *name, const struct history_entry *h, int error)
{
	const char *from = core_state_word(h->from), *to = core_state_word(h->to), *reason = core_reason_word(h->reason);
	char epoch[24];
	const struct log_field fields[] = { { "MESSAGE_ID", message_id }, { "SVIPD_INSTANCE", name }, { "SVIPD_FROM", from },
		{ "SVIPD_TO", to }, { "SVIPD_REASON", reason }, { "SVIPD_EPOCH", epoch } };

	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)h->epoch);
	log_fields(error != 0 ? SET_LOG_ERROR : SET_LOG_INFO, fields, sizeof(fields) / sizeof(fields[0]),
	    "%s: %s -> %s reason=%s epoch=%s waited_ms=%lld%s%s", name, from, to, reason, epoch, (long long)h->waited_ms,
	    error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
}

void
daemon_tell(const struct core_action *a)
{
	struct daemon_state *d = daemon_state();
	struct slot *s = &d->slot[d->slot_of[a->instance]];
	const struct instance *in = &d->core.inst[a->instance];
	const char *to = core_state_word(a->to), *reason = core_reason_word(a->reason), *word = script_word(a->to);
	svip_ms now = clock_ms(), waited = a->until;
	struct history_entry h = { .wall_us = clock_wall_us(), .from = a->from, .to = a->to, .reason = a->reason,
		.waited_ms = waited };
	struct named named;

	named_most(&d->core, a->instance, now, &named);
	note_master(s, &named);
	h.epoch = in->kernel != KERNEL_CLEAR ? in->hold_epoch : named.epoch;
	memcpy(h.name, s->conf.name, sizeof(h.name));
	history_add(&d->history, &h);
	if (a->from != a->to)
		s->entered[a->to]++;
	if (a->from == CORE_MASTER && a->to != CORE_MASTER)
		s->released[a->reason]++;
	if (a->from == a->to && a->reason == WHY_QUORUM_LOST_HELD)
		log_warning("%s: no majority of the Sentinels, holding on all the same: on-quorum-loss = hold",
		    s->conf.name);
	else if (a->from == a->to)
		log_notice("%s: a majority of the Sentinels is back", s->conf.name);
	else
		log_change(s->conf.name, &h, a->reason == WHY_ADDRESS_REFUSED || a->reason == WHY_ADDRESS_STUCK ? in->error : 0);
	manager_status();
	if (s->word != NULL && strcmp(s->word, word) == 0)
		return;
	s->word = word;
	run_script(s, word, to, reason, h.epoch);
}

void
daemon_tell_stop(void)
{
	struct daemon_state *d = daemon_state();

	for (int i = 0; i < d->core.conf.n_instances; i++)
		run_script(&d->slot[d->slot_of[i]], "STOP", "stop", core_reason_word(WHY_STOPPING),
		    d->core.inst[i].hold_epoch);
}

void
daemon_note(int s, enum history_step step, const struct svip_host *who)
{
	struct daemon_state *d = daemon_state();
	struct history_note n = { .wall_us = clock_wall_us(), .step = step };

	if (who != NULL)
		n.who = *who;
	memcpy(n.name, d->slot[s].conf.name, sizeof(n.name));
	history_note(&d->history, &n);
}
