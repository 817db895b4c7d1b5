/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backtraces: of the caller, of a parked thread, of a fault.
 *
 * THEORY
 * libunwind starts from a register set, which on x86-64 is a ucontext: that of
 * a fault is there, the caller's is captured, and a parked thread's is read
 * from the frame that switch.S left at its stack pointer (frame.h).  The walk
 * ends where switch.S says that there is no return address.
 *
 * Printing must work when much is broken: no allocation, no stdio.  The
 * modules and where they lie are listed at boot, because asking later takes
 * the loader's lock; names come from libunwind, which reads the module's
 * symbol table by itself.  What is loaded after boot shows as an address.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <errno.h>
#include <link.h>
#include <lwkt/panic.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "machine/hostlib.h"
#include "machine/machine.h"
#include "machine/x86_64/frame.h"

#define MODULES		64
#define NAME_BYTES	96

struct module {
	uintptr_t	m_base;		/* what file offsets are relative to */
	uintptr_t	m_lo;
	uintptr_t	m_hi;
	char		m_name[NAME_BYTES];
};

static struct module modules[MODULES];	/* (i) */
static int nmodules;			/* (i) */

static int
module_add(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = &modules[nmodules];
	const char *name = info->dlpi_name;
	uintptr_t lo, hi;

	(void)size, (void)arg;
	if (nmodules == MODULES)
		return 1;
	if (name == NULL || *name == '\0')
		name = nmodules == 0 ? program_invocation_short_name : "?";
	else if (strrchr(name, '/') != NULL)
		name = strrchr(name, '/') + 1;
	m->m_base = info->dlpi_addr;
	m->m_lo = UINTPTR_MAX;
	m->m_hi = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		hi = lo + info->dlpi_phdr[i].p_memsz;
		m->m_lo = lo < m->m_lo ? lo : m->m_lo;
		m->m_hi = hi > m->m_hi ? hi : m->m_hi;
	}
	m->m_name[0] = '\0';
	strncat(m->m_name, name, sizeof(m->m_name) - 1);
	nmodules++;
	return 0;
}

void
lwkt__unwind_boot(void)
{
	nmodules = 0;
	(void)dl_iterate_phdr(module_add, NULL);
}

static const struct module *
module_find(uintptr_t pc)
{
	for (const struct module *m = modules; m < modules + nmodules; m++) {
		if (pc >= m->m_lo && pc < m->m_hi)
			return m;
	}
	return NULL;
}

/* The registers of a thread parked at sp. */
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
unwind(void **pcs, int max, ucontext_t *uc, int flags)
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
	/* The caller: all but this function's own frame. */
	unw_getcontext(&uc);
	n = unwind(pcs, max, &uc, 0);
	if (n > 0)
		memmove(pcs, pcs + 1, (size_t)--n * sizeof(*pcs));
	return n;
}

/* The name of the function at pc, if its module tells. */
static int
name_of(uintptr_t pc, char *buf, size_t size, unw_word_t *off)
{
	unw_cursor_t cursor;
	ucontext_t uc;

	memset(&uc, 0, sizeof(uc));
	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
	if (unw_init_local(&cursor, &uc) != 0)
		return 0;
	return unw_get_proc_name(&cursor, buf, size, off) == 0;
}

void
machine_backtrace_print(void *const *pcs, int n)
{
	char name[NAME_BYTES];
	const struct module *m;
	unw_word_t off;
	uintptr_t pc;

	for (int i = 0; i < n; i++) {
		pc = (uintptr_t)pcs[i];
		m = module_find(pc);
		if (m == NULL)
			lwkt_printf("  #%-2d %#zx", i, (size_t)pc);
		else if (name_of(pc, name, sizeof(name), &off))
			lwkt_printf("  #%-2d %s+%#zx (%s+%#zx)", i, name,
			    (size_t)off, m->m_name, (size_t)(pc - m->m_base));
		else
			lwkt_printf("  #%-2d %#zx (%s+%#zx)", i, (size_t)pc,
			    m->m_name, (size_t)(pc - m->m_base));
	}
}
