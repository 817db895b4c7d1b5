/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct lwkt_thread, and which code may write each field.
 *
 * THEORY
 * The structure has 256 bytes, four cache lines ordered by use.  A switch
 * touches only the first.  A message from another CPU touches only the third,
 * which hardly ever changes.  The structures lie in the shared arena.  They are
 * type-stable (never unmapped before shutdown), and tools read them from
 * outside.  What only the thread itself and its CPU need is in struct
 * thread_cold (message port, checkers' state).  That lies at the top of the
 * thread's stack, in a page that is touched anyway.
 *
 * LEGEND  (i) fixed from creation to exit   (s) the thread itself
 * (c) owning CPU in a critical section   (a) any CPU, atomically
 *
 * INVARIANTS
 * TD1 td_flags and the queue links change only on td_gd's CPU in a critical
 *     section; other CPUs send a message there.
 * TD2 A thread on a run queue has TDF_RUNQ; the running thread stays on it
 *     unless it descheduled itself.
 * TD3 TDF_RUNNING is cleared by the successor, on the successor's stack.  So a
 *     thread without it is not executing anywhere, and its td_sp is valid.
 * TD4 While td_refs > 0 the structure and the stack stay; the last release
 *     frees them.
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
#define TDF_TSLEEP_DESCHEDULED	0x0008u	/* and really asleep in tsleep */
#define TDF_BLOCKED		0x0010u	/* asleep in lwkt_sleep */
#define TDF_SINTR		0x0020u	/* its sleep may be interrupted */
#define TDF_TIMEOUT		0x0040u	/* its sleep's timer fired */
#define TDF_MIGRATING		0x0080u	/* between CPUs: do not schedule */
#define TDF_EXITING		0x0100u	/* on its last switch */
#define TDF_NORESCHED		0x0200u	/* does not ask others to yield */
#define TDF_ARENA		0x0400u	/* (i) the library frees its storage */
#define TDF_IDLE		0x0800u	/* (i) a CPU's idle thread */
#define TDF_STARTED		0x1000u	/* has been scheduled once */
#define TDF_CANARY		0x2000u	/* (i) no guard: check STACK_CANARY */
#define TDF_GIANT		0x4000u	/* (i) runs under the mp token */
#define TDF_FREE		0x8000u	/* in a cache: no thread at all */

#define TDF_PREEMPTS		0x10000u /* an interrupt thread */
#define TDF_PREEMPT_LOCK	0x20000u /* lends the CPU to one */
#define TDF_PREEMPT_DONE	0x40000u /* has it back */
#define TDF_DELAYED_WAKEUP	0x80000u /* (s) its wakeups are deferred */
#define TDF_PREEMPTIBLE		0x100000u /* (i) at any instruction */
#define TDF_INTERRUPTED		0x200000u /* preempted: must not migrate */

/* The lowest word of a stack that has no guard (TDF_CANARY). */
#define STACK_CANARY		0x6e6f206775617264ULL

/*
 * td_leave: owning CPU.  Each bit means that leaving the CPU needs extra work.
 */
#define TDL_PREEMPTING		0x01u	/* td_preempted lent the CPU */
#define TDL_LWP			0x02u	/* (i) an lwp: td_lwp, kern_ops */

/* td_mpflags: any CPU, atomically. */
#define TDF_MP_INTR		0x0001u	/* lwkt_interrupt is pending */
#define TDF_MP_LEND		0x0002u	/* tc_lend has changed (lend.c) */

/* td_join: NULL, the joining thread, or one of these. */
#define TD_JOIN_EXITED		((uintptr_t)1)
#define TD_JOIN_NEVER		((uintptr_t)2)	/* not joinable */

/* Invariants builds: the last entries and exits of critical sections. */
enum { CRIT_RECS = config_invariants ? 32 : 1 };

struct crit_rec {
	const void	*cr_pc;		/* where the function returns to */
	int		 cr_count;	/* afterwards */
	int		 cr_entered;	/* 0: left */
};

/* Invariants builds: the locks that the thread holds (lockorder.c). */
enum { HELD_RECS = config_invariants ? 32 : 1 };

struct order_held {
	const void	*oh_lock;
	const void	*oh_pc;		/* where it was taken */
	uint16_t	 oh_class;
};

/* Priorities lent to a thread: 32 counts of 16 bits (lend.c). */
#define LEND_WORDS		8

struct lend_wait;
struct lwkt_mutex;

#define THREAD_MAGIC		0x64616572685474ULL

/* At the top of the thread's stack, in a page that is touched anyway. */
struct thread_cold {
	struct lwkt_port tc_port;	/* the thread's message port */
	lwkt_thread_t	 tc_joins;	/* (s) the thread it joins */
	struct lwkt_msg	*tc_waitmsg;	/* (s) whose reply it waits for */
	const uintptr_t	*tc_waitowner;	/* (s) owner word of a wanted lock */
	struct lend_wait *tc_lendwait;	/* (s) its place in a queue */
	struct lwkt_mutex *tc_barged;	/* (c) taken ahead of its waiters */
	uint64_t	 tc_lend[LEND_WORDS]; /* (a) locks by what they lend */
	uint32_t	 tc_lendhops;	/* (a) length of the chain so far */
	uint32_t	 tc_lendrefs;	/* (a) changes not yet carried out */
	const volatile void *tc_delayed[2]; /* (s) deferred wakeups, in order */
	struct fiber	 tc_fiber;	/* checkers' state */
	struct tokref	 tc_tok[LWKT_MAXTOKENS]; /* (s) the first td_ntoks */
	uint32_t	 tc_ncrit;	/* (s) entries and exits noted */
	struct crit_rec	 tc_crit[CRIT_RECS]; /* (s) the last of them */
	uint32_t	 tc_nheld;	/* (s) locks noted */
	struct order_held tc_held[HELD_RECS]; /* (s) in order of taking */
	uint64_t	 tc_magic;	/* (i) THREAD_MAGIC; the very top */
};

struct lwkt_thread {
	/* Line 1: what a switch touches. */
	LWKT_CACHEALIGN
	void		*td_sp;		/* (c) while not running */
	lwkt_thread_t	 td_rqnext;	/* (c) ring of its priority */
	lwkt_thread_t	 td_rqprev;	/* (c) */
	uint64_t	 td_reserved1;	/* for what a switch needs */
	uint32_t	 td_flags;	/* (c) TDF_* */
	int		 td_critcount;	/* (s) */
	int		 td_errno;	/* (c) while not running */
	uint8_t		 td_pri;	/* (c) LWKT_PRI_* */
	uint8_t		 td_leave;	/* (c) TDL_* */
	uint16_t	 td_slot;	/* (i) size class of the stack */
	int		 td_upri;	/* (c) order in that ring, high first */
	uint8_t		 td_ntoks;	/* (s) references to tokens in use */
	uint8_t		 td_tokpend;	/* (s) 1: the last is not held */
	uint16_t	 td_contended;	/* (c) tokens_get failures in a row */
	uint64_t	 td_switches;	/* (c) times it was switched in */

	/* Line 2: sleeping and ending. */
	TAILQ_ENTRY(lwkt_thread) td_sleepq; /* (c) */
	const volatile void *td_wchan;	/* (c) what it sleeps on */
	const char	*td_wmesg;	/* (c) why */
	uint32_t	 td_wdomain;	/* (c) */
	uint32_t	 td_mpflags;	/* (a) TDF_MP_* */
	uintptr_t	 td_join;	/* (a) see TD_JOIN_EXITED */
	uint32_t	 td_refs;	/* (a) */
	int		 td_wakefromcpu; /* (c) the CPU that woke it */
	struct lwkt_token *td_tokwant;	/* (c) the one that was refused */

	/* Line 3: set once; read by CPUs that send to the thread. */
	void		(*td_fn)(void *); /* (i) */
	void		*td_arg;	/* (i) */
	void		*td_stack;	/* (i) lowest usable address */
	size_t		 td_stksize;	/* (i) bytes from there */
	uint64_t	 td_id;		/* (i) for people and traces */
	struct globaldata *td_migrate_gd; /* (c) where a migration goes */
	lwkt_thread_t	 td_freenext;	/* cache link */
	struct globaldata *td_gd;	/* (c) owner; changed by migration */

	/* Line 4: seen by tools. */
	char		 td_name[LWKT_NAMELEN]; /* (s) */
	struct thread_cold *td_cold;	/* (i) top of stack */
	struct lwkt_lwp	*td_lwp;	/* (i) of an lwp; usched/ */
	uint64_t	 td_reserved4;	/* for accounting (features, K14) */
	uint8_t		 td_lent;	/* (c) best lent priority, or 0 */
	uint8_t		 td_ownpri;	/* (c) its own, while td_lent != 0 */
	lwkt_thread_t	 td_preempted;	/* (c) see lwkt_preempt.c */
};

CTASSERT(sizeof(struct lwkt_thread) == 256, "four cache lines");
CTASSERT(sizeof(struct lwkt_thread) <= sizeof(struct lwkt_thread_storage),
    "storage for callers");

#endif
