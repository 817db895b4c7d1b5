/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack switch keeps what the ABI says, and a parked stack can be read.
 */
#include <fenv.h>
#include <stdlib.h>

#include "machine/fiber.h"
#include "machine_util.h"

#define STACK	(128 * 1024)
#define ROUNDS	1000
#define DEPTH	20

struct coro {
	void		*c_sp;
	struct fiber	 c_fiber;
	char		*c_stack;
};

static struct coro main_coro, coro[2];
static struct coro *prev;		/* who switched to the running one */
static int order[3 * ROUNDS], norder;
static int aligned, entered;
static void *entry_from;

void	lwkt__machine_entry(void);

static __lwkt_noinline void
swap(struct coro *from, struct coro *to, int dying)
{
	prev = from;
	fiber_switch_begin(&from->c_fiber, &to->c_fiber, dying);
	(void)lwkt__machine_switch(&from->c_sp, to->c_sp, from);
	fiber_switch_end(&from->c_fiber, &prev->c_fiber);
}

static void
coro_make_ending(struct coro *c, void (*entry)(void *), void (*last)(void))
{
	c->c_stack = aligned_alloc(4096, STACK);
	fiber_init(&c->c_fiber, c->c_stack, STACK);
	c->c_sp = machine_stack_init(c->c_stack, STACK, entry, last);
}

static void
coro_make(struct coro *c, void (*entry)(void *))
{
	coro_make_ending(c, entry, NULL);
}

static void
coro_free(struct coro *c)
{
	fiber_fini(&c->c_fiber);
	free(c->c_stack);
}

static void
arrived(struct coro *self, void *from)
{
	fiber_switch_end(&self->c_fiber, &prev->c_fiber);
	entry_from = from;
	aligned += (uintptr_t)__builtin_frame_address(0) % 16 == 0;
	entered++;
}

/* Values that live in registers over the switch, checked at the end. */
static uint64_t
churn(struct coro *self, struct coro *peer, uint64_t seed)
{
	uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7;
	uint64_t e = seed * 11, f = seed * 13;

	for (int i = 0; i < ROUNDS; i++) {
		order[norder++] = (int)seed;
		swap(self, peer, 0);
		a += b ^ (uint64_t)i;
		b += c ^ a;
		c += d ^ b;
		d += e ^ c;
		e += f ^ d;
		f += a ^ e;
	}
	return a ^ b ^ c ^ d ^ e ^ f;
}

static uint64_t
churn_alone(uint64_t seed)
{
	uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7;
	uint64_t e = seed * 11, f = seed * 13;

	for (int i = 0; i < ROUNDS; i++) {
		a += b ^ (uint64_t)i;
		b += c ^ a;
		c += d ^ b;
		d += e ^ c;
		e += f ^ d;
		f += a ^ e;
	}
	return a ^ b ^ c ^ d ^ e ^ f;
}

static uint64_t sum[2];

static void
churner0(void *from)
{
	arrived(&coro[0], from);
	sum[0] = churn(&coro[0], &coro[1], 1);
	swap(&coro[0], &coro[1], 1);
}

static void
churner1(void *from)
{
	arrived(&coro[1], from);
	sum[1] = churn(&coro[1], &coro[0], 2);
	swap(&coro[1], &main_coro, 1);
}

static void
test_registers(void)
{
	int wrong = 0;

	coro_make(&coro[0], churner0);
	coro_make(&coro[1], churner1);
	swap(&main_coro, &coro[0], 0);
	ok(entered == 2 && aligned == 2, "a new stack is aligned");
	ok(entry_from == &coro[0], "entry gets who switched to it");
	ok(sum[0] == churn_alone(1) && sum[1] == churn_alone(2),
	    "registers survive %d switches", 2 * ROUNDS);
	for (int i = 0; i < norder; i++)
		wrong += order[i] != 1 + i % 2;
	ok(norder == 2 * ROUNDS && wrong == 0, "the two took turns");
	coro_free(&coro[0]);
	coro_free(&coro[1]);
}

static int inherited, rounding;

static void
rounder(void *from)
{
	arrived(&coro[0], from);
	inherited = fegetround();
	fesetround(FE_DOWNWARD);
	swap(&coro[0], &main_coro, 0);
	rounding = fegetround();
	swap(&coro[0], &main_coro, 1);
}

static void
test_float(void)
{
	fesetround(FE_UPWARD);
	coro_make(&coro[0], rounder);
	fesetround(FE_TONEAREST);
	swap(&main_coro, &coro[0], 0);
	is_int(inherited, FE_UPWARD, "rounding mode is the creator's");
	is_int(fegetround(), FE_TONEAREST, "and is kept by the first stack");
	swap(&main_coro, &coro[0], 0);
	is_int(rounding, FE_DOWNWARD, "and by the second");
	coro_free(&coro[0]);
}

/* Where the parked functions will return to, innermost first. */
static void *returns[2];

static __lwkt_noinline void
park_inner(void)
{
	returns[0] = __builtin_return_address(0);
	swap(&coro[0], &main_coro, 0);
	cc_fence();
}

static __lwkt_noinline void
park_outer(void)
{
	returns[1] = __builtin_return_address(0);
	park_inner();
	cc_fence();
}

static void
parker(void *from)
{
	arrived(&coro[0], from);
	park_outer();
	swap(&coro[0], &main_coro, 1);
}

static int
index_of(void *const *pcs, int n, const void *pc)
{
	for (int i = 0; i < n; i++) {
		if (pcs[i] == pc)
			return i;
	}
	return -1;
}

static void
test_parked(void)
{
	void *pcs[DEPTH];
	int n, in;

	coro_make(&coro[0], parker);
	n = machine_backtrace(pcs, DEPTH, coro[0].c_sp, NULL);
	ok(n == 1 && pcs[0] == (void *)lwkt__machine_entry,
	    "a thread that never ran shows its trampoline and no more");
	swap(&main_coro, &coro[0], 0);
	n = machine_backtrace(pcs, DEPTH, coro[0].c_sp, NULL);
	in = index_of(pcs, n, returns[0]);
	ok(in > 0 && index_of(pcs, n, returns[1]) == in + 1,
	    "a parked thread shows its callers in order");
	ok(n > 0 && (uintptr_t)pcs[n - 1] - (uintptr_t)lwkt__machine_entry < 16,
	    "down to the trampoline (%d frames)", n);
	is_int(machine_backtrace(pcs, 2, coro[0].c_sp, NULL), 2,
	    "no more is told than there is room for");
	swap(&main_coro, &coro[0], 0);
	coro_free(&coro[0]);
}

static int last_aligned, last_frames, returned;

static void
returner(void *from)
{
	arrived(&coro[0], from);
	returned = 1;
}

static void
last(void)
{
	void *pcs[DEPTH];

	last_aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
	last_frames = machine_backtrace(pcs, DEPTH, NULL, NULL);
	swap(&coro[0], &main_coro, 1);
}

static void
test_end(void)
{
	coro_make_ending(&coro[0], returner, last);
	returned = 0;
	swap(&main_coro, &coro[0], 0);
	ok(returned && last_aligned, "an entry that returns goes on to last");
	ok(last_frames > 0 && last_frames <= 3, "whose caller is nobody "
	    "(%d frames)", last_frames);
	coro_free(&coro[0]);
}

static __lwkt_noinline void
test_caller(void)
{
	void *pcs[DEPTH];
	int n = machine_backtrace(pcs, DEPTH, NULL, NULL);

	ok(n >= 2 && pcs[1] == __builtin_return_address(0),
	    "a caller shows itself, then its own caller");
	cc_fence();
}

int
main(void)
{
	fiber_init_host(&main_coro.c_fiber);
	test_registers();
	test_float();
	test_parked();
	test_end();
	test_caller();
	return tap_done();
}
