/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: a token goes round 1,000 threads, each with a condition
 * variable.  The last round ends them.
 */
#include <st.h>
#include "bench.h"

#define MEMBERS	1000

static struct member {
	st_cond_t	come;
	int		has_token;
	st_thread_t	td;
} ring[MEMBERS];
static long hops, n;

static void *
hand_on(void *arg)
{
	struct member *self = arg, *next;
	long now;

	next = &ring[(self - ring + 1) % MEMBERS];
	do {
		while (!self->has_token)
			st_cond_wait(self->come);
		self->has_token = 0;
		now = ++hops;
		if (now == n + MEMBERS)
			break;
		next->has_token = 1;
		st_cond_signal(next->come);
	} while (now <= n);
	return (NULL);
}

int
main(int argc, char **argv)
{
	int64_t begin;

	n = bench_arg(argc, argv, 1, 5000000);
	bench_check(st_init() == 0, "init");
	for (int i = 0; i < MEMBERS; i++)
		ring[i].come = st_cond_new();
	for (int i = 0; i < MEMBERS; i++) {
		ring[i].td = st_thread_create(hand_on, &ring[i], 1,
		    BENCH_STACK);
		bench_check(ring[i].td != NULL, "create");
	}
	st_usleep(0);
	begin = bench_now();
	ring[0].has_token = 1;
	st_cond_signal(ring[0].come);
	for (int i = 0; i < MEMBERS; i++)
		st_thread_join(ring[i].td, NULL);
	bench_report("ring-1000", "st",
	    (double)(bench_now() - begin) / (double)hops, "ns");
	bench_check(hops == n + MEMBERS, "%ld hops", hops);
	return (0);
}
