/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens, as a program sees them: every function once.
 */
#include <lwkt/lwkt.h>
#include <lwkt/token.h>

#include "tap.h"

#define NADDS	10000

static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("test");
static volatile long shared;		/* tok */

static void
adder(void *arg)
{
	(void)arg;
	for (int i = 0; i < NADDS; i++) {
		lwkt_gettoken(&tok);
		shared = shared + 1;
		lwkt_reltoken(&tok);
	}
}

static void
exclusion(void)
{
	lwkt_thread_t td[4];

	for (int i = 0; i < 4; i++)
		if (lwkt_create(adder, NULL, &td[i], NULL, LWKT_JOINABLE,
		    LWKT_CPU_ROTATE, "adder %d", i) != 0)
			lwkt_panic("no thread");
	for (int i = 0; i < 4; i++)
		lwkt_join(td[i]);
	is_int(shared, 4 * NADDS, "no addition is lost on two CPUs");
}

static void
holding(void)
{
	struct lwkt_token other;

	lwkt_token_init(&other, "other");
	ok(!lwkt_token_held_any(&tok), "a token is free at first");
	is_int(lwkt_trytoken(&tok), 1, "and can be taken");
	lwkt_gettoken(&tok);
	is_int(lwkt_cnttoken(&tok, lwkt_self()), 2, "also twice");
	ok(lwkt_token_held_excl(&tok), "by its only holder");
	lwkt_reltoken(&tok);
	lwkt_gettoken_shared(&other);
	ok(lwkt_token_held_any(&other) && !lwkt_token_held_excl(&other),
	    "a shared one has not only one");
	lwkt_token_swap();
	lwkt_reltoken(&tok);
	lwkt_reltoken(&other);
	ok(!lwkt_token_held_any(&tok) && !lwkt_token_held_any(&other),
	    "swapped ones are released in the other order");
	lwkt_token_uninit(&other);
}

static void
pool(void)
{
	int object;

	lwkt_getpooltoken(&object);
	ok(lwkt_token_held_excl(lwkt_token_pool_lookup(&object)),
	    "every address has a token");
	ok(!lwkt_token_is_stale(lwkt_token_pool_lookup(&object)),
	    "nobody had it since");
	lwkt_relpooltoken(&object);
	lwkt_gettoken(lwkt_mp_token());
	lwkt_reltoken(lwkt_mp_token());
}

static int
body(void *arg)
{
	(void)arg;
	exclusion();
	holding();
	pool();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
