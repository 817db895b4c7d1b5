/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to thread/: the threads made
 * here.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_THREAD_THREAD_CPU_H
#define LWKT_KERN_THREAD_THREAD_CPU_H

#include <stdint.h>

struct thread_cpu {
	uint64_t	 gd_nextid;	/* (c) thread ids given out here */
};

#endif
