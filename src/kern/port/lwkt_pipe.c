/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes: a ring of elements between one writer and one reader.
 *
 * THEORY
 * Each side counts the elements that it has moved (ps_count), and remembers the
 * other side's count from its last look (ps_seen).  It moves as many elements
 * as ps_seen allows, and looks again only when it wants more.  So the writer
 * reads the reader's count only when too few of the slots that its last look
 * found free are left.  The cache line of a count goes to the other CPU once
 * for each look.  The elements need no lock: the slots between the two counts
 * belong to the reader, the others to the writer.
 *
 * A side that has to wait stores the address of its record (struct park) in its
 * word.  The other side reads that word after each change of its own count.  It
 * takes the record out by a compare and set, and wakes the waiter.  A notice
 * (lwkt_pipe_notify) is announced in the same way, by a bit of the word.
 *
 * Between the store of a count and the load of the word there should be a full
 * fence.  The fence would cost more than all the rest, because it waits until
 * the CPU has the cache line of the count.  So the waiter makes up for it, in
 * one of three ways:
 * - The other side last moved elements on the waiter's CPU, or has made no call
 *   yet: no fence is needed (PI3).
 * - The waiter's word has PIPE_LOUD: the other side takes the slow way in each
 *   call that moves elements, and executes the fence itself there (rouse).
 * - Else the waiter sets PIPE_LOUD and calls machine_fence_all(), which costs
 *   microseconds.  So a pipe whose side sleeps often pays that only once.
 * A side that has found elements, or room, for STEADY calls without a sleep in
 * between clears PIPE_LOUD again: a stream that flows is written without
 * fences.  STEADY fences of one CPU cost about as much as one of all CPUs.  If
 * the side sleeps soon after that, it next clears PIPE_LOUD only after twice as
 * many calls (at most MANY).
 *
 * Before it sleeps, a side looks a while longer; a thread only if nothing else
 * can run on its CPU (gather.c).
 *
 * INVARIANTS
 * PI1 writer's ps_count - reader's ps_count is 0 to pi_nslots.  Each side
 *    writes only its own count, by a release store after the copy.
 * PI2 Only the side itself puts a record or PIPE_NOTICE into its word, and sets
 *    PIPE_LOUD or PIPE_CLOSED.  A record or PIPE_NOTICE is taken out by a
 *    compare and set, so by one caller only: the other side, which then wakes
 *    the waiter or sends the notice, or the side itself, which withdraws it.
 * PI3 Before a side moves elements for the first time, or on another CPU than
 *    the last ones, it stores the CPU's number and executes a full fence.
 * PI4 PIPE_LOUD is cleared only if machine_fence_all() works.
 *
 * ORDER
 * PIO1 mover: store of ps_count, then load of the other side's word.  Waiter:
 *    its word by a locked instruction, then the load of the other's ps_count.
 *    Either the mover sees the record, or the waiter sees the count.  The
 *    mover's fence is one of the three above.  In the first way the mover's
 *    store and load are in program order on the waiter's CPU; a mover that has
 *    left for another CPU has stored ps_cpu before a fence (PI3), and the
 *    waiter reads ps_cpu after its locked instruction: if it reads the old
 *    number, the mover sees the record.
 * PIO2 closer: PIPE_CLOSED by a locked instruction, then the load of the other
 *    side's word.  Waiter: as above, then the load of the closer's word.
 *
 * Source: rings with cached counts are common knowledge (Lamport; the name
 * "FastForward" and others); the waiting is ours.
 */
#include "kern/lock/gather_var.h"
#include "kern/lock/park_var.h"
#include "kern/lock/word_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/pipe.h>
#include <lwkt/thread2.h>
#include <string.h>

COUNTER(sleeps, "lwkt.pipe_sleeps", "sleeps for the other side of a pipe");
COUNTER(louds, "lwkt.pipe_louds", "fences on all CPUs, before a sleep or for a "
    "notice");

/*
 * A side clears PIPE_LOUD after ps_limit calls without a sleep.  ps_limit is
 * STEADY at first, MANY at most.
 */
#define STEADY		(config_hard ? 2u : config_host_sim ? 8u : 256u)
#define MANY		(STEADY << 8)
/* Elements; a side that sleeps before them has cleared PIPE_LOUD too early. */
#define SOON(limit)	((limit) * 64)
/* A side looks so many times longer if its sleep may need machine_fence_all. */
#define PATIENCE	10

/* pi_word: the address of a record, and these bits. */
#define PIPE_LOUD	((uint64_t)1)	/* the other side executes the fence */
#define PIPE_CLOSED	((uint64_t)2)	/* the side is closed */
#define PIPE_NOTICE	((uint64_t)4)	/* the reader wants its notice */
#define PIPE_BITS	((uint64_t)7)

/* ps_cpu, if it is not a CPU. */
#define NO_CPU		(~(uint32_t)0)	/* a pthread */
#define NEVER		(~(uint32_t)1)	/* the side has made no call yet */

CTASSERT(_Alignof(struct park) > PIPE_BITS, "bits of the address");

enum side { WRITER, READER };

/*
 * Initialize the pipe p, which is then empty and open.  Panics if n or size is
 * 0.  Any context; never blocks.
 */
void
lwkt_pipe_init(struct lwkt_pipe *p, void *slots, size_t size, unsigned n,
    const char *name)
{
	uint64_t word = machine_can_fence_all() ? 0 : PIPE_LOUD; /* PI4 */

	KASSERTF(n > 0 && size > 0, "pipe \"%s\" has %u slots of %zu bytes",
	    name, n, size);
	*p = (struct lwkt_pipe){ .pi_slots = slots, .pi_size = size,
	    .pi_nslots = n, .pi_name = name, .pi_word = { word, word },
	    .pi_side = { { .ps_cpu = NEVER, .ps_limit = STEADY },
	    { .ps_cpu = NEVER, .ps_limit = STEADY } } };
	lwkt_initmsg(&p->pi_notice, &lwkt__port_null, 0);
}

/* Return the number of the caller's CPU, or NO_CPU. */
static inline uint32_t
here(void)
{
	struct mcpu *mc = machine_oncpu();

	return likely(mc != NULL) ? (uint32_t)mc->mc_cpuid : NO_CPU;
}

/* Return 1 if the side is closed, else 0. */
static inline int
is_closed(const struct lwkt_pipe *p, enum side side)
{
	/* Acquire: what the side has moved before is visible. */
	return (atomic_load_acq_64(&p->pi_word[side]) & PIPE_CLOSED) != 0;
}

/* Return how many elements the side can move, as far as it has seen. */
static inline size_t
known(const struct lwkt_pipe *p, enum side side)
{
	const struct lwkt_pipe_side *ps = &p->pi_side[side];

	return side == WRITER ? p->pi_nslots - (ps->ps_count - ps->ps_seen) :
	    ps->ps_seen - ps->ps_count;
}

/* As known(), after reading the other side's count. */
static inline size_t
look(struct lwkt_pipe *p, enum side side)
{
	/* Acquire: pairs with the release in moved(). */
	p->pi_side[side].ps_seen =
	    atomic_load_acq_64(&p->pi_side[!side].ps_count);
	INVARIANT(known(p, side) <= p->pi_nslots);		/* PI1 */
	return known(p, side);
}

/*
 * Waking.
 */

/*
 * If the side waits, wake it; if it has asked for a notice, send the notice.
 * The fence is that of a loud pipe (PIO1).  The record is not used after
 * park_notify(), nor the pipe after the compare and set, except for its notice:
 * the woken side may free both.
 */
static __lwkt_noinline void
rouse(struct lwkt_pipe *p, enum side side)
{
	uint64_t *word = &p->pi_word[side], w;

	atomic_fence_seq_cst();					/* PIO1 */
	w = atomic_load_64(word);
	do {
		if ((w & ~(PIPE_LOUD | PIPE_CLOSED)) == 0)
			return;
	} while (!atomic_fcmpset_64(word, &w,
	    w & (PIPE_LOUD | PIPE_CLOSED)));			/* PI2 */
	if (w & PIPE_NOTICE)
		lwkt_sendmsg(p->pi_port, &p->pi_notice);
	else
		park_notify((struct park *)(uintptr_t)(w & ~PIPE_BITS),
		    PARK_NOTIFIED);
}

/* The side has moved k elements: publish that, and wake the other side. */
__lwkt_inline void
moved(struct lwkt_pipe *p, enum side side, size_t k)
{
	struct lwkt_pipe_side *ps = &p->pi_side[side];

	/* Release: pairs with the acquire in look(). */
	atomic_store_rel_64(&ps->ps_count, ps->ps_count + k);	/* PI1 */
	cc_fence();						/* PIO1 */
	if (unlikely(atomic_load_64(&p->pi_word[!side]) != 0))
		rouse(p, !side);
}

/*
 * Waiting.
 */

/*
 * Return 1 if the side need not wait: it can move an element, or the other side
 * is closed.
 */
static inline int
may_go(struct lwkt_pipe *p, enum side side)
{
	return look(p, side) > 0 || is_closed(p, !side);
}

/*
 * The side is about to set PIPE_LOUD.  If it has cleared PIPE_LOUD before and
 * has moved few elements since, double ps_limit, if that is below MANY.  If it
 * has moved many, set ps_limit to STEADY.
 */
static void
note_calm(struct lwkt_pipe_side *ps)
{
	uint32_t limit = ps->ps_limit;

	if (ps->ps_count - ps->ps_calm >= SOON((uint64_t)limit))
		ps->ps_limit = STEADY;
	else if (ps->ps_calm > 0 && limit < MANY)
		ps->ps_limit = limit * 2;
}

/*
 * Put `what`, a record or PIPE_NOTICE, into the side's word.  After that the
 * other side either sees it or has published what may_go() finds (PIO1, PIO2).
 * Panics if a fence on all CPUs is needed and the host has stopped providing
 * it.  On a CPU: in a critical section.
 */
static void
announce(struct lwkt_pipe *p, enum side side, uint64_t what)
{
	uint64_t *word = &p->pi_word[side];
	uint64_t loud = atomic_load_64(word) & (PIPE_LOUD | PIPE_CLOSED);
	uint32_t cpu = here(), other;

	(void)atomic_swap_64(word, what | loud);		/* PI2 */
	p->pi_side[side].ps_steady = 0;
	if (loud & PIPE_LOUD)
		return;
	other = atomic_load_32(&p->pi_side[!side].ps_cpu);	/* PI3 */
	if (other == NEVER || (other == cpu && cpu != NO_CPU))
		return;
	note_calm(&p->pi_side[side]);
	atomic_set_64(word, PIPE_LOUD);
	if (!machine_fence_all())
		lwkt_panic("pipe \"%s\": the host fences no longer",
		    p->pi_name);
	if (cpu != NO_CPU)
		counter_inc(mygd()->gd_cntbias, louds);
}

/*
 * Take `what` out of the side's word and return 1.  Return 0 if it is not
 * there: the other side has taken it out, or it was never put there.
 */
static int
withdraw(struct lwkt_pipe *p, enum side side, uint64_t what)
{
	uint64_t *word = &p->pi_word[side], w = atomic_load_64(word);

	do {
		if ((w & ~(PIPE_LOUD | PIPE_CLOSED)) != what)
			return 0;
	} while (!atomic_fcmpset_64(word, &w, w & ~what));
	return 1;
}

/*
 * The side, whose word has PIPE_LOUD, has found elements, or room, for `calls`
 * more calls without a sleep.  If these are ps_limit calls by now, clear
 * PIPE_LOUD, unless PI4 forbids that: the other side then executes no fences.
 */
static __lwkt_noinline void
steady(struct lwkt_pipe *p, enum side side, size_t calls)
{
	struct lwkt_pipe_side *ps = &p->pi_side[side];

	ps->ps_steady += (uint32_t)calls;
	if (ps->ps_steady < ps->ps_limit)
		return;
	if (machine_can_fence_all())				/* PI4 */
		atomic_store_64(&p->pi_word[side], 0);
	ps->ps_steady = 0;
	ps->ps_calm = ps->ps_count;
}

/*
 * As look(), for a call that wants n elements.  The k elements that it finds
 * suffice for about k / n calls: count these if the word has PIPE_LOUD.
 */
static inline size_t
find(struct lwkt_pipe *p, enum side side, size_t n)
{
	size_t k = look(p, side);

	if (k > 0 && unlikely(atomic_load_64(&p->pi_word[side]) == PIPE_LOUD))
		steady(p, side, k / n + 1);
	return k;
}

/*
 * Look for a while whether the side, which wants n elements, may go (may_go);
 * return 1 as soon as it may.  Return 0 if it should sleep instead.  If its
 * word has no PIPE_LOUD, the sleep may need a fence on all CPUs, so the look is
 * PATIENCE times as long.
 */
static int
poll(struct lwkt_pipe *p, enum side side, size_t n, int64_t deadline)
{
	int loud = (atomic_load_64(&p->pi_word[side]) & PIPE_LOUD) != 0;
	struct gather ga = gather_begin(&p->pi_side[side].ps_pauses,
	    loud ? 1 : PATIENCE, deadline);
	size_t k;

	while (gather_pause(&ga)) {
		k = find(p, side, n);
		if (k > 0)
			gather_found(&ga, k, p->pi_nslots / 4);
		if (k > 0 || is_closed(p, !side))
			return 1;
	}
	return 0;
}

/*
 * Wait until may_go() is 1, and return 0.  Return EWOULDBLOCK after timeout_ns;
 * at once if that is 0.  *deadline is the end of that time, or 0 in the first
 * wait of a call.  Panics if the reader has to sleep although it has asked for
 * a notice.
 */
static __lwkt_noinline int
pipe_wait(struct lwkt_pipe *p, enum side side, size_t n, int64_t timeout_ns,
    int64_t *deadline)
{
	lwkt_thread_t td;
	struct park pk;
	int error;			/* -1: the side need not wait */

	if (limit_ns(timeout_ns) == 0)
		return EWOULDBLOCK;
	if (*deadline == 0)
		*deadline = wait_deadline(timeout_ns);
	if (poll(p, side, n, *deadline))
		return 0;
	td = sync_enter();
	if (td != NULL)
		counter_inc(mygd()->gd_cntbias, sleeps);
	if (atomic_load_64(&p->pi_word[side]) & PIPE_NOTICE)
		lwkt_panic("the reader of pipe \"%s\" waits, but has asked "
		    "for a notice", p->pi_name);
	park_init(&pk, p);
	announce(p, side, (uintptr_t)&pk);
	error = may_go(p, side) ? -1 :
	    park_wait(&pk, 0, p->pi_name, *deadline);
	if (error != 0 && !withdraw(p, side, (uintptr_t)&pk))
		error = park_wait(&pk, 0, p->pi_name, LWKT_FOREVER);
	sync_exit(td);
	return error == EWOULDBLOCK ? EWOULDBLOCK : 0;
}

/*
 * Moving.
 */

/* Note that the side calls for the first time, or from a new CPU (PI3). */
static __lwkt_noinline void
arrived(struct lwkt_pipe *p, enum side side, uint32_t cpu)
{
	atomic_store_32(&p->pi_side[side].ps_cpu, cpu);
	atomic_fence_seq_cst();					/* PI3 */
}

/* Copy k elements between elems and the slots from `at` on, without a wrap. */
__lwkt_inline void
copy_run(const struct lwkt_pipe *p, enum side side, char *elems, size_t at,
    size_t k)
{
	char *slot = p->pi_slots + at * p->pi_size;

	if (k == 1 && p->pi_size == sizeof(uint64_t))	/* no call */
		memcpy(side == WRITER ? slot : elems,
		    side == WRITER ? elems : slot, sizeof(uint64_t));
	else
		memcpy(side == WRITER ? slot : elems,
		    side == WRITER ? elems : slot, k * p->pi_size);
}

/* Copy k elements, which the side may move, and step over their slots. */
__lwkt_inline void
copy(struct lwkt_pipe *p, enum side side, char *elems, size_t k)
{
	struct lwkt_pipe_side *ps = &p->pi_side[side];
	size_t at = ps->ps_slot, run = p->pi_nslots - at, left = known(p, side);

	if (k == 1 && ring_ends_line(p->pi_slots, p->pi_size, at))
		ring_fetch(p->pi_slots, p->pi_size, p->pi_nslots, at, left,
		    side == WRITER);
	if (likely(k < run)) {
		copy_run(p, side, elems, at, k);
		ps->ps_slot = (uint32_t)(at + k);
		return;
	}
	copy_run(p, side, elems, at, run);
	if (k > run)
		copy_run(p, side, elems + run * p->pi_size, 0, k - run);
	ps->ps_slot = (uint32_t)(k - run);
}

/*
 * Move up to n elements without waiting; return their number.  If known() is
 * less than n, look again.
 */
__lwkt_inline size_t
move(struct lwkt_pipe *p, enum side side, char *elems, size_t n)
{
	size_t k = known(p, side);

	if (unlikely(k < n))
		k = find(p, side, n);
	if (k > n)
		k = n;
	if (likely(k > 0)) {
		copy(p, side, elems, k);
		moved(p, side, k);
	}
	return k;
}

/*
 * As move(), but first note the caller's CPU if the side has moved to it (PI3).
 * No deferred work is done between the test of ps_cpu and the end of move(), so
 * a thread stays on its CPU.
 */
__lwkt_inline size_t
move_here(struct lwkt_pipe *p, enum side side, char *elems, size_t n)
{
	uint32_t cpu = here();

	if (unlikely(p->pi_side[side].ps_cpu != cpu))
		arrived(p, side, cpu);				/* PI3 */
	return move(p, side, elems, n);
}

/*
 * Continue a call of the side that has moved `done` elements: wait, and move.
 * Blocks for at most timeout_ns.  Returns the result of lwkt_pipe_write() or
 * lwkt_pipe_read().  A wait may move an lwp to another CPU.
 */
static __lwkt_noinline ssize_t
go_on(struct lwkt_pipe *p, enum side side, char *elems, size_t n, size_t done,
    int64_t timeout_ns)
{
	int64_t deadline = 0;
	int closed;

	for (;;) {
		closed = is_closed(p, !side);
		if (unlikely(closed) && side == WRITER)
			return done > 0 ? (ssize_t)done : -EPIPE;
		done += move_here(p, side, elems + done * p->pi_size, n - done);
		if (done == n || (side == READER && done > 0))
			return (ssize_t)done;
		if (closed)
			return 0;
		if (pipe_wait(p, side, n - done, timeout_ns, &deadline) != 0)
			return done > 0 ? (ssize_t)done : -EWOULDBLOCK;
	}
}

/* A call of the writer; -EPIPE if either side is closed. */
__lwkt_inline ssize_t
do_write(struct lwkt_pipe *p, const void *elems, size_t n,
    int64_t timeout_ns)
{
	char *from = (char *)(uintptr_t)elems;
	size_t done;

	if (unlikely(is_closed(p, WRITER) || is_closed(p, READER)))
		return -EPIPE;
	done = move_here(p, WRITER, from, n);
	return likely(done == n) ? (ssize_t)done :
	    go_on(p, WRITER, from, n, done, timeout_ns);
}

/* A call of the reader. */
__lwkt_inline ssize_t
do_read(struct lwkt_pipe *p, void *elems, size_t max, int64_t timeout_ns)
{
	size_t done = move_here(p, READER, elems, max);

	return likely(done > 0) ? (ssize_t)done :
	    go_on(p, READER, elems, max, 0, timeout_ns);
}

/*
 * Write one element.  Returns 0; EWOULDBLOCK if the pipe is still full; EPIPE
 * if either side is closed.  The writer: a thread; a callback with timeout 0; a
 * plain pthread with timeout 0 or LWKT_FOREVER.  Blocks while the pipe is full,
 * for at most timeout_ns.  A plain pthread that wakes a thread waits in the
 * host for the CPU of that thread (park_notify).
 */
int
lwkt_pipe_put(struct lwkt_pipe *p, const void *elem, int64_t timeout_ns)
{
	ssize_t r = do_write(p, elem, 1, timeout_ns);

	return r > 0 ? 0 : (int)-r;
}

/*
 * Read one element.  Returns 0; EWOULDBLOCK if the pipe is still empty; EPIPE
 * if it is empty and the writer has closed it.  The reader: a thread; a
 * callback with timeout 0; a plain pthread with timeout 0 or LWKT_FOREVER.
 * Blocks while the pipe is empty and open, for at most timeout_ns.  A plain
 * pthread that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).
 */
int
lwkt_pipe_get(struct lwkt_pipe *p, void *elem, int64_t timeout_ns)
{
	ssize_t r = do_read(p, elem, 1, timeout_ns);

	return r > 0 ? 0 : r == 0 ? EPIPE : (int)-r;
}

/*
 * Write n elements.  Returns how many were written before the time was over or
 * the pipe was closed; if none, -EWOULDBLOCK or -EPIPE.  Context and blocking:
 * lwkt_pipe_put().
 */
ssize_t
lwkt_pipe_write(struct lwkt_pipe *p, const void *elems, size_t n,
    int64_t timeout_ns)
{
	return do_write(p, elems, n, timeout_ns);
}

/*
 * Read what is there, up to max elements, and wait only for the first one.
 * Returns their number; 0 if the writer has closed an empty pipe, or max is 0;
 * -EWOULDBLOCK.  Context and blocking: lwkt_pipe_get().
 */
ssize_t
lwkt_pipe_read(struct lwkt_pipe *p, void *elems, size_t max,
    int64_t timeout_ns)
{
	return do_read(p, elems, max, timeout_ns);
}

/*
 * Closing, notices.
 */

/* Close the side, and wake the other one or send its notice. */
static void
close_side(struct lwkt_pipe *p, enum side side)
{
	atomic_set_64(&p->pi_word[side], PIPE_CLOSED);		/* PIO2 */
	rouse(p, !side);
}

/*
 * End the stream; the reader still gets what is in the pipe.  Thread, callback
 * or plain pthread: the writer.  Never blocks a thread.  A plain pthread that
 * wakes a thread waits in the host for the CPU of that thread (park_notify).
 */
void
lwkt_pipe_close_writer(struct lwkt_pipe *p)
{
	close_side(p, WRITER);
}

/*
 * Make all further writes fail.  Thread, callback or plain pthread: the reader.
 * Blocking: lwkt_pipe_close_writer().
 */
void
lwkt_pipe_close_reader(struct lwkt_pipe *p)
{
	close_side(p, READER);
}

/* Return the number of elements in the pipe.  Any context; never blocks. */
unsigned
lwkt_pipe_count(const struct lwkt_pipe *p)
{
	/* The reader's count first: the difference is never negative. */
	uint64_t r = atomic_load_acq_64(&p->pi_side[READER].ps_count);
	uint64_t n = atomic_load_acq_64(&p->pi_side[WRITER].ps_count) - r;

	return n < p->pi_nslots ? (unsigned)n : p->pi_nslots;
}

/*
 * Have the notice of p sent to port, once, as soon as p has an element or its
 * writer closes it; at once if that is so already.  The last notice, which the
 * reader has taken, is replied here.  Panics if the last notice has not come,
 * or the reader has not taken it.  The reader: a thread, or a plain pthread if
 * port is a spin port; never blocks.
 */
void
lwkt_pipe_notify(struct lwkt_pipe *p, lwkt_port_t port)
{
	lwkt_msg_t msg = &p->pi_notice;
	lwkt_thread_t td = sync_enter();
	int ready;

	if ((msg_lookflags(msg) & (LWKT_MSGF_QUEUED | LWKT_MSGF_INTRANSIT)) ||
	    (atomic_load_64(&p->pi_word[READER]) & PIPE_NOTICE))
		lwkt_panic("the reader of pipe \"%s\" asks for a notice, but "
		    "has not taken the last one", p->pi_name);
	if (!lwkt_checkmsg(msg))
		lwkt_replymsg(msg, 0);
	p->pi_port = port;
	ready = may_go(p, READER);
	if (!ready) {
		announce(p, READER, PIPE_NOTICE);
		ready = may_go(p, READER) && withdraw(p, READER, PIPE_NOTICE);
	}
	if (ready)
		lwkt_sendmsg(port, msg);
	sync_exit(td);
}

/*
 * Take lwkt_pipe_notify() back and return 1.  Return 0 if the notice was sent
 * already, or none was asked for.  The reader: thread or pthread; never blocks.
 */
int
lwkt_pipe_notify_cancel(struct lwkt_pipe *p)
{
	return withdraw(p, READER, PIPE_NOTICE);
}

/* Return the notice of p.  Any context; never blocks. */
lwkt_msg_t
lwkt_pipe_notice(struct lwkt_pipe *p)
{
	return &p->pi_notice;
}
