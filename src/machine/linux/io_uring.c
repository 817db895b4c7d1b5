/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The completion back end: an io_uring for each CPU.
 *
 * THEORY
 * The ring belongs to the CPU's host thread (SINGLE_ISSUER).  Where Linux has
 * DEFER_TASKRUN, completions are made when the CPU asks for them, and do not
 * interrupt it.  A submission only fills an entry of the ring.  One system call
 * hands all entries to the host, when the CPU polls, is halted, cancels an
 * operation, or has filled the queue.  A poll of a ring with nothing to submit
 * and nothing to reap reads a few words of memory.
 *
 * For a socket the ring gets the socket's own operation, not a poll: the host
 * completes it when it can.  (The socket is polled only for a connect that is
 * under way and for HIO_POLL.)  On some hosts an operation on a descriptor that
 * the program made O_NONBLOCK completes with EAGAIN instead of waiting.  Then
 * the ring polls the descriptor and the CPU makes the call, as for all other
 * descriptors that can be polled.  For a file the ring gets the file's
 * operation: an open, a close, an fsync, or a transfer at an offset.  For a
 * transfer at the position of the descriptor, the ring would not take the lock
 * of the position, so that transfer goes to the carriers.  All calls that are
 * neither HW_READY nor HW_FILE (hostkind.c) also go to other host threads
 * (carrier.c): they may wait for ever or their object is not yet known, and the
 * ring has few workers for files.
 *
 * A receive with MSG_WAITALL is given to the ring without that flag, because
 * the ring would join messages of a SOCK_SEQPACKET socket.  The caller repeats
 * a short receive itself.
 *
 * The host resolves a descriptor when it takes the entry.  So cancel submits at
 * once: afterwards the descriptor may be closed and its number used again, and
 * the operation cannot reach the wrong file.
 *
 * A halted CPU is woken by an eventfd on which the ring has a multishot poll.
 *
 * INVARIANTS
 * IU1 Every operation in the ring has one completion to come.  The completions
 *    of cancels and of the eventfd (known by user_data) are not counted.
 * IU2 A full completion queue loses nothing (IORING_FEAT_NODROP is required),
 *    but is counted.
 *
 * This file uses only functions that liburing 2.3 has.  A child of fork does
 * not inherit the memory of the ring.
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/kassert.h"

/* Entries of the submission queue, the completion queue and urc_drained. */
#define UR_ENTRIES	(config_hard ? 4 : 256)
#define UR_CQES		(config_hard ? 8 : 4096)
#define UR_HINTS	(config_hard ? 2 : 4096)

/* Errors internal to Linux that appear when a worker of the ring is stopped. */
#define UR_RESTART	512		/* ERESTARTSYS */
#define UR_RESTART_LAST	516		/* ERESTART_RESTARTBLOCK */

/* user_data: one of these, else the address of the operation. */
#define UD_CANCEL	1u
#define UD_WAKE		2u

struct urcpu {
	struct iocommon	 urc_common;	/* must be first: io_common() */
	struct io_uring	 urc_ring;
	int		 urc_wakefd;
	unsigned	 urc_inring;	/* operations that the ring has (IU1) */
	unsigned	 urc_overflow;	/* the host's count of IU2, last seen */
	/* By descriptor modulo UR_HINTS; 1: the last read emptied a socket. */
	uint8_t		 urc_drained[UR_HINTS];
};

static struct urcpu *
urcpu(struct machine_host *h)
{
	return h->h_io;
}

/* Panic if the result of a system call says that the ring was closed. */
static void
entered(int r)
{
	if (r == -EBADF || r == -EOPNOTSUPP || r == -ENXIO)
		lwkt__io_closed("io_uring");
}

/*
 * Get a free entry.  While there is none, hand the filled entries to the host.
 */
static struct io_uring_sqe *
get_sqe(struct urcpu *uc)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uc->urc_ring);

	for (unsigned turn = 0; sqe == NULL; turn++) {
		entered(io_uring_submit(&uc->urc_ring));
		sqe = io_uring_get_sqe(&uc->urc_ring);
		/* After EAGAIN or EBUSY the host takes entries later. */
		KASSERTF(turn < 1000000, "the host takes nothing from a ring "
		    "with %u operations", uc->urc_inring);
	}
	return sqe;
}

/*
 * Return the events to poll for.  The host's wake-up for urgent data names
 * POLLRDBAND and not POLLPRI, and the ring compares it with the events
 * requested: so POLLPRI must request both.
 */
static unsigned
poll_mask(const struct hostio *io)
{
	unsigned events = (unsigned)io->io_flags;

	if (io->io_op == HIO_POLL)
		return events & POLLPRI ? events | POLLRDBAND : events;
	return hostcall_is_out(io) ? POLLOUT : POLLIN;
}

static unsigned
length(const struct hostio *io)
{
	return io->io_len < HC_MAX ? (unsigned)io->io_len : HC_MAX;
}

/* Fill an entry for a call on a socket. */
static void
prep_socket(struct io_uring_sqe *sqe, const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_ACCEPT:
		io_uring_prep_accept(sqe, io->io_fd, io->io_buf, io->io_salen,
		    io->io_flags);
		break;
	case HIO_RECV:
	case HIO_READ:
		io_uring_prep_recv(sqe, io->io_fd, io->io_buf, length(io),
		    io->io_flags & ~MSG_WAITALL);
		break;
	default:
		io_uring_prep_send(sqe, io->io_fd, io->io_buf, length(io),
		    io->io_flags | MSG_NOSIGNAL);
		break;
	}
}

/* Fill an entry for a call on a file. */
static void
prep_file(struct io_uring_sqe *sqe, const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_PREAD:
		io_uring_prep_read(sqe, io->io_fd, io->io_buf, length(io),
		    (uint64_t)io->io_off);
		break;
	case HIO_PWRITE:
		io_uring_prep_write(sqe, io->io_fd, io->io_buf, length(io),
		    (uint64_t)io->io_off);
		break;
	case HIO_OPENAT:
		io_uring_prep_openat(sqe, io->io_fd, io->io_buf, io->io_flags,
		    (mode_t)io->io_mode);
		/* Not inline: that would open a FIFO without its peer. */
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
		break;
	case HIO_CLOSE:
		io_uring_prep_close(sqe, io->io_fd);
		break;
	case HIO_FSYNC:
		io_uring_prep_fsync(sqe, io->io_fd, 0);
		break;
	default:
		lwkt_panic("io_uring: unknown operation %d", io->io_op);
	}
}

static void
enter_ring(struct urcpu *uc, struct hostio *io)
{
	struct io_uring_sqe *sqe = get_sqe(uc);

	if (io->io_state & HIOS_POLLING)
		io_uring_prep_poll_add(sqe, ioaux_fd(io), poll_mask(io));
	else if (io->io_way == HW_READY)
		prep_socket(sqe, io);
	else
		prep_file(sqe, io);
	io_uring_sqe_set_data(sqe, io);
	uc->urc_inring++;			/* IU1 */
}

/* Give the operation to the ring or to a carrier, as io_way says. */
static void
dispatch(struct machine_host *h, struct hostio *io)
{
	io->io_state &= (uint8_t)~(HIOS_INFLIGHT | HIOS_POLLING);
	if (io->io_way != HW_READY && io->io_way != HW_FILE) {
		carrier_submit(h, io);
		return;
	}
	io->io_state |= HIOS_INFLIGHT;
	if (io->io_way == HW_READY && ((io->io_state & HIOS_SOCKET) == 0 ||
	    io->io_op == HIO_CONNECT))
		io->io_state |= HIOS_POLLING;
	enter_ring(urcpu(h), io);
}

/* Has this read emptied the socket?  Only a hint. */
static uint8_t
is_drained(const struct hostio *io, int64_t r)
{
	return (io->io_state & HIOS_SOCKET) != 0 && (r == -EAGAIN || (r > 0 &&
	    (size_t)r < io->io_len));
}

/*
 * Try the call.  If the hint says that the socket is drained, a plain read is
 * not tried, and the result is -EAGAIN, unless io_now is set or it is a read of
 * 0 bytes.
 */
static int64_t
uring_try(struct machine_host *h, struct hostio *io)
{
	uint8_t *drained = &urcpu(h)->urc_drained[(unsigned)io->io_fd %
	    UR_HINTS];
	int reads = io->io_op == HIO_RECV || io->io_op == HIO_READ;
	int64_t r;

	/* A wrong hint does no harm: the ring makes the call at once then. */
	if (reads && *drained && (io->io_flags & ~MSG_NOSIGNAL) == 0 &&
	    io->io_len > 0 && !io->io_now) {
		io->io_way = HW_READY;
		io->io_state |= HIOS_SOCKET;
		return -EAGAIN;
	}
	r = hostcall_try(io);
	if (reads)
		*drained = is_drained(io, r);
	return r;
}

static void
uring_submit(struct machine_host *h, struct hostio *io)
{
	struct urcpu *uc = urcpu(h);

	uc->urc_common.ic_pending++;
	uc->urc_common.ic_stats.his_submits++;
	io->io_mc = h->h_mc;
	ioaux_open(io);
	dispatch(h, io);
}

static void
uring_cancel(struct machine_host *h, struct hostio *io)
{
	struct urcpu *uc = urcpu(h);
	struct io_uring_sqe *sqe;

	if (io->io_with != 0) {
		carrier_cancel(h, io);
		return;
	}
	if (io->io_state & HIOS_PARKED) {
		io->io_state &= (uint8_t)~HIOS_PARKED;
		iocommon_done(h, io, -ECANCELED);
		return;
	}
	if ((io->io_state & HIOS_INFLIGHT) == 0)
		return;				/* complete, not yet reaped */
	io->io_cancelled = 1;
	sqe = get_sqe(uc);
	io_uring_prep_cancel(sqe, io, 0);
	sqe->user_data = UD_CANCEL;
	entered(io_uring_submit(&uc->urc_ring));
}

static void
arm_wake(struct urcpu *uc)
{
	struct io_uring_sqe *sqe = get_sqe(uc);

	io_uring_prep_poll_multishot(sqe, uc->urc_wakefd, POLLIN);
	sqe->user_data = UD_WAKE;
}

/*
 * Return what the result r of a completion means: the result of the operation,
 * -EAGAIN (continue as io_way says) or -EINTR (repeat).  When a poll is
 * complete, the call is tried.  A read or write is also tried if its descriptor
 * was a socket and is another file now (the program closed it without the
 * library).
 */
static int64_t
meaning(struct hostio *io, int64_t r)
{
	if (r <= -UR_RESTART && r >= -UR_RESTART_LAST)
		return -EINTR;
	if ((io->io_state & HIOS_POLLING) && r >= 0)
		return hostcall_try(io);
	if (r == -ENOTSOCK && (io->io_op == HIO_READ ||
	    io->io_op == HIO_WRITE)) {
		io->io_state &= (uint8_t)~HIOS_SOCKET;
		return hostcall_try(io);
	}
	r = hostcall_total(io, r);
	if (r == -EAGAIN && io->io_way == HW_READY)
		io->io_state &= (uint8_t)~HIOS_SOCKET;	/* poll it */
	return r;
}

/*
 * Continue an operation that would still wait or must be repeated.  In most
 * cases dispatch it again.  If the ring cannot poll the descriptor (unpollable)
 * and the call still asks for readiness, only a cancel can end the wait
 * (HIOS_PARKED).  If the ring's operation on a file gave r = -EAGAIN, a carrier
 * makes the call.
 */
static void
again(struct machine_host *h, struct hostio *io, int unpollable, int64_t r)
{
	if (unpollable && io->io_way == HW_READY) {
		io->io_state &= (uint8_t)~(HIOS_INFLIGHT | HIOS_POLLING);
		io->io_state |= HIOS_PARKED;
	} else if (r == -EAGAIN && io->io_way == HW_FILE &&
	    (io->io_state & HIOS_POLLING) == 0) {
		io->io_state &= (uint8_t)~HIOS_INFLIGHT;
		carrier_submit(h, io);
	} else {
		dispatch(h, io);
	}
}

/* Handle the completion of an operation: finish it or start its next step. */
static void
completed(struct machine_host *h, struct hostio *io, int64_t r)
{
	struct urcpu *uc = urcpu(h);
	int polled = (io->io_state & HIOS_POLLING) != 0, unpollable;

	uc->urc_inring--;
	unpollable = polled && r == -EINVAL;
	r = meaning(io, unpollable ? 0 : r);
	if (io->io_cancelled && (r == -EAGAIN || r == -EINTR))
		r = hostcall_failed(io, ECANCELED);		/* MI2 */
	if (r == -EAGAIN || r == -EINTR) {
		again(h, io, unpollable, r);
		return;
	}
	if (io->io_op == HIO_RECV || io->io_op == HIO_READ)
		uc->urc_drained[(unsigned)io->io_fd % UR_HINTS] =
		    is_drained(io, r);
	io->io_state &= (uint8_t)~HIOS_INFLIGHT;
	iocommon_done(h, io, r);
}

static void
reap(struct machine_host *h)
{
	struct urcpu *uc = urcpu(h);
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&uc->urc_ring, head, cqe) {
		n++;
		if (cqe->user_data == UD_WAKE) {
			if ((cqe->flags & IORING_CQE_F_MORE) == 0)
				arm_wake(uc);
		} else if (cqe->user_data != UD_CANCEL) {
			completed(h, io_uring_cqe_get_data(cqe), cqe->res);
		}
	}
	io_uring_cq_advance(&uc->urc_ring, n);
	if (*uc->urc_ring.cq.koverflow != uc->urc_overflow) {	/* IU2 */
		uc->urc_common.ic_stats.his_overflows +=
		    *uc->urc_ring.cq.koverflow - uc->urc_overflow;
		uc->urc_overflow = *uc->urc_ring.cq.koverflow;
	}
}

/* Are there entries to submit, or completions that only the host can add? */
static int
host_wants(struct urcpu *uc)
{
	unsigned flags = __atomic_load_n(uc->urc_ring.sq.kflags,
	    __ATOMIC_RELAXED);

	return io_uring_sq_ready(&uc->urc_ring) > 0 ||
	    (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static int
uring_poll(struct machine_host *h)
{
	struct urcpu *uc = urcpu(h);

	uc->urc_common.ic_stats.his_polls++;
	if (host_wants(uc))
		entered(io_uring_submit_and_get_events(&uc->urc_ring));
	reap(h);
	return iocommon_reap(&uc->urc_common);
}

static int
uring_ready(struct machine_host *h)
{
	struct urcpu *uc = urcpu(h);

	if (host_wants(uc))
		entered(io_uring_submit_and_get_events(&uc->urc_ring));
	return io_uring_cq_ready(&uc->urc_ring) > 0 ||
	    iocommon_ready(&uc->urc_common);
}

static int
uring_wait(struct machine_host *h, int64_t timeout_ns)
{
	struct urcpu *uc = urcpu(h);
	struct __kernel_timespec ts = { timeout_ns / 1000000000,
	    timeout_ns % 1000000000 };
	struct io_uring_cqe *cqe;

	if (iocommon_ready(&uc->urc_common))
		return 1;
	entered(io_uring_submit_and_wait_timeout(&uc->urc_ring, &cqe, 1,
	    timeout_ns < 0 ? NULL : &ts, NULL));
	return io_uring_cq_ready(&uc->urc_ring) > 0 ||
	    iocommon_ready(&uc->urc_common);
}

static void
uring_wake(struct machine_host *h)
{
	uint64_t one = 1;
	ssize_t n = write(urcpu(h)->urc_wakefd, &one, sizeof(one));

	if (n != sizeof(one))
		lwkt__io_closed("eventfd");
}

static void
uring_forget(struct machine_host *h, int fd)
{
	urcpu(h)->urc_drained[(unsigned)fd % UR_HINTS] = 0;
}

static unsigned
uring_pending(struct machine_host *h)
{
	return urcpu(h)->urc_common.ic_pending;
}

static const struct hostio_stats *
uring_stats(struct machine_host *h)
{
	return &urcpu(h)->urc_common.ic_stats;
}

/* Set up a ring with the best flags the host has.  Returns 0 or an errno. */
static int
ring_open(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		    IORING_SETUP_TASKRUN_FLAG,		/* Linux 6.1 */
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0
	};
	struct io_uring_params p;
	int error = -EINVAL;

	if (machine_fail("io_uring.setup"))
		return EPERM;
	for (unsigned i = 0; i < nitems(flags) && error == -EINVAL; i++) {
		p = (struct io_uring_params){ .cq_entries = UR_CQES,
		    .flags = flags[i] | IORING_SETUP_CQSIZE };
		error = io_uring_queue_init_params(UR_ENTRIES, ring, &p);
	}
	if (error == 0 && (p.features & IORING_FEAT_NODROP) == 0) {
		io_uring_queue_exit(ring);
		error = -ENOSYS;
	}
	if (error == 0)
		(void)io_uring_ring_dontfork(ring);
	return -error;
}

/* Does the host know every operation that prep_socket and prep_file use? */
static int
ops_known(struct io_uring *ring)
{
	static const uint8_t need[] = { IORING_OP_ACCEPT, IORING_OP_RECV,
	    IORING_OP_SEND, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_OPENAT,
	    IORING_OP_CLOSE, IORING_OP_FSYNC, IORING_OP_POLL_ADD,
	    IORING_OP_ASYNC_CANCEL };
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int known = probe != NULL;

	for (unsigned i = 0; known && i < nitems(need); i++)
		known = io_uring_opcode_supported(probe, need[i]);
	io_uring_free_probe(probe);
	return known;
}

static int
uring_probe(void)
{
	struct io_uring ring;
	int error = ring_open(&ring);

	if (error != 0)
		return error;
	error = ops_known(&ring) ? 0 : ENOSYS;
	io_uring_queue_exit(&ring);
	return error;
}

static int
uring_init(struct machine_host *h)
{
	struct urcpu *uc = iomem_get(sizeof(*uc));
	int error;

	if (uc == NULL)
		return ENOMEM;
	iocommon_init(&uc->urc_common);
	error = ring_open(&uc->urc_ring);
	if (error != 0) {
		iomem_put(uc, sizeof(*uc));
		return error;
	}
	uc->urc_wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uc->urc_wakefd < 0) {
		error = errno;
		io_uring_queue_exit(&uc->urc_ring);
		iomem_put(uc, sizeof(*uc));
		return error;
	}
	h->h_io = uc;
	arm_wake(uc);
	carrier_attach(h);
	return 0;
}

/*
 * Cancel all operations in the ring and wait until they are complete.  io_done
 * is not called.  Blocks the host thread.
 */
static void
drain_ring(struct machine_host *h)
{
	struct urcpu *uc = urcpu(h);
	struct __kernel_timespec ts = { 0, 1000000 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	unsigned head, n;

	while (uc->urc_inring > 0) {
		sqe = get_sqe(uc);
		io_uring_prep_cancel64(sqe, 0,
		    IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
		sqe->user_data = UD_CANCEL;
		entered(io_uring_submit_and_wait_timeout(&uc->urc_ring, &cqe,
		    2, &ts, NULL));
		n = 0;
		io_uring_for_each_cqe(&uc->urc_ring, head, cqe) {
			n++;
			if (cqe->user_data == UD_CANCEL ||
			    cqe->user_data == UD_WAKE)
				continue;
			uc->urc_inring--;
			iocommon_done(h, io_uring_cqe_get_data(cqe), cqe->res);
		}
		io_uring_cq_advance(&uc->urc_ring, n);
	}
}

static void
uring_fini(struct machine_host *h)
{
	struct urcpu *uc = urcpu(h);

	carrier_detach(h);
	drain_ring(h);
	iocommon_drop(&uc->urc_common);
	h->h_io = NULL;
	io_uring_queue_exit(&uc->urc_ring);
	(void)close(uc->urc_wakefd);
	iomem_put(uc, sizeof(*uc));
}

const struct linux_iops lwkt__io_uring = {
	.io_name = "io_uring",
	.io_probe = uring_probe,
	.io_init = uring_init,
	.io_fini = uring_fini,
	.io_try = uring_try,
	.io_submit = uring_submit,
	.io_cancel = uring_cancel,
	.io_forget = uring_forget,
	.io_poll = uring_poll,
	.io_pending = uring_pending,
	.io_stats = uring_stats,
	.io_wait = uring_wait,
	.io_ready = uring_ready,
	.io_wake = uring_wake,
};
