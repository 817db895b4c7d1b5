/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References to threads.
 *
 * THEORY
 * A thread structure and its stack are freed together when the last reference
 * is dropped, unless they are storage of the program.  The references are the
 * thread's own and those of lwkt_hold().  The thread's own is dropped by the
 * joiner if the thread is joinable, else by its successor after the last
 * switch.  So a joiner does not see the structure vanish, and no thread frees
 * the stack that it runs on.
 *
 * Source: the td_refs of DragonFly's lwkt_thread.c, which the exit polls there.
 */
#include "kern/cpu/kern_ops.h"

#include "base/kassert.h"

/*
 * Add a reference to td, which must be alive or held.  Any CPU context; never
 * blocks.
 */
void
lwkt_hold(lwkt_thread_t td)
{
	(void)atomic_fetchadd_32(&td->td_refs, 1);
}

/*
 * Drop a reference.  The last one frees the thread, if its storage belongs to
 * the library.  Any CPU context; never blocks.
 */
void
lwkt_rele(lwkt_thread_t td)
{
	uint32_t refs;

	/*
	 * If the count is 1, the reference is the caller's, and only
	 * lwkt_scan_threads() could add one, but it stops all threads first.
	 * So a load replaces the locked instruction.  The acquire pairs with
	 * the locked instruction below, by which the other holders dropped
	 * their references.  But a CPU that is stopped for the scan executes
	 * callbacks, so a callback always uses the locked instruction (SN1 of
	 * kern_scan.c).
	 */
	refs = atomic_load_acq_32(&td->td_refs);
	if (refs != 1 || mygd()->gd_intr_nesting != 0)
		refs = atomic_fetchadd_32(&td->td_refs, (uint32_t)-1);
	KASSERTF(refs > 0, "thread \"%s\" is joined or released, but no "
	    "reference to it is left (lwkt_hold(3))", td->td_name);
	if (refs != 1)						/* TD4 */
		return;
	if (fiber_wanted())
		fiber_fini(&td->td_cold->tc_fiber);
	if (td->td_flags & TDF_ARENA)
		lwkt__kern_ops.ko_thread_free(td);
}
