/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads: strict priorities, taking turns, joining.
 *
 * All threads here belong to CPU 0.  A thread runs until it blocks, yields or
 * ends, so they share `diary` without a lock.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>
#include <string.h>

static char diary[64];

static void
note(char c)
{
	size_t n = strlen(diary);

	diary[n] = c;
	diary[n + 1] = '\0';
}

/* Write a letter three times; other threads may run in between. */
static void
talker(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note(*(const char *)arg);
		lwkt_yield();
	}
}

static lwkt_thread_t
start(const char *letter, int pri)
{
	lwkt_thread_t td;

	if (lwkt_create(talker, (void *)letter, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, 0, "talker %s", letter) != 0)
		lwkt_panic("no memory for a thread");
	lwkt_setpri_initial(td, pri);
	lwkt_schedule(td);
	return td;
}

static int
threads(void *arg)
{
	lwkt_thread_t td[4];

	(void)arg;
	/* The low one is created first and nevertheless runs last. */
	td[0] = start("L", LWKT_PRI_USER_NORM);
	td[1] = start("a", LWKT_PRI_KERN_DAEMON);
	td[2] = start("b", LWKT_PRI_KERN_DAEMON);
	td[3] = start("H", LWKT_PRI_SOFT_NORM);
	for (int i = 0; i < 4; i++)
		lwkt_join(td[i]);

	printf("high, then a and b in turns, then low: %s\n", diary);
	return strcmp(diary, "HHHabababLLL") != 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, threads, NULL);
}
