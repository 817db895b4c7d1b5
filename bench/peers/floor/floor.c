/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine itself takes: a cache line there and back, a ring of words
 * between two cores, a locked add, a sleep with the timer slack at 1 ns, an
 * interrupt of the other core and its answer (membarrier).
 */
#include <linux/membarrier.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "bench.h"

#define DEPTH	1024

static _Alignas(64) uint64_t line, head, queue[DEPTH];
static _Alignas(64) uint64_t tail;
static _Alignas(64) uint64_t n, batch, sum;

static uint64_t
load(uint64_t *p)
{
	return (__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static void
store(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static void *
answer(void *arg)
{
	bench_pin(1);
	for (uint64_t i = 0; i < n; i++) {
		while (load(&line) != 2 * i + 1)
			continue;
		store(&line, 2 * i + 2);
	}
	return (arg);
}

static void *
receive(void *arg)
{
	uint64_t h, t = 0;

	bench_pin(1);
	while (t < n) {
		h = load(&head);
		while (t < h)
			sum += queue[t++ % DEPTH];
		store(&tail, t);
	}
	return (arg);
}

static int64_t
ask_all(void)
{
	int64_t begin = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		store(&line, 2 * i + 1);
		while (load(&line) != 2 * i + 2)
			continue;
	}
	return (bench_now() - begin);
}

static int64_t
send_all(void)
{
	int64_t begin = bench_now();
	uint64_t h = 0, seen = 0;

	while (h < n) {
		while (h + batch - seen > DEPTH)
			seen = load(&tail);
		for (uint64_t i = 0; i < batch; i++, h++)
			queue[h % DEPTH] = h;
		store(&head, h);
	}
	while (load(&tail) != n)
		continue;
	return (bench_now() - begin);
}

static double
two_cores(void *(*fn)(void *), int64_t (*drive)(void))
{
	int64_t took;
	pthread_t td;

	bench_pin(0);
	head = tail = sum = 0;
	bench_check(pthread_create(&td, NULL, fn, NULL) == 0, "create");
	took = drive();
	pthread_join(td, NULL);
	return ((double)took);
}

static void
cross(void)
{
	n = 1000000;
	bench_report("msg-cross", "floor", two_cores(answer, ask_all) /
	    (double)n, "ns");
	for (batch = 1; batch <= 64; batch *= 64) {
		n = 20000000 / 64 * 64;
		bench_report(batch == 1 ? "stream-single" : "stream-batch",
		    "floor", (double)n * 1e3 / two_cores(receive, send_all),
		    "M/s");
		bench_check(sum == n * (n - 1) / 2, "lost values");
	}
}

static void *
compute(void *arg)
{
	bench_pin(1);
	while (load(&line) == 0)
		store(&head, 1);
	return (arg);
}

static int64_t
interrupt_all(void)
{
	int64_t begin;

	while (load(&head) == 0)
		continue;
	begin = bench_now();
	for (uint64_t i = 0; i < n; i++)
		bench_check(syscall(SYS_membarrier,
		    MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0,
		    "membarrier");
	begin = bench_now() - begin;
	store(&line, 1);
	return (begin);
}

static void
interrupts(void)
{
	n = 100000;
	bench_check(syscall(SYS_membarrier,
	    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0,
	    "membarrier");
	bench_report("cpusync-quick-2", "floor",
	    two_cores(compute, interrupt_all) / (double)n, "ns");
}

static void
local(void)
{
	static struct bench_hist hist;
	struct timespec ts = { .tv_nsec = 1000000 };
	int64_t begin = bench_now();

	n = 50000000;
	for (uint64_t i = 0; i < n; i++)
		__atomic_fetch_add(&line, 1, __ATOMIC_SEQ_CST);
	bench_report("lock", "floor", (double)(bench_now() - begin) /
	    (double)n, "ns");
	bench_check(line == n, "lost counts");
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	for (int i = 0; i < 1000; i++) {
		begin = bench_now();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		bench_hist_add(&hist, bench_now() - begin - ts.tv_nsec);
	}
	bench_report("timer-p50", "floor", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "floor", bench_hist_us(&hist, 0.99), "us");
}

int
main(int argc, char **argv)
{
	switch (bench_arg(argc, argv, 1, 1)) {
	case 1:
		local();
		break;
	case 2:
		cross();
		break;
	default:
		interrupts();
	}
	return (0);
}
