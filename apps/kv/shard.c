/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threads of a shard.
 *
 * THEORY: every CPU has three, and one that begins connections (conn.c).  The
 * shard thread takes lists from its port
 * and runs each operation's first turn; it is of higher priority than
 * connections, because a connection on another CPU waits.  A list that needs
 * more turns is passed on to the slow thread, of the same priority as
 * connections, which takes turns with them.  The keeper, of low priority,
 * deletes keys whose time is over and frees what is in the trash.
 *
 * A strict low priority would mean never on a busy CPU, and the trash would
 * grow without end.  So whoever begins a turn (kv_turn) looks when the keeper
 * ran last; if it has work and has not run for KEEPER_LATE_MS, it gets the
 * priority of connections for one turn.  While large strings are to be given
 * back it has that priority throughout: clients that make them may not be
 * faster than the keeper.
 *
 * The keeper sleeps while it has nothing to do, until the next key ends: an
 * idle server does not wake up.
 */
#include "server.h"

#include <time.h>

#define KEEPER_LATE_MS	50
#define KEEPER_STEP_MS	5	/* so long it lets ended keys collect */
#define KEEPER_MAX_MS	(3600 * 1000)
#define PRI_SHARD	LWKT_PRI_SOFT_NORM
#define PRI_KEEPER	LWKT_PRI_USER_IDLE

int64_t
kv_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* When the keeper has something to do; 0: now. */
static int64_t
keeper_due(struct kv_cpu *cpu)
{
	return cpu->p_db.db_trash != NULL || kv_mem_dirty() ? 0 :
	    kv_expire_next(&cpu->p_db);
}

/*
 * A turn begins on this CPU: what time is it, and is the keeper late?
 * Context: thread, between operations.
 */
void
kv_turn(struct kv_cpu *cpu)
{
	int64_t now = kv_clock_ms();

	cpu->p_db.db_now = now;
	cpu->p_db.db_until = 0;
	if (cpu->p_keeper_ran < now - KEEPER_LATE_MS && keeper_due(cpu) <= now)
		lwkt_setpri(cpu->p_keeper, LWKT_PRI_KERN_DAEMON);
}

/* Operations were run on this CPU: did they make work for the keeper? */
void
kv_turn_end(struct kv_cpu *cpu)
{
	int64_t due = keeper_due(cpu);

	if (kv_mem_dirty())
		lwkt_setpri(cpu->p_keeper, LWKT_PRI_KERN_DAEMON);
	if (due < cpu->p_keeper_wake) {
		cpu->p_keeper_wake = due;
		lwkt_wakeup(&cpu->p_keeper_wake);
	}
}

/*
 * A turn of each list in rotation: one may be waiting for another behind it,
 * which has pinned the value it wants.
 */
static void
serve(struct kv_cpu *cpu, lwkt_port_t port)
{
	for (;;) {
		struct lwkt_msg *msg = lwkt_waitport(port, 0);
		struct kv_op *op = (struct kv_op *)((char *)msg -
		    offsetof(struct kv_op, op_msg));

		kv_turn(cpu);
		if (kv_run_list(&cpu->p_db, op))
			lwkt_replymsg(msg, 0);
		else
			lwkt_forwardmsg(cpu->p_slow, msg);
		kv_turn_end(cpu);
		if (port == cpu->p_slow)
			lwkt_yield();
	}
}

static void
shard_main(void *arg)
{
	lwkt_setpri_self(PRI_SHARD);
	serve(arg, lwkt_curport());
}

static void
slow_main(void *arg)
{
	serve(arg, lwkt_curport());
}

/*
 * Sleep until there is something to do.  What ends the sleep early is
 * kv_turn_end, on the same CPU: nothing can come between looking and sleeping.
 */
static void
keeper_wait(struct kv_cpu *cpu)
{
	int64_t due, left;

	while ((due = keeper_due(cpu)) > kv_clock_ms()) {
		cpu->p_keeper_wake = due;
		left = due - kv_clock_ms();
		if (left > KEEPER_MAX_MS)
			left = KEEPER_MAX_MS;
		lwkt_tsleep(&cpu->p_keeper_wake, 0, "keeper",
		    due == KV_NEVER ? LWKT_FOREVER :
		    (left + KEEPER_STEP_MS) * 1000000);
	}
}

static void
keeper_main(void *arg)
{
	struct kv_cpu *cpu = arg;
	size_t n;

	for (;;) {
		lwkt_setpri_self(kv_mem_dirty() ? LWKT_PRI_KERN_DAEMON :
		    PRI_KEEPER);
		lwkt_yield();
		keeper_wait(cpu);
		cpu->p_db.db_now = cpu->p_keeper_ran = kv_clock_ms();
		cpu->p_db.db_until = 0;
		do {
			n = kv_expire_some(&cpu->p_db, KV_STEPS) +
			    kv_db_sweep(&cpu->p_db, KV_STEPS);
			if (kv_mem_dirty()) {
				kv_mem_sweep();
				n++;
			}
		} while (n > 0 && !kv_turn_over(&cpu->p_db));
	}
}

static lwkt_thread_t
start(void (*fn)(void *), const char *name, void *arg, int flags, int id)
{
	lwkt_thread_t td;
	int error = lwkt_create(fn, arg, &td, NULL, flags, id, "%s/%d", name,
	    id);

	if (error != 0)
		kv_die("no thread for a shard: error %d", error);
	return td;
}

/* This CPU's shard and its threads. */
static void
cpu_main(void *arg)
{
	struct kv_cpu *cpu = arg;
	int id = lwkt_cpuid();

	kv_mem_slot((unsigned int)id);
	kv_db_init(&cpu->p_db);
	TAILQ_INIT(&cpu->p_conns);
	cpu->p_keeper_wake = KV_NEVER;
	cpu->p_port = lwkt_threadport(start(shard_main, "shard", cpu, 0, id));
	cpu->p_slow = lwkt_threadport(start(slow_main, "slow", cpu, 0, id));
	cpu->p_door = lwkt_threadport(start(kv_door_main, "door", cpu, 0,
	    id));
	cpu->p_keeper = start(keeper_main, "keeper", cpu, 0, id);
}

/* Every CPU's shard and its threads; they are ready when this returns. */
void
kv_shards_start(void)
{
	for (unsigned int i = 0; i < kv_server.s_ncpus; i++) {
		kv_server.s_cpus[i] = kv_zalloc(sizeof(struct kv_cpu));
		lwkt_join(start(cpu_main, "start", kv_server.s_cpus[i],
		    LWKT_JOINABLE, (int)i));
	}
}
