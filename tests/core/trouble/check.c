/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole-structure checks hold while all is well and find what is damaged;
 * critical sections that do not match are found with who entered and left.
 */
#include <lwkt/lock.h>
#include <lwkt/msgport.h>
#include <lwkt/mtx.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/util.h"
#include "kern/sleep/synch_var.h"
#include "kern/trouble/debug_var.h"

static struct lwkt_systimer timers[3];
static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("tok");
static uint32_t word;

static void
nothing_timer(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
}

static void
check_here(void *arg)
{
	struct globaldata *gd;

	crit_enter();
	gd = mygd();
	check_cpu(gd);
	crit_exit();
	(void)arg;
}

static void
sleeps(void *arg)
{
	(void)arg;
	await_asleep(&word, 1);
}

/* Something of everything on each CPU, and looked at there. */
static int
healthy(void *arg)
{
	lwkt_thread_t td[6];
	int i;

	STORE(word, 0);
	memset(timers, 0, sizeof(timers));
	for (i = 0; i < 3; i++)
		lwkt_systimer_init_oneshot(&timers[i], nothing_timer, NULL,
		    MS * (3 - i));
	for (i = 0; i < 3; i++)
		td[i] = spawn_on(i, sleeps, NULL);
	lwkt_gettoken(&tok);
	lwkt_gettoken_shared(&tok);
	for (i = 3; i < 6; i++)
		td[i] = spawn_on(i, check_here, NULL);
	check_here(arg);
	lwkt_reltoken(&tok);
	lwkt_reltoken(&tok);
	ADD(word, 1);
	lwkt_wakeup(&word);
	join_all(td, 6);
	for (i = 0; i < 3; i++)
		lwkt_systimer_del(&timers[i]);
	return 0;
}

static int
runq_count(void *arg)
{
	crit_enter();
	mygd()->gd_rqcount++;
	check_here(arg);
	return 0;
}

static int
runq_pri(void *arg)
{
	crit_enter();
	curthread->td_pri--;
	check_here(arg);
	return 0;
}

static int
magic(void *arg)
{
	curthread->td_cold->tc_magic = 0;
	crit_enter();
	thread_check(curthread);
	(void)arg;
	return 0;
}

static int
timer_order(void *arg)
{
	int i;

	for (i = 0; i < 3; i++)
		lwkt_systimer_init_oneshot(&timers[i], nothing_timer, NULL,
		    MS * (1000 + i));
	crit_enter();
	timers[1].st_time += 100 * MS;
	check_here(arg);
	return 0;
}

static int
port_end(void *arg)
{
	lwkt_port_t port = lwkt_curport();

	port->mp_msgq.mq_lastp = &port->mp_prioq.mq_first;
	port_check(port);
	(void)arg;
	return 0;
}

static int
sleepq(void *arg)
{
	crit_enter();
	lwkt_tsleep_interlock(&word, 0);
	synch_leave_queue(curthread);
	curthread->td_flags |= TDF_TSLEEPQ;
	curthread->td_wchan = &word;
	sleepq_check(curthread);
	(void)arg;
	return 0;
}

static int
token_ref(void *arg)
{
	lwkt_gettoken(&tok);
	tok.t_ref = 0;
	check_here(arg);
	return 0;
}

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("spin");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("mtx");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("lock", 0, 0);

static int
spin_word(void *arg)
{
	lwkt_spin_lock(&spin);
	spin.s_lock = 0;
	check_here(arg);
	return 0;
}

static int
preempt_depth(void *arg)
{
	crit_enter();
	mygd()->gd_preempt_depth++;
	check_here(arg);
	return 0;
}

/* Pretend that `lender` is the first of `depth` lenders of the CPU. */
static void
lent_by(lwkt_thread_t lender, int depth)
{
	crit_enter();
	lender->td_flags |= TDF_PREEMPT_LOCK;
	curthread->td_preempted = lender;
	curthread->td_leave |= TDL_PREEMPTING;
	mygd()->gd_preempt_depth = depth;
	check_here(NULL);
}

static int
idle_lends(void *arg)
{
	(void)arg;
	lent_by(&mygd()->gd_idlethread, 1);
	return 0;
}

static int
too_many_lend(void *arg)
{
	(void)arg;
	lent_by(curthread, 3);		/* a ring: no end of lenders */
	return 0;
}

static void
keeps_mtx(void *arg)
{
	lwkt_mtx_lock(&mtx);
	STORE(*(uint32_t *)arg, 1);
	(void)lwkt_sleep("test", 0);
}

static int
mtx_word(void *arg)
{
	static uint32_t kept;

	(void)arg;
	spawn_on(1, keeps_mtx, &kept);
	await(&kept, 1);
	mtx.m_lock |= 0x20000000;	/* somebody waits, but there is none */
	(void)lwkt_mtx_lock_ex(&mtx, 0, MS);
	mtx.m_lock |= 0x20000000;
	return lwkt_mtx_lock_sh(&mtx, 0, MS);
}

static int
lock_fields(void *arg)
{
	(void)arg;
	(void)lwkt_lockmgr(&lock, LWKT_LK_SHARED);
	lock.lk_excl = 1;
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
	return 0;
}

static int
underflow(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	lwkt_crit_exit();
	lwkt_crit_exit();
	return 0;
}

static void
keeps_section(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	cc_fence();			/* no tail call */
}

static int
exits(void *arg)
{
	(void)arg;
	join(spawn(keeps_section, NULL, 0, 0));
	return 0;
}

static int
callback_keeps(void *arg)
{
	(void)arg;
	lwkt_send_ipiq(lwkt_cpuid(), keeps_section, NULL);
	return 0;
}

static int
release_none(void *arg)
{
	(void)arg;
	lwkt_reltoken(&tok);
	return 0;
}

static void
keeps_token(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok);
}

static int
exit_token(void *arg)
{
	(void)arg;
	join(spawn(keeps_token, NULL, 0, 0));
	return 0;
}

/* Two join each other: the simulated host sees at once that nothing moves. */
static lwkt_thread_t pair[2];

static void
join_other(void *arg)
{
	await(&word, 1);
	lwkt_join(pair[(intptr_t)arg]);
}

static int
pair_body(void *arg)
{
	(void)arg;
	pair[0] = spawn(join_other, (void *)1, 0, 0);
	pair[1] = spawn(join_other, (void *)0, 0, 1);
	ADD(word, 1);
	return lwkt_sleep("for ever", 0);
}

static void
test_damage(void)
{
	panics("a wrong count of runnable threads panics", runq_count,
	    "threads on the run queue, count");
	panics("a thread on the wrong queue panics", runq_pri,
	    "thread \"main\" on queue");
	panics("a stack's top overwritten panics", magic,
	    "thread \"main\": the top of its stack is overwritten");
	panics("a timer out of order panics", timer_order,
	    "is in the wrong slot");
	panics("a port's queue without its end panics", port_end,
	    "the end of its queue is wrong");
	panics("a sleeper that is on no queue panics", sleepq,
	    "thread \"main\" is not on the sleep queue");
	panics("a spinlock on the list that is free panics", spin_word,
	    "spinlock \"spin\" is held by cpu 0, but has word 0");
	panics("a lender that is not there panics", preempt_depth,
	    "cpu 0: 0 threads have lent the CPU, but the depth is 1");
	panics("an idle thread that lends its CPU panics", idle_lends,
	    "thread \"main\" preempts \"idle\", lender 1");
	panics("a third lender panics", too_many_lend,
	    "thread \"main\" preempts \"main\", lender 3");
	panics("a token that forgot its holder panics", token_ref,
	    "reference 0 does not hold token \"tok\"");
}

static void
test_sections(void)
{
	panics("releasing a token not held panics", release_none,
	    "thread \"main\" releases token \"tok\", but the last one it "
	    "took is \"none\"");
	panics("ending with a token panics", exit_token,
	    "thread \"worker\" exits with token \"tok\"");
	if (!config_invariants)
		return;
	panics("a mtx that forgot its waiters panics", mtx_word,
	    "mtx \"mtx\", word");
	panics("a lock both shared and exclusive panics", lock_fields,
	    "lock \"lock\": held 1 times exclusive");
	panics("one section too few: who left", underflow,
	    "lwkt: left, count -1, by\n  #0  underflow");
	panics("one too many: who entered", exits,
	    "lwkt: entered, count 1, by\n  #0  keeps_section");
	panics("a callback that keeps one", callback_keeps,
	    "returned in 2 critical sections, but was called in 1, on "
	    "thread \"main\"");
}

int
main(void)
{
	test_damage();
	test_sections();
	if (config_host_sim)
		panics("a deadlock panics with its cycle", pair_body,
		    "lwkt: deadlock: a cycle of 2:\nlwkt:   thread");
	sim_explore("the checks hold while all is well", healthy, NULL, 100);
	return tap_done();
}
