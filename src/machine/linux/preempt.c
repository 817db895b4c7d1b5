/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt a thread between any two instructions.
 *
 * THEORY
 * The CPU's signal handler calls the kernel last (mu_signal).  If work is
 * pending and the state of the kernel allows it, the kernel calls
 * machine_interrupt, so that the thread does that work now.  A switch inside
 * the handler would leave Linux's signal frame on the CPU's alternate stack and
 * the signal blocked.  So the handler changes where it returns to instead.  It
 * pushes the interrupted instruction's address and the flags below the red
 * zone, and makes the context continue in x86_64/interrupt.S.  That code runs
 * as the thread itself, with the signal mask as it was.  It calls
 * mu_interrupted and then restores the interrupted state exactly.
 *
 * This is allowed only if other threads that run meanwhile cannot find an
 * operation half done:
 *	- The interrupted instruction is in registered code (code.c).
 *	- Every caller on the stack is registered code too, except the library's
 *	  own frames at the bottom, which started the thread.  Example: a
 *	  comparison function is registered code, but its caller qsort, which
 *	  may call malloc, is not.
 *	- The rest of the stack has room for the saved state and for the work of
 *	  the kernel.
 *	- All processor state in use is saved (but PKRU: xsave.c).
 * If the caller of a frame cannot be determined, or if there are more than
 * FRAMES_MAX frames, the request is refused, too.
 *
 * A refused request is not lost.  The bits in mc_reqflags stay, and the next
 * end of a critical section or call of the library serves them.  The kernel
 * also requests another signal soon (machine_interrupt_again), unless the host
 * refuses every request (MI_OFF).
 *
 * Cost: a signal and its return take 3 us, the check of a frame about 50 ns,
 * saving and restoring all state 0.2 us.
 *
 * INVARIANTS
 * HP1 A thread has at most one interruption on its stack: during it, the thread
 *    executes code of the library, in which no thread is interrupted.
 *
 * Source: the injected call of Go's asynchronous preemption.  Go uses maps that
 * its compiler makes; C has none, so the unwinding here is our own.
 */
#include <ucontext.h>

#include "base/kassert.h"
#include "machine/fiber.h"
#include "machine/linux/host.h"
#include "machine/x86_64/cfi.h"
#include "machine/x86_64/interrupt.h"

#define RED_ZONE	128		/* bytes below sp that code may use */
#define WORDS_PUT	2		/* pushed by divert(): rip and flags */
#define WORDS_SAVED	15		/* pushed by interrupt.S */
#define KERNEL_NEEDS	8192		/* bytes of stack for mu_interrupted */
#define FRAMES_MAX	256		/* a deeper stack is refused */
#define FLAGS_CLEAR	0x44500u	/* DF, TF, NT, AC: not for C code */

void
lwkt__preempt_boot(const struct machine_upcalls *up)
{
	if (LWKT_TSAN || machine_fail("preempt.boot")) {
		lwkt__xsave_off();
		return;
	}
	lwkt__xsave_boot(up);
	if (lwkt__xsave_size != 0)
		lwkt__code_boot();
}

/*
 * Return 1 if every caller of f is registered code, except the library's frames
 * at the bottom, which started the thread.  Returns 0 if not, if a frame cannot
 * be unwound, or if there are more than FRAMES_MAX.
 */
static int
callers_may_stop(struct cfi_frame *f, const struct cfi_stack *cs)
{
	const struct code *c = lwkt__code_find(f->f_pc);
	int in_own = 0, n;

	for (n = 0; n < FRAMES_MAX; n++) {
		switch (lwkt__cfi_step(c->c_table, f, cs, n > 0)) {
		case CFI_BOTTOM:
			return 1;
		case CFI_UNKNOWN:
			return 0;
		case CFI_CALLER:
			break;
		}
		c = lwkt__code_find(f->f_pc - 1);
		if (c == NULL || (in_own && !c->c_own))
			return 0;
		in_own = c->c_own;
	}
	return 0;
}

/* Make the interrupted context continue in interrupt.S. */
static void
divert(ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t *sp = (uint64_t *)(uintptr_t)(g[REG_RSP] - RED_ZONE);

	if (fiber_wanted())	/* the checker did not see sp decrease */
		fiber_writable((char *)(sp - WORDS_PUT) - RED_ZONE,
		    RED_ZONE + WORDS_PUT * sizeof(*sp));
	*--sp = (uint64_t)g[REG_RIP];
	*--sp = (uint64_t)g[REG_EFL];
	g[REG_EFL] &= ~(greg_t)FLAGS_CLEAR;
	g[REG_RIP] = (greg_t)(uintptr_t)&lwkt__machine_interrupted;
	g[REG_RSP] = (greg_t)(uintptr_t)sp;
}

/*
 * Interrupt the thread that the signal interrupted; [stack, stack + size) is
 * its stack.  Returns MI_DONE, or why the request is refused.  In mu_signal
 * only.
 */
enum machine_refusal
machine_interrupt(struct mcpu *mc, void *ucontext, void *stack, size_t size)
{
	ucontext_t *uc = ucontext;
	const greg_t *g = uc->uc_mcontext.gregs;
	struct cfi_frame f = { .f_pc = (uintptr_t)g[REG_RIP],
	    .f_sp = (uintptr_t)g[REG_RSP], .f_bp = (uintptr_t)g[REG_RBP] };
	struct cfi_stack cs = { (uintptr_t)stack, (uintptr_t)stack + size };
	uint64_t need = RED_ZONE + 8 * (WORDS_PUT + WORDS_SAVED) + 64 +
	    lwkt__xsave_size + KERNEL_NEEDS;
	const struct code *c;

	(void)mc;
	if (lwkt__xsave_size == 0)
		return MI_OFF;
	c = lwkt__code_find(f.f_pc);
	if (c == NULL || c->c_own)				/* HP1 */
		return MI_CODE;
	if (f.f_sp < cs.cs_lo + need || f.f_sp >= cs.cs_hi)
		return MI_STACK;
	if (!lwkt__xsave_keeps(uc))
		return MI_STATE;
	if (!callers_may_stop(&f, &cs))
		return MI_FRAME;
	divert(uc);
	return MI_DONE;
}

int
machine_in_program(void *ucontext)
{
	const greg_t *g = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	const struct code *c = lwkt__code_find((uintptr_t)g[REG_RIP]);

	return c != NULL && !c->c_own;
}

const char *
machine_interrupt_off(void)
{
	return lwkt__xsave_size == 0 ?
	    "its registers cannot be saved here" : lwkt__code_off();
}

void
machine_interrupt_again(int64_t delay_ns)
{
	lwkt__timer_again(myhost(), machine_time_ns() + delay_ns);
}
