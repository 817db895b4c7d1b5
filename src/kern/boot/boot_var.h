/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot and shutdown (kern_init.c).  kern_boot_* are called in this order.
 */
#ifndef LWKT_KERN_BOOT_BOOT_VAR_H
#define LWKT_KERN_BOOT_BOOT_VAR_H

#include <lwkt/boot.h>

#include "base/compiler.h"

extern struct lwkt_config lwkt__boot_config; /* (i) from kern_boot_prepare on */

/*
 * kern_boot_run returns when every CPU has stopped.  kern_stop asks them to
 * stop.  From then on no CPU switches to a thread; the caller of kern_stop runs
 * on until it blocks.  A si_cpu hook must start the first thread.
 */
int	kern_boot_prepare(const struct lwkt_config *cfg);
int	kern_boot_run(void);
void	kern_boot_release(void);
void	kern_stop(void);

#endif
