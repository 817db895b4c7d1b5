/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rendezvous of CPUs, and memory that outlives its last reader.
 */
#include <lwkt/cpusync.h>
#include <string.h>

#include "base/ktr.h"
#include "core/util.h"

static uint32_t ran[LWKT_MAXCPU];	/* a CPU each */
static uint32_t stop, moved, frozen;

static void
mark(void *arg)
{
	(void)arg;
	(void)atomic_fetchadd_32(&ran[lwkt_cpuid()], 1);
}

static void
ran_reset(void)
{
	int cpu;

	for (cpu = 0; cpu < LWKT_MAXCPU; cpu++)
		atomic_store_32(&ran[cpu], 0);
}

static int
every_cpu_runs_it_once(void *arg)
{
	int cpu;

	(void)arg;
	ran_reset();
	lwkt_cpusync_simple(lwkt_cpumask_all(), mark, NULL);
	lwkt_cpusync_quick(lwkt_cpumask_all(), mark, NULL);
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
		check(ran[cpu] == 2, "cpu %d ran it %u times", cpu, ran[cpu]);
	return 0;
}

static int
only_the_set_runs_it(void *arg)
{
	int last = lwkt_ncpus() - 1, cpu;

	(void)arg;
	ran_reset();
	lwkt_cpusync_simple(lwkt_cpumask_one(last), mark, NULL);
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
		check(ran[cpu] == (cpu == last), "cpu %d ran it %u times", cpu,
		    ran[cpu]);
	return 0;
}

/* Moves on all the time, and serves messages in between. */
static void
mover(void *arg)
{
	(void)arg;
	while (atomic_load_acq_32(&stop) == 0) {
		check(atomic_load_acq_32(&frozen) == 0,
		    "a thread ran inside a rendezvous");
		(void)atomic_fetchadd_32(&moved, 1);
		lwkt_yield();
		machine_pause(0);
	}
}

static int
the_others_stand_still(void *arg)
{
	struct lwkt_cpusync cs;
	lwkt_thread_t td[8];
	int cpu, n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8, i;
	int times = TIMES(400, 12) / (n < 4 ? 4 : n * n / 4);

	(void)arg;	/* many movers, few cores: each time takes slices */
	stop = frozen = moved = 0;
	for (cpu = 1; cpu < n; cpu++)
		td[cpu] = spawn(mover, NULL, 0, cpu);
	for (i = 0; i < times || i == 0; i++) {
		lwkt_cpusync_init(&cs, lwkt_cpumask_all(), NULL, NULL);
		lwkt_cpusync_interlock(&cs);
		atomic_store_rel_32(&frozen, 1);
		machine_pause(0);
		machine_pause(1);
		atomic_store_rel_32(&frozen, 0);
		lwkt_cpusync_deinterlock(&cs);
	}
	atomic_store_rel_32(&stop, 1);
	for (cpu = 1; cpu < n; cpu++)
		join(td[cpu]);
	return 0;
}

static void
master(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < TIMES(200, 5); i++)
		lwkt_cpusync_simple(lwkt_cpumask_all(), mark, NULL);
}

static int
several_masters(void *arg)
{
	lwkt_thread_t td[8];
	int cpu, n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8;
	uint32_t want = (uint32_t)(n * TIMES(200, 5));

	(void)arg;
	ran_reset();
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(master, NULL, 0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	for (cpu = 0; cpu < n; cpu++)
		check(ran[cpu] == want, "cpu %d: %u of %u", cpu, ran[cpu],
		    want);
	return 0;
}

/* Between the two halves a master is alone, whatever the sets are. */
static uint32_t inside, together;

/* With more CPUs than cores each rendezvous takes slices of the host. */
static int
rounds(void)
{
	return lwkt_ncpus() > 2 ? TIMES(20, 6) : TIMES(300, 6);
}

static void
lonely_master(void *arg)
{
	lwkt_cpumask_t set = lwkt_cpumask_all();
	struct lwkt_cpusync cs;
	int i;

	if (arg != NULL)
		set = lwkt_cpumask_one(lwkt_cpuid());
	for (i = 0; i < rounds(); i++) {
		lwkt_cpusync_init(&cs, set, NULL, NULL);
		lwkt_cpusync_interlock(&cs);
		if (ADD(inside, 1) != 1)
			ADD(together, 1);
		machine_pause(0);
		ADD(inside, -1);
		lwkt_cpusync_deinterlock(&cs);
		if (i % 2)
			lwkt_yield();
	}
}

/* In a critical section of its own: it stands still inside that, too. */
static void
master_in_section(void *arg)
{
	lwkt_crit_enter();
	lonely_master(arg);
	lwkt_crit_exit();
}

static int
one_master_at_a_time(void *arg)
{
	int cpu, n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8;
	lwkt_thread_t td[8];

	inside = together = 0;
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(cpu % 2 ? master_in_section : lonely_master,
		    arg, 0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	check(together == 0, "%u times two were inside", together);
	return 0;
}

/* A thread that waits in lwkt_cpusync_quick() is stopped as others are. */
static void
quick_mover(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < rounds(); i++) {
		lwkt_cpusync_quick(lwkt_cpumask_all(), mark, NULL);
		check(LOAD(inside) == 0, "a thread ran inside a rendezvous");
	}
}

static int
quick_is_stopped(void *arg)
{
	int cpu, n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8;
	lwkt_thread_t td[8];

	(void)arg;
	ran_reset();
	inside = together = 0;
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(cpu % 2 ? quick_mover : lonely_master, NULL,
		    0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	for (cpu = 0; cpu < n; cpu++)
		check(ran[cpu] == (uint32_t)(n / 2 * rounds()),
		    "cpu %d ran it %u times", cpu, ran[cpu]);
	return 0;
}

static void
quick_in_callback(void *arg)
{
	(void)arg;
	lwkt_cpusync_quick(lwkt_cpumask_all(), mark, NULL);
}

static int
quick_in_callback_body(void *arg)
{
	(void)arg;
	lwkt_send_ipiq(lwkt_cpuid(), quick_in_callback, NULL);
	return 0;
}

/* A cell that readers look at in critical sections. */
struct cell {
	struct lwkt_retire	c_retire;
	uint32_t		c_alive;	/* atomic */
};

#define CELLS	8
static struct cell cells[CELLS];
static uintptr_t current;		/* atomic: struct cell * */
static uint32_t freed;

static void
cell_free(struct lwkt_retire *rt)
{
	struct cell *c = (struct cell *)(void *)rt;

	atomic_store_rel_32(&c->c_alive, 0);
	(void)atomic_fetchadd_32(&freed, 1);
}

static void
reader(void *arg)
{
	struct cell *c;

	(void)arg;
	while (atomic_load_acq_32(&stop) == 0) {
		lwkt_crit_enter();
		c = (struct cell *)atomic_load_acq_ptr(&current);
		machine_pause(0);
		check(atomic_load_acq_32(&c->c_alive) == 1,
		    "a reader looks at freed memory");
		lwkt_crit_exit();
		lwkt_yield();
	}
}

static int
retired_memory_outlives_readers(void *arg)
{
	lwkt_thread_t td[8];
	int cpu, n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8, i;
	uintptr_t old;

	(void)arg;
	stop = freed = 0;
	for (i = 0; i < CELLS; i++)
		atomic_store_32(&cells[i].c_alive, 1);
	atomic_store_rel_ptr(&current, (uintptr_t)&cells[0]);
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(reader, NULL, 0, cpu);
	for (i = 1; i < CELLS; i++) {
		lwkt_yield();
		lwkt_crit_enter();
		old = atomic_swap_ptr(&current, (uintptr_t)&cells[i]);
		lwkt_retire(&((struct cell *)old)->c_retire, cell_free);
		check(n > 1 || atomic_load_32(&((struct cell *)old)->c_alive),
		    "freed inside the critical section that retired it");
		lwkt_crit_exit();
	}
	await(&freed, CELLS - 1);
	atomic_store_rel_32(&stop, 1);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	check(freed == CELLS - 1, "%u freed", freed);
	return 0;
}

/* Add up the objects of the rounds traced here since `from`; count those. */
static uint64_t
traced_rounds(uint64_t from, int *np)
{
	const struct ktr_ring *kr = mygd()->gd_ktr;
	const struct ktr_rec *r;
	uint64_t sum = 0;

	for (*np = 0; from < kr->kr_index; from++) {
		r = &kr->kr_rec[from % KTR_ENTRIES];
		if (strcmp(r->kt_event->ke_name, "retire.round") != 0)
			continue;
		check(r->kt_a == (uint64_t)mycpuid, "cpu %d",
		    (int)r->kt_a);
		sum += r->kt_b;
		++*np;
	}
	return sum;
}

/* The first object begins a round, the others wait for the next one. */
static int
trace_counts_objects(void *arg)
{
	uint32_t mask = lwkt__ktr_mask;
	uint64_t from, sum;
	int i, n;

	(void)arg;
	freed = 0;
	STORE(lwkt__ktr_mask, KTR_ALL);
	lwkt_crit_enter();
	from = mygd()->gd_ktr->kr_index;
	for (i = 0; i < 4; i++)
		lwkt_retire(&cells[i].c_retire, cell_free);
	sum = traced_rounds(from, &n);
	check(n == 1 && sum == 1, "%d rounds, %d objects", n, (int)sum);
	from = mygd()->gd_ktr->kr_index;
	lwkt_crit_exit();
	await(&freed, 4);
	sum = traced_rounds(from, &n);
	check(n == 1 && sum == 3, "%d rounds, %d objects", n, (int)sum);
	STORE(lwkt__ktr_mask, mask);
	return 0;
}

int
main(void)
{
	panics("a rendezvous in a callback panics", quick_in_callback_body,
	    "in a callback");
	sim_explore("every CPU runs the function once",
	    every_cpu_runs_it_once, NULL, 100);
	sim_explore("only the CPUs of the set run it", only_the_set_runs_it,
	    NULL, 50);
	sim_explore("the others stand still between interlock and deinterlock",
	    the_others_stand_still, NULL, 200);
	sim_explore("several masters at the same time do not deadlock",
	    several_masters, NULL, 200);
	sim_explore("there is one master at a time", one_master_at_a_time,
	    NULL, 200);
	sim_explore("so if their sets are disjoint", one_master_at_a_time,
	    ran, 100);
	sim_explore("a CPU that waits in a quick one is stopped",
	    quick_is_stopped, NULL, 100);
	sim_explore("retired memory outlives its readers",
	    retired_memory_outlives_readers, NULL, 200);
	if (!config_hard)	/* the ring is too small */
		sim_explore("the trace has each round with its objects",
		    trace_counts_objects, NULL, 50);
	return tap_done();
}
