/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that move from CPU to CPU.
 */
#include <xmmintrin.h>

#include "core/util.h"

#define MAXCPUS		8

static __attribute__((noinline)) int
errno_get(void)
{
	return errno;
}

static __attribute__((noinline)) void
errno_set(int e)
{
	errno = e;
}

/* What belongs to a thread goes with it. */
static int
keeps_its_own(void *arg)
{
	lwkt_thread_t self = lwkt_self();
	int cpu, n = lwkt_ncpus(), error;

	(void)arg;
	lwkt_setname("traveller");
	lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
	errno_set(4711);
	for (cpu = n - 1; cpu >= 0; cpu--) {
		error = lwkt_migratecpu(cpu);
		check(error == 0 && lwkt_cpuid() == cpu &&
		    lwkt_getcpu(self) == cpu, "error %d, on cpu %d, not %d",
		    error, lwkt_cpuid(), cpu);
		check(lwkt_self() == self &&
		    strcmp(lwkt_name(self), "traveller") == 0 &&
		    lwkt_getpri(self) == LWKT_PRI_SOFT_NORM, "another self");
		check(errno_get() == 4711, "errno %d", errno_get());
	}
	check(lwkt_migratecpu(n) == EINVAL && lwkt_migratecpu(-1) == EINVAL &&
	    lwkt_migratecpu(LWKT_MAXCPU) == EINVAL, "no such CPU");
	check(lwkt_cpuid() == 0, "and the thread stayed");
	return 0;
}

/* A place where only one may be. */
static uint32_t inside[MAXCPUS];
static uint32_t done;
static uint32_t hops;

static void
hop(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	int i, cpu;

	for (i = 0; i < TIMES(3000, 40); i++) {
		cpu = (int)rng_below(&r, (uint32_t)lwkt_ncpus());
		lwkt_migratecpu(cpu);
		check(lwkt_cpuid() == cpu, "on cpu %d, not %d", lwkt_cpuid(),
		    cpu);
		/* Were it on two queues, two would be here. */
		lwkt_crit_enter();
		check(inside[cpu]++ == 0, "two on cpu %d", cpu);
		inside[cpu]--;
		lwkt_crit_exit();
		if (rng_below(&r, 4) == 0)
			lwkt_yield();
	}
	atomic_fetchadd_32(&hops, (uint32_t)i);
	atomic_fetchadd_32(&done, 1);
}

/* Schedule a thread all the time, wherever it is. */
static void
pester(void *arg)
{
	unsigned turn;

	for (turn = 0; atomic_load_acq_32(&done) == 0; turn++) {
		lwkt_schedule(arg);
		lwkt_yield();
		if (turn % 8 == 0)
			machine_pause(0);
	}
}

/*
 * (races 6 and 8 of the history: who finishes a migration, and whose list the
 * thread is on meanwhile)
 */
static int
scheduled_while_moving(void *arg)
{
	lwkt_thread_t td, p[MAXCPUS];
	int n = lwkt_ncpus(), cpu;

	if (n > TIMES(MAXCPUS, 4))	/* their messages are too many */
		n = TIMES(MAXCPUS, 4);
	(void)arg;
	done = hops = 0;
	memset(inside, 0, sizeof(inside));
	td = spawn(hop, (void *)(uintptr_t)1, LWKT_NOSTART, 0);
	for (cpu = 0; cpu < n; cpu++)
		p[cpu] = spawn(pester, td, 0, cpu);
	lwkt_schedule(td);
	for (cpu = 0; cpu < n; cpu++)
		join(p[cpu]);
	join(td);
	check(hops == TIMES(3000, 40), "%u hops", hops);
	return 0;
}

static int
many_move(void *arg)
{
	lwkt_thread_t td[10];
	unsigned i;

	(void)arg;
	done = hops = 0;
	memset(inside, 0, sizeof(inside));
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(hop, (void *)(uintptr_t)(i + 1), 0,
		    LWKT_CPU_ROTATE);
	for (i = 0; i < nitems(td); i++)
		join(td[i]);
	check(hops == nitems(td) * TIMES(3000, 40), "%u hops", hops);
	return 0;
}

/* A wakeup reaches a thread that moves before it sleeps. */
struct nomad {
	lwkt_thread_t	n_td;
	uint32_t	n_told;		/* what it was told */
	uint32_t	n_heard;	/* what it has seen */
};

static void
nomad(void *arg)
{
	struct nomad *n = arg;
	struct rng r = { 7 };
	uint32_t i;

	for (i = 1; i <= TIMES(2000, 40); i++) {
		lwkt_migratecpu((int)rng_below(&r, (uint32_t)lwkt_ncpus()));
		lwkt_crit_enter();
		while (atomic_load_acq_32(&n->n_told) < i)
			lwkt_sleep("told", 0);
		lwkt_crit_exit();
		atomic_store_rel_32(&n->n_heard, i);
	}
}

static void
teller(void *arg)
{
	struct nomad *n = arg;
	uint32_t i;

	for (i = 1; i <= TIMES(2000, 40); i++) {
		atomic_store_rel_32(&n->n_told, i);
		lwkt_schedule(n->n_td);
		await(&n->n_heard, i);
	}
}

static int
no_wakeup_is_lost(void *arg)
{
	struct nomad n = { NULL, 0, 0 };
	lwkt_thread_t td;

	(void)arg;
	n.n_td = spawn(nomad, &n, 0, other_cpu());
	td = spawn(teller, &n, 0, 0);
	join(n.n_td);
	join(td);
	check(n.n_heard == TIMES(2000, 40), "heard %u", n.n_heard);
	return 0;
}

/* Joined from wherever, ended wherever. */
static void
hop_once(void *arg)
{
	(void)arg;
	lwkt_migratecpu(other_cpu());
}

static int
joined_while_moving(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < TIMES(500, 10); i++) {
		join(spawn(hop_once, NULL, 0, LWKT_CPU_ROTATE));
		hop_once(NULL);
	}
	return 0;
}

/* A thread that was left on a sleep queue leaves it before it moves. */
static int
leaves_sleep_queue(void *arg)
{
	int ident = 0;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_tsleep_interlock(&ident, 0);
	lwkt_migratecpu(other_cpu());
	check((curthread->td_flags & TDF_TSLEEPQ) == 0, "still queued");
	lwkt_wakeup(&ident);
	lwkt_synchronize_ipiqs("test");
	return 0;
}

/* Floating point control goes along, too. */
static int
keeps_rounding(void *arg)
{
	int i;

	(void)arg;
	_MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
	for (i = 0; i < 4; i++) {
		lwkt_migratecpu(other_cpu());
		check(_MM_GET_ROUNDING_MODE() == _MM_ROUND_UP,
		    "rounding %#x", _MM_GET_ROUNDING_MODE());
		settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
		check(_MM_GET_ROUNDING_MODE() == _MM_ROUND_UP,
		    "rounding %#x", _MM_GET_ROUNDING_MODE());
	}
	_MM_SET_ROUNDING_MODE(_MM_ROUND_NEAREST);
	return 0;
}

int
main(void)
{
	sim_explore("a thread arrives where it asked, as itself",
	    keeps_its_own, NULL, 100);
	sim_explore("a thread is scheduled from everywhere while it moves",
	    scheduled_while_moving, NULL, 200);
	sim_explore("many threads move at once", many_move, NULL, 100);
	sim_explore("no wakeup is lost by moving", no_wakeup_is_lost, NULL,
	    200);
	sim_explore("threads that move are joined", joined_while_moving, NULL,
	    200);
	sim_explore("a moving thread leaves its sleep queue",
	    leaves_sleep_queue, NULL, 100);
	sim_explore("floating point control moves along", keeps_rounding,
	    NULL, 50);
	return tap_done();
}
