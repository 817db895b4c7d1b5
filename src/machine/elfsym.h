/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LWKT_MACHINE_ELFSYM_H
#define LWKT_MACHINE_ELFSYM_H

#include <link.h>

/*
 * Returns the dynamic symbol `name` of the object info, or NULL if there is
 * none.  The symbol may be undefined.  Of info, only dlpi_addr, dlpi_phdr and
 * dlpi_phnum are used.
 */
const ElfW(Sym) *lwkt__elf_find(const struct dl_phdr_info *info,
	    const char *name);

#endif
