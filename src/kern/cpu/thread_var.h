/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct lwkt_thread, and which code may write each field.
 *
 * THEORY
 * The structure has 256 bytes, four cache lines ordered by use.  The usual
 * switch (switch.h) touches only the first.  Other CPUs read td_gd in the
 * third, which changes rarely.  Structures that vm/ has made lie in the shared
 * arena, where tools read them from outside, and are type-stable.  struct
 * thread_cold has what a switch does not need (message port, loans of priority,
 * state of checkers such as Valgrind).  It lies at the top of the thread's
 * stack, in a page that is touched anyway; for an idle thread, in globaldata.
 *
 * LEGEND (written by)  (i) nobody, from creation to exit  (s) the thread itself
 * (c) owning CPU in a critical or leaf section  (a) any host thread, atomically
 *
 * INVARIANTS
 * TD1 From the start to the last release of a thread, td_flags and the queue
 *     links change only on td_gd's CPU in a critical or leaf section; other
 *     CPUs send a message there.
 * TD2 A thread on a run queue has TDF_RUNQ.  The running thread stays on its
 *     run queue until it is descheduled.  The idle thread is never on it.
 * TD3 TDF_RUNNING is cleared by the successor, on the successor's stack.  So a
 *     thread without TDF_RUNNING is not executing anywhere, and its td_sp is
 *     valid.
 * TD4 While td_refs > 0 the structure and the stack are not freed.  The last
 *     release frees them, unless they are storage of the program.
 *
 * Source: DragonFly sys/thread.h (td_flags/td_mpflags split by writer).
 */
#ifndef LWKT_KERN_CPU_THREAD_VAR_H
#define LWKT_KERN_CPU_THREAD_VAR_H

#include <bsd/sys/queue.h>
#include <lwkt/msgport.h>
#include <lwkt/thread.h>

#include "base/compiler.h"
#include "base/kassert.h"
#include "kern/cpu/token_var.h"
#include "machine/fiber.h"

struct globaldata;
struct lwkt_lwp;
struct lwkt_systimer;

/* td_flags: owning CPU. */
#define TDF_RUNNING		0x0001u	/* executing, or being switched out */
#define TDF_RUNQ		0x0002u	/* on its CPU's run queue */
#define TDF_TSLEEPQ		0x0004u	/* on a sleep queue */
#define TDF_TSLEEP_DESCHEDULED	0x0008u	/* asleep in lwkt_tsleep() */
#define TDF_BLOCKED		0x0010u	/* asleep in lwkt_sleep */
#define TDF_SINTR		0x0020u	/* its sleep may be interrupted */
#define TDF_TIMEOUT		0x0040u	/* its sleep's timer fired */
#define TDF_MIGRATING		0x0080u	/* between CPUs: do not schedule */
#define TDF_EXITING		0x0100u	/* its next switch is its last */
#define TDF_NORESCHED		0x0200u	/* its wake-up asks for no switch */
#define TDF_ARENA		0x0400u	/* (i) the library frees its storage */
#define TDF_IDLE		0x0800u	/* (i) a CPU's idle thread */
#define TDF_STARTED		0x1000u	/* was runnable once (lwps: LPM2) */
#define TDF_CANARY		0x2000u	/* (i) no guard but STACK_CANARY */
#define TDF_GIANT		0x4000u	/* (i) runs under the mp token */
#define TDF_FREE		0x8000u	/* no thread: in a cache of vm/ */

#define TDF_PREEMPTS		0x10000u /* an interrupt thread */
#define TDF_PREEMPT_LOCK	0x20000u /* a lender: see td_preempted */
#define TDF_PREEMPT_DONE	0x40000u /* the lent CPU was given back */
#define TDF_DELAYED_WAKEUP	0x80000u /* (s) its wakeups are deferred */
#define TDF_PREEMPTIBLE		0x100000u /* (i) preemptible */
#define TDF_INTERRUPTED		0x200000u /* in async_run(): no migration */

/* The lowest word of a stack that has no guard (TDF_CANARY). */
#define STACK_CANARY		0x6e6f206775617264ULL

/*
 * td_leave: owning CPU.  Each bit means that leaving the CPU needs extra work.
 */
#define TDL_PREEMPTING		0x01u	/* has the CPU from td_preempted */
#define TDL_LWP			0x02u	/* (i) an lwp: td_lwp, kern_ops */
#define TDL_DELAYED		0x04u	/* with TDF_DELAYED_WAKEUP */

/* td_mpflags: any CPU, atomically. */
#define TDF_MP_INTR		0x0001u	/* lwkt_interrupt is pending */
#define TDF_MP_LEND		0x0002u	/* tc_lend has changed (lend.c) */

/* td_join: NULL, the joining thread, or one of these. */
#define TD_JOIN_EXITED		((uintptr_t)1)
#define TD_JOIN_NEVER		((uintptr_t)2)	/* not joinable */

/* Invariants builds: the last entries and exits of critical sections. */
enum { CRIT_RECS = config_invariants ? 32 : 1 };

struct crit_rec {
	const void	*cr_pc;		/* address in the code that did it */
	int		 cr_count;	/* td_critcount afterwards */
	int		 cr_entered;	/* 1: entry, 0: exit */
};

/* Invariants builds: the locks that the thread holds (lockorder.c). */
enum { HELD_RECS = config_invariants ? 32 : 1 };

struct order_held {
	const void	*oh_lock;
	const void	*oh_pc;		/* address in the code that took it */
	uint16_t	 oh_class;
};

/* Priorities lent to a thread: 32 counts of 16 bits (lend.c). */
#define LEND_WORDS		8

struct lend_wait;
struct lwkt_mutex;

#define THREAD_MAGIC		0x64616572685474ULL

struct thread_cold {
	struct lwkt_port tc_port;	/* the thread's message port */
	lwkt_thread_t	 tc_joins;	/* (s) whose end it waits for; NULL */
	struct lwkt_msg	*tc_waitmsg;	/* (s) whose reply it waits for; NULL */
	const uintptr_t	*tc_waitowner;	/* (s) owner word of the wanted lock */
	struct lend_wait *tc_lendwait;	/* (s) its wait for a lock; or NULL */
	struct lwkt_mutex *tc_barged;	/* (c) mutex taken before waiters */
	uint64_t	 tc_lend[LEND_WORDS]; /* (a) locks by lent priority */
	uint32_t	 tc_lendhops;	/* (a) shortest chain to apply (LO1) */
	uint32_t	 tc_lendrefs;	/* (a) changes of tc_lend in progress */
	uint32_t	 tc_lendcut;	/* (c) 1: td_lent was not lowered */
	const volatile void *tc_delayed[2]; /* (s) deferred wakeups, in order */
	struct fiber	 tc_fiber;	/* state of sanitizers and Valgrind */
	struct tokref	 tc_tok[LWKT_MAXTOKENS]; /* (s) td_ntoks are in use */
	uint32_t	 tc_ncrit;	/* (s) entries and exits recorded */
	struct crit_rec	 tc_crit[CRIT_RECS]; /* (s) the last of tc_ncrit */
	uint32_t	 tc_nheld;	/* (s) entries in use of tc_held */
	struct order_held tc_held[HELD_RECS]; /* (s) in order of taking */
	uint64_t	 tc_magic;	/* (i) THREAD_MAGIC; top of the stack */
};

struct lwkt_thread {
	/* Line 1: what a switch touches. */
	LWKT_CACHEALIGN
	void		*td_sp;		/* (c) stack pointer; if not running */
	lwkt_thread_t	 td_rqnext;	/* (c) run queue: ring of td_pri */
	lwkt_thread_t	 td_rqprev;	/* (c) */
	uint64_t	 td_reserved1;	/* unused */
	uint32_t	 td_flags;	/* (c) TDF_* */
	int		 td_critcount;	/* (s) critical sections entered */
	int		 td_errno;	/* (c) errno if it does not run */
	uint8_t		 td_pri;	/* (c) LWKT_PRI_* */
	uint8_t		 td_leave;	/* (c) TDL_* */
	uint16_t	 td_slot;	/* (i) size class of the stack */
	int		 td_upri;	/* (c) lwp: order in the ring */
	uint8_t		 td_ntoks;	/* (s) entries of tc_tok in use */
	uint8_t		 td_tokpend;	/* (c) 1: waits for its last token */
	uint16_t	 td_contended;	/* (c) refusals of tokens in a row */
	uint64_t	 td_switches;	/* (c) times it was switched in */

	/* Line 2: sleeping and ending. */
	TAILQ_ENTRY(lwkt_thread) td_sleepq; /* (c) links in a sleep queue */
	const volatile void *td_wchan;	/* (c) ident that it sleeps on */
	const char	*td_wmesg;	/* (c) why it sleeps, for tools */
	uint32_t	 td_wdomain;	/* (c) domain of td_wchan */
	uint32_t	 td_mpflags;	/* (a) TDF_MP_* */
	uintptr_t	 td_join;	/* (a) see TD_JOIN_EXITED */
	uint32_t	 td_refs;	/* (a) references (thread_ref.c) */
	int		 td_wakefromcpu; /* (c) the CPU that woke it */
	struct lwkt_token *td_tokwant;	/* (c) token it was refused, or NULL */

	/* Line 3: changes rarely; CPUs that send to the thread read td_gd. */
	void		(*td_fn)(void *); /* (i) called first, with td_arg */
	void		*td_arg;	/* (i) */
	void		*td_stack;	/* (i) lowest usable address */
	size_t		 td_stksize;	/* (i) bytes from there */
	uint64_t	 td_id;		/* (i) for people and traces */
	struct globaldata *td_migrate_gd; /* (c) CPU that it migrates to */
	lwkt_thread_t	 td_freenext;	/* TDF_FREE: next in a list of vm/ */
	struct globaldata *td_gd;	/* (c) CPU that the thread belongs to */

	/* Line 4: for tools, tokens (td_cold), lwps, loans of priority. */
	char		 td_name[LWKT_NAMELEN]; /* (s) */
	struct thread_cold *td_cold;	/* (i) top of stack */
	struct lwkt_lwp	*td_lwp;	/* (i) of an lwp; usched/ */
	uint64_t	 td_reserved4;	/* unused: accounting (features, K14) */
	uint8_t		 td_lent;	/* (c) best lent priority, or 0 */
	uint8_t		 td_ownpri;	/* (c) own priority if td_lent != 0 */
	lwkt_thread_t	 td_preempted;	/* (c) lender of its CPU, or NULL */
};

CTASSERT(sizeof(struct lwkt_thread) == 256, "four cache lines");
CTASSERT(sizeof(struct lwkt_thread) <= sizeof(struct lwkt_thread_storage),
    "storage for callers");

#endif
