/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Begin and end of a run, and its result.
 *
 * THEORY
 * machine_boot sets every file of the simulated host to the state that follows
 * from the options and the seed.  An earlier run in the same process has no
 * effect on that state; only the enumeration of sim_dfs.c goes on from run to
 * run.  Several files draw random numbers when they are reset, so the order of
 * the resets is fixed.  The number of CPUs is drawn even if the caller gives
 * it.  So a run is the same if the caller gives the number that the seed would
 * draw.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/hostlib.h"
#include "base/kassert.h"
#include "machine/sim/sim_var.h"
#include "machine/x86_64/escape.h"

#define STEPS_DEFAULT	5000000

static struct sim *const sim = &lwkt__sim;

/* Let the seed choose the number of CPUs; most races need two or three. */
static int
seed_ncpus(void)
{
	static const uint8_t share[] = { 1, 2, 2, 2, 3, 3, 4, 4 };

	return share[rng_below(&sim->s_rng, nitems(share))];
}

/*
 * Reset the simulator to the state that follows from configuration and seed.
 * Returns 0 or an errno.
 */
static int
sim_boot(const struct machine_config *cfg, const struct machine_upcalls *up)
{
	uint64_t n = cfg->mcf_ncpus != 0 ? (uint64_t)cfg->mcf_ncpus :
	    sim_env_number("LWKT_NCPU", 0);
	int error;

	if (n > SIM_MAXCPU) {
		lwkt_printf("lwkt: sim: %lld CPUs: must be from 1 to %d",
		    (long long)n, SIM_MAXCPU);
		return EINVAL;
	}
	memset(sim, 0, sizeof(*sim));
	sim_options_read(&sim->s_opt);
	sim->s_up = up;
	sim->s_seed = cfg->mcf_seed != 0 ? cfg->mcf_seed :
	    sim_env_number("LWKT_SEED", 1);
	sim->s_rng.r_state = mix64(sim->s_seed);
	sim->s_max_steps = sim->s_opt.so_max_steps != 0 ?
	    sim->s_opt.so_max_steps : STEPS_DEFAULT;
	sim->s_ncpus = seed_ncpus();
	if (n > 0)
		sim->s_ncpus = (int)n;
	sim_time_reset();
	sim_trace_reset();
	sim_key_reset();
	sim_store_reset();
	sim_io_reset();
	sim_explore_reset();
	error = sim_fail_reset();
	if (error != 0)
		return error;
	lwkt__symbol_boot();
	lwkt__cxx_boot();
	lwkt__escape_boot(up);
	sim_report_boot();
	sim_tsan_boot(lwkt__cxx_globals());
	return 0;
}

/*
 * Begin a run: read its options, and choose the number of CPUs, *ncpus.
 * Returns 0 or an errno.
 */
int
machine_boot(const struct machine_config *cfg,
    const struct machine_upcalls *up, int *ncpus)
{
	int error;

	sim_enter();
	error = sim_boot(cfg, up);
	*ncpus = sim->s_ncpus;
	sim_leave();
	return error;
}

void
machine_shutdown(void)
{
	sim_report_shutdown();
}

const char *
machine_describe(void)
{
	static char line[128];

	snprintf(line, sizeof(line), "sim, %d cpus, seed %llu, %s, %s",
	    sim->s_ncpus, (unsigned long long)sim->s_seed,
	    sim_explore_describe(), sim_store_describe());
	return line;
}

void
sim_result_get(struct sim_result *sr)
{
	sr->sr_seed = sim->s_seed;
	sr->sr_hash = machine_trace_hash();
	sr->sr_schedule = sim_trace_schedule();
	sr->sr_steps = sim->s_steps;
	sr->sr_switches = sim->s_switches;
	sr->sr_time_ns = sim->s_now;
	sr->sr_ncpus = sim->s_ncpus;
}
