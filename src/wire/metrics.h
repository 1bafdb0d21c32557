/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer to `status` as metrics, in Prometheus' text format. Says nothing that the answer doesn't, and never
 * renames: dashboards and alerts go by these names.
 */
#ifndef WIRE_METRICS_H
#define WIRE_METRICS_H

#include <jansson.h>
#include <stdio.h>

/* What Prometheus wants to read before the text (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Writes them. Fields that are missing, null or of another type are left out. Errors are the stream's. */
void metrics_write(FILE *, const json_t *status);

#endif
