/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_wakeup_one wakes one, wherever it sleeps; counted wakeups are not lost.
 */
#include "core/util.h"

#define SLEEPERS	8

static uint32_t asleep, woken, timedout, stop, tokens;
static char ident;

static void
sleeper(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&ident, 0);
	ADD(asleep, 1);
	lwkt_wakeup(&asleep);
	check(lwkt_tsleep(&ident, LWKT_PINTERLOCKED, "test",
	    LWKT_FOREVER) == 0, "woken");
	ADD(woken, 1);
	lwkt_wakeup(&woken);
}

/*
 * The sleepers are really asleep, not just interlocked: an IPI to their CPUs
 * has run after they said so, and nobody of ours is runnable there.
 */
static void
settle_all(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		lwkt_sleep_ns(MS);
		lwkt_synchronize_ipiqs("settle");
	}
}

static void
start(lwkt_thread_t *td, int n)
{
	int i;

	STORE(asleep, 0);
	STORE(woken, 0);
	for (i = 0; i < n; i++)
		td[i] = spawn_on(i, sleeper, NULL);
	await_asleep(&asleep, (uint32_t)n);
	settle_all();
}

static int
exact_body(void *arg)
{
	lwkt_thread_t td[SLEEPERS];
	uint32_t i;

	(void)arg;
	start(td, SLEEPERS);
	for (i = 1; i <= SLEEPERS; i++) {
		lwkt_wakeup_one(&ident);
		await_asleep(&woken, i);
		settle_all();
		check(LOAD(woken) == i, "%u of %u woke", LOAD(woken), i);
	}
	lwkt_wakeup_one(&ident);	/* nobody left: travels and ends */
	join_all(td, SLEEPERS);
	return 0;
}

static void
waker(void *arg)
{
	lwkt_migratecpu((int)(uintptr_t)arg % lwkt_ncpus());
	lwkt_wakeup_one(&ident);
}

/* As many at once as there are sleepers, from every CPU. */
static int
concurrent_body(void *arg)
{
	lwkt_thread_t td[SLEEPERS], wtd[SLEEPERS];
	int i, n = SLEEPERS - 3;

	(void)arg;
	start(td, SLEEPERS);
	for (i = 0; i < n; i++)
		wtd[i] = spawn_on(i + 1, waker, (void *)(uintptr_t)(i + 2));
	join_all(wtd, n);
	await_asleep(&woken, (uint32_t)n);
	settle_all();
	check(LOAD(woken) == (uint32_t)n, "%u of %d woke", LOAD(woken), n);
	lwkt_wakeup(&ident);
	join_all(td, SLEEPERS);
	return 0;
}

static int
n_body(void *arg)
{
	lwkt_thread_t td[SLEEPERS];

	(void)arg;
	start(td, SLEEPERS);
	lwkt_wakeup_n(&ident, 0);
	lwkt_wakeup_n(&ident, 5);
	await_asleep(&woken, 5);
	settle_all();
	check(LOAD(woken) == 5, "%u of 5 woke", LOAD(woken));
	lwkt_wakeup_n(&ident, 1000);
	join_all(td, SLEEPERS);
	return 0;
}

/* One that is only interlocked is told too, but is not "the one". */
static int
interlocked_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(asleep, 0);
	STORE(woken, 0);
	lwkt_tsleep_interlock(&ident, 0);	/* first in the queue */
	td = spawn_on(lwkt_cpuid(), sleeper, NULL);
	while (LOAD(asleep) == 0)
		lwkt_yield();
	lwkt_wakeup_one(&ident);
	check(lwkt_tsleep(&ident, LWKT_PINTERLOCKED, "test",
	    LWKT_FOREVER) == 0, "dequeued");
	join(td);
	return 0;
}

static void
taker(void *arg)
{
	int error;

	(void)arg;
	do {
		error = lwkt_tsleep(&ident, 0, "take", MS / 20);
		ADD(*(error == 0 ? &woken : &timedout), 1);
	} while (!LOAD(stop));
}

/* Timeouts race with wakeups: never more sleeps end with 0 than were woken. */
static int
timeout_body(void *arg)
{
	lwkt_thread_t td[4];
	uint32_t sent = 0;
	int i;

	(void)arg;
	STORE(stop, 0);
	STORE(woken, 0);
	STORE(timedout, 0);
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, taker, NULL);
	for (i = 0; i < 20; i++) {
		lwkt_wakeup_one(&ident);
		sent++;
		lwkt_sleep_ns(MS / 60);
	}
	STORE(stop, 1);
	join_all(td, 4);
	check(LOAD(woken) <= sent, "%u woke, %u wakeups", LOAD(woken), sent);
	return 0;
}

static int
take_token(void)
{
	uint32_t n = LOAD(tokens);

	choice_drain();
	while (n > 0)
		if (__atomic_compare_exchange_n(&tokens, &n, n - 1, 0,
		    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return 1;
	return 0;
}

/* A semaphore of tsleep and wakeup_one: one lost wakeup stops it for ever. */
static void
semaphore_taker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 6; i++) {
		for (;;) {
			lwkt_tsleep_interlock(&tokens, 0);
			if (take_token())
				break;
			lwkt_tsleep(&tokens, LWKT_PINTERLOCKED, "sem",
			    LWKT_FOREVER);
		}
		lwkt_tsleep_remove();
	}
}

static void
semaphore_poster(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 8; i++) {
		ADD(tokens, 1);
		lwkt_wakeup_one(&tokens);
		if (i % 3 == 0)
			lwkt_yield();
	}
}

static int
semaphore_body(void *arg)
{
	lwkt_thread_t td[4], ptd[3];
	int i;

	(void)arg;
	STORE(tokens, 0);
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i + 1, semaphore_taker, NULL);
	for (i = 0; i < 3; i++)
		ptd[i] = spawn_on(i, semaphore_poster, NULL);
	join_all(ptd, 3);
	join_all(td, 4);
	check(LOAD(tokens) == 0, "%u tokens left", LOAD(tokens));
	return 0;
}

int
main(void)
{
	sim_explore("wakeup_one wakes exactly one", exact_body, NULL, 100);
	sim_explore("as many wake as wakeup_one was called, from all CPUs",
	    concurrent_body, NULL, 100);
	sim_explore("wakeup_n wakes exactly n", n_body, NULL, 100);
	sim_explore("who is only interlocked is not the one",
	    interlocked_body, NULL, 50);
	sim_explore("no sleep ends with 0 without a wakeup",
	    timeout_body, NULL, 100);
	sim_explore("a semaphore of wakeup_one never stops",
	    semaphore_body, NULL, 200);
	return tap_done();
}
