/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mtx as a sleeping lock: shared and exclusive holders, the order of waiters,
 * and waits that end early.
 */
#include "core/lock/mtx.h"

#define THREADS	6
#define ROUNDS	8

static void
run_all(void (*fn)(void *), int n)
{
	fresh();
	run_threads(fn, n);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	check(mtx.m_ex == NULL && mtx.m_sh == NULL, "links are left");
	check(mtx.m_owner == 0, "an owner is left");
	lwkt_mtx_uninit(&mtx);
}

static void
write_owned(void)
{
	writer_in();
	check(lwkt_mtx_owned(&mtx), "not the owner");
	writer_out();
}

static void
adder(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_mtx_lock(&mtx);
		write_owned();
		lwkt_mtx_lock(&mtx);
		check(lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER) == 0,
		    "shared refused to the owner");
		check(lwkt_mtx_lockrefs(&mtx) == 3, "taken %u times",
		    lwkt_mtx_lockrefs(&mtx));
		lwkt_mtx_unlock_sh(&mtx);
		lwkt_mtx_unlock(&mtx);
		write_owned();
		lwkt_mtx_unlock_ex(&mtx);
	}
}

static int
exclusive_excludes(void *arg)
{
	(void)arg;
	run_all(adder, THREADS);
	check(total == 2 * THREADS * ROUNDS, "total %ld", total);
	return 0;
}

/* A request that may end early. */
static void
impatient(struct rng *r)
{
	int64_t timeout = rng_below(r, 3) * 1000;
	int error;

	if (rng_below(r, 2)) {
		error = lwkt_mtx_lock_ex(&mtx, LWKT_PCATCH, timeout);
		if (error == 0)
			write_owned();
	} else {
		error = lwkt_mtx_lock_sh(&mtx, LWKT_PCATCH, timeout);
		if (error == 0)
			read_inside();
	}
	check(error == 0 || error == EWOULDBLOCK, "error %d", error);
	if (error == 0)
		lwkt_mtx_unlock(&mtx);
}

static void
shift(void)
{
	unsigned state;

	if (lwkt_mtx_lock_sh_try(&mtx) != 0)
		return;
	if (lwkt_mtx_upgrade_try(&mtx) != 0) {
		read_inside();
		lwkt_mtx_lock_sh_again(&mtx);
		lwkt_mtx_unlock_sh(&mtx);
	} else {
		write_owned();
		state = lwkt_mtx_lock_temp_release(&mtx);
		check(!lwkt_mtx_owned(&mtx), "still the owner");
		lwkt_mtx_lock_temp_restore(&mtx, state);
		write_owned();
		lwkt_mtx_downgrade(&mtx);
		read_inside();
	}
	lwkt_mtx_unlock(&mtx);
}

static void
mixer(void *arg)
{
	struct rng r = { atomic_fetchadd_32(&next_id, 1) };
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		switch (rng_below(&r, 5)) {
		case 0:
			lwkt_mtx_lock(&mtx);
			write_owned();
			lwkt_mtx_unlock(&mtx);
			break;
		case 1:
		case 2:
			impatient(&r);
			break;
		case 3:
			shift();
			break;
		default:
			(void)lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
			read_inside();
			lwkt_mtx_unlock_sh(&mtx);
		}
	}
}

static int
shared_shares(void *arg)
{
	(void)arg;
	run_all(mixer, THREADS);
	return 0;
}

/* Two threads, all schedules. */
static void
pass_through(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	lwkt_mtx_unlock(&mtx);
}

static int
unlock_before_the_sleep(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	td = spawn(pass_through, NULL, LWKT_NOSTART, other_cpu());
	lwkt_mtx_lock(&mtx);
	focus(1);
	lwkt_schedule(td);
	lwkt_mtx_unlock(&mtx);
	focus(0);
	join(td);
	return 0;
}

/*
 * Waiters have their turns: after an exclusive holder the shared ones, all
 * together; after them the exclusive ones in order of arrival.
 */
static char order[8];
static uint32_t norder;

static void
waiter(void *arg)
{
	int c = *(const char *)arg;

	if (c == 's')
		(void)lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	else
		lwkt_mtx_lock(&mtx);
	order[norder++] = (char)c;
	lwkt_yield();
	lwkt_mtx_unlock(&mtx);
}

static int
waiters_have_turns(void *arg)
{
	lwkt_thread_t td[5];
	int i;

	(void)arg;
	fresh();
	norder = 0;
	memset(order, 0, sizeof(order));
	lwkt_mtx_lock(&mtx);
	for (i = 0; i < 5; i++) {
		td[i] = spawn(waiter, (void *)(uintptr_t)&"1s2s3"[i], 0,
		    lwkt_cpuid());
		lwkt_yield();
	}
	lwkt_mtx_unlock(&mtx);
	check(!lwkt_mtx_owned(&mtx), "nobody was given it");
	check(lwkt_mtx_lock_ex_try(&mtx) == EAGAIN, "overtaken");
	check(lwkt_mtx_lockrefs(&mtx) == 2, "not with both that share");
	join_all(td, 5);
	check(strcmp(order, "ss123") == 0, "order %s", order);
	return 0;
}

/* Under a shared holder an exclusive request gives up; then a sharer comes. */
static void
sharer(void *arg)
{
	(void)arg;
	check(lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER) == 0, "refused");
	ADD(readers, 1);
	lwkt_wakeup(&readers);
	lwkt_mtx_unlock(&mtx);
}

static void
gives_up(void *arg)
{
	(void)arg;
	check(lwkt_mtx_lock_ex(&mtx, 0, MS) == EWOULDBLOCK, "not timed out");
}

static int
giving_up_lets_sharers_in(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	fresh();
	(void)lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	td[0] = spawn_on(lwkt_cpuid(), gives_up, NULL);
	lwkt_yield();
	td[1] = spawn_on(lwkt_cpuid() + 1, sharer, NULL);
	await_asleep(&readers, 1);
	check(lwkt_mtx_lockrefs(&mtx) >= 1, "lost");
	lwkt_mtx_unlock(&mtx);
	join_all(td, 2);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	return 0;
}

static void
interrupted(void *arg)
{
	uint32_t *stage = arg;

	STORE(*stage, 1);
	check(lwkt_mtx_lock_ex(&mtx, LWKT_PCATCH, LWKT_FOREVER) == EINTR,
	    "not interrupted");
	STORE(*stage, 2);
}

static int
an_interrupt_ends_the_wait(void *arg)
{
	uint32_t stage = 0;
	lwkt_thread_t td;

	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	td = spawn_on(lwkt_cpuid() + 1, interrupted, &stage);
	await(&stage, 1);
	lwkt_interrupt(td);
	join(td);
	check(LOAD(stage) == 2, "stage %u", stage);
	lwkt_mtx_unlock(&mtx);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	return 0;
}

static int
stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_unlock(&mtx);
	return 0;
}

static int
not_owner_body(void *arg)
{
	(void)arg;
	fresh();
	spawn_on(1, lock_and_keep, NULL);
	await(&locked, 1);
	lwkt_mtx_unlock(&mtx);
	return 0;
}

static int
downgrade_body(void *arg)
{
	(void)arg;
	fresh();
	(void)lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	lwkt_mtx_downgrade(&mtx);
	return 0;
}

static int
uninit_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	lwkt_mtx_uninit(&mtx);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario all = {
		.ss_name = "an unlock just before the sleep is not missed",
		.ss_body = unlock_before_the_sleep, .ss_seeds = 3000,
		.ss_ncpus = 2, .ss_dfs = 60, .ss_focus = 1,
	};

	panics("unlocking a free mtx panics", stranger_body,
	    "does not hold it");
	panics("unlocking another thread's mtx panics", not_owner_body,
	    "mtx \"m\" is unlocked by");
	panics("downgrading what is not owned panics", downgrade_body,
	    "does not own it");
	panics("uninit of a held mtx panics", uninit_body, "is still held");
	sim_explore("an exclusive mtx excludes, also when taken again",
	    exclusive_excludes, NULL, 200);
	sim_explore("shared holders share, through all changes of mind",
	    shared_shares, NULL, 500);
	sim_explore_with(&all);
	sim_explore("waiters have their turns, nobody overtakes",
	    waiters_have_turns, NULL, 200);
	sim_explore("a writer that gives up lets readers in",
	    giving_up_lets_sharers_in, NULL, 200);
	sim_explore("an interrupt ends a wait", an_interrupt_ends_the_wait,
	    NULL, 200);
	return tap_done();
}
