/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No more memory: a type is at its limit, no bank is left, or the host refuses.
 */
#include "core/vm/slabtest.h"

/* Allocate up to the limit of a type, on one CPU. */
static int
limits(void *arg)
{
	const int64_t most = 256 * 1024;
	struct lwkt_malloc_stats ms;
	void *p[600];
	unsigned n, i;

	(void)arg;
	check(lwkt_kmalloc_limit(M_TEST) > 0, "no limit at first");
	lwkt_kmalloc_raise_limit(M_TEST, most);
	check(lwkt_kmalloc_limit(M_TEST) == most, "limit not set");
	for (n = 0; n < nitems(p); n++)
		if ((p[n] = lwkt_kmalloc(1024, M_TEST, LWKT_M_NOWAIT)) == NULL)
			break;
	check(n == most / 1024, "%u blocks within the limit", n);
	check(lwkt_kmalloc(1, M_TEST, LWKT_M_WAITOK | LWKT_M_NULLOK) == NULL,
	    "more than the limit");
	check(lwkt_krealloc(p[0], 2000, M_TEST, LWKT_M_NOWAIT) == NULL,
	    "more than the limit by realloc");
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == n && ms.ms_memuse == most && ms.ms_limit == most,
	    "%lld blocks, %lld bytes", (long long)ms.ms_inuse,
	    (long long)ms.ms_memuse);
	check(ms.ms_calls == n && ms.ms_failed == 3, "%llu calls, %llu failed",
	    (unsigned long long)ms.ms_calls, (unsigned long long)ms.ms_failed);
	lwkt_kfree(p[--n], M_TEST);
	check((p[n] = lwkt_kmalloc(1024, M_TEST, LWKT_M_NOWAIT)) != NULL,
	    "no room for what was freed");
	n++;
	lwkt_kmalloc_set_unlimited(M_TEST);
	check((p[n] = lwkt_kmalloc(BIG * 40, M_TEST, LWKT_M_NOWAIT)) != NULL,
	    "a limit where there is none");
	for (i = 0; i <= n; i++)
		lwkt_kfree(p[i], M_TEST);
	check(lwkt_kmalloc(SIZE_MAX / 2, M_TEST, LWKT_M_NOWAIT) == NULL,
	    "more than there can be");
	check(lwkt_kmalloc(SIZE_MAX, M_TEST, LWKT_M_NOWAIT | LWKT_M_POWEROF2)
	    == NULL, "more than there can be");
	return 0;
}

/* What all CPUs have taken together is within the limit. */
static uint32_t taken;

static void
takes_all(void *arg)
{
	void *p;

	while ((p = lwkt_kmalloc(2000, M_TEST, LWKT_M_NOWAIT)) != NULL) {
		*(void **)p = *(void **)arg;
		*(void **)arg = p;
		ADD(taken, 1);
		lwkt_yield();
	}
}

static int
limit_of_all(void *arg)
{
	const int64_t most = 60 * 2048;
	int i, n = lwkt_ncpus();
	lwkt_thread_t td[MAXCPUS];
	void *list[MAXCPUS] = { NULL }, *p;

	(void)arg;
	STORE(taken, 0);
	lwkt_kmalloc_raise_limit(M_TEST, most);
	for (i = 0; i < n; i++)
		td[i] = spawn(takes_all, &list[i], 0, i);
	join_all(td, n);
	check(taken >= 60 && taken <= (uint32_t)(60 + n), "%u taken", taken);
	for (i = 0; i < n; i++)
		while ((p = list[i]) != NULL) {
			list[i] = *(void **)p;
			lwkt_kfree(p, M_TEST);
		}
	all_came_back(M_TEST);
	return 0;
}

#define BANKS		RESV_BANKS
#define MOST_OF_BANK	((size_t)4800)	/* slots: a bank has no two such runs */

/* A run of slots of which one page is in use; or NULL. */
static struct kmem_slot *
run(size_t nslots)
{
	struct kmem_slot *ks;

	lwkt_crit_enter();
	ks = kmem_alloc(nslots);
	lwkt_crit_exit();
	if (ks != NULL)
		ks->ks_size = machine_page_size();
	return ks;
}

static void
run_free(struct kmem_slot *ks)
{
	lwkt_crit_enter();
	kmem_free(ks);
	lwkt_crit_exit();
}

/* Take runs until there is no bank for another one.  Returns how many. */
static int
all_banks(struct kmem_slot **ks, int most)
{
	int n = 0;

	while (n < most && (ks[n] = run(MOST_OF_BANK)) != NULL)
		n++;
	return n;
}

/*
 * The table of banks is full, unless the host refuses address space before:
 * a request gets a longer run, and is refused if there is none.
 */
static int
full_table(void *arg)
{
	static struct kmem_slot *ks[BANKS + 1];
	struct kmem_slot *shorter;
	int n = all_banks(ks, BANKS + 1);

	(void)arg;
	check(n <= BANKS, "%d runs, each of a bank of its own", n);
	check(counter("vm.kmem_full") + counter("vm.kmem_refused") == 1,
	    "%lld banks found no room, the host refused %lld",
	    (long long)counter("vm.kmem_full"),
	    (long long)counter("vm.kmem_refused"));
	run_free(ks[0]);
	shorter = run(4000);
	check(shorter == ks[0], "the longer run is not used");
	check(run(4000) == NULL, "a run more than there are");
	if (shorter != NULL)
		run_free(shorter);
	for (int i = 1; i < n; i++)
		run_free(ks[i]);
	check(all_banks(ks, BANKS + 1) == n, "not all %d runs came back", n);
	check(counter("vm.kmem_banks") <= BANKS, "%lld banks",
	    (long long)counter("vm.kmem_banks"));
	return 0;
}

#define RESERVATIONS	16	/* more than a boot and a test make */

/* The host refuses memory: no block, and nothing else is the worse for it. */
static int
shortage(void *arg)
{
	struct lwkt_malloc_stats ms;
	void *p[60];
	unsigned i, got = 0, refused = 0;
	size_t size;

	for (i = 0; i < nitems(p); i++) {
		size = i % 3 == 0 ? 50000 : i % 3 == 1 ? 16000 : 40;
		p[i] = lwkt_kmalloc(size, M_TEST, LWKT_M_NOWAIT);
		got += p[i] != NULL;
		refused += p[i] == NULL;
		if (p[i] != NULL)
			mark(p[i], size, i);
	}
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == got && ms.ms_failed == refused, "%lld in use, "
	    "%llu refused; %u and %u", (long long)ms.ms_inuse,
	    (unsigned long long)ms.ms_failed, got, refused);
	for (i = 0; i < nitems(p); i++)
		if (p[i] != NULL)
			lwkt_kfree(p[i], M_TEST);
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == 0, "%lld left", (long long)ms.ms_inuse);
	if (arg != NULL)
		*(unsigned *)arg = refused;
	return 0;
}

/*
 * Refuse the n-th reservation, for n beyond the last one.  The first ones are
 * the boot's, which goes on with less or fails.
 */
static void
each_reservation(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_seed = 1 };
	char fail[32];
	unsigned n, refused = 0, with = 0;
	int error, result;

	for (n = 1; n <= RESERVATIONS; n++) {
		snprintf(fail, sizeof(fail), "mem.reserve:%u", n);
		setenv("LWKT_FAIL", fail, 1);
		error = lwkt_boot_result(&cfg, shortage, &refused, &result);
		with += error == 0 && refused > 0;
	}
	unsetenv("LWKT_FAIL");
	ok(with >= 2 && check_failures == 0, "each reservation of "
	    "memory may be refused: %u were of use", with);
}

int
main(void)
{
	static const struct sim_scenario faults = {
		.ss_name = "the host refuses memory", .ss_body = shortage,
		.ss_seeds = 100, .ss_faults = 1,
	};

	sim_explore("a type's limit", limits, NULL, 20);
	sim_explore("a limit of all CPUs together", limit_of_all, NULL, 50);
	if (LWKT_ASAN || fiber_wanted())
		skip("a checker has no memory to describe 1 TiB");
	else
		sim_explore("the table of banks is full", full_table, NULL,
		    2);
	sim_explore_with(&faults);
	each_reservation();
	return tap_done();
}
