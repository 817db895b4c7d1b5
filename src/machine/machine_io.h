/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's asynchronous operations: try, submit, reap, cancel.
 *
 * THEORY
 * An operation is a struct hostio in the caller's storage.  It belongs to the
 * CPU that submits it.  Submission, cancellation and completion all happen on
 * that CPU, in a critical section, so nothing here needs a lock.  Completion
 * calls io_done exactly once, from machine_io_poll (io_poll.c says when that is
 * called), unless the CPU stops for good before.  The back ends behave alike:
 * linux/io_uring.c, linux/io_epoll.c (readiness for sockets and pipes, carriers
 * for the rest), sim/sim_io.c (a model of the host).  There is no policy here:
 * time limits, messages and the waiters of descriptors are in src/io.
 *
 * INVARIANTS
 * MI1 A submitted operation completes exactly once, on its own CPU and only
 *    inside machine_io_poll.  The caller keeps the storage and the buffer until
 *    then.  (When the CPU stops for good, operations are dropped.)
 * MI2 A cancelled operation still completes: with its result if that came
 *    first; else with the number of bytes moved so far, or -ECANCELED if there
 *    are none.  A HIO_CALL whose function goes on completes with -EINPROGRESS
 *    (struct hostfn).
 * MI3 -EINTR is never a result.  -EAGAIN is returned by machine_io_try; an
 *    operation completes with it only if the host refused the host thread that
 *    would make the call (his_refused).
 * MI4 submit follows a machine_io_try of the same operation that returned
 *    -EAGAIN, with no machine_io_poll in between.  So a back end may rely on
 *    edge-triggered events, and on what that try learned about the descriptor
 *    (io_way).
 * MI5 io_short is set if a result is less than requested and the operation is
 *    complete nevertheless: a message, a full disk, the eight bytes of a
 *    counter.  The rest would be another call.  With -EAGAIN of a try, io_short
 *    means that the call does not wait, so -EAGAIN is its result.
 */
#ifndef LWKT_MACHINE_IO_H
#define LWKT_MACHINE_IO_H

#include <stdint.h>
#include <sys/socket.h>

#include "machine/machine.h"

enum hostio_op {
	HIO_NOP, HIO_ACCEPT, HIO_CONNECT, HIO_RECV, HIO_SEND, HIO_READ,
	HIO_WRITE, HIO_PREAD, HIO_PWRITE, HIO_OPENAT, HIO_CLOSE, HIO_FSYNC,
	HIO_POLL, HIO_WAITPID, HIO_CALL, HIO_OPS
};

/*
 * Written by: (m) the caller, before submit; (b) the back end; (a) atomically.
 * HIO_ACCEPT: io_buf/io_salen the address or NULL, io_flags SOCK_*.
 * HIO_CONNECT: io_buf/io_len the address.  HIO_OPENAT: io_fd the directory,
 * io_buf the path.  HIO_WAITPID: io_fd the pid, io_buf an int * or NULL.
 * HIO_CALL: io_buf a struct hostfn.
 */
struct hostio {
	struct hostio	*io_next;	/* (b) */
	struct hostio	**io_prevp;	/* (b) */
	void		(*io_done)(struct hostio *io, int64_t result); /* (m) */
	int64_t		 io_off;	/* (m) HIO_PREAD, HIO_PWRITE */
	void		*io_buf;	/* (m) */
	size_t		 io_len;	/* (m) */
	socklen_t	*io_salen;	/* (m) */
	int		 io_fd;		/* (m) */
	int		 io_flags;	/* (m) MSG_*, O_*, POLL*, W* */
	int		 io_mode;	/* (m) of a file that is created */
	int		 io_aux;	/* (b) a second descriptor; -1: none */
	uint8_t		 io_op;		/* (m) enum hostio_op */
	uint8_t		 io_state;	/* (b) the back end's flags */
	uint8_t		 io_now;	/* (m) 1: try must ask the host */
	uint8_t		 io_short;	/* (b) MI5 */
	uint8_t		 io_limited;	/* (b) 1: queued by a limit (pool.c) */
	uint32_t	 io_cancelled;	/* (a) 1: end the call in progress */
	int64_t		 io_result;	/* (b) bytes so far, then the result */
	struct mcpu	*io_mc;		/* (b) the CPU that submitted it */
	void		*io_carrier;	/* (b) the carrier that has it */
	uint32_t	 io_gate;	/* (a) IO_GATE_* (gate.c) */
	uint8_t		 io_way;	/* (b) how to wait: HW_* (hostkind.h) */
	uint8_t		 io_with;	/* (b) HIOW_*; written by its CPU */
};

/*
 * A function of the program that may block (HIO_CALL).  It is called on a host
 * thread that is no CPU.  The operation's result is 0 when hf_fn has returned.
 *
 * If hf_orphan is not NULL, the operation can be cancelled while the function
 * runs.  The operation then ends at once with -EINPROGRESS, and the structure
 * belongs to the host thread, which calls hf_orphan after hf_fn.  If the
 * function never began, the result is -ECANCELED, as for any operation (MI2).
 * Without hf_orphan a function that runs is not cancelled.
 */
struct hostfn {
	void		(*hf_fn)(struct hostfn *);
	void		(*hf_orphan)(struct hostfn *);
	void		*hf_what;	/* address of the program's function */
};

/* Statistics of the back end of a CPU. */
struct hostio_stats {
	uint64_t	his_submits;	/* operations that had to wait */
	uint64_t	his_polls;	/* polls for completions */
	uint64_t	his_carried;	/* given to other host threads */
	uint64_t	his_refused;	/* of these, failed: no such thread */
	uint64_t	his_limited;	/* functions that waited for others */
	uint64_t	his_rearmed;	/* epoll: lost registrations renewed */
	uint64_t	his_overflows;	/* the completion queue was full */
};

static inline void
hostio_init(struct hostio *io, enum hostio_op op, int fd)
{
	*io = (struct hostio){ .io_op = (uint8_t)op, .io_fd = fd,
	    .io_aux = -1 };
}

/*
 * The functions from here to machine_io_name: CPU, in a critical section; never
 * block (hostcall.c names one exception).
 * machine_io_try makes the call without waiting where the host can do that.
 * -EAGAIN means that the operation must be submitted, unless io_short is set
 * (MI5).  If io_now is not set, try may return -EAGAIN without asking the host.
 * machine_io_poll reaps the complete operations and calls io_done for each;
 * returns their number.
 */
int64_t	machine_io_try(struct hostio *io);
void	machine_io_submit(struct hostio *io);
void	machine_io_cancel(struct hostio *io);
int	machine_io_poll(void);
/* Returns how many operations of this CPU are submitted and not reaped. */
unsigned machine_io_pending(void);
/* Forgets what is known about fd: it is new, or about to be closed. */
void	machine_io_forget(int fd);
const struct hostio_stats *machine_io_stats(void);
/* "io_uring" or "epoll" (linux), "model" (sim). */
const char *machine_io_name(void);

/*
 * What O_NONBLOCK of fd says about a plain system call on fd.  Returns 0 if the
 * call waits: the flag is not set, or has no meaning for this kind of
 * descriptor.  Returns 1 if the flag is set and the call does not wait; -1 if
 * the flag is set and the call may wait nevertheless.  The model's descriptors
 * have no flags: 0.  Any context; may change errno; never blocks.
 */
int	machine_io_nonblock(int fd);

/*
 * Make the system call nr with six arguments on this host thread, which waits.
 * Returns its result or -errno; errno does not change.  On both hosts the call
 * is a real one, which knows nothing of the model.  Any host thread.
 */
int64_t	machine_syscall(long nr, const long *arg);

#endif
