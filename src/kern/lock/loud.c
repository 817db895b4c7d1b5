/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quiet and loud CPUs: locks that are released by a plain store.
 *
 * THEORY
 * A thread that releases a lock must not miss a waiter that queues itself at
 * the same time.  Most locks use one locked instruction that makes the lock
 * free and tests for waiters.  This instruction takes as long as all the rest
 * of an uncontended release.
 *
 * A CPU is quiet or loud.  A holder on a quiet CPU tests the word of the lock
 * and then stores 0 (loud_var.h).  A waiter may set its bit between the test
 * and the store; the store then removes the bit.  So after the store the holder
 * tests whether its CPU is still quiet, and if it is not, looks for waiters in
 * the queue.  It reads nothing of the lock after the store, because the lock
 * may be gone by then: gd_reltag belongs to the CPU, and the queue is found by
 * the address of the lock.  A holder on a loud CPU uses a locked instruction.
 *
 * A waiter makes the CPU of the holder loud before it waits (the next paragraph
 * has the exceptions).  If the CPU was quiet, this takes a fence on all CPUs,
 * about 10 us.  A loud CPU stays loud until it has released many locks in a
 * row, by locked instructions, without a waiter.  Then it makes itself quiet.
 * So a lock that is often contended costs few such fences.
 *
 * A waiter on the CPU whose tag is in the word does not make the CPU loud.  The
 * holder does not run there, and is not between its test and its store, because
 * both are in one leaf section (crit.h).  So the holder's test will see the
 * bit.  If the holder has moved to another CPU, the word does not have the tag
 * of the new CPU: the holder's test fails, and the holder uses a locked
 * instruction.  A pthread as the holder has no tag and always uses a locked
 * instruction.
 *
 * A program may release a mutex in the same way, inline (<lwkt/sync2.h>).  That
 * is no leaf section, so only threads that are not preemptible may do it: the
 * CPU executes nothing else between two of their instructions.
 *
 * INVARIANTS
 * QL1 gd_reltag is gd_tag (quiet), TAG_RISING or TAG_LOUD.  The last two differ
 *    from the tag of each CPU.  So while gd_reltag is one of them, the CPU
 *    releases no lock by a store.
 * QL2 Any CPU or pthread may change gd_reltag from gd_tag to TAG_RISING.  Only
 *    the one that did so changes TAG_RISING to TAG_LOUD, after a fence on all
 *    CPUs.  Only the CPU itself changes gd_reltag from TAG_LOUD to gd_tag, by a
 *    locked instruction, while it is not releasing a lock by a store.
 * QL3 If the host has no fence on all CPUs, each CPU is always loud.
 * QL4 While a preemptible thread runs, lwkt_quick_ of its host thread is NULL,
 *    so the thread releases no lock inline.
 *
 * ORDER
 * QO1 A holder reads the word, stores 0 to it, then reads gd_reltag.  A waiter
 *    sets its bit by a locked instruction, then reads TAG_LOUD (a fence on all
 *    CPUs has followed TAG_RISING), or stores or reads TAG_RISING and executes
 *    a fence on all CPUs.  Then it reads the word again.  If the holder's store
 *    is before that fence, the waiter sees the store.  Else the holder's read
 *    of gd_reltag is after that fence, and the holder looks for waiters.
 * QO2 A CPU that becomes quiet changes gd_reltag by a locked instruction, then
 *    reads the words of the locks that it releases.  A waiter sets its bit by a
 *    locked instruction, then reads gd_reltag.  If the waiter does not see that
 *    the CPU becomes quiet, the CPU sees the bit.
 *
 * Source: asymmetric fences as in TO1 of token_switch.c; the words of a lock
 * are left alone after its release as in Linux's futexes, which are found by
 * address.
 */
#include "kern/lock/loud_var.h"

#include <lwkt/panic.h>

COUNTER(louds, "lwkt.lock_louds",
    "fences on all CPUs, because a thread waits for a lock");

/*
 * The rest of loud_make(): make the CPU gd loud, if it is still quiet or
 * rising.  Thread or pthread; never blocks.
 */
__lwkt_noinline void
loud_rise(struct globaldata *gd)
{
	struct globaldata *self = gd_here();
	uint64_t was = gd->gd_tag;
	int mine;

	mine = atomic_fcmpset_64(&gd->gd_reltag, &was, TAG_RISING);
	if (was == TAG_LOUD)
		return;
	if (!machine_fence_all())				/* QO1 */
		lwkt_panic("the host no longer fences all CPUs");
	/* Release: pairs with the acquire in loud_make(). */
	if (mine)
		atomic_store_rel_64(&gd->gd_reltag, TAG_LOUD);	/* QL2 */
	if (self != NULL)
		counter_inc(self->gd_cntbias, louds);
}

/*
 * Make this CPU quiet, if it is loud and the host has a fence on all CPUs.  In
 * a critical section.
 */
__lwkt_noinline void
loud_calm(struct globaldata *gd)
{
	gd->gd_steady = 0;
	if (machine_can_fence_all())				/* QL3 */
		(void)atomic_cmpset_64(&gd->gd_reltag, TAG_LOUD,
		    gd->gd_tag);				/* QO2 */
}
