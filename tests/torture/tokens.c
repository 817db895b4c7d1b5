/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: threads on every CPU take random sets of tokens, alone and shared,
 * again, by trying, and block and move while they hold them.
 *
 * Conservation: what each token protects was incremented as often as its
 * holders say; a sharer never sees it change.
 */
#include <lwkt/token.h>

#include "core/util.h"
#include "torture/torture.h"

#define TOKENS		5
#define WORKERS		12
#define DEEP		6

static struct lwkt_token tok[TOKENS];
static uint64_t value[TOKENS];		/* under its token */
static uint64_t claimed[TOKENS];	/* (a) what the holders say */
static uint64_t torn;			/* (a) changes under a sharer */

/* One reference that the worker has. */
struct held {
	unsigned	h_tok;
	int		h_excl;
};

struct worker {
	struct rng	w_rng;
	struct held	w_held[DEEP];
	unsigned	w_n;
};

/* No switch in between: what is held is held. */
static void
use(struct worker *w)
{
	uint64_t seen[DEEP];
	unsigned i, spin;

	for (i = 0; i < w->w_n; i++)
		seen[i] = value[w->w_held[i].h_tok];
	for (spin = rng_below(&w->w_rng, 50); spin > 0; spin--)
		cc_fence();
	for (i = 0; i < w->w_n; i++)
		if (value[w->w_held[i].h_tok] != seen[i])
			ADD(torn, 1);
	for (i = 0; i < w->w_n; i++) {
		if (!w->w_held[i].h_excl)
			continue;
		value[w->w_held[i].h_tok]++;
		ADD(claimed[w->w_held[i].h_tok], 1);
	}
}

/* How the token is held already: 0 not, 1 shared, 2 alone. */
static int
holds(const struct worker *w, unsigned t)
{
	int how = 0;
	unsigned i;

	for (i = 0; i < w->w_n; i++)
		if (w->w_held[i].h_tok == t && how <= w->w_held[i].h_excl)
			how = 1 + w->w_held[i].h_excl;
	return how;
}

static void
take(struct worker *w)
{
	unsigned t = rng_below(&w->w_rng, TOKENS);
	int how = holds(w, t), excl;

	excl = how == 0 ? rng_below(&w->w_rng, 3) != 0 : how == 2;
	if (excl && rng_below(&w->w_rng, 4) == 0) {
		if (!lwkt_trytoken(&tok[t]))
			return;
	} else if (excl) {
		lwkt_gettoken(&tok[t]);
	} else {
		lwkt_gettoken_shared(&tok[t]);
	}
	w->w_held[w->w_n++] = (struct held){ t, excl };
}

static void
give(struct worker *w)
{
	struct held h;

	if (w->w_n >= 2 && rng_below(&w->w_rng, 4) == 0) {
		lwkt_token_swap();
		h = w->w_held[w->w_n - 1];
		w->w_held[w->w_n - 1] = w->w_held[w->w_n - 2];
		w->w_held[w->w_n - 2] = h;
	}
	lwkt_reltoken(&tok[w->w_held[--w->w_n].h_tok]);
}

/* All tokens go and come back. */
static void
leave_the_cpu(struct worker *w)
{
	switch (rng_below(&w->w_rng, 4)) {
	case 0:
		lwkt_sleep_ns(rng_below(&w->w_rng, 20000));
		break;
	case 1:
		lwkt_migratecpu((int)rng_below(&w->w_rng,
		    (uint32_t)lwkt_ncpus()));
		break;
	default:
		lwkt_yield();
		break;
	}
}

static void
worker(void *arg)
{
	struct worker w = { { torture_seed + (uint64_t)(uintptr_t)arg }, { { 0,
	    0 } }, 0 };

	while (!torture_over()) {
		if (w.w_n < DEEP && rng_below(&w.w_rng, 2) == 0)
			take(&w);
		else if (w.w_n > 0)
			give(&w);
		use(&w);
		if (rng_below(&w.w_rng, 8) == 0)
			leave_the_cpu(&w);
	}
	while (w.w_n > 0)
		give(&w);
}

static int
body(void *arg)
{
	lwkt_thread_t td[WORKERS];
	uint64_t sum = 0;
	int i;

	(void)arg;
	for (i = 0; i < TOKENS; i++)
		lwkt_token_init(&tok[i], "torture");
	for (i = 0; i < WORKERS; i++)
		td[i] = spawn_on(i, worker, (void *)(uintptr_t)i);
	for (i = 0; i < WORKERS; i++)
		join(td[i]);
	for (i = 0; i < TOKENS; i++) {
		check(value[i] == claimed[i], "token %d: %llu, not %llu", i,
		    (unsigned long long)value[i],
		    (unsigned long long)claimed[i]);
		lwkt_token_uninit(&tok[i]);
		sum += value[i];
	}
	check(torn == 0, "%llu changes under a sharer",
	    (unsigned long long)torn);
	diag("%llu increments, %lld waits, %lld short ones, %lld sorted, %lld "
	    "nudges", (unsigned long long)sum,
	    (long long)counter("lwkt.token_collisions"),
	    (long long)counter("lwkt.token_spins"),
	    (long long)counter("lwkt.token_sorted"),
	    (long long)counter("lwkt.token_nudges"));
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "value = claimed", body);
}
