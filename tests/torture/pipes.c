/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: chains of pipes between threads that move, sleep, poll and select.
 *
 * Each chain is a source, some stages that pass elements on, and a sink.  At
 * the sink the elements are those of the source, in order, each once.
 */
#include <lwkt/pipe.h>

#include "core/util.h"
#include "torture/torture.h"

#define CHAINS		4
#define STAGES		4	/* pipes of a chain; threads: one more */
#define MOST		16	/* slots of a pipe, elements of a call */

struct chain {
	struct lwkt_pipe c_pipe[STAGES];
	uint64_t	 c_slot[STAGES][MOST];
	uint64_t	 c_seed;
	uint64_t	 c_sent, c_received;
};

struct stage {
	struct chain	*s_chain;
	int		 s_number;	/* reads pipe n - 1, writes pipe n */
};

static struct chain chains[CHAINS];
static uint64_t all;

/* Sometimes elsewhere, sometimes later. */
static void
wander(struct rng *r)
{
	switch (rng_below(r, 40)) {
	case 0:
		lwkt_migratecpu((int)rng_below(r, (uint32_t)lwkt_ncpus()));
		break;
	case 1:
		lwkt_sleep_ns((int64_t)rng_below(r, 20000));
		break;
	case 2:
		lwkt_yield();
		break;
	}
}

/* Write all n, by calls of every kind. */
static void
write_all(struct lwkt_pipe *p, const uint64_t *v, size_t n, struct rng *r)
{
	static const int64_t limits[] = { 0, 1000, LWKT_FOREVER };
	int64_t limit = limits[rng_below(r, nitems(limits))];
	ssize_t done;

	while (n > 0) {
		done = n == 1 ? -lwkt_pipe_put(p, v, limit) :
		    lwkt_pipe_write(p, v, n, limit);
		if (n == 1 && done == 0)
			return;
		if (done == -EWOULDBLOCK) {
			lwkt_yield();
			continue;
		}
		check(done > 0 && (size_t)done <= n, "wrote %zd", done);
		v += done;
		n -= (size_t)done;
	}
}

/* Read some, by calls of every kind; 0 at the end. */
static size_t
read_some(struct lwkt_pipe *p, uint64_t *v, struct rng *r)
{
	static const int64_t limits[] = { 0, 1000, LWKT_FOREVER };
	ssize_t n;

	for (;;) {
		if (rng_below(r, 4) == 0) {
			lwkt_pipe_notify(p, lwkt_curport());
			check(lwkt_waitport(lwkt_curport(), 0) ==
			    lwkt_pipe_notice(p), "another message");
		}
		n = lwkt_pipe_read(p, v, 1 + rng_below(r, MOST),
		    limits[rng_below(r, nitems(limits))]);
		if (n >= 0)
			return (size_t)n;
		check(n == -EWOULDBLOCK, "read: %zd", n);
		lwkt_yield();
	}
}

static void
source(void *arg)
{
	struct chain *c = arg;
	uint64_t v[MOST];
	struct rng r;
	size_t n, i;

	r = (struct rng){ c->c_seed };
	while (!torture_over()) {
		n = 1 + rng_below(&r, MOST);
		for (i = 0; i < n; i++)
			v[i] = c->c_sent++;
		write_all(&c->c_pipe[0], v, n, &r);
		wander(&r);
	}
	lwkt_pipe_close_writer(&c->c_pipe[0]);
}

static void
pass_on(void *arg)
{
	struct stage *s = arg;
	struct chain *c = s->s_chain;
	uint64_t v[MOST];
	struct rng r;
	size_t n;

	r = (struct rng){ c->c_seed + (uint64_t)s->s_number };
	while ((n = read_some(&c->c_pipe[s->s_number - 1], v, &r)) > 0) {
		write_all(&c->c_pipe[s->s_number], v, n, &r);
		wander(&r);
	}
	lwkt_pipe_close_writer(&c->c_pipe[s->s_number]);
}

static void
sink(void *arg)
{
	struct chain *c = arg;
	uint64_t v[MOST];
	struct rng r;
	size_t n, i;

	r = (struct rng){ c->c_seed + 100 };
	while ((n = read_some(&c->c_pipe[STAGES - 1], v, &r)) > 0) {
		for (i = 0; i < n; i++, c->c_received++)
			check(v[i] == c->c_received, "%llu instead of %llu",
			    (unsigned long long)v[i],
			    (unsigned long long)c->c_received);
		wander(&r);
	}
}

static void
chain_start(struct chain *c, struct stage *s, lwkt_thread_t *td,
    struct rng *r)
{
	int i;

	c->c_seed = rng_next(r);
	c->c_sent = c->c_received = 0;
	for (i = 0; i < STAGES; i++)
		lwkt_pipe_init(&c->c_pipe[i], c->c_slot[i], sizeof(uint64_t),
		    1 + (unsigned)rng_below(r, MOST), "torture");
	td[0] = spawn_on((int)rng_below(r, 8), source, c);
	td[STAGES] = spawn_on((int)rng_below(r, 8), sink, c);
	for (i = 1; i < STAGES; i++) {
		s[i] = (struct stage){ c, i };
		td[i] = spawn_on((int)rng_below(r, 8), pass_on, &s[i]);
	}
}

static int
body(void *arg)
{
	static struct stage stages[CHAINS][STAGES];
	static lwkt_thread_t td[CHAINS][STAGES + 1];
	struct rng r;
	int i;

	(void)arg;
	r = (struct rng){ torture_seed };
	for (i = 0; i < CHAINS; i++)
		chain_start(&chains[i], stages[i], td[i], &r);
	for (i = 0; i < CHAINS; i++) {
		join_all(td[i], STAGES + 1);
		check(chains[i].c_received == chains[i].c_sent,
		    "%llu sent, %llu received",
		    (unsigned long long)chains[i].c_sent,
		    (unsigned long long)chains[i].c_received);
		all += chains[i].c_received;
	}
	diag("%llu elements, %lld sleeps", (unsigned long long)all,
	    (long long)counter("lwkt.pipe_sleeps"));
	check(all > 0, "none");
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "pipes deliver each element once, "
	    "in order", body);
}
