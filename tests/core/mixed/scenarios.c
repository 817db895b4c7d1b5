/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Worked scenarios: where several mechanisms meet, from end to end.
 *
 *	A  a synchronous message to a thread of another CPU
 *	B  an interrupt thread needs a token of the thread it preempted
 *	C  a time slice ends, under bsd4
 *	D  a wakeup races a sleep on another CPU
 *	E  a thread moves itself, under load
 *	F  a storm of messages meets a full ring
 *	G  others free blocks of a zone that has no free one
 *	H  the CPUs stop while everything is under way
 */
#include <lwkt/cpusync.h>
#include <lwkt/malloc.h>
#include <lwkt/msgport.h>
#include <lwkt/spinlock.h>
#include <lwkt/token.h>
#include <lwkt/usched.h>

#include "core/util.h"

#define MAXCPUS		8

static uint32_t told, seen;

/*
 * A
 */
static void
serve(void *arg)
{
	int n = *(int *)arg;
	lwkt_msg_t msg;

	while (n-- > 0) {
		msg = lwkt_waitport(lwkt_curport(), 0);
		check((msg->ms_flags & LWKT_MSGF_QUEUED) == 0, "still queued");
		msg->ms_u.i64 *= 2;
		lwkt_replymsg(msg, 7);
	}
}

/* One message there and back: how many went between CPUs. */
static int64_t
ask(lwkt_thread_t server, int64_t question)
{
	int64_t ipis;
	struct lwkt_msg msg;
	int error;

	lwkt_initmsg(&msg, lwkt_curport(), 0);
	msg.ms_u.i64 = question;
	ipis = counter("lwkt.ipiq_count");
	error = lwkt_domsg(lwkt_threadport(server), &msg, 0);
	ipis = counter("lwkt.ipiq_count") - ipis;
	check(error == 7 && msg.ms_u.i64 == 2 * question, "error %d, answer "
	    "%lld", error, (long long)msg.ms_u.i64);
	check((msg.ms_flags & (LWKT_MSGF_DONE | LWKT_MSGF_REPLY |
	    LWKT_MSGF_QUEUED)) == (LWKT_MSGF_DONE | LWKT_MSGF_REPLY),
	    "flags %#x", msg.ms_flags);
	return ipis;
}

static int
scenario_a(void *arg)
{
	int n = 5, i, cpu, want;
	lwkt_thread_t td;
	int64_t ipis;

	(void)arg;
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++) {
		want = cpu == lwkt_cpuid() ? 0 : 2;
		td = spawn(serve, &n, 0, cpu);
		settle(cpu, LWKT_PRI_KERN_DAEMON);	/* it waits */
		for (i = 0; i < n; i++) {
			ipis = ask(td, i);
			check(ipis == want, "%lld messages between CPUs, not "
			    "%d", (long long)ipis, want);
		}
		join(td);
	}
	return 0;
}

/*
 * B
 */
static struct lwkt_token k, mine;
static struct log trail;

static void
needs_k(void *arg)
{
	(void)arg;
	log_add(&trail, 'i');
	lwkt_gettoken(&mine);
	lwkt_gettoken(&k);
	log_add(&trail, 'k');
	check(lwkt_token_held_excl(&mine) && lwkt_token_held_excl(&k),
	    "not both");
	check(lwkt_preempted_proc() == lwkt_self(), "still on a loan");
	lwkt_reltoken(&k);
	lwkt_reltoken(&mine);
}

static int
scenario_b(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	trail = (struct log){ 0 };
	lwkt_token_init(&k, "k");
	lwkt_token_init(&mine, "mine");
	lwkt_gettoken(&k);
	td = spawn_pri(needs_k, NULL, LWKT_PRI_INT_MED,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_schedule(td);		/* preempts, and wants k */
	log_add(&trail, 'n');
	check(lwkt_token_held_excl(&k), "k was taken away");
	check(lwkt_trytoken(&mine), "it waits with its other token");
	lwkt_reltoken(&mine);
	lwkt_yield_quick();		/* lets go of k: the other's turn */
	log_add(&trail, 'm');
	check(lwkt_token_held_excl(&k), "k did not come back");
	lwkt_reltoken(&k);
	join(td);
	check(strcmp(trail.l_text, "inkm") == 0, "order %s", trail.l_text);
	return 0;
}

/*
 * C
 */
#define SLICES		6
#define RRINTERVAL	5		/* ticks */

static lwkt_lwp_t sharer[2];
static int64_t began;			/* ticks, before this turn began */
static int64_t looked;			/* ticks, at the last look */

static void
shares(void *arg)
{
	int me = (int)(intptr_t)arg, c = "ab"[me];
	lwkt_lwp_t other = sharer[1 - me];
	int64_t ticks;

	while (trail.l_len < SLICES) {
		lwkt_crit_enter();
		ticks = counter("lwkt.ticks");
		/* A slice may end after the loop's test, the other lwp, too. */
		if (trail.l_len < SLICES && (trail.l_len == 0 ||
		    trail.l_text[trail.l_len - 1] != c)) {
			check(trail.l_len == 0 || ticks - began >= RRINTERVAL,
			    "a slice of %lld ticks", (long long)(ticks -
			    began));
			began = looked;
			log_add(&trail, c);
			check(other->lp_mode == LWKT_LWP_QUEUED,
			    "the other: mode %d", other->lp_mode);
		}
		looked = ticks;
		check(lwkt_self()->td_pri == LWKT_PRI_USER_NORM, "priority %d",
		    lwkt_self()->td_pri);
		lwkt_crit_exit();	/* the way back to its own code */
	}
}

static int
scenario_c(void *arg)
{
	lwkt_usched_t bsd4 = lwkt_usched_find("bsd4");
	int i;

	(void)arg;
	if (!TICKS_COME)
		return 0;
	trail = (struct log){ 0 };
	began = looked = 0;
	for (i = 0; i < 2; i++)
		if (lwkt_lwp_create(shares, (void *)(intptr_t)i, &sharer[i],
		    bsd4, LWKT_JOINABLE | LWKT_NOSTART, "sharer %d", i) != 0 ||
		    lwkt_lwp_setcpumask(sharer[i],
		    lwkt_cpumask_one(lwkt_cpuid())) != 0)
			return 1;
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(sharer[i]);
	for (i = 0; i < 2; i++)
		check(lwkt_lwp_join(sharer[i]) == 0, "join");
	check(strncmp(trail.l_text, "ababab", SLICES) == 0, "turns %s",
	    trail.l_text);
	check(counter("kern.usched_bsd4.slices") >= SLICES - 1,
	    "%lld slices", (long long)counter("kern.usched_bsd4.slices"));
	return 0;
}

/*
 * D
 */
static struct lwkt_spin lock;
static int open;			/* under lock */

static void
waits_for_open(void *arg)
{
	(void)arg;
	lwkt_spin_lock(&lock);
	while (!open) {
		lwkt_tsleep_interlock(&open, 0);
		lwkt_spin_unlock(&lock);
		check(lwkt_tsleep(&open, LWKT_PINTERLOCKED, "open",
		    LWKT_FOREVER) == 0, "not woken");
		lwkt_spin_lock(&lock);
	}
	lwkt_spin_unlock(&lock);
}

static int
scenario_d(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	lwkt_spin_init(&lock, "lock");
	open = 0;
	td = spawn(waits_for_open, NULL, LWKT_NOSTART, other_cpu());
	focus(1);
	lwkt_schedule(td);
	lwkt_spin_lock(&lock);
	open = 1;
	lwkt_spin_unlock(&lock);
	lwkt_wakeup(&open);
	focus(0);
	join(td);
	return 0;
}

/*
 * E
 */
#define LETTERS		TIMES(500, 20)

static void
wanders(void *arg)
{
	struct rng r = { 5 };
	lwkt_msg_t msg;
	int i, cpu;

	for (i = 0; i < *(int *)arg * LETTERS; i++) {
		cpu = (int)rng_below(&r, (uint32_t)lwkt_ncpus());
		lwkt_migratecpu(cpu);
		check(lwkt_cpuid() == cpu, "on cpu %d", lwkt_cpuid());
		msg = lwkt_waitport(lwkt_curport(), 0);
		lwkt_replymsg(msg, 0);
	}
}

static void
writes(void *arg)
{
	struct lwkt_msg msg;
	int i;

	lwkt_initmsg(&msg, lwkt_curport(), 0);
	for (i = 0; i < LETTERS; i++) {
		lwkt_schedule(arg);	/* wherever it is, or whither it goes */
		check(lwkt_domsg(lwkt_threadport(arg), &msg, 0) == 0, "error");
	}
}

static int
scenario_e(void *arg)
{
	int n = lwkt_ncpus(), cpu;
	lwkt_thread_t td, w[MAXCPUS];

	(void)arg;
	td = spawn(wanders, &n, 0, 0);
	lwkt_hold(td);
	for (cpu = 0; cpu < n; cpu++)
		w[cpu] = spawn(writes, td, 0, cpu);
	join_all(w, n);
	join(td);
	lwkt_rele(td);
	return 0;
}

/*
 * F
 */
#define STORM		TIMES(1000, 200)

static int expected[MAXCPUS][MAXCPUS];	/* [source][target], the target's */
static int deep[MAXCPUS];		/* its CPU's */

static void
in_order(void *arg, int n)
{
	int src = (int)(intptr_t)arg, me = lwkt_cpuid();

	check(deep[me]++ == 0, "a callback in a callback");
	check(expected[src][me] == n, "%d to %d: %d for %d", src, me, n,
	    expected[src][me]);
	expected[src][me]++;
	deep[me]--;
}

static void
storms(void *arg)
{
	int me = lwkt_cpuid(), n = lwkt_ncpus(), i, cpu;

	(void)arg;
	lwkt_crit_enter();
	for (i = 0; i < STORM; i++)
		for (cpu = 0; cpu < n; cpu++)
			if (cpu != me)
				lwkt_send_ipiq2(cpu, in_order,
				    (void *)(intptr_t)me, i);
	lwkt_crit_exit();
	lwkt_synchronize_ipiqs("storm");
}

static int
scenario_f(void *arg)
{
	int n = lwkt_ncpus(), src, dst;
	lwkt_thread_t td[MAXCPUS];

	(void)arg;
	memset(expected, 0, sizeof(expected));
	memset(deep, 0, sizeof(deep));
	for (src = 0; src < n; src++)
		td[src] = spawn(storms, NULL, 0, src);
	join_all(td, n);
	for (src = 0; src < n; src++)
		for (dst = 0; dst < n; dst++)
			check(expected[src][dst] == (src == dst ? 0 : STORM),
			    "%d of %d from %d to %d", expected[src][dst],
			    STORM, src, dst);
	return 0;
}

/*
 * G
 */
#define BLOCK		((size_t)16384)
#define BLOCKS		7		/* of them in a zone */

static LWKT_MALLOC_DEFINE(M_BLOCK, "block", "blocks of scenario G");

static void
frees(void *arg)
{
	lwkt_kfree(arg, M_BLOCK);
}

static int
scenario_g(void *arg)
{
	int64_t signals = counter("vm.slab_signals"), zones;
	int i, b, n = lwkt_ncpus();
	void *p[BLOCKS], *q[2];
	lwkt_thread_t td[2];

	(void)arg;
	for (i = 0; i < BLOCKS; i++)
		p[i] = lwkt_kmalloc(BLOCK, M_BLOCK, LWKT_M_WAITOK);
	zones = counter("vm.slab_zones");
	focus(1);
	td[0] = spawn(frees, p[0], 0, 1 % n);
	td[1] = spawn(frees, p[1], 0, n > 2 ? 2 : 1 % n);
	focus(0);
	join_all(td, 2);
	lwkt_synchronize_ipiqs("zone");		/* what they sent is here */
	signals = counter("vm.slab_signals") - signals;
	check(signals == (n > 1), "%lld messages", (long long)signals);
	for (i = 0; i < 2; i++) {
		q[i] = lwkt_kmalloc(BLOCK, M_BLOCK, LWKT_M_WAITOK);
		for (b = 0; b < BLOCKS && q[i] != p[b]; b++)
			continue;
		check(b < 2, "not of the blocks that were freed");
	}
	check(counter("vm.slab_zones") == zones, "the zone was forgotten");
	for (i = 0; i < BLOCKS; i++)
		lwkt_kfree(p[i], M_BLOCK);
	return 0;
}

/*
 * H
 */
static void
counts(void *arg, int unused)
{
	(void)arg, (void)unused;
	ADD(seen, 1);
}

static void
never_ends(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };

	for (;;) {
		ADD(seen, 1);
		switch (rng_below(&r, 6)) {
		case 0:
			lwkt_sleep_ns(1 + rng_below(&r, 3000));
			break;
		case 1:
			lwkt_migratecpu(other_cpu());
			break;
		case 2:
			(void)lwkt_send_ipiq_bcast(counts, NULL, 0);
			break;
		case 3:
			lwkt_gettoken(&k);
			lwkt_yield();
			lwkt_reltoken(&k);
			break;
		case 4:
			(void)lwkt_tsleep(&told, 0, "told", 2000);
			break;
		default:
			lwkt_wakeup(&told);
			lwkt_yield();
			break;
		}
	}
}

static int
scenario_h(void *arg)
{
	int i;

	(void)arg;
	seen = 0;
	lwkt_token_init(&k, "k");
	for (i = 0; i < 6; i++)
		if (lwkt_create(never_ends, (void *)(intptr_t)i, NULL, NULL, 0,
		    i % lwkt_ncpus(), "endless") != 0)
			return 1;
	while (LOAD(seen) < 60) {
		if (TICKS_COME)
			lwkt_sleep_ns(1000);
		else
			lwkt_yield();
	}
	return 0;			/* the CPUs stop now */
}

int
main(void)
{
	static const struct sim_scenario every = {
		.ss_name = "D, in every schedule of two preemptions",
		.ss_body = scenario_d, .ss_seeds = 50000, .ss_ncpus = 2,
		.ss_dfs = 1000, .ss_focus = 1,
	};
	static const struct sim_scenario every_g = {
		.ss_name = "G, in every schedule of two preemptions",
		.ss_body = scenario_g, .ss_seeds = 50000, .ss_ncpus = 3,
		.ss_dfs = 200, .ss_focus = 1,
	};

	sim_explore("A: a message to another CPU costs two IPIs, to one's own "
	    "none", scenario_a, NULL, 200);
	sim_explore("B: an interrupt thread needs a token of its lender",
	    scenario_b, NULL, 200);
	setenv("LWKT_TUNE", "lwkt.hz=10000,kern.schedhz=10000", 1);
	sim_explore("C: a slice of time ends, and another begins", scenario_c,
	    NULL, 100);
	unsetenv("LWKT_TUNE");
	sim_explore("D: a wakeup races a sleep", scenario_d, NULL, 300);
	sim_explore_with(&every);
	sim_explore("E: messages follow a thread that moves", scenario_e,
	    NULL, 200);
	sim_explore("F: a storm of messages meets full rings", scenario_f,
	    NULL, 100);
	sim_explore("G: a zone without a free block is told once that it has "
	    "some again", scenario_g, NULL, 300);
	sim_explore_with(&every_g);
	sim_explore("H: the CPUs stop while everything is under way",
	    scenario_h, NULL, 300);
	return tap_done();
}
