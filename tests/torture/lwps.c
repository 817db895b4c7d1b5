/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: lwps of both schedulers that compute, sleep, hold tokens, move, end
 * and are begun anew, while others change how they are scheduled.
 *
 * Conservation: lwps begun = lwps ended; in a critical section one lwp at a
 * time on each CPU; each is where it may be after it asked for it; what is
 * computed while slices end in the middle is right.
 */
#include <lwkt/cpusync.h>
#include <lwkt/token.h>
#include <lwkt/usched.h>

#include "core/util.h"
#include "torture/torture.h"

#define NESTS		16
#define MAXCPUS		64

static struct lwkt_token tokens[3];
static lwkt_lwp_t nest[NESTS];		/* (a) who lives there */
static uint64_t begun, ended, double_run, turns;
static int here[MAXCPUS];		/* each of its own CPU */

static void
alone(void)
{
	int cpu, i;

	lwkt_crit_enter();
	cpu = lwkt_cpuid();
	if (here[cpu]++ != 0)
		ADD(double_run, 1);
	for (i = 0; i < 50; i++)
		cc_fence();
	here[cpu]--;
	lwkt_crit_exit();
}

/* The same sums twice, between two calls of the library. */
static void
computes(uint64_t from)
{
	uint64_t a = from, b = from;
	double x = 1, y = 1;
	int i;

	for (i = 0; i < 2000; i++, x = x * 1.000001 + 0.5)
		a = a * 6364136223846793005 + 1442695040888963407;
	for (i = 0; i < 2000; i++, y = y * 1.000001 + 0.5) {
		b = b * 6364136223846793005 + 1442695040888963407;
		cc_fence();
	}
	check(a == b && !(x < y) && !(x > y), "computed %llx, %llx",
	    (unsigned long long)a, (unsigned long long)b);
}

static void
with_token(struct rng *r)
{
	struct lwkt_token *tok = &tokens[rng_below(r, 3)];
	int i;

	lwkt_gettoken(tok);
	for (i = 0; i < 3; i++) {
		alone();
		lwkt_crit_enter();
		lwkt_crit_exit();
		check(lwkt_token_held_excl(tok), "a token was lost");
	}
	if (rng_below(r, 4) == 0)
		lwkt_sleep_ns(rng_below(r, 20000));
	lwkt_reltoken(tok);
}

static void
move(struct rng *r)
{
	int cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus());

	if (rng_below(r, 2) == 0) {
		lwkt_migratecpu(cpu);
		return;
	}
	lwkt_lwp_setcpumask(lwkt_lwp_self(), lwkt_cpumask_one(cpu));
	check(lwkt_cpuid() == cpu, "on cpu %d, not %d", lwkt_cpuid(), cpu);
	lwkt_lwp_setcpumask(lwkt_lwp_self(), lwkt_cpumask_all());
}

static void
fidget(struct rng *r)
{
	switch (rng_below(r, 10)) {
	case 0:
		lwkt_sleep_ns(rng_below(r, 50000));
		break;
	case 1:
		lwkt_user_yield();
		break;
	case 2:
		lwkt_yield();
		break;
	case 3:
		with_token(r);
		break;
	case 4:
		move(r);
		break;
	case 5:
		lwkt_wakeup(&nest);
		break;
	case 6:
		(void)lwkt_tsleep(&nest, 0, "nest", 30000);
		break;
	default:
		lwkt_crit_enter();
		lwkt_crit_exit();
		break;
	}
}

static void
lives(void *arg)
{
	uint64_t life = (uint64_t)(uintptr_t)arg;
	struct rng r = { torture_seed + life };
	uint32_t n = 1 + rng_below(&r, 2000);

	while (n-- > 0 && !torture_over()) {
		alone();
		if (n % 16 == 0)
			computes(life + n);
		fidget(&r);
		ADD(turns, 1);
	}
	ADD(ended, 1);
}

static void
change(lwkt_lwp_t lp, struct rng *r)
{
	int error = 0;

	switch (rng_below(r, 3)) {
	case 0:
		error = lwkt_lwp_setnice(lp, (int)rng_below(r, 41) - 20);
		break;
	case 1:
		error = lwkt_lwp_setrtprio(lp, rng_below(r, 8) == 0 ?
		    (enum lwkt_rtclass)rng_below(r, 3) : LWKT_RTP_NORMAL,
		    (int)rng_below(r, 32));
		break;
	default:
		lwkt_schedule(lwkt_lwp_thread(lp));	/* spurious */
		break;
	}
	check(error == 0, "errno %d", error);
}

/* Keeps its nests full, and disturbs who lives there. */
static void
breeds(void *arg)
{
	int first = (int)(intptr_t)arg, i, error;
	struct rng r = { torture_seed + 1000000 + (uint64_t)first };
	lwkt_usched_t us[2] = { lwkt_usched_find("bsd4"),
	    lwkt_usched_find("dummy") };

	for (i = first; !torture_over(); i = first + (int)rng_below(&r, 4)) {
		if (nest[i] != NULL && rng_below(&r, 20) != 0) {
			change(nest[i], &r);
			lwkt_sleep_ns(rng_below(&r, 100000));
			continue;
		}
		if (nest[i] != NULL)
			join(lwkt_lwp_thread(nest[i]));
		error = lwkt_lwp_create(lives, (void *)(uintptr_t)ADD(begun,
		    1), &nest[i], us[rng_below(&r, 2)], LWKT_JOINABLE, "life");
		if (error != 0)
			lwkt_panic("errno %d", error);
	}
	for (i = first; i < first + 4; i++)
		if (nest[i] != NULL)
			join(lwkt_lwp_thread(nest[i]));
}

static int
body(void *arg)
{
	lwkt_thread_t td[NESTS / 4];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		lwkt_token_init(&tokens[i], "torture");
	for (i = 0; i < NESTS / 4; i++)
		td[i] = spawn(breeds, (void *)(intptr_t)(i * 4), 0,
		    i % lwkt_ncpus());
	for (i = 0; i < NESTS / 4; i++)
		join(td[i]);
	check(begun == ended, "%llu begun, %llu ended",
	    (unsigned long long)begun, (unsigned long long)ended);
	check(double_run == 0, "%llu times two lwps on a cpu",
	    (unsigned long long)double_run);
	diag("%llu lwps, %llu turns, %lld releases, %lld queued, %lld moved, "
	    "%lld interrupted",
	    (unsigned long long)begun, (unsigned long long)turns,
	    (long long)counter("lwkt.lwp_releases"),
	    (long long)counter("lwkt.lwp_queued"),
	    (long long)counter("lwkt.lwp_moved"),
	    (long long)counter("lwkt.async_hit"));
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "begun = ended, one at a time", body);
}
