/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of priorities at locks share.
 */
#ifndef LWKT_TESTS_CORE_LOCK_LEND_H
#define LWKT_TESTS_CORE_LOCK_LEND_H

#include <lwkt/lock.h>
#include <lwkt/mtx.h>

#include "core/util.h"
#include "kern/boot/boot_var.h"
#include "kern/lock/park_var.h"

/*
 * Return a generator that differs in each schedule; on real CPUs in each run.
 */
UTIL struct rng
run_rng(void)
{
	static uint64_t runs;
	uint64_t seed = lwkt__boot_config.lc_seed;

	return (struct rng){ seed != 0 ? seed : ++runs };
}

UTIL unsigned
mtx_waiters(struct lwkt_mtx *m)
{
	unsigned n;

	lwkt_spin_lock(&m->m_spin);
	n = turn_count(m->m_ex) + turn_count(m->m_sh);
	lwkt_spin_unlock(&m->m_spin);
	return n;
}

UTIL unsigned
lock_waiters(struct lwkt_lock *lk)
{
	unsigned n;

	lwkt_spin_lock(&lk->lk_spin);
	n = turn_count(lk->lk_ex) + turn_count(lk->lk_sh);
	lwkt_spin_unlock(&lk->lk_spin);
	return n;
}

/* Set the priority of a thread that stays where it is, on its CPU. */
static void
set_pri_there(void *arg, int pri)
{
	lwkt_setpri(arg, pri);
}

UTIL void
set_pri(lwkt_thread_t td, int pri)
{
	int cpu = lwkt_getcpu(td);

	if (cpu == lwkt_cpuid()) {
		lwkt_setpri(td, pri);
		return;
	}
	lwkt_send_ipiq2(cpu, set_pri_there, td, pri);
	lwkt_synchronize_ipiqs("set_pri");
}

/* Whether a thread that stays where it is sleeps, as its CPU sees it. */
struct asleep_asked {
	lwkt_thread_t	aa_td;
	int		aa_asleep;
};

static void
asleep_there(void *arg)
{
	struct asleep_asked *aa = arg;

	aa->aa_asleep = (aa->aa_td->td_flags & (TDF_BLOCKED |
	    TDF_TSLEEP_DESCHEDULED)) != 0;
}

UTIL int
asleep(lwkt_thread_t td)
{
	struct asleep_asked aa = { .aa_td = td };

	lwkt_send_ipiq(lwkt_getcpu(td), asleep_there, &aa);
	lwkt_synchronize_ipiqs("asleep");
	return aa.aa_asleep;
}

/* The priority of a thread that stays where it is, as its CPU sees it. */
struct pri_asked {
	lwkt_thread_t	pa_td;
	int		pa_pri;
};

static void
get_pri_there(void *arg)
{
	struct pri_asked *pa = arg;

	pa->pa_pri = lwkt_getpri(pa->pa_td);
}

UTIL int
get_pri(lwkt_thread_t td)
{
	struct pri_asked pa = { .pa_td = td };
	int cpu = lwkt_getcpu(td);

	if (cpu == lwkt_cpuid())
		return lwkt_getpri(td);
	lwkt_send_ipiq(cpu, get_pri_there, &pa);
	lwkt_synchronize_ipiqs("get_pri");
	return pa.pa_pri;
}

#endif
