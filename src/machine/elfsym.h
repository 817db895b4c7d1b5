/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LWKT_MACHINE_ELFSYM_H
#define LWKT_MACHINE_ELFSYM_H

#include <link.h>

/*
 * The dynamic symbol of that name in an object, perhaps an undefined one, or
 * NULL.  info: dlpi_addr, dlpi_phdr and dlpi_phnum count.
 */
const ElfW(Sym) *lwkt__elf_find(const struct dl_phdr_info *info,
	    const char *name);

#endif
