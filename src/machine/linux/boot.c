/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot and shut down the Linux host.
 *
 * THEORY
 * machine_boot examines the machine (cores, clock, guards, I/O) and then
 * installs the signal handlers.  machine_run (vcpu.c) starts the CPUs.  If a
 * step fails, machine_boot undoes lwkt__outside_boot and the handlers that it
 * has installed.  What the other steps found stays: the next boot finds it
 * anew, or keeps it (clock.c, code.c).
 */
#include <stdio.h>

#include "base/kassert.h"
#include "machine/hostlib.h"
#include "machine/linux/host.h"
#include "machine/x86_64/escape.h"
#include "machine/machine_io.h"

static char describe[160];
static int booted;

static void
boot_describe(void)
{
	const struct cores *co = &lwkt__cores;
	char quota[32] = "";

	if (co->co_quota > 0)
		(void)snprintf(quota, sizeof(quota), " (quota %d)",
		    co->co_quota);
	(void)snprintf(describe, sizeof(describe), "linux, %d cpus on %d "
	    "cores%s, clock %s, guards by %s, io %s", co->co_ncpus, co->co_n,
	    quota, lwkt__clock_name(), lwkt__mem_guard_name(),
	    machine_io_name());
}

int
machine_boot(const struct machine_config *cfg,
    const struct machine_upcalls *up, int *ncpus)
{
	int error;

	KASSERT(!booted);
	lwkt__limit_boot();
	error = lwkt__fail_boot();
	if (error == 0)
		error = lwkt__limit_stack();
	if (error == 0)
		error = lwkt__outside_boot();
	if (error == 0)
		error = lwkt__vcpu_boot(up);
	if (error == 0)
		error = lwkt__cores_boot(cfg->mcf_ncpus);
	if (error == 0)
		error = lwkt__io_boot();
	if (error != 0)
		goto fail;
	lwkt__mem_boot();
	lwkt__clock_boot();
	lwkt__symbol_boot();
	lwkt__cxx_boot();
	lwkt__escape_boot(up);
	lwkt__fence_boot();
	lwkt__watch_boot(up);
	lwkt__preempt_boot(up);
	error = lwkt__handler_boot(up);
	if (error == 0 && (error = lwkt__trap_boot(up)) != 0)
		lwkt__signal_shutdown();
	if (error != 0)
		goto fail;
	boot_describe();
	*ncpus = lwkt__cores.co_ncpus;
	booted = 1;
	return 0;

fail:
	lwkt__outside_shutdown();
	return error;
}

void
machine_shutdown(void)
{
	KASSERT(booted);
	lwkt__trap_shutdown();
	lwkt__signal_shutdown();
	lwkt__outside_shutdown();
	booted = 0;
}

const char *
machine_describe(void)
{
	return describe;
}

/* Only the simulated host keeps a trace. */
void
machine_trace(const char *name, const char *fmt, uint64_t a, uint64_t b)
{
	(void)name, (void)fmt, (void)a, (void)b;
}

uint64_t
machine_trace_hash(void)
{
	return 0;
}
