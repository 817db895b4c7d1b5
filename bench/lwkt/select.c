/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select NCPUS [VALUES]: four threads write values, each into a pipe of 256 of
 * its own, and one reads from the pipes that have some.  All are on one CPU, or
 * the reader is on CPU 0 and the writers are on CPU 1.
 *
 * The reader waits at its port for the notice of a pipe.  It takes at most as
 * many values as a pipe has slots before it turns to the next notice.
 */
#include <errno.h>
#include <lwkt/lwkt.h>
#include <lwkt/pipe.h>
#include "bench.h"

#define WRITERS	4
#define DEPTH	256

static struct writer {
	struct lwkt_pipe pipe;
	int64_t		slots[DEPTH];
	lwkt_thread_t	td;
} writer[WRITERS];
static int64_t n, sum, got;

static void
write_all(void *arg)
{
	struct writer *self = arg;

	for (int64_t i = 0; i < n; i++)
		lwkt_pipe_put(&self->pipe, &i, LWKT_FOREVER);
	lwkt_pipe_close_writer(&self->pipe);
}

/* The writer whose pipe has sent the notice. */
static struct writer *
find(lwkt_msg_t notice)
{
	struct writer *from = writer;

	while (notice != lwkt_pipe_notice(&from->pipe))
		from++;
	return (from);
}

/* Take values without waiting; 0 at the end of the pipe. */
static int
take_some(struct lwkt_pipe *pipe)
{
	int64_t value;
	int error = 0;

	for (int i = 0; i < DEPTH; i++) {
		if ((error = lwkt_pipe_get(pipe, &value, 0)) != 0)
			break;
		sum += value;
		got++;
	}
	return (error != EPIPE);
}

static void
read_all(void)
{
	struct writer *from;
	int open = WRITERS;

	for (int i = 0; i < WRITERS; i++)
		lwkt_pipe_notify(&writer[i].pipe, lwkt_curport());
	while (open > 0) {
		from = find(lwkt_waitport(lwkt_curport(), 0));
		if (take_some(&from->pipe))
			lwkt_pipe_notify(&from->pipe, lwkt_curport());
		else
			open--;
	}
}

static int
bench(void *arg)
{
	int64_t begin = bench_now();
	int ncpus = lwkt_ncpus();

	(void)arg;
	for (int i = 0; i < WRITERS; i++) {
		lwkt_pipe_init(&writer[i].pipe, writer[i].slots,
		    sizeof(int64_t), DEPTH, "values");
		bench_check(lwkt_create(write_all, &writer[i], &writer[i].td,
		    NULL, LWKT_JOINABLE, ncpus - 1, "writer") == 0, "create");
	}
	read_all();
	for (int i = 0; i < WRITERS; i++)
		lwkt_join(writer[i].td);
	bench_report(ncpus == 1 ? "select-4" : "select-4-2", "lwkt",
	    (double)(WRITERS * n) * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(got == WRITERS * n && sum == WRITERS * (n * (n - 1) / 2),
	    "lost values");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	n = bench_arg(argc, argv, 2, 500000);
	return (lwkt_boot(&cfg, bench, NULL));
}
