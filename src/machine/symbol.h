/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of addresses, also for signal handlers.
 */
#ifndef LWKT_MACHINE_SYMBOL_H
#define LWKT_MACHINE_SYMBOL_H

#include <stdint.h>

#define SYMBOL_BYTES	96

struct symbol {
	const char	*sy_module;	/* file name, no path */
	uintptr_t	 sy_modoff;	/* address in the module's file */
	char		 sy_name[SYMBOL_BYTES];	/* "": not known */
	uintptr_t	 sy_off;	/* bytes from the function's start */
};

/*
 * Fills sym and returns 1 if pc is in a module that symbol.c listed at boot.
 * Otherwise returns 0.  Async-signal-safe.
 */
int	lwkt__symbol_find(uintptr_t pc, struct symbol *sym);

#endif
