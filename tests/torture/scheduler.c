/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: threads that change priorities, yield, deschedule themselves and
 * are scheduled by everybody.
 *
 * Conservation: tickets handed out = tickets cashed; on each CPU one thread at
 * a time.
 */
#include "core/util.h"
#include "torture/torture.h"

#define WORKERS		12
#define MAXCPUS		64

struct worker {
	lwkt_thread_t	w_td;
	uint64_t	w_tickets;	/* (a) handed out, not yet cashed */
	uint64_t	w_cashed;	/* its own */
	uint32_t	w_end;		/* (a) */
};

static struct worker workers[WORKERS];
static uint64_t handed, double_run;
static int here[MAXCPUS];		/* each of its own CPU */

/* Between two calls of the library nobody else runs on this CPU. */
static void
alone(void)
{
	int cpu = lwkt_cpuid(), i;

	if (here[cpu]++ != 0)
		ADD(double_run, 1);
	for (i = 0; i < 20; i++)
		cc_fence();
	here[cpu]--;
}

static void
fidget(struct rng *r)
{
	switch (rng_below(r, 8)) {
	case 0:
		lwkt_setpri_self(LWKT_PRI_USER_NORM +
		    (int)rng_below(r, 12));
		break;
	case 1:
		lwkt_yield_quick();
		break;
	case 2:
		lwkt_user_yield();
		break;
	case 3:
		lwkt_switch();
		break;
	case 4:
		lwkt_migratecpu((int)rng_below(r, (uint32_t)lwkt_ncpus()));
		break;
	case 5:
		lwkt_deschedule_self();
		lwkt_schedule_self();
		break;
	default:
		lwkt_yield();
		break;
	}
}

/* Hand a ticket to somebody and make sure that he runs. */
static void
hand(struct rng *r)
{
	struct worker *w = &workers[rng_below(r, WORKERS)];

	ADD(handed, 1);
	ADD(w->w_tickets, 1);
	lwkt_schedule(w->w_td);
}

static void
worker(void *arg)
{
	struct worker *w = arg;
	struct rng r = { torture_seed + (uint64_t)(w - workers) };
	uint64_t n;

	for (;;) {
		lwkt_crit_enter();
		while (LOAD(w->w_tickets) == 0 && LOAD(w->w_end) == 0)
			lwkt_sleep("ticket", 0);
		lwkt_crit_exit();
		n = atomic_swap_64(&w->w_tickets, 0);
		w->w_cashed += n;
		if (n == 0 && LOAD(w->w_end) != 0)
			return;
		alone();
		fidget(&r);
		alone();
		if (!torture_over())
			hand(&r);
		if (!torture_over() && rng_below(&r, 8) == 0)
			hand(&r);
	}
}

/* Keep it going: tickets are cashed many at a time, so they die out. */
static void
pump(void *arg)
{
	struct rng r = { torture_seed + 500 + (uint64_t)(uintptr_t)arg };

	while (!torture_over()) {
		hand(&r);
		if (rng_below(&r, 16) == 0)
			lwkt_sleep_ns(rng_below(&r, 30000));
		else
			lwkt_yield();
	}
}

static int
body(void *arg)
{
	lwkt_thread_t p[MAXCPUS];
	uint64_t cashed = 0;
	int i, n = lwkt_ncpus();

	(void)arg;
	for (i = 0; i < WORKERS; i++)
		workers[i].w_td = spawn(worker, &workers[i], LWKT_NOSTART,
		    i % n);
	for (i = 0; i < WORKERS; i++)
		lwkt_schedule(workers[i].w_td);
	for (i = 0; i < n; i++)
		p[i] = spawn(pump, (void *)(uintptr_t)i, 0, i);
	for (i = 0; i < n; i++)
		join(p[i]);
	/* Who ends must be named by nobody any more. */
	for (i = 0; i < WORKERS; i++)
		lwkt_hold(workers[i].w_td);
	for (i = 0; i < WORKERS; i++) {
		STORE(workers[i].w_end, 1);
		lwkt_schedule(workers[i].w_td);
	}
	for (i = 0; i < WORKERS; i++)
		join(workers[i].w_td);
	for (i = 0; i < WORKERS; i++) {
		cashed += workers[i].w_cashed + workers[i].w_tickets;
		lwkt_rele(workers[i].w_td);
	}
	check(cashed == handed, "%llu handed, %llu cashed",
	    (unsigned long long)handed, (unsigned long long)cashed);
	check(double_run == 0, "%llu times two threads on a CPU",
	    (unsigned long long)double_run);
	diag("%llu tickets, %lld switches, %lld ticks",
	    (unsigned long long)handed, (long long)counter("lwkt.switches"),
	    (long long)counter("lwkt.ticks"));
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "handed = cashed", body);
}
