/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing a descriptor that has waiters.  USES io_waiter.c, io_req.c.
 *
 * THEORY
 * lwkt_close keeps new waiters away (CLOSING of io_waiter.c).  Then each CPU
 * that may have waiters cancels its requests on the descriptor, and answers
 * when the last of them is finished.  Then the descriptor is closed, and
 * waiters are let in again.
 *
 * INVARIANTS
 * CL1 Only the thread that has set CLOSING closes the descriptor.
 */
#include "io/io_var.h"

#include <errno.h>
#include <lwkt/io.h>
#include <lwkt/ipiq.h>

#include "kern/sched/sched_var.h"

TRACEPOINT(close, KTR_IO, "io.close", "fd=%llu cpus=%llx");

COUNTER(io_closes, "lwkt.io.closes", "descriptors closed");
COUNTER(io_close_cpus, "lwkt.io.close_cpus", "CPUs asked by closes to end "
    "their calls");

/*
 * Cancel the requests of this CPU that wait on a descriptor that is being
 * closed, and have the back end forget the descriptor.  The closer (arg) is
 * answered when none of the requests is left: now or later.  IPI callback.
 */
static void
close_remote(void *arg)
{
	struct globaldata *gd = mygd();
	struct closer *cl = arg;
	struct ioreq *ir;
	int fd = cl->cl_fd;

	LIST_FOREACH(ir, waiter_list(gd, fd), ir_link)
		if (ir->ir_io.io_fd == fd)
			ioreq_cancel(ir, ECANCELED);
	machine_io_forget(fd);
	waiter_closer(cl);
}

/*
 * Ask each CPU that has its bit in `bits` to end its waiters of fd, and sleep
 * until its answer.  The next CPU is asked only then, so one link in the closer
 * is enough.
 */
static void
end_waiters(int fd, uint64_t bits)
{
	struct closer cl = { .cl_td = curthread, .cl_fd = fd };

	for (int cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!waiters_on(bits, cpu))
			continue;
		counter_inc(mygd()->gd_cntbias, io_close_cpus);
		cl.cl_cpu = mycpuid;
		cl.cl_done = 0;
		lwkt_send_ipiq(cpu, close_remote, &cl);
		cl.cl_td->td_wmesg = "ioclose";
		while (!cl.cl_done) {
			sched_dequeue(mygd(), cl.cl_td);
			switch_away();
		}
		cl.cl_td->td_wmesg = NULL;
	}
}

/*
 * End all calls that wait on fd, then close fd.  Returns 0 or -errno.
 * Context: thread; blocks the thread, not the CPU.
 */
int
lwkt_close(int fd)
{
	lwkt_thread_t td = caller_thread();
	struct ioreq ir;
	uint64_t bits;

	if (fd < 0)
		return -EBADF;
	crit_enter_td(td);
	bits = waiters_closing(fd);				/* CL1 */
	ktr(mygd(), close, fd, bits);
	counter_inc(mygd()->gd_cntbias, io_closes);
	if (bits != 0)
		end_waiters(fd, bits);
	ioreq_init(&ir, HIO_CLOSE, fd);
	ir.ir_td = td;
	if (!ioreq_start(&ir, LWKT_FOREVER))
		(void)ioreq_wait(&ir, "close");
	waiters_closed(fd);
	crit_exit_td(td);
	return (int)ir.ir_result;
}
