/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory: each error of the program is reported.
 */
#include <lwkt/ipiq.h>
#include <lwkt/malloc2.h>
#include <pthread.h>

#include "api/misuse.h"

static LWKT_MALLOC_DEFINE(M_BOOK, "book", "blocks");
static LWKT_MALLOC_DEFINE(M_LEAF, "leaf", "blocks of another type");
static LWKT_MALLOC_DEFINE(M_NEW, "new", "nothing yet");
static LWKT_MALLOC_DEFINE_OBJ(M_NOTE, 40, "note", "objects");
static LWKT_MALLOC_DEFINE_OBJ(M_SONG, 40, "song", "other objects");

static void *
book(size_t size)
{
	return lwkt_kmalloc(size, M_BOOK, LWKT_M_WAITOK);
}

static int
kfree_twice(void *arg)
{
	void *p = book(100);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static void
kfree_it(void *arg)
{
	lwkt_kfree(arg, M_BOOK);
}

static void
on_cpu_1(void (*fn)(void *), void *arg)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE, 1, "thief") != 0)
		_exit(1);
	lwkt_join(td);
}

/* Here, then elsewhere: seen when it would be given out. */
static int
kfree_here_there(void *arg)
{
	void *p = book(100);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	on_cpu_1(kfree_it, p);
	(void)book(100);
	return 0;
}

static int
kfree_there_here(void *arg)
{
	void *p = book(100);

	(void)arg;
	on_cpu_1(kfree_it, p);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static int
kfree_there_there(void *arg)
{
	void *p = book(100);

	(void)arg;
	on_cpu_1(kfree_it, p);
	on_cpu_1(kfree_it, p);
	return 0;
}

static int
kfree_null(void *arg)
{
	(void)arg;
	lwkt_kfree(NULL, M_BOOK);
	return 0;
}

static int
kfree_stack(void *arg)
{
	int here;

	(void)arg;
	lwkt_kfree(&here, M_BOOK);
	return 0;
}

static int
kfree_inside(void *arg)
{
	char *p = book(100);

	(void)arg;
	lwkt_kfree(p + 8, M_BOOK);
	return 0;
}

static int
kfree_inside_large(void *arg)
{
	char *p = book(300000);

	(void)arg;
	lwkt_kfree(p + 200000, M_BOOK);
	return 0;
}

static int
kfree_large_twice(void *arg)
{
	void *p = book(300000);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static int
kfree_other_type(void *arg)
{
	(void)arg;
	lwkt_kfree(lwkt_kmalloc(1, M_LEAF, LWKT_M_WAITOK), M_LEAF);
	lwkt_kfree(book(300000), M_LEAF);
	return 0;
}

static int
kfree_new_type(void *arg)
{
	(void)arg;
	lwkt_kfree(book(10), M_NEW);
	return 0;
}

/*
 * What is written there after the free would lead the next ones astray.  ASan
 * knows, too, and would say so in other words.
 */
static __attribute__((no_sanitize_address)) int
kfree_then_write(void *arg)
{
	volatile uint64_t *p = book(100);
	void *q = book(100);

	(void)arg;
	lwkt_kfree(q, M_BOOK);
	lwkt_kfree((void *)(uintptr_t)p, M_BOOK);
	*p = 0x4141414141414141;
	(void)book(100);
	return 0;
}

static int
kmalloc_over_limit(void *arg)
{
	(void)arg;
	lwkt_kmalloc_raise_limit(M_BOOK, 1000);
	(void)book(1001);
	return 0;
}

static int
kmalloc_no_flags(void *arg)
{
	(void)arg;
	(void)lwkt_kmalloc(1, M_BOOK, LWKT_M_ZERO);
	return 0;
}

static int
krealloc_zero(void *arg)
{
	(void)arg;
	(void)lwkt_krealloc(NULL, 1, M_BOOK, LWKT_M_WAITOK | LWKT_M_ZERO);
	return 0;
}

static int
kfree_object(void *arg)
{
	(void)arg;
	(void)book(1);
	lwkt_kfree(lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK), M_BOOK);
	return 0;
}

static int
kfree_obj_block(void *arg)
{
	(void)arg;
	lwkt_kfree_obj(book(40), M_NOTE);
	return 0;
}

static int
kfree_obj_twice(void *arg)
{
	void *p = lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK);

	(void)arg;
	lwkt_kfree_obj(p, M_NOTE);
	lwkt_kfree_obj(p, M_NOTE);
	return 0;
}

static int
kfree_obj_other(void *arg)
{
	(void)arg;
	lwkt_kfree_obj(lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK), M_SONG);
	return 0;
}

static int
kmalloc_obj_size(void *arg)
{
	(void)arg;
	(void)lwkt_kmalloc_obj(41, M_NOTE, LWKT_M_WAITOK);
	return 0;
}

static void *
kmallocs(void *arg)
{
	return arg == NULL ? book(1) :
	    lwkt_kmalloc_quick(1, M_BOOK, LWKT_M_WAITOK);
}

static int
kmalloc_pthread(void *arg)
{
	pthread_t pt;

	if (pthread_create(&pt, NULL, kmallocs, arg) == 0)
		pthread_join(pt, NULL);
	return 0;
}

static int
kmalloc_quick_pthread(void *arg)
{
	(void)arg;
	return kmalloc_pthread(M_BOOK);
}

/* Not an error, but it is said; then one that ends the process. */
static void
kmalloc_waits(void *arg)
{
	(void)arg;
	lwkt_kfree(book(10), M_BOOK);
}

static int
kmalloc_in_ipi(void *arg)
{
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, kmalloc_waits, NULL));
	return kfree_null(arg);
}

static const struct misuse cases[] = {
	{ "freeing a block twice", kfree_twice, "of 104 bytes" },
	{ "freeing twice, named", kfree_twice, "cpu 0, is freed twice; seen "
	    "by thread \"main\" on cpu 0" },
	{ "freeing twice, then on another CPU", kfree_here_there,
	    "freed twice; seen by thread \"main\" on cpu 0" },
	{ "freeing twice, first on another CPU", kfree_there_here,
	    "freed twice; seen by thread \"main\" on cpu 0" },
	{ "freeing twice on another CPU", kfree_there_there,
	    "freed twice; seen by thread \"thief\" on cpu 1" },
	{ "freeing NULL", kfree_null, "did not come from kmalloc" },
	{ "freeing what is on the stack", kfree_stack,
	    "of malloc type \"book\" to thread \"main\" on cpu 0, did not "
	    "come from kmalloc" },
	{ "freeing the middle of a block", kfree_inside,
	    "is not the start of a block of 104 bytes" },
	{ "freeing the middle of a large block", kfree_inside_large,
	    "is free, or inside a block" },
	{ "freeing a large block twice", kfree_large_twice,
	    "is free, or inside a block" },
	{ "freeing a large block of another type", kfree_other_type,
	    "of malloc type \"book\" is freed as \"leaf\"" },
	{ "freeing with a type of no block", kfree_new_type,
	    "malloc type \"new\", which nothing was allocated with" },
	{ "writing to a free block", kfree_then_write, "was written" },
	{ "WAITOK beyond the limit", kmalloc_over_limit,
	    "malloc type \"book\": no 1001 bytes for thread \"main\" on cpu "
	    "0: 0 in use, limit 1000" },
	{ "neither WAITOK nor NOWAIT", kmalloc_no_flags, "flags 0x100" },
	{ "krealloc with ZERO", krealloc_zero,
	    "krealloc does not take M_ZERO" },
	{ "freeing an object as a block", kfree_object,
	    "came from kmalloc_obj" },
	{ "freeing a block as an object", kfree_obj_block,
	    "did not come from kmalloc_obj" },
	{ "freeing an object twice", kfree_obj_twice,
	    "malloc type \"note\" is freed twice by thread \"main\"" },
	{ "freeing an object of another type", kfree_obj_other,
	    "malloc type \"note\" is freed as \"song\"" },
	{ "an object of another size", kmalloc_obj_size,
	    "41 bytes are requested, its objects have 40" },
	{ "kmalloc by a pthread", kmalloc_pthread,
	    "lwkt_kmalloc is called by a pthread" },
	{ "kmalloc of a constant size by a pthread", kmalloc_quick_pthread,
	    "lwkt_kmalloc is called by a pthread" },
	{ "WAITOK in a callback (a warning)", kmalloc_in_ipi,
	    "malloc type \"book\": 10 bytes are requested with M_WAITOK in a "
	    "callback or a hard section on cpu 1" },
};

int
main(void)
{
	return misuse_run(cases, sizeof(cases) / sizeof(cases[0]));
}
