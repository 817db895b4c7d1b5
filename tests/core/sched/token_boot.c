/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that ends while a thread wants a token leaves nothing behind: in the
 * next one a release wakes nobody but the CPU that wants the token.
 */
#include "core/util.h"

#include <lwkt/token.h>

#define LONG_ENOUGH	((int64_t)200000)	/* ns, to fall asleep */

static struct lwkt_token token, kept;
static uint32_t held, never;

static void
wants(void *arg)
{
	lwkt_gettoken(arg);
	lwkt_reltoken(arg);
}

/* Until the kernel ends. */
static void
keeps(void *arg)
{
	lwkt_gettoken(&kept);
	STORE(held, 1);
	while (LOAD(never) == 0)
		lwkt_splz();
	lwkt_reltoken(&kept);
	(void)arg;
}

/* The same, a worse thread of the CPU of one that wants the token. */
static void
goes_on(void *arg)
{
	while (LOAD(never) == 0)
		lwkt_yield();
	(void)arg;
}

/* Let other CPUs go on, and keep the tokens. */
static void
serve_for(int64_t ns)
{
	int64_t end = lwkt_time_ns() + ns;
	unsigned turn;

	for (turn = 0; lwkt_time_ns() < end; turn++) {
		lwkt_splz();
		machine_pause(turn);
	}
}

static int
boot_body(void *arg)
{
	int64_t before = counter("lwkt.token_nudges"), nudges;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() < 3)
		return 0;
	STORE(held, 0);
	lwkt_token_init(&token, "token");
	lwkt_token_init(&kept, "kept");
	lwkt_gettoken(&token);
	td = spawn_on(1, wants, &token);
	serve_for(LONG_ENOUGH);
	lwkt_reltoken(&token);
	join(td);
	nudges = counter("lwkt.token_nudges") - before;
	check(nudges <= 1, "%d CPUs were woken", (int)nudges);
	(void)spawn_on(1, keeps, NULL);
	await(&held, 1);
	(void)spawn_on(2, wants, &kept);
	(void)spawn_pri(goes_on, NULL, LWKT_PRI_USER_NORM - 1, 0, 2);
	serve_for(LONG_ENOUGH);
	return 0;			/* CPU 2 has asked to be told */
}

int
main(void)
{
	sim_explore("no CPU of an earlier kernel is woken", boot_body, NULL,
	    50);
	return tap_done();
}
