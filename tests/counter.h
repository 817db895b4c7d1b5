/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of the library, for tests.
 */
#ifndef LWKT_TESTS_COUNTER_H
#define LWKT_TESTS_COUNTER_H

#include <lwkt/thread.h>
#include <string.h>

#include "base/stat_decl.h"
#include "kern/cpu/globaldata.h"

/* A counter's sum over all CPUs; -1: there is no such counter. */
extern const uint64_t __start_lwkt_cnt[];
extern const struct counter_decl __start_lwkt_cntdecl[];
extern const struct counter_decl __stop_lwkt_cntdecl[];

/* The owners add plainly, for no reader but a tool: nothing TSan should see. */
static __attribute__((unused, noinline, no_sanitize_thread)) int64_t
counter(const char *name)
{
	const struct counter_decl *cd;
	int64_t sum = 0;
	int cpu;

	for (cd = __start_lwkt_cntdecl; cd < __stop_lwkt_cntdecl; cd++) {
		if (strcmp(cd->cd_name, name) != 0)
			continue;
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
			sum += (int64_t)*(volatile uint64_t *)
			    &gd_find(cpu)->gd_cnt[cd->cd_template -
			    __start_lwkt_cnt];
		return sum;
	}
	return -1;
}

#endif
