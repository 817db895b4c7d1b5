/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies at the saved stack pointer of a thread that is switched out.
 *
 * switch.S pushes it, stack.c forges the first one, and whoever looks at a
 * parked thread (unwind.c, debuggers) reads it.  Words of 8 bytes,
 * from the saved stack pointer upward.
 */
#ifndef LWKT_MACHINE_X86_64_FRAME_H
#define LWKT_MACHINE_X86_64_FRAME_H

#define SWF_FPCW	0	/* mxcsr, then the x87 control word */
#define SWF_R15		1
#define SWF_R14		2
#define SWF_R13		3
#define SWF_R12		4
#define SWF_RBX		5
#define SWF_RBP		6
#define SWF_RIP		7
#define SWF_WORDS	8

#endif
