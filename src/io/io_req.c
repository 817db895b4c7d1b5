/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: start, continue after a part, time out, finish.
 * USES io_waiter.c, io_poll.c.
 *
 * THEORY
 * The call is tried first, and is submitted to the host only if it would wait.
 * Some transfers are complete, by POSIX, only when all bytes are transferred:
 * send, write and pwrite, and a receive with MSG_WAITALL and without MSG_PEEK.
 * They continue part by part: in the thread before it sleeps, then in the
 * completion.  So the thread is woken once.  If a part is all that can be
 * transferred (a message, a full disk), the host says so (io_short).
 *
 * A time limit, an abort or a close asks the host to cancel the operation.  The
 * completion still comes, and until it comes the host may write to the buffer.
 * If the operation was complete before the cancel, its result counts.  Else the
 * result is the error of the cancel, or the number of bytes that were
 * transferred before.
 */
#include "io/io_var.h"

#include <errno.h>

TRACEPOINT(submit, KTR_IO, "io.submit", "op=%llu fd=%llu");
TRACEPOINT(finish, KTR_IO, "io.finish", "op=%llu result=%lld");

COUNTER(io_direct, "lwkt.io.direct", "calls that succeeded at once");
COUNTER(io_waits, "lwkt.io.waits", "calls that had to wait");
COUNTER(io_timeouts, "lwkt.io.timeouts", "time limits that came before the end "
    "of the call");
COUNTER(io_cancels, "lwkt.io.cancels", "calls ended by abort or close");

static void	ioreq_done(struct hostio *io, int64_t result);

/* Initialize a request of op on fd. */
void
ioreq_init(struct ioreq *ir, enum hostio_op op, int fd)
{
	hostio_init(&ir->ir_io, op, fd);
	ir->ir_io.io_done = ioreq_done;
	ir->ir_timer = NULL;
	ir->ir_td = NULL;
	ir->ir_fn = NULL;
	ir->ir_total = 0;
	ir->ir_reason = 0;
	ir->ir_flags = 0;
}

/*
 * Return 1 if a call continues with another part, else 0.  The last part gave
 * r, and io_len bytes were left before that part.
 */
static int
unfinished(const struct hostio *io, int64_t r)
{
	if (r <= 0 || (size_t)r >= io->io_len || io->io_short)
		return 0;
	switch ((enum hostio_op)io->io_op) {
	case HIO_SEND:
	case HIO_WRITE:
	case HIO_PWRITE:
		return 1;
	case HIO_RECV:
		return (io->io_flags & (MSG_WAITALL | MSG_PEEK)) ==
		    MSG_WAITALL;
	default:
		return 0;
	}
}

/* Advance the request by r bytes, which have been transferred. */
static void
advance(struct ioreq *ir, int64_t r)
{
	struct hostio *io = &ir->ir_io;

	ir->ir_total += r;
	io->io_buf = (char *)io->io_buf + r;
	io->io_len -= (size_t)r;
	io->io_off += r;
}

/*
 * Transfer part by part without waiting.  Returns the result of the last part:
 * its bytes, or -errno.  -EAGAIN means that the rest must wait, or that the
 * call must not wait (is_dontwait).
 */
static int64_t
try_parts(struct ioreq *ir)
{
	int64_t r;

	while (unfinished(&ir->ir_io, r = machine_io_try(&ir->ir_io)))
		advance(ir, r);
	return r;
}

/*
 * Return the result of the whole call: the bytes of all parts.  r is the result
 * of the last part; an error of it counts only if no byte was transferred.
 */
static int64_t
total_result(const struct ioreq *ir, int64_t r)
{
	if (ir->ir_total == 0)
		return r;
	return r > 0 ? ir->ir_total + r : ir->ir_total;
}

/*
 * Store the result of a call whose last part gave r.  If r is a new descriptor,
 * a closed one may have had the same number.  So the back end is told to forget
 * what it knew of that number.
 */
static void
set_result(struct ioreq *ir, int64_t r)
{
	ir->ir_result = total_result(ir, r);
	ir->ir_flags |= IR_DONE;
	if (r >= 0 && (ir->ir_io.io_op == HIO_ACCEPT ||
	    ir->ir_io.io_op == HIO_OPENAT))
		machine_io_forget((int)r);
}

/*
 * Finish a request, whose last part gave r: stop its timer, take it off the
 * waiter list, and wake its thread or call ir_fn.
 */
static void
ioreq_finish(struct ioreq *ir, int64_t r)
{
	struct globaldata *gd = mygd();

	INVARIANT(ir->ir_cpu == gd->gd_m.mc_cpuid);
	/* IV1 */
	KASSERTF(ir->ir_flags & IR_INFLIGHT, "a request completes twice, flags "
	    "%#x", ir->ir_flags);
	if (ir->ir_flags & IR_TIMED)
		systimer_remove(ir->ir_timer);
	if (ir->ir_flags & IR_LISTED)
		waiter_leave(ir);
	ir->ir_flags = 0;
	ktr(gd, finish, ir->ir_io.io_op, r);
	set_result(ir, r);
	if (ir->ir_td != NULL)
		lwkt_schedule(ir->ir_td);
	else
		ir->ir_fn(ir);
}

/*
 * Continue or finish the request of a host operation that is complete (io_done,
 * called by machine_io_poll).  A request that was cancelled does not continue.
 * If the host ended the operation with -ECANCELED, r becomes the errno that the
 * cancel stands for; an operation that completed before keeps its result.
 */
static void
ioreq_done(struct hostio *io, int64_t r)
{
	struct ioreq *ir = (struct ioreq *)io;

	if (ir->ir_reason == 0 && unfinished(io, r)) {
		advance(ir, r);
		r = try_parts(ir);
		if (r == -EAGAIN) {
			machine_io_submit(io);
			return;
		}
	}
	if (r == -ECANCELED && ir->ir_reason != 0)
		r = -ir->ir_reason;
	ioreq_finish(ir, r);
}

/*
 * End a sleep, or cancel a request whose time limit has come.  Timer callback.
 */
static void
ioreq_timeout(struct lwkt_systimer *st, void *arg)
{
	struct ioreq *ir = arg;

	(void)st;
	ir->ir_flags &= (uint16_t)~IR_TIMED;
	if (ir->ir_flags & IR_SLEEP) {
		ioreq_finish(ir, 0);
		return;
	}
	counter_inc(mygd()->gd_cntbias, io_timeouts);
	ioreq_cancel(ir, ETIMEDOUT);
}

/*
 * Arm the timer of a request, delay_ns from now.  If that time is too late for
 * an int64_t, the timer gets the latest possible time.
 */
static void
arm_timer(struct ioreq *ir, int64_t delay_ns)
{
	struct lwkt_systimer *st = ir->ir_timer;
	int64_t now = machine_time_ns();

	*st = (struct lwkt_systimer){ .st_fn = ioreq_timeout, .st_arg = ir };
	ir->ir_flags |= IR_TIMED;
	systimer_add(st, delay_ns < INT64_MAX - now ? now + delay_ns :
	    INT64_MAX - 1);
}

/*
 * Return 1 if the call must not wait, so that -EAGAIN is its result: the try
 * said so (io_short, MI5), or the caller did (MSG_DONTWAIT), or the descriptor
 * does (IR_NONBLOCK).
 */
static int
is_dontwait(const struct ioreq *ir)
{
	const struct hostio *io = &ir->ir_io;

	return io->io_short ||
	    ((io->io_op == HIO_RECV || io->io_op == HIO_SEND) &&
	    (io->io_flags & MSG_DONTWAIT) != 0) ||
	    ((ir->ir_flags & IR_NONBLOCK) != 0 &&
	    machine_io_nonblock(io->io_fd) != 0);
}

/*
 * Try the call; if it would wait, submit it.  Return 1 if it is complete, 0 if
 * it is in flight.  A call that would wait is complete with -EAGAIN if it must
 * not wait (is_dontwait), or with -ETIMEDOUT if the limit is 0, or negative and
 * not LWKT_FOREVER.  If a part was transferred before, the result is the number
 * of its bytes.
 * Thread, critical section; a call that would wait blocks while a descriptor of
 * the same word is being closed (io_waiter.c).
 */
int
ioreq_start(struct ioreq *ir, int64_t timeout_ns)
{
	struct globaldata *gd;
	int64_t r;

	timeout_ns = limit_ns(timeout_ns);
	ir->ir_io.io_now = timeout_ns == 0;
	do {
		r = try_parts(ir);
		if (r == -EAGAIN && timeout_ns == 0 && !is_dontwait(ir))
			r = -ETIMEDOUT;
		if (r != -EAGAIN || is_dontwait(ir)) {
			counter_inc(mygd()->gd_cntbias, io_direct);
			set_result(ir, r);
			return 1;
		}
	} while (waiter_enter(ir) != 0);
	gd = mygd();
	ir->ir_cpu = (int16_t)gd->gd_m.mc_cpuid;
	ir->ir_flags |= IR_INFLIGHT;
	counter_inc(gd->gd_cntbias, io_waits);
	ktr(gd, submit, ir->ir_io.io_op, ir->ir_io.io_fd);
	if (timeout_ns > 0)
		arm_timer(ir, timeout_ns);
	machine_io_submit(&ir->ir_io);				/* MI4 */
	io_poll_busy(gd);
	return 0;
}

/* Start a request that ends after ns.  Critical section; never blocks. */
void
ioreq_sleep(struct ioreq *ir, int64_t ns)
{
	ir->ir_cpu = (int16_t)mygd()->gd_m.mc_cpuid;
	ir->ir_flags |= IR_INFLIGHT | IR_SLEEP;
	arm_timer(ir, ns > 0 ? ns : 0);
}

/*
 * A thread that is about to sleep polls if the last poll was at least so many
 * ns ago, and other threads are runnable.
 */
#define WAIT_POLL_NS	50000

/*
 * Wait until a request of this thread is complete; return its result.  wmesg
 * names the wait.  Thread, critical section; blocks.
 */
int64_t
ioreq_wait(struct ioreq *ir, const char *wmesg)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd = mygd();

	/* Other threads will run: first poll, if the last poll is old. */
	if (gd->gd_rqcount > 1)
		io_poll_now(gd, WAIT_POLL_NS);
	td->td_wmesg = wmesg;
	while ((ir->ir_flags & IR_DONE) == 0) {
		sched_dequeue(mygd(), td);
		switch_away();
	}
	td->td_wmesg = NULL;
	return ir->ir_result;
}

/*
 * End a request early, unless it is complete or was cancelled before.  A sleep
 * ends at once.  For any other call the host is asked to cancel its operation;
 * the request ends when the operation completes (ioreq_done).
 * Context: the request's CPU, critical section; never blocks.
 */
void
ioreq_cancel(struct ioreq *ir, int error)
{
	INVARIANT(ir->ir_cpu == mycpuid);
	if ((ir->ir_flags & IR_INFLIGHT) == 0 || ir->ir_reason != 0)
		return;
	ir->ir_reason = error;
	if (error != ETIMEDOUT)
		counter_inc(mygd()->gd_cntbias, io_cancels);
	if (ir->ir_flags & IR_SLEEP)
		ioreq_finish(ir, -error);
	else
		machine_io_cancel(&ir->ir_io);
}
