/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiters of a descriptor, and closing it under them.
 *
 * THEORY
 * Each CPU lists its requests in flight by descriptor.  A word shared by all
 * CPUs (one for each descriptor modulo IO_BUCKETS) says which CPUs may have
 * some, so that a close that nobody waits for costs no message:
 *
 *	bits 0..61	CPU (modulo 62) has had waiters: sticky, the CPU
 *			itself clears it when a close finds its list empty
 *	SLEEPERS	somebody sleeps until CLOSING is gone
 *	CLOSING		a close is going on
 *
 * lwkt_close sets CLOSING; then each CPU whose bit was set cancels its
 * requests on the descriptor and answers when the last of them is finished;
 * then the descriptor is closed, and CLOSING goes.  Who wants to wait on it
 * meanwhile (or on another of the same word) waits for that first, and then
 * tries again: it finds a descriptor that is not open.  Without that a request
 * could slip in between the cancel and the close, and hang.
 *
 * INVARIANTS
 * CL1 A request is on its CPU's list before the CPU's bit is looked at, and
 *    both come before the host sees it, in one critical section.
 * CL2 The CPU that holds CLOSING is the only one to close the descriptor.
 *
 * ORDER
 * waiter_enter: list, then load (or set) the word.  close: set CLOSING, then
 * take the bits.  If the bit was set newly, both are read-modify-writes of one
 * word, and one sees the other.  If it was set before, the closer sends a
 * message in any case: it is served before the critical section of
 * waiter_enter, whose load then sees CLOSING, or after it, and finds the
 * request.
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

static uint64_t *
word_of(int fd)
{
	return &io_word[(unsigned)fd % IO_BUCKETS];
}

static struct ioreq_list *
list_of(struct globaldata *gd, int fd)
{
	return &iocpu(gd)->ic_waiters[(unsigned)fd % IO_BUCKETS];
}

static uint64_t
cpu_bit(int cpu)
{
	return (uint64_t)1 << (cpu % CPUBITS);
}

/* Sleep until nobody closes a descriptor of this word. */
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

int
waiter_enter(struct ioreq *ir)
{
	struct globaldata *gd = mygd();
	uint64_t bit = cpu_bit(gd->gd_m.mc_cpuid), word;
	int fd = ir->ir_io.io_fd;

	if (!on_descriptor(&ir->ir_io))
		return 0;
	LIST_INSERT_HEAD(list_of(gd, fd), ir, ir_link);		/* CL1 */
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

static int
has_waiters(struct globaldata *gd, int fd)
{
	struct ioreq *ir;

	LIST_FOREACH(ir, list_of(gd, fd), ir_link)
		if (ir->ir_io.io_fd == fd)
			return 1;
	return 0;
}

static void
closer_answered(void *arg)
{
	struct closer *cl = arg;

	cl->cl_done = 1;
	lwkt_schedule(cl->cl_td);
}

/* Answer those closers whose descriptor has no more waiters here. */
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

void
waiter_leave(struct ioreq *ir)
{
	struct globaldata *gd = mygd();

	LIST_REMOVE(ir, ir_link);
	ir->ir_flags &= (uint16_t)~IR_LISTED;
	if (unlikely(!SLIST_EMPTY(&iocpu(gd)->ic_closers)))
		answer_closers(gd);
}

/* On each CPU that may have waiters: end them. */
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

/* One CPU after the other, so that one link in the closer is enough. */
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

/* The words are sticky, and a boot is not to know of the last one's waiters. */
static int
io_close_boot(void)
{
	memset(io_word, 0, sizeof(io_word));
	return 0;
}

SYSINIT(SI_IO, io_close, io_close_boot, NULL, NULL, NULL);
