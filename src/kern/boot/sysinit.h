/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks of a layer for boot and shutdown, found by linker section.
 *
 * SYSINIT(order, name, boot, cpu, cpu_fini, fini):
 * boot() runs once before the CPUs start.  It returns 0, or an errno, which
 * ends the boot.
 * cpu(gd) runs on each CPU in its idle thread, before the first thread there.
 * cpu_fini(gd) runs on each CPU in its idle thread, after all CPUs stopped.
 * fini() runs once at the end; if the boot fails, only if boot() succeeded.
 * Any of these functions may be NULL.  A hook of lower order starts first and
 * ends last.
 *
 * Source: SYSINIT(9) of the BSDs.
 */
#ifndef LWKT_KERN_BOOT_SYSINIT_H
#define LWKT_KERN_BOOT_SYSINIT_H

#include "base/stat_decl.h"

struct globaldata;

enum sysinit_order {
	SI_VM = 100,
	SI_IO = 200,
	SI_USCHED = 250,
	SI_STAT = 300
};

struct sysinit {
	int		 si_order;
	const char	*si_name;
	int		(*si_boot)(void);
	void		(*si_cpu)(struct globaldata *gd);
	void		(*si_cpu_fini)(struct globaldata *gd);
	void		(*si_fini)(void);
};

#define SYSINIT(order, name, boot, cpu, cpu_fini, fini)			\
	static const struct sysinit sysinit_##name			\
	    STAT_SECTION("lwkt_sysinit") =				\
	    { order, #name, boot, cpu, cpu_fini, fini }

#endif
