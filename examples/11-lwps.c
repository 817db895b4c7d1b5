/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two lwps that compute share one CPU with one that mostly waits.
 *
 * The hogs never call the library: their slices end between any two of their
 * instructions.  The third one wakes again and again, and gets the CPU soon
 * because it has used little of it.  So it ends long before the hogs.
 */
#include <lwkt/cpusync.h>
#include <lwkt/lwkt.h>
#include <lwkt/lwp.h>
#include <stdio.h>

#define HOGS	2
#define WAKES	5

static const char *finished[HOGS + 1];
static int nfinished;
static volatile int answered;		/* by the one that waits */

static void
hog(void *arg)
{
	unsigned long x = 1;

	/* Until the other has ended, and a while longer. */
	for (long left = 1000000; left > 0; left -= answered == WAKES)
		x = x * 2862933555777941757UL + 3037000493UL;
	(void)x;
	finished[nfinished++] = arg;
}

static void
answers(void *arg)
{
	while (answered < WAKES) {
		lwkt_sleep_ns(2000000);
		answered++;
	}
	finished[nfinished++] = arg;
}

/* Start an lwp on the CPU of the caller, so that all share one CPU. */
static lwkt_lwp_t
start(void (*fn)(void *), const char *name)
{
	lwkt_lwp_t lp;

	if (lwkt_lwp_create(fn, (void *)name, &lp, NULL, LWKT_JOINABLE |
	    LWKT_NOSTART, "%s", name) != 0)
		lwkt_panic("no memory for an lwp");
	(void)lwkt_lwp_setcpumask(lp, lwkt_cpumask_one(lwkt_cpuid()));
	lwkt_lwp_start(lp);
	return lp;
}

static int
example(void *arg)
{
	lwkt_lwp_t lp[HOGS + 1];

	(void)arg;
	lp[0] = start(hog, "hog 1");
	lp[1] = start(hog, "hog 2");
	lp[2] = start(answers, "answers");
	for (int i = 0; i <= HOGS; i++)
		lwkt_lwp_join(lp[i]);
	printf("in this order: %s, %s, %s\n", finished[0], finished[1],
	    finished[2]);
	return answered != WAKES || nfinished != HOGS + 1;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, example, NULL);
}
