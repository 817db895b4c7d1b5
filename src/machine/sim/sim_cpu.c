/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUs of the simulated host: N of them on one host thread.
 *
 * THEORY
 * A CPU that does not run is suspended inside sim_switch(), on the stack that
 * the kernel last gave it (a thread's, the idle thread's, or its first stack).
 * Only its stack pointer, its errno and its C++ exceptions are kept.  A choice
 * point asks the explorer which CPU goes on, and switches to it.  So a CPU runs
 * alone between two choice points, and the explorer can reach every
 * interleaving at that granularity: under sequential consistency, or with store
 * buffers (sim_store.c).  A CPU that waits, or has stopped for good, is not
 * among those that the explorer may choose (sim_wake.c).
 *
 * CPU 0 begins on the stack of machine_run's caller.  The others have stacks of
 * their own, which are kept from run to run.  The last CPU to stop switches
 * back to CPU 0.
 *
 * INVARIANTS
 * SC1 lwkt__sim_mcpu is the CPU that runs; NULL outside machine_run() and in a
 *    function of HIO_CALL (sim_io.c).
 *
 * For the checkers: the kernel may have changed stacks on a CPU since that CPU
 * was last suspended.  So each switch describes anew the fiber of the CPU that
 * it suspends (fiber_init_host); the CPU that goes on then learns the bounds of
 * that CPU's stack.
 *
 * Source: the idea of Shuttle and Coyote, with a CPU in place of a task.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/kassert.h"
#include "machine/hostlib.h"
#include "machine/sim/sim_var.h"

#define STACK_SIZE	((size_t)256 * 1024)	/* a CPU's first stack */
#define POLLS		3	/* of an idle CPU before it halts */


static struct sim *const sim = &lwkt__sim;
static char *cpu_stack[SIM_MAXCPU];	/* kept for the process's life */
static uint32_t stopped;		/* CPUs stopped in this process, ever */

/*
 * Exchange the C++ exceptions of the host thread (shared) and of a CPU (own).
 * All CPUs use those of the host thread, which are empty while no CPU runs.  So
 * a CPU saves its exceptions when it leaves, and restores them when it goes on.
 */
static inline void
sim_cxx_swap(struct machine_cxx *shared, struct machine_cxx *own)
{
	struct machine_cxx cx;

	if (shared == NULL)
		return;
	cx = *shared;
	*shared = *own;
	*own = cx;
}

/*
 * Suspend `from`, the CPU that runs, and let `to` go on.  Returns when a CPU
 * switches back to `from`.  `dying` is set if no CPU ever does.
 */
static void
sim_switch(struct machine_host *from, struct machine_host *to, int dying)
{
	struct machine_host *prev;

	from->h_errno = errno;
	sim_cxx_swap(from->h_mc->mc_cxx, &from->h_cxx);
	fiber_init_host(&from->h_fiber);
	lwkt__sim_mcpu = to->h_mc;				/* SC1 */
	sim->s_switches++;
	sim_fiber_begin(&from->h_fiber, &to->h_fiber, dying);
	prev = lwkt__machine_switch(&from->h_sp, to->h_sp, from);
	fiber_switch_end(&from->h_fiber, &prev->h_fiber);
	errno = from->h_errno;
	sim_cxx_swap(from->h_mc->mc_cxx, &from->h_cxx);
}

/* Advance the clock until a CPU can run; report and abort if none ever can. */
static void
sim_await_runnable(void)
{
	while (sim->s_runnable == 0) {
		sim_probe_wait(sim_time_next());
		if (!sim_time_jump())
			sim_die("deadlock: every CPU waits, no timer armed");
	}
}

/* Call the kernel's watchdog; choice points in it do nothing. */
static void
sim_watch(struct machine_host *self)
{
	self->h_watch = 0;
	choice_drain();
	lwkt__sim.s_muted++;
	if (sim->s_up->mu_watch != NULL)
		sim->s_up->mu_watch(self->h_mc, NULL);
	lwkt__sim.s_muted--;
}

/*
 * Do one choice point of `self`, the CPU that runs: advance the clock, choose
 * the CPU that goes on, and switch to it.  If self has just begun to wait, it
 * is chosen only if an event ends its wait at once.  Returns when self goes on.
 */
static void
sim_step(enum choice kind, struct machine_host *self, void *pc)
{
	uint64_t r = rng_next(&sim->s_rng);
	int next;

	if (++sim->s_steps > sim->s_max_steps)
		sim_die("livelock: more choice points in one run than "
		    "LWKT_SIM_STEPS");
	sim_time_tick((uint32_t)r);
	if (self->h_watch != 0 && self->h_watch <= sim->s_now &&
	    self->h_state == SIM_RUNNABLE)
		sim_watch(self);
	sim_await_runnable();
	next = sim_explore_pick(kind, self->h_cpu, (uint32_t)(r >> 32));
	sim_trace_step(kind, self->h_cpu, next, pc);
	if (next == self->h_cpu)
		return;
	if (lwkt__stores)
		sim_store_leave(kind);
	sim_switch(self, &sim->s_host[next], 0);
	if (lwkt__stores)
		sim_store_arrive();
}

/*
 * Meet a choice point: another CPU may go on, and a signal may come.  Outside
 * machine_run() and while s_muted is not 0, nothing happens.
 */
void
lwkt__choice(enum choice kind)
{
	if (lwkt__sim_mcpu == NULL || sim->s_muted != 0)
		return;
	sim_enter();
	if (lwkt__stores)
		sim_store_step(__builtin_frame_address(0));
	sim_step(kind, lwkt__sim_mcpu->mc_host, __builtin_return_address(0));
	sim_probe(kind, lwkt__sim_mcpu->mc_cpuid);
	sim_leave();
	sim_signal_point(kind);
}

/*
 * Poll a few times before the CPU halts.  Returns 1 as soon as *word is val.
 * Returns 0 after POLLS turns, or as soon as the CPU has a request (RQF_WAKE).
 * word may be NULL.
 */
int
machine_poll(struct mcpu *mc, const uint32_t *word, uint32_t val)
{
	int turns;

	for (turns = 0; turns < POLLS; turns++) {
		if (word != NULL && atomic_load_acq_32(word) == val)
			return 1;
		if (atomic_load_acq_32(&mc->mc_reqflags) & RQF_WAKE)
			break;
	}
	return 0;
}

/* Halt the CPU until its wait is ended, unless it has a request (RQF_WAKE). */
void
machine_idle(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;

	KASSERT(mc == lwkt__sim_mcpu);
	/* MQ1: a locked instruction, which sees every request bit set before */
	if ((atomic_fetchor_32(&mc->mc_reqflags, RQF_SLEEPING) &
	    RQF_WAKE) == 0) {
		sim_enter();
		sim_block(h, SIM_WAITING);
		sim_step(CHOICE_PAUSE, h, __builtin_return_address(0));
		KASSERT(h->h_state == SIM_RUNNABLE);
		sim_leave();
	}
	atomic_clear_32(&mc->mc_reqflags, RQF_SLEEPING);
}

/*
 * End a CPU's wait.  On a real host this is a system call, so the store buffer
 * of the caller's CPU drains.
 */
void
machine_doorbell(struct mcpu *mc)
{
	lwkt__choice(CHOICE_DOORBELL);
	choice_drain();
	sim_enter();
	sim_wake(mc->mc_host);
	sim_leave();
}

/* Let another CPU run, if one can: called in each turn of a wait loop. */
void
machine_pause(unsigned turn)
{
	(void)turn;
	lwkt__choice(CHOICE_PAUSE);
}

/* Make all CPUs' stores visible, as a fence on every CPU does.  Returns 1. */
int
machine_fence_all(void)
{
	lwkt__choice(CHOICE_FENCE);
	sim_store_drain_all();
	return 1;
}

int
machine_can_fence_all(void)
{
	return 1;
}

/*
 * Have mu_watch called at this CPU's first choice point after delay_ns, or
 * never (0).
 */
void
machine_watch(int64_t delay_ns)
{
	lwkt__sim_mcpu->mc_host->h_watch = delay_ns != 0 ?
	    sim_now() + delay_ns : 0;
}

int
machine_foreign_threads(void)
{
	return 0;
}

void
machine_foreign_wait(uint32_t *word, uint32_t val)
{
	(void)word, (void)val;
	lwkt_panic("machine_foreign_wait: the simulated host has no plain "
	    "pthreads");
}

void
machine_foreign_wake(uint32_t *word)
{
	(void)word;			/* no pthread can wait */
	lwkt__choice(CHOICE_DOORBELL);
}

/*
 * Stop a CPU for good.  The last CPU to stop switches to CPU 0, which returns
 * from here into machine_run().  Other CPUs never return.
 */
static void
cpu_stop(struct machine_host *h)
{
	struct machine_host *next = &sim->s_host[0];
	int cpu;

	choice_drain();						/* SB4 */
	(void)__atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
	sim_enter();
	sim_event_del(&h->h_timer);
	sim_event_del(&h->h_again);
	sim_block(h, SIM_STOPPED);
	if (--sim->s_live > 0) {
		sim_await_runnable();
		cpu = sim_explore_pick(CHOICE_PAUSE, h->h_cpu,
		    (uint32_t)rng_next(&sim->s_rng));
		sim_trace_step(CHOICE_PAUSE, h->h_cpu, cpu, NULL);
		next = &sim->s_host[cpu];
	}
	if (next != h)
		sim_switch(h, next, h->h_cpu != 0);
	sim_leave();
	/*
	 * For TSan: this load pairs with the add above of each CPU.  So what
	 * the CPUs did happens before what CPU 0 does from here on.
	 */
	(void)__atomic_load_n(&stopped, __ATOMIC_SEQ_CST);
}

/* Run a CPU other than 0, from its first instruction to its stop. */
static void
cpu_entry(void *from)
{
	struct machine_host *h = lwkt__sim_mcpu->mc_host, *prev = from;

	fiber_switch_end(&h->h_fiber, &prev->h_fiber);
	errno = 0;
	sim->s_up->mu_cpu_main(h->h_mc);
	cpu_stop(h);
	lwkt_panic("sim: a stopped CPU was run again");
}

/*
 * Return a CPU's first stack, which is made at its first use, with a guard page
 * below; or NULL.
 */
static char *
cpu_stack_get(int cpu)
{
	char *p;

	if (machine_fail("vcpu.start"))
		return NULL;
	if (cpu_stack[cpu] == NULL) {
		p = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		(void)mprotect(p, machine_page_size(), PROT_NONE);
		cpu_stack[cpu] = p;
	}
	return cpu_stack[cpu];
}

/* Prepare a CPU to run.  Returns 0 or ENOMEM. */
static int
cpu_init(struct machine_host *h, struct mcpu *mc, int cpu)
{
	char *stack;

	memset(h, 0, sizeof(*h));
	h->h_mc = mc;
	h->h_cpu = cpu;
	mc->mc_self = mc;
	mc->mc_host = h;
	mc->mc_cpuid = cpu;
	mc->mc_errnop = &errno;
	mc->mc_cxx = lwkt__cxx_globals();
	if (cpu == 0)
		return 0;
	stack = cpu_stack_get(cpu);
	if (stack == NULL)
		return ENOMEM;
	h->h_sp = machine_stack_init(stack, STACK_SIZE, cpu_entry, NULL);
	fiber_init(&h->h_first, stack, STACK_SIZE);
	h->h_fiber = h->h_first;
	return 0;
}

/*
 * Run the CPUs; the caller is CPU 0 and returns when all have stopped.  Called
 * between sim_enter and sim_leave.
 */
static void
cpus_run(struct mcpu *const mc[], int n)
{
	sim->s_ncpus = sim->s_live = n;
	sim->s_runnable = n == SIM_MAXCPU ? ~(uint64_t)0 : SIM_BIT(n) - 1;
	sim_explore_reset();
	sim_store_begin();
	lwkt__sim_mcpu = mc[0];
	sim_leave();
	sim->s_up->mu_cpu_main(mc[0]);
	sim_enter();
	cpu_stop(&sim->s_host[0]);
	sim_store_end();
	lwkt__sim_mcpu = NULL;
}

/*
 * Run n CPUs until all have stopped; the caller becomes CPU 0.  Returns 0, or
 * EINVAL or ENOMEM before any CPU has run.
 */
int
machine_run(struct mcpu *const mc[], int n)
{
	int cpu, error = 0;

	if (n < 1 || n > SIM_MAXCPU || lwkt__sim_mcpu != NULL)
		return EINVAL;
	sim_enter();
	for (cpu = 0; cpu < n && error == 0; cpu++)
		error = cpu_init(&sim->s_host[cpu], mc[cpu], cpu);
	if (error == 0)
		cpus_run(mc, n);
	while (--cpu > 0)
		if (sim->s_host[cpu].h_sp != NULL)
			fiber_fini(&sim->s_host[cpu].h_first);
	sim_leave();
	return error;
}
