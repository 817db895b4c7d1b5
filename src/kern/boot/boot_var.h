/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot and shutdown.  kern_boot_* are called in this order.
 */
#ifndef LWKT_KERN_BOOT_BOOT_VAR_H
#define LWKT_KERN_BOOT_BOOT_VAR_H

#include <lwkt/boot.h>

#include "base/compiler.h"

struct globaldata;

extern struct lwkt_config lwkt__boot_config; /* (i) from kern_boot_prepare on */

/*
 * kern_boot_prepare returns 0, or an errno after it has undone its work.  After
 * an errno the next two are not called.  kern_boot_run returns 0 when every CPU
 * has stopped, or an errno of machine_run().  A si_cpu hook must start the
 * first thread.
 *
 * kern_stop asks the CPUs to stop.  A CPU that has received this request
 * switches to no thread but its idle thread.  The caller of kern_stop continues
 * until it blocks or yields, or until shutdown.c stops it.
 */
int	kern_boot_prepare(const struct lwkt_config *cfg);
int	kern_boot_run(void);
void	kern_boot_release(void);
void	kern_stop(void);

/* idle.c: run this CPU as its idle thread until cpu_stops(). */
void	idle_loop(struct globaldata *gd);

/*
 * shutdown.c.  shutdown_boot: no CPU has stopped yet.  stop_this_cpu: this CPU
 * has left its idle loop; wait until all have.
 */
void	shutdown_boot(void);
void	stop_this_cpu(struct globaldata *gd);

#endif
