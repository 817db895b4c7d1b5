/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a loop keeps in registers; offsets are known to async_regs.S.
 */
#ifndef LWKT_TESTS_CORE_SCHED_ASYNC_REGS_H
#define LWKT_TESTS_CORE_SCHED_ASYNC_REGS_H

#define R_GPR		0		/* 15: all but rsp */
#define R_RED		120		/* 12 words of the red zone */
#define R_FLAGS		216
#define R_MXCSR		224
#define R_FCW		228
#define R_X87		232		/* 8 doubles */
#define R_K		296		/* 8 masks */
#define R_VEC		384		/* 32 of 64 bytes */
#define R_SIZE		2432

#ifndef __ASSEMBLER__
#include <stdint.h>

struct regs {
	uint64_t	r_gpr[15];
	uint64_t	r_red[12];
	uint64_t	r_flags;
	uint32_t	r_mxcsr;
	uint16_t	r_fcw;
	double		r_x87[8];
	uint64_t	r_k[8];
	_Alignas(64) uint8_t r_vec[32][64];
};

/*
 * Load everything, count down from n, store everything.  With carry and
 * direction flag set, and nothing but the words below sp to count in.
 */
void	regs_loop_sse(struct regs *r, uint64_t n);
void	regs_loop_avx(struct regs *r, uint64_t n);
void	regs_loop_avx512(struct regs *r, uint64_t n);
#endif

#endif
