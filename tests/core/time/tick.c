/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tick: equals that never give the CPU away take turns all the same.
 */
#include "core/util.h"

#define TURNS	3

struct hog {
	uint32_t	h_turns;	/* times it came back to the CPU */
	uint32_t	h_runs;		/* it is the one that runs */
};

static struct hog hogs[3];
static unsigned nhogs;

/* Somebody else has run since we last looked. */
static int
turn_begins(struct hog *me)
{
	unsigned i;

	if (me->h_runs)
		return 0;
	for (i = 0; i < nhogs; i++)
		hogs[i].h_runs = 0;
	me->h_runs = 1;
	return 1;
}

static int
all_had_turns(void)
{
	unsigned i;

	for (i = 0; i < nhogs; i++)
		if (hogs[i].h_turns < TURNS)
			return 0;
	return 1;
}

/* Compute until everybody had his turns. */
static void
hog(void *arg)
{
	struct hog *me = arg;

	while (!all_had_turns()) {
		me->h_turns += (uint32_t)turn_begins(me);
		lwkt_yield_quick();
	}
}

static void
hogs_reset(unsigned n)
{
	memset(hogs, 0, sizeof(hogs));
	nhogs = n;
}

static int
equals_take_turns(void *arg)
{
	lwkt_thread_t td[nitems(hogs)];
	unsigned i;

	(void)arg;
	hogs_reset(nitems(hogs));
	for (i = 0; i < nitems(hogs); i++)
		td[i] = spawn_pri(hog, &hogs[i], LWKT_PRI_USER_NORM, 0,
		    lwkt_cpuid());
	for (i = 0; i < nitems(hogs); i++)
		join(td[i]);
	check(all_had_turns(), "not all had turns");
	check(counter("lwkt.tick_rotations") > 0, "no tick rotated");
	return 0;
}

/* A thread that becomes an equal by lwkt_setpri is one like all others. */
static int
equal_by_setpri(void *arg)
{
	int pri = lwkt_getpri(lwkt_self());
	lwkt_thread_t td;

	(void)arg;
	hogs_reset(2);
	td = spawn_pri(hog, &hogs[1], LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	hog(&hogs[0]);
	lwkt_setpri_self(pri);
	join(td);
	return 0;
}

/* So is one that another thread raised to the runner's priority. */
static int
equal_by_setpri_of_other(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	hogs_reset(2);
	td = spawn_pri(hog, &hogs[1], LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	lwkt_setpri(td, lwkt_getpri(lwkt_self()));
	hog(&hogs[0]);
	join(td);
	return 0;
}

static void
better_once(void *arg)
{
	*(int *)arg += 1;
}

/* A better thread in between does not spoil the turns of the others. */
static int
turns_survive_better(void *arg)
{
	lwkt_thread_t td[2];
	int ran = 0, i;

	(void)arg;
	hogs_reset(2);
	for (i = 0; i < 2; i++)
		td[i] = spawn_pri(hog, &hogs[i], LWKT_PRI_USER_NORM, 0,
		    lwkt_cpuid());
	while (!all_had_turns()) {
		join(spawn_pri(better_once, &ran, LWKT_PRI_SOFT_NORM, 0,
		    lwkt_cpuid()));
		lwkt_setpri_self(LWKT_PRI_USER_NORM);
		lwkt_yield();
		lwkt_setpri_self(LWKT_PRI_KERN_DAEMON);
	}
	join(td[0]);
	join(td[1]);
	check(ran > 0, "the better one ran");
	return 0;
}

/* One thread alone needs no tick, and a CPU at rest neither. */
static int
no_tick_alone(void *arg)
{
	int64_t ticks;

	(void)arg;
	settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
	lwkt_sleep_ns(1000000);		/* a tick that is still armed */
	ticks = counter("lwkt.ticks");
	lwkt_sleep_ns(3000000);
	check(counter("lwkt.ticks") == ticks, "%d ticks at rest",
	    (int)(counter("lwkt.ticks") - ticks));
	return 0;
}

static void
ran(void *arg)
{
	STORE(*(uint32_t *)arg, 1);
}

/* Nobody asked the caller to give way to a better thread; the tick does. */
static int
tick_asks_for_better(void *arg)
{
	uint32_t word = 0;
	lwkt_thread_t td;

	(void)arg;
	td = spawn_pri(ran, &word, LWKT_PRI_SOFT_NORM, LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_schedule_noresched(td);
	while (LOAD(word) == 0)
		lwkt_yield_quick();
	join(td);
	return 0;
}

int
main(void)
{
	if (!TICKS_COME)
		skip_all("no dependable ticks under TSan");
	sim_explore("race 34: equals take turns by the tick",
	    equals_take_turns, NULL, 100);
	sim_explore("a caller of lwkt_setpri_self takes turns with its new "
	    "equals", equal_by_setpri, NULL, 100);
	sim_explore("one made equal by lwkt_setpri takes turns",
	    equal_by_setpri_of_other, NULL, 100);
	sim_explore("better threads in between do not end the turns",
	    turns_survive_better, NULL, 50);
	sim_explore("it asks for a better one that nobody asked for",
	    tick_asks_for_better, NULL, 50);
	sim_explore("no tick when nothing needs one", no_tick_alone, NULL, 50);
	return tap_done();
}
