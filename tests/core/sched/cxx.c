/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exceptions that C++ keeps for a host thread are each thread's own.
 *
 * This program is its own C++ runtime: it defines the one function that the
 * library asks for, so that both hosts can be tested in C.
 */
#include "base/choice.h"
#include "core/util.h"

#define ROUNDS	20

static __thread struct machine_cxx host_globals;
static uint32_t stop, looked;

struct machine_cxx *__cxa_get_globals(void);

/* A host thread's, whichever it is now: never to be kept by a compiler. */
__attribute__((noinline)) struct machine_cxx *
__cxa_get_globals(void)
{
	struct machine_cxx *cx = &host_globals;

	__asm__ __volatile__("" : "+r" (cx));
	return cx;
}

static void
cxx_set(uintptr_t n)
{
	*__cxa_get_globals() = (struct machine_cxx){ (void *)n, (unsigned)n };
}

static void
cxx_check(const char *when, uintptr_t n)
{
	const struct machine_cxx *cx = __cxa_get_globals();

	check((uintptr_t)cx->mx_caught == n && cx->mx_uncaught == n,
	    "%s: %zu caught, %u in flight, not %zu", when,
	    (size_t)cx->mx_caught, cx->mx_uncaught, (size_t)n);
}

/* n 0: a thread without exceptions, which must see none. */
static void
keeper(void *arg)
{
	uintptr_t n = (uintptr_t)arg;
	int i;

	cxx_check("a new thread", 0);
	cxx_set(n);
	for (i = 0; i < ROUNDS; i++) {
		lwkt_yield();
		cxx_check("after a yield", n);
		if (i % 4 == 0) {
			lwkt_sleep_ns(1000);
			cxx_check("after a sleep", n);
		}
		if (i % 4 == 2) {
			lwkt_migratecpu(other_cpu());
			cxx_check("on another CPU", n);
		}
	}
	cxx_set(0);
}

static int
each_thread_has_its_own(void *arg)
{
	lwkt_thread_t td[6];
	unsigned i;

	(void)arg;
	cxx_set(99);
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(keeper, (void *)(uintptr_t)(i / 2), 0,
		    (int)i % lwkt_ncpus());
	join_all(td, nitems(td));
	cxx_check("the creator", 99);
	cxx_set(0);
	return 0;
}

static void
one_kind(void *arg)
{
	struct machine_cxx *cx = __cxa_get_globals();
	int flight = (uintptr_t)arg & 1;

	if (flight)
		cx->mx_uncaught = 7;
	else
		cx->mx_caught = arg;
	lwkt_yield();
	cx = __cxa_get_globals();
	check(cx->mx_uncaught == (flight ? 7u : 0), "%u", cx->mx_uncaught);
	check(cx->mx_caught == (flight ? NULL : arg), "%p", cx->mx_caught);
	*cx = (struct machine_cxx){ NULL, 0 };
}

/* In a catch block nothing is in flight; in a destructor nothing is caught. */
static int
either_half_is_enough(void *arg)
{
	lwkt_thread_t td[4];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn_on(0, one_kind, (void *)(uintptr_t)(i + 2));
	join_all(td, nitems(td));
	return 0;
}

static void
ends(void *arg)
{
	cxx_set((uintptr_t)arg);
	if ((uintptr_t)arg & 1)
		lwkt_exit();
}

static int
a_thread_that_ends_leaves_none(void *arg)
{
	lwkt_thread_t td[4];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn_on((int)i / 2, ends, (void *)(uintptr_t)(i + 1));
	join_all(td, nitems(td));
	cxx_check("the creator", 0);
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn_on((int)i / 2, keeper, NULL);
	join_all(td, nitems(td));
	return 0;
}

static void
computes(void *arg)
{
	uintptr_t n = (uintptr_t)arg;

	cxx_set(n);
	while (LOAD(stop) == 0) {
		lwkt__choice(CHOICE_USER);
		cxx_check("while it computes", n);
	}
	cxx_set(0);
}

static int
preempted_threads_keep_theirs(void *arg)
{
	lwkt_thread_t td[3];
	unsigned i;

	(void)arg;
	STORE(stop, 0);
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn_pri(computes, (void *)(uintptr_t)i,
		    LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE, lwkt_cpuid());
	for (i = 0; i < 5; i++) {
		lwkt_sleep_ns(300000);
		cxx_check("after the hogs", 0);
	}
	STORE(stop, 1);
	join_all(td, nitems(td));
	return 0;
}

static void
interrupt(void *arg)
{
	(void)arg;
	cxx_check("an interrupt thread", 0);
	cxx_set(5);
	lwkt_sleep_ns(1000);
	cxx_check("an interrupt thread that slept", 5);
	cxx_set(0);
	ADD(looked, 1);
}

static int
a_lender_keeps_its_own(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(looked, 0);
	cxx_set(3);
	td = spawn_pri(interrupt, NULL, LWKT_PRI_INT_MED, LWKT_INTERRUPT,
	    lwkt_cpuid());
	lwkt_splz();
	cxx_check("after the interrupt thread", 3);
	join(td);
	check(LOAD(looked) == 1, "%u", looked);
	cxx_check("after its end", 3);
	cxx_set(0);
	return 0;
}

static int
sees_nothing_of_the_caller(void *arg)
{
	cxx_check("the first thread", 0);
	return each_thread_has_its_own(arg);
}

int
main(void)
{
	sim_explore("each thread has its own exceptions",
	    each_thread_has_its_own, NULL, 100);
	sim_explore("also with one kind alone", either_half_is_enough, NULL,
	    20);
	sim_explore("a thread that ends leaves none behind",
	    a_thread_that_ends_leaves_none, NULL, 50);
	if (TICKS_COME)
		sim_explore("preempted threads keep theirs",
		    preempted_threads_keep_theirs, NULL, 20);
	sim_explore("a thread keeps its own while it lends the CPU",
	    a_lender_keeps_its_own, NULL, 50);
	cxx_set(42);
	sim_explore("a boot inside a catch block", sees_nothing_of_the_caller,
	    NULL, 20);
	ok(__cxa_get_globals()->mx_uncaught == 42,
	    "and its caller has them again");
	return tap_done();
}
