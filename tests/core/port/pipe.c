/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes: each element arrives once, in order; both sides sleep and are woken,
 * wherever they run; closing, time limits, notices.
 */
#include <lwkt/msgport.h>
#include <lwkt/pipe.h>
#include <lwkt/systimer.h>

#include "core/util.h"

#define MOST_SLOTS	8
#define ELEMENTS	60
#define BATCH		5

/* Bytes that are no multiple of a word. */
struct odd {
	uint32_t	o_seq;
	char		o_rest[9];
} __attribute__((packed));

static struct lwkt_pipe pipes[2];
static uint64_t slots[2][MOST_SLOTS];
static struct odd odd_slots[MOST_SLOTS];
static uint64_t received;	/* atomic */
static uint32_t flag;		/* atomic */

static void
fresh(unsigned nslots)
{
	int i;

	for (i = 0; i < 2; i++)
		lwkt_pipe_init(&pipes[i], slots[i], sizeof(uint64_t), nslots,
		    "test");
	received = 0;
	STORE(flag, 0);
}

static void
put(uint64_t v)
{
	int error = lwkt_pipe_put(&pipes[0], &v, LWKT_FOREVER);

	check(error == 0, "put: error %d", error);
}

/* The next element, which is `want`. */
static void
get(uint64_t want)
{
	uint64_t v = UINT64_MAX;
	int error = lwkt_pipe_get(&pipes[0], &v, LWKT_FOREVER);

	check(error == 0 && v == want, "error %d, element %llu instead of "
	    "%llu", error, (unsigned long long)v, (unsigned long long)want);
}

/*
 * Streams.
 */
static void
writes(void *arg)
{
	uint64_t i;

	(void)arg;
	for (i = 0; i < ELEMENTS; i++)
		put(i);
	lwkt_pipe_close_writer(&pipes[0]);
}

static void
reads_to_end(void)
{
	uint64_t i, v;

	for (i = 0; i < ELEMENTS; i++)
		get(i);
	check(lwkt_pipe_get(&pipes[0], &v, LWKT_FOREVER) == EPIPE, "the end");
	check(lwkt_pipe_count(&pipes[0]) == 0, "it is empty");
}

/* arg: the number of slots; the writer is on the other CPU, if there is one. */
static int
stream_body(void *arg)
{
	lwkt_thread_t td;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(writes, NULL, 0, other_cpu());
	reads_to_end();
	join(td);
	return 0;
}

/* Both on one CPU: no fence, no locked instruction but those of sleeps. */
static int
one_cpu_body(void *arg)
{
	int64_t louds = counter("lwkt.pipe_louds");
	lwkt_thread_t td;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(writes, NULL, 0, lwkt_cpuid());
	reads_to_end();
	join(td);
	check(counter("lwkt.pipe_louds") == louds, "a fence on all CPUs");
	return 0;
}

/* In pieces of other sizes on each side. */
static void
writes_batches(void *arg)
{
	uint64_t v[BATCH], seq = 0;
	size_t n, i;
	ssize_t r;

	(void)arg;
	for (n = 1; seq < ELEMENTS; n = n % BATCH + 1) {
		for (i = 0; i < n; i++)
			v[i] = seq++;
		r = lwkt_pipe_write(&pipes[0], v, n, LWKT_FOREVER);
		check(r == (ssize_t)n, "wrote %zd of %zu", r, n);
	}
	lwkt_pipe_close_writer(&pipes[0]);
}

static int
batches_body(void *arg)
{
	uint64_t v[BATCH], seq = 0;
	lwkt_thread_t td;
	ssize_t r, i;
	size_t max = 1;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(writes_batches, NULL, 0, other_cpu());
	while ((r = lwkt_pipe_read(&pipes[0], v, max, LWKT_FOREVER)) > 0) {
		check((size_t)r <= max, "read %zd of %zu", r, max);
		for (i = 0; i < r; i++, seq++)
			check(v[i] == seq, "%llu instead of %llu",
			    (unsigned long long)v[i], (unsigned long long)seq);
		max = max % BATCH + 1;
	}
	check(r == 0 && seq >= ELEMENTS, "ended by %zd after %llu", r,
	    (unsigned long long)seq);
	join(td);
	return 0;
}

static void
odd_writes(void *arg)
{
	struct odd o[3];
	uint32_t seq, i;

	(void)arg;
	for (seq = 0; seq < ELEMENTS; seq += 3) {
		for (i = 0; i < 3; i++) {
			memset(o[i].o_rest, (int)(seq + i), sizeof(o->o_rest));
			o[i].o_seq = seq + i;
		}
		check(lwkt_pipe_write(&pipes[0], o, 3, LWKT_FOREVER) == 3,
		    "write");
	}
}

static int
odd_body(void *arg)
{
	lwkt_thread_t td;
	uint32_t seq;
	struct odd o;
	size_t i;

	(void)arg;
	lwkt_pipe_init(&pipes[0], odd_slots, sizeof(o), 7, "odd");
	td = spawn(odd_writes, NULL, 0, other_cpu());
	for (seq = 0; seq < ELEMENTS; seq++) {
		check(lwkt_pipe_get(&pipes[0], &o, LWKT_FOREVER) == 0 &&
		    o.o_seq == seq, "%u instead of %u", o.o_seq, seq);
		for (i = 0; i < sizeof(o.o_rest); i++)
			check(o.o_rest[i] == (char)seq, "byte %zu", i);
	}
	join(td);
	return 0;
}

/* One is passed there and back: each side sleeps for each element. */
static void
answers(void *arg)
{
	uint64_t v;

	(void)arg;
	while (lwkt_pipe_get(&pipes[0], &v, LWKT_FOREVER) == 0) {
		v += 1000;
		check(lwkt_pipe_put(&pipes[1], &v, LWKT_FOREVER) == 0, "put");
	}
}

static int
there_and_back_body(void *arg)
{
	lwkt_thread_t td;
	uint64_t i, v;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(answers, NULL, 0, other_cpu());
	for (i = 0; i < ELEMENTS / 4; i++) {
		put(i);
		check(lwkt_pipe_get(&pipes[1], &v, LWKT_FOREVER) == 0 &&
		    v == i + 1000, "answer %llu", (unsigned long long)v);
	}
	lwkt_pipe_close_writer(&pipes[0]);
	join(td);
	return 0;
}

/* Sides that move from CPU to CPU, between the sleeps and amid a stream. */
static void
writes_moving(void *arg)
{
	uint64_t i;

	(void)arg;
	for (i = 0; i < ELEMENTS; i++) {
		if (i % 3 == 0)
			lwkt_migratecpu(other_cpu());
		put(i);
	}
	lwkt_pipe_close_writer(&pipes[0]);
}

static int
moving_body(void *arg)
{
	lwkt_thread_t td;
	uint64_t i;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(writes_moving, NULL, 0, lwkt_cpuid());
	for (i = 0; i < ELEMENTS; i++) {
		if (i % 5 == 0)
			lwkt_migratecpu(other_cpu());
		get(i);
	}
	join(td);
	return 0;
}

/* The smallest case of it: the reader sleeps where the writer has left. */
static void
leaves_and_writes(void *arg)
{
	(void)arg;
	put(0);
	lwkt_migratecpu(other_cpu());
	put(1);
}

static int
leaves_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh(4);
	td = spawn(leaves_and_writes, NULL, 0, lwkt_cpuid());
	get(0);
	get(1);
	join(td);
	return 0;
}

/* Threads on different CPUs write in turn; a message orders them. */
static void
writes_part(void *arg)
{
	uint64_t from = (uintptr_t)arg, i;

	for (i = from; i < from + 3; i++)
		put(i);
}

static int
handed_body(void *arg)
{
	uint64_t part, i;

	(void)arg;
	fresh(4);
	for (part = 0; part < 4; part++) {
		join(spawn_on((int)part, writes_part,
		    (void *)(uintptr_t)(part * 3)));
		for (i = 0; i < 3; i++)
			get(part * 3 + i);
	}
	return 0;
}

/*
 * Limits, ends.
 */
static int
limits_body(void *arg)
{
	uint64_t v[4] = { 1, 2, 3, 4 };
	int64_t begin = machine_time_ns();

	(void)arg;
	fresh(2);
	check(lwkt_pipe_get(&pipes[0], v, 0) == EWOULDBLOCK, "empty");
	check(lwkt_pipe_get(&pipes[0], v, MS) == EWOULDBLOCK, "still empty");
	check(machine_time_ns() - begin >= MS, "too early");
	check(lwkt_pipe_read(&pipes[0], v, 4, 0) == -EWOULDBLOCK, "empty");
	check(lwkt_pipe_read(&pipes[0], v, 0, 0) == 0, "nothing asked");
	check(lwkt_pipe_write(&pipes[0], v, 4, MS) == 2, "a part");
	check(lwkt_pipe_count(&pipes[0]) == 2, "count");
	check(lwkt_pipe_write(&pipes[0], v, 1, MS) == -EWOULDBLOCK, "full");
	check(lwkt_pipe_put(&pipes[0], v, -7) == EWOULDBLOCK, "full");
	check(lwkt_pipe_read(&pipes[0], v, 4, LWKT_FOREVER) == 2 &&
	    v[0] == 1 && v[1] == 2, "what was written");
	return 0;
}

static void
closes_reader(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(1000);
	lwkt_pipe_close_reader(&pipes[0]);
}

static void
closes_writer(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(1000);
	lwkt_pipe_close_writer(&pipes[0]);
}

static int
close_body(void *arg)
{
	uint64_t v[3] = { 1, 2, 3 };
	lwkt_thread_t td;
	ssize_t r;

	(void)arg;
	fresh(2);
	td = spawn(closes_reader, NULL, 0, other_cpu());
	r = lwkt_pipe_write(&pipes[0], v, 3, LWKT_FOREVER);
	check(r == 2 || r == -EPIPE, "wrote %zd", r);
	check(lwkt_pipe_put(&pipes[0], v, LWKT_FOREVER) == EPIPE, "closed");
	join(td);
	fresh(2);
	td = spawn(closes_writer, NULL, 0, other_cpu());
	check(lwkt_pipe_read(&pipes[0], v, 3, LWKT_FOREVER) == 0, "the end");
	check(lwkt_pipe_get(&pipes[0], v, 0) == EPIPE, "the end, again");
	check(lwkt_pipe_put(&pipes[0], v, 0) == EPIPE, "put after the end");
	join(td);
	return 0;
}

/* The last element and the end come together. */
static void
last_and_close(void *arg)
{
	(void)arg;
	put(7);
	lwkt_pipe_close_writer(&pipes[0]);
}

static int
last_body(void *arg)
{
	lwkt_thread_t td;
	uint64_t v;

	(void)arg;
	fresh(1);
	td = spawn(last_and_close, NULL, 0, other_cpu());
	get(7);
	check(lwkt_pipe_get(&pipes[0], &v, LWKT_FOREVER) == EPIPE, "the end");
	join(td);
	return 0;
}

/* A limit that ends as the element comes loses nothing. */
static void
writes_late(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(2000);
	put(0);
}

static int
late_body(void *arg)
{
	lwkt_thread_t td;
	uint64_t v = 1;
	int error;

	(void)arg;
	fresh(1);
	td = spawn(writes_late, NULL, 0, other_cpu());
	while ((error = lwkt_pipe_get(&pipes[0], &v, 1000)) == EWOULDBLOCK)
		continue;
	check(error == 0 && v == 0, "error %d", error);
	join(td);
	return 0;
}

/*
 * Notices.
 */
static void
writes_to(void *arg)
{
	struct lwkt_pipe *p = arg;
	uint64_t i;

	for (i = 0; i < ELEMENTS / 4; i++)
		check(lwkt_pipe_put(p, &i, LWKT_FOREVER) == 0, "put");
	lwkt_pipe_close_writer(p);
}

/* Read what is there, and ask again; 1 at the end of the pipe. */
static int
drain(struct lwkt_pipe *p, uint64_t *next, lwkt_port_t port)
{
	uint64_t v;
	int error;

	while ((error = lwkt_pipe_get(p, &v, 0)) == 0) {
		check(v == *next, "%llu instead of %llu",
		    (unsigned long long)v, (unsigned long long)*next);
		(*next)++;
	}
	if (error == EPIPE)
		return 1;
	check(error == EWOULDBLOCK, "error %d", error);
	lwkt_pipe_notify(p, port);
	return 0;
}

/* arg: NULL: the thread's own port. */
static int
select_body(void *arg)
{
	lwkt_port_t port = arg != NULL ? arg : lwkt_curport();
	uint64_t next[2] = { 0, 0 };
	lwkt_thread_t td[2];
	lwkt_msg_t msg;
	int i, open = 2;

	fresh(3);
	if (arg != NULL)
		lwkt_initport_spin(port);
	for (i = 0; i < 2; i++) {
		td[i] = spawn_on(i, writes_to, &pipes[i]);
		lwkt_pipe_notify(&pipes[i], port);
	}
	while (open > 0) {
		msg = lwkt_port_select(&port, 1, NULL, 0, LWKT_FOREVER);
		i = msg == lwkt_pipe_notice(&pipes[1]);
		check(i || msg == lwkt_pipe_notice(&pipes[0]), "whose?");
		open -= drain(&pipes[i], &next[i], port);
	}
	join_all(td, 2);
	for (i = 0; i < 2; i++)
		check(next[i] == ELEMENTS / 4, "%llu of pipe %d",
		    (unsigned long long)next[i], i);
	return 0;
}

static int
cancel_body(void *arg)
{
	lwkt_port_t port = lwkt_curport();

	(void)arg;
	fresh(2);
	check(!lwkt_pipe_notify_cancel(&pipes[0]), "none was asked for");
	lwkt_pipe_notify(&pipes[0], port);
	check(lwkt_pipe_notify_cancel(&pipes[0]), "it was not sent");
	put(0);
	check(lwkt_getport(port) == NULL, "it was sent");
	get(0);
	lwkt_pipe_notify(&pipes[0], port);
	put(1);
	check(!lwkt_pipe_notify_cancel(&pipes[0]), "it was sent");
	check(lwkt_getport(port) == lwkt_pipe_notice(&pipes[0]), "queued");
	lwkt_pipe_notify(&pipes[0], port);
	check(lwkt_getport(port) == lwkt_pipe_notice(&pipes[0]),
	    "an element is there already");
	get(1);
	return 0;
}

/* From a timer's callback, which must not wait. */
static void
callback(struct lwkt_systimer *st, void *arg)
{
	uint64_t v = 5;

	(void)st;
	(void)arg;
	check(lwkt_pipe_put(&pipes[0], &v, 0) == 0, "put in a callback");
}

static int
callback_body(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	fresh(2);
	lwkt_systimer_init_oneshot(&st, callback, NULL, 1000);
	get(5);
	return 0;
}

/*
 * Errors of the program.
 */
static int
noslots_body(void *arg)
{
	(void)arg;
	fresh(0);
	return 0;
}

static int
waits_armed_body(void *arg)
{
	(void)arg;
	fresh(2);
	lwkt_pipe_notify(&pipes[0], lwkt_curport());
	get(0);
	return 0;
}

static int
not_taken_body(void *arg)
{
	(void)arg;
	fresh(2);
	put(0);
	lwkt_pipe_notify(&pipes[0], lwkt_curport());
	lwkt_pipe_notify(&pipes[0], lwkt_curport());
	return 0;
}

int
main(void)
{
	static struct lwkt_port spin;

	panics("a pipe without slots panics", noslots_body, "has 0 slots");
	panics("a reader that waits before its notice has come panics",
	    waits_armed_body, "has asked for a notice");
	panics("asking for a second notice panics", not_taken_body,
	    "has not taken the last one");
	sim_explore("elements arrive once, in order", stream_body, (void *)3,
	    100);
	sim_explore("there and back", there_and_back_body, (void *)2, 100);
	/* No spin from here on: each wait is a sleep. */
	setenv("LWKT_TUNE", "lwkt.pipe_spin=0", 1);
	sim_explore("a stream of sleeps", stream_body, (void *)3, 200);
	sim_explore("a stream through a single slot", stream_body, (void *)1,
	    200);
	sim_explore("a stream on one CPU, without fences", one_cpu_body,
	    (void *)3, 50);
	sim_explore("pieces of other sizes", batches_body, (void *)7,
	    100);
	sim_explore("elements of 13 bytes", odd_body, NULL, 50);
	sim_explore("there and back, asleep each time", there_and_back_body,
	    (void *)2, 200);
	sim_explore("from CPU to CPU", moving_body, (void *)2, 200);
	sim_explore("the writer leaves the reader's CPU", leaves_body, NULL,
	    400);
	sim_explore("writers on several CPUs in turn", handed_body, NULL, 50);
	sim_explore("time limits; a part is written", limits_body, NULL, 20);
	sim_explore("closing ends the other side's wait", close_body, NULL,
	    100);
	sim_explore("the last element comes before the end", last_body, NULL,
	    200);
	sim_explore("a time limit loses no element", late_body, NULL, 200);
	sim_explore("notices of two pipes to a thread port", select_body,
	    NULL, 200);
	sim_explore("and to a spin port", select_body, &spin, 200);
	sim_explore("a notice is taken back, or has been sent", cancel_body,
	    NULL, 50);
	sim_explore("a callback writes", callback_body, NULL, 50);
	return tap_done();
}
