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
	struct wheel	*gd_wheel;	/* (i) timers, (c) what is in it */
	struct lwkt_systimer *gd_systimer_inprog; /* (c) being called */
	uint64_t	 gd_systimer_seq; /* (c) */
	int64_t		 gd_timer_armed; /* (c) deadline given to the host */
	struct lwkt_systimer gd_hardclock; /* (c) runs while a tick is needed */
};

#endif
