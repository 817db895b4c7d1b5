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
 * Serializers have no name, so each is a class of its own.  There is no edge
 * between two locks of the same class.  A try adds no edge, because it does not
 * wait, nor does a request for a lock that the thread already holds, such as an
 * upgrade.  Tokens are not in the graph: a thread that waits releases its
 * tokens.
 *
 * The locks that a thread holds are recorded in its own memory (tc_held).  Some
 * are missing there: a lock that is granted later to a request with a callback,
 * locks beyond HELD_RECS, and shared takings of lockmgr locks (see below).  The
 * locks that a pthread holds are not recorded.
 *
 * Only the thread that took a lock may release it, with one exception: a shared
 * taking of a lockmgr lock may be released or upgraded by any thread, even
 * after the thread that took the lock has ended.  So the records of these
 * takings are in a table of all threads (shared).  A release removes a record
 * of the caller if there is one, else a record of a thread that has ended, else
 * one of any thread.  The last choice may be wrong, but the number of records
 * is right.  Until the release, the lock counts as held by the thread that took
 * it.
 *
 * All CPUs share the graph and the table of shared takings; one lock protects
 * both, and this lock is not in the graph.  To take and to release this lock
 * are choice points of the simulated machine: a seed has another schedule with
 * these checks than without them.  When the tables are full, new classes, edges
 * and takings are not recorded.
 *
 * INVARIANTS
 * LG1 The edges that were not reported form no cycle.
 * LG2 A record of a taking that any thread may release is in `shared`, not in
 *     tc_held.  sh_td is the thread that took the lock, or NULL if that thread
 *     has ended.
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
#define SHARED_MAX	1024	/* records of 32 bytes */
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

struct order_shared {
	struct order_held sh_held;
	lwkt_thread_t	 sh_td;		/* LG2 */
};

/* graph_lock protects what follows. */
static uint32_t graph_lock;
static struct order_class classes[CLASSES_MAX];
static struct order_edge edges[EDGES_MAX];
static unsigned nclasses, nedges;	/* entries in use, with edge 0 */
static uint32_t nsearches;		/* calls of reaches() */
static uint16_t todo[CLASSES_MAX];	/* classes that reaches() must visit */
static struct order_shared shared[SHARED_MAX];	/* in order of taking */
static uint32_t nshared;		/* entries in use */

static const char *const kind_name[] = {
	"spinlock", "mtx", "lockmgr lock", "serializer", "mutex"
};

/* Empty the graph and the table of shared takings. */
void
lockorder_boot(void)
{
	memset(classes, 0, sizeof(classes));
	nclasses = 0;
	nedges = 1;
	nsearches = 0;
	nshared = 0;
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

/*
 * Return 1 + the index of td's last record of the lock in tc_held, or 0 if
 * there is none.
 */
static uint32_t
held_find(lwkt_thread_t td, const void *lock)
{
	uint32_t i = td->td_cold->tc_nheld;

	while (i > 0 && td->td_cold->tc_held[i - 1].oh_lock != lock)
		i--;
	return i;
}

/*
 * Return 1 + the index of the last record in `shared` that says that td (NULL:
 * a thread that has ended) took the lock, or 0 if there is none.
 */
static uint32_t
shared_find(lwkt_thread_t td, const void *lock)
{
	uint32_t i = nshared;

	while (i > 0 && (shared[i - 1].sh_held.oh_lock != lock ||
	    shared[i - 1].sh_td != td))
		i--;
	return i;
}

/* Add a record to tc_held of td; if the table is full, do nothing. */
static void
held_add(lwkt_thread_t td, const struct order_held *held)
{
	struct thread_cold *cold = td->td_cold;

	if (cold->tc_nheld < HELD_RECS)
		cold->tc_held[cold->tc_nheld++] = *held;
}

/* Remove entry i of tc_held of td. */
static void
held_remove(lwkt_thread_t td, uint32_t i)
{
	struct order_held *held = td->td_cold->tc_held;

	memmove(&held[i], &held[i + 1], (--td->td_cold->tc_nheld - i) *
	    sizeof(*held));
}

/*
 * td releases or upgrades a shared taking of the lock: remove a record of such
 * a taking (THEORY says which), store it in *held and return 1.  Return 0 if
 * there is none.
 */
static int
shared_remove(lwkt_thread_t td, const void *lock, struct order_held *held)
{
	uint32_t i = shared_find(td, lock);

	if (i == 0)
		i = shared_find(NULL, lock);
	if (i == 0)
		for (i = nshared; i > 0; i--)
			if (shared[i - 1].sh_held.oh_lock == lock)
				break;
	if (i == 0)
		return 0;
	*held = shared[--i].sh_held;
	memmove(&shared[i], &shared[i + 1], (--nshared - i) *
	    sizeof(*shared));
	return 1;
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
 * td holds `held` and requests class `to` at pc: add an edge, unless both are
 * of one class, and report it if it closes a cycle.
 */
static void
want_after(lwkt_thread_t td, const struct order_held *held, unsigned to,
    const void *pc)
{
	unsigned e;

	if (held->oh_class == to)
		return;
	e = edge_add(held, to, pc);
	if (e == NONE || !reaches(to, held->oh_class))
		return;
	report(td, &edges[e]);					/* LG1 */
	counter_inc(mygd()->gd_cntbias, inversions);
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
	unsigned to;
	uint32_t i;

	if (td == NULL || held_find(td, lock) != 0)
		return;
	cold = td->td_cold;
	graph_enter();
	to = shared_find(td, lock) != 0 ? CLASSES_MAX :
	    class_find(kind, lock, name);
	for (i = 0; i < cold->tc_nheld && to != CLASSES_MAX; i++)
		want_after(td, &cold->tc_held[i], to, pc);
	for (i = 0; i < nshared && to != CLASSES_MAX; i++)
		if (shared[i].sh_td == td)
			want_after(td, &shared[i].sh_held, to, pc);
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
	unsigned class;

	if (td == NULL || td->td_cold->tc_nheld == HELD_RECS)
		return;
	graph_enter();
	class = class_find(kind, lock, name);
	graph_exit();
	if (class != CLASSES_MAX)
		held_add(td, &(struct order_held){ lock, pc,
		    (uint16_t)class });
}

/*
 * Remove the record of the taking of the lock that the caller releases, if
 * there is one: its own last one, or that of a shared taking (LG2).
 */
void
lockorder_drop(const void *lock)
{
	lwkt_thread_t td = caller();
	struct order_held held;
	uint32_t i;

	if (td == NULL)
		return;
	if ((i = held_find(td, lock)) != 0) {
		held_remove(td, i - 1);
		return;
	}
	graph_enter();
	(void)shared_remove(td, lock, &held);
	graph_exit();
}

/* From now on any thread may release the caller's takings of the lock. */
void
lockorder_shared(const void *lock)
{
	lwkt_thread_t td = caller();
	uint32_t i;

	if (td == NULL)
		return;
	graph_enter();
	for (; (i = held_find(td, lock)) != 0; held_remove(td, i - 1))
		if (nshared < SHARED_MAX)			/* LG2 */
			shared[nshared++] = (struct order_shared){
			    td->td_cold->tc_held[i - 1], td };
	graph_exit();
}

/*
 * The caller has upgraded a shared taking of the lock: move the record to its
 * tc_held.  If the caller was already the exclusive holder, do nothing.
 */
void
lockorder_owned(const void *lock)
{
	lwkt_thread_t td = caller();
	struct order_held held;
	int found;

	if (td == NULL || held_find(td, lock) != 0)
		return;
	graph_enter();
	found = shared_remove(td, lock, &held);			/* LG2 */
	graph_exit();
	if (found)
		held_add(td, &held);
}

/* Return the number of records of takings of td. */
uint32_t
lockorder_count(lwkt_thread_t td)
{
	uint32_t n = td->td_cold->tc_nheld, i;

	graph_enter();
	for (i = 0; i < nshared; i++)
		n += shared[i].sh_td == td;
	graph_exit();
	return n;
}

/*
 * td exits: panic if it has a record in tc_held.  Shared takings that another
 * thread may release stay.
 */
void
lockorder_exit(lwkt_thread_t td)
{
	const struct order_held *held = td->td_cold->tc_held;
	const struct order_class *oc = &classes[held->oh_class];
	void *pc = (void *)(uintptr_t)held->oh_pc;
	uint32_t i;

	graph_enter();
	for (i = 0; i < nshared; i++)
		if (shared[i].sh_td == td)
			shared[i].sh_td = NULL;			/* LG2 */
	graph_exit();
	if (td->td_cold->tc_nheld == 0)
		return;
	lwkt_printf("lwkt: the lock was taken at");
	machine_backtrace_print(&pc, 1);
	lwkt_panic("thread \"%s\" exits with %s \"%s\" held", td->td_name,
	    kind_name[oc->oc_kind], oc->oc_name != NULL ? oc->oc_name : "");
}
