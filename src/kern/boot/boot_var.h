/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot, the idle thread, shutdown.
 */
#ifndef LWKT_KERN_BOOT_BOOT_VAR_H
#define LWKT_KERN_BOOT_BOOT_VAR_H

#include <lwkt/boot.h>

#include "kern/cpu/globaldata.h"

extern struct lwkt_config lwkt__boot_config; /* (i) from kern_boot_prepare on */

/*
 * kern_init.c.  The functions are called in this order.  kern_boot_run returns
 * when every CPU has stopped.  A si_cpu hook must start the first thread.
 */
int	kern_boot_prepare(const struct lwkt_config *cfg);
int	kern_boot_run(void);
void	kern_boot_release(void);

/* idle.c: run a CPU until kern_stop asks it to stop. */
void	idle_loop(struct globaldata *gd);

/*
 * shutdown.c.  kern_stop asks every CPU to stop.  From then on no CPU switches
 * to a thread; the caller of kern_stop runs on until it blocks.  stop_together
 * waits until all CPUs have stopped.
 */
void	kern_stop(void);
void	stop_boot(void);
void	stop_together(struct globaldata *gd);

#endif
