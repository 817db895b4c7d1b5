/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt threads: when they get the CPU, when not, and who has it next.
 */
#include <lwkt/msgport.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/util.h"
#include "kern/trouble/debug_var.h"

static struct log trail;
static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("mine");
static lwkt_thread_t intr[2];
static int rounds;			/* of intr[0] */

/* Runs each time it is scheduled, and blocks again. */
static void
interrupt(void *arg)
{
	int c = (int)(intptr_t)arg;

	while (rounds-- > 0) {
		log_add(&trail, c);
		lwkt_sleep("intr", 0);
	}
}

static lwkt_thread_t
spawn_intr(void (*fn)(void *), int c, int pri)
{
	return spawn_pri(fn, (void *)(intptr_t)c, pri,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
}

static int
preempts_at_the_critical_exit(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	rounds = 1;
	intr[0] = spawn_intr(interrupt, 'i', LWKT_PRI_INT_MED);
	lwkt_crit_enter();
	lwkt_schedule(intr[0]);
	log_add(&trail, 'a');
	lwkt_crit_exit();
	log_add(&trail, 'b');
	check(strcmp(trail.l_text, "aib") == 0, "order %s", trail.l_text);
	lwkt_schedule(intr[0]);
	join(intr[0]);
	return 0;
}

static void
plain(void *arg)
{
	(void)arg;
	log_add(&trail, 'p');
}

/* The lender goes on though a better plain thread is runnable by then. */
static void
waker(void *arg)
{
	log_add(&trail, 'i');
	lwkt_schedule(arg);
}

static int
cpu_goes_back_to_the_lender(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	trail = (struct log){ 0 };
	td = spawn_pri(plain, NULL, LWKT_PRI_SOFT_TIMER, LWKT_NOSTART,
	    lwkt_cpuid());
	intr[0] = spawn_pri(waker, td, LWKT_PRI_INT_MED,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_schedule(intr[0]);
	log_add(&trail, 'l');
	lwkt_yield_quick();
	log_add(&trail, 'm');
	check(strcmp(trail.l_text, "ilpm") == 0, "order %s", trail.l_text);
	join(intr[0]);
	join(td);
	return 0;
}

/* While the CPU is lent, the priorities of both may change: the loan stays. */
static void
becomes_worse(void *arg)
{
	log_add(&trail, 'i');
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	lwkt_setpri(arg, LWKT_PRI_INT_HIGH);
	lwkt_deschedule(arg);
	lwkt_crit_enter();
	check_cpu(mygd());
	lwkt_crit_exit();
	log_add(&trail, 'j');
	lwkt_schedule(arg);
}

static int
priorities_change(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	intr[0] = spawn_pri(becomes_worse, lwkt_self(), LWKT_PRI_INT_MED,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_schedule(intr[0]);
	log_add(&trail, 'l');
	check(strcmp(trail.l_text, "ijl") == 0, "order %s", trail.l_text);
	lwkt_setpri_self(LWKT_PRI_KERN_DAEMON);
	join(intr[0]);
	return 0;
}

static int
lesser_priority_waits(void *arg)
{
	int64_t ticks;

	(void)arg;
	trail = (struct log){ 0 };
	rounds = 1;
	intr[0] = spawn_intr(interrupt, 'i', LWKT_PRI_INT_LOW);
	ticks = counter("lwkt.ticks");
	lwkt_setpri_self(LWKT_PRI_INT_HIGH);
	lwkt_schedule(intr[0]);
	log_add(&trail, 'a');
	check(strcmp(trail.l_text, "a") == 0, "order %s", trail.l_text);
	lwkt_setpri_self(LWKT_PRI_KERN_DAEMON);
	/* The tick lets it run. */
	check(strcmp(trail.l_text, "a") == 0 ||
	    counter("lwkt.ticks") != ticks, "order %s", trail.l_text);
	lwkt_yield();
	check(strcmp(trail.l_text, "ai") == 0, "order %s", trail.l_text);
	lwkt_schedule(intr[0]);
	join(intr[0]);
	return 0;
}

/* Scenario B: the interrupt thread needs a token of the thread it preempted. */
static void
wants_token(void *arg)
{
	(void)arg;
	log_add(&trail, 'i');
	lwkt_gettoken(&tok);
	log_add(&trail, 't');
	check(lwkt_preempted_proc() == lwkt_self(), "still on a loan");
	lwkt_reltoken(&tok);
}

static int
token_of_the_lender(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	lwkt_gettoken(&tok);
	intr[0] = spawn_intr(wants_token, 0, LWKT_PRI_INT_MED);
	lwkt_schedule(intr[0]);
	log_add(&trail, 'l');
	check(lwkt_token_held_excl(&tok), "the lender lost its token");
	lwkt_yield_quick();		/* lets go, and has it again */
	log_add(&trail, 'm');
	check(lwkt_token_held_excl(&tok), "the token did not come back");
	lwkt_reltoken(&tok);
	check(strcmp(trail.l_text, "iltm") == 0, "order %s", trail.l_text);
	join(intr[0]);
	return 0;
}

/* A better interrupt thread preempts the first one; both return in turn. */
static void
nests(void *arg)
{
	lwkt_thread_t lender = arg;

	log_add(&trail, 'i');
	check(lwkt_preempted_proc() == lender, "wrong lender");
	lwkt_schedule(intr[1]);
	log_add(&trail, 'j');
}

static void
nested(void *arg)
{
	check(lwkt_preempted_proc() == arg, "the bottom of the chain is lost");
	log_add(&trail, 'n');
}

static int
preemption_nests(void *arg)
{
	(void)arg;
	trail = (struct log){ 0 };
	intr[0] = spawn_pri(nests, lwkt_self(), LWKT_PRI_INT_LOW,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	intr[1] = spawn_pri(nested, lwkt_self(), LWKT_PRI_INT_HIGH,
	    LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_schedule(intr[0]);
	log_add(&trail, 'l');
	check(strcmp(trail.l_text, "injl") == 0, "order %s", trail.l_text);
	join(intr[0]);
	join(intr[1]);
	return 0;
}

/* Two lenders are the limit: the third one waits until one has it back. */
static lwkt_thread_t deep[3];

static void
goes_deeper(void *arg)
{
	int i = (int)(intptr_t)arg;

	log_add(&trail, '0' + i);
	if (i + 1 < 3)
		lwkt_schedule(deep[i + 1]);
	log_add(&trail, 'a' + i);
}

static int
nesting_has_a_limit(void *arg)
{
	static const int pri[3] = { LWKT_PRI_INT_LOW, LWKT_PRI_INT_MED,
	    LWKT_PRI_INT_HIGH };
	int64_t refused = counter("lwkt.preempt_miss");
	int i;

	(void)arg;
	trail = (struct log){ 0 };
	for (i = 0; i < 3; i++)
		deep[i] = spawn_intr(goes_deeper, i, pri[i]);
	lwkt_schedule(deep[0]);
	check(strcmp(trail.l_text, "01b2ca") == 0, "order %s", trail.l_text);
	check(counter("lwkt.preempt_miss") == refused + 1, "not refused");
	join_all(deep, 3);
	return 0;
}

/* From timers and other CPUs, under load; nothing may be lost. */
static uint32_t served, asked;

static void
server(void *arg)
{
	(void)arg;
	while (atomic_load_32(&served) < (uint32_t)TIMES(2000, 20)) {
		lwkt_sleep("intr", 0);
		(void)atomic_fetchadd_32(&served, 1);
	}
}

static void
asker(void *arg)
{
	while (atomic_load_32(&served) < (uint32_t)TIMES(2000, 20)) {
		lwkt_schedule(arg);
		(void)atomic_fetchadd_32(&asked, 1);
		lwkt_yield();
		machine_pause(0);
	}
}

static int
schedules_from_everywhere(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	served = asked = 0;
	intr[0] = spawn(server, NULL, LWKT_INTERRUPT, lwkt_ncpus() - 1);
	for (i = 0; i < 4; i++)
		td[i] = spawn(asker, intr[0], 0, i % lwkt_ncpus());
	for (i = 0; i < 4; i++)
		join(td[i]);
	join(intr[0]);
	check(served >= (uint32_t)TIMES(2000, 20), "served %u", served);
	return 0;
}

/* A thread that does not run goes to another CPU. */
static uint32_t where;

static void
tells_where(void *arg)
{
	(void)arg;
	lwkt_sleep("given", 0);
	atomic_store_rel_32(&where, 1 + (uint32_t)lwkt_cpuid());
}

static void
taker(void *arg)
{
	lwkt_acquire(arg);
	lwkt_schedule(arg);
}

static int
given_away_and_taken(void *arg)
{
	lwkt_thread_t td, tk;
	int to = other_cpu();

	(void)arg;
	where = 0;
	td = spawn(tells_where, NULL, 0, lwkt_cpuid());
	lwkt_yield();			/* it sleeps now */
	lwkt_giveaway(td);
	tk = spawn(taker, td, 0, to);
	join(tk);
	join(td);
	check(where == 1 + (uint32_t)to, "ran on cpu %d, not %d",
	    (int)where - 1, to);
	return 0;
}

int
main(void)
{
	sim_explore("an interrupt thread preempts at the critical exit",
	    preempts_at_the_critical_exit, NULL, 100);
	sim_explore("the CPU goes back to the lender",
	    cpu_goes_back_to_the_lender, NULL, 100);
	sim_explore("priorities change while the CPU is lent",
	    priorities_change, NULL, 50);
	sim_explore("one of lesser priority waits", lesser_priority_waits,
	    NULL, 100);
	sim_explore("one that needs a token of the lender waits for it",
	    token_of_the_lender, NULL, 100);
	sim_explore("preemption nests", preemption_nests, NULL, 100);
	sim_explore("not deeper than two", nesting_has_a_limit, NULL, 100);
	sim_explore("interrupt threads scheduled from every CPU all run",
	    schedules_from_everywhere, NULL, 200);
	sim_explore("a thread is given away and taken", given_away_and_taken,
	    NULL, 200);
	return tap_done();
}
