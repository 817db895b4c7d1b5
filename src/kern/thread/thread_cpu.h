/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to thread/: the numbering of
 * threads.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_THREAD_THREAD_CPU_H
#define LWKT_KERN_THREAD_THREAD_CPU_H

#include <stdint.h>

struct thread_cpu {
	uint64_t	 gd_nextid;	/* (c) threads that this CPU has made */
};

#endif
