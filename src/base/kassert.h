/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assertions: KASSERT is checked in all builds, INVARIANT in invariants builds.
 *
 * Both are always compiled.  A failure is a programming error, of the library
 * or of the program; it panics and does not return.  kern/ sets
 * lwkt__panic_hook once, to add what this layer cannot know (CPU, thread,
 * backtrace).
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

/* Add a message with numbers: KASSERTF(n < 4, "n=%d", n). */
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

/* Called once by lwkt_panic with the finished message, before abort(). */
extern void (*lwkt__panic_hook)(const char *msg);
/* Return whether lwkt_panic was called in this process.  Async-signal-safe. */
int	lwkt__panicking(void);

#endif
