/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted sets: each member is in a table, by name, and in a tree, by score and
 * then name.
 *
 * THEORY: the tree is libbsd's red-black tree, in which each node also has the
 * size of its subtree.  That gives a member's rank, and the member of a rank,
 * on the way up or down: O(log n).  The tree's macros recompute sizes where
 * they rotate.  The sizes that they leave stale are all on the way from the
 * place of the change up to the root, and are recomputed on that way.
 *
 * Every range of the commands, by score, by name or by index, becomes a range
 * of ranks (kv_zset_before), so one loop reads them all.
 *
 * INVARIANTS
 * ZTR1 A member is in both the table and the tree, or in neither.
 * ZTR2 m_size == 1 + the sizes of the two children.
 */
#define RB_AUGMENT(m)	size_update(m)
#include "shard/ztree.h"

#include <assert.h>

/* Return the size of a subtree; 0 if it is empty. */
static uint64_t
size_of(const struct kv_member *m)
{
	return m != NULL ? m->m_size : 0;
}

/* Recompute the size of a subtree (ZTR2). */
static void
size_update(struct kv_member *m)
{
	m->m_size = 1 + size_of(RB_LEFT(m, m_link)) +
	    size_of(RB_RIGHT(m, m_link));
}

/* Compare two members: by score, then by name. */
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

RB_GENERATE_INTERNAL(kv_ztree, kv_member, m_link, compare,
    static __attribute__((unused)))

/* Recompute sizes from a member up to the root (ZTR2). */
static void
sizes_up(struct kv_member *m)
{
	for (; m != NULL; m = RB_PARENT(m, m_link))
		size_update(m);
}

/* Put a member into the tree. */
static void
tree_insert(struct kv_obj *z, struct kv_member *m, double score)
{
	struct kv_member *other;

	m->m_score = score + 0.0;	/* -0 becomes 0 */
	m->m_size = 1;
	other = RB_INSERT(kv_ztree, &z->o_tree, m);
	assert(other == NULL);
	sizes_up(m);
}

/*
 * Take a member out of the tree; the caller takes it out of the table (ZTR1).
 * If another member takes its place, the macros recompute sizes from the old
 * place of that other member, but not above the place of the removed one.
 */
void
kv_zset_unlink(struct kv_obj *z, struct kv_member *m)
{
	struct kv_member *up = RB_PARENT(m, m_link);

	RB_REMOVE(kv_ztree, &z->o_tree, m);
	sizes_up(up);
}

/* Add a member to the table and the tree (ZTR1). */
struct kv_member *
kv_zset_add(struct kv_obj *z, uint64_t hash, const struct kv_arg *name,
    double score)
{
	struct kv_member *m = (struct kv_member *)kv_dict_add(&z->o_dict, hash,
	    name->a_p, name->a_len);

	tree_insert(z, m, score);
	return m;
}

/* Give a member another score. */
void
kv_zset_rescore(struct kv_obj *z, struct kv_member *m, double score)
{
	kv_zset_unlink(z, m);
	tree_insert(z, m, score);
}

/* Return how many members are before this one. */
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

/* Return the member of a rank; NULL after the last. */
struct kv_member *
kv_zset_at(struct kv_obj *z, uint64_t rank)
{
	struct kv_member *m = RB_ROOT(&z->o_tree);

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

/* Return the next member, or the one before. */
struct kv_member *
kv_zset_step(struct kv_member *m, bool back)
{
	return back ? RB_PREV(kv_ztree, NULL, m) :
	    RB_NEXT(kv_ztree, NULL, m);
}

/* Return how many members, from the first on, are before something. */
uint64_t
kv_zset_before(struct kv_obj *z, kv_before_t before, const void *arg)
{
	struct kv_member *m = RB_ROOT(&z->o_tree);
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
