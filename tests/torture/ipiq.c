/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: messages between CPUs of every kind, with answers, in floods that
 * fill the queues.
 *
 * Conservation: each numbered message ran once, in the order of its pair;
 * answers sent = answers run; masks reached all they named.
 */
#include "core/util.h"
#include "torture/torture.h"

#define MAXCPUS		64

static int expected[MAXCPUS][MAXCPUS];	/* written by the target */
static int next[MAXCPUS][MAXCPUS];	/* written by the sender */
static uint64_t disorder, answers_sent, answers_run, mask_sent, mask_run;
static uint64_t nested, refused;
static int depth[MAXCPUS];		/* each of its own CPU */

static void
callback_begin(void)
{
	if (++depth[lwkt_cpuid()] > 1)
		ADD(nested, 1);
}

static void
callback_end(void)
{
	depth[lwkt_cpuid()]--;
}

static void
answer(void *arg, int more)
{
	callback_begin();
	ADD(answers_run, 1);
	if (more > 0) {
		ADD(answers_sent, 1);
		lwkt_send_ipiq2((int)(intptr_t)arg, answer,
		    (void *)(intptr_t)lwkt_cpuid(), more - 1);
	}
	callback_end();
}

static void
numbered(void *arg, int n)
{
	int src = (int)(intptr_t)arg, me = lwkt_cpuid();

	callback_begin();
	if (expected[src][me] != n)
		ADD(disorder, 1);
	expected[src][me] = n + 1;
	if (n % 2 == 0) {
		ADD(answers_sent, 1);
		lwkt_send_ipiq2(src, answer, (void *)(intptr_t)me, n % 3);
	}
	callback_end();
}

static void
named(void *arg, int n)
{
	(void)arg, (void)n;
	ADD(mask_run, 1);
}

/* One numbered message; the number and the sending are one step. */
static void
send_numbered(struct rng *r, int cpu)
{
	int me, n, error = 0;
	void *arg;

	lwkt_crit_enter();
	me = lwkt_cpuid();
	arg = (void *)(intptr_t)me;
	n = next[me][cpu];
	switch (rng_below(r, 8)) {
	case 0:
		lwkt_send_ipiq_passive(cpu, numbered, arg, n);
		break;
	case 1:
		error = lwkt_send_ipiq_nowait(cpu, numbered, arg, n);
		break;
	default:
		lwkt_send_ipiq2(cpu, numbered, arg, n);
		break;
	}
	if (error == 0)
		next[me][cpu]++;
	else
		ADD(refused, 1);
	lwkt_crit_exit();
}

static void
flood(struct rng *r)
{
	int i, n = (int)rng_below(r, 700), cpu;
	int crit = rng_below(r, 2) != 0;

	cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus());
	if (cpu == lwkt_cpuid())
		return;
	if (crit)
		lwkt_crit_enter();
	for (i = 0; i < n; i++)
		send_numbered(r, cpu);
	if (crit)
		lwkt_crit_exit();
}

static void
mask(struct rng *r)
{
	lwkt_cpumask_t m = { { rng_next(r), rng_next(r) } };
	int n;

	n = rng_below(r, 2) ? lwkt_send_ipiq_bcast(named, NULL, 0) :
	    lwkt_send_ipiq_mask(m, named, NULL, 0);
	ADD(mask_sent, (uint64_t)n);
}

static void
sender(void *arg)
{
	int home = (int)(intptr_t)arg, cpu;
	struct rng r = { torture_seed + (uint64_t)home };

	while (!torture_over()) {
		switch (rng_below(&r, 6)) {
		case 0:
			mask(&r);
			break;
		case 1:
			lwkt_synchronize_ipiqs("torture");
			break;
		case 2:
			cpu = (home + 1) % lwkt_ncpus();
			ADD(mask_sent, 1);
			lwkt_wait_ipiq(cpu, lwkt_send_ipiq2(cpu, named, NULL,
			    0));
			break;
		case 3:
			lwkt_sleep_ns(rng_below(&r, 10000));
			break;
		default:
			flood(&r);
			break;
		}
		lwkt_yield();
	}
}

static void
synchronize(void *arg)
{
	(void)arg;
	lwkt_synchronize_ipiqs("torture");
}

static void
check_all(void)
{
	int src, dst, n = lwkt_ncpus();

	for (src = 0; src < n; src++)
		for (dst = 0; dst < n; dst++)
			check(expected[src][dst] == next[src][dst],
			    "%d to %d: %d sent, %d ran", src, dst,
			    next[src][dst], expected[src][dst]);
	check(disorder == 0, "%llu out of order",
	    (unsigned long long)disorder);
	check(nested == 0, "%llu nested", (unsigned long long)nested);
	check(answers_sent == answers_run, "answers: %llu sent, %llu ran",
	    (unsigned long long)answers_sent,
	    (unsigned long long)answers_run);
	check(mask_sent == mask_run, "masks: %llu sent, %llu ran",
	    (unsigned long long)mask_sent, (unsigned long long)mask_run);
}

static int
body(void *arg)
{
	lwkt_thread_t td[MAXCPUS];
	int cpu, i, n = lwkt_ncpus();

	(void)arg;
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(sender, (void *)(intptr_t)cpu, 0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	for (i = 0; i < 4; i++)		/* answers to answers to answers */
		for (cpu = 0; cpu < n; cpu++)
			join(spawn(synchronize, NULL, 0, cpu));
	check_all();
	diag("%lld messages, %lld waits for room, %lld deferred, %llu refused",
	    (long long)counter("lwkt.ipiq_count"),
	    (long long)counter("lwkt.ipiq_fifofull"),
	    (long long)counter("lwkt.ipiq_deferred"),
	    (unsigned long long)refused);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "sent = ran, each once, in order",
	    body);
}
