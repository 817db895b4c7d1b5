/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads: made, started, joined, moved, ended.
 *
 * THEORY
 * A thread is its structure and a stack, made together by whoever has storage
 * (vm/vm_glue.c, or the program itself) and given back together when the last
 * reference goes.  The references are: the thread's own, which its successor
 * drops after the last switch, or hands to the joiner if there is to be one;
 * and those of lwkt_hold().  So neither a joiner nor a tool can see a
 * structure vanish, and no thread frees the stack it stands on.
 *
 * Joining meets in one word, td_join: 0, then the joiner or TD_JOIN_EXITED,
 * whoever comes first.  If the joiner came first, EXITED is stored *on the
 * joiner's CPU*, together with making it runnable: a joiner that wakes for any
 * other reason looks at the word, finds itself there and sleeps on.  So nobody
 * can schedule a joiner that has already gone on and died.
 *
 *	0 --lwkt_join--> joiner --join_done--> EXITED	(joiner's CPU)
 *	0 --thread_finish_exit---------------> EXITED
 *
 * Migration: the thread takes itself off the queues, marks itself MIGRATING
 * and switches away; its successor makes the new CPU the owner and sends it
 * there, where it becomes runnable.  Meanwhile lwkt_schedule() leaves it alone.
 *
 * INVARIANTS
 * T1-T4 of thread_var.h.
 * T5 A dying thread has no critical section open but the exit's own.
 *
 * Source: DragonFly's lwkt_thread.c; the reference instead of its one-tick
 * polling for td_refs at exit is ours.
 */
#include "kern/lock/lend_var.h"
#include "kern/lock/lockorder.h"
#include "kern/port/port_var.h"
#include "kern/sleep/synch_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <stdio.h>
#include <string.h>

TRACEPOINT(create, KTR_THREAD, "thread.create", "td=%llu cpu=%llu");
TRACEPOINT(exit, KTR_THREAD, "thread.exit", "td=%llu joined=%llu");
TRACEPOINT(migrate, KTR_THREAD, "thread.migrate", "td=%llu cpu=%llu");

COUNTER(created, "lwkt.threads_created", "threads started");
COUNTER(exited, "lwkt.threads_exited", "threads ended");
COUNTER(migrated, "lwkt.migrations", "threads that left this CPU");

#define STACK_LEAST	4096	/* bytes of a stack that is of any use */

void
thread_init(lwkt_thread_t td, void *stack, size_t stksize, int flags, int cpu)
{
	struct globaldata *gd = mygd();
	struct thread_cold *cold;
	uintptr_t top = ((uintptr_t)stack + stksize) & ~(uintptr_t)63;

	cold = (struct thread_cold *)(top - roundup2(sizeof(*cold), 64));
	if (fiber_wanted())
		fiber_init(&cold->tc_fiber, stack, stksize);
	td->td_cold = cold;
	td->td_stack = stack;
	td->td_stksize = stksize;
	td->td_sp = machine_stack_init(stack,
	    (size_t)((char *)cold - (char *)stack), switch_entry, thread_exit);
	td->td_gd = gd_find(cpu);
	td->td_flags = (td->td_flags & (TDF_ARENA | TDF_CANARY)) |
	    (flags & LWKT_GIANT ? TDF_GIANT : 0) |
	    (flags & LWKT_INTERRUPT ? TDF_PREEMPTS : 0) |
	    (flags & LWKT_PREEMPTIBLE ? TDF_PREEMPTIBLE : 0);
	td->td_critcount = 1;		/* switch_entry leaves it */
	td->td_pri = flags & LWKT_INTERRUPT ? LWKT_PRI_INT_MED :
	    LWKT_PRI_KERN_DAEMON;
	td->td_leave = 0;
	td->td_upri = 0;
	td->td_ntoks = td->td_tokpend = 0;
	td->td_contended = 0;
	td->td_tokwant = NULL;
	td->td_wchan = NULL;
	td->td_wmesg = NULL;
	td->td_mpflags = 0;
	td->td_join = flags & LWKT_JOINABLE ? 0 : TD_JOIN_NEVER;
	td->td_refs = 1;
	td->td_switches = 0;
	td->td_id = gd->gd_nextid++ * LWKT_MAXCPU +
	    (uint64_t)gd->gd_m.mc_cpuid;
	lend_init(td);
	cold->tc_delayed[0] = cold->tc_delayed[1] = NULL;
	cold->tc_joins = NULL;
	cold->tc_waitmsg = NULL;
	cold->tc_waitowner = NULL;
	cold->tc_ncrit = 0;
	cold->tc_nheld = 0;
	cold->tc_magic = THREAD_MAGIC;
	lwkt_initport_thread(&cold->tc_port, td);
}

void *
thread_reserve(lwkt_thread_t td, size_t size)
{
	char *top = (char *)td->td_cold - roundup2(size, 64);

	KASSERTF((td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started", td->td_name);
	td->td_sp = machine_stack_init(td->td_stack,
	    (size_t)(top - (char *)td->td_stack), switch_entry, thread_exit);
	return top;
}

/* Almost every name is a plain string: spare it vsnprintf. */
static void
thread_vname(lwkt_thread_t td, const char *fmt, va_list ap)
{
	size_t i;

	for (i = 0; i < LWKT_NAMELEN - 1; i++) {
		if (fmt[i] == '%') {
			(void)vsnprintf(td->td_name, LWKT_NAMELEN, fmt, ap);
			return;
		}
		if ((td->td_name[i] = fmt[i]) == '\0')
			return;
	}
	td->td_name[i] = '\0';
}

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
		lwkt_schedule(td);
}

lwkt_thread_t
lwkt_init_thread(struct lwkt_thread_storage *storage, void *stack,
    size_t stksize, int flags, int cpu)
{
	lwkt_thread_t td = (lwkt_thread_t)(void *)storage;

	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d of %d", cpu,
	    lwkt__ncpus);
	KASSERTF(stksize >= STACK_LEAST, "stack of %zu bytes", stksize);
	memset(td, 0, sizeof(*td));
	crit_enter_td(caller_thread());
	thread_init(td, stack, stksize, flags, cpu);
	crit_exit();
	return td;
}

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
	 * Except in a callback, which runs beside lwkt_scan_threads() (N1 of
	 * kern_scan.c).
	 */
	refs = atomic_load_acq_32(&td->td_refs);
	if (refs != 1 || mygd()->gd_intr_nesting != 0)
		refs = atomic_fetchadd_32(&td->td_refs, (uint32_t)-1);
	KASSERTF(refs > 0, "thread \"%s\" joined or released too often",
	    td->td_name);
	if (refs != 1)
		return;
	if (fiber_wanted())
		fiber_fini(&td->td_cold->tc_fiber);
	if (td->td_flags & TDF_ARENA)
		lwkt__kern_ops.ko_thread_free(td);
}

/* On the joiner's CPU: td is gone, its joiner may go on. */
static void
join_done(void *arg)
{
	lwkt_thread_t td = arg;
	lwkt_thread_t joiner = (lwkt_thread_t)atomic_load_acq_ptr(&td->td_join);

	INVARIANT(joiner->td_gd == mygd());
	atomic_store_rel_ptr(&td->td_join, TD_JOIN_EXITED);
	sched_enqueue(mygd(), joiner);
}

void
thread_finish_exit(lwkt_thread_t td)
{
	struct globaldata *gd = mygd();
	uintptr_t join;

	counter_inc(gd->gd_cntbias, exited);
	td->td_flags &= ~TDF_RUNNING;
	join = atomic_load_acq_ptr(&td->td_join);	/* pairs: lwkt_join */
	if (join == TD_JOIN_NEVER) {
		ktr(gd, exit, td->td_id, 0);
		lwkt_rele(td);
		return;
	}
	ktr(gd, exit, td->td_id, join != 0);
	if (join == TD_JOIN_EXITED)		/* exit_wake_joiner */
		return;
	if (join == 0) {
		if (atomic_cmpset_ptr(&td->td_join, 0, TD_JOIN_EXITED))
			return;
		join = atomic_load_acq_ptr(&td->td_join);
	}
	if (((lwkt_thread_t)join)->td_gd == gd)
		join_done(td);
	else
		lwkt_send_ipiq(((lwkt_thread_t)join)->td_gd->gd_m.mc_cpuid,
		    join_done, td);
}

/*
 * Claim td_join for self, or find it EXITED.  0, or EINVAL: somebody else's,
 * or nobody's ever.
 */
static inline int
join_begin(lwkt_thread_t td, lwkt_thread_t self)
{
	uintptr_t join = 0;

	(void)atomic_fcmpset_ptr(&td->td_join, &join, (uintptr_t)self);
	return join == 0 || join == TD_JOIN_EXITED ? 0 : EINVAL;
}

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
		while (atomic_load_acq_ptr(&td->td_join) != TD_JOIN_EXITED) {
			self->td_cold->tc_joins = td;	/* thread_waits */
			sched_dequeue(mygd(), self);
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
 * A joiner that waits on this CPU cannot run before the last switch is over,
 * so it may be made runnable before it: one switch instead of two.
 */
static inline void
exit_wake_joiner(lwkt_thread_t td)
{
	uintptr_t join = atomic_load_acq_ptr(&td->td_join); /* lwkt_join */

	if (join != 0 && join != TD_JOIN_NEVER &&
	    ((lwkt_thread_t)join)->td_gd == mygd())
		join_done(td);
}

/* Answers may call functions of the program: not in our critical section. */
static __lwkt_noinline void
exit_flush(lwkt_thread_t td)
{
	crit_exit_td(td);
	port_flush(&td->td_cold->tc_port);
	crit_enter_td(td);
}

/* Never returns, and makes no call that does not return (switch.S). */
void
thread_exit(void)
{
	lwkt_thread_t td = curthread;

	if (unlikely(td->td_critcount != 0))
		crit_show(td);
	KASSERTF(td->td_critcount == 0, "thread \"%s\" exits in a critical "
	    "section (count %d)", td->td_name, td->td_critcount);
	if (td->td_flags & TDF_GIANT)
		lwkt_reltoken(lwkt_mp_token());
	KASSERTF(td->td_ntoks == 0, "thread \"%s\" exits with token \"%s\"",
	    td->td_name, td->td_cold->tc_tok[0].tr_tok->t_name);
	if (config_invariants)
		lockorder_exit(td);
	crit_enter_td(td);
	while (unlikely(!port_is_empty(&td->td_cold->tc_port)))
		exit_flush(td);
	if (unlikely(lend_busy(td)))
		lend_drain(td);
	delayed_flush_if(td);
	synch_leave_queue(td);
	exit_wake_joiner(td);
	sched_dequeue(mygd(), td);
	td->td_flags |= TDF_EXITING;
	switch_away();
}

void
lwkt_exit(void)
{
	thread_exit();
	lwkt_panic("thread \"%s\" came back from its exit",
	    curthread->td_name);
}

static void
migrate_remote(void *arg)
{
	lwkt_thread_t td = arg;
	struct globaldata *gd = mygd();

	INVARIANT(td->td_gd == gd);
	td->td_flags &= ~TDF_MIGRATING;
	lend_arrived(td);
	sched_enqueue(gd, td);
}

void
thread_finish_migrate(lwkt_thread_t td)
{
	struct globaldata *gd = td->td_migrate_gd;

	td->td_flags &= ~TDF_RUNNING;
	if (gd == NULL) {		/* nowhere yet: to its scheduler */
		lwkt__kern_ops.ko_lwp_queue(td);
		return;
	}
	/*
	 * Given away here, not taken there: otherwise a callback on this CPU
	 * could find the thread its own while the new one already runs it.
	 * Release: pairs with the acquire loads of td_gd.
	 */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd, (uintptr_t)gd);
	lwkt_send_ipiq(gd->gd_m.mc_cpuid, migrate_remote, td);
}

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

void
lwkt_giveaway(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	KASSERTF(td->td_gd == mygd() && (td->td_flags & (TDF_RUNNING |
	    TDF_RUNQ | TDF_PREEMPT_LOCK | TDF_MIGRATING |
	    TDF_INTERRUPTED)) == 0,
	    "thread \"%s\" of cpu %d, flags %#x", td->td_name,
	    td->td_gd->gd_m.mc_cpuid, td->td_flags);
	synch_leave_queue(td);
	td->td_flags |= TDF_MIGRATING;
	crit_exit_td(self);
}

void
lwkt_acquire(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	KASSERTF((td->td_flags & (TDF_MIGRATING | TDF_RUNNING)) ==
	    TDF_MIGRATING, "thread \"%s\", flags %#x", td->td_name,
	    td->td_flags);
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd, (uintptr_t)mygd());
	td->td_flags &= ~TDF_MIGRATING;
	lend_arrived(td);
	crit_exit_td(self);
}

lwkt_thread_t
lwkt_self(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? curthread : NULL;
}

int
lwkt_cpuid(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? mycpuid : -1;
}

int
lwkt_ncpus(void)
{
	return lwkt__ncpus;
}

int
lwkt_getcpu(lwkt_thread_t td)
{
	return ((struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd))->gd_m.mc_cpuid;
}

const char *
lwkt_name(lwkt_thread_t td)
{
	return td->td_name;
}

void
lwkt_setname(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	thread_vname(caller_thread(), fmt, ap);
	va_end(ap);
}

void
lwkt_set_comm(lwkt_thread_t td, const char *fmt, ...)
{
	va_list ap;

	KASSERTF(td == curthread || (td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started", td->td_name);
	va_start(ap, fmt);
	thread_vname(td, fmt, ap);
	va_end(ap);
}
