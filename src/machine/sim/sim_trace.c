/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace of a run: a hash of all of it, and its last records to read.
 *
 * THEORY
 * The hash takes in every decision (kind, CPU, successor, virtual time) and
 * every event that the kernel or this host reports.  Names go in as text, not
 * as addresses.  So two hashes are equal if the same things happened, whichever
 * compiler made the program and wherever it was loaded; otherwise they differ
 * (unless they collide).  A second hash takes in the switches alone: the number
 * of its values in many runs is the number of different interleavings.
 */
#include <stdio.h>
#include <stdlib.h>

#include "machine/sim/sim_var.h"

#include <lwkt/panic.h>

#define RECORDS		64	/* kept: one screen; a power of two */

struct record {
	int64_t		r_time;
	uint64_t	r_step;
	const char	*r_name;
	const char	*r_fmt;
	uint64_t	r_a;
	uint64_t	r_b;
	void		*r_pc;		/* of a switch; not in the hash */
	int		r_cpu;
};

static struct record ring[RECORDS];
static uint64_t nrecords;
static uint64_t hash, schedule;
static uint64_t last_switch;		/* step of the last switch */
static int live;			/* 1: print each record at once */

static const char *const kind_name[CHOICE_KINDS] = {
	[CHOICE_ATOMIC] = "at an atomic: cpu %llu -> %llu",
	[CHOICE_FENCE] = "at a fence: cpu %llu -> %llu",
	[CHOICE_CRIT] = "at crit_exit: cpu %llu -> %llu",
	[CHOICE_DOORBELL] = "at a doorbell: cpu %llu -> %llu",
	[CHOICE_CLOCK] = "at the clock: cpu %llu -> %llu",
	[CHOICE_TIMER] = "at arming a timer: cpu %llu -> %llu",
	[CHOICE_PAUSE] = "at a wait: cpu %llu -> %llu",
	[CHOICE_ALLOC] = "at an allocation: cpu %llu -> %llu",
	[CHOICE_IO] = "at i/o: cpu %llu -> %llu",
	[CHOICE_SWITCH] = "at a thread switch: cpu %llu -> %llu",
	[CHOICE_USER] = "at an instruction: cpu %llu -> %llu",
};

/* Return the hash h with v taken in. */
static uint64_t
fold(uint64_t h, uint64_t v)
{
	return mix64((h ^ v) + 0x9e3779b97f4a7c15u);
}

static uint64_t
fold_text(uint64_t h, const char *s)
{
	uint64_t v = 0xcbf29ce484222325u;

	while (*s != '\0')
		v = (v ^ (unsigned char)*s++) * 0x100000001b3u;
	return fold(h, v);
}

void
sim_trace_reset(void)
{
	nrecords = last_switch = 0;
	hash = schedule = fold(0, (uint64_t)lwkt__sim.s_ncpus);
	live = sim_env_number("LWKT_SIM_TRACE", 0) != 0;
}

static void
record_print(const struct record *r)
{
	char text[160];

	snprintf(text, sizeof(text), r->r_fmt, (unsigned long long)r->r_a,
	    (unsigned long long)r->r_b);
	lwkt_printf("%9llu %15lld ns  cpu %-2d %-18s %s",
	    (unsigned long long)r->r_step, (long long)r->r_time, r->r_cpu,
	    r->r_name, text);
	if (r->r_pc != NULL)
		machine_backtrace_print(&r->r_pc, 1);
}

/* Write a record to the ring, over the oldest. */
static void
record(int cpu, const char *name, const char *fmt, uint64_t a, uint64_t b,
    void *pc)
{
	struct record *r = &ring[nrecords++ % RECORDS];

	r->r_time = lwkt__sim.s_now;
	r->r_step = lwkt__sim.s_steps;
	r->r_name = name;
	r->r_fmt = fmt;
	r->r_a = a;
	r->r_b = b;
	r->r_cpu = cpu;
	r->r_pc = pc;
	if (live)
		record_print(r);
}

/*
 * Take a decision of the explorer into the hash.  If it is a switch, take it
 * into the second hash too, and record it.
 */
void
sim_trace_step(enum choice kind, int self, int next, void *pc)
{
	uint64_t who = (uint64_t)kind << 16 | (uint64_t)self << 8 |
	    (uint64_t)next;

	hash = fold(hash, (uint64_t)lwkt__sim.s_now << 24 ^ who);
	if (self != next) {
		schedule = fold(schedule,
		    (lwkt__sim.s_steps - last_switch) << 24 ^ who);
		last_switch = lwkt__sim.s_steps;
		record(self, "sim.switch", kind_name[kind], (uint64_t)self,
		    (uint64_t)next, pc);
	}
}

/* Take an event into the hash, and record it. */
void
sim_trace_event(const char *name, const char *fmt, uint64_t a, uint64_t b)
{
	sim_enter();
	hash = fold(fold(fold_text(hash, name), a), b);
	record(lwkt__sim_mcpu != NULL ? lwkt__sim_mcpu->mc_cpuid : -1, name,
	    fmt, a, b, NULL);
	sim_leave();
}

void
machine_trace(const char *name, const char *fmt, uint64_t a, uint64_t b)
{
	sim_trace_event(name, fmt, a, b);
}

uint64_t
machine_trace_hash(void)
{
	return hash;
}

uint64_t
sim_trace_schedule(void)
{
	return schedule;
}

/* Print the records of the ring. */
void
sim_trace_print(void)
{
	uint64_t i = nrecords > RECORDS ? nrecords - RECORDS : 0;

	lwkt_printf("     step            time  the last %d of %llu events",
	    (int)(nrecords - i), (unsigned long long)nrecords);
	for (; i < nrecords; i++)
		record_print(&ring[i % RECORDS]);
}
