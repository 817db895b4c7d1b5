/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rendezvous of CPUs: stop a set of CPUs, change something, let them continue.
 *
 * Between lwkt_cpusync_interlock and lwkt_cpusync_deinterlock every other CPU
 * of the set is stopped: it runs no thread and no timer, but it executes
 * messages.  Then each CPU of the set runs the function, the caller's own CPU
 * too if it is in the set.  Meanwhile the caller is in a critical section and
 * must not block.  CPUs that do not exist are ignored.  Only one rendezvous at
 * a time is in progress, whatever the sets, and the two calls do not nest.
 * Other callers wait in lwkt_cpusync_interlock; their CPUs run no other thread.
 *
 * And: free memory when no reader can use it any more (lwkt_retire).
 *
 * Context: thread; not in a callback, not in a hard section, not with a
 * spinlock.
 * Blocks: no; spins until the other CPUs have answered, and executes messages.
 */
#ifndef LWKT_CPUSYNC_H
#define LWKT_CPUSYNC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_cpusync {
	lwkt_cpumask_t	 cs_mask;	/* the set of CPUs */
	lwkt_cpumask_t	 cs_ack;	/* CPUs that have answered; atomic */
	void		(*cs_fn)(void *arg);
	void		*cs_arg;
};

/*
 * Return the set of all CPUs; the set of one CPU, which must exist.  Context:
 * any lwkt context.  Blocks: no.
 */
LWKT_API lwkt_cpumask_t lwkt_cpumask_all(void);
LWKT_API lwkt_cpumask_t lwkt_cpumask_one(int cpu);

/*
 * Prepare *cs, in the caller's memory, which must stay until
 * lwkt_cpusync_deinterlock has returned.  fn(arg) will run as a callback
 * (lwkt/ipiq.h); NULL: none.
 */
LWKT_API void lwkt_cpusync_init(struct lwkt_cpusync *cs, lwkt_cpumask_t mask,
    void (*fn)(void *arg), void *arg);
/* Stop the other CPUs of the set; let them run fn and continue. */
LWKT_API void lwkt_cpusync_interlock(struct lwkt_cpusync *cs);
LWKT_API void lwkt_cpusync_deinterlock(struct lwkt_cpusync *cs);

/* Both in one call. */
LWKT_API void lwkt_cpusync_simple(lwkt_cpumask_t mask, void (*fn)(void *arg),
    void *arg);
/*
 * Run fn on each CPU of the set and wait for all of them; no CPU stops, and
 * other rendezvous may be in progress.
 */
LWKT_API void lwkt_cpusync_quick(lwkt_cpumask_t mask, void (*fn)(void *arg),
    void *arg);

/*
 * Reclamation.  Readers read shared memory in critical sections.  A thread that
 * has removed an object from the shared structure retires it: fn(rt) is called
 * later, as a callback on the same CPU, when every critical section that was in
 * progress on any CPU has ended.  A section also counts as ended when its
 * thread blocks in it or executes messages in it: lwkt_process_ipiq,
 * lwkt_wait_ipiq, lwkt_abortmsg, and the calls above.
 *
 * rt is a member of the object; it belongs to the library until fn is called.
 * Context of lwkt_retire: any lwkt context.  Blocks: no.
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
