/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads, sections, IPIs and timers: each error of the program is reported.
 */
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/systimer.h>

#include "api/misuse.h"

static struct lwkt_port port;
static struct lwkt_systimer timer;

static int
join_twice(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_join(td);
	lwkt_join(td);
	return 0;
}

static int
free_twice(void *arg)
{
	lwkt_thread_t td = lwkt_alloc_thread(0, 0, 0);

	(void)arg;
	lwkt_free_thread(td);
	lwkt_free_thread(td);
	return 0;
}

static int
free_started(void *arg)
{
	(void)arg;
	lwkt_free_thread(start(nothing, LWKT_JOINABLE, 0));
	return 0;
}

static int
release_twice(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_hold(td);
	lwkt_join(td);
	lwkt_rele(td);
	lwkt_rele(td);
	return 0;
}

static int
schedule_dead(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_join(td);
	lwkt_schedule(td);
	return 0;
}

static void
exits_in_crit(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
}

static int
exit_in_crit(void *arg)
{
	(void)arg;
	return lwkt_join(start(exits_in_crit, LWKT_JOINABLE, 0));
}

static int
crit_underflow(void *arg)
{
	(void)arg;
	lwkt_crit_exit();
	return 0;
}

static void
sleeps(void *arg)
{
	lwkt_tsleep(arg, 0, "never", LWKT_FOREVER);
}

static int
block_in_ipi(void *arg)
{
	(void)arg;
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, sleeps, &port));
	return 0;
}

static void
timer_sleeps(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	lwkt_sleep_ns(1000);
}

static int
block_in_timer(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, timer_sleeps, NULL, 1000);
	return lwkt_sleep_ns(1000000000);
}

static int
tsleep_null(void *arg)
{
	(void)arg;
	return lwkt_tsleep(NULL, 0, "null", LWKT_FOREVER);
}

static int
setpri_high(void *arg)
{
	(void)arg;
	lwkt_setpri_self(LWKT_PRI_MAX + 1);
	return 0;
}

static int
setpri_remote(void *arg)
{
	(void)arg;
	lwkt_setpri(start(nothing, LWKT_NOSTART, 1), LWKT_PRI_KERN_USER);
	return 0;
}

static int
setpri_initial_late(void *arg)
{
	(void)arg;
	lwkt_setpri_initial(lwkt_self(), LWKT_PRI_KERN_USER);
	return 0;
}

static int
ipi_nowhere(void *arg)
{
	(void)arg;
	lwkt_send_ipiq(7, nothing, NULL);
	return 0;
}

static void
nothing2(void *arg1, int arg2)
{
	(void)arg1, (void)arg2;
}

static int
ipi_passive_self(void *arg)
{
	(void)arg;
	lwkt_send_ipiq_passive(lwkt_cpuid(), nothing2, NULL, 0);
	return 0;
}

static int
timer_elsewhere(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, timer_sleeps, NULL, 1000000000);
	lwkt_migratecpu(1);
	lwkt_systimer_del(&timer);
	return 0;
}

static int
timer_no_period(void *arg)
{
	(void)arg;
	lwkt_systimer_init_periodic(&timer, timer_sleeps, NULL, 0, 0);
	return 0;
}

static int
switch_in_hard(void *arg)
{
	(void)arg;
	lwkt_crit_enter_hard();
	lwkt_yield();
	return 0;
}

static int
switch_as_master(void *arg)
{
	struct lwkt_cpusync cs;

	(void)arg;
	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	lwkt_switch();
	return 0;
}

static int
panic_self(void *arg)
{
	(void)arg;
	lwkt_setname("the culprit");
	lwkt_panic("%d is not %s", 6, "seven");
}

static const struct misuse cases[] = {
	{ "joining twice", join_twice, "joined or released, but no reference" },
	{ "freeing twice", free_twice, "freed before" },
	{ "freeing a thread that has started", free_started, "has started" },
	{ "releasing too often", release_twice, "released, but no" },
	{ "scheduling a dead thread", schedule_dead, "dead thread" },
	{ "ending in a critical section", exit_in_crit,
	    "thread \"victim\" exits in a critical section" },
	{ "leaving a critical section too often", crit_underflow,
	    "left more often than entered" },
	{ "sleeping in an IPI callback", block_in_ipi,
	    "blocks in a callback on cpu 1" },
	{ "sleeping in a timer's function", block_in_timer,
	    "blocks in a callback on cpu 0" },
	{ "sleeping on NULL", tsleep_null, "ident != NULL" },
	{ "a priority that does not exist", setpri_high, "priority 32" },
	{ "the priority of a thread elsewhere", setpri_remote,
	    "thread \"victim\" belongs to cpu 1, not to the caller's cpu 0" },
	{ "an initial priority too late", setpri_initial_late,
	    "thread \"main\" has started" },
	{ "an IPI to nowhere", ipi_nowhere, "cpu 7 does not exist" },
	{ "a passive IPI to oneself", ipi_passive_self,
	    "sends a passive message to itself" },
	{ "deleting a timer elsewhere", timer_elsewhere,
	    "of cpu 0 is deleted on cpu 1" },
	{ "a period of nothing", timer_no_period, "period of 0 ns" },
	{ "switching in a hard section", switch_in_hard,
	    "thread \"main\" blocks in a hard section on cpu 0" },
	{ "switching as the master of a rendezvous", switch_as_master,
	    "thread \"main\" blocks in a rendezvous on cpu 0" },
	{ "a panic", panic_self, "lwkt: panic: 6 is not seven" },
	{ "a panic, about who", panic_self, "thread \"the culprit\"" },
};

int
main(void)
{
	return misuse_run(cases, sizeof(cases) / sizeof(cases[0]));
}
