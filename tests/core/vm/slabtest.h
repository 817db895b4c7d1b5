/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of zones and blocks share: a type, contents by which a block
 * is known, and the check that all memory came back.
 */
#ifndef LWKT_TESTS_CORE_SLABTEST_H
#define LWKT_TESTS_CORE_SLABTEST_H

#include <lwkt/malloc.h>

#include "core/util.h"
#include "vm/slab_var.h"

static LWKT_MALLOC_DEFINE(M_TEST, "test", "blocks of the tests");

#define MAXCPUS		8
#define ZONE_BLOCKS	7		/* of 16 KiB in a zone */
#define BIG		((size_t)16384)

/* Fetch what other CPUs freed, and add this CPU's number of zones to *arg. */
UTIL void
tidies(void *arg)
{
	struct slab *sl;

	lwkt_synchronize_ipiqs("tidy");
	lwkt_crit_enter();
	if ((sl = mygd()->gd_slab) != NULL) {
		slab_check(sl);
		slab_clean(sl);
		slab_check(sl);
		ADD(*(uint32_t *)arg, sl->sl_nzones);
	}
	lwkt_crit_exit();
}

/* Return how many zones all CPUs have when nothing is in use. */
UTIL uint32_t
zones_left(void)
{
	uint32_t left = 0;
	int round, cpu;

	for (round = 0; round < 2; round++) {	/* messages, then zones */
		STORE(left, 0);
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
			join(spawn(tidies, &left, 0, cpu));
	}
	return LOAD(left);
}

/* Check that no block of the type is in use, and that no zone is left. */
UTIL void
all_came_back(struct lwkt_malloc_type *type)
{
	struct lwkt_malloc_stats ms;
	uint32_t zones;

	lwkt_kmalloc_stats(type, &ms);
	check(ms.ms_inuse == 0 && ms.ms_memuse == 0, "%lld blocks, %lld bytes "
	    "in use", (long long)ms.ms_inuse, (long long)ms.ms_memuse);
	zones = zones_left();
	check(zones == 0, "%u zones left", zones);
}

/* Contents by which a block is known. */
UTIL void
mark(void *p, size_t size, unsigned seed)
{
	memset(p, (int)(seed & 0xff), size);
}

UTIL int
marked(const void *p, size_t size, unsigned seed)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (c[i] != (seed & 0xff))
			return 0;
	return 1;
}

#endif
