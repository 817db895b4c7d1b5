/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scan all threads.
 *
 * THEORY
 * Thread structures lie in one array of the arena and are type-stable.  So a
 * reader follows no list, and threads may start, move or end meanwhile.  The
 * reader takes a reference to each thread, which keeps the thread.  A thread
 * may be losing its last reference at that moment.  So all CPUs are stopped by
 * a rendezvous (lwkt_cpusync.c): then no thread is inside lwkt_rele().  The
 * callbacks that stopped CPUs still serve may be inside it.  They decrement
 * td_refs by a locked instruction, and no code increments it from 0.
 *
 * Threads are taken in batches: one rendezvous for n threads.  A thread is held
 * only as long as the caller wants.
 *
 * INVARIANTS
 * SN1 While the CPUs are stopped, td_refs changes by locked instructions only.
 *    It is 0 for a thread that is being freed, or has been.
 *
 * Source: the need is DragonFly's (scans of its lists raced with exits,
 * eb2adbf513); the batches are ours.
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/globaldata.h"

#include <lwkt/cpusync.h>

/*
 * Take a reference to td.  Returns 0 if the last one is gone already, else 1.
 */
static int
hold_living(lwkt_thread_t td)
{
	uint32_t refs = atomic_load_32(&td->td_refs);

	while (refs != 0)					/* SN1 */
		if (atomic_fcmpset_32(&td->td_refs, &refs, refs + 1))
			return 1;
	return 0;
}

/* Thread context, no spinlock; never blocks. */
int
lwkt_scan_threads(uint64_t *posp, lwkt_thread_t *tds, int n)
{
	struct lwkt_cpusync cs;
	uint64_t i, end;
	int got = 0;

	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	end = thread_count();
	for (i = *posp; i < end && got < n; i++)
		if (hold_living(thread_nth(i)))
			tds[got++] = thread_nth(i);
	lwkt_cpusync_deinterlock(&cs);
	*posp = i;
	return got;
}
