/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to trouble/: state of the
 * watchdog, of the search for deadlocks and of the checks.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_TROUBLE_TROUBLE_CPU_H
#define LWKT_KERN_TROUBLE_TROUBLE_CPU_H

#include <stdint.h>

struct trouble_cpu {
	uint32_t	 gd_watched;	/* (h) 1: the watchdog runs */
	uint32_t	 gd_deadlock_due; /* (h) 1: check when idle */
	uint32_t	 gd_checks;	/* (c) calls of check_sometimes() */
	/* (c) gd_nquiet if idle_check() found no work, else 0 (deadlock.c). */
	uint32_t	 gd_quiet;
};

#endif
