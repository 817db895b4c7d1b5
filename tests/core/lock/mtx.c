/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mtx: shared and exclusive, handed from one to the next, aborted, timed out.
 */
#include <lwkt/mtx.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_mtx mtx;
static uint32_t next_id;

static void
fresh(void)
{
	lwkt_mtx_init(&mtx, "m");
	holders_fresh();
	next_id = 0;
}

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

/* A shared holder; one who waits to be exclusive gives up; a third comes. */
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

/* Links. */
static int called, call_error;

static void
callback(struct lwkt_mtx_link *link, void *arg, int error)
{
	check(arg == &called, "another argument");
	check(link != NULL, "no link");
	called++;
	call_error = error;
}

static void
async_holder(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	(void)atomic_fetchadd_32(&next_id, 1);
	while (LOAD(next_id) < 2)
		lwkt_yield();
	lwkt_mtx_unlock(&mtx);
}

static int
async_requests(void *arg)
{
	struct lwkt_mtx_link link;
	lwkt_thread_t td;

	(void)arg;
	fresh();
	called = 0;
	lwkt_mtx_link_init_async(&link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &link, 0, LWKT_FOREVER) == 0 &&
	    called == 0, "a free one is had at once, without a call");
	lwkt_mtx_unlock(&mtx);
	td = spawn_on(lwkt_cpuid() + 1, async_holder, NULL);
	await(&next_id, 1);
	lwkt_mtx_link_init_async(&link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &link, 0, LWKT_FOREVER) ==
	    EINPROGRESS && !lwkt_mtx_owned(&mtx), "not in progress");
	ADD(next_id, 1);
	join(td);
	check(called == 1 && call_error == 0 && lwkt_mtx_owned(&mtx),
	    "%d calls, error %d", called, call_error);
	lwkt_mtx_unlock(&mtx);
	next_id = 0;
	td = spawn_on(lwkt_cpuid() + 1, async_holder, NULL);
	await(&next_id, 1);
	lwkt_mtx_link_init_async(&link, NULL, NULL);
	check(lwkt_mtx_lock_sh_link(&mtx, &link, 0, LWKT_FOREVER) ==
	    EINPROGRESS, "not in progress");
	ADD(next_id, 1);
	check(lwkt_mtx_wait_link(&mtx, &link, 0, LWKT_FOREVER) == 0,
	    "not had by waiting");
	lwkt_mtx_unlock_sh(&mtx);
	join(td);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	return 0;
}

static struct lwkt_mtx_link victim_link;
static int victim_error;

static void
victim(void *arg)
{
	ADD(next_id, 1);
	victim_error = arg != NULL ?
	    lwkt_mtx_lock_sh_link(&mtx, &victim_link, 0, LWKT_FOREVER) :
	    lwkt_mtx_lock_ex_link(&mtx, &victim_link, 0, LWKT_FOREVER);
	if (victim_error == 0)
		lwkt_mtx_unlock(&mtx);
}

/* An abort against the grant of the same request: one of them wins. */
static int
abort_against_grant(void *arg)
{
	lwkt_thread_t td;
	int other = lwkt_cpuid() + 1;

	fresh();
	lwkt_mtx_link_init(&victim_link);
	lwkt_mtx_lock(&mtx);
	td = spawn_on(other, victim, arg);
	await_deaf(&next_id, lwkt_ncpus() > 1);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	lwkt_mtx_unlock(&mtx);
	join(td);
	check(victim_error == ENOLCK, "error %d", victim_error);
	/* The other way round: it may have been granted before. */
	lwkt_mtx_link_init(&victim_link);
	lwkt_mtx_lock(&mtx);
	td = spawn_on(other, victim, arg);
	lwkt_yield();
	lwkt_mtx_unlock(&mtx);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	join(td);
	check(victim_error == 0 || victim_error == ENOLCK, "error %d",
	    victim_error);
	/* With a callback. */
	called = 0;
	lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	lwkt_mtx_link_init_async(&victim_link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &victim_link, 0, LWKT_FOREVER) ==
	    EINPROGRESS, "not in progress");
	lwkt_mtx_abort_link(&mtx, &victim_link);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	check(called == 1 && call_error == ENOLCK, "%d calls, error %d",
	    called, call_error);
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

static uint32_t locked;

static void
lock_and_keep(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	STORE(locked, 1);
	(void)lwkt_sleep("test", 0);
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

static long spun;

static void
spins(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 20; i++) {
		if (i % 4 == 3) {
			while (lwkt_mtx_spinlock_try(&mtx) != 0)
				lwkt_yield();
		} else {
			lwkt_mtx_spinlock(&mtx);
		}
		lwkt_mtx_spinlock(&mtx);
		check(lwkt_mtx_owned(&mtx) && lwkt_mtx_islocked_ex(&mtx) &&
		    lwkt_mtx_lockrefs(&mtx) == 2, "it is not ours twice");
		check(lwkt_crit_test(lwkt_self()), "in no critical section");
		spun++;
		lwkt_mtx_spinunlock(&mtx);
		lwkt_mtx_spinunlock(&mtx);
		check(!lwkt_mtx_owned(&mtx), "it is still ours");
	}
}

static int
as_a_spinlock(void *arg)
{
	(void)arg;
	fresh();
	spun = 0;
	run_threads(spins, 4);
	check(spun == 80, "%ld", spun);
	check(!lwkt_mtx_islocked(&mtx), "it is not free");
	return 0;
}

static int
spin_blocks_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_spinlock(&mtx);
	return lwkt_sleep_ns(1000);
}

static int
spin_mixed_body(void *arg)
{
	(void)arg;
	fresh();
	spawn_on(1, lock_and_keep, NULL);
	await(&locked, 1);
	lwkt_mtx_spinlock(&mtx);
	return 0;
}

static int
spin_own_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	return lwkt_mtx_spinlock_try(&mtx);
}

static int
spin_stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	lwkt_mtx_spinunlock(&mtx);
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
	panics("blocking with one as a spinlock panics", spin_blocks_body,
	    "blocks with spinlock \"m\" held");
	panics("taking one as a spinlock that is held otherwise panics",
	    spin_mixed_body, "while it is held as a sleeping lock");
	panics("the same by its holder", spin_own_body,
	    "which holds it as a sleeping lock");
	panics("unlocking one as a spinlock that is not held so panics",
	    spin_stranger_body, "which does not hold it as a spinlock");
	panics("uninit of a held mtx panics", uninit_body, "is still held");
	sim_explore("an exclusive mtx excludes, also when taken again",
	    exclusive_excludes, NULL, 200);
	sim_explore("shared holders share, through all changes of mind",
	    shared_shares, NULL, 500);
	sim_explore_with(&all);
	sim_explore("as a spinlock it excludes", as_a_spinlock, NULL, 200);
	sim_explore("waiters have their turns, nobody overtakes",
	    waiters_have_turns, NULL, 200);
	sim_explore("a writer that gives up lets readers in",
	    giving_up_lets_sharers_in, NULL, 200);
	sim_explore("an interrupt ends a wait", an_interrupt_ends_the_wait,
	    NULL, 200);
	sim_explore("requests that do not wait", async_requests, NULL, 200);
	sim_explore("a request is granted or aborted", abort_against_grant,
	    NULL, 300);
	sim_explore("the same for a shared one", abort_against_grant, &mtx,
	    300);
	return tap_done();
}
