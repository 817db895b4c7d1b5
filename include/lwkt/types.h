/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles and attributes shared by every public header.
 *
 * Conventions of the whole API: an `int` result is 0 or a positive errno; a
 * size or a descriptor is >= 0 or a negative errno; a pointer is NULL when
 * there is none.  No lwkt call returns its result in the global errno.  All
 * times are nanoseconds of the monotonic clock.  An error of the program
 * panics.
 *
 * Contexts, as the headers name them.  Any: everywhere.  Any lwkt context:
 * threads, and callbacks of IPIs and timers.  Thread: threads only.  If not
 * said otherwise, a critical section is allowed, and plain pthreads are not.
 */
#ifndef LWKT_TYPES_H
#define LWKT_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define LWKT_BEGIN_DECLS	extern "C" {
#define LWKT_END_DECLS		}
#else
#define LWKT_BEGIN_DECLS
#define LWKT_END_DECLS
#endif

#define LWKT_API		__attribute__((visibility("default")))
#define LWKT_ALIGNED(n)		__attribute__((aligned(n)))
#define LWKT_PRINTFLIKE(f, a)	__attribute__((format(printf, f, a)))

/*
 * No time limit.  Any other negative limit means 0.  lwkt_until() computes a
 * limit from a deadline.
 */
#define LWKT_FOREVER		((int64_t)-1)

typedef struct lwkt_thread *lwkt_thread_t;
typedef struct lwkt_port *lwkt_port_t;
typedef struct lwkt_msg *lwkt_msg_t;

/* A set of CPUs, passed by value. */
#define LWKT_MAXCPU		256
typedef struct lwkt_cpumask {
	uint64_t	cm_word[LWKT_MAXCPU / 64];
} lwkt_cpumask_t;

#endif
