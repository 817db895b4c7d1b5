/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The liveness oracle: a waiter of each kind is forgotten on purpose, and the
 * run fails by its name.
 *
 * Each body spoils what would have made a CPU look, and goes on in a way that
 * the kernel owes something to.  None of them would fail by itself.
 */
#include <lwkt/token.h>

#include "base/choice.h"
#include "core/util.h"

#define FOR_NS		(5 * MS)	/* many ticks */

static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("live");
static uint32_t begun, stop;

/* The tick of this CPU will not come, and nobody starts it again. */
static void
lose_tick(void)
{
	struct globaldata *gd = mygd();

	lwkt_crit_enter();
	if (gd->gd_tick_armed)
		lwkt_systimer_del(&gd->gd_hardclock);
	gd->gd_tick_armed = 1;
	lwkt_crit_exit();
}

/* Nor does a wish of the scheduler, or a released token, reach the thread. */
static void
lose_wishes(void)
{
	lwkt_crit_enter();
	mygd()->gd_ast = 0;
	atomic_clear_32(&mygd()->gd_m.mc_reqflags, RQF_TOKEN);
	lwkt_crit_exit();
}

static void
yield_for_long(void)
{
	int64_t end = lwkt_time_ns() + FOR_NS;

	while (lwkt_time_ns() < end) {
		lose_wishes();
		lwkt_yield_quick();
	}
}

static int
better_forgotten(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	lose_tick();
	td = spawn_pri(util_nothing, NULL, LWKT_PRI_SOFT_NORM, LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_schedule_noresched(td);
	yield_for_long();
	join(td);
	return 0;
}

static void
takes_token(void *arg)
{
	(void)arg;
	STORE(begun, 1);
	lwkt_gettoken(&tok);
	lwkt_reltoken(&tok);
}

static void
loses_wishes(void *arg)
{
	(void)arg;
	lose_tick();
	STORE(stop, 1);
	yield_for_long();
}

static int
passed_forgotten(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	begun = stop = 0;
	lwkt_gettoken(&tok);
	td[0] = spawn(takes_token, NULL, 0, other_cpu());
	await_deaf(&begun, 1);
	td[1] = spawn_pri(loses_wishes, NULL, LWKT_PRI_USER_NORM, 0,
	    other_cpu());
	await_deaf(&stop, 1);
	lwkt_reltoken(&tok);
	join_all(td, 2);
	return 0;
}

/* The holder does not see that a CPU sleeps for its token. */
static int
nudge_forgotten(void *arg)
{
	lwkt_thread_t td;
	unsigned turn;

	(void)arg;
	begun = 0;
	lwkt_gettoken(&tok);
	td = spawn(takes_token, NULL, 0, other_cpu());
	await_deaf(&begun, 1);
	for (turn = 0; (LOAD(gd_find(other_cpu())->gd_m.mc_reqflags) &
	    RQF_SLEEPING) == 0; turn++)
		machine_pause(turn);
	STORE(tok.t_want, 0);
	lwkt_reltoken(&tok);
	lwkt_sleep_ns(FOR_NS);
	join(td);
	return 0;
}

static void
yields(void *arg)
{
	(void)arg;
	while (LOAD(stop) == 0) {
		lose_wishes();
		lwkt_yield_quick();
	}
}

static int
equal_forgotten(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	stop = 0;
	lose_tick();
	td = spawn(yields, NULL, 0, lwkt_cpuid());
	yield_for_long();
	STORE(stop, 1);
	join(td);
	return 0;
}

static void
count_call(void *arg)
{
	ADD(*(uint32_t *)arg, 1);
}

/* It misses the signal, and leaves critical sections. */
static void
loses_hint(void *arg)
{
	int64_t end;

	(void)arg;
	lwkt_crit_enter();
	STORE(begun, 1);
	await_deaf(&stop, 1);
	atomic_clear_32(&mygd()->gd_m.mc_reqflags, RQF_IPIQ | RQF_SENDERMASK);
	lwkt_crit_exit();
	end = lwkt_time_ns() + FOR_NS;
	while (lwkt_time_ns() < end) {
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
}

static int
hint_forgotten(void *arg)
{
	uint32_t calls = 0;
	lwkt_thread_t td;

	(void)arg;
	begun = stop = 0;
	td = spawn(loses_hint, NULL, 0, other_cpu());
	await(&begun, 1);
	lwkt_send_ipiq(other_cpu(), count_call, &calls);
	STORE(stop, 1);
	join(td);
	await(&calls, 1);
	return 0;
}

/* The sender thinks that the target was rung for. */
static int
doorbell_forgotten(void *arg)
{
	struct globaldata *tgd = gd_find(other_cpu());
	uint32_t calls = 0;

	(void)arg;
	lwkt_sleep_ns(MS);
	atomic_set_32(&tgd->gd_m.mc_reqflags,
	    RQF_IPIQ | RQF_SENDER(lwkt_cpuid()));
	lwkt_send_ipiq(other_cpu(), count_call, &calls);
	lwkt_sleep_ns(FOR_NS);
	await(&calls, 1);
	return 0;
}

static int
wakeup_forgotten(void *arg)
{
	(void)arg;
	lose_tick();
	lwkt_wakeup_start_delayed();
	lwkt_wakeup(&begun);
	yield_for_long();
	lwkt_wakeup_end_delayed();
	return 0;
}

/* What may wait: worse threads, any under one that computes, tokens held. */
static int
excused(void *arg)
{
	int64_t end = lwkt_time_ns() + FOR_NS;
	lwkt_thread_t td[3];

	(void)arg;
	begun = stop = 0;
	lwkt_gettoken(&tok);
	td[0] = spawn_pri(util_nothing, NULL, LWKT_PRI_USER_NORM, 0,
	    lwkt_cpuid());
	td[1] = spawn(takes_token, NULL, 0, other_cpu());
	td[2] = spawn_pri(util_nothing, NULL, LWKT_PRI_SOFT_NORM, 0,
	    lwkt_cpuid());
	while (lwkt_time_ns() < end)
		machine_pause(1);
	lwkt_reltoken(&tok);
	join(td[2]);
	end = lwkt_time_ns() + FOR_NS;
	while (lwkt_time_ns() < end)
		lwkt_yield();
	join_all(td, 2);
	return 0;
}

int
main(void)
{
	if (LWKT_TSAN)
		skip_all("nobody looks under TSan");
	panics("a better thread that nobody asked for", better_forgotten,
	    "is runnable and gets its tokens, but has waited");
	panics("one whose token is free, under a worse one", passed_forgotten,
	    "is runnable and gets its tokens, but has waited");
	panics("one whose token is free, on a CPU that sleeps",
	    nudge_forgotten, "priority 0, is halted");
	panics("an equal without a tick", equal_forgotten,
	    "while thread \"main\"");
	panics("a message whose hint is lost", hint_forgotten,
	    "the receiver leaves critical sections");
	panics("a message whose doorbell is lost", doorbell_forgotten,
	    "a message from cpu 0");
	panics("a wakeup that is put off without a tick", wakeup_forgotten,
	    "has delayed a wakeup of");
	sim_explore("what has to wait may wait", excused, NULL, 200);
	return tap_done();
}
