/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pthread per CPU: start all or none, stop all.
 *
 * THEORY
 * The caller of machine_run becomes CPU 0; a pthread is created for each other
 * CPU.  Each CPU prepares itself (vcpu_enter), reports, and waits at the gate.
 * When all CPUs have reported, the caller opens the gate.  If one CPU could not
 * be created or prepared, the gate makes all of them end (GATE_HOME).  When its
 * main function has returned, a CPU waits for the others before it undoes
 * vcpu_enter, because until then a late doorbell may still reach it.
 *
 * The caller gets back what it had: affinity, signal mask, alternate stack,
 * timer slack, gs base.
 *
 * A pthread is a CPU if %gs:0 points at its struct mcpu (see machine.h) and a
 * thread-local variable does so too.  machine_oncpu() reads the variable.  A
 * pthread that a CPU creates inherits the gs base (Linux copies it), but starts
 * with that variable NULL.  outside.c handles host threads that are no CPU.
 *
 * Cores.  Pthreads, and children made by fork, vfork and posix_spawn, inherit
 * the affinity of the host thread that creates them, and no handler can undo
 * that for all of them.  So a CPU is moved to its core when it starts and is
 * then allowed on all cores of the process again: the host scheduler leaves a
 * thread on its core unless it has a reason.  A single CPU remains on the
 * caller's core.  lwkt.pin=yes binds each CPU to its core.
 *
 * Signals.  Each CPU has the signal mask of the caller of machine_run, without
 * the signals of faults and of the timers.  So a thread that raises a signal
 * gets it on every CPU, and a host thread or a child that a CPU creates
 * inherits the program's own mask.
 *
 * The host thread of a CPU must not end.  pthread_exit and pthread_cancel run
 * the destructors of thread-specific data; the one of `ended_key` panics.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kassert.h"
#include "base/stat_decl.h"
#include "machine/hostlib.h"
#include "machine/linux/host.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE	(1 << 1)
#endif

#define ALTSTACK_ROOM	(64 * 1024)	/* for a backtrace in the handler */

#define VCPU_STACK	(256 * 1024)	/* callbacks of the idle thread, too */

/* States of the gate. */
#define GATE_SHUT	0u
#define GATE_OPEN	1u
#define GATE_HOME	2u

#define PIN_NO		0
#define PIN_START	1
#define PIN_YES		2

static const char *const pin_names[] = { "no", "start", "yes", NULL };

TUNABLE_NAME(pin, "lwkt.pin", pin_names, PIN_START,
    "whether CPUs are bound to cores: no, start (put there once), yes");

struct machine_host lwkt__hosts[LWKT_MAXCPU];

/* (i) of its host thread while that carries a CPU; machine_oncpu(). */
extern __thread struct mcpu *lwkt__tls_mcpu;
__thread struct mcpu *lwkt__tls_mcpu
    __attribute__((tls_model("initial-exec")));

static const struct machine_upcalls *vcpu_up;	/* (i) */
static int has_fsgsbase;		/* (i) */
static cpu_set_t cores_before;		/* (i) the caller's */
static int cores_known;			/* (i) cores_before is valid */
static sigset_t mask_before;		/* (i) the caller's */
static pthread_key_t ended_key;		/* (i) */
static int ended_known;			/* (i) ended_key was made */
static size_t tls_bytes;		/* (i) libc takes it from each stack */

static struct {
	uint32_t	g_state;	/* (a) GATE_* */
	uint32_t	g_waiting;	/* (a) CPUs that have not reported */
	uint32_t	g_running;	/* (a) CPUs that have not finished */
	uint32_t	g_error;	/* (a) one of the errors reported */
} gate;

/* What a host thread had before it became a CPU. */
struct before {
	sigset_t	b_mask;
	stack_t		b_altstack;
	cpu_set_t	b_cores;
	int		b_pinned;
	int		b_slack;
	unsigned long	b_gs;
};

static unsigned long
gs_get(void)
{
	unsigned long base = 0;

	if (has_fsgsbase)
		__asm__ __volatile__("rdgsbase %0" : "=r" (base));
	else
		(void)syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static void
gs_set(unsigned long base)
{
	if (has_fsgsbase)
		__asm__ __volatile__("wrgsbase %0" :: "r" (base) : "memory");
	else
		(void)syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

/* Install an alternate signal stack with a guard page below it. */
static int
altstack_enter(struct machine_host *h, struct before *b)
{
	size_t page = machine_page_size();
	size_t size = roundup2(getauxval(AT_MINSIGSTKSZ) + ALTSTACK_ROOM,
	    page);
	stack_t ss;
	void *p;

	p = machine_fail("altstack") ? MAP_FAILED :
	    mmap(NULL, size + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return ENOMEM;
	(void)mprotect(p, page, PROT_NONE);
	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = (char *)p + page;
	ss.ss_size = size;
	if (sigaltstack(&ss, &b->b_altstack) != 0) {
		(void)munmap(p, size + page);
		return errno;
	}
	h->h_altstack = p;
	h->h_altsize = size + page;
	return 0;
}

static void
altstack_leave(struct machine_host *h, const struct before *b)
{
	(void)sigaltstack(&b->b_altstack, NULL);
	(void)munmap(h->h_altstack, h->h_altsize);
}

static void
unplace(struct before *b)
{
	if (b->b_pinned)
		(void)sched_setaffinity(0, sizeof(b->b_cores), &b->b_cores);
	b->b_pinned = 0;
}

/* Move the calling host thread to its core. */
static void
place(struct machine_host *h, struct before *b)
{
	cpu_set_t set;

	b->b_pinned = 0;
	if (pin == PIN_NO || (pin == PIN_START && lwkt__cores.co_ncpus == 1) ||
	    h->h_core < 0 || h->h_core >= CPU_SETSIZE ||
	    sched_getaffinity(0, sizeof(b->b_cores), &b->b_cores) != 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(h->h_core, &set);
	b->b_pinned = sched_setaffinity(0, sizeof(set), &set) == 0;
	if (pin == PIN_START)
		unplace(b);
}

/*
 * Set the mask of the caller of machine_run without the signals that a CPU
 * needs; the old mask goes to *before.
 */
static void
mask_enter(sigset_t *before)
{
	sigset_t mask = mask_before, take;

	lwkt__trap_mask(&take, lwkt__timer_signal());
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sigismember(&take, sig) == 1)
			(void)sigdelset(&mask, sig);
	(void)pthread_sigmask(SIG_SETMASK, &mask, before);
}

/* Make the calling host thread identify itself as CPU h (gs, TLS, errno). */
static void
identity_enter(struct machine_host *h, struct before *b)
{
	b->b_gs = gs_get();
	gs_set((unsigned long)h->h_mc);
	h->h_mc->mc_errnop = &errno;
	h->h_mc->mc_cxx = lwkt__cxx_globals();
	h->h_mc->mc_hostid = lwkt__hostid();
	lwkt__tls_mcpu = h->h_mc;
	(void)pthread_setspecific(ended_key, h->h_mc);
}

static void
identity_leave(const struct before *b)
{
	(void)pthread_setspecific(ended_key, NULL);
	lwkt__tls_mcpu = NULL;
	gs_set(b->b_gs);
}

/* Make the calling host thread CPU h; 0 or an errno, with all undone. */
static int
vcpu_enter(struct machine_host *h, struct before *b)
{
	int cpu = h->h_mc->mc_cpuid, error;

	h->h_before = b;
	h->h_pthread = pthread_self();
	h->h_tid = gettid();
	h->h_io = NULL;
	lwkt__idle_start(h);
	error = altstack_enter(h, b);
	if (error != 0) {
		lwkt__limit_refused(cpu, "a signal stack", error, LIMIT_MEMORY);
		return error;
	}
	error = lwkt__timer_start(h);
	if (error != 0) {
		lwkt__limit_refused(cpu, "a timer", error, LIMIT_SIGNALS);
		goto fail_altstack;
	}
	if (lwkt__iops != NULL)
		error = machine_fail("io.init") ? ENOMEM :
		    lwkt__iops->io_init(h);
	if (error != 0) {
		lwkt__limit_refused(cpu, lwkt__iops->io_name, error,
		    error == ENOMEM ? LIMIT_MEMORY : LIMIT_FILES);
		goto fail_timer;
	}
	place(h, b);
	b->b_slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	identity_enter(h, b);
	mask_enter(&b->b_mask);
	return 0;

fail_timer:
	lwkt__timer_stop(h);
fail_altstack:
	altstack_leave(h, b);
	return error;
}

/* Undo vcpu_enter, in the opposite order. */
static void
vcpu_leave(struct machine_host *h, struct before *b)
{
	__atomic_store_n(&h->h_tid, 0, __ATOMIC_RELAXED);
	lwkt__timer_stop(h);
	(void)pthread_sigmask(SIG_SETMASK, &b->b_mask, NULL);
	identity_leave(b);
	(void)prctl(PR_SET_TIMERSLACK, b->b_slack, 0, 0, 0);
	unplace(b);
	if (lwkt__iops != NULL)
		lwkt__iops->io_fini(h);
	altstack_leave(h, b);
}

static void
gate_report(int error)
{
	if (error != 0)
		atomic_store_32(&gate.g_error, (uint32_t)error);
	if (atomic_fetchadd_32(&gate.g_waiting, (uint32_t)-1) == 1)
		lwkt__futex_wake(&gate.g_waiting, 1);
}

/* Wait until every CPU has finished; the last one wakes the others. */
static void
gate_finish(void)
{
	uint32_t left;

	if (atomic_fetchadd_32(&gate.g_running, (uint32_t)-1) == 1)
		machine_foreign_wake(&gate.g_running);
	while ((left = atomic_load_acq_32(&gate.g_running)) != 0)
		(void)lwkt__futex_wait(&gate.g_running, left, -1);
}

static void
vcpu_main(struct machine_host *h)
{
	vcpu_up->mu_cpu_main(h->h_mc);
	gate_finish();
}

static void *
vcpu_thread(void *arg)
{
	struct machine_host *h = arg;
	struct before b;
	char name[16];
	int error;

	(void)snprintf(name, sizeof(name), "lwkt/%d", h->h_mc->mc_cpuid);
	(void)pthread_setname_np(pthread_self(), name);
	error = vcpu_enter(h, &b);
	gate_report(error);
	machine_foreign_wait(&gate.g_state, GATE_SHUT);
	if (error != 0)
		return NULL;
	if (atomic_load_acq_32(&gate.g_state) == GATE_OPEN)
		vcpu_main(h);
	vcpu_leave(h, &b);
	return NULL;
}

/*
 * Create the pthread of CPU h, with at least VCPU_STACK of stack: the default
 * of pthreads may be too small (ulimit -s).
 */
static int
vcpu_pthread(struct machine_host *h)
{
	size_t least = VCPU_STACK + tls_bytes, size = 0;
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error != 0)
		return error;
	(void)pthread_attr_getstacksize(&attr, &size);
	if (size < least)
		error = pthread_attr_setstacksize(&attr, least);
	if (error == 0)
		error = pthread_create(&h->h_pthread, &attr, vcpu_thread, h);
	(void)pthread_attr_destroy(&attr);
	return error;
}

/*
 * Create CPUs 1 to n-1, with all signals blocked.  Returns the number of the
 * first CPU that was not created, or n.
 */
static int
vcpu_create(int n)
{
	struct machine_host *h;
	sigset_t all, mask;
	int error, i;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &mask);
	for (i = 1; i < n; i++) {
		h = &lwkt__hosts[i];
		atomic_fetchadd_32(&gate.g_waiting, 1);
		error = machine_fail("vcpu.start") ? EAGAIN :
		    vcpu_pthread(h);
		if (error != 0) {
			lwkt__limit_refused(i, "the host thread", error,
			    LIMIT_THREADS);
			gate_report(error);
			break;
		}
	}
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return i;
}

static void
vcpu_assign(struct mcpu *const mc[], int n)
{
	const struct cores *co = &lwkt__cores;
	struct machine_host *h;

	for (int i = 0; i < n; i++) {
		h = &lwkt__hosts[i];
		memset(h, 0, sizeof(*h));
		h->h_mc = mc[i];
		h->h_core = co->co_core[(co->co_first + i) % co->co_n];
		mc[i]->mc_self = mc[i];
		mc[i]->mc_host = h;
		mc[i]->mc_cpuid = i;
	}
}

/* Run the CPUs.  Any host thread that is no CPU; blocks until all CPUs end. */
int
machine_run(struct mcpu *const mc[], int n)
{
	struct before b;
	uint32_t left;
	int created, entered, error;

	KASSERTF(n >= 1 && n <= LWKT_MAXCPU, "%d CPUs: must be 1 to "
	    "LWKT_MAXCPU", n);
	KASSERT(machine_oncpu() == NULL);
	cores_known = sched_getaffinity(0, sizeof(cores_before),
	    &cores_before) == 0;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	vcpu_assign(mc, n);
	memset(&gate, 0, sizeof(gate));
	gate.g_running = (uint32_t)n;
	created = vcpu_create(n);
	error = entered = vcpu_enter(&lwkt__hosts[0], &b);
	while ((left = atomic_load_acq_32(&gate.g_waiting)) != 0)
		(void)lwkt__futex_wait(&gate.g_waiting, left, -1);
	if (error == 0)
		error = (int)atomic_load_32(&gate.g_error);
	atomic_store_rel_32(&gate.g_state, error == 0 ? GATE_OPEN : GATE_HOME);
	machine_foreign_wake(&gate.g_state);
	if (error == 0)
		vcpu_main(&lwkt__hosts[0]);
	if (entered == 0)
		vcpu_leave(&lwkt__hosts[0], &b);
	for (int i = 1; i < created; i++)
		(void)pthread_join(lwkt__hosts[i].h_pthread, NULL);
	return error;
}

/* Add the size of the thread-local data of one module of the program. */
static int
tls_add(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *bytes = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*bytes += info->dlpi_phdr[i].p_memsz +
			    info->dlpi_phdr[i].p_align;
	return 0;
}

int
lwkt__helper_create(pthread_t *tp, size_t stack, void *(*fn)(void *),
    void *arg)
{
	pthread_attr_t attr;
	sigset_t all;
	int error;

	error = pthread_attr_init(&attr);
	if (error != 0)
		return error;
	(void)sigfillset(&all);
	error = pthread_attr_setsigmask_np(&attr, &all);
	if (error == 0)
		error = pthread_attr_setstacksize(&attr, stack + tls_bytes);
	/* From a bound CPU (lwkt.pin=yes) it would inherit the core. */
	if (error == 0 && cores_known && pin == PIN_YES)
		error = pthread_attr_setaffinity_np(&attr,
		    sizeof(cores_before), &cores_before);
	if (error == 0)
		error = pthread_create(tp, &attr, fn, arg);
	(void)pthread_attr_destroy(&attr);
	return error;
}

/* Destructor of ended_key: panic, because the host thread of a CPU ends. */
static void
vcpu_ended(void *arg)
{
	const struct mcpu *mc = arg;

	lwkt_panic("the host thread of cpu %d ends: a thread called "
	    "pthread_exit, or it was cancelled", mc->mc_cpuid);
}

/*
 * In a child of fork, whose only thread is no CPU: undo what vcpu_enter changed
 * and fork copied (identity, timer slack, affinity).
 */
void
lwkt__vcpu_forked(unsigned long nobody)
{
	struct machine_host *h;

	for (h = lwkt__hosts; h < lwkt__hosts + LWKT_MAXCPU; h++) {
		if (h->h_tid == 0 ||
		    !pthread_equal(h->h_pthread, pthread_self()))
			continue;
		identity_leave(h->h_before);
		(void)prctl(PR_SET_TIMERSLACK, h->h_before->b_slack, 0, 0, 0);
		unplace(h->h_before);
	}
	if (lwkt__mem_is_ours(gs_get()))	/* made by a CPU */
		gs_set(nobody);
}

/*
 * Mark the first thread of the program as no CPU, before the first boot.  A gs
 * base that the program has set stays.
 */
void
lwkt__vcpu_nobody(unsigned long nobody)
{
	has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
	if (gs_get() == 0)
		gs_set(nobody);
}

int
lwkt__vcpu_boot(const struct machine_upcalls *up)
{
	int error = ended_known ? 0 : pthread_key_create(&ended_key,
	    vcpu_ended);

	ended_known |= error == 0;
	tls_bytes = 0;
	(void)dl_iterate_phdr(tls_add, &tls_bytes);
	vcpu_up = up;
	has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0 &&
	    !machine_fail("vcpu.fsgsbase");
	return error;
}
