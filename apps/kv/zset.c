/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted sets: each member is in a table, by name, and in a tree, by score and
 * then name.
 *
 * THEORY: the tree is libbsd's red-black tree, in which each node also knows
 * the size of its subtree; that gives a member's rank, and the member of a
 * rank, on the way up or down: O(log n).  The tree's macros recompute sizes
 * where they rotate; what they leave stale is only ever on the way from the
 * place of the change up to the root, and is recomputed on that way.
 *
 * Every range of the commands, by score, by name or by index, becomes a range
 * of ranks (kv_zset_before), so they all read alike.
 *
 * INVARIANTS
 * I1 a member is in both, or in neither.
 * I2 m_size == 1 + the sizes of the two children.
 */
#include "zset.h"

#include <assert.h>
#include <string.h>

#define RB_AUGMENT(m)	size_update(m)
#include <bsd/sys/tree.h>

struct kv_member {
	struct kv_node		 m_node;
	RB_ENTRY(kv_member)	 m_link;
	double			 m_score;
	uint64_t		 m_size;
	char			 m_name[];
};

struct kv_zset {
	struct kv_table			 z_table;
	RB_HEAD(ztree, kv_member)	 z_tree;
};

static uint64_t
size_of(const struct kv_member *m)
{
	return m != NULL ? m->m_size : 0;
}

static void
size_update(struct kv_member *m)
{
	m->m_size = 1 + size_of(RB_LEFT(m, m_link)) +
	    size_of(RB_RIGHT(m, m_link));
}

static int
compare(const struct kv_member *a, const struct kv_member *b)
{
	uint32_t alen = a->m_node.n_klen, blen = b->m_node.n_klen;
	int c;

	if (a->m_score != b->m_score)
		return a->m_score < b->m_score ? -1 : 1;
	c = memcmp(a->m_name, b->m_name, alen < blen ? alen : blen);
	return c != 0 ? c : (alen > blen) - (alen < blen);
}

RB_GENERATE_INTERNAL(ztree, kv_member, m_link, compare,
    static __attribute__((unused)))

struct kv_zset *
kv_zset_new(void)
{
	struct kv_zset *z = (struct kv_zset *)kv_table_new(KV_ZSET,
	    offsetof(struct kv_member, m_name), sizeof(*z));

	RB_INIT(&z->z_tree);
	return z;
}

struct kv_zset *
kv_zset(struct kv_obj *obj)
{
	return (struct kv_zset *)obj;
}

static void
sizes_up(struct kv_member *m)
{
	for (; m != NULL; m = RB_PARENT(m, m_link))
		size_update(m);
}

static void
tree_insert(struct kv_zset *z, struct kv_member *m)
{
	struct kv_member *other;

	m->m_size = 1;
	other = RB_INSERT(ztree, &z->z_tree, m);
	assert(other == NULL);
	sizes_up(m);
}

static void
tree_remove(struct kv_zset *z, struct kv_member *m)
{
	struct kv_member *from = RB_PARENT(m, m_link), *next;

	/* The place that becomes vacant: m's, or that of its successor. */
	if (RB_LEFT(m, m_link) != NULL && RB_RIGHT(m, m_link) != NULL) {
		next = RB_NEXT(ztree, &z->z_tree, m);
		from = RB_PARENT(next, m_link);
		if (from == m)
			from = next;
	}
	RB_REMOVE(ztree, &z->z_tree, m);
	sizes_up(from);
}

struct kv_member *
kv_zset_find(struct kv_zset *z, const void *name, size_t len)
{
	return (struct kv_member *)kv_dict_find(&z->z_table.t_dict,
	    kv_hash(name, len), name, len);
}

/* A new member. */
void
kv_zset_add(struct kv_zset *z, const void *name, size_t len, double score)
{
	struct kv_member *m = kv_alloc(sizeof(*m) + len);

	m->m_node.n_klen = (uint32_t)len;
	m->m_score = score;
	memcpy(m->m_name, name, len);
	kv_dict_insert(&z->z_table.t_dict, &m->m_node, kv_hash(name, len));
	tree_insert(z, m);
}

void
kv_zset_rescore(struct kv_zset *z, struct kv_member *m, double score)
{
	struct kv_member *prev = RB_PREV(ztree, &z->z_tree, m);
	struct kv_member *next = RB_NEXT(ztree, &z->z_tree, m);

	if ((prev == NULL || prev->m_score < score) &&
	    (next == NULL || next->m_score > score)) {
		m->m_score = score;	/* its place stays */
		return;
	}
	tree_remove(z, m);
	m->m_score = score;
	tree_insert(z, m);
}

void
kv_zset_remove(struct kv_zset *z, struct kv_member *m)
{
	tree_remove(z, m);
	kv_dict_remove(&z->z_table.t_dict, &m->m_node);
	kv_free(m);
}

/* How many members are before this one. */
uint64_t
kv_zset_rank(struct kv_zset *z, struct kv_member *m)
{
	uint64_t rank = size_of(RB_LEFT(m, m_link));

	(void)z;
	for (struct kv_member *up; (up = RB_PARENT(m, m_link)) != NULL;
	    m = up) {
		if (m == RB_RIGHT(up, m_link))
			rank += 1 + size_of(RB_LEFT(up, m_link));
	}
	return rank;
}

/* The member of a rank; NULL behind the last. */
struct kv_member *
kv_zset_at(struct kv_zset *z, uint64_t rank)
{
	struct kv_member *m = RB_ROOT(&z->z_tree);

	while (m != NULL) {
		uint64_t left = size_of(RB_LEFT(m, m_link));

		if (rank == left)
			break;
		if (rank < left) {
			m = RB_LEFT(m, m_link);
		} else {
			rank -= left + 1;
			m = RB_RIGHT(m, m_link);
		}
	}
	return m;
}

struct kv_member *
kv_zset_step(struct kv_member *m, bool back)
{
	return back ? ztree_RB_PREV(m) : ztree_RB_NEXT(m);
}

/* How many members, from the first on, are before something. */
uint64_t
kv_zset_before(struct kv_zset *z,
    bool (*before)(struct kv_member *, const void *), const void *arg)
{
	struct kv_member *m = RB_ROOT(&z->z_tree);
	uint64_t n = 0;

	while (m != NULL) {
		if (before(m, arg)) {
			n += 1 + size_of(RB_LEFT(m, m_link));
			m = RB_RIGHT(m, m_link);
		} else {
			m = RB_LEFT(m, m_link);
		}
	}
	return n;
}

double
kv_member_score(const struct kv_member *m)
{
	return m->m_score;
}

const char *
kv_member_name(const struct kv_member *m, size_t *lenp)
{
	*lenp = m->m_node.n_klen;
	return m->m_name;
}

/* Panic unless the tree is in order; for tests. */
void
kv_zset_check(struct kv_zset *z)
{
	struct kv_member *m, *prev = NULL;
	uint64_t n = 0;

	kv_dict_check(&z->z_table.t_dict);
	RB_FOREACH(m, ztree, &z->z_tree) {
		assert(prev == NULL || compare(prev, m) < 0);
		assert(m->m_size == 1 + size_of(RB_LEFT(m, m_link)) +
		    size_of(RB_RIGHT(m, m_link)));		/* I2 */
		prev = m;
		n++;
	}
	assert(n == z->z_table.t_dict.d_count);			/* I1 */
}
