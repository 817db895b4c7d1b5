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
#include "kern/sched/token_word.h"

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

/*
 * Three CPUs take a token once a round: one falls asleep while the second
 * releases it and the third takes it.
 */
#define TAKERS	3u

static uint32_t	round_now, rested;

static void
linger(void)
{
	int i;

	for (i = 0; i < 10; i++)
		lwkt__choice(CHOICE_CRIT);
}

static void
takes_once_a_round(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&round_now, i);
		lwkt_gettoken(&tok);
		linger();
		lwkt_reltoken(&tok);
		ADD(rested, 1);
		lwkt_wakeup(&rested);
	}
}

static int
three_take(void *arg)
{
	lwkt_thread_t td[TAKERS];
	uint32_t i;

	(void)arg;
	STORE(round_now, 0);
	STORE(rested, 0);
	lwkt_token_init(&tok, "orders");
	for (i = 0; i < TAKERS; i++)
		td[i] = spawn_on((int)i, takes_once_a_round, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		STORE(round_now, i);
		lwkt_wakeup(&round_now);
		await_asleep(&rested, TAKERS * i);
	}
	join_all(td, TAKERS);
	lwkt_token_uninit(&tok);
	return 0;
}

/*
 * A thread that has another token wants the token shared, and its CPU falls
 * asleep while the exclusive holder releases the token and shares it.  A thread
 * that waits to be exclusive does not matter then, so the CPU must not sleep.
 * `low` keeps that thread away from the token: it was taken first, and has the
 * lower address.
 */
static struct {
	struct lwkt_token low, tok;
} pair;
static struct lwkt_token side;
static uint32_t	wanted, shared;

static void
wants_both(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		lwkt_gettoken(&pair.low);
		lwkt_gettoken(&pair.tok);
		lwkt_reltoken(&pair.tok);
		lwkt_reltoken(&pair.low);
		STORE(had, i);
		lwkt_wakeup(&had);
	}
}

static void
wants_to_share(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&wanted, i);
		lwkt_gettoken(&side);
		lwkt_gettoken_shared(&pair.tok);
		STORE(shared, i);
		lwkt_reltoken(&pair.tok);
		lwkt_reltoken(&side);
	}
}

/* Hold the token until another thread asks to be exclusive; then share it. */
static void
share_late(uint32_t i)
{
	unsigned turn;

	lwkt_gettoken(&pair.tok);
	STORE(asked, i);
	lwkt_wakeup(&asked);
	for (turn = 0; (atomic_load_32(&pair.tok.t_want) & T_EXCLREQ) == 0 ||
	    !lwkt_trytoken(&pair.low); turn++)
		machine_pause(turn);
	STORE(wanted, i);
	lwkt_wakeup(&wanted);
	linger();
	lwkt_token_swap();
	lwkt_reltoken(&pair.tok);
	lwkt_gettoken_shared(&pair.tok);
	await_deaf(&shared, i);
	lwkt_reltoken(&pair.tok);
	lwkt_reltoken(&pair.low);
}

static int
shared_after_release(void *arg)
{
	lwkt_thread_t td[2];
	uint32_t i;

	(void)arg;
	asked = had = wanted = shared = 0;
	lwkt_token_init(&pair.low, "low");
	lwkt_token_init(&pair.tok, "orders");
	lwkt_token_init(&side, "side");
	td[0] = spawn_on(1, wants_both, NULL);
	td[1] = spawn_on(2, wants_to_share, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_crit_enter();	/* no switch: the tokens stay */
		share_late(i);
		lwkt_crit_exit();
		await_asleep(&had, i);
	}
	join_all(td, 2);
	return 0;
}

/*
 * Two CPUs count changes of one word at the same time: a count that went back
 * would equal the number that a sleeper remembers.
 */
#define CHANGES	3u

static struct lwkt_xwait xw;
static uint32_t	changes[2];

static void
changer(void *arg)
{
	uint32_t *mine = arg, i, k;

	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&round_now, i);
		for (k = 1; k <= CHANGES; k++) {
			STORE(*mine, (i - 1) * CHANGES + k);
			lwkt_xwakeup(&xw);
		}
	}
}

static int
two_change(void *arg)
{
	lwkt_thread_t td[2];
	unsigned gen;
	uint32_t i;

	(void)arg;
	STORE(round_now, 0);
	STORE(changes[0], 0);
	STORE(changes[1], 0);
	lwkt_xwait_init(&xw);
	for (i = 0; i < 2; i++)
		td[i] = spawn_on((int)i + 1, changer, &changes[i]);
	for (i = 1; i <= ROUNDS; i++) {
		gen = lwkt_xgen(&xw);
		STORE(round_now, i);
		lwkt_wakeup(&round_now);
		while (LOAD(changes[0]) < i * CHANGES ||
		    LOAD(changes[1]) < i * CHANGES)
			(void)lwkt_xsleep(&xw, 0, "changes", LWKT_FOREVER,
			    &gen);
	}
	join_all(td, 2);
	return 0;
}

/* Store buffers in every run: each scenario is about an order. */
static void
order(const char *name, int (*body)(void *), int ncpus)
{
	struct sim_scenario ss = {
		.ss_name = name, .ss_body = body, .ss_seeds = 100,
		.ss_ncpus = ncpus, .ss_stores = 1,
	};

	sim_explore_with(&ss);
}

int
main(void)
{
	setenv("LWKT_TUNE", "lwkt.token_spin=0", 1);
	order("ISO1: a message is sent while the last one is taken",
	    two_messages, 2);
	order("TO1: a token is released as a CPU falls asleep", released_once,
	    2);
	order("TO1: a token is released and taken as a CPU falls asleep",
	    three_take, 3);
	order("TO1: a token is released and shared as a CPU falls asleep",
	    shared_after_release, 3);
	order("XO1: two CPUs count changes", two_change, 3);
	return tap_done();
}
