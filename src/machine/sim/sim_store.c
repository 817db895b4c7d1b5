/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store buffers: the one reordering that x86 processors make.
 *
 * THEORY
 * On x86 a store waits in a buffer of its CPU until memory takes it.  The
 * buffer is first in, first out.  A load of the same CPU finds the newest store
 * to its address in the buffer; other CPUs see nothing of the buffer.  A locked
 * instruction, a fence or an entry into the host empties the buffer.  So a
 * later load may be done before an earlier store, and nothing else is
 * reordered.
 *
 * For each CPU the model keeps those stores of atomic.h that are pending.
 * While a CPU runs, memory has the view of that CPU: all its stores are in
 * place, and each entry keeps the value that the store replaced, which is what
 * the other CPUs see.  When another CPU goes on, the values in memory and in
 * the entries are exchanged, newest entry first.  When the CPU comes back, they
 * are exchanged oldest first.  So no load has to search the buffer, and plain
 * accesses of a CPU see its own pending stores.  To empty the buffer of the CPU
 * that runs, the model forgets the entries.
 *
 * Each run has a lifetime and a capacity.  The seed decides for how many choice
 * points each store is pending, at most the lifetime.  The capacity is the
 * greatest number of pending stores of a CPU.  Under DFS, each switch to
 * another CPU, except at a wait, is a decision: how many of the pending stores
 * that CPU does not see.
 *
 * Limits of the model: a plain store is not delayed, unless a store to the same
 * word is pending.  A CPU that reads without any order sees plain stores too
 * early; TSan reports such reads.  Loads are never early: x86 does not reorder
 * loads, so acquire and release concern the compiler alone.
 *
 * INVARIANTS
 * SB1 Memory has the view of the CPU that runs, and the entries of this CPU
 *    hold what others see.  The entries of every other CPU hold what that CPU
 *    stored.
 * SB2 s_due does not decrease from an entry to the next: stores become visible
 *    in their order.
 * SB3 next_due is not later than the s_due of any CPU's oldest entry.
 * SB4 A CPU that waits or has stopped has no pending stores.
 *
 * A pending store to a stack frame that has ended may lie where the functions
 * of the simulator run during the exchange.  No code may read such a store, so
 * it is made void.  It is recognized by its address: below b_top, the frame of
 * the code that met the choice point.  A store to an ended frame of the kernel
 * does no harm: what lies there is saved with the view and comes back with it.
 *
 * Source: Owens, Sarkar and Sewell, "A better x86 memory model: x86-TSO"
 * (2009).
 */
#include <stdio.h>

#include "base/kassert.h"
#include "machine/memcheck.h"
#include "machine/sim/sim_var.h"

#define CAPACITY	32		/* entries of the largest buffer */
#define CAPACITY_LOG2	5
#define LIFE_LOG2_MIN	2		/* lifetime of a run: 2^2 steps */
#define LIFE_LOG2_MAX	10		/* to 2^10 steps */
#define LIFE_DFS	256		/* lifetime under DFS, steps */
#define CAPACITY_DFS	4		/* entries under DFS */
#define RUNS		4u		/* one run in so many has buffers */
#define SALT		0x73746f7265736275ull
#define FRAME_SLACK	1024		/* bytes below view_out's frame */
#define FRAME_LINK	16		/* return address, saved register */

/* An entry: a store that is pending. */
struct store {
	char		*s_p;		/* address */
	uint64_t	 s_other;	/* value that is not in memory: SB1 */
	uint64_t	 s_due;		/* step by which it becomes visible */
	uint32_t	 s_size;	/* bytes; 0: void */
};

/* The store buffer of a CPU. */
struct buffer {
	uint32_t	 b_n;		/* number of entries */
	uint32_t	 b_held;	/* entries older than the last switch */
	const char	*b_top;		/* frames below are the simulator's */
	struct store	 b_store[CAPACITY];	/* oldest first */
};

int lwkt__stores;

static struct buffer buffers[SIM_MAXCPU];
static struct rng rng;			/* so buffers draw none of s_rng */
static uint32_t capacity, life_log2;	/* of the run; capacity 0: none */
static uint64_t next_due;		/* SB3 */

/* Return the buffer of the CPU that runs. */
static struct buffer *
mine(void)
{
	return &buffers[lwkt__sim_mcpu->mc_cpuid];
}

/* Return whether this run has store buffers; by default the seed decides. */
static int
chosen(void)
{
	switch (lwkt__sim.s_opt.so_stores) {
	case SIM_STORES_ALL:
		return !LWKT_TSAN;
	case SIM_STORES_NONE:
		return 0;
	default:
		return !LWKT_TSAN && !sim_is_dfs() &&
		    mix64(lwkt__sim.s_seed ^ SALT) % RUNS == 0;
	}
}

/* Choose whether the run has store buffers, their capacity and lifetime. */
void
sim_store_reset(void)
{
	int cpu;

	lwkt__stores = 0;
	capacity = 0;
	next_due = UINT64_MAX;
	for (cpu = 0; cpu < SIM_MAXCPU; cpu++)
		buffers[cpu].b_n = buffers[cpu].b_held = 0;
	if (!chosen())
		return;
	rng.r_state = mix64(mix64(lwkt__sim.s_seed) ^ SALT);
	capacity = 1u << rng_below(&rng, CAPACITY_LOG2 + 1);
	life_log2 = LIFE_LOG2_MIN +
	    rng_below(&rng, LIFE_LOG2_MAX - LIFE_LOG2_MIN + 1);
	if (sim_is_dfs())
		capacity = CAPACITY_DFS;
}

void
sim_store_begin(void)
{
	lwkt__stores = capacity != 0 && lwkt__sim.s_ncpus > 1;
}

void
sim_store_end(void)
{
	lwkt__stores = 0;
}

const char *
sim_store_describe(void)
{
	static char text[48];

	if (capacity == 0)
		return "stores in order";
	snprintf(text, sizeof(text), "%u stores pending for %u steps",
	    capacity, 1u << life_log2);
	return text;
}

/* Exchange one value.  Volatile: each access happens once, as written. */
#define EXCHANGE(type, s) do {						\
	volatile type *p_ = (volatile type *)(void *)(s)->s_p;		\
	type v_ = *p_;							\
									\
	*p_ = (type)(s)->s_other;					\
	(s)->s_other = v_;						\
} while (0)

/*
 * Exchange the value of an entry and the value in memory.  Without checkers,
 * because the address may be in a frame of a stack that has ended since its
 * CPU made the store: as on a processor, the store still becomes visible.
 */
static __lwkt_no_asan void
exchange(struct store *s)
{
	memcheck_mute();
	switch (s->s_size) {
	case 0:
		break;
	case 1:
		EXCHANGE(uint8_t, s);
		break;
	case 4:
		EXCHANGE(uint32_t, s);
		break;
	default:
		EXCHANGE(uint64_t, s);
		break;
	}
	memcheck_unmute();
}

/*
 * Give memory the common view, without the pending stores of any CPU: undo the
 * stores of the CPU that runs, newest first.
 */
static void
view_out(struct buffer *b)
{
	const char *low = (char *)__builtin_frame_address(0) - FRAME_SLACK;
	uint32_t i;

	for (i = b->b_n; i-- > 0; ) {
		if (b->b_store[i].s_p >= low && b->b_store[i].s_p < b->b_top)
			b->b_store[i].s_size = 0;
		exchange(&b->b_store[i]);
	}
}

/* Give memory the view of the CPU that goes on: redo stores, oldest first. */
static void
view_in(struct buffer *b)
{
	uint32_t i;

	for (i = 0; i < b->b_n; i++)
		exchange(&b->b_store[i]);
}

/* Remove the n oldest entries, whose stores are in memory. */
static void
drop(struct buffer *b, uint32_t n)
{
	uint32_t i;

	if (b->b_held != 0 && n != 0) {
		sim_trace_event("sim.drain", "of cpu=%llu stores=%llu",
		    (uint64_t)(b - buffers), n);
		b->b_held -= n < b->b_held ? n : b->b_held;
	}
	b->b_n -= n;
	for (i = 0; i < b->b_n; i++)
		b->b_store[i] = b->b_store[i + n];
}

/* Write the n oldest stores to memory, which has the common view. */
static void
write_oldest(struct buffer *b, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		exchange(&b->b_store[i]);
	drop(b, n);
}

/* Draw the step by which a store that is made now becomes visible. */
static uint64_t
due_next(const struct buffer *b)
{
	uint64_t life = sim_is_dfs() ? LIFE_DFS :
	    1 + rng_below(&rng, 1u << rng_below(&rng, life_log2 + 1));
	uint64_t due = lwkt__sim.s_steps + life;

	if (b->b_n > 0 && b->b_store[b->b_n - 1].s_due > due)
		due = b->b_store[b->b_n - 1].s_due;		/* SB2 */
	return due;
}

/*
 * Enter a store of `size` bytes to p, which the caller makes right after this
 * call.  If the buffer is full, its oldest store becomes visible.
 */
void
lwkt__store_put(void *p, unsigned size)
{
	struct buffer *b;
	struct store *s;

	if (lwkt__sim_mcpu == NULL || lwkt__sim.s_muted != 0)
		return;
	b = mine();
	if (b->b_n == capacity)
		drop(b, 1);
	s = &b->b_store[b->b_n];
	s->s_due = due_next(b);
	s->s_p = p;
	s->s_size = size;
	s->s_other = size == 1 ? *(uint8_t *)p : size == 4 ?
	    *(uint32_t *)p : *(uint64_t *)p;
	b->b_n++;
	if (s->s_due < next_due)
		next_due = s->s_due;				/* SB3 */
}

/* Empty the buffer of the CPU that runs: its stores are in memory. */
void
lwkt__store_drain(void)
{
	if (lwkt__sim_mcpu != NULL && lwkt__sim.s_muted == 0)
		drop(mine(), mine()->b_n);
}

/* Empty all buffers, before the host changes memory or fences all CPUs. */
void
sim_store_drain_all(void)
{
	int cpu;

	if (!lwkt__stores || lwkt__sim_mcpu == NULL)
		return;
	drop(mine(), mine()->b_n);
	for (cpu = 0; cpu < lwkt__sim.s_ncpus; cpu++)
		write_oldest(&buffers[cpu], buffers[cpu].b_n);
}

/* Put a CPU's pending stores into memory for a report; return how many. */
uint32_t
sim_store_reveal(const struct machine_host *h)
{
	struct buffer *b = &buffers[h->h_cpu];
	uint32_t n = b->b_n, i;

	for (i = 0; i < n && h->h_mc != lwkt__sim_mcpu; i++)
		exchange(&b->b_store[i]);
	b->b_n = 0;
	return n;
}

/* Return how many of the oldest entries are due. */
static uint32_t
due_count(const struct buffer *b)
{
	uint32_t n = 0;

	while (n < b->b_n && b->b_store[n].s_due <= lwkt__sim.s_steps)
		n++;
	return n;
}

/* Make the stores that are due visible.  Called at each choice point. */
void
sim_store_step(void *frame)
{
	struct buffer *self = mine(), *b;

	self->b_top = (char *)frame + FRAME_LINK;
	if (lwkt__sim.s_steps < next_due)
		return;
	drop(self, due_count(self));
	next_due = UINT64_MAX;
	view_out(self);
	for (b = buffers; b < buffers + lwkt__sim.s_ncpus; b++) {
		if (b != self)
			write_oldest(b, due_count(b));
		if (b->b_n > 0 && b->b_store[0].s_due < next_due)
			next_due = b->b_store[0].s_due;
	}
	view_in(self);
}

/*
 * Give memory the common view, because another CPU goes on.  The stores that
 * sim_explore_hold() does not keep pending are then written.
 */
void
sim_store_leave(enum choice kind)
{
	struct buffer *b = mine();

	if (b->b_n == 0)
		return;
	view_out(b);
	write_oldest(b, b->b_n - sim_explore_hold(kind, b->b_n));
	b->b_held = b->b_n;
	if (b->b_n > 0)
		sim_trace_event("sim.hold", "cpu=%llu stores=%llu",
		    (uint64_t)(b - buffers), b->b_n);
}

/* Give memory the view of the CPU that now goes on. */
void
sim_store_arrive(void)
{
	view_in(mine());
}
