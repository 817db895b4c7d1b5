/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: one-shot and periodic, about 1 us fine.
 *
 * A timer belongs to the CPU that added it.  Its function runs there in a
 * critical section (the rules of an IPI callback) and may re-add or delete the
 * timer.
 */
#ifndef LWKT_SYSTIMER_H
#define LWKT_SYSTIMER_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_systimer;
typedef void (*lwkt_systimer_fn_t)(struct lwkt_systimer *st, void *arg);

/* The library's own; no field is of use to a program. */
struct lwkt_systimer {
	struct lwkt_systimer	*st_next;	/* the CPU's queue of timers */
	struct lwkt_systimer	*st_prev;
	int64_t			 st_time;	/* absolute, ns */
	uint64_t		 st_seq;	/* FIFO among equal times */
	uint64_t		 st_running;	/* a number that says so */
	uint32_t		 st_where;	/* in the queue */
	int			 st_flags;
	lwkt_systimer_fn_t	 st_fn;
	void			*st_arg;
	int64_t			 st_period;	/* ns; 0: one-shot */
	int			 st_cpu;	/* owner */
};

/*
 * Periodic: one call for each missed period, else missed periods are skipped,
 * phase kept.
 */
#define LWKT_ST_BURST	0x0002

/* Start a timer on the calling CPU.  Context: any lwkt context. */
LWKT_API void lwkt_systimer_init_oneshot(struct lwkt_systimer *st,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns);
LWKT_API void lwkt_systimer_init_periodic(struct lwkt_systimer *st,
    lwkt_systimer_fn_t fn, void *arg, int64_t period_ns, int flags);
/* The same on another CPU, by a message to it; the timer is that CPU's now. */
LWKT_API void lwkt_systimer_init_oncpu(struct lwkt_systimer *st, int cpu,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns, int64_t period_ns);
LWKT_API void lwkt_systimer_adjust_periodic(struct lwkt_systimer *st,
    int64_t period_ns);
/*
 * Stop it, even if the message that starts it is still under way: on its own
 * CPU only.  It may be stopped from its own function.
 */
LWKT_API void lwkt_systimer_del(struct lwkt_systimer *st);

LWKT_END_DECLS

#endif
