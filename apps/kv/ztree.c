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
#define RB_AUGMENT(m)	size_update(m)
#include "ztree.h"

#include <assert.h>
#include <string.h>

RB_HEAD(ztree, kv_member);

static inline struct ztree *
tree(struct kv_obj *z)
{
	_Static_assert(sizeof(struct ztree) == sizeof(z->o_root), "one root");
	return (struct ztree *)&z->o_root;
}

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

size_t
kv_member_keyoff(void)
{
	return offsetof(struct kv_member, m_name);
}

static void
sizes_up(struct kv_member *m)
{
	for (; m != NULL; m = RB_PARENT(m, m_link))
		size_update(m);
}

static void
tree_insert(struct kv_obj *z, struct kv_member *m, double score)
{
	struct kv_member *other;

	m->m_score = score;
	m->m_size = 1;
	other = RB_INSERT(ztree, tree(z), m);
	assert(other == NULL);
	sizes_up(m);
}

static void
tree_remove(struct kv_obj *z, struct kv_member *m)
{
	struct kv_member *from = RB_PARENT(m, m_link), *next;

	/* The place that becomes vacant: m's, or that of its successor. */
	if (RB_LEFT(m, m_link) != NULL && RB_RIGHT(m, m_link) != NULL) {
		next = RB_NEXT(ztree, tree(z), m);
		from = RB_PARENT(next, m_link);
		if (from == m)
			from = next;
	}
	RB_REMOVE(ztree, tree(z), m);
	sizes_up(from);
}

/* A new member. */
struct kv_member *
kv_zset_add(struct kv_obj *z, const struct kv_arg *name, double score)
{
	struct kv_member *m = (struct kv_member *)kv_dict_add(&z->o_dict,
	    kv_hash(name->a_p, name->a_len), name->a_p, name->a_len);

	tree_insert(z, m, score);
	return m;
}

void
kv_zset_rescore(struct kv_obj *z, struct kv_member *m, double score)
{
	struct kv_member *prev = RB_PREV(ztree, tree(z), m);
	struct kv_member *next = RB_NEXT(ztree, tree(z), m);

	if ((prev == NULL || prev->m_score < score) &&
	    (next == NULL || next->m_score > score)) {
		m->m_score = score;	/* its place stays */
		return;
	}
	tree_remove(z, m);
	tree_insert(z, m, score);
}

void
kv_zset_remove(struct kv_obj *z, struct kv_member *m)
{
	tree_remove(z, m);
	kv_dict_remove(&z->o_dict, &m->m_node);
	kv_free(m);
}

/* How many members are before this one. */
uint64_t
kv_zset_rank(const struct kv_member *m)
{
	uint64_t rank = size_of(RB_LEFT(m, m_link));

	for (const struct kv_member *up; (up = RB_PARENT(m, m_link)) != NULL;
	    m = up) {
		if (m == RB_RIGHT(up, m_link))
			rank += 1 + size_of(RB_LEFT(up, m_link));
	}
	return rank;
}

/* The member of a rank; NULL behind the last. */
struct kv_member *
kv_zset_at(struct kv_obj *z, uint64_t rank)
{
	struct kv_member *m = z->o_root;

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
kv_zset_before(struct kv_obj *z,
    bool (*before)(const struct kv_member *, const void *), const void *arg)
{
	struct kv_member *m = z->o_root;
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

/* Panic unless the tree is in order; for tests. */
void
kv_zset_check(struct kv_obj *z)
{
	struct kv_member *m, *prev = NULL;
	uint64_t n = 0;

	kv_dict_check(&z->o_dict);
	RB_FOREACH(m, ztree, tree(z)) {
		assert(prev == NULL || compare(prev, m) < 0);
		assert(m->m_size == 1 + size_of(RB_LEFT(m, m_link)) +
		    size_of(RB_RIGHT(m, m_link)));		/* I2 */
		prev = m;
		n++;
	}
	assert(n == z->o_dict.d_count);				/* I1 */
}
