/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters and trace rings at boot and shutdown (kern_stat.c).
 */
#ifndef LWKT_KERN_CPU_STAT_VAR_H
#define LWKT_KERN_CPU_STAT_VAR_H

#include <stddef.h>

struct globaldata;

int	stat_boot(void);		/* LWKT_TUNE, LWKT_TRACE: 0, EINVAL */
size_t	stat_bytes(void);		/* that stat_place() needs */
void	stat_place(struct globaldata *gd, void *mem);
void	stat_shutdown(void);		/* LWKT_DEBUG=stats */

#endif
