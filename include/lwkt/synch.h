/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address, wake who sleeps there.
 *
 * The caller of lwkt_tsleep loops on its condition: a wakeup may be spurious.
 * To close the window between testing a condition that another CPU changes and
 * sleeping: lwkt_tsleep_interlock, test again, lwkt_tsleep with
 * LWKT_PINTERLOCKED.
 */
#ifndef LWKT_SYNCH_H
#define LWKT_SYNCH_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* lwkt_interrupt() ends the sleep: EINTR */
#define LWKT_PCATCH		0x00000100
/* when woken it can wait: lwkt_schedule_noresched() */
#define LWKT_PNORESCHED		0x00000200
/* lwkt_tsleep_interlock was called */
#define LWKT_PINTERLOCKED	0x00000400
/* sleep and wakeup match in one domain */
#define LWKT_PDOMAIN_MASK	0xffff0000
#define LWKT_PDOMAIN_UMTX	0x00010000
#define LWKT_PDOMAIN_XLOCK	0x00020000

/*
 * Sleep until a wakeup on ident, or for timeout_ns (LWKT_FOREVER; 0 polls).
 * wmesg, a string that stays, says why to tools.
 * Context: thread; critical section allowed (the CPU is given up).
 * Returns: 0 when woken, EWOULDBLOCK on timeout, EINTR with LWKT_PCATCH.
 */
LWKT_API int lwkt_tsleep(const volatile void *ident, int flags,
    const char *wmesg, int64_t timeout_ns);

/*
 * Queue the caller on ident without sleeping yet; tsleep or remove must
 * follow.
 */
LWKT_API void lwkt_tsleep_interlock(const volatile void *ident, int flags);
LWKT_API void lwkt_tsleep_remove(void);

/*
 * Wake all, or exactly one, of those who sleep on ident, on every CPU.
 * Context: any lwkt context, critical sections and IPI callbacks included.
 * Blocks: no.  wakeup_one takes a sleeper of the calling CPU if there is one.
 */
LWKT_API void lwkt_wakeup(const volatile void *ident);
LWKT_API void lwkt_wakeup_one(const volatile void *ident);
LWKT_API void lwkt_wakeup_n(const volatile void *ident, int n);
LWKT_API void lwkt_wakeup_domain(const volatile void *ident, int domain);
LWKT_API void lwkt_wakeup_domain_one(const volatile void *ident, int domain);

/* The same for sleepers of the calling CPU only: never a message to another. */
LWKT_API void lwkt_wakeup_mycpu(const volatile void *ident);
LWKT_API void lwkt_wakeup_mycpu_one(const volatile void *ident);
/* And for those of one CPU. */
LWKT_API void lwkt_wakeup_oncpu(int cpu, const volatile void *ident);
LWKT_API void lwkt_wakeup_oncpu_one(int cpu, const volatile void *ident);

/*
 * In between, lwkt_wakeup by the calling thread is put off, and several on one
 * ident become one; until the end, the third different ident, or until the
 * thread sleeps.  Not nested.
 */
LWKT_API void lwkt_wakeup_start_delayed(void);
LWKT_API void lwkt_wakeup_end_delayed(void);

/*
 * Sleep without an address: only lwkt_schedule(td) ends it (or lwkt_interrupt
 * with LWKT_PCATCH: EINTR).  The cheapest sleep there is; loop on a condition.
 */
LWKT_API int lwkt_sleep(const char *wmesg, int flags);

/*
 * Sleeping by number: every change of a condition counts, and nobody sleeps
 * whose number is old.
 *
 *	gen = lwkt_xgen(xw);
 *	while (!condition)
 *		lwkt_xsleep(xw, 0, "why", LWKT_FOREVER, &gen);
 *
 * and whoever changes the condition calls lwkt_xwakeup, or lwkt_xupdate to
 * wake nobody, only those about to sleep.
 */
struct lwkt_xwait {
	uint32_t	xw_gen;		/* atomic */
};
#define LWKT_XWAIT_INITIALIZER	{ 0 }

LWKT_API void lwkt_xwait_init(struct lwkt_xwait *xw);
LWKT_API unsigned lwkt_xgen(struct lwkt_xwait *xw);
/*
 * Sleep unless the number is no longer *gen; then *gen is the number of now.
 * Returns: as lwkt_tsleep; 0 if it did not sleep.
 */
LWKT_API int lwkt_xsleep(struct lwkt_xwait *xw, int flags, const char *wmesg,
    int64_t timeout_ns, unsigned *gen);
LWKT_API void lwkt_xwakeup(struct lwkt_xwait *xw);
LWKT_API void lwkt_xupdate(struct lwkt_xwait *xw);

/* End an interruptible sleep of td, now or the next one it begins. */
LWKT_API void lwkt_interrupt(lwkt_thread_t td);

/* Sleep for a time.  Returns 0. */
LWKT_API int lwkt_sleep_ns(int64_t ns);

/* The monotonic clock, nanoseconds; the virtual one on the simulated host. */
LWKT_API int64_t lwkt_time_ns(void);

/*
 * How long it is until that time of the clock: the limit of a call that has to
 * end by then.  0 once it has passed, never negative.
 */
LWKT_API int64_t lwkt_until(int64_t deadline_ns);

LWKT_END_DECLS

#endif
