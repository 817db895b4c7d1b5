/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: a pipeline that sieves primes.
 *
 * Each stage is a thread with a port.  The first number that reaches it is a
 * prime.  A number that this prime divides goes back to its sender, the main
 * thread; all others go on to the next stage, on the next CPU.  A message is
 * never copied: it belongs to the stage that has received it.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

#define LAST	100

struct number {
	struct lwkt_msg	n_msg;		/* first */
	int		n_value;	/* 0: the end */
};

static int nprimes;		/* one stage after the other */

static void	sieve(void *arg);

static lwkt_thread_t
start_sieve(void)
{
	lwkt_thread_t td;

	if (lwkt_create(sieve, NULL, &td, NULL, LWKT_JOINABLE,
	    LWKT_CPU_ROTATE, "sieve") != 0)
		lwkt_panic("no memory for a thread");
	return td;
}

static void
sieve(void *arg)
{
	struct number *n = lwkt_waitport(lwkt_curport(), 0);
	int prime = n->n_value;
	lwkt_thread_t next = NULL;

	(void)arg;
	printf("%d ", prime);
	nprimes++;
	for (; n->n_value != 0; n = lwkt_waitport(lwkt_curport(), 0)) {
		if (n->n_value % prime == 0) {
			lwkt_replymsg(&n->n_msg, 0);
			continue;
		}
		if (next == NULL)
			next = start_sieve();
		lwkt_forwardmsg(lwkt_threadport(next), &n->n_msg);
	}
	if (next == NULL) {
		lwkt_replymsg(&n->n_msg, 0);
	} else {
		lwkt_forwardmsg(lwkt_threadport(next), &n->n_msg);
		lwkt_join(next);
	}
}

static int
primes(void *arg)
{
	static struct number number[LAST];
	lwkt_thread_t first = start_sieve();

	(void)arg;
	for (int i = 0; i < LAST; i++) {
		number[i].n_value = i < LAST - 1 ? i + 2 : 0;
		lwkt_initmsg(&number[i].n_msg, lwkt_curport(), 0);
		lwkt_sendmsg(lwkt_threadport(first), &number[i].n_msg);
	}
	for (int i = 0; i < LAST; i++)
		lwkt_waitport(lwkt_curport(), 0);
	lwkt_join(first);
	printf("\n%d primes up to %d\n", nprimes, LAST);
	return nprimes != 25;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, primes, NULL);
}
