/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to time/: timers and clocks.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_TIME_TIME_CPU_H
#define LWKT_KERN_TIME_TIME_CPU_H

#include <lwkt/systimer.h>

#include "base/compiler.h"

struct wheel;

struct time_cpu {
	LWKT_CACHEALIGN
	uint32_t	 gd_tick_armed;	/* (c) the tick runs (TI1, tick.c) */
	struct wheel	*gd_wheel;	/* (i) timers; (c) its contents */
	/*
	 * (c) The timer whose function runs.  NULL if none runs, or if the
	 * function has deleted its timer or started it again.
	 */
	struct lwkt_systimer *gd_systimer_inprog;
	uint64_t	 gd_systimer_seq; /* (c) st_seq of the next timer */
	int64_t		 gd_timer_armed; /* (c) the host's deadline, ns (TM2) */
	struct lwkt_systimer gd_hardclock; /* (c) the timer of the tick */
};

#endif
