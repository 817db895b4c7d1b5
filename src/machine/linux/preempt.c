/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt a thread between any two instructions.
 *
 * THEORY
 * The CPU's signal handler calls the kernel last (mu_signal).  If work is
 * pending and the state of the kernel allows it, the kernel calls
 * machine_interrupt, so that the thread does that work now.  A switch inside
 * the handler would leave Linux's signal frame on the thread's stack and the
 * signal blocked.  So the handler changes where it returns to instead.  It
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
 *	- All processor state in use is of a kind that is saved.
 * A frame whose caller cannot be determined refuses the interruption, too.
 *
 * A refused request is not lost.  The bits in mc_reqflags stay, and the next
 * end of a critical section or call of the library serves them.  The kernel
 * also requests another signal soon (machine_interrupt_again).
 *
 * Cost: a signal and its return take 3 us, the check of a frame about 50 ns,
 * saving and restoring all state 0.2 us.
 *
 * INVARIANTS
 * HP1 A thread has at most one interruption on its stack: during it, the thread
 *    executes code of the library, which is never registered.
 *
 * Source: the injected call of Go's asynchronous preemption.  Go uses maps that
 * its compiler makes; C has none, so the unwinding here is our own.
 */
#include <cpuid.h>
#include <string.h>
#include <ucontext.h>

#include "base/kassert.h"
#include "machine/fiber.h"
#include "machine/linux/host.h"
#include "machine/x86_64/cfi.h"

#define RED_ZONE	128
#define WORDS_PUT	2		/* by divert(): rip and flags */
#define WORDS_SAVED	15		/* by interrupt.S */
#define KERNEL_NEEDS	8192		/* bytes for mu_interrupted */
#define FRAMES_MAX	256
#define FLAGS_CLEAR	0x44500u	/* DF, TF, NT, AC: not for C code */

/*
 * Components of the processor state that are not saved: PKRU belongs to the
 * host thread, AMX is large and rare.
 */
#define XCOMP_PKRU	(UINT64_C(1) << 9)
#define XCOMP_AMX	(UINT64_C(3) << 17)
#define XSAVE_LEGACY	576		/* x87, SSE and the header */
#define FXSAVE_SW	464		/* where the kernel describes it */
#define FP_XSTATE_MAGIC	0x46505853u

void	lwkt__machine_interrupted(void);
void	lwkt__interrupt_upcall(void);

/* What interrupt.S reads; (i). */
extern uint64_t lwkt__xsave_size __lwkt_hidden;
extern uint64_t lwkt__xsave_mask __lwkt_hidden;
extern uint32_t lwkt__xsave_compact __lwkt_hidden;

uint64_t lwkt__xsave_size;		/* 0: threads cannot be interrupted */
uint64_t lwkt__xsave_mask;
uint32_t lwkt__xsave_compact;

static const struct machine_upcalls *preempt_up;	/* (i) */

static uint64_t
xcr0(void)
{
	uint32_t lo, hi;

	__asm__ __volatile__("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	return lo | (uint64_t)hi << 32;
}

/* Return the size of a save area, in xsavec's form or the standard form. */
static uint64_t
xsave_bytes(uint64_t mask, int compact)
{
	uint64_t size = XSAVE_LEGACY, end;
	unsigned a, b, c, d;

	for (unsigned i = 2; i < 63; i++) {
		if ((mask >> i & 1) == 0 ||
		    !__get_cpuid_count(0xd, i, &a, &b, &c, &d))
			continue;
		if (compact) {
			if (c & 2)
				size = roundup2(size, (uint64_t)64);
			size += a;
		} else if ((end = (uint64_t)b + a) > size) {
			size = end;
		}
	}
	return size;
}

void
lwkt__preempt_boot(const struct machine_upcalls *up)
{
	unsigned a, b, c, d;

	preempt_up = up;
	lwkt__xsave_size = 0;
	if (LWKT_TSAN || machine_fail("preempt.boot") ||
	    !__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0)
		return;
	lwkt__xsave_mask = xcr0() & ~(XCOMP_PKRU | XCOMP_AMX);
	lwkt__xsave_compact = __get_cpuid_count(0xd, 1, &a, &b, &c, &d) &&
	    (a & bit_XSAVEC) != 0;
	lwkt__xsave_size = xsave_bytes(lwkt__xsave_mask,
	    (int)lwkt__xsave_compact);
	lwkt__code_boot();
}

void
lwkt__preempt_signal(struct mcpu *mc, void *ucontext)
{
	if (preempt_up->mu_signal != NULL)
		preempt_up->mu_signal(mc, ucontext);
}

/* Call mu_interrupted; interrupt.S calls this as the interrupted thread. */
void
lwkt__interrupt_upcall(void)
{
	preempt_up->mu_interrupted();
}

/*
 * Will all processor state in use be saved?  Linux's signal frame says which
 * components were in use.
 */
static int
state_kept(const ucontext_t *uc)
{
	const char *fp = (const char *)uc->uc_mcontext.fpregs;
	uint32_t magic;
	uint64_t in_use;

	if (fp == NULL)
		return 0;
	memcpy(&magic, fp + FXSAVE_SW, sizeof(magic));
	if (magic != FP_XSTATE_MAGIC)
		return 1;		/* x87 and SSE only */
	memcpy(&in_use, fp + 512, sizeof(in_use));
	return (in_use & ~(lwkt__xsave_mask | XCOMP_PKRU)) == 0;
}

/*
 * Is every caller of f registered code, except the library's frames that
 * started the thread?  All callers of a library's frame must be the library's.
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

	if (fiber_wanted())	/* memcheck did not see sp go there */
		fiber_writable((char *)(sp - WORDS_PUT) - RED_ZONE,
		    RED_ZONE + WORDS_PUT * sizeof(*sp));
	*--sp = (uint64_t)g[REG_RIP];
	*--sp = (uint64_t)g[REG_EFL];
	g[REG_EFL] &= ~(greg_t)FLAGS_CLEAR;
	g[REG_RIP] = (greg_t)(uintptr_t)&lwkt__machine_interrupted;
	g[REG_RSP] = (greg_t)(uintptr_t)sp;
}

/* Interrupt the thread that the signal interrupted.  In mu_signal only. */
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
	if (!state_kept(uc))
		return MI_STATE;
	if (!callers_may_stop(&f, &cs))
		return MI_FRAME;
	divert(uc);
	return MI_DONE;
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
