/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hiredis 0.14 and 1.x as a codec: its reply, its reader, its formatter. No other header of hiredis may be included:
 * its connections abort, stall or block on odd replies.
 */
#ifndef WIRE_HIREDIS_CODEC_H
#define WIRE_HIREDIS_CODEC_H

#include <stddef.h>

/* The inline functions of hiredis' sds.h narrow their integers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <hiredis.h>
#pragma GCC diagnostic pop

/* How createArray counts its elements. */
#if HIREDIS_MAJOR >= 1
typedef size_t codec_count;
#else
typedef int codec_count;
#endif

#endif
