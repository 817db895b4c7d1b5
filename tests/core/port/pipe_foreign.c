/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes between threads and plain pthreads, which are no CPUs.
 */
#include <lwkt/pipe.h>
#include <pthread.h>

#include "core/util.h"

#define ELEMENTS	1000
#define SLOTS		4

static struct lwkt_pipe there, back;
static uint64_t there_slots[SLOTS], back_slots[SLOTS];
static uint32_t finished;	/* atomic */

static void
fresh(void)
{
	lwkt_pipe_init(&there, there_slots, sizeof(uint64_t), SLOTS, "there");
	lwkt_pipe_init(&back, back_slots, sizeof(uint64_t), SLOTS, "back");
	STORE(finished, 0);
}

static pthread_t
start(void *(*fn)(void *))
{
	pthread_t pt;
	int error = pthread_create(&pt, NULL, fn, NULL);

	if (error != 0)
		lwkt_panic("test: pthread_create: %d", error);
	return pt;
}

/* The CPU goes on while it runs; joining it blocks only briefly. */
static void
end(pthread_t pt)
{
	while (LOAD(finished) == 0)
		lwkt_sleep_ns(MS / 4);
	pthread_join(pt, NULL);
}

static void
writes(struct lwkt_pipe *p)
{
	uint64_t i;

	for (i = 0; i < ELEMENTS; i++)
		check(lwkt_pipe_put(p, &i, LWKT_FOREVER) == 0, "put");
	lwkt_pipe_close_writer(p);
}

static void
reads(struct lwkt_pipe *p)
{
	uint64_t v[SLOTS], next = 0;
	ssize_t n, i;

	while ((n = lwkt_pipe_read(p, v, SLOTS, LWKT_FOREVER)) > 0)
		for (i = 0; i < n; i++, next++)
			check(v[i] == next, "%llu instead of %llu",
			    (unsigned long long)v[i],
			    (unsigned long long)next);
	check(n == 0 && next == ELEMENTS, "%llu elements",
	    (unsigned long long)next);
}

static void *
pthread_writes(void *arg)
{
	writes(&there);
	ADD(finished, 1);
	return arg;
}

static void *
pthread_reads(void *arg)
{
	reads(&there);
	ADD(finished, 1);
	return arg;
}

static int
from_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	fresh();
	pt = start(pthread_writes);
	reads(&there);
	end(pt);
	return 0;
}

static int
to_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	fresh();
	pt = start(pthread_reads);
	writes(&there);
	end(pt);
	return 0;
}

/* There and back: both sides sleep for each element. */
static void *
pthread_answers(void *arg)
{
	uint64_t v;

	while (lwkt_pipe_get(&there, &v, LWKT_FOREVER) == 0)
		check(lwkt_pipe_put(&back, &v, LWKT_FOREVER) == 0, "put");
	ADD(finished, 1);
	return arg;
}

static int
answer_body(void *arg)
{
	uint64_t i, v = UINT64_MAX;
	pthread_t pt;

	(void)arg;
	fresh();
	pt = start(pthread_answers);
	for (i = 0; i < 100; i++) {
		check(lwkt_pipe_put(&there, &i, LWKT_FOREVER) == 0, "put");
		check(lwkt_pipe_get(&back, &v, LWKT_FOREVER) == 0 && v == i,
		    "answer %llu", (unsigned long long)v);
	}
	lwkt_pipe_close_writer(&there);
	end(pt);
	return 0;
}

/* A pthread's element makes the notice come, to a thread port. */
static int
notice_body(void *arg)
{
	uint64_t next = 0, v;
	pthread_t pt;
	int error = 0;

	(void)arg;
	fresh();
	pt = start(pthread_writes);
	do {
		lwkt_pipe_notify(&there, lwkt_curport());
		check(lwkt_waitport(lwkt_curport(), 0) ==
		    lwkt_pipe_notice(&there), "another message");
		while ((error = lwkt_pipe_get(&there, &v, 0)) == 0)
			check(v == next++, "order");
	} while (error == EWOULDBLOCK);
	check(error == EPIPE && next == ELEMENTS, "error %d, %llu", error,
	    (unsigned long long)next);
	end(pt);
	return 0;
}

/* A pthread waits for a notice at a spin port. */
static struct lwkt_port spin;

static void *
pthread_selects(void *arg)
{
	uint64_t next = 0, v;
	int error;

	do {
		lwkt_pipe_notify(&there, &spin);
		check(lwkt_waitport(&spin, 0) == lwkt_pipe_notice(&there),
		    "another message");
		while ((error = lwkt_pipe_get(&there, &v, 0)) == 0)
			check(v == next++, "order");
	} while (error == EWOULDBLOCK);
	check(next == ELEMENTS, "%llu", (unsigned long long)next);
	ADD(finished, 1);
	return arg;
}

static int
pthread_notice_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	fresh();
	lwkt_initport_spin(&spin);
	pt = start(pthread_selects);
	writes(&there);
	end(pt);
	return 0;
}

static void *
pthread_limit(void *arg)
{
	uint64_t v;

	(void)lwkt_pipe_get(&there, &v, MS);
	return arg;
}

static int
limit_body(void *arg)
{
	(void)arg;
	fresh();
	pthread_join(start(pthread_limit), NULL);
	return 0;
}

static void
run_all(const char *how)
{
	const struct {
		const char *s_name;
		int (*s_body)(void *);
	} list[] = {
		{ "from a pthread to a thread", from_body },
		{ "from a thread to a pthread", to_body },
		{ "there and back", answer_body },
		{ "a pthread's element sends a notice", notice_body },
		{ "a pthread gets a notice", pthread_notice_body },
	};
	static char name[nitems(list)][80];
	size_t i;

	for (i = 0; i < nitems(list); i++) {
		snprintf(name[i], sizeof(name[i]), "%s%s", list[i].s_name,
		    how);
		sim_explore(name[i], list[i].s_body, NULL, 1);
	}
}

int
main(void)
{
	panics("a pthread that waits with a limit panics", limit_body,
	    "a pthread waits with a timeout");
	run_all("");
	setenv("LWKT_FAIL", "membarrier:*", 1);
	run_all(", on a host without membarrier");
	return tap_done();
}
