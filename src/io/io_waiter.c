/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiters of a descriptor, and the word that keeps new waiters away during a
 * close.
 * USES no other file of the layer.
 *
 * THEORY
 * Each CPU lists its requests in flight by descriptor.  One word for each
 * descriptor (modulo IO_BUCKETS), shared by all CPUs, says which CPUs may have
 * requests.  So a close sends IPIs only to CPUs that have had waiters of a
 * descriptor of the same word, or share a bit with such a CPU.
 *
 *	bits 0..61	CPU (modulo 62) has had waiters.  The bit is sticky:
 *			the CPU clears it when a close finds its list empty.
 *			If there are more than 62 CPUs, no bit is cleared
 *	SLEEPERS	a thread may sleep until CLOSING is cleared
 *	CLOSING		a close is in progress
 *
 * CLOSING means that a descriptor of this word is being closed.  A thread that
 * wants to wait on a descriptor of the word sleeps until CLOSING is cleared,
 * and then tries its call again.  If its own descriptor was closed, the try
 * fails.  Without this a request could start between the cancel and the close,
 * and never end.
 *
 * A closer is the structure by which a closing thread waits for a CPU.  After
 * the CPU has cancelled the waiters, the closer is in the CPU's list ic_closers
 * until the last waiter has left.  Then the CPU wakes the closing thread.
 *
 * INVARIANTS
 * IW1 A CPU lists a request before it reads the word, and both come before the
 *    host sees the request, in one critical section.
 *
 * ORDER
 * waiter_enter: put the request on the list, then load (or set) the word.
 * waiters_closing: set CLOSING, then read the bits.  If waiter_enter sets the
 * bit, both use read-modify-writes of one word, and the later of the two sees
 * what the earlier one has set.  If the bit was set before, the close always
 * sends an IPI.  The IPI is served before the critical section of waiter_enter,
 * whose load then sees CLOSING, or after it, and then the IPI finds the
 * request.
 */
#include "io/io_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>
#include <string.h>

#include "kern/boot/sysinit.h"

#define CLOSING		((uint64_t)1 << 63)
#define SLEEPERS	((uint64_t)1 << 62)
#define CPUBITS		62

static uint64_t io_word[IO_BUCKETS];	/* (a) by descriptor: THEORY */

/* Return the word of a descriptor. */
static uint64_t *
word_of(int fd)
{
	return &io_word[(unsigned)fd % IO_BUCKETS];
}

/* Return the list of the CPU of gd in which waiters of fd are. */
struct ioreq_list *
waiter_list(struct globaldata *gd, int fd)
{
	return &iocpu(gd)->ic_waiters[(unsigned)fd % IO_BUCKETS];
}

/*
 * Return the bit of a CPU in a word.  If there are more than 62 CPUs, some
 * share a bit.
 */
static uint64_t
cpu_bit(int cpu)
{
	return (uint64_t)1 << (cpu % CPUBITS);
}

/*
 * If CLOSING is set, sleep until a wakeup.  CLOSING may still be set, or set
 * again, at the return: the caller must test it.
 */
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
	case HIO_CALL:
		return 0;
	default:
		return 1;
	}
}

/*
 * List a request as a waiter of its descriptor and return 0.  If the operation
 * waits on no descriptor, only return 0.  If a descriptor of the same word is
 * being closed, do not list the request: sleep until a close of the word has
 * ended, and return EAGAIN.  Another close may then be in progress already.
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
	LIST_INSERT_HEAD(waiter_list(gd, fd), ir, ir_link);	/* IW1 */
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

	LIST_FOREACH(ir, waiter_list(gd, fd), ir_link)
		if (ir->ir_io.io_fd == fd)
			return 1;
	return 0;
}

/* Wake the closing thread of a closer.  IPI callback on that thread's CPU. */
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

/*
 * Take a request off its list, and answer the closers that waited for it.
 * Context: the request's CPU, critical section; never blocks.
 */
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
 * Answer closer cl when this CPU has no more waiters of the descriptor; the
 * caller has cancelled them.  If the list is empty, the CPU's bit is cleared,
 * but only if there are at most 62 CPUs, so that no CPUs share a bit.
 */
void
waiter_closer(struct closer *cl)
{
	struct globaldata *gd = mygd();
	int fd = cl->cl_fd;

	if (LIST_EMPTY(waiter_list(gd, fd)) && lwkt__ncpus <= CPUBITS)
		atomic_clear_64(word_of(fd), cpu_bit(gd->gd_m.mc_cpuid));
	SLIST_INSERT_HEAD(&iocpu(gd)->ic_closers, cl, cl_link);
	answer_closers(gd);
}

/*
 * Begin a close of fd: keep new waiters away, and return the bits of the CPUs
 * that may have waiters.  Thread, critical section; blocks while another close
 * of a descriptor of the same word is in progress.
 */
uint64_t
waiters_closing(int fd)
{
	uint64_t *word = word_of(fd), bits;

	/* One read-modify-write sets CLOSING and reads the bits: ORDER. */
	while ((bits = atomic_fetchor_64(word, CLOSING)) & CLOSING)
		wait_closing(word);
	return bits & ~SLEEPERS;
}

/* Return 1 if `bits`, of waiters_closing(), has the bit of cpu. */
int
waiters_on(uint64_t bits, int cpu)
{
	return (bits & cpu_bit(cpu)) != 0;
}

/* End a close of fd: clear CLOSING, and wake the threads in wait_closing. */
void
waiters_closed(int fd)
{
	uint64_t *word = word_of(fd);

	if (atomic_fetchand_64(word, ~(CLOSING | SLEEPERS)) & SLEEPERS)
		lwkt_wakeup(word);
}

/* Clear the words: bits are sticky, and those of an earlier boot are stale. */
static int
io_waiter_boot(void)
{
	memset(io_word, 0, sizeof(io_word));
	return 0;
}

SYSINIT(SI_IO, io_waiter, io_waiter_boot, NULL, NULL, NULL);
