/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Very many threads alive at once, asleep, then woken and joined; and what
 * they took goes back to the host.
 */
#ifndef LWKT_TESTS_CORE_THREAD_CROWD_H
#define LWKT_TESTS_CORE_THREAD_CROWD_H

#include <sys/mman.h>

#include "core/util.h"

static uint32_t asleep, woken, nthreads;
static uint32_t go;

static void
sleeper(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&asleep, 1);
	while (atomic_load_acq_32(&go) == 0)
		lwkt_tsleep(&go, 0, "million", 60 * 1000 * MS);
	atomic_fetchadd_32(&woken, 1);
}

/* Bytes of memory the process holds now, a checker's included. */
static uint64_t
resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &size, &pages) != 2)
			pages = 0;
		(void)fclose(f);
	}
	return (uint64_t)pages * 4096;
}

static int
all_at_once(void *arg)
{
	size_t size = nthreads * sizeof(lwkt_thread_t);
	uint64_t before, each;
	lwkt_thread_t *td;
	uint32_t i;

	(void)arg;
	asleep = woken = go = 0;
	td = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (td == MAP_FAILED)
		return 1;
	memset(td, 0, size);
	before = resident();
	for (i = 0; i < nthreads; i++) {
		td[i] = spawn(sleeper, NULL, 0, LWKT_CPU_ROTATE);
		if (i % 256 == 0)
			lwkt_yield();
	}
	await(&asleep, nthreads);
	each = (resident() - before) / nthreads;
	diag("%llu bytes each", (unsigned long long)each);
	check(each < 5000 || fiber_wanted(), "%llu bytes each",
	    (unsigned long long)each);
	STORE(go, 1);
	lwkt_wakeup(&go);
	for (i = 0; i < nthreads; i++)
		join(td[i]);
	check(woken == nthreads, "%u of %u woke", woken, nthreads);
	/* Idle CPUs give it back, some time later (lwkt.cache_ms). */
	for (i = 0; (each = (resident() - before) >> 20) >= 256 && i < 600; i++)
		lwkt_sleep_ns(50 * MS);
	check(each < 256 || fiber_wanted(), "%llu MiB stay",
	    (unsigned long long)each);
	(void)munmap(td, size);
	return 0;
}

/* A main program: so many threads of 16 KiB on two CPUs. */
static int
crowd_main(uint32_t n)
{
	struct lwkt_config cfg = { .lc_ncpus = 2, .lc_stksize = 16384 };
	int result = -1;

	if (LWKT_ASAN || LWKT_TSAN)
		n = 4000;		/* their own bounds are lower */
	nthreads = n;
	check_failures = 0;
	if (lwkt_boot_result(&cfg, all_at_once, NULL, &result) != 0)
		skip_all("the host has not so much address space");
	ok(result == 0 && check_failures == 0, "%u threads are alive at once, "
	    "wake and end", nthreads);
	return tap_done();
}

#endif
