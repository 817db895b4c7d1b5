/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations shared by io/: requests, a CPU's part, waiters of descriptors.
 *
 * THEORY
 * A request (struct ioreq) is one call of a thread, or one system message.  It
 * is a host operation plus what the host does not know: the receiver of the
 * result, the time limit, and how much of a transfer is done.  (A sleep has a
 * timer and no host operation.)  A request lies in the caller's storage (stack,
 * or message) and belongs to the CPU that started it.
 *
 *	            try gives the result
 *	ioreq_start ------------------------------------------> result
 *	     | would wait                                         ^
 *	     v                        host completes              |
 *	on the waiter list ---> host ----------------> ioreq_finish
 *	     time limit, abort, close: machine_io_cancel, then the same way
 *
 * LEGEND  (i) fixed while in flight  (c) the request's CPU, critical section
 *
 * INVARIANTS
 * IV1 ioreq_finish is called once for a request in flight, unless the CPU stops
 *    for good before.  It is called by machine_io_poll; for a sleep, by the
 *    timer or an abort.
 * IV2 A request in flight on a descriptor is on its CPU's waiter list, and the
 *    CPU's bit is set in the descriptor's word (io_waiter.c).
 */
#ifndef LWKT_IO_IO_VAR_H
#define LWKT_IO_IO_VAR_H

#include <bsd/sys/queue.h>
#include <lwkt/sysmsg.h>

#include "kern/sleep/synch_var.h"
#include "kern/time/systimer_var.h"
#include "machine/machine_io.h"

/* Number of waiter lists of a CPU, and of words (io_waiter.c). */
#define IO_BUCKETS	(config_hard ? 2 : 4096)

/* ir_flags */
#define IR_INFLIGHT	0x01		/* started, not finished */
#define IR_DONE		0x02		/* ir_result is valid */
#define IR_LISTED	0x04		/* on a waiter list */
#define IR_TIMED	0x08		/* ir_timer is on the queue */
#define IR_SLEEP	0x10		/* a timer alone, no host operation */
#define IR_NONBLOCK	0x20		/* does not wait if O_NONBLOCK is set */

/* sm_flags of LWKT_SYS_CALL: the function does not wait; call it at once. */
#define SYSMSG_HERE	1

struct ioreq {
	struct hostio	 ir_io;		/* first */
	LIST_ENTRY(ioreq) ir_link;	/* (c) waiters of the bucket */
	struct lwkt_systimer *ir_timer;	/* (i) limit or sleep; NULL: none */
	lwkt_thread_t	 ir_td;		/* (i) woken at the end, or NULL */
	void		(*ir_fn)(struct ioreq *); /* (i) called if no ir_td */
	int64_t		 ir_total;	/* (c) bytes of earlier parts */
	int64_t		 ir_result;	/* (c) bytes or value, or -errno */
	int		 ir_reason;	/* (c) errno of a cancel, or 0 */
	int16_t		 ir_cpu;	/* (i) CPU that started the request */
	uint16_t	 ir_flags;	/* (c) IR_* */
};
LIST_HEAD(ioreq_list, ioreq);

/* A close of cl_fd in progress (io_waiter.c), on the closing thread's stack. */
struct closer {
	SLIST_ENTRY(closer) cl_link;	/* ic_closers of the CPU asked now */
	lwkt_thread_t	 cl_td;		/* the closing thread */
	int		 cl_cpu;	/* its CPU, which gets the answer */
	int		 cl_fd;
	int		 cl_done;	/* 1: answered; cl_cpu alone uses it */
};
SLIST_HEAD(closer_list, closer);

/* The part of one CPU (gd_io).  Only this CPU uses it, in critical sections. */
struct iocpu {
	struct ioreq_list ic_waiters[IO_BUCKETS];
	struct closer_list ic_closers;	/* to be answered by this CPU */
	struct lwkt_systimer ic_timer;	/* polls while the CPU is busy */
	int		 ic_timer_on;	/* 1: ic_timer is armed */
	int64_t		 ic_polled_ns;	/* time of the last poll */
	struct hostio_stats ic_seen;	/* those that fold_stats() has added */
};

static inline struct iocpu *
iocpu(struct globaldata *gd)
{
	return gd->gd_io;
}

/*
 * The files, bottom up: io_waiter.c, io_poll.c, io_req.c, io_call.c,
 * io_close.c, sysmsg.c.
 */

/* io_waiter.c.  The caller is in a critical section. */
int	waiter_enter(struct ioreq *ir);		/* 0, EAGAIN: try again */
void	waiter_leave(struct ioreq *ir);
struct ioreq_list *waiter_list(struct globaldata *gd, int fd);
void	waiter_closer(struct closer *cl);
uint64_t waiters_closing(int fd);
int	waiters_on(uint64_t bits, int cpu);
void	waiters_closed(int fd);

/* io_req.c.  All but ioreq_init: in a critical section. */
void	ioreq_init(struct ioreq *ir, enum hostio_op op, int fd);
/*
 * Return 1 if the call is complete, 0 if it is in flight: then a wake-up of
 * ir_td, or a call of ir_fn, follows.  A call that would wait blocks while a
 * descriptor of the same word is being closed (io_waiter.c).
 */
int	ioreq_start(struct ioreq *ir, int64_t timeout_ns);
int64_t	ioreq_wait(struct ioreq *ir, const char *wmesg);
/*
 * End a request early.  If the cancel takes effect before the request is
 * complete, ir_result becomes -error, or the number of bytes that were
 * transferred before.  A second cancel has no effect.
 */
void	ioreq_cancel(struct ioreq *ir, int error);
/* Start a sleep of ns as a request; ir_timer must be set. */
void	ioreq_sleep(struct ioreq *ir, int64_t ns);

/*
 * io_call.c: start a request of the calling thread, without a descriptor or
 * with one, and wait for its end.  Returns the result.
 */
int64_t	ioreq_call(struct ioreq *ir, int64_t timeout_ns);

/* io_poll.c.  The caller is in a critical section. */
void	io_poll_busy(struct globaldata *gd);	/* start the timer, if off */
void	io_poll_now(struct globaldata *gd, int64_t age_ns);

#endif
