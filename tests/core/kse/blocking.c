/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions on carriers under every schedule: each runs once, its result comes
 * to its caller, and a time limit either leaves the result or the structure.
 */
#include "core/util.h"

#include <lwkt/blocking.h>
#include <lwkt/cpusync.h>
#include <lwkt/lwp.h>
#include <lwkt/usched.h>
#include <lwkt/thread2.h>

#define US		((int64_t)1000)
#define CALLS		6

static uint32_t ran, released, timeouts, results;

static void
reset(void)
{
	STORE(ran, 0);
	STORE(released, 0);
	STORE(timeouts, 0);
	STORE(results, 0);
}

static intptr_t
three_times(void *arg)
{
	check(lwkt_cpuid() == -1, "a function runs on CPU %d", lwkt_cpuid());
	ADD(ran, 1);
	errno = (int)(intptr_t)arg;
	return (intptr_t)arg * 3;
}

static void
caller(void *arg)
{
	intptr_t i, r;

	(void)arg;
	for (i = 1; i <= CALLS; i++) {
		r = lwkt_blocking(three_times, (void *)i);
		check(errno == (int)i, "errno %d after call %d", errno, (int)i);
		check(r == i * 3, "call %d returned %d", (int)i, (int)r);
	}
}

static int
result_body(void *arg)
{
	(void)arg;
	reset();
	run_threads(caller, 4);
	check(LOAD(ran) == 4 * CALLS, "%u functions ran", LOAD(ran));
	return 0;
}

/* An lwp is moved to another CPU during each call: errno goes with it. */
static uint32_t called;

static __attribute__((noipa)) int
errno_here(void)
{
	return errno;
}

static void
moved_caller(void *arg)
{
	intptr_t i, r;

	(void)arg;
	for (i = 1; i <= CALLS; i++) {
		ADD(called, 1);
		lwkt_wakeup(&called);
		r = lwkt_blocking(three_times, (void *)i);
		lwkt_crit_enter();		/* stay on this CPU */
		check(r == i * 3 && errno_here() == (int)i,
		    "call %d: %d, errno %d", (int)i, (int)r, errno_here());
		lwkt_crit_exit();
	}
}

static int
moved_body(void *arg)
{
	lwkt_lwp_t lp;
	uint32_t n;

	(void)arg;
	reset();
	STORE(called, 0);
	check(lwkt_lwp_create(moved_caller, NULL, &lp, lwkt_usched_find("bsd4"),
	    LWKT_JOINABLE, "moved") == 0, "create");
	for (n = 1; n <= CALLS; n++) {
		await_asleep(&called, n);
		check(lwkt_lwp_setcpumask(lp, lwkt_cpumask_one((int)n %
		    lwkt_ncpus())) == 0, "mask");
	}
	check(lwkt_lwp_join(lp) == 0, "join");
	return 0;
}

/* A thread of each CPU computes while functions run; all of them go on. */
static uint32_t turns;

static void
turn(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 20; i++) {
		ADD(turns, 1);
		lwkt_yield();
	}
}

static int
others_body(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	reset();
	STORE(turns, 0);
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, i % 2 ? turn : caller, NULL);
	join_all(td, 4);
	check(LOAD(turns) == 40 && LOAD(ran) == 2 * CALLS, "%u turns, %u ran",
	    LOAD(turns), LOAD(ran));
	return 0;
}

/* A call with a limit: its structure is one of these, and freed once. */
struct limited {
	struct lwkt_blocking_call l_call;	/* first */
	uint32_t	 l_ran, l_released;
};

static struct limited limited[4][CALLS];

static intptr_t
note(void *arg)
{
	struct limited *l = arg;

	ADD(l->l_ran, 1);
	errno = ENOSPC;
	return 7;
}

static void
release(struct lwkt_blocking_call *bc)
{
	struct limited *l = (struct limited *)bc;

	ADD(l->l_released, 1);
	ADD(released, 1);
}

static void
limited_caller(void *arg)
{
	struct limited *l = arg;
	int i, error;

	for (i = 0; i < CALLS; i++, l++) {
		l->l_call = (struct lwkt_blocking_call){ .bc_fn = note,
		    .bc_arg = l, .bc_release = release };
		STORE(l->l_ran, 0);
		STORE(l->l_released, 0);
		error = lwkt_blocking_timo(&l->l_call, i * i * 2 * US);
		if (error == 0) {
			check(l->l_call.bc_result == 7 &&
			    l->l_call.bc_errno == ENOSPC, "the result");
			check(LOAD(l->l_ran) == 1 && LOAD(l->l_released) == 0,
			    "ran %u times, released %u times", LOAD(l->l_ran),
			    LOAD(l->l_released));
			ADD(results, 1);
		} else {
			check(error == -ETIMEDOUT, "error %d", error);
			ADD(timeouts, 1);
		}
	}
}

static int
limited_body(void *arg)
{
	lwkt_thread_t td[4];
	int i, j;

	(void)arg;
	reset();
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, limited_caller, limited[i]);
	join_all(td, 4);
	while (LOAD(released) < LOAD(timeouts))
		lwkt_sleep_ns(20 * US);
	check(LOAD(results) + LOAD(timeouts) == 4 * CALLS, "each ended");
	for (i = 0; i < 4; i++)
		for (j = 0; j < CALLS; j++)
			check(LOAD(limited[i][j].l_released) <= 1 &&
			    LOAD(limited[i][j].l_ran) <= 1, "once");
	return 0;
}

/*
 * The same as messages: a third of them without a limit, a third with one, a
 * third aborted.  The last two may not be left, because nothing releases them.
 */
static void
sender(void *arg)
{
	struct limited *l = arg;
	struct lwkt_sysmsg sm[CALLS];
	int i, r;

	for (i = 0; i < CALLS; i++) {
		l[i].l_call = (struct lwkt_blocking_call){ .bc_fn = note,
		    .bc_arg = &l[i], .bc_release = i < 4 ? release : NULL };
		STORE(l[i].l_ran, 0);
		STORE(l[i].l_released, 0);
		lwkt_sysmsg_call(&sm[i], lwkt_curport(), &l[i].l_call);
		if (i % 3 == 1)
			sm[i].sm_timeout_ns = i * i * US;
		lwkt_sendsys(&sm[i]);
	}
	for (i = 2; i < CALLS; i += 3)
		lwkt_abortmsg(&sm[i].sm_msg);
	for (i = 0; i < CALLS; i++) {
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		r = (int)sm[i].sm_result;
		if (r == 0)
			check(l[i].l_call.bc_result == 7 &&
			    l[i].l_call.bc_errno == ENOSPC, "the result");
		else if (r == -EINPROGRESS)
			ADD(timeouts, 1);
		else
			check(r == (i % 3 == 1 ? -ETIMEDOUT : -ECANCELED),
			    "result %d of message %d", r, i);
		check(r == -EINPROGRESS || LOAD(l[i].l_ran) == (r == 0),
		    "message %d ran %u times", i, LOAD(l[i].l_ran));
		check(r == -EINPROGRESS || LOAD(l[i].l_released) == 0,
		    "message %d is released", i);
		check(i % 3 != 0 || r == 0, "no limit, but %d", r);
		check(i < 4 || r != -EINPROGRESS, "message %d was left", i);
	}
}

static int
messages_body(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	reset();
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, sender, limited[i]);
	join_all(td, 4);
	while (LOAD(released) < LOAD(timeouts))
		lwkt_sleep_ns(20 * US);
	return 0;
}

static int
critical_body(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	(void)lwkt_blocking(three_times, NULL);
	return 0;
}

static int
no_function_body(void *arg)
{
	struct lwkt_sysmsg sm;

	(void)arg;
	lwkt_sysmsg_init(&sm, lwkt_curport(), LWKT_SYS_CALL, -1);
	lwkt_sendsys(&sm);
	return 0;
}

static int
no_release_body(void *arg)
{
	struct lwkt_blocking_call bc = { .bc_fn = three_times };

	(void)arg;
	(void)lwkt_blocking_timo(&bc, MS);
	return 0;
}

int
main(void)
{
	panics("a call in a critical section panics", critical_body,
	    "lwkt_blocking: thread \"main\" is in a critical section");
	panics("a call with a limit and no release panics", no_release_body,
	    "has no bc_release");
	panics("a message without a function panics", no_function_body,
	    "has no function");
	sim_explore("each call gets its result", result_body, NULL, 150);
	sim_explore("an lwp is moved meanwhile", moved_body, NULL, 100);
	sim_explore("other threads run meanwhile", others_body, NULL, 100);
	sim_explore("a limit leaves the result or the structure", limited_body,
	    NULL, 300);
	sim_explore("messages call functions", messages_body, NULL, 200);
	return tap_done();
}
