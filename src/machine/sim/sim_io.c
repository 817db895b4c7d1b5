/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of the host's asynchronous operations.
 *
 * THEORY
 * The model does the worst that the contract allows.  An operation that could
 * be done at once may have to be submitted nevertheless.  Completions come
 * after random delays and in random order.  A cancel takes time, and the
 * operation may still succeed.  The look-up of a submitted operation's
 * descriptor may be delayed until the CPU's next poll, or until the operation
 * is cancelled, as by a ring that hands many operations to the host together.
 * With faults injected, a try of a send or receive may also fail with
 * ECONNRESET.
 *
 * Each operation in flight has an event.  The event is armed when the host
 * learns of the operation, when the operation's file changes (kick), and when
 * the operation is cancelled.  When the event occurs, the operation is tried:
 * it completes, or waits for the next change.
 *
 * A function of the program (HIO_CALL) counts as begun when its event occurs,
 * and returns after another delay.  The call itself is made only at the end of
 * that delay, on the stack of whatever runs, as if on a host thread that is no
 * CPU.  So on this host a function must end by itself, need little stack and
 * make no call of the library.  A cancel may come before the function begins,
 * or while it counts as running.
 *
 * INVARIANTS
 * SI1 An operation in flight is in one slot until it is put on its CPU's list
 *    of completions.  io_done is called only by machine_io_poll, for the
 *    operations that it takes off that list.
 */
#include "machine/sim/sim_file.h"

#include <errno.h>
#include <string.h>

#include "base/kassert.h"

#define NSLOTS		512
#define DELAY_MAX_LOG2	16		/* delays of up to 2^16 ns = 65 us */

/* An operation in flight. */
struct simio {
	struct sim_event si_event;	/* first field */
	struct hostio	*si_io;		/* NULL: free, unless si_orphan */
	struct simfile	*si_file;	/* its file, if si_found; or NULL */
	int		 si_found;	/* 1: the host knows it (slot_find) */
	struct hostfn	*si_fn;		/* the function that runs, or NULL */
	int		 si_orphan;	/* 1: si_fn goes on; si_io is NULL */
};

struct simio_cpu {
	struct hostio	*sc_first;	/* completions, not yet reaped */
	struct hostio	**sc_lastp;
	unsigned	 sc_pending;	/* operations submitted, not reaped */
	struct hostio_stats sc_stats;
};

static struct simio slots[NSLOTS];
static struct simio_cpu cpus[SIM_MAXCPU];

/* Return the state of the CPU that runs. */
static struct simio_cpu *
mine(void)
{
	return &cpus[mycpu_m()->mc_cpuid];
}

/* Put an operation on its CPU's list of completions, and interrupt the CPU. */
static void
complete(struct hostio *io, int64_t r)
{
	struct simio_cpu *sc = &cpus[io->io_mc->mc_cpuid];

	io->io_result = r;
	io->io_next = NULL;
	*sc->sc_lastp = io;
	sc->sc_lastp = &io->io_next;
	sim_interrupt(io->io_mc, RQF_INTPEND);
}

/* Free the slot of an operation, and drop the operation's file. */
static void
slot_free(struct simio *si)
{
	struct simfile *sf = si->si_file;

	sim_event_del(&si->si_event);
	si->si_io = NULL;
	si->si_file = NULL;
	si->si_fn = NULL;
	si->si_orphan = 0;
	if (sf != NULL)
		simfile_drop(sf);
}

static void	slot_arm(struct simio *si);

/*
 * Call a function of the program, as if on a host thread that is no CPU and has
 * an errno of its own.
 */
static void
call_outside(void (*fn)(struct hostfn *hf), struct hostfn *hf)
{
	struct mcpu *mc = lwkt__sim_mcpu;
	int error = errno;

	lwkt__sim_mcpu = NULL;
	fn(hf);
	lwkt__sim_mcpu = mc;
	errno = error;
}

/*
 * The event of a slot with a HIO_CALL has occurred: the function begins, ends,
 * or is cancelled.
 */
static void
call_fire(struct simio *si)
{
	struct hostio *io = si->si_io;
	struct hostfn *hf = si->si_fn;

	if (si->si_orphan) {
		call_outside(hf->hf_fn, hf);
		slot_free(si);
		call_outside(hf->hf_orphan, hf);
	} else if (hf == NULL && io->io_cancelled) {
		slot_free(si);
		complete(io, -ECANCELED);			/* MI2 */
	} else if (hf == NULL) {
		si->si_fn = io->io_buf;
		slot_arm(si);
	} else if (io->io_cancelled && hf->hf_orphan != NULL) {
		si->si_io = NULL;
		si->si_orphan = 1;
		complete(io, -EINPROGRESS);
		slot_arm(si);
	} else {
		call_outside(hf->hf_fn, hf);
		slot_free(si);
		complete(io, 0);
	}
}

/*
 * Try an operation when its event occurs: it completes, is cancelled, or waits
 * for another change.  A connect that cannot be done yet is tried again after a
 * delay, because changes of the listener are not reported to it.
 */
static void
slot_fire(struct sim_event *se)
{
	struct simio *si = (struct simio *)se;
	struct hostio *io = si->si_io;
	int64_t r = -EAGAIN;

	if (!si->si_found)
		return;			/* the host does not know of it yet */
	if (si->si_orphan || io->io_op == HIO_CALL) {
		call_fire(si);
		return;
	}
	if (!io->io_cancelled || sim_random(2) != 0)
		r = simfile_op(si->si_file, io);
	if (r == -EAGAIN && io->io_cancelled)
		r = -ECANCELED;					/* MI2 */
	if (r == -EAGAIN) {
		if (io->io_op == HIO_CONNECT)
			slot_arm(si);
		return;
	}
	slot_free(si);
	complete(io, r);					/* SI1 */
}

/* Arm the event of an operation, after a random delay. */
static void
slot_arm(struct simio *si)
{
	si->si_event.se_fn = slot_fire;
	sim_event_add(&si->si_event, sim_now() + 1 +
	    sim_random(1u << sim_random(DELAY_MAX_LOG2 + 1)));
}

/* Return whether the operation acts on the file of its descriptor. */
static int
has_file(const struct hostio *io)
{
	return io->io_op != HIO_CLOSE && io->io_op != HIO_WAITPID &&
	    io->io_op != HIO_OPENAT && io->io_op != HIO_CALL;
}

/*
 * Make the operation of a slot known to the host: look up its file, hold the
 * file, and arm the event.  Some operations have no file (has_file).  A second
 * call for an operation does nothing.
 */
static void
slot_find(struct simio *si)
{
	if (si->si_found)
		return;
	si->si_found = 1;
	si->si_file = NULL;
	if (has_file(si->si_io))
		si->si_file = simfile_of(si->si_io->io_fd);
	if (si->si_file != NULL)
		simfile_hold(si->si_file);
	slot_arm(si);
}

/*
 * Arm the events of the operations that wait on sf, which has changed; with
 * NULL, of those without a file.
 */
static void
kick(struct simfile *sf)
{
	for (int i = 0; i < NSLOTS; i++) {
		if (slots[i].si_io != NULL && slots[i].si_found &&
		    slots[i].si_fn == NULL && slots[i].si_file == sf &&
		    !slots[i].si_event.se_armed)
			slot_arm(&slots[i]);
	}
}

void
sim_io_reset(void)
{
	simfile_reset(kick);
	memset(slots, 0, sizeof(slots));
	memset(cpus, 0, sizeof(cpus));
	for (int i = 0; i < SIM_MAXCPU; i++)
		cpus[i].sc_lastp = &cpus[i].sc_first;
}

/* Return whether the operation fails by an injected fault. */
static int
may_fail(const struct hostio *io)
{
	return (io->io_op == HIO_SEND || io->io_op == HIO_RECV) &&
	    machine_fail("sim.io.reset");
}

/*
 * Do an operation at once.  Returns its result, or -EAGAIN if it must be
 * submitted: because it would wait, because of its kind, or by chance.
 */
static int64_t
try_once(struct hostio *io)
{
	struct simfile *sf = simfile_of(io->io_fd);

	switch ((enum hostio_op)io->io_op) {
	case HIO_OPENAT:
	case HIO_FSYNC:
	case HIO_CALL:
		return -EAGAIN;
	case HIO_CLOSE:
		if (sf != NULL && sf->sf_type == SF_FILE)
			return -EAGAIN;
		break;
	case HIO_PREAD:
	case HIO_PWRITE:
	case HIO_READ:
	case HIO_WRITE:
		if (sf != NULL && sf->sf_type == SF_FILE &&
		    sim_random(2) != 0)
			return -EAGAIN;		/* not in the cache */
		break;
	default:
		break;
	}
	if (sf != NULL && may_fail(io))
		return -ECONNRESET;
	return simfile_op(sf, io);
}

/* Try an operation.  Returns its result, or -EAGAIN: it must be submitted. */
int64_t
machine_io_try(struct hostio *io)
{
	int64_t r;

	lwkt__choice(CHOICE_IO);
	choice_drain();
	sim_io_enter(slots);
	r = try_once(io);
	sim_io_leave(slots);
	return r;
}

/* Begin an operation; io_done is called in a later machine_io_poll. */
void
machine_io_submit(struct hostio *io)
{
	struct simio *si = slots;

	lwkt__choice(CHOICE_IO);
	choice_drain();
	sim_io_enter(slots);
	while (si < slots + NSLOTS && (si->si_io != NULL || si->si_orphan))
		si++;
	KASSERTF(si < slots + NSLOTS, "more than %d i/o operations at once",
	    NSLOTS);
	memset(si, 0, sizeof(*si));
	io->io_mc = mycpu_m();
	io->io_cancelled = 0;
	si->si_io = io;
	mine()->sc_pending++;
	mine()->sc_stats.his_submits++;
	if (sim_random(2) != 0)
		slot_find(si);
	sim_io_leave(slots);
}

/*
 * Cancel an operation of this CPU; io_done is still called.  Does nothing if
 * the operation is complete.
 */
void
machine_io_cancel(struct hostio *io)
{
	struct simio *si = slots;

	lwkt__choice(CHOICE_IO);
	choice_drain();
	KASSERT(io->io_mc == mycpu_m());
	sim_io_enter(slots);
	while (si < slots + NSLOTS && si->si_io != io)
		si++;
	if (si < slots + NSLOTS) {	/* else complete, not yet reaped */
		io->io_cancelled = 1;
		slot_find(si);
		slot_arm(si);
	}
	sim_io_leave(slots);
}

/*
 * Take the CPU's next completion off its list.  Returns NULL if there is none.
 */
static struct hostio *
completion(struct simio_cpu *sc)
{
	struct hostio *io;

	sim_io_enter(slots);
	io = sc->sc_first;
	if (io != NULL) {
		sc->sc_first = io->io_next;
		if (sc->sc_first == NULL)
			sc->sc_lastp = &sc->sc_first;
		sc->sc_pending--;
	}
	sim_io_leave(slots);
	return io;
}

/*
 * Make this CPU's submitted operations known to the host, and call io_done for
 * those that have completed.  Returns how many have.
 */
int
machine_io_poll(void)
{
	struct simio_cpu *sc;
	struct hostio *io;
	int64_t r;
	int n = 0;

	lwkt__choice(CHOICE_IO);
	choice_drain();
	sc = mine();
	sc->sc_stats.his_polls++;
	sim_io_enter(slots);
	for (int i = 0; i < NSLOTS; i++)
		if (slots[i].si_io != NULL &&
		    slots[i].si_io->io_mc == mycpu_m())
			slot_find(&slots[i]);
	sim_io_leave(slots);
	while ((io = completion(sc)) != NULL) {
		n++;
		r = io->io_result;
		io->io_result = 0;
		io->io_done(io, r);
	}
	return n;
}

unsigned
machine_io_pending(void)
{
	return mine()->sc_pending;
}

void
machine_io_forget(int fd)
{
	(void)fd;
}

int
machine_io_nonblock(int fd)
{
	(void)fd;
	return 0;
}

const struct hostio_stats *
machine_io_stats(void)
{
	return &mine()->sc_stats;
}

const char *
machine_io_name(void)
{
	return "model";
}
