/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What belongs to a thread although the processor or libc has only one of it.
 */
#include <xmmintrin.h>

#include "core/util.h"

#define ROUNDS	20

static void
errno_keeper(void *arg)
{
	int mine = *(int *)arg, i;

	errno = mine;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_yield();
		check(errno == mine, "errno %d, not %d", errno, mine);
		(void)close(-1);
		check(errno == EBADF, "errno %d", errno);
		lwkt_yield();
		check(errno == EBADF, "errno %d", errno);
		errno = mine;
	}
}

static int
errno_is_kept(void *arg)
{
	static int numbers[] = { 1001, 1002, 1003, 1004 };
	lwkt_thread_t td[nitems(numbers)];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(errno_keeper, &numbers[i], 0,
		    (int)i / 2 % lwkt_ncpus());
	for (i = 0; i < nitems(td); i++)
		join(td[i]);
	return 0;
}

static uint16_t
x87_get(void)
{
	uint16_t cw;

	__asm__ __volatile__("fnstcw %0" : "=m" (cw));
	return cw;
}

static void
x87_set(uint16_t cw)
{
	__asm__ __volatile__("fldcw %0" :: "m" (cw));
}

#define X87_ROUND	0x0c00u		/* rounding field */
#define X87_ROUND_UP	0x0800u

struct fp {
	unsigned	f_mxcsr;	/* _MM_ROUND_* */
	unsigned	f_x87;		/* X87_ROUND_* */
};

static void
fp_keeper(void *arg)
{
	const struct fp *f = arg;
	int i;

	_MM_SET_ROUNDING_MODE(f->f_mxcsr);
	x87_set((uint16_t)((x87_get() & ~X87_ROUND) | f->f_x87));
	for (i = 0; i < ROUNDS; i++) {
		lwkt_yield();
		check(_MM_GET_ROUNDING_MODE() == f->f_mxcsr &&
		    (x87_get() & X87_ROUND) == f->f_x87,
		    "mxcsr %#x, x87 %#x", _MM_GET_ROUNDING_MODE(), x87_get());
	}
}

static int
fp_control_is_kept(void *arg)
{
	static const struct fp fp[] = {
		{ _MM_ROUND_NEAREST, 0 }, { _MM_ROUND_UP, X87_ROUND_UP },
		{ _MM_ROUND_DOWN, 0x0400 }, { _MM_ROUND_TOWARD_ZERO, 0x0c00 },
	};
	lwkt_thread_t td[nitems(fp)];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(fp_keeper, (void *)(uintptr_t)&fp[i], 0,
		    (int)i / 2 % lwkt_ncpus());
	for (i = 0; i < nitems(td); i++)
		join(td[i]);
	check(_MM_GET_ROUNDING_MODE() == _MM_ROUND_NEAREST, "ours changed");
	return 0;
}

static void
inherits(void *arg)
{
	*(unsigned *)arg = _MM_GET_ROUNDING_MODE();
	_MM_SET_ROUNDING_MODE(_MM_ROUND_DOWN);
}

static int
fp_control_is_inherited(void *arg)
{
	unsigned mode = 0;

	(void)arg;
	_MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
	join(spawn(inherits, &mode, 0, other_cpu()));
	check(mode == _MM_ROUND_UP, "mode %#x", mode);
	check(_MM_GET_ROUNDING_MODE() == _MM_ROUND_UP, "ours changed");
	_MM_SET_ROUNDING_MODE(_MM_ROUND_NEAREST);
	return 0;
}

/* Callee-saved registers hold values over switches: a long computation. */
static uint64_t
mix_with_yields(uint64_t x, int yields)
{
	uint64_t a = x, b = x * 3, c = x * 5, d = x * 7, e = x * 11;
	int i;

	for (i = 0; i < 60; i++) {
		a += b ^ (c >> 3);
		b = mix64(b + d);
		c -= e;
		d ^= a + (uint64_t)i;
		e = mix64(e ^ c);
		if (yields)
			lwkt_yield();
	}
	return a ^ b ^ c ^ d ^ e;
}

static void
computes(void *arg)
{
	uint64_t x = *(uint64_t *)arg;

	*(uint64_t *)arg = mix_with_yields(x, 1);
}

static int
registers_are_kept(void *arg)
{
	uint64_t x[5] = { 1, 2, 3, 4, 5 };
	lwkt_thread_t td[5];
	unsigned i;

	(void)arg;
	for (i = 0; i < 5; i++)
		td[i] = spawn(computes, &x[i], 0, (int)i / 3 % lwkt_ncpus());
	for (i = 0; i < 5; i++) {
		join(td[i]);
		check(x[i] == mix_with_yields(i + 1, 0), "thread %u", i);
	}
	return 0;
}

/* A new stack is aligned as the ABI says, and large enough to say so. */
static void
aligned(void *arg)
{
	__m128 v = _mm_set1_ps(2.0f);
	float f[4] __attribute__((aligned(16)));
	char text[64];

	_mm_store_ps(f, _mm_mul_ps(v, v));
	*(int *)arg = snprintf(text, sizeof(text), "%f", (double)f[3]);
	check(strcmp(text, "4.000000") == 0, "%s", text);
}

static int
stack_is_aligned(void *arg)
{
	int len = 0;

	(void)arg;
	join(spawn(aligned, &len, 0, other_cpu()));
	check(len == 8, "%d bytes", len);
	return 0;
}

int
main(void)
{
	sim_explore("errno belongs to the thread", errno_is_kept, NULL, 50);
	sim_explore("floating point control belongs to the thread",
	    fp_control_is_kept, NULL, 50);
	sim_explore("a new thread inherits it from its creator",
	    fp_control_is_inherited, NULL, 20);
	sim_explore("registers survive switches", registers_are_kept, NULL,
	    50);
	sim_explore("a new stack is aligned", stack_is_aligned, NULL, 20);
	return tap_done();
}
