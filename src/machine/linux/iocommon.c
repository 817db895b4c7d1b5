/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations of a CPU that are complete and not yet reaped.
 *
 * THEORY
 * Both back ends have this list.  An operation that the CPU completes itself is
 * appended.  Other host threads push the operations that they complete on a
 * stack (ic_remote) and wake the CPU, which appends the stack to its list when
 * it polls for completions.
 *
 * When an operation that waits for the exit of one child is submitted, the back
 * end tries to open a pidfd of the child, io_aux.  The back end closes io_aux
 * when the operation is reaped or dropped.  If there is no pidfd, io_aux is -1.
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void *
iomem_get(size_t size)
{
	void *p = machine_fail("io.mem") ? MAP_FAILED :
	    mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

void
iomem_put(void *p, size_t size)
{
	(void)munmap(p, size);
}

/*
 * Before a wait for the exit of one child, open its pidfd, which can be polled
 * (HW_READY).  Does nothing for other operations, nor for a wait that also
 * reports stops.  If the host has no pidfd, io_way stays as it was.
 */
void
ioaux_open(struct hostio *io)
{
	if (io->io_op == HIO_WAITPID && io->io_fd > 0 && io->io_aux < 0 &&
	    (io->io_flags & (WUNTRACED | WCONTINUED)) == 0) {
		io->io_aux = (int)syscall(SYS_pidfd_open, io->io_fd, 0);
		if (io->io_aux >= 0)
			io->io_way = HW_READY;
	}
}

void
ioaux_close(struct hostio *io)
{
	if (io->io_aux >= 0)
		(void)close(io->io_aux);
	io->io_aux = -1;
}

int
ioaux_fd(const struct hostio *io)
{
	return io->io_aux >= 0 ? io->io_aux : io->io_fd;
}

void
iocommon_init(struct iocommon *ic)
{
	ic->ic_first = NULL;
	ic->ic_lastp = &ic->ic_first;
}

void
iocommon_done(struct machine_host *h, struct hostio *io, int64_t r)
{
	struct iocommon *ic = io_common(h);

	io->io_result = r;
	io->io_next = NULL;
	*ic->ic_lastp = io;
	ic->ic_lastp = &io->io_next;
	atomic_set_32(&h->h_mc->mc_reqflags, RQF_INTPEND);
}

/*
 * Complete the operation with the result r: push it on the stack of its CPU
 * and, if the CPU is halted, wake it.  Any host thread; never blocks.  The CPU
 * may take the result before the doorbell rings, and end.  ic_telling makes
 * drain() of carrier.c wait until this function no longer uses the CPU's
 * memory.
 */
void
iocommon_return(struct hostio *io, int64_t r)
{
	struct mcpu *mc = io->io_mc;
	struct iocommon *ic = io_common(mc->mc_host);
	uintptr_t head;

	(void)atomic_fetchadd_32(&ic->ic_telling, 1);
	io->io_result = r;
	head = atomic_load_ptr(&ic->ic_remote);
	do {
		io->io_next = (struct hostio *)head;
		/* Publishes the result; pairs with take_remote(). */
	} while (!atomic_fcmpset_ptr(&ic->ic_remote, &head, (uintptr_t)io));
	if (atomic_fetchor_32(&mc->mc_reqflags, RQF_INTPEND) & RQF_SLEEPING)
		machine_doorbell(mc);
	(void)atomic_fetchadd_32(&ic->ic_telling, (uint32_t)-1);
}

int
iocommon_ready(struct iocommon *ic)
{
	return ic->ic_first != NULL || atomic_load_ptr(&ic->ic_remote) != 0;
}

/*
 * Append the stack ic_remote to the list of complete operations.  The oldest
 * operation is the last one of the stack, so the stack is reversed.
 */
static void
take_remote(struct iocommon *ic)
{
	struct hostio *io, *next, *fifo = NULL;

	if (atomic_load_ptr(&ic->ic_remote) == 0)
		return;
	/* Pairs with the exchange in iocommon_return(). */
	io = (struct hostio *)atomic_swap_ptr(&ic->ic_remote, 0);
	for (; io != NULL; io = next) {
		next = io->io_next;
		io->io_next = fifo;
		fifo = io;
	}
	*ic->ic_lastp = fifo;
	while (*ic->ic_lastp != NULL)
		ic->ic_lastp = &(*ic->ic_lastp)->io_next;
}

unsigned
iocommon_carried(struct iocommon *ic)
{
	unsigned n = 0;

	take_remote(ic);
	for (struct hostio *io = ic->ic_first; io != NULL; io = io->io_next)
		n += io->io_with != 0;
	return n;
}

/* Call io_done for each complete operation of this CPU; return how many. */
int
iocommon_reap(struct iocommon *ic)
{
	struct hostio *io;
	int64_t r;
	int n = 0;

	take_remote(ic);
	while ((io = ic->ic_first) != NULL) {
		ic->ic_first = io->io_next;
		if (ic->ic_first == NULL)
			ic->ic_lastp = &ic->ic_first;
		ioaux_close(io);
		ic->ic_pending--;
		if (io->io_with != 0) {
			ic->ic_carried--;
			ic->ic_stats.his_refused += io->io_result == -EAGAIN;
		}
		io->io_with = 0;
		io->io_state &= HIOS_STARTED | HIOS_SOCKET;
		n++;
		r = io->io_result;
		io->io_result = 0;
		io->io_done(io, r);				/* MI1 */
	}
	return n;
}

/*
 * Drop the results that were not reaped, because the CPU stops.  Closes the
 * descriptors that opens and accepts have returned.
 */
void
iocommon_drop(struct iocommon *ic)
{
	struct hostio *io;

	take_remote(ic);
	for (io = ic->ic_first; io != NULL; io = io->io_next) {
		ioaux_close(io);
		if (io->io_result >= 0 &&
		    (io->io_op == HIO_OPENAT || io->io_op == HIO_ACCEPT))
			(void)close((int)io->io_result);
	}
	iocommon_init(ic);
}
