/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of a run: those of the program, overruled by the environment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define PCT_DEPTH	3
#define DFS_DEPTH	40
#define DFS_PREEMPTIONS	2

static struct sim_options configured;

/* Set the options of the runs that follow; NULL sets the defaults. */
void
sim_configure(const struct sim_options *so)
{
	KASSERTF(lwkt__sim_mcpu == NULL, "the simulated machine runs already");
	memset(&configured, 0, sizeof(configured));
	if (so != NULL)
		configured = *so;
}

/*
 * Parse s, the text of a number in variable `name` of the environment.  Decimal
 * digits, or hexadecimal ones after 0x, octal ones after 0.  Panics if the text
 * is no number; whole is the value of the variable.
 */
static uint64_t
number_parse(const char *name, const char *whole, const char *s)
{
	unsigned long long n;
	char *end;

	n = strtoull(s, &end, 0);
	if (*s < '0' || *s > '9' || *end != '\0')
		lwkt_panic("%s=%s: must be a number", name, whole);
	return n;
}

/*
 * Return the number in an environment variable, or dflt if the variable is
 * unset or empty.  Panics if the text is no number.
 */
uint64_t
sim_env_number(const char *name, uint64_t dflt)
{
	const char *s = getenv(name);

	if (s == NULL || *s == '\0')
		return dflt;
	return number_parse(name, s, s);
}

/* Parse STRATEGY[:DEPTH].  Panics if the text is wrong. */
static void
strategy_parse(struct sim_options *so, const char *s)
{
	static const struct {
		const char *name;
		enum sim_strategy strategy;
	} names[] = {
		{ "swarm", SIM_SWARM }, { "random", SIM_RANDOM },
		{ "pct", SIM_PCT }, { "dfs", SIM_DFS },
	};
	size_t len = strcspn(s, ":"), i;

	for (i = 0; i < nitems(names); i++) {
		if (strlen(names[i].name) == len &&
		    strncmp(names[i].name, s, len) == 0)
			break;
	}
	if (i == nitems(names))
		lwkt_panic("LWKT_SIM=%s: must be swarm, random, pct:N or dfs:N",
		    s);
	so->so_strategy = names[i].strategy;
	so->so_depth = s[len] == ':' ?
	    (unsigned)number_parse("the depth of LWKT_SIM", s, s + len + 1) : 0;
}

/*
 * Read the options of the run that begins.  Defaults replace 0.  An invalid
 * text in a variable of the environment panics.
 */
void
sim_options_read(struct sim_options *so)
{
	const char *s = getenv("LWKT_SIM");
	uint64_t stores;

	*so = configured;
	if (s != NULL && *s != '\0')
		strategy_parse(so, s);
	so->so_faults = (int)sim_env_number("LWKT_SIM_FAULTS",
	    (uint64_t)so->so_faults);
	stores = sim_env_number("LWKT_SIM_STORES", UINT64_MAX);
	if (stores == 0)
		so->so_stores = SIM_STORES_NONE;
	else if (stores != UINT64_MAX && so->so_strategy != SIM_DFS)
		so->so_stores = SIM_STORES_ALL;
	so->so_max_steps = sim_env_number("LWKT_SIM_STEPS", so->so_max_steps);
	so->so_preemptions = (unsigned)sim_env_number("LWKT_SIM_PREEMPTIONS",
	    so->so_preemptions);
	if (so->so_depth == 0)
		so->so_depth = so->so_strategy == SIM_DFS ?
		    DFS_DEPTH : PCT_DEPTH;
	if (so->so_preemptions == 0)
		so->so_preemptions = DFS_PREEMPTIONS;
}
