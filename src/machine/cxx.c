/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find the C++ runtime's exception state of the calling host thread.
 *
 * THEORY
 * The C++ ABI gives each host thread a stack of caught exceptions and a count
 * of those in flight.  __cxa_get_globals() returns their address; libstdc++ and
 * libc++abi use the same layout.  The kernel gives each thread its own: it
 * saves and restores them at a switch (kern/sched/lwkt_switch.c).  Compiled
 * code calls the runtime for each access, so no function of a program keeps the
 * address.
 *
 * This library does not depend on a C++ runtime, so __cxa_get_globals is a weak
 * symbol.  The symbol stays undefined if the runtime was loaded by dlopen(),
 * perhaps for a plugin only (RTLD_LOCAL).  Then the function is looked up by
 * name in each loaded object.  dlsym() would not find it in such an object, and
 * a static program should not call dlsym().  The look-up is done once per boot.
 * A runtime that is loaded later is not found, because a search at each switch
 * would take too long.
 *
 * Source: the Itanium C++ ABI, Exception Handling, 2.2.2.
 */
#include "machine/elfsym.h"
#include "machine/hostlib.h"
#include "machine/machine.h"

#define NAME	"__cxa_get_globals"

typedef struct machine_cxx *(*cxx_get_t)(void);

struct machine_cxx *__cxa_get_globals(void) __attribute__((weak));

static cxx_get_t cxx_get;		/* (i) NULL: no C++ runtime was found */

static int
object_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Sym) *s = lwkt__elf_find(info, NAME);

	(void)size;
	if (s == NULL || s->st_shndx == SHN_UNDEF)
		return 0;
	*(cxx_get_t *)arg = (cxx_get_t)(info->dlpi_addr + s->st_value);
	return 1;
}

void
lwkt__cxx_boot(void)
{
	cxx_get = __cxa_get_globals;
	if (cxx_get == NULL)
		(void)dl_iterate_phdr(object_look, &cxx_get);
}

struct machine_cxx *
lwkt__cxx_globals(void)
{
	return cxx_get != NULL ? cxx_get() : NULL;
}
