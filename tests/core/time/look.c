/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Something waits and no signal was given: the CPU looks all the same, at the
 * next tick at the latest.
 *
 * Each scenario leaves a waiter behind a thread that keeps its CPU, and that
 * calls the library without blocking, or is preemptible.  Without the tick that
 * thread would go on until its limit, which is far more than a tick.
 */
#include <lwkt/lwp.h>
#include <lwkt/token.h>

#include "base/choice.h"
#include "core/util.h"

#define LIMIT_NS	TIMES(5000 * MS, 40 * MS)
#define LIMIT_LOOPS	TIMES(UINT64_C(4000000000), UINT64_C(400000))
#define TURNS		3

static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("look");
static uint32_t wanting, begun, freed, got, turns[2];
static unsigned rounds, at_once;	/* of them: no tick was needed */

static void
reset(void)
{
	STORE(wanting, 0);
	STORE(begun, 0);
	STORE(freed, 0);
	STORE(got, 0);
	STORE(turns[0], 0);
	STORE(turns[1], 0);
}

/* Wants the token, and says when it has had it. */
static void
want(void *arg)
{
	(void)arg;
	STORE(wanting, 1);
	lwkt_gettoken(&tok);
	STORE(got, 1);
	lwkt_reltoken(&tok);
}

/*
 * Keeps the CPU by calls that let better threads run, until `got`.  The limit
 * begins when the token is free: until then the pauses let its holder run.
 */
static void
calls_until_got(void (*call)(void))
{
	int64_t end = INT64_MAX, ticks = -1;
	int after = 0;

	STORE(begun, 1);
	while (LOAD(got) == 0 && (after == 0 || lwkt_time_ns() < end)) {
		if (LOAD(freed) == 0) {
			machine_pause(0);
			ticks = counter("lwkt.ticks");
		} else if (after++ == 0) {
			end = lwkt_time_ns() + LIMIT_NS;
			ticks = counter("lwkt.ticks");
		}
		call();
	}
	check(LOAD(got) != 0, "it waits still, after %d calls", after);
	rounds++;
	at_once += after <= 2 && counter("lwkt.ticks") == ticks;
}

static void
yields_quick(void *arg)
{
	(void)arg;
	calls_until_got(lwkt_yield_quick);
}

static void
yields_user(void *arg)
{
	(void)arg;
	calls_until_got(lwkt_user_yield);
}

/* Computes until `got`, and calls nothing. */
static void
computes(void *arg)
{
	uint64_t n;

	(void)arg;
	STORE(begun, 1);
	for (n = 0; n < LIMIT_LOOPS && LOAD(got) == 0; n++) {
		lwkt__choice(CHOICE_USER);
		__asm__ __volatile__("" ::: "memory");
	}
	check(LOAD(got) != 0, "it waits still");
}

/*
 * We hold the token while a better thread of another CPU waits for it and a
 * worse one runs there.
 */
static void
token_with(void (*worse)(void *), int flags)
{
	int cpu = other_cpu();
	lwkt_thread_t td[2];

	reset();
	lwkt_gettoken(&tok);
	td[0] = spawn_pri(worse, NULL, LWKT_PRI_USER_NORM,
	    LWKT_NOSTART | flags, cpu);
	td[1] = spawn(want, NULL, 0, cpu);
	await_deaf(&wanting, 1);
	lwkt_schedule(td[0]);
	await_deaf(&begun, 1);
	lwkt_reltoken(&tok);
	STORE(freed, 1);
	join_all(td, 2);
}

static int
token_under_yields(void *arg)
{
	if (lwkt_ncpus() > 1)
		token_with(arg != NULL ? yields_user : yields_quick, 0);
	return 0;
}

static int
token_under_a_hog(void *arg)
{
	(void)arg;
	if (lwkt_ncpus() > 1)
		token_with(computes, LWKT_PREEMPTIBLE);
	return 0;
}

static void
takes_turns(void *arg)
{
	uint32_t *mine = arg, *other = &turns[mine == &turns[0]], seen = 0;
	int64_t end = lwkt_time_ns() + LIMIT_NS;

	STORE(begun, 1);
	while ((LOAD(*mine) < TURNS || LOAD(*other) < TURNS) &&
	    lwkt_time_ns() < end) {
		if (LOAD(*mine) == 0 || LOAD(*other) != seen) {
			seen = LOAD(*other);
			ADD(*mine, 1);
		}
		lwkt_yield_quick();
	}
	check(LOAD(*other) >= TURNS, "the other had %u turns", LOAD(*other));
	ADD(freed, 1);
}

/* One that waits for a token stands before them in the queue of equals. */
static int
equals_behind_a_passed_one(void *arg)
{
	int cpu = other_cpu(), i;
	lwkt_thread_t td[3];

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	reset();
	lwkt_gettoken(&tok);
	td[2] = spawn_pri(want, NULL, LWKT_PRI_USER_NORM, 0, cpu);
	await_deaf(&wanting, 1);
	for (i = 0; i < 2; i++)
		td[i] = spawn_pri(takes_turns, &turns[i], LWKT_PRI_USER_NORM,
		    0, cpu);
	await_deaf(&freed, 2);
	lwkt_reltoken(&tok);
	join_all(td, 3);
	return 0;
}

/* Puts the wakeup of a sleeper off, and goes on. */
static void
puts_off(void *arg)
{
	(void)arg;
	lwkt_wakeup_start_delayed();
	STORE(wanting, 1);
	lwkt_wakeup(&wanting);
	calls_until_got(lwkt_yield_quick);
	lwkt_wakeup_end_delayed();
}

static void
sleeps(void *arg)
{
	(void)arg;
	STORE(begun, 1);
	await_asleep(&wanting, 1);
	STORE(got, 1);
}

static int
wakeup_put_off(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	reset();
	td[0] = spawn(sleeps, NULL, 0, lwkt_cpuid());
	await(&begun, 1);
	td[1] = spawn(puts_off, NULL, 0, other_cpu());
	join_all(td, 2);
	return 0;
}

/* Holds the token until a sleeper is awake. */
static void
holds_until_got(void *arg)
{
	int64_t end;

	(void)arg;
	lwkt_gettoken(&tok);
	STORE(freed, 1);
	end = lwkt_time_ns() + LIMIT_NS;
	while (LOAD(got) == 0 && lwkt_time_ns() < end)
		machine_pause(1);
	check(LOAD(got) != 0, "the sleeper waits still");
	lwkt_reltoken(&tok);
}

/* Who waits for a token has done the wakeups that the holder waits for. */
static int
wakeup_before_a_token(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	reset();
	td[0] = spawn(sleeps, NULL, 0, lwkt_cpuid());
	await(&begun, 1);
	td[1] = spawn(holds_until_got, NULL, 0, other_cpu());
	await(&freed, 1);
	lwkt_wakeup_start_delayed();
	STORE(wanting, 1);
	lwkt_wakeup(&wanting);
	lwkt_gettoken(&tok);
	lwkt_reltoken(&tok);
	lwkt_wakeup_end_delayed();
	join_all(td, 2);
	return 0;
}

static void
interrupts(void *arg)
{
	(void)arg;
	STORE(got, 1);
}

/* Leaves critical sections, and nothing else, until `got`. */
static void
exits_until_got(void)
{
	int64_t end = lwkt_time_ns() + LIMIT_NS;

	while (LOAD(got) == 0 && lwkt_time_ns() < end) {
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
	check(LOAD(got) != 0, "it waits still");
}

/* The runner gets worse than an interrupt thread that was made runnable. */
static int
interrupt_after_setpri(void *arg)
{
	int pri = lwkt_getpri(lwkt_self());
	lwkt_thread_t td;

	(void)arg;
	reset();
	lwkt_setpri_self(LWKT_PRI_MAX);
	td = spawn(interrupts, NULL, LWKT_INTERRUPT, lwkt_cpuid());
	check(LOAD(got) == 0, "it took the CPU of a better one");
	lwkt_setpri_self(pri);
	exits_until_got();
	join(td);
	return 0;
}

static int
interrupt_by_the_tick(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	reset();
	td = spawn(interrupts, NULL, LWKT_INTERRUPT | LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_schedule_noresched(td);
	exits_until_got();
	join(td);
	return 0;
}

/* A sleep of no time lets equals run. */
static void
sleeps_no_time(void *arg)
{
	int64_t end = lwkt_time_ns() + LIMIT_NS;

	STORE(begun, 1);
	while (LOAD(got) == 0 && lwkt_time_ns() < end)
		lwkt_sleep_ns(*(int64_t *)arg);
	check(LOAD(got) != 0, "the equal waits still");
}

static int
sleep_of_no_time(void *arg)
{
	lwkt_thread_t td[2];

	reset();
	td[0] = spawn(sleeps_no_time, arg, 0, lwkt_cpuid());
	td[1] = spawn(interrupts, NULL, 0, lwkt_cpuid());
	join_all(td, 2);
	return 0;
}

/* The same of lwps on one CPU. */
static int
lwp_sleep_of_no_time(void *arg)
{
	lwkt_cpumask_t here;
	lwkt_lwp_t lp[2];
	int i;

	reset();
	memset(&here, 0, sizeof(here));
	cpumask_set(&here, lwkt_cpuid());
	for (i = 0; i < 2; i++) {
		check(lwkt_lwp_create(i == 0 ? sleeps_no_time : interrupts,
		    arg, &lp[i], NULL, LWKT_NOSTART | LWKT_JOINABLE,
		    "lwp %d", i) == 0, "no lwp");
		(void)lwkt_lwp_setcpumask(lp[i], here);
	}
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 2; i++)
		(void)lwkt_lwp_join(lp[i]);
	return 0;
}

static int64_t no_times[] = { 0, -1, INT64_MIN };

int
main(void)
{
	if (!TICKS_COME)
		skip_all("no dependable ticks under TSan");
	sim_explore("a better thread gets its token from under yields",
	    token_under_yields, NULL, 200);
	if (TIMES(0, 1) && rounds >= 50)
		ok(at_once > rounds / 2, "%u times of %u without a tick",
		    at_once, rounds);
	sim_explore("and from under lwkt_user_yield", token_under_yields, &tok,
	    100);
	sim_explore("and under a preemptible thread that computes",
	    token_under_a_hog, NULL, 100);
	sim_explore("equals take turns behind one that waits for a token",
	    equals_behind_a_passed_one, NULL, 100);
	sim_explore("a wakeup that is put off comes with the tick",
	    wakeup_put_off, NULL, 100);
	sim_explore("a wakeup that is put off comes before a wait for a token",
	    wakeup_before_a_token, NULL, 100);
	sim_explore("a sleep of no time lets equals run", sleep_of_no_time,
	    &no_times[0], 50);
	sim_explore("so does one of negative time", sleep_of_no_time,
	    &no_times[1], 50);
	sim_explore("and the least there is", sleep_of_no_time, &no_times[2],
	    50);
	sim_explore("and one of lwps", lwp_sleep_of_no_time, &no_times[0], 50);
	sim_explore("an interrupt thread takes the CPU of one that got worse",
	    interrupt_after_setpri, NULL, 50);
	sim_explore("an interrupt thread that nobody asked for, by the tick",
	    interrupt_by_the_tick, NULL, 50);
	return tap_done();
}
