/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep and wakeup: a bounded buffer.
 *
 * Makers and takers belong to the same CPU.  No other thread of this CPU runs
 * between a test and the sleep that follows, so there is no lock.  A sleep may
 * end without reason: every wait is a loop.
 *
 * The last thread waits from another CPU.  There the test and the sleep need
 * the interlock: a wakeup that comes in between is not lost.
 */
#include <lwkt/lwkt.h>
#include <stdatomic.h>
#include <stdio.h>

#define NSLOTS	4
#define NITEMS	1000		/* of each maker */
#define NMAKERS	3
#define NTAKERS	2

static struct {
	int	b_slot[NSLOTS];
	int	b_head, b_count;
} buf;

static long sum;
static _Atomic int makers_left = NMAKERS;

static void
buf_put(int item)
{
	while (buf.b_count == NSLOTS)
		lwkt_tsleep(&buf.b_slot, 0, "full", LWKT_FOREVER);
	buf.b_slot[(buf.b_head + buf.b_count) % NSLOTS] = item;
	buf.b_count++;
	lwkt_wakeup_one(&buf.b_count);
}

static int
buf_take(void)
{
	int item;

	while (buf.b_count == 0)
		lwkt_tsleep(&buf.b_count, 0, "empty", LWKT_FOREVER);
	item = buf.b_slot[buf.b_head];
	buf.b_head = (buf.b_head + 1) % NSLOTS;
	buf.b_count--;
	lwkt_wakeup_one(&buf.b_slot);
	return item;
}

static void
maker(void *arg)
{
	(void)arg;
	for (int i = 1; i <= NITEMS; i++)
		buf_put(i);
	makers_left--;
	lwkt_wakeup(&makers_left);
}

static void
taker(void *arg)
{
	int item;

	(void)arg;
	while ((item = buf_take()) > 0)
		sum += item;
}

/* On another CPU: wait until all makers are done. */
static void
watcher(void *arg)
{
	(void)arg;
	for (;;) {
		lwkt_tsleep_interlock(&makers_left, 0);
		if (makers_left == 0)
			break;
		lwkt_tsleep(&makers_left, LWKT_PINTERLOCKED, "makers",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
	printf("all makers are done, says cpu %d\n", lwkt_cpuid());
}

static lwkt_thread_t
start(void (*fn)(void *), int cpu, const char *name)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, NULL, &td, NULL, LWKT_JOINABLE, cpu, "%s",
	    name) != 0)
		lwkt_panic("no memory for a thread");
	return td;
}

static int
bounded_buffer(void *arg)
{
	lwkt_thread_t takers[NTAKERS], makers[NMAKERS], td;
	int i;

	(void)arg;
	td = start(watcher, lwkt_ncpus() - 1, "watcher");
	for (i = 0; i < NTAKERS; i++)
		takers[i] = start(taker, 0, "taker");
	for (i = 0; i < NMAKERS; i++)
		makers[i] = start(maker, 0, "maker");
	for (i = 0; i < NMAKERS; i++)
		lwkt_join(makers[i]);
	lwkt_join(td);
	for (i = 0; i < NTAKERS; i++)
		buf_put(0);		/* no more: one for each taker */
	for (i = 0; i < NTAKERS; i++)
		lwkt_join(takers[i]);
	printf("%d makers, %d takers, sum %ld\n", NMAKERS, NTAKERS, sum);
	return sum != (long)NMAKERS * NITEMS * (NITEMS + 1) / 2;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, bounded_buffer, NULL);
}
