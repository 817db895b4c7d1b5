/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Races of DragonFly's history, of tokens, preemption and the scheduler.
 *
 * The numbers are those of docs/races.md, which says for each what breaks it.
 */
#include <lwkt/token.h>

#include "core/util.h"

static struct lwkt_token tok, other;
static struct log trail;
static uint32_t stage, count;

static void
fresh(void)
{
	lwkt_token_init(&tok, "tok");
	lwkt_token_init(&other, "other");
	trail = (struct log){ 0 };
	stage = count = 0;
}

static lwkt_thread_t
spawn_intr(void (*fn)(void *), int pri)
{
	return spawn_pri(fn, NULL, pri, LWKT_INTERRUPT | LWKT_NOSTART,
	    lwkt_cpuid());
}

/*
 * An interrupt thread that has to have tokens before it runs does not preempt:
 * nobody would take them for it.
 */
static void
takes_and_yields(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok);
	log_add(&trail, 'i');
	lwkt_yield();			/* lends the CPU back, lets go */
	log_add(&trail, 'j');
	check(lwkt_token_held_excl(&tok), "runs without its token");
	lwkt_reltoken(&tok);
}

static void
just_preempts(void *arg)
{
	(void)arg;
	log_add(&trail, 'p');
}

static int
race_9(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	fresh();
	td[0] = spawn_intr(takes_and_yields, LWKT_PRI_INT_HIGH);
	td[1] = spawn_intr(just_preempts, LWKT_PRI_INT_LOW);
	lwkt_schedule(td[0]);
	check(lwkt_trytoken(&tok), "nobody lets go");
	lwkt_schedule(td[1]);		/* and td[0] is the better one */
	log_add(&trail, 'l');
	check(lwkt_token_held_excl(&tok), "the token was taken away");
	lwkt_reltoken(&tok);
	join_all(td, 2);
	check(strcmp(trail.l_text, "iljp") == 0, "order %s", trail.l_text);
	return 0;
}

/*
 * What an interrupt thread gives away when it leaves the CPU is its own, never
 * the lender's.
 */
static void
wants_it(void *arg)
{
	(void)arg;
	lwkt_gettoken(&other);
	STORE(stage, 1);
	lwkt_gettoken(&tok);		/* back to the lender; in its turn */
	lwkt_reltoken(&tok);
	lwkt_reltoken(&other);
}

static void
tries(void *arg)
{
	unsigned turn;

	(void)arg;
	for (turn = 0; LOAD(stage) < 2; turn++) {
		if (LOAD(stage) == 1 && lwkt_trytoken(&tok)) {
			check(LOAD(stage) == 2, "had the lender's token");
			lwkt_reltoken(&tok);
		}
		lwkt_yield();
		machine_pause(turn);
	}
}

static int
race_10(void *arg)
{
	lwkt_thread_t td, at;
	int i;

	(void)arg;
	fresh();
	at = spawn_on(lwkt_cpuid() + 1, tries, NULL);
	lwkt_gettoken(&tok);
	td = spawn_intr(wants_it, LWKT_PRI_INT_MED);
	lwkt_schedule(td);
	check(LOAD(stage) == 1, "it did not preempt");
	for (i = 0; i < 10; i++) {
		check(lwkt_token_held_excl(&tok), "the lender lost its token");
		machine_pause(0);
	}
	STORE(stage, 2);
	lwkt_reltoken(&tok);
	join(td);
	join(at);
	return 0;
}

/*
 * A thread that cannot have its token does not keep its CPU in the scheduler:
 * messages are served, however long it takes.  The holder waits for them.
 */
static void
holds_until_served(void *arg)
{
	int cpu = *(int *)arg;
	uint32_t i;

	lwkt_crit_enter();		/* no switch: the token stays */
	lwkt_gettoken(&tok);
	STORE(stage, 1);
	for (i = 0; i < 40; i++)
		lwkt_wait_ipiq(cpu, lwkt_send_ipiq(cpu, util_nothing, NULL));
	lwkt_reltoken(&tok);
	lwkt_crit_exit();
}

static void
takes_it(void *arg)
{
	(void)arg;
	lwkt_gettoken(&tok);
	STORE(stage, 2);
	lwkt_reltoken(&tok);
}

static int
race_12(void *arg)
{
	int me = lwkt_cpuid();
	lwkt_thread_t td, intr;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	fresh();
	td = spawn(holds_until_served, &me, 0, other_cpu());
	await(&stage, 1);
	intr = spawn_intr(takes_it, LWKT_PRI_INT_MED);
	lwkt_schedule(intr);
	join(intr);
	check(LOAD(stage) == 2, "stage %u", stage);
	join(td);
	return 0;
}

/*
 * And worse threads of its CPU go on meanwhile.  The holder waits for them.
 */
static void
holds_until_counted(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	lwkt_gettoken(&tok);
	STORE(stage, 1);
	await_deaf(&count, 30);
	lwkt_reltoken(&tok);
	lwkt_crit_exit();
}

static void
counts(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 10; i++) {
		ADD(count, 1);
		lwkt_yield();
	}
}

static int
race_13(void *arg)
{
	static const int pri[3] = { LWKT_PRI_KERN_DAEMON, LWKT_PRI_SOFT_NORM,
	    LWKT_PRI_KERN_USER };
	lwkt_thread_t td, best, worse[3];
	int i;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	fresh();
	td = spawn(holds_until_counted, NULL, 0, other_cpu());
	await(&stage, 1);
	best = spawn_pri(takes_it, NULL, LWKT_PRI_INT_SUPPORT, 0,
	    lwkt_cpuid());
	for (i = 0; i < 3; i++)
		worse[i] = spawn_pri(counts, NULL, pri[i], 0, lwkt_cpuid());
	join(best);
	join_all(worse, 3);
	join(td);
	return 0;
}

int
main(void)
{
	sim_explore("race 9: a thread preempts without its tokens", race_9,
	    NULL, 200);
	sim_explore("race 10: a preempting thread gives the lender's tokens "
	    "away", race_10, NULL, 200);
	sim_explore("race 12: a contended thread keeps its CPU from messages",
	    race_12, NULL, 200);
	sim_explore("race 13: a contended thread starves the others", race_13,
	    NULL, 200);
	return tap_done();
}
