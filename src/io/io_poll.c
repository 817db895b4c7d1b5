/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a CPU polls for completions, and its part of io/ at boot.
 * USES no other file of the layer.
 *
 * THEORY
 * An idle CPU polls before it halts, and a completion ends the halt, so an idle
 * CPU needs nothing else.  A CPU that is never idle polls in three cases: when
 * a thread goes to sleep on a call, other threads are runnable and the last
 * poll is a while ago; when the host reports a completion (RQF_INTPEND); and by
 * a timer.  The timer is started when an operation is submitted, or when a poll
 * finds threads to run and operations in flight.  It fires every
 * lwkt.io.poll_us while operations are in flight, and stops when it finds the
 * CPU idle and no operation complete.  So it wakes an idle CPU at most once
 * without an operation to reap.
 */
#include "io/io_var.h"

#include <errno.h>

#include "kern/cpu/kern_ops.h"
#include "kern/time/systimer_var.h"
#include "kern/boot/sysinit.h"

COUNTER(io_polls, "lwkt.io.polls", "polls for completions");
COUNTER(io_timer, "lwkt.io.timer_polls", "of these, by the timer");
COUNTER(io_reaped, "lwkt.io.reaped", "operations completed");
COUNTER(io_carried, "lwkt.io.carried", "operations done by carriers");
COUNTER(io_refused, "lwkt.io.refused",
    "operations refused: no carrier could be created");
COUNTER(io_limited, "kern.threads.max_threads_hits",
    "functions that waited because max_threads_per_proc others ran");
COUNTER(io_rearmed, "lwkt.io.rearmed",
    "registrations renewed: a close(2) outside the library lost them");
COUNTER(io_overflows, "lwkt.io.cq_overflows", "times that a completion queue "
    "was full");

TUNABLE_INT(poll_us, "lwkt.io.poll_us", 1000, 10, 1000000,
    "longest time between polls of a busy CPU, us");

/* Add to this CPU's counters what the back end has counted since last time. */
static void
fold_stats(struct globaldata *gd, struct iocpu *ic)
{
	const struct hostio_stats *now = machine_io_stats();
	struct hostio_stats *seen = &ic->ic_seen;

	counter_add(gd->gd_cntbias, io_carried,
	    now->his_carried - seen->his_carried);
	counter_add(gd->gd_cntbias, io_refused,
	    now->his_refused - seen->his_refused);
	counter_add(gd->gd_cntbias, io_limited,
	    now->his_limited - seen->his_limited);
	counter_add(gd->gd_cntbias, io_rearmed,
	    now->his_rearmed - seen->his_rearmed);
	counter_add(gd->gd_cntbias, io_overflows,
	    now->his_overflows - seen->his_overflows);
	*seen = *now;
}

/*
 * Poll the back end; return how many operations completed.  Completions run as
 * callbacks (gd_intr_nesting): they may not block.
 */
static int
poll_host(struct globaldata *gd)
{
	struct iocpu *ic = iocpu(gd);
	int n;

	gd->gd_intr_nesting++;
	n = machine_io_poll();
	gd->gd_intr_nesting--;
	ic->ic_polled_ns = machine_time_ns();
	counter_inc(gd->gd_cntbias, io_polls);
	counter_add(gd->gd_cntbias, io_reaped, (uint64_t)n);
	return n;
}

/*
 * Poll.  Arm the timer again if operations are in flight and the CPU is busy:
 * an operation completed, or threads are runnable.  An idle CPU polls without
 * the timer.  Timer callback.
 */
static void
poll_timer(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg;
	struct iocpu *ic = iocpu(gd);
	int n = poll_host(gd);

	counter_inc(gd->gd_cntbias, io_timer);
	fold_stats(gd, ic);
	ic->ic_timer_on = machine_io_pending() > 0 &&
	    (n > 0 || gd->gd_rqmask != 0);
	if (ic->ic_timer_on)
		systimer_add(st, machine_time_ns() +
		    (int64_t)poll_us * 1000);
}

/* Start the poll timer of this CPU unless it is on. */
void
io_poll_busy(struct globaldata *gd)
{
	struct iocpu *ic = iocpu(gd);

	if (ic->ic_timer_on)
		return;
	ic->ic_timer_on = 1;
	ic->ic_timer = (struct lwkt_systimer){ .st_fn = poll_timer,
	    .st_arg = gd };
	systimer_add(&ic->ic_timer, machine_time_ns() +
	    (int64_t)poll_us * 1000);
}

/* Poll if the last poll of this CPU is at least age_ns ago. */
void
io_poll_now(struct globaldata *gd, int64_t age_ns)
{
	if (machine_time_ns() - iocpu(gd)->ic_polled_ns >= age_ns)
		(void)poll_host(gd);
}

/*
 * Poll for the idle loop, or for RQF_INTPEND (ko_poll).  Starts the timer if
 * there are threads to run and operations in flight.
 */
static void
io_poll(struct globaldata *gd)
{
	(void)poll_host(gd);
	if (gd->gd_rqmask != 0 && machine_io_pending() > 0)
		io_poll_busy(gd);
}

#define IOCPU_SIZE	roundup2(sizeof(struct iocpu), (size_t)65536)

/* Release the struct iocpu of all CPUs. */
static void
io_fini(void)
{
	struct globaldata *gd;

	for (int cpu = 0; cpu < lwkt__ncpus; cpu++) {
		gd = gd_find(cpu);
		if (gd->gd_io != NULL)
			machine_mem_release(gd->gd_io, IOCPU_SIZE);
		gd->gd_io = NULL;
	}
}

/* Reserve a struct iocpu for each CPU.  Returns 0 or ENOMEM. */
static int
io_boot(void)
{
	struct globaldata *gd;

	for (int cpu = 0; cpu < lwkt__ncpus; cpu++) {
		gd = gd_find(cpu);
		gd->gd_io = machine_mem_reserve(IOCPU_SIZE);
		if (gd->gd_io == NULL) {
			io_fini();
			return ENOMEM;
		}
	}
	lwkt__kern_ops.ko_poll = io_poll;
	return 0;
}

/* Add the last counts of the back end to the counters when a CPU ends. */
static void
io_cpu_fini(struct globaldata *gd)
{
	fold_stats(gd, iocpu(gd));
}

SYSINIT(SI_IO, io, io_boot, NULL, io_cpu_fini, io_fini);
