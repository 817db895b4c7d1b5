/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: start, go on after a part, time out, finish.
 *
 * THEORY
 * The call is tried first; only what would wait is given to the host.  A
 * transfer that POSIX would complete before it returns (send and write of a
 * stream, a receive with MSG_WAITALL) goes on part by part, from the thread
 * before it sleeps and from the completion afterwards, so that the thread is
 * woken once.  Where a part is all that there is (a message, a full disk) the
 * host says so (io_short).
 *
 * A time limit or an abort asks the host to cancel and lets the completion
 * come as always: until then the host may write into the buffer.  Whichever
 * came first decides the result; what was transferred before is not lost.
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

/* Does the call go on after r bytes of what is left? */
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

static void
advance(struct ioreq *ir, int64_t r)
{
	struct hostio *io = &ir->ir_io;

	ir->ir_total += r;
	io->io_buf = (char *)io->io_buf + r;
	io->io_len -= (size_t)r;
	io->io_off += r;
}

/* Part by part as far as it goes; -EAGAIN: the rest must wait. */
static int64_t
try_parts(struct ioreq *ir)
{
	int64_t r;

	while (unfinished(&ir->ir_io, r = machine_io_try(&ir->ir_io)))
		advance(ir, r);
	return r;
}

/* The result of the whole call, when its last part gave r. */
static int64_t
whole(const struct ioreq *ir, int64_t r)
{
	if (ir->ir_total == 0)
		return r;
	return r > 0 ? ir->ir_total + r : ir->ir_total;
}

static void
set_result(struct ioreq *ir, int64_t r)
{
	ir->ir_result = whole(ir, r);
	ir->ir_flags |= IR_DONE;
	if (r >= 0 && (ir->ir_io.io_op == HIO_ACCEPT ||
	    ir->ir_io.io_op == HIO_OPENAT))
		machine_io_forget((int)r);
}

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

/* From machine_io_poll. */
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

/* Is -EAGAIN the result of the call? */
static int
is_dontwait(const struct hostio *io)
{
	return io->io_short ||
	    ((io->io_op == HIO_RECV || io->io_op == HIO_SEND) &&
	    (io->io_flags & MSG_DONTWAIT) != 0);
}

int
ioreq_start(struct ioreq *ir, int64_t timeout_ns)
{
	struct globaldata *gd;
	int64_t r;

	timeout_ns = limit_ns(timeout_ns);
	ir->ir_io.io_now = timeout_ns == 0;
	do {
		r = try_parts(ir);
		if (r == -EAGAIN && timeout_ns == 0 && !is_dontwait(&ir->ir_io))
			r = -ETIMEDOUT;
		if (r != -EAGAIN || is_dontwait(&ir->ir_io)) {
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

void
ioreq_sleep(struct ioreq *ir, int64_t ns)
{
	ir->ir_cpu = (int16_t)mygd()->gd_m.mc_cpuid;
	ir->ir_flags |= IR_INFLIGHT | IR_SLEEP;
	arm_timer(ir, ns > 0 ? ns : 0);
}

/* How long a thread that is about to sleep may leave the host alone. */
#define WAIT_POLL_NS	50000

int64_t
ioreq_wait(struct ioreq *ir, const char *wmesg)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd = mygd();

	/* Others are to run: see first what the host has, if not just done. */
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
