/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preemptible threads: who gets the CPU from a thread that only computes.
 *
 * crunch() is an instruction or more of the program's own.  On Linux signals
 * come between any of them; on the simulated host it is the point that stands
 * for one.  What runs on the wall clock is only how soon; never whether, and
 * that is all that is tested.
 */
#include <lwkt/cpusync.h>
#include <lwkt/lwp.h>
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <lwkt/usched.h>

#include "base/choice.h"
#include "core/util.h"
#include "machine/fiber.h"

static struct log trail;
static uint32_t stop, started, fired;
static lwkt_thread_t intr;

/* A little of a computation. */
static inline void
crunch(void)
{
	lwkt__choice(CHOICE_USER);
	__asm__ __volatile__("" ::: "memory");
}

/* Compute until the flag is set, and never call the library. */
static __attribute__((noinline)) void
hog_until(const uint32_t *flag, uint32_t least)
{
	while (__atomic_load_n(flag, __ATOMIC_RELAXED) < least)
		crunch();
}

static lwkt_thread_t
spawn_hog(void (*fn)(void *), void *arg, int cpu)
{
	return spawn_pri(fn, arg, LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE, cpu);
}

static void
hog(void *arg)
{
	(void)arg;
	ADD(started, 1);
	hog_until(&stop, 1);
}

/* The hog of this CPU would go on for ever; whoever sleeps here gets back. */
static int
sleepers_wake_under_a_hog(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(stop, 0);
	td = spawn_hog(hog, NULL, lwkt_cpuid());
	for (int i = 0; i < 5; i++)
		lwkt_sleep_ns(200000);
	STORE(stop, 1);
	join(td);
	return 0;
}

static void
timer_fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	ADD(fired, 1);
}

static void
waits_for_timers(void *arg)
{
	hog_until(&fired, *(uint32_t *)arg);
}

static int
timers_fire_under_a_hog(void *arg)
{
	uint32_t least = 5;
	struct lwkt_systimer st;
	lwkt_thread_t td;

	(void)arg;
	STORE(fired, 0);
	lwkt_systimer_init_periodic(&st, timer_fires, NULL, 100000, 0);
	td = spawn_hog(waits_for_timers, &least, lwkt_cpuid());
	join(td);
	lwkt_systimer_del(&st);
	check(fired >= least, "%u", fired);
	return 0;
}

static void
interrupts(void *arg)
{
	log_add(&trail, 'i');
	check(lwkt_preempted_proc() == arg, "interrupted another thread");
	STORE(stop, 1);
}

static void
timer_schedules(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	log_add(&trail, 't');
	lwkt_schedule(intr);
}

static void
computes(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	intr = spawn_pri(interrupts, lwkt_self(), LWKT_PRI_INT_MED,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	log_add(&trail, 'a');
	lwkt_systimer_init_oneshot(&st, timer_schedules, NULL, 300000);
	hog_until(&stop, 1);
	log_add(&trail, 'z');
	join(intr);
}

static int
an_interrupt_thread_gets_the_cpu(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	STORE(stop, 0);
	join(spawn_hog(computes, NULL, lwkt_cpuid()));
	check(strcmp(trail.l_text, "atiz") == 0, "order %s", trail.l_text);
	return 0;
}

/* Hogs of one priority: each sees the others go on while it computes. */
static uint32_t turns[3];

static void
takes_turns(void *arg)
{
	int me = (int)(intptr_t)arg, i;

	STORE(turns[me], 1);
	for (i = 0; i < 3; i++)
		hog_until(&turns[i], 1);
	STORE(turns[me], 2);
	for (i = 0; i < 3; i++)
		hog_until(&turns[i], 2);
}

static int
equals_take_turns(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	memset(turns, 0, sizeof(turns));
	for (int i = 0; i < 3; i++)
		td[i] = spawn_hog(takes_turns, (void *)(intptr_t)i,
		    lwkt_cpuid());
	join_all(td, 3);
	return 0;
}

/* Messages of another CPU, and of this one's pthreads. */
static void
told(void *arg)
{
	(void)arg;
	STORE(stop, 1);
}

static int
messages_reach_a_hog(void *arg)
{
	lwkt_thread_t td;
	int cpu = other_cpu();

	(void)arg;
	if (cpu == lwkt_cpuid())
		return 0;
	for (int i = 0; i < 3; i++) {
		STORE(stop, 0);
		STORE(started, 0);
		td = spawn_hog(hog, NULL, cpu);
		await(&started, 1);
		lwkt_send_ipiq(cpu, told, NULL);
		join(td);
	}
	return 0;
}

/* One that is not preemptible is left alone, whatever waits. */
static void
stubborn(void *arg)
{
	int64_t until = lwkt_time_ns() + 3 * MS;

	(void)arg;
	lwkt_schedule(intr);
	/* The clock alone is asked: it is no call at which things happen. */
	log_add(&trail, 'a');
	while (lwkt_time_ns() < until)
		crunch();
	log_add(&trail, 'z');
	STORE(stop, 1);
	lwkt_yield();
}

static void
notes(void *arg)
{
	(void)arg;
	log_add(&trail, 'i');
}

static void
timer_late(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	log_add(&trail, LOAD(stop) ? 'l' : 't');
}

static int
others_are_never_interrupted(void *arg)
{
	int64_t hits = counter("lwkt.async_hit");
	struct lwkt_systimer st;
	lwkt_thread_t td;

	(void)arg;
	trail = (struct log){ 0 };
	STORE(stop, 0);
	lwkt_crit_enter();
	intr = spawn_pri(notes, NULL, LWKT_PRI_USER_REAL, LWKT_NOSTART,
	    lwkt_cpuid());
	td = spawn_pri(stubborn, NULL, LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	lwkt_systimer_init_oneshot(&st, timer_late, NULL, 1 * MS);
	lwkt_crit_exit();
	join(td);
	join(intr);
	lwkt_systimer_del(&st);
	check(strstr(trail.l_text, "az") != NULL, "order %s", trail.l_text);
	check(counter("lwkt.async_hit") == hits, "interrupted");
	return 0;
}

/* Scenario B, where the thread that holds the token only computes. */
static struct lwkt_token tok;
static uint32_t wanted;

static void
needs_tok(void *arg)
{
	(void)arg;
	log_add(&trail, 'i');
	STORE(wanted, 1);
	lwkt_gettoken(&tok);
	log_add(&trail, 'k');
	lwkt_reltoken(&tok);
	STORE(stop, 1);
}

static void
holds_tok(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	lwkt_gettoken(&tok);
	intr = spawn_pri(needs_tok, NULL, LWKT_PRI_INT_MED,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_systimer_init_oneshot(&st, timer_schedules, NULL, 100000);
	hog_until(&wanted, 1);		/* it was here, and went */
	log_add(&trail, 'n');
	for (int i = 0; i < 1000; i++)
		crunch();
	check(lwkt_token_held_excl(&tok), "the token was taken away");
	check(LOAD(stop) == 0, "two had the token");
	log_add(&trail, 'm');
	lwkt_reltoken(&tok);
	hog_until(&stop, 1);		/* now it comes, without a call */
	join(intr);
}

static int
tokens_stay_with_a_hog(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	lwkt_token_init(&tok, "tok");
	STORE(stop, 0);
	STORE(wanted, 0);
	join(spawn_hog(holds_tok, NULL, lwkt_cpuid()));
	check(strcmp(trail.l_text, "tinmk") == 0, "order %s", trail.l_text);
	return 0;
}

/*
 * Critical sections hold everything off, a better thread too; the last exit
 * lets it in.
 */
static void
wants_cpu(void *arg)
{
	(void)arg;
	STORE(wanted, 1);
}

static void
is_critical(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	STORE(fired, 0);
	STORE(wanted, 0);
	lwkt_crit_enter();
	lwkt_systimer_init_oneshot(&st, timer_fires, NULL, 50000);
	intr = spawn_pri(wants_cpu, NULL, LWKT_PRI_USER_REAL, 0, lwkt_cpuid());
	while (lwkt_time_ns() < st.st_time + 200000)
		crunch();
	check(LOAD(fired) == 0, "a timer in a critical section");
	check(LOAD(wanted) == 0, "another thread in a critical section");
	lwkt_crit_exit();
	hog_until(&fired, 1);
	hog_until(&wanted, 1);
	join(intr);
}

static int
critical_sections_hold_off(void *arg)
{
	(void)arg;
	join(spawn_hog(is_critical, NULL, lwkt_cpuid()));
	return 0;
}

/*
 * A thread gets the CPU of a hog that was interrupted, and sleeps while a timer
 * is due that its critical section held off.  The signal for that timer has
 * come and gone, and the hog goes on inside its own instructions.  So somebody
 * has to ask for another signal: the switch to the hog, or splz if an interrupt
 * thread borrowed the CPU.
 */
static void
leaves_a_timer(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	lwkt_crit_enter();
	lwkt_systimer_init_oneshot(&st, timer_fires, NULL, 50000);
	while (lwkt_time_ns() < st.st_time + 200000)
		crunch();
	check(LOAD(fired) == 0, "a timer in a critical section");
	lwkt_tsleep(&wanted, 0, "left", LWKT_FOREVER);
	lwkt_crit_exit();
}

static void
is_left_a_timer(void *arg)
{
	int interrupt = arg != NULL;
	struct lwkt_systimer st;

	intr = spawn_pri(leaves_a_timer, NULL,
	    interrupt ? LWKT_PRI_INT_MED : LWKT_PRI_USER_REAL,
	    LWKT_NOSTART | (interrupt ? LWKT_INTERRUPT : 0), lwkt_cpuid());
	lwkt_systimer_init_oneshot(&st, timer_schedules, NULL, 300000);
	hog_until(&fired, 1);
	lwkt_wakeup(&wanted);
	join(intr);
}

static int
somebody_asks_for_a_signal(void *arg)
{
	trail = (struct log){ 0 };
	STORE(fired, 0);
	join(spawn_hog(is_left_a_timer, arg, lwkt_cpuid()));
	return 0;
}

/* Whom it made runnable itself, and told nobody. */
static void
schedules(void *arg)
{
	lwkt_schedule(arg);
	hog_until(&wanted, 1);
}

static int
a_better_thread_gets_the_cpu(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(wanted, 0);
	td = spawn_pri(wants_cpu, NULL, LWKT_PRI_USER_REAL, LWKT_NOSTART,
	    lwkt_cpuid());
	join(spawn_hog(schedules, td, lwkt_cpuid()));
	join(td);
	return 0;
}

/* errno is the thread's, whoever runs in between. */
static void
spoils_errno(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	errno = EBADF;
	ADD(fired, 1);
}

static void
has_errno(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	STORE(fired, 0);
	lwkt_systimer_init_periodic(&st, spoils_errno, NULL, 50000, 0);
	errno = EXDEV;
	hog_until(&fired, 3);
	check(errno == EXDEV, "errno is %d", errno);
	lwkt_systimer_del(&st);
}

static int
errno_is_kept(void *arg)
{
	(void)arg;
	join(spawn_hog(has_errno, NULL, lwkt_cpuid()));
	return 0;
}

/* Through when all have begun, which takes a slice of each. */
static void
lwp_hog(void *arg)
{
	ADD(started, 1);
	hog_until(&started, *(uint32_t *)arg);
}

/* Two more lwps than CPUs; where each may be changes while it computes. */
static int
slices_end_anywhere(void *arg)
{
	uint32_t all = (uint32_t)lwkt_ncpus() + 2;
	lwkt_lwp_t lp[8 + 2];

	if (lwkt_ncpus() > 8)
		return 0;
	STORE(started, 0);
	for (uint32_t i = 0; i < all; i++)
		check(lwkt_lwp_create(lwp_hog, &all, &lp[i],
		    lwkt_usched_find(arg), LWKT_JOINABLE, "hog") == 0,
		    "lwp %u", i);
	for (uint32_t i = 0; i < all; i++)	/* wherever it stands by now */
		check(lwkt_lwp_setcpumask(lp[i],
		    lwkt_cpumask_one((int)i % lwkt_ncpus())) == 0, "mask");
	for (uint32_t i = 0; i < all; i++)
		check(lwkt_lwp_join(lp[i]) == 0, "join");
	check(LOAD(started) == all, "%u of %u", LOAD(started), all);
	return 0;
}

int
main(void)
{
	if (!TICKS_COME)
		skip_all("TSan keeps signals until the next call of libc");
	/* The watchdog's looks would do for what a test has to miss. */
	fiber_boot();
	/* A tick takes long under valgrind. */
	setenv("LWKT_TUNE", fiber_wanted() ?
	    "lwkt.hz=1000,kern.schedhz=1000,lwkt.watchdog_ms=0" :
	    "lwkt.hz=10000,kern.schedhz=10000,lwkt.watchdog_ms=0", 1);
	sim_explore("sleepers wake under a hog", sleepers_wake_under_a_hog,
	    NULL, 100);
	sim_explore("timers fire under a hog", timers_fire_under_a_hog, NULL,
	    100);
	sim_explore("an interrupt thread gets the CPU from a hog",
	    an_interrupt_thread_gets_the_cpu, NULL, 100);
	sim_explore("hogs of one priority take turns", equals_take_turns, NULL,
	    50);
	sim_explore("messages of other CPUs reach a hog", messages_reach_a_hog,
	    NULL, 100);
	sim_explore("a thread that is not preemptible is left alone",
	    others_are_never_interrupted, NULL, 100);
	sim_explore("B: an interrupt thread needs a token of a hog",
	    tokens_stay_with_a_hog, NULL, 100);
	sim_explore("a critical section holds everything off",
	    critical_sections_hold_off, NULL, 100);
	sim_explore("a hog serves what an interrupt thread left",
	    somebody_asks_for_a_signal, "interrupt", 100);
	sim_explore("a hog serves what a better thread left",
	    somebody_asks_for_a_signal, NULL, 100);
	sim_explore("a better thread gets the CPU of a hog",
	    a_better_thread_gets_the_cpu, NULL, 100);
	sim_explore("errno is kept", errno_is_kept, NULL, 100);
	sim_explore("slices of lwps end anywhere: bsd4", slices_end_anywhere,
	    "bsd4", 100);
	sim_explore("slices of lwps end anywhere: dummy", slices_end_anywhere,
	    "dummy", 100);
	return tap_done();
}
