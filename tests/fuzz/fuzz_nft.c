/* SPDX-License-Identifier: BSD-2-Clause */
/* nftables messages, as the kernel sends them: answers and notifications, whole or cut. */
#include <string.h>

#include "fuzz.h"
#include "wire/nft_msg.h"

static void
look(void *ctx, const struct nft_info *info)
{
	(void)ctx;
	switch (info->kind) {
	case NFT_ANSWER:
		MUST(info->error >= 0);
		return;
	case NFT_THING:
		MUST(memchr(info->table, '\0', sizeof(info->table)) != NULL);
		MUST(info->left >= -1 && info->left <= NFT_NO_END);
		return;
	case NFT_OTHER:
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
	nft_parse(aligned, len, look, NULL);
	free(aligned);
	return 0;
}
