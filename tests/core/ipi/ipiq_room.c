/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits for room in a ring: nothing is executed inside the section that sends,
 * nothing deadlocks, and what is deferred meanwhile is bounded.
 */
#include <lwkt/cpusync.h>
#include <lwkt/msgport.h>
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>

#include "core/util.h"
#include "kern/ipi/ipiq_var.h"

#define FULL		IPIQ_HIGH	/* the next message waits for room */

static uint32_t deaf, undeaf;		/* CPU 1: has begun; may end */
static uint32_t calls;			/* of nothing() */

static void
nothing(void *arg)
{
	(void)arg;
	ADD(calls, 1);
}

static void
send_nothing(int cpu, int n)
{
	while (n-- > 0)
		lwkt_send_ipiq(cpu, nothing, NULL);
}

/* A section that executes nothing until undeaf. */
static void
be_deaf(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(deaf, 1);
	await_deaf(&undeaf, 1);
	lwkt_crit_exit();
}

/* CPU 1 is deaf from now on; the caller goes on on CPU 2. */
static lwkt_thread_t
deafen(void)
{
	lwkt_thread_t td;

	deaf = undeaf = calls = 0;
	lwkt_migratecpu(2);
	td = spawn(be_deaf, NULL, 0, 1);
	await_deaf(&deaf, 1);
	return td;
}

/*
 * A thread with deferred wakeups blocks: the wakeup waits for room, and what
 * the thread waits for is in a ring to it.
 */
struct sleeper {
	void		(*s_block)(struct sleeper *);
	void		(*s_bring)(struct sleeper *);
	lwkt_thread_t	s_td;
	struct lwkt_msg	s_msg;
	lwkt_thread_t	s_other;	/* ends, and is joined */
	uint32_t	s_ready;	/* the rings may be filled */
	uint32_t	s_sent;		/* messages behind the one */
	uint32_t	s_told;		/* what block_told() waits for */
	uint32_t	s_gone;		/* it has gone on */
};

static struct lwkt_port sink;
static char sleeps_on;			/* an ident; its sleeper is on CPU 1 */
static uint32_t asleep;

static void
sleeps(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&sleeps_on, 0);
	STORE(asleep, 1);
	lwkt_tsleep(&sleeps_on, LWKT_PINTERLOCKED, "test", LWKT_FOREVER);
}

static void
block_port(struct sleeper *s)
{
	check(lwkt_waitport(lwkt_curport(), 0) == &s->s_msg, "which message");
	lwkt_replymsg(&s->s_msg, 0);
}

static void
block_port_timed(struct sleeper *s)
{
	lwkt_msg_t msg;

	msg = lwkt_waitport_timed(lwkt_curport(), 0, 3600 * 1000 * MS);
	check(msg == &s->s_msg, "it is not told in an hour");
	lwkt_replymsg(&s->s_msg, 0);
}

static void
bring_msg(struct sleeper *s)
{
	lwkt_sendmsg(lwkt_threadport(s->s_td), &s->s_msg);
}

/* Told by a callback that changes a word and schedules: the cheap sleep. */
static void
block_told(struct sleeper *s)
{
	while (LOAD(s->s_told) == 0)
		(void)lwkt_sleep("test", 0);
}

static void
tell(void *arg)
{
	struct sleeper *s = arg;

	STORE(s->s_told, 1);
	lwkt_schedule(s->s_td);
}

static void
bring_word(struct sleeper *s)
{
	lwkt_send_ipiq(0, tell, s);
}

static void
block_join(struct sleeper *s)
{
	join(s->s_other);
}

static void
bring_end(struct sleeper *s)
{
	STORE(s->s_told, 1);
}

static void
ends_when_told(void *arg)
{
	struct sleeper *s = arg;

	await(&s->s_told, 1);
}

static void
blocks(void *arg)
{
	struct sleeper *s = arg;

	lwkt_crit_enter();
	send_nothing(1, FULL);
	lwkt_wakeup_start_delayed();
	lwkt_wakeup(&sleeps_on);
	STORE(s->s_ready, 1);
	await_deaf(&s->s_sent, FULL);
	s->s_block(s);
	lwkt_wakeup_end_delayed();
	lwkt_crit_exit();
	STORE(s->s_gone, 1);
}

static int
not_slept_over(void *arg)
{
	struct sleeper *s = arg;
	lwkt_thread_t td[2];
	int i;

	s->s_ready = s->s_sent = s->s_told = s->s_gone = asleep = 0;
	lwkt_initport_replyonly_null(&sink);
	lwkt_initmsg(&s->s_msg, &sink, 0);
	td[0] = spawn(sleeps, NULL, 0, 1);
	await(&asleep, 1);
	settle(1, LWKT_PRI_KERN_DAEMON);
	td[1] = deafen();
	s->s_other = spawn(ends_when_told, s, 0, 2);
	s->s_td = spawn(blocks, s, LWKT_NOSTART, 0);
	lwkt_schedule(s->s_td);
	await(&s->s_ready, 1);
	s->s_bring(s);
	for (i = 0; i < FULL + 2; i++) {
		ADD(s->s_sent, 1);
		send_nothing(0, 1);
	}
	STORE(undeaf, 1);
	await(&s->s_gone, 1);
	join(s->s_td);
	STORE(s->s_told, 1);
	if (s->s_block != block_join)
		join(s->s_other);
	join_all(td, 2);
	return 0;
}

/*
 * Nothing is executed in a section that waits for room.
 */
static uint32_t inside;			/* CPU 0 is in the section */
static uint32_t broken;			/* callbacks that ran there */
static struct lwkt_systimer timer;

static void
look(void *arg)
{
	(void)arg;
	if (LOAD(inside))
		ADD(broken, 1);
}

static void
fills(void)
{
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
	STORE(inside, 0);
}

static void
fills_in_timer(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	fills();
	STORE(*(uint32_t *)arg, 1);
}

static void
in_section(void)
{
	lwkt_crit_enter();
	fills();
	lwkt_crit_exit();
}

static void
in_hard_section(void)
{
	lwkt_crit_enter_hard();
	fills();
	lwkt_crit_exit_hard();
}

static void
in_timer(void)
{
	uint32_t over = 0;

	lwkt_systimer_init_oneshot(&timer, fills_in_timer, &over, 1);
	await(&over, 1);
}

static void
call(void *arg)
{
	(*(void (**)(void))arg)();
}

static int
nothing_runs_inside(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	inside = broken = 0;
	td[0] = deafen();
	td[1] = spawn(call, arg, 0, 0);
	await_deaf(&inside, 1);
	for (i = 0; i < FULL + 10; i++)
		lwkt_send_ipiq(0, look, NULL);
	STORE(undeaf, 1);
	join_all(td, 2);
	check(broken == 0, "%u callbacks ran inside", broken);
	return 0;
}

/* In the open a sender that waits for room serves others meanwhile. */
static uint32_t served;

static void
serve(void *arg)
{
	(void)arg;
	STORE(served, 1);
	STORE(undeaf, 1);
}

static void
fills_in_the_open(void *arg)
{
	(void)arg;
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
}

static int
the_open_serves(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	inside = served = 0;
	td[0] = deafen();
	td[1] = spawn(fills_in_the_open, NULL, 0, 0);
	await_deaf(&inside, 1);
	lwkt_send_ipiq(0, serve, NULL);
	await_deaf(&served, 1);
	join_all(td, 2);
	return 0;
}

/*
 * A reader's section that waits for room keeps what it reads.
 */
static struct lwkt_retire retired;
static uint32_t freed, flooded;

static void
free_it(struct lwkt_retire *rt)
{
	(void)rt;
	STORE(freed, 1);
	STORE(undeaf, 1);
}

static void
reads(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&deaf, 1);
	await_deaf(&flooded, FULL);
	send_nothing(1, FULL + 1);
	check(LOAD(freed) == 0, "freed under a reader");
	lwkt_crit_exit();
}

/* Deaf until the reader is through, or has been betrayed. */
static void
stop_when_through(void *arg)
{
	await_deaf(arg, FULL);
	lwkt_sleep_ns(5 * MS);
	STORE(undeaf, 1);
}

static int
readers_keep(void *arg)
{
	lwkt_thread_t td[3];
	int i;

	(void)arg;
	inside = freed = flooded = deaf = undeaf = 0;
	lwkt_migratecpu(2);
	td[0] = spawn(reads, NULL, 0, 0);
	await_deaf(&inside, 1);
	lwkt_retire(&retired, free_it);
	lwkt_sleep_ns(5 * MS);		/* CPU 1 answers */
	td[1] = spawn(be_deaf, NULL, 0, 1);
	await_deaf(&deaf, 1);
	td[2] = spawn(stop_when_through, &flooded, 0, 3);
	for (i = 0; i < FULL + 10; i++) {
		ADD(flooded, 1);
		send_nothing(0, 1);
	}
	join_all(td, 3);
	await(&freed, 1);
	return 0;
}

/*
 * A CPU that a rendezvous has stopped runs no thread, even if it waited for
 * room when the request came.
 */
static uint32_t stopped, ran, done;

static void
runs_on(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&flooded, FULL);
	send_nothing(1, FULL + 1);
	if (LOAD(stopped))
		STORE(ran, 1);
	lwkt_crit_exit();
	STORE(done, 1);
}

static void
masters(void *arg)
{
	struct lwkt_cpusync cs;
	int i;

	(void)arg;
	lwkt_cpusync_init(&cs, lwkt_cpumask_one(0), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	STORE(stopped, LOAD(done) == 0);
	STORE(undeaf, 1);
	for (i = 0; i < 1000; i++)
		machine_pause((unsigned)i);
	STORE(stopped, 0);
	lwkt_cpusync_deinterlock(&cs);
}

static int
the_stopped_stand(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	inside = flooded = stopped = ran = done = 0;
	td[0] = deafen();
	td[1] = spawn(runs_on, NULL, 0, 0);
	await_deaf(&inside, 1);
	td[2] = spawn(masters, NULL, 0, 3);
	td[3] = spawn(stop_when_through, &flooded, 0, 2);
	for (i = 0; i < FULL + 10; i++) {
		ADD(flooded, 1);
		send_nothing(0, 1);
	}
	join_all(td, 4);
	check(ran == 0, "a stopped CPU ran its thread");
	return 0;
}

/*
 * Spinlocks: the holder sends to CPUs that spin for it.
 */
static struct lwkt_spin spin[2];
static uint32_t spinning, held;

static void
takes(void *arg)
{
	lwkt_spin_t s = arg;

	await_deaf(&held, 1);
	STORE(spinning, 1);
	lwkt_spin_lock(s);
	check(curthread->td_critcount == 1, "count");
	lwkt_spin_unlock(s);
}

static void
takes_shared(void *arg)
{
	lwkt_spin_t s = arg;

	await_deaf(&held, 1);
	STORE(spinning, 1);
	lwkt_spin_lock_shared(s);
	lwkt_spin_unlock_shared(s);
}

static int
holder_sends(void *arg)
{
	void (*const *take)(void *) = arg;
	lwkt_thread_t td;

	held = spinning = calls = 0;
	lwkt_spin_init(&spin[0], "test");
	lwkt_migratecpu(0);
	td = spawn(*take, &spin[0], 0, 1);
	lwkt_spin_lock(&spin[0]);
	STORE(held, 1);
	await_deaf(&spinning, 1);
	send_nothing(1, 5 * IPIQ_SIZE);
	lwkt_spin_unlock(&spin[0]);
	join(td);
	lwkt_synchronize_ipiqs("test");
	check(calls == 5 * IPIQ_SIZE, "%u executed", calls);
	return 0;
}

/*
 * Beyond the easy number too, and through others: 0 holds the lock and waits
 * for room to 1; 1 waits, in a section, for room to 2, which spins.
 */
static void
passes_on(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&spinning, 1);
	send_nothing(2, 2 * IPIQ_DEFER_EASY);
	lwkt_crit_exit();
}

static int
holder_sends_through(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	held = spinning = calls = inside = 0;
	lwkt_spin_init(&spin[0], "test");
	lwkt_migratecpu(0);
	td[0] = spawn(passes_on, NULL, 0, 1);
	td[1] = spawn(takes, &spin[0], 0, 2);
	lwkt_spin_lock(&spin[0]);
	STORE(held, 1);
	await_deaf(&inside, 1);
	await_deaf(&spinning, 1);
	send_nothing(1, 2 * IPIQ_DEFER_EASY);
	lwkt_spin_unlock(&spin[0]);
	join_all(td, 2);
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, nothing, NULL));
	join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
	    (void *)(uintptr_t)"test", 0, 1));
	check(calls == 4 * IPIQ_DEFER_EASY + 1, "%u executed", calls);
	return 0;
}

/*
 * How much is deferred.
 */
#define MANY		(3 * IPIQ_DEFER_EASY)

static void
counted(void *arg, int n)
{
	int *next = arg;

	check(*next == n, "message %d instead of %d", n, *next);
	*next = n + 1;
}

struct circle {
	int	c_to;
	int	c_next;			/* at c_to: the next number */
};

static void
sends_on(void *arg)
{
	struct circle *c = arg;
	int i;

	ADD(inside, 1);
	await_deaf(&inside, (uint32_t)lwkt_ncpus());
	lwkt_crit_enter();
	for (i = 0; i < MANY; i++)
		lwkt_send_ipiq2(c->c_to, counted, &c->c_next, i);
	lwkt_crit_exit();
}

/* A circle of sections each of which sends far more than is read easily. */
static int
circle_of_sections(void *arg)
{
	int cpu, n = lwkt_ncpus();
	struct circle c[8];
	lwkt_thread_t td[8];

	(void)arg;
	inside = 0;
	for (cpu = 0; cpu < n; cpu++) {
		c[cpu] = (struct circle){ (cpu + 1) % n, 0 };
		td[cpu] = spawn(sends_on, &c[cpu], 0, cpu);
	}
	join_all(td, n);
	for (cpu = 0; cpu < n; cpu++)
		join(spawn((void (*)(void *))lwkt_synchronize_ipiqs,
		    (void *)(uintptr_t)"test", 0, cpu));
	for (cpu = 0; cpu < n; cpu++)
		check(c[cpu].c_next == MANY, "%d of %d", c[cpu].c_next, MANY);
	return 0;
}

/* A long section against a CPU that waits, but not for it. */
static uint32_t pressed;

static void
presses(void *arg)
{
	int i;

	(void)arg;
	lwkt_crit_enter();
	for (i = 0; i < MANY; i++) {
		send_nothing(0, 1);
		ADD(pressed, 1);
	}
	lwkt_crit_exit();
}

static void
waits_in_section(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
	check(mygd()->gd_ndeferred <= IPIQ_DEFER_EASY + IPIQ_SIZE,
	    "%u deferred", mygd()->gd_ndeferred);
	lwkt_crit_exit();
}

static int
no_cycle_no_more(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	inside = pressed = 0;
	td[0] = deafen();
	td[1] = spawn(waits_in_section, NULL, 0, 0);
	await_deaf(&inside, 1);
	td[2] = spawn(presses, NULL, 0, 3);
	await(&pressed, IPIQ_DEFER_EASY - IPIQ_SIZE);
	lwkt_sleep_ns(2 * MS);		/* it would go on if it could */
	STORE(undeaf, 1);
	join_all(td, 3);
	check(pressed >= MANY, "%u", pressed);
	return 0;
}

/* Sections without end on one side, one long section on the other. */
static uint32_t enough;

static void
short_sections(void *arg)
{
	(void)arg;
	STORE(inside, 1);
	while (LOAD(enough) == 0) {
		lwkt_crit_enter();
		send_nothing(0, 2 * FULL);
		lwkt_crit_exit();
	}
}

static int
debts_are_paid(void *arg)
{
	lwkt_thread_t td;
	int i;

	(void)arg;
	inside = enough = 0;
	lwkt_migratecpu(0);
	td = spawn(short_sections, NULL, 0, 1);
	await(&inside, 1);
	lwkt_crit_enter();
	for (i = 0; i < 4 * MANY; i += FULL) {
		send_nothing(1, FULL);
		check(mygd()->gd_ndeferred <= IPIQ_DEBT + 2 * FULL +
		    IPIQ_SIZE, "%u deferred", mygd()->gd_ndeferred);
	}
	lwkt_crit_exit();
	STORE(enough, 1);
	join(td);
	return 0;
}

/*
 * Misuse.
 */
static void
process_in_timer(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	lwkt_process_ipiq();
}

static int
process_in_timer_body(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, process_in_timer, NULL, 1);
	lwkt_sleep_ns(10 * MS);
	return 0;
}

static int
wait_with_spinlock_body(void *arg)
{
	(void)arg;
	lwkt_spin_init(&spin[0], "mine");
	lwkt_spin_lock(&spin[0]);
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, nothing, NULL));
	return 0;
}

static int
moved_body(void *arg)
{
	unsigned seq;

	(void)arg;
	lwkt_migratecpu(0);
	send_nothing(1, 100);
	seq = lwkt_send_ipiq(1, nothing, NULL);
	lwkt_migratecpu(1);
	lwkt_wait_ipiq(0, seq);
	return 0;
}

static int
moved_there_body(void *arg)
{
	unsigned seq;

	(void)arg;
	lwkt_migratecpu(0);
	seq = lwkt_send_ipiq(1, nothing, NULL);
	lwkt_migratecpu(1);
	lwkt_wait_ipiq(1, seq);
	return 0;
}

static void
explore(const char *name, int (*body)(void *), void *arg, unsigned seeds,
    int ncpus)
{
	struct sim_scenario ss = { .ss_name = name, .ss_body = body,
		.ss_arg = arg, .ss_seeds = seeds, .ss_ncpus = ncpus };

	sim_explore_with(&ss);
}

static void
explore_sleepers(void)
{
	static struct sleeper port = { block_port, bring_msg, .s_td = NULL };
	static struct sleeper timed = { block_port_timed, bring_msg,
		.s_td = NULL };
	static struct sleeper told = { block_told, bring_word, .s_td = NULL };
	static struct sleeper joins = { block_join, bring_end, .s_td = NULL };

	explore("a message is not slept over by deferred wakeups",
	    not_slept_over, &port, 20, 3);
	explore("nor in a timed wait", not_slept_over, &timed, 20, 3);
	explore("nor is a word in lwkt_sleep", not_slept_over, &told, 20, 3);
	explore("nor the end of a thread", not_slept_over, &joins, 20, 3);
}

int
main(void)
{
	static void (*section)(void) = in_section;
	static void (*hard)(void) = in_hard_section;
	static void (*in_a_timer)(void) = in_timer;
	static void (*exclusively)(void *) = takes;
	static void (*shared)(void *) = takes_shared;

	panics("a timer that executes messages panics", process_in_timer_body,
	    "lwkt_process_ipiq is called in a callback");
	panics("to wait for a message with a spinlock panics",
	    wait_with_spinlock_body, "with spinlock \"mine\"");
	panics("to wait for another CPU's message panics", moved_body,
	    "the thread has moved");
	panics("so if it has moved to the target", moved_there_body,
	    "the thread has moved");
	explore_sleepers();
	explore("no callback runs in a section that waits for room",
	    nothing_runs_inside, &section, 20, 3);
	explore("nor in a hard section", nothing_runs_inside, &hard, 20, 3);
	explore("nor in a timer's function", nothing_runs_inside, &in_a_timer,
	    20, 3);
	explore("a sender in the open serves others", the_open_serves, NULL,
	    20, 3);
	explore("a reader that waits for room keeps what it reads",
	    readers_keep, NULL, 20, 4);
	explore("a CPU that waits for room is stopped afterwards",
	    the_stopped_stand, NULL, 20, 4);
	explore("the holder of a spinlock sends to who spins for it",
	    holder_sends, &exclusively, 20, 2);
	explore("so if it is wanted shared", holder_sends, &shared, 20, 2);
	explore("so through another CPU, in great numbers",
	    holder_sends_through, NULL, 2, 3);
	explore("two sections that flood each other end", circle_of_sections,
	    NULL, 2, 2);
	explore("so do four in a circle", circle_of_sections, NULL, 1, 4);
	explore("a flood that nobody waits for waits itself",
	    no_cycle_no_more, NULL, 2, 4);
	explore("who has sent too much lets others execute it",
	    debts_are_paid, NULL, 2, 2);
	return tap_done();
}
