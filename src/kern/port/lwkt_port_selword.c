/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word that plain pthreads select on.  USES no other file of the room.
 *
 * THEORY
 * A pthread cannot sleep on several words.  So all pthreads that select wait on
 * one word, select_count, which counts the messages that found MPF_SELECT at
 * their port.  A pthread reads it before it tries the ports, so it misses no
 * message.  Each increment wakes all of these pthreads; they are few.
 *
 * ORDER
 * PO1 pthread: load of select_count, then the ports (under their locks), then
 *    the host compares select_count before it sleeps.  Message: flag seen under
 *    the lock, then count.
 */
#include "kern/port/port_var.h"

static uint32_t select_count;	/* (a) only increases; may wrap */

/* Return the count, before the ports are tried.  A pthread; never blocks. */
uint32_t
select_count_read(void)
{
	return atomic_load_acq_32(&select_count);		/* PO1 */
}

/*
 * Return at once if select_count is not `count` any more.  Else sleep until it
 * changes; may return earlier, spuriously.  A pthread; blocks in the host.
 */
void
select_count_wait(uint32_t count)
{
	machine_foreign_wait(&select_count, count);
}

/* Wake all plain pthreads that select.  Any context; never blocks. */
void
select_wake_foreign(void)
{
	(void)atomic_fetchadd_32(&select_count, 1);		/* PO1 */
	machine_foreign_wake(&select_count);
}
