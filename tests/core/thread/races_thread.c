/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Races of DragonFly's history, of threads that end and move.
 *
 * The numbers are those of docs/races.md, which says for each what breaks it.
 */
#include <lwkt/cpusync.h>

#include "core/util.h"

#define ROUNDS		TIMES(60, 12)

static uint32_t done;

/* Not running is not gone: blocks so many times before it ends. */
static void
block_and_end(void *arg)
{
	int i, n = (int)(intptr_t)arg;

	for (i = 0; i < n; i++) {
		if (i % 2 || !TICKS_COME)
			lwkt_yield();
		else
			lwkt_sleep_ns(1000);
	}
}

/*
 * Exit against wait: who waits for the end may take the memory at once.
 */
static int
race_1(void *arg)
{
	static _Alignas(64) char stack[16384];
	static struct lwkt_thread_storage st;
	lwkt_thread_t td;
	int i, error;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		td = lwkt_init_thread(&st, stack, sizeof(stack), LWKT_JOINABLE,
		    i % lwkt_ncpus());
		error = lwkt_create(block_and_end, (void *)(intptr_t)(i % 4),
		    NULL, td, LWKT_JOINABLE, i % lwkt_ncpus(), "mine");
		check(error == 0, "create: errno %d", error);
		join(td);
		memset(stack, 0xa5, sizeof(stack));
		memset(&st, 0xa5, sizeof(st));
	}
	return 0;
}

/*
 * A successor that looks at the thread after letting it go sees what it does
 * in its next life: here, that it exits on the other CPU.
 */
static void
move_and_end(void *arg)
{
	(void)arg;
	lwkt_migratecpu(other_cpu());
}

static int
race_3(void *arg)
{
	int64_t exited = counter("lwkt.threads_exited");
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++)
		join(spawn(move_and_end, NULL, 0, i % lwkt_ncpus()));
	exited = counter("lwkt.threads_exited") - exited;
	check(exited == ROUNDS, "%lld ends of %d threads", (long long)exited,
	    ROUNDS);
	return 0;
}

/*
 * Once a dying thread has left the run queue nothing may put it back: neither
 * a schedule that was under way, nor something that exit still has to do.
 */
static void
schedule_it(void *arg)
{
	lwkt_thread_t td = arg;
	unsigned turn;

	for (turn = 0; LOAD(done) == 0; turn++) {
		lwkt_schedule(td);
		lwkt_yield();
		machine_pause(turn);
	}
}

static int
race_4(void *arg)
{
	lwkt_thread_t td, p[2];
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		STORE(done, 0);
		td = spawn(block_and_end, (void *)(intptr_t)(i % 3),
		    LWKT_NOSTART | (i % 2 ? LWKT_GIANT : 0), i % lwkt_ncpus());
		lwkt_hold(td);
		p[0] = spawn_on(i, schedule_it, td);
		p[1] = spawn_on(i + 1, schedule_it, td);
		join(td);
		STORE(done, 1);
		join_all(p, 2);
		lwkt_rele(td);
	}
	return 0;
}

/*
 * Who looks at threads holds them: neither an exit nor a migration takes away
 * what is held.
 */
static void
scan(void *arg)
{
	lwkt_thread_t td = arg;
	uint64_t id = td->td_id;
	unsigned turn;

	for (turn = 0; LOAD(done) == 0; turn++) {
		lwkt_hold(td);
		lwkt_yield();
		machine_pause(turn);
		check(td->td_id == id && strcmp(lwkt_name(td), "worker") == 0,
		    "thread %llu is thread %llu now, \"%s\"",
		    (unsigned long long)id, (unsigned long long)td->td_id,
		    lwkt_name(td));
		lwkt_rele(td);
	}
	lwkt_rele(td);
}

static int
race_5(void *arg)
{
	lwkt_thread_t td, s[2];
	int i, k;

	(void)arg;
	for (i = 0; i < ROUNDS / 2; i++) {
		STORE(done, 0);
		td = spawn(move_and_end, NULL, LWKT_NOSTART, i % lwkt_ncpus());
		for (k = 0; k < 2; k++) {
			lwkt_hold(td);		/* the scanner's */
			s[k] = spawn_on(i + k, scan, td);
		}
		lwkt_schedule(td);
		join(td);
		/* New threads, for which a free structure would be taken. */
		for (k = 0; k < lwkt_ncpus(); k++)
			settle(k, LWKT_PRI_KERN_DAEMON);
		STORE(done, 1);
		join_all(s, 2);
	}
	return 0;
}

/*
 * A migration is finished by the successor; and CPUs that wait for each other,
 * for a moving thread here and a rendezvous there, all go on.
 */
static void
hop(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		lwkt_migratecpu((int)(i + (intptr_t)arg) % lwkt_ncpus());
	ADD(done, 1);
}

static int
race_6(void *arg)
{
	lwkt_thread_t td[4];
	unsigned turn;
	int i;

	(void)arg;
	STORE(done, 0);
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, hop, (void *)(intptr_t)i);
	for (turn = 0; LOAD(done) < 4; turn++) {
		lwkt_cpusync_simple(lwkt_cpumask_all(), NULL, NULL);
		lwkt_yield();
		machine_pause(turn);
	}
	join_all(td, 4);
	return 0;
}

/*
 * A thread leaves the lists of its CPU before it leaves the CPU.
 */
static void
queue_and_move(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_tsleep_interlock(&done, 0);
		lwkt_migratecpu(other_cpu());
		lwkt_tsleep_remove();
		lwkt_tsleep(&done, 0, "done", LWKT_FOREVER);
	}
	ADD(done, 1);
}

static int
race_8(void *arg)
{
	lwkt_thread_t td[3];
	unsigned turn;
	int i;

	(void)arg;
	STORE(done, 0);
	for (i = 0; i < 3; i++)
		td[i] = spawn_on(i, queue_and_move, NULL);
	for (turn = 0; LOAD(done) < 3; turn++) {
		lwkt_wakeup(&done);
		lwkt_yield();
		machine_pause(turn);
	}
	join_all(td, 3);
	return 0;
}

int
main(void)
{
	sim_explore("race 1: the waiter frees a stack that is still in use",
	    race_1, NULL, 200);
	sim_explore("race 3: the successor reads flags of the next life",
	    race_3, NULL, 200);
	sim_explore("race 4: a dying thread gets back on the run queue",
	    race_4, NULL, 200);
	sim_explore("race 5: a thread goes away under who looks at it",
	    race_5, NULL, 200);
	sim_explore("race 6: a thread runs on two CPUs while it moves", race_6,
	    NULL, 200);
	sim_explore("race 8: a thread stays on a list of its old CPU", race_8,
	    NULL, 200);
	return tap_done();
}
