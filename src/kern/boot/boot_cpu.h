/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to boot/: state of the idle loop.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_BOOT_BOOT_CPU_H
#define LWKT_KERN_BOOT_BOOT_CPU_H

#include <stdint.h>

struct boot_cpu {
	uint32_t	 gd_stopped;	/* (a) 1: the idle loop has ended */
	uint32_t	 gd_nquiet;	/* (c) times the CPU became quiescent */
};

#endif
