/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame at the saved stack pointer of a thread that does not run.
 *
 * switch.S pushes it, stack.c makes the first one of a thread, and unwind.c and
 * debuggers read it.  It consists of words of 8 bytes, which are numbered here
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
#define SWF_WORDS	8	/* length of the frame */

#endif
