/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of a panic: the thread that failed, its backtrace, and what all
 * other threads were doing.
 *
 * THEORY
 * The report runs where the failure is, on whatever stack is left.  So it
 * allocates nothing and takes no lock.  A fault is reported from the host's
 * signal handler, on the alternate stack.  If the address lies in the guard of
 * a thread's stack, that stack has overflowed (vm/ knows the stacks).
 *
 * The parts that cannot fail are printed first: the reason, the thread, the
 * backtrace.  Then the other CPUs are stopped (halt.c) and printed, then all
 * threads, and the last trace records.  The simulated host prints no trace
 * records here: it adds its own report when the process aborts.
 */
#include "kern/cpu/kern_ops.h"
#include "kern/trouble/debug_var.h"

/* Print one line about td, which runs on cpu.  The word `what` begins it. */
static void
report_thread(const char *what, lwkt_thread_t td, int cpu)
{
	lwkt_printf("lwkt: %s thread \"%s\" (id %llu, priority %d) on cpu %d, "
	    "critical sections %d, stack %zu bytes at %p", what, td->td_name,
	    (unsigned long long)td->td_id, td->td_pri, cpu, td->td_critcount,
	    td->td_stksize, td->td_stack);
}

/*
 * Stop and print all other CPUs, then print all threads, and on a real host the
 * last trace records.  The CPUs stay stopped.
 */
static void
report_others(void)
{
	(void)halt_others(HALT_FOREVER);
	show_cpus();
	show_threads();
	if (!config_host_sim)
		show_trace();
}

/* Called by lwkt_panic() after it has printed its message: print the rest. */
static void
panic_report(const char *msg)
{
	struct mcpu *mc = machine_oncpu();
	void *pcs[BT_MAX];

	(void)msg;
	if (mc != NULL)
		report_thread("in", mc->mc_curthread, mc->mc_cpuid);
	else
		lwkt_printf("lwkt: on a pthread that is no cpu");
	machine_backtrace_print(pcs, machine_backtrace(pcs, BT_MAX, NULL,
	    NULL));
	report_others();
}

void
panic_boot(void)
{
	lwkt__panic_hook = panic_report;
}

/*
 * mu_fault: report a fault.  On a host thread that is no CPU (mc is NULL),
 * print the fault and the backtrace only.  Signal handler, on the alternate
 * stack.
 */
void
panic_fault(struct mcpu *mc, const struct machine_fault *mf)
{
	lwkt_thread_t td = NULL;
	void *pcs[BT_MAX];

	if (mc == NULL) {
		lwkt_printf("lwkt: %s:", mf->mf_what);
		machine_backtrace_print(pcs, machine_backtrace(pcs, BT_MAX,
		    NULL, mf->mf_ucontext));
		return;
	}
	if (mf->mf_touched && lwkt__kern_ops.ko_fault_thread != NULL)
		td = lwkt__kern_ops.ko_fault_thread(mf->mf_addr);
	if (td != NULL) {
		lwkt_printf("lwkt: stack overflow: thread \"%s\" on cpu %d, "
		    "stack %zu bytes, address %#lx (sp %#lx)", td->td_name,
		    mc->mc_cpuid, td->td_stksize, (unsigned long)mf->mf_addr,
		    (unsigned long)mf->mf_sp);
	} else {
		lwkt_printf("lwkt: %s at %s%#lx (sp %#lx)", mf->mf_what,
		    mf->mf_touched ? "" : "instruction ",
		    (unsigned long)mf->mf_addr, (unsigned long)mf->mf_sp);
	}
	report_thread("in", mc->mc_curthread, mc->mc_cpuid);
	machine_backtrace_print(pcs, machine_backtrace(pcs, BT_MAX, NULL,
	    mf->mf_ucontext));
	report_others();
}

/*
 * mu_escape: report in one line that a C++ exception leaves a thread or a
 * callback, and return.  The C++ runtime then prints the exception, and a
 * handler of std::terminate() may print more.  forced: not an exception, but
 * pthread_exit() or a cancellation leaves the thread; on a CPU, panic.
 */
void
panic_escape(struct mcpu *mc, int forced)
{
	const struct globaldata *gd = (const void *)mc;

	if (mc == NULL) {
		lwkt_printf("lwkt: an exception leaves a callback on a "
		    "pthread that is no cpu");
		return;
	}
	if (forced)
		lwkt_panic("pthread_exit or a cancellation in thread \"%s\"; "
		    "only lwkt_exit may end a thread",
		    mc->mc_curthread->td_name);
	lwkt_printf("lwkt: an exception leaves %s \"%s\" on cpu %d",
	    gd->gd_intr_nesting != 0 || gd->gd_cscount != 0 ?
	    "a callback in thread" : "thread", mc->mc_curthread->td_name,
	    mc->mc_cpuid);
}

/*
 * mu_deadlock: print the thread of each CPU and the cycles of waiting threads,
 * and panic: no CPU can run again.  Simulated host.
 */
void
panic_deadlock(void)
{
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		report_thread("deadlock:", gd_find(cpu)->gd_m.mc_curthread,
		    cpu);
	deadlock_cycles();
	lwkt_panic("deadlock: every cpu is idle and no timer is armed");
}
