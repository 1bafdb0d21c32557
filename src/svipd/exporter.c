/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics over HTTP, where the settings in force want them. Without a place to listen there are none, and svipd goes on. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_state.h"
#include "io/clock.h"
#include "io/http.h"
#include "wire/metrics.h"

enum {
	LOG_EVERY_MS = 60000,
	FEW = 32,         /* instances: their page costs less than a millisecond */
	SETTLE_MS = 5000, /* a failover takes no longer, or has got stuck */
};

static struct {
	struct svip_host at; /* where it listens; port 0: nowhere */
	struct log_limit limit;
} exporter;

/* A page of a thousand instances costs some 20 ms, which one that is being taken must not wait for. */
static bool
is_busy(void)
{
	const struct core *c = &daemon_state()->core;
	svip_ms lately = clock_ms() - SETTLE_MS;

	for (int i = 0; c->conf.n_instances > FEW && i < c->conf.n_instances; i++) {
		const struct instance *in = &c->inst[i];

		if (in->kernel == KERNEL_ADDING || in->kernel == KERNEL_REMOVING ||
		    (in->state == CORE_WAITING && in->since > lately))
			return true;
	}
	return false;
}

static char *
make_page(void *ctx)
{
	json_t *status = is_busy() ? NULL : daemon_status_json();
	char *text = NULL;
	size_t size = 0;
	FILE *to = status != NULL ? open_memstream(&text, &size) : NULL;

	(void)ctx;
	if (to != NULL) {
		metrics_write(to, status);
		if (fclose(to) != 0) {
			free(text);
			text = NULL;
		}
	}
	json_decref(status);
	return text;
}

void
daemon_metrics_tick(void)
{
	const struct daemon_state *d = daemon_state();
	const struct svip_host *want = &d->set->metrics;
	char text[SVIP_TEXT_MAX];
	struct svip_addr at;
	unsigned held_back;
	int rc;

	if (want->port == exporter.at.port && svip_host_same(want, &exporter.at))
		return;
	daemon_metrics_fini();
	if (want->port == 0 || !svip_host_addr(want, &at))
		return;
	rc = http_init(d->loop, &at, want->port, "/metrics", METRICS_TYPE, make_page, NULL);
	if (rc == 0) {
		exporter.at = *want;
		log_notice("metrics: http://%s/metrics", svip_host_text(want, text));
	} else if (log_allowed(&exporter.limit, LOG_EVERY_MS, clock_ms(), &held_back)) {
		log_warning("metrics-listen %s: %s; tried again with each heartbeat",
		    svip_host_text(want, text), strerror(-rc));
	}
}

void
daemon_metrics_fini(void)
{
	http_fini();
	exporter.at.port = 0;
}
