/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Critical sections: a plain counter of the thread.
 *
 * THEORY
 * While the running thread has td_critcount > 0, no IPI callback, timer
 * callback or interrupt thread interrupts it.  The exceptions are messages to
 * the thread's own CPU, which are plain calls, and the calls that execute
 * messages on purpose (IX4 of ipiq_exec.c).
 *
 * A signal handler may come at any instruction.  It sets bits in mc_reqflags.
 * The code that leaves the outermost section does what the bits of RQF_SPLZ ask
 * for (splz), except crit_exit_noyield().  What else a handler does that
 * concerns sections: it writes the fields marked (h) (watchdog.c, lwkt_async.c,
 * lwkt_ipiq.c); it halts the CPU for a report or a panic (halt.c); it
 * interrupts a preemptible thread, but never in a critical section
 * (async_signal).
 *
 * Enter adds to the count; exit subtracts, and tests mc_reqflags.  Both have
 * compiler fences and no atomic instruction, and take less than 1 ns if nothing
 * is pending.
 *
 * ORDER
 * exit: decrement, then load mc_reqflags.  A bit that is set before the load is
 * seen here.  A bit that is set later is seen by the next exit, yield or turn
 * of the idle loop; if the thread is preemptible, it is interrupted to see the
 * bit (AS2 of lwkt_async.c).
 *
 * LEAF SECTIONS
 * Each enter and exit loads and stores the same word, so the processor must do
 * them one after the other, also those of different calls.  A leaf section has
 * no count: it calls nothing that enters or leaves a section, so nothing in it
 * can do deferred work.  The slow paths of a leaf section may call anything:
 * they enter a counted section first.  A signal handler does no deferred work,
 * except after a panic, when the thread never continues (halt.c).  The handler
 * interrupts a preemptible thread only in registered code of the program
 * (machine/linux/preempt.c), not in the library.  A leaf section may switch:
 * the thread that continues ends a section of its own.  The simulated host may
 * interrupt at any choice point, and invariants builds look at the count, so
 * both count leaf sections too.
 *
 * INVARIANTS
 * CR1 td_critcount >= 0 (panic on underflow).
 * CR2 A thread that the library has descheduled is in a critical section or a
 *     leaf section until it has switched, so splz does not run for it.  (After
 *     lwkt_deschedule_self(), or lwkt_deschedule() of the running thread, splz
 *     may run, if the program leaves a section before the thread switches.)
 * CR3 Between leaf_enter() and the end of the leaf section no function is
 *     called that may enter a section, except in a counted section
 *     (tools/dev/leaf.py).
 *
 * Source: DragonFly sys/thread2.h.  Enter and exit both need their fence:
 * DragonFly's commit a4d9568036 of 2017 found the compiler moving the counter.
 */
#ifndef LWKT_KERN_CPU_CRIT_H
#define LWKT_KERN_CPU_CRIT_H

#include "kern/cpu/globaldata.h"

/* Do deferred work (splz.c).  Called outside critical sections only. */
void	splz(void);
/* Do deferred work, if the calling thread is in no section.  Return `value`. */
void   *splz_with(void *value);
/* Panic, because td has left more sections than it has entered (CR1). */
void	crit_underflow(lwkt_thread_t td) __lwkt_noreturn;

/*
 * crit_rec.c, invariants builds.  crit_note: record that td has entered or left
 * a section, in the code at pc.  crit_show: print the record; other builds
 * print nothing.  crit_unbalanced: panic, because callback fn was called in
 * `before` sections and returned in another number of sections.
 */
void	crit_note(lwkt_thread_t td, const void *pc, int entered);
void	crit_show(lwkt_thread_t td);
void	crit_unbalanced(int before, const void *fn) __lwkt_noreturn;

/*
 * The check of a callback in invariants builds.  crit_count() is called before
 * the callback and returns the number of sections; crit_balance() is called
 * after it and panics if the number is another one.
 */
static inline int
crit_count(void)
{
	return config_invariants ? curthread->td_critcount : 0;
}

static inline void
crit_balance(int before, const void *fn)
{
	if (config_invariants && curthread->td_critcount != before)
		crit_unbalanced(before, fn);
}

/*
 * Enter a section.  The fence keeps the compiler from moving memory accesses of
 * the section to a place before the increment.
 */
static inline void
crit_enter_td(lwkt_thread_t td)
{
	td->td_critcount++;
	cc_fence();
	if (config_invariants)
		crit_note(td, __builtin_return_address(0), 1);
}

/*
 * Leave a section without doing deferred work; panic if td was in none.  The
 * fences of cc_decrement() keep the compiler from moving memory accesses of the
 * section to a place after the decrement, and the caller's load of mc_reqflags
 * to a place before it.
 */
static inline void
crit_exit_noyield(lwkt_thread_t td)
{
	int under = cc_decrement(&td->td_critcount);

	if (config_invariants)
		crit_note(td, __builtin_return_address(0), 0);
	if (unlikely(under))					/* CR1 */
		crit_underflow(td);
}

/* Do deferred work, if there is some and td is in no section. */
static inline void
crit_serve(lwkt_thread_t td)
{
	lwkt__choice(CHOICE_CRIT);
	if (unlikely(machine_requested(RQF_SPLZ)) && td->td_critcount == 0)
		splz();
}

/* Leave a section; if it was the outermost one, do deferred work. */
static inline void
crit_exit_td(lwkt_thread_t td)
{
	crit_exit_noyield(td);
	crit_serve(td);
}

/*
 * Enter and leave a leaf section (CR3).  leaf_exit() does deferred work, unless
 * td is in a critical section too.  leaf_leave() does none: the next exit or
 * yield does it.
 */
enum { LEAF_COUNTED = config_invariants || config_host_sim };

static inline void
leaf_enter(lwkt_thread_t td)
{
	if (LEAF_COUNTED)
		crit_enter_td(td);
	else
		cc_fence();
}

static inline void
leaf_leave(lwkt_thread_t td)
{
	if (LEAF_COUNTED)
		crit_exit_noyield(td);
	else
		cc_fence();
}

static inline void
leaf_exit(lwkt_thread_t td)
{
	leaf_leave(td);
	crit_serve(td);
}

/*
 * The same for a function that does not use its thread: curthread is read only
 * in builds that count leaf sections, or if deferred work is pending.
 * leaf_leave_quick() leaves the section and does no deferred work; the caller
 * enters a counted section at once.  A function ends with "return
 * leaf_exit_quick(value)", which does as leaf_exit() and returns value.
 */
static inline void
leaf_enter_quick(void)
{
	if (LEAF_COUNTED)
		crit_enter_td(curthread);
	else
		cc_fence();
}

static inline void
leaf_leave_quick(void)
{
	if (LEAF_COUNTED)
		crit_exit_noyield(curthread);
	else
		cc_fence();
}

static inline void *
leaf_exit_quick(void *value)
{
	leaf_leave_quick();
	lwkt__choice(CHOICE_CRIT);
	return unlikely(machine_requested(RQF_SPLZ)) ? splz_with(value) : value;
}

/*
 * If the CPU of gd, which is the caller's, runs an lwp, make that lwp ask its
 * user scheduler when it leaves its outermost section (splz).
 */
static inline void
ast_raise(struct globaldata *gd)
{
	if (gd->gd_m.mc_curthread->td_leave & TDL_LWP)
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_LWP);
}

static inline void
crit_enter(void)
{
	crit_enter_td(curthread);
}

static inline void
crit_exit(void)
{
	crit_exit_td(curthread);
}

static inline int
crit_test(lwkt_thread_t td)
{
	return td->td_critcount > 0;
}

#endif
