/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks: their sizes, their guards, and that they are used again.
 */
#include "core/child.h"
#include "core/util.h"

/* Write the stack from here down to `left` bytes above its end. */
static __attribute__((noinline)) void
fill(size_t left)
{
	volatile char here;
	char *low = (char *)curthread->td_stack + left;
	size_t n = (size_t)((char *)(uintptr_t)&here - low);
	char *p = __builtin_alloca(n);

	memset(p, 0x5a, n);
	__asm__ __volatile__("" :: "r" (p) : "memory");
	lwkt_yield();
}

static void
uses_it_all(void *arg)
{
	*(size_t *)arg = curthread->td_stksize;
	fill(LWKT_ASAN || LWKT_TSAN ? 8192 : 2048);
}

static int
sizes_hold(void *arg)
{
	static const size_t sizes[] = { 1, 16384, 16385, 65536, 1000000,
		16 << 20 };
	lwkt_thread_t td;
	size_t got = 0, i;

	(void)arg;
	for (i = 0; i < nitems(sizes); i++) {
		td = lwkt_alloc_thread(sizes[i], other_cpu(), LWKT_JOINABLE);
		check(td != NULL, "no stack of %zu", sizes[i]);
		check(lwkt_create(uses_it_all, &got, NULL, td, 0, 0, "deep")
		    == 0, "create");
		join(td);
		check(got + 20480 >= sizes[i], "%zu of %zu", got, sizes[i]);
	}
	check(lwkt_alloc_thread((16 << 20) + 1, 0, 0) == NULL, "too large");
	return 0;
}

static int
last_dead_first(void *arg)
{
	lwkt_thread_t a, b;
	int64_t made;
	int i;

	(void)arg;
	a = spawn(util_nothing, NULL, 0, lwkt_cpuid());
	join(a);
	made = counter("vm.threads_made");
	for (i = 0; i < 20; i++) {
		b = spawn(util_nothing, NULL, 0, lwkt_cpuid());
		check(b == a, "another structure, another stack");
		join(b);
	}
	check(counter("vm.threads_made") == made, "more were made");
	return 0;
}

/* More than a cache holds go on to the depot, and come back from there. */
static int
depot_gives_back(void *arg)
{
	enum { N = 200 };		/* more than lwkt.cache_threads */
	lwkt_thread_t td[N];
	int64_t made = 0;
	int i, round;

	(void)arg;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < N; i++)
			td[i] = spawn(util_nothing, NULL, 0,
			    (i + round) % lwkt_ncpus());
		for (i = 0; i < N; i++)
			join(td[i]);
		if (round == 0)
			made = counter("vm.threads_made");
	}
	check(counter("vm.depot_put") > 0 && counter("vm.depot_get") > 0,
	    "the depot was not used");
	check(counter("vm.threads_made") - made <= 16 * lwkt_ncpus(),
	    "%d more were made", (int)(counter("vm.threads_made") - made));
	return 0;
}

/* Make n threads on this CPU and let all of them die. */
static void
burst(int n)
{
	static lwkt_thread_t td[300];
	int i;

	for (i = 0; i < n; i++)
		td[i] = spawn(util_nothing, NULL, 0, lwkt_cpuid());
	for (i = 0; i < n; i++)
		join(td[i]);
}

/* What a burst of threads has left stays for the next burst. */
static int
burst_stays(void *arg)
{
	(void)arg;
	burst(300);
	check(counter("vm.depot_put") == 0, "%d did not stay",
	    (int)counter("vm.depot_put"));
	burst(300);
	check(counter("vm.depot_get") == 0 && counter("vm.cache_spared") == 0,
	    "they were not used again");
	return 0;
}

/* The dead threads that CPUs keep, and those that live. */
static int64_t
kept(void)
{
	return counter("vm.threads_made") - counter("vm.depot_put") +
	    counter("vm.depot_get");
}

/*
 * An idle CPU gives back what it has not needed for lwkt.cache_ms; the caller
 * sleeps meanwhile, longer with each try.
 */
static int
idle_gives_back(void *arg)
{
	enum { MOST = 16 + 16 + 4 };
	int64_t spared, try;

	(void)arg;
	burst(300);
	for (try = 1; try < 1000 && kept() > MOST; try++)
		lwkt_sleep_ns(try * MS);
	check(kept() <= MOST, "%d are kept", (int)kept());
	check(counter("vm.cache_spared") > 0, "not by an idle CPU");
	/* Nothing is left to give back: the timer does not run any more. */
	lwkt_sleep_ns(100 * MS);
	check(kept() >= 16 - 8, "%d are kept: too few", (int)kept());
	spared = counter("vm.cache_spared");
	lwkt_sleep_ns(100 * MS);
	check(counter("vm.cache_spared") == spared, "more, later");
	burst(100);
	check(counter("vm.depot_get") > 0, "the depot was not used");
	return 0;
}

/* Without a share of the memory only lwkt.cache_threads stay. */
static int
no_more_than_the_share(void *arg)
{
	(void)arg;
	burst(300);
	check(counter("vm.depot_put") >= 300 - 16 - 16, "%d of 300 went",
	    (int)counter("vm.depot_put"));
	return 0;
}

/* The host cannot do it for many stacks at once: it is done one by one. */
static int
not_many_at_once(void *arg)
{
	int round;

	(void)arg;
	for (round = 0; round < 3; round++)
		burst(100);
	return sizes_hold(arg);
}

/* Threads that die elsewhere: their stacks do not pile up there. */
static void
joins_for_another(void *arg)
{
	lwkt_thread_t *td = arg;
	int i;

	for (i = 0; i < 50; i++)
		join(td[i]);
}

static int
one_way_traffic(void *arg)
{
	lwkt_thread_t td[50];
	int i, round;

	(void)arg;
	for (round = 0; round < TIMES(LWKT_TSAN ? 6 : 50, 6); round++) {
		for (i = 0; i < 50; i++)
			td[i] = spawn(util_nothing, NULL, 0, other_cpu());
		join(spawn(joins_for_another, td, 0, other_cpu()));
	}
	check(counter("vm.threads_made") < 200, "%d were made for 50",
	    (int)counter("vm.threads_made"));
	return 0;
}

/* Without guards the canary notices, at the next switch. */
static void
overwrites(void *arg)
{
	(void)arg;
	*(volatile uint64_t *)curthread->td_stack = 0;
	lwkt_yield();
}

static int
canary_body(void *arg)
{
	(void)arg;
	lwkt_setname("main");
	join(spawn(overwrites, NULL, 0, 0));
	return 0;
}

static void
canary_child(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 1 };

	(void)arg;
	(void)setenv("LWKT_FAIL", "guard.madvise:*,guard.mprotect:*", 1);
	(void)lwkt_boot(&cfg, canary_body, NULL);
}

static void
canary(void)
{
	static struct child c;

	if (TIMES(0, 1)) {
		skip("LWKT_FAIL has one point on the simulated host");
		return;
	}
	child_run(&c, canary_child, NULL);
	if (!ok(child_died(&c, SIGABRT) && child_said(&c,
	    "stack overflow: thread \"worker\", stack "),
	    "without guards the canary names the thread"))
		child_diag(&c);
}

/* All kinds of guards carry the same load. */
static void
guards(void)
{
	static const struct { const char *fail, *name; } kinds[] = {
		{ "none:1", "stacks with the guards of this host" },
		{ "guard.madvise:*", "stacks with guards by mprotect" },
		{ "guard.madvise:*,guard.mprotect:*", "stacks with canaries" },
	};
	size_t i;

	for (i = 0; i < (TIMES(1, 0) ? nitems(kinds) : 1); i++) {
		(void)setenv("LWKT_FAIL", kinds[i].fail, 1);
		sim_explore(kinds[i].name, sizes_hold, NULL, 10);
	}
	(void)unsetenv("LWKT_FAIL");
}

int
main(void)
{
	guards();
	canary();
	sim_explore("the last one that died is used first", last_dead_first,
	    NULL, 50);
	(void)setenv("LWKT_TUNE", "lwkt.cache_threads=16,lwkt.cache_ms=20,"
	    "lwkt.cache_percent=50", 1);
	sim_explore("stacks that die elsewhere come back", one_way_traffic,
	    NULL, 30);
	sim_explore("an idle CPU gives back what it does not need",
	    idle_gives_back, NULL, 20);
	(void)setenv("LWKT_TUNE", "lwkt.cache_threads=16,lwkt.cache_ms=3600000,"
	    "lwkt.cache_percent=50", 1);
	sim_explore("what a burst has left stays for the next", burst_stays,
	    NULL, 10);
	(void)setenv("LWKT_TUNE", "lwkt.cache_threads=16,lwkt.cache_percent=0",
	    1);
	sim_explore("what no cache holds comes back from the depot",
	    depot_gives_back, NULL, 50);
	sim_explore("no share of the memory: few stacks stay",
	    no_more_than_the_share, NULL, 20);
	(void)setenv("LWKT_FAIL", "guard.many:*,decommit.many:*", 1);
	if (TIMES(1, 0))
		sim_explore("stacks one by one", not_many_at_once, NULL, 3);
	return tap_done();
}
