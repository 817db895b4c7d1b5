/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface of messages between CPUs for the other rooms of kern/.
 *
 * Default context: the owning CPU, in a critical section, never blocking.
 */
#ifndef LWKT_KERN_IPI_IPI_VAR_H
#define LWKT_KERN_IPI_IPI_VAR_H

#include "kern/cpu/crit.h"

/* ipiq_exec.c. */
size_t	ipiq_bytes(int ncpus);			/* rings, boot storage */
void	ipiq_place(void *mem, int ncpus);
void	ipiq_process(struct globaldata *gd);	/* splz: RQF_IPIQ is set */
int	ipiq_watch(struct globaldata *gd);	/* the idle thread's poll */
int	ipiq_pending(struct globaldata *gd);	/* 1: a hint is set */
/*
 * Return 1 if CPU src has sent a message that is not read, or, if src is -1, if
 * a message is deferred; else 0.  *index becomes the number of the next one.
 */
int	ipiq_waits(struct globaldata *gd, int src, uint32_t *index);
/*
 * Revoke one message fn(arg) that this CPU has not executed yet: the message
 * then does nothing.  Return 1, or 0 if there is no such message.
 */
int	ipiq_revoke(struct globaldata *gd, void (*fn)(void *), const void *arg);
void	ipiq_check(struct globaldata *gd);	/* panics if IQ1 is broken */

/*
 * lwkt_ipiq.c: turn the passive messages that this CPU has sent into active
 * ones.  Called by the CPU's tick, and by its signal handler.
 */
void	ipiq_push(struct globaldata *gd);

/*
 * lwkt_ipiq_room.c.  A CPU that spins for a spinlock, or waits in a section for
 * room in a ring, calls ipiq_defer_waiting() in each turn of its loop.  splz
 * calls ipiq_pay() if gd_debt is set.
 */
void	ipiq_defer_waiting(struct globaldata *gd);
void	ipiq_pay(struct globaldata *gd);

/* lwkt_cpusync.c: boot; no CPU is or waits to be the master. */
void	cpusync_boot(void);

/*
 * kick.c: the CPU of tgd runs a preemptible thread, and was notified of a
 * message.  Interrupt it later, if it has not read its messages by then and
 * still runs a preemptible thread.
 */
void	kick_later(struct globaldata *gd, struct globaldata *tgd);

/*
 * foreign.c: work that any host thread leaves to a CPU.  The CPU calls fo_fn as
 * a callback.  The item belongs to the CPU from foreign_push() on.  The two
 * words may lie in an object of another type, so the compiler must assume that
 * they alias anything.
 */
struct foreign {
	struct foreign	*fo_next;
	void		(*fo_fn)(struct foreign *fo);
} __attribute__((__may_alias__));

void	foreign_push(int cpu, struct foreign *fo);
void	foreign_drain(struct globaldata *gd);	/* RQF_IPIQ */
void	foreign_wait(void);	/* shutdown: wait until no push runs */
/*
 * Let CPU cpu call fn(arg, n) as a callback, and wait in the host until it has.
 * The caller is a plain pthread.
 */
void	foreign_do(int cpu, void (*fn)(void *arg, int n), void *arg, int n);

#endif
