/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot and shutdown (kern_init.c), in this order.
 */
#ifndef LWKT_KERN_BOOT_BOOT_VAR_H
#define LWKT_KERN_BOOT_BOOT_VAR_H

#include <lwkt/boot.h>

#include "base/compiler.h"

extern struct lwkt_config lwkt__boot_config; /* (i) from kern_boot_prepare on */

/*
 * kern_boot_run returns when every CPU has stopped, which kern_stop asks for:
 * from then on no thread is switched to (the caller's goes on until it blocks).
 * Something in a si_cpu hook must start a first thread.
 */
int	kern_boot_prepare(const struct lwkt_config *cfg);
int	kern_boot_run(void);
void	kern_boot_release(void);
void	kern_stop(void);

#endif
