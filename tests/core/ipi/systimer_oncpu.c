/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers started on another CPU: each belongs to that CPU from the call on, is
 * called there only, and can be deleted there at any moment.
 */
#include "core/probe.h"
#include "kern/boot/boot_var.h"
#include "kern/ipi/ipiq_var.h"

static int
oncpu_body(void *arg)
{
	int cpu, n = lwkt_ncpus();

	(void)arg;
	reset();
	for (cpu = 0; cpu < n; cpu++) {
		probe[cpu].p_limit = cpu == 0 ? 1 : 2;
		lwkt_systimer_init_oncpu(&probe[cpu].p_st, cpu, note,
		    &probe[cpu], MS, cpu == 0 ? 0 : MS);
	}
	wait_fired((uint32_t)(2 * n - 1));
	for (cpu = 0; cpu < n; cpu++)
		check(probe[cpu].p_cpu == cpu, "on cpu %d, not %d",
		    probe[cpu].p_cpu, cpu);
	return 0;
}

/*
 * The function of a timer starts the timer on another CPU, and returns only
 * after the timer's function has ended there and its storage is used for
 * something else.
 */
static struct leaver {
	struct lwkt_systimer	l_st;
	int64_t			l_period;	/* on the other CPU */
	uint32_t		l_over;		/* there it has ended */
	uint32_t		l_back;		/* here as well */
} leaver;

static void
leaver_there(struct lwkt_systimer *st, void *arg)
{
	(void)arg;
	lwkt_systimer_del(st);
	memset(st, 0x5a, sizeof(*st));
	STORE(leaver.l_over, 1);
}

static void
leaver_here(struct lwkt_systimer *st, void *arg)
{
	(void)arg;
	lwkt_systimer_init_oncpu(st, other_cpu(), leaver_there, NULL, 1,
	    leaver.l_period);
	await_deaf(&leaver.l_over, 1);
	STORE(leaver.l_back, 1);
}

static int
leaver_body(void *arg)
{
	unsigned char *byte = (unsigned char *)&leaver.l_st;
	size_t i;

	if (lwkt_ncpus() == 1)
		return 0;
	memset(&leaver, 0, sizeof(leaver));
	leaver.l_period = arg != NULL ? MS : 0;
	lwkt_systimer_init_periodic(&leaver.l_st, leaver_here, NULL, MS / 10,
	    0);
	await(&leaver.l_back, 1);
	for (i = 0; i < sizeof(leaver.l_st); i++)
		check(byte[i] == 0x5a, "byte %zu of its storage is touched",
		    i);
	return 0;
}

/*
 * Each call of a timer's function starts the timer again in another way, on
 * any CPU.  The next call is there, and there is one only.
 */
#define ROUNDS		TIMES(200, 30)

static struct rounds {
	struct lwkt_systimer	r_st;
	struct rng		r_rng;
	int			r_cpu;		/* of the next call */
	int			r_periodic;
	uint32_t		r_in;		/* calls in progress */
	uint32_t		r_calls;
} rounds;

static void
round_call(struct lwkt_systimer *st, void *arg)
{
	struct rng *r = &rounds.r_rng;
	int how = (int)rng_below(r, 5), was_periodic = rounds.r_periodic;

	check(ADD(rounds.r_in, 1) == 1, "two calls at once");
	check(lwkt_cpuid() == rounds.r_cpu, "on cpu %d, not %d", lwkt_cpuid(),
	    rounds.r_cpu);
	if (how == 0)
		lwkt_systimer_del(st);
	ADD(rounds.r_in, (uint32_t)-1);
	if (ADD(rounds.r_calls, 1) >= ROUNDS) {
		lwkt_systimer_del(st);
		return;
	}
	rounds.r_periodic = (int)rng_below(r, 2);
	if (how <= 1) {
		rounds.r_cpu = (int)rng_below(r, (uint32_t)lwkt_ncpus());
		lwkt_systimer_init_oncpu(st, rounds.r_cpu, round_call, arg, 1,
		    rounds.r_periodic ? MS / 20 : 0);
	} else if (how == 2 && was_periodic) {
		rounds.r_periodic = 1;		/* it just goes on */
	} else if (rounds.r_periodic) {
		lwkt_systimer_init_periodic(st, round_call, arg, MS / 20, 0);
	} else {
		lwkt_systimer_init_oneshot(st, round_call, arg, MS / 20);
	}
}

static int
rounds_body(void *arg)
{
	(void)arg;
	memset(&rounds, 0, sizeof(rounds));
	rounds.r_rng = (struct rng){ lwkt__boot_config.lc_seed + 1 };
	rounds.r_periodic = 1;
	lwkt_crit_enter();
	rounds.r_cpu = lwkt_cpuid();
	lwkt_systimer_init_periodic(&rounds.r_st, round_call, NULL, MS / 20,
	    0);
	lwkt_crit_exit();
	await(&rounds.r_calls, ROUNDS);
	lwkt_sleep_ns(MS);
	check(LOAD(rounds.r_calls) == ROUNDS, "called %u times",
	    LOAD(rounds.r_calls));
	return 0;
}

/* The second message arrives when the first has started it. */
static int
send_twice_body(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 2; i++)
		lwkt_systimer_init_oncpu(&probe[0].p_st, 1, note, &probe[0],
		    900 * MS, 0);
	lwkt_synchronize_ipiqs("test");
	return 0;
}

static int
foreign_delete_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_systimer_init_oncpu(&probe[0].p_st, 1, note, &probe[0], 50 * MS,
	    0);
	lwkt_synchronize_ipiqs("test");
	lwkt_systimer_del(&probe[0].p_st);
	return 0;
}

/*
 * A timer is deleted on its CPU before the message that starts it there has
 * been executed.  Its storage is then the program's.
 */
static struct early {
	uint32_t	e_ready;	/* the owner is in its section */
	uint32_t	e_started;	/* lwkt_systimer_init_oncpu returned */
	uint32_t	e_deaf[2];	/* CPU 2: has begun; may end */
	uint32_t	e_fired;
	int		e_defer;
	struct lwkt_systimer e_st;
} early;

static void
early_fire(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	ADD(early.e_fired, 1);
}

static void
early_nothing(void *arg)
{
	(void)arg;
}

static void
early_fill(int cpu)
{
	int i;

	for (i = 0; i < IPIQ_HIGH + 1; i++)
		lwkt_send_ipiq(cpu, early_nothing, NULL);
}

static void
early_deaf(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(early.e_deaf[0], 1);
	await_deaf(&early.e_deaf[1], 1);
	lwkt_crit_exit();
}

static void
early_owner(void *arg)
{
	struct lwkt_systimer *st = &early.e_st;
	unsigned char *byte = (unsigned char *)st;
	size_t i;

	lwkt_crit_enter();
	STORE(early.e_ready, 1);
	await_deaf(&early.e_started, 1);
	if (early.e_defer) {
		early_fill(2);
		check(mygd()->gd_ndeferred > 0, "nothing is deferred");
	}
	lwkt_systimer_del(st);
	if (arg != NULL)
		lwkt_systimer_init_oneshot(st, early_fire, NULL, MS);
	else
		memset(st, 0x5a, sizeof(*st));
	lwkt_crit_exit();
	lwkt_sleep_ns(20 * MS);
	for (i = 0; arg == NULL && i < sizeof(*st); i++)
		check(byte[i] == 0x5a, "its storage is touched");
	check(LOAD(early.e_fired) == (arg != NULL), "%u calls",
	    early.e_fired);
}

static int
early_delete_body(void *arg)
{
	lwkt_thread_t td[2] = { NULL, NULL };

	memset(&early, 0, sizeof(early));
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_migratecpu(0);
	td[0] = spawn(early_owner, arg, 0, 1);
	await_deaf(&early.e_ready, 1);
	lwkt_systimer_init_oncpu(&early.e_st, 1, early_fire, NULL, 2 * MS,
	    arg != NULL ? MS : 0);
	STORE(early.e_started, 1);
	join(td[0]);
	return 0;
}

/* The message has been taken from its ring, and is deferred. */
static int
early_deferred_body(void *arg)
{
	lwkt_thread_t td[2];

	memset(&early, 0, sizeof(early));
	early.e_defer = 1;
	lwkt_migratecpu(0);
	td[0] = spawn(early_deaf, NULL, 0, 2);
	await_deaf(&early.e_deaf[0], 1);
	td[1] = spawn(early_owner, arg, 0, 1);
	await_deaf(&early.e_ready, 1);
	lwkt_systimer_init_oncpu(&early.e_st, 1, early_fire, NULL, 2 * MS, 0);
	STORE(early.e_started, 1);
	early_fill(1);
	STORE(early.e_deaf[1], 1);
	join_all(td, 2);
	return 0;
}

/* Deleted at any moment: it has been called before that, or never is. */
static void
any_moment_owner(void *arg)
{
	uint32_t before;

	(void)arg;
	await(&early.e_started, 1);
	lwkt_crit_enter();
	lwkt_systimer_del(&early.e_st);
	before = LOAD(early.e_fired);
	memset(&early.e_st, 0x5a, sizeof(early.e_st));
	lwkt_crit_exit();
	lwkt_sleep_ns(MS);
	check(LOAD(early.e_fired) == before, "called after it was deleted");
}

static int
any_moment_body(void *arg)
{
	lwkt_thread_t td;
	int i;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	for (i = 0; i < TIMES(50, 3); i++) {
		memset(&early, 0, sizeof(early));
		lwkt_migratecpu(0);
		td = spawn(any_moment_owner, NULL, 0, 1);
		lwkt_systimer_init_oncpu(&early.e_st, 1, early_fire, NULL,
		    100, 100);
		STORE(early.e_started, 1);
		join(td);
	}
	return 0;
}

static int
early_foreign_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_migratecpu(0);
	early_fill(1);
	lwkt_systimer_init_oncpu(&probe[0].p_st, 1, note, &probe[0], 900 * MS,
	    0);
	lwkt_systimer_del(&probe[0].p_st);
	return 0;
}

static void
explore_early(void)
{
	struct sim_scenario ss = { .ss_name = "deleted while it is deferred",
		.ss_body = early_deferred_body, .ss_seeds = 20,
		.ss_ncpus = 3 };

	sim_explore("deleted before the message that starts it",
	    early_delete_body, NULL, 50);
	sim_explore("and started again", early_delete_body, &early, 50);
	sim_explore_with(&ss);
	sim_explore("deleted at any moment of its start", any_moment_body,
	    NULL, 200);
}

int
main(void)
{
	panics("a timer deleted on another CPU before its start panics",
	    early_foreign_body, "is deleted on cpu 0; only its CPU may");
	panics("a timer deleted on another CPU panics", foreign_delete_body,
	    "is deleted on cpu 0; only its CPU may");
	panics("a running timer sent to a CPU again panics", send_twice_body,
	    "is already running on cpu 1");
	sim_explore("a timer fires on the CPU it was given", oncpu_body, NULL,
	    100);
	sim_explore("its function starts it on another CPU, once",
	    leaver_body, NULL, 50);
	sim_explore("its function starts it on another CPU, with a period",
	    leaver_body, &leaver, 50);
	sim_explore("started again in all ways by its function", rounds_body,
	    NULL, 200);
	explore_early();
	return tap_done();
}
