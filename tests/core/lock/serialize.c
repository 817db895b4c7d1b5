/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers: one at a time, nobody left asleep, the handler's switch.
 */
#include <lwkt/serialize.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_serialize sz[3];
static int adaptive;

static void
fresh(void)
{
	int i;

	for (i = 0; i < 3; i++)
		lwkt_serialize_init(&sz[i]);
	holders_fresh();
}

static void
run_all(void (*fn)(void *), int n)
{
	fresh();
	run_threads(fn, n);
	check(sz[0].sz_lock == 0, "left %#x", sz[0].sz_lock);
}

/* Alone here, and still alone after others have run. */
static void
work(void)
{
	writer_in();
	LWKT_ASSERT_SERIALIZED(&sz[0]);
	writer_out();
}

static void
worker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if (adaptive)
			lwkt_serialize_adaptive_enter(&sz[0]);
		else
			lwkt_serialize_enter(&sz[0]);
		work();
		lwkt_serialize_exit(&sz[0]);
		LWKT_ASSERT_NOT_SERIALIZED(&sz[0]);
	}
}

static int
one_at_a_time(void *arg)
{
	adaptive = arg != NULL;
	run_all(worker, THREADS);
	check(total == THREADS * ROUNDS, "total %ld", total);
	return 0;
}

/*
 * Two threads, all schedules: the exit that falls between the failure of the
 * one who comes and his sleep must not be missed.
 */
static void
pass_through(void *arg)
{
	(void)arg;
	lwkt_serialize_enter(&sz[0]);
	lwkt_serialize_exit(&sz[0]);
}

static int
exit_before_the_sleep(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	td = spawn(pass_through, NULL, LWKT_NOSTART, other_cpu());
	lwkt_serialize_enter(&sz[0]);
	focus(1);
	lwkt_schedule(td);
	lwkt_serialize_exit(&sz[0]);
	focus(0);
	join(td);
	return 0;
}

static int
tries(void *arg)
{
	(void)arg;
	fresh();
	check(lwkt_serialize_try(&sz[0]) == 1, "free, and refused");
	check(lwkt_serialize_try(&sz[0]) == 0, "entered twice");
	check(lwkt_serialize_held(&sz[0]), "not held");
	check(lwkt_serialize_handler_try(&sz[0]) == 1, "the handler too");
	lwkt_serialize_exit(&sz[0]);
	check(lwkt_serialize_handler_try(&sz[0]) == 0, "handler refused");
	lwkt_serialize_exit(&sz[0]);
	lwkt_serialize_handler_disable(&sz[0]);
	check(lwkt_serialize_handler_try(&sz[0]) == 1, "disabled, and entered");
	check(!lwkt_serialize_held(&sz[0]), "held");
	return 0;
}

static int calls, frames;

static void
handler(void *arg, void *frame)
{
	check(lwkt_serialize_held(arg), "not serialized");
	calls++;
	frames += frame == &frames;
}

static void
caller(void *arg)
{
	(void)arg;
	lwkt_serialize_handler_call(&sz[0], handler, &sz[0], &frames);
}

/* Disabled inside: a handler that is waiting to enter is not called. */
static int
handler_switch(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	calls = frames = 0;
	caller(NULL);
	check(calls == 1 && frames == 1, "%d calls, %d frames", calls, frames);
	td = spawn(caller, NULL, LWKT_NOSTART, other_cpu());
	lwkt_serialize_enter(&sz[0]);
	lwkt_schedule(td);
	lwkt_yield();
	lwkt_serialize_handler_disable(&sz[0]);
	lwkt_serialize_exit(&sz[0]);
	join(td);
	check(calls == 1, "called though disabled");
	lwkt_serialize_handler_enable(&sz[0]);
	caller(NULL);
	check(calls == 2, "not called though enabled");
	return 0;
}

static lwkt_serialize_t arr[3] = { &sz[0], &sz[1], &sz[2] };

static void
array_worker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_serialize_array_enter(arr, 3, i % 2);
		LWKT_ASSERT_SERIALIZED(&sz[1]);
		LWKT_ASSERT_SERIALIZED(&sz[2]);
		lwkt_yield();
		lwkt_serialize_array_exit(arr, 3, i % 2);
		if (lwkt_serialize_array_try(arr, 3, 0)) {
			work();
			lwkt_serialize_array_exit(arr, 3, 0);
		}
		check(!lwkt_serialize_held(&sz[0]) &&
		    !lwkt_serialize_held(&sz[2]), "some are still held");
	}
}

static int
arrays(void *arg)
{
	(void)arg;
	run_all(array_worker, THREADS);
	return 0;
}

static int
again_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_serialize_enter(&sz[0]);
	lwkt_serialize_enter(&sz[0]);
	return 0;
}

static int
stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_serialize_exit(&sz[0]);
	return 0;
}

static int
assert_body(void *arg)
{
	(void)arg;
	fresh();
	LWKT_ASSERT_SERIALIZED(&sz[0]);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario all = {
		.ss_name = "race 23, serializers: an exit just before the "
		    "sleep is not missed",
		.ss_body = exit_before_the_sleep, .ss_seeds = 3000,
		.ss_ncpus = 2, .ss_dfs = 60, .ss_focus = 1,
	};

	panics("entering again panics", again_body, "entered again by");
	panics("leaving what is not held panics", stranger_body,
	    "which does not hold it");
	panics("the assertion panics", assert_body, "is not held");
	sim_explore("one at a time in a serializer", one_at_a_time, NULL, 300);
	sim_explore("the same by adaptive enters", one_at_a_time, &adaptive,
	    200);
	sim_explore_with(&all);
	sim_explore("a try does not wait", tries, NULL, 20);
	sim_explore("a disabled handler is not called", handler_switch, NULL,
	    200);
	sim_explore("arrays are entered and left whole", arrays, NULL, 200);
	return tap_done();
}
