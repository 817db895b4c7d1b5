/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pthread per CPU: start all or none, stop all.
 *
 * THEORY
 * The caller of machine_run becomes CPU 0; a pthread is created for each other
 * CPU.  Each CPU prepares itself (vcpu_enter).  A pthread then reports, and
 * waits at the gate.  When all pthreads have reported, the caller opens the
 * gate.  If one CPU could not be created or prepared, the gate makes all of
 * them end (GATE_ABORT).  When its main function has returned, a CPU waits for
 * the others before it undoes vcpu_enter, because until then a late doorbell
 * may still reach it.
 *
 * The caller gets back what it had: signal mask, alternate stack, and what
 * identity.c has changed.
 *
 * Signals.  Each CPU has the signal mask of the caller of machine_run, without
 * the signals of trap.c and the one that interrupts CPUs.  So raise(3) has the
 * same effect on every CPU, and a host thread or a child that a CPU creates
 * inherits the mask of the program, without these signals.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

#define ALTSTACK_ROOM	(64 * 1024)	/* bytes; a backtrace in the handler */
#define VCPU_STACK	(256 * 1024)	/* bytes; idle thread and callbacks */

/* States of the gate. */
#define GATE_CLOSED	0u		/* the CPUs wait */
#define GATE_OPEN	1u		/* the CPUs run */
#define GATE_ABORT	2u		/* the CPUs end: the boot has failed */

static const struct machine_upcalls *vcpu_up;	/* (i) */
static sigset_t mask_before;		/* (i) mask of machine_run's caller */

static struct {
	uint32_t	g_state;	/* (a) GATE_* */
	uint32_t	g_waiting;	/* (a) pthreads yet to report */
	uint32_t	g_running;	/* (a) CPUs that have not finished */
	uint32_t	g_error;	/* (a) an errno reported, or 0 */
} gate;

/*
 * Install an alternate signal stack with a guard page below it.  Returns 0 or
 * an errno.
 */
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

/*
 * Give the calling host thread the signal mask that the caller of machine_run
 * had, without the signals that a CPU needs.  Stores the old mask in *before.
 */
static void
mask_enter(sigset_t *before)
{
	sigset_t mask = mask_before, take;

	lwkt__trap_mask(&take, lwkt__signal_number());
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sigismember(&take, sig) == 1)
			(void)sigdelset(&mask, sig);
	(void)pthread_sigmask(SIG_SETMASK, &mask, before);
}

/*
 * Make the calling host thread CPU h, and return 0.  If a step fails, undo the
 * ones before it and return an errno.
 */
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
	lwkt__identity_enter(h, b);
	mask_enter(&b->b_mask);
	return 0;

fail_timer:
	lwkt__timer_stop(h);
fail_altstack:
	altstack_leave(h, b);
	return error;
}

/*
 * Undo vcpu_enter.  The timers are stopped before the mask is restored, which
 * may block their signal (lwkt__timer_stop).
 */
static void
vcpu_leave(struct machine_host *h, struct before *b)
{
	__atomic_store_n(&h->h_tid, 0, __ATOMIC_RELAXED);
	lwkt__timer_stop(h);
	(void)pthread_sigmask(SIG_SETMASK, &b->b_mask, NULL);
	lwkt__identity_leave(b);
	if (lwkt__iops != NULL)
		lwkt__iops->io_fini(h);
	altstack_leave(h, b);
}

/* Report to machine_run that a pthread is prepared (0), or its errno. */
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
	machine_foreign_wait(&gate.g_state, GATE_CLOSED);
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
	size_t least = VCPU_STACK + lwkt__helper_tls(), size = 0;
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

/* Connect each CPU with its machine_host, and choose the core for its start. */
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

/*
 * Run the CPUs.  Returns 0 after all have ended, or an errno if one of them
 * could not be started; then none has run.  Any host thread that is no CPU;
 * blocks until all CPUs end.
 */
int
machine_run(struct mcpu *const mc[], int n)
{
	struct before b;
	uint32_t left;
	int created, entered, error;

	KASSERTF(n >= 1 && n <= LWKT_MAXCPU, "%d CPUs: must be 1 to "
	    "LWKT_MAXCPU", n);
	KASSERT(machine_oncpu() == NULL);
	lwkt__helper_before();
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
	atomic_store_rel_32(&gate.g_state, error == 0 ? GATE_OPEN : GATE_ABORT);
	machine_foreign_wake(&gate.g_state);
	if (error == 0)
		vcpu_main(&lwkt__hosts[0]);
	if (entered == 0)
		vcpu_leave(&lwkt__hosts[0], &b);
	for (int i = 1; i < created; i++)
		(void)pthread_join(lwkt__hosts[i].h_pthread, NULL);
	return error;
}

int
lwkt__vcpu_boot(const struct machine_upcalls *up)
{
	vcpu_up = up;
	lwkt__helper_boot();
	return lwkt__identity_boot();
}
