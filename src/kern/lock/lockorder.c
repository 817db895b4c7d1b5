/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of locks: a report of what could deadlock, before it does.
 *
 * THEORY
 * If one thread waits for lock B while it holds A, and another one for A while
 * it holds B, they may wait for each other forever; whether they do depends on
 * chance.  So in invariants builds every request that may wait for a lock is
 * noted, even if it did not have to wait.  It adds an edge from each lock that
 * the thread holds to the lock that it wants.  An edge that closes a cycle is
 * reported, once, with the places in the program of all its edges.
 *
 * Locks of one kind and name are one vertex: a program makes many and uses them
 * in the same way.  Serializers have no name, so each is a vertex.  Two locks
 * of one vertex held together say nothing about order and are not noted.  A try
 * is not noted either, because it does not wait.  Tokens are not locks in this
 * sense: no thread waits while it holds one.
 *
 * What a thread holds is recorded in its own memory (tc_held).  A shared lock
 * that another thread releases, or a lock that is granted to a request that
 * does not wait, is not recorded.  Such a lock is missed, never reported
 * wrongly.
 *
 * The graph belongs to all CPUs; its own lock is not in the graph.  Nothing
 * here is a choice point: a seed has the same schedule with and without these
 * checks.  When the tables are full, new edges are dropped.
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

#define CLASSES_MAX	1024	/* kinds and names; power of two */
#define EDGES_MAX	8192	/* of 24 bytes */
#define NONE		0

struct order_class {
	const void	*oc_key;	/* NULL: free */
	const char	*oc_name;
	enum lock_kind	 oc_kind;
	uint16_t	 oc_edges;	/* its first edge, or NONE */
	uint16_t	 oc_via;	/* edge by which a search came here */
	uint32_t	 oc_seen;	/* number of that search */
};

struct order_edge {
	uint16_t	 oe_from;	/* classes */
	uint16_t	 oe_to;
	uint16_t	 oe_next;	/* of oe_from */
	const void	*oe_held_pc;	/* where oe_from was taken */
	const void	*oe_pc;		/* where oe_to was wanted */
};

/* All under graph_lock. */
static uint32_t graph_lock;
static struct order_class classes[CLASSES_MAX];
static struct order_edge edges[EDGES_MAX];	/* edge 0 is NONE */
static unsigned nclasses, nedges;
static uint32_t nsearches;
static uint16_t todo[CLASSES_MAX];

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

/* Take the lock of the graph. */
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
 * Find or make the vertex of a lock.  Returns CLASSES_MAX if the table is full.
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
 * Note that `to` was wanted while `held` was held.  Returns the new edge, or
 * NONE.
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
 * Tell whether edges lead from one class to the other; oc_via records the path.
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

/* Print the cycle that this edge has closed; reaches() has just found it. */
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

/* Tell whether the lock is recorded as held. */
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
 * Return the calling thread, or NULL on a plain pthread and before any thread.
 */
static lwkt_thread_t
caller(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? mc->mc_curthread : NULL;
}

/*
 * Add edges from all held locks to the one that the caller requests, and report
 * those that close a cycle.
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

/* Record that the caller holds the lock. */
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

/* Remove the record of the last taking of this lock, if there is one. */
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

/* Panic if td, which exits, still holds a lock. */
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
