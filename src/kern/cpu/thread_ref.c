/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References to threads.
 *
 * THEORY
 * A thread structure and its stack are given back together when the last
 * reference goes.  The references are: the thread's own, which its successor
 * drops after the last switch, or hands to the joiner if there is to be one;
 * and those of lwkt_hold().  So neither a joiner nor a tool can see a structure
 * vanish, and no thread frees the stack it stands on.
 *
 * Source: the td_refs of DragonFly's lwkt_thread.c, which the exit polls there.
 */
#include "kern/cpu/kern_ops.h"

#include "base/kassert.h"

void
lwkt_hold(lwkt_thread_t td)
{
	(void)atomic_fetchadd_32(&td->td_refs, 1);
}

void
lwkt_rele(lwkt_thread_t td)
{
	uint32_t refs;

	/*
	 * The last reference cannot be joined by another, so it needs no
	 * locked instruction; acquire: pairs with the others' release below.
	 * Except in a callback, which runs beside lwkt_scan_threads() (SN1 of
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
