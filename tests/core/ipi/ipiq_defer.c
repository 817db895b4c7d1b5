/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs that wait for room inside sections do not deadlock, and what they defer
 * meanwhile is bounded.
 */
#include <lwkt/spinlock.h>

#include "core/ipi/room.h"

static uint32_t inside;			/* threads that are in their section */

/*
 * Spinlocks: the holder sends to CPUs that spin for it.
 */
static struct lwkt_spin spin[2];
static uint32_t spinning, held;

static void
takes(void *arg)
{
	lwkt_spin_t s = arg;

	await_deaf(&held, 1);
	STORE(spinning, 1);
	lwkt_spin_lock(s);
	check(curthread->td_critcount == 1, "count");
	lwkt_spin_unlock(s);
}

static void
takes_shared(void *arg)
{
	lwkt_spin_t s = arg;

	await_deaf(&held, 1);
	STORE(spinning, 1);
	lwkt_spin_lock_shared(s);
	lwkt_spin_unlock_shared(s);
}

static int
holder_sends(void *arg)
{
	void (*const *take)(void *) = arg;
	lwkt_thread_t td;

	held = spinning = calls = 0;
	lwkt_spin_init(&spin[0], "test");
	lwkt_migratecpu(0);
	td = spawn(*take, &spin[0], 0, 1);
	lwkt_spin_lock(&spin[0]);
	STORE(held, 1);
	await_deaf(&spinning, 1);
	send_nothing(1, 5 * IPIQ_SIZE);
	lwkt_spin_unlock(&spin[0]);
	join(td);
	lwkt_synchronize_ipiqs("test");
	check(calls == 5 * IPIQ_SIZE, "%u executed", calls);
	return 0;
}

/*
 * Beyond the easy number too, and through others: 0 holds the lock and waits
 * for room to 1; 1 waits, in a section, for room to 2, which spins.
 */
static void
passes_on(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&spinning, 1);
	send_nothing(2, 2 * IPIQ_DEFER_EASY);
	lwkt_crit_exit();
}

static int
holder_sends_through(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	held = spinning = calls = inside = 0;
	lwkt_spin_init(&spin[0], "test");
	lwkt_migratecpu(0);
	td[0] = spawn(passes_on, NULL, 0, 1);
	td[1] = spawn(takes, &spin[0], 0, 2);
	lwkt_spin_lock(&spin[0]);
	STORE(held, 1);
	await_deaf(&inside, 1);
	await_deaf(&spinning, 1);
	send_nothing(1, 2 * IPIQ_DEFER_EASY);
	lwkt_spin_unlock(&spin[0]);
	join_all(td, 2);
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, nothing, NULL));
	join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
	    (void *)(uintptr_t)"test", 0, 1));
	check(calls == 4 * IPIQ_DEFER_EASY + 1, "%u executed", calls);
	return 0;
}

/*
 * How much is deferred.
 */
#define MANY		(3 * IPIQ_DEFER_EASY)

static void
counted(void *arg, int n)
{
	int *next = arg;

	check(*next == n, "message %d instead of %d", n, *next);
	*next = n + 1;
}

struct circle {
	int	c_to;
	int	c_next;			/* at c_to: the next number */
};

static void
sends_on(void *arg)
{
	struct circle *c = arg;
	int i;

	ADD(inside, 1);
	await_deaf(&inside, (uint32_t)lwkt_ncpus());
	lwkt_crit_enter();
	for (i = 0; i < MANY; i++)
		lwkt_send_ipiq2(c->c_to, counted, &c->c_next, i);
	lwkt_crit_exit();
}

/* A circle of sections each of which sends far more than is read easily. */
static int
circle_of_sections(void *arg)
{
	int cpu, n = lwkt_ncpus();
	struct circle c[8];
	lwkt_thread_t td[8];

	(void)arg;
	inside = 0;
	for (cpu = 0; cpu < n; cpu++) {
		c[cpu] = (struct circle){ (cpu + 1) % n, 0 };
		td[cpu] = spawn(sends_on, &c[cpu], 0, cpu);
	}
	join_all(td, n);
	for (cpu = 0; cpu < n; cpu++)
		join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
		    (void *)(uintptr_t)"test", 0, cpu));
	for (cpu = 0; cpu < n; cpu++)
		check(c[cpu].c_next == MANY, "%d of %d", c[cpu].c_next, MANY);
	return 0;
}

/* A long section against a CPU that waits, but not for it. */
static uint32_t pressed;

static void
presses(void *arg)
{
	int i;

	(void)arg;
	lwkt_crit_enter();
	for (i = 0; i < MANY; i++) {
		send_nothing(0, 1);
		ADD(pressed, 1);
	}
	lwkt_crit_exit();
}

static void
waits_in_section(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
	check(mygd()->gd_ndeferred <= IPIQ_DEFER_EASY + IPIQ_SIZE,
	    "%u deferred", mygd()->gd_ndeferred);
	lwkt_crit_exit();
}

static int
no_cycle_no_more(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	inside = pressed = 0;
	td[0] = deafen();
	td[1] = spawn(waits_in_section, NULL, 0, 0);
	await_deaf(&inside, 1);
	td[2] = spawn(presses, NULL, 0, 3);
	await(&pressed, IPIQ_DEFER_EASY - IPIQ_SIZE);
	lwkt_sleep_ns(2 * MS);		/* it would go on if it could */
	STORE(undeaf, 1);
	join_all(td, 3);
	check(pressed >= MANY, "%u", pressed);
	return 0;
}

/* Sections without end on one side, one long section on the other. */
static uint32_t enough;

static void
short_sections(void *arg)
{
	(void)arg;
	STORE(inside, 1);
	while (LOAD(enough) == 0) {
		lwkt_crit_enter();
		send_nothing(0, 2 * FULL);
		lwkt_crit_exit();
	}
}

static int
debts_are_paid(void *arg)
{
	lwkt_thread_t td;
	int i;

	(void)arg;
	inside = enough = 0;
	lwkt_migratecpu(0);
	td = spawn(short_sections, NULL, 0, 1);
	await(&inside, 1);
	lwkt_crit_enter();
	for (i = 0; i < 4 * MANY; i += FULL) {
		send_nothing(1, FULL);
		check(mygd()->gd_ndeferred <= IPIQ_DEBT + 2 * FULL +
		    IPIQ_SIZE, "%u deferred", mygd()->gd_ndeferred);
	}
	lwkt_crit_exit();
	STORE(enough, 1);
	join(td);
	return 0;
}

int
main(void)
{
	static void (*exclusively)(void *) = takes;
	static void (*shared)(void *) = takes_shared;

	explore("the holder of a spinlock sends to who spins for it",
	    holder_sends, &exclusively, 20, 2);
	explore("so if it is wanted shared", holder_sends, &shared, 20, 2);
	explore("so through another CPU, in great numbers",
	    holder_sends_through, NULL, 2, 3);
	explore("two sections that flood each other end", circle_of_sections,
	    NULL, 2, 2);
	explore("so do four in a circle", circle_of_sections, NULL, 1, 4);
	explore("a flood that nobody waits for waits itself",
	    no_cycle_no_more, NULL, 2, 4);
	explore("who has sent too much lets others execute it",
	    debts_are_paid, NULL, 2, 2);
	return tap_done();
}
