/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the shared arena, by which a reader outside the process finds
 * the CPUs and the threads.
 *
 * All offsets are bytes from this header, so that the arena can be mapped at
 * any address, or read from a core file.  Pointers in the arena are addresses
 * in the process, where the header is at ah_base.
 *
 * (a) written by any CPU, atomically; the other fields are fixed after boot
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
	uint64_t	 ah_base;	/* this header's address in ah_pid */
	uint64_t	 ah_size;	/* bytes of the arena */
	uint64_t	 ah_used;	/* (a) bytes handed out */
	uint32_t	 ah_ncpus;
	uint32_t	 ah_gdstride;	/* bytes between two globaldata */
	uint64_t	 ah_gdoff;	/* offset of the globaldata of CPU 0 */
	uint64_t	 ah_tdoff;	/* offset of thread structure 0, or 0 */
	uint64_t	 ah_tdcount;	/* (a) thread structures made so far */
	uint32_t	 ah_tdsize;	/* bytes of a thread structure */
	uint32_t	 ah_tdmax;	/* room for this many structures */
	char		 ah_name[32];	/* lc_name of lwkt_boot(), cut; or "" */
};

extern struct arena_head *lwkt__arena;	/* NULL: there is no kernel */

/*
 * Take zeroed memory, aligned to a cache line, from the arena.  Boot; panics if
 * the arena is full.
 */
void   *arena_alloc(size_t size);

/*
 * The thread structures of the arena: 0 to thread_count() - 1.  A structure
 * with TDF_FREE is no thread now, and one whose td_cold is NULL has not been a
 * thread yet.  Idle threads, and threads in storage of the program, are
 * elsewhere.  Any context.
 */
uint64_t thread_count(void);
lwkt_thread_t thread_nth(uint64_t i);

#endif
