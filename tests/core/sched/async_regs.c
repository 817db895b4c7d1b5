/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A preemptible thread does not notice: every register, flag and word below
 * its stack pointer is kept, while others spoil all of them.
 */
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include <stddef.h>

#include "core/sched/async_regs.h"
#include "core/util.h"

_Static_assert(offsetof(struct regs, r_red) == R_RED, "R_RED");
_Static_assert(offsetof(struct regs, r_flags) == R_FLAGS, "R_FLAGS");
_Static_assert(offsetof(struct regs, r_mxcsr) == R_MXCSR, "R_MXCSR");
_Static_assert(offsetof(struct regs, r_fcw) == R_FCW, "R_FCW");
_Static_assert(offsetof(struct regs, r_x87) == R_X87, "R_X87");
_Static_assert(offsetof(struct regs, r_k) == R_K, "R_K");
_Static_assert(offsetof(struct regs, r_vec) == R_VEC, "R_VEC");
_Static_assert(sizeof(struct regs) == R_SIZE, "R_SIZE");

#define HITS		400		/* interruptions wanted */
#define ROUND		200000		/* iterations of a loop */
#define FLAG_CF		0x001
#define FLAG_DF		0x400
#define MXCSR_RUN	0x7fa0		/* round to zero, a sticky flag */
#define FCW_RUN		0x0e7f		/* round to zero, short precision */

static void (*loop)(struct regs *, uint64_t);
static struct regs want, got;
static uint32_t ended;

/* Another loop's registers, with other values, in between. */
static void
spoils(void *arg)
{
	struct regs mine;

	(void)arg;
	memset(&mine, 0, sizeof(mine));
	mine.r_mxcsr = 0x1f80;
	mine.r_fcw = 0x37f;
	while (!LOAD(ended)) {
		loop(&mine, 3);
		__asm__ __volatile__("fninit");
		lwkt_sleep("spoils", 0);
	}
}

static void
timer_spoils(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	lwkt_schedule(arg);
}

static void
fill(struct regs *r, struct rng *rng)
{
	size_t i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 15; i++)
		r->r_gpr[i] = rng_next(rng);
	for (i = 0; i < 12; i++)
		r->r_red[i] = rng_next(rng);
	for (i = 0; i < 8; i++) {
		r->r_x87[i] = (double)rng_below(rng, 1000000);
		r->r_k[i] = rng_next(rng) & 0xffff;
	}
	for (i = 0; i < sizeof(r->r_vec); i++)
		r->r_vec[i / 64][i % 64] = (uint8_t)rng_next(rng);
	r->r_mxcsr = MXCSR_RUN;
	r->r_fcw = FCW_RUN;
}

static void
check_same(void)
{
	uint64_t flags = got.r_flags;
	size_t i;

	got.r_flags = 0;
	check((flags & (FLAG_CF | FLAG_DF)) == (FLAG_CF | FLAG_DF),
	    "flags %#llx", (unsigned long long)flags);
	if (memcmp(&got, &want, sizeof(got)) == 0)
		return;
	for (i = 0; i < sizeof(got); i++)
		if (((uint8_t *)&got)[i] != ((uint8_t *)&want)[i])
			break;
	check(0, "the registers differ at byte %zu", i);
}

static void
runs(void *arg)
{
	int64_t begin = counter("lwkt.async_hit");
	struct rng rng = { 77 };
	struct lwkt_systimer st;
	int64_t hits = 0;

	lwkt_systimer_init_periodic(&st, timer_spoils, arg, 50000, 0);
	while (hits < HITS) {
		fill(&want, &rng);
		got = want;
		loop(&got, ROUND);
		check_same();
		hits = counter("lwkt.async_hit") - begin;
	}
	lwkt_systimer_del(&st);
}

static int
registers_are_kept(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	if (fiber_wanted() && !LWKT_ASAN)
		return 0;	/* valgrind does not keep all flags itself */
	STORE(ended, 0);
	td = spawn(spoils, NULL, LWKT_INTERRUPT, lwkt_cpuid());
	join(spawn_pri(runs, td, LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE,
	    lwkt_cpuid()));
	STORE(ended, 1);
	lwkt_schedule(td);
	join(td);
	return 0;
}

static void
run(const char *name, int supported, void (*fn)(struct regs *, uint64_t))
{
	struct sim_scenario ss = { .ss_name = name,
	    .ss_body = registers_are_kept, .ss_ncpus = 1 };

	loop = fn;
	if (supported)
		sim_explore_with(&ss);
	else
		ok(1, "%s # SKIP this processor has none", name);
}

int
main(void)
{
	if (!TICKS_COME)
		skip_all("TSan keeps signals until the next call of libc");
	run("general registers, flags, red zone, x87 and SSE are kept", 1,
	    regs_loop_sse);
	run("AVX registers are kept", __builtin_cpu_supports("avx"),
	    regs_loop_avx);
	run("AVX-512 registers and masks are kept",
	    __builtin_cpu_supports("avx512f"), regs_loop_avx512);
	return tap_done();
}
