/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an idle CPU polls and halts, and how other CPUs wake it.
 *
 * THEORY
 * Waking a sleeping core costs the waker 7 us and the sleeper 25 us; a message
 * to a core that polls costs 0.1 us.  So an idle CPU polls for a short time
 * (lwkt.idle_spin_us) before it halts.  When recent waits have on average been
 * longer than twice that time, it polls only FAST_POLLS times.  So a CPU that
 * stays idle takes almost no time, and neither does a CPU that is woken a
 * thousand times a second.  With more CPUs than cores no CPU polls, because
 * another CPU needs the core.  A CPU polls its mc_reqflags, one word that the
 * kernel names and, if operations are pending, the I/O back end.
 *
 * No wake-up is lost.  The sleeper stores where it will wait, sets
 * RQF_SLEEPING, and waits only if the old flags had no RQF_WAKE bit.  A sender
 * sets its bit, and rings if the old flags had RQF_SLEEPING.  Both steps are
 * read-modify-writes of one word, so one of them is first:
 *   - The bit is first: the sleeper finds it in the old value and does not
 *     wait.
 *   - RQF_SLEEPING is first: the sender rings where the sleeper waits (WO1).
 *     The futex's word no longer has the value that the sleeper passes to
 *     Linux.  So the sleeper either does not fall asleep or is on the queue
 *     that the wake searches.  In the I/O back end the wake-up is a state (an
 *     event of epoll, a completion in the ring) that remains until the wait
 *     takes it.
 * A late sender may ring after the CPU has gone on.  Then the CPU, which has
 * seen the sender's bit already, has a spurious wake-up.  The contract
 * (machine.h) allows that.
 *
 * If a wait has a deadline, the host timer may already be set to it.  Then the
 * timer's signal is to end the wait.  The time limit of the wait is then
 * LATE_NS after the deadline, and ends a wait that began just after the signal.
 * (The limit is computed before RQF_SLEEPING is set.  A signal that comes
 * before that step leaves its bit in the old flags.)
 *
 * ORDER
 * WO1 store h_where, then fetchor(RQF_SLEEPING) in idle_sleep pairs with the
 *    sender's fetchor and then the load of h_where in machine_doorbell.
 *
 * Source: DragonFly's cpu_idle; the flag comes from Linux's polling idle.
 */
#include <errno.h>

#include "base/stat_decl.h"
#include "machine/linux/host.h"

#define LATE_NS		100000		/* ns; a signal is late by less */
#define WAIT_CLIP	16		/* a longer wait counts as so many */
					/* times idle_spin_us */
#define POLLS		16u		/* polls between clock readings */
#define FAST_POLLS	512u		/* polls before the first reading */

TUNABLE_INT(idle_spin_us, "lwkt.idle_spin_us", 20, 0, 100000,
    "longest time that an idle CPU polls before it is halted, us");

void
lwkt__idle_start(struct machine_host *h)
{
	atomic_store_32(&h->h_where, WAIT_FUTEX);
	h->h_idle_avg = 0;
}

static inline int
idle_wanted(struct mcpu *mc)
{
	return (atomic_load_acq_32(&mc->mc_reqflags) & RQF_WAKE) != 0;
}

static inline int
idle_seen(const uint32_t *word, uint32_t val)
{
	return word != NULL && atomic_load_acq_32(word) == val;
}

/* Return how long to poll, ns, or 0 if the CPU should not poll. */
static int64_t
idle_spin_ns(const struct machine_host *h)
{
	int64_t spin = (int64_t)idle_spin_us * 1000;

	if (lwkt__cores.co_ncpus > lwkt__cores.co_n ||
	    h->h_idle_avg > 2 * spin)
		return 0;
	return spin;
}

/* Add a wait, ns, to the average (weight 1/4); see WAIT_CLIP for a long one. */
static void
idle_learn(struct machine_host *h, int64_t waited)
{
	int64_t most = WAIT_CLIP * (int64_t)idle_spin_us * 1000;

	if (waited > most)
		waited = most;
	h->h_idle_avg += (waited - h->h_idle_avg) / 4;
}

static int
io_pending(struct machine_host *h)
{
	return lwkt__iops != NULL && lwkt__iops->io_pending(h) != 0;
}

/*
 * Poll briefly without pause instructions (32 ns each) and without the clock
 * (18 ns).  So two CPUs that exchange messages answer within a fraction of a
 * microsecond.  Returns 1 if *word is val or mc_reqflags has a bit of RQF_WAKE,
 * else 0; always 0 with more CPUs than cores.
 */
static int
idle_poll_fast(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	if (lwkt__cores.co_ncpus > lwkt__cores.co_n)
		return 0;
	for (unsigned i = 0; i < FAST_POLLS; i++)
		if (idle_seen(word, val) || idle_wanted(mc))
			return 1;
	return 0;
}

/*
 * Poll mc_reqflags, *word and, if operations are pending, the I/O back end.
 * Returns when mc_reqflags has a bit of RQF_WAKE, *word is val, or the back end
 * has work (then RQF_INTPEND is set); or when the time for polling is over or
 * the deadline has come.
 */
static void
idle_spin(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	struct machine_host *h = mc->mc_host;
	int64_t now = h->h_idle_since;
	int64_t until = now + idle_spin_ns(h);
	int io = io_pending(h);

	if (until > h->h_deadline)
		until = h->h_deadline;
	while (now < until) {
		for (unsigned i = 0; i < POLLS; i++) {
			if (idle_seen(word, val) || idle_wanted(mc))
				return;
			machine_pause(0);
		}
		if (io && lwkt__iops->io_ready(h)) {
			atomic_set_32(&mc->mc_reqflags, RQF_INTPEND);
			return;
		}
		now = machine_time_ns();
	}
}

/*
 * Poll for work.  If work comes, the length of the wait is added to the
 * average.  Returns 1 if *word is val, else 0.  The idle thread, in a critical
 * section; does not sleep.
 */
int
machine_poll(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	struct machine_host *h = mc->mc_host;

	if (idle_poll_fast(mc, word, val)) {
		idle_learn(h, 0);
	} else {
		h->h_idle_since = machine_time_ns();
		idle_spin(mc, word, val);
		if (idle_seen(word, val) || idle_wanted(mc))
			idle_learn(h, machine_time_ns() - h->h_idle_since);
	}
	return idle_seen(word, val);
}

/* Return the time limit of a wait that begins now, ns; -1 means no limit. */
static int64_t
idle_timeout(const struct machine_host *h, int64_t now)
{
	int64_t left;

	if (h->h_deadline == INT64_MAX)
		return -1;
	left = h->h_deadline > now ? h->h_deadline - now : 0;
	return h->h_armed <= h->h_deadline ? left + LATE_NS : left;
}

static void
idle_sleep(struct mcpu *mc, struct machine_host *h)
{
	/*
	 * Computed before RQF_SLEEPING is set.  A timer signal that comes
	 * before that has left its bit in `old`; a later one ends the wait, or
	 * the time limit does.
	 */
	int64_t timeout = idle_timeout(h, machine_time_ns());
	int io = io_pending(h);
	uint32_t old;

	/* First: a sender that sees RQF_SLEEPING sees this h_where. */
	atomic_store_32(&h->h_where, io ? WAIT_IO : WAIT_FUTEX);  /* WO1 */
	old = atomic_fetchor_32(&mc->mc_reqflags, RQF_SLEEPING);  /* MQ1 */
	if ((old & RQF_WAKE) == 0) {
		if (!io)
			(void)lwkt__futex_wait(&mc->mc_reqflags,
			    old | RQF_SLEEPING, timeout);
		else if (lwkt__iops->io_wait(h, timeout) != 0)
			atomic_set_32(&mc->mc_reqflags, RQF_INTPEND);
	}
	atomic_clear_32(&mc->mc_reqflags, RQF_SLEEPING);
}

/*
 * Halt the CPU, unless it has work or its deadline has passed.  After the
 * deadline, set RQF_TIMER.  The idle thread, in a critical section; may sleep.
 */
void
machine_idle(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;
	int64_t end;

	if (idle_wanted(mc))
		return;
	if (machine_time_ns() < h->h_deadline)
		idle_sleep(mc, h);
	end = machine_time_ns();
	idle_learn(h, end - h->h_idle_since);
	if (end >= h->h_deadline) {
		h->h_deadline = INT64_MAX;
		atomic_set_32(&mc->mc_reqflags, RQF_TIMER);
	}
}

/* Wake a halted CPU.  Any host thread; never blocks. */
void
machine_doorbell(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;
	int saved = errno;

	/*
	 * The caller saw RQF_SLEEPING, so this load reads where the CPU waits,
	 * or where it waits at a later time.  In the second case the CPU has
	 * seen the caller's bit, and the wake-up is spurious.
	 */
	if (atomic_load_32(&h->h_where) == WAIT_FUTEX)		/* WO1 */
		lwkt__futex_wake(&mc->mc_reqflags, 1);
	else
		lwkt__iops->io_wake(h);
	errno = saved;
}
