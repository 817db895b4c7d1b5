/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: masters on every CPU stop sets of CPUs while all exchange objects
 * that are retired and reused.
 *
 * Conservation: each CPU of a set ran the function once for each rendezvous,
 * and stood still before; retired = freed, and no reader met a freed object.
 */
#include <lwkt/cpusync.h>

#include "core/util.h"
#include "torture/torture.h"

#define MAXCPUS		64
#define OBJECTS		256
#define ALIVE		UINT64_C(0x616c697665)

static uint64_t asked[MAXCPUS];		/* (a) by masters */
static uint64_t ran[MAXCPUS];		/* (a) */
static uint64_t steps[MAXCPUS];		/* (a) of its movers */
static uint64_t moved;			/* (a) while they should stand still */

/*
 * Reclamation: a few shared places hold objects; a free one is taken from a
 * pool of the CPU.
 */
struct object {
	struct lwkt_retire o_retire;
	uint64_t	o_alive;	/* (a) ALIVE, or not */
	struct object	*o_next;	/* free list */
};

static struct object objects[MAXCPUS][OBJECTS];
static struct object *pool[MAXCPUS];	/* (c) */
static uintptr_t shelf[8];		/* (a) */
static uint64_t retired, freed, met_dead;	/* (a) */

static void
object_free(struct lwkt_retire *rt)
{
	struct object *o = container_of(rt, struct object, o_retire);
	int me = lwkt_cpuid();

	atomic_store_64(&o->o_alive, 0);
	o->o_next = pool[me];
	pool[me] = o;
	ADD(freed, 1);
}

static void
replace(struct rng *r)
{
	struct object *o, *old;
	int me;

	lwkt_crit_enter();
	me = lwkt_cpuid();
	o = pool[me];
	if (o != NULL) {
		pool[me] = o->o_next;
		atomic_store_64(&o->o_alive, ALIVE);
		old = (struct object *)atomic_swap_ptr(
		    &shelf[rng_below(r, nitems(shelf))], (uintptr_t)o);
		if (old != NULL) {
			ADD(retired, 1);
			lwkt_retire(&old->o_retire, object_free);
		}
	}
	lwkt_crit_exit();
}

static void
look(struct rng *r)
{
	struct object *o;
	uint32_t i, n = rng_below(r, 30);

	lwkt_crit_enter();
	o = (struct object *)atomic_load_acq_ptr(
	    &shelf[rng_below(r, nitems(shelf))]);
	for (i = 0; i <= n && o != NULL; i++)
		if (atomic_load_64(&o->o_alive) != ALIVE)
			ADD(met_dead, 1);
	lwkt_crit_exit();
}

static void
mark(void *arg)
{
	(void)arg;
	ADD(ran[lwkt_cpuid()], 1);
}

/* A random set, stopped; those in it and not here stand still. */
static void
rendezvous(struct rng *r)
{
	uint64_t before[MAXCPUS];
	struct lwkt_cpusync cs;
	lwkt_cpumask_t m = { { rng_next(r), 0 } };
	int cpu, me, n = lwkt_ncpus();

	for (cpu = 0; cpu < n; cpu++)
		if (CPUMASK_BIT(cpu) & m.cm_word[0])
			ADD(asked[cpu], 1);
	m.cm_word[0] &= n < 64 ? CPUMASK_BIT(n) - 1 : ~UINT64_C(0);
	lwkt_cpusync_init(&cs, m, mark, NULL);
	lwkt_cpusync_interlock(&cs);
	me = lwkt_cpuid();
	for (cpu = 0; cpu < n; cpu++)
		before[cpu] = LOAD(steps[cpu]);
	for (cpu = (int)rng_below(r, 200); cpu > 0; cpu--)
		machine_pause(0);
	for (cpu = 0; cpu < n; cpu++)
		if (cpu != me && (CPUMASK_BIT(cpu) & m.cm_word[0]) &&
		    LOAD(steps[cpu]) != before[cpu])
			ADD(moved, 1);
	lwkt_cpusync_deinterlock(&cs);
}

static void
worker(void *arg)
{
	struct rng r = { torture_seed + (uint64_t)(uintptr_t)arg };
	unsigned i;

	while (!torture_over()) {
		for (i = rng_below(&r, 100); i > 0; i--) {
			lwkt_crit_enter();
			ADD(steps[lwkt_cpuid()], 1);
			lwkt_crit_exit();
			replace(&r);
			look(&r);
		}
		if (rng_below(&r, 4) == 0)
			rendezvous(&r);
		if (rng_below(&r, 8) == 0)
			lwkt_sleep_ns(rng_below(&r, 20000));
		lwkt_yield();
	}
}

static int
body(void *arg)
{
	int n = lwkt_ncpus(), cpu, i;
	lwkt_thread_t td[2 * MAXCPUS];

	(void)arg;
	for (cpu = 0; cpu < n; cpu++)
		for (i = 0; i < OBJECTS; i++) {
			objects[cpu][i].o_next = pool[cpu];
			pool[cpu] = &objects[cpu][i];
		}
	for (i = 0; i < 2 * n; i++)
		td[i] = spawn_on(i, worker, (void *)(uintptr_t)i);
	for (i = 0; i < 2 * n; i++)
		join(td[i]);
	for (i = 0; LOAD(freed) < LOAD(retired) && i < 10000; i++)
		lwkt_sleep_ns(MS);
	for (cpu = 0; cpu < n; cpu++)
		check(ran[cpu] == asked[cpu], "cpu %d: %llu of %llu", cpu,
		    (unsigned long long)ran[cpu],
		    (unsigned long long)asked[cpu]);
	check(moved == 0, "%llu CPUs moved", (unsigned long long)moved);
	check(freed == retired && met_dead == 0, "%llu retired, %llu freed, "
	    "%llu met dead", (unsigned long long)retired,
	    (unsigned long long)freed, (unsigned long long)met_dead);
	diag("%llu objects, %llu functions of cpu 0",
	    (unsigned long long)retired, (unsigned long long)ran[0]);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "asked = ran, retired = freed", body);
}
