/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scan the threads of the arena: all but the idle threads and those that were
 * made in storage of the program (lwkt_init_thread).
 *
 * THEORY
 * Thread structures lie in one array of the arena and are type-stable.  So a
 * reader follows no list, and threads may start, move or end meanwhile.  The
 * reader takes a reference to each thread.  The reference keeps the structure
 * and the stack from being used for another thread.
 *
 * A thread may be losing its last reference at that moment.  lwkt_rele()
 * releases the last reference without a locked instruction: it loads td_refs
 * and frees the thread.  The reader must not add a reference between these two
 * steps.  So a rendezvous (lwkt_cpusync.c) stops all other CPUs, and no thread
 * is inside lwkt_rele() while the reader takes references.  A stopped CPU still
 * executes callbacks, which may call lwkt_rele().  In a callback lwkt_rele()
 * uses a locked instruction, and the reader never increments td_refs from 0.
 *
 * Threads are taken in batches: one rendezvous for up to n threads.  The caller
 * must release each thread (lwkt_rele) when it no longer needs it.
 *
 * INVARIANTS
 * SN1 While the CPUs are stopped, td_refs changes by locked instructions only.
 *    td_refs of a thread that is being freed, or has been freed, is 0.
 *
 * Source: the need is DragonFly's (scans of its lists raced with exits,
 * eb2adbf513); the batches are ours.
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/globaldata.h"

#include <lwkt/cpusync.h>

/* Take a reference to td and return 1.  Return 0 if td has none left. */
static int
hold_living(lwkt_thread_t td)
{
	uint32_t refs = atomic_load_32(&td->td_refs);

	while (refs != 0)					/* SN1 */
		if (atomic_fcmpset_32(&td->td_refs, &refs, refs + 1))
			return 1;
	return 0;
}

/*
 * Take a reference to up to n threads, from index *posp on, and store the
 * threads in tds.  *posp gets the index to continue at.  Returns the number
 * stored; less than n only at the end of the array.  Thread context, not in a
 * hard section or rendezvous, no spinlock.  Spins until the other CPUs have
 * stopped; never blocks.
 */
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
