/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack switch.
 *
 * THEORY
 * To its caller the switch is a function call, so only what the ABI lets a
 * callee keep must survive: rbx, rbp, r12-r15, and the control (not status)
 * bits of mxcsr and the x87 unit.  They go on the old stack, its pointer into
 * *save, and the same pops on the new stack undo what an earlier call pushed
 * there.  It ends in `ret`: each call is then matched by a return, and the
 * processor's return predictor stays in step with the frames above.
 *
 *	sp ->	mxcsr, x87 word		 frame.h names these words; they are
 *		r15 r14 r13 r12 rbx rbp	 also what a debugger needs to unwind
 *		return address		 a parked thread
 *
 * A new stack (stack.c) holds the same words with the return address of
 * lwkt__machine_entry, the entry function in rbx and the last one in r12.
 *
 * A thread that ends does so by a jump to its last function and, if that one
 * ends in a jump to the scheduler, makes no call that will never return.  Its
 * successor's returns are then predicted as if the thread had not been: three
 * of them are 20 ns of a life of 80.
 *
 * The unwind table is right at every instruction: the frame has the same
 * shape on both stacks, so the rule "CFA = rsp + n" holds across the swap.
 * At lwkt__machine_entry the return address is undefined, which is how an
 * unwinder knows that it has reached the bottom.  The nop before the label
 * belongs to the same entry because unwinders look up the address before a
 * return address.  The same entry names the personality routine that stops
 * exceptions there (escape.c).
 *
 * The control words are loaded always: 4.8 ns a switch, against 6.3 when they
 * are compared first (the comparison waits for stmxcsr) and 2.8 without them.
 *
 * The object says it works with indirect branch tracking and, by not saying
 * more, that it does not with shadow stacks: those would need a switch too.
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
 * Where a new thread begins: entry(from), entry in rbx, from in rax; then the
 * function in r12, which never returns, with a return address of 0.  The stack
 * is aligned as before a call.
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
