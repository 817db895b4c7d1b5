/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of locks: a report of orders that can deadlock, before they do.
 *
 * THEORY
 * Assume that one thread requests lock B while it holds A, and another thread
 * requests A while it holds B.  They may wait for each other for ever; whether
 * they do depends on chance.  So in invariants builds a graph records every
 * request that may wait for a lock, even if it did not have to wait.  A request
 * adds an edge from each lock that the thread holds to the lock that it
 * requests.  A new edge that closes a cycle is reported, once, with the places
 * in the program that belong to the edges of the cycle.
 *
 * Locks of one kind with one name (the same string in memory) are one vertex, a
 * class: a program makes many such locks and uses them in the same way.
 * Serializers have no name, so each is a class of its own.  A request for a
 * lock while another one of the same class is held adds no edge.  A try adds no
 * edge either, because it does not wait, nor does a request for a lock that the
 * thread already holds, such as an upgrade.  Tokens are not in the graph: a
 * thread that waits releases its tokens.
 *
 * The locks that a thread holds are recorded in its own memory (tc_held).  Some
 * are missing there: a lock that is granted later to a request with a callback,
 * a lock that a pthread holds, and locks beyond HELD_RECS.  If one thread takes
 * a lock shared and another thread releases it, the record of the first thread
 * stays.
 *
 * All CPUs share the graph; the lock of the graph is not in it.  Nothing in
 * this file is a choice point of the simulated machine: a seed has the same
 * schedule with and without these checks.  When the tables are full, new
 * classes and edges are not recorded.
 *
 * INVARIANTS
 * LG1 The edges that were not reported form no cycle.
 *
 * Source: the idea of FreeBSD's witness and Linux's lockdep.
 */
#include "kern/cpu/globaldata.h"
#include "kern/lock/lockorder.h"

#include <string.h>

COUNTER(inversions, "lwkt.lock_inversions",
    "orders of locks that can deadlock");

#define CLASSES_MAX	1024	/* at most half are used; power of two */
#define EDGES_MAX	8192	/* of 24 bytes; edge 0 is not used */
#define NONE		0	/* in place of an edge: there is none */

struct order_class {
	const void	*oc_key;	/* name, or lock; NULL: unused entry */
	const char	*oc_name;	/* NULL: a serializer */
	enum lock_kind	 oc_kind;
	uint16_t	 oc_edges;	/* first edge from here, or NONE */
	uint16_t	 oc_via;	/* last search: edge to this class */
	uint32_t	 oc_seen;	/* number of the last search here */
};

struct order_edge {
	uint16_t	 oe_from;	/* index in classes: the held lock */
	uint16_t	 oe_to;		/* index: the requested lock */
	uint16_t	 oe_next;	/* next edge from oe_from, or NONE */
	const void	*oe_held_pc;	/* where oe_from was taken */
	const void	*oe_pc;		/* where oe_to was requested */
};

/* graph_lock protects what follows. */
static uint32_t graph_lock;
static struct order_class classes[CLASSES_MAX];
static struct order_edge edges[EDGES_MAX];
static unsigned nclasses, nedges;	/* entries in use, with edge 0 */
static uint32_t nsearches;		/* calls of reaches() */
static uint16_t todo[CLASSES_MAX];	/* classes that reaches() must visit */

static const char *const kind_name[] = {
	"spinlock", "mtx", "lockmgr lock", "serializer", "mutex"
};

/* Empty the graph. */
void
lockorder_boot(void)
{
	memset(classes, 0, sizeof(classes));
	nclasses = 0;
	nedges = 1;
	nsearches = 0;
}

/* Take the lock of the graph; the CPU spins. */
static void
graph_enter(void)
{
	unsigned turn = 0;

	while (atomic_swap_32(&graph_lock, 1) != 0)
		machine_pause(turn++);
}

static void
graph_exit(void)
{
	atomic_store_rel_32(&graph_lock, 0);
}

/*
 * Return the index of the class of a lock.  If it has none yet, make one; if
 * the table is full, return CLASSES_MAX.
 */
static unsigned
class_find(enum lock_kind kind, const void *lock, const char *name)
{
	const void *key = name != NULL ? (const void *)name : lock;
	unsigned i = (unsigned)((uintptr_t)key * 0x9e3779b1u >> 7) + kind;
	struct order_class *oc;

	for (;; i++) {
		oc = &classes[i % CLASSES_MAX];
		if (oc->oc_key == key && oc->oc_kind == kind)
			return i % CLASSES_MAX;
		if (oc->oc_key == NULL)
			break;
	}
	if (nclasses == CLASSES_MAX / 2)
		return CLASSES_MAX;
	nclasses++;
	*oc = (struct order_class){ key, name, kind, NONE, NONE, 0 };
	return i % CLASSES_MAX;
}

/*
 * Record that class `to` was requested at pc while `held` was held.  Returns
 * the new edge, or NONE if the edge exists already or the table is full.
 */
static unsigned
edge_add(const struct order_held *held, unsigned to, const void *pc)
{
	struct order_class *oc = &classes[held->oh_class];
	unsigned e;

	for (e = oc->oc_edges; e != NONE; e = edges[e].oe_next)
		if (edges[e].oe_to == to)
			return NONE;
	if (nedges == EDGES_MAX)
		return NONE;
	e = nedges++;
	edges[e] = (struct order_edge){ held->oh_class, (uint16_t)to,
	    oc->oc_edges, held->oh_pc, pc };
	oc->oc_edges = (uint16_t)e;
	return e;
}

/*
 * Return 1 if a path of edges leads from class `from` to class `to`, else 0.
 * If there is a path, its last edge is oc_via of `to`; oc_via of the class
 * where that edge begins is the edge before, and so on back to `from`.
 */
static int
reaches(unsigned from, unsigned to)
{
	unsigned n = 0, at, e, next;

	classes[from].oc_seen = ++nsearches;
	todo[n++] = (uint16_t)from;
	while (n > 0) {
		at = todo[--n];
		if (at == to)
			return 1;
		for (e = classes[at].oc_edges; e != NONE;
		    e = edges[e].oe_next) {
			next = edges[e].oe_to;
			if (classes[next].oc_seen == nsearches)
				continue;
			classes[next].oc_seen = nsearches;
			classes[next].oc_via = (uint16_t)e;
			todo[n++] = (uint16_t)next;
		}
	}
	return 0;
}

/* Print one edge. */
static void
show_edge(const struct order_edge *oe)
{
	const struct order_class *from = &classes[oe->oe_from];
	const struct order_class *to = &classes[oe->oe_to];
	void *held_pc = (void *)(uintptr_t)oe->oe_held_pc;
	void *pc = (void *)(uintptr_t)oe->oe_pc;

	lwkt_printf("lwkt:   %s \"%s\" was taken at", kind_name[from->oc_kind],
	    from->oc_name != NULL ? from->oc_name : "");
	machine_backtrace_print(&held_pc, 1);
	lwkt_printf("lwkt:   and then %s \"%s\" was requested at",
	    kind_name[to->oc_kind], to->oc_name != NULL ? to->oc_name : "");
	machine_backtrace_print(&pc, 1);
}

/*
 * Print the cycle that the new edge oe has closed.  reaches() has just found
 * the path from oe_to to oe_from.
 */
static void
report(lwkt_thread_t td, const struct order_edge *oe)
{
	unsigned at = oe->oe_from, e;

	lwkt_printf("lwkt: lock order: thread \"%s\" can deadlock with a "
	    "thread that takes its locks in another order:", td->td_name);
	show_edge(oe);
	lwkt_printf("lwkt: the other order, seen before:");
	while (at != oe->oe_to) {
		e = classes[at].oc_via;
		show_edge(&edges[e]);
		at = edges[e].oe_from;
	}
}

/* Return whether the lock is recorded as held by the thread of cold. */
static int
holds(const struct thread_cold *cold, const void *lock)
{
	uint32_t i;

	for (i = 0; i < cold->tc_nheld; i++)
		if (cold->tc_held[i].oh_lock == lock)
			return 1;
	return 0;
}

/*
 * Return the calling thread.  Return NULL on a plain pthread, and on a CPU that
 * has not run a thread yet.
 */
static lwkt_thread_t
caller(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? mc->mc_curthread : NULL;
}

/*
 * The caller requests the lock at pc, and may wait for it: add edges from all
 * locks that it holds to this one, and report each new edge that closes a
 * cycle.  If the caller already holds the lock, do nothing.
 */
void
lockorder_want(enum lock_kind kind, const void *lock, const char *name,
    const void *pc)
{
	lwkt_thread_t td = caller();
	struct thread_cold *cold;
	unsigned to, e;
	uint32_t i;

	if (td == NULL || td->td_cold->tc_nheld == 0 ||
	    holds(td->td_cold, lock))
		return;
	cold = td->td_cold;
	graph_enter();
	to = class_find(kind, lock, name);
	for (i = 0; i < cold->tc_nheld && to != CLASSES_MAX; i++) {
		if (cold->tc_held[i].oh_class == to)
			continue;
		e = edge_add(&cold->tc_held[i], to, pc);
		if (e == NONE || !reaches(to, cold->tc_held[i].oh_class))
			continue;
		report(td, &edges[e]);				/* LG1 */
		counter_inc(mygd()->gd_cntbias, inversions);
	}
	graph_exit();
}

/*
 * Record that the caller has taken the lock at pc.  If the table of classes or
 * tc_held is full, do nothing.
 */
void
lockorder_took(enum lock_kind kind, const void *lock, const char *name,
    const void *pc)
{
	lwkt_thread_t td = caller();
	struct thread_cold *cold;
	unsigned class;

	if (td == NULL || td->td_cold->tc_nheld == HELD_RECS)
		return;
	cold = td->td_cold;
	graph_enter();
	class = class_find(kind, lock, name);
	graph_exit();
	if (class == CLASSES_MAX)
		return;
	cold->tc_held[cold->tc_nheld++] = (struct order_held){ lock, pc,
	    (uint16_t)class };
}

/* Remove the caller's record of its last taking of the lock, if any. */
void
lockorder_drop(const void *lock)
{
	lwkt_thread_t td = caller();
	struct order_held *held;
	uint32_t i;

	if (td == NULL)
		return;
	held = td->td_cold->tc_held;
	for (i = td->td_cold->tc_nheld; i-- > 0; )
		if (held[i].oh_lock == lock)
			break;
	if (i == UINT32_MAX)
		return;
	memmove(&held[i], &held[i + 1], (--td->td_cold->tc_nheld - i) *
	    sizeof(*held));
}

/* Panic if td, which exits, still has a record of a lock that it holds. */
void
lockorder_exit(lwkt_thread_t td)
{
	const struct order_held *held = td->td_cold->tc_held;
	const struct order_class *oc = &classes[held->oh_class];
	void *pc = (void *)(uintptr_t)held->oh_pc;

	if (td->td_cold->tc_nheld == 0)
		return;
	lwkt_printf("lwkt: the lock was taken at");
	machine_backtrace_print(&pc, 1);
	lwkt_panic("thread \"%s\" exits with %s \"%s\" held", td->td_name,
	    kind_name[oc->oc_kind], oc->oc_name != NULL ? oc->oc_name : "");
}
