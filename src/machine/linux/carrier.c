/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carriers: host threads that make the calls which may block, and run functions
 * of the program that may block.
 *
 * THEORY
 * A CPU gives an operation to the pool (pool.c).  A carrier takes the operation
 * and makes the call.  Then the carrier pushes the operation on that CPU's
 * stack of complete operations (ic_remote), and wakes the CPU (iocommon.c).  A
 * carrier is a helper (helper.c): it blocks all signals and may run on any core
 * of the program.
 *
 * Some calls have no blocking form that can be ended early: a wait for a child
 * without a pidfd, a connect to a unix socket with a full backlog.  They need
 * no carrier: one host thread repeats all of them (retry.c).
 *
 * pthread_cancel can end a carrier only in a system call around which
 * cancellation is enabled (hostcall_endable), or in a function of the program
 * that enables it.  The carrier holds no lock of the library there.
 *
 * A function of the program (HIO_CALL) is plain pthread code: it runs with the
 * program's signal mask, on a host thread that is no CPU.  If it ends this host
 * thread, the library panics.
 *
 * INVARIANTS
 * CA1 c_io names an operation from the moment when the carrier is given it or
 *    takes it off the queue.  pool_drop() clears c_io before the operation is
 *    completed or passed on.
 */
#include "machine/linux/pool.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/kassert.h"
#include "machine/memcheck.h"

#define CARRIER_NAP_NS	2000000		/* ns between two tries or checks */
#define WARN_NAPS	500		/* of drain(), until it warns */

static void
nap(void)
{
	struct timespec ts = { 0, CARRIER_NAP_NS };

	(void)nanosleep(&ts, NULL);
}

/*
 * Complete the carrier's operation with the result r.  c_io is cleared first:
 * once the CPU has the result, the storage of the operation may be gone, and
 * pool_cancel_cpu would still read it through c_io.
 */
static void
put_down(struct carrier *c, int64_t r)
{
	struct hostio *io = c->c_io;

	pool_lock();
	pool_drop(c);				/* CA1 */
	pool_unlock();
	gate_leave(io);
	iocommon_return(io, r);
}

/*
 * Clean up in a carrier whose call pthread_cancel has ended: complete the
 * operation and end the carrier.
 */
static void
call_cancelled(void *arg)
{
	struct carrier *c = arg;

	memcheck_unwound();
	put_down(c, hostcall_failed(c->c_io, ECANCELED));
	pool_lock();
	pool_end(c);
}

static int64_t
block(struct carrier *c)
{
	int64_t r;

	pthread_cleanup_push(call_cancelled, c);
	r = hostcall_block(c->c_io);
	pthread_cleanup_pop(0);
	return r;
}

/*
 * Pass the carrier's operation, an open that may wait for ever as probe() has
 * found (HW_LONG), to a carrier of CC_LONG.  If the open has been cancelled
 * meanwhile, or if no carrier of that class can be had, complete it with an
 * error.
 */
static void
pass_on(struct carrier *c)
{
	struct hostio *io = c->c_io;
	int error = ECANCELED;

	pool_lock();
	pool_drop(c);				/* CA1 */
	if (!atomic_load_32(&io->io_cancelled))
		error = pool_put(io);
	pool_unlock();
	if (error != 0)
		iocommon_return(io, -error);
}

/*
 * Repeat the call of the carrier's operation until it has a result or has been
 * cancelled, and complete the operation.  If the operation needs a carrier of
 * another class (CC_LONG), pass it on instead.
 */
static void
carry(struct carrier *c)
{
	struct hostio *io = c->c_io;
	int64_t r;

	for (;;) {
		r = block(c);
		if (r != -EAGAIN && r != -EINTR)
			break;
		if (pool_class(io) != c->c_class) {
			pass_on(c);
			return;
		}
		if (atomic_load_32(&io->io_cancelled)) {
			r = hostcall_failed(io, ECANCELED);
			break;
		}
		if (r == -EAGAIN)
			nap();
	}
	put_down(c, r);
}

/* Panic: a function of the program has ended the carrier that ran it. */
static void
function_left(void *arg)
{
	(void)arg;
	lwkt_panic("a function of lwkt_blocking has ended its host thread "
	    "(pthread_exit, pthread_cancel)");
}

/*
 * Run hf, the function of the carrier's operation, and complete the operation.
 * If the operation was detached meanwhile, the storage of the operation may be
 * used again: then call hf_orphan instead.
 */
static void
run(struct carrier *c, struct hostfn *hf)
{
	struct hostio *io;
	int state;

	pthread_cleanup_push(function_left, NULL);
	lwkt__helper_signals(1);
	hf->hf_fn(hf);
	lwkt__helper_signals(0);
	pthread_cleanup_pop(0);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pool_lock();
	if (c->c_detached) {
		pool_unlock();
		hf->hf_orphan(hf);
		return;
	}
	io = c->c_io;
	pool_drop(c);				/* CA1 */
	pool_unlock();
	iocommon_return(io, 0);
}

/* Run a carrier: take operations of its class and make their calls. */
static void *
carrier_main(void *arg)
{
	struct carrier *c = arg;
	struct hostfn *hf;
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pool_lock();
	pool_enter(c);
	while (pool_next(c)) {
		hf = c->c_class == CC_CALL ? c->c_io->io_buf : NULL;
		pool_unlock();
		if (hf != NULL)
			run(c, hf);
		else
			carry(c);
		pool_lock();
	}
	pool_end(c);
	return NULL;
}

/*
 * Run the grower: create carriers when some are requested.  If the host refuses
 * one, return the operations that no carrier would take, with EAGAIN.
 */
static void *
grower_main(void *arg)
{
	struct hostio *io;

	(void)arg;
	pool_lock();
	while (pool_grow()) {
		while ((io = pool_unserved()) != NULL) {
			pool_unlock();
			gate_leave(io);
			iocommon_return(io, hostcall_failed(io, EAGAIN));
			pool_lock();
		}
	}
	pool_unlock();
	return NULL;
}

/*
 * Give the operation to the retry thread or to the pool (pool.c).  If it needs
 * a gate that is held, put it in the line of the gate instead (gate.c).
 * Returns 0, or an errno if there is no host thread to make the call.
 */
static int
submit(struct hostio *io)
{
	int error;

	if (io->io_way == HW_RETRY)
		return retry_submit(io);
	if (io->io_way == HW_LINE && !gate_enter(io))
		return 0;
	error = pool_queue(io);
	if (error != 0)
		gate_leave(io);
	return error;
}

void
carrier_submit(struct machine_host *h, struct hostio *io)
{
	struct iocommon *ic = io_common(h);
	int error;

	io->io_mc = h->h_mc;
	io->io_limited = 0;
	io->io_with = io->io_way == HW_RETRY ? HIOW_RETRY : HIOW_CARRIER;
	ic->ic_carried++;
	ic->ic_stats.his_carried++;
	error = submit(io);
	if (error != 0)
		iocommon_done(h, io, hostcall_failed(io, error));
	else if (io->io_op == HIO_CALL)
		ic->ic_stats.his_limited += io->io_limited;
}

void
carrier_cancel(struct machine_host *h, struct hostio *io)
{
	int error;

	if (io->io_with == HIOW_RETRY)
		error = retry_cancel(io) ? ECANCELED : 0;
	else
		error = gate_cancel(io) ? ECANCELED : pool_cancel(io);
	if (error == 0)
		return;
	gate_leave(io);
	iocommon_done(h, io, hostcall_failed(io, error));
}

/*
 * Take back the operations of CPU mc whose calls have not begun, and end the
 * calls of the others if possible.  Returns how many operations are dropped:
 * those taken back, and those whose functions go on without them.
 */
static unsigned
drain_queues(struct mcpu *mc)
{
	struct hostio *io;
	unsigned n;

	for (n = 0; (io = pool_take(mc)) != NULL; n++)
		gate_leave(io);
	return n + pool_cancel_cpu(mc);
}

/*
 * Warn that the CPU cannot end before a function of the program that a carrier
 * runs for it.  Prints nothing if there is no such function.
 */
static void
warn_of_wait(struct mcpu *mc)
{
	void *fn = pool_function(mc);

	if (fn == NULL)
		return;
	lwkt_printf("lwkt: the end of the kernel waits for a function of "
	    "lwkt_blocking:");
	machine_backtrace_print(&fn, 1);
}

/*
 * Take back or end all operations that this CPU has given to other host
 * threads.  Afterwards none of these threads uses the CPU's memory.  Blocks the
 * host thread, without a time limit.
 */
static void
drain(struct machine_host *h)
{
	struct iocommon *ic = io_common(h);
	unsigned naps;

	for (naps = 0; ic->ic_carried > iocommon_carried(ic); naps++) {
		ic->ic_carried -= retry_drain(h->h_mc);
		ic->ic_carried -= gate_drain(h->h_mc);
		ic->ic_carried -= drain_queues(h->h_mc);
		if (naps == WARN_NAPS)
			warn_of_wait(h->h_mc);
		if (ic->ic_carried > iocommon_carried(ic))
			nap();
	}
	while (atomic_load_acq_32(&ic->ic_telling) != 0)
		nap();
}

void
carrier_attach(struct machine_host *h)
{
	pool_attach(carrier_main);
	if (h->h_mc->mc_cpuid == 0)
		pool_start(grower_main);
}

/*
 * End all operations that the CPU has given to other host threads, and then its
 * use of the pool.  The last CPU also ends the carriers and the retry thread.
 * Blocks the CPU's host thread, on which it is called.
 */
void
carrier_detach(struct machine_host *h)
{
	drain(h);
	if (!pool_detach())
		return;
	retry_stop();
	pool_join();
}
