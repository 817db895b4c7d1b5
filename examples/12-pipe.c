/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes: a stream that goes through three threads.
 *
 * A counter writes numbers, 32 at a time.  A filter passes on the primes.  The
 * main thread waits at its port for messages, of which the notice of the
 * filter's pipe is one, and adds up.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

#define LAST	10000
#define SLOTS	256

static struct lwkt_pipe numbers, primes;
static int number_slots[SLOTS], prime_slots[SLOTS];

static void
counter(void *arg)
{
	int piece[32], n = 0;

	(void)arg;
	for (int i = 2; i <= LAST; i++) {
		piece[n++] = i;
		if (n == 32 || i == LAST) {
			lwkt_pipe_write(&numbers, piece, (size_t)n,
			    LWKT_FOREVER);
			n = 0;
		}
	}
	lwkt_pipe_close_writer(&numbers);
}

static int
is_prime(int n)
{
	for (int d = 2; d * d <= n; d++)
		if (n % d == 0)
			return 0;
	return 1;
}

static void
filter(void *arg)
{
	int n;

	(void)arg;
	while (lwkt_pipe_get(&numbers, &n, LWKT_FOREVER) == 0)
		if (is_prime(n))
			lwkt_pipe_put(&primes, &n, LWKT_FOREVER);
	lwkt_pipe_close_writer(&primes);
}

/* Add up what the pipe has; 0 at its end. */
static int
add_up(long *sum)
{
	int piece[64];
	ssize_t n;

	while ((n = lwkt_pipe_read(&primes, piece, 64, 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			*sum += piece[i];
	return n != 0;
}

static int
pipeline(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	lwkt_thread_t td[2];
	long sum = 0;

	(void)arg;
	lwkt_pipe_init(&numbers, number_slots, sizeof(int), SLOTS, "numbers");
	lwkt_pipe_init(&primes, prime_slots, sizeof(int), SLOTS, "primes");
	if (lwkt_create(counter, NULL, &td[0], NULL, LWKT_JOINABLE,
	    LWKT_CPU_ROTATE, "counter") != 0 ||
	    lwkt_create(filter, NULL, &td[1], NULL, LWKT_JOINABLE,
	    LWKT_CPU_ROTATE, "filter") != 0)
		lwkt_panic("no memory for a thread");
	do {
		lwkt_pipe_notify(&primes, port);
		/* If no message comes for a second, say so and wait again. */
		while (lwkt_waitport_timed(port, 0, 1000000000) == NULL)
			printf("waiting\n");
	} while (add_up(&sum));
	lwkt_join(td[0]);
	lwkt_join(td[1]);
	printf("the sum of the primes up to %d is %ld\n", LAST, sum);
	return sum != 5736396;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, pipeline, NULL);
}
