/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pause in a loop that waits for another CPU.
 *
 * THEORY
 * The argument counts the turns of the caller's loop, from 0.  The other CPU
 * usually runs and answers within a fraction of a microsecond, so the first
 * turns spin.  If it does not answer, the host may have taken its core away,
 * perhaps for the caller; so later turns yield the core.  With more CPUs than
 * cores that is likely, so yielding begins early.  sched_yield alone is not
 * enough: a host thread of a real-time class yields only to host threads of its
 * priority.  So a long wait sleeps in each turn; by then it has taken longer
 * than a sleep costs.
 */
#include <errno.h>
#include <sched.h>

#include "machine/linux/host.h"

/* The first turns spin; turns from here to YIELD_TURNS yield. */
#define SPIN_TURNS	200u	/* about 6 us of pause instructions */
#define SPIN_TURNS_OVER	16u	/* in its place, if more CPUs than cores */
#define YIELD_TURNS	2000u	/* about 1 ms of yields */
#define NAP_NS		20000	/* sleep in each later turn, ns */

void
machine_pause(unsigned turn)
{
	static const struct timespec nap = { 0, NAP_NS };
	const struct cores *co = &lwkt__cores;
	int saved;

	if (turn < (co->co_ncpus > co->co_n ? SPIN_TURNS_OVER : SPIN_TURNS)) {
		__builtin_ia32_pause();
		return;
	}
	saved = errno;
	if (turn < YIELD_TURNS)
		(void)sched_yield();
	else
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	errno = saved;
}
