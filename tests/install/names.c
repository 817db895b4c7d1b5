/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with functions and objects whose names are also the library's own,
 * inside.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

int	arena_alloc(int n);
int	splz(void);
int	thread_init(void);
int	switch_away(void);
int	panic_fault(void);
int	sched_clock(void);
extern int lwkt__ncpus, lwkt__arena, classes, codes;

int lwkt__ncpus = 77, lwkt__arena = 1, classes = 2, codes = 3;

int
arena_alloc(int n)
{
	return n + lwkt__ncpus + lwkt__arena + classes + codes;
}

int
splz(void)
{
	return 1;
}

int
thread_init(void)
{
	return 2;
}

int
switch_away(void)
{
	return 3;
}

int
panic_fault(void)
{
	return 4;
}

int
sched_clock(void)
{
	return 5;
}

static int
body(void *arg)
{
	(void)arg;
	(void)lwkt_sleep_ns(1000);
	return arena_alloc(splz() + thread_init() + switch_away() +
	    panic_fault() + sched_clock());
}

int
main(void)
{
	printf("%d\n", lwkt_boot(NULL, body, NULL));
	return 0;
}
