/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens: exclusion while running, nothing else.
 */
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	12

static struct lwkt_token tok[3] = {
	LWKT_TOKEN_INITIALIZER("a"), LWKT_TOKEN_INITIALIZER("b"),
	LWKT_TOKEN_INITIALIZER("c"),
};
static uint32_t inside[3];	/* atomic: holders right now */
static uint32_t next_id;

static void
enter(int t, uint32_t most)
{
	uint32_t n = atomic_fetchadd_32(&inside[t], 1) + 1;

	check(n <= most, "%u inside token %d", n, t);
}

static void
leave(int t)
{
	(void)atomic_fetchadd_32(&inside[t], (uint32_t)-1);
}

static void
run_all(void (*fn)(void *), int n)
{
	holders_fresh();
	next_id = 0;
	run_threads(fn, n);
}

static void
adder(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_gettoken(&tok[0]);
		enter(0, 1);
		total++;
		leave(0);
		lwkt_reltoken(&tok[0]);
	}
}

static int
exclusive_excludes(void *arg)
{
	(void)arg;
	run_all(adder, THREADS);
	check(total == THREADS * ROUNDS, "total %ld", total);
	check(tok[0].t_count == 0, "left %#lx", (long)tok[0].t_count);
	return 0;
}

static void
yielder(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_gettoken(&tok[0]);
		enter(0, 1);
		leave(0);
		lwkt_yield();		/* lost, and had again */
		enter(0, 1);
		check(lwkt_token_held_excl(&tok[0]), "not held after a yield");
		leave(0);
		lwkt_reltoken(&tok[0]);
	}
}

static int
blocking_lets_go(void *arg)
{
	(void)arg;
	run_all(yielder, THREADS);
	return 0;
}

/* Pairs in opposite orders: with locks this would be a deadlock. */
static void
crosser(void *arg)
{
	int me = (int)atomic_fetchadd_32(&next_id, 1);
	int a = me % 3, b = (me + 1 + me / 3) % 3, i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_gettoken(&tok[a]);
		lwkt_gettoken(&tok[b]);
		enter(a, 1);
		if (a != b)
			enter(b, 1);
		check(lwkt_token_held_excl(&tok[a]) &&
		    lwkt_token_held_excl(&tok[b]), "one of two not held");
		if (a != b)
			leave(b);
		leave(a);
		if (i % 3 == 0)
			lwkt_yield();
		lwkt_reltoken(&tok[b]);
		lwkt_reltoken(&tok[a]);
	}
}

static int
any_order_is_fine(void *arg)
{
	(void)arg;
	run_all(crosser, THREADS);
	check(tok[0].t_count == 0 && tok[1].t_count == 0 &&
	    tok[2].t_count == 0, "something is left");
	return 0;
}

static void
sharer(void *arg)
{
	int me = (int)atomic_fetchadd_32(&next_id, 1), i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if ((me + i) % 3 == 0) {
			lwkt_gettoken(&tok[0]);
			write_at_once();
		} else {
			lwkt_gettoken_shared(&tok[0]);
			read_at_once();
			if (i % 4 == 1)
				lwkt_yield();
		}
		lwkt_reltoken(&tok[0]);
	}
}

static int
shared_shares(void *arg)
{
	(void)arg;
	run_all(sharer, THREADS);
	check(tok[0].t_count == 0, "left %#lx", (long)tok[0].t_count);
	return 0;
}

static int
recursion_counts(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	lwkt_gettoken(&tok[0]);
	lwkt_gettoken_shared(&tok[0]);
	check(lwkt_cnttoken(&tok[0], lwkt_self()) == 3, "count %d",
	    lwkt_cnttoken(&tok[0], lwkt_self()));
	check(lwkt_trytoken(&tok[0]) == 1, "own token refused");
	lwkt_yield();
	lwkt_reltoken(&tok[0]);
	lwkt_reltoken(&tok[0]);
	lwkt_reltoken(&tok[0]);
	check(lwkt_token_held_excl(&tok[0]), "the first taking is gone");
	lwkt_reltoken(&tok[0]);
	check(!lwkt_token_held_any(&tok[0]), "still held");
	return 0;
}

static int
swap_releases_out_of_order(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	lwkt_gettoken(&tok[1]);
	lwkt_token_swap();
	lwkt_reltoken(&tok[0]);
	check(!lwkt_token_held_any(&tok[0]) && lwkt_token_held_excl(&tok[1]),
	    "wrong one released");
	lwkt_reltoken(&tok[1]);
	return 0;
}

static void
thief(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	lwkt_reltoken(&tok[0]);
}

static int
stale_after_a_thief(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	lwkt_gettoken(&tok[0]);
	check(!lwkt_token_is_stale(&tok[0]), "stale at once");
	lwkt_yield();
	check(!lwkt_token_is_stale(&tok[0]), "stale though nobody had it");
	td = spawn(thief, NULL, LWKT_JOINABLE, lwkt_ncpus() - 1);
	lwkt_join(td);
	check(lwkt_token_is_stale(&tok[0]), "not stale after a thief");
	check(!lwkt_token_is_stale(&tok[0]), "stale for ever");
	lwkt_reltoken(&tok[0]);
	return 0;
}

static void
shares(void *arg)
{
	(void)arg;
	lwkt_gettoken_shared(&tok[0]);
	lwkt_reltoken(&tok[0]);
}

/* Shared holders change nothing, nor does the caller's own taking back. */
static int
sharers_make_nothing_stale(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	lwkt_gettoken(&tok[1]);
	lwkt_gettoken(&tok[0]);
	lwkt_gettoken(&tok[0]);
	td = spawn(shares, NULL, LWKT_JOINABLE, lwkt_ncpus() - 1);
	lwkt_join(td);
	lwkt_yield();
	check(!lwkt_token_is_stale(&tok[0]), "stale after a sharer");
	check(!lwkt_token_is_stale(&tok[1]), "stale though nobody had it");
	lwkt_reltoken(&tok[0]);
	check(!lwkt_token_is_stale(&tok[0]), "stale after a release");
	lwkt_reltoken(&tok[0]);
	lwkt_reltoken(&tok[1]);
	return 0;
}

/* Take the token; and once more when word is 2. */
static void
takes_twice(void *arg)
{
	uint32_t *word = arg;

	thief(NULL);
	STORE(*word, 1);
	await(word, 2);
	thief(NULL);
	STORE(*word, 3);
}

static int
stale_after_the_same_thief(void *arg)
{
	uint32_t word = 0;
	lwkt_thread_t td;

	(void)arg;
	td = spawn(takes_twice, &word, LWKT_JOINABLE, lwkt_ncpus() - 1);
	await(&word, 1);
	lwkt_gettoken_shared(&tok[0]);
	lwkt_gettoken_shared(&tok[0]);
	lwkt_yield();
	check(!lwkt_token_is_stale(&tok[0]), "stale though nobody had it");
	STORE(word, 2);
	await(&word, 3);
	check(lwkt_token_is_stale(&tok[0]), "not stale after a thief");
	check(!lwkt_token_is_stale(&tok[0]), "stale for ever");
	lwkt_reltoken(&tok[0]);
	lwkt_reltoken(&tok[0]);
	lwkt_join(td);
	return 0;
}

static void
trier(void *arg)
{
	uint32_t *got = arg;

	int had = lwkt_trytoken(&tok[0]);

	atomic_store_rel_32(got, (uint32_t)had); /* try_does_not_wait */
	if (had)
		lwkt_reltoken(&tok[0]);
}

static int
try_does_not_wait(void *arg)
{
	uint32_t got = 2;
	lwkt_thread_t td;
	unsigned turn;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = spawn(trier, &got, LWKT_JOINABLE | LWKT_NOSTART, other_cpu());
	lwkt_gettoken(&tok[0]);
	lwkt_schedule(td);
	for (turn = 0; atomic_load_acq_32(&got) == 2; turn++)
		machine_pause(turn);
	check(LOAD(got) == 0, "got a held token");
	lwkt_reltoken(&tok[0]);
	lwkt_join(td);
	return 0;
}

static uint32_t release_now, got_it;

static void
holder(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	atomic_store_rel_32(&got_it, 1);
	while (atomic_load_acq_32(&release_now) == 0)
		machine_pause(0);
	lwkt_reltoken(&tok[0]);
}

/* Its CPU has nothing else to do and sleeps; the release must wake it. */
static int
sleeping_cpu_is_nudged(void *arg)
{
	lwkt_thread_t hold, want;

	(void)arg;
	if (lwkt_ncpus() < 3)
		return 0;
	release_now = got_it = 0;
	hold = spawn(holder, NULL, LWKT_JOINABLE, 1);
	await_deaf(&got_it, 1);
	want = spawn(thief, NULL, LWKT_JOINABLE, 2);
	lwkt_sleep_ns(300000);
	atomic_store_rel_32(&release_now, 1);
	lwkt_join(want);
	lwkt_join(hold);
	return 0;
}

static void
giant(void *arg)
{
	(void)arg;
	check(lwkt_token_held_excl(lwkt_mp_token()), "not under the mp token");
	enter(0, 1);
	leave(0);
}

static int
giant_threads_take_turns(void *arg)
{
	lwkt_thread_t td[THREADS];
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		td[i] = spawn(giant, NULL, LWKT_JOINABLE | LWKT_GIANT,
		    i % lwkt_ncpus());
	for (i = 0; i < THREADS; i++)
		lwkt_join(td[i]);
	return 0;
}

static void
pooler(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_getpooltoken(&total);
		enter(0, 1);
		leave(0);
		lwkt_relpooltoken(&total);
	}
}

static int
pool_tokens_exclude(void *arg)
{
	(void)arg;
	run_all(pooler, THREADS);
	return 0;
}

static int
pool_is_large(void *arg)
{
	lwkt_token_t at[64];
	int i, k, same = 0;
	char *p = NULL;

	(void)arg;
	for (i = 0; i < 64; i++) {
		at[i] = lwkt_token_pool_lookup(p + 64 * (i + 1));
		check(at[i] == lwkt_token_pool_lookup(p + 64 * (i + 1)),
		    "another token for the same address");
		for (k = 0; k < i; k++)
			same += at[k] == at[i];
	}
	check(config_hard || same < 8, "%d of 64 share theirs", same);
	return 0;
}

static void
holds_long(void *arg)
{
	uint32_t *word = arg;

	lwkt_gettoken(&tok[1]);
	STORE(word[0], 1);
	await_deaf(&word[1], 1);
	lwkt_reltoken(&tok[1]);
}

/* Every ms: let the holder go as soon as somebody waits. */
static void
lets_go(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	if (LOAD(tok[1].t_collisions) != 0)
		STORE(*(uint32_t *)arg, 1);
}

/* A token counts who had to wait for it. */
static int
collisions_are_counted(void *arg)
{
	static struct lwkt_systimer timer;
	uint32_t word[2] = { 0, 0 };
	uint64_t before;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_token_init(&tok[1], "b");
	before = LOAD(tok[1].t_collisions);
	td = spawn(holds_long, word, 0, other_cpu());
	await(&word[0], 1);
	check(!LWKT_TOKEN_HELD_ANY(&tok[1]), "held");
	lwkt_systimer_init_periodic(&timer, lets_go, &word[1], MS, 0);
	lwkt_gettoken(&tok[1]);
	lwkt_systimer_del(&timer);
	LWKT_ASSERT_TOKEN_HELD(&tok[1]);
	LWKT_ASSERT_TOKEN_HELD_EXCL(&tok[1]);
	check(LOAD(tok[1].t_collisions) == before + 1, "%llu",
	    (unsigned long long)tok[1].t_collisions);
	check(tok[0].t_collisions == before || before != 0, "another token");
	lwkt_reltoken(&tok[1]);
	join(td);
	return 0;
}

static void
holds_for_ever(void *arg)
{
	lwkt_gettoken(&tok[1]);
	STORE(*(uint32_t *)arg, 1);
	for (;;)
		machine_pause(1);
}

static void
wants(void *arg)
{
	STORE(*(uint32_t *)arg, 2);
	lwkt_gettoken(&tok[1]);
}

/* Whom a thread waits for can be read. */
static int
shown_body(void *arg)
{
	static uint32_t step;

	(void)arg;
	lwkt_token_init(&tok[1], "b");
	spawn_on(1, holds_for_ever, &step);
	await(&step, 1);
	spawn_on(0, wants, &step);
	await(&step, 2);
	lwkt_yield();
	lwkt_panic("who waits for whom");
}

static void
loses(void *arg)
{
	lwkt_gettoken(&tok[1]);
	STORE(*(uint32_t *)arg, 1);
	for (;;)
		lwkt_yield();
}

static void
keeps(void *arg)
{
	lwkt_gettoken(&tok[1]);
	STORE(*(uint32_t *)arg, 2);
	for (;;)
		machine_pause(1);
}

/* Also of a thread that had its token, and has to have it again. */
static int
shown_again_body(void *arg)
{
	static uint32_t step;

	(void)arg;
	lwkt_token_init(&tok[1], "b");
	spawn_on(0, loses, &step);
	await(&step, 1);
	spawn_on(1, keeps, &step);
	await(&step, 2);
	lwkt_yield();
	lwkt_panic("who waits for whom");
}

static int
many_body(void *arg)
{
	static struct lwkt_token many[LWKT_MAXTOKENS + 1];
	int i;

	(void)arg;
	for (i = 0; i <= LWKT_MAXTOKENS; i++) {
		lwkt_token_init(&many[i], "many");
		lwkt_gettoken(&many[i]);
	}
	return 0;
}

static int
assert_body(void *arg)
{
	(void)arg;
	lwkt_gettoken_shared(&tok[0]);
	LWKT_ASSERT_TOKEN_HELD(&tok[0]);
	LWKT_ASSERT_TOKEN_HELD_EXCL(&tok[0]);
	return 0;
}

static int
order_body(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	lwkt_gettoken(&tok[1]);
	lwkt_reltoken(&tok[0]);
	return 0;
}

static int
upgrade_body(void *arg)
{
	(void)arg;
	lwkt_gettoken_shared(&tok[0]);
	lwkt_gettoken(&tok[0]);
	return 0;
}

static int
uninit_body(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok[0]);
	lwkt_token_uninit(&tok[0]);
	return 0;
}

static int
output_body(void *arg)
{
	int64_t ns = MS;

	collisions_are_counted(arg);
	lwkt_sleep_ns(ns);
	lwkt_panic("after that");
}

int
main(void)
{
	panics("whom a thread waits for is shown", shown_body,
	    "waiting for token \"b\" of thread \"worker\"");
	panics("and whom it waits for to have its token again",
	    shown_again_body, "waiting for token \"b\" of thread \"worker\"");
	panics("a 33rd token panics", many_body, "as number 33");
	panics("the assertion of an exclusive token panics", assert_body,
	    "token \"a\" is not held exclusively");
	panics("releasing out of order panics", order_body,
	    "releases token \"a\", but the last one it took is \"b\"");
	panics("taking alone what one shares panics", upgrade_body,
	    "holds token \"a\" shared and requests it exclusively");
	panics("uninit of a held token panics", uninit_body, "is still held");
	setenv("LWKT_TUNE", "lwkt.tokens_debug_output=1", 1);
	panics("lwkt.tokens_debug_output shows waits", output_body,
	    "thread \"main\" waits for token \"b\"");
	unsetenv("LWKT_TUNE");
	sim_explore("pool tokens are many", pool_is_large, NULL, 10);
	sim_explore("a token counts its waits", collisions_are_counted, NULL,
	    100);
	sim_explore("an exclusive token excludes", exclusive_excludes, NULL,
	    200);
	sim_explore("a holder that blocks lets go and has it again",
	    blocking_lets_go, NULL, 200);
	sim_explore("tokens in any order do not deadlock", any_order_is_fine,
	    NULL, 300);
	sim_explore("shared holders share, a writer is alone", shared_shares,
	    NULL, 300);
	sim_explore("taking again counts", recursion_counts, NULL, 20);
	sim_explore("swapped tokens are released the other way round",
	    swap_releases_out_of_order, NULL, 20);
	sim_explore("a token is stale only after somebody else had it",
	    stale_after_a_thief, NULL, 100);
	sim_explore("a shared token is stale after its last owner had it again",
	    stale_after_the_same_thief, NULL, 100);
	sim_explore("sharers make nothing stale", sharers_make_nothing_stale,
	    NULL, 100);
	sim_explore("a try does not wait", try_does_not_wait, NULL, 100);
	sim_explore("a release wakes a CPU that sleeps for the token",
	    sleeping_cpu_is_nudged, NULL, 100);
	sim_explore("LWKT_GIANT threads run one at a time",
	    giant_threads_take_turns, NULL, 100);
	sim_explore("pool tokens exclude", pool_tokens_exclude, NULL, 100);
	return tap_done();
}
