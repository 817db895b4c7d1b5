/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threads of a shard.
 *
 * THEORY: every CPU has three.  The shard thread takes lists of operations from
 * its port and runs each list for one turn.  Its priority is higher than that
 * of connections, because a connection on another CPU waits.  A list that needs
 * more turns is passed on to the slow thread, which has the priority of
 * connections and takes turns with them.  The keeper, of low priority (turn.c),
 * deletes keys whose time is over, and frees large strings and what is in the
 * trash.
 *
 * The keeper sleeps while it has nothing to do, until the next key ends, but an
 * hour at most.  If no key has an end, an idle server does not wake up.
 */
#include "shard/server.h"

#define KEEPER_STEP_MS	5	/* sleep longer, for more keys to end */
#define KEEPER_MAX_MS	(3600 * 1000)	/* longest sleep, if a key has an end */
#define PRI_SHARD	LWKT_PRI_SOFT_NORM
#define PRI_KEEPER	LWKT_PRI_USER_IDLE

/*
 * Run lists of operations round-robin, one turn of each.  A list may have to
 * wait for a later list, which has pinned a value that the first one needs.
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

/* Run the lists that arrive at the shard. */
static void
shard_main(void *arg)
{
	lwkt_setpri_self(PRI_SHARD);
	serve(arg, lwkt_curport());
}

/* Run the lists that need more than one turn. */
static void
slow_main(void *arg)
{
	serve(arg, lwkt_curport());
}

/*
 * Sleep until there is something to do.  Only kv_turn_end() ends the sleep
 * early, on the same CPU, so no wakeup can come between the check and the
 * sleep.
 */
static void
keeper_wait(struct kv_cpu *cpu)
{
	int64_t due, left;

	while ((due = kv_keeper_due(cpu)) > kv_clock_ms()) {
		cpu->p_keeper_wake = due;
		left = due - kv_clock_ms();
		if (left > KEEPER_MAX_MS)
			left = KEEPER_MAX_MS;
		lwkt_tsleep(&cpu->p_keeper_wake, 0, "keeper",
		    due == KV_NEVER ? LWKT_FOREVER :
		    (left + KEEPER_STEP_MS) * 1000000);
	}
}

/* Delete keys in time and empty the trash, a turn at a time. */
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

/* Start a thread on a CPU. */
static lwkt_thread_t
start(void (*fn)(void *), const char *name, void *arg, int flags, int id)
{
	lwkt_thread_t td;
	int error = lwkt_create(fn, arg, &td, NULL, flags, id, "%s/%d", name,
	    id);

	if (error != 0)
		kv_die("no thread could be created for a shard: error %d",
		    error);
	return td;
}

/* Make this CPU's shard and start its threads. */
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
	cpu->p_keeper = start(keeper_main, "keeper", cpu, 0, id);
}

/* Start every CPU's shard; they are ready when this returns.  Blocks: yes. */
void
kv_shards_start(void)
{
	for (unsigned int i = 0; i < kv_server.s_ncpus; i++) {
		kv_server.s_cpus[i] = kv_zalloc(sizeof(struct kv_cpu));
		lwkt_join(start(cpu_main, "start", kv_server.s_cpus[i],
		    LWKT_JOINABLE, (int)i));
	}
}
