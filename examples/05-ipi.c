/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPIs: run a function on another CPU, instead of a lock.
 *
 * Each CPU has a counter that it alone touches.  A thread that adds to another
 * CPU's counter sends an IPI there.  The callbacks of one CPU never interrupt
 * each other.
 */
#include <lwkt/lwkt.h>
#include <lwkt/ipiq.h>
#include <stdio.h>

#define NCPUS	3
#define NADDS	10000

static struct {
	long	c_value;	/* its own CPU only */
	long	c_last;		/* the last argument of CPU 0 */
	int	c_disorder;
} LWKT_ALIGNED(64) counter[NCPUS];

/* On the CPU that the counter belongs to. */
static void
add(void *arg, int n)
{
	int cpu = lwkt_cpuid();

	(void)arg;
	counter[cpu].c_value++;
	counter[cpu].c_disorder += n < counter[cpu].c_last;
	counter[cpu].c_last = n;
}

static void
report(void *arg)
{
	*(long *)arg = counter[lwkt_cpuid()].c_value;
}

static int
ipis(void *arg)
{
	long value, disorder = 0, total = 0;
	unsigned seq;
	int cpu;

	(void)arg;
	for (int i = 0; i < NADDS; i++)
		lwkt_send_ipiq_bcast(add, NULL, i);

	/* Messages arrive in order: when this one is done, all are. */
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++) {
		seq = lwkt_send_ipiq(cpu, report, &value);
		lwkt_wait_ipiq(cpu, seq);
		printf("cpu %d counted %ld\n", cpu, value);
		disorder += counter[cpu].c_disorder;
		total += value;
	}
	return disorder != 0 || total != (long)NADDS * lwkt_ncpus();
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = NCPUS };

	return lwkt_boot(&cfg, ipis, NULL);
}
