/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One call at a time at the position of a file.
 *
 * THEORY
 * read(2) and write(2) of a file hold the lock of its position in the host
 * while they wait for the disk.  A CPU that came next would wait with them,
 * and so would each carrier with another call on the file.  So such calls
 * pass a gate first: the CPU for its try, which does not wait, or the
 * operation that a carrier has, up to its end.  Operations that find the gate
 * closed stand in a line, first come, first served, and cost no carrier.
 *
 * An operation of which the CPU did a part (what was in memory) keeps the gate
 * until a carrier did the rest, so that two threads do not share the bytes of
 * one record.
 *
 * A gate serves all descriptors of equal number modulo GATES.  Only files
 * stand in line, which finish by themselves, so sharing delays but never locks.
 * Other processes and pthreads, and duplicates of a descriptor, do not pass
 * here; the lock of the host serves them.
 *
 * INVARIANTS
 * GA1 A gate is closed (GATE_HELD) while one operation has IO_GATE_HAS for it.
 *    io_gate is written by whoever has the operation, or under the lock.
 * GA2 GATE_LINE is set while operations wait: the holder hands the gate to the
 *    first of them and never opens it.
 *
 * ORDER
 * gate_enter sets GATE_LINE by an RMW under the lock, and finds the gate open
 * or not; gate_leave opens it by a compare-and-set that fails once GATE_LINE is
 * set.  One of the two sees the other.
 */
#include <pthread.h>

#include "base/kassert.h"
#include "machine/linux/hostcall.h"

#define GATES		256

#define GATE_HELD	1u
#define GATE_LINE	2u

/* io_gate */
#define IO_GATE_WAITS	1u		/* in the line */
#define IO_GATE_HAS	2u

static struct gate {
	uint32_t	 ga_word;	/* (a) */
	struct hostio	*ga_first;	/* (l:gate_lock) */
	struct hostio	*ga_last;
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

/* Take it out of the line, which may end with that. */
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
	if (atomic_cmpset_32(&ga->ga_word, GATE_HELD, 0))
		return;
	lock();
	while ((next = ga->ga_first) != NULL) {			/* GA2 */
		out_of_line(ga, next);
		atomic_store_32(&next->io_gate, IO_GATE_HAS);
		error = carrier_queue(next);
		if (error == 0)
			break;
		atomic_store_32(&next->io_gate, 0);
		carrier_finish(next, hostcall_total(next, -error));
	}
	if (next == NULL)	/* cancelled meanwhile, or refused */
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
