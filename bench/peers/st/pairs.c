/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: 10,000 pairs of threads, all at once.  Each pair has a
 * condition variable for questions and one for answers.
 */
#include <st.h>
#include "bench.h"

struct pair {
	st_cond_t	asked, answered;
	int		question, reply;	/* one is there */
	long		value;
	st_thread_t	server, client;
};

static long trips;

static void *
server(void *arg)
{
	struct pair *pair = arg;

	for (long i = 0; i < trips; i++) {
		while (!pair->question)
			st_cond_wait(pair->asked);
		pair->question = 0;
		pair->value++;
		pair->reply = 1;
		st_cond_signal(pair->answered);
	}
	return (NULL);
}

static void *
client(void *arg)
{
	struct pair *pair = arg;

	for (long i = 0; i < trips; i++) {
		pair->question = 1;
		st_cond_signal(pair->asked);
		while (!pair->reply)
			st_cond_wait(pair->answered);
		pair->reply = 0;
	}
	return (NULL);
}

static void
create(struct pair *pair)
{
	pair->asked = st_cond_new();
	pair->answered = st_cond_new();
	pair->server = st_thread_create(server, pair, 1, BENCH_STACK);
	pair->client = st_thread_create(client, pair, 1, BENCH_STACK);
	bench_check(pair->server != NULL && pair->client != NULL, "create");
}

int
main(int argc, char **argv)
{
	long npairs = bench_arg(argc, argv, 1, 10000);
	struct pair *pair = calloc((size_t)npairs, sizeof(*pair));
	int64_t begin;

	trips = bench_arg(argc, argv, 2, 100);
	bench_check(st_init() == 0 && pair != NULL, "init");
	for (long i = 0; i < npairs; i++)
		create(&pair[i]);
	begin = bench_now();
	for (long i = 0; i < npairs; i++) {
		st_thread_join(pair[i].client, NULL);
		st_thread_join(pair[i].server, NULL);
		bench_check(pair[i].value == trips, "only %ld trips",
		    pair[i].value);
	}
	bench_report("pairs-10000", "st", (double)(bench_now() - begin) /
	    (double)(npairs * trips), "ns");
	return (0);
}
