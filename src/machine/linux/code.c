/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of registered code, in which a thread may be interrupted.
 *
 * THEORY
 * A thread that is interrupted in a function holds the locks that the function
 * took.  The program knows the locks of its functions, but not those of libc:
 * another thread on the same host thread would find a lock of malloc or stdio
 * held by "itself".  So the list has the program's text at first, and grows
 * only by lwkt_preempt_register(3).  No thread is interrupted in code that is
 * not on the list.  The library's text is on the list too, so that its frames
 * are recognized, but no thread is interrupted in it (c_own).
 *
 * The library's text must be distinguished from the program's.  The shared
 * library is a module of its own.  In the static archive the text of every
 * object is renamed to sections of the library (src/meson.build).  The linker
 * keeps these together and marks them with __start_ and __stop_ symbols.
 *
 * A module that contains libc, an allocator or a checker is recognized by the
 * addresses of a few functions (telltales).  In a program that is not position
 * independent, such an address may be that of the program's stub for the
 * function.  Then the program's dynamic symbol is undefined and has that value
 * (module_holds).
 *
 * In some programs nothing is registered by default, and no thread is
 * interrupted.  The first kind is a program whose text contains other code: a
 * static program, which contains libc, or a program linked with an allocator or
 * the runtime of a checker.  Such a program can still register parts of its
 * text.  The second kind is a program in which the library's text cannot be
 * distinguished (an archive made by other tools).  The third is a program that
 * has no index of its unwind tables (.eh_frame_hdr).
 *
 * The list belongs to the process: the first boot or registration begins it,
 * and it is kept.  Entries are appended under a lock.  Only c_hi of an entry
 * changes later, when the entry is unregistered or registered again.  So signal
 * handlers read the list without a lock.
 *
 * ORDER
 * ncodes and c_hi are stored (release) after the rest of the entry.
 * lwkt__code_find loads them (acquire) before the rest of the entry.
 */
#include <elf.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/kassert.h"
#include "machine/elfsym.h"
#include "machine/linux/host.h"

#define CODES		64		/* most entries of the list */

/* The renamed text of the static archive; all NULL in the shared library. */
extern const char __start_lwkt_text[] __attribute__((weak));
extern const char __stop_lwkt_text[] __attribute__((weak));
extern const char __start_lwkt_cold[] __attribute__((weak));
extern const char __stop_lwkt_cold[] __attribute__((weak));

/* Functions of the runtimes of checkers; NULL if the program has none. */
void	__asan_init(void) __attribute__((weak));
void	__tsan_init(void) __attribute__((weak));
void	__msan_init(void) __attribute__((weak));

/* The module that contains an address. */
struct module {
	uintptr_t	 m_at;		/* the address */
	uintptr_t	 m_lo;		/* the executable segment around it */
	uintptr_t	 m_hi;
	const uint8_t	*m_table;	/* .eh_frame_hdr; NULL: there is none */
	uintptr_t	 m_base;	/* load offset (dlpi_addr) */
	int		 m_main;	/* 1: the program itself, no library */
	int		 m_interp;	/* 1: has PT_INTERP, so is not static */
	int		 m_nth;		/* modules examined so far */
	const ElfW(Phdr) *m_phdr;	/* its program headers */
	uint16_t	 m_phnum;
};

static struct code codes[CODES];
static uint32_t ncodes;			/* (a) entries in use */
static uint32_t codes_lock;		/* (a) 1: a host thread changes it */
static int begun;			/* 1: the list is begun (codes_lock) */
/* Why codes_begin() did not append the program's text, or NULL (codes_lock). */
static const char *own_off;

static int
module_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = arg;
	const ElfW(Phdr) *ph = info->dlpi_phdr;
	int found = 0, interp = 0;
	uintptr_t lo;

	(void)size;
	m->m_table = NULL;
	for (int i = 0; i < info->dlpi_phnum; i++, ph++) {
		lo = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_INTERP)
			interp = 1;
		else if (ph->p_type == PT_GNU_EH_FRAME)
			m->m_table = (const uint8_t *)lo;
		else if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) != 0 &&
		    m->m_at - lo < ph->p_memsz) {
			m->m_lo = lo;
			m->m_hi = lo + ph->p_memsz;
			found = 1;
		}
	}
	m->m_base = info->dlpi_addr;
	m->m_phdr = info->dlpi_phdr;
	m->m_phnum = info->dlpi_phnum;
	m->m_main = m->m_nth++ == 0;
	m->m_interp = interp;
	return found;
}

/*
 * Find the module that has code at an address.  Returns 0 if there is none, or
 * if it has no index of its unwind tables (m_table).
 */
static int
module_find(struct module *m, uintptr_t at)
{
	memset(m, 0, sizeof(*m));
	m->m_at = at;
	return dl_iterate_phdr(module_look, m) != 0 && m->m_table != NULL;
}

static inline int
module_has(const struct module *m, uintptr_t at)
{
	return at >= m->m_lo && at < m->m_hi;
}

/* A module that contains one of these functions is never registered whole. */
static const struct telltale {
	const char	*t_name;
	uintptr_t	 t_at;
} telltales[] = {
	{ "malloc", (uintptr_t)&malloc },
	{ "free", (uintptr_t)&free },
	{ "gnu_get_libc_version", (uintptr_t)&gnu_get_libc_version },
	{ "dl_iterate_phdr", (uintptr_t)&dl_iterate_phdr },
	{ "__asan_init", (uintptr_t)&__asan_init },
	{ "__tsan_init", (uintptr_t)&__tsan_init },
	{ "__msan_init", (uintptr_t)&__msan_init },
};

/*
 * Is the function in the module?  In a program that is not position independent
 * the address of the function may be that of the program's stub.  Then the
 * function is not in the program.
 */
static int
module_holds(const struct module *m, const struct telltale *t)
{
	const struct dl_phdr_info info = { .dlpi_addr = m->m_base,
	    .dlpi_phdr = m->m_phdr, .dlpi_phnum = m->m_phnum };
	const ElfW(Sym) *s;

	if (!module_has(m, t->t_at))
		return 0;
	s = lwkt__elf_find(&info, t->t_name);
	return s == NULL || s->st_shndx != SHN_UNDEF ||
	    m->m_base + s->st_value != t->t_at;
}

/*
 * Does the module contain code that must not be interrupted?  These do: a
 * module with a function of telltales[], a static program, the vDSO and the
 * dynamic linker.
 */
static int
module_forbidden(const struct module *m)
{
	for (size_t i = 0; i < nitems(telltales); i++)
		if (module_holds(m, &telltales[i]))
			return 1;
	return (m->m_main && !m->m_interp) ||
	    module_has(m, getauxval(AT_SYSINFO_EHDR)) ||
	    m->m_base == getauxval(AT_BASE);
}

/*
 * Append [lo, hi) to the list, or register it again if the list has it.
 * Returns 0 or ENOSPC.  The caller holds codes_lock.
 */
static int
code_add(uintptr_t lo, uintptr_t hi, const uint8_t *table, int own)
{
	struct code *c = codes;
	uint32_t n = ncodes, i;

	for (i = 0; i < n; i++, c++) {
		if (c->c_lo == lo && c->c_end == hi) {
			__atomic_store_n(&c->c_hi, hi, __ATOMIC_RELEASE);
			return 0;
		}
	}
	if (n == CODES)
		return ENOSPC;
	*c = (struct code){ lo, hi, hi, table, own };
	/* Last: signal handlers read the entry from now on. */
	atomic_store_rel_32(&ncodes, n + 1);
	return 0;
}

/*
 * Begin the list, in the first call only: append the library's text and the
 * program's text.  If one of them cannot be appended, own_off says why.
 * The caller holds codes_lock.
 */
static void
codes_begin(void)
{
	struct module own, prog;

	if (begun)
		return;
	begun = 1;
	if (!module_find(&own, (uintptr_t)&lwkt__code_find)) {
		own_off = "the program has no index of its unwind tables: "
		    "link it with -Wl,--eh-frame-hdr";
		return;
	}
	if (!own.m_main) {
		(void)code_add(own.m_lo, own.m_hi, own.m_table, 1);
	} else if (__start_lwkt_text != NULL) {
		(void)code_add((uintptr_t)__start_lwkt_text,
		    (uintptr_t)__stop_lwkt_text, own.m_table, 1);
		if (__start_lwkt_cold != NULL)
			(void)code_add((uintptr_t)__start_lwkt_cold,
			    (uintptr_t)__stop_lwkt_cold, own.m_table, 1);
	} else {
		own_off = "the archive of the library has no section "
		    "lwkt_text: other tools made it";
		return;
	}
	if (!module_find(&prog, getauxval(AT_ENTRY)))
		own_off = "the program's code was not found";
	else if (!prog.m_interp)
		own_off = "the C library is part of the program (-static), see "
		    "lwkt_preempt_register(3)";
	else if (module_forbidden(&prog))
		own_off = "an allocator or a checker is part of the program, "
		    "see lwkt_preempt_register(3)";
	else
		(void)code_add(prog.m_lo, prog.m_hi, prog.m_table, 0);
}

/*
 * If code of the program is registered, return NULL.  Otherwise return why the
 * program's text was not registered at first, or NULL if it was and has been
 * unregistered since.
 */
const char *
lwkt__code_off(void)
{
	uint32_t n = __atomic_load_n(&ncodes, __ATOMIC_ACQUIRE);

	for (const struct code *c = codes; c < codes + n; c++)
		if (!c->c_own &&
		    __atomic_load_n(&c->c_hi, __ATOMIC_ACQUIRE) != 0)
			return NULL;
	return own_off;
}

static void
codes_enter(void)
{
	unsigned turn = 0;

	while (atomic_swap_32(&codes_lock, 1) != 0)
		machine_pause(turn++);
}

static void
codes_exit(void)
{
	atomic_store_rel_32(&codes_lock, 0);
}

void
lwkt__code_boot(void)
{
	codes_enter();
	codes_begin();
	codes_exit();
}

/*
 * Return the entry that contains pc, or NULL.  Async-signal-safe.  The
 * library's entries are first, because the program's text may enclose the
 * library's.
 */
const struct code *
lwkt__code_find(uintptr_t pc)
{
	uint32_t n = __atomic_load_n(&ncodes, __ATOMIC_ACQUIRE);
	uintptr_t hi;

	for (const struct code *c = codes; c < codes + n; c++) {
		hi = __atomic_load_n(&c->c_hi, __ATOMIC_ACQUIRE);
		if (pc < hi && pc >= c->c_lo)
			return c;
	}
	return NULL;
}

/*
 * Find the module of start and set m_lo and m_hi to the range [start, start +
 * len), or to the executable segment if len is 0.  Returns 1, or 0 if there is
 * no such module or if the range is not inside the segment.
 */
static int
range_find(const void *start, size_t len, struct module *m)
{
	uintptr_t lo = (uintptr_t)start;

	if (!module_find(m, lo))
		return 0;
	if (len == 0)
		return 1;
	if (len > m->m_hi - lo)
		return 0;
	m->m_lo = lo;
	m->m_hi = lo + len;
	return 1;
}

int
machine_code_register(const void *start, size_t len)
{
	struct module whole, m;
	int error;

	if (!module_find(&whole, (uintptr_t)start) ||
	    !range_find(start, len, &m) ||
	    (module_forbidden(&whole) && (len == 0 || !whole.m_main)))
		return EINVAL;
	codes_enter();
	codes_begin();
	/* Refuse if the library has no entry or its text begins at m_lo. */
	error = ncodes == 0 || (codes[0].c_lo == m.m_lo) ? EINVAL :
	    code_add(m.m_lo, m.m_hi, m.m_table, 0);
	codes_exit();
	return error;
}

int
machine_code_unregister(const void *start, size_t len)
{
	int error = ENOENT;
	struct module m;

	if (!range_find(start, len, &m))
		return EINVAL;
	codes_enter();
	for (struct code *c = codes; c < codes + ncodes; c++) {
		if (c->c_lo != m.m_lo || c->c_end != m.m_hi || c->c_own ||
		    c->c_hi == 0)
			continue;
		__atomic_store_n(&c->c_hi, 0, __ATOMIC_RELEASE);
		error = 0;
	}
	codes_exit();
	return error;
}
