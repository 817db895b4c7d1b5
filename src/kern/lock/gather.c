/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a side of a ring looks at the other side: seldom, so that elements gather
 * between two looks.
 *
 * THEORY
 * A side that has nothing to move looks at the count of the other side, until
 * the count has changed or the side has waited long enough.  Each look moves
 * the cache line of the count to this CPU, and the next store of the other side
 * moves it back.  Both moves take as long as ten elements or more.  If both
 * sides are about equally fast and this side looks all the time, the line moves
 * for nearly each element, and the stream is as slow as the line.
 *
 * So a side pauses before a look, while the other side works undisturbed.  If a
 * look finds more elements than the side has made pauses before it (a pause
 * instruction takes some 20 to 50 ns), a longer pause pays for this stream: the
 * next wait makes twice as many before each look, up to MOST.  If the look
 * finds fewer elements than half the pauses, or enough to be busy for a while,
 * the next wait makes half as many.  So if elements come one by one, and the
 * other side waits for the answer to each, the side soon makes one pause.
 *
 * A thread pauses only if there are several CPUs, and while no other thread can
 * run on its CPU.
 *
 * Source: the adaptive back-off of spinlocks, the other way round.
 */
#include "kern/lock/gather_var.h"

#include "kern/sleep/synch_var.h"

#include <lwkt/thread.h>

TUNABLE_INT(pipe_spin, "lwkt.pipe_spin", 200, 0, 100000,
    "pauses for the other side of a pipe or queue before the thread sleeps");

/* About the most pauses before a look: some 1 to 3 us. */
#define MOST	64

/*
 * machine_pause() keeps the core in each turn before this one.  With more CPUs
 * than cores it yields earlier, because the other side may need the core.
 */
#define TURNS	128

struct gather
gather_begin(uint32_t *word, int patience, int64_t deadline)
{
	return (struct gather){ .ga_word = word, .ga_deadline = deadline,
	    .ga_pauses = atomic_load_32(word),
	    .ga_most = (uint32_t)(pipe_spin * patience) };
}

/* Tell whether the caller, on a CPU or not, may keep its core busy. */
static inline int
alone(int on)
{
	return !on || (lwkt__ncpus > 1 && mygd()->gd_rqcount <= 1);
}

int
gather_pause(struct gather *ga)
{
	int on = machine_oncpu() != NULL;
	uint32_t i;

	for (i = 0; i <= ga->ga_pauses; i++) {
		if (ga->ga_turn >= ga->ga_most || !alone(on))
			return 0;
		machine_pause(ga->ga_turn++ % TURNS);
		if (on)
			lwkt_splz();
	}
	return ga->ga_deadline <= 0 || machine_time_ns() < ga->ga_deadline;
}

void
gather_found(struct gather *ga, size_t n, size_t enough)
{
	uint32_t was = ga->ga_pauses, pauses = was;

	if (n >= enough || n < was / 2)
		pauses = was / 2;
	else if (n > was + 1)
		pauses = was * 2 + 1 < MOST ? was * 2 + 1 : MOST;
	if (pauses != was)
		atomic_store_32(ga->ga_word, pauses);
}
