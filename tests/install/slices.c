/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A preemptible thread that computes in code that the program has registered.
 */
#include <lwkt/lwkt.h>
#include <lwkt/preempt.h>
#include <stdio.h>

#define TURNS	2000000000u

extern const char __start_own_text[], __stop_own_text[];

static unsigned stop, turns = TURNS;

static __attribute__((section("own_text"), noinline)) void
hog(void *arg)
{
	unsigned n;

	for (n = 0; n < TURNS; n++)
		if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
			break;
	*(unsigned *)arg = n;
}

static void
other(void *arg)
{
	(void)arg;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static int
body(void *arg)
{
	lwkt_thread_t a, b;

	(void)arg;
	(void)lwkt_create(hog, &turns, &a, NULL,
	    LWKT_JOINABLE | LWKT_PREEMPTIBLE, 0, "hog");
	(void)lwkt_create(other, NULL, &b, NULL, LWKT_JOINABLE, 0, "other");
	(void)lwkt_join(a);
	(void)lwkt_join(b);
	printf("%s\n", turns < TURNS ? "interrupted" : "not interrupted");
	return 0;
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { 1, 0, 0, NULL };

	(void)argv;
	if (argc > 1)
		printf("register: %d\n", lwkt_preempt_register(
		    __start_own_text,
		    (size_t)(__stop_own_text - __start_own_text)));
	return lwkt_boot(&cfg, body, NULL);
}
