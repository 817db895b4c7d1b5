/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TSan on the simulated host: two CPUs race here whenever they would race on
 * two processors.
 *
 * THEORY
 * Each stack of a CPU is a fiber to TSan.  A switch from one CPU to another
 * orders nothing (no_sync), unlike a thread switch inside a CPU.  So between
 * CPUs only the program's own atomics create order, by the memory orders that
 * they name, although all CPUs run on one host thread.  TSan ignores the
 * accesses of the simulator itself, which stand between sim_enter and
 * sim_leave; these nest.  Two objects are excepted from race reports: errno and
 * the C++ exceptions.  All CPUs share them here, while each CPU has its own on
 * a real host.
 *
 * The model of descriptors stands between sim_io_enter and sim_io_leave.  Its
 * calls are ordered, as a real host orders the calls on one descriptor.
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
 * Begin a switch to another CPU's fiber, in place of fiber_switch_begin;
 * between sim_enter and sim_leave.  `dying`: `from` never runs again, so its
 * sim_leave comes now.  Always inline: TSan's record of the callers (the shadow
 * stack) changes here, so a separate function would return on another one.
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
