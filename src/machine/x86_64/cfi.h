/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Step from a frame to its caller, in signal context.
 */
#ifndef LWKT_MACHINE_X86_64_CFI_H
#define LWKT_MACHINE_X86_64_CFI_H

#include <stddef.h>
#include <stdint.h>

/* The registers of a frame. */
struct cfi_frame {
	uintptr_t	f_pc;
	uintptr_t	f_sp;
	uintptr_t	f_bp;
};

/* The stack that may be read: [cs_lo, cs_hi). */
struct cfi_stack {
	uintptr_t	cs_lo;
	uintptr_t	cs_hi;
};

enum cfi_result { CFI_CALLER, CFI_BOTTOM, CFI_UNKNOWN };

/*
 * Changes f to its caller's frame and returns CFI_CALLER.  hdr is the unwind
 * table (.eh_frame_hdr) of the module that contains f_pc, or NULL.  `called` is
 * set if f_pc is a return address.  Returns CFI_BOTTOM if f has no caller,
 * CFI_UNKNOWN if the caller cannot be found; in both cases f is unchanged.
 * Async-signal-safe; takes no lock.
 */
enum cfi_result lwkt__cfi_step(const uint8_t *hdr, struct cfi_frame *f,
    const struct cfi_stack *stack, int called);

#endif
