/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that is not position independent and takes the addresses of
 * functions of libc: they are those of its own stubs, and its code may be
 * interrupted all the same.
 */
#include <link.h>
#include <stdlib.h>

#include "core/util.h"

#define TURNS	2000000000u

static uint32_t stop;
static void (*volatile destroy)(void *);
static void *(*volatile make)(size_t);
static int (*volatile each)(int (*)(struct dl_phdr_info *, size_t, void *),
    void *);

static void
hog(void *arg)
{
	unsigned n;

	for (n = 0; n < TURNS && !__atomic_load_n(&stop, __ATOMIC_RELAXED);
	    n++)
		__asm__ __volatile__("" ::: "memory");
	*(unsigned *)arg = n;
}

static void
ends_it(void *arg)
{
	(void)arg;
	STORE(stop, 1);
}

static int
hog_loses_the_cpu(void *arg)
{
	lwkt_thread_t a, b;
	unsigned turns = TURNS;

	(void)arg;
	/* In code, so that stubs are made. */
	destroy = free;
	make = malloc;
	each = dl_iterate_phdr;
	STORE(stop, 0);
	a = spawn(hog, &turns, LWKT_PREEMPTIBLE, lwkt_cpuid());
	b = spawn(ends_it, NULL, 0, lwkt_cpuid());
	join(a);
	join(b);
	check(turns < TURNS, "the hog was never interrupted");
	destroy(make(1));
	check(each != NULL, "no dl_iterate_phdr");
	return 0;
}

int
main(void)
{
	if (!TICKS_COME || LWKT_ASAN)
		skip_all("a checker's runtime is not interrupted");
	sim_explore("an equal gets the CPU", hog_loses_the_cpu, NULL, 1);
	return tap_done();
}
