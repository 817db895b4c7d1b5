/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address; wake the threads that sleep on it.
 *
 * The caller of lwkt_tsleep loops on its condition, because a wakeup may be
 * spurious.  If another CPU changes the condition, a wakeup can come between
 * the test and the sleep.  A caller that must not lose it calls
 * lwkt_tsleep_interlock, tests the condition, and calls lwkt_tsleep with
 * LWKT_PINTERLOCKED.
 */
#ifndef LWKT_SYNCH_H
#define LWKT_SYNCH_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* lwkt_interrupt() ends the sleep: EINTR */
#define LWKT_PCATCH		0x00000100
/* the woken thread does not ask for the CPU: lwkt_schedule_noresched() */
#define LWKT_PNORESCHED		0x00000200
/* lwkt_tsleep_interlock was called */
#define LWKT_PINTERLOCKED	0x00000400
/*
 * A wakeup wakes only sleepers of its domain.  Programs use the domains from
 * 0x01000000 on.
 */
#define LWKT_PDOMAIN_MASK	0xffff0000
#define LWKT_PDOMAIN_UMTX	0x00010000
#define LWKT_PDOMAIN_XLOCK	0x00020000

/*
 * Sleep until a wakeup on ident, for at most timeout_ns nanoseconds
 * (LWKT_FOREVER: no limit; 0: do not sleep).  ident must not be NULL; nothing
 * is read or written there.  flags: the sum of LWKT_P* and a domain.  wmesg
 * tells tools why the thread sleeps; the string must stay while it sleeps.
 * Context: thread; also in a critical section, which is suspended while the
 * thread sleeps.  Blocks: yes.
 * Returns: 0: woken, perhaps spuriously; EWOULDBLOCK: time limit; EINTR:
 * interrupted, with LWKT_PCATCH.
 */
LWKT_API int lwkt_tsleep(const volatile void *ident, int flags,
    const char *wmesg, int64_t timeout_ns);

/*
 * Queue the caller on ident without sleeping; flags: 0 or a domain.
 * lwkt_tsleep with LWKT_PINTERLOCKED, or lwkt_tsleep_remove, which takes it off
 * the queue, must follow.
 * Context: thread.  Blocks: no.
 */
LWKT_API void lwkt_tsleep_interlock(const volatile void *ident, int flags);
LWKT_API void lwkt_tsleep_remove(void);

/*
 * Wake all threads that sleep on ident, on every CPU; at most one of them; at
 * most n.  Sleepers of the calling CPU come first.  If none sleeps, nothing
 * happens.  A thread that is only interlocked is taken off the queue and does
 * not count.  The forms with a domain wake sleepers of that domain, the others
 * those of domain 0.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_wakeup(const volatile void *ident);
LWKT_API void lwkt_wakeup_one(const volatile void *ident);
LWKT_API void lwkt_wakeup_n(const volatile void *ident, int n);
LWKT_API void lwkt_wakeup_domain(const volatile void *ident, int domain);
LWKT_API void lwkt_wakeup_domain_one(const volatile void *ident, int domain);

/* The same for sleepers of the calling CPU only; no message to another CPU. */
LWKT_API void lwkt_wakeup_mycpu(const volatile void *ident);
LWKT_API void lwkt_wakeup_mycpu_one(const volatile void *ident);
/* The same for sleepers of one CPU. */
LWKT_API void lwkt_wakeup_oncpu(int cpu, const volatile void *ident);
LWKT_API void lwkt_wakeup_oncpu_one(int cpu, const volatile void *ident);

/*
 * Defer the caller's calls of lwkt_wakeup until lwkt_wakeup_end_delayed, and
 * merge those on one ident.  At most two idents are deferred: a third one wakes
 * the sleepers on the oldest.  Whatever blocks the caller, a wait for a token,
 * a move to another CPU and the tick do all deferred wakeups.  A second start,
 * and an end without a start, panic.
 * Context: thread.  Blocks: no.
 */
LWKT_API void lwkt_wakeup_start_delayed(void);
LWKT_API void lwkt_wakeup_end_delayed(void);

/*
 * Sleep until a lwkt_schedule() of this thread, or, with LWKT_PCATCH in flags,
 * a lwkt_interrupt().  LWKT_PNORESCHED is allowed too.  This is the cheapest
 * sleep.  Loop on a condition, which is changed on the CPU of the sleeper.
 * Context: thread; a critical section is allowed.  Blocks: yes.
 * Returns: 0; EINTR: interrupted.
 */
LWKT_API int lwkt_sleep(const char *wmesg, int flags);

/*
 * An event count: the number of changes of a condition.  A thread sleeps only
 * if the number has not changed since it read it.
 *
 *	gen = lwkt_xgen(xw);
 *	while (!condition)
 *		lwkt_xsleep(xw, 0, "why", LWKT_FOREVER, &gen);
 *
 * A thread that has changed the condition calls lwkt_xwakeup, which counts and
 * wakes all sleepers, or lwkt_xupdate, which only counts.
 */
struct lwkt_xwait {
	uint32_t	xw_gen;		/* atomic */
};
#define LWKT_XWAIT_INITIALIZER	{ 0 }

/*
 * Initialise an event count; read it.  Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_xwait_init(struct lwkt_xwait *xw);
LWKT_API unsigned lwkt_xgen(struct lwkt_xwait *xw);
/*
 * Sleep if the number is still *gen.  *gen becomes the number at the return.
 * flags (LWKT_PCATCH, LWKT_PNORESCHED), wmesg and timeout_ns are those of
 * lwkt_tsleep.
 * Context: thread.  Blocks: yes.
 * Returns: as lwkt_tsleep; 0 if it did not sleep.
 */
LWKT_API int lwkt_xsleep(struct lwkt_xwait *xw, int flags, const char *wmesg,
    int64_t timeout_ns, unsigned *gen);
/*
 * lwkt_xwakeup counts a change and wakes all sleepers.  lwkt_xupdate counts a
 * change and wakes no sleeper.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_xwakeup(struct lwkt_xwait *xw);
LWKT_API void lwkt_xupdate(struct lwkt_xwait *xw);

/*
 * Interrupt a sleep that td begins with LWKT_PCATCH: the present one, or else
 * the next.  Several interrupts before such a sleep count as one.  td must be
 * alive or held.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_interrupt(lwkt_thread_t td);

/*
 * Sleep for ns nanoseconds, never shorter; an interrupt does not end the sleep.
 * If ns is not positive, yield.
 * Context: thread.  Blocks: yes.  Returns: 0.
 */
LWKT_API int lwkt_sleep_ns(int64_t ns);

/*
 * Return the monotonic clock in nanoseconds; on the simulated host the virtual
 * clock.  Context: any lwkt context.  Blocks: no.
 */
LWKT_API int64_t lwkt_time_ns(void);

/*
 * Return the nanoseconds that are left until the clock shows deadline_ns, 0 if
 * that has passed: the time limit of a call that must end by then.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API int64_t lwkt_until(int64_t deadline_ns);

LWKT_END_DECLS

#endif
