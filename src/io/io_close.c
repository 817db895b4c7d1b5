/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiters of a descriptor, and closing a descriptor that has waiters.
 *
 * THEORY
 * Each CPU lists its requests in flight by descriptor.  One word for each
 * descriptor (modulo IO_BUCKETS), shared by all CPUs, says which CPUs may have
 * requests.  So the close of a descriptor without waiters sends no IPI.
 *
 *	bits 0..61	CPU (modulo 62) has had waiters.  The bit is sticky:
 *			the CPU clears it when a close finds its list empty
 *	SLEEPERS	a thread sleeps until CLOSING is cleared
 *	CLOSING		a close is in progress
 *
 * lwkt_close sets CLOSING.  Then each CPU whose bit was set cancels its
 * requests on the descriptor, and answers when the last of them is finished.
 * Then the descriptor is closed, and CLOSING is cleared.  If a thread wants to
 * wait on the descriptor meanwhile (or on another one of the same word), it
 * waits until CLOSING is cleared and tries again: it then finds a descriptor
 * that is not open.  Without this a request could start between the cancel and
 * the close, and never end.
 *
 * INVARIANTS
 * CL1 A request enters its CPU's list before the CPU reads its bit, and both
 *    come before the host sees the request, in one critical section.
 * CL2 The thread that has set CLOSING is the only one to close the descriptor.
 *
 * ORDER
 * waiter_enter: put the request on the list, then load (or set) the word.
 * lwkt_close: set CLOSING, then read the bits.  If waiter_enter sets the bit,
 * both use read-modify-writes of one word, and one sees the other.  If the bit
 * was set before, the close always sends an IPI.  It is served before the
 * critical section of waiter_enter, whose load then sees CLOSING, or after it,
 * and then it finds the request.
 */
#include "io/io_var.h"

#include <errno.h>
#include <lwkt/io.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>
#include <string.h>

#include "kern/sched/sched_var.h"
#include "kern/boot/sysinit.h"

TRACEPOINT(close, KTR_IO, "io.close", "fd=%llu cpus=%llx");

COUNTER(io_closes, "lwkt.io.closes", "descriptors closed");
COUNTER(io_close_cpus, "lwkt.io.close_cpus", "CPUs asked by closes to end "
    "their calls");

#define CLOSING		((uint64_t)1 << 63)
#define SLEEPERS	((uint64_t)1 << 62)
#define CPUBITS		62

/* Lives on the closing thread's stack. */
struct closer {
	SLIST_ENTRY(closer) cl_link;	/* of the CPU that is asked now */
	lwkt_thread_t	 cl_td;
	int		 cl_cpu;	/* of cl_td */
	int		 cl_fd;
	int		 cl_done;	/* (c) that CPU has answered */
};

static uint64_t io_word[IO_BUCKETS];	/* (a) */

/* Return the word of a descriptor. */
static uint64_t *
word_of(int fd)
{
	return &io_word[(unsigned)fd % IO_BUCKETS];
}

/* Return the list of this CPU that may have waiters of fd. */
static struct ioreq_list *
list_of(struct globaldata *gd, int fd)
{
	return &iocpu(gd)->ic_waiters[(unsigned)fd % IO_BUCKETS];
}

/* Return the bit of a CPU in a word; with more than 62 CPUs some share one. */
static uint64_t
cpu_bit(int cpu)
{
	return (uint64_t)1 << (cpu % CPUBITS);
}

/* Sleep until no descriptor of this word is being closed. */
static void
wait_closing(uint64_t *word)
{
	lwkt_tsleep_interlock(word, 0);
	if (atomic_fetchor_64(word, SLEEPERS) & CLOSING)
		(void)lwkt_tsleep(word, LWKT_PINTERLOCKED, "ioclose",
		    LWKT_FOREVER);
	else
		lwkt_tsleep_remove();
}

/* Return 1 if the operation waits on its descriptor. */
static int
on_descriptor(const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_NOP:
	case HIO_OPENAT:
	case HIO_CLOSE:
	case HIO_WAITPID:
		return 0;
	default:
		return 1;
	}
}

/*
 * List a request as a waiter of its descriptor.  If a close is in progress,
 * sleep until it is over and return EAGAIN.
 * Thread, critical section; blocks in that case.
 */
int
waiter_enter(struct ioreq *ir)
{
	struct globaldata *gd = mygd();
	uint64_t bit = cpu_bit(gd->gd_m.mc_cpuid), word;
	int fd = ir->ir_io.io_fd;

	if (!on_descriptor(&ir->ir_io))
		return 0;
	LIST_INSERT_HEAD(list_of(gd, fd), ir, ir_link);		/* CL1 */
	/*
	 * The list comes first: a close that this load does not see sends an
	 * IPI, which finds the request (ORDER).
	 */
	word = atomic_load_64(word_of(fd));
	if ((word & bit) == 0)
		word = atomic_fetchor_64(word_of(fd), bit);
	ir->ir_flags |= IR_LISTED;				/* IV2 */
	if ((word & CLOSING) == 0)
		return 0;
	waiter_leave(ir);
	wait_closing(word_of(fd));
	return EAGAIN;
}

/* Return 1 if this CPU has waiters of fd. */
static int
has_waiters(struct globaldata *gd, int fd)
{
	struct ioreq *ir;

	LIST_FOREACH(ir, list_of(gd, fd), ir_link)
		if (ir->ir_io.io_fd == fd)
			return 1;
	return 0;
}

/* Wake a closer, on its CPU. */
static void
closer_answered(void *arg)
{
	struct closer *cl = arg;

	cl->cl_done = 1;
	lwkt_schedule(cl->cl_td);
}

/* Answer the closers whose descriptors have no more waiters on this CPU. */
static void
answer_closers(struct globaldata *gd)
{
	struct closer_list *list = &iocpu(gd)->ic_closers;
	struct closer *cl, *next;

	SLIST_FOREACH_SAFE(cl, list, cl_link, next) {
		if (has_waiters(gd, cl->cl_fd))
			continue;
		SLIST_REMOVE(list, cl, closer, cl_link);
		lwkt_send_ipiq(cl->cl_cpu, closer_answered, cl);
	}
}

/* Take a request off its list.  Its CPU, critical section; never blocks. */
void
waiter_leave(struct ioreq *ir)
{
	struct globaldata *gd = mygd();

	LIST_REMOVE(ir, ir_link);
	ir->ir_flags &= (uint16_t)~IR_LISTED;
	if (unlikely(!SLIST_EMPTY(&iocpu(gd)->ic_closers)))
		answer_closers(gd);
}

/*
 * Cancel the waiters of a descriptor that is being closed, on a CPU that may
 * have some.  The bit may be cleared here only if it stands for this CPU alone.
 */
static void
close_remote(void *arg)
{
	struct globaldata *gd = mygd();
	struct closer *cl = arg;
	struct ioreq *ir;
	int fd = cl->cl_fd;

	LIST_FOREACH(ir, list_of(gd, fd), ir_link)
		if (ir->ir_io.io_fd == fd)
			ioreq_cancel(ir, ECANCELED);
	machine_io_forget(fd);
	if (LIST_EMPTY(list_of(gd, fd)) && lwkt__ncpus <= CPUBITS)
		atomic_clear_64(word_of(fd), cpu_bit(gd->gd_m.mc_cpuid));
	SLIST_INSERT_HEAD(&iocpu(gd)->ic_closers, cl, cl_link);
	answer_closers(gd);
}

/*
 * Ask each CPU of bits to end its waiters of fd, and wait for its answer.  The
 * CPUs are asked one after the other: so one link in the closer is enough.
 */
static void
end_waiters(int fd, uint64_t bits)
{
	struct closer cl = { .cl_td = curthread, .cl_fd = fd };

	for (int cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if ((bits & cpu_bit(cpu)) == 0)
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

/* End all calls on fd, then close it.  Thread; blocks the thread only. */
int
lwkt_close(int fd)
{
	lwkt_thread_t td = caller_thread();
	struct ioreq ir;
	uint64_t *word, bits;

	if (fd < 0)
		return -EBADF;
	crit_enter_td(td);
	word = word_of(fd);
	/* One read-modify-write sets CLOSING and reads the bits: ORDER. */
	while ((bits = atomic_fetchor_64(word, CLOSING)) & CLOSING)
		wait_closing(word);
	bits &= ~SLEEPERS;					/* CL2 */
	ktr(mygd(), close, fd, bits);
	counter_inc(mygd()->gd_cntbias, io_closes);
	if (bits != 0)
		end_waiters(fd, bits);
	ioreq_init(&ir, HIO_CLOSE, fd);
	ir.ir_td = td;
	if (!ioreq_start(&ir, LWKT_FOREVER))
		(void)ioreq_wait(&ir, "close");
	if (atomic_fetchand_64(word, ~(CLOSING | SLEEPERS)) & SLEEPERS)
		lwkt_wakeup(word);
	crit_exit_td(td);
	return (int)ir.ir_result;
}

/* Clear the words: bits are sticky, and those of an earlier boot are stale. */
static int
io_close_boot(void)
{
	memset(io_word, 0, sizeof(io_word));
	return 0;
}

SYSINIT(SI_IO, io_close, io_close_boot, NULL, NULL, NULL);
