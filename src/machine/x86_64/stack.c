/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prepare a new stack for its first switch.
 *
 * THEORY
 * The stack gets the frame that switch.S pops.  Its return address is the
 * trampoline lwkt__machine_entry, which finds the entry function in rbx and the
 * last function in r12.  The frame pointer is 0, so that walks along frame
 * pointers end here.  The new thread inherits the floating point control of its
 * creator (rounding, traps, flush to zero), as a pthread does, but not the
 * exceptions raised so far.
 *
 * ABI: before a call the stack is 16-byte aligned.  The `ret` that enters the
 * trampoline leaves rsp just above the frame, so that address is aligned.
 */
#include <stdint.h>

#include "base/kassert.h"
#include "machine/machine.h"
#include "machine/x86_64/frame.h"

#define MXCSR_STATUS	0x3fu	/* sticky exception flags */
#define STACK_LEAST	256	/* bytes; a smaller stack is an error */

void	lwkt__machine_entry(void);

/* Store the floating point control of the caller where switch.S loads it. */
static inline void
fp_control(void *word)
{
	uint32_t *half = word;

	__asm__ __volatile__("stmxcsr %0" : "=m" (half[0]));
	__asm__ __volatile__("fnstcw %0" : "=m" (half[1]));
	half[0] &= ~MXCSR_STATUS;
}

void *
machine_stack_init(void *stack, size_t size, void (*entry)(void *from),
    void (*last)(void))
{
	uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)15;
	uint64_t *sp;

	KASSERTF(size >= STACK_LEAST, "a stack of %zu bytes is too small",
	    size);
	sp = (uint64_t *)(top - 16) - SWF_WORDS;
	fp_control(&sp[SWF_FPCW]);
	sp[SWF_R15] = sp[SWF_R14] = sp[SWF_R13] = 0;
	sp[SWF_R12] = (uintptr_t)last;
	sp[SWF_RBX] = (uintptr_t)entry;
	sp[SWF_RBP] = 0;
	sp[SWF_RIP] = (uintptr_t)&lwkt__machine_entry;
	sp[SWF_WORDS] = sp[SWF_WORDS + 1] = 0;
	return sp;
}
