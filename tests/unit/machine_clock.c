/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock never goes back, on one CPU or between two, and stays beside the
 * host's own.
 */
#include <stdlib.h>
#include <time.h>

#include "machine_util.h"

#define HANDOVERS	200000
#define SAMPLES		400
#define BESIDE_NS	100000		/* 100 ppm of a second */

static int64_t told;			/* the clock of who had the ball last */
static uint32_t ball;			/* whose turn it is */
static int backward;
static struct { int64_t mc_t, before, after; } sample[SAMPLES];
static int cpus;

static int64_t
kernel_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* CPUs hand each other what they read; the next must not read less. */
static void
handovers(struct mcpu *mc)
{
	uint32_t me = (uint32_t)mc->mc_cpuid;
	int64_t now;

	for (unsigned i = me; i < HANDOVERS; i += 2) {
		for (unsigned turn = 0; atomic_load_acq_32(&ball) != i;)
			machine_pause(turn++);
		now = machine_time_ns();
		backward += now < told;
		told = now;
		atomic_store_rel_32(&ball, i + 1);
	}
}

static void
beside(struct mcpu *mc)
{
	static const struct timespec ms = { 0, 1000000 };

	(void)mc;
	for (int i = 0; i < SAMPLES; i++) {
		sample[i].before = kernel_ns();
		sample[i].mc_t = machine_time_ns();
		sample[i].after = kernel_ns();
		(void)nanosleep(&ms, NULL);
	}
}

static void
test_beside(const char *what)
{
	int outside = 0, fell = 0;
	int64_t t, worst = 0, off;

	is_int(on_cpus(1, beside), 0, "one CPU boots (%s)", what);
	for (int i = 0; i < SAMPLES; i++) {
		t = sample[i].mc_t;
		off = t < sample[i].before ? sample[i].before - t :
		    t > sample[i].after ? t - sample[i].after : 0;
		worst = off > worst ? off : worst;
		outside += off > BESIDE_NS;
		fell += i > 0 && t <= sample[i - 1].mc_t;
	}
	diag("%s: at most %lld ns outside", what, (long long)worst);
	ok(outside == 0, "beside the kernel's clock, through new lines");
	ok(fell == 0, "and always ahead");
}

static void
count_cpus(struct mcpu *mc)
{
	if (mc->mc_cpuid == 0)
		cpus++;
}

int
main(void)
{
	/* Without the counter first: the line, once drawn, stays. */
	(void)setenv("LWKT_FAIL", "clock.tsc:*", 1);
	is_int(on_cpus(1, count_cpus), 0, "boots without the counter");
	ok(strstr(machine_describe(), "clock_gettime") != NULL,
	    "and says which clock it has");
	test_beside("kernel's clock");
	(void)unsetenv("LWKT_FAIL");
	is_int(on_cpus(2, handovers), 0, "two CPUs boot");
	is_int(backward, 0, "no time is read below one told before");
	test_beside("counter");
	diag("%s", machine_describe());
	return tap_done();
}
