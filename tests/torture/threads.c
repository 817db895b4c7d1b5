/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: threads are made, joined, let go, held, moved and put to sleep by
 * everybody everywhere.
 *
 * Conservation: born = died = counted by the kernel; and no more structures
 * were made than were ever alive at once, and what the caches hold.
 */
#include "core/util.h"
#include "torture/torture.h"

#define MOTHERS		6
#define BROOD		24

static uint64_t born, died, moved;

static uint32_t
any_cpu(struct rng *r)
{
	return rng_below(r, (uint32_t)lwkt_ncpus());
}

static void
child(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	uint32_t i, n = rng_below(&r, 4);

	for (i = 0; i < n; i++) {
		switch (rng_below(&r, 6)) {
		case 0:
			lwkt_sleep_ns(1 + rng_below(&r, 20000));
			break;
		case 1:
		case 2:
			ADD(moved, 1);
			lwkt_migratecpu((int)any_cpu(&r));
			break;
		case 3:
			lwkt_setpri_self(1 + (int)rng_below(&r,
			    LWKT_PRI_MAX));
			break;
		default:
			lwkt_yield();
			break;
		}
	}
	ADD(died, 1);
}

static lwkt_thread_t
bear(struct rng *r)
{
	static const size_t sizes[] = { 0, 0, 0, 16384, 32768, 200000 };
	lwkt_thread_t tmpl = NULL, td = NULL;
	int joinable = rng_below(r, 4) != 0, cpu = (int)any_cpu(r);
	size_t size = sizes[rng_below(r, nitems(sizes))];

	if (size != 0)
		tmpl = lwkt_alloc_thread(size, cpu, 0);
	ADD(born, 1);
	if (lwkt_create(child, (void *)(uintptr_t)rng_next(r), &td, tmpl,
	    joinable ? LWKT_JOINABLE : 0, cpu, "child") != 0)
		lwkt_panic("test: create");
	return joinable ? td : NULL;
}

static void
mother(void *arg)
{
	struct rng r = { torture_seed + (uint64_t)(uintptr_t)arg };
	lwkt_thread_t brood[BROOD] = { NULL };
	uint32_t i;

	while (!torture_over()) {
		i = rng_below(&r, BROOD);
		if (brood[i] == NULL) {
			brood[i] = bear(&r);
			continue;
		}
		if (rng_below(&r, 8) == 0) {
			lwkt_schedule(brood[i]);
			lwkt_hold(brood[i]);
			lwkt_schedule(brood[i]);
			lwkt_rele(brood[i]);
		}
		join(brood[i]);
		brood[i] = NULL;
		if (rng_below(&r, 64) == 0)
			lwkt_migratecpu((int)any_cpu(&r));
		lwkt_yield_quick();
	}
	for (i = 0; i < BROOD; i++)
		if (brood[i] != NULL)
			join(brood[i]);
}

static int
body(void *arg)
{
	lwkt_thread_t td[MOTHERS];
	int64_t created, exited;
	int i;

	(void)arg;
	for (i = 0; i < MOTHERS; i++)
		td[i] = spawn(mother, (void *)(uintptr_t)i, 0,
		    LWKT_CPU_ROTATE);
	for (i = 0; i < MOTHERS; i++)
		join(td[i]);
	for (i = 0; LOAD(died) < LOAD(born) && i < 10000; i++)
		lwkt_sleep_ns(1000000);
	check(died == born, "%llu born, %llu died", (unsigned long long)born,
	    (unsigned long long)died);
	lwkt_sleep_ns(10000000);
	created = counter("lwkt.threads_created");
	exited = counter("lwkt.threads_exited");
	check(created == exited + 1 && created == (int64_t)born + MOTHERS + 1,
	    "%lld created, %lld exited", (long long)created,
	    (long long)exited);
	diag("%llu threads, %llu moves, %lld structures",
	    (unsigned long long)born, (unsigned long long)moved,
	    (long long)counter("vm.threads_made"));
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "born = died", body);
}
