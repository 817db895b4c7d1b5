/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor state that interrupt.S saves, and the call that it makes.
 *
 * THEORY
 * An interrupted thread has saved nothing itself, so interrupt.S saves all
 * state of the processor but PKRU and AMX: PKRU belongs to the host thread, AMX
 * is large and rare.  cpuid and xgetbv report the size and the components of
 * the save area.  Linux's signal frame says which components were in use.  If
 * one of them, other than PKRU, is not saved, the thread is not interrupted.
 *
 * interrupt.S calls the kernel by lwkt__interrupt_upcall() of this file.  So
 * interrupt.S refers to no file of the host or of the kernel.
 */
#include <cpuid.h>
#include <string.h>
#include <ucontext.h>

#include "machine/machine.h"
#include "machine/x86_64/interrupt.h"

/* Components that are not saved. */
#define XCOMP_PKRU	(UINT64_C(1) << 9)
#define XCOMP_AMX	(UINT64_C(3) << 17)
#define XSAVE_LEGACY	576		/* bytes: x87, SSE and the header */
#define FXSAVE_SW	464		/* offset of Linux's description */
#define FP_XSTATE_MAGIC	0x46505853u

uint64_t lwkt__xsave_size;
uint64_t lwkt__xsave_mask;
uint32_t lwkt__xsave_compact;

static const struct machine_upcalls *interrupt_up;	/* (i) */

static uint64_t
xcr0(void)
{
	uint32_t lo, hi;

	__asm__ __volatile__("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	return lo | (uint64_t)hi << 32;
}

/*
 * Return the bytes of a save area for the components of mask, in xsavec's form
 * (compact) or in the standard form.
 */
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

/*
 * Find out what is to be saved.  lwkt__xsave_size is 0 if the state cannot be
 * saved.  Once per boot.
 */
void
lwkt__xsave_boot(const struct machine_upcalls *up)
{
	unsigned a, b, c, d;

	interrupt_up = up;
	lwkt__xsave_size = 0;
	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0)
		return;
	lwkt__xsave_mask = xcr0() & ~(XCOMP_PKRU | XCOMP_AMX);
	lwkt__xsave_compact = __get_cpuid_count(0xd, 1, &a, &b, &c, &d) &&
	    (a & bit_XSAVEC) != 0;
	lwkt__xsave_size = xsave_bytes(lwkt__xsave_mask,
	    (int)lwkt__xsave_compact);
}

/* Set the size to 0, so that no thread is interrupted in this boot. */
void
lwkt__xsave_off(void)
{
	lwkt__xsave_size = 0;
}

/* Call mu_interrupted; interrupt.S calls this as the interrupted thread. */
void
lwkt__interrupt_upcall(void)
{
	interrupt_up->mu_interrupted();
}

/*
 * Return 1 if all processor state in use, except PKRU, will be saved, else 0.
 * Linux's signal frame says which components were in use.  Returns 0 also if
 * the frame has no floating point state at all.
 */
int
lwkt__xsave_keeps(const void *ucontext)
{
	const ucontext_t *uc = ucontext;
	const char *fp = (const char *)uc->uc_mcontext.fpregs;
	uint32_t magic;
	uint64_t in_use;

	if (fp == NULL)
		return 0;
	memcpy(&magic, fp + FXSAVE_SW, sizeof(magic));
	if (magic != FP_XSTATE_MAGIC)
		return 1;		/* only x87 and SSE, always saved */
	memcpy(&in_use, fp + 512, sizeof(in_use));
	return (in_use & ~(lwkt__xsave_mask | XCOMP_PKRU)) == 0;
}
