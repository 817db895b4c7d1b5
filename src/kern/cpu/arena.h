/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the shared arena: where a reader outside the process finds
 * everything.
 *
 * All offsets are bytes from this header, so that the arena can be mapped at
 * any address, or read from a core file.
 */
#ifndef LWKT_KERN_CPU_ARENA_H
#define LWKT_KERN_CPU_ARENA_H

#include <lwkt/types.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define ARENA_MAGIC	0x31746b776cULL		/* "lwkt1" */
#define ARENA_VERSION	1

struct arena_head {
	uint64_t	 ah_magic;
	uint32_t	 ah_version;
	uint32_t	 ah_pid;
	uint64_t	 ah_base;	/* our address of this header */
	uint64_t	 ah_size;
	uint64_t	 ah_used;	/* (a) bytes handed out */
	uint32_t	 ah_ncpus;
	uint32_t	 ah_gdstride;
	uint64_t	 ah_gdoff;	/* struct globaldata of each CPU */
	uint64_t	 ah_tdoff;	/* thread structures, vm's */
	uint64_t	 ah_tdcount;	/* (a) made so far */
	uint32_t	 ah_tdsize;
	uint32_t	 ah_tdmax;
	char		 ah_name[32];
};

extern struct arena_head *lwkt__arena;	/* NULL: there is no kernel */

/* Boot storage: zeroed, aligned to a cache line.  Boot. */
void   *arena_alloc(size_t size);

/* The threads of the arena: 0 to thread_count() - 1.  Any context. */
uint64_t thread_count(void);
lwkt_thread_t thread_nth(uint64_t i);

#endif
