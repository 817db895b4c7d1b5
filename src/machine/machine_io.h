/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's asynchronous operations: submit, reap, cancel.
 *
 * THEORY
 * One operation is a struct hostio in the caller's storage.  It belongs to the
 * CPU that submits it: submission, cancellation and completion all happen
 * there, in a critical section, so nothing here needs a lock.  Completion
 * calls io_done exactly once, from machine_io_poll (the idle loop, a tick, or
 * a thread's own poll).  Back ends of equal behaviour: linux/io_uring.c,
 * linux/io_epoll.c (readiness for sockets and pipes, carrier threads for the
 * rest), sim/sim_io.c (a model of the host).  No policy here: time limits,
 * messages and descriptors' waiters are src/io's.
 *
 * INVARIANTS
 * I1 An operation completes exactly once, after submit, on its own CPU.
 * I2 After cancel it still completes: with its result if that came first,
 *    with -ECANCELED otherwise.
 * I3 -EINTR and -EAGAIN are never results.
 */
#ifndef LWKT_MACHINE_IO_H
#define LWKT_MACHINE_IO_H

#include <stdint.h>
#include <sys/socket.h>

#include "machine/machine.h"

enum hostio_op {
	HIO_NOP, HIO_ACCEPT, HIO_CONNECT, HIO_RECV, HIO_SEND, HIO_READ,
	HIO_WRITE, HIO_PREAD, HIO_PWRITE, HIO_OPENAT, HIO_CLOSE, HIO_FSYNC,
	HIO_POLL, HIO_WAITPID, HIO_OPS
};

struct hostio {
	struct hostio	*io_next;	/* the back end's queue */
	struct hostio	**io_prevp;
	void		(*io_done)(struct hostio *io, int64_t result);
	int64_t		 io_off;	/* file offset; -1: the current one */
	void		*io_buf;
	size_t		 io_len;
	socklen_t	*io_salen;
	int		 io_fd;
	int		 io_flags;	/* MSG_*, O_*, POLL*, wait options */
	int		 io_mode;
	uint8_t		 io_op;		/* enum hostio_op */
	uint8_t		 io_state;	/* the back end's */
	uint16_t	 io_pad;
	int64_t		 io_result;
};

/*
 * All: CPU, critical section.  try: the call itself without waiting where the
 * host can; -EAGAIN means "submit it".  poll: reap what is complete without
 * waiting, calling io_done; the count.
 */
int64_t	machine_io_try(struct hostio *io);
void	machine_io_submit(struct hostio *io);
void	machine_io_cancel(struct hostio *io);
int	machine_io_poll(void);
/* Operations submitted and not complete on this CPU. */
unsigned machine_io_pending(void);
/* "io_uring" or "epoll" (linux), "model" (sim). */
const char *machine_io_name(void);

#endif
