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
void	ipiq_process(struct globaldata *gd);	/* RQF_IPIQ */
int	ipiq_watch(struct globaldata *gd);	/* idle: 1 if some came */
int	ipiq_pending(struct globaldata *gd);	/* also passive messages */
/*
 * Return whether a message from src (-1: a deferred one) is unexecuted; store
 * its number.
 */
int	ipiq_waits(struct globaldata *gd, int src, uint32_t *index);
/*
 * Revoke an unexecuted message of 1 argument to this CPU.  Returns 0 if there
 * is none, else 1.
 */
int	ipiq_revoke(struct globaldata *gd, void (*fn)(void *), const void *arg);
void	ipiq_check(struct globaldata *gd);	/* panics: damaged */

/*
 * lwkt_ipiq.c: the sender's tick makes its passive messages active.  Also in
 * its signal handler.
 */
void	ipiq_push(struct globaldata *gd);

/* lwkt_ipiq_room.c: for code that spins in a section; after the section. */
void	ipiq_defer_waiting(struct globaldata *gd);
void	ipiq_pay(struct globaldata *gd);

/* lwkt_cpusync.c: forget the masters of an earlier kernel. */
void	cpusync_boot(void);

/*
 * kick.c: tgd runs a preemptible thread, was awake, and was notified of a
 * message.  Interrupt it later if it has not read its messages by then.
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
void	foreign_wait(void);	/* shutdown: until no push is in progress */
/* From a pthread: let that CPU call fn(arg, n) as a callback; wait for it. */
void	foreign_do(int cpu, void (*fn)(void *arg, int n), void *arg, int n);

#endif
