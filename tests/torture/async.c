/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: preemptible threads that compute, copy, allocate, sort, print and
 * recurse, equals on each CPU, under timers of 50 to 500 us, interrupt threads
 * and messages of other CPUs.
 *
 * Every piece of work has a result that is known: one that differs is a
 * register, or a word of a stack, that was not kept.  A lock of libc that was
 * held when its owner was interrupted is a deadlock: then it never ends.
 */
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <math.h>
#include <stdio.h>

#include "core/util.h"
#include "torture/torture.h"

#define MAXCPUS		16
#define HOGS		3		/* of a CPU */
#define TIMERS		3		/* of a CPU */

static uint64_t wrong[8], done[8];	/* (a) by kind of work */
static uint64_t ticked, told, borrowed;	/* (a) */
static struct lwkt_token tok;
static uint64_t value, claimed;		/* under tok; (a) */

static uint64_t
hash(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325u;

	while (n-- > 0)
		h = (h ^ *b++) * 0x100000001b3u;
	return h;
}

/* Integers in registers. */
static int
mixes(struct rng *r)
{
	uint64_t a = rng_next(r), x = a, n = 2000;

	for (uint64_t i = 0; i < n; i++)
		x = (x << 13 | x >> 51) * 0x9e3779b97f4a7c15u + i;
	for (uint64_t i = n; i-- > 0; ) {
		x = (x - i) * 0xf1de83e19937733du;	/* the inverse */
		x = x >> 13 | x << 51;
	}
	return x == a;
}

/* Floating point, in vector registers and in the x87 unit. */
static int
floats(struct rng *r)
{
	double v[64], sum = 0, back = 0;
	long double x = 1;
	int i, k;

	for (i = 0; i < 64; i++)
		v[i] = (double)rng_below(r, 1000);
	for (k = 0; k < 50; k++) {
		for (i = 0; i < 64; i++)
			v[i] = v[i] * 2 + 1;
		for (i = 0; i < 64; i++)
			v[i] = (v[i] - 1) / 2;
		x = x * 3 / 3;
	}
	for (i = 0; i < 64; i++) {
		sum += v[i];
		back += floor(v[i]);
	}
	return sum == back && fabsl(x - 1) < 1e-9L;
}

static int
copies(struct rng *r)
{
	static const size_t most = 6000;
	uint8_t a[6000], b[6000];
	size_t n = 1 + rng_below(r, (uint32_t)most);

	memset(a, (int)rng_below(r, 256), n);
	for (int i = 0; i < 10; i++) {
		a[rng_below(r, (uint32_t)n)] ^= 0x55;
		memcpy(b, a, n);
		if (hash(a, n) != hash(b, n))
			return 0;
	}
	return 1;
}

static int
allocates(struct rng *r)
{
	uint64_t *p[8], seed = rng_next(r);
	int i, good = 1;

	for (i = 0; i < 8; i++) {
		p[i] = malloc(16 + rng_below(r, 5000));
		if (p[i] != NULL)
			p[i][0] = p[i][1] = seed + (uint64_t)i;
	}
	for (i = 0; i < 8; i++) {
		good &= p[i] == NULL || (p[i][0] == seed + (uint64_t)i &&
		    p[i][1] == p[i][0]);
		free(p[i]);
	}
	return good;
}

static int
compares(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int
sorts(struct rng *r)
{
	uint32_t v[400], sum = 0;
	size_t i;

	for (i = 0; i < nitems(v); i++)
		sum += v[i] = (uint32_t)rng_next(r);
	qsort(v, nitems(v), sizeof(v[0]), compares);
	for (i = 0; i < nitems(v); i++) {
		sum -= v[i];
		if (i > 0 && v[i - 1] > v[i])
			return 0;
	}
	return sum == 0;
}

static __attribute__((noinline)) uint32_t
ackermann(uint32_t m, uint32_t n)
{
	if (m == 0)
		return n + 1;
	return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static int
recurses(struct rng *r)
{
	uint32_t n = rng_below(r, 20);

	return ackermann(2, n) == 2 * n + 3;
}

static int
prints(struct rng *r)
{
	uint32_t n = (uint32_t)rng_next(r);
	char text[64];
	FILE *null = fopen("/dev/null", "w");
	int good;

	snprintf(text, sizeof(text), "%u %.3f", n, n / 8.0);
	good = (uint32_t)strtoul(text, NULL, 10) == n;
	if (null != NULL) {
		fprintf(null, "%s %x\n", text, n);
		fclose(null);
	}
	return good;
}

static int
counts_under(struct rng *r)
{
	uint64_t was;
	int i;

	lwkt_gettoken(&tok);
	was = value;
	for (i = (int)rng_below(r, 2000); i > 0; i--)
		__asm__ __volatile__("");
	value = was + 1;
	lwkt_reltoken(&tok);
	ADD(claimed, 1);
	return 1;
}

static int (*const work[8])(struct rng *) = { mixes, floats, copies,
    allocates, sorts, recurses, prints, counts_under };

static void
hog(void *arg)
{
	struct rng r = { torture_seed + (uint64_t)(uintptr_t)arg };
	uint32_t kind, n;

	while (!torture_over()) {
		kind = rng_below(&r, nitems(work));
		for (n = rng_below(&r, 20); n > 0; n--) {
			if (!work[kind](&r))
				ADD(wrong[kind], 1);
			ADD(done[kind], 1);
		}
	}
}

static void
interrupt(void *arg)
{
	volatile double x = 1;

	while (!torture_over()) {
		lwkt_sleep("intr", 0);
		ADD(borrowed, 1);
		for (int i = 0; i < 20; i++)
			x = x * 1.5 + i;
	}
	(void)arg;
}

static void
is_told(void *arg)
{
	(void)arg;
	ADD(told, 1);
}

static void
timer_ticks(struct lwkt_systimer *st, void *arg)
{
	struct rng *r = arg;

	ADD(ticked, 1);
	if (rng_below(r, 4) == 0)
		lwkt_send_ipiq((int)rng_below(r, (uint32_t)lwkt_ncpus()),
		    is_told, NULL);
	(void)st;
}

static void
timer_schedules(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	lwkt_schedule(arg);
}

/* Of each CPU: the timers, and the threads that they disturb. */
static void
cpu_runs(void *arg)
{
	int me = lwkt_cpuid(), i;
	struct rng r = { torture_seed + 77 + (uint64_t)me };
	struct lwkt_systimer st[TIMERS + 1];
	lwkt_thread_t td[HOGS], intr;

	(void)arg;
	intr = spawn(interrupt, NULL, LWKT_INTERRUPT, me);
	for (i = 0; i < TIMERS; i++)
		lwkt_systimer_init_periodic(&st[i], timer_ticks, &r,
		    50000 + rng_below(&r, 450000), 0);
	lwkt_systimer_init_periodic(&st[i], timer_schedules, intr,
	    50000 + rng_below(&r, 450000), 0);
	for (i = 0; i < HOGS; i++)
		td[i] = spawn_pri(hog, (void *)(uintptr_t)(me * HOGS + i),
		    LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE, me);
	join_all(td, HOGS);
	for (i = 0; i <= TIMERS; i++)
		lwkt_systimer_del(&st[i]);
	lwkt_schedule(intr);
	join(intr);
}

static void
tell(void)
{
	static const char *const names[] = { "hit", "crit", "code", "frame",
	    "stack", "state", "kick", "spared" };
	char name[32];

	for (size_t i = 0; i < nitems(names); i++) {
		snprintf(name, sizeof(name), "lwkt.async_%s", names[i]);
		diag("%-18s %lld", name, (long long)counter(name));
	}
	diag("%llu timers, %llu messages, %llu interrupts, %lld switches",
	    (unsigned long long)ticked, (unsigned long long)told,
	    (unsigned long long)borrowed,
	    (long long)counter("lwkt.switches"));
}

static int
body(void *arg)
{
	int n = lwkt_ncpus() < MAXCPUS ? lwkt_ncpus() : MAXCPUS, i;
	lwkt_thread_t td[MAXCPUS];

	(void)arg;
	lwkt_token_init(&tok, "tok");
	for (i = 0; i < n; i++)
		td[i] = spawn(cpu_runs, NULL, 0, i);
	join_all(td, n);
	for (i = 0; i < 8; i++)
		check(wrong[i] == 0, "work %d: %llu of %llu wrong", i,
		    (unsigned long long)wrong[i],
		    (unsigned long long)done[i]);
	check(value == claimed, "%llu, not %llu", (unsigned long long)value,
	    (unsigned long long)claimed);
	check(!TICKS_COME || counter("lwkt.async_hit") > 0,
	    "nobody was interrupted");
	tell();
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "all results are right", body);
}
