/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: interrupt threads of several priorities are scheduled from timers,
 * callbacks and threads everywhere, and take the CPU from threads that are in
 * critical sections, hold tokens, or are interrupt threads themselves.
 *
 * Conservation: tickets handed out = cashed; nobody was preempted in a
 * critical section; tokens still exclude.
 */
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/util.h"
#include "torture/torture.h"

#define MAXCPUS		16
#define EACH		3		/* interrupt threads of a CPU */
#define WORKERS		2		/* others of a CPU */

struct intr {
	lwkt_thread_t	i_td;
	uint64_t	i_tickets;	/* (a) handed out, not yet cashed */
	uint64_t	i_cashed;	/* its own */
	uint32_t	i_end;		/* (a) */
};

static struct intr intr[MAXCPUS][EACH];
static struct lwkt_token tok[2];
static uint64_t value[2];		/* under its token */
static uint64_t claimed[2], handed, intruded;	/* (a) */
static int section[MAXCPUS];		/* (c) a worker is in one */

static void
hand(struct intr *in)
{
	ADD(handed, 1);
	ADD(in->i_tickets, 1);
	lwkt_schedule(in->i_td);
}

static struct intr *
any(struct rng *r)
{
	return &intr[rng_below(r, (uint32_t)lwkt_ncpus())][rng_below(r, EACH)];
}

static void
count_under(unsigned t)
{
	lwkt_gettoken(&tok[t]);
	value[t]++;
	ADD(claimed[t], 1);
	lwkt_reltoken(&tok[t]);
}

static void
interrupt(void *arg)
{
	struct intr *in = arg;
	struct rng r = { torture_seed + (uint64_t)(uintptr_t)in };
	uint64_t n;

	for (;;) {
		lwkt_crit_enter();
		while (LOAD(in->i_tickets) == 0 && LOAD(in->i_end) == 0)
			lwkt_sleep("intr", 0);
		lwkt_crit_exit();
		n = atomic_swap_64(&in->i_tickets, 0);
		in->i_cashed += n;
		if (n == 0)
			return;
		if (section[lwkt_cpuid()])
			ADD(intruded, 1);
		if (rng_below(&r, 4) == 0)
			count_under(rng_below(&r, 2));
		if (rng_below(&r, 8) == 0)
			lwkt_yield();
		if (rng_below(&r, 4) == 0 && !torture_over())
			hand(any(&r));
	}
}

static void
timer_hands(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	if (!torture_over())
		hand(arg);
}

static void
worker(void *arg)
{
	struct rng r = { torture_seed + 900 + (uint64_t)(uintptr_t)arg };
	struct lwkt_systimer st;
	int me = lwkt_cpuid(), i;

	lwkt_systimer_init_periodic(&st, timer_hands, any(&r),
	    10000 + rng_below(&r, 50000), 0);
	while (!torture_over()) {
		lwkt_crit_enter();
		section[me] = 1;
		hand(&intr[me][rng_below(&r, EACH)]);
		for (i = (int)rng_below(&r, 50); i > 0; i--)
			machine_pause(0);
		section[me] = 0;
		lwkt_crit_exit();		/* preempted here */
		hand(any(&r));
		count_under(rng_below(&r, 2));
		if (rng_below(&r, 16) == 0)
			lwkt_sleep_ns(rng_below(&r, 20000));
		else
			lwkt_yield();
	}
	lwkt_systimer_del(&st);
}

static void
check_all(void)
{
	uint64_t cashed = 0;
	int cpu, i;

	for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
		for (i = 0; i < EACH; i++)
			cashed += intr[cpu][i].i_cashed +
			    intr[cpu][i].i_tickets;
	check(cashed == handed, "%llu handed, %llu cashed",
	    (unsigned long long)handed, (unsigned long long)cashed);
	check(intruded == 0, "%llu in critical sections",
	    (unsigned long long)intruded);
	for (i = 0; i < 2; i++)
		check(value[i] == claimed[i], "token %d: %llu, not %llu", i,
		    (unsigned long long)value[i],
		    (unsigned long long)claimed[i]);
	diag("%llu tickets, %lld preemptions, %lld refused, %lld weird",
	    (unsigned long long)handed,
	    (long long)counter("lwkt.preempt_hit"),
	    (long long)counter("lwkt.preempt_miss"),
	    (long long)counter("lwkt.preempt_weird"));
}

static int
body(void *arg)
{
	static const int pri[EACH] = { LWKT_PRI_INT_LOW, LWKT_PRI_INT_MED,
	    LWKT_PRI_INT_HIGH };
	lwkt_thread_t td[WORKERS * MAXCPUS];
	int n = lwkt_ncpus() < MAXCPUS ? lwkt_ncpus() : MAXCPUS, i;
	struct intr *in;

	(void)arg;
	lwkt_token_init(&tok[0], "first");
	lwkt_token_init(&tok[1], "second");
	for (i = 0; i < n * EACH; i++) {
		in = &intr[i / EACH][i % EACH];
		in->i_td = spawn_pri(interrupt, in, pri[i % EACH],
		    LWKT_INTERRUPT | LWKT_NOSTART, i / EACH);
		lwkt_hold(in->i_td);
	}
	for (i = 0; i < WORKERS * n; i++)
		td[i] = spawn_on(i, worker, (void *)(uintptr_t)i);
	join_all(td, WORKERS * n);
	for (i = 0; i < n * EACH; i++) {
		in = &intr[i / EACH][i % EACH];
		STORE(in->i_end, 1);
		lwkt_schedule(in->i_td);
		join(in->i_td);
	}
	check_all();
	for (i = 0; i < n * EACH; i++)
		lwkt_rele(intr[i / EACH][i % EACH].i_td);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "handed = cashed, nobody intrudes",
	    body);
}
