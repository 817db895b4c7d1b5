/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: order, lateness of none, periods, and functions that change timers.
 * unit/wheel tests their queue alone.
 */
#include <lwkt/systimer.h>

#include "core/util.h"
#include "kern/boot/boot_var.h"
#include "kern/ipi/ipiq_var.h"
#include "kern/time/systimer_var.h"

#define NTIMERS		40
#define SHORT		(MS / 20)

struct probe {
	struct lwkt_systimer p_st;
	int64_t		 p_due;		/* not before */
	int64_t		 p_fired_at;
	int		 p_count;
	int		 p_cpu;
	int		 p_order;	/* rank among all that fired */
	int		 p_limit;	/* periodic: delete itself after */
};

static struct probe probe[NTIMERS];
static uint32_t fired;
static struct lwkt_systimer forgotten[3];

static void
note(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;

	check(st == &p->p_st, "the wrong timer");
	p->p_fired_at = lwkt_time_ns();
	p->p_count++;
	p->p_cpu = lwkt_cpuid();
	p->p_order = (int)ADD(fired, 1);
	if (p->p_count == p->p_limit)
		lwkt_systimer_del(st);
}

static void
reset(void)
{
	memset(probe, 0, sizeof(probe));
	STORE(fired, 0);
}

static void
wait_fired(uint32_t n)
{
	while (LOAD(fired) < n)
		lwkt_sleep_ns(MS / 10);
}

static int
order_body(void *arg)
{
	static const int64_t delay[] = { 5, 1, 3, 1, 4, 2, 1, 5 };
	int64_t when[8];
	int i, j, n = 8;

	(void)arg;
	reset();
	lwkt_crit_enter();
	for (i = 0; i < n; i++) {
		probe[i].p_due = lwkt_time_ns() + delay[i] * MS / 2;
		lwkt_systimer_init_oneshot(&probe[i].p_st, note, &probe[i],
		    delay[i] * MS / 2);
		when[i] = probe[i].p_st.st_time;
	}
	lwkt_crit_exit();
	wait_fired((uint32_t)n);
	for (i = 0; i < n; i++) {
		check(probe[i].p_fired_at >= probe[i].p_due, "%d early", i);
		for (j = 0; j < n; j++)
			if (when[i] < when[j] ||
			    (when[i] == when[j] && i < j))
				check(probe[i].p_order < probe[j].p_order,
				    "%d after %d", i, j);
	}
	return 0;
}

/* Random additions and deletions; who is left fires once, in order of time. */
static int
random_body(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	int i, j, left = 0;

	reset();
	lwkt_crit_enter();
	for (i = 0; i < NTIMERS; i++) {
		lwkt_systimer_init_oneshot(&probe[i].p_st, note, &probe[i],
		    2 * MS + rng_below(&r, 50) * MS / 25);
		probe[i].p_due = 1;
		j = (int)rng_below(&r, NTIMERS);
		if (j <= i && rng_below(&r, 2)) {
			lwkt_systimer_del(&probe[j].p_st);
			lwkt_systimer_del(&probe[j].p_st);	/* harmless */
			probe[j].p_due = 0;
		}
	}
	lwkt_crit_exit();
	for (i = 0; i < NTIMERS; i++)
		left += probe[i].p_due != 0;
	wait_fired((uint32_t)left);
	lwkt_sleep_ns(5 * MS);
	check(LOAD(fired) == (uint32_t)left, "%u of %d fired", LOAD(fired),
	    left);
	for (i = 0; i < NTIMERS; i++) {
		check(probe[i].p_count == (probe[i].p_due != 0),
		    "%d fired %d times", i, probe[i].p_count);
		for (j = 0; j < NTIMERS; j++)
			if (probe[i].p_count && probe[j].p_count &&
			    probe[i].p_st.st_time < probe[j].p_st.st_time)
				check(probe[i].p_order < probe[j].p_order,
				    "%d after %d", i, j);
	}
	return 0;
}

static int
periodic_body(void *arg)
{
	struct lwkt_systimer *st = &probe[0].p_st;
	int64_t start, phase;

	(void)arg;
	reset();
	start = lwkt_time_ns();
	lwkt_systimer_init_periodic(st, note, &probe[0], MS, 0);
	phase = st->st_time % MS;
	wait_fired(5);
	check(lwkt_time_ns() - start >= 5 * MS, "5 periods in %lld ns",
	    (long long)(lwkt_time_ns() - start));
	check(st->st_time % MS == phase, "the phase has moved");
	lwkt_systimer_adjust_periodic(st, 2 * MS);
	wait_fired(7);
	lwkt_systimer_del(st);
	STORE(fired, 0);
	lwkt_sleep_ns(5 * MS);
	check(LOAD(fired) == 0, "fired after its end");
	return 0;
}

/* Ten periods pass in a critical section: one call, or ten. */
static int
missed_body(void *arg)
{
	int64_t until, phase[2];
	int i;

	(void)arg;
	reset();
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], SHORT,
	    0);
	lwkt_systimer_init_periodic(&probe[1].p_st, note, &probe[1], SHORT,
	    LWKT_ST_BURST);
	for (i = 0; i < 2; i++)
		phase[i] = probe[i].p_st.st_time % SHORT;
	lwkt_crit_enter();
	probe[0].p_count = probe[1].p_count = 0;
	until = probe[1].p_st.st_time + 10 * SHORT - 1;
	if (probe[0].p_st.st_time + 10 * SHORT - 1 > until)
		until = probe[0].p_st.st_time + 10 * SHORT - 1;
	while (lwkt_time_ns() < until)
		continue;
	lwkt_crit_exit();
	while (LOAD(probe[1].p_count) < 10)
		lwkt_sleep_ns(SHORT);
	lwkt_crit_enter();
	lwkt_systimer_del(&probe[0].p_st);
	lwkt_systimer_del(&probe[1].p_st);
	lwkt_crit_exit();
	check(probe[0].p_count < probe[1].p_count - 5,
	    "%d calls, %d in a burst", probe[0].p_count, probe[1].p_count);
	for (i = 0; i < 2; i++)
		check(probe[i].p_st.st_time % SHORT == phase[i],
		    "timer %d lost its phase", i);
	return 0;
}

static int
self_delete_body(void *arg)
{
	(void)arg;
	reset();
	probe[0].p_limit = 3;
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], MS / 2,
	    0);
	lwkt_sleep_ns(6 * MS);
	wait_fired(3);
	check(LOAD(fired) == 3, "fired %u times", LOAD(fired));
	return 0;
}

/* Adds itself again, deletes its neighbour, as a one-shot and periodic. */
static void
restart(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;

	p->p_count++;
	ADD(fired, 1);
	lwkt_systimer_del(&probe[1].p_st);
	lwkt_systimer_del(st);
	if (p->p_count < 4)
		lwkt_systimer_init_oneshot(st, restart, p, MS / 4);
}

static int
restart_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_crit_enter();
	lwkt_systimer_init_periodic(&probe[0].p_st, restart, &probe[0],
	    MS / 4, 0);
	lwkt_systimer_init_oneshot(&probe[1].p_st, note, &probe[1], 2 * MS);
	lwkt_crit_exit();
	lwkt_sleep_ns(6 * MS);
	wait_fired(4);
	check(probe[0].p_count == 4, "%d calls", probe[0].p_count);
	check(probe[1].p_count == 0, "the deleted one was called");
	return 0;
}

/* The storage of a one-shot is free when its function is called. */
static void
reuse(struct lwkt_systimer *st, void *arg)
{
	(void)arg;
	memset(st, 0xa5, sizeof(*st));
	ADD(fired, 1);
}

static int
reuse_body(void *arg)
{
	int i;

	(void)arg;
	reset();
	for (i = 0; i < 5; i++)
		lwkt_systimer_init_oneshot(&probe[i].p_st, reuse, NULL,
		    (i + 1) * MS / 4);
	wait_fired(5);
	return 0;
}

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

/*
 * Beside a model: the timers that run, in no order.  Whoever is called must be
 * the first of them; times of all sizes, as far as there is time to wait.
 */
#define FAR		TIMES(24, 42)	/* log2 ns: 17 ms, 73 minutes */

static struct {
	int		m_runs[NTIMERS];
	int64_t		m_time[NTIMERS];	/* as the timer has it */
	uint64_t	m_seq[NTIMERS];
	uint64_t	m_started, m_called, m_deleted;
	int		m_left;
	struct rng	m_rng;
} model;

static void	model_call(struct lwkt_systimer *st, void *arg);

static void
model_start(int i)
{
	int64_t delay = (int64_t)(rng_next(&model.m_rng) >>
	    (64 - 1 - rng_below(&model.m_rng, FAR)));
	struct lwkt_systimer *st = &probe[i].p_st;

	if (rng_below(&model.m_rng, 50) == 0)
		delay = INT64_MAX;		/* never, but deleted */
	probe[i].p_due = lwkt_time_ns() + (delay == INT64_MAX ? 0 : delay);
	if (rng_below(&model.m_rng, 2))
		memset(st, 0xa5, sizeof(*st));	/* may hold anything */
	lwkt_systimer_init_oneshot(st, model_call, &probe[i], delay);
	model.m_runs[i] = 1;
	model.m_time[i] = st->st_time;
	model.m_seq[i] = model.m_started++;
}

static void
model_change(void)
{
	int i = (int)rng_below(&model.m_rng, NTIMERS);

	if (model.m_runs[i]) {
		lwkt_systimer_del(&probe[i].p_st);
		model.m_runs[i] = 0;
		model.m_deleted++;
	} else if (model.m_left > 0) {
		model.m_left--;
		model_start(i);
	}
}

static void
model_call(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;
	int me = (int)(p - probe), i;

	check(model.m_runs[me] && st->st_time == model.m_time[me],
	    "%d is called and does not run", me);
	check(lwkt_time_ns() >= p->p_due, "%d early", me);
	for (i = 0; i < NTIMERS; i++)
		check(!model.m_runs[i] || i == me ||
		    model.m_time[me] < model.m_time[i] ||
		    (model.m_time[me] == model.m_time[i] &&
		    model.m_seq[me] < model.m_seq[i]), "%d before %d", me, i);
	model.m_runs[me] = 0;
	model.m_called++;
	for (i = (int)rng_below(&model.m_rng, 4); i > 0; i--)
		model_change();
}

static int
model_body(void *arg)
{
	int64_t wait;
	int i;

	reset();
	memset(&model, 0, sizeof(model));
	model.m_rng.r_state = (uint64_t)(uintptr_t)arg;
	model.m_left = 400;
	while (model.m_left > 0) {
		lwkt_crit_enter();
		for (i = 0; i < 8; i++)
			model_change();
		systimer_check(mygd());
		lwkt_crit_exit();
		wait = (int64_t)(rng_next(&model.m_rng) >> (64 - 1 -
		    rng_below(&model.m_rng, FAR - 2)));
		lwkt_sleep_ns(wait);
	}
	lwkt_crit_enter();
	for (i = 0; i < NTIMERS; i++) {
		lwkt_systimer_del(&probe[i].p_st);
		model.m_deleted += (uint64_t)model.m_runs[i];
	}
	check(model.m_started == model.m_called + model.m_deleted,
	    "%llu started, %llu called, %llu deleted",
	    (unsigned long long)model.m_started,
	    (unsigned long long)model.m_called,
	    (unsigned long long)model.m_deleted);
	check(model.m_called > 20 && model.m_deleted > 20, "%llu called, "
	    "%llu deleted", (unsigned long long)model.m_called,
	    (unsigned long long)model.m_deleted);
	lwkt_crit_exit();
	return 0;
}

/* Ends with its timers running; the next boot finds the same storage. */
static int
left_running_body(void *arg)
{
	struct lwkt_systimer *st = arg;
	int i;

	for (i = 0; i < 3; i++)
		lwkt_systimer_init_oneshot(&st[i], note, NULL,
		    (i * 3600 + 60) * 1000 * MS);	/* none comes */
	return 0;
}

static int
start_twice_body(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&probe[0].p_st, note, &probe[0], 900 * MS);
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], MS, 0);
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
	uint32_t	e_full;		/* the starter floods the owner */
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
	panics("a running timer started again panics", start_twice_body,
	    "is already running on cpu 0");
	panics("a running timer sent to a CPU again panics", send_twice_body,
	    "is already running on cpu 1");
	sim_explore("one-shots fire in order, not early", order_body, NULL,
	    100);
	sim_explore("added and deleted at random", random_body, (void *)7,
	    100);
	sim_explore("a periodic timer keeps its phase", periodic_body, NULL,
	    50);
	sim_explore("missed periods are skipped, or called in a burst",
	    missed_body, NULL, 50);
	sim_explore("a timer deletes itself", self_delete_body, NULL, 50);
	sim_explore("a timer restarts itself and deletes another",
	    restart_body, NULL, 50);
	sim_explore("a one-shot's storage is free when it fires", reuse_body,
	    NULL, 50);
	sim_explore("a timer fires on the CPU it was given", oncpu_body, NULL,
	    100);
	sim_explore("its function starts it on another CPU, once",
	    leaver_body, NULL, 50);
	sim_explore("its function starts it on another CPU, with a period",
	    leaver_body, &leaver, 50);
	sim_explore("started again in all ways by its function", rounds_body,
	    NULL, 200);
	sim_explore("called in the order of a model", model_body, (void *)5,
	    100);
	sim_explore("left running at the end, and started again",
	    left_running_body, forgotten, 20);
	explore_early();
	return tap_done();
}
