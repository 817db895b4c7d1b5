/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: all mechanisms at once on real CPUs (core/mixed/together.h says what
 * is checked), one performance after another.
 */
#include "core/mixed/together.h"
#include "torture/torture.h"

static int
body(void *arg)
{
	struct rng r = { torture_seed };
	int error = 0;

	(void)arg;
	while (error == 0 && check_failures == 0 && !torture_over())
		error = together((enum kind)rng_below(&r, 3),
		    1 + rng_below(&r, 200), rng_next(&r));
	return error;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "all mechanisms work together", body);
}
