/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_tsleep: no wakeup is lost, whether it comes before the sleep or in it,
 * and a sleep ends at its time.
 */
#include "core/sleep/sleeper.h"

static uint32_t turn;

static void
make_true(void *arg)
{
	(void)arg;
	STORE(cond, 1);
	lwkt_wakeup(&cond);
}

/* Scenario D of the design: the condition changes on another CPU. */
static int
condition_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(cond, 0);
	td = spawn_on(1, make_true, NULL);
	for (;;) {
		lwkt_tsleep_interlock(&cond, 0);
		if (LOAD(cond))
			break;
		check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0,
		    "the sleep ended otherwise");
	}
	lwkt_tsleep_remove();
	join(td);
	return 0;
}

#define ROUNDS	20

static void
wait_turn(uint32_t mine)
{
	while (LOAD(turn) != mine) {
		lwkt_tsleep_interlock(&turn, 0);
		if (LOAD(turn) != mine)
			sleep_forever(&turn, LWKT_PINTERLOCKED);
	}
}

static void
ping(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		wait_turn(2 * i + me);
		STORE(turn, 2 * i + me + 1);
		lwkt_wakeup(&turn);
	}
	lwkt_tsleep_remove();
}

/* A lost wakeup stops this for ever: the mask is read after a full fence. */
static int
pingpong_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	STORE(turn, 0);
	td[0] = spawn_on(0, ping, (void *)0);
	td[1] = spawn_on(1, ping, (void *)1);
	join_all(td, 2);
	check(turn == 2 * ROUNDS, "turn %u", turn);
	return 0;
}

static int
timeout_body(void *arg)
{
	int64_t start = lwkt_time_ns(), took;
	int error;

	(void)arg;
	error = lwkt_tsleep(&cond, 0, "test", 2 * MS);
	took = lwkt_time_ns() - start;
	check(error == EWOULDBLOCK, "error %d", error);
	check(took >= 2 * MS, "%lld ns", (long long)took);
	return 0;
}

static int
poll_body(void *arg)
{
	int64_t t = 0;

	(void)arg;
	check(lwkt_tsleep(&cond, 0, "test", t) == EWOULDBLOCK, "no wakeup");
	lwkt_tsleep_interlock(&cond, 0);
	check(lwkt_tsleep(&cond, LWKT_PINTERLOCKED, "test", t) == EWOULDBLOCK,
	    "interlocked, no wakeup");
	lwkt_tsleep_interlock(&cond, 0);
	lwkt_wakeup(&cond);
	check(lwkt_tsleep(&cond, LWKT_PINTERLOCKED, "test", t) == 0,
	    "interlocked and woken");
	return 0;
}

static int
interlock_body(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&cond, 0);
	lwkt_wakeup(&cond);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "woken before");
	/* Slept elsewhere in between: the interlock is gone. */
	lwkt_tsleep_interlock(&cond, 0);
	(void)lwkt_tsleep(&turn, 0, "test", 1);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "interlock lost");
	return 0;
}

static void
wake_from_elsewhere(void *arg)
{
	lwkt_wakeup(arg);
	ADD(turn, 1);
	lwkt_wakeup(&turn);
}

/* The message arrives while the thread is queued but still runs. */
static int
interlock_remote_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(turn, 0);
	lwkt_tsleep_interlock(&cond, 0);
	td = spawn_on(1, wake_from_elsewhere, &cond);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "woken");
	join(td);
	return 0;
}

static void
interlock_and_end(void *arg)
{
	lwkt_tsleep_interlock(arg, 0);
}

static void
interlock_and_move(void *arg)
{
	lwkt_tsleep_interlock(arg, 0);
	if (lwkt_ncpus() == 1)
		return;
	lwkt_migratecpu((lwkt_cpuid() + 1) % lwkt_ncpus());
	check(sleep_forever(arg, LWKT_PINTERLOCKED) == 0, "not queued");
}

static int
dangling_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	td[0] = spawn_on(1, interlock_and_end, &cond);
	td[1] = spawn_on(1, interlock_and_move, &cond);
	join_all(td, 2);
	lwkt_wakeup(&cond);
	lwkt_wakeup_one(&cond);
	return 0;
}

int
main(void)
{
	sim_explore("a condition made true elsewhere ends the sleep",
	    condition_body, NULL, 200);
	sim_explore("two CPUs take turns and lose no wakeup",
	    pingpong_body, NULL, 200);
	sim_explore("a sleep ends at its time, not before",
	    timeout_body, NULL, 50);
	sim_explore("a timeout of 0 polls", poll_body, NULL, 20);
	sim_explore("a wakeup after the interlock ends the sleep at once",
	    interlock_body, NULL, 20);
	sim_explore("a wakeup from elsewhere after the interlock is not lost",
	    interlock_remote_body, NULL, 200);
	sim_explore("an interlock left behind harms nobody",
	    dangling_body, NULL, 100);
	return tap_done();
}
