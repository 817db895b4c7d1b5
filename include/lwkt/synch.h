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

/*
 * Sleep without an address: only lwkt_schedule(td) ends it (or lwkt_interrupt
 * with LWKT_PCATCH: EINTR).  The cheapest sleep there is; loop on a condition.
 */
LWKT_API int lwkt_sleep(const char *wmesg, int flags);

/* End an interruptible sleep of td, now or the next one it begins. */
LWKT_API void lwkt_interrupt(lwkt_thread_t td);

/* Sleep for a time.  Returns 0. */
LWKT_API int lwkt_sleep_ns(int64_t ns);

/* The monotonic clock, nanoseconds; the virtual one on the simulated host. */
LWKT_API int64_t lwkt_time_ns(void);

LWKT_END_DECLS

#endif
