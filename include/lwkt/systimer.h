/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: one-shot and periodic, with a resolution of about 1 us.
 *
 * A timer belongs to the CPU that started it.  Its function runs there as a
 * callback (lwkt/ipiq.h) and must not block.  It may start the timer again or
 * delete it.  The program owns the memory of a timer, which must stay while the
 * timer runs.
 */
#ifndef LWKT_SYSTIMER_H
#define LWKT_SYSTIMER_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_systimer;
typedef void (*lwkt_systimer_fn_t)(struct lwkt_systimer *st, void *arg);

/* The fields belong to the library. */
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
 * Call a periodic timer's function once for each missed period.  Without this
 * flag missed periods are skipped.  The phase stays the same in both cases.
 */
#define LWKT_ST_BURST	0x0002

/*
 * Start a timer on the calling CPU: one call of fn(st, arg) after delay_ns; a
 * call every period_ns > 0, the first after one period, with flags 0 or
 * LWKT_ST_BURST.  A timer that runs already panics.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_systimer_init_oneshot(struct lwkt_systimer *st,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns);
LWKT_API void lwkt_systimer_init_periodic(struct lwkt_systimer *st,
    lwkt_systimer_fn_t fn, void *arg, int64_t period_ns, int flags);
/*
 * Start a timer on another CPU, by a message.  The timer then belongs to that
 * CPU.  period_ns 0: one-shot.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_systimer_init_oncpu(struct lwkt_systimer *st, int cpu,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns, int64_t period_ns);

/*
 * Change the period, from the next call on.
 * Context: any lwkt context on the CPU of the timer.  Blocks: no.
 */
LWKT_API void lwkt_systimer_adjust_periodic(struct lwkt_systimer *st,
    int64_t period_ns);
/*
 * Stop a timer, even if the message that starts it has not arrived.  Its
 * function is not called afterwards, and the memory may be used again.  A timer
 * that does not run may be stopped too.  The function of the timer may stop it.
 * Context: any lwkt context on the CPU of the timer.  Blocks: no.
 */
LWKT_API void lwkt_systimer_del(struct lwkt_systimer *st);

LWKT_END_DECLS

#endif
