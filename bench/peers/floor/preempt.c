/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor of an interruption: a host timer's signal every 100 us, with an
 * empty handler, in the same computation.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "bench.h"

#define PERIOD_NS	100000
#define TIMES		40

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

static long n;
static volatile uint64_t fired;

static void
handler(int sig)
{
	(void)sig;
	fired = fired + 1;
}

/* Time of this host thread alone, whoever else wants the core. */
static int64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

static __attribute__((noinline)) int64_t
compute(void)
{
	int64_t begin = cpu_now();
	uint64_t x = 1;

	for (long i = 0; i < n; i++) {
		x = x * 0x9e3779b97f4a7c15ull + 1;
		__asm__ __volatile__("" : "+r" (x));
	}
	return (cpu_now() - begin);
}

static void
timer_start(void)
{
	struct itimerspec its = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
	struct sigaction sa = { .sa_handler = handler };
	struct sigevent sev;
	timer_t timer;

	sigaction(SIGRTMIN, &sa, NULL);
	memset(&sev, 0, sizeof(sev));
	sev.sigev_notify = SIGEV_THREAD_ID;
	sev.sigev_signo = SIGRTMIN;
	sev.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	bench_check(timer_create(CLOCK_MONOTONIC, &sev, &timer) == 0 &&
	    timer_settime(timer, 0, &its, NULL) == 0, "no timer");
}

int
main(int argc, char **argv)
{
	int64_t alone, with;
	double best = 1e9;
	uint64_t hits;
	int i;

	n = bench_arg(argc, argv, 1, 20000000);
	alone = compute();
	for (i = 0; i < TIMES; i++) {
		with = compute();
		alone = with < alone ? with : alone;
	}
	timer_start();
	for (i = 0; i < TIMES; i++) {
		hits = fired;
		with = compute();
		hits = fired - hits;
		bench_check(hits > 10, "only %llu timers",
		    (unsigned long long)hits);
		if ((double)(with - alone) / (double)hits < best)
			best = (double)(with - alone) / (double)hits;
	}
	bench_report("preempt", "floor", best, "ns");
	bench_report("preempt-300us", "floor", best / 300000 * 100, "%");
	return (0);
}
