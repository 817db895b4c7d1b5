/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to trouble/: notes of the
 * watchdog, of the search for deadlocks and of the checks.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_TROUBLE_TROUBLE_CPU_H
#define LWKT_KERN_TROUBLE_TROUBLE_CPU_H

#include <stdint.h>

struct trouble_cpu {
	uint32_t	 gd_watched;	/* (h) the watch is set */
	uint32_t	 gd_look;	/* (h) idle: look for a deadlock */
	uint32_t	 gd_checks;	/* (c) switches; check_sometimes */
	uint32_t	 gd_quiet;	/* (c) number of the quiet time, or 0 */
};

#endif
