/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serialize the calls that use the file position of a descriptor.
 *
 * THEORY
 * read(2) and write(2) of a file hold Linux's lock of the file position while
 * they wait for the disk.  A CPU with the next call would wait for that lock,
 * and so would each carrier with another call on the file.  So such a call
 * first takes a lock of the library, a gate.  The CPU holds the gate during its
 * try, which does not wait.  An operation that a carrier makes (HW_LINE) holds
 * the gate until it is complete.  Operations on files that find the gate held
 * wait in a line, first in, first out, and take no carrier.
 *
 * When the CPU has moved a part of an operation (what was in the page cache),
 * the operation keeps the gate until a carrier has moved the rest.  So two
 * threads cannot mix the bytes of their records.
 *
 * A gate serves all descriptors with the same number modulo GATES.  Only
 * operations on files wait in the line, and these end by themselves: sharing a
 * gate causes delay but no deadlock.  Other processes, plain pthreads and
 * duplicates of a descriptor do not use the gate; Linux's lock serializes them.
 *
 * INVARIANTS
 * GA1 While an operation has IO_GATE_HAS, its gate has GATE_HELD, and no other
 *    operation of that gate has IO_GATE_HAS.  io_gate is written by the host
 *    thread that has the operation, or under gate_lock.
 * GA2 GATE_LINE is set while operations wait in the line.  Then a holder that
 *    leaves hands the gate to the first of them.  It opens the gate (word 0)
 *    only if all of them have been cancelled or refused meanwhile.
 *
 * ORDER
 * gate_enter sets GATE_LINE by a read-modify-write under the lock.  Its old
 * value shows whether the gate was open.  gate_leave opens the gate by a
 * compare-and-set, which fails once GATE_LINE is set.  Both act on one word, so
 * one of the two sees the other.
 */
#include <pthread.h>

#include "base/kassert.h"
#include "machine/linux/pool.h"

#define GATES		256

/* Bits of ga_word; 0: the gate is open. */
#define GATE_HELD	1u		/* an operation has the gate */
#define GATE_LINE	2u		/* operations wait for it */

/* Values of io_gate; 0: neither. */
#define IO_GATE_WAITS	1u		/* the operation is in the line */
#define IO_GATE_HAS	2u		/* the operation has the gate */

static struct gate {
	uint32_t	 ga_word;	/* (a) GATE_* */
	struct hostio	*ga_first;	/* (l:gate_lock) the line, in order */
	struct hostio	*ga_last;	/* (l:gate_lock) its end, or NULL */
} gates[GATES];

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

static struct gate *
gate_of(const struct hostio *io)
{
	return &gates[(unsigned)io->io_fd % GATES];
}

static void
lock(void)
{
	int error = pthread_mutex_lock(&gate_lock);

	KASSERTF(error == 0, "the lock of the gates of files cannot be taken, "
	    "error %d", error);
}

static void
unlock(void)
{
	int error = pthread_mutex_unlock(&gate_lock);

	KASSERTF(error == 0, "the lock of the gates of files cannot be "
	    "released, error %d", error);
}

int
gate_try(struct hostio *io)
{
	if (atomic_load_32(&io->io_gate) == IO_GATE_HAS)
		return 1;
	if (!atomic_cmpset_32(&gate_of(io)->ga_word, 0, GATE_HELD))
		return 0;
	atomic_store_32(&io->io_gate, IO_GATE_HAS);		/* GA1 */
	return 1;
}

int
gate_enter(struct hostio *io)
{
	struct gate *ga = gate_of(io);
	uint32_t old;

	if (gate_try(io))
		return 1;
	lock();
	/*
	 * If the gate is held, its holder's compare-and-set fails from now on.
	 * Then the holder takes gate_lock, after this function has released it,
	 * and finds this operation in the line (GA2).
	 */
	old = atomic_fetchor_32(&ga->ga_word, GATE_HELD | GATE_LINE);
	if ((old & GATE_HELD) == 0) {
		KASSERTF(old == 0, "a free gate has word %#x", old);
		atomic_store_32(&ga->ga_word, GATE_HELD);
		atomic_store_32(&io->io_gate, IO_GATE_HAS);
		unlock();
		return 1;
	}
	atomic_store_32(&io->io_gate, IO_GATE_WAITS);
	io->io_next = NULL;
	io->io_prevp = ga->ga_first != NULL ? &ga->ga_last->io_next :
	    &ga->ga_first;
	*io->io_prevp = io;
	ga->ga_last = io;
	unlock();
	return 0;
}

/*
 * Take the operation out of the line.  If no other one is left there, clear
 * GATE_LINE.  The caller holds gate_lock.
 */
static void
out_of_line(struct gate *ga, struct hostio *io)
{
	struct hostio **prevp = io->io_prevp;

	*prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = prevp;
	else
		ga->ga_last = prevp == &ga->ga_first ? NULL :
		    container_of(prevp, struct hostio, io_next);
	io->io_prevp = NULL;
	atomic_store_32(&io->io_gate, 0);
	if (ga->ga_first == NULL)
		atomic_store_32(&ga->ga_word, GATE_HELD);
}

void
gate_leave(struct hostio *io)
{
	struct gate *ga = gate_of(io);
	struct hostio *next;
	int error;

	if (atomic_load_32(&io->io_gate) != IO_GATE_HAS)
		return;
	atomic_store_32(&io->io_gate, 0);
	/* This opens the gate only if no operation waits (no GATE_LINE). */
	if (atomic_cmpset_32(&ga->ga_word, GATE_HELD, 0))
		return;
	lock();
	while ((next = ga->ga_first) != NULL) {			/* GA2 */
		out_of_line(ga, next);
		atomic_store_32(&next->io_gate, IO_GATE_HAS);
		error = pool_queue(next);
		if (error == 0)
			break;
		atomic_store_32(&next->io_gate, 0);
		iocommon_return(next, hostcall_failed(next, error));
	}
	if (next == NULL)	/* all were cancelled or refused */
		atomic_store_32(&ga->ga_word, 0);
	unlock();
}

int
gate_cancel(struct hostio *io)
{
	int waited;

	lock();
	waited = atomic_load_32(&io->io_gate) == IO_GATE_WAITS;
	if (waited)
		out_of_line(gate_of(io), io);
	unlock();
	return waited;
}

unsigned
gate_drain(struct mcpu *mc)
{
	struct hostio *io, *next;
	unsigned n = 0;

	lock();
	for (int i = 0; i < GATES; i++) {
		for (io = gates[i].ga_first; io != NULL; io = next) {
			next = io->io_next;
			if (io->io_mc == mc) {
				out_of_line(&gates[i], io);
				n++;
			}
		}
	}
	unlock();
	return n;
}
