/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The call of the kernel by an interrupted thread, and the exact return.
 *
 * THEORY
 * The signal handler (linux/preempt.c) never switches.  It pushes two words
 * below the red zone of the thread's stack: the address of the interrupted
 * instruction and the flags.  Then it makes the thread continue here, as if the
 * thread had made a call between two of its instructions.  The interrupted code
 * has saved none of the registers that a call may change, so all are saved
 * here: the general registers by pushes; the x87 unit, mxcsr and the vector
 * registers by xsavec, or by xsave if the processor has no xsavec.  With xsavec
 * a component in its initial state costs nothing.  The processor reports the
 * size and the components of the area; PKRU and AMX are not saved (xsave.c).
 * Then the state is as C code expects it at a call: direction
 * flag clear (by the handler), x87 stack empty, mxcsr at its default.
 *
 *	interrupted sp	->  +--------------------+
 *			    | red zone, 128	 |
 *			    | rip, flags	 |  by the handler; sp at entry
 *			    | rax ... r15	 |  120
 *			rbp | xsave area	 |  aligned to 64
 *			 sp +--------------------+
 *
 * The unwind table is correct at each instruction and marks a signal frame.  So
 * debuggers, libunwind and the watchdog see the interrupted function as the
 * caller, at the exact instruction.
 *
 * The header of the area is cleared, because xsavec writes only two of its
 * words, xsave only one, and xrstor requires zeros in the others.
 */
#define INTERRUPTED	144	/* red zone, rip, flags */

	.macro	save reg
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	.macro	restore reg
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

	.text
	.p2align 4
	.globl	lwkt__machine_interrupted
	.hidden	lwkt__machine_interrupted
	.type	lwkt__machine_interrupted, @function
lwkt__machine_interrupted:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, INTERRUPTED
	.cfi_offset rip, -136
	save	rax
	save	rcx
	save	rdx
	save	rbx
	save	rsi
	save	rdi
	save	rbp
	save	r8
	save	r9
	save	r10
	save	r11
	save	r12
	save	r13
	save	r14
	save	r15
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	subq	lwkt__xsave_size(%rip), %rsp
	andq	$-64, %rsp
	xorl	%eax, %eax
	leaq	512(%rsp), %rdi
	movl	$8, %ecx
	rep stosq				/* clear the area's header */
	movl	lwkt__xsave_mask(%rip), %eax
	movl	4+lwkt__xsave_mask(%rip), %edx
	cmpl	$0, lwkt__xsave_compact(%rip)
	je	1f
	xsavec	(%rsp)
	jmp	2f
1:	xsave	(%rsp)
2:	fninit
	ldmxcsr	default_mxcsr(%rip)
	call	lwkt__interrupt_upcall
	movl	lwkt__xsave_mask(%rip), %eax
	movl	4+lwkt__xsave_mask(%rip), %edx
	xrstor	(%rsp)
	movq	%rbp, %rsp
	.cfi_def_cfa_register rsp
	restore	r15
	restore	r14
	restore	r13
	restore	r12
	restore	r11
	restore	r10
	restore	r9
	restore	r8
	restore	rbp
	restore	rdi
	restore	rsi
	restore	rbx
	restore	rdx
	restore	rcx
	restore	rax
	popfq
	.cfi_adjust_cfa_offset -8
	ret	$128				/* pop rip and the red zone */
	.cfi_endproc
	.size	lwkt__machine_interrupted, . - lwkt__machine_interrupted

	.section .rodata
	.p2align 2
default_mxcsr:
	.long	0x1f80

	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5		/* sizes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0	/* x86 features: IBT */

	.section .note.GNU-stack, "", @progbits
