/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declare counters, tunables and trace points where they are used.
 *
 * THEORY
 * Each declaration puts a record into a linker section.  Readers (kern_stat.c)
 * walk the section, so no list is needed.
 *
 * COUNTER(swtch, "lwkt.switches", "thread switches") makes a word in the
 * section lwkt_cnt, the template.  Only the address of the word is used.  Every
 * CPU has a copy of that whole section in the arena (gd_cnt), where tools can
 * read it.  Only that CPU writes its copy.  counter_inc(bias, swtch) adds 1 in
 * the copy.  bias is the distance from the section to the copy, so the address
 * of a counter takes one addition (the scheme of FreeBSD's dynamic per-CPU
 * variables).
 *
 * TUNABLE_INT(x, "lwkt.x", 10, 0, 1000, "what, unit") makes `static int x` with
 * the default 10, the least value 0 and the greatest value 1000.  The least
 * value must not be negative.  The environment LWKT_TUNE="lwkt.x=5,..." sets x
 * at boot.  Plain reads of x are enough, because x changes only before the CPUs
 * start.
 *
 * TUNABLE_NAME(x, "lwkt.x", names, 0, "what") is the same with a value that is
 * given as a name.  names[] is an array of names that ends with NULL, and x
 * becomes the index of the name.
 *
 * TRACEPOINT(x, group, "name", "fmt") declares an event, which ktr() of
 * kern/cpu/ktr_rec.h records.
 *
 * A counter or an event that inline functions of a header use is declared there
 * by COUNTER_EXTERN(x) or TRACEPOINT_EXTERN(x, group), and defined in one file
 * by COUNTER_SHARED or TRACEPOINT_SHARED.
 */
#ifndef LWKT_BASE_STAT_DECL_H
#define LWKT_BASE_STAT_DECL_H

#include "base/compiler.h"

/*
 * Readers need the objects of a section without gaps between them.  Without
 * aligned(8), gcc gives larger objects a greater alignment, which leaves gaps.
 */
#define STAT_SECTION(s)	__attribute__((section(s), used, aligned(8)))

struct counter_decl {
	const char	*cd_name;
	const char	*cd_desc;
	const uint64_t	*cd_template;
};

#define COUNTER_SHARED(var, name, desc)					\
	uint64_t cnt_##var STAT_SECTION("lwkt_cnt");			\
	static const struct counter_decl cntdecl_##var			\
	    STAT_SECTION("lwkt_cntdecl") = { name, desc, &cnt_##var }
#define COUNTER_EXTERN(var)	extern uint64_t cnt_##var __lwkt_hidden
#define COUNTER(var, name, desc)					\
	static COUNTER_SHARED(var, name, desc)

/*
 * bias is gd_cntbias of the calling CPU.  The addition is not atomic: no
 * callback and no other thread of the CPU may run in the middle of it.
 */
#define counter_add(bias, var, n)					\
	(*(uint64_t *)((bias) + (uintptr_t)&cnt_##var) += (n))
#define counter_inc(bias, var)	counter_add(bias, var, 1)

struct tunable_decl {
	const char	*tu_name;
	const char	*tu_desc;
	int		*tu_var;
	int		 tu_min;
	int		 tu_max;
	int		 tu_default;
	const char *const *tu_names;	/* names of 0, 1, ...; NULL: a number */
};

#define TUNABLE_INT(var, name, dflt, min, max, desc)			\
	static int var = (dflt);					\
	static const struct tunable_decl tunable_##var			\
	    STAT_SECTION("lwkt_tunable") =				\
	    { name, desc, &var, min, max, dflt, NULL }

#define TUNABLE_NAME(var, name, names, dflt, desc)			\
	static int var = (dflt);					\
	static const struct tunable_decl tunable_##var			\
	    STAT_SECTION("lwkt_tunable") =				\
	    { name, desc, &var, 0, (int)nitems(names) - 2, dflt, names }

enum ktr_group {
	KTR_SCHED = 0x001,
	KTR_THREAD = 0x002,
	KTR_IPI = 0x004,
	KTR_SLEEP = 0x008,
	KTR_MSG = 0x010,
	KTR_TIMER = 0x020,
	KTR_IO = 0x040,
	KTR_MEM = 0x080,
	KTR_HOST = 0x100,
	KTR_ALL = 0x7fffffff
};

struct ktr_event {
	const char	*ke_name;	/* "sched.switch" */
	const char	*ke_fmt;	/* two arguments: "from=%llu to=%llu" */
	uint32_t	 ke_group;	/* one bit of enum ktr_group */
	uint32_t	 ke_pad;
};

#define TRACEPOINT_SHARED(var, group, name, fmt)			\
	const struct ktr_event ktr_##var				\
	    STAT_SECTION("lwkt_ktr") = { name, fmt, group, 0 }
/* The group as a constant, which ktr() tests. */
#define TRACEPOINT_GROUP(var, group)					\
	enum { ktr_group_##var = (group) }
#define TRACEPOINT_EXTERN(var, group)					\
	TRACEPOINT_GROUP(var, group);					\
	extern const struct ktr_event ktr_##var __lwkt_hidden
#define TRACEPOINT(var, group, name, fmt)				\
	TRACEPOINT_GROUP(var, group);					\
	static TRACEPOINT_SHARED(var, group, name, fmt)

#endif
