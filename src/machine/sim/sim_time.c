/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual time: the clock, timers and other future events.
 *
 * THEORY
 * The clock advances a little at each choice point, by a random amount whose
 * scale is fixed for the run.  In some runs a microsecond is a few steps long,
 * and timers fire in the middle of everything; in others it is hundreds of
 * steps long, and most timers fire only when every CPU waits.  In a long run
 * the clock goes faster and faster, so that a CPU that spins until the next
 * tick need not spin for millions of steps.  When every CPU waits, the clock
 * jumps to the next event.  Events are one list sorted by time; events of equal
 * time are in the order in which they were added.
 *
 * A timer fires late by a random amount (under DFS by none), never early.  Runs
 * with `spurious` set also set RQF_TIMER and end waits without a reason.  The
 * other runs do not, because a spurious wake-up would hide a lost one.
 */
#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define TIME_START	1000000000	/* 1 s, not 0: 0 is no deadline */
#define LATE_MAX_LOG2	17		/* up to 131 us late */
#define SPURIOUS_MASK	0x0fffu		/* once in 4096 steps */
#define DFS_STEP_NS	16
#define HASTE_STEPS	100000		/* steps until the speed doubles */
#define HASTE_MAX	10		/* most doublings */

static TAILQ_HEAD(, sim_event) events;	/* armed, by time */
static uint32_t step_mask;		/* a step takes 1 ns + at most this */
static int spurious;			/* 1: the run has spurious events */

/* Set the clock to its start, and choose its scale for the run. */
void
sim_time_reset(void)
{
	TAILQ_INIT(&events);
	lwkt__sim.s_now = TIME_START;
	step_mask = (1u << (3 + sim_random(8))) - 1;
	spurious = sim_random(2) != 0;
}

/* Arm an event, or move it: it occurs at time `when` or later. */
void
sim_event_add(struct sim_event *se, int64_t when)
{
	struct sim_event *before;

	sim_enter();
	sim_event_del(se);
	se->se_when = when;
	se->se_armed = 1;
	TAILQ_FOREACH(before, &events, se_link) {
		if (before->se_when > when)
			break;
	}
	if (before != NULL)
		TAILQ_INSERT_BEFORE(before, se, se_link);
	else
		TAILQ_INSERT_TAIL(&events, se, se_link);
	sim_leave();
}

void
sim_event_del(struct sim_event *se)
{
	sim_enter();
	if (se->se_armed) {
		se->se_armed = 0;
		TAILQ_REMOVE(&events, se, se_link);
	}
	sim_leave();
}

/* Run all events that are due; choice points in them do nothing. */
static void
events_run(void)
{
	struct sim_event *se;

	lwkt__sim.s_muted++;
	while ((se = TAILQ_FIRST(&events)) != NULL &&
	    se->se_when <= lwkt__sim.s_now) {
		sim_event_del(se);
		se->se_fn(se);
	}
	lwkt__sim.s_muted--;
}

/* Let a CPU's timer go off. */
static void
timer_signal(struct machine_host *h)
{
	sim_interrupt(h->h_mc, RQF_TIMER);
	sim_signal_raise(h);
}

/* Send a random CPU a spurious timer signal or wake-up. */
static void
spurious_happens(void)
{
	struct machine_host *h;

	h = &lwkt__sim.s_host[sim_random((uint32_t)lwkt__sim.s_ncpus)];
	if (h->h_state == SIM_STOPPED)
		return;
	if (sim_random(2) != 0)
		timer_signal(h);
	else
		sim_wake(h);
}

/* Return how often the clock's speed has doubled in this run. */
static unsigned
haste(void)
{
	uint64_t n = lwkt__sim.s_steps / HASTE_STEPS;

	return n < HASTE_MAX ? (unsigned)n : HASTE_MAX;
}

/*
 * Advance the clock.  Bits 0-15 decide how far; bits 16-27 decide whether there
 * is a spurious event.  Under DFS the bits have no effect.
 */
void
sim_time_tick(uint32_t bits)
{
	struct sim_event *se;

	if (sim_is_dfs()) {
		lwkt__sim.s_now += DFS_STEP_NS;
	} else {
		lwkt__sim.s_now += 1 + ((int64_t)(bits & step_mask) <<
		    haste());
		if (spurious && ((bits >> 16) & SPURIOUS_MASK) == 0)
			spurious_happens();
	}
	se = TAILQ_FIRST(&events);
	if (se != NULL && se->se_when <= lwkt__sim.s_now)
		events_run();
}

int64_t
sim_time_next(void)
{
	struct sim_event *se = TAILQ_FIRST(&events);

	return se != NULL ? se->se_when : INT64_MAX;
}

/*
 * When no CPU can run, advance the clock to the next event and run the events
 * that are due.  Returns 1, or 0 if there is no event.
 */
int
sim_time_jump(void)
{
	struct sim_event *se = TAILQ_FIRST(&events);

	if (se == NULL)
		return 0;
	if (se->se_when > lwkt__sim.s_now)
		lwkt__sim.s_now = se->se_when;
	events_run();
	return 1;
}

/* Return the virtual time. */
int64_t
machine_time_ns(void)
{
	lwkt__choice(CHOICE_CLOCK);
	return lwkt__sim.s_now;
}

static void
timer_fire(struct sim_event *se)
{
	timer_signal(container_of(se, struct machine_host, h_timer));
}

/* Arm this CPU's timer, or disarm it (INT64_MAX). */
void
machine_timer_arm(int64_t deadline_ns)
{
	struct machine_host *h;
	int64_t late;

	lwkt__choice(CHOICE_TIMER);
	h = lwkt__sim_mcpu->mc_host;
	h->h_timer.se_fn = timer_fire;
	if (deadline_ns == INT64_MAX) {
		/* With spurious events, half of the timers stay armed. */
		if (!spurious || sim_random(2) != 0)
			sim_event_del(&h->h_timer);
		return;
	}
	late = sim_random(1u << sim_random(LATE_MAX_LOG2 + 1));
	if (deadline_ns < lwkt__sim.s_now)
		deadline_ns = lwkt__sim.s_now;
	sim_event_add(&h->h_timer, deadline_ns + late);
}
