/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every bench program needs: a clock, a report line, proof, percentiles.
 *
 * A program does a fixed amount of work, checks that it was done, and prints
 *
 *	name impl value unit
 *
 * on a line of its own for each figure.  It ends with status 1 when a check
 * fails, so that a broken primitive cannot look fast.  The runner chooses the
 * CPUs (affinity), bounds the time and collects the lines.  C and C++.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BENCH_STACK	16384	/* bytes, wherever one can ask for a size */

static inline int64_t
bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

static inline void
bench_report(const char *bench, const char *impl, double value,
    const char *unit)
{
	printf("%s %s %.6g %s\n", bench, impl, value, unit);
	fflush(stdout);
}

/* Check a result: unless ok, say what is wrong and end with status 1. */
__attribute__((format(printf, 2, 3)))
static inline void
bench_check(int ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	va_start(ap, fmt);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

/* Return argument i, a positive number, or dflt if there is none. */
static inline long
bench_arg(int argc, char **argv, int i, long dflt)
{
	long v;

	if (i >= argc)
		return (dflt);
	v = strtol(argv[i], NULL, 10);
	bench_check(v > 0, "argument %d, '%s', is no positive number", i,
	    argv[i]);
	return (v);
}

/* The CPUs that the program was given, found before main(). */
static cpu_set_t bench_cpus;

__attribute__((constructor))
static inline void
bench_find_cpus(void)
{
	bench_check(sched_getaffinity(0, sizeof(bench_cpus),
	    &bench_cpus) == 0, "no affinity");
}

/* Pin the calling host thread to the nth of them, from 0. */
static inline void
bench_pin(int nth)
{
	cpu_set_t set;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &bench_cpus) && nth-- == 0)
			break;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	bench_check(pthread_setaffinity_np(pthread_self(), sizeof(set),
	    &set) == 0, "cannot use CPU %d", cpu);
}

/* A small fast generator (xorshift64*), one state a thread. */
static inline uint64_t
bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dull);
}

/* Return fib(n), to check what the threads have computed. */
static inline long
bench_fib(long n)
{
	long fib = 0, next = 1, sum;

	for (; n > 0; n--) {
		sum = fib + next;
		fib = next;
		next = sum;
	}
	return (fib);
}

/* Return the number after a key in a file of "Key:  n kB" lines, in bytes. */
static inline int64_t
bench_proc_bytes(const char *path, const char *key)
{
	char line[256];
	long long kb = 0;
	FILE *f;

	f = fopen(path, "r");
	bench_check(f != NULL, "cannot read %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtoll(line + strlen(key), NULL, 10);
	}
	fclose(f);
	return (kb * 1024);
}

/* Return the bytes in use now: resident pages, and page tables. */
static inline int64_t
bench_memory(void)
{
	return (bench_proc_bytes("/proc/self/smaps_rollup", "Rss:") +
	    bench_proc_bytes("/proc/self/status", "VmPTE:"));
}

/* Latencies: buckets of 1 us to 10 ms, then of 100 us to 10 s. */
#define BENCH_FINE	10000
#define BENCH_COARSE	100000

struct bench_hist {
	uint64_t	count;
	uint32_t	fine[BENCH_FINE];
	uint32_t	coarse[BENCH_COARSE];
};

static inline void
bench_hist_add(struct bench_hist *h, int64_t ns)
{
	int64_t us = ns < 0 ? 0 : ns / 1000;

	h->count++;
	if (us < BENCH_FINE)
		h->fine[us]++;
	else if (us / 100 < BENCH_COARSE)
		h->coarse[us / 100]++;
	else
		h->coarse[BENCH_COARSE - 1]++;
}

/* The latency, in us, that the share p (0 to 1) does not exceed. */
static inline double
bench_hist_us(const struct bench_hist *h, double p)
{
	uint64_t want = (uint64_t)((double)h->count * p);
	uint64_t seen = 0;
	int i;

	for (i = 0; i < BENCH_FINE; i++) {
		if ((seen += h->fine[i]) > want)
			return (i + 1);
	}
	for (i = 0; i < BENCH_COARSE - 1; i++) {
		if ((seen += h->coarse[i]) > want)
			return ((i + 1) * 100.0);
	}
	return (BENCH_COARSE * 100.0);
}

/* Add h[1] to h[n - 1] to h[0]. */
static inline void
bench_hist_merge(struct bench_hist *h, int n)
{
	int i, k;

	for (k = 1; k < n; k++) {
		h->count += h[k].count;
		for (i = 0; i < BENCH_FINE; i++)
			h->fine[i] += h[k].fine[i];
		for (i = 0; i < BENCH_COARSE; i++)
			h->coarse[i] += h[k].coarse[i];
	}
}

/*
 * For timerset: choose the timer that is set again, and its delay in ms, 100 to
 * 1,000 s.
 */
#define TIMERS		10000

static inline int
bench_timer_pick(uint64_t *state, int64_t *delay_msp)
{
	uint64_t x = bench_random(state);

	*delay_msp = 100000 + (int64_t)((x >> 32) % 900001);
	return ((int)((x & 0xffffffff) % TIMERS));
}

/*
 * For sleepers: each sleeps 1 to 100 ms again and again.  The figures are of a
 * window that begins when all have been started.
 */
#define SLEEPERS_WINDOW_NS	3000000000ll

struct bench_sleepers {
	struct bench_hist	hist;
	int64_t			begin, end;
};

static inline int64_t
bench_sleeper_pick_ns(uint64_t *state)
{
	return (1000000 + (int64_t)(bench_random(state) % 99000001));
}

/* Note a sleep that has ended.  Returns whether to sleep again. */
static inline int
bench_sleeper_woke(struct bench_sleepers *s, int64_t asked_at, int64_t want_ns)
{
	int64_t now = bench_now();

	bench_check(now - asked_at >= want_ns, "woke %lld ns early",
	    (long long)(want_ns - (now - asked_at)));
	if (now >= s->begin && now < s->end)
		bench_hist_add(&s->hist, now - asked_at - want_ns);
	return (now < s->end);
}

static inline void
bench_sleepers_report(struct bench_sleepers *s, const char *impl)
{
	double rate = (double)s->hist.count * 1e3 / SLEEPERS_WINDOW_NS;

	bench_check(s->hist.count > 1000, "only %llu wake-ups",
	    (unsigned long long)s->hist.count);
	bench_report("sleepers-rate", impl, rate, "M/s");
	bench_report("sleepers-p99", impl,
	    bench_hist_us(&s->hist, 0.99) / 1e3, "ms");
}

#endif
