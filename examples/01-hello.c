/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hello: start the kernel, run one thread on each CPU, wait for them.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

static void
greet(void *arg)
{
	printf("hello, %s, from thread \"%s\" on cpu %d of %d\n",
	    (const char *)arg, lwkt_name(lwkt_self()), lwkt_cpuid(),
	    lwkt_ncpus());
}

static int
hello(void *arg)
{
	lwkt_thread_t td;

	for (int cpu = 0; cpu < lwkt_ncpus(); cpu++) {
		if (lwkt_create(greet, arg, &td, NULL, LWKT_JOINABLE, cpu,
		    "greeter %d", cpu) != 0)
			return 1;
		lwkt_join(td);
	}
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, hello, "world");
}
