/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The explorer finds known bugs in few seeds, and none where there is none.
 *
 * Each toy exists twice: with a textbook mistake, and corrected.  This is the
 * honest measure of the simulated host: a strategy that stopped switching, or
 * switched in the wrong places, would still be deterministic and fast, but it
 * would miss one of these.
 */
#include "toy.h"

/* Under TSan each hunt is slow to start. */
#define GOOD_SCHEDULES	(LWKT_TSAN ? 200 : 2000)
#define TRIALS		(LWKT_TSAN ? 2 : 10)

static uint32_t	counter, word[4], held[2], overlap;
static int	buggy;

static void
init(void)
{
	counter = overlap = 0;
	memset(word, 0, sizeof(word));
	memset(held, 0, sizeof(held));
}

/* A counter: load and store instead of one addition. */

static void
update_cpu(int cpu)
{
	int i;

	(void)cpu;
	for (i = 0; i < 3; i++) {
		if (buggy)
			atomic_store_32(&counter,
			    atomic_load_32(&counter) + 1);
		else
			atomic_fetchadd_32(&counter, 1);
	}
}

static int
update_good(void)
{
	return counter == 3 * 3;
}

/* Sleep until told: the condition is not looked at again before sleeping. */

enum { READY, SLEEPER };

static void
notify(struct mcpu *mc)
{
	if (atomic_fetchor_32(&mc->mc_reqflags, RQF_IPIQ) & RQF_SLEEPING)
		machine_doorbell(mc);
}

static void
wakeup_cpu(int cpu)
{
	if (cpu == 1) {
		atomic_store_rel_32(&word[READY], 1);
		atomic_fence_seq_cst();
		if (atomic_load_32(&word[SLEEPER]))
			notify(&toy_mcpu[0]);
		return;
	}
	if (atomic_load_acq_32(&word[READY]))
		return;
	atomic_store_32(&word[SLEEPER], 1);
	atomic_fence_seq_cst();
	if (!buggy && atomic_load_acq_32(&word[READY]))
		return;
	while ((atomic_load_32(&toy_mcpu[0].mc_reqflags) & RQF_IPIQ) == 0)
		machine_idle(&toy_mcpu[0]);
}

static int
always_good(void)
{
	return 1;
}

/* Dekker: look whether the other wants in, then say that oneself does. */

static void
critical(void)
{
	if (atomic_fetchadd_32(&counter, 1) != 0)
		overlap = 1;
	atomic_fetchadd_32(&counter, (uint32_t)-1);
}

static void
dekker_cpu(int cpu)
{
	unsigned tries;

	for (tries = 0; tries < 3; tries++) {
		if (buggy && atomic_load_32(&word[!cpu]))
			continue;
		atomic_store_32(&word[cpu], 1);
		atomic_fence_seq_cst();
		if (buggy || !atomic_load_32(&word[!cpu]))
			critical();
		atomic_store_rel_32(&word[cpu], 0);
		machine_pause(tries);
	}
}

static int
no_overlap(void)
{
	return !overlap;
}

/* Two locks, taken in opposite orders. */

static void
lock(uint32_t *l)
{
	unsigned turn = 0;

	while (!atomic_cmpset_32(l, 0, 1))
		machine_pause(turn++);
}

static void
order_cpu(int cpu)
{
	int first = buggy ? cpu : 0;

	lock(&held[first]);
	lock(&held[!first]);
	counter++;
	atomic_store_rel_32(&held[!first], 0);
	atomic_store_rel_32(&held[first], 0);
}

static int
order_good(void)
{
	return counter == 2;
}

/*
 * A stack of four nodes with a compare-and-set on its head.  CPU 0 pops one;
 * CPU 1 pops two and pushes the first back, so that the head looks unchanged
 * (ABA) and CPU 0 may take the second a second time.  Cure: a version number
 * in the upper half of the word.
 */

static uint32_t	next[5], taken[5];

static void
stack_init(void)
{
	uint32_t i;

	init();
	memset(taken, 0, sizeof(taken));
	for (i = 1; i < 5; i++)
		next[i] = i < 4 ? i + 1 : 0;
	word[0] = 1;
}

static uint32_t
pop(void)
{
	uint32_t old, node, after, version = buggy ? 0 : 0x10000;

	do {
		old = atomic_load_acq_32(&word[0]);
		node = old & 0xffff;
		after = atomic_load_32(&next[node]);
	} while (!atomic_cmpset_32(&word[0], old,
	    ((old + version) & 0xffff0000) | after));
	taken[node]++;
	return node;
}

static void
push(uint32_t node)
{
	uint32_t old, version = buggy ? 0 : 0x10000;

	taken[node]--;
	do {
		old = atomic_load_acq_32(&word[0]);
		atomic_store_32(&next[node], old & 0xffff);
	} while (!atomic_cmpset_32(&word[0], old,
	    ((old + version) & 0xffff0000) | node));
}

static void
stack_cpu(int cpu)
{
	uint32_t first;

	first = pop();
	if (cpu == 1) {
		(void)pop();
		push(first);
	}
	if (cpu == 0)
		(void)pop();
}

static int
stack_good(void)
{
	int i;

	for (i = 1; i < 5; i++) {
		if (taken[i] > 1)
			return 0;
	}
	return 1;
}

static const struct toy toys[] = {
	{ "a lost update", 3, init, update_cpu, update_good },
	{ "a lost wake-up", 2, init, wakeup_cpu, always_good },
	{ "two in a critical section", 2, init, dekker_cpu, no_overlap },
	{ "locks in opposite orders", 2, init, order_cpu, order_good },
	{ "the ABA of a lock-free stack", 2, stack_init, stack_cpu,
	    stack_good },
};

static void
strategy_set(enum sim_strategy s, unsigned depth)
{
	struct sim_options so = { .so_strategy = s, .so_depth = depth,
		.so_max_steps = 20000 };

	sim_configure(&so);
}

/* How many seeds it takes, as the mean of some hunts. */
static void
hunt(const struct toy *t, const char *strategy, unsigned bound)
{
	uint64_t worst = 0, sum = 0, k;
	int i, missed = 0;
	struct catch c;

	buggy = 1;
	for (i = 0; i < TRIALS; i++) {
		c = toy_hunt(t, 1 + 100000 * (uint64_t)i, bound);
		k = c.c_seed - 100000 * (uint64_t)i;
		missed += c.c_seed == 0;
		sum += c.c_seed != 0 ? k : 0;
		worst = c.c_seed != 0 && k > worst ? k : worst;
	}
	ok(missed == 0, "%s finds %s within %u seeds", strategy, t->t_name,
	    bound);
	diag("mean %.1f seeds, worst %llu, missed %d of %d",
	    (double)sum / TRIALS, (unsigned long long)worst, missed, TRIALS);
}

static void
quiet_when_correct(const struct toy *t)
{
	struct catch c;

	buggy = 0;
	c = toy_hunt(t, 1, GOOD_SCHEDULES);
	ok(c.c_seed == 0 && c.c_signal == 0,
	    "without %s, %d schedules find nothing", t->t_name,
	    GOOD_SCHEDULES);
	if (c.c_seed != 0)
		diag("seed %llu: %s", (unsigned long long)c.c_seed,
		    c.c_report);
}

/* Every schedule with two preemptions at most. */
static void
enumerate(const struct toy *t)
{
	struct catch c;

	strategy_set(SIM_DFS, 60);
	buggy = 1;
	c = toy_hunt(t, 1, TOY_DFS);
	ok(c.c_seed != 0, "dfs finds %s", t->t_name);
	diag("schedule %llu", (unsigned long long)c.c_seed);
	buggy = 0;
	c = toy_hunt(t, 1, TOY_DFS);
	ok(c.c_seed == 0 && c.c_runs > 1, "dfs finds nothing without %s",
	    t->t_name);
	diag("%llu schedules, %s", (unsigned long long)c.c_runs,
	    c.c_complete ? "all there are" : "bounded");
}

int
main(void)
{
	size_t i;

	for (i = 0; i < nitems(toys); i++) {
		strategy_set(SIM_SWARM, 0);
		hunt(&toys[i], "the swarm", 300);
		quiet_when_correct(&toys[i]);
		strategy_set(SIM_RANDOM, 0);
		hunt(&toys[i], "random", 300);
		strategy_set(SIM_PCT, 3);
		hunt(&toys[i], "pct", 3000);
		enumerate(&toys[i]);
	}
	return tap_done();
}
