/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler may read the clock, whatever it has interrupted: here the very code
 * that measures the clock.
 *
 * This program's clock_gettime() sends the calling thread a signal when it is
 * told to.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "machine_util.h"

#define OLD_NS	200000000	/* a measurement is out of date by then */

static volatile sig_atomic_t armed, read_inside;

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (armed) {
		armed = 0;
		(void)raise(SIGUSR1);
	}
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

static void
handler(int sig)
{
	(void)sig;
	read_inside = machine_time_ns() > 0;
}

static void
reads(struct mcpu *mc)
{
	static const struct timespec old = { 0, OLD_NS };
	int i;

	(void)mc;
	for (i = 0; i < 3; i++) {
		(void)machine_time_ns();
		(void)nanosleep(&old, NULL);
		armed = 1;
		(void)machine_time_ns();
	}
}

int
main(void)
{
	(void)signal(SIGUSR1, handler);
	is_int(on_cpus(1, reads), 0, "boots");
	ok(!armed, "the clock was measured");
	ok(read_inside, "and a handler read it meanwhile");
	return tap_done();
}
