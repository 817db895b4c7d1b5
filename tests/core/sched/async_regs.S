/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops that have all the registers of the processor in use: see the header.
 * They are leaves, so the red zone is theirs: the count at -8(%rsp), the
 * pointer at -16, twelve words of the test's from -112 up.
 */
#include "core/sched/async_regs.h"

	.macro	keep reg
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	.macro	back reg
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

	.macro	red dir
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11
	.ifc	\dir, in
	movq	(R_RED + 8 * \i)(%rdi), %rax
	movq	%rax, (-112 + 8 * \i)(%rsp)
	.else
	movq	(-112 + 8 * \i)(%rsp), %rax
	movq	%rax, (R_RED + 8 * \i)(%rdi)
	.endif
	.endr
	.endm

	.macro	x87in
	.irp	i, 7,6,5,4,3,2,1,0
	fldl	(R_X87 + 8 * \i)(%rdi)
	.endr
	fldcw	R_FCW(%rdi)
	ldmxcsr	R_MXCSR(%rdi)
	.endm

	.macro	x87out
	.irp	i, 0,1,2,3,4,5,6,7
	fstpl	(R_X87 + 8 * \i)(%rdi)
	.endr
	fnstcw	R_FCW(%rdi)
	stmxcsr	R_MXCSR(%rdi)
	.endm

	.macro	vec_sse dir
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	.ifc	\dir, in
	movups	(R_VEC + 64 * \i)(%rdi), %xmm\i
	.else
	movups	%xmm\i, (R_VEC + 64 * \i)(%rdi)
	.endif
	.endr
	.endm

	.macro	vec_avx dir
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	.ifc	\dir, in
	vmovups	(R_VEC + 64 * \i)(%rdi), %ymm\i
	.else
	vmovups	%ymm\i, (R_VEC + 64 * \i)(%rdi)
	.endif
	.endr
	.endm

	.macro	vec_zmm dir, n:vararg
	.irp	i, \n
	.ifc	\dir, in
	vmovups	(R_VEC + 64 * \i)(%rdi), %zmm\i
	.else
	vmovups	%zmm\i, (R_VEC + 64 * \i)(%rdi)
	.endif
	.endr
	.endm

	.macro	vec_avx512 dir
	vec_zmm	\dir, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vec_zmm	\dir, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.irp	i, 0,1,2,3,4,5,6,7
	.ifc	\dir, in
	kmovw	(R_K + 8 * \i)(%rdi), %k\i
	.else
	kmovw	%k\i, (R_K + 8 * \i)(%rdi)
	.endif
	.endr
	.endm

	.macro	loop kind
	.text
	.p2align 4
	.globl	regs_loop_\kind
	.type	regs_loop_\kind, @function
regs_loop_\kind:
	.cfi_startproc
	.irp	reg, rbp,rbx,r12,r13,r14,r15
	keep	\reg
	.endr
	movq	%rsi, -8(%rsp)
	movq	%rdi, -16(%rsp)
	red	in
	x87in
	vec_\kind in
	movq	(R_GPR + 0)(%rdi), %rax
	movq	(R_GPR + 8)(%rdi), %rbx
	movq	(R_GPR + 16)(%rdi), %rcx
	movq	(R_GPR + 24)(%rdi), %rdx
	movq	(R_GPR + 32)(%rdi), %rsi
	movq	(R_GPR + 48)(%rdi), %rbp
	movq	(R_GPR + 56)(%rdi), %r8
	movq	(R_GPR + 64)(%rdi), %r9
	movq	(R_GPR + 72)(%rdi), %r10
	movq	(R_GPR + 80)(%rdi), %r11
	movq	(R_GPR + 88)(%rdi), %r12
	movq	(R_GPR + 96)(%rdi), %r13
	movq	(R_GPR + 104)(%rdi), %r14
	movq	(R_GPR + 112)(%rdi), %r15
	movq	(R_GPR + 40)(%rdi), %rdi
	std
	stc
1:	decq	-8(%rsp)		/* leaves the carry alone */
	jnz	1b
	xchgq	%rdi, -16(%rsp)
	movq	%rax, (R_GPR + 0)(%rdi)
	movq	-16(%rsp), %rax
	movq	%rax, (R_GPR + 40)(%rdi)
	leaq	-128(%rsp), %rsp
	.cfi_adjust_cfa_offset 128
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	%rax
	.cfi_adjust_cfa_offset -8
	leaq	128(%rsp), %rsp
	.cfi_adjust_cfa_offset -128
	cld
	movq	%rax, R_FLAGS(%rdi)
	movq	%rbx, (R_GPR + 8)(%rdi)
	movq	%rcx, (R_GPR + 16)(%rdi)
	movq	%rdx, (R_GPR + 24)(%rdi)
	movq	%rsi, (R_GPR + 32)(%rdi)
	movq	%rbp, (R_GPR + 48)(%rdi)
	movq	%r8, (R_GPR + 56)(%rdi)
	movq	%r9, (R_GPR + 64)(%rdi)
	movq	%r10, (R_GPR + 72)(%rdi)
	movq	%r11, (R_GPR + 80)(%rdi)
	movq	%r12, (R_GPR + 88)(%rdi)
	movq	%r13, (R_GPR + 96)(%rdi)
	movq	%r14, (R_GPR + 104)(%rdi)
	movq	%r15, (R_GPR + 112)(%rdi)
	vec_\kind out
	x87out
	red	out
	.irp	reg, r15,r14,r13,r12,rbx,rbp
	back	\reg
	.endr
	ret
	.cfi_endproc
	.size	regs_loop_\kind, . - regs_loop_\kind
	.endm

	loop	sse
	loop	avx
	loop	avx512

	.section .note.GNU-stack, "", @progbits
