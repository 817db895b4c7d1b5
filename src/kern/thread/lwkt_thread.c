/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Make, start, join, move and end threads.
 *
 * THEORY
 * A thread is a structure and a stack.  The code that has storage for both
 * (vm/vm_glue.c, or the program) makes the thread.  Storage of vm/ is given
 * back when the last reference is released (cpu/thread_ref.c).  The joiner and
 * the thread that ends agree by one word, td_join, on which of them came first
 * (sched/finish.c).
 *
 * Migration: the thread takes itself off the queues, sets TDF_MIGRATING and
 * switches away.  Its successor makes the new CPU the owner and sends it an
 * IPI, which makes the thread runnable there.  Until then lwkt_schedule() does
 * nothing for the thread.  A thread that does not run is moved by
 * lwkt_giveaway() and lwkt_acquire().
 *
 * INVARIANTS
 * TD1-TD4 of thread_var.h.
 * TH1 A thread that ends is in no critical section except the one that
 *     thread_exit() enters.
 * TH2 A thread at its last switch is on no queue, waits for nothing, defers no
 *     wakeup, is lent nothing that is still being changed, and its port is
 *     empty.  So the fields for all this are as thread_init() has made them,
 *     and the structure with its stack can be used again by thread_renew()
 *     alone.  (Exception: td_wchan may name the ident of a queue that the
 *     thread has left.)
 *
 * Source: DragonFly's lwkt_thread.c; the reference instead of its one-tick
 * polling for td_refs at exit is ours.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lend_var.h"
#include "kern/lock/lockorder.h"
#include "kern/port/port_var.h"
#include "kern/thread/thread_make.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <stdio.h>
#include <string.h>

TRACEPOINT(create, KTR_THREAD, "thread.create", "td=%llu cpu=%llu");
TRACEPOINT(migrate, KTR_THREAD, "thread.migrate", "td=%llu cpu=%llu");

COUNTER(created, "lwkt.threads_created", "threads started");
COUNTER(migrated, "lwkt.migrations", "threads that left this CPU");

static void	thread_exit(void);

#define STACK_LEAST	4096	/* bytes: smallest stack */

/* Apply LWKT_GIANT, LWKT_INTERRUPT and LWKT_PREEMPTIBLE, if in flags, to td. */
static __lwkt_noinline void
renew_special(lwkt_thread_t td, int flags)
{
	td->td_flags |= (flags & LWKT_GIANT ? TDF_GIANT : 0) |
	    (flags & LWKT_INTERRUPT ? TDF_PREEMPTS : 0) |
	    (flags & LWKT_PREEMPTIBLE ? TDF_PREEMPTIBLE : 0);
	if (flags & LWKT_INTERRUPT)
		td->td_pri = LWKT_PRI_INT_MED;
}

/*
 * Make td, whose structure and stack thread_init() has put together, a thread
 * that has not run, which will run on cpu.  Fields that a thread leaves at its
 * end as thread_init() made them are not written again (TH2).  TDF_ARENA and
 * TDF_CANARY are kept.  Any CPU context, critical section; never blocks.
 */
void
thread_renew(lwkt_thread_t td, int flags, int cpu)
{
	struct globaldata *gd = mygd();
	struct thread_cold *cold = td->td_cold;

	INVARIANT(cold->tc_magic == THREAD_MAGIC);		/* TH2 */
	td->td_wchan = NULL;
	td->td_wmesg = NULL;
	td->td_sp = machine_stack_init(td->td_stack,
	    (size_t)((char *)cold - (char *)td->td_stack), switch_entry,
	    thread_exit);
	td->td_gd = gd_find(cpu);
	td->td_flags &= TDF_ARENA | TDF_CANARY;
	td->td_pri = LWKT_PRI_KERN_DAEMON;
	if (unlikely(flags & ~(LWKT_NOSTART | LWKT_JOINABLE)))
		renew_special(td, flags);
	td->td_critcount = 1;		/* switch_entry leaves it */
	td->td_leave = 0;
	td->td_upri = 0;
	td->td_ntoks = td->td_tokpend = 0;
	td->td_contended = 0;
	td->td_tokwant = NULL;
	td->td_mpflags = 0;
	td->td_join = flags & LWKT_JOINABLE ? 0 : TD_JOIN_NEVER;
	td->td_refs = 1;
	td->td_switches = 0;
	td->td_id = gd->gd_nextid++ * LWKT_MAXCPU +
	    (uint64_t)gd->gd_m.mc_cpuid;
	lend_renew(td);
	port_renew(&cold->tc_port, td);
	if (config_invariants)
		cold->tc_ncrit = cold->tc_nheld = 0;
}

/*
 * Make a thread of td and a stack; the thread will run on cpu.  td must not be
 * in use.  TDF_ARENA and TDF_CANARY are kept if the caller has set them.  Any
 * CPU context, critical section; never blocks.
 */
void
thread_init(lwkt_thread_t td, void *stack, size_t stksize, int flags, int cpu)
{
	struct thread_cold *cold;
	uintptr_t top = ((uintptr_t)stack + stksize) & ~(uintptr_t)63;

	cold = (struct thread_cold *)(top - roundup2(sizeof(*cold), 64));
	if (fiber_wanted())
		fiber_init(&cold->tc_fiber, stack, stksize);
	td->td_cold = cold;
	td->td_stack = stack;
	td->td_stksize = stksize;
	td->td_wchan = NULL;
	td->td_wmesg = NULL;
	cold->tc_delayed[0] = cold->tc_delayed[1] = NULL;
	cold->tc_joins = NULL;
	cold->tc_waitmsg = NULL;
	cold->tc_waitowner = NULL;
	cold->tc_magic = THREAD_MAGIC;
	lend_init(td);
	lwkt_initport_thread(&cold->tc_port, td);
	thread_renew(td, flags, cpu);
}

/*
 * Reserve size bytes at the top of the stack of td, which was not started, and
 * return their address.  At most once for a td.
 */
void *
thread_reserve(lwkt_thread_t td, size_t size)
{
	char *top = (char *)td->td_cold - roundup2(size, 64);

	KASSERTF((td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started already", td->td_name);
	td->td_sp = machine_stack_init(td->td_stack,
	    (size_t)(top - (char *)td->td_stack), switch_entry, thread_exit);
	return top;
}

#define EACH_BYTE(b)	((uint64_t)0x0101010101010101 * (b))

/*
 * Return a word whose lowest set bit is the highest bit of the first byte that
 * is 0 in w; 0 if no byte of w is 0.
 */
static inline uint64_t
zero_byte(uint64_t w)
{
	return (w - EACH_BYTE(1)) & ~w & EACH_BYTE(0x80);
}

/*
 * Copy the name `from`, cut to LWKT_NAMELEN - 1 bytes, by words, and return 1.
 * Return 0 if a word has a '%', or would lie in two pages: the bytes after the
 * end of the name are read, too, but not those of another page, which may not
 * exist.  The caller then uses vsnprintf().  A checker would object to the read
 * (fiber_wanted).
 */
static inline int
name_copy(char *to, const char *from)
{
	uint64_t w, end;
	size_t i;

	for (i = 0; i < LWKT_NAMELEN; i += sizeof(w)) {
		if (unlikely(((uintptr_t)(from + i) & 4095) > 4096 - sizeof(w)))
			return 0;
		memcpy(&w, from + i, sizeof(w));
		if (unlikely(zero_byte(w ^ EACH_BYTE('%')) != 0))
			return 0;
		end = zero_byte(w);
		w &= (end & -end) - 1;		/* all of w without an end */
		memcpy(to + i, &w, sizeof(w));
		if (end != 0)
			return 1;
	}
	to[LWKT_NAMELEN - 1] = '\0';
	return 1;
}
CTASSERT(LWKT_NAMELEN % sizeof(uint64_t) == 0, "names are whole words");

/* Set the name of td, cut to LWKT_NAMELEN - 1 bytes.  A '%' in it is rare. */
static inline void
thread_vname(lwkt_thread_t td, const char *fmt, va_list ap)
{
	if (fiber_wanted() || unlikely(!name_copy(td->td_name, fmt)))
		(void)vsnprintf(td->td_name, LWKT_NAMELEN, fmt, ap);
}

/* Make td, which was not started, runnable on its CPU, usually this one. */
static inline void
start_on(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t self = curthread;

	if (unlikely(td->td_gd != gd)) {
		lwkt_schedule(td);
		return;
	}
	leaf_enter(self);
	enqueue_fast(gd, td);
	leaf_exit(self);
}

/*
 * Give td its function and its name, and make it runnable unless flags has
 * LWKT_NOSTART.  Any CPU context; never blocks.
 */
void
thread_start(lwkt_thread_t td, void (*fn)(void *), void *arg, int flags,
    const char *fmt, va_list ap)
{
	struct globaldata *gd = mygd();

	td->td_fn = fn;
	td->td_arg = arg;
	thread_vname(td, fmt, ap);
	counter_inc(gd->gd_cntbias, created);
	ktr(gd, create, td->td_id, td->td_gd->gd_m.mc_cpuid);
	if (unlikely(td->td_flags & TDF_PREEMPTIBLE))
		async_created(td);
	if ((flags & LWKT_NOSTART) == 0)
		start_on(gd, td);
}

/*
 * Make a thread of a structure and a stack, both the program's, and return it.
 * The thread is not started.  Panics if cpu does not exist or the stack has
 * less than STACK_LEAST bytes.  Thread context; never blocks.
 */
lwkt_thread_t
lwkt_init_thread(struct lwkt_thread_storage *storage, void *stack,
    size_t stksize, int flags, int cpu)
{
	lwkt_thread_t td = (lwkt_thread_t)(void *)storage;

	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	KASSERTF(stksize >= STACK_LEAST, "a stack of %zu bytes is too small",
	    stksize);
	memset(td, 0, sizeof(*td));
	crit_enter_td(caller_thread());
	thread_init(td, stack, stksize, flags, cpu);
	crit_exit();
	return td;
}

/*
 * Store self in td_join and return 0.  Store nothing and return 0 if td has
 * ended already (TD_JOIN_EXITED), or EINVAL if another thread joins td or td is
 * not joinable.
 */
static inline int
join_begin(lwkt_thread_t td, lwkt_thread_t self)
{
	uintptr_t join = 0;

	/* The joiner and td race: the second one finds the first's value. */
	(void)atomic_fcmpset_ptr(&td->td_join, &join, (uintptr_t)self);
	return join == 0 || join == TD_JOIN_EXITED ? 0 : EINVAL;
}

/*
 * Wait until td has ended, release it and return 0.  Without a wait, return
 * EDEADLK if td is the caller, or EINVAL as join_begin() does.  Thread context;
 * blocks until td has ended.
 */
int
lwkt_join(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();
	int error;

	if (td == self)
		return EDEADLK;
	crit_enter_td(self);
	delayed_flush_if(self);
	if ((error = join_begin(td, self)) == 0) {
		self->td_wmesg = "join";
		/*
		 * Acquire: pairs with the store of EXITED (sched/finish.c).
		 * After a wake-up for another reason this thread blocks again.
		 */
		while (atomic_load_acq_ptr(&td->td_join) != TD_JOIN_EXITED) {
			self->td_cold->tc_joins = td;	/* for thread_waits() */
			if (likely(self->td_flags & TDF_RUNQ))
				dequeue_queued(mygd(), self);
			switch_away();
			self->td_cold->tc_joins = NULL;
		}
		self->td_wmesg = NULL;
		lwkt_rele(td);
	}
	crit_exit_td(self);
	return error;
}

/*
 * If the joiner of td belongs to this CPU, make it runnable now, before the
 * last switch of td.  That switch can then go to the joiner, which saves a
 * switch to the idle thread.  The joiner cannot free td too early: on this CPU
 * it runs only after that switch.
 */
static inline void
exit_wake_joiner(struct globaldata *gd, lwkt_thread_t td)
{
	uintptr_t join = atomic_load_acq_ptr(&td->td_join); /* lwkt_join() */

	if (join == 0 || join == TD_JOIN_NEVER ||
	    ((lwkt_thread_t)join)->td_gd != gd)
		return;
	/* As thread_join_done() does (sched/finish.c). */
	atomic_store_rel_ptr(&td->td_join, TD_JOIN_EXITED);
	enqueue_fast(gd, (lwkt_thread_t)join);
}

/*
 * Empty the message port of td, the caller: requests get the reply ESRCH
 * (port_flush).  A reply may call functions of the program, so the critical
 * section is left meanwhile.  Then wait until no CPU changes what td is lent.
 */
static __lwkt_noinline void
exit_settle(lwkt_thread_t td)
{
	crit_exit_td(td);
	port_flush(&td->td_cold->tc_port);
	crit_enter_td(td);
	lend_drain(td);
}

/*
 * End the calling thread; never returns.  The compiler turns the last call,
 * switch_away(), into a jump.  So each call made here returns, which keeps the
 * processor's return prediction correct (switch.S).
 */
static void
thread_exit(void)
{
	lwkt_thread_t td = curthread;
	struct globaldata *gd;

	if (unlikely(td->td_critcount != 0))
		crit_show(td);
	KASSERTF(td->td_critcount == 0, "thread \"%s\" exits in a critical "
	    "section (count %d)", td->td_name, td->td_critcount); /* TH1 */
	if (td->td_flags & TDF_GIANT)
		lwkt_reltoken(lwkt_mp_token());
	KASSERTF(td->td_ntoks == 0, "thread \"%s\" exits with token \"%s\" "
	    "held", td->td_name, td->td_cold->tc_tok[0].tr_tok->t_name);
	if (config_invariants)
		lockorder_exit(td);
	crit_enter_td(td);
	while (unlikely(!port_is_empty(&td->td_cold->tc_port) ||
	    lend_busy(td)))
		exit_settle(td);				/* TH2 */
	delayed_flush_if(td);
	if (unlikely(td->td_flags & TDF_TSLEEPQ))
		synch_leave_queue(td);
	gd = mygd();
	exit_wake_joiner(gd, td);
	if (likely(td->td_flags & TDF_RUNQ))
		dequeue_queued(gd, td);
	td->td_flags |= TDF_EXITING;
	switch_away();
}

/* End the caller.  Thread context, not in a critical section; never returns. */
void
lwkt_exit(void)
{
	thread_exit();
	lwkt_panic("thread \"%s\" runs again after its exit",
	    curthread->td_name);
}

/*
 * Move the caller to cpu.  Returns 0, or EINVAL if there is no such CPU.
 * Thread context; blocks until the thread runs on cpu, unless it is there.
 */
int
lwkt_migratecpu(int cpu)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd;

	if (cpu < 0 || cpu >= lwkt__ncpus)
		return EINVAL;
	crit_enter_td(td);
	gd = mygd();
	if (gd != gd_find(cpu)) {
		counter_inc(gd->gd_cntbias, migrated);
		ktr(gd, migrate, td->td_id, cpu);
		synch_leave_queue(td);
		sched_dequeue(gd, td);
		td->td_migrate_gd = gd_find(cpu);
		td->td_flags |= TDF_MIGRATING;
		switch_away();
	}
	crit_exit_td(td);
	return 0;
}

/*
 * Give up td, which is blocked and belongs to this CPU: until lwkt_acquire() it
 * cannot become runnable.  If td is on a sleep queue, take it off.  No other
 * code may wake td or send it messages meanwhile.  Any lwkt context; never
 * blocks.
 */
void
lwkt_giveaway(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	KASSERTF(td->td_gd == mygd() && (td->td_flags & (TDF_RUNNING |
	    TDF_RUNQ | TDF_PREEMPT_LOCK | TDF_MIGRATING |
	    TDF_INTERRUPTED)) == 0,
	    "thread \"%s\" of cpu %d is not blocked on this CPU, flags %#x",
	    td->td_name, td->td_gd->gd_m.mc_cpuid, td->td_flags);
	synch_leave_queue(td);
	td->td_flags |= TDF_MIGRATING;
	crit_exit_td(self);
}

/*
 * Make td, which its CPU has given away, a thread of this CPU.  td stays
 * blocked.  Any lwkt context; never blocks.
 */
void
lwkt_acquire(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	KASSERTF((td->td_flags & (TDF_MIGRATING | TDF_RUNNING)) ==
	    TDF_MIGRATING, "thread \"%s\" is not given away, or still runs, "
	    "flags %#x", td->td_name, td->td_flags);
	/* Release: pairs with the acquire loads of td_gd on other CPUs. */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd, (uintptr_t)mygd());
	td->td_flags &= ~TDF_MIGRATING;
	lend_arrived(td);
	crit_exit_td(self);
}

/* Return the name of td.  Any context; never blocks. */
const char *
lwkt_name(lwkt_thread_t td)
{
	return td->td_name;
}

/* Set the name of the calling thread.  Thread context; never blocks. */
void
lwkt_setname(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	thread_vname(caller_thread(), fmt, ap);
	va_end(ap);
}

/*
 * Set the name of td, which is the caller or has not been started.  Thread
 * context; never blocks.
 */
void
lwkt_set_comm(lwkt_thread_t td, const char *fmt, ...)
{
	va_list ap;

	KASSERTF(td == curthread || (td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started and is not the caller", td->td_name);
	va_start(ap, fmt);
	thread_vname(td, fmt, ap);
	va_end(ap);
}
