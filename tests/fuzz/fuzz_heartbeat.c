/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams to the heartbeats' port: the header, the seal, the decoder. What the decoder accepts, the encoder must write in
 * the same bytes; and no byte of a sealed datagram may be changed unnoticed.
 */
#include <string.h>
#include <svip/core.h>

#include "fuzz.h"
#include "io/seal.h"

static void
setup(void)
{
	static struct settings set = { .n_keys = 2 };
	static bool done;

	if (done)
		return;
	memset(set.key[0], 1, sizeof(set.key[0]));
	memset(set.key[1], 2, sizeof(set.key[1]));
	MUST(seal_init(&set) == 0);
	done = true;
}

/* Echoes with the address of their node, as the encoder will write them. */
static int
nodes_of(const struct heartbeat *hb)
{
	int n = 0;

	for (int i = 0; i < hb->n_echoes; i++)
		n += i == 0 || memcmp(hb->echo[i].node, hb->echo[i - 1].node, 16) != 0;
	return n;
}

static void
check_decoded(const struct heartbeat *hb, const uint8_t *in, size_t len)
{
	struct heartbeat full = *hb;
	uint8_t out[HB_SIZE_MAX];

	MUST(hb->incarnation != 0);
	MUST(hb->n_echoes >= 0 && hb->n_echoes <= HB_ECHOES_MAX);
	MUST(hb->n_instances >= 0 && hb->n_instances <= HB_INSTANCES_MAX);
	for (int i = 0; i < hb->n_instances; i++)
		MUST(hb->instance[i].state <= CORE_FAULT);
	MUST(hb_encode(hb, in[5], out, sizeof(out)) == len);
	MUST(memcmp(out, in, len) == 0);
	/* As many instances as are said to fit do fit. */
	if (nodes_of(hb) > SVIP_NODES_MAX)
		return;
	full.n_instances = hb_instances_fit(hb->n_echoes, hb->joint);
	MUST(full.n_instances >= 1 && full.n_instances <= HB_INSTANCES_MAX);
	MUST(hb_encode(&full, 0, out, sizeof(out)) > 0);
}

static void
check_seal(const uint8_t *in, size_t len)
{
	uint8_t box[HB_SIZE_MAX + HB_TAG_LEN], id = seal_key_id();
	size_t sealed, at;

	if (len == 0 || len > HB_SIZE_MAX)
		return;
	memcpy(box, in, len);
	sealed = seal_put(box, len);
	MUST(sealed == len + HB_TAG_LEN);
	MUST(seal_check(box, sealed, id));
	MUST(!seal_check(box, sealed, (uint8_t)(id ^ 0x80)));
	MUST(!seal_check(box, sealed - 1, id));
	MUST(!seal_kept(box, sealed)); /* a heartbeat is no record of this host's */
	at = (in[0] + 256u * in[len - 1]) % sealed;
	box[at] ^= (uint8_t)(1u << (in[len / 2] & 7));
	MUST(!seal_check(box, sealed, id));
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static struct heartbeat hb;
	const char *why = NULL;
	uint8_t key_id = 0;

	setup();
	if (!hb_peek(in, len, 5, &key_id, &why))
		MUST(why != NULL);
	seal_check(in, len, key_id);
	why = NULL;
	if (hb_decode(in, len, &hb, &why))
		check_decoded(&hb, in, len);
	else
		MUST(why != NULL && why[0] != '\0');
	check_seal(in, len);
	return 0;
}
