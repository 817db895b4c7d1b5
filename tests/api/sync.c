/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep, wakeup, timers and IPIs, as a program sees them: every function once.
 */
#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/lwkt.h>
#include <lwkt/systimer.h>
#include <string.h>

#include "tap.h"

#define MS	((int64_t)1000000)

static int ident, other_ident;
static int woken;			/* sleepers that came back, cpu 0 */

struct sleeper {
	int		s_flags;
	int64_t		s_timeout;
	int		s_error;
	lwkt_thread_t	s_td;
};

static void
sleeper(void *arg)
{
	struct sleeper *s = arg;

	s->s_error = lwkt_tsleep(&ident, s->s_flags, "ident", s->s_timeout);
	woken++;
}

/* n sleepers on cpu 0, asleep when this returns. */
static void
put_to_sleep(struct sleeper *s, int n, int flags)
{
	woken = 0;
	for (int i = 0; i < n; i++) {
		s[i] = (struct sleeper){ flags, LWKT_FOREVER, -1, NULL };
		if (lwkt_create(sleeper, &s[i], &s[i].s_td, NULL,
		    LWKT_JOINABLE, 0, "sleeper %d", i) != 0)
			lwkt_panic("no thread");
	}
	lwkt_yield();
}

static void
join_all(struct sleeper *s, int n)
{
	for (int i = 0; i < n; i++)
		lwkt_join(s[i].s_td);
}

/* How many are awake after everybody had a turn. */
static int
awake(void)
{
	lwkt_yield();
	return woken;
}

static void
wakeups(void)
{
	struct sleeper s[6];

	put_to_sleep(s, 6, 0);
	is_int(awake(), 0, "six threads sleep");
	lwkt_wakeup(&other_ident);
	lwkt_wakeup_domain(&ident, LWKT_PDOMAIN_MASK);
	is_int(awake(), 0, "another address or domain wakes nobody");
	lwkt_wakeup_one(&ident);
	is_int(awake(), 1, "lwkt_wakeup_one wakes one");
	is_int(s[0].s_error, 0, "the one that slept first");
	lwkt_wakeup_n(&ident, 2);
	is_int(awake(), 3, "lwkt_wakeup_n wakes two");
	lwkt_wakeup_mycpu_one(&ident);
	is_int(awake(), 4, "lwkt_wakeup_mycpu_one wakes one");
	lwkt_wakeup(&ident);
	is_int(awake(), 6, "lwkt_wakeup wakes the rest");
	join_all(s, 6);

	put_to_sleep(s, 3, LWKT_PDOMAIN_UMTX);
	lwkt_wakeup(&ident);
	is_int(awake(), 0, "sleepers of a domain are not woken without it");
	lwkt_wakeup_domain_one(&ident, LWKT_PDOMAIN_UMTX);
	is_int(awake(), 1, "lwkt_wakeup_domain_one wakes one");
	lwkt_wakeup_domain(&ident, LWKT_PDOMAIN_UMTX);
	is_int(awake(), 3, "lwkt_wakeup_domain wakes all");
	join_all(s, 3);

	put_to_sleep(s, 2, 0);
	lwkt_migratecpu(1);
	lwkt_wakeup_mycpu(&ident);
	lwkt_synchronize_ipiqs("sync");
	lwkt_migratecpu(0);
	is_int(awake(), 0, "lwkt_wakeup_mycpu looks at its own CPU only");
	lwkt_wakeup_mycpu(&ident);
	is_int(awake(), 2, "where it wakes all");
	join_all(s, 2);
}

static void
ends_of_sleep(void)
{
	struct sleeper s[2];
	int64_t start = lwkt_time_ns();

	is_int(lwkt_tsleep(&ident, 0, "poll", 0), EWOULDBLOCK,
	    "a sleep of no time is over at once");
	is_int(lwkt_tsleep(&ident, 0, "limit", 3 * MS), EWOULDBLOCK,
	    "a limit ends a sleep");
	ok(lwkt_time_ns() - start >= 3 * MS, "not too early");
	start = lwkt_time_ns();
	is_int(lwkt_sleep_ns(3 * MS), 0, "lwkt_sleep_ns sleeps");
	ok(lwkt_time_ns() - start >= 3 * MS, "long enough");
	is_int(lwkt_sleep_ns(-1), 0, "a negative time is over at once");

	lwkt_tsleep_interlock(&ident, 0);
	lwkt_wakeup(&ident);
	is_int(lwkt_tsleep(&ident, LWKT_PINTERLOCKED, "lock", LWKT_FOREVER),
	    0, "a wakeup after the interlock is not lost");
	lwkt_tsleep_interlock(&ident, 0);
	lwkt_tsleep_remove();
	is_int(lwkt_tsleep(&ident, 0, "removed", 0), EWOULDBLOCK,
	    "lwkt_tsleep_remove leaves the queue");

	put_to_sleep(s, 1, LWKT_PCATCH);
	put_to_sleep(s + 1, 1, 0);
	lwkt_interrupt(s[0].s_td);
	lwkt_interrupt(s[1].s_td);
	is_int(awake(), 1, "an interrupt ends a sleep with LWKT_PCATCH alone");
	is_int(s[0].s_error, EINTR, "with EINTR");
	lwkt_wakeup(&ident);
	join_all(s, 2);
	lwkt_interrupt(lwkt_self());
	is_int(lwkt_sleep("pending", LWKT_PCATCH), EINTR,
	    "an interrupt ends the next sleep, too");
}

static void
schedule_arg(void *arg)
{
	lwkt_schedule(arg);
}

static void
plain_sleep(void)
{
	int error;

	lwkt_crit_enter();
	lwkt_send_ipiq(1, schedule_arg, lwkt_self());
	error = lwkt_sleep("ipi", 0);
	lwkt_crit_exit();
	is_int(error, 0, "lwkt_schedule ends lwkt_sleep");
}

struct ticker {
	struct lwkt_systimer	t_timer;
	int			t_calls;
	int			t_max;
	int			t_cpu;
	lwkt_thread_t		t_td;
};

static void
ticker(struct lwkt_systimer *st, void *arg)
{
	struct ticker *t = arg;
	int calls = t->t_calls + 1;

	t->t_cpu = lwkt_cpuid();
	__atomic_store_n(&t->t_calls, calls, __ATOMIC_RELEASE);
	if (calls < t->t_max) {
		if (calls == 2)
			lwkt_systimer_adjust_periodic(st, 2 * MS);
		return;
	}
	lwkt_systimer_del(st);
	lwkt_wakeup(t);
}

static void
ticker_wait(struct ticker *t)
{
	for (;;) {
		lwkt_tsleep_interlock(t, 0);
		if (__atomic_load_n(&t->t_calls, __ATOMIC_ACQUIRE) >= t->t_max)
			break;
		(void)lwkt_tsleep(t, LWKT_PINTERLOCKED, "tick", LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
}

static void
timers(void)
{
	struct ticker t = { .t_max = 1 };

	lwkt_systimer_init_oneshot(&t.t_timer, ticker, &t, MS);
	ticker_wait(&t);
	is_int(t.t_calls, 1, "a one-shot timer calls once");
	t = (struct ticker){ .t_max = 4 };
	lwkt_systimer_init_periodic(&t.t_timer, ticker, &t, MS,
	    LWKT_ST_BURST);
	ticker_wait(&t);
	is_int(t.t_calls, 4, "a periodic one calls until it is deleted");
	t = (struct ticker){ .t_max = 3 };
	lwkt_systimer_init_oncpu(&t.t_timer, 1, ticker, &t, MS, MS);
	ticker_wait(&t);
	is_int(t.t_cpu, 1, "a timer can be started on another CPU");
	lwkt_synchronize_ipiqs("sync");
	is_int(t.t_calls, 3, "where it can delete itself");
}

static int ran[2];			/* each by its CPU */

static void
run1(void *arg)
{
	ran[lwkt_cpuid()] += *(int *)arg;
}

static void
run2(void *arg, int n)
{
	ran[lwkt_cpuid()] += *(int *)arg * n;
}

static void
ipis(void)
{
	lwkt_cpumask_t mask = { { 2 } };
	int one = 1;
	unsigned seq;

	ran[0] = ran[1] = 0;
	is_int(lwkt_send_ipiq(0, run1, &one), 0, "an IPI to oneself");
	is_int(ran[0], 1, "runs at once");
	seq = lwkt_send_ipiq(1, run1, &one);
	seq = lwkt_send_ipiq2(1, run2, &one, 10);
	lwkt_wait_ipiq(1, seq);
	is_int(ran[1], 11, "when one has run, all before it have");
	(void)lwkt_send_ipiq_passive(1, run2, &one, 100);
	is_int(lwkt_send_ipiq_nowait(1, run2, &one, 1000), 0,
	    "an empty queue takes one without waiting");
	is_int(lwkt_send_ipiq_mask(mask, run2, &one, 10000), 1,
	    "a mask of one CPU");
	is_int(lwkt_send_ipiq_bcast(run2, &one, 100000), 2,
	    "all CPUs, oneself too");
	lwkt_synchronize_ipiqs("sync");
	is_int(ran[1], 111111, "lwkt_synchronize_ipiqs waits for all");
	is_int(ran[0], 100001, "and one's own was there as well");
}

static int
body(void *arg)
{
	(void)arg;
	wakeups();
	ends_of_sleep();
	plain_sleep();
	timers();
	ipis();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
