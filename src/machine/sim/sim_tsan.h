/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TSan on the simulated host: two CPUs race here whenever they would race on
 * two processors.
 *
 * THEORY
 * To TSan each CPU is a fiber.  Switching from one to another orders nothing
 * (no_sync), unlike a thread switch inside a CPU; so only what the program's
 * own atomics order is ordered, by the orders they name, although everything
 * runs on one host thread.  What the simulator itself touches does not count:
 * it stands between sim_enter and sim_leave, which nest.  Two objects may race,
 * because all CPUs share them here and each has its own on a real host: errno
 * and the exceptions of C++.
 *
 * The model of descriptors stands between sim_io_enter and sim_io_leave: its
 * calls are ordered, as are those of a real host on one descriptor.
 */
#ifndef LWKT_MACHINE_SIM_TSAN_H
#define LWKT_MACHINE_SIM_TSAN_H

#include "machine/fiber.h"
#include "machine/machine.h"

#if LWKT_TSAN
#include <errno.h>
#include <sanitizer/tsan_interface.h>

void	AnnotateBenignRaceSized(const char *file, int line,
	    const volatile void *addr, size_t size, const char *what);

static inline void
sim_enter(void)
{
	tsan_ignore();
}

static inline void
sim_leave(void)
{
	tsan_regard();
}

static inline void
sim_io_enter(void *model)
{
	__tsan_acquire(model);
	sim_enter();
}

static inline void
sim_io_leave(void *model)
{
	sim_leave();
	__tsan_release(model);
}

static inline void
sim_tsan_boot(const struct machine_cxx *cx)
{
	AnnotateBenignRaceSized(__FILE__, __LINE__, &errno, sizeof(errno),
	    "errno");
	if (cx != NULL)
		AnnotateBenignRaceSized(__FILE__, __LINE__, cx, sizeof(*cx),
		    "exceptions");
}

/*
 * In place of fiber_switch_begin, between sim_enter and sim_leave.  Always
 * inline: a function of its own would return on another shadow stack.
 */
__lwkt_inline void
sim_fiber_begin(struct fiber *from, struct fiber *to, int dying)
{
	(void)from;
	if (dying)
		sim_leave();
	__tsan_switch_to_fiber(to->f_tsan, __tsan_switch_to_fiber_no_sync);
}
#else
static inline void
sim_enter(void)
{
}

static inline void
sim_leave(void)
{
}

static inline void
sim_io_enter(void *model)
{
	(void)model;
}

static inline void
sim_io_leave(void *model)
{
	(void)model;
}

static inline void
sim_tsan_boot(const struct machine_cxx *cx)
{
	(void)cx;
}

static inline void
sim_fiber_begin(struct fiber *from, struct fiber *to, int dying)
{
	fiber_switch_begin(from, to, dying);
}
#endif

#endif
