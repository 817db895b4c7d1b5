/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The begin and the end of a turn on a CPU, and when its keeper is due.
 *
 * THEORY: the keeper (shard.c) has a low priority.  If that were all, it would
 * never run on a busy CPU, and the trash would grow without end.  So the code
 * that begins a turn (kv_turn) checks when the keeper ran last.  If the keeper
 * has work and has not run for KEEPER_LATE_MS, it gets the priority of
 * connections for one turn.  While large strings wait to be freed it has that
 * priority all the time, so that clients cannot make such strings faster than
 * the keeper frees them.
 */
#include "shard/server.h"

#define KEEPER_LATE_MS	50

/* Return when the keeper has something to do, or 0 if it has now. */
int64_t
kv_keeper_due(struct kv_cpu *cpu)
{
	return cpu->p_db.db_trash != NULL || kv_mem_dirty() ? 0 :
	    kv_expire_next(&cpu->p_db);
}

/*
 * Begin a turn on this CPU: read the clock, and check if the keeper is late.
 * Context: thread, between operations.
 */
void
kv_turn(struct kv_cpu *cpu)
{
	int64_t now = kv_clock_ms();

	cpu->p_db.db_now = now;
	cpu->p_db.db_until = 0;
	if (cpu->p_keeper_ran < now - KEEPER_LATE_MS &&
	    kv_keeper_due(cpu) <= now)
		lwkt_setpri(cpu->p_keeper, LWKT_PRI_KERN_DAEMON);
}

/* End a turn on this CPU: wake the keeper if operations made work for it. */
void
kv_turn_end(struct kv_cpu *cpu)
{
	int64_t due = kv_keeper_due(cpu);

	if (kv_mem_dirty())
		lwkt_setpri(cpu->p_keeper, LWKT_PRI_KERN_DAEMON);
	if (due < cpu->p_keeper_wake) {
		cpu->p_keeper_wake = due;
		lwkt_wakeup(&cpu->p_keeper_wake);
	}
}
