/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turn a host thread into a CPU, and back into a plain host thread.
 *
 * THEORY
 * A pthread is a CPU if its gs base is the address of a struct mcpu (see
 * machine.h) and the thread-local variable lwkt__tls_mcpu has that address too.
 * machine_oncpu() reads the variable.  A pthread that a CPU creates inherits
 * the gs base (Linux copies it), but starts with the variable NULL.  outside.c
 * handles host threads that are no CPU.
 *
 * Cores.  Pthreads, and children made by fork, vfork and posix_spawn, inherit
 * the affinity of the host thread that creates them, and no handler can undo
 * that for all of them.  So by default (lwkt.pin=start) a CPU is moved to its
 * core when it starts, and then gets its old affinity again: Linux seldom moves
 * a host thread from its core without a reason.  A single CPU is not moved: it
 * remains on the core of the caller of the boot.  lwkt.pin=yes binds each CPU
 * to its core, also a single one; lwkt.pin=no moves none.
 *
 * The timer slack of a CPU is 1 ns, so that the wait of an idle CPU ends at its
 * deadline.
 *
 * The host thread of a CPU must not end.  pthread_exit and pthread_cancel run
 * the destructors of thread-specific data; the one of `ended_key` panics.
 *
 * A host thread that ceases to be a CPU gets back what it had: gs base, timer
 * slack, affinity.  So does the only host thread of a child, if a CPU called
 * fork(3): it inherits all three from the CPU.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
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

/* Values of lwkt.pin. */
#define PIN_NO		0
#define PIN_START	1
#define PIN_YES		2

static const char *const pin_names[] = { "no", "start", "yes", NULL };

TUNABLE_NAME(pin, "lwkt.pin", pin_names, PIN_START,
    "whether CPUs are bound to cores: no, start (put there once), yes");

static int has_fsgsbase;		/* (i) user mode may set the gs base */
static pthread_key_t ended_key;		/* (i) */
static int ended_known;			/* (i) ended_key was made */

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

static void
unplace(struct before *b)
{
	if (b->b_pinned)
		(void)sched_setaffinity(0, sizeof(b->b_cores), &b->b_cores);
	b->b_pinned = 0;
}

/*
 * Move the calling host thread, which becomes CPU h, to its core if lwkt.pin
 * says so and the core is known.  If the host thread stays bound there, b_cores
 * is its old affinity and b_pinned is 1; else b_pinned is 0.
 */
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
 * Make the calling host thread CPU h: move it to the CPU's core, set the gs
 * base and lwkt__tls_mcpu, and store the addresses of the host thread's errno
 * and C++ state in the mcpu.  The old affinity, timer slack and gs base are
 * stored in *b.
 */
void
lwkt__identity_enter(struct machine_host *h, struct before *b)
{
	place(h, b);
	b->b_slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	b->b_gs = gs_get();
	gs_set((unsigned long)h->h_mc);
	h->h_mc->mc_errnop = &errno;
	h->h_mc->mc_cxx = lwkt__cxx_globals();
	h->h_mc->mc_hostid = lwkt__hostid();
	lwkt__tls_mcpu = h->h_mc;
	(void)pthread_setspecific(ended_key, h->h_mc);
}

/* Undo lwkt__identity_enter. */
void
lwkt__identity_leave(struct before *b)
{
	(void)pthread_setspecific(ended_key, NULL);
	lwkt__tls_mcpu = NULL;
	gs_set(b->b_gs);
	(void)prctl(PR_SET_TIMERSLACK, b->b_slack, 0, 0, 0);
	unplace(b);
}

/*
 * Make the only host thread of a child of fork a plain one.  If it was a CPU,
 * undo lwkt__identity_enter().  A pthread that a CPU had created has the gs
 * base of that CPU: set its gs base to `nobody`.
 */
void
lwkt__identity_forked(unsigned long nobody)
{
	struct machine_host *h;

	for (h = lwkt__hosts; h < lwkt__hosts + LWKT_MAXCPU; h++) {
		if (h->h_tid == 0 ||
		    !pthread_equal(h->h_pthread, pthread_self()))
			continue;
		lwkt__identity_leave(h->h_before);
	}
	if (lwkt__mem_is_ours(gs_get()))	/* a pthread made by a CPU */
		gs_set(nobody);
}

/*
 * Mark the calling host thread, which loads the library, as no CPU.  A gs base
 * that the program has set stays.
 */
void
lwkt__identity_nobody(unsigned long nobody)
{
	has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
	if (gs_get() == 0)
		gs_set(nobody);
}

/* Is each CPU to be bound to its core? */
int
lwkt__identity_bound(void)
{
	return pin == PIN_YES;
}

/* Destructor of ended_key: panic, because the host thread of a CPU ends. */
static void
identity_ended(void *arg)
{
	const struct mcpu *mc = arg;

	lwkt_panic("the host thread of cpu %d ends: a thread called "
	    "pthread_exit, or it was cancelled", mc->mc_cpuid);
}

int
lwkt__identity_boot(void)
{
	int error = ended_known ? 0 : pthread_key_create(&ended_key,
	    identity_ended);

	ended_known |= error == 0;
	has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0 &&
	    !machine_fail("vcpu.fsgsbase");
	return error;
}
