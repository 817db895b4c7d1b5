/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the threads inside the lock of a test: at most one writer, or readers.
 *
 * A writer is a thread that holds the lock exclusively, a reader one that
 * shares it.  The test takes the lock; these functions count and compare.
 */
#ifndef LWKT_TESTS_CORE_HOLDERS_H
#define LWKT_TESTS_CORE_HOLDERS_H

#include "core/util.h"

static uint32_t readers, writers;	/* atomic: holders right now */
static long total;			/* protected by the lock */

UTIL void
holders_fresh(void)
{
	readers = writers = 0;
	total = 0;
}

/* The parts of write_inside(), for a check of the test in between. */
UTIL void
writer_in(void)
{
	check(ADD(writers, 1) == 1 && LOAD(readers) == 0,
	    "a writer is not alone");
}

UTIL void
writer_out(void)
{
	total++;
	lwkt_yield();
	check(LOAD(writers) == 1 && LOAD(readers) == 0,
	    "not alone after a yield");
	ADD(writers, -1);
}

/* With a lock that is kept over a yield. */
UTIL void
write_inside(void)
{
	writer_in();
	writer_out();
}

UTIL void
read_inside(void)
{
	ADD(readers, 1);
	check(LOAD(writers) == 0, "a reader beside a writer");
	lwkt_yield();
	check(LOAD(writers) == 0, "beside a writer after a yield");
	ADD(readers, -1);
}

/* With a lock that is not: every step is a choice point. */
UTIL void
write_at_once(void)
{
	check(atomic_fetchadd_32(&writers, 1) == 0 &&
	    atomic_load_32(&readers) == 0, "a writer is not alone");
	total++;
	(void)atomic_fetchadd_32(&writers, (uint32_t)-1);
}

UTIL void
read_at_once(void)
{
	(void)atomic_fetchadd_32(&readers, 1);
	check(atomic_load_32(&writers) == 0, "a reader beside a writer");
	(void)atomic_fetchadd_32(&readers, (uint32_t)-1);
}

#endif
