/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: timers started here and from other CPUs, deleted, periodic,
 * restarted by their own functions and deleted by others; sleeps that time out
 * or are woken.
 *
 * Conservation: started = called the last time + deleted; each call on the
 * timer's CPU, not early, one-shots of a CPU in the order of their times; a
 * sleep ends once, by its timeout or by somebody.
 */
#include <lwkt/systimer.h>

#include "core/util.h"
#include "kern/time/systimer_var.h"
#include "torture/torture.h"

#define TIMERS		300		/* a CPU */
#define SLEEPERS	20		/* a CPU */
#define MAXCPUS		64
#define TIMER_MAX_LOG2	26		/* 67 ms */
#define SLEEP_MAX_LOG2	22		/* 4 ms */

/* t_state: the CPU in a critical section, but any CPU may take an idle one. */
enum { IDLE, SENT, RUNS };

struct timer {
	struct lwkt_systimer t_st;
	uint32_t	t_state;
	int		t_cpu;
	int		t_left;		/* calls until a periodic one ends */
	int		t_sent;		/* from another CPU */
	int64_t		t_due;		/* not before */
};

/* Of one CPU; its own but for c_started. */
struct cpu {
	struct timer	c_timer[TIMERS];
	struct rng	c_rng;
	int64_t		c_last;		/* time of the last local one-shot */
	uint64_t	c_started;	/* (a) */
	uint64_t	c_ended, c_deleted, c_calls;
	uint64_t	c_early, c_elsewhere, c_disorder, c_idle;
	uint64_t	c_slept, c_woken, c_timeouts;
	uint32_t	c_ident[SLEEPERS];
};

static struct cpu cpus[MAXCPUS];

/* Of any size up to 2^log2 ns. */
static int64_t
pick(struct rng *r, unsigned log2)
{
	return 1 + (int64_t)(rng_next(r) >> (64 - rng_below(r, log2) - 1));
}

static void	call(struct lwkt_systimer *st, void *arg);

static void
start(struct cpu *c, struct timer *t, struct rng *r)
{
	int64_t delay = pick(r, TIMER_MAX_LOG2);
	uint32_t idle = IDLE;

	if (!__atomic_compare_exchange_n(&t->t_state, &idle, SENT, 0,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	ADD(c->c_started, 1);
	t->t_sent = t->t_cpu != lwkt_cpuid();
	t->t_left = (int)rng_below(r, 20);
	t->t_due = lwkt_time_ns() + delay;
	if (t->t_sent) {
		lwkt_systimer_init_oncpu(&t->t_st, t->t_cpu, call, t, delay,
		    t->t_left > 10 ? 1000 + delay / 16 : 0);
		return;
	}
	STORE(t->t_state, RUNS);
	if (t->t_left > 10)
		lwkt_systimer_init_periodic(&t->t_st, call, t, delay,
		    rng_below(r, 4) == 0 && delay > 50000 ? LWKT_ST_BURST : 0);
	else
		lwkt_systimer_init_oneshot(&t->t_st, call, t, delay);
}

/* What is still on its way cannot be deleted. */
static void
delete(struct cpu *c, struct timer *t)
{
	if (LOAD(t->t_state) != RUNS)
		return;
	lwkt_systimer_del(&t->t_st);
	c->c_deleted++;
	STORE(t->t_state, IDLE);
}

/* In a critical section of the CPU: something with one of its timers. */
static void
fidget(struct cpu *c, struct rng *r)
{
	struct timer *t = &c->c_timer[rng_below(r, TIMERS)];

	switch (rng_below(r, 4)) {
	case 0:
		delete(c, t);
		break;
	case 1:
		if (LOAD(t->t_state) == RUNS && t->t_st.st_period != 0)
			lwkt_systimer_adjust_periodic(&t->t_st,
			    1000 + pick(r, TIMER_MAX_LOG2 - 4));
		break;
	default:
		start(c, t, r);
		break;
	}
}

static void
judge(struct cpu *c, const struct timer *t, const struct lwkt_systimer *st)
{
	c->c_calls++;
	c->c_elsewhere += t->t_cpu != lwkt_cpuid();
	c->c_idle += LOAD(t->t_state) == IDLE;
	c->c_early += lwkt_time_ns() < t->t_due ||
	    lwkt_time_ns() < st->st_time;
	if (t->t_sent || st->st_period != 0)
		return;		/* may come late, or for what was missed */
	c->c_disorder += st->st_time < c->c_last;
	c->c_last = st->st_time;
}

static void
call(struct lwkt_systimer *st, void *arg)
{
	struct timer *t = arg;
	struct cpu *c = &cpus[lwkt_cpuid()];
	int i;

	judge(c, t, st);
	if (st->st_period != 0 && --t->t_left > 0) {
		STORE(t->t_state, RUNS);
	} else {
		lwkt_systimer_del(st);		/* a periodic one ends so */
		c->c_ended++;
		STORE(t->t_state, IDLE);
	}
	if (torture_over())
		return;
	for (i = (int)rng_below(&c->c_rng, 3); i > 0; i--)
		fidget(c, &c->c_rng);
}

static void
worker(void *arg)
{
	struct cpu *c = arg, *other;
	struct rng r = { torture_seed + 7 * (uint64_t)(c - cpus) };
	int i;

	while (!torture_over()) {
		lwkt_crit_enter();
		for (i = 0; i < 20; i++)
			fidget(c, &r);
		other = &cpus[rng_below(&r, (uint32_t)lwkt_ncpus())];
		start(other, &other->c_timer[rng_below(&r, TIMERS)], &r);
		lwkt_crit_exit();
		i = (int)rng_below(&r, SLEEPERS);
		lwkt_wakeup(&other->c_ident[i]);
		if (rng_below(&r, 64) == 0) {
			lwkt_crit_enter();
			systimer_check(mygd());
			lwkt_crit_exit();
		}
		lwkt_sleep_ns(pick(&r, 16));
	}
}

static void
sleeper(void *arg)
{
	uint32_t *ident = arg;
	struct cpu *c = &cpus[lwkt_cpuid()];
	struct rng r = { torture_seed ^ (uint64_t)(uintptr_t)arg };
	int64_t began, limit;
	int error;

	while (!torture_over()) {
		limit = pick(&r, SLEEP_MAX_LOG2);
		began = lwkt_time_ns();
		c->c_slept++;
		error = lwkt_tsleep(ident, 0, "torture", limit);
		c->c_woken += error == 0;
		c->c_timeouts += error == EWOULDBLOCK;
		c->c_early += error != 0 && lwkt_time_ns() < began + limit;
	}
}

static void
flush(void *arg)
{
	(void)arg;
	lwkt_synchronize_ipiqs("torture");
}

/* The workers are gone and their messages have arrived: the rest is deleted. */
static void
finish(void *arg)
{
	struct cpu *c = arg;
	struct timer *t;

	lwkt_crit_enter();
	for (t = c->c_timer; t < c->c_timer + TIMERS; t++) {
		if (t->t_state == SENT)
			t->t_state = RUNS;
		delete(c, t);
	}
	systimer_check(mygd());
	lwkt_crit_exit();
}

static void
account(int n)
{
	uint64_t started = 0, ended = 0, deleted = 0, calls = 0, slept = 0;
	struct cpu *c;

	for (c = cpus; c < cpus + n; c++) {
		started += c->c_started;
		ended += c->c_ended;
		deleted += c->c_deleted;
		calls += c->c_calls;
		slept += c->c_slept;
		check(c->c_slept == c->c_woken + c->c_timeouts, "%llu sleeps,"
		    " %llu woken, %llu timeouts", (unsigned long long)
		    c->c_slept, (unsigned long long)c->c_woken,
		    (unsigned long long)c->c_timeouts);
		check(c->c_early + c->c_elsewhere + c->c_disorder +
		    c->c_idle == 0, "%llu early, %llu elsewhere, %llu out of "
		    "order, %llu not running", (unsigned long long)c->c_early,
		    (unsigned long long)c->c_elsewhere,
		    (unsigned long long)c->c_disorder,
		    (unsigned long long)c->c_idle);
	}
	check(started == ended + deleted && ended > 0 && deleted > 0,
	    "%llu started, %llu ended, %llu deleted",
	    (unsigned long long)started, (unsigned long long)ended,
	    (unsigned long long)deleted);
	diag("%llu started, %llu calls, %llu deleted, %llu sleeps",
	    (unsigned long long)started, (unsigned long long)calls,
	    (unsigned long long)deleted, (unsigned long long)slept);
}

static int
body(void *arg)
{
	lwkt_thread_t td[MAXCPUS][SLEEPERS + 1];
	int i, k, n = lwkt_ncpus();

	(void)arg;
	for (i = 0; i < n; i++) {
		cpus[i].c_rng.r_state = torture_seed + 1000 + (uint64_t)i;
		for (k = 0; k < TIMERS; k++)
			cpus[i].c_timer[k].t_cpu = i;
	}
	for (i = 0; i < n; i++) {
		for (k = 0; k < SLEEPERS; k++)
			td[i][k] = spawn(sleeper, &cpus[i].c_ident[k], 0, i);
		td[i][k] = spawn(worker, &cpus[i], 0, i);
	}
	for (i = 0; i < n; i++)
		join_all(td[i], SLEEPERS + 1);
	for (i = 0; i < n; i++)
		join(spawn(flush, NULL, 0, i));
	for (i = 0; i < n; i++)
		join(spawn(finish, &cpus[i], 0, i));
	account(n);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "started = ended + deleted", body);
}
