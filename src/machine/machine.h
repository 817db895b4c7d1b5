/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE contract between the kernel and its host.
 *
 * THEORY
 * A CPU is a struct mcpu that a host thread runs.  The kernel above is the same
 * on both hosts: linux/ runs each CPU on a host thread of its own; sim/ runs
 * all CPUs on one host thread and decides at each choice point (base/choice.h)
 * which CPU continues.  The host knows nothing of the kernel's threads: it
 * starts CPUs, switches stacks on request, waits when a CPU is idle, and calls
 * the kernel only through the table given to machine_boot().
 *
 * CONTEXTS
 * "CPU" below means: called on the host thread that runs the CPU.  "any" means
 * any host thread, plain pthreads included.  The signal handler of the host
 * interrupts a CPU at an arbitrary instruction.  It may set bits in mc_reqflags
 * of that CPU, may call mu_nmi or mu_watch, and calls mu_signal last.  The
 * handler of faults calls mu_fault.
 *
 * ORDER
 * MQ1 mc_reqflags is the only word of a CPU here that others write.  A CPU that
 *    is about to wait sets RQF_SLEEPING in it by a read-modify-write, and waits
 *    only if the old value had no RQF_WAKE bit.  A sender sets its bit by a
 *    read-modify-write, and rings the doorbell if the old value had
 *    RQF_SLEEPING.  Both are full fences on the same word, so at least one of
 *    the two sees the other's bit.
 *
 * Source: the contract of rump kernels' rumpuser(3); DragonFly's vkernel.
 */
#ifndef LWKT_MACHINE_MACHINE_H
#define LWKT_MACHINE_MACHINE_H

#include <lwkt/types.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct lwkt_thread;
struct machine_point;
struct machine_host;		/* private to linux/ or sim/ */

/* Bits of mc_reqflags (values of DragonFly's gd_reqflags where it has them). */
#define RQF_IPIQ	0x0001u	/* messages from other CPUs */
#define RQF_INTPEND	0x0002u	/* host completions or interrupts to reap */
#define RQF_PREEMPT	0x0004u	/* an interrupt thread wants the CPU */
#define RQF_LWP		0x0010u	/* the lwp must ask its user scheduler */
#define RQF_TIMER	0x0080u	/* look for due timers; may be spurious */
#define RQF_TOKEN	0x0400u	/* try again for a token: perhaps it is free */
#define RQF_PREEMPTIBLE	0x0800u	/* set by the CPU: its thread is preemptible */
#define RQF_SLEEPING	0x1000u	/* the CPU waits in the host */
#define RQF_SHUTDOWN	0x2000u	/* the CPU must abandon its thread and stop */
#define RQF_SENDERS	16		/* number of the bits for senders */
/* The bit for a sender; CPUs whose numbers are equal modulo 16 share it. */
#define RQF_SENDER(cpu)	(0x10000u << ((unsigned)(cpu) % RQF_SENDERS))
#define RQF_SENDERMASK	0xffff0000u
#define RQF_SPLZ	(RQF_IPIQ | RQF_INTPEND | RQF_PREEMPT | RQF_LWP | \
			RQF_TIMER | RQF_TOKEN | RQF_SHUTDOWN)
#define RQF_WAKE	(RQF_SPLZ | RQF_SENDERMASK)

/*
 * What the C++ ABI keeps for each host thread (__cxa_eh_globals).  The kernel
 * saves and restores it so that each thread has its own.
 */
struct machine_cxx {
	void		*mx_caught;	/* stack of caught exceptions */
	unsigned int	 mx_uncaught;	/* exceptions thrown, not yet caught */
};

/*
 * The head of struct globaldata, which the host sees.  Written by: (i) boot
 * only, (c) code that runs on the CPU, (a) any host thread, atomically.
 */
struct mcpu {
	struct mcpu	*mc_self;	/* (i) what %gs:0 reads */
	struct lwkt_thread *mc_curthread; /* (c) what %gs:8 reads */
	uintptr_t	 mc_hostid;	/* (i) names the host thread; %gs:16 */
	int		 mc_cpuid;	/* (i) */
	struct machine_host *mc_host;	/* (i) the host's private part */
	int		*mc_errnop;	/* (i) errno of the host thread */
	struct machine_cxx *mc_cxx;	/* (i) its C++ state; NULL: no C++ */
	/* In a cache line of their own, because other CPUs access them. */
	LWKT_CACHEALIGN
	uint32_t	 mc_reqflags;	/* (a) RQF_* */
	/*
	 * (c) 1 + the number of the CPU whose ring this CPU polls while it is
	 * idle, or 0.  Only kern/ipi uses it; the senders read it.
	 */
	uint32_t	 mc_watching;
};

#define MCPU_SELF	0		/* offsets that assembly relies on */
#define MCPU_CURTHREAD	8
#define MCPU_HOSTID	16
#define MCPU_REQFLAGS	64

/*
 * A fault or another signal that ends the process.  mf_what describes it.
 * mf_addr is the address that was accessed if mf_touched, else the address of
 * the instruction.
 */
struct machine_fault {
	const char	*mf_what;	/* "memory fault (SIGSEGV)" */
	uintptr_t	 mf_addr;
	int		 mf_touched;	/* 1: mf_addr was accessed */
	uintptr_t	 mf_sp;		/* stack pointer at the fault */
	void		*mf_ucontext;	/* ucontext_t: registers at the fault */
};

/*
 * The functions that the host calls, on the CPU concerned.  Unless stated
 * otherwise the CPU may be in a critical section or outside one.
 */
struct machine_upcalls {
	/* The first code on each CPU; returns to stop the CPU for good. */
	void	(*mu_cpu_main)(struct mcpu *mc);
	/*
	 * Reports a fault on this CPU.  The signal handler calls mu_fault on
	 * the alternate stack.  mu_fault prints what is known and must be
	 * async-signal-safe.  mc is NULL if a host thread that is no CPU made a
	 * call that needs one.  When mu_fault returns, the signal has the
	 * effect that it had before the boot: usually the process ends.
	 */
	void	(*mu_fault)(struct mcpu *mc, const struct machine_fault *mf);
	/*
	 * sim: reports a deadlock.  Every CPU waits and no timer is armed, so
	 * nothing can happen any more.
	 */
	void	(*mu_deadlock)(void);
	/*
	 * mu_nmi is called when machine_nmi() has reached this CPU (not on
	 * sim), mu_watch when the time set by machine_watch() is over.  Signal
	 * context, on the CPU's host thread, at an arbitrary instruction.
	 * ucontext is the state of the interrupted code.  sim: mu_watch is
	 * called at a choice point, with ucontext NULL.
	 */
	void	(*mu_nmi)(struct mcpu *mc, void *ucontext);
	void	(*mu_watch)(struct mcpu *mc, void *ucontext);
	/*
	 * A signal of the host has interrupted this CPU.  Called last in the
	 * signal handler, which may have set bits in mc_reqflags before.  sim:
	 * at a choice point, with ucontext NULL.
	 */
	void	(*mu_signal)(struct mcpu *mc, void *ucontext);
	/*
	 * The call that machine_interrupt() prepared.  It runs on the stack of
	 * the interrupted thread, between two of its instructions, outside
	 * signal context.  May switch; must return on the same CPU.
	 */
	void	(*mu_interrupted)(void);
	/*
	 * Reports a C++ exception that would leave a thread or a callback;
	 * with forced set, an unwinding by pthread_exit() or a cancellation.
	 * Called on the host thread concerned, to print what is known.  If
	 * forced is not set, nothing has been unwound yet, and std::terminate()
	 * follows; else abort().  mc is NULL if the host thread is no CPU.
	 */
	void	(*mu_escape)(struct mcpu *mc, int forced);
	/*
	 * sim: see struct machine_point.  Must not switch.  Choice points in it
	 * do nothing.
	 */
	void	(*mu_point)(const struct machine_point *mp);
};

/*
 * sim: the choice point at which mu_point is called.  No CPU runs meanwhile.
 * A CPU that is not awake waits in machine_idle or has stopped for good.
 */
struct machine_point {
	enum choice	 mp_kind;	/* CHOICE_PAUSE: every CPU waits */
	int		 mp_cpu;	/* CPU that was running; -1: none */
	int64_t		 mp_now;	/* time, ns */
	int64_t		 mp_until;	/* CHOICE_PAUSE: next event, or */
					/* INT64_MAX: none; else mp_now */
	uint64_t	 mp_awake;	/* mask of the CPUs that are awake */
};

struct machine_config {
	int		 mcf_ncpus;	/* 0: LWKT_NCPU, else the host */
	uint64_t	 mcf_seed;	/* sim only; 0: LWKT_SEED, else 1 */
};

/*
 * Boot and shutdown.  machine_boot measures the clocks and decides the number
 * of CPUs (*ncpus).  machine_run runs the n CPUs of mc[] until each has
 * returned from mu_cpu_main; the caller's host thread becomes CPU 0 (sim: all
 * CPUs).  Both return 0 or an errno: EINVAL for a wrong setting, EAGAIN, ENOMEM
 * or another one if the host refuses something.  machine_shutdown undoes a
 * machine_boot that has succeeded.  Plain pthread, one call at a time.
 */
int	machine_boot(const struct machine_config *cfg,
	    const struct machine_upcalls *up, int *ncpus);
int	machine_run(struct mcpu *const mc[], int n);
void	machine_shutdown(void);
/*
 * Returns one line for the boot message: the host, its CPUs and its settings.
 * To be called after machine_boot.
 */
const char *machine_describe(void);
/*
 * Returns whether this process was forked from one that was booted at the time;
 * sim: 0.  Any context; async-signal-safe.
 */
#ifndef LWKT_HOST_SIM
int	machine_forked(void);
#endif

/*
 * The calling CPU.  mycpu_m/mycurthread: CPU context only.  machine_oncpu()
 * works in any context.  It returns NULL on a host thread that is no CPU, even
 * on a pthread that a CPU created (Linux copies the CPU's gs base to it).  Sim:
 * the CPU that runs; NULL outside machine_run() and in a function of HIO_CALL.
 *
 * machine_check_cpu panics unless the caller is the host thread of the CPU that
 * mycpu_m() names.  The calls of the library that need a CPU begin with this
 * check, except inline functions (outside.c says what happens there).  Cost: a
 * load, and a comparison with a word in memory.  On sim, and on processors
 * other than x86-64, it does nothing.
 *
 * machine_requested returns whether mc_reqflags of the calling CPU has one of
 * the bits, which are a constant.
 */
#ifdef LWKT_HOST_SIM
extern struct mcpu *lwkt__sim_mcpu;

static inline struct mcpu *
mycpu_m(void)
{
	return *(struct mcpu *volatile *)&lwkt__sim_mcpu;
}

static inline struct mcpu *
machine_oncpu(void)
{
	return mycpu_m();
}

static inline struct lwkt_thread *
mycurthread(void)
{
	return *(struct lwkt_thread *volatile *)&mycpu_m()->mc_curthread;
}

/* Nothing to check: one host thread runs all CPUs. */
static inline void
machine_check_cpu(void)
{
}

static inline int
machine_requested(uint32_t bits)
{
	return (atomic_peek_32(&mycpu_m()->mc_reqflags) & bits) != 0;
}

static inline int
machine_forked(void)
{
	return 0;
}
#elif defined(__x86_64__)
void	lwkt__machine_not_cpu(void) __lwkt_hidden __lwkt_noreturn
	    __attribute__((cold));

/*
 * Volatile, so that no compiler keeps the value across a switch.  An asm and
 * not a __seg_gs pointer: gcc 12 takes an access through such a pointer to
 * address 0 for a null dereference, and removes the code.
 */
static inline struct mcpu *
mycpu_m(void)
{
	struct mcpu *mc;

	__asm__ __volatile__("movq %%gs:%c1,%0" : "=r" (mc) : "i" (MCPU_SELF));
	return mc;
}

static inline struct lwkt_thread *
mycurthread(void)
{
	struct lwkt_thread *td;

	__asm__ __volatile__("movq %%gs:%c1,%0" : "=r" (td) :
	    "i" (MCPU_CURTHREAD));
	return td;
}

/*
 * Reads a thread-local variable.  An asm, so that the compiler keeps neither
 * the value nor the address across a switch.
 */
static inline struct mcpu *
machine_oncpu(void)
{
	struct mcpu *mc;

	__asm__ __volatile__("movq lwkt__tls_mcpu@gottpoff(%%rip),%0\n\t"
	    "movq %%fs:(%0),%0" : "=&r" (mc));
	return mc;
}

/* %fs:0 is the address of the host thread's control block (the TLS ABI). */
static inline void
machine_check_cpu(void)
{
	uintptr_t hostid;
	int differs;

	__asm__ __volatile__("movq %%fs:0,%0\n\tcmpq %%gs:%c2,%0" :
	    "=&r" (hostid), "=@ccne" (differs) : "i" (MCPU_HOSTID));
	if (unlikely(differs))
		lwkt__machine_not_cpu();
}

/* A macro: without optimization no argument of a function is a constant. */
#define machine_requested(bits)						\
	__extension__ ({						\
		int some_;						\
		__asm__ __volatile__("testl %1,%%gs:%c2" :		\
		    "=@ccnz" (some_) :					\
		    "i" (bits), "i" (MCPU_REQFLAGS));			\
		some_;							\
	})
#else
struct mcpu *lwkt__tls_mycpu(void);	/* out of line: never cached */

static inline struct mcpu *
mycpu_m(void)
{
	return lwkt__tls_mycpu();
}

static inline struct lwkt_thread *
mycurthread(void)
{
	return mycpu_m()->mc_curthread;
}

static inline struct mcpu *
machine_oncpu(void)
{
	return mycpu_m();
}

static inline void
machine_check_cpu(void)
{
}

static inline int
machine_requested(uint32_t bits)
{
	return (atomic_peek_32(&mycpu_m()->mc_reqflags) & bits) != 0;
}
#endif

/*
 * Stack switch (x86_64/switch.S).  Saves the callee-saved registers and the
 * floating point control words on the current stack and stores the stack
 * pointer in *save.  Continues on the stack at sp: the call that was suspended
 * there returns `from`.  CPU, in a critical section.
 * machine_stack_init prepares a new stack and returns its sp: the first switch
 * to it calls entry(from); when entry returns, last() is called, which must not
 * return.  Any.
 */
void	*lwkt__machine_switch(void **save, void *sp, void *from);
void	*machine_stack_init(void *stack, size_t size,
	    void (*entry)(void *from), void (*last)(void));

/*
 * Time.  machine_time_ns is monotonic, in ns; virtual on sim.
 * machine_timer_arm requests RQF_TIMER on the calling CPU at an absolute time
 * or soon after, whether the CPU runs or waits then.  A CPU has one deadline;
 * each call replaces it.  INT64_MAX means no deadline; the host timer may still
 * go off once.  A spurious RQF_TIMER is allowed.
 */
int64_t	machine_time_ns(void);
void	machine_timer_arm(int64_t deadline_ns);

/*
 * Wait.  The idle thread calls machine_poll first, then machine_idle; both in
 * CPU context, in a critical section.
 * machine_poll polls for as long as that is cheaper than sleeping, until *word
 * (if word is not NULL) is val or mc_reqflags has an RQF_WAKE bit.  It returns
 * 1 if *word is val at the end (load-acquire), else 0.
 * machine_idle halts the CPU, unless mc_reqflags has an RQF_WAKE bit.  It
 * returns when the doorbell has been rung, when the armed deadline has passed,
 * when a host completion arrived, or spuriously.
 * machine_doorbell ends the wait of a CPU.  It is to be called by a sender
 * whose read-modify-write of mc_reqflags has seen RQF_SLEEPING.  Any context;
 * never blocks.
 * machine_pause is called in each turn of a loop that waits for another CPU.
 * `turn` is the number of turns so far: early turns execute a pause
 * instruction, later ones yield the core, still later ones sleep briefly.  On
 * sim another CPU goes on in each turn, if one can.  Any context.
 */
int	machine_poll(struct mcpu *mc, const uint32_t *word, uint32_t val);
void	machine_idle(struct mcpu *mc);
void	machine_doorbell(struct mcpu *mc);
void	machine_pause(unsigned turn);

/*
 * machine_nmi interrupts a CPU at an arbitrary instruction (sim: at its next
 * choice point).  On that CPU mu_nmi is called (not on sim), then mu_signal.
 * Returns 1, or 0 if the CPU cannot be interrupted.  Any context;
 * async-signal-safe.
 * machine_watch requests one call of mu_watch on the calling CPU after
 * delay_ns, at an arbitrary instruction, also while it waits.  The wait ends if
 * mu_watch sets a bit of RQF_WAKE.  (On sim mu_watch is not called on a CPU
 * that waits.)  The request replaces the last one; 0 withdraws it.  If the host
 * has refused the timer that this needs, nothing happens.  CPU;
 * async-signal-safe.
 */
int	machine_nmi(struct mcpu *mc);
void	machine_watch(int64_t delay_ns);

/*
 * machine_interrupt, to be called in mu_signal, makes the interrupted code
 * continue with a call of mu_interrupted.  It refuses unless the host can
 * restore the code's state exactly afterwards, the stack (`size` bytes from
 * `stack` on) has room, and every frame on it belongs to code that may be
 * interrupted, or is one of the library's that started the thread.
 * machine_interrupt_again requests another mu_signal about delay_ns from now; a
 * signal of the timer that arrives earlier satisfies the request.  CPU, or
 * mu_signal.
 * machine_interrupt_off returns why no code can be interrupted at all.  Returns
 * NULL if some can, or if none can because the program has unregistered all.
 * machine_in_program, to be called in mu_nmi, returns whether the interrupted
 * instruction is in code that may be interrupted, so in no function of the
 * library or of libc.
 * machine_code_register registers code that may be interrupted at any
 * instruction.  len 0 means the whole executable segment that contains start.
 * machine_code_unregister undoes the registration with the same arguments.
 * Both return 0 or an errno: EINVAL, ENOSPC (register), ENOENT (unregister).
 * Any.
 */
enum machine_refusal {
	MI_DONE,		/* not refused */
	MI_OFF,			/* not possible on this host */
	MI_CODE,		/* the instruction is not in such code */
	MI_FRAME,		/* a caller is not in such code, or unknown */
	MI_STACK,		/* too little of the stack is left */
	MI_STATE		/* registers in use that cannot be saved */
};
enum machine_refusal machine_interrupt(struct mcpu *mc, void *ucontext,
	    void *stack, size_t size);
void	machine_interrupt_again(int64_t delay_ns);
const char *machine_interrupt_off(void);
int	machine_in_program(void *ucontext);
int	machine_code_register(const void *start, size_t len);
int	machine_code_unregister(const void *start, size_t len);

/*
 * Returns whether the process may have host threads besides the CPUs and the
 * helpers of this host.  Idle CPU; may allocate.
 */
int	machine_foreign_threads(void);

/*
 * Executes a full fence on every CPU, as if each CPU had executed one during
 * the call.  It is the expensive side of an asymmetric fence: the other side
 * needs no instruction.  Returns 1, or 0 if the host cannot do it.  CPU or
 * plain pthread.
 * machine_can_fence_all returns whether the host can; 0 before the boot.  Any.
 */
int	machine_fence_all(void);
int	machine_can_fence_all(void);

/*
 * machine_foreign_wait blocks the calling plain pthread until it is woken,
 * perhaps spuriously.  It returns at once if *word is not val.
 * machine_foreign_wake wakes the pthreads that wait on word.  By these calls
 * plain pthreads wait for locks, pipes and ports.  On sim there are no plain
 * pthreads: the wait panics, the wake has nothing to do.
 */
void	machine_foreign_wait(uint32_t *word, uint32_t val);
void	machine_foreign_wake(uint32_t *word);

/*
 * Memory.  All addresses and sizes are multiples of the page size.
 * machine_mem_reserve reserves addresses, without huge pages.  A page is zero
 * at the first access and takes no memory before.  Returns NULL if the host
 * refuses.
 * machine_arena_reserve does the same, with shared memory that tools can open
 * if the host allows it (not on sim).
 * machine_mem_release returns a whole reservation to the host.
 * machine_mem_decommit returns the memory of a part of a reservation to the
 * host: the contents are zero again, the guards stay.  If the host refuses, the
 * contents are only cleared (sim: it panics).
 * machine_mem_guard makes every access to [p, p+size) a fault, and returns by
 * what means.  GUARD_CANARY means that the host cannot do that: the caller must
 * use a canary.
 * machine_mem_guard_many makes n guards (GUARD_MADVISE) at once and returns 1.
 * It returns 0 if it has made none or only some of them: the caller then calls
 * machine_mem_guard for each.
 * machine_mem_decommit_many does machine_mem_decommit for n pieces, none of
 * which is in the arena.
 */
enum machine_guard { GUARD_MADVISE, GUARD_MPROTECT, GUARD_CANARY };
struct iovec;
/*
 * How many reservations may exist at one time.  Linux: the host has RESV_MOST
 * records for them.  Each user stays within its share, so a record is always
 * free.
 */
enum {
	RESV_ARENA = 1,
	RESV_SLABS = 1,			/* vm_slab.c: of all CPUs */
	RESV_CHUNKS = 4096,		/* vm_stack.c: of stacks */
	RESV_BANKS = 1023,		/* vm_kmem.c: of blocks */
	RESV_IO = LWKT_MAXCPU,		/* io_poll.c: one a CPU */
	/*
	 * Reservations that are released at once, because another CPU was
	 * faster or a table is full: one a CPU, which is in a critical section
	 * meanwhile.  The boot has one, too (STACKS_ROOM), before a CPU runs.
	 */
	RESV_BRIEF = LWKT_MAXCPU,
	RESV_MOST = RESV_ARENA + RESV_SLABS + RESV_CHUNKS + RESV_BANKS +
	    RESV_IO + RESV_BRIEF
};
void	*machine_mem_reserve(size_t size);
void	*machine_arena_reserve(size_t size);
void	machine_mem_release(void *p, size_t size);
void	machine_mem_decommit(void *p, size_t size);
enum machine_guard machine_mem_guard(void *p, size_t size);
int	machine_mem_guard_many(const struct iovec *piece, unsigned n);
void	machine_mem_decommit_many(const struct iovec *piece, unsigned n);
size_t	machine_page_size(void);
/*
 * Returns the bytes of memory that the program may use: the machine's, or fewer
 * if a cgroup limits it.  Found at boot; sim: a constant.  Any.
 */
size_t	machine_mem_size(void);

/*
 * Fault injection by name.  Returns 1 if the caller must fail now, else 0.
 * LWKT_FAIL=name:nth decides; sim with faults injected also refuses calls by
 * the seed.
 */
int	machine_fail(const char *point);

/*
 * Stores return addresses in pcs and returns their number: of the caller (sp
 * and ucontext NULL), of a thread that does not run (its saved sp), or of the
 * code that a signal interrupted (ucontext).  Reports call it in signal
 * handlers too, although it is not async-signal-safe: libunwind may wait for
 * the loader's lock.
 */
int	machine_backtrace(void **pcs, int max, void *sp, void *ucontext);
/*
 * Prints n return addresses on stderr, with the names of functions where they
 * are found (symbol.c).  Async-signal-safe.
 */
void	machine_backtrace_print(void *const *pcs, int n);

/*
 * Trace of the simulation.  The kernel reports each recorded event.  sim adds
 * it to the hash that identifies a schedule, and keeps the last events for the
 * failure report.  linux does nothing.
 */
void	machine_trace(const char *name, const char *fmt, uint64_t a,
	    uint64_t b);
uint64_t machine_trace_hash(void);

/*
 * Returns the value to hash in place of an address.  linux: the address itself.
 * sim: a number that is the same in each run of the same schedule.  Any.
 */
#ifdef LWKT_HOST_SIM
uintptr_t machine_key(const volatile void *p);
#else
static inline uintptr_t
machine_key(const volatile void *p)
{
	return (uintptr_t)p;
}
#endif

#endif
