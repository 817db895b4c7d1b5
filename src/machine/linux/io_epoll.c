/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The readiness back end: epoll for what can be polled, carriers for the rest.
 *
 * THEORY
 * Each CPU has its own epoll instance.  The first wait on a descriptor
 * registers it there, edge triggered and for both directions.  It stays
 * registered until it is closed.  When an edge arrives, the operations that
 * wait on the descriptor are tried again on the CPU, in order.  An edge that
 * reports more than room for output clears the descriptor's drained flag, so
 * that the next read asks the host.  A call whose descriptor cannot be polled,
 * or need not be, goes to another host thread (carrier.c), as io_way says after
 * each try (hostkind.c).
 *
 * The drained flag (FE_DRAINED) means that the last read took all that the host
 * had.  A plain read of a drained descriptor waits without a system call,
 * unless io_now is set or it is a read of 0 bytes.  So a request on a busy
 * connection costs recv, send and its share of an epoll_wait, as in a bare
 * event loop.  EAGAIN sets the flag on any registered descriptor.  A short read
 * sets it on TCP only, and not after the peer has closed, failed or sent urgent
 * data: these may end a read early without a further edge.
 *
 * A program may close a descriptor without the library, and its number may be
 * reused for another file, which is not registered.  A wait on a registered
 * descriptor does not ask the host, so it puts the descriptor on the verify
 * list.  After VERIFY_NS of sleep (or VERIFY_POLLS polls on a CPU that does not
 * sleep) a descriptor of that list that has waiters is registered again; EEXIST
 * is the normal result.  On a busy CPU this costs little, because most waits
 * have ended by then.  A CPU that becomes idle wakes up once for the list.
 *
 * INVARIANTS
 * EP1 A descriptor with waiters is registered, or on the verify list.
 * EP2 FE_DRAINED is set only when a call made after the last harvested edge
 *    found nothing more (MI4).  So the next input makes a new edge.
 *
 * Measured beside a bare epoll loop and io_uring: docs/adr/0003-io.md.
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/kassert.h"

#define EP_EVENTS	(config_hard ? 1 : 128)	/* taken in one epoll_wait */
#define EP_CHUNK	1024		/* descriptors in a part of the table */
#define EP_CHUNKS	4096		/* parts of the table */
#define EP_WAKEFD	UINT32_MAX	/* data of the eventfd's events */
#define VERIFY_POLLS	64		/* polls until registered again */
#define VERIFY_NS	1000000		/* ns of sleep until registered again */

/* The events to wait for, and the events that set FE_STICKY. */
#define EP_MASK		(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define EP_STICKY	(EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

/* What this CPU knows of a descriptor. */
struct fdent {
	struct hostio	*fe_waiters;	/* both directions, oldest first */
	struct fdent	*fe_vnext;	/* next on the verify list */
	int		 fe_fd;
	uint16_t	 fe_flags;	/* FE_* */
	uint16_t	 fe_pad;
	uint64_t	 fe_stamp;	/* epc_polls when put on that list */
};

#define FE_REG		0x01		/* registered, unless closed since */
#define FE_DRAINED	0x02		/* nothing to read until an edge */
#define FE_STREAM	0x04		/* TCP: short reads set FE_DRAINED */
#define FE_STICKY	0x08		/* EP_STICKY seen: short reads do not */
#define FE_VERIFY	0x10		/* on the verify list */

struct epcpu {
	struct iocommon	 epc_common;	/* must be first: io_common() */
	int		 epc_epfd;
	int		 epc_wakefd;
	int		 epc_nevents;	/* in epc_event, for io_poll */
	uint64_t	 epc_polls;	/* calls of io_poll */
	struct fdent	*epc_vfirst;	/* verify list, oldest first */
	struct fdent	**epc_vlastp;	/* end of the verify list */
	struct fdent	*epc_chunk[EP_CHUNKS];
	struct epoll_event epc_event[EP_EVENTS];
};

static struct epcpu *
epcpu(struct machine_host *h)
{
	return h->h_io;
}

static struct fdent *
fdent_find(struct epcpu *ec, int fd)
{
	struct fdent *chunk;

	if ((unsigned)fd >= EP_CHUNK * EP_CHUNKS)
		return NULL;
	chunk = ec->epc_chunk[fd / EP_CHUNK];
	return chunk != NULL ? &chunk[fd % EP_CHUNK] : NULL;
}

/*
 * Find or create the entry of fd.  Returns NULL if there is no memory, or if fd
 * is negative or too large for the table.
 */
static struct fdent *
fdent_get(struct epcpu *ec, int fd)
{
	struct fdent **chunkp, *fe;

	if ((unsigned)fd >= EP_CHUNK * EP_CHUNKS)
		return NULL;
	chunkp = &ec->epc_chunk[fd / EP_CHUNK];
	if (*chunkp == NULL) {
		*chunkp = iomem_get(EP_CHUNK * sizeof(*fe));
		if (*chunkp == NULL)
			return NULL;
	}
	fe = &(*chunkp)[fd % EP_CHUNK];
	fe->fe_fd = fd;
	return fe;
}

static void
waiter_insert(struct fdent *fe, struct hostio *io)
{
	struct hostio **iop = &fe->fe_waiters;

	while (*iop != NULL)
		iop = &(*iop)->io_next;
	io->io_next = NULL;
	io->io_prevp = iop;
	*iop = io;
	io->io_state |= HIOS_EVENT;
}

static void
waiter_remove(struct hostio *io)
{
	*io->io_prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = io->io_prevp;
	io->io_prevp = NULL;
	io->io_state &= (uint8_t)~HIOS_EVENT;
}

/* Add the descriptor to the epoll instance.  Returns 0 or an errno. */
static int
fd_add(struct epcpu *ec, int fd)
{
	struct epoll_event ev = { .events = EP_MASK };

	ev.data.u64 = 0;
	ev.data.u32 = (uint32_t)fd;
	if (machine_fail("epoll.add"))
		return ENOMEM;
	return epoll_ctl(ec->epc_epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 :
	    errno;
}

/*
 * Register the descriptor.  Returns 0, also if it is registered already
 * (EEXIST), or an errno.  In every other case than EEXIST its flags, except
 * FE_VERIFY, are cleared first: a descriptor that had FE_REG is another file
 * now, or is closed.
 */
static int
fd_register(struct epcpu *ec, struct fdent *fe)
{
	int error = fd_add(ec, fe->fe_fd);

	if (error == EEXIST) {
		fe->fe_flags |= FE_REG;
		return 0;
	}
	if (fe->fe_flags & FE_REG)
		ec->epc_common.ic_stats.his_rearmed++;
	fe->fe_flags &= FE_VERIFY;
	if (error == 0) {
		fe->fe_flags |= FE_REG;
		if (hostkind_is_tcp(fe->fe_fd))
			fe->fe_flags |= FE_STREAM;
	}
	return error;
}

/*
 * epoll refuses the descriptor of this operation (EPERM): it cannot be polled.
 * Try the operation again, because the number may be another file now.  If the
 * try still asks for readiness, only a cancel can end the wait (HIOS_PARKED).
 */
static void
wait_otherwise(struct machine_host *h, struct hostio *io)
{
	int64_t r = hostcall_try(io);

	if (r != -EAGAIN)
		iocommon_done(h, io, r);
	else if (io->io_way == HW_READY)
		io->io_state |= HIOS_PARKED;
	else
		carrier_submit(h, io);
}

/*
 * Remove the waiters of a descriptor that epoll refuses with `error`.  If the
 * descriptor cannot be polled (EPERM), they wait in another way.  Otherwise
 * they complete with the error.
 */
static void
fd_refused(struct machine_host *h, struct fdent *fe, int error)
{
	struct hostio *io;

	while ((io = fe->fe_waiters) != NULL) {
		waiter_remove(io);
		if (error == EPERM)
			wait_otherwise(h, io);
		else
			iocommon_done(h, io, hostcall_failed(io, error));
	}
}

static void
verify_later(struct epcpu *ec, struct fdent *fe)
{
	if (fe->fe_flags & FE_VERIFY)
		return;
	fe->fe_flags |= FE_VERIFY;
	fe->fe_stamp = ec->epc_polls;
	fe->fe_vnext = NULL;
	*ec->epc_vlastp = fe;
	ec->epc_vlastp = &fe->fe_vnext;
}

static void	fd_event(struct machine_host *h, struct fdent *fe,
		    uint32_t events);

/*
 * Take the descriptors that have been on the verify list for `age` polls or
 * longer off it, and register those with waiters again.  If the number is
 * another file now, its waiters are tried: the file may refuse the call at
 * once, and then no edge would ever arrive.
 */
static void
verify(struct machine_host *h, uint64_t age)
{
	struct epcpu *ec = epcpu(h);
	struct fdent *fe;
	uint64_t rearmed;
	int error;

	while ((fe = ec->epc_vfirst) != NULL &&
	    ec->epc_polls - fe->fe_stamp >= age) {
		ec->epc_vfirst = fe->fe_vnext;
		if (ec->epc_vfirst == NULL)
			ec->epc_vlastp = &ec->epc_vfirst;
		fe->fe_flags &= (uint16_t)~FE_VERIFY;
		if (fe->fe_waiters == NULL)
			continue;
		rearmed = ec->epc_common.ic_stats.his_rearmed;
		error = fd_register(ec, fe);
		if (error != 0)
			fd_refused(h, fe, error);
		else if (ec->epc_common.ic_stats.his_rearmed != rearmed)
			fd_event(h, fe, EPOLLIN | EPOLLOUT);
	}
}

/*
 * Would this operation wait if its descriptor has FE_DRAINED?  A read of 0
 * bytes would not, but counts as one that waits: the caller checks io_len.
 */
static int
is_plain_read(const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_READ:
		return 1;
	case HIO_RECV:
		return (io->io_flags & ~(MSG_WAITALL | MSG_NOSIGNAL)) == 0;
	case HIO_ACCEPT:
		return 1;
	default:
		return 0;
	}
}

/* Make the call; set FE_DRAINED if the host has nothing more (EP2). */
static int64_t
try_and_learn(struct fdent *fe, struct hostio *io)
{
	int64_t r = hostcall_try(io);

	if (fe == NULL || (fe->fe_flags & FE_REG) == 0 || !is_plain_read(io))
		return r;
	if ((r == -EAGAIN && io->io_way == HW_READY) || (r > 0 &&
	    io->io_op != HIO_ACCEPT && (size_t)r < io->io_len &&
	    (fe->fe_flags & (FE_STREAM | FE_STICKY)) == FE_STREAM))
		fe->fe_flags |= FE_DRAINED;
	return r;
}

/*
 * Try the call.  A plain read of a drained descriptor is not tried, and the
 * result is -EAGAIN, unless io_now is set or it is a read of 0 bytes.
 */
static int64_t
epoll_try(struct machine_host *h, struct hostio *io)
{
	struct fdent *fe = fdent_find(epcpu(h), io->io_fd);

	if (fe != NULL && (fe->fe_flags & (FE_REG | FE_DRAINED)) ==
	    (FE_REG | FE_DRAINED) && is_plain_read(io) && !io->io_now &&
	    (io->io_len > 0 || io->io_op == HIO_ACCEPT)) {
		io->io_way = HW_READY;
		return -EAGAIN;
	}
	return try_and_learn(fe, io);
}

static void
epoll_submit(struct machine_host *h, struct hostio *io)
{
	struct epcpu *ec = epcpu(h);
	struct fdent *fe;
	int error;

	ec->epc_common.ic_pending++;
	ec->epc_common.ic_stats.his_submits++;
	io->io_mc = h->h_mc;
	ioaux_open(io);
	if (io->io_way != HW_READY) {
		carrier_submit(h, io);
		return;
	}
	fe = fdent_get(ec, ioaux_fd(io));
	if (fe == NULL) {
		iocommon_done(h, io, hostcall_failed(io, ENOMEM));
		return;
	}
	waiter_insert(fe, io);
	if (io->io_aux >= 0)
		fe->fe_flags &= FE_VERIFY;	/* io_aux is a new descriptor */
	if (fe->fe_flags & FE_REG) {
		verify_later(ec, fe);
		return;
	}
	error = fd_register(ec, fe);
	if (error != 0)
		fd_refused(h, fe, error);
}

static void
epoll_cancel(struct machine_host *h, struct hostio *io)
{
	if (io->io_with != 0) {
		carrier_cancel(h, io);
		return;
	}
	if ((io->io_state & (HIOS_EVENT | HIOS_PARKED)) == 0)
		return;				/* complete, not yet reaped */
	if (io->io_state & HIOS_EVENT)
		waiter_remove(io);
	io->io_state &= (uint8_t)~HIOS_PARKED;
	iocommon_done(h, io, hostcall_failed(io, ECANCELED));
}

static void
epoll_forget(struct machine_host *h, int fd)
{
	struct fdent *fe = fdent_find(epcpu(h), fd);

	if (fe != NULL)
		fe->fe_flags &= FE_VERIFY;
}

/*
 * Handle an edge: try the waiters in order.  Once a call of one direction would
 * wait, later calls of that direction are not tried.  A wait for events
 * (HIO_POLL) has no direction and is always tried.
 */
static void
fd_event(struct machine_host *h, struct fdent *fe, uint32_t events)
{
	struct hostio *io, *next;
	unsigned blocked = 0, way;
	int64_t r;

	if (events & ~(uint32_t)EPOLLOUT)
		fe->fe_flags &= (uint16_t)~FE_DRAINED;
	if (events & EP_STICKY)
		fe->fe_flags |= FE_STICKY;
	for (io = fe->fe_waiters; io != NULL; io = next) {
		next = io->io_next;
		way = io->io_op == HIO_POLL ? 0 : 1u << hostcall_is_out(io);
		if (blocked & way)
			continue;
		r = try_and_learn(fe, io);
		if (r == -EAGAIN && io->io_way == HW_READY) {
			blocked |= way;
			continue;
		}
		waiter_remove(io);
		if (r == -EAGAIN)
			carrier_submit(h, io);
		else
			iocommon_done(h, io, r);
	}
}

/*
 * Take events from epoll, with a time limit; io_poll handles them later.
 * Returns nonzero after an event (also of the eventfd, which is not kept) or an
 * error, 0 if the time is over (and perhaps earlier: lwkt__epoll_wait).
 */
static int
harvest(struct epcpu *ec, int64_t timeout_ns)
{
	int n = lwkt__epoll_wait(ec->epc_epfd, ec->epc_event, EP_EVENTS,
	    timeout_ns);
	int kept = 0;

	for (int i = 0; i < n; i++) {
		if (ec->epc_event[i].data.u32 != EP_WAKEFD)
			ec->epc_event[kept++] = ec->epc_event[i];
	}
	ec->epc_nevents = kept;
	return n;
}

static int
epoll_poll(struct machine_host *h)
{
	struct epcpu *ec = epcpu(h);
	struct epoll_event *ev;
	struct fdent *fe;

	ec->epc_polls++;
	ec->epc_common.ic_stats.his_polls++;
	/* Not if other host threads have all pending operations. */
	if (ec->epc_nevents == 0 &&
	    ec->epc_common.ic_pending > ec->epc_common.ic_carried)
		(void)harvest(ec, 0);
	for (int i = 0; i < ec->epc_nevents; i++) {
		ev = &ec->epc_event[i];
		fe = fdent_find(ec, (int)ev->data.u32);
		if (fe != NULL)
			fd_event(h, fe, ev->events);
	}
	ec->epc_nevents = 0;
	verify(h, VERIFY_POLLS);
	return iocommon_reap(&ec->epc_common);
}

static int
epoll_ready(struct machine_host *h)
{
	struct epcpu *ec = epcpu(h);

	if (ec->epc_nevents == 0 && !iocommon_ready(&ec->epc_common))
		(void)harvest(ec, 0);
	return ec->epc_nevents > 0 || iocommon_ready(&ec->epc_common);
}

/*
 * Wait for events.  If descriptors are on the verify list and the limit is
 * longer than VERIFY_NS, wait for VERIFY_NS at first.  If no event comes,
 * register those descriptors again and wait for the rest of the time.  Returns
 * nonzero if io_poll has work.
 */
static int
epoll_wait_io(struct machine_host *h, int64_t timeout_ns)
{
	struct epcpu *ec = epcpu(h);
	int early = ec->epc_vfirst != NULL &&
	    (timeout_ns < 0 || timeout_ns > VERIFY_NS);

	if (ec->epc_nevents > 0 || iocommon_ready(&ec->epc_common))
		return 1;
	if (early && harvest(ec, VERIFY_NS) == 0) {
		verify(h, 0);					/* EP1 */
		if (timeout_ns > 0)
			timeout_ns -= VERIFY_NS;
		early = 0;
	}
	if (!early && !iocommon_ready(&ec->epc_common))
		(void)harvest(ec, timeout_ns);
	return ec->epc_nevents > 0 || iocommon_ready(&ec->epc_common);
}

/* Wake the CPU: each write is an edge, so the counter need not be read. */
static void
epoll_wake(struct machine_host *h)
{
	uint64_t one = 1;
	ssize_t n = write(epcpu(h)->epc_wakefd, &one, sizeof(one));

	if (n != sizeof(one))
		lwkt__io_closed("eventfd");
}

static unsigned
epoll_pending(struct machine_host *h)
{
	return epcpu(h)->epc_common.ic_pending;
}

static int
epoll_probe(void)
{
	int fd;

	if (machine_fail("epoll.create"))
		return EMFILE;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int
epoll_open(struct epcpu *ec)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	ev.data.u64 = EP_WAKEFD;
	ec->epc_epfd = epoll_create1(EPOLL_CLOEXEC);
	if (ec->epc_epfd < 0)
		return errno;
	ec->epc_wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ec->epc_wakefd >= 0 && epoll_ctl(ec->epc_epfd, EPOLL_CTL_ADD,
	    ec->epc_wakefd, &ev) == 0)
		return 0;
	return errno;
}

static void
epoll_free(struct epcpu *ec)
{
	for (int i = 0; i < EP_CHUNKS; i++) {
		if (ec->epc_chunk[i] != NULL)
			iomem_put(ec->epc_chunk[i],
			    EP_CHUNK * sizeof(struct fdent));
	}
	if (ec->epc_epfd >= 0)
		(void)close(ec->epc_epfd);
	if (ec->epc_wakefd >= 0)
		(void)close(ec->epc_wakefd);
	iomem_put(ec, sizeof(*ec));
}

static int
epoll_init(struct machine_host *h)
{
	struct epcpu *ec = iomem_get(sizeof(*ec));
	int error;

	if (ec == NULL)
		return ENOMEM;
	iocommon_init(&ec->epc_common);
	ec->epc_epfd = ec->epc_wakefd = -1;
	ec->epc_vlastp = &ec->epc_vfirst;
	error = epoll_open(ec);
	if (error != 0) {
		epoll_free(ec);
		return error;
	}
	h->h_io = ec;
	carrier_attach(h);
	return 0;
}

/*
 * Drop the operations that still wait: close the pidfds of those that wait for
 * a child.
 */
static void
drop_waiters(struct epcpu *ec)
{
	struct fdent *fe;

	for (unsigned fd = 0; fd < EP_CHUNK * EP_CHUNKS; fd++) {
		fe = fdent_find(ec, (int)fd);
		if (fe == NULL) {
			fd |= EP_CHUNK - 1;	/* to the next chunk */
			continue;
		}
		for (struct hostio *io = fe->fe_waiters; io != NULL;
		    io = io->io_next)
			ioaux_close(io);
	}
}

static void
epoll_fini(struct machine_host *h)
{
	struct epcpu *ec = epcpu(h);

	carrier_detach(h);
	drop_waiters(ec);
	iocommon_drop(&ec->epc_common);
	h->h_io = NULL;
	epoll_free(ec);
}

static const struct hostio_stats *
epoll_stats(struct machine_host *h)
{
	return &epcpu(h)->epc_common.ic_stats;
}

const struct linux_iops lwkt__io_epoll = {
	.io_name = "epoll",
	.io_probe = epoll_probe,
	.io_init = epoll_init,
	.io_fini = epoll_fini,
	.io_try = epoll_try,
	.io_submit = epoll_submit,
	.io_cancel = epoll_cancel,
	.io_forget = epoll_forget,
	.io_poll = epoll_poll,
	.io_pending = epoll_pending,
	.io_stats = epoll_stats,
	.io_wait = epoll_wait_io,
	.io_ready = epoll_ready,
	.io_wake = epoll_wake,
};
