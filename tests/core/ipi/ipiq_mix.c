/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages from everywhere at once: threads, sections, callbacks, timers and
 * holders of spinlocks send; masters stop the CPUs; readers read.  What must
 * hold: each message runs once, in the order of its pair, in no section, and
 * beside no master; everybody gets on.
 */
#include <lwkt/cpusync.h>
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>

#include "core/util.h"

#define MAXCPUS		8
#define ROUNDS		TIMES(150, 12)
#define BURST		TIMES(200, 12)	/* most messages of one section */

/* Of each pair: sent, by the sender's CPU; run, by the target's. */
static uint32_t sent[MAXCPUS][MAXCPUS], run[MAXCPUS][MAXCPUS];
static uint32_t closed[MAXCPUS];	/* sections, callbacks: own CPU */
static uint32_t alone;			/* a master is */
static uint32_t freed, timers;
static struct lwkt_spin spin[2];

static void
section_begin(void)
{
	lwkt_crit_enter();
	closed[lwkt_cpuid()]++;
}

static void
section_end(void)
{
	closed[lwkt_cpuid()]--;
	lwkt_crit_exit();
}

static void	arrives(void *arg, int n);

/* In a section.  more: the callback sends so many on. */
static void
send(int cpu, int more)
{
	int me = lwkt_cpuid();

	if (cpu == me)
		return;
	lwkt_send_ipiq2(cpu, arrives, (void *)(uintptr_t)(me | more << 8),
	    (int)sent[me][cpu]++);
}

static void
arrives(void *arg, int n)
{
	int src = (int)(uintptr_t)arg & 0xff, more = (int)(uintptr_t)arg >> 8;
	int me = lwkt_cpuid();

	check(closed[me] == 0, "a callback ran in a section");
	check(run[src][me] == (uint32_t)n, "%d to %d: %d, not %u", src, me, n,
	    run[src][me]);
	run[src][me]++;
	closed[me]++;
	if (more > 0)
		send((me + more) % lwkt_ncpus(), more - 1);
	closed[me]--;
}

static void
burst(struct rng *r)
{
	int n = (int)rng_below(r, BURST), cpu;

	cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus());
	while (n-- > 0) {
		send(cpu, rng_below(r, 4) == 0 ? 2 : 0);
		if (rng_below(r, 8) == 0)
			cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus());
	}
}

static void
in_section(struct rng *r)
{
	section_begin();
	burst(r);
	section_end();
}

static void
in_spinlock(struct rng *r)
{
	int shared = rng_below(r, 3) == 0;
	lwkt_spin_t s = &spin[rng_below(r, 2)];

	section_begin();
	if (shared)
		lwkt_spin_lock_shared(s);
	else
		lwkt_spin_lock(s);
	burst(r);
	lwkt_spin_unlock_any(s);
	section_end();
}

/*
 * In the open callbacks run inside the call, and send between the taking of a
 * number and the message: no numbers here.
 */
static uint32_t open_sent, open_run;

static void
arrives_unnumbered(void *arg)
{
	(void)arg;
	check(closed[lwkt_cpuid()] == 0, "a callback ran in a section");
	ADD(open_run, 1);
}

static void
in_the_open(struct rng *r)
{
	int cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus()), n;
	unsigned seq;

	for (n = (int)rng_below(r, BURST); n > 0; n--) {
		ADD(open_sent, 1);
		seq = lwkt_send_ipiq(cpu, arrives_unnumbered, NULL);
		if (rng_below(r, 16) == 0)
			lwkt_wait_ipiq(cpu, seq);
	}
}

static void
master(struct rng *r)
{
	struct lwkt_cpusync cs;

	if (rng_below(r, 3) != 0)
		return;
	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	check(ADD(alone, 1) == 1, "two masters");
	burst(r);
	ADD(alone, -1);
	lwkt_cpusync_deinterlock(&cs);
}

struct shot {
	struct lwkt_systimer s_st;
	struct rng	 s_rng;
};

static void
fires(struct lwkt_systimer *st, void *arg)
{
	struct shot *s = arg;

	(void)st;
	closed[lwkt_cpuid()]++;
	burst(&s->s_rng);
	closed[lwkt_cpuid()]--;
	ADD(timers, 1);
}

struct cell {
	struct lwkt_retire c_retire;	/* first */
	uint32_t	 c_dead;
};

static void
dies(struct lwkt_retire *rt)
{
	STORE(((struct cell *)rt)->c_dead, 1);
	ADD(freed, 1);
}

static struct cell cells[MAXCPUS][ROUNDS];
static struct cell *shown;

static void
reads(struct rng *r)
{
	struct cell *c;

	section_begin();
	c = __atomic_load_n(&shown, __ATOMIC_SEQ_CST);
	burst(r);
	check(c == NULL || LOAD(c->c_dead) == 0, "freed under a reader");
	section_end();
}

static void
acts(void *arg)
{
	static void (*const act[])(struct rng *) = { in_section, in_section,
		in_spinlock, in_spinlock, in_the_open, master, reads };
	int me = lwkt_cpuid(), i;
	struct rng r = { (uint64_t)(uintptr_t)arg + (uint64_t)me };
	struct shot shot = { .s_rng = { (uint64_t)me * 31 } };
	struct cell *old;

	for (i = 0; i < ROUNDS; i++) {
		check(LOAD(alone) == 0, "a thread runs beside a master");
		act[rng_below(&r, sizeof(act) / sizeof(act[0]))](&r);
		if (i == ROUNDS / 2)
			lwkt_systimer_init_oneshot(&shot.s_st, fires, &shot,
			    1000);
		if (rng_below(&r, 3) == 0) {
			old = __atomic_exchange_n(&shown, &cells[me][i],
			    __ATOMIC_SEQ_CST);
			if (old != NULL)
				lwkt_retire(&old->c_retire, dies);
		}
		if (rng_below(&r, 4) == 0)
			lwkt_yield();
	}
	await(&timers, (uint32_t)lwkt_ncpus());
}

static void
settle_messages(void)
{
	int round, cpu;

	for (round = 0; round < 4; round++)	/* what callbacks send on */
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
			join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
			    (void *)(uintptr_t)"test", 0, cpu));
}

static int
mix(void *arg)
{
	int n = lwkt_ncpus(), src, cpu;
	lwkt_thread_t td[MAXCPUS];

	memset(sent, 0, sizeof(sent));
	memset(run, 0, sizeof(run));
	memset(closed, 0, sizeof(closed));
	memset(cells, 0, sizeof(cells));
	alone = freed = timers = open_sent = open_run = 0;
	shown = NULL;
	lwkt_spin_init(&spin[0], "first");
	lwkt_spin_init(&spin[1], "second");
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(acts, arg, 0, cpu);
	join_all(td, n);
	settle_messages();
	for (src = 0; src < n; src++)
		for (cpu = 0; cpu < n; cpu++)
			check(sent[src][cpu] == run[src][cpu],
			    "%d to %d: %u sent, %u run", src, cpu,
			    sent[src][cpu], run[src][cpu]);
	check(open_sent == open_run, "%u sent, %u run", open_sent, open_run);
	return 0;
}

int
main(void)
{
	static const int ncpus[] = { 2, 4, 8 };
	static const char *const name[] = { "messages from everywhere",
		"so on four CPUs", "so on eight" };
	unsigned i;

	for (i = 0; i < TIMES(2, 3); i++) {
		struct sim_scenario ss = { .ss_name = name[i],
			.ss_body = mix, .ss_arg = (void *)(uintptr_t)(i * 7919),
			.ss_seeds = 40 >> i, .ss_ncpus = ncpus[i] };

		sim_explore_with(&ss);
	}
	return tap_done();
}
