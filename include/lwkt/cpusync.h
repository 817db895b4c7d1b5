/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stop a set of CPUs, change something, let them go on.
 *
 * Between lwkt_cpusync_interlock and lwkt_cpusync_deinterlock every CPU of the
 * set waits in a callback and runs no thread; then each of them runs the
 * function, the caller's own CPU too if it is in the set.  The caller is in a
 * critical section meanwhile and must not block.
 * There is one caller at a time, whatever the sets.  The other callers wait
 * for their turn in lwkt_cpusync_interlock; their CPUs run no other thread.
 *
 * And: free memory when nobody can look at it any more.
 */
#ifndef LWKT_CPUSYNC_H
#define LWKT_CPUSYNC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_cpusync {
	lwkt_cpumask_t	 cs_mask;	/* who takes part */
	lwkt_cpumask_t	 cs_ack;	/* who has answered; atomic */
	void		(*cs_fn)(void *arg);
	void		*cs_arg;
};

LWKT_API lwkt_cpumask_t lwkt_cpumask_all(void);
LWKT_API lwkt_cpumask_t lwkt_cpumask_one(int cpu);

/* fn runs as a callback (of lwkt/ipiq.h); NULL: just stop them. */
LWKT_API void lwkt_cpusync_init(struct lwkt_cpusync *cs, lwkt_cpumask_t mask,
    void (*fn)(void *arg), void *arg);
LWKT_API void lwkt_cpusync_interlock(struct lwkt_cpusync *cs);
LWKT_API void lwkt_cpusync_deinterlock(struct lwkt_cpusync *cs);

/* Both in one call. */
LWKT_API void lwkt_cpusync_simple(lwkt_cpumask_t mask, void (*fn)(void *arg),
    void *arg);
/* Run fn on each CPU of the set and wait until all have; nobody is stopped. */
LWKT_API void lwkt_cpusync_quick(lwkt_cpumask_t mask, void (*fn)(void *arg),
    void *arg);

/*
 * Reclamation.  Readers look at shared memory in a critical section.  A thread
 * that has taken an object out of everybody's reach retires it: fn(rt) is
 * called, as a callback on the same CPU, when every critical section that ran
 * on any CPU at the time has ended.  A section counts as ended, too, when its
 * thread blocks in it, or executes messages in it: lwkt_process_ipiq,
 * lwkt_wait_ipiq, lwkt_abortmsg, and the calls above.
 */
struct lwkt_retire {
	struct lwkt_retire *rt_next;
	void		(*rt_fn)(struct lwkt_retire *rt);
};

#ifndef __cplusplus
LWKT_API void lwkt_retire(struct lwkt_retire *rt,
    void (*fn)(struct lwkt_retire *rt));
#else
/* In C++ a function would hide the structure of the same name. */
extern void lwkt_retire_cxx(struct lwkt_retire *rt,
    void (*fn)(struct lwkt_retire *rt)) __asm__("lwkt_retire");
#define lwkt_retire(...)	lwkt_retire_cxx(__VA_ARGS__)
#endif

LWKT_END_DECLS

#endif
