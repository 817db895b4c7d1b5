/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupting a CPU that does not read its messages.
 *
 * THEORY
 * The receiver of a message may run a preemptible thread that computes for
 * long.  The sender does not know whether the receiver is about to check its
 * messages anyway.  A signal costs both CPUs 10 us; such a check costs nothing.
 * So the sender notes the receiver, and a timer of the sender's CPU checks it
 * later.  If the receiver has not read its messages by then, and still runs a
 * preemptible thread, it is interrupted.  If the timer interrupts no CPU, its
 * next delay is twice as long, up to KICK_MAX_NS; else the next delay is
 * KICK_MIN_NS.
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"

COUNTER(kicks, "lwkt.async_kick", "CPUs interrupted for a message");
COUNTER(spared, "lwkt.async_spared", "CPUs that need no interrupt any more");

#define KICK_MIN_NS	50000
#define KICK_MAX_NS	800000

/*
 * The timer's callback: interrupt each noted CPU that runs a preemptible thread
 * and has the hints of a message from this CPU, that is, seems not to have read
 * it.
 */
static void
kick_check(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg, *tgd;
	uint32_t hints = RQF_IPIQ | RQF_SENDER(gd->gd_m.mc_cpuid);
	int cpu, kicked = 0;

	(void)st;
	gd->gd_kick_armed = 0;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!cpumask_test(&gd->gd_kick_cpus, cpu))
			continue;
		cpumask_clear(&gd->gd_kick_cpus, cpu);
		tgd = gd_find(cpu);
		hints |= RQF_PREEMPTIBLE;
		if ((atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) != hints) {
			counter_inc(gd->gd_cntbias, spared);
			continue;
		}
		counter_inc(gd->gd_cntbias, kicks);
		kicked |= machine_nmi(&tgd->gd_m);
	}
	if (kicked)
		gd->gd_kick_ns = KICK_MIN_NS;
	else if (gd->gd_kick_ns < KICK_MAX_NS)
		gd->gd_kick_ns *= 2;
}

/*
 * Have the timer gd_kick check later whether the CPU of tgd has read its
 * messages.  Arm the timer unless it is armed already.  Own CPU, in a critical
 * section; never blocks.
 */
void
kick_later(struct globaldata *gd, struct globaldata *tgd)
{
	cpumask_set(&gd->gd_kick_cpus, tgd->gd_m.mc_cpuid);
	if (gd->gd_kick_armed)
		return;
	gd->gd_kick_armed = 1;
	if (gd->gd_kick_ns == 0)
		gd->gd_kick_ns = KICK_MIN_NS;
	gd->gd_kick.st_fn = kick_check;
	gd->gd_kick.st_arg = gd;
	gd->gd_kick.st_period = 0;
	gd->gd_kick.st_flags = 0;
	systimer_add(&gd->gd_kick, machine_time_ns() + gd->gd_kick_ns);
}
