/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested functions of GCC run in threads: the stacks are executable if the
 * program's own is, as it is here.
 */
#include "core/util.h"

static int
apply(int (*fn)(int), int n)
{
	return fn(n);
}

static void
nests(void *arg)
{
	int add = *(int *)arg;

	__extension__ int
	more(int n)
	{
		return n + add;
	}

	lwkt_yield();
	*(int *)arg = apply(more, 40);
}

static int
nested_functions_run(void *arg)
{
	int n = 2;

	(void)arg;
	join(spawn_on(1, nests, &n));
	check(n == 42, "%d", n);
	return 0;
}

int
main(void)
{
	sim_explore("nested functions run", nested_functions_run, NULL, 1);
	return tap_done();
}
