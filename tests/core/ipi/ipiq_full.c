/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Full message queues: all progress, nothing is lost, little recursion.
 */
#include "core/util.h"

#define MAXCPUS		8
#define BURST		TIMES(2000, 400)

static uint32_t sent[MAXCPUS], ran[MAXCPUS];	/* each of its own CPU */
static uint32_t depth_max;
static uint32_t depth[MAXCPUS];		/* callbacks begun and not over */

static void
callback_begin(void)
{
	int me = lwkt_cpuid();

	ran[me]++;
	if (++depth[me] > 1)
		atomic_store_32(&depth_max, depth[me]);
}

static void
callback_end(void)
{
	depth[lwkt_cpuid()]--;
}

static void
storm_reset(void)
{
	memset(sent, 0, sizeof(sent));
	memset(ran, 0, sizeof(ran));
	memset(depth, 0, sizeof(depth));
	depth_max = 0;
}

/* No callback ever runs inside another's wait for room. */
static void
storm_check(void)
{
	uint32_t nsent = 0, nran = 0;
	int cpu;

	for (cpu = 0; cpu < MAXCPUS; cpu++) {
		nsent += sent[cpu];
		nran += ran[cpu];
	}
	check(nsent == nran, "%u sent, %u ran", nsent, nran);
	check(depth_max <= 1, "nested %u deep", depth_max);
}

/* arg2: the number of the answers' generations, and how many of each. */
#define GENERATIONS(g, n)	((g) << 8 | (n))

static void	answer(void *arg, int how);

static void
send_one(int cpu, int how)
{
	int me = lwkt_cpuid();

	sent[me]++;
	lwkt_send_ipiq2(cpu, answer, (void *)(intptr_t)me, how);
}

static void
answer(void *arg, int how)
{
	int left = how >> 8, n = how & 0xff, i;

	callback_begin();
	for (i = 0; left > 0 && i < n; i++)
		send_one((int)(intptr_t)arg, GENERATIONS(left - 1, n));
	callback_end();
}

static void
burst(void *arg)
{
	int how = *(int *)arg, me = lwkt_cpuid(), n = lwkt_ncpus(), i;

	lwkt_crit_enter();
	for (i = 0; i < BURST; i++)
		send_one((me + 1 + i % (n - 1)) % n, how);
	lwkt_crit_exit();
}

/* Every CPU floods all others from inside a critical section. */
static int
storm(void *arg)
{
	lwkt_thread_t td[MAXCPUS];
	int n = lwkt_ncpus(), cpu, round;

	if (n == 1)
		return 0;
	storm_reset();
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(burst, arg, 0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	/* Answers may still be under way: one round each generation. */
	for (round = 0; round <= *(int *)arg >> 8; round++)
		for (cpu = 0; cpu < n; cpu++)
			join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
			    (void *)(uintptr_t)"test", 0, cpu));
	storm_check();
	return 0;
}

/*
 * While a sender waits for room, callbacks it serves meanwhile fill the same
 * queue to the brim and wait themselves.
 */
static void
brim_answer(void *arg, int n)
{
	int i;

	callback_begin();
	for (i = 0; i < n; i++)
		send_one((int)(intptr_t)arg, 0);
	callback_end();
}

static void
brim_burst(void *arg)
{
	int cpu = *(int *)arg, me = lwkt_cpuid(), i;

	lwkt_crit_enter();
	for (i = 0; i < 200; i++) {
		sent[me]++;
		lwkt_send_ipiq2(cpu, brim_answer, (void *)(intptr_t)me,
		    i % 16 == 0 ? 100 : 0);
	}
	lwkt_crit_exit();
}

static int
full_to_the_brim(void *arg)
{
	int me = lwkt_cpuid(), cpu = other_cpu();
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	storm_reset();
	td = spawn(brim_burst, &me, 0, cpu);
	brim_burst(&cpu);
	join(td);
	lwkt_synchronize_ipiqs("test");
	join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
	    (void *)(uintptr_t)"test", 0, cpu));
	lwkt_synchronize_ipiqs("test");
	storm_check();
	return 0;
}

int
main(void)
{
	static int none = GENERATIONS(0, 0);
	static int one = GENERATIONS(1, 1);
	static int chain = GENERATIONS(5, 1);
	static int many = GENERATIONS(1, 3);

	sim_explore("CPUs that flood each other all progress", storm, &none,
	    100);
	sim_explore("so if each message is answered", storm, &one, 100);
	sim_explore("race 18: so if answers are answered", storm, &chain, 50);
	sim_explore("so if there are more answers than messages", storm,
	    &many, 50);
	sim_explore("race 15: callbacks that fill a waiting sender's queue",
	    full_to_the_brim, NULL, 100);
	return tap_done();
}
