/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interruption of a thread between two instructions.
 */
#ifndef LWKT_MACHINE_X86_64_INTERRUPT_H
#define LWKT_MACHINE_X86_64_INTERRUPT_H

#include <stdint.h>

#include "base/compiler.h"

struct machine_upcalls;

/* Where the interrupted thread continues (interrupt.S). */
void	lwkt__machine_interrupted(void);

/*
 * xsave.c: bytes of the save area (0: no thread can be interrupted), components
 * to save, and whether to use xsavec.  They are (i); interrupt.S reads them.
 */
extern uint64_t lwkt__xsave_size __lwkt_hidden;
extern uint64_t lwkt__xsave_mask __lwkt_hidden;
extern uint32_t lwkt__xsave_compact __lwkt_hidden;
void	lwkt__xsave_off(void);
void	lwkt__xsave_boot(const struct machine_upcalls *up);
/* Returns 1 if all state in use, except PKRU, will be saved, else 0. */
int	lwkt__xsave_keeps(const void *ucontext);
/* Calls mu_interrupted; interrupt.S calls this. */
void	lwkt__interrupt_upcall(void);

#endif
