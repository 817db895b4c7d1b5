/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE contract between the kernel and its host.
 *
 * THEORY
 * A CPU is a struct mcpu that some host thread carries.  The kernel above is
 * the same on both hosts; linux/ runs each CPU on its own pinned pthread,
 * sim/ runs all of them on one host thread and decides at each choice point
 * (base/choice.h) who goes on.  The host knows nothing of threads: it starts
 * CPUs, switches stacks when told, waits when a CPU has nothing to do, and
 * calls upward only through the table given to machine_boot().
 *
 * WHO RUNS WHERE
 * "CPU" below means: called on the host thread that carries the CPU.  "any"
 * means any host thread, foreign pthreads included.  A signal handler of the
 * host sets bits in mc_reqflags of its own CPU, and calls mu_nmi, mu_watch or
 * mu_signal there, at whatever instruction the CPU was interrupted.
 *
 * ORDER
 * mc_reqflags is the one word other CPUs write.  A CPU about to wait sets
 * RQF_SLEEPING in it with a read-modify-write and waits only if the old value
 * had no RQF_WAKE bit; a sender sets its bit with a read-modify-write and
 * rings the doorbell if the old value had RQF_SLEEPING.  Both are full fences
 * on the same word, so one of the two always sees the other.
 *
 * Source: the contract of rump kernels' rumpuser(3); DragonFly's vkernel.
 */
#ifndef LWKT_MACHINE_MACHINE_H
#define LWKT_MACHINE_MACHINE_H

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
#define RQF_LWP		0x0010u	/* the lwp that runs has to look round */
#define RQF_TIMER	0x0080u	/* the armed deadline passed */
#define RQF_TOKEN	0x0400u	/* a token was released that we wait for */
#define RQF_PREEMPTIBLE	0x0800u	/* who runs may be interrupted (own CPU) */
#define RQF_SLEEPING	0x1000u	/* the CPU waits in the host */
#define RQF_SHUTDOWN	0x2000u	/* the thread that runs is abandoned */
#define RQF_SENDERS	16		/* who sent them, modulo this */
#define RQF_SENDER(cpu)	(0x10000u << ((unsigned)(cpu) % RQF_SENDERS))
#define RQF_SENDERMASK	0xffff0000u
#define RQF_SPLZ	(RQF_IPIQ | RQF_INTPEND | RQF_PREEMPT | RQF_LWP | \
			RQF_TIMER | RQF_TOKEN | RQF_SHUTDOWN)
#define RQF_WAKE	(RQF_SPLZ | RQF_SENDERMASK)

/*
 * What the C++ ABI keeps for each host thread (__cxa_eh_globals): the kernel
 * makes it each thread's own.
 */
struct machine_cxx {
	void		*mx_caught;	/* stack of caught exceptions */
	unsigned int	 mx_uncaught;	/* how many are in flight */
};

/*
 * The host-visible head of struct globaldata.  (i) fixed after boot,
 * (c) the CPU's own code, (a) anybody, atomically.
 */
struct mcpu {
	struct mcpu	*mc_self;	/* (i) what %gs:0 reads */
	struct lwkt_thread *mc_curthread; /* (c) what %gs:8 reads */
	uintptr_t	 mc_hostid;	/* (i) which host thread; %gs:16 */
	int		 mc_cpuid;	/* (i) */
	struct machine_host *mc_host;	/* (i) the host's private part */
	int		*mc_errnop;	/* (i) errno of the carrier */
	struct machine_cxx *mc_cxx;	/* (i) its exceptions; NULL: no C++ */
	/* Apart, for others write it. */
	LWKT_CACHEALIGN
	uint32_t	 mc_reqflags;	/* (a) RQF_* */
	uint32_t	 mc_watching;	/* (c) kern/'s, which others read */
};

#define MCPU_SELF	0		/* offsets that assembly relies on */
#define MCPU_CURTHREAD	8
#define MCPU_HOSTID	16

/*
 * A fault or another signal that ends the process.  mf_what says it in words;
 * mf_addr is the address that was touched if mf_touched, else the instruction.
 */
struct machine_fault {
	const char	*mf_what;	/* "memory fault (SIGSEGV)" */
	uintptr_t	 mf_addr;
	int		 mf_touched;
	uintptr_t	 mf_sp;		/* stack pointer at that moment */
	void		*mf_ucontext;
};

/*
 * What the host calls, on the CPU concerned; critical section state unknown
 * unless said.
 */
struct machine_upcalls {
	/* First code on each CPU; returns when the CPU shall stop. */
	void	(*mu_cpu_main)(struct mcpu *mc);
	/*
	 * A fault on this CPU, from the signal handler on the alternate stack:
	 * print what is known (async-signal-safe).  mc NULL: the fault of a
	 * host thread that called as if it were a CPU.  Returning ends the
	 * process by the signal's default action.
	 */
	void	(*mu_fault)(struct mcpu *mc, const struct machine_fault *mf);
	/* sim: every CPU waits and no timer is armed: nothing can happen. */
	void	(*mu_deadlock)(void);
	/*
	 * machine_nmi() reached this CPU; the time of machine_watch() is up.
	 * On the CPU's host thread, but anywhere in what it was doing: signal
	 * context.  ucontext: what was interrupted; NULL: the caller (sim).
	 */
	void	(*mu_nmi)(struct mcpu *mc, void *ucontext);
	void	(*mu_watch)(struct mcpu *mc, void *ucontext);
	/*
	 * A signal of the host has reached this CPU, its bits are set: in the
	 * handler, after everything else.  sim: at a choice point, ucontext
	 * NULL.
	 */
	void	(*mu_signal)(struct mcpu *mc, void *ucontext);
	/*
	 * What machine_interrupt led to: on the thread's stack, between two of
	 * its instructions, outside signal context.  May switch; must return on
	 * the same CPU.
	 */
	void	(*mu_interrupted)(void);
	/*
	 * On the host thread that threw: an exception of C++ would leave a
	 * thread or a callback; forced: pthread_exit() or a cancellation would.
	 * Nothing is unwound yet.  Print what is known; std::terminate()
	 * follows, but not if forced.  mc NULL: the thread is no CPU.
	 */
	void	(*mu_escape)(struct mcpu *mc, int forced);
	/* sim: see struct machine_point.  No switch, no choice point. */
	void	(*mu_point)(const struct machine_point *mp);
};

/*
 * sim: where mu_point is called, with all CPUs standing still.  A CPU that is
 * not awake waits in machine_idle or has stopped.
 */
struct machine_point {
	enum choice	 mp_kind;	/* CHOICE_PAUSE: every CPU waits */
	int		 mp_cpu;	/* whose point it is, or -1 */
	int64_t		 mp_now;
	int64_t		 mp_until;	/* the clock will jump to, or mp_now */
	uint64_t	 mp_awake;	/* mask of CPUs */
};

struct machine_config {
	int		 mcf_ncpus;	/* 0: the host's choice */
	uint64_t	 mcf_seed;	/* sim only; 0: LWKT_SEED, else 1 */
};

/*
 * Boot and shutdown.  machine_boot measures the clocks and decides the number
 * of CPUs (*ncpus).  machine_run carries the n CPUs of mc[] (CPU 0 on the
 * caller) until each has returned from mu_cpu_main.  Errors: EAGAIN, ENOMEM,
 * EINVAL.  Context: any, one at a time.
 */
int	machine_boot(const struct machine_config *cfg,
	    const struct machine_upcalls *up, int *ncpus);
int	machine_run(struct mcpu *const mc[], int n);
void	machine_shutdown(void);
/*
 * One line for the boot message: host, cpus, guards, io.  After machine_boot.
 */
const char *machine_describe(void);
/*
 * Is this a child of fork, while its parent has CPUs?  Any; async-signal-safe.
 */
#ifndef LWKT_HOST_SIM
int	machine_forked(void);
#endif

/*
 * The calling CPU.  mycpu_m/mycurthread: CPU context only.  machine_oncpu()
 * works anywhere: NULL on a host thread that carries no CPU, also on one that
 * a CPU created (which inherits the CPU's gs base from the host).
 *
 * machine_check_cpu panics unless the caller is the host thread of the CPU
 * that mycpu_m() names: what a call that needs a CPU asks first.  One load
 * and one comparison.
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

/* There is one host thread, and it carries all CPUs. */
static inline void
machine_check_cpu(void)
{
}

static inline int
machine_forked(void)
{
	return 0;
}
#elif defined(__x86_64__)
void	lwkt__machine_strayed(void) __lwkt_hidden __lwkt_noreturn
	    __attribute__((cold));

/*
 * Volatile, so that no compiler keeps it across a switch; an asm rather than
 * a __seg_gs pointer, which gcc 12 folds away as a null dereference.
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

/* A thread-local variable, read so that not even its address is kept. */
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
		lwkt__machine_strayed();
}
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
#endif

/*
 * Stack switch (x86_64/switch.S): saves the callee-saved registers and the
 * floating point control words on the current stack, its pointer in *save,
 * continues on sp and returns there its argument `from`.  A new stack is made
 * by machine_stack_init: its first switch-in calls entry(from), and when that
 * returns goes to last(), which never does.  CPU, in a critical section.
 */
void	*lwkt__machine_switch(void **save, void *sp, void *from);
void	*machine_stack_init(void *stack, size_t size,
	    void (*entry)(void *from), void (*last)(void));

/*
 * Time.  Monotonic ns; virtual on sim.  machine_timer_arm asks for RQF_TIMER
 * on the calling CPU at (or soon after) an absolute time, while it runs or
 * waits; one deadline a CPU, an earlier one replaces it, INT64_MAX disarms
 * lazily.  Spurious RQF_TIMER is legal.
 */
int64_t	machine_time_ns(void);
void	machine_timer_arm(int64_t deadline_ns);

/*
 * Wait.  First machine_poll looks, for as long as that is cheaper than to
 * sleep: 1 when *word (if not NULL) is val (acquire), 0 when mc_reqflags has an
 * RQF_WAKE bit or the time is over.  Then machine_idle, which returns when
 * mc_reqflags has such a bit, when the armed deadline has passed, when a host
 * completion arrived, or for no reason.  Both: CPU, critical section held,
 * called by the idle thread alone.
 * machine_doorbell ends the wait of a CPU: called after the caller's
 * read-modify-write of mc_reqflags saw RQF_SLEEPING.  Any.
 * machine_pause is one turn of a wait loop for another CPU; `turn` counts the
 * turns so far (pause first, give the core away later).  Any.
 */
int	machine_poll(struct mcpu *mc, const uint32_t *word, uint32_t val);
void	machine_idle(struct mcpu *mc);
void	machine_doorbell(struct mcpu *mc);
void	machine_pause(unsigned turn);

/*
 * machine_nmi interrupts a CPU wherever it is: mu_nmi follows there (sim: only
 * mu_signal), then mu_signal.  1, or 0 if that cannot be.  Any context,
 * async-signal-safe.
 * machine_watch has mu_watch called on the calling CPU, once, after delay_ns,
 * wherever it is then; a wait ends by it (not on sim, where waiting CPUs are
 * not called).  Replaces the one before; 0: none.  Async-signal-safe.
 */
int	machine_nmi(struct mcpu *mc);
void	machine_watch(int64_t delay_ns);

/*
 * machine_interrupt, in mu_signal: let the code that runs on this CPU go on by
 * a call of mu_interrupted, if the host can undo that exactly and every frame
 * of its stack (size bytes from stack on) may be stopped where it stands.
 * machine_interrupt_again: mu_signal once more, about delay_ns from now; a
 * signal that comes earlier counts.  CPU, or mu_signal.
 * machine_interrupt_off says why no code is interrupted at all; NULL: some is.
 * machine_code_register adds code that may be stopped anywhere (len 0: all of
 * the object that start lies in); unregister takes back what was given by the
 * same arguments.  0, EINVAL, ENOSPC, ENOENT.  Any.
 */
enum machine_refusal {
	MI_DONE,		/* not refused */
	MI_OFF,			/* this host cannot, or in no code at all */
	MI_CODE,		/* at an instruction of other code */
	MI_FRAME,		/* called by other code, or not to be told */
	MI_STACK,		/* too little of the stack is left */
	MI_STATE		/* registers that cannot be kept */
};
enum machine_refusal machine_interrupt(struct mcpu *mc, void *ucontext,
	    void *stack, size_t size);
void	machine_interrupt_again(int64_t delay_ns);
const char *machine_interrupt_off(void);
int	machine_code_register(const void *start, size_t len);
int	machine_code_unregister(const void *start, size_t len);

/*
 * May other host threads than the CPUs and the host's own helpers be in the
 * process?  Idle CPU; may allocate.
 */
int	machine_foreign_threads(void);

/*
 * A full fence on every CPU, as if each had executed one during the call: the
 * expensive half of a fence whose other half is free.  1, or 0 if the host
 * cannot.  CPU.
 */
int	machine_fence_all(void);

/*
 * Block the calling foreign pthread until *word != val, or woken; wake those
 * that wait on word.  For ports used from outside.  On sim there are no
 * foreign threads: panics.
 */
void	machine_foreign_wait(uint32_t *word, uint32_t val);
void	machine_foreign_wake(uint32_t *word);

/*
 * Memory.  Reserve: zeroed on first touch, not counted until then, no huge
 * pages; NULL when refused.  Release: gives all back.  Decommit: contents
 * zero again, guards stay.  Guard: touching [p, p+size) faults.  All page
 * aligned.  machine_arena: shared memory that tools can open.
 */
enum machine_guard { GUARD_MADVISE, GUARD_MPROTECT, GUARD_CANARY };
void	*machine_mem_reserve(size_t size);
void	*machine_arena_reserve(size_t size);
void	machine_mem_release(void *p, size_t size);
void	machine_mem_decommit(void *p, size_t size);
enum machine_guard machine_mem_guard(void *p, size_t size);
size_t	machine_page_size(void);
/* Bytes of memory that the machine has; a round number on sim.  Any. */
size_t	machine_mem_size(void);

/* Fault injection and other decisions by name: 1 means "fail now" (sim, or
 * LWKT_FAIL=name:nth on linux). */
int	machine_fail(const char *point);

/* Return addresses: of the caller (sp NULL), of a parked thread (its saved
 * sp), or of a fault (ucontext).  Async-signal-safe.  The count. */
int	machine_backtrace(void **pcs, int max, void *sp, void *ucontext);
/* Print them on stderr, with symbols where cheap.  Async-signal-safe. */
void	machine_backtrace_print(void *const *pcs, int n);

/*
 * Trace of the simulation: the kernel reports each recorded event; sim folds
 * it into the hash that names a schedule and keeps the last ones for the
 * failure report.  linux: nothing.
 */
void	machine_trace(const char *name, const char *fmt, uint64_t a,
	    uint64_t b);
uint64_t machine_trace_hash(void);

/*
 * What to hash in place of an address: the address; on sim a number that is
 * the same whenever the same schedule runs.  Any.
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
