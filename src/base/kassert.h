/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assertions: KASSERT is checked in all builds, INVARIANT in invariants builds.
 *
 * Both are always compiled.  A checked condition that does not hold is an error
 * of the library or of the program: lwkt_panic() is called, which does not
 * return.  Higher layers set lwkt__panic_hook, to add to the report what base/
 * cannot know (CPU, thread, backtrace).
 */
#ifndef LWKT_BASE_KASSERT_H
#define LWKT_BASE_KASSERT_H

#include <lwkt/panic.h>

#include "base/compiler.h"
#include "base/config.h"

#define KASSERT(e)							\
	do {								\
		if (unlikely(!(e)))					\
			lwkt_panic("%s:%d: %s: assertion failed: %s",	\
			    __FILE_NAME__, __LINE__, __func__, #e);	\
	} while (0)

/* KASSERT with a message for the panic: KASSERTF(n < 4, "n=%d", n). */
#define KASSERTF(e, fmt, ...)						\
	do {								\
		if (unlikely(!(e)))					\
			lwkt_panic("%s: %s: " fmt, __func__, #e,	\
			    ##__VA_ARGS__);				\
	} while (0)

#define INVARIANT(e)							\
	do {								\
		if (config_invariants)					\
			KASSERT(e);					\
	} while (0)

#define CTASSERT(e, why)	_Static_assert(e, why)

/*
 * NULL, or the function that the first lwkt_panic() of the process calls with
 * its message, before abort().  A later lwkt_panic() does not call it.
 */
extern void (*lwkt__panic_hook)(const char *msg);
/*
 * Return 1 if lwkt_panic() was called in this process, else 0.
 * Async-signal-safe.
 */
int	lwkt__panicking(void);

#endif
