/* SPDX-License-Identifier: BSD-2-Clause */
/* Where memory ends: the libraries' allocations fail in this program, by functions of ours that stand before theirs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libnftnl/table.h>

#include "wire/hiredis_codec.h"
#include "wire/nft_msg.h"
#include "wire/resp_reader.h"

struct nftnl_table *
nftnl_table_alloc(void)
{
	return NULL;
}

redisReader *
redisReaderCreate(void)
{
	return NULL;
}

static sigjmp_buf aborted;

static void
on_abort(int signo)
{
	siglongjmp(aborted, signo);
}

/* Half a packet filter would be worse than none: the process ends, and what it held ends by itself. */
static void
a_packet_filter_is_not_set_up_by_halves(void **state)
{
	static char buf[NFT_BATCH_MAX] __attribute__((aligned(8)));
	struct sigaction act = { .sa_handler = on_abort }, old;
	struct nft_batch b;
	volatile bool ended = false;

	(void)state;
	assert_int_equal(sigaction(SIGABRT, &act, &old), 0);
	nft_begin(&b, buf, 0);
	if (sigsetjmp(aborted, 1) == 0)
		nft_put_table(&b, NFT_INET, "svipd-t", NULL);
	else
		ended = true;
	assert_int_equal(sigaction(SIGABRT, &old, NULL), 0);
	assert_true(ended);
}

static void
a_reader_that_cannot_be_made_is_told_and_needs_no_care(void **state)
{
	struct resp_reader r;

	(void)state;
	memset(&r, 0xaa, sizeof(r));
	assert_false(resp_reader_init(&r));
	resp_reader_fini(&r);
	resp_reader_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_filter_is_not_set_up_by_halves),
		cmocka_unit_test(a_reader_that_cannot_be_made_is_told_and_needs_no_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
