/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backtraces: of the caller, of a thread that does not run, of a fault.
 *
 * THEORY
 * libunwind starts from a register set, which on x86-64 is a ucontext.  For a
 * fault the signal handler has it.  For the caller it is captured.  For a
 * thread that does not run, it is read from the frame that switch.S left at the
 * thread's stack pointer (frame.h).  The walk ends at the frame that has no
 * return address (switch.S), where libunwind finds no caller, or when the array
 * of machine_backtrace() is full.  The functions are named (symbol.c) and
 * printed without allocation or stdio.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <lwkt/panic.h>
#include <string.h>
#include <ucontext.h>

#include "machine/fiber.h"
#include "machine/machine.h"
#include "machine/symbol.h"
#include "machine/x86_64/frame.h"

/* Read the registers of a thread that does not run from its frame at sp. */
static void
parked_context(ucontext_t *uc, const void *sp)
{
	const uint64_t *w = sp;
	greg_t *g = uc->uc_mcontext.gregs;

	memset(uc, 0, sizeof(*uc));
	g[REG_R15] = (greg_t)w[SWF_R15];
	g[REG_R14] = (greg_t)w[SWF_R14];
	g[REG_R13] = (greg_t)w[SWF_R13];
	g[REG_R12] = (greg_t)w[SWF_R12];
	g[REG_RBX] = (greg_t)w[SWF_RBX];
	g[REG_RBP] = (greg_t)w[SWF_RBP];
	g[REG_RIP] = (greg_t)w[SWF_RIP];
	g[REG_RSP] = (greg_t)(uintptr_t)(w + SWF_WORDS);
}

static int
walk(void **pcs, int max, ucontext_t *uc, int flags)
{
	unw_cursor_t cursor;
	unw_word_t pc;
	int n = 0;

	if (unw_init_local2(&cursor, uc, flags) != 0)
		return 0;
	while (n < max) {
		if (unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || pc == 0)
			break;
		pcs[n++] = (void *)pc;
		if (unw_step(&cursor) <= 0)
			break;
	}
	return n;
}

/* Call walk() with TSan off: TSan does not know the locks of libunwind. */
static int
unwind(void **pcs, int max, ucontext_t *uc, int flags)
{
	int n;

	tsan_ignore();
	n = walk(pcs, max, uc, flags);
	tsan_regard();
	return n;
}

__lwkt_noinline int
machine_backtrace(void **pcs, int max, void *sp, void *ucontext)
{
	ucontext_t uc;
	int n;

	if (ucontext != NULL)
		return unwind(pcs, max, ucontext, UNW_INIT_SIGNAL_FRAME);
	if (sp != NULL) {
		parked_context(&uc, sp);
		return unwind(pcs, max, &uc, 0);
	}
	/* The caller's backtrace: remove the frame of this function. */
	unw_getcontext(&uc);
	n = unwind(pcs, max, &uc, 0);
	if (n > 0)
		memmove(pcs, pcs + 1, (size_t)--n * sizeof(*pcs));
	return n;
}

void
machine_backtrace_print(void *const *pcs, int n)
{
	struct symbol sym;
	uintptr_t pc;

	for (int i = 0; i < n; i++) {
		pc = (uintptr_t)pcs[i];
		/* A return address may be past its function's end. */
		if (!lwkt__symbol_find(i > 0 ? pc - 1 : pc, &sym))
			lwkt_printf("  #%-2d %#zx", i, (size_t)pc);
		else if (sym.sy_name[0] == '\0')
			lwkt_printf("  #%-2d %#zx (%s+%#zx)", i, (size_t)pc,
			    sym.sy_module, (size_t)sym.sy_modoff);
		else
			lwkt_printf("  #%-2d %s+%#zx (%s+%#zx)", i,
			    sym.sy_name, (size_t)sym.sy_off, sym.sy_module,
			    (size_t)sym.sy_modoff);
	}
}
