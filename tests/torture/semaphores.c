/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: a counting semaphore of tsleep and wakeup_one, among useless
 * wakeups and colliding idents, on real CPUs.
 *
 * Every wake-up counts.  In a round a poster posts as many tokens as it likes,
 * at most one for each taker of the semaphore, with a wakeup_one for each; a
 * taker takes one token a round; and nothing else wakes a taker: no timeout,
 * no interrupt, no later post.  So a wake-up that is lost leaves a token, and
 * the round does not end.  Timeouts, interrupts and wakeups of all come to
 * others, which sleep in the same slots.
 */
#include "core/util.h"
#include "torture/torture.h"

#define TAKERS		4	/* of each semaphore */
#define SEMAPHORES	6
#define BYSTANDERS	6
#define PATIENCE	200000	/* looks of 50 us at a round */

struct semaphore {
	uint32_t	s_tokens;
	uint32_t	s_round;	/* takers of the last one sleep here */
	uint32_t	s_taken;	/* in this round */
	uint32_t	s_ready;	/* takers that have begun a round */
	uint32_t	s_over;
};

static struct semaphore sem[SEMAPHORES];
static lwkt_thread_t bystander_td[BYSTANDERS];
static uint64_t tokens, timeouts, interrupts, sleeps;
static uint32_t noise_stop;

static int
take(struct semaphore *s)
{
	uint32_t n = LOAD(s->s_tokens);

	while (n > 0)
		if (__atomic_compare_exchange_n(&s->s_tokens, &n, n - 1, 0,
		    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return 1;
	return 0;
}

/* One token; 0 when all is over. */
static int
get(struct semaphore *s)
{
	int got;

	for (;;) {
		lwkt_tsleep_interlock(s, 0);
		got = take(s);
		if (got || LOAD(s->s_over))
			break;
		(void)lwkt_tsleep(s, LWKT_PINTERLOCKED, "sem", LWKT_FOREVER);
		ADD(sleeps, 1);
	}
	lwkt_tsleep_remove();
	return got;
}

static void
wait_round(struct semaphore *s, uint32_t round)
{
	for (;;) {
		lwkt_tsleep_interlock(&s->s_round, 0);
		if (LOAD(s->s_round) != round)
			break;
		(void)lwkt_tsleep(&s->s_round, LWKT_PINTERLOCKED, "round",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
}

static void
taker(void *arg)
{
	struct semaphore *s = arg;
	uint32_t round;

	for (;;) {
		round = LOAD(s->s_round);
		ADD(s->s_ready, 1);
		if (!get(s))
			break;
		ADD(s->s_taken, 1);
		wait_round(s, round);
	}
}

/* Until all takers of the semaphore are about to sleep, or have taken. */
static int
comes_to(uint32_t *count, uint32_t n)
{
	int i;

	for (i = 0; LOAD(*count) != n && i < PATIENCE; i++)
		lwkt_sleep_ns(i < 100 ? 5000 : 50000);
	return LOAD(*count) == n;
}

static int
one_round(struct semaphore *s, struct rng *r)
{
	uint32_t n = 1 + rng_below(r, TAKERS), i;

	if (rng_below(r, 2))
		lwkt_sleep_ns(1 + rng_below(r, 20000));
	for (i = 0; i < n; i++) {
		ADD(s->s_tokens, 1);
		lwkt_wakeup_one(s);
	}
	if (!comes_to(&s->s_taken, n)) {
		check(0, "%u wake-ups, %u takers came, %u tokens are left", n,
		    LOAD(s->s_taken), LOAD(s->s_tokens));
		return 0;
	}
	ADD(tokens, n);
	STORE(s->s_taken, 0);
	ADD(s->s_ready, -n);
	ADD(s->s_round, 1);
	lwkt_wakeup(&s->s_round);
	return 1;
}

static void
poster(void *arg)
{
	struct semaphore *s = arg;
	struct rng r = { torture_seed + (uint64_t)(s - sem) };

	while (!torture_over() && comes_to(&s->s_ready, TAKERS) &&
	    one_round(s, &r))
		if (rng_below(&r, 4) == 0)
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
	STORE(s->s_over, 1);
	ADD(s->s_round, 1);
	lwkt_wakeup(s);
	lwkt_wakeup(&s->s_round);
}

/* Sleeps for a time, or until it is disturbed. */
static void
bystander(void *arg)
{
	struct rng r = { torture_seed ^ (uint64_t)(uintptr_t)arg << 32 };
	int error;

	while (!LOAD(noise_stop)) {
		error = lwkt_tsleep(&bystander_td[rng_below(&r, BYSTANDERS)],
		    rng_below(&r, 2) ? LWKT_PCATCH : 0, "by",
		    1000 + rng_below(&r, 200000));
		if (error == EWOULDBLOCK)
			ADD(timeouts, 1);
		else if (error == EINTR)
			ADD(interrupts, 1);
	}
}

static void
noise(void *arg)
{
	struct rng r = { torture_seed + 77 };

	(void)arg;
	while (!LOAD(noise_stop)) {
		lwkt_interrupt(bystander_td[rng_below(&r, BYSTANDERS)]);
		lwkt_wakeup_domain(&sem[rng_below(&r, SEMAPHORES)],
		    LWKT_PDOMAIN_UMTX);
		lwkt_wakeup(&bystander_td[rng_below(&r, BYSTANDERS)]);
		lwkt_schedule(bystander_td[rng_below(&r, BYSTANDERS)]);
		lwkt_sleep_ns(1 + rng_below(&r, 50000));
	}
}

static int
body(void *arg)
{
	lwkt_thread_t ptd[SEMAPHORES], ttd[SEMAPHORES * TAKERS], ntd;
	int i;

	(void)arg;
	memset(sem, 0, sizeof(sem));
	STORE(noise_stop, 0);
	for (i = 0; i < BYSTANDERS; i++)
		bystander_td[i] = spawn_on(i, bystander,
		    (void *)(uintptr_t)(i + 1));
	for (i = 0; i < SEMAPHORES * TAKERS; i++)
		ttd[i] = spawn_on(i / 2, taker, &sem[i % SEMAPHORES]);
	for (i = 0; i < SEMAPHORES; i++)
		ptd[i] = spawn_on(i, poster, &sem[i]);
	ntd = spawn_on(0, noise, NULL);
	join_all(ptd, SEMAPHORES);
	join_all(ttd, SEMAPHORES * TAKERS);
	STORE(noise_stop, 1);
	join(ntd);
	join_all(bystander_td, BYSTANDERS);
	diag("%llu tokens, %llu sleeps, %llu timeouts, %llu interrupts",
	    (unsigned long long)tokens, (unsigned long long)sleeps,
	    (unsigned long long)timeouts, (unsigned long long)interrupts);
	return 0;
}

int
main(int argc, char **argv)
{
	setenv("LWKT_TUNE", "lwkt.tslp_size=16", 0);
	return torture_run(argc, argv, "each wake-up reaches a sleeper", body);
}
