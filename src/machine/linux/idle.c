/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU with nothing to do, and how others end that.
 *
 * THEORY
 * Waking a sleeping core costs the waker 7 us and the sleeper 25, a message to
 * a core that polls costs 0.1: so an idle CPU polls for a moment before it
 * sleeps.  A moment, and only while that has been worth it: when waits have
 * lately been longer than twice that, it sleeps at once, so a CPU at rest
 * costs nothing and neither does one that is woken a thousand times a second.
 * With more CPUs than cores nobody polls; the core is needed.  What it looks at
 * is its mc_reqflags and one word that the kernel names.
 *
 * No wake-up is lost.  The sleeper stores where it will wait, then sets
 * RQF_SLEEPING, then waits only if the old flags asked for nothing.  A sender
 * sets its bit, and rings if the old flags had RQF_SLEEPING.  Both are
 * read-modify-writes of one word, hence ordered:
 *   - bit first: the sleeper's old value has it, and it does not wait.
 *   - SLEEPING first: the sender rings, and knows where (WO1).  On the futex,
 *     the word is no longer the value that the sleeper passes to the kernel,
 *     so it either does not fall asleep or is on the queue that the wake
 *     visits.  In the I/O back end the wake is a token (an eventfd's count, a
 *     ring's message) that stays until the wait takes it.
 * A sender that is late rings at a CPU that has moved on: it wakes for no
 * reason, which the contract allows; its bit was seen long before.
 *
 * The end of a wait for a deadline: the host timer may be set to it already.
 * Then its signal ends the wait, and the time limit of the wait is a little
 * longer, for the case that the signal comes just before the wait begins.  (The
 * limit is computed before RQF_SLEEPING is set: a signal earlier than that has
 * left its bit in the old flags.)
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

#define LATE_NS		100000		/* patience with the timer's signal */
#define WAIT_CLIP	16		/* longest wait that counts, in spins */
#define POLLS		16u		/* polls between looks at the clock */
#define GLANCES		512u		/* polls before the first such look */

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

/* How long to poll, ns. */
static int64_t
idle_spin_ns(const struct machine_host *h)
{
	int64_t spin = (int64_t)idle_spin_us * 1000;

	if (lwkt__cores.co_ncpus > lwkt__cores.co_n ||
	    h->h_idle_avg > 2 * spin)
		return 0;
	return spin;
}

/* Learn from a wait of that length. */
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
 * Two CPUs in conversation answer within a fraction of a microsecond: look for
 * that long without pause instructions (32 ns each) and clock (18 ns).
 */
static int
idle_glance(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	if (lwkt__cores.co_ncpus > lwkt__cores.co_n)
		return 0;
	for (unsigned i = 0; i < GLANCES; i++)
		if (idle_seen(word, val) || idle_wanted(mc))
			return 1;
	return 0;
}

/* Poll until something is wanted or the time is up. */
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

int
machine_poll(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	struct machine_host *h = mc->mc_host;

	if (idle_glance(mc, word, val)) {
		idle_learn(h, 0);
	} else {
		h->h_idle_since = machine_time_ns();
		idle_spin(mc, word, val);
		if (idle_seen(word, val) || idle_wanted(mc))
			idle_learn(h, machine_time_ns() - h->h_idle_since);
	}
	return idle_seen(word, val);
}

/* The time limit of a wait that begins now; -1: none. */
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
	/* Read before SLEEPING is set: a signal after that ends the wait. */
	int64_t timeout = idle_timeout(h, machine_time_ns());
	int io = io_pending(h);
	uint32_t old;

	atomic_store_32(&h->h_where, io ? WAIT_IO : WAIT_FUTEX);  /* WO1 */
	old = atomic_fetchor_32(&mc->mc_reqflags, RQF_SLEEPING);
	if ((old & RQF_WAKE) == 0) {
		if (!io)
			(void)lwkt__futex_wait(&mc->mc_reqflags,
			    old | RQF_SLEEPING, timeout);
		else if (lwkt__iops->io_wait(h, timeout) != 0)
			atomic_set_32(&mc->mc_reqflags, RQF_INTPEND);
	}
	atomic_clear_32(&mc->mc_reqflags, RQF_SLEEPING);
}

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

void
machine_doorbell(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;
	int saved = errno;

	if (atomic_load_32(&h->h_where) == WAIT_FUTEX)		/* WO1 */
		lwkt__futex_wake(&mc->mc_reqflags, 1);
	else
		lwkt__iops->io_wake(h);
	errno = saved;
}
