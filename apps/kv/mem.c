/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counted memory, shared byte strings, and the log.
 *
 * THEORY: --maxmemory needs to know what is in use, and a counter that all
 * CPUs write would cost more than the allocation.  So each CPU has a counter
 * in a cache line of its own, found through thread-local storage of its host
 * thread, where all code of that CPU runs.  Memory may be freed on another CPU
 * than it came from: single counters may go below zero, the sum does not lie.
 * Sizes are malloc's own (malloc_usable_size), so nobody has to remember them.
 *
 * The pages of a large string take the kernel 0.1 ms a megabyte to take back.
 * So a string of TRASH_MIN bytes or more that nobody holds waits in a list of
 * its CPU, of which kv_mem_sweep() gives one megabyte back at a time.
 *
 * INVARIANTS
 * I1 a counter and a list are written by the host thread of their CPU alone.
 * I2 the bytes of a blob change only while it has one reference.
 */
#include "kv.h"

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
	struct kv_blob	*trash;		/* the next one's address in b_data */
} counts[KV_MAXCPU];
static _Atomic unsigned int nslots = 1;	/* in use, from the first on */
static _Thread_local unsigned int slot;

/* The caller's host thread is that of this CPU; one CPU after the other. */
void
kv_mem_slot(unsigned int cpu)
{
	slot = cpu;
	nslots = cpu + 1;
}

static void
count(int64_t delta)
{
	_Atomic int64_t *used = &counts[slot].used;

	atomic_store_explicit(used,
	    atomic_load_explicit(used, memory_order_relaxed) + delta,
	    memory_order_relaxed);				/* I1 */
}

size_t
kv_mem_used(void)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < nslots; i++)
		sum += atomic_load_explicit(&counts[i].used,
		    memory_order_relaxed);
	return sum > 0 ? (size_t)sum : 0;
}

/* What malloc and its family gave, in place of old bytes. */
static inline void *
counted(void *p, size_t size, size_t old)
{
	if (p == NULL)
		kv_die("out of memory: %zu bytes", size);
	count((int64_t)(malloc_usable_size(p) - old));
	return p;
}

void *
kv_zalloc(size_t size)
{
	return counted(calloc(1, size), size, 0);
}

void *
kv_realloc(void *p, size_t size)
{
	size_t old = malloc_usable_size(p);

	return counted(realloc(p, size), size, old);
}

void
kv_free(void *p)
{
	count(-(int64_t)malloc_usable_size(p));
	free(p);
}

/* A string with room for cap bytes, of which these are the first. */
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

struct kv_blob *
kv_blob_ref(struct kv_blob *b)
{
	atomic_fetch_add_explicit(&b->b_refs, 1, memory_order_relaxed);
	return b;
}

/* The last holder needs no locked instruction to know that it is. */
static inline bool
blob_mine(struct kv_blob *b)
{
	return atomic_load_explicit(&b->b_refs, memory_order_acquire) == 1;
}

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
	counts[slot].trash = b;					/* I1 */
}

/* Has this CPU large strings to give back? */
bool
kv_mem_dirty(void)
{
	return counts[slot].trash != NULL;
}

/* Give some of the first one's pages back, or what is left of it. */
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

/* The same string with room for cap bytes, and safe to change (I2). */
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

/* A reference to the argument's own blob, or a copy of its bytes. */
struct kv_blob *
kv_blob_arg(const struct kv_arg *a)
{
	return a->a_blob != NULL ? kv_blob_ref(a->a_blob) :
	    kv_blob_new(a->a_p, a->a_len, a->a_len);
}

/*
 * A line with the time on stderr, in one write(2): lines of different CPUs do
 * not mix, and no lock of libc is held.
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
		return;			/* nobody reads: nothing to do */
}
