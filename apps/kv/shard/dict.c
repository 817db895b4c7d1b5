/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table that never rehashes all at once: linear hashing.
 *
 * THEORY: with nb buckets and L = floor(log2 nb), a hash h belongs to bucket
 * h mod 2^(L+1) if that bucket exists, else to h mod 2^L.  The table grows by
 * one bucket: it splits the chain of bucket nb - 2^L by bit L of the hash.  It
 * shrinks by one bucket: it joins the last bucket to the one that it was split
 * from.  Each insertion splits at most one bucket and each removal joins at
 * most four, so no call moves more than a few nodes.  Buckets are in segments
 * whose size doubles, so they never move.  A large new segment is zero pages
 * that were never touched.
 *
 * A scan goes through the buckets in the order of their bit-reversed numbers,
 * in which the two halves of a split bucket are neighbours.  The cursor is the
 * number of the next bucket.  If the table grows between two calls, a node
 * before the cursor stays before it, and a node after it stays after it,
 * whether that bucket was split or not.  So a node that was there all the time
 * is visited once.  If the table shrinks, the cursor's bucket may have been
 * joined to the one before it: then some nodes are visited twice, but none is
 * missed.
 *
 * Neither libbsd nor glibc has a table that grows in small steps (hsearch is
 * of fixed size), so the store has its own.  A table in which only d_keyoff is
 * not zero is empty and owns no memory.
 *
 * INVARIANTS
 * DICT1 Each node is in the bucket of its hash.
 * DICT2 There are d_count nodes; nb/4 - 1 <= d_count <= nb after an insertion
 *       or a removal, unless nb is the smallest or the largest size.
 * DICT3 Segments exist exactly for the buckets that exist, rounded up.
 * DICT4 No chain has more than d_longest nodes.
 *
 * Source: Litwin, "Linear hashing" (1980); the order of the scan is Pieter
 * Noordhuis's for Redis.
 */
#include "shard/dict.h"

#define NB_MIN		4u	/* buckets of a small table, segment 0 */
#define JOIN_MAX	4	/* enough to stay at a quarter full */

/* Return the number of the highest bit of x, which is not 0. */
static inline unsigned int
log2_floor(uint32_t x)
{
	return 31 - (unsigned int)__builtin_clz(x);
}

/* Return the head of bucket b. */
static inline struct kv_node **
slot(const struct kv_dict *d, uint32_t b)
{
	unsigned int l;

	if (b < NB_MIN)
		return &d->d_seg[0][b];
	l = log2_floor(b);
	return &d->d_seg[l - 1][b - (1u << l)];
}

/* Return the bucket of a hash (DICT1). */
static inline uint32_t
bucket_of(const struct kv_dict *d, uint32_t hash)
{
	uint32_t low = 1u << log2_floor(d->d_nbuckets);
	uint32_t b = hash & (low * 2 - 1);

	return b < d->d_nbuckets ? b : b & (low - 1);
}

/* Find the node of a key, or NULL. */
struct kv_node *
kv_dict_find(const struct kv_dict *d, uint64_t hash, const void *key,
    size_t klen)
{
	struct kv_node *n;

	if (d->d_nbuckets == 0)
		return NULL;
	for (n = *slot(d, bucket_of(d, (uint32_t)hash)); n != NULL;
	    n = n->n_next) {
		if (n->n_hash == (uint32_t)hash && n->n_klen == klen &&
		    memcmp(kv_node_key(d, n), key, klen) == 0)
			return n;
	}
	return NULL;
}

/* Note the length of a chain that grew (DICT4). */
static void
note_length(struct kv_dict *d, const struct kv_node *chain)
{
	uint16_t len = 0;

	while (chain != NULL && len < UINT16_MAX) {
		chain = chain->n_next;
		len++;
	}
	if (len > d->d_longest)
		d->d_longest = len;
}

/* Add segment i, of 2^(i+1) buckets (the first: NB_MIN). */
static void
add_segment(struct kv_dict *d, unsigned int i)
{
	size_t n = i == 0 ? NB_MIN : (size_t)2 << i;

	d->d_seg = kv_realloc(d->d_seg, (i + 1) * sizeof(d->d_seg[0]));
	d->d_seg[i] = kv_zalloc(n * sizeof(d->d_seg[0][0]));
}

/* Add a bucket, and move to it the nodes of another one that are its own. */
static void
split(struct kv_dict *d)
{
	uint32_t b = d->d_nbuckets, bit = 1u << log2_floor(b);
	struct kv_node **from, **to, *n;

	if (b == bit)						/* DICT3 */
		add_segment(d, log2_floor(b) - 1);
	d->d_nbuckets++;
	from = slot(d, b - bit);
	to = slot(d, b);
	while ((n = *from) != NULL) {
		if ((n->n_hash & bit) != 0) {
			*from = n->n_next;
			n->n_next = *to;
			*to = n;
		} else {
			from = &n->n_next;
		}
	}
}

/* Remove the last bucket; its nodes go back to where they came from. */
static void
join(struct kv_dict *d)
{
	uint32_t b = d->d_nbuckets - 1, bit = 1u << log2_floor(b);
	struct kv_node **head = slot(d, b - bit), **end = head;

	while (*end != NULL)
		end = &(*end)->n_next;
	*end = *slot(d, b);
	*slot(d, b) = NULL;
	note_length(d, *head);
	d->d_nbuckets = b;
	if (b == bit)						/* DICT3 */
		kv_free(d->d_seg[log2_floor(b) - 1]);
}

/* Add a node for a key that has none; the user's part is zero. */
struct kv_node *
kv_dict_add(struct kv_dict *d, uint64_t hash, const void *key, size_t klen)
{
	struct kv_node *n = kv_alloc(d->d_keyoff + klen), **head;

	memset(n, 0, d->d_keyoff);
	n->n_hash = (uint32_t)hash;
	n->n_klen = (uint32_t)klen;
	memcpy(kv_node_key(d, n), key, klen);
	if (d->d_nbuckets == 0) {
		add_segment(d, 0);
		d->d_nbuckets = NB_MIN;
	} else if (d->d_count >= d->d_nbuckets && d->d_nbuckets < 1u << 31) {
		split(d);					/* DICT2 */
	}
	head = slot(d, bucket_of(d, n->n_hash));
	n->n_next = *head;
	*head = n;
	note_length(d, n);
	d->d_count++;
	return n;
}

/* Take a node out of the table; the caller must free it. */
void
kv_dict_remove(struct kv_dict *d, struct kv_node *n)
{
	struct kv_node **pp = slot(d, bucket_of(d, n->n_hash));

	while (*pp != n)
		pp = &(*pp)->n_next;
	*pp = n->n_next;
	d->d_count--;
	for (int i = 0; i < JOIN_MAX && d->d_nbuckets > NB_MIN &&
	    d->d_count < d->d_nbuckets / 4; i++)
		join(d);					/* DICT2 */
}

/* Reverse the bits. */
static uint64_t
reverse(uint64_t v)
{
	v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
	v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
	return __builtin_bswap64(v);
}

/*
 * Visit the nodes of one bucket; return the cursor of the next bucket, 0 after
 * the last.  fn may free or remove the node that it gets, and no other.
 */
uint64_t
kv_dict_scan(const struct kv_dict *d, uint64_t cursor, kv_visit_t fn,
    void *arg)
{
	struct kv_node *n, *next;
	uint32_t b, mask;

	if (d->d_nbuckets == 0)
		return 0;
	mask = (2u << log2_floor(d->d_nbuckets)) - 1;
	b = (uint32_t)cursor & mask;
	if (b >= d->d_nbuckets) {
		mask >>= 1;
		b &= mask;
	} else if ((b & mask >> 1) == b &&
	    b + (mask >> 1) + 1 >= d->d_nbuckets) {
		mask >>= 1;		/* this bucket is not split yet */
	}
	for (n = *slot(d, b); n != NULL; n = next) {
		next = n->n_next;
		fn(n, arg);
	}
	return reverse(reverse(cursor | ~(uint64_t)mask) + 1);
}

/*
 * Pick a node, each with the same chance: try random places of random buckets
 * until a place has a node.  There are as many places as the longest chain has
 * nodes, or more (DICT4), so every node has one.
 */
struct kv_node *
kv_dict_random(const struct kv_dict *d, uint64_t *rng)
{
	uint32_t places = d->d_longest;
	struct kv_node *n = NULL;

	while (n == NULL && d->d_count > 0) {
		uint64_t r = kv_random_below(rng,
		    (uint64_t)d->d_nbuckets * places);

		n = *slot(d, (uint32_t)(r / places));
		for (r %= places; r > 0 && n != NULL; r--)
			n = n->n_next;
	}
	return n;
}

/*
 * Take up to about max nodes out, from the end, and hand each to fn, which
 * frees it (if fn is NULL, kv_free() does).  Returns the number of buckets and
 * nodes, or 0 if the table was empty; it owns no memory then.
 */
size_t
kv_dict_drain(struct kv_dict *d, size_t max, kv_visit_t fn, void *arg)
{
	bool empty = d->d_count == 0;
	size_t done = 0;

	while (d->d_nbuckets > 0 && (done < max || d->d_count == 0)) {
		/* The last bucket; of the smallest table, all. */
		uint32_t b = d->d_nbuckets - 1;
		struct kv_node **head = slot(d, b), *n;

		while ((n = *head) != NULL) {
			*head = n->n_next;
			d->d_count--;
			if (fn != NULL)
				fn(n, arg);
			else
				kv_free(n);
			done++;
		}
		done++;
		if (b >= NB_MIN) {
			join(d);
		} else if ((d->d_nbuckets = b) == 0) {
			kv_free(d->d_seg[0]);
			kv_free(d->d_seg);
			d->d_seg = NULL;
		}
	}
	return empty ? 0 : done;
}
