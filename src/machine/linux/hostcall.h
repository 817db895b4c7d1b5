/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the I/O back ends share: the calls themselves, the carriers, and the
 * list on which operations that are complete wait to be reaped.
 */
#ifndef LWKT_MACHINE_LINUX_HOSTCALL_H
#define LWKT_MACHINE_LINUX_HOSTCALL_H

#include "machine/linux/host.h"
#include "machine/machine_io.h"

/* io_state */
#define HIOS_INFLIGHT	0x01	/* submitted, not complete */
#define HIOS_STARTED	0x02	/* a connect is under way in the host */
#define HIOS_CARRIER	0x04	/* given to the carriers */
#define HIOS_POLLING	0x08	/* io_uring: waits for readiness only */
#define HIOS_EVENT	0x10	/* epoll: on a descriptor's queue */

/* How an operation that cannot be done at once is waited for. */
enum hostcall_kind {
	HCK_IN,			/* until hostcall_fd() is readable */
	HCK_OUT,		/* until it is writable */
	HCK_CARRIER		/* by a carrier */
};

int64_t	hostcall_try(struct hostio *io);	/* never waits */
int64_t	hostcall_block(struct hostio *io);	/* on a carrier: waits */
enum hostcall_kind hostcall_kind(const struct hostio *io);
void	hostcall_prepare(struct hostio *io);	/* before the first wait */
void	hostcall_finish(struct hostio *io);	/* undoes it */
int	hostcall_fd(const struct hostio *io);
/* The result of the whole, when the last part gave r. */
int64_t	hostcall_total(const struct hostio *io, int64_t r);

/*
 * The first part of every back end's h_io.  (c) own CPU  (a) atomic
 */
struct iocommon {
	uintptr_t	 ic_remote;	/* (a) stack of what carriers did */
	struct hostio	*ic_first;	/* (c) complete, to be reaped */
	struct hostio	**ic_lastp;	/* (c) */
	unsigned	 ic_pending;	/* (c) submitted, not reaped */
	unsigned	 ic_carried;	/* (c) of these, given to carriers */
	struct hostio_stats ic_stats;	/* (c) */
};

static inline struct iocommon *
io_common(struct machine_host *h)
{
	return h->h_io;
}

void	iocommon_init(struct iocommon *ic);
/* Complete here and now; io_done follows in the next poll. */
void	iocommon_done(struct machine_host *h, struct hostio *io,
	    int64_t result);
int	iocommon_reap(struct iocommon *ic);
void	iocommon_drop(struct iocommon *ic);
int	iocommon_ready(struct iocommon *ic);
/* Carried operations that came back and are not reaped. */
unsigned iocommon_carried(struct iocommon *ic);

/* Memory of a back end: zeroed, NULL when refused. */
void	*iomem_get(size_t size);
void	iomem_put(void *p, size_t size);

/* carrier.c: _attach and _detach around a CPU's use of the pool. */
void	carrier_attach(void);
void	carrier_detach(struct machine_host *h);
void	carrier_submit(struct machine_host *h, struct hostio *io);
void	carrier_cancel(struct machine_host *h, struct hostio *io);

extern const struct linux_iops lwkt__io_epoll;
extern const struct linux_iops lwkt__io_uring;

#endif
