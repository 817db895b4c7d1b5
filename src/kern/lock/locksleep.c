/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address and release a lock during the sleep.
 *
 * THEORY
 * The caller enters the sleep queue of the ident, releases the lock, sleeps,
 * and takes the lock again.  A thread that changes the condition under the lock
 * can do so only after the release.  The caller is queued by then, so no wakeup
 * is lost.  The release itself never sleeps: another sleep would take the
 * caller off the queue.
 *
 * Source: DragonFly's ssleep, mtxsleep, lksleep, zsleep.
 */
#include "kern/cpu/globaldata.h"
#include "kern/lock/lock_var.h"

#include <lwkt/locksleep.h>

/* Enter the sleep queue of the ident; never blocks. */
static void
queue(const volatile void *ident, int flags)
{
	KASSERTF((flags & LWKT_PINTERLOCKED) == 0, "flags %#x: "
	    "LWKT_PINTERLOCKED is not for this call", flags);
	lwkt_tsleep_interlock(ident, flags);
}

/* Sleep, after queue().  Returns as lwkt_tsleep(). */
static int
sleep(const volatile void *ident, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	return lwkt_tsleep(ident, flags | LWKT_PINTERLOCKED, wmesg,
	    timeout_ns);
}

/*
 * Thread context; blocks for at most timeout_ns.  Then the caller takes s
 * again: the CPU spins until s is free, without a time limit.
 */
int
lwkt_ssleep(const volatile void *ident, lwkt_spin_t s, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	int error;

	queue(ident, flags);
	lwkt_spin_unlock(s);
	error = sleep(ident, flags, wmesg, timeout_ns);
	lwkt_spin_lock(s);
	return error;
}

/* Thread context; blocks for at most timeout_ns, and then until m is free. */
int
lwkt_mtxsleep(const volatile void *ident, lwkt_mtx_t m, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	unsigned state;
	int error;

	queue(ident, flags);
	state = lwkt_mtx_lock_temp_release(m);
	error = sleep(ident, flags, wmesg, timeout_ns);
	lwkt_mtx_lock_temp_restore(m, state);
	return error;
}

/* Thread context; blocks for at most timeout_ns, and then until lk is free. */
int
lwkt_lksleep(const volatile void *ident, lwkt_lock_t lk, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	unsigned type = lwkt_lockstatus(lk, curthread);
	int error;

	KASSERTF(type == LWKT_LK_SHARED || (type == LWKT_LK_EXCLUSIVE &&
	    lwkt_lockcount(lk) == 1), "lock \"%s\" is not held by thread "
	    "\"%s\", or more than once", lk->lk_spin.s_name,
	    curthread->td_name);
	queue(ident, flags);
	(void)lwkt_lockmgr(lk, LWKT_LK_RELEASE);
	error = sleep(ident, flags, wmesg, timeout_ns);
	lock_again(lk, type);
	return error;
}

/* Thread context; blocks for at most timeout_ns, and then until sz is free. */
int
lwkt_zsleep(const volatile void *ident, lwkt_serialize_t sz, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	int error;

	queue(ident, flags);
	lwkt_serialize_exit(sz);
	error = sleep(ident, flags, wmesg, timeout_ns);
	lwkt_serialize_enter(sz);
	return error;
}
