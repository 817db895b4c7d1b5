/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counted memory, shared byte strings, and the log.
 *
 * THEORY: --maxmemory needs to know how much memory is in use, and a counter
 * that all CPUs write would cost more than the allocation.  So each CPU has a
 * counter in a separate cache line.  All code of a CPU runs on its host thread,
 * whose thread-local storage says which counter that is.  Memory may be freed
 * on another CPU than it was allocated on.  So a single counter may go below
 * zero, but the sum is right.  Sizes are malloc's own (malloc_usable_size), so
 * no caller has to remember them.
 *
 * Linux needs 0.1 ms to take back each megabyte of a large string.  So a string
 * of TRASH_MIN bytes or more that has lost its last reference waits in a list
 * of the CPU that gave it up.  kv_mem_sweep() gives back one megabyte of it at
 * a time.
 *
 * INVARIANTS
 * MEM1 A counter and a list are written by the host thread of their CPU alone.
 * MEM2 The bytes of a blob change only while it has at most one reference.
 */
#include "base/kv.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define TRASH_MIN	(2u << 20)
#define TRASH_STEP	(1u << 20)

static struct {
	_Alignas(64) _Atomic int64_t	used;
	struct kv_blob	*trash;		/* large strings; b_data: the next */
} counts[KV_MAXCPU];
static _Atomic unsigned int nslots = 1;	/* in use, from the first on */
static _Thread_local unsigned int slot;

/*
 * Note that the caller's host thread is that of this CPU.  Context: the start,
 * one CPU after the other.
 */
void
kv_mem_slot(unsigned int cpu)
{
	slot = cpu;
	nslots = cpu + 1;
}

/* Add to this CPU's counter. */
static void
count(int64_t delta)
{
	_Atomic int64_t *used = &counts[slot].used;

	atomic_store_explicit(used,
	    atomic_load_explicit(used, memory_order_relaxed) + delta,
	    memory_order_relaxed);				/* MEM1 */
}

/* Return how many bytes are allocated on all CPUs. */
size_t
kv_mem_used(void)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < nslots; i++)
		sum += atomic_load_explicit(&counts[i].used,
		    memory_order_relaxed);
	return sum > 0 ? (size_t)sum : 0;
}

/*
 * Count what malloc or its like returned, in place of old bytes.  If there was
 * no memory, exit.
 */
static inline void *
counted(void *p, size_t size, size_t old)
{
	if (p == NULL)
		kv_die("out of memory: %zu bytes were requested", size);
	count((int64_t)(malloc_usable_size(p) - old));
	return p;
}

/* Allocate memory that is zero. */
void *
kv_zalloc(size_t size)
{
	return counted(calloc(1, size), size, 0);
}

/* Change the size of allocated memory; if p is NULL, allocate memory. */
void *
kv_realloc(void *p, size_t size)
{
	size_t old = malloc_usable_size(p);

	return counted(realloc(p, size), size, old);
}

/* Free memory of any CPU; NULL is allowed. */
void
kv_free(void *p)
{
	count(-(int64_t)malloc_usable_size(p));
	free(p);
}

/* Make a string with room for cap bytes, of which p has the first len. */
struct kv_blob *
kv_blob_new(const void *p, size_t len, size_t cap)
{
	struct kv_blob *b = kv_alloc(sizeof(*b) + cap);

	atomic_init(&b->b_refs, 1);
	b->b_len = (uint32_t)len;
	b->b_cap = (uint32_t)cap;
	memcpy(b->b_data, p, len);
	return b;
}

/* Take one more reference. */
struct kv_blob *
kv_blob_ref(struct kv_blob *b)
{
	atomic_fetch_add_explicit(&b->b_refs, 1, memory_order_relaxed);
	return b;
}

/*
 * Return whether the caller has the only reference.  If it has, no other thread
 * can take one meanwhile, so a load without a locked instruction is enough.
 */
static inline bool
blob_mine(struct kv_blob *b)
{
	return atomic_load_explicit(&b->b_refs, memory_order_acquire) == 1;
}

/* Give up a reference; the last one frees the string, a large one later. */
void
kv_blob_unref(struct kv_blob *b)
{
	if (b == NULL || (!blob_mine(b) && atomic_fetch_sub_explicit(
	    &b->b_refs, 1, memory_order_acq_rel) != 1))
		return;
	if (b->b_cap < TRASH_MIN) {
		kv_free(b);
		return;
	}
	memcpy(b->b_data, &counts[slot].trash, sizeof(b));
	counts[slot].trash = b;					/* MEM1 */
}

/* Return whether this CPU has large strings to give back. */
bool
kv_mem_dirty(void)
{
	return counts[slot].trash != NULL;
}

/* Give back some pages of the first large string, or what is left of it. */
void
kv_mem_sweep(void)
{
	struct kv_blob *b = counts[slot].trash;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, end;

	if (b->b_cap < TRASH_MIN) {
		memcpy(&counts[slot].trash, b->b_data, sizeof(b));
		kv_free(b);
		return;
	}
	end = ((uintptr_t)b->b_data + b->b_cap) & -page;
	from = end - TRASH_STEP;
	madvise((char *)b + (from - (uintptr_t)b), end - from,
	    MADV_DONTNEED);
	b->b_cap -= TRASH_STEP;
}

/*
 * Return the string with room for cap bytes, safe to change (MEM2).  If it has
 * other references, it is copied, and the caller's reference is given up.
 */
struct kv_blob *
kv_blob_room(struct kv_blob *b, size_t cap)
{
	struct kv_blob *copy;

	if (!blob_mine(b)) {
		copy = kv_blob_new(b->b_data, b->b_len,
		    cap > b->b_len ? cap : b->b_len);
		kv_blob_unref(b);
		return copy;
	}
	if (cap > b->b_cap) {
		b = kv_realloc(b, sizeof(*b) + cap);
		b->b_cap = (uint32_t)cap;
	}
	return b;
}

/* Take a reference to the argument's own blob, or copy its bytes. */
struct kv_blob *
kv_blob_arg(const struct kv_arg *a)
{
	return a->a_blob != NULL ? kv_blob_ref(a->a_blob) :
	    kv_blob_new(a->a_p, a->a_len, a->a_len);
}

/*
 * Write a line with the time to stderr, by one write(2): lines of different
 * CPUs do not mix, and no lock of libc is held meanwhile.  A long text is cut.
 */
void
kv_log(const char *fmt, ...)
{
	char text[440], line[512];
	struct timespec ts;
	struct tm tm;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ld %s\n",
	    ts.tv_nsec / 1000000, text);
	if (write(STDERR_FILENO, line, n) < 0)
		return;			/* no reader: there is nothing to do */
}
