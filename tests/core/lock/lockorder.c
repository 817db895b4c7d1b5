/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of locks, in builds with invariants: an order that can deadlock is
 * reported, once, whether or not it does; what cannot deadlock is not.
 */
#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>

#include "core/util.h"
#include "kern/lock/lockorder.h"

/* One lock of each kind, and others of the same kinds. */
static struct lwkt_spin spin[3];
static struct lwkt_mtx mtx[3];
static struct lwkt_lock lock[2];
static struct lwkt_serialize slz[2];
static struct lwkt_mutex mutex[2];

static void
fresh(void)
{
	static const char *const name[] = { "a", "b", "c" };
	int i;

	for (i = 0; i < 3; i++) {
		lwkt_spin_init(&spin[i], name[i]);
		lwkt_mtx_init(&mtx[i], name[i]);
	}
	for (i = 0; i < 2; i++) {
		lwkt_lockinit(&lock[i], name[i], 0, 0);
		lwkt_serialize_init(&slz[i]);
		lwkt_mutex_init(&mutex[i], name[i]);
	}
}

static void
spin_a(int on)
{
	if (on)
		lwkt_spin_lock(&spin[0]);
	else
		lwkt_spin_unlock(&spin[0]);
}

static void
spin_b(int on)
{
	if (on)
		lwkt_spin_lock_shared(&spin[1]);
	else
		lwkt_spin_unlock_shared(&spin[1]);
}

static void
mtx_a(int on)
{
	if (on)
		lwkt_mtx_lock(&mtx[0]);
	else
		lwkt_mtx_unlock(&mtx[0]);
}

static void
mtx_b(int on)
{
	if (on)
		(void)lwkt_mtx_lock_sh(&mtx[1], 0, LWKT_FOREVER);
	else
		lwkt_mtx_unlock(&mtx[1]);
}

static void
mtx_c(int on)
{
	if (on)
		(void)lwkt_mtx_lock_ex(&mtx[2], 0, LWKT_FOREVER);
	else
		lwkt_mtx_unlock(&mtx[2]);
}

static void
mtx_b_try(int on)
{
	if (on)
		(void)lwkt_mtx_lock_ex_try(&mtx[1]);
	else
		lwkt_mtx_unlock(&mtx[1]);
}

static void
lock_a(int on)
{
	(void)lwkt_lockmgr(&lock[0], on ? LWKT_LK_EXCLUSIVE :
	    LWKT_LK_RELEASE);
}

static void
lock_b(int on)
{
	(void)lwkt_lockmgr(&lock[1], on ? LWKT_LK_SHARED : LWKT_LK_RELEASE);
}

static void
slz_a(int on)
{
	if (on)
		lwkt_serialize_enter(&slz[0]);
	else
		lwkt_serialize_exit(&slz[0]);
}

static void
slz_b(int on)
{
	if (on)
		lwkt_serialize_adaptive_enter(&slz[1]);
	else
		lwkt_serialize_exit(&slz[1]);
}

static void
mutex_a(int on)
{
	if (on)
		lwkt_mutex_lock(&mutex[0]);
	else
		lwkt_mutex_unlock(&mutex[0]);
}

static void
mutex_b(int on)
{
	if (on)
		(void)lwkt_mutex_timedlock(&mutex[1], LWKT_FOREVER);
	else
		lwkt_mutex_unlock(&mutex[1]);
}

typedef void (*lockfn)(int on);

struct order {
	lockfn	o_first;
	lockfn	o_second;
};

static void
take_both(void *arg)
{
	const struct order *o = arg;

	o->o_first(1);
	o->o_second(1);
	o->o_second(0);
	o->o_first(0);
}

/* In a thread of its own, which is over before the next one begins. */
static void
in_order(lockfn first, lockfn second)
{
	struct order o = { first, second };

	join(spawn_on(1, take_both, &o));
}

static int64_t
reports(void)
{
	return counter("lwkt.lock_inversions");
}

static int
two_orders(void *arg)
{
	const struct order *o = arg;

	fresh();
	in_order(o->o_first, o->o_second);
	in_order(o->o_first, o->o_second);
	check(reports() == 0, "one order is no error");
	in_order(o->o_second, o->o_first);
	check(reports() == 1, "%lld reports", (long long)reports());
	in_order(o->o_second, o->o_first);
	in_order(o->o_first, o->o_second);
	check(reports() == 1, "it is reported again");
	return 0;
}

static int
three_orders(void *arg)
{
	(void)arg;
	fresh();
	in_order(mtx_a, mtx_b);
	in_order(mtx_b, mtx_c);
	in_order(lock_a, mtx_a);
	check(reports() == 0, "no cycle yet");
	in_order(mtx_c, mtx_a);
	check(reports() == 1, "%lld reports", (long long)reports());
	in_order(mtx_c, lock_a);
	check(reports() == 2, "%lld reports", (long long)reports());
	return 0;
}

static int
harmless(void *arg)
{
	(void)arg;
	fresh();
	in_order(mtx_a, mtx_b);
	in_order(mtx_b_try, mtx_c);
	in_order(mtx_a, mtx_a);			/* again */
	in_order(mtx_b, mtx_b);
	check(reports() == 0, "recursion");
	return 0;
}

/* A try does not wait, and so adds no edge to what it takes. */
static int
tries(void *arg)
{
	(void)arg;
	fresh();
	in_order(mtx_b, mtx_a);
	in_order(mtx_a, mtx_b_try);
	check(reports() == 0, "a try was reported");
	in_order(mtx_b_try, mtx_a);
	in_order(mtx_a, mtx_b);
	check(reports() == 1, "what a try holds counts");
	return 0;
}

/* Many of one name: nothing is said about their order. */
static int
same_name(void *arg)
{
	struct lwkt_mtx m[2];
	int i;

	(void)arg;
	for (i = 0; i < 2; i++)
		lwkt_mtx_init(&m[i], "many");
	for (i = 0; i < 2; i++) {
		lwkt_mtx_lock(&m[i]);
		lwkt_mtx_lock(&m[1 - i]);
		lwkt_mtx_unlock(&m[i]);
		lwkt_mtx_unlock(&m[1 - i]);
	}
	check(reports() == 0, "reported");
	return 0;
}

/* The caller is recorded as the holder of n locks. */
static void
noted(uint32_t n)
{
	check(lockorder_count(curthread) == n, "%u are noted as held, not %u",
	    lockorder_count(curthread), n);
}

/* Locks are given back in any order, and forgotten then. */
static int
any_order_of_release(void *arg)
{
	(void)arg;
	fresh();
	mtx_a(1);
	lock_a(1);
	mtx_a(0);
	slz_a(1);
	lock_a(0);
	mtx_a(1);
	slz_a(0);
	mtx_a(0);
	noted(0);
	/* mtx before lock before serializer before mtx */
	check(reports() == 1, "%lld reports", (long long)reports());
	return 0;
}

static int
failed_upgrade(void *arg)
{
	(void)arg;
	fresh();
	lock_b(1);
	check(lwkt_lockmgr(&lock[1], LWKT_LK_UPGRADE) == 0 &&
	    lwkt_lockowned(&lock[1]), "no upgrade");
	(void)lwkt_lockmgr(&lock[1], LWKT_LK_DOWNGRADE);
	lock_b(1);
	check(lwkt_lockmgr(&lock[1], LWKT_LK_UPGRADE | LWKT_LK_NOWAIT) ==
	    EBUSY, "two hold it");
	noted(1);
	lock_b(0);
	noted(0);
	return 0;
}

/*
 * A shared lockmgr lock passes from the thread that took it to another thread,
 * which releases or upgrades it.
 */
static uint32_t taken, passed;

static void
takes_shared(void *arg)
{
	lock_b(1);
	noted(1);
	STORE(taken, 1);
	if (arg != NULL)
		return;			/* the lock outlives the thread */
	await(&passed, 1);
	noted(0);
	mtx_a(1);			/* not after lock b */
	mtx_a(0);
}

static int
released_by_another(void *arg)
{
	lwkt_thread_t td;

	fresh();
	taken = passed = 0;
	td = spawn_on(1, takes_shared, arg);
	await(&taken, 1);
	if (arg != NULL)
		join(td);
	lock_b(1);
	noted(1);
	lock_b(0);			/* its own */
	lock_b(0);
	noted(0);
	STORE(passed, 1);
	if (arg == NULL)
		join(td);
	check(lwkt_lockcount(&lock[1]) == 0, "it is held");
	in_order(mtx_a, lock_b);
	check(reports() == 0, "a lock of another thread counts");
	in_order(lock_b, mtx_a);
	check(reports() == 1, "%lld reports", (long long)reports());
	return 0;
}

static int
upgraded_by_another(void *arg)
{
	lwkt_thread_t td;
	int i;

	(void)arg;
	fresh();
	taken = passed = 0;
	td = spawn_on(1, takes_shared, NULL);
	await(&taken, 1);
	for (i = 0; i < 2; i++)		/* the second has no effect */
		check(lwkt_lockmgr(&lock[1], LWKT_LK_UPGRADE) == 0, "refused");
	noted(1);
	lock_b(1);			/* one more exclusive taking */
	noted(2);
	mtx_c(1);
	mtx_c(0);
	(void)lwkt_lockmgr(&lock[1], LWKT_LK_DOWNGRADE);
	noted(2);
	STORE(passed, 1);
	join(td);
	lock_b(0);
	lock_b(0);
	noted(0);
	in_order(mtx_c, lock_b);
	check(reports() == 1, "%lld reports", (long long)reports());
	return 0;
}

static void __attribute__((noinline))
first_place(void)
{
	mtx_a(1);
	lock_a(1);
	lock_a(0);
	mtx_a(0);
}

static int
shown(void *arg)
{
	(void)arg;
	fresh();
	first_place();
	lock_a(1);
	mtx_a(1);
	lwkt_panic("the end");
}

static void
ends_with_lock(void *arg)
{
	(*(lockfn *)arg)(1);
}

static int
exit_with_mtx(void *arg)
{
	static lockfn fn = mtx_a;

	(void)arg;
	fresh();
	join(spawn_on(1, ends_with_lock, &fn));
	return 0;
}

static int
exit_with_lock(void *arg)
{
	static lockfn fn = lock_a;

	(void)arg;
	fresh();
	join(spawn_on(1, ends_with_lock, &fn));
	return 0;
}

static int
exit_with_serializer(void *arg)
{
	static lockfn fn = slz_a;

	(void)arg;
	fresh();
	join(spawn_on(1, ends_with_lock, &fn));
	return 0;
}

static int
exit_with_mutex(void *arg)
{
	static lockfn fn = mutex_a;

	(void)arg;
	fresh();
	join(spawn_on(1, ends_with_lock, &fn));
	return 0;
}

int
main(void)
{
	static struct {
		const char	*name;
		struct order	 o;
	} pairs[] = {
		{ "two spinlocks", { spin_a, spin_b } },
		{ "two mtxs", { mtx_a, mtx_b } },
		{ "two lockmgr locks", { lock_a, lock_b } },
		{ "two serializers", { slz_a, slz_b } },
		{ "two mutexes", { mutex_a, mutex_b } },
		{ "a mtx and a lockmgr lock", { mtx_c, lock_b } },
		{ "a serializer and a mutex", { slz_b, mutex_a } },
	};
	unsigned i;

	if (!config_invariants)
		skip_all("for builds with -Dinvariants=true");
	panics("who held what is shown", shown, "lockmgr lock \"a\" was "
	    "taken at\n  #0  ");
	panics("and who wanted the other", shown,
	    "mtx \"a\" was requested at\n  #0  ");
	panics("beside the order of before", shown,
	    "seen before:\nlwkt:   mtx \"a\" was taken at");
	panics("ending with a mtx panics", exit_with_mtx,
	    "thread \"worker\" exits with mtx \"a\"");
	panics("ending with a lockmgr lock panics", exit_with_lock,
	    "thread \"worker\" exits with lockmgr lock \"a\"");
	panics("ending with a serializer panics", exit_with_serializer,
	    "thread \"worker\" exits with serializer");
	panics("ending with a mutex panics", exit_with_mutex,
	    "thread \"worker\" exits with mutex \"a\"");
	for (i = 0; i < nitems(pairs); i++)
		sim_explore(pairs[i].name, two_orders, &pairs[i].o, 20);
	sim_explore("a cycle of three or more", three_orders, NULL, 20);
	sim_explore("one order is harmless, also recursive", harmless, NULL,
	    10);
	sim_explore("a try does not wait", tries, NULL, 20);
	sim_explore("locks of one name have no order", same_name, NULL, 20);
	sim_explore("locks are forgotten in any order", any_order_of_release,
	    NULL, 20);
	sim_explore("a shared lock is released by another thread",
	    released_by_another, NULL, 20);
	sim_explore("a shared lock outlives its thread", released_by_another,
	    lock, 20);
	sim_explore("a shared lock is upgraded by another thread",
	    upgraded_by_another, NULL, 20);
	sim_explore("a failed upgrade gives the lock up", failed_upgrade,
	    NULL, 20);
	return tap_done();
}
