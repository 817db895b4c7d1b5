/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Orders between CPUs that a fence makes: each scenario is named after the line
 * of ORDER at the head of the file that has it.
 *
 * A sender that sleeps until it is answered makes a lost message a deadlock.
 * Store buffers of the simulated host show a missing fence; real processors do
 * it rarely.
 */
#include <lwkt/token.h>
#include <stdlib.h>

#include "core/util.h"

#define ROUNDS	TIMES(300, 8)

static uint32_t	taken, answered;

static void
count(void *arg)
{
	(void)arg;
	ADD(taken, 1);
}

/* Answer a sender that sleeps on `answered`. */
static void
count_and_answer(void *arg)
{
	count(arg);
	STORE(answered, LOAD(taken));
	lwkt_wakeup(&answered);
}

/* The second message finds the hints of the first one, mostly. */
static int
two_messages(void *arg)
{
	uint32_t i;

	(void)arg;
	STORE(taken, 0);
	STORE(answered, 0);
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_send_ipiq(other_cpu(), count, NULL);
		lwkt_send_ipiq(other_cpu(), count_and_answer, NULL);
		await_asleep(&answered, 2 * i);
	}
	return 0;
}

static struct lwkt_token tok;
static uint32_t	asked, had;

/* Want the token each time it is said that it will be given back. */
static void
wants(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		lwkt_gettoken(&tok);
		lwkt_reltoken(&tok);
		STORE(had, i);
		lwkt_wakeup(&had);
	}
}

/*
 * The token is given back while the other CPU falls asleep for want of it.
 * Nothing else would wake that CPU.
 */
static int
released_once(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	STORE(asked, 0);
	STORE(had, 0);
	lwkt_token_init(&tok, "orders");
	td = spawn_on(1, wants, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_gettoken(&tok);
		STORE(asked, i);
		lwkt_wakeup(&asked);
		lwkt_reltoken(&tok);
		await_asleep(&had, i);
	}
	join(td);
	lwkt_token_uninit(&tok);
	return 0;
}

int
main(void)
{
	struct sim_scenario two = {
		.ss_name = "O3: a message is sent while the last one is taken",
		.ss_body = two_messages, .ss_seeds = 100, .ss_ncpus = 2,
	};

	struct sim_scenario once = {
		.ss_name = "N1: a token is released as a CPU falls asleep",
		.ss_body = released_once, .ss_seeds = 100, .ss_ncpus = 2,
	};

	setenv("LWKT_TUNE", "lwkt.token_spin=0", 1);
	sim_explore_with(&two);
	sim_explore_with(&once);
	return tap_done();
}
