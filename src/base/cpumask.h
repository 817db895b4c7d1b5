/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of CPUs, of fixed size.  The operations whose names end with _atomic or
 * _acq are for sets that several CPUs use.  Each accesses one word of the set,
 * so none sees the whole set at one moment.
 */
#ifndef LWKT_BASE_CPUMASK_H
#define LWKT_BASE_CPUMASK_H

#include <lwkt/types.h>

#include "base/atomic.h"

#define CPUMASK_WORDS	(LWKT_MAXCPU / 64)
#define CPUMASK_BIT(c)	((uint64_t)1 << ((unsigned)(c) % 64))
#define CPUMASK_WORD(c)	((unsigned)(c) / 64)

static inline void
cpumask_set(lwkt_cpumask_t *m, int cpu)
{
	m->cm_word[CPUMASK_WORD(cpu)] |= CPUMASK_BIT(cpu);
}

static inline void
cpumask_clear(lwkt_cpumask_t *m, int cpu)
{
	m->cm_word[CPUMASK_WORD(cpu)] &= ~CPUMASK_BIT(cpu);
}

static inline int
cpumask_test(const lwkt_cpumask_t *m, int cpu)
{
	return (m->cm_word[CPUMASK_WORD(cpu)] & CPUMASK_BIT(cpu)) != 0;
}

static inline void
cpumask_set_atomic(lwkt_cpumask_t *m, int cpu)
{
	atomic_set_64(&m->cm_word[CPUMASK_WORD(cpu)], CPUMASK_BIT(cpu));
}

static inline void
cpumask_clear_atomic(lwkt_cpumask_t *m, int cpu)
{
	atomic_clear_64(&m->cm_word[CPUMASK_WORD(cpu)], CPUMASK_BIT(cpu));
}

static inline int
cpumask_test_atomic(const lwkt_cpumask_t *m, int cpu)
{
	return (atomic_load_64(&m->cm_word[CPUMASK_WORD(cpu)]) &
	    CPUMASK_BIT(cpu)) != 0;
}

static inline int
cpumask_test_acq(const lwkt_cpumask_t *m, int cpu)
{
	return (atomic_load_acq_64(&m->cm_word[CPUMASK_WORD(cpu)]) &
	    CPUMASK_BIT(cpu)) != 0;
}

/* Return the first member >= from; -1 if there is none. */
static inline int
cpumask_next(const lwkt_cpumask_t *m, int from)
{
	unsigned w;
	uint64_t bits;

	for (w = CPUMASK_WORD(from); w < CPUMASK_WORDS; w++) {
		bits = m->cm_word[w];
		if (w == CPUMASK_WORD(from))
			bits &= ~(uint64_t)0 << ((unsigned)from % 64);
		if (bits != 0)
			return (int)(w * 64) + __builtin_ctzll(bits);
	}
	return -1;
}

#define CPUMASK_FOREACH(cpu, m)						\
	for ((cpu) = cpumask_next((m), 0); (cpu) >= 0;			\
	    (cpu) = (cpu) + 1 < LWKT_MAXCPU ?				\
	    cpumask_next((m), (cpu) + 1) : -1)

#endif
