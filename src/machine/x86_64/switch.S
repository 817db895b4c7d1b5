/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack switch.
 *
 * THEORY
 * To its caller the switch is a function call.  So it must preserve only the
 * state that the ABI makes a callee preserve: rbx, rbp, r12-r15, and the
 * control (not status) bits of mxcsr and of the x87 unit.  They are pushed on
 * the old stack, whose pointer goes to *save.  The pops on the new stack undo
 * the pushes of an earlier call there.  The switch ends in `ret`, so each call
 * has its return, and the processor's return predictor stays correct for the
 * frames above.
 *
 *	sp ->	mxcsr, x87 word		 frame.h names these words; they are
 *		r15 r14 r13 r12 rbx rbp	 also what a debugger needs to unwind
 *		return address		 a thread that does not run
 *
 * A new stack (stack.c) has the same words: the return address is
 * lwkt__machine_entry, the entry function is in rbx, the last one in r12.
 *
 * A thread ends by a jump to its last function.  If that function ends in a
 * jump to the scheduler, the thread makes no call that never returns.  Then the
 * returns of its successor are predicted correctly.  Three mispredicted returns
 * would take 20 ns of the 80 ns that a short thread takes.
 *
 * The unwind table is correct at every instruction: the frame has the same
 * layout on both stacks, so the rule "CFA = rsp + n" holds across the switch.
 * At lwkt__machine_entry the return address is undefined, so an unwinder
 * knows that this is the bottom frame.  The nop before the label belongs to
 * the same entry, because unwinders look up the address before a return
 * address.  The same entry names the personality routine that stops exceptions
 * there (escape.c).
 *
 * The control words are always loaded.  That takes 4.8 ns per switch, against
 * 6.3 ns if they are compared first (the comparison waits for stmxcsr) and
 * 2.8 ns without them.
 *
 * The object is marked for indirect branch tracking.  It is not marked for
 * shadow stacks, which would have to be switched, too.
 */

	.text

/*
 * void *lwkt__machine_switch(void **save, void *sp, void *from)
 *			      rdi	   rsi	     rdx
 */
	.p2align 6
	.globl	lwkt__machine_switch
	.hidden	lwkt__machine_switch
	.type	lwkt__machine_switch, @function
lwkt__machine_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rdx, %rax
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	lwkt__machine_switch, . - lwkt__machine_switch

/*
 * The first code of a new thread.  Calls entry(from), with entry in rbx and
 * from in rax.  Then jumps to the function in r12, which never returns, with a
 * return address of 0.  At the label the stack is aligned as before a call.
 */
	.p2align 4
	.globl	lwkt__machine_entry
	.hidden	lwkt__machine_entry
	.type	lwkt__machine_entry, @function
	.cfi_startproc
	.cfi_undefined rip
	.cfi_personality 0x9b, DW.ref.lwkt__escape
	nop
lwkt__machine_entry:
	movq	%rax, %rdi
	call	*%rbx
	pushq	$0
	jmp	*%r12
	.cfi_endproc
	.size	lwkt__machine_entry, . - lwkt__machine_entry

/* Unwind tables reach the personality routine through this word. */
	.section .data.rel.ro.local, "aw"
	.p2align 3
	.globl	DW.ref.lwkt__escape
	.hidden	DW.ref.lwkt__escape
	.type	DW.ref.lwkt__escape, @object
	.size	DW.ref.lwkt__escape, 8
DW.ref.lwkt__escape:
	.quad	lwkt__escape

	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5		/* sizes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0	/* x86 features: IBT */

	.section .note.GNU-stack, "", @progbits
