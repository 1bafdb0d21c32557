/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peers' channel: its messages, and a configuration from another node. The first byte of the input chooses. A message that is
 * taken is written as it was read, but for what is reserved; a configuration that is taken differs from itself in nothing.
 */
#include <string.h>

#include "fuzz.h"
#include "svipd/conf.h"
#include "wire/channel_msg.h"

static void
fuzz_challenge(const uint8_t *in)
{
	struct channel_challenge m, again;
	uint8_t out[CHANNEL_CHALLENGE_LEN];
	const char *why = NULL;

	if (!channel_get_challenge(in, &m, &why)) {
		MUST(why != NULL);
		return;
	}
	channel_put_challenge(&m, out);
	MUST(memcmp(out, in, 5) == 0 && memcmp(out + 8, in + 8, sizeof(out) - 8) == 0);
	MUST(channel_get_challenge(out, &again, &why) && again.cluster == m.cluster);
}

static void
fuzz_opening(const uint8_t *in)
{
	struct channel_opening m;
	uint8_t out[CHANNEL_OPENING_LEN];
	const char *why = NULL;

	if (!channel_get_opening(in, &m, &why)) {
		MUST(why != NULL);
		return;
	}
	channel_put_opening(&m, out);
	MUST(memcmp(out, in, 6) == 0 && memcmp(out + 8, in + 8, sizeof(out) - 8) == 0);
}

static void
fuzz_head(const uint8_t *in)
{
	struct channel_head m;
	uint8_t out[CHANNEL_HEAD_LEN];
	const char *why = NULL;

	if (!channel_get_head(in, &m, &why)) {
		MUST(why != NULL);
		return;
	}
	MUST(m.length <= CHANNEL_BODY_MAX);
	channel_put_head(&m, out);
	MUST(out[0] == in[0] && memcmp(out + 4, in + 4, sizeof(out) - 4) == 0);
}

static void
count(void *ctx, const struct conf_difference *d)
{
	MUST(d->key != NULL && (d->here != NULL || d->there != NULL));
	MUST(d->here == NULL || d->there == NULL || strcmp(d->here, d->there) != 0);
	++*(int *)ctx;
}

static bool
compare(const char *a, const char *b, int *n)
{
	char *here = strdup(a), *there = strdup(b);
	bool ok;

	*n = 0;
	MUST(here != NULL && there != NULL);
	ok = conf_compare(here, there, count, n);
	free(here);
	free(there);
	return ok;
}

static void
fuzz_configuration(const uint8_t *in, size_t len)
{
	static const char known[] = "cluster = \"c\"\nnodes = { \"10.0.0.1\", \"10.0.0.2\" }\n"
	                            "vip \"m\" {\ninterface = \"eth0\"\n}\n";
	char *text = strndup((const char *)in, len);
	int n, back;

	MUST(text != NULL);
	if (compare(text, text, &n)) {
		MUST(n == 0);
		/* What is in a block is read when it has to be. */
		if (compare(known, text, &n))
			MUST(compare(text, known, &back) && n == back);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	uint8_t message[CHANNEL_OPENING_LEN] = { 0 };

	if (len == 0)
		return 0;
	memcpy(message, in + 1, len - 1 < sizeof(message) ? len - 1 : sizeof(message));
	switch (in[0] % 4) {
	case 0:
		fuzz_challenge(message);
		break;
	case 1:
		fuzz_opening(message);
		break;
	case 2:
		fuzz_head(message);
		break;
	case 3:
		fuzz_configuration(in + 1, len - 1);
	}
	return 0;
}
