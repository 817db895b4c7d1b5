/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Go through all threads.
 *
 * THEORY
 * Thread structures lie in one array of the arena and are type-stable, so no
 * list can break under a reader, whatever begins, moves or ends meanwhile.
 * What a reader needs is that the threads he got stay: a reference to each.
 * To take one of a thread that may just be losing its last one, all CPUs are
 * stopped (lwkt_cpusync.c): none of their threads is inside lwkt_rele(), then.
 * The callbacks that stopped CPUs still serve may be; they count down by a
 * locked instruction, and nobody counts up from 0.
 *
 * A batch at a time: one rendezvous for n threads, and none is held for longer
 * than the caller wants.
 *
 * INVARIANTS
 * SN1 While the CPUs stand still td_refs changes by locked instructions alone,
 *    and is 0 of a thread that is being freed, or has been.
 *
 * Source: the need is DragonFly's (scans of its lists raced with exits,
 * eb2adbf513); the batches are ours.
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/globaldata.h"

#include <lwkt/cpusync.h>

/* A reference, unless the last one is gone. */
static int
hold_living(lwkt_thread_t td)
{
	uint32_t refs = atomic_load_32(&td->td_refs);

	while (refs != 0)					/* SN1 */
		if (atomic_fcmpset_32(&td->td_refs, &refs, refs + 1))
			return 1;
	return 0;
}

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
