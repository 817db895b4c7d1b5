/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passive messages: nobody is signalled, and yet they arrive.
 */
#include "base/choice.h"
#include "core/util.h"

static uint32_t calls;
static uint32_t busy[2];		/* has begun; may end */
static unsigned rounds, halts_served;	/* of them: before any tick */

static void
count_call(void *arg, int n)
{
	(void)arg, (void)n;
	atomic_fetchadd_32(&calls, 1);
}

/*
 * Occupy a CPU with yields that find nothing to do; woken by a timer, so that
 * the CPU does not watch the queue of whoever started us.
 */
static void
be_busy(void *arg)
{
	unsigned turn;

	(void)arg;
	lwkt_sleep_ns(1000);
	atomic_store_rel_32(&busy[0], 1);
	for (turn = 0; atomic_load_acq_32(&busy[1]) == 0; turn++) {
		lwkt_yield_quick();
		machine_pause(turn);
	}
}

static lwkt_thread_t
busy_start(int cpu)
{
	calls = busy[0] = busy[1] = 0;
	return spawn(be_busy, NULL, 0, cpu);
}

static int
no_signal(void *arg)
{
	int cpu = other_cpu();
	int64_t avoided, doorbells;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = busy_start(cpu);
	await(&busy[0], 1);
	lwkt_synchronize_ipiqs("test");
	avoided = counter("lwkt.ipiq_avoided");
	doorbells = counter("lwkt.ipiq_doorbells");
	lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
	check(counter("lwkt.ipiq_avoided") == avoided &&
	    counter("lwkt.ipiq_doorbells") == doorbells, "it was signalled");
	check(counter("lwkt.ipiq_passive") == 1, "not counted");
	lwkt_wait_ipiq(cpu, lwkt_send_ipiq2(cpu, count_call, NULL, 0));
	check(calls == 2, "the next message brings it: %u of 2 ran", calls);
	atomic_store_rel_32(&busy[1], 1);
	join(td);
	return 0;
}

/*
 * (race 19 of the history: passive messages were never flushed on CPUs that
 * had little to do)
 */
static int
idle_serves(void *arg)
{
	int cpu = other_cpu();
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = busy_start(cpu);
	await(&busy[0], 1);
	lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
	atomic_store_rel_32(&busy[1], 1);
	/* It ends and finds nothing else to run; we do not help. */
	await_deaf(&calls, 1);
	join(td);
	return 0;
}

static int
tick_serves(void *arg)
{
	int cpu = other_cpu();
	lwkt_thread_t td[2];

	(void)arg;
	if (lwkt_ncpus() == 1 || !TICKS_COME)
		return 0;
	/* Two equals: they need the tick. */
	td[0] = busy_start(cpu);
	td[1] = spawn(be_busy, NULL, 0, cpu);
	await(&busy[0], 1);
	lwkt_synchronize_ipiqs("test");
	lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
	await_deaf(&calls, 1);		/* our tick does not come */
	atomic_store_rel_32(&busy[1], 1);
	join(td[0]);
	join(td[1]);
	return 0;
}

/*
 * So many that some become ordinary messages: then a signal comes.  A target
 * that takes them as fast as they come needs none.
 */
static int
many_are_signalled(void *arg)
{
	int cpu = other_cpu(), i, n = TIMES(2000, 300), most = 0;
	int64_t ticks;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = busy_start(cpu);
	await(&busy[0], 1);
	ticks = counter("lwkt.ticks");
	for (i = 0; i < n; i++) {
		lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
		if (i - (int)LOAD(calls) > most)
			most = i - (int)LOAD(calls);
	}
	check(most < 64 + 16 || counter("lwkt.ipiq_passive") < n ||
	    counter("lwkt.ticks") != ticks, "all %d stayed passive", n);
	lwkt_synchronize_ipiqs("test");
	check(calls == (uint32_t)n, "%u of %d ran", calls, n);
	atomic_store_rel_32(&busy[1], 1);
	join(td);
	return 0;
}

static void
fill_passively(void *arg)
{
	int cpu = *(int *)arg, i;

	lwkt_crit_enter();
	for (i = 0; i < 200; i++)
		lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
	for (i = 0; i < 300; i++)
		lwkt_send_ipiq2(cpu, count_call, NULL, 0);
	lwkt_crit_exit();
}

/*
 * (race 17 of the history: a sender waited for room in a queue of which the
 * target knew nothing)
 */
static int
full_of_passive(void *arg)
{
	int cpu = other_cpu(), me = lwkt_cpuid();
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	calls = 0;
	fill_passively(&cpu);		/* it sleeps, and may be left asleep */
	td = spawn(fill_passively, &me, 0, cpu);
	fill_passively(&cpu);
	join(td);
	lwkt_synchronize_ipiqs("test");
	check(calls == 1500, "%u of 1500 ran", calls);
	return 0;
}

/* The target runs a thread that goes on until the queue was served. */
static int
full_while_busy(void *arg)
{
	int cpu = other_cpu();
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = busy_start(cpu);
	await(&busy[0], 1);
	fill_passively(&cpu);
	atomic_store_rel_32(&busy[1], 1);
	join(td);
	lwkt_synchronize_ipiqs("test");
	check(calls == 500, "%u of 500 ran", calls);
	return 0;
}

/* A thread that is alone on its CPU, which has no tick then, until `calls`. */
enum manner { YIELDS, LEAVES_SECTIONS, BLOCKS, COMPUTES };

static void
alone(void *arg)
{
	enum manner how = *(enum manner *)arg;

	STORE(busy[0], 1);
	while (LOAD(calls) == 0) {
		if (how == YIELDS)
			lwkt_yield();
		else if (how == BLOCKS)
			lwkt_sleep_ns(1);
		else if (how == COMPUTES)
			lwkt__choice(CHOICE_USER);
		else
			lwkt_splz();
		__asm__ __volatile__("" ::: "memory");
	}
}

/* The sender of the message calls nothing either (real host: signals). */
static int
alone_serves(void *arg)
{
	enum manner how = *(enum manner *)arg;
	int cpu = other_cpu();
	lwkt_thread_t td;

	if (lwkt_ncpus() == 1 || !TICKS_COME)
		return 0;
	calls = busy[0] = 0;
	td = spawn(alone, arg, how == COMPUTES ? LWKT_PREEMPTIBLE : 0, cpu);
	await(&busy[0], 1);
	lwkt_synchronize_ipiqs("test");
	lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
	if (TIMES(1, 0))
		await_deaf(&calls, 1);
	else
		await(&calls, 1);
	join(td);
	return 0;
}

static void
call_and_wake(void *arg, int n)
{
	(void)arg, (void)n;
	ADD(calls, 1);
	lwkt_wakeup(&calls);
}

/* All CPUs halt; or one is about to halt while the other sends. */
static int
halted_serves(void *arg)
{
	int cpu = other_cpu(), i;
	int64_t ticks;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	calls = 0;
	for (i = 0; i < 3; i++) {
		lwkt_sleep_ns(i * 300000);
		ticks = counter("lwkt.ticks");
		lwkt_send_ipiq_passive(cpu, call_and_wake, NULL, 0);
		await_asleep(&calls, (uint32_t)i + 1);
		rounds++;
		halts_served += counter("lwkt.ticks") == ticks;
	}
	return 0;
}

/*
 * The second message may find the hint of the first one, which the target
 * clears in this moment without seeing the second.  The sender sleeps then.
 */
static int
missed(void *arg)
{
	uint32_t i, n = TIMES(300, 8);

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	STORE(calls, 0);
	for (i = 1; i <= n; i++) {
		lwkt_send_ipiq_passive(other_cpu(), count_call, NULL, 0);
		lwkt_send_ipiq_passive(other_cpu(), call_and_wake, NULL, 0);
		await_asleep(&calls, 2 * i);
	}
	return 0;
}

static enum manner manners[] = { YIELDS, LEAVES_SECTIONS, BLOCKS, COMPUTES };

int
main(void)
{
	sim_explore("a passive message signals nobody and comes with the next",
	    no_signal, NULL, 200);
	sim_explore("race 19, idle: the idle loop serves passive messages",
	    idle_serves, NULL, 200);
	sim_explore("race 19: the tick serves passive messages", tick_serves,
	    NULL, 50);
	sim_explore("a thread alone on its CPU serves them: yields",
	    alone_serves, &manners[YIELDS], 50);
	sim_explore("a thread alone on its CPU serves them: critical exits",
	    alone_serves, &manners[LEAVES_SECTIONS], 50);
	sim_explore("a thread alone on its CPU serves them: sleeps",
	    alone_serves, &manners[BLOCKS], 50);
	sim_explore("a thread alone on its CPU serves them: it computes",
	    alone_serves, &manners[COMPUTES], 50);
	sim_explore("a CPU that halts serves them, or is woken", halted_serves,
	    NULL, 300);
	if (TIMES(0, 1) && rounds >= 50)
		ok(halts_served > 0, "before any tick: %u times of %u",
		    halts_served, rounds);
	sim_explore("IPI2: a passive message that its target has not seen",
	    missed, NULL, 300);
	sim_explore("many passive messages are signalled", many_are_signalled,
	    NULL, 100);
	sim_explore("race 17: a queue full of passive messages gets served",
	    full_of_passive, NULL, 100);
	sim_explore("race 17: the same while the target is busy",
	    full_while_busy, NULL, 100);
	return tap_done();
}
