/* SPDX-License-Identifier: BSD-2-Clause */
/* sock_diag messages, as the kernel sends them: connections and answers, whole or cut. */
#include <string.h>

#include "fuzz.h"
#include "wire/diag_msg.h"

static void
look(void *ctx, const struct diag_info *info)
{
	char order[DIAG_DESTROY_MAX] __attribute__((aligned(8)));

	(void)ctx;
	switch (info->kind) {
	case DIAG_SOCKET:
		MUST(diag_put_destroy(order, info->seq, &info->socket) <= sizeof(order));
		return;
	case DIAG_ANSWER:
	case DIAG_DONE:
		MUST(info->error >= 0);
		return;
	case DIAG_OTHER:
		return;
	}
	MUST(false); /* there is no other kind */
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	void *aligned = malloc(len > 0 ? len : 1);

	MUST(aligned != NULL);
	memcpy(aligned, in, len);
	diag_parse(aligned, len, look, NULL);
	free(aligned);
	return 0;
}
