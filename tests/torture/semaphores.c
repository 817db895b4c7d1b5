/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: a counting semaphore of tsleep and wakeup_one, under timeouts,
 * interrupts, useless wakeups and colliding idents, on real CPUs.
 *
 * Conservation: every token posted is taken once, and nobody sleeps while one
 * lies there: the takers end because the last posts reach them.
 */
#include "core/util.h"
#include "torture/torture.h"

#define TAKERS		24
#define POSTERS		4
#define SEMAPHORES	12

struct semaphore {
	uint32_t	s_tokens;
	uint64_t	s_posted;
	uint64_t	s_taken;
};

static struct semaphore sem[SEMAPHORES];
static lwkt_thread_t taker_td[TAKERS];
static uint64_t timeouts, interrupts, sleeps;
static uint32_t posters_left, noise_stop;

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

static void
post(struct semaphore *s, uint32_t n)
{
	ADD(s->s_posted, n);
	ADD(s->s_tokens, n);
	if (n == 1)
		lwkt_wakeup_one(s);
	else
		lwkt_wakeup_n(s, (int)n);
}

/* One token; 0 when all is over and none is left. */
static int
get(struct semaphore *s, struct rng *r)
{
	int64_t timeout;
	int error;

	for (;;) {
		lwkt_tsleep_interlock(s, 0);
		if (take(s)) {
			ADD(s->s_taken, 1);
			lwkt_tsleep_remove();
			return 1;
		}
		if (LOAD(posters_left) == 0) {
			lwkt_tsleep_remove();
			return 0;
		}
		timeout = rng_below(r, 4) ? LWKT_FOREVER :
		    1000 + rng_below(r, 200000);
		error = lwkt_tsleep(s, LWKT_PINTERLOCKED |
		    (rng_below(r, 2) ? LWKT_PCATCH : 0), "sem", timeout);
		ADD(sleeps, 1);
		if (error == EWOULDBLOCK)
			ADD(timeouts, 1);
		else if (error == EINTR)
			ADD(interrupts, 1);
	}
}

static void
taker(void *arg)
{
	uint64_t n = (uint64_t)(uintptr_t)arg;
	struct rng r = { torture_seed + n };

	/* Two takers at least wait on each semaphore. */
	while (get(&sem[n % SEMAPHORES], &r))
		if (rng_below(&r, 8) == 0)
			lwkt_yield();
}

static void
poster(void *arg)
{
	struct rng r = { torture_seed ^ (uint64_t)(uintptr_t)arg << 32 };
	unsigned i;

	while (!torture_over()) {
		for (i = 0; i < 64; i++)
			post(&sem[rng_below(&r, SEMAPHORES)],
			    rng_below(&r, 4) ? 1 : 1 + rng_below(&r, 3));
		if (rng_below(&r, 4) == 0)
			lwkt_sleep_ns(1 + rng_below(&r, 100000));
		lwkt_yield();
	}
	ADD(posters_left, -1);
}

static void
noise(void *arg)
{
	struct rng r = { torture_seed + 77 };

	(void)arg;
	while (!LOAD(noise_stop)) {
		lwkt_interrupt(taker_td[rng_below(&r, TAKERS)]);
		lwkt_wakeup_domain(&sem[rng_below(&r, SEMAPHORES)],
		    LWKT_PDOMAIN_UMTX);
		if (rng_below(&r, 16) == 0)
			lwkt_wakeup(&sem[rng_below(&r, SEMAPHORES)]);
		lwkt_schedule(taker_td[rng_below(&r, TAKERS)]);
		lwkt_sleep_ns(1 + rng_below(&r, 50000));
	}
}

static int
body(void *arg)
{
	lwkt_thread_t ptd[POSTERS], ntd;
	uint64_t posted = 0, taken = 0;
	int i;

	(void)arg;
	STORE(posters_left, POSTERS);
	for (i = 0; i < TAKERS; i++)
		taker_td[i] = spawn_on(i, taker, (void *)(uintptr_t)i);
	for (i = 0; i < POSTERS; i++)
		ptd[i] = spawn_on(i, poster, (void *)(uintptr_t)(i + 1));
	ntd = spawn_on(0, noise, NULL);
	join_all(ptd, POSTERS);
	STORE(noise_stop, 1);
	join(ntd);
	/* Nobody posts any more: who sleeps now is told so. */
	for (i = 0; i < SEMAPHORES; i++)
		lwkt_wakeup(&sem[i]);
	join_all(taker_td, TAKERS);
	for (i = 0; i < SEMAPHORES; i++) {
		check(sem[i].s_tokens == 0, "semaphore %d: %u tokens left", i,
		    sem[i].s_tokens);
		posted += sem[i].s_posted;
		taken += sem[i].s_taken;
	}
	check(posted == taken, "posted %llu, taken %llu",
	    (unsigned long long)posted, (unsigned long long)taken);
	diag("%llu tokens, %llu sleeps, %llu timeouts, %llu interrupts",
	    (unsigned long long)taken, (unsigned long long)sleeps,
	    (unsigned long long)timeouts, (unsigned long long)interrupts);
	return 0;
}

int
main(int argc, char **argv)
{
	setenv("LWKT_TUNE", "lwkt.tslp_size=16", 0);
	return torture_run(argc, argv, "every token posted is taken", body);
}
