/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many CPUs: masks of more than one word, and all of them at once.  On the
 * real host up to as many as there can be, however few cores it has.
 */
#include <lwkt/cpusync.h>
#include <lwkt/token.h>

#include "core/util.h"

#define HOPS	TIMES(6, 3)

static uint32_t called[LWKT_MAXCPU];	/* a CPU each; the callbacks add */
static uint32_t slept, woken, arrived;
static long total;			/* under the token */
static struct lwkt_token tok;

static void
call(void *arg, int n)
{
	(void)arg;
	called[lwkt_cpuid()] += (uint32_t)n;
}

static void
call_once(void *arg)
{
	call(arg, 1);
}

static void
called_are(uint32_t want, const char *what)
{
	int cpu, n = lwkt_ncpus(), wrong = 0;

	for (cpu = 0; cpu < n; cpu++)
		wrong += LOAD(called[cpu]) != want;
	check(wrong == 0, "%s: %d of %d CPUs", what, wrong, n);
	memset(called, 0, sizeof(called));
}

/* From each CPU to the next one; the last one's is the first. */
static void
neighbours(void *arg)
{
	int next = (lwkt_cpuid() + 1) % lwkt_ncpus();

	(void)arg;
	lwkt_send_ipiq2(next, call, NULL, 1);
	if (next != lwkt_cpuid())
		lwkt_send_ipiq_passive(next, call, NULL, 2);
	else
		call(NULL, 2);
	lwkt_synchronize_ipiqs("test");
}

/* Every second CPU, by a mask of several words. */
static void
every_second(void)
{
	lwkt_cpumask_t mask = { { 0 } };
	int cpu, n = lwkt_ncpus(), sent;

	for (cpu = 1; cpu < n; cpu += 2)
		cpumask_set(&mask, cpu);
	sent = lwkt_send_ipiq_mask(mask, call, NULL, 1);
	check(sent == n / 2, "%d", sent);
	lwkt_synchronize_ipiqs("test");
	for (cpu = 0; cpu < n; cpu++)
		check(LOAD(called[cpu]) == (uint32_t)cpu % 2, "cpu %d: %u",
		    cpu, called[cpu]);
	memset(called, 0, sizeof(called));
}

static void
messages(lwkt_thread_t *td, int n)
{
	int cpu;

	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn_on(cpu, neighbours, NULL);
	join_all(td, n);
	called_are(3, "neighbours");
	check(lwkt_send_ipiq_bcast(call, NULL, 1) == n, "broadcast");
	lwkt_synchronize_ipiqs("test");
	called_are(1, "broadcast");
	every_second();
	lwkt_cpusync_simple(lwkt_cpumask_all(), call_once, NULL);
	called_are(1, "rendezvous");
	lwkt_cpusync_quick(lwkt_cpumask_one(n - 1), call_once, NULL);
	check(LOAD(called[n - 1]) == 1, "the last CPU");
	memset(called, 0, sizeof(called));
}

static void
sleeper(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&slept, 0);
	ADD(slept, 1);
	(void)lwkt_tsleep(&slept, LWKT_PINTERLOCKED, "test", LWKT_FOREVER);
	ADD(woken, 1);
	lwkt_wakeup(&woken);
}

/* One, some, all of a sleeper a CPU. */
static void
wakeups(lwkt_thread_t *td, int n)
{
	int cpu, one = n > 1;

	STORE(slept, 0);
	STORE(woken, 0);
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn_on(cpu, sleeper, NULL);
	for (cpu = 0; cpu < n; cpu++)
		settle(cpu, LWKT_PRI_KERN_USER);
	check(LOAD(slept) == (uint32_t)n, "%u sleep", slept);
	lwkt_wakeup_one(&slept);
	await_asleep(&woken, 1);
	lwkt_wakeup_n(&slept, n / 2 - one);
	await_asleep(&woken, (uint32_t)(n / 2));
	lwkt_synchronize_ipiqs("test");
	lwkt_yield();
	check(n == 1 || LOAD(woken) <= (uint32_t)(n / 2), "%u of %d", woken,
	    n / 2);
	lwkt_wakeup(&slept);
	join_all(td, n);
	check(LOAD(woken) == (uint32_t)n, "%u woke", woken);
}

/* A tour of some CPUs, the far ones too, with a token on each. */
static void
traveller(void *arg)
{
	int cpu = (int)(intptr_t)arg, n = lwkt_ncpus(), i;

	for (i = 0; i < HOPS; i++) {
		cpu = (cpu + n / 2 + 1) % n;
		check(lwkt_migratecpu(cpu) == 0 && lwkt_cpuid() == cpu,
		    "cpu %d, not %d", lwkt_cpuid(), cpu);
		lwkt_gettoken(&tok);
		total++;
		lwkt_reltoken(&tok);
	}
	ADD(arrived, 1);
}

static void
travels(lwkt_thread_t *td, int n)
{
	int i, few = n < 8 ? n : 8;

	STORE(arrived, 0);
	total = 0;
	lwkt_token_init(&tok, "wide");
	for (i = 0; i < few; i++)
		td[i] = spawn_on(n - 1 - i, traveller,
		    (void *)(intptr_t)(n - 1 - i));
	join_all(td, few);
	check(total == (long)few * HOPS, "%ld", total);
}

static int
all_together(void *arg)
{
	static lwkt_thread_t td[LWKT_MAXCPU];
	int n = lwkt_ncpus();

	check(n == *(int *)arg, "%d CPUs", n);
	memset(called, 0, sizeof(called));
	messages(td, n);
	wakeups(td, n);
	travels(td, n);
	return 0;
}

int
main(void)
{
	static int ncpus[] = { 1, 8, 16, 63, 64, 65, 130, LWKT_MAXCPU };
	static const unsigned seeds[] = { 50, 50, 20, 4, 4 };
	unsigned i, kinds = TIMES(nitems(ncpus), nitems(seeds));
	char name[40];

	for (i = 0; i < kinds; i++) {
		struct sim_scenario ss = {
			.ss_name = name, .ss_body = all_together,
			.ss_arg = &ncpus[i], .ss_ncpus = ncpus[i],
			.ss_seeds = seeds[i % nitems(seeds)],
		};

		snprintf(name, sizeof(name), "%d CPUs", ncpus[i]);
		sim_explore_with(&ss);
	}
	return tap_done();
}
