/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of the Linux host share: the private part of a
 * CPU and the functions of an I/O back end.
 *
 * THEORY
 * Each CPU is one pthread during a whole run.  struct machine_host is the part
 * of the CPU that belongs to this host.  The structures are in a static array
 * and never freed, so any host thread may read one, even after the CPU has
 * ended.  A doorbell must not come after the CPU has ended (vcpu.c).
 *
 * An idle CPU waits in one of two places, as h_where says.  It waits on a futex
 * (the word mc_reqflags itself) when it has no operation pending, else in its
 * I/O back end, which has its own wake-up (an eventfd).
 *
 * ORDER OF THE FILES
 * A file uses files of earlier lines, and files before it on its own line:
 *
 *	state and facts	host.c limit.c cores.c futex.c fence.c epwait.c
 *	time, memory	pause.c clock.c mem.c code.c
 *	the signal	signal.c watch.c timer.c preempt.c handler.c
 *	idle CPU	idle.c
 *	host threads	identity.c helper.c outside.c trap.c
 *	one call	hostkind.c hosttotal.c hostopen.c iocommon.c pool.c
 *			gate.c hostcall.c
 *	carriers	retry.c carrier.c
 *	back ends	io_epoll.c io_uring.c io.c
 *	the host	vcpu.c boot.c
 *
 * All of them are above machine/ and machine/x86_64/.  Calls up are pointers:
 * the handler of signal.c, what a carrier of pool.c runs, and the functions of
 * the back end in use, which idle.c calls.
 *
 * LEGEND of the fields, by what writes them: (i) boot, start and stop only
 *	(c) the CPU's own host thread   (h) that thread and its signal handler
 *	(a) any host thread, atomically
 */
#ifndef LWKT_MACHINE_LINUX_HOST_H
#define LWKT_MACHINE_LINUX_HOST_H

#include <lwkt/types.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "machine/machine.h"

struct before;
struct hostio;
struct hostio_stats;
struct linux_iops;

/* h_where: what a CPU with RQF_SLEEPING waits in. */
#define WAIT_FUTEX	0u
#define WAIT_IO		1u

struct machine_host {
	LWKT_CACHEALIGN
	struct mcpu	*h_mc;		/* (i) */
	uint32_t	 h_where;	/* (a) WAIT_*; set by the CPU alone */

	/* Timer (timer.c).  Times are in ns; INT64_MAX: none. */
	int64_t		 h_deadline;	/* (h) when RQF_TIMER is due */
	int64_t		 h_armed;	/* (h) what h_timer is set to */
	int64_t		 h_quiet;	/* (c) lower bound for h_timer */
	int		 h_fired;	/* (h) 1: h_quiet must be set again */
	timer_t		 h_timer;	/* (i) the timer for h_deadline */
	timer_t		 h_watch;	/* (i) the timer of watch.c */
	int		 h_watched;	/* (i) 1: h_watch exists */

	/* Idle (idle.c). */
	int64_t		 h_idle_avg;	/* (c) average of recent waits, ns */
	int64_t		 h_idle_since;	/* (c) start of the last wait, ns */

	/* The back end of machine_io.h. */
	void		*h_io;		/* (c) its state of this CPU, or NULL */

	/* Start and stop (vcpu.c, identity.c). */
	pthread_t	 h_pthread;	/* (i) */
	pid_t		 h_tid;		/* (i) 0: not started, or ended */
	int		 h_core;	/* (i) core to start on; -1: any */
	void		*h_altstack;	/* (i) stack of signal handlers */
	size_t		 h_altsize;	/* (i) its bytes, guard included */
	struct before	*h_before;	/* (i) restored when the CPU ends */
};

/* host.c: the private part of CPU i, and the back end in use or NULL. */
extern struct machine_host lwkt__hosts[LWKT_MAXCPU];
extern const struct linux_iops *lwkt__iops;

/* The private part of the calling CPU; CPU only. */
static inline struct machine_host *
myhost(void)
{
	return mycpu_m()->mc_host;
}

/*
 * An I/O back end; machine_io.h describes the operations.  All functions are
 * called on the CPU's own host thread, except io_probe (at boot) and io_wake
 * (any host thread).
 */
struct linux_iops {
	const char *io_name;		/* "io_uring", "epoll" */
	/* Returns 0 if the host allows this back end, else an errno. */
	int	(*io_probe)(void);
	/*
	 * Called before the CPU's first code; sets h_io.  Returns 0 or an
	 * errno.
	 */
	int	(*io_init)(struct machine_host *h);
	/*
	 * Called after the CPU's last code.  Ends all operations and drops
	 * their results: io_done is not called.
	 */
	void	(*io_fini)(struct machine_host *h);

	int64_t	(*io_try)(struct machine_host *h, struct hostio *io);
	void	(*io_submit)(struct machine_host *h, struct hostio *io);
	void	(*io_cancel)(struct machine_host *h, struct hostio *io);
	void	(*io_forget)(struct machine_host *h, int fd);
	const struct hostio_stats *(*io_stats)(struct machine_host *h);
	int	(*io_poll)(struct machine_host *h);
	unsigned (*io_pending)(struct machine_host *h);

	/*
	 * If io_poll has work already, returns nonzero at once.  Otherwise
	 * hands to the host the submitted operations that the host has not got
	 * yet, and waits for a completion, io_wake, a signal or timeout_ns (-1
	 * means no limit); it may return early.  Returns nonzero if io_poll has
	 * work then; the caller sets RQF_INTPEND.  Never calls io_done.
	 */
	int	(*io_wait)(struct machine_host *h, int64_t timeout_ns);
	/* As io_wait, but does not wait; cheap enough for a polling loop. */
	int	(*io_ready)(struct machine_host *h);
	/*
	 * Ends the CPU's io_wait.  If none has begun, ends the next one, unless
	 * io_ready or io_poll takes the wake-up before.
	 */
	void	(*io_wake)(struct machine_host *h);
};

/* io.c: chooses a back end.  Returns 0 or an errno. */
int	lwkt__io_boot(void);

/* cores.c: the cores that the process may use, found at boot. */
struct cores {
	int	co_n;			/* how many, LWKT_MAXCPU at most */
	int	co_quota;		/* cgroup's limit rounded up; 0: none */
	int	co_ncpus;		/* CPUs of this boot */
	int	co_core[LWKT_MAXCPU];	/* their numbers; -1: not known */
	int	co_first;		/* index in co_core of CPU 0's core */
};
extern struct cores lwkt__cores;
/* Decides the number of CPUs; want 0: LWKT_NCPU or the host.  0 or an errno. */
int	lwkt__cores_boot(int want);

/* cgroup.c: limits of the process's cgroups, 0: none. */
int	lwkt__cgroup_quota(const char *self_cgroup, const char *mountinfo);
uint64_t lwkt__cgroup_memory(const char *self_cgroup, const char *mountinfo);

/* clock.c */
void	lwkt__clock_boot(void);
const char *lwkt__clock_name(void);
int64_t	lwkt__clock_offset(void);

/* fence.c */
void	lwkt__fence_boot(void);

/* signal.c: the signal that interrupts CPUs. */
int	lwkt__signal_boot(void (*handler)(int, siginfo_t *, void *));
void	lwkt__signal_shutdown(void);
int	lwkt__signal_number(void);	/* 0: no signal is chosen */
/*
 * Panics if the program has replaced the handler; else unblocks the signal.  On
 * the CPU's host thread.
 */
void	lwkt__signal_check(void);

/* timer.c: called on the CPU's host thread. */
int	lwkt__timer_start(struct machine_host *h);	/* 0 or an errno */
void	lwkt__timer_stop(struct machine_host *h);
void	lwkt__timer_gone_off(struct mcpu *mc);	/* in the signal handler */
void	lwkt__timer_again(struct machine_host *h, int64_t at_ns); /* (h) */

/*
 * code.c: a range of registered code.  lwkt__code_find is async-signal-safe.
 */
struct code {
	uintptr_t	 c_lo;		/* (i) */
	uintptr_t	 c_hi;		/* (a) end; 0: unregistered */
	uintptr_t	 c_end;		/* (i) end of the range, always */
	const uint8_t	*c_table;	/* (i) .eh_frame_hdr of its module */
	int		 c_own;		/* (i) the library's: not interrupted */
};
void	lwkt__code_boot(void);
const struct code *lwkt__code_find(uintptr_t pc);
const char *lwkt__code_off(void);	/* see code.c */

/* handler.c: the signal and its handler. */
int	lwkt__handler_boot(const struct machine_upcalls *up);

/* preempt.c */
void	lwkt__preempt_boot(const struct machine_upcalls *up);

/* watch.c */
void	lwkt__watch_boot(const struct machine_upcalls *up);
void	lwkt__watch_start(struct machine_host *h);	/* on h's host thread */
void	lwkt__watch_stop(struct machine_host *h);
/* In the signal handler.  Returns 0 if the signal is for timer.c, else 1. */
int	lwkt__watch_signal(struct mcpu *mc, const siginfo_t *si,
	    void *ucontext);

/* mem.c */
void	lwkt__mem_boot(void);
void	lwkt__mem_forked(void);		/* in a child of fork */
const char *lwkt__mem_guard_name(void);
int	lwkt__mem_is_ours(uintptr_t addr);	/* async-signal-safe */
int	lwkt__mem_is_arena(uintptr_t addr);	/* async-signal-safe */

/* trap.c */
int	lwkt__trap_boot(const struct machine_upcalls *up);
void	lwkt__trap_shutdown(void);
void	lwkt__trap_mask(sigset_t *set, int cpu_sig);

/* limit.c: _refused prints, once per boot, that a CPU does not get `what`. */
enum limit { LIMIT_FILES, LIMIT_THREADS, LIMIT_SIGNALS, LIMIT_MEMORY };
void	lwkt__limit_boot(void);
int	lwkt__limit_stack(void);
void	lwkt__limit_refused(int cpu, const char *what, int error,
	    enum limit which);

/* outside.c: host threads that are not a CPU */
int	lwkt__outside_boot(void);		/* 0 or an errno */
void	lwkt__outside_shutdown(void);
const char *lwkt__outside_reason(void);		/* why a call fails */
int	lwkt__outside_is_nowhere(uintptr_t addr);

/*
 * Return the address of the calling host thread's control block; of a CPU it is
 * mc_hostid.
 */
static inline uintptr_t
lwkt__hostid(void)
{
	uintptr_t hostid;

	__asm__ __volatile__("movq %%fs:0,%0" : "=r" (hostid));
	return hostid;
}

/* What a host thread had before it became a CPU. */
struct before {
	sigset_t	b_mask;		/* blocked signals */
	stack_t		b_altstack;
	cpu_set_t	b_cores;	/* affinity; valid if b_pinned */
	int		b_pinned;	/* 1: the CPU is bound to its core */
	int		b_slack;	/* timer slack, ns */
	unsigned long	b_gs;		/* gs base */
};

/*
 * identity.c: turns a host thread into a CPU.  `nobody` is the gs base to give
 * to a host thread that is no CPU.
 */
int	lwkt__identity_boot(void);		/* 0 or an errno */
void	lwkt__identity_enter(struct machine_host *h, struct before *b);
void	lwkt__identity_leave(struct before *b);
int	lwkt__identity_bound(void);	/* 1: lwkt.pin=yes */
void	lwkt__identity_nobody(unsigned long nobody);
void	lwkt__identity_forked(unsigned long nobody);

/* vcpu.c */
int	lwkt__vcpu_boot(const struct machine_upcalls *up);

/* helper.c */
void	lwkt__helper_boot(void);
/* Stores the caller's affinity and blocked signals, which are the program's. */
void	lwkt__helper_before(void);
/* The calling helper blocks what the program blocks (1), or all signals (0). */
void	lwkt__helper_signals(int program);
size_t	lwkt__helper_tls(void);		/* bytes that libc takes of a stack */
/* A helper, a pthread that is no CPU. */
struct helper {
	void		*(*hp_fn)(void *arg);	/* what it runs */
	void		*hp_arg;
	const char	*hp_name;		/* of the pthread */
	pid_t		 hp_tid;		/* set by helper.c */
	struct helper	*hp_next;		/* set by helper.c */
};

/*
 * Creates a helper.  The helper starts with all signals blocked, and may run on
 * the cores that the program had, even if the CPU that creates it is bound to a
 * core.  *hp must stay valid until hp_fn begins.  Returns 0 or an errno.
 */
int	lwkt__helper_create(pthread_t *tp, size_t stack, struct helper *hp);
/* Returns whether the host thread is a helper that has not ended. */
int	lwkt__helper_is(pid_t tid);

/* idle.c */
void	lwkt__idle_start(struct machine_host *h);

/*
 * epwait.c: epoll_wait with a limit in ns (-1: none).  Returns the number of
 * events, or -1 after a signal.  Returns 0 after the limit, and perhaps
 * earlier, for example when the host refuses epoll_pwait2 for the first time.
 * Panics by lwkt__io_closed if the descriptor has been closed.
 */
struct epoll_event;
int	lwkt__epoll_wait(int epfd, struct epoll_event *events, int max,
	    int64_t timeout_ns);
void	lwkt__io_closed(const char *what) __lwkt_noreturn;

/*
 * futex.c: if *word is val, waits for a wake-up.  Returns 0 after a wake-up,
 * else an errno: EAGAIN (*word is not val), ETIMEDOUT, EINTR.  timeout_ns < 0
 * means no limit; then a signal ends the wait only if its handler has changed
 * *word, or was installed without SA_RESTART.
 */
int	lwkt__futex_wait(uint32_t *word, uint32_t val, int64_t timeout_ns);
void	lwkt__futex_wake(uint32_t *word, int n);

#endif
