/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program on the simulated machine, installed.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

static int
body(void *arg)
{
	(void)arg;
	return lwkt_sleep_ns(1000000000) != 0 ? -1 : lwkt_ncpus();
}

int
main(void)
{
	struct lwkt_config cfg = { 3, 0, 7, NULL };

	printf("%d\n", lwkt_boot(&cfg, body, NULL));
	return 0;
}
