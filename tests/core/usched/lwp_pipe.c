/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp is moved to another CPU in the middle of a call of a pipe.
 */
#include <lwkt/cpusync.h>
#include <lwkt/pipe.h>
#include <lwkt/usched.h>

#include "core/util.h"

#define ELEMENTS	2
#define SLOTS		1
#define MOVES		1

static struct lwkt_pipe pipe_;
static uint64_t slots[SLOTS];

static void
writer(void *arg)
{
	uint64_t v[ELEMENTS], i;
	ssize_t n;

	(void)arg;
	for (i = 0; i < ELEMENTS; i++)
		v[i] = i;
	n = lwkt_pipe_write(&pipe_, v, ELEMENTS, LWKT_FOREVER);
	check(n == ELEMENTS, "wrote %zd", n);
}

static void
reader(void *arg)
{
	uint64_t v, i;

	(void)arg;
	for (i = 0; i < ELEMENTS; i++)
		check(lwkt_pipe_get(&pipe_, &v, LWKT_FOREVER) == 0 && v == i,
		    "%llu instead of %llu", (unsigned long long)v,
		    (unsigned long long)i);
}

/* The reader may sleep on the CPU that the writer has left. */
static int
moved_body(void *arg)
{
	lwkt_usched_t us = lwkt_usched_find(arg);
	lwkt_lwp_t lp = NULL;
	lwkt_thread_t td;
	int i, error;

	lwkt_pipe_init(&pipe_, slots, sizeof(slots[0]), SLOTS, "test");
	error = lwkt_lwp_create(writer, NULL, &lp, us, LWKT_NOSTART |
	    LWKT_JOINABLE, "writer");
	if (error == 0)
		error = lwkt_lwp_setcpumask(lp, lwkt_cpumask_one(0));
	if (error != 0)
		lwkt_panic("test: lwp: errno %d", error);
	td = spawn(reader, NULL, 0, 0);
	lwkt_lwp_start(lp);
	for (i = 1; i <= MOVES; i++) {
		lwkt_yield();
		check(lwkt_lwp_setcpumask(lp, lwkt_cpumask_one(i %
		    lwkt_ncpus())) == 0, "mask");
	}
	join(td);
	check(lwkt_lwp_join(lp) == 0, "join");
	return 0;
}

int
main(void)
{
	static char bsd4[] = "bsd4", dummy[] = "dummy";

	setenv("LWKT_TUNE", "lwkt.pipe_spin=0", 1);
	sim_explore("a writer that is moved in its call is heard, bsd4",
	    moved_body, bsd4, 100);
	sim_explore("a writer that is moved in its call is heard, dummy",
	    moved_body, dummy, 100);
	return tap_done();
}
