/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monotonic clock, in nanoseconds.
 *
 * THEORY
 * If Linux uses the processor's time stamp counter (TSC) for its own clock, so
 * does this file: time is a straight line ns + (tsc - tsc0) * rate.  A reading
 * takes 18 ns, of which 5 ns are for the order between CPUs (CO1); Linux's vdso
 * takes 22 to 28 ns.  The line must follow CLOCK_MONOTONIC, whose rate changes
 * a little because NTP slews it.  So a reader that finds the line older than
 * its interval replaces it by a new line.  The new line begins at the present
 * value of the old one, or higher if the old line is older than two intervals
 * or far behind CLOCK_MONOTONIC (clock_follow).  Its rate is the rate measured
 * over the last interval, changed by at most SLEW_PPM so that the line meets
 * CLOCK_MONOTONIC one interval later.  Intervals grow from 10 ms to 1 s as the
 * measurement becomes more exact.
 *
 * There are two lines and a sequence number that selects the current one.  The
 * writer fills the line that is not current and then increments the number.
 * While a writer works, readers use the old line: they wait for the writer only
 * if that line is older than two intervals (CK1).  A reader reads again if the
 * number has changed.
 *
 * If the counter turns out to be wrong, the clock is CLOCK_MONOTONIC from then
 * on, plus an offset by which the line was ahead (clock_distrust).  The next
 * boot tries the counter again.  A counter is wrong that has stopped, was reset
 * or has another rate, for example because the virtual machine was moved to
 * another host.
 *
 * INVARIANTS
 * CK1 A line gives values only until it is two intervals old.  So a new line
 *    that begins at or above the value for that age is above all values
 *    returned before.
 * CK2 A new line begins at or above the values that the old line has given, and
 *    no line falls.
 *    (The rates of two successive lines differ by parts per million.  If a
 *    writer is delayed by a time d between measuring and publishing, a reading
 *    on another CPU can step back by that fraction of d: below a nanosecond for
 *    d = 100 us.)
 *
 * ORDER
 * CO1 The store-release of clk_seq in clock_draw pairs with its load-acquire in
 *    machine_time_ns.  The rdtsc there is fenced against earlier loads: a CPU
 *    that receives a message must not read an earlier time than its sender.
 *
 * Source: the latch of Linux's seqlock.h; FreeBSD's timehands.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/linux/host.h"

#define NS_PER_S	1000000000ll
#define RATE_SHIFT	32		/* a rate is scaled by 2^RATE_SHIFT */
#define CALIBRATE_NS	1000000		/* ns that the first rate is measured */
#define INTERVAL_FIRST	10000000ll	/* ns; the next is twice as long */
#define INTERVAL_LAST	1000000000ll	/* ns; the longest interval */
#define SLEW_PPM	500		/* most that a rate is changed, ppm */
#define AHEAD_NS	10000000	/* ns; a larger error is not slewed */
#define SAMPLES		8		/* tries of clock_sample() */

/* All fields are (a).  They are written while the line is not current. */
struct line {
	uint64_t	l_tsc;		/* the counter at the start */
	uint64_t	l_ns;		/* the time at l_tsc */
	uint64_t	l_rate;		/* ns per tick, scaled */
	uint64_t	l_interval;	/* ticks until it is to be replaced */
	uint64_t	l_mono;		/* CLOCK_MONOTONIC at l_tsc, ns */
	uint64_t	l_interval_ns;	/* l_interval in ns */
};

static struct line clk_line[2];
static uint32_t clk_seq;		/* (a) line clk_seq % 2 is current */
static uint32_t clk_lock;		/* (a) 1: a host thread draws a line */
static uint32_t clk_usetsc;		/* (a) 0: use CLOCK_MONOTONIC */
static uint64_t clk_offset;		/* (a) ns added to CLOCK_MONOTONIC */
static char clk_name[32] = "clock_gettime";

static uint64_t
mono_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Read the counter after all earlier loads (CO1). */
static inline uint64_t
rdtsc_ordered(void)
{
	uint32_t lo, hi;

	__asm__ __volatile__("lfence; rdtsc" : "=a" (lo), "=d" (hi) ::
	    "memory");
	return lo | (uint64_t)hi << 32;
}

/*
 * Store the values that the counter and CLOCK_MONOTONIC have at one moment.  Of
 * several tries the one with the least time between its two counter readings is
 * the most exact.
 */
static void
clock_sample(uint64_t *tsc, uint64_t *mono)
{
	uint64_t t0, t1, m, best = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		t0 = rdtsc_ordered();
		m = mono_ns();
		t1 = rdtsc_ordered();
		if (t1 - t0 < best) {
			best = t1 - t0;
			*tsc = t0 + best / 2;
			*mono = m;
		}
	}
}

static inline uint64_t
scale(uint64_t ticks, uint64_t rate)
{
	return (uint64_t)(((unsigned __int128)ticks * rate) >> RATE_SHIFT);
}

/*
 * Return the scaled rate of an interval that is `ns` and `ticks` long.  If a
 * rate is passed for `ticks`, the result is the number of ticks in `ns`.
 */
static uint64_t
rate_of(uint64_t ns, uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ns << RATE_SHIFT) / ticks);
}

/*
 * Fill the line that is not current and make it the current one.  It starts at
 * (tsc, ns), where CLOCK_MONOTONIC is mono.  `rate` is the measured rate.
 * The caller holds clk_lock, or no CPU runs yet.
 */
static void
clock_draw(uint64_t tsc, uint64_t mono, uint64_t ns, uint64_t rate,
    uint64_t interval_ns)
{
	uint32_t seq = atomic_load_32(&clk_seq);
	struct line *l = &clk_line[(seq + 1) % 2];
	uint64_t base = rate;
	int64_t err = (int64_t)(mono - ns);
	int64_t most = (int64_t)interval_ns / 1000000 * SLEW_PPM;

	/* Make up for err in one interval, by SLEW_PPM at most. */
	err = err > most ? most : err < -most ? -most : err;
	rate = (uint64_t)((__int128)base * ((int64_t)interval_ns + err) /
	    (int64_t)interval_ns);
	atomic_store_64(&l->l_tsc, tsc);
	atomic_store_64(&l->l_ns, ns);
	atomic_store_64(&l->l_rate, rate);
	atomic_store_64(&l->l_interval, rate_of(interval_ns, base));
	atomic_store_64(&l->l_mono, mono);
	atomic_store_64(&l->l_interval_ns, interval_ns);
	atomic_store_rel_32(&clk_seq, seq + 1);		/* CO1 */
}

/*
 * Use CLOCK_MONOTONIC from now on, plus an offset that makes the time at least
 * `least`.
 */
static void
clock_distrust(uint64_t least)
{
	uint64_t mono = mono_ns();

	atomic_store_64(&clk_offset, least > mono ? least - mono : 0);
	atomic_store_rel_32(&clk_usetsc, 0);
}

/*
 * Draw the line that follows l.  If the counter is wrong, call clock_distrust
 * instead: one of the clocks has not advanced, the rate has changed by more
 * than 1 %, or l is ahead of CLOCK_MONOTONIC by more than AHEAD_NS.  If l is
 * behind by more than that, the new line begins at CLOCK_MONOTONIC.
 * The caller holds clk_lock.
 */
static void
clock_follow(const struct line *l)
{
	uint64_t tsc, mono, ns, rate, ceiling, age;
	uint64_t interval = l->l_interval_ns * 2;

	clock_sample(&tsc, &mono);
	age = tsc - l->l_tsc;
	ceiling = l->l_ns + scale(2 * l->l_interval, l->l_rate);
	if ((int64_t)age <= 0 || mono <= l->l_mono) {
		clock_distrust(ceiling);
		return;
	}
	/* CK1: no value beyond two intervals was returned. */
	ns = age < 2 * l->l_interval ? l->l_ns + scale(age, l->l_rate) :
	    ceiling > mono ? ceiling : mono;			/* CK2 */
	rate = rate_of(mono - l->l_mono, age);
	if (rate > l->l_rate + l->l_rate / 100 ||
	    rate < l->l_rate - l->l_rate / 100 || ns > mono + AHEAD_NS) {
		clock_distrust(ns);
		return;
	}
	if (mono > ns + AHEAD_NS)
		ns = mono;
	clock_draw(tsc, mono, ns, rate, interval < INTERVAL_LAST ? interval :
	    INTERVAL_LAST);
}

/*
 * If another host thread holds clk_lock, return 0.  Otherwise replace the line
 * numbered seq, unless it has been replaced meanwhile, and return 1.  All
 * signals are blocked while the lock is held: a handler that reads the time
 * would wait for ever if the interrupted code held the lock.
 */
static int
clock_replace(uint32_t seq)
{
	sigset_t all, before;
	int locked;

	if (atomic_load_32(&clk_lock) != 0)
		return 0;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	locked = atomic_cmpset_32(&clk_lock, 0, 1);
	if (locked) {
		if (atomic_load_32(&clk_seq) == seq)
			clock_follow(&clk_line[seq % 2]);
		atomic_store_rel_32(&clk_lock, 0);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return locked;
}

/*
 * Replace the line numbered seq, which is age ticks old: more than its
 * interval.  Returns 0 if the caller must read again.  Returns 1 if another
 * host thread is replacing the line, which is still valid (CK1).
 */
static int
clock_old(uint32_t seq, uint64_t age)
{
	struct line *l = &clk_line[seq % 2];

	if (clock_replace(seq))
		return 0;
	if (age < 2 * atomic_load_64(&l->l_interval))
		return 1;
	machine_pause(0);
	return 0;
}

/* Return the time, ns.  Any host thread. */
int64_t
machine_time_ns(void)
{
	const struct line *l;
	uint64_t age, ns;
	uint32_t seq;

	while (likely(atomic_load_acq_32(&clk_usetsc))) {
		seq = atomic_load_acq_32(&clk_seq);	/* CO1 */
		l = &clk_line[seq % 2];
		age = rdtsc_ordered() - atomic_load_64(&l->l_tsc);
		ns = atomic_load_64(&l->l_ns);
		if (unlikely(age >= atomic_load_64(&l->l_interval))) {
			/* This core's counter may be a little behind l_tsc. */
			if ((int64_t)age < 0 && (int64_t)age >
			    -(int64_t)atomic_load_64(&l->l_interval))
				age = 0;
			else if (!clock_old(seq, age))
				continue;
		}
		ns += scale(age, atomic_load_64(&l->l_rate));
		/*
		 * If the number has not changed, this line is intact: a writer
		 * fills only the line that is not current, and changes the
		 * number before it fills this one.
		 */
		atomic_fence_acq();
		if (likely(atomic_load_32(&clk_seq) == seq))
			return (int64_t)ns;
	}
	return (int64_t)(mono_ns() + atomic_load_64(&clk_offset));
}

/*
 * May the counter be used?  Linux must use it for its own clock.  If that is
 * unknown, the processor must say that the counter is invariant.
 */
static int
tsc_trusted(void)
{
	char name[16] = "";
	unsigned a, b, c, d;
	ssize_t n;
	int fd;

	if (machine_fail("clock.tsc"))
		return 0;
	fd = open("/sys/devices/system/clocksource/clocksource0/"
	    "current_clocksource", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, sizeof(name) - 1);
		(void)close(fd);
		if (n > 0)
			return strcmp(name, "tsc\n") == 0;
	}
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 0x100) != 0;
}

/*
 * If the counter can be used, measure the rate and draw the first line.  A
 * later boot keeps the line.  It measures again only if the clock does not use
 * the counter any more (clock_distrust).
 */
void
lwkt__clock_boot(void)
{
	uint64_t tsc0, tsc1, mono0, mono1, rate;

	if (atomic_load_32(&clk_usetsc) || !tsc_trusted())
		return;
	clock_sample(&tsc0, &mono0);
	while (mono_ns() - mono0 < CALIBRATE_NS)
		machine_pause(0);
	clock_sample(&tsc1, &mono1);
	rate = rate_of(mono1 - mono0, tsc1 - tsc0);
	(void)snprintf(clk_name, sizeof(clk_name), "tsc %u MHz",
	    (unsigned)(rate_of(1000, rate)));
	clock_draw(tsc1, mono1, mono1 + atomic_load_64(&clk_offset), rate,
	    INTERVAL_FIRST);
	atomic_store_rel_32(&clk_usetsc, 1);
}

const char *
lwkt__clock_name(void)
{
	return atomic_load_32(&clk_usetsc) ? clk_name : "clock_gettime";
}

/*
 * Return by how much machine_time_ns() is ahead of CLOCK_MONOTONIC, in ns.
 * While the clock uses the counter, the result is 0, which is not exact: the
 * line only follows CLOCK_MONOTONIC.
 */
int64_t
lwkt__clock_offset(void)
{
	return atomic_load_32(&clk_usetsc) ? 0 :
	    (int64_t)atomic_load_64(&clk_offset);
}
