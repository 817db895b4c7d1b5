/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between CPUs: order, delivery, the kinds of sending.
 */
#include <lwkt/cpusync.h>

#include "core/util.h"

#define MAXCPUS		8
#define MESSAGES	TIMES(3000, 40)
#define TALKS		TIMES(20000, 40)

/* Of each pair: the next number expected; written by the target CPU. */
static int expected[MAXCPUS][MAXCPUS];
static uint32_t out_of_order;

static void
numbered(void *arg, int n)
{
	int src = (int)(intptr_t)arg, me = lwkt_cpuid();

	if (expected[src][me] != n)
		atomic_fetchadd_32(&out_of_order, 1);
	expected[src][me] = n + 1;
}

/* One of the kinds of sending, by chance. */
static void
send_somehow(struct rng *r, int cpu, void *arg, int n)
{
	switch (rng_below(r, 4)) {
	case 0:
		lwkt_send_ipiq_passive(cpu, numbered, arg, n);
		break;
	case 1:
		while (lwkt_send_ipiq_nowait(cpu, numbered, arg, n) != 0)
			lwkt_yield();
		break;
	default:
		lwkt_send_ipiq2(cpu, numbered, arg, n);
		break;
	}
}

static void
flood(void *arg)
{
	int me = lwkt_cpuid(), cpu, n;
	struct rng r = { (uint64_t)me };

	(void)arg;
	for (n = 0; n < MESSAGES; n++)
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
			if (cpu != me)
				send_somehow(&r, cpu,
				    (void *)(intptr_t)me, n);
	lwkt_synchronize_ipiqs("test");
}

static int
each_once_in_order(void *arg)
{
	lwkt_thread_t td[MAXCPUS];
	int src, dst, n = lwkt_ncpus();

	(void)arg;
	memset(expected, 0, sizeof(expected));
	out_of_order = 0;
	for (src = 0; src < n; src++)
		td[src] = spawn(flood, NULL, 0, src);
	for (src = 0; src < n; src++)
		join(td[src]);
	for (src = 0; src < n; src++)
		for (dst = 0; dst < n; dst++)
			check(src == dst || expected[src][dst] == MESSAGES,
			    "%d to %d: %d of %d", src, dst,
			    expected[src][dst], MESSAGES);
	check(out_of_order == 0, "%u out of order", out_of_order);
	return 0;
}

static uint32_t calls;

static void
count_call(void *arg, int n)
{
	(void)arg, (void)n;
	atomic_fetchadd_32(&calls, 1);
}

static void
inline_call(void *arg)
{
	struct globaldata *gd = mygd();

	check(curthread->td_critcount > 0, "no critical section");
	check(gd->gd_intr_nesting > 0, "not a callback");
	*(int *)arg += 1;
}

static int
self_send_is_inline(void *arg)
{
	int ran = 0;
	unsigned seq;

	(void)arg;
	seq = lwkt_send_ipiq(lwkt_cpuid(), inline_call, &ran);
	check(seq == 0 && ran == 1, "seq %u, ran %d", seq, ran);
	lwkt_wait_ipiq(lwkt_cpuid(), seq);
	calls = 0;
	check(lwkt_send_ipiq_nowait(lwkt_cpuid(), count_call, NULL, 0) == 0 &&
	    calls == 1, "nowait to oneself");
	check(curthread->td_critcount == 0, "count %d",
	    curthread->td_critcount);
	return 0;
}

static int
mask_and_broadcast(void *arg)
{
	lwkt_cpumask_t mask = { { 0 } };
	int n = lwkt_ncpus(), cpu, want = 0, got;

	(void)arg;
	calls = 0;
	got = lwkt_send_ipiq_mask(mask, count_call, NULL, 0);
	check(got == 0, "an empty mask sends %d", got);
	for (cpu = 0; cpu < n; cpu += 2, want++)
		cpumask_set(&mask, cpu);
	cpumask_set(&mask, LWKT_MAXCPU - 1);
	got = lwkt_send_ipiq_mask(mask, count_call, NULL, 0);
	check(got == want, "a mask of %d CPUs sends %d", want, got);
	lwkt_synchronize_ipiqs("test");
	check(calls == (uint32_t)want, "%u ran", calls);
	got = lwkt_send_ipiq_bcast(count_call, NULL, 0);
	check(got == n, "a broadcast to %d CPUs sends %d", n, got);
	lwkt_synchronize_ipiqs("test");
	check(calls == (uint32_t)(want + n), "%u ran", calls);
	return 0;
}

static uint32_t deaf[2];		/* has begun; may end */

/* Occupy a CPU without serving anything. */
static void
be_deaf(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	atomic_store_rel_32(&deaf[0], 1);
	await_deaf(&deaf[1], 1);
	lwkt_crit_exit();
}

static lwkt_thread_t
deafen(int cpu)
{
	lwkt_thread_t td;

	deaf[0] = deaf[1] = 0;
	td = spawn(be_deaf, NULL, 0, cpu);
	await(&deaf[0], 1);
	return td;
}

static int
nowait_says_full(void *arg)
{
	int cpu = other_cpu(), n = 0, error = 0;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	calls = 0;
	td = deafen(cpu);
	while (n < 1000 && (error = lwkt_send_ipiq_nowait(cpu, count_call,
	    NULL, 0)) == 0)
		n++;
	check(error == EAGAIN && n > 0, "error %d after %d", error, n);
	check(lwkt_send_ipiq_nowait(cpu, count_call, NULL, 0) == EAGAIN,
	    "full stays full");
	check(calls == 0, "a deaf CPU ran %u", calls);
	atomic_store_rel_32(&deaf[1], 1);
	join(td);
	lwkt_synchronize_ipiqs("test");
	check(calls == (uint32_t)n, "%u of %d ran", calls, n);
	check(lwkt_send_ipiq_nowait(cpu, count_call, NULL, 0) == 0,
	    "room again");
	return 0;
}

static int
wait_means_executed(void *arg)
{
	int cpu = other_cpu(), i;
	unsigned seq = 0;

	(void)arg;
	calls = 0;
	for (i = 1; i <= 10; i++) {
		seq = lwkt_send_ipiq2(cpu, count_call, NULL, 0);
		if (i % 3 != 0)
			continue;
		lwkt_wait_ipiq(cpu, seq);
		check(atomic_load_32(&calls) == (uint32_t)i,
		    "%u of %d had run", calls, i);
	}
	lwkt_wait_ipiq(cpu, seq);
	check(atomic_load_32(&calls) == 10, "%u of 10 had run", calls);
	return 0;
}

/* Both sides wait for each other at the same time. */
static void
waiter(void *arg)
{
	int cpu = *(int *)arg, i;

	for (i = 0; i < TIMES(200, 5); i++)
		lwkt_wait_ipiq(cpu, lwkt_send_ipiq2(cpu, count_call, NULL, 0));
}

static int
mutual_waits(void *arg)
{
	int me = lwkt_cpuid(), cpu = other_cpu();
	lwkt_thread_t td;

	(void)arg;
	calls = 0;
	td = spawn(waiter, &me, 0, cpu);
	waiter(&cpu);
	join(td);
	check(calls == 2 * TIMES(200, 5), "%u ran", calls);
	return 0;
}

static int
synchronize_means_executed(void *arg)
{
	int cpu, i, want = 0;

	(void)arg;
	calls = 0;
	for (i = 0; i < 5; i++) {
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++) {
			if (cpu == lwkt_cpuid())
				continue;
			lwkt_send_ipiq_passive(cpu, count_call, NULL, 0);
			want++;
		}
		lwkt_synchronize_ipiqs("test");
		check(atomic_load_32(&calls) == (uint32_t)want,
		    "%u of %d had run", calls, want);
	}
	return 0;
}

/* A callback answers, and wakes who waits for the answer. */
struct question {
	lwkt_thread_t	q_asker;
	int		q_home;
	uint32_t	q_answers;
};

static void
answered(void *arg)
{
	struct question *q = arg;

	q->q_answers++;
	lwkt_schedule(q->q_asker);
}

static void
asked(void *arg)
{
	struct question *q = arg;

	lwkt_send_ipiq(q->q_home, answered, q);
}

static int
callback_answers(void *arg)
{
	struct question q = { lwkt_self(), lwkt_cpuid(), 0 };
	uint32_t i;

	(void)arg;
	for (i = 1; i <= 10; i++) {
		lwkt_send_ipiq(other_cpu(), asked, &q);
		lwkt_crit_enter();
		while (q.q_answers < i)
			lwkt_sleep("answer", 0);
		lwkt_crit_exit();
		check(q.q_answers == i, "%u answers", q.q_answers);
	}
	return 0;
}

static uint32_t framed;

static void
with_frame(void *arg1, int arg2, void *frame)
{
	check(arg1 == &framed && frame == NULL && lwkt_cpuid() == arg2 % 1000,
	    "arguments");
	ADD(framed, 1);
}

static int
third_argument(void *arg)
{
	int cpu, n = lwkt_ncpus();

	(void)arg;
	STORE(framed, 0);
	for (cpu = 0; cpu < n; cpu++) {
		lwkt_wait_ipiq(cpu, lwkt_send_ipiq3(cpu, with_frame, &framed,
		    1000 + cpu));
		check(LOAD(framed) == (uint32_t)cpu + 1, "%u", framed);
		check(lwkt_send_ipiq3_mask(lwkt_cpumask_one(cpu), with_frame,
		    &framed, cpu) == 1, "one");
		lwkt_synchronize_ipiqs("test");
		ADD(framed, -1);
		if (cpu != lwkt_cpuid())
			lwkt_wait_ipiq(cpu, lwkt_send_ipiq3_passive(cpu,
			    with_frame, &framed, cpu));
		else
			ADD(framed, 1);
		ADD(framed, -1);
	}
	return 0;
}

struct spinner {
	uint32_t	sp_asked;
	uint32_t	sp_done;
};

static void
spinner_answer(void *arg)
{
	struct spinner *sp = arg;

	STORE(sp->sp_asked, 1);
}

static void
asks_spinner(void *arg)
{
	struct spinner *sp = arg;

	lwkt_wait_ipiq(0, lwkt_send_ipiq(0, spinner_answer, sp));
	STORE(sp->sp_done, 1);
}

/* Who spins in a critical section serves those it waits for. */
static int
spins_and_serves(void *arg)
{
	struct spinner sp = { 0, 0 };
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	td = spawn(asks_spinner, &sp, 0, 1);
	lwkt_migratecpu(0);
	lwkt_crit_enter();
	while (LOAD(sp.sp_done) == 0)
		lwkt_process_ipiq();
	check(LOAD(sp.sp_asked) == 1, "not asked");
	lwkt_crit_exit();
	join(td);
	return 0;
}

static int
process_outside_body(void *arg)
{
	(void)arg;
	lwkt_process_ipiq();
	return 0;
}

static uint32_t told, heard;

static void
listener(void *arg)
{
	uint32_t i;

	(void)arg;
	lwkt_crit_enter();
	for (i = 1; i <= TALKS; i++) {
		while (atomic_load_acq_32(&told) < i)
			lwkt_sleep("talk", 0);
		atomic_store_rel_32(&heard, i);
	}
	lwkt_crit_exit();
}

/* Each message comes when the listener's CPU has begun, or ends, to watch. */
static int
conversation(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	told = heard = 0;
	td = spawn(listener, NULL, 0, other_cpu());
	for (i = 1; i <= TALKS; i++) {
		atomic_store_rel_32(&told, i);
		lwkt_schedule(td);
		await(&heard, i);
	}
	join(td);
	return 0;
}

int
main(void)
{
	panics("serving messages outside a critical section panics",
	    process_outside_body, "is in no critical section");
	sim_explore("a third argument is the frame", third_argument, NULL,
	    50);
	sim_explore("who spins may serve messages", spins_and_serves, NULL,
	    200);
	sim_explore("race 16: each message runs once, in the order of its pair",
	    each_once_in_order, NULL, 200);
	sim_explore("a message to oneself runs at once", self_send_is_inline,
	    NULL, 20);
	sim_explore("masks and broadcasts send one each and count them",
	    mask_and_broadcast, NULL, 200);
	sim_explore("nowait says EAGAIN when the queue is full",
	    nowait_says_full, NULL, 100);
	sim_explore("lwkt_wait_ipiq returns when the message has run",
	    wait_means_executed, NULL, 200);
	sim_explore("two CPUs may wait for each other", mutual_waits, NULL,
	    200);
	sim_explore("lwkt_synchronize_ipiqs returns when all have run",
	    synchronize_means_executed, NULL, 200);
	sim_explore("a callback may send and schedule", callback_answers,
	    NULL, 200);
	sim_explore("race 19, watched: a conversation loses no message",
	    conversation, NULL, 200);
	return tap_done();
}
