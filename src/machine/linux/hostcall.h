/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts that the I/O back ends share: the system calls, the carriers, and the
 * list of complete operations that are not yet reaped.
 *
 * hostcall.c leaves a gate after a call, and gate.c then passes the next
 * operation to a carrier.  carrier.c is above both files (host.h), so gate.c
 * uses the queue in pool.c.
 */
#ifndef LWKT_MACHINE_LINUX_HOSTCALL_H
#define LWKT_MACHINE_LINUX_HOSTCALL_H

#include "machine/linux/host.h"
#include "machine/linux/hostkind.h"
#include "machine/machine_io.h"

/*
 * The bits of io_state.  While io_with is 0, the CPU writes them.  Otherwise
 * the host thread that io_with names writes them, until it returns the result.
 */
#define HIOS_INFLIGHT	0x01	/* io_uring: the ring has the operation */
#define HIOS_STARTED	0x02	/* a connect is under way in the host */
#define HIOS_POLLING	0x04	/* io_uring: waits for readiness only */
#define HIOS_EVENT	0x08	/* epoll: waits on a descriptor */
#define HIOS_SOCKET	0x10	/* the last try found a socket */
#define HIOS_PARKED	0x20	/* waits until it is cancelled */

/* Values of io_with: which host threads have the operation.  0: its CPU. */
#define HIOW_CARRIER	1	/* the carriers, or a gate's line */
#define HIOW_RETRY	2	/* the retry thread */

/* The most bytes that Linux moves in one transfer (MAX_RW_COUNT). */
#define HC_MAX		0x7ffff000u

/*
 * hostcall_try makes the call without waiting.  After -EAGAIN io_way says how
 * to continue, unless io_short is set (MI5).  hostcall_block makes the call on
 * a carrier and may wait.  After -EAGAIN or -EINTR the carrier calls it again,
 * ends a cancelled operation, or passes the operation on as io_way then says.
 */
int64_t	hostcall_try(struct hostio *io);
int64_t	hostcall_block(struct hostio *io);
/* Does the operation wait for room (POLLOUT)?  A poll may name input too. */
int	hostcall_is_out(const struct hostio *io);

/* Enables or disables pthread_cancel around the system call of a carrier. */
static inline void
hostcall_endable(int on)
{
	int old;

	(void)pthread_setcancelstate(on ? PTHREAD_CANCEL_ENABLE :
	    PTHREAD_CANCEL_DISABLE, &old);
}

/*
 * hosttotal.c: returns the result of the whole operation when the last call
 * returned r, and sets io_short.  -EAGAIN and -EINTR are returned unchanged.
 * hostcall_failed: the operation ends with `error`, without another call.
 */
int64_t	hostcall_total(struct hostio *io, int64_t r);
int64_t	hostcall_failed(struct hostio *io, int error);

/* hostopen.c: hostcall_try and hostcall_block for an open or a close. */
int64_t	hostopen_try(struct hostio *io);
int64_t	hostopen_block(struct hostio *io);	/* may change io_way */
int64_t	hostclose_try(struct hostio *io);

/* gate.c; gate_leave may be called by any host thread. */
int	gate_try(struct hostio *io);	/* 1: the operation has the gate */
void	gate_leave(struct hostio *io);	/* if it has the gate */
int	gate_enter(struct hostio *io);	/* 1: as gate_try; 0: is in the line */
int	gate_cancel(struct hostio *io);	/* 1: was in the line, is out */
/* Takes the operations of a CPU out of all lines; returns how many. */
unsigned gate_drain(struct mcpu *mc);

/*
 * The first member of every back end's h_io.  (c) own CPU  (a) atomic
 */
struct iocommon {
	uintptr_t	 ic_remote;	/* (a) stack of complete operations */
	uint32_t	 ic_telling;	/* (a) calls of iocommon_return() */
	struct hostio	*ic_first;	/* (c) complete, to be reaped */
	struct hostio	**ic_lastp;	/* (c) end of that list */
	unsigned	 ic_pending;	/* (c) submitted, not reaped */
	unsigned	 ic_carried;	/* (c) of these, io_with is not 0 */
	struct hostio_stats ic_stats;	/* (c) */
};

static inline struct iocommon *
io_common(struct machine_host *h)
{
	return h->h_io;
}

/* iocommon.c: called on the CPU's host thread, except iocommon_return. */
void	iocommon_init(struct iocommon *ic);
/* Completes an operation on its CPU; the next poll calls io_done. */
void	iocommon_done(struct machine_host *h, struct hostio *io,
	    int64_t result);
/* Gives the operation back to its CPU and wakes the CPU.  Any host thread. */
void	iocommon_return(struct hostio *io, int64_t result);
int	iocommon_reap(struct iocommon *ic);
void	iocommon_drop(struct iocommon *ic);
int	iocommon_ready(struct iocommon *ic);
/* Counts the carried operations that are complete and not reaped. */
unsigned iocommon_carried(struct iocommon *ic);

/* ioaux_fd returns the descriptor to poll: io_fd, or io_aux if there is one. */
void	ioaux_open(struct hostio *io);	/* before the first wait */
void	ioaux_close(struct hostio *io);	/* undoes ioaux_open */
int	ioaux_fd(const struct hostio *io);

/* Zeroed memory for a back end.  iomem_get returns NULL if there is none. */
void	*iomem_get(size_t size);
void	iomem_put(void *p, size_t size);

/* carrier.c: a CPU uses the pool between _attach and _detach. */
void	carrier_attach(struct machine_host *h);
void	carrier_detach(struct machine_host *h);
/* Submits as io_way says, which is neither HW_CPU nor HW_READY. */
void	carrier_submit(struct machine_host *h, struct hostio *io);
void	carrier_cancel(struct machine_host *h, struct hostio *io);

/* retry.c */
int	retry_submit(struct hostio *io);	/* 0, or an errno: no thread */
/* Returns 1 if the operation was on the list; the caller completes it then. */
int	retry_cancel(struct hostio *io);
/* Takes the operations of a CPU off the list; returns how many. */
unsigned retry_drain(struct mcpu *mc);
void	retry_stop(void);

extern const struct linux_iops lwkt__io_epoll;
extern const struct linux_iops lwkt__io_uring;

#endif
